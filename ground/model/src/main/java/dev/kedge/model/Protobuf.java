package dev.kedge.model;

import static dev.kedge.model.ProtobufFields.BYTES;
import static dev.kedge.model.ProtobufFields.FIXED64;
import static dev.kedge.model.ProtobufFields.VARINT;
import static dev.kedge.model.ProtobufFields.bytes;
import static dev.kedge.model.ProtobufFields.text;

import dev.kedge.model.Schema.Field;
import dev.kedge.model.Schema.Type;
import java.io.ByteArrayOutputStream;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.time.Instant;
import java.util.ArrayList;
import java.util.Base64;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.TreeMap;
import java.util.concurrent.ConcurrentHashMap;
import java.util.function.Function;
import org.jspecify.annotations.Nullable;

/**
 * Objects of built-in kinds as Kubernetes' protobuf: the four bytes {@code k8s\0}, then a {@code
 * runtime.Unknown} with version, kind and the message (apimachinery {@code
 * runtime/serializer/protobuf}). Field numbers come from the {@link Schema}. Stateless; any thread.
 *
 * <p>Reading leaves out empty texts, which Go writes for every absent one, except where an empty
 * text says something.
 */
public final class Protobuf {
  /** Media type of one object. */
  public static final String MEDIA_TYPE = "application/vnd.kubernetes.protobuf";

  private static final byte[] MAGIC = {'k', '8', 's', 0};
  private static final int FIXED32 = 5;

  /** The years 0 to 9999. */
  private static final long FIRST_SECOND = -62_167_219_200L;

  private static final long LAST_SECOND = 253_402_300_799L;

  private static final Map<String, Message> MESSAGES = new ConcurrentHashMap<>();

  private Protobuf() {}

  /** Optional numbers and flags that are pointers in Go and have no default in the schema. */
  private static final Set<String> POINTERS =
      Set.of(
          "activeDeadlineSeconds",
          "allocateLoadBalancerNodePorts",
          "allowPrivilegeEscalation",
          "allowVolumeExpansion",
          "attachRequired",
          "automountServiceAccountToken",
          "averageUtilization",
          "backoffLimit",
          "backoffLimitPerIndex",
          "blockOwnerDeletion",
          "completions",
          "controller",
          "defaultMode",
          "deletionGracePeriodSeconds",
          "enableServiceLinks",
          "expirationSeconds",
          "failedJobsHistoryLimit",
          "fsGroup",
          "gracePeriodSeconds",
          "hostUsers",
          "immutable",
          "leaseDurationSeconds",
          "leaseTransitions",
          "manualSelector",
          "maxFailedIndexes",
          "minDomains",
          "minReplicas",
          "mode",
          "optional",
          "orphanDependents",
          "parallelism",
          "partition",
          "podInfoOnMount",
          "priority",
          "privileged",
          "progressDeadlineSeconds",
          "readOnlyRootFilesystem",
          "ready",
          "remainingItemCount",
          "replicas",
          "requiresRepublish",
          "revisionHistoryLimit",
          "runAsGroup",
          "runAsNonRoot",
          "runAsUser",
          "seLinuxMount",
          "serving",
          "setHostnameAsFQDN",
          "shareProcessNamespace",
          "stabilizationWindowSeconds",
          "started",
          "startingDeadlineSeconds",
          "storageCapacity",
          "successfulJobsHistoryLimit",
          "suspend",
          "terminating",
          "terminationGracePeriodSeconds",
          "tolerationSeconds",
          "ttlSecondsAfterFinished");

  /** Bytes that are not the protobuf they should be. */
  public static final class ProtobufException extends RuntimeException {
    ProtobufException(String message) {
      super(message);
    }
  }

  /** A message's fields by number; embedded messages are kept as groups of fields. */
  record Message(TreeMap<Integer, Part> parts) {}

  /** A field, or the fields of an embedded message. */
  record Part(@Nullable Field field, @Nullable Message group) {}

  /** Whether the bytes begin as an enveloped object does. */
  public static boolean isEnveloped(byte[] bytes) {
    return bytes.length >= 4
        && bytes[0] == 'k'
        && bytes[1] == '8'
        && bytes[2] == 's'
        && bytes[3] == 0;
  }

  /** An object, its list or a {@code Status} with its envelope. */
  public static byte[] encode(Schema schema, JsonObject object) {
    var type = new ByteArrayOutputStream();
    text(type, 1, object.text("apiVersion"));
    text(type, 2, object.text("kind"));
    var out = new ByteArrayOutputStream();
    out.writeBytes(MAGIC);
    bytes(out, 1, type.toByteArray());
    bytes(out, 2, encodeMessage(schema, Json.bytes(object)));
    text(out, 3, "");
    text(out, 4, "");
    return out.toByteArray();
  }

