package dev.kedge.builtin;

import dev.kedge.model.Json;
import dev.kedge.model.JsonArray;
import dev.kedge.model.JsonBoolean;
import dev.kedge.model.JsonDecimal;
import dev.kedge.model.JsonInteger;
import dev.kedge.model.JsonObject;
import dev.kedge.model.JsonString;
import dev.kedge.model.JsonValue;
import java.io.ByteArrayOutputStream;
import java.nio.charset.StandardCharsets;
import java.util.List;
import java.util.Map;
import java.util.function.BiConsumer;

/**
 * The v2 document as the protobuf that kubectl and client-go ask for: messages and field numbers of
 * gnostic's {@code openapi.v2.Document}. What that form has no field for is left out; extensions
 * travel as YAML text, for which JSON serves. Stateless; any thread.
 */
final class OpenApiProtobuf {
  private static final Map<String, Integer> SCHEMA_TEXTS =
      Map.of("$ref", 1, "format", 2, "title", 3, "description", 4, "pattern", 13);
  private static final Map<String, Integer> SCHEMA_NUMBERS =
      Map.of("multipleOf", 6, "maximum", 7, "minimum", 9);
  private static final Map<String, Integer> SCHEMA_FLAGS =
      Map.of("exclusiveMaximum", 8, "exclusiveMinimum", 10, "uniqueItems", 16);
  private static final Map<String, Integer> SCHEMA_COUNTS =
      Map.of(
          "maxLength", 11,
          "minLength", 12,
          "maxItems", 14,
          "minItems", 15,
          "maxProperties", 17,
          "minProperties", 18);
  private static final List<String> METHODS =
      List.of("get", "put", "post", "delete", "options", "head", "patch");

  private OpenApiProtobuf() {}

  static byte[] encode(JsonObject document) {
    Message out = new Message();
    out.text(1, document.text("swagger"));
    out.message(2, document.object("info"), OpenApiProtobuf::info);
    out.message(8, document.object("paths"), named(2, OpenApiProtobuf::pathItem));
    out.message(9, document.object("definitions"), named(1, OpenApiProtobuf::schema));
    for (JsonObject requirement : document.objects("security")) {
      out.message(12, requirement, OpenApiProtobuf::requirement);
    }
    out.message(
        13, document.object("securityDefinitions"), named(1, OpenApiProtobuf::securityDefinition));
    return out.bytes();
  }

  /** A map as pairs of name and value, in a repeated field of the given number. */
  private static BiConsumer<Message, JsonObject> named(
      int number, BiConsumer<Message, JsonObject> value) {
    return (out, map) ->
        map.forEach(
            (name, item) -> {
              Message pair = new Message();
              pair.text(1, name);
              pair.message(2, item instanceof JsonObject object ? object : JsonObject.EMPTY, value);
              out.bytes(number, pair.bytes());
            });
  }

  private static void info(Message out, JsonObject info) {
    out.text(1, info.text("title"));
    out.text(2, info.text("version"));
    out.text(3, info.text("description"));
  }

  private static void requirement(Message out, JsonObject requirement) {
    requirement.forEach(
        (name, scopes) -> {
          Message pair = new Message();
          pair.text(1, name);
          Message list = new Message();
          if (scopes instanceof JsonArray array) {
            array.strings().forEach(scope -> list.text(1, scope));
          }
          pair.bytes(2, list.bytes());
          out.bytes(1, pair.bytes());
        });
  }

  private static void securityDefinition(Message out, JsonObject definition) {
    out.message(
        2,
        definition,
        (key, json) -> {
          key.text(1, json.text("type"));
          key.text(2, json.text("name"));
          key.text(3, json.text("in"));
          key.text(4, json.text("description"));
        });
  }

  private static void pathItem(Message out, JsonObject item) {
    for (int i = 0; i < METHODS.size(); i++) {
      if (item.has(METHODS.get(i))) {
        out.message(i + 2, item.object(METHODS.get(i)), OpenApiProtobuf::operation);
      }
    }
    item.objects("parameters").forEach(one -> out.message(9, one, OpenApiProtobuf::parameter));
    extensions(out, 10, item);
  }

  private static void operation(Message out, JsonObject operation) {
    operation.strings("tags").forEach(tag -> out.text(1, tag));
    out.text(2, operation.text("summary"));
    out.text(3, operation.text("description"));
    out.text(5, operation.text("operationId"));
    operation.strings("produces").forEach(type -> out.text(6, type));
    operation.strings("consumes").forEach(type -> out.text(7, type));
    operation.objects("parameters").forEach(one -> out.message(8, one, OpenApiProtobuf::parameter));
    out.message(9, operation.object("responses"), named(1, OpenApiProtobuf::responseValue));
    operation.strings("schemes").forEach(scheme -> out.text(10, scheme));
    extensions(out, 13, operation);
  }

  private static void responseValue(Message out, JsonObject response) {
    out.message(
        1,
        response,
        (inner, json) -> {
          inner.text(1, json.text("description"));
          if (json.has("schema")) {
            inner.message(
                2,
                json.object("schema"),
                (item, schema) -> item.message(1, schema, OpenApiProtobuf::schema));
          }
        });
  }

