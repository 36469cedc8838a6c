package dev.kedge.registry;

import dev.kedge.model.JsonArray;
import dev.kedge.model.JsonNull;
import dev.kedge.model.JsonObject;
import dev.kedge.model.JsonString;
import dev.kedge.model.JsonValue;
import dev.kedge.model.KubeObject;
import dev.kedge.model.Names;
import dev.kedge.model.Times;
import java.security.SecureRandom;
import java.time.Instant;
import java.util.ArrayList;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Set;
import java.util.UUID;

/** The part of {@code metadata} that the server writes, and the order everything is stored in. */
final class Metadata {
  /** Upstream's order, so that documents read as people know them. */
  private static final List<String> ORDER =
      List.of(
          "name",
          "generateName",
          "namespace",
          "uid",
          "generation",
          "creationTimestamp",
          "deletionTimestamp",
          "deletionGracePeriodSeconds",
          "labels",
          "annotations",
          "ownerReferences",
          "finalizers",
          "managedFields");

  /** Fields of a stored object that no update changes. */
  private static final List<String> KEPT =
      List.of(
          "name",
          "generateName",
          "namespace",
          "uid",
          "generation",
          "creationTimestamp",
          "deletionTimestamp",
          "deletionGracePeriodSeconds");

  private static final List<String> SERVER_SET =
      List.of(
          "uid",
          "resourceVersion",
          "generation",
          "selfLink",
          "creationTimestamp",
          "deletionTimestamp",
          "deletionGracePeriodSeconds");

  private static final int LONGEST_GENERATED_BASE = 58;
  private static final SecureRandom RANDOM = new SecureRandom();

  private Metadata() {}

  /** A name made of {@code generateName} and five random letters. */
  static String generated(String generateName) {
    String base =
        generateName.length() > LONGEST_GENERATED_BASE
            ? generateName.substring(0, LONGEST_GENERATED_BASE)
            : generateName;
    return base + suffix();
  }

  /** Five letters that spell no words. */
  static String suffix() {
    return Names.suffix(RANDOM);
  }

  /** Without what the server sets, whatever the sender wrote there. */
  static KubeObject withoutServerSet(KubeObject object) {
    JsonObject metadata = object.metadata();
    for (String name : SERVER_SET) {
      metadata = metadata.without(name);
    }
    return object.with("metadata", metadata);
  }

  /** With uid, creation time and first generation. */
  static KubeObject forCreate(KubeObject object, boolean generation, Instant now) {
    JsonObject metadata =
        withoutServerSet(object)
            .metadata()
            .with("uid", UUID.randomUUID().toString())
            .with("creationTimestamp", Times.text(now));
    if (generation) {
      metadata = metadata.with("generation", 1);
    }
    return object.with("metadata", metadata);
  }

  /** With everything an update may not change as the stored object has it. */
  static KubeObject forUpdate(KubeObject object, KubeObject old) {
    JsonObject metadata = object.metadata().without("resourceVersion").without("selfLink");
    for (String name : KEPT) {
      metadata =
          old.metadata().get(name).isPresent()
              ? metadata.with(name, old.metadata().get(name).orElse(JsonNull.NULL))
              : metadata.without(name);
    }
    return object.with("metadata", metadata);
  }

  /** The same document with the given generation. */
  static KubeObject withGeneration(KubeObject object, long generation) {
    return object.withMetadata("generation", generation);
  }

  /** As it is stored: kind, apiVersion, metadata in upstream's order, then the rest; no version. */
  static KubeObject ordered(KubeObject object) {
    JsonObject metadata = object.metadata();
    JsonObject.Builder sorted = JsonObject.builder();
    for (String name : ORDER) {
      metadata.get(name).ifPresent(value -> sorted.putNonEmpty(name, value));
    }
    metadata.forEach(
        (name, value) -> {
          if (!ORDER.contains(name)
              && !name.equals("resourceVersion")
              && !name.equals("selfLink")) {
            sorted.putNonEmpty(name, value);
          }
        });
    JsonObject.Builder all =
        JsonObject.builder()
            .put("kind", object.kind())
            .put("apiVersion", object.apiVersion())
            .put("metadata", sorted.build());
    object
        .json()
        .forEach(
            (name, value) -> {
              if (!name.equals("kind") && !name.equals("apiVersion") && !name.equals("metadata")) {
                all.put(name, value);
              }
            });
    return new KubeObject(all.build());
  }

  /** Everything but the resource version. */
  static KubeObject withoutVersion(KubeObject object) {
    return new KubeObject(object.json().withoutPath(List.of("metadata", "resourceVersion")));
  }

  /**
   * Drops owner references that stand twice.
   *
   * @param warnings receives a sentence if there were any
   */
  static KubeObject withoutDoubleOwners(KubeObject object, List<String> warnings) {
    JsonArray owners = object.metadata().array("ownerReferences");
    Set<JsonValue> distinct = new LinkedHashSet<>(owners.items());
    if (distinct.size() == owners.size()) {
      return object;
    }
    warnings.add(
        ".metadata.ownerReferences contains duplicate entries, API server dedups owner references"
            + " in 1.20+, and may reject such requests as early as 1.24; please fix your requests");
    return object.withMetadata("ownerReferences", new JsonArray(new ArrayList<>(distinct)));
  }

  /** With another list of finalizers. */
  static KubeObject withFinalizers(KubeObject object, List<String> finalizers) {
    JsonObject metadata =
        finalizers.isEmpty()
            ? object.metadata().without("finalizers")
            : object
                .metadata()
                .with(
                    "finalizers",
                    JsonArray.copyOf(
                        finalizers.stream()
                            .map(text -> (JsonValue) new JsonString(text))
                            .toList()));
    return object.with("metadata", metadata);
  }
}