  /**
   * The bare message of an object.
   *
   * @param json the object as {@link Json#bytes(JsonValue)} writes it
   * @throws ProtobufException if the object is not of the schema
   */
  public static byte[] encodeMessage(Schema schema, byte[] json) {
    ProtobufWriter writer = new ProtobufWriter();
    writer.message(schema, json);
    return writer.bytes();
  }

  /**
   * A watch event in its frame of a protobuf stream: length in four bytes, then {@code
   * metav1.WatchEvent}.
   *
   * @param type such as ADDED
   * @param object the enveloped object
   */
  public static byte[] watchFrame(String type, byte[] object) {
    var raw = new ByteArrayOutputStream();
    bytes(raw, 1, object);
    var event = new ByteArrayOutputStream();
    text(event, 1, type);
    bytes(event, 2, raw.toByteArray());
    byte[] message = event.toByteArray();
    var out = new ByteArrayOutputStream(message.length + 4);
    out.write(message.length >>> 24);
    out.write(message.length >>> 16);
    out.write(message.length >>> 8);
    out.write(message.length);
    out.writeBytes(message);
    return out.toByteArray();
  }

  /** What an envelope says is inside it. */
  public static GroupVersionKind kindOf(byte[] bytes) {
    return envelope(bytes).kind;
  }

  /**
   * Reads an enveloped object.
   *
   * @param schemas the schema of a kind; what it throws for unknown kinds goes to the caller
   * @throws ProtobufException if the bytes are no such object
   */
  public static JsonObject decode(byte[] bytes, Function<GroupVersionKind, Schema> schemas) {
    Envelope envelope = envelope(bytes);
    JsonObject.Builder builder =
        JsonObject.builder()
            .put("apiVersion", envelope.kind.apiVersion())
            .put("kind", envelope.kind.kind());
    readAll(builder, message(schemas.apply(envelope.kind)), envelope.raw);
    JsonObject object = builder.build();
    if (Json.isDeeper(object, Json.MAX_DEPTH)) {
      throw new ProtobufException("exceeded max depth of " + Json.MAX_DEPTH);
    }
    return object;
  }

  /**
   * Reads a bare message.
   *
   * @throws ProtobufException if the bytes are no message of this schema
   */
  public static JsonObject decodeMessage(Schema schema, byte[] bytes) {
    return decodeMessage(schema, new Reader(bytes));
  }

  private static JsonObject decodeMessage(Schema schema, Reader reader) {
    JsonObject.Builder builder = JsonObject.builder();
    readAll(builder, message(schema), reader);
    return builder.build();
  }

  private static void readAll(JsonObject.Builder builder, Message message, Reader reader) {
    try {
      read(builder, message, reader);
    } catch (JsonSyntaxException e) {
      // A raw extension.
      throw new ProtobufException(String.valueOf(e.getMessage()));
    }
  }

  private record Envelope(GroupVersionKind kind, Reader raw) {}

  private static Envelope envelope(byte[] bytes) {
    if (!isEnveloped(bytes)) {
      throw new ProtobufException("provided data does not appear to be a protobuf message");
    }
    String apiVersion = "";
    String kind = "";
    Reader raw = new Reader(new byte[0]);
    Reader reader = new Reader(bytes, 4, bytes.length, 0);
    while (reader.more()) {
      int tag = reader.tag();
      switch (tag >>> 3) {
        case 1 -> {
          Reader type = reader.message(tag, "TypeMeta");
          while (type.more()) {
            int inner = type.tag();
            switch (inner >>> 3) {
              case 1 -> apiVersion = type.text();
              case 2 -> kind = type.text();
              default -> type.skip(inner);
            }
          }
        }
        case 2 -> raw = reader.message(tag, "Raw");
        default -> reader.skip(tag);
      }
    }
    return new Envelope(GroupVersionKind.of(apiVersion, kind), raw);
  }

  static Message message(Schema schema) {
    Message known = MESSAGES.get(schema.name());
    if (known != null) {
      return known;
    }
    Message made = new Message(new TreeMap<>());
    for (Field field : schema.fields().values()) {
      if (field.number() > 0) {
        place(made, field, numbers(field.number()));
      }
    }
    MESSAGES.put(schema.name(), made);
    return made;
  }

  /** The numbers of a field from the outside in; see {@link Field#number()}. */
  private static List<Integer> numbers(int packed) {
    List<Integer> numbers = new ArrayList<>();
    for (int rest = packed; rest > 0; rest >>>= 10) {
      numbers.addFirst(rest & 0x3ff);
    }
    return numbers;
  }

