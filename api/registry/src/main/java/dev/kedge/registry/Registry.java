package dev.kedge.registry;

import dev.kedge.identity.User;
import dev.kedge.model.ApiException;
import dev.kedge.model.Duplicates;
import dev.kedge.model.JsonObject;
import dev.kedge.model.JsonValue;
import java.time.Duration;
import java.util.List;
import java.util.Map;
import java.util.Optional;

/**
 * What API requests mean, apart from HTTP: one engine for every kind, built-in or custom. The HTTP
 * server and the in-process client are its two callers. Authentication and authorisation of the
 * request itself happened before; methods block; any thread.
 *
 * <p>Every failure a sender can act on is an {@link ApiException}.
 */
public interface Registry {
  /** What is served now. */
  Catalog catalog();

  /** How many objects are stored, by group and plural; for the operator. */
  Map<ResourceGroup, Long> counts();

  /** Reads one object or subresource. */
  ServedObject get(Request request, GetOptions options);

  /** Reads a page of a collection. */
  ServedList list(Request request, ListOptions options);

  /** Follows a collection. */
  ServedWatch watch(Request request, WatchOptions options);

  /** Creates an object, or posts to a creating subresource (binding, eviction, token). */
  Written create(Request request, JsonObject body, WriteOptions options);

  /** Replaces an object or subresource. */
  Written update(Request request, JsonObject body, WriteOptions options);

  /** Patches an object or subresource; an apply may create the object. */
  Written patch(Request request, PatchType type, JsonValue patch, WriteOptions options);

  /** Deletes an object, at once or by stages. */
  Deleted delete(Request request, DeleteOptions options);

  /**
   * Asks whether somebody may connect through an object: exec, attach, port-forward, proxy.
   *
   * @param options the connection's options, such as a {@code v1 PodExecOptions}
   * @return warnings
   */
  List<String> connect(Request request, JsonObject options);

  /** Deletes what a list with these options would show; returns what was deleted. */
  ServedList deleteCollection(Request request, ListOptions list, DeleteOptions delete);

  /** A resource apart from its versions; the core group's name is empty. */
  record ResourceGroup(String group, String plural) {}

  /**
   * A request's target and sender.
   *
   * @param namespace empty for cluster-scoped resources and for collections over all namespaces
   * @param name empty for collections
   * @param subresource empty for the object itself
   */
  record Request(
      ResourceInfo resource, String namespace, String name, String subresource, User user) {}

  /** Media types of a patch. */
  enum PatchType {
    JSON,
    MERGE,
    STRATEGIC,
    APPLY
  }

  /** How strictly unknown and duplicate fields are taken. */
  enum FieldValidation {
    STRICT,
    WARN,
    IGNORE
  }

  /**
   * Options of reading one object.
   *
   * @param resourceVersion empty: the most recent; 0: any; else not older than
   */
  record GetOptions(String resourceVersion) {
    public static final GetOptions LATEST = new GetOptions("");
  }

  /**
   * Options of a list; texts are as in the query, empty where absent.
   *
   * @param limit 0 means all
   */
  record ListOptions(
      String labelSelector,
      String fieldSelector,
      String resourceVersion,
      String resourceVersionMatch,
      long limit,
      String continueToken) {
    public static final ListOptions ALL = new ListOptions("", "", "", "", 0, "");
  }

  /** Options of a watch; texts are as in the query, empty where absent. */
  record WatchOptions(
      String labelSelector,
      String fieldSelector,
      String resourceVersion,
      String resourceVersionMatch,
      boolean allowBookmarks,
      Optional<Boolean> sendInitialEvents) {}

  /**
   * Options of a write.
   *
   * @param fieldManager who owns the written fields; empty means derived from the user agent by the
   *     caller, so the registry never sees it empty
   * @param force for apply: take fields over from other managers
   * @param duplicates what stood twice in the sent text
   */
  record WriteOptions(
      String fieldManager,
      boolean force,
      boolean dryRun,
      FieldValidation fieldValidation,
      Duplicates duplicates) {
    /** A plain write by a field manager. */
    public static WriteOptions by(String fieldManager) {
      return new WriteOptions(fieldManager, false, false, FieldValidation.IGNORE, Duplicates.NONE);
    }
  }

  /** Options of a deletion; texts are empty where absent. */
  record DeleteOptions(
      Optional<Long> gracePeriodSeconds,
      String propagationPolicy,
      Optional<Boolean> orphanDependents,
      String uid,
      String resourceVersion,
      boolean dryRun) {
    public static final DeleteOptions DEFAULT =
        new DeleteOptions(Optional.empty(), "", Optional.empty(), "", "", false);
  }

  /**
   * Outcome of a write.
   *
   * @param created whether the object is new (201 instead of 200)
   * @param warnings for {@code Warning} headers
   */
  record Written(ServedObject object, boolean created, List<String> warnings) {
    public Written {
      warnings = List.copyOf(warnings);
    }
  }

  /**
   * Outcome of a deletion.
   *
   * @param object the object's last state, or its state while deletion is under way
   * @param finished whether it is gone
   * @param warnings for {@code Warning} headers
   */
  record Deleted(ServedObject object, boolean finished, List<String> warnings) {
    public Deleted {
      warnings = List.copyOf(warnings);
    }
  }

  /**
   * A page of objects.
   *
   * @param remaining -1 where unknown
   */
  record ServedList(
      List<ServedObject> items, String resourceVersion, String continueToken, long remaining) {
    public ServedList {
      items = List.copyOf(items);
    }
  }

  /** A running watch. One reader; {@code close} from any thread. */
  interface ServedWatch extends AutoCloseable {
    /**
     * Waits for events and takes all that are there; empty when none came in time.
     *
     * @throws ApiException 410 when the watcher fell behind; the watch is over then
     */
    List<WatchEvent> take(Duration atMost) throws InterruptedException;

    /** Whether the watch has ended, for instance because its resource is no longer served. */
    boolean ended();

    @Override
    void close();
  }

  /**
   * One event of a watch; a BOOKMARK's object carries kind, apiVersion and resource version only.
   */
  record WatchEvent(Type type, ServedObject object) {
    /** As on the wire. */
    public enum Type {
      ADDED,
      MODIFIED,
      DELETED,
      BOOKMARK
    }
  }
}
