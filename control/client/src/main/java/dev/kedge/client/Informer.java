package dev.kedge.client;

import dev.kedge.model.KubeObject;
import dev.kedge.model.ObjectKey;
import java.time.Duration;
import java.util.Collection;
import java.util.List;
import java.util.Optional;
import java.util.function.BooleanSupplier;

/**
 * A live local view of one resource (or of what a selection leaves of it). Lists, then watches, and
 * heals itself for ever. Reads never block once {@link #awaitSynced} has returned; any thread.
 */
public interface Informer {
  /** The object of a key. */
  Optional<KubeObject> get(ObjectKey key);

  /** The object of a namespace (empty if cluster-scoped) and name. */
  default Optional<KubeObject> get(String namespace, String name) {
    return get(new ObjectKey(namespace, name));
  }

  /** All objects, in no order. */
  Collection<KubeObject> all();

  /** The objects of one namespace. */
  Collection<KubeObject> inNamespace(String namespace);

  /** The objects whose controller owner has this uid; empty: those without a controller. */
  List<KubeObject> controlledBy(String ownerUid);

  /**
   * Adds a listener, told first (from the calling thread) of every object already there. Changes
   * are told in order, one at a time, from the informer's own thread; a listener must return
   * quickly: put a key into a queue.
   */
  void listen(Listener listener);

  /** Waits until the first list is complete. */
  void awaitSynced() throws InterruptedException;

  /** Whether {@link #awaitSynced} would return at once. */
  boolean synced();

  /**
   * Waits until a condition on this view holds; it is asked again after every change. For a
   * reconciler that must see its own writes before it decides again.
   *
   * @return whether it held in time
   */
  boolean await(Duration atMost, BooleanSupplier condition) throws InterruptedException;

  /** The resource version up to which this view is complete; empty before the first list. */
  String resourceVersion();

  /** Hears of changes. */
  @FunctionalInterface
  interface Listener {
    /**
     * An object changed.
     *
     * @param before empty when it is new
     * @param after empty when it is gone
     */
    void changed(Optional<KubeObject> before, Optional<KubeObject> after);
  }
}