  private static void place(Message message, Field field, List<Integer> numbers) {
    int first = numbers.getFirst();
    if (numbers.size() == 1) {
      message.parts.put(first, new Part(field, null));
      return;
    }
    Part part = message.parts.get(first);
    Message group = part == null || part.group == null ? new Message(new TreeMap<>()) : part.group;
    message.parts.put(first, new Part(null, group));
    place(group, field, numbers.subList(1, numbers.size()));
  }

  static String simpleName(Schema schema) {
    return schema.name().substring(schema.name().lastIndexOf('.') + 1);
  }

  // Reading

  private static void read(JsonObject.Builder builder, Message message, Reader reader) {
    Map<String, List<JsonValue>> lists = new java.util.LinkedHashMap<>();
    Map<String, JsonObject.Builder> maps = new java.util.LinkedHashMap<>();
    while (reader.more()) {
      int tag = reader.tag();
      Part part = message.parts.get(tag >>> 3);
      if (part == null) {
        reader.skip(tag);
      } else if (part.group != null) {
        read(builder, part.group, reader.message(tag, "group"));
      } else if (part.field != null) {
        Field field = part.field;
        Schema schema = field.schema().get();
        checkWireType(tag, schema, field.name());
        if (schema.type() == Type.LIST && schema.name().isEmpty()) {
          List<JsonValue> items = lists.computeIfAbsent(field.name(), _ -> new ArrayList<>());
          readItems(items, schema.item(), tag, reader);
          builder.put(field.name(), JsonNull.NULL);
        } else if (schema.type() == Type.MAP) {
          readEntry(
              maps.computeIfAbsent(field.name(), _ -> JsonObject.builder()),
              schema.item(),
              reader.message());
          builder.put(field.name(), JsonNull.NULL);
        } else {
          read(schema, reader)
              .filter(value -> !value.equals(JsonString.EMPTY) || isMeaningfulWhenEmpty(field))
              .filter(value -> !isZero(value) || isMeaningfulWhenZero(field))
              .ifPresent(value -> builder.put(field.name(), value));
        }
      }
    }
    lists.forEach((name, items) -> builder.put(name, new JsonArray(items)));
    maps.forEach((name, entries) -> builder.put(name, entries.build()));
  }

  /** Refuses a field that is written in another way than those of its type. */
  private static void checkWireType(int tag, Schema schema, String name) {
    boolean list = schema.type() == Type.LIST && schema.name().isEmpty();
    int expected =
        switch ((list ? schema.item() : schema).type()) {
          case BOOLEAN, INTEGER -> VARINT;
          case NUMBER -> FIXED64;
          default -> BYTES;
        };
    int found = tag & 7;
    if (found != expected && !(list && found == BYTES && expected == VARINT)) {
      throw wrongWireType(found, name);
    }
  }

  private static ProtobufException wrongWireType(int found, String name) {
    return new ProtobufException(
        "proto: wrong wireType = "
            + found
            + " for field "
            + (name.isEmpty() ? name : Character.toUpperCase(name.charAt(0)) + name.substring(1)));
  }

  /** Texts that are pointers in Go and for which empty differs from absent. */
  private static boolean isMeaningfulWhenEmpty(Field field) {
    return switch (field.name()) {
      case "storageClassName", "volumeAttributesClassName", "ingressClassName" -> true;
      default -> field.defaultValue().filter(JsonString.EMPTY::equals).isPresent();
    };
  }

  private static boolean isZero(JsonValue value) {
    return value == JsonBoolean.FALSE || value instanceof JsonInteger number && number.value() == 0;
  }

  /**
   * Whether 0 or false differs from absent. Go's clients send every number and flag that is no
   * pointer, set or not, and leave it out of JSON; required ones stand in both.
   */
  private static boolean isMeaningfulWhenZero(Field field) {
    return field.required()
        || (field.defaultValue().isPresent() && !field.zeroIsAbsent())
        || POINTERS.contains(field.name());
  }

  private static void readItems(List<JsonValue> items, Schema item, int tag, Reader reader) {
    boolean packed =
        (tag & 7) == BYTES && (item.type() == Type.INTEGER || item.type() == Type.BOOLEAN);
    if (!packed) {
      items.add(read(item, reader).orElse(JsonNull.NULL));
      return;
    }
    Reader inner = reader.message();
    while (inner.more()) {
      items.add(read(item, inner).orElseThrow());
    }
  }

