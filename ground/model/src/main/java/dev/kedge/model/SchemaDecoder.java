package dev.kedge.model;

import dev.kedge.model.Schema.Field;
import dev.kedge.model.Schema.Type;
import java.time.Instant;
import java.util.ArrayList;
import java.util.Base64;
import java.util.List;
import java.util.function.Function;
import org.jspecify.annotations.Nullable;

/**
 * Reads what a client sent by the schema of its kind: finds unknown fields, refuses wrong types,
 * brings quantities, times and durations into their canonical form, and fills in defaults.
 * Stateless; any thread.
 *
 * <p>Messages are those that Go's JSON decoder gives for Kubernetes' types.
 */
public final class SchemaDecoder {

  /** Most unknown and repeated fields that are told, as upstream. */
  private static final int MAX_FAULTS = 100;

  private final Duplicates duplicates;
  private final List<String> unknown = new ArrayList<>();
  private final List<String> faults = new ArrayList<>();

  private SchemaDecoder(Duplicates duplicates) {
    this.duplicates = duplicates;
  }

  /**
   * A document as its schema knows it.
   *
   * @param object without unknown fields and without nulls that mean absent
   * @param unknownFields paths of what was left out, such as {@code spec.containers[0].imag}
   * @param faults a sentence for each unknown or repeated field, such as {@code unknown field
   *     "spec.foo"}, in upstream's order
   */
  public record Decoded(JsonObject object, List<String> unknownFields, List<String> faults) {
    public Decoded {
      unknownFields = List.copyOf(unknownFields);
      faults = List.copyOf(faults);
    }
  }

  /** A value of another type than its field's; turned into a bad request with the kind's name. */
  private static final class TypeFault extends RuntimeException {
    TypeFault(String message) {
      super(message, null, false, false);
    }
  }

  /** As {@link #decode(Schema, GroupVersionKind, JsonObject, Duplicates)}, none repeated. */
  public static Decoded decode(Schema schema, GroupVersionKind kind, JsonObject input) {
    return decode(schema, kind, input, Duplicates.NONE);
  }

  /**
   * Decodes a document of a built-in kind. Lists and maps without items are left out unless they
   * are required, as Go's encoder would.
   *
   * @param duplicates what stood twice in the document's text
   * @throws ApiException 400 where a value has the wrong type
   */
  public static Decoded decode(
      Schema schema, GroupVersionKind kind, JsonObject input, Duplicates duplicates) {
    SchemaDecoder decoder = new SchemaDecoder(duplicates);
    try {
      JsonObject object = (JsonObject) decoder.typed(schema, input, new Place("", null));
      return decoder.decoded(object, duplicates.lines());
    } catch (TypeFault e) {
      throw badRequest(kind, e.getMessage());
    }
  }

  /** As {@link #prune(Schema, GroupVersionKind, JsonObject, Duplicates)}, none repeated. */
  public static Decoded prune(Schema schema, GroupVersionKind kind, JsonObject input) {
    return prune(schema, kind, input, Duplicates.NONE);
  }

  /**
   * Prunes a document of a custom resource: unknown fields go unless the schema preserves them,
   * nulls go where they are no value. Values of the wrong type stay, for {@link SchemaValidator} to
   * report them all; inside {@code metadata}, whose schema is built in, they are refused at once.
   *
   * @param duplicates what stood twice in the document's text
   * @throws ApiException 400 where a value in the metadata has the wrong type
   */
  public static Decoded prune(
      Schema schema, GroupVersionKind kind, JsonObject input, Duplicates duplicates) {
    // Custom resources are read without a schema first, so what is repeated is known before what
    // is unknown.
    SchemaDecoder decoder = new SchemaDecoder(Duplicates.NONE);
    try {
      JsonObject object = (JsonObject) decoder.pruned(schema, input, null);
      return decoder.decoded(object, duplicates.sentences());
    } catch (TypeFault e) {
      throw badRequest(kind, e.getMessage());
    }
  }

  private Decoded decoded(JsonObject object, List<String> first) {
    List<String> all = new ArrayList<>(first);
    all.addAll(faults);
    return new Decoded(object, unknown, all);
  }

  /**
   * The refusal of a document with unknown or repeated fields under strict field validation.
   *
   * @param faults as in {@link Decoded}
   * @param duplicates what the document was decoded with
   */
  public static ApiException strictFault(
      GroupVersionKind kind, List<String> faults, Duplicates duplicates) {
    return badRequest(kind, strictMessage(faults, duplicates));
  }

  /** What {@link #strictFault} says of the fields. */
  public static String strictMessage(List<String> faults, Duplicates duplicates) {
    List<String> said = new ArrayList<>(faults);
    if (!duplicates.lines().isEmpty()) {
      said.removeAll(duplicates.lines());
      said.addFirst(duplicates.yamlFault());
    }
    return "strict decoding error: " + String.join(", ", said);
  }