  /** A parameter, wrapped as the form has it: of the body, or of query or path. */
  private static void parameter(Message out, JsonObject json) {
    Message parameter = new Message();
    if (json.text("in").equals("body")) {
      parameter.message(
          1,
          json,
          (body, one) -> {
            body.text(1, one.text("description"));
            body.text(2, one.text("name"));
            body.text(3, one.text("in"));
            body.flag(4, one.flag("required"));
            body.message(5, one.object("schema"), OpenApiProtobuf::schema);
          });
    } else {
      boolean query = json.text("in").equals("query");
      Message other = new Message();
      other.message(
          query ? 3 : 4,
          json,
          (one, fields) -> {
            one.flag(1, fields.flag("required"));
            one.text(2, fields.text("in"));
            one.text(3, fields.text("description"));
            one.text(4, fields.text("name"));
            // The query's message has one field more before the type than the path's.
            one.text(query ? 6 : 5, fields.text("type"));
            one.flag(query ? 20 : 19, fields.flag("uniqueItems"));
          });
      parameter.bytes(2, other.bytes());
    }
    out.bytes(1, parameter.bytes());
  }

  private static void schema(Message out, JsonObject schema) {
    schema.forEach((name, value) -> keyword(out, schema, name, value));
    extensions(out, 31, schema);
  }

  private static void keyword(Message out, JsonObject schema, String name, JsonValue value) {
    if (SCHEMA_TEXTS.containsKey(name)) {
      out.text(SCHEMA_TEXTS.getOrDefault(name, 0), schema.text(name));
    } else if (SCHEMA_NUMBERS.containsKey(name)) {
      out.real(SCHEMA_NUMBERS.getOrDefault(name, 0), value);
    } else if (SCHEMA_FLAGS.containsKey(name)) {
      out.flag(SCHEMA_FLAGS.getOrDefault(name, 0), schema.flag(name));
    } else if (SCHEMA_COUNTS.containsKey(name)) {
      out.varint(SCHEMA_COUNTS.getOrDefault(name, 0), schema.integer(name));
    } else {
      switch (name) {
        case "default" -> out.bytes(5, any(value));
        case "required" -> schema.strings(name).forEach(field -> out.text(19, field));
        case "enum" -> schema.array(name).items().forEach(one -> out.bytes(20, any(one)));
        case "additionalProperties" -> {
          Message item = new Message();
          if (value instanceof JsonObject object) {
            item.message(1, object, OpenApiProtobuf::schema);
          } else {
            item.flag(2, value == JsonBoolean.TRUE);
          }
          out.bytes(21, item.bytes());
        }
        case "type" -> {
          Message type = new Message();
          type.text(1, schema.text(name));
          out.bytes(22, type.bytes());
        }
        case "items" ->
            out.message(
                23,
                schema.object(name),
                (items, one) -> items.message(1, one, OpenApiProtobuf::schema));
        case "allOf" ->
            schema.objects(name).forEach(one -> out.message(24, one, OpenApiProtobuf::schema));
        case "properties" ->
            out.message(25, schema.object(name), named(1, OpenApiProtobuf::schema));
        default -> {}
      }
    }
  }

  private static void extensions(Message out, int number, JsonObject object) {
    object.forEach(
        (name, value) -> {
          if (name.startsWith("x-")) {
            Message pair = new Message();
            pair.text(1, name);
            pair.bytes(2, any(value));
            out.bytes(number, pair.bytes());
          }
        });
  }

  private static byte[] any(JsonValue value) {
    Message any = new Message();
    any.text(2, value instanceof JsonString text ? Json.write(text) : value.toString());
    return any.bytes();
  }

  /** A message while it is written; zero values are left out, as proto3 does. */
  private static final class Message {
    private final ByteArrayOutputStream out = new ByteArrayOutputStream();

    byte[] bytes() {
      return out.toByteArray();
    }

    void text(int number, String text) {
      if (!text.isEmpty()) {
        bytes(number, text.getBytes(StandardCharsets.UTF_8));
      }
    }

    void bytes(int number, byte[] bytes) {
      raw((long) number << 3 | 2);
      raw(bytes.length);
      out.writeBytes(bytes);
    }

    void message(int number, JsonObject json, BiConsumer<Message, JsonObject> writer) {
      Message inner = new Message();
      writer.accept(inner, json);
      bytes(number, inner.bytes());
    }

    void flag(int number, boolean flag) {
      varint(number, flag ? 1 : 0);
    }

    void varint(int number, long value) {
      if (value != 0) {
        raw((long) number << 3);
        raw(value);
      }
    }

    void real(int number, JsonValue value) {
      double real =
          switch (value) {
            case JsonInteger integer -> integer.value();
            case JsonDecimal decimal -> decimal.value();
            default -> 0;
          };
      raw((long) number << 3 | 1);
      long bits = Double.doubleToLongBits(real);
      for (int i = 0; i < 8; i++) {
        out.write((int) (bits >>> (8 * i)));
      }
    }

    private void raw(long value) {
      long rest = value;
      while ((rest & ~0x7fL) != 0) {
        out.write((int) (rest & 0x7f | 0x80));
        rest >>>= 7;
      }
      out.write((int) rest);
    }
  }
}