  private static void readEntry(JsonObject.Builder map, Schema item, Reader reader) {
    String name = "";
    JsonValue value = emptyEntry(item);
    while (reader.more()) {
      int tag = reader.tag();
      switch (tag >>> 3) {
        case 1 -> {
          if ((tag & 7) != BYTES) {
            throw wrongWireType(tag & 7, "key");
          }
          name = reader.text();
        }
        case 2 -> {
          checkWireType(tag, item, "value");
          value = read(item, reader).orElse(value);
        }
        default -> reader.skip(tag);
      }
    }
    map.put(name, value);
  }

  private static JsonValue emptyEntry(Schema item) {
    return switch (item.type()) {
      case STRING, BYTES -> JsonString.EMPTY;
      case BOOLEAN -> JsonBoolean.FALSE;
      case INTEGER, NUMBER, INT_OR_STRING -> new JsonInteger(0);
      case QUANTITY -> new JsonString("0");
      case LIST -> JsonArray.EMPTY;
      case TIME, MICRO_TIME -> JsonNull.NULL;
      default -> JsonObject.EMPTY;
    };
  }

  /** One value; empty where the message stands for no value (a zero time). */
  private static Optional<JsonValue> read(Schema schema, Reader reader) {
    return switch (schema.type()) {
      case OBJECT -> {
        JsonObject.Builder builder = JsonObject.builder();
        read(builder, message(schema), reader.message());
        yield Optional.of(builder.build());
      }
      case LIST -> {
        List<JsonValue> items = new ArrayList<>();
        Reader inner = reader.message();
        while (inner.more()) {
          int item = inner.tag();
          if (item >>> 3 == 1) {
            checkWireType(item, schema, "items");
            readItems(items, schema.item(), item, inner);
          } else {
            inner.skip(item);
          }
        }
        yield Optional.of(new JsonArray(items));
      }
      case STRING -> Optional.of(new JsonString(reader.text()));
      case BOOLEAN -> Optional.of(JsonBoolean.of(reader.varint() != 0));
      case INTEGER -> {
        long value = reader.varint();
        yield Optional.of(
            new JsonInteger(schema.rules().format().equals("int32") ? (int) value : value));
      }
      case NUMBER -> Optional.of(number(Double.longBitsToDouble(reader.fixed(8))));
      case BYTES -> Optional.of(new JsonString(Base64.getEncoder().encodeToString(reader.bytes())));
      case QUANTITY -> Optional.of(new JsonString(Scalars.read(reader.bytes()).text1OrZero()));
      case INT_OR_STRING -> {
        Scalars scalars = Scalars.read(reader.bytes());
        yield Optional.of(
            scalars.one == 1 ? new JsonString(scalars.text3) : new JsonInteger((int) scalars.two));
      }
      case TIME, MICRO_TIME -> {
        Scalars scalars = Scalars.read(reader.bytes());
        yield scalars.one == 0 && scalars.two == 0
            ? Optional.empty()
            : Optional.of(time(scalars, schema.type() == Type.MICRO_TIME));
      }
      case DURATION ->
          Optional.of(
              new JsonString(Durations.text(Duration.ofNanos(Scalars.read(reader.bytes()).one))));
      case FIELDS_V1, RAW_EXTENSION -> {
        byte[] raw = Scalars.read(reader.bytes()).bytes1;
        yield raw.length == 0 ? Optional.empty() : Optional.of(Json.parse(raw));
      }
      case MAP -> throw new ProtobufException("a map inside a list or map has no protobuf form");
      case ANY -> readAny(schema, reader);
    };
  }

  private static JsonDecimal number(double value) {
    if (!Double.isFinite(value)) {
      throw new ProtobufException("json: unsupported value: " + value);
    }
    return new JsonDecimal(value);
  }

  private static JsonString time(Scalars scalars, boolean micro) {
    if (scalars.one < FIRST_SECOND || scalars.one > LAST_SECOND) {
      throw new ProtobufException("Time.MarshalJSON: year outside of range [0,9999]");
    }
    int nanos = (int) Math.floorMod(scalars.two, 1_000_000_000L);
    Instant time = Instant.ofEpochSecond(scalars.one, nanos);
    return new JsonString(micro ? Times.microText(time) : Times.text(time));
  }