  static String duplicateFault(String path) {
    return "duplicate field \"" + path + "\"";
  }

  private void unknown(DocumentPath path) {
    if (faults.size() < MAX_FAULTS) {
      unknown.add(path.toString());
      faults.add("unknown field \"" + path + "\"");
    }
  }

  private void repeated(DocumentPath path) {
    if (!duplicates.paths().isEmpty()
        && faults.size() < MAX_FAULTS
        && duplicates.paths().contains(path.toString())) {
      faults.add(duplicateFault(path.toString()));
    }
  }

  private static ApiException badRequest(GroupVersionKind kind, @Nullable String why) {
    return ApiException.badRequest(
        kind.kind()
            + " in version \""
            + kind.version()
            + "\" cannot be handled as a "
            + kind.kind()
            + ": "
            + why);
  }

  /**
   * Where a value stands.
   *
   * @param struct Go's name of the innermost struct around it
   * @param path without list positions in Go's messages, with them in strict decoding errors; null
   *     for the document itself
   */
  private record Place(String struct, @Nullable DocumentPath path) {
    Place field(String struct, String name) {
      return new Place(struct, DocumentPath.field(path, name));
    }

    Place item(int index) {
      return new Place(struct, DocumentPath.item(path, index));
    }

    Place key(String name) {
      return new Place(struct, DocumentPath.key(path, name));
    }

    String goField() {
      return struct + "." + (path == null ? "" : path.fields());
    }
  }

  private JsonValue typed(Schema schema, JsonValue value, Place place) {
    if (value == JsonNull.NULL) {
      // Only items and map values come here as null: those of types whose zero value is null.
      return value;
    }
    return switch (schema.type()) {
      case OBJECT ->
          value instanceof JsonObject object
              ? typedObject(schema, object, place)
              : fault(schema, value, place);
      case MAP -> {
        if (!(value instanceof JsonObject object)) {
          yield fault(schema, value, place);
        }
        Schema item = schema.item();
        JsonObject.Builder builder = JsonObject.builder();
        for (int i = 0; i < object.size(); i++) {
          String name = object.nameAt(i);
          repeated(DocumentPath.field(place.path(), name));
          JsonValue inner = object.valueAt(i) == JsonNull.NULL ? zero(item) : object.valueAt(i);
          builder.put(name, typed(item, inner, place.key(name)));
        }
        yield builder.build();
      }
      case LIST -> {
        if (!(value instanceof JsonArray array)) {
          yield fault(schema, value, place);
        }
        Schema item = schema.item();
        List<JsonValue> items = new ArrayList<>(array.size());
        for (int i = 0; i < array.size(); i++) {
          JsonValue inner =
              array.items().get(i) == JsonNull.NULL ? zero(item) : array.items().get(i);
          items.add(typed(item, inner, place.item(i)));
        }
        yield new JsonArray(items);
      }
      case STRING -> value instanceof JsonString ? value : fault(schema, value, place);
      case BOOLEAN -> value instanceof JsonBoolean ? value : fault(schema, value, place);
      case INTEGER -> integer(schema, value, place);
      case NUMBER ->
          value instanceof JsonInteger || value instanceof JsonDecimal
              ? value
              : fault(schema, value, place);
      case BYTES -> bytes(schema, value, place);
      case QUANTITY -> quantity(value);
      case INT_OR_STRING ->
          switch (value) {
            case JsonString _ -> value;
            case JsonInteger number when number.value() == (int) number.value() -> value;
            default -> throw new TypeFault(unmarshal(value, "Go value", "int32"));
          };
      case TIME -> time(value, Times::text);
      case MICRO_TIME -> time(value, Times::microText);
      case DURATION -> duration(value);
      case FIELDS_V1, RAW_EXTENSION, ANY -> value;
    };
  }

  private JsonObject typedObject(Schema schema, JsonObject object, Place place) {
    String struct = simpleName(schema.name());
    JsonObject.Builder builder = JsonObject.builder();
    for (int i = 0; i < object.size(); i++) {
      String name = object.nameAt(i);
      Field field = schema.fields().get(name);
      if (field == null) {
        unknown(DocumentPath.field(place.path(), name));
        continue;
      }
      repeated(DocumentPath.field(place.path(), name));
      if (object.valueAt(i) == JsonNull.NULL) {
        continue;
      }
      JsonValue value = typed(field.schema().get(), object.valueAt(i), place.field(struct, name));
      if (!isEmptyCollection(field, value)) {
        builder.put(name, value);
      }
    }
    return builder.build();
  }

