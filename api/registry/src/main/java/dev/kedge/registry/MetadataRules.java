package dev.kedge.registry;

import dev.kedge.model.Json;
import dev.kedge.model.JsonObject;
import dev.kedge.model.JsonString;
import dev.kedge.model.KubeObject;
import dev.kedge.model.Names;
import dev.kedge.model.Status.Cause;
import java.util.ArrayList;
import java.util.List;
import java.util.Set;

/** What every object's metadata must fulfil, in upstream's words. Stateless. */
final class MetadataRules {
  private static final int MOST_ANNOTATIONS = 256 * 1024;
  private static final Set<String> KNOWN_FINALIZERS =
      Set.of("kubernetes", "orphan", "foregroundDeletion");

  /** Groups whose objects may have any qualified name as finalizer, as custom resources may. */
  private static final Set<String> ANY_FINALIZER =
      Set.of(
          "admissionregistration.k8s.io",
          "apiextensions.k8s.io",
          "apiregistration.k8s.io",
          "coordination.k8s.io",
          "node.k8s.io");

  /** Kinds whose names only have to fit a path. */
  private static final Set<String> PATH_NAMES =
      Set.of(
          "roles.rbac.authorization.k8s.io",
          "rolebindings.rbac.authorization.k8s.io",
          "clusterroles.rbac.authorization.k8s.io",
          "clusterrolebindings.rbac.authorization.k8s.io",
          "apiservices.apiregistration.k8s.io",
          "certificatesigningrequests.certificates.k8s.io",
          "ipaddresses.networking.k8s.io",
          "clustertrustbundles.certificates.k8s.io");

  private MetadataRules() {}

  /** Faults of a new object's metadata. */
  static List<Cause> validate(StoredKind kind, KubeObject object) {
    List<Cause> causes = new ArrayList<>();
    JsonObject metadata = object.metadata();
    String generateName = metadata.text("generateName");
    if (!generateName.isEmpty()) {
      // The part a name is made of must be one itself, but for a dash at its end.
      String base =
          generateName.endsWith("-")
              ? generateName.substring(0, generateName.length() - 1) + "a"
              : generateName;
      names(kind, base)
          .forEach(fault -> causes.add(invalid("metadata.generateName", generateName, fault)));
    }
    String name = object.name();
    if (name.isEmpty()) {
      causes.add(
          new Cause(
              "FieldValueRequired",
              "Required value: name or generateName is required",
              "metadata.name"));
    } else {
      names(kind, name).forEach(fault -> causes.add(invalid("metadata.name", name, fault)));
    }
    if (kind.type().namespaced()) {
      if (object.namespace().isEmpty()) {
        causes.add(new Cause("FieldValueRequired", "Required value", "metadata.namespace"));
      } else {
        Names.label(object.namespace())
            .forEach(fault -> causes.add(invalid("metadata.namespace", object.namespace(), fault)));
      }
    }
    causes.addAll(common(kind, object));
    return causes;
  }

  /** Faults of a changed object's metadata. */
  static List<Cause> validateUpdate(StoredKind kind, KubeObject object, KubeObject old) {
    List<Cause> causes = new ArrayList<>(common(kind, object));
    if (old.deleting()) {
      List<String> added = new ArrayList<>(object.finalizers());
      added.removeAll(old.finalizers());
      if (!added.isEmpty()) {
        causes.add(
            new Cause(
                "FieldValueForbidden",
                "Forbidden: no new finalizers can be added if the object is being deleted, found"
                    + " new finalizers []string{"
                    + String.join(", ", added.stream().map(MetadataRules::quoted).toList())
                    + "}",
                "metadata.finalizers"));
      }
    }
    return causes;
  }