  private static Optional<JsonValue> readAny(Schema schema, Reader reader) {
    String name = simpleName(schema);
    Reader inner = reader.message();
    JsonValue value = name.equals("JSONSchemaPropsOrBool") ? JsonBoolean.FALSE : JsonArray.EMPTY;
    List<JsonValue> items = new ArrayList<>();
    while (inner.more()) {
      int field = inner.tag();
      int number = field >>> 3;
      int expected = number == 1 && name.equals("JSONSchemaPropsOrBool") ? VARINT : BYTES;
      if ((field & 7) != expected) {
        throw wrongWireType(field & 7, name);
      }
      if (name.equals("JSON")) {
        return Optional.of(Json.parse(inner.bytes()));
      } else if (name.equals("JSONSchemaPropsOrBool")) {
        value =
            number == 1
                ? value instanceof JsonObject
                    ? skipped(value, inner)
                    : JsonBoolean.of(inner.varint() != 0)
                : decodeMessage(schema.item(), inner.message());
      } else if (number == 1) {
        value = decodeMessage(schema.item(), inner.message());
      } else if (name.equals("JSONSchemaPropsOrArray")) {
        items.add(decodeMessage(schema.item(), inner.message()));
      } else {
        items.add(new JsonString(inner.text()));
      }
    }
    return Optional.of(items.isEmpty() ? value : new JsonArray(items));
  }

  private static JsonValue skipped(JsonValue value, Reader reader) {
    reader.varint();
    return value;
  }

  /** The few scalars of the small messages with a JSON form of their own. */
  private static final class Scalars {
    long one;
    long two;
    byte[] bytes1 = {};
    String text3 = "";

    static Scalars read(byte[] bytes) {
      Scalars scalars = new Scalars();
      Reader reader = new Reader(bytes);
      while (reader.more()) {
        int tag = reader.tag();
        int number = tag >>> 3;
        if ((tag & 7) == VARINT && number == 1) {
          scalars.one = reader.varint();
        } else if ((tag & 7) == VARINT && number == 2) {
          scalars.two = reader.varint();
        } else if ((tag & 7) == BYTES && number == 1) {
          scalars.bytes1 = reader.bytes();
        } else if ((tag & 7) == BYTES && number == 3) {
          scalars.text3 = reader.text();
        } else {
          reader.skip(tag);
        }
      }
      return scalars;
    }

    String text1OrZero() {
      return bytes1.length == 0 ? "0" : new String(bytes1, StandardCharsets.UTF_8);
    }
  }

  /** Reads the wire format; every length is checked before it is believed. */
  private static final class Reader {
    private final byte[] bytes;
    private int position;
    private final int end;
    private final int depth;

    Reader(byte[] bytes) {
      this(bytes, 0, bytes.length, 0);
    }

    Reader(byte[] bytes, int position, int end, int depth) {
      this.bytes = bytes;
      this.position = position;
      this.end = end;
      this.depth = depth;
    }

    boolean more() {
      return position < end;
    }

    int tag() {
      int tag = (int) varint();
      if (tag >>> 3 == 0) {
        throw new ProtobufException("proto: illegal tag 0 (wire type " + (tag & 7) + ")");
      }
      return tag;
    }

    long varint() {
      long value = 0;
      for (int shift = 0; shift < 64; shift += 7) {
        if (position >= end) {
          throw new ProtobufException("unexpected EOF");
        }
        byte next = bytes[position++];
        value |= (long) (next & 0x7f) << shift;
        if (next >= 0) {
          return value;
        }
      }
      throw new ProtobufException("proto: integer overflow");
    }

    long fixed(int width) {
      if (end - position < width) {
        throw new ProtobufException("unexpected EOF");
      }
      long value = 0;
      for (int i = 0; i < width; i++) {
        value |= (bytes[position++] & 0xffL) << (8 * i);
      }
      return value;
    }

    private int length() {
      long length = varint();
      if (length < 0 || length > end - position) {
        throw new ProtobufException("unexpected EOF");
      }
      return (int) length;
    }

    byte[] bytes() {
      int length = length();
      byte[] read = java.util.Arrays.copyOfRange(bytes, position, position + length);
      position += length;
      return read;
    }

    /** A message inside this one, without a copy. */
    Reader message() {
      if (depth == Json.MAX_DEPTH) {
        throw new ProtobufException("exceeded max depth of " + Json.MAX_DEPTH);
      }
      int length = length();
      position += length;
      return new Reader(bytes, position - length, position, depth + 1);
    }

    Reader message(int tag, String name) {
      if ((tag & 7) != BYTES) {
        throw wrongWireType(tag & 7, name);
      }
      return message();
    }

    String text() {
      return new String(bytes(), StandardCharsets.UTF_8);
    }

    void skip(int tag) {
      switch (tag & 7) {
        case VARINT -> varint();
        case FIXED64 -> fixed(8);
        case BYTES -> bytes();
        case FIXED32 -> fixed(4);
        default -> throw new ProtobufException("proto: illegal wireType " + (tag & 7));
      }
    }
  }
}
