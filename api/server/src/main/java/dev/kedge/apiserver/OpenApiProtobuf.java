package dev.kedge.apiserver;

import static dev.kedge.model.ProtobufFields.bytes;
import static dev.kedge.model.ProtobufFields.varint;

import dev.kedge.model.Json;
import dev.kedge.model.JsonArray;
import dev.kedge.model.JsonBoolean;
import dev.kedge.model.JsonDecimal;
import dev.kedge.model.JsonInteger;
import dev.kedge.model.JsonObject;
import dev.kedge.model.JsonString;
import dev.kedge.model.JsonValue;
import dev.kedge.model.ProtobufFields;
import java.io.ByteArrayOutputStream;
import java.util.HashMap;
import java.util.List;
import java.util.Map;

/**
 * OpenAPI v2 documents in protobuf, the form that client-go asks for: gnostic's {@code
 * openapi.v2.Document}. Stateless; any thread.
 */
final class OpenApiProtobuf {
  static final String MEDIA_TYPE = "application/com.github.proto-openapi.spec.v2.v1.0+protobuf";

  /** The name that older clients have for it. */
  static final String OLD_MEDIA_TYPE = "application/com.github.proto-openapi.spec.v2@v1.0+protobuf";

  /**
   * Field numbers by message. A field's type is one of: {@code s}tring, {@code b}oolean, {@code
   * i}nteger, {@code d}ouble, {@code any} value as YAML text, another message, {@code map:} one of
   * named values, {@code @} a shape of its own (see {@link #shape}); {@code *} after it: repeated.
   * {@code x-} is the number of the extensions.
   */
  private static final Map<String, Map<String, Field>> MESSAGES =
      messages(
          """
          Document swagger=1:s info=2:Info host=3:s basePath=4:s schemes=5:s* consumes=6:s* \
            produces=7:s* paths=8:@paths definitions=9:map:Schema security=12:@requirement* \
            securityDefinitions=13:map:@security tags=14:Tag* externalDocs=15:ExternalDocs x-=16:
          Info title=1:s version=2:s description=3:s termsOfService=4:s contact=5:Contact \
            license=6:License x-=7:
          Contact name=1:s url=2:s email=3:s x-=4:
          License name=1:s url=2:s x-=3:
          Tag name=1:s description=2:s externalDocs=3:ExternalDocs x-=4:
          ExternalDocs description=1:s url=2:s x-=3:
          ApiKeySecurity type=1:s name=2:s in=3:s description=4:s x-=5:
          BasicAuthenticationSecurity type=1:s description=2:s x-=3:
          PathItem $ref=1:s get=2:Operation put=3:Operation post=4:Operation delete=5:Operation \
            options=6:Operation head=7:Operation patch=8:Operation parameters=9:@parameter* x-=10:
          Operation tags=1:s* summary=2:s description=3:s externalDocs=4:ExternalDocs \
            operationId=5:s produces=6:s* consumes=7:s* parameters=8:@parameter* \
            responses=9:@responses schemes=10:s* deprecated=11:b security=12:@requirement* x-=13:
          Reference $ref=1:s description=2:s
          Body description=1:s name=2:s in=3:s required=4:b schema=5:Schema x-=6:
          Header required=1:b in=2:s description=3:s name=4:s type=5:s format=6:s items=7:Items \
            collectionFormat=8:s default=9:any maximum=10:d exclusiveMaximum=11:b minimum=12:d \
            exclusiveMinimum=13:b maxLength=14:i minLength=15:i pattern=16:s maxItems=17:i \
            minItems=18:i uniqueItems=19:b enum=20:any* multipleOf=21:d x-=22:
          Query required=1:b in=2:s description=3:s name=4:s allowEmptyValue=5:b type=6:s \
            format=7:s items=8:Items collectionFormat=9:s default=10:any maximum=11:d \
            exclusiveMaximum=12:b minimum=13:d exclusiveMinimum=14:b maxLength=15:i \
            minLength=16:i pattern=17:s maxItems=18:i minItems=19:i uniqueItems=20:b enum=21:any* \
            multipleOf=22:d x-=23:
          Items type=1:s format=2:s items=3:Items collectionFormat=4:s default=5:any maximum=6:d \
            exclusiveMaximum=7:b minimum=8:d exclusiveMinimum=9:b maxLength=10:i minLength=11:i \
            pattern=12:s maxItems=13:i minItems=14:i uniqueItems=15:b enum=16:any* \
            multipleOf=17:d x-=18:
          Response description=1:s schema=2:@schema headers=3:map:ResponseHeader \
            examples=4:map:any x-=5:
          ResponseHeader type=1:s format=2:s items=3:Items collectionFormat=4:s default=5:any \
            description=18:s x-=19:
          Schema $ref=1:s format=2:s title=3:s description=4:s default=5:any multipleOf=6:d \
            maximum=7:d exclusiveMaximum=8:b minimum=9:d exclusiveMinimum=10:b maxLength=11:i \
            minLength=12:i pattern=13:s maxItems=14:i minItems=15:i uniqueItems=16:b \
            maxProperties=17:i minProperties=18:i required=19:s* enum=20:any* \
            additionalProperties=21:@additional type=22:@texts items=23:@items allOf=24:Schema* \
            properties=25:map:Schema discriminator=26:s readOnly=27:b externalDocs=29:ExternalDocs \
            example=30:any x-=31:
          """);

