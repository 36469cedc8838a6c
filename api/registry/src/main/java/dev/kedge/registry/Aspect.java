package dev.kedge.registry;

import dev.kedge.model.JsonArray;
import dev.kedge.model.JsonObject;
import dev.kedge.model.JsonValue;
import dev.kedge.model.KubeObject;
import dev.kedge.model.Status.Cause;
import java.util.ArrayList;
import java.util.List;

/**
 * Which part of an object a request writes: the object itself or one of its subresources that share
 * its document. Everything outside the part stays as stored.
 */
enum Aspect {
  /** The object; its status is another aspect's where the kind has that subresource. */
  MAIN("") {
    @Override
    KubeObject merge(StoredKind kind, KubeObject proposed, KubeObject old) {
      return kind.hasStatus() ? keep(proposed, old, "status") : proposed;
    }
  },
  STATUS("status") {
    @Override
    KubeObject merge(StoredKind kind, KubeObject proposed, KubeObject old) {
      KubeObject merged = keep(old, proposed, "status");
      if (kind.custom()) {
        return merged.with(
            "metadata", carry(old.metadata(), proposed.metadata(), List.of("managedFields")));
      }
      // As upstream: the status endpoint of built-in kinds lets annotations and finalizers through.
      return merged.with(
          "metadata",
          carry(
              old.metadata(),
              proposed.metadata(),
              kind.type().group().isEmpty()
                  ? CHANGEABLE
                  : List.of("annotations", "finalizers", "managedFields")));
    }
  },
  /** Conditions of a certificate signing request. */
  APPROVAL("approval") {
    @Override
    KubeObject merge(StoredKind kind, KubeObject proposed, KubeObject old) {
      JsonObject status = carry(old.status(), proposed.status(), List.of("conditions"));
      return old.withStatus(status)
          .with("metadata", carry(old.metadata(), proposed.metadata(), CHANGEABLE));
    }
  },
  /** A namespace's {@code spec.finalizers}. */
  FINALIZE("finalize") {
    @Override
    KubeObject merge(StoredKind kind, KubeObject proposed, KubeObject old) {
      return old.with("spec", carry(old.spec(), proposed.spec(), List.of("finalizers")))
          .with("metadata", carry(old.metadata(), proposed.metadata(), CHANGEABLE));
    }
  },
  /** A pod's {@code spec.ephemeralContainers}. */
  EPHEMERAL_CONTAINERS("ephemeralcontainers") {
    @Override
    KubeObject merge(StoredKind kind, KubeObject proposed, KubeObject old) {
      return old.with("spec", carry(old.spec(), proposed.spec(), List.of("ephemeralContainers")))
          .with("metadata", carry(old.metadata(), proposed.metadata(), List.of("managedFields")));
    }
  },
  /** Resources of a pod's containers. */
  RESIZE("resize") {
    @Override
    KubeObject merge(StoredKind kind, KubeObject proposed, KubeObject old) {
      JsonObject spec = carry(old.spec(), proposed.spec(), List.of("resources"));
      for (String list : List.of("containers", "initContainers")) {
        List<JsonValue> containers = new ArrayList<>();
        for (JsonObject container : old.spec().objects(list)) {
          JsonObject resized = container;
          for (JsonObject other : proposed.spec().objects(list)) {
            if (other.text("name").equals(container.text("name"))) {
              resized = carry(container, other, List.of("resources", "resizePolicy"));
            }
          }
          containers.add(resized);
        }
        if (!containers.isEmpty()) {
          spec = spec.with(list, new JsonArray(containers));
        }
      }
      return old.with("spec", spec)
          .with("metadata", carry(old.metadata(), proposed.metadata(), List.of("managedFields")));
    }
  },
  /** A pod's node, set by the server itself on behalf of a scheduler. */
  BINDING("binding") {
    @Override
    KubeObject merge(StoredKind kind, KubeObject proposed, KubeObject old) {
      return proposed;
    }
  };

  private final String subresource;

  Aspect(String subresource) {
    this.subresource = subresource;
  }

  /** The subresource's name; empty for the object. */
  String subresource() {
    return subresource;
  }

  /** What becomes of the stored object when this part of the proposed one is written. */
  abstract KubeObject merge(StoredKind kind, KubeObject proposed, KubeObject old);

  /** Paths that this aspect neither writes nor owns. */
  List<List<String>> reset(StoredKind kind) {
    return switch (this) {
      case MAIN -> kind.hasStatus() ? List.of(List.of("status")) : List.of();
      case STATUS ->
          kind.custom() ? List.of(List.of("spec"), List.of("metadata")) : List.of(List.of("spec"));
      case APPROVAL -> List.of(List.of("spec"), List.of("status", "certificate"));
      case FINALIZE, EPHEMERAL_CONTAINERS, RESIZE -> List.of(List.of("status"));
      case BINDING -> List.of();
    };
  }

  /** Whether a write of this part is judged by the kind's rules for whole objects. */
  boolean validated() {
    return switch (this) {
      case MAIN, EPHEMERAL_CONTAINERS, RESIZE -> true;
      case STATUS, APPROVAL, FINALIZE, BINDING -> false;
    };
  }

  /** Faults of a change of this part. */
  List<Cause> validate(KubeObject object, KubeObject old) {
    if (this != EPHEMERAL_CONTAINERS) {
      return List.of();
    }
    List<Cause> causes = new ArrayList<>();
    List<JsonObject> now = object.spec().objects("ephemeralContainers");
    for (JsonObject container : old.spec().objects("ephemeralContainers")) {
      String name = container.text("name");
      boolean there = now.stream().anyMatch(other -> other.text("name").equals(name));
      if (!now.contains(container)) {
        causes.add(
            new Cause(
                "FieldValueForbidden",
                "Forbidden: existing ephemeral containers \""
                    + name
                    + "\" may not be "
                    + (there ? "changed" : "removed"),
                "spec.ephemeralContainers"));
      }
    }
    return causes;
  }

  private static KubeObject keep(KubeObject object, KubeObject from, String field) {
    return from.json()
        .get(field)
        .map(value -> object.with(field, value))
        .orElseGet(() -> new KubeObject(object.json().without(field)));
  }

  /** What of the metadata a write of a part may change as well. */
  private static final List<String> CHANGEABLE =
      List.of("labels", "annotations", "finalizers", "managedFields");

  private static JsonObject carry(JsonObject into, JsonObject from, List<String> fields) {
    JsonObject result = into;
    for (String field : fields) {
      result =
          from.has(field)
              ? result.with(field, from.get(field).orElseThrow())
              : result.without(field);
    }
    return result;
  }
}