  private static List<Cause> common(StoredKind kind, KubeObject object) {
    List<Cause> causes = new ArrayList<>();
    JsonObject metadata = object.metadata();
    metadata
        .object("labels")
        .forEach(
            (key, value) -> {
              Names.qualified(key)
                  .forEach(fault -> causes.add(invalid("metadata.labels", key, fault)));
              String text = value instanceof JsonString string ? string.value() : "";
              Names.labelValue(text)
                  .forEach(fault -> causes.add(invalid("metadata.labels", text, fault)));
            });
    long size = 0;
    JsonObject annotations = metadata.object("annotations");
    for (String key : annotations.names()) {
      Names.qualified(key.toLowerCase(java.util.Locale.ROOT))
          .forEach(fault -> causes.add(invalid("metadata.annotations", key, fault)));
      size += key.length() + annotations.text(key).length();
    }
    if (size > MOST_ANNOTATIONS) {
      causes.add(
          new Cause(
              "FieldValueTooLong",
              "Too long: may not be more than " + MOST_ANNOTATIONS + " bytes",
              "metadata.annotations"));
    }
    owners(metadata.objects("ownerReferences"), causes);
    boolean anyFinalizer = kind.custom() || ANY_FINALIZER.contains(kind.type().group());
    List<String> finalizers = object.finalizers();
    for (int i = 0; i < finalizers.size(); i++) {
      String finalizer = finalizers.get(i);
      String field = "metadata.finalizers[" + i + "]";
      List<String> faults = Names.qualified(finalizer);
      faults.forEach(fault -> causes.add(invalid("metadata.finalizers", finalizer, fault)));
      if (faults.isEmpty() && !anyFinalizer && !isOwned(finalizer)) {
        causes.add(
            invalid(
                field,
                finalizer,
                "name is neither a standard finalizer name nor is it fully qualified"));
      }
    }
    if (finalizers.contains("orphan") && finalizers.contains("foregroundDeletion")) {
      causes.add(
          invalid(
              "metadata.finalizers",
              String.join(",", finalizers),
              "finalizer orphan and foregroundDeletion cannot be both set"));
    }
    return causes;
  }

  /** Whether a finalizer says whose it is, or is one of Kubernetes' own. */
  private static boolean isOwned(String finalizer) {
    return finalizer.contains("/") || KNOWN_FINALIZERS.contains(finalizer);
  }

  /**
   * What should be otherwise in a custom resource's metadata, but stops nobody.
   *
   * @param before the finalizers it had
   */
  static List<String> warnings(StoredKind kind, KubeObject object, List<String> before) {
    if (!kind.custom()) {
      return List.of();
    }
    return object.finalizers().stream()
        .filter(finalizer -> !before.contains(finalizer) && !isOwned(finalizer))
        .distinct()
        .sorted()
        .map(
            finalizer ->
                "metadata.finalizers: "
                    + quoted(finalizer)
                    + ": prefer a domain-qualified finalizer name "
                    + (finalizer.contains(".") ? "including a path (/) " : "")
                    + "to avoid accidental conflicts with other finalizer writers")
        .toList();
  }

  private static void owners(List<JsonObject> owners, List<Cause> causes) {
    int controllers = 0;
    for (int i = 0; i < owners.size(); i++) {
      JsonObject owner = owners.get(i);
      String field = "metadata.ownerReferences[" + i + "]";
      if (owner.text("apiVersion").isEmpty()) {
        causes.add(invalid(field + ".apiVersion", "", "version must not be empty"));
      }
      for (String name : List.of("kind", "name", "uid")) {
        if (owner.text(name).isEmpty()) {
          causes.add(invalid(field + "." + name, "", "must not be empty"));
        }
      }
      if (owner.flag("controller")) {
        controllers++;
      }
    }
    if (controllers > 1) {
      causes.add(
          new Cause(
              "FieldValueInvalid",
              "Invalid value: "
                  + Json.write(dev.kedge.model.JsonValue.of(owners))
                  + ": Only one reference can have Controller set to true",
              "metadata.ownerReferences"));
    }
  }

  private static List<String> names(StoredKind kind, String name) {
    String resource = kind.type().groupResource();
    if (PATH_NAMES.contains(resource)) {
      return Names.pathSegment(name);
    }
    return switch (resource) {
      case "namespaces" -> Names.label(name);
      case "services" -> Names.label1035(name);
      default -> Names.subdomain(name);
    };
  }

  private static Cause invalid(String field, String value, String why) {
    return new Cause("FieldValueInvalid", "Invalid value: " + quoted(value) + ": " + why, field);
  }

  private static String quoted(String text) {
    return Json.write(new JsonString(text));
  }
}