  private record Field(int number, String type, boolean repeated) {}

  private OpenApiProtobuf() {}

  private static Map<String, Map<String, Field>> messages(String table) {
    Map<String, Map<String, Field>> messages = new HashMap<>();
    for (String line : table.lines().toList()) {
      String[] words = line.strip().split("\\s+");
      Map<String, Field> fields = new HashMap<>();
      for (int i = 1; i < words.length; i++) {
        int equals = words[i].indexOf('=');
        int colon = words[i].indexOf(':', equals);
        String type = words[i].substring(colon + 1);
        boolean repeated = type.endsWith("*");
        fields.put(
            words[i].substring(0, equals),
            new Field(
                Integer.parseInt(words[i].substring(equals + 1, colon)),
                repeated ? type.substring(0, type.length() - 1) : type,
                repeated));
      }
      messages.put(words[0], fields);
    }
    return messages;
  }

  /** The whole document. */
  static byte[] of(JsonObject document) {
    return message("Document", document);
  }

  private static byte[] message(String name, JsonObject object) {
    Map<String, Field> fields = MESSAGES.get(name);
    if (fields == null) {
      throw new IllegalArgumentException("no message " + name);
    }
    ByteArrayOutputStream out = new ByteArrayOutputStream();
    object.forEach(
        (key, value) -> {
          Field field = fields.get(key.startsWith("x-") ? "x-" : key);
          if (field == null) {
            return; // What the message has no place for; gnostic would not read it either.
          }
          if (key.startsWith("x-")) {
            bytes(out, field.number(), named(key, any(value)));
          } else if (field.repeated() && value instanceof JsonArray array) {
            array.items().forEach(item -> value(out, field, item));
          } else {
            value(out, field, value);
          }
        });
    return out.toByteArray();
  }

  private static void value(ByteArrayOutputStream out, Field field, JsonValue value) {
    int number = field.number();
    switch (field.type()) {
      case "s" -> text(out, number, value, field.repeated());
      case "b" -> {
        if (value == JsonBoolean.TRUE) {
          varint(out, number, 1);
        }
      }
      case "i" -> {
        if (value instanceof JsonInteger integer && integer.value() != 0) {
          varint(out, number, integer.value());
        }
      }
      case "d" -> number(out, number, value);
      default -> bytes(out, number, nested(field.type(), value));
    }
  }

  private static byte[] nested(String type, JsonValue value) {
    if (type.equals("any")) {
      return any(value);
    }
    if (type.startsWith("@")) {
      return shape(type.substring(1), value);
    }
    JsonObject object = value instanceof JsonObject fields ? fields : JsonObject.EMPTY;
    return type.startsWith("map:") ? map(type.substring(4), object) : message(type, object);
  }

  private static byte[] map(String type, JsonObject object) {
    ByteArrayOutputStream out = new ByteArrayOutputStream();
    object.forEach((key, value) -> bytes(out, 1, named(key, nested(type, value))));
    return out.toByteArray();
  }