  private static boolean isEmptyCollection(Field field, JsonValue value) {
    if (field.required()) {
      return false;
    }
    return switch (value) {
      case JsonArray array -> array.isEmpty();
      case JsonObject object -> object.isEmpty() && field.schema().get().type() == Type.MAP;
      default -> false;
    };
  }

  /** What Go makes of null inside a list or map. */
  private static JsonValue zero(Schema schema) {
    return switch (schema.type()) {
      case OBJECT, MAP -> JsonObject.EMPTY;
      case LIST -> JsonArray.EMPTY;
      case STRING, BYTES -> JsonString.EMPTY;
      case BOOLEAN -> JsonBoolean.FALSE;
      case INTEGER, NUMBER, INT_OR_STRING, QUANTITY -> new JsonInteger(0);
      case TIME, MICRO_TIME, DURATION, FIELDS_V1, RAW_EXTENSION, ANY -> JsonNull.NULL;
    };
  }

  private static JsonValue integer(Schema schema, JsonValue value, Place place) {
    if (value instanceof JsonInteger number
        && (!schema.rules().format().equals("int32") || number.value() == (int) number.value())) {
      return value;
    }
    if (value instanceof JsonInteger || value instanceof JsonDecimal) {
      throw new TypeFault(
          "json: cannot unmarshal number "
              + value
              + " into Go struct field "
              + place.goField()
              + " of type "
              + goType(schema));
    }
    return fault(schema, value, place);
  }

  private static JsonValue bytes(Schema schema, JsonValue value, Place place) {
    if (!(value instanceof JsonString text)) {
      return fault(schema, value, place);
    }
    String compact = text.value().replace("\n", "").replace("\r", "");
    int bad = 0;
    while (bad < compact.length() && isBase64(compact.charAt(bad))) {
      bad++;
    }
    int padding = compact.length() - bad;
    boolean whole =
        compact.length() % 4 == 0 && padding <= 2 && compact.endsWith("=".repeat(padding));
    if (whole) {
      try {
        Base64.getDecoder().decode(compact);
      } catch (IllegalArgumentException _) {
        whole = false;
      }
    }
    if (!whole) {
      throw new TypeFault("illegal base64 data at input byte " + bad);
    }
    return compact.equals(text.value()) ? value : new JsonString(compact);
  }

  private static boolean isBase64(char c) {
    return c >= 'A' && c <= 'Z'
        || c >= 'a' && c <= 'z'
        || c >= '0' && c <= '9'
        || c == '+'
        || c == '/';
  }

  private static JsonValue quantity(JsonValue value) {
    String text =
        switch (value) {
          case JsonString string -> string.value();
          default -> value.toString();
        };
    try {
      String canonical = Quantity.parse(text).toString();
      return value instanceof JsonString && canonical.equals(text)
          ? value
          : new JsonString(canonical);
    } catch (IllegalArgumentException e) {
      throw new TypeFault(String.valueOf(e.getMessage()));
    }
  }

  private static JsonValue time(JsonValue value, Function<Instant, String> form) {
    if (!(value instanceof JsonString text)) {
      throw new TypeFault(unmarshal(value, "Go value", "string"));
    }
    Instant instant =
        Times.instant(text.value())
            .orElseThrow(
                () ->
                    new TypeFault(
                        "parsing time \""
                            + text.value()
                            + "\" as \"2006-01-02T15:04:05Z07:00\": cannot parse \""
                            + text.value()
                            + "\" as \"2006\""));
    String canonical = form.apply(instant);
    return canonical.equals(text.value()) ? value : new JsonString(canonical);
  }

  private static JsonValue duration(JsonValue value) {
    if (!(value instanceof JsonString text)) {
      throw new TypeFault(unmarshal(value, "Go value", "string"));
    }
    return new JsonString(
        Durations.text(
            Durations.find(text.value())
                .orElseThrow(
                    () -> new TypeFault("time: invalid duration \"" + text.value() + "\""))));
  }

  private static JsonValue fault(Schema schema, JsonValue value, Place place) {
    throw new TypeFault(unmarshal(value, "Go struct field " + place.goField(), goType(schema)));
  }

  private static String unmarshal(JsonValue value, String into, String type) {
    String found =
        switch (value) {
          case JsonBoolean _ -> "bool";
          default -> value.typeName();
        };
    return "json: cannot unmarshal " + found + " into " + into + " of type " + type;
  }

  private static String goType(Schema schema) {
    if (!schema.name().isEmpty()) {
      String[] parts = schema.name().split("\\.");
      return parts[parts.length - 2] + "." + parts[parts.length - 1];
    }
    return switch (schema.type()) {
      case STRING -> "string";
      case BOOLEAN -> "bool";
      case INTEGER -> schema.rules().format().isEmpty() ? "int64" : schema.rules().format();
      case NUMBER -> "float64";
      case BYTES -> "[]uint8";
      case LIST -> "[]" + goType(schema.item());
      case MAP -> "map[string]" + goType(schema.item());
      default -> schema.type().name();
    };
  }

