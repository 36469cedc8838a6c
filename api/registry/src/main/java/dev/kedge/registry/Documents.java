package dev.kedge.registry;

import dev.kedge.builtin.BuiltinSchemas;
import dev.kedge.model.ApiException;
import dev.kedge.model.Duplicates;
import dev.kedge.model.GroupVersionKind;
import dev.kedge.model.Json;
import dev.kedge.model.JsonObject;
import dev.kedge.model.JsonString;
import dev.kedge.model.JsonValue;
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
import java.util.Set;
import java.util.function.Function;

/** Turns what was sent into documents that fit their schema, and checks that they do. Stateless. */
final class Documents {
  private static final Set<String> BLOCKING =
      Set.of(
          "FieldValueNotSupported",
          "FieldValueRequired",
          "FieldValueTooLong",
          "FieldValueTooMany",
          "FieldValueTypeInvalid");

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
   * Decodes what a JSON or merge patch made of an object.
   *
   * @throws ApiException 422 as upstream has it if it does not fit
   */
  static Decoded decodePatched(ResourceInfo info, JsonObject patched, WriteOptions options) {
    return decodePatched(info, patched, options, why -> invalidPatch(Json.write(patched), why));
  }

  /**
   * Decodes what a strategic patch made of an object. Upstream takes another way there, without
   * text between, and speaks of the patch alone.
   *
   * @throws ApiException 422 as upstream has it if it does not fit
   */
  static Decoded decodeMerged(
      ResourceInfo info, JsonObject patched, JsonValue patch, WriteOptions options) {
    return decodePatched(
        info, patched, options, why -> invalidPatch(GoText.of(patch), GoText.converted(why)));
  }

  private static Decoded decodePatched(
      ResourceInfo info,
      JsonObject patched,
      WriteOptions options,
      Function<String, ApiException> refusal) {
    SchemaDecoder.Decoded decoded;
    try {
      decoded = fit(info, withKind(info.type(), patched), Duplicates.NONE);
    } catch (ApiException e) {
      throw refusal.apply(e.status().message());
    }
    List<String> faults = new ArrayList<>(options.duplicates().sentences());
    faults.addAll(decoded.faults());
    List<String> warnings = new ArrayList<>();
    if (!faults.isEmpty()) {
      if (options.fieldValidation() == FieldValidation.STRICT) {
        throw refusal.apply(SchemaDecoder.strictMessage(faults, options.duplicates()));
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

  /** Faults of a new document by its schema and the schema's rules. */
  static List<Cause> validateNew(Served served, KubeObject stored, List<String> warnings) {
    if (!served.info().custom()) {
      return List.of();
    }
    KubeObject object = served.validated(stored);
    List<Cause> causes =
        new ArrayList<>(SchemaValidator.validate(served.info().schema(), object.json()));
    if (!served.rules().isEmpty() && !blocked(causes)) {
      causes.addAll(served.rules().validate(object.json(), null, warnings));
    }
    return causes;
  }

  /** Faults of a changed document, but for those of what did not change. */
  static List<Cause> validateUpdate(
      Served served, KubeObject stored, KubeObject oldStored, List<String> warnings) {
    if (!served.info().custom()) {
      return List.of();
    }
    KubeObject object = served.validated(stored);
    KubeObject old = served.validated(oldStored);
    List<Cause> causes =
        new ArrayList<>(
            SchemaValidator.validateUpdate(served.info().schema(), object.json(), old.json()));
    if (!served.rules().isEmpty() && !blocked(causes)) {
      causes.addAll(served.rules().validate(object.json(), old.json(), warnings));
    }
    return causes;
  }

  /** Rules are not asked about what is not even of the right shape. */
  private static boolean blocked(List<Cause> causes) {
    boolean blocked = causes.stream().anyMatch(cause -> BLOCKING.contains(cause.reason()));
    if (blocked) {
      causes.add(
          new Cause(
              "FieldValueInvalid",
              "Invalid value: null: some validation rules were not checked because the object was"
                  + " invalid; correct the existing errors to complete validation",
              "<nil>"));
    }
    return blocked;
  }

  private static JsonObject withKind(ResourceType type, JsonObject body) {
    JsonObject full = body;
    if (body.text("kind").isEmpty()) {
      full = full.with("kind", type.kind());
    }
    return body.text("apiVersion").isEmpty() ? full.with("apiVersion", type.apiVersion()) : full;
  }

  private static ApiException invalidPatch(String value, String why) {
    return ApiException.invalid(
        "",
        "",
        "",
        List.of(
            new Cause(
                "FieldValueInvalid",
                "Invalid value: " + Json.write(new JsonString(value)) + ": " + why,
                "patch")));
  }

  private static String version(String apiVersion) {
    return apiVersion.substring(apiVersion.indexOf('/') + 1);
  }
}
