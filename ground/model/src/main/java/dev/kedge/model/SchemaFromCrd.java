package dev.kedge.model;

import dev.kedge.model.Schema.Field;
import dev.kedge.model.Schema.ListType;
import dev.kedge.model.Schema.Rules;
import dev.kedge.model.Schema.Treatment;
import dev.kedge.model.Schema.Type;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.function.Supplier;

/**
 * Makes a {@link Schema} from the structural OpenAPI v3 schema of a CustomResourceDefinition's
 * version ({@code spec.versions[].schema.openAPIV3Schema}). Stateless; any thread.
 */
public final class SchemaFromCrd {
  /** Keywords that have a place of their own in {@link Schema}. */
  private static final Set<String> STRUCTURE =
      Set.of(
          "type",
          "description",
          "properties",
          "items",
          "additionalProperties",
          "default",
          "nullable",
          "enum",
          "format",
          "required",
          "x-kubernetes-preserve-unknown-fields",
          "x-kubernetes-embedded-resource",
          "x-kubernetes-int-or-string",
          "x-kubernetes-list-type",
          "x-kubernetes-list-map-keys",
          "x-kubernetes-map-type");

  private static final Schema TEXT = leaf(Type.STRING);

  private final Schema objectMeta;

  private SchemaFromCrd(Schema objectMeta) {
    this.objectMeta = objectMeta;
  }

  /**
   * The schema of a custom resource's documents.
   *
   * @param openApi the version's {@code openAPIV3Schema}
   * @param objectMeta the built-in schema of {@code ObjectMeta}
   */
  public static Schema of(JsonObject openApi, Schema objectMeta) {
    return new SchemaFromCrd(objectMeta).resource(openApi, "");
  }

  /** An object with the fields every resource has, whatever the schema says about them. */
  private Schema resource(JsonObject openApi, String description) {
    Schema written = object(openApi);
    Map<String, Field> fields = new LinkedHashMap<>();
    fields.put("apiVersion", field("apiVersion", TEXT, false));
    fields.put("kind", field("kind", TEXT, false));
    fields.put("metadata", field("metadata", objectMeta, false));
    written.fields().forEach(fields::putIfAbsent);
    return new Schema(
        "",
        Type.OBJECT,
        description.isEmpty() ? written.description() : description,
        fields,
        Optional.empty(),
        written.treatment(),
        written.rules());
  }

  private Schema schema(JsonObject openApi) {
    if (openApi.flag("x-kubernetes-embedded-resource")) {
      return resource(openApi, openApi.text("description"));
    }
    if (openApi.flag("x-kubernetes-int-or-string")) {
      return simple(openApi, Type.INT_OR_STRING, Optional.empty());
    }
    return switch (openApi.text("type")) {
      case "object" ->
          openApi.get("additionalProperties").isPresent() && openApi.object("properties").isEmpty()
              ? map(openApi)
              : object(openApi);
      case "array" -> {
        Schema item = schema(openApi.object("items"));
        yield simple(openApi, Type.LIST, Optional.of(() -> item));
      }
      case "string" -> simple(openApi, Type.STRING, Optional.empty());
      case "boolean" -> simple(openApi, Type.BOOLEAN, Optional.empty());
      case "integer" -> simple(openApi, Type.INTEGER, Optional.empty());
      case "number" -> simple(openApi, Type.NUMBER, Optional.empty());
      default ->
          openApi.object("properties").isEmpty()
              ? simple(openApi, Type.ANY, Optional.empty())
              : object(openApi);
    };
  }

  private Schema map(JsonObject openApi) {
    JsonValue values = openApi.get("additionalProperties").orElse(JsonNull.NULL);
    if (values == JsonBoolean.FALSE) {
      return object(openApi);
    }
    Schema item =
        values instanceof JsonObject object
            ? schema(object)
            : simple(JsonObject.EMPTY, Type.ANY, Optional.empty());
    return simple(openApi, Type.MAP, Optional.of(() -> item));
  }

  private Schema object(JsonObject openApi) {
    Set<String> required = Set.copyOf(openApi.strings("required"));
    Map<String, Field> fields = new LinkedHashMap<>();
    openApi
        .object("properties")
        .forEach(
            (name, value) -> {
              JsonObject property = value instanceof JsonObject object ? object : JsonObject.EMPTY;
              Schema schema = schema(property);
              fields.put(
                  name,
                  new Field(
                      name,
                      0,
                      () -> schema,
                      property.text("description"),
                      required.contains(name),
                      property.get("default"),
                      schema.treatment()));
            });
    return new Schema(
        "",
        Type.OBJECT,
        openApi.text("description"),
        fields,
        Optional.empty(),
        treatment(openApi),
        rules(openApi));
  }

  private static Schema simple(JsonObject openApi, Type type, Optional<Supplier<Schema>> items) {
    return new Schema(
        "", type, openApi.text("description"), Map.of(), items, treatment(openApi), rules(openApi));
  }

  private static Treatment treatment(JsonObject openApi) {
    ListType listType =
        switch (openApi.text("x-kubernetes-list-type")) {
          case "set" -> ListType.SET;
          case "map" -> ListType.MAP;
          default -> ListType.ATOMIC;
        };
    List<String> keys = openApi.strings("x-kubernetes-list-map-keys");
    boolean atomic = openApi.text("x-kubernetes-map-type").equals("atomic");
    return listType == ListType.ATOMIC && !atomic
        ? Treatment.DEFAULT
        : new Treatment(listType, keys, atomic, Set.of(), "");
  }

  private static Rules rules(JsonObject openApi) {
    JsonObject.Builder rest = JsonObject.builder();
    openApi.forEach(
        (name, value) -> {
          if (!STRUCTURE.contains(name)) {
            rest.put(name, value);
          }
        });
    return new Rules(
        openApi.flag("nullable"),
        openApi.flag("x-kubernetes-preserve-unknown-fields"),
        openApi.flag("x-kubernetes-embedded-resource"),
        openApi.text("format"),
        openApi.array("enum").items(),
        rest.build());
  }

  private static Field field(String name, Schema schema, boolean required) {
    return new Field(name, 0, () -> schema, "", required, Optional.empty(), schema.treatment());
  }

  private static Schema leaf(Type type) {
    return new Schema("", type, "", Map.of(), Optional.empty(), Treatment.DEFAULT, Rules.NONE);
  }
}
