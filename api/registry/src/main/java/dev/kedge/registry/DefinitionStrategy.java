package dev.kedge.registry;

import dev.kedge.model.FieldFault;
import dev.kedge.model.Json;
import dev.kedge.model.JsonObject;
import dev.kedge.model.JsonString;
import dev.kedge.model.JsonValue;
import dev.kedge.model.KubeObject;
import dev.kedge.model.Names;
import dev.kedge.model.Status.Cause;
import dev.kedge.registry.kinds.WebhookClientConfig;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Locale;
import java.util.Set;

/** CustomResourceDefinitions: their defaults and what they must fulfil, schemas included. */
final class DefinitionStrategy implements Strategy {
  private static final Set<String> TYPES =
      Set.of("object", "array", "string", "integer", "number", "boolean");

  @Override
  public KubeObject applyDefaults(KubeObject definition) {
    return CustomResources.withDefaults(definition);
  }

  @Override
  public List<Cause> validate(KubeObject definition) {
    List<Cause> causes = new ArrayList<>();
    JsonObject spec = definition.spec();
    JsonObject names = spec.object("names");
    String group = spec.text("group");
    String plural = names.text("plural");
    if (!definition.name().equals(plural + "." + group)) {
      causes.add(
          invalid(
              "metadata.name", definition.name(), "must be spec.names.plural+\".\"+spec.group"));
    }
    if (group.isEmpty()) {
      causes.add(required("spec.group", ""));
    } else {
      Names.subdomain(group).forEach(fault -> causes.add(invalid("spec.group", group, fault)));
      if (!group.contains(".")) {
        causes.add(invalid("spec.group", group, "should be a domain with at least one dot"));
      }
      boolean reserved =
          group.equals("k8s.io")
              || group.endsWith(".k8s.io")
              || group.equals("kubernetes.io")
              || group.endsWith(".kubernetes.io");
      if (reserved && definition.annotation("api-approved.kubernetes.io").isEmpty()) {
        causes.add(
            required(
                "metadata.annotations[api-approved.kubernetes.io]",
                "protected groups must have approval annotation \"api-approved.kubernetes.io\","
                    + " see https://github.com/kubernetes/enhancements/pull/1111"));
      }
    }
    String scope = spec.text("scope");
    if (scope.isEmpty()) {
      causes.add(required("spec.scope", ""));
    } else if (!scope.equals("Cluster") && !scope.equals("Namespaced")) {
      causes.add(notSupported("spec.scope", scope, "\"Cluster\", \"Namespaced\""));
    }
    names(names, causes);
    versions(spec, causes);
    conversion(spec.object("conversion"), causes);
    return causes;
  }

  /** The fields as upstream's messages name them, which is not where they stand. */
  private static void conversion(JsonObject conversion, List<Cause> causes) {
    String strategy = conversion.text("strategy");
    String clientConfig = "spec.conversion.webhookClientConfig";
    String reviewVersions = "spec.conversion.conversionReviewVersions";
    JsonObject webhook = conversion.object("webhook");
    List<String> versions = webhook.strings("conversionReviewVersions");
    if (!strategy.equals("Webhook")) {
      if (!strategy.equals("None")) {
        causes.add(notSupported("spec.conversion.strategy", strategy, "\"None\", \"Webhook\""));
      }
      if (webhook.has("clientConfig")) {
        causes.add(
            FieldFault.forbidden(
                clientConfig, "should not be set when strategy is not set to Webhook"));
      }
      if (!versions.isEmpty()) {
        causes.add(
            FieldFault.forbidden(
                reviewVersions, "should not be set when strategy is not set to Webhook"));
      }
      return;
    }
    if (webhook.has("clientConfig")) {
      causes.addAll(WebhookClientConfig.faults(clientConfig, webhook.object("clientConfig")));
    } else {
      causes.add(required(clientConfig, "required when strategy is set to Webhook"));
    }
    if (versions.isEmpty()) {
      causes.add(required(reviewVersions, ""));
      return;
    }
    Set<String> seen = new HashSet<>();
    for (int i = 0; i < versions.size(); i++) {
      String at = reviewVersions + "[" + i + "]";
      String version = versions.get(i);
      if (!seen.add(version)) {
        causes.add(invalid(at, version, "duplicate version"));
        continue;
      }
      Names.label1035(version).forEach(fault -> causes.add(invalid(at, version, fault)));
    }
    if (!versions.contains("v1") && !versions.contains("v1beta1")) {
      causes.add(
          FieldFault.invalid(reviewVersions, versions, "must include at least one of v1, v1beta1"));
    }
  }

