package dev.kedge.registry;

import dev.kedge.model.KubeObject;
import dev.kedge.model.Status.Cause;
import java.util.List;

/**
 * What schemas cannot say about a kind. The engine has decoded, pruned and defaulted the object
 * from its schema before it asks; it sets metadata (uid, times, generation, managed fields) itself.
 * Every method has a default, so a kind overrides only what it needs. Stateless; any thread.
 *
 * <pre>
 * create: decode → schema defaults → {@link #applyDefaults} → admission → {@link #prepareForCreate} → {@link #validate} → store
 * update: decode → schema defaults → {@link #applyDefaults} → {@link #prepareForUpdate} → admission → {@link #validateUpdate} → store
 * </pre>
 */
public interface Strategy {
  /** A kind that its schema describes in full. */
  Strategy PLAIN = new Strategy() {};

  /** Defaults that depend on other fields, such as {@code imagePullPolicy} on the image's tag. */
  default KubeObject applyDefaults(KubeObject object) {
    return object;
  }

  /**
   * Drops what a creator may not set (the status, of kinds that have it as a subresource) and fills
   * in initial values.
   */
  default KubeObject prepareForCreate(KubeObject object) {
    return object;
  }

  /**
   * Carries over what an update may not change. The status of kinds with that subresource is kept
   * by the engine.
   */
  default KubeObject prepareForUpdate(KubeObject object, KubeObject old) {
    return object;
  }

  /** Every fault of an object, new or changed, beyond its schema. */
  default List<Cause> validate(KubeObject object) {
    return List.of();
  }

  /**
   * Every fault of a change; called with objects that have passed {@link #validate}'s rules too.
   */
  default List<Cause> validateUpdate(KubeObject object, KubeObject old) {
    return List.of();
  }

  /** Things the sender should know but that do not stop the request. */
  default List<String> warnings(KubeObject object) {
    return List.of();
  }

  /** Seconds until an object that is asked to go must be gone; 0 means at once. */
  default long gracePeriodSeconds(KubeObject object) {
    return 0;
  }
}
