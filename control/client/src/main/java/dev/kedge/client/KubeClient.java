package dev.kedge.client;

import dev.kedge.model.ApiException;
import dev.kedge.model.FieldFilter;
import dev.kedge.model.JsonObject;
import dev.kedge.model.JsonValue;
import dev.kedge.model.KubeObject;
import dev.kedge.model.ResourceType;
import java.util.List;
import java.util.Optional;
import java.util.Set;

/**
 * A Kubernetes API as its users see it. Controllers, scheduler, node agent and network parts know
 * only this, so each runs in-process or against a remote server. Methods block; any thread.
 *
 * <p>Every failure that the server reports is an {@link ApiException}; a server that cannot be
 * reached is an {@link java.io.UncheckedIOException}. A namespace is the empty string for
 * cluster-scoped resources, and for lists and watches over all namespaces.
 */
public interface KubeClient {
  /**
   * Reads one object.
   *
   * @throws ApiException 404 if it is not there
   */
  KubeObject get(ResourceType type, String namespace, String name);

  /** Reads a subresource such as {@code scale} of an object. */
  KubeObject getSubresource(ResourceType type, String namespace, String name, String subresource);

  /** Reads one object that may not be there. */
  default Optional<KubeObject> find(ResourceType type, String namespace, String name) {
    try {
      return Optional.of(get(type, namespace, name));
    } catch (ApiException e) {
      if (e.isNotFound()) {
        return Optional.empty();
      }
      throw e;
    }
  }

  /** Reads the objects of a namespace, or of all. */
  ObjectList list(ResourceType type, String namespace, Selection selection);

  /**
   * Follows changes after a resource version (empty: the current state first, as ADDED events).
   *
   * @throws ApiException 410 if the resource version is too old
   */
  ObjectWatch watch(
      ResourceType type, String namespace, Selection selection, String resourceVersion);

  /** Creates an object in the namespace that its metadata names. */
  KubeObject create(ResourceType type, KubeObject object);

  /** Replaces an object; its resource version, if set, must be the current one (else 409). */
  KubeObject update(ResourceType type, KubeObject object);

  /** Replaces a subresource such as {@code status} of an object. */
  KubeObject updateSubresource(ResourceType type, KubeObject object, String subresource);

  /** Changes an object by a patch. */
  KubeObject patch(ResourceType type, String namespace, String name, Patch patch);

  /**
   * Deletes an object. Objects with finalizers or a grace period stay until those are done.
   *
   * @throws ApiException 404 if it is not there, 409 if a precondition fails
   */
  void delete(ResourceType type, String namespace, String name, DeleteOptions options);

  /** Posts to a subresource such as {@code binding}, {@code eviction} or {@code token}. */
  KubeObject createSubresource(
      ResourceType type, String namespace, String name, String subresource, KubeObject body);

  /**
   * Which objects a list or watch is about, and what of each. Empty texts select all; Kubernetes'
   * selector syntax.
   *
   * @param part what the reader needs; a client may give more
   */
  record Selection(String labelSelector, String fieldSelector, Part part) {
    public static final Selection ALL = new Selection("", "", Part.WHOLE);

    public static Selection fields(String selector) {
      return new Selection("", selector, Part.WHOLE);
    }

    public static Selection labels(String selector) {
      return new Selection(selector, "", Part.WHOLE);
    }

    /** The same objects, but less of each. */
    public Selection only(Part other) {
      return new Selection(labelSelector, fieldSelector, other);
    }
  }

  /** How much of an object somebody needs. */
  enum Part implements FieldFilter {
    WHOLE {
      @Override
      public boolean wants(String outer, String name) {
        return true;
      }

      @Override
      public JsonObject of(JsonObject object) {
        return object;
      }
    },
    /** All but {@code metadata.managedFields}, which a server keeps when an update lacks them. */
    WITHOUT_MANAGED_FIELDS {
      @Override
      public boolean wants(String outer, String name) {
        return !(name.equals("managedFields") && outer.equals("metadata"));
      }

      @Override
      public JsonObject of(JsonObject object) {
        return object.withoutPath(List.of("metadata", "managedFields"));
      }
    },
    /** Which object it is, who owns it, and how its deletion stands. */
    OWNERSHIP {
      @Override
      public boolean wants(String outer, String name) {
        return outer.isEmpty() ? OUTERMOST.contains(name) : OWNERSHIP_FIELDS.contains(name);
      }
    };

    private static final Set<String> OUTERMOST = Set.of("apiVersion", "kind", "metadata");
    private static final Set<String> OWNERSHIP_FIELDS =
        Set.of(
            "name",
            "namespace",
            "uid",
            "resourceVersion",
            "ownerReferences",
            "finalizers",
            "deletionTimestamp");
  }

  /** Objects as of a resource version. */
  record ObjectList(List<KubeObject> items, String resourceVersion) {
    public ObjectList {
      items = List.copyOf(items);
    }
  }

  /** The media types of a patch. */
  enum PatchType {
    JSON("application/json-patch+json"),
    MERGE("application/merge-patch+json"),
    STRATEGIC("application/strategic-merge-patch+json"),
    APPLY("application/apply-patch+yaml");

    private final String mediaType;

    PatchType(String mediaType) {
      this.mediaType = mediaType;
    }

    public String mediaType() {
      return mediaType;
    }
  }

  /**
   * A patch.
   *
   * @param subresource {@code status}, {@code scale}, or empty for the object itself
   * @param fieldManager who owns the fields; required for {@link PatchType#APPLY}
   * @param force whether an apply takes fields over from other managers
   */
  record Patch(
      PatchType type, JsonValue body, String subresource, String fieldManager, boolean force) {
    /** A merge patch on the object itself. */
    public static Patch merge(JsonObject body) {
      return new Patch(PatchType.MERGE, body, "", "", false);
    }

    /** A merge patch on the status. */
    public static Patch mergeStatus(JsonObject status) {
      return new Patch(PatchType.MERGE, JsonObject.of("status", status), "status", "", false);
    }
  }

  /**
   * How to delete.
   *
   * @param gracePeriodSeconds empty: the kind's default
   * @param propagationPolicy Background, Foreground, Orphan; empty: the kind's default
   * @param uid precondition, empty for none
   * @param resourceVersion precondition, empty for none
   */
  record DeleteOptions(
      Optional<Long> gracePeriodSeconds,
      String propagationPolicy,
      String uid,
      String resourceVersion) {
    public static final DeleteOptions DEFAULT = new DeleteOptions(Optional.empty(), "", "", "");

    public static DeleteOptions background() {
      return new DeleteOptions(Optional.empty(), "Background", "", "");
    }

    public DeleteOptions withUid(String uid) {
      return new DeleteOptions(gracePeriodSeconds, propagationPolicy, uid, resourceVersion);
    }

    public DeleteOptions withGracePeriodSeconds(long seconds) {
      return new DeleteOptions(Optional.of(seconds), propagationPolicy, uid, resourceVersion);
    }
  }
}