  private static void names(JsonObject names, List<Cause> causes) {
    for (String field : List.of("plural", "singular", "kind", "listKind")) {
      String name = names.text(field);
      if (name.isEmpty()) {
        causes.add(required("spec.names." + field, ""));
      } else {
        Names.label1035(name.toLowerCase(Locale.ROOT))
            .forEach(
                fault ->
                    causes.add(
                        invalid(
                            "spec.names." + field,
                            name,
                            field.toLowerCase(Locale.ROOT).endsWith("kind")
                                ? "may have mixed case, but should otherwise match: " + fault
                                : fault)));
        if (!field.toLowerCase(Locale.ROOT).endsWith("kind")
            && !name.equals(name.toLowerCase(Locale.ROOT))) {
          Names.label1035(name)
              .forEach(fault -> causes.add(invalid("spec.names." + field, name, fault)));
        }
      }
    }
    List<String> shortNames = names.strings("shortNames");
    for (int i = 0; i < shortNames.size(); i++) {
      String field = "spec.names.shortNames[" + i + "]";
      String name = shortNames.get(i);
      Names.label1035(name).forEach(fault -> causes.add(invalid(field, name, fault)));
    }
    if (!names.text("kind").isEmpty() && names.text("kind").equals(names.text("listKind"))) {
      causes.add(
          invalid(
              "spec.names.listKind",
              names.text("listKind"),
              "kind and listKind may not be the same"));
    }
  }

  private static void versions(JsonObject spec, List<Cause> causes) {
    List<JsonObject> versions = spec.objects("versions");
    Set<String> seen = new HashSet<>();
    int storage = 0;
    for (int i = 0; i < versions.size(); i++) {
      JsonObject version = versions.get(i);
      String field = "spec.versions[" + i + "]";
      String name = version.text("name");
      Names.label1035(name).forEach(fault -> causes.add(invalid(field + ".name", name, fault)));
      if (!seen.add(name)) {
        causes.add(
            new Cause(
                "FieldValueInvalid",
                "Invalid value: " + spec.array("versions") + ": must contain unique version names",
                "spec.versions"));
      }
      if (version.flag("storage")) {
        storage++;
      }
      String at = field + ".schema.openAPIV3Schema";
      JsonObject schema = version.object("schema", "openAPIV3Schema");
      if (!version.object("schema").has("openAPIV3Schema")) {
        causes.add(required(at, "schemas are required"));
      } else {
        if (!schema.text("type").equals("object")) {
          causes.add(
              schema.text("type").isEmpty()
                  ? required(at + ".type", "must not be empty at the root")
                  : invalid(at + ".type", schema.text("type"), "must be object at the root"));
        }
        int before = causes.size();
        structural(schema, at, true, causes);
        if (causes.size() == before) {
          causes.addAll(DefinitionRules.faults(schema, at));
        }
      }
      columns(version, field, causes);
      subresources(version, field, causes);
    }
    if (versions.isEmpty() || storage != 1) {
      causes.add(
          new Cause(
              "FieldValueInvalid",
              "Invalid value: "
                  + Json.write(spec.array("versions"))
                  + ": must have exactly one version marked as storage version",
              "spec.versions"));
    }
  }

  private static void columns(JsonObject version, String field, List<Cause> causes) {
    List<JsonObject> columns = version.objects("additionalPrinterColumns");
    for (int i = 0; i < columns.size(); i++) {
      String at = field + ".additionalPrinterColumns[" + i + "]";
      for (String name : List.of("name", "type", "jsonPath")) {
        if (columns.get(i).text(name).isEmpty()) {
          causes.add(required(at + "." + name, ""));
        }
      }
      String type = columns.get(i).text("type");
      if (!type.isEmpty()
          && !Set.of("integer", "number", "string", "boolean", "date").contains(type)) {
        causes.add(
            invalid(at + ".type", type, "must be one of boolean,date,integer,number,string"));
      }
    }
  }

  private static void subresources(JsonObject version, String field, List<Cause> causes) {
    JsonObject scale = version.object("subresources", "scale");
    if (!version.object("subresources").has("scale")) {
      return;
    }
    String at = field + ".subresources.scale";
    path(scale.text("specReplicasPath"), ".spec.", at + ".specReplicasPath", true, causes);
    path(scale.text("statusReplicasPath"), ".status.", at + ".statusReplicasPath", true, causes);
    path(scale.text("labelSelectorPath"), ".", at + ".labelSelectorPath", false, causes);
  }