  /** The messages that stand for a choice between shapes, or hold a list or a map of their own. */
  private static byte[] shape(String shape, JsonValue value) {
    ByteArrayOutputStream out = new ByteArrayOutputStream();
    JsonObject object = value instanceof JsonObject fields ? fields : JsonObject.EMPTY;
    switch (shape) {
      case "texts" -> texts(out, value);
      case "items", "schema" -> {
        List<JsonValue> schemas = value instanceof JsonArray array ? array.items() : List.of(value);
        schemas.forEach(schema -> bytes(out, 1, nested("Schema", schema)));
      }
      case "additional" -> {
        if (value instanceof JsonBoolean allowed) {
          varint(out, 2, allowed == JsonBoolean.TRUE ? 1 : 0);
        } else {
          bytes(out, 1, nested("Schema", value));
        }
      }
      case "parameter" -> {
        if (object.has("$ref")) {
          bytes(out, 2, message("Reference", object));
        } else {
          bytes(out, 1, parameter(object));
        }
      }
      case "paths" ->
          object.forEach(
              (path, item) ->
                  bytes(
                      out,
                      path.startsWith("x-") ? 1 : 2,
                      named(path, path.startsWith("x-") ? any(item) : nested("PathItem", item))));
      case "responses" ->
          object.forEach(
              (code, response) ->
                  bytes(
                      out,
                      code.startsWith("x-") ? 2 : 1,
                      named(code, code.startsWith("x-") ? any(response) : response(response))));
      case "requirement" ->
          object.forEach(
              (name, scopes) -> {
                ByteArrayOutputStream list = new ByteArrayOutputStream();
                texts(list, scopes);
                bytes(out, 1, named(name, list.toByteArray()));
              });
      case "security" -> {
        boolean basic = object.text("type").equals("basic");
        bytes(
            out,
            basic ? 1 : 2,
            message(basic ? "BasicAuthenticationSecurity" : "ApiKeySecurity", object));
      }
      default -> throw new IllegalArgumentException("no shape " + shape);
    }
    return out.toByteArray();
  }

  private static byte[] parameter(JsonObject parameter) {
    ByteArrayOutputStream out = new ByteArrayOutputStream();
    String in = parameter.text("in");
    if (in.equals("body")) {
      bytes(out, 1, message("Body", parameter));
      return out.toByteArray();
    }
    ByteArrayOutputStream other = new ByteArrayOutputStream();
    switch (in) {
      case "header" -> bytes(other, 1, message("Header", parameter));
      case "formData" -> bytes(other, 2, message("Query", parameter));
      case "path" -> bytes(other, 4, message("Header", parameter));
      default -> bytes(other, 3, message("Query", parameter));
    }
    bytes(out, 2, other.toByteArray());
    return out.toByteArray();
  }

  private static byte[] response(JsonValue response) {
    ByteArrayOutputStream out = new ByteArrayOutputStream();
    boolean reference = response instanceof JsonObject object && object.has("$ref");
    bytes(out, reference ? 2 : 1, nested(reference ? "Reference" : "Response", response));
    return out.toByteArray();
  }

  /** A value of any type, as the YAML that JSON is too. */
  private static byte[] any(JsonValue value) {
    ByteArrayOutputStream out = new ByteArrayOutputStream();
    ProtobufFields.text(out, 2, Json.write(value) + "\n");
    return out.toByteArray();
  }

  private static byte[] named(String name, byte[] value) {
    ByteArrayOutputStream out = new ByteArrayOutputStream();
    ProtobufFields.text(out, 1, name);
    bytes(out, 2, value);
    return out.toByteArray();
  }

  private static void texts(ByteArrayOutputStream out, JsonValue value) {
    List<JsonValue> all = value instanceof JsonArray array ? array.items() : List.of(value);
    all.forEach(text -> text(out, 1, text, true));
  }

  private static void text(ByteArrayOutputStream out, int number, JsonValue value, boolean empty) {
    if (value instanceof JsonString text && (empty || !text.value().isEmpty())) {
      ProtobufFields.text(out, number, text.value());
    }
  }

  private static void number(ByteArrayOutputStream out, int number, JsonValue value) {
    double real =
        switch (value) {
          case JsonInteger integer -> integer.value();
          case JsonDecimal decimal -> decimal.value();
          default -> 0;
        };
    if (real != 0) {
      ProtobufFields.real(out, number, real);
    }
  }
}
