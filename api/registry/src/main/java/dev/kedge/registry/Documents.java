package dev.kedge.registry;

import dev.kedge.builtin.BuiltinSchemas;
import dev.kedge.model.ApiException;
import dev.kedge.model.Duplicates;
import dev.kedge.model.GroupVersionKind;
import dev.kedge.model.Json;
import dev.kedge.model.JsonObject;
import dev.kedge.model.JsonString;
import dev.kedge.model.KubeObject;
import dev.kedge.model.ResourceType;
import dev.kedge.model.Schema;
import dev.kedge.model.SchemaDecoder;
import dev.kedge.model.SchemaValidator;
import dev.kedge.model.Status.Cause;
import dev.kedge.registry.Registry.FieldValidation;
import dev.kedge.registry.Registry.WriteOptions;
import java.util.ArrayList;
import java.util.List;

/** Turns what was sent into documents that fit their schema, and checks that they do. Stateless. */
final class Documents {
  private Documents() {}

  /** A document that fits its schema, with the schema's defaults. */
  record Decoded(KubeObject object, List<String> warnings) {}

  /**
   * Decodes a sent object.
   *
   * @throws ApiException 400 if it is of another kind or version, does not fit, or has unknown or
   *     duplicate fields where those are not allowed
   */
  static Decoded decode(ResourceInfo info, JsonObject body, WriteOptions options) {
    ResourceType type = info.type();
    KubeObject object = new KubeObject(body);
    String apiVersion = object.apiVersion().isEmpty() ? type.apiVersion() : object.apiVersion();
    String kind = object.kind().isEmpty() ? type.kind() : object.kind();
    if (!kind.equals(type.kind())) {
      throw ApiException.badRequest(
          kind
              + " in version \""
              + version(apiVersion)
              + "\" cannot be handled as a "
              + type.kind()
              + ": no kind \""
              + kind
              + "\" is served here");
    }
    if (!apiVersion.equals(type.apiVersion())) {
      throw ApiException.badRequest(
          "the API version in the data ("
              + apiVersion
              + ") does not match the expected API version ("
              + type.apiVersion()
              + ")");
    }
    SchemaDecoder.Decoded decoded = fit(info, withKind(type, body), options.duplicates());
    List<String> warnings = new ArrayList<>();
    if (!decoded.faults().isEmpty()) {
      if (options.fieldValidation() == FieldValidation.STRICT) {
        throw SchemaDecoder.strictFault(
            type.groupVersionKind(), decoded.faults(), options.duplicates());
      }
      if (options.fieldValidation() == FieldValidation.WARN) {
        warnings.addAll(decoded.faults());
      }
    }
    return new Decoded(
        new KubeObject(SchemaDecoder.withDefaults(info.schema(), decoded.object())), warnings);
  }

  /**
   * Decodes what a patch made of an object.
   *
   * @throws ApiException 422 as upstream has it if it does not fit
   */
  static Decoded decodePatched(ResourceInfo info, JsonObject patched, WriteOptions options) {
    SchemaDecoder.Decoded decoded;
    try {
      decoded = fit(info, withKind(info.type(), patched), Duplicates.NONE);
    } catch (ApiException e) {
      throw invalidPatch(patched, e.status().message());
    }
    List<String> faults = new ArrayList<>(options.duplicates().sentences());
    faults.addAll(decoded.faults());
    List<String> warnings = new ArrayList<>();
    if (!faults.isEmpty()) {
      if (options.fieldValidation() == FieldValidation.STRICT) {
        throw invalidPatch(patched, SchemaDecoder.strictMessage(faults, options.duplicates()));
      }
      if (options.fieldValidation() == FieldValidation.WARN) {
        warnings.addAll(faults);
      }
    }
    return new Decoded(
        new KubeObject(SchemaDecoder.withDefaults(info.schema(), decoded.object())), warnings);
  }

  /** What an apply made, with defaults. */
  static JsonObject completed(ResourceInfo info, JsonObject applied) {
    return SchemaDecoder.withDefaults(info.schema(), fit(info, applied, Duplicates.NONE).object());
  }

  /** For applies, whose unknown fields the merge itself refuses. */
  static void requireNoDuplicates(WriteOptions options, List<String> warnings) {
    if (options.duplicates().isEmpty()) {
      return;
    }
    if (options.fieldValidation() == FieldValidation.STRICT) {
      throw ApiException.badRequest(
          "error strict decoding YAML: error converting YAML to JSON: "
              + options.duplicates().yamlFault());
    }
    if (options.fieldValidation() == FieldValidation.WARN) {
      warnings.addAll(options.duplicates().sentences());
    }
  }

  private static SchemaDecoder.Decoded fit(
      ResourceInfo info, JsonObject document, Duplicates duplicates) {
    return info.custom()
        ? SchemaDecoder.prune(info.schema(), info.type().groupVersionKind(), document, duplicates)
        : SchemaDecoder.decode(info.schema(), info.type().groupVersionKind(), document, duplicates);
  }

  /** A changed document of a built-in kind that is no resource of its own, with defaults. */
  static JsonObject completed(GroupVersionKind kind, Schema schema, JsonObject changed) {
    return SchemaDecoder.withDefaults(schema, SchemaDecoder.decode(schema, kind, changed).object());
  }

  /** The schema of a built-in kind. */
  static Schema builtin(ResourceType type) {
    return builtin(type.groupVersionKind());
  }

  /** The schema of a built-in kind. */
  static Schema builtin(GroupVersionKind kind) {
    return BuiltinSchemas.ofKind(kind);
  }

  /** The schema of every object's metadata. */
  static Schema objectMeta() {
    return BuiltinSchemas.definition("io.k8s.apimachinery.pkg.apis.meta.v1.ObjectMeta");
  }

  /** Faults of a custom resource by its schema; those of built-in kinds are their strategies'. */
  static List<Cause> validate(ResourceInfo info, KubeObject object) {
    return info.custom() ? SchemaValidator.validate(info.schema(), object.json()) : List.of();
  }

  /** Faults of a changed document by its schema, but for those that it had before. */
  static List<Cause> validateUpdate(ResourceInfo info, KubeObject object, KubeObject old) {
    List<Cause> causes = validate(info, object);
    if (causes.isEmpty()) {
      return causes;
    }
    List<Cause> added = new ArrayList<>(causes);
    added.removeAll(validate(info, old));
    return added;
  }

  private static JsonObject withKind(ResourceType type, JsonObject body) {
    JsonObject full = body;
    if (body.text("kind").isEmpty()) {
      full = full.with("kind", type.kind());
    }
    return body.text("apiVersion").isEmpty() ? full.with("apiVersion", type.apiVersion()) : full;
  }

  private static ApiException invalidPatch(JsonObject patched, String why) {
    return ApiException.invalid(
        "",
        "",
        "",
        List.of(
            new Cause(
                "FieldValueInvalid",
                "Invalid value: " + Json.write(new JsonString(Json.write(patched))) + ": " + why,
                "patch")));
  }

  private static String version(String apiVersion) {
    return apiVersion.substring(apiVersion.indexOf('/') + 1);
  }
}