  private static void path(
      String path, String prefix, String field, boolean required, List<Cause> causes) {
    if (path.isEmpty()) {
      if (required) {
        causes.add(required(field, ""));
      }
    } else if (!path.startsWith(prefix)) {
      causes.add(
          invalid(
              field,
              path,
              "should be a json path under " + prefix.substring(0, prefix.length() - 1)));
    }
  }

  /** Upstream's structural schema: every value's type is known without looking at the value. */
  private static void structural(
      JsonObject schema, String field, boolean root, List<Cause> causes) {
    String type = schema.text("type");
    boolean free =
        schema.flag("x-kubernetes-int-or-string")
            || schema.flag("x-kubernetes-preserve-unknown-fields");
    if (!root && type.isEmpty() && !free) {
      causes.add(required(field + ".type", "must not be empty for specified object fields"));
    }
    if (!type.isEmpty() && !TYPES.contains(type)) {
      causes.add(
          notSupported(
              field + ".type",
              type,
              "\"array\", \"boolean\", \"integer\", \"number\", \"object\", \"string\""));
    }
    if (schema.has("$ref")) {
      causes.add(
          new Cause("FieldValueForbidden", "Forbidden: $ref is not supported", field + ".$ref"));
    }
    if (type.equals("array") && !schema.has("items")) {
      causes.add(required(field + ".items", "must be specified"));
    }
    if (schema.flag("uniqueItems")) {
      causes.add(
          new Cause(
              "FieldValueForbidden",
              "Forbidden: uniqueItems cannot be set to true since the runtime complexity becomes"
                  + " quadratic",
              field + ".uniqueItems"));
    }
    boolean additional =
        schema.get("additionalProperties").orElse(JsonObject.EMPTY) instanceof JsonObject extra
            && !extra.isEmpty();
    if (additional && !schema.object("properties").isEmpty()) {
      causes.add(
          new Cause(
              "FieldValueForbidden",
              "Forbidden: additionalProperties and properties are mutual exclusive",
              field + ".additionalProperties"));
    }
    if (schema.get("additionalProperties").orElse(JsonObject.EMPTY)
        == dev.kedge.model.JsonBoolean.FALSE) {
      causes.add(
          new Cause(
              "FieldValueForbidden",
              "Forbidden: additionalProperties cannot be set to false",
              field + ".additionalProperties"));
    }
    schema
        .object("properties")
        .forEach(
            (name, value) -> {
              if (value instanceof JsonObject property && !(root && name.equals("metadata"))) {
                structural(property, field + ".properties[" + name + "]", false, causes);
              }
            });
    if (schema.get("items").orElse(JsonObject.EMPTY) instanceof JsonObject items
        && schema.has("items")) {
      structural(items, field + ".items", false, causes);
    }
    if (additional) {
      structural(
          schema.object("additionalProperties"), field + ".additionalProperties", false, causes);
    }
  }

  @Override
  public List<Cause> validateUpdate(KubeObject definition, KubeObject old) {
    List<Cause> causes = new ArrayList<>();
    JsonObject spec = definition.spec();
    for (List<String> path :
        List.of(
            List.of("group"),
            List.of("scope"),
            List.of("names", "kind"),
            List.of("names", "plural"))) {
      String[] at = path.toArray(String[]::new);
      if (!spec.text(at).equals(old.spec().text(at))) {
        causes.add(invalid("spec." + String.join(".", path), spec.text(at), "field is immutable"));
      }
    }
    Set<String> names = new HashSet<>();
    spec.objects("versions").forEach(version -> names.add(version.text("name")));
    List<String> stored = old.status().strings("storedVersions");
    for (int i = 0; i < stored.size(); i++) {
      String version = stored.get(i);
      if (!names.contains(version)) {
        causes.add(
            invalid(
                "status.storedVersions[" + i + "]",
                version,
                "missing from spec.versions; "
                    + version
                    + " was previously a storage version, and must remain in spec.versions until a"
                    + " storage migration ensures no data remains persisted in "
                    + version
                    + " and removes "
                    + version
                    + " from status.storedVersions"));
      }
    }
    return causes;
  }

  private static Cause invalid(String field, String value, String why) {
    return new Cause(
        "FieldValueInvalid", "Invalid value: " + Json.write(text(value)) + ": " + why, field);
  }

  private static JsonValue text(String value) {
    return new JsonString(value);
  }

  private static Cause required(String field, String detail) {
    return new Cause(
        "FieldValueRequired", "Required value" + (detail.isEmpty() ? "" : ": " + detail), field);
  }

  private static Cause notSupported(String field, String value, String supported) {
    return new Cause(
        "FieldValueNotSupported",
        "Unsupported value: " + Json.write(text(value)) + ": supported values: " + supported,
        field);
  }
}