  private static String simpleName(String definition) {
    return definition.substring(definition.lastIndexOf('.') + 1);
  }

  private JsonValue pruned(Schema schema, JsonValue value, @Nullable DocumentPath path) {
    if (!schema.name().isEmpty()) {
      return typed(schema, value, new Place("", path));
    }
    return switch (schema.type()) {
      case OBJECT ->
          value instanceof JsonObject object ? prunedObject(schema, object, path) : value;
      case MAP -> {
        if (!(value instanceof JsonObject object)) {
          yield value;
        }
        Schema item = schema.item();
        JsonObject.Builder builder = JsonObject.builder();
        object.forEach(
            (name, inner) ->
                builder.put(name, pruned(item, inner, DocumentPath.field(path, name))));
        yield builder.build();
      }
      case LIST -> {
        if (!(value instanceof JsonArray array)) {
          yield value;
        }
        Schema item = schema.item();
        List<JsonValue> items = new ArrayList<>(array.size());
        for (int i = 0; i < array.size(); i++) {
          items.add(pruned(item, array.items().get(i), DocumentPath.item(path, i)));
        }
        yield new JsonArray(items);
      }
      default -> value;
    };
  }

  private JsonObject prunedObject(Schema schema, JsonObject object, @Nullable DocumentPath path) {
    JsonObject.Builder builder = JsonObject.builder();
    for (int i = 0; i < object.size(); i++) {
      String name = object.nameAt(i);
      JsonValue value = object.valueAt(i);
      DocumentPath fieldPath = DocumentPath.field(path, name);
      Field field = schema.fields().get(name);
      if (field == null) {
        if (schema.rules().preserveUnknown()) {
          builder.put(name, value);
        } else {
          unknown(fieldPath);
        }
      } else if (value != JsonNull.NULL) {
        builder.put(name, pruned(field.schema().get(), value, fieldPath));
      } else if (field.schema().get().rules().nullable()
          || field.schema().get().type() == Type.ANY) {
        builder.put(name, value);
      }
    }
    return builder.build();
  }

  /**
   * The document with the default of every absent field that has one, inside defaults too. Fields
   * inside an absent object are not made up.
   */
  public static JsonObject withDefaults(Schema schema, JsonObject object) {
    return (JsonObject) defaulted(schema, object);
  }

  private static JsonValue defaulted(Schema schema, JsonValue value) {
    return switch (schema.type()) {
      case OBJECT -> value instanceof JsonObject object ? defaultedObject(schema, object) : value;
      case MAP -> {
        if (!(value instanceof JsonObject object) || isLeaf(schema.item())) {
          yield value;
        }
        JsonObject.Builder result = JsonObject.builder();
        boolean changed = false;
        for (int i = 0; i < object.size(); i++) {
          JsonValue made = defaulted(schema.item(), object.valueAt(i));
          changed |= made != object.valueAt(i);
          result.put(object.nameAt(i), made);
        }
        yield changed ? result.build() : object;
      }
      case LIST -> {
        if (!(value instanceof JsonArray array) || isLeaf(schema.item())) {
          yield value;
        }
        List<JsonValue> items = new ArrayList<>(array.size());
        boolean changed = false;
        for (JsonValue item : array.items()) {
          JsonValue made = defaulted(schema.item(), item);
          changed |= made != item;
          items.add(made);
        }
        yield changed ? new JsonArray(items) : array;
      }
      default -> value;
    };
  }

  private static boolean isLeaf(Schema schema) {
    return switch (schema.type()) {
      case OBJECT, MAP, LIST -> false;
      default -> true;
    };
  }

  private static JsonObject defaultedObject(Schema schema, JsonObject object) {
    JsonObject result = object;
    for (Field field : schema.fields().values()) {
      JsonValue value = object.get(field.name()).orElse(null);
      if (field.defaultValue().isPresent() && isAbsent(field, value)) {
        value = field.defaultValue().get();
        result = result.with(field.name(), value);
      }
      if (value instanceof JsonObject || value instanceof JsonArray) {
        JsonValue made = defaulted(field.schema().get(), value);
        if (made != value) {
          result = result.with(field.name(), made);
        }
      }
    }
    return result;
  }

  private static boolean isAbsent(Field field, @Nullable JsonValue value) {
    return switch (value) {
      case null -> true;
      case JsonNull _ -> !field.schema().get().rules().nullable();
      case JsonString text -> field.zeroIsAbsent() && text.value().isEmpty();
      case JsonInteger number -> field.zeroIsAbsent() && number.value() == 0;
      default -> false;
    };
  }
}
