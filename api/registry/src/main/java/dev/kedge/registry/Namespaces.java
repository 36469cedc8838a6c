package dev.kedge.registry;

import dev.kedge.model.JsonArray;
import dev.kedge.model.JsonObject;
import dev.kedge.model.JsonString;
import dev.kedge.model.JsonValue;
import dev.kedge.model.KubeObject;
import java.util.ArrayList;
import java.util.List;

/** What every namespace has: a finalizer of its own, a phase, and its name as a label. */
final class Namespaces implements WriteHook {
  private static final String NAME_LABEL = "kubernetes.io/metadata.name";

  @Override
  public KubeObject beforeCreate(
      StoredKind kind, KubeObject namespace, boolean dryRun, Rollback rollback) {
    if (!isNamespace(kind)) {
      return namespace;
    }
    List<JsonValue> finalizers = new ArrayList<>(namespace.spec().array("finalizers").items());
    if (!finalizers.contains(new JsonString("kubernetes"))) {
      finalizers.add(new JsonString("kubernetes"));
    }
    return named(namespace)
        .with("spec", namespace.spec().with("finalizers", new JsonArray(finalizers)))
        .withStatus(JsonObject.of("phase", "Active"));
  }

  @Override
  public KubeObject beforeUpdate(
      StoredKind kind, KubeObject namespace, KubeObject old, Aspect aspect, Rollback rollback) {
    if (!isNamespace(kind)) {
      return namespace;
    }
    // Finalizers of the spec change through the finalize subresource only.
    return aspect == Aspect.MAIN ? named(namespace).with("spec", old.spec()) : named(namespace);
  }

  private static boolean isNamespace(StoredKind kind) {
    return kind.type().groupResource().equals("namespaces");
  }

  private static KubeObject named(KubeObject namespace) {
    return namespace.withPath(List.of("metadata", "labels", NAME_LABEL), namespace.name());
  }
}
