package dev.kedge.registry;

import dev.kedge.cel.CelType;
import dev.kedge.cel.Declaration;
import dev.kedge.cel.Declaration.ListKind;
import dev.kedge.cel.Names;
import dev.kedge.model.JsonObject;
import dev.kedge.model.JsonString;
import dev.kedge.model.JsonValue;
import dev.kedge.model.Schema;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import org.jspecify.annotations.Nullable;

/**
 * What expressions may know about values of a structural OpenAPI schema: types, and sizes from
 * which costs are estimated, by the rules of apiserver's {@code cel/common/schemas.go}. Stateless.
 */
final class SchemaDeclarations {
  private static final long LARGEST_REQUEST = 3L * 1024 * 1024;
  private static final Declaration TEXT = Declaration.of(CelType.STRING, LARGEST_REQUEST - 2, 2);

  private SchemaDeclarations() {}

  /**
   * The declaration of a schema's values; null if expressions cannot see them, because the schema
   * says too little.
   *
   * @param resource whether the values are objects with kind, apiVersion and metadata
   */
  static @Nullable Declaration of(JsonObject schema, boolean resource) {
    if (schema.flag("x-kubernetes-int-or-string")) {
      return Declaration.of(
          CelType.DYN,
          schema.has("maxLength") ? 4 * most(schema, "maxLength") : LARGEST_REQUEST - 2,
          1);
    }
    return switch (resource ? "object" : schema.text("type")) {
      case "array" -> list(schema);
      case "object" ->
          !resource
                  && schema.get("additionalProperties").isPresent()
                  && schema.object("properties").isEmpty()
              ? map(schema)
              : struct(schema, resource);
      case "string" -> text(schema);
      case "boolean" -> Declaration.of(CelType.BOOL, 0, 4);
      case "number" -> Declaration.of(CelType.DOUBLE, 0, 1);
      case "integer" -> Declaration.of(CelType.INT, 0, 1);
      default -> null;
    };
  }

  /** What is known of a resource's objects, built-in or custom; sizes are not. */
  static Declaration of(Schema schema) {
    return of(schema, Set.of());
  }

  /**
   * @param within names of the definitions around, so that recursive ones come to an end
   */
  private static Declaration of(Schema schema, Set<String> within) {
    return switch (schema.type()) {
      case OBJECT -> {
        if (schema.rules().preserveUnknown() || within.contains(schema.name())) {
          yield Declaration.DYN;
        }
        Set<String> inner = new HashSet<>(within);
        if (!schema.name().isEmpty()) {
          inner.add(schema.name());
        }
        Map<String, Declaration> fields = new HashMap<>();
        schema
            .fields()
            .forEach(
                (name, field) ->
                    Names.escape(name)
                        .ifPresent(
                            escaped -> fields.put(escaped, of(field.schema().get(), inner))));
        yield fields.isEmpty() ? Declaration.DYN : Declaration.struct("object", fields, 2);
      }
      case MAP -> Declaration.map(of(schema.item(), within), Long.MAX_VALUE);
      case LIST ->
          Declaration.list(of(schema.item(), within), Long.MAX_VALUE, ListKind.ATOMIC, List.of());
      case STRING, QUANTITY, DURATION -> Declaration.of(CelType.STRING, Long.MAX_VALUE, 2);
      case BOOLEAN -> Declaration.of(CelType.BOOL, 0, 4);
      case INTEGER -> Declaration.of(CelType.INT, 0, 1);
      case NUMBER -> Declaration.of(CelType.DOUBLE, 0, 1);
      case BYTES -> Declaration.of(CelType.BYTES, Long.MAX_VALUE, 2);
      case TIME, MICRO_TIME -> Declaration.of(CelType.TIMESTAMP, 32, 21);
      case INT_OR_STRING, FIELDS_V1, RAW_EXTENSION, ANY -> Declaration.DYN;
    };
  }

  private static long most(JsonObject schema, String keyword) {
    return Math.max(0, schema.integer(keyword));
  }

  private static boolean embedded(JsonObject schema) {
    return schema.flag("x-kubernetes-embedded-resource");
  }

  private static @Nullable Declaration list(JsonObject schema) {
    JsonObject items = schema.object("items");
    Declaration item = of(items, embedded(items));
    if (item == null) {
      return null;
    }
    return Declaration.list(
        item,
        schema.has("maxItems")
            ? most(schema, "maxItems")
            : (LARGEST_REQUEST - 2) / (item.minSize() + 1),
        switch (schema.text("x-kubernetes-list-type")) {
          case "set" -> ListKind.SET;
          case "map" -> ListKind.MAP;
          default -> ListKind.ATOMIC;
        },
        schema.strings("x-kubernetes-list-map-keys"));
  }

  private static @Nullable Declaration map(JsonObject schema) {
    JsonObject values = schema.object("additionalProperties");
    Declaration value = of(values, embedded(values));
    return value == null
        ? null
        : Declaration.map(
            value,
            schema.has("maxProperties")
                ? most(schema, "maxProperties")
                : (LARGEST_REQUEST - 2) / (value.minSize() + 6));
  }

  private static Declaration struct(JsonObject schema, boolean resource) {
    Map<String, Declaration> fields = new HashMap<>();
    Set<String> required = Set.copyOf(schema.strings("required"));
    long[] minSize = {2};
    schema
        .object("properties")
        .forEach(
            (name, value) -> {
              JsonObject property = value instanceof JsonObject object ? object : JsonObject.EMPTY;
              Declaration field = of(property, embedded(property));
              if (field == null) {
                return;
              }
              Names.escape(name).ifPresent(escaped -> fields.put(escaped, field));
              if (required.contains(name) && !property.has("default")) {
                minSize[0] += name.length() + field.minSize() + 4;
              }
            });
    if (resource) {
      fields.put("kind", TEXT);
      fields.put("apiVersion", TEXT);
      fields.put(
          "metadata", Declaration.struct("object", Map.of("name", TEXT, "generateName", TEXT), 2));
    }
    return Declaration.struct("object", fields, minSize[0]);
  }

  private static Declaration text(JsonObject schema) {
    boolean limited = schema.has("maxLength");
    return switch (schema.text("format")) {
      case "byte" ->
          Declaration.of(
              CelType.BYTES, limited ? most(schema, "maxLength") : LARGEST_REQUEST - 2, 2);
      case "duration" -> Declaration.of(CelType.DURATION, 32, 3);
      case "date" -> Declaration.of(CelType.TIMESTAMP, 12, 12);
      case "date-time" -> Declaration.of(CelType.TIMESTAMP, 32, 21);
      default ->
          Declaration.of(
              CelType.STRING,
              limited
                  ? 4 * most(schema, "maxLength")
                  : schema.array("enum").isEmpty()
                      ? LARGEST_REQUEST - 2
                      : longest(schema.array("enum").items()),
              2);
    };
  }

  private static long longest(List<JsonValue> values) {
    return values.stream()
        .filter(JsonString.class::isInstance)
        .mapToLong(value -> ((JsonString) value).value().length())
        .max()
        .orElse(0);
  }
}
