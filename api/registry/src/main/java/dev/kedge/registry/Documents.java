package dev.kedge.registry;

import dev.kedge.builtin.BuiltinSchemas;
import dev.kedge.model.ApiException;
import dev.kedge.model.Json;
import dev.kedge.model.JsonArray;
import dev.kedge.model.JsonNull;
import dev.kedge.model.JsonObject;
import dev.kedge.model.JsonString;
import dev.kedge.model.JsonValue;
import dev.kedge.model.KubeObject;
import dev.kedge.model.ResourceType;
import dev.kedge.model.Schema;
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
    JsonObject full = withKind(type, body);
    List<String> unknown = new ArrayList<>();
    JsonObject fitting;
    try {
      fitting = fit(info.schema(), full, unknown);
    } catch (Misfit e) {
      throw ApiException.badRequest(cannotBeHandled(type, e.getMessage()));
    }
    List<String> faults = faults(unknown, options.duplicateFields());
    List<String> warnings = new ArrayList<>();
    if (!faults.isEmpty()) {
      if (options.fieldValidation() == FieldValidation.STRICT) {
        throw ApiException.badRequest(
            cannotBeHandled(type, "strict decoding error: " + String.join(", ", faults)));
      }
      if (options.fieldValidation() == FieldValidation.WARN) {
        warnings.addAll(faults);
      }
    }
    return new Decoded(new KubeObject(defaulted(info.schema(), fitting)), warnings);
  }

  /**
   * Decodes what a patch made of an object.
   *
   * @throws ApiException 422 as upstream has it if it does not fit
   */
  static Decoded decodePatched(ResourceInfo info, JsonObject patched, WriteOptions options) {
    List<String> unknown = new ArrayList<>();
    JsonObject fitting;
    try {
      fitting = fit(info.schema(), withKind(info.type(), patched), unknown);
    } catch (Misfit e) {
      throw invalidPatch(patched, String.valueOf(e.getMessage()));
    }
    List<String> faults = faults(unknown, options.duplicateFields());
    List<String> warnings = new ArrayList<>();
    if (!faults.isEmpty()) {
      if (options.fieldValidation() == FieldValidation.STRICT) {
        throw invalidPatch(patched, "strict decoding error: " + String.join(", ", faults));
      }
      if (options.fieldValidation() == FieldValidation.WARN) {
        warnings.addAll(faults);
      }
    }
    return new Decoded(new KubeObject(defaulted(info.schema(), fitting)), warnings);
  }

  /** What an apply made, with defaults. */
  static JsonObject completed(ResourceInfo info, JsonObject applied) {
    try {
      return defaulted(info.schema(), fit(info.schema(), applied, new ArrayList<>()));
    } catch (Misfit e) {
      throw ApiException.badRequest(cannotBeHandled(info.type(), e.getMessage()));
    }
  }

  /** For applies, whose unknown fields the merge itself refuses. */
  static void requireNoDuplicates(WriteOptions options, List<String> warnings) {
    List<String> faults = faults(List.of(), options.duplicateFields());
    if (faults.isEmpty()) {
      return;
    }
    if (options.fieldValidation() == FieldValidation.STRICT) {
      throw ApiException.badRequest("error strict decoding YAML: " + String.join(", ", faults));
    }
    if (options.fieldValidation() == FieldValidation.WARN) {
      warnings.addAll(faults);
    }
  }

  /** The schema of a built-in kind. */
  static Schema builtin(ResourceType type) {
    return BuiltinSchemas.ofKind(type.groupVersionKind());
  }

  /** Faults of a document by its schema. */
  static List<Cause> validate(StoredKind kind, KubeObject object) {
    return List.of();
  }

  /** Faults of a changed document by its schema. */
  static List<Cause> validateUpdate(StoredKind kind, KubeObject object, KubeObject old) {
    return List.of();
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

  private static String cannotBeHandled(
      ResourceType type, @org.jspecify.annotations.Nullable String why) {
    return type.kind()
        + " in version \""
        + type.version()
        + "\" cannot be handled as a "
        + type.kind()
        + ": "
        + why;
  }

  private static String version(String apiVersion) {
    return apiVersion.substring(apiVersion.indexOf('/') + 1);
  }

  private static List<String> faults(List<String> unknown, List<String> duplicates) {
    List<String> faults = new ArrayList<>();
    unknown.forEach(field -> faults.add("unknown field \"" + field + "\""));
    duplicates.forEach(field -> faults.add("duplicate field \"" + field + "\""));
    return faults;
  }

  private static final class Misfit extends Exception {
    Misfit(String message) {
      super(message, null, false, false);
    }
  }

  private static JsonObject fit(Schema schema, JsonObject object, List<String> unknown)
      throws Misfit {
    return (JsonObject) fit(schema, object, "", unknown);
  }

  private static JsonValue fit(Schema schema, JsonValue value, String path, List<String> unknown)
      throws Misfit {
    switch (schema.type()) {
      case OBJECT -> {
        if (!(value instanceof JsonObject object)) {
          throw new Misfit(
              "json: cannot unmarshal " + value.typeName() + " into Go struct field " + path);
        }
        JsonObject.Builder fitting = JsonObject.builder();
        for (int i = 0; i < object.size(); i++) {
          String name = object.nameAt(i);
          String at = path.isEmpty() ? name : path + "." + name;
          var field = schema.field(name);
          if (field.isPresent()) {
            if (object.valueAt(i) != JsonNull.NULL) {
              fitting.put(name, fit(field.get().schema().get(), object.valueAt(i), at, unknown));
            }
          } else {
            unknown.add(at);
          }
        }
        return fitting.build();
      }
      case MAP -> {
        if (!(value instanceof JsonObject object)) {
          throw new Misfit(
              "json: cannot unmarshal " + value.typeName() + " into Go struct field " + path);
        }
        JsonObject.Builder fitting = JsonObject.builder();
        for (int i = 0; i < object.size(); i++) {
          fitting.put(
              object.nameAt(i),
              fit(schema.item(), object.valueAt(i), path + "." + object.nameAt(i), unknown));
        }
        return fitting.build();
      }
      case LIST -> {
        if (!(value instanceof JsonArray array)) {
          throw new Misfit(
              "json: cannot unmarshal " + value.typeName() + " into Go struct field " + path);
        }
        List<JsonValue> items = new ArrayList<>();
        for (int i = 0; i < array.size(); i++) {
          items.add(fit(schema.item(), array.items().get(i), path + "[" + i + "]", unknown));
        }
        return new JsonArray(items);
      }
      case STRING -> {
        if (!(value instanceof JsonString)) {
          throw new Misfit(
              "json: cannot unmarshal "
                  + value.typeName()
                  + " into Go struct field "
                  + path
                  + " of type string");
        }
        return value;
      }
      default -> {
        return value;
      }
    }
  }

  private static JsonObject defaulted(Schema schema, JsonObject object) {
    return (JsonObject) defaulted(schema, (JsonValue) object);
  }

  private static JsonValue defaulted(Schema schema, JsonValue value) {
    return switch (value) {
      case JsonObject object when schema.type() == Schema.Type.OBJECT -> {
        JsonObject result = object;
        for (Schema.Field field : schema.fields().values()) {
          if (object.has(field.name())) {
            JsonValue child = object.get(field.name()).orElseThrow();
            JsonValue changed = defaulted(field.schema().get(), child);
            if (changed != child) {
              result = result.with(field.name(), changed);
            }
          } else if (field.defaultValue().isPresent()) {
            result = result.with(field.name(), field.defaultValue().get());
          }
        }
        yield result;
      }
      case JsonObject object when schema.type() == Schema.Type.MAP -> {
        JsonObject result = object;
        for (String name : object.names()) {
          result = result.with(name, defaulted(schema.item(), object.get(name).orElseThrow()));
        }
        yield result;
      }
      case JsonArray array when schema.type() == Schema.Type.LIST ->
          new JsonArray(
              array.items().stream().map(item -> defaulted(schema.item(), item)).toList());
      default -> value;
    };
  }
}
