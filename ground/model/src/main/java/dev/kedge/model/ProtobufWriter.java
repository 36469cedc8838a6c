package dev.kedge.model;

import static dev.kedge.model.ProtobufFields.BYTES;
import static dev.kedge.model.ProtobufFields.FIXED64;
import static dev.kedge.model.ProtobufFields.VARINT;

import dev.kedge.model.Protobuf.Message;
import dev.kedge.model.Protobuf.Part;
import dev.kedge.model.Protobuf.ProtobufException;
import dev.kedge.model.Schema.Field;
import dev.kedge.model.Schema.Type;
import java.io.IOException;
import java.io.OutputStream;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.time.Instant;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Base64;
import java.util.List;
import java.util.Map;
import java.util.concurrent.ConcurrentHashMap;
import org.jspecify.annotations.Nullable;

/**
 * Translates stored JSON to the message of its schema, from bytes to bytes: a list of ten thousand
 * objects makes no tree of any of them. Fields are written as they come and put into the order of
 * their numbers afterwards where they came in another; a message's length is written once it is
 * known, and what it precedes moves up by the few bytes that were not reserved. One thread; may be
 * used again.
 */
public final class ProtobufWriter {
  /** By the name of the schema. */
  private static final Map<String, Shape> SHAPES = new ConcurrentHashMap<>();

  private JsonCursor in = new JsonCursor(new byte[0]);
  private byte[] json = {};
  private byte[] out = new byte[1024];
  private int length;

  /** Fields of the messages that are open: place in the message, start, end. */
  private int[] pieces = new int[96];

  private int pieceCount;

  /** The fields of a message, found by name; those of embedded messages among them. */
  private static final class Shape {
    final Message message;
    final int places;

    /** Whether the message has embedded ones, which are written even when they are empty. */
    final boolean embeds;

    /** Open addressing; a power of two. */
    private final @Nullable Leaf[] leaves;

    Shape(Message message) {
      this.message = message;
      List<Leaf> all = new ArrayList<>();
      gather(message, all);
      this.places = all.size();
      this.embeds = message.parts().values().stream().anyMatch(part -> part.group() != null);
      this.leaves = new @Nullable Leaf[Integer.highestOneBit(Math.max(4, places * 4))];
      for (Leaf leaf : all) {
        int at = leaf.hash & leaves.length - 1;
        while (leaves[at] != null) {
          at = at + 1 & leaves.length - 1;
        }
        leaves[at] = leaf;
      }
    }

    private static void gather(Message message, List<Leaf> all) {
      message
          .parts()
          .forEach(
              (number, part) -> {
                if (part.group() != null) {
                  gather(part.group(), all);
                } else if (part.field() != null) {
                  all.add(new Leaf(part.field(), number, all.size()));
                }
              });
    }

    @Nullable Leaf find(JsonCursor in) {
      int at = in.nameHash() & leaves.length - 1;
      for (Leaf leaf = leaves[at]; leaf != null; leaf = leaves[at]) {
        if (in.isName(leaf.name, leaf.hash)) {
          return leaf;
        }
        at = at + 1 & leaves.length - 1;
      }
      return null;
    }
  }

  /** A field that is no embedded message. */
  private static final class Leaf {
    final byte[] name;
    final int hash;
    final int number;

    /** In the order of numbers, embedded messages opened up. */
    final int place;

    private final Field field;
    private @Nullable Node node;

    Leaf(Field field, int number, int place) {
      this.field = field;
      this.name = field.name().getBytes(StandardCharsets.UTF_8);
      this.hash = JsonCursor.hash(name);
      this.number = number;
      this.place = place;
    }

    Node node() {
      Node known = node;
      if (known == null) {
        known = new Node(field.schema().get());
        node = known;
      }
      return known;
    }
  }

  /** A schema with what is found out about it once. Any thread may, and all find the same. */
  private static final class Node {
    final Schema schema;
    final Type type;
    private @Nullable Node item;
    private @Nullable Shape shape;

    Node(Schema schema) {
      this.schema = schema;
      this.type = schema.type();
    }

    Node item() {
      Node known = item;
      if (known == null) {
        known = new Node(schema.item());
        item = known;
      }
      return known;
    }

    Shape shape() {
      Shape known = shape;
      if (known == null) {
        known = ProtobufWriter.shape(schema);
        shape = known;
      }
      return known;
    }
  }

  private static Shape shape(Schema schema) {
    Shape known = SHAPES.get(schema.name());
    if (known == null) {
      known = new Shape(Protobuf.message(schema));
      SHAPES.put(schema.name(), known);
    }
    return known;
  }

  /**
   * Makes the bare message of an object, in place of the one before.
   *
   * @param stored the object as {@link Json#bytes(JsonValue)} writes it
   * @throws ProtobufException if the object is not of the schema
   */
  public void message(Schema schema, byte[] stored) {
    begin(stored);
    message(shape(schema), null);
  }

  /** As {@link #message}, but with one field of the object only, such as its metadata. */
  public void field(Schema schema, byte[] stored, String field) {
    begin(stored);
    message(shape(schema), field.getBytes(StandardCharsets.UTF_8));
  }

  private void begin(byte[] stored) {
    in = new JsonCursor(stored);
    json = stored;
    length = 0;
    pieceCount = 0;
  }

  /** The message's length. */
  public int length() {
    return length;
  }

  /** Writes the message. */
  public void writeTo(OutputStream target) throws IOException {
    target.write(out, 0, length);
  }

  /** The message. */
  public byte[] bytes() {
    return Arrays.copyOf(out, length);
  }

  private void message(Shape shape, byte @Nullable [] only) {
    if (in.peek() != '{') {
      throw new ProtobufException("not an object: " + skipped());
    }
    int base = length;
    int first = pieceCount;
    int place = -1;
    boolean inOrder = !shape.embeds;
    in.enter('{');
    while (in.nextField()) {
      Leaf leaf = shape.find(in);
      if (leaf == null || in.peek() == 'n' || only != null && !Arrays.equals(leaf.name, only)) {
        in.skip();
        continue;
      }
      int start = length;
      value(leaf.number, leaf.node());
      piece(leaf.place, start, length);
      inOrder &= leaf.place > place;
      place = leaf.place;
    }
    if (!inOrder) {
      arrange(shape, base, first);
    }
    pieceCount = first;
  }

  private void piece(int place, int start, int end) {
    if (pieceCount + 3 > pieces.length) {
      pieces = Arrays.copyOf(pieces, 2 * pieces.length);
    }
    pieces[pieceCount++] = place;
    pieces[pieceCount++] = start;
    pieces[pieceCount++] = end;
  }

  /** Puts the pieces of a message into the order of numbers, and into embedded messages. */
  private void arrange(Shape shape, int base, int first) {
    byte[] unordered = Arrays.copyOfRange(out, base, length);
    int[] byPlace = new int[shape.places];
    for (int piece = first; piece < pieceCount; piece += 3) {
      byPlace[pieces[piece]] = piece + 1;
    }
    length = base;
    arranged(shape.message, 0, unordered, base, byPlace);
  }

  private int arranged(Message message, int from, byte[] unordered, int base, int[] byPlace) {
    int place = from;
    for (Map.Entry<Integer, Part> part : message.parts().entrySet()) {
      Message group = part.getValue().group();
      if (group != null) {
        int begun = begin(part.getKey());
        place = arranged(group, place, unordered, base, byPlace);
        end(begun);
      } else if (part.getValue().field() != null) {
        int piece = byPlace[place++] - 1;
        if (piece >= 0) {
          append(unordered, pieces[piece + 1] - base, pieces[piece + 2] - pieces[piece + 1]);
        }
      }
    }
    return place;
  }

  private void value(int number, Node node) {
    byte next = in.peek();
    if (next == 'n') {
      in.skip();
      empty(number); // a zero time inside a map
      return;
    }
    switch (node.type) {
      case OBJECT -> {
        int begun = begin(number);
        message(node.shape(), null);
        end(begun);
      }
      case LIST -> {
        if (node.schema.name().isEmpty()) {
          items(number, node);
        } else {
          int begun = begin(number);
          items(1, node);
          end(begun);
        }
      }
      case MAP -> entries(number, node.item());
      case STRING -> text(number);
      case BOOLEAN -> {
        in.skip();
        varint(number, next == 't' ? 1 : 0);
      }
      case INTEGER -> varint(number, integer());
      case NUMBER -> {
        long bits = Double.doubleToLongBits(decimal());
        tag(number, FIXED64);
        for (int i = 0; i < 8; i++) {
          write((int) (bits >>> (8 * i)));
        }
      }
      case BYTES -> {
        string();
        byte[] encoded =
            in.escaped()
                ? in.string().getBytes(StandardCharsets.ISO_8859_1)
                : Arrays.copyOfRange(json, in.textStart(), in.textStart() + in.textLength());
        bytes(number, Base64.getMimeDecoder().decode(encoded));
      }
      case QUANTITY -> {
        int begun = begin(number);
        if (next == '"') {
          text(1);
        } else {
          raw(1);
        }
        end(begun);
      }
      case INT_OR_STRING -> {
        boolean text = next == '"';
        int begun = begin(number);
        varint(1, text ? 1 : 0);
        varint(2, text ? 0 : integer());
        if (text) {
          text(3);
        } else {
          empty(3);
        }
        end(begun);
      }
      case TIME, MICRO_TIME -> {
        string();
        int begun = begin(number);
        time();
        end(begun);
      }
      case DURATION -> {
        string();
        String text = in.string();
        Duration duration =
            Durations.find(text)
                .orElseThrow(() -> new ProtobufException("not a duration: " + text));
        int begun = begin(number);
        varint(1, duration.toNanos());
        end(begun);
      }
      case FIELDS_V1, RAW_EXTENSION -> {
        int begun = begin(number);
        raw(1);
        end(begun);
      }
      case ANY -> {
        int begun = begin(number);
        any(node);
        end(begun);
      }
    }
  }

  private void items(int number, Node list) {
    if (in.peek() != '[') {
      throw new ProtobufException("not an array: " + skipped());
    }
    in.enter('[');
    while (in.nextItem()) {
      value(number, list.item());
    }
  }

  /** A map's entries, in the order of their names. */
  private void entries(int number, Node item) {
    if (in.peek() != '{') {
      throw new ProtobufException("not an object: " + skipped());
    }
    int base = length;
    int first = pieceCount;
    boolean inOrder = true;
    in.enter('{');
    while (in.nextField()) {
      int start = length;
      int begun = begin(number);
      tag(1, BYTES);
      lastText();
      value(2, item);
      end(begun);
      inOrder &= pieceCount == first || compareNames(out, pieces[pieceCount - 2], start) < 0;
      piece(0, start, length);
    }
    if (!inOrder) {
      byte[] unordered = Arrays.copyOfRange(out, base, length);
      List<int[]> entries = new ArrayList<>();
      for (int piece = first; piece < pieceCount; piece += 3) {
        entries.add(new int[] {pieces[piece + 1] - base, pieces[piece + 2] - base});
      }
      entries.sort((one, other) -> compareNames(unordered, one[0], other[0]));
      length = base;
      for (int[] entry : entries) {
        append(unordered, entry[0], entry[1] - entry[0]);
      }
    }
    pieceCount = first;
  }

  /** Compares the names of two entries of a map, which stand behind tag, length and tag. */
  private static int compareNames(byte[] from, int one, int other) {
    int oneLength = afterVarint(from, afterVarint(from, one)) + 1;
    int otherLength = afterVarint(from, afterVarint(from, other)) + 1;
    int oneName = afterVarint(from, oneLength);
    int otherName = afterVarint(from, otherLength);
    return Arrays.compareUnsigned(
        from,
        oneName,
        oneName + number(from, oneLength),
        from,
        otherName,
        otherName + number(from, otherLength));
  }

  private static int afterVarint(byte[] from, int start) {
    int at = start;
    while (from[at] < 0) {
      at++;
    }
    return at + 1;
  }

  private static int number(byte[] from, int start) {
    int value = 0;
    int at = start;
    for (int shift = 0; ; shift += 7) {
      byte next = from[at++];
      value |= (next & 0x7f) << shift;
      if (next >= 0) {
        return value;
      }
    }
  }

  /** The types of apiextensions whose JSON form is one of several. */
  private void any(Node node) {
    byte next = in.peek();
    switch (Protobuf.simpleName(node.schema)) {
      case "JSON" -> raw(1);
      case "JSONSchemaPropsOrBool" -> {
        varint(1, next == 'f' ? 0 : 1);
        if (next == '{') {
          value(2, node.item());
        } else {
          in.skip();
        }
      }
      case "JSONSchemaPropsOrArray" -> {
        if (next == '[') {
          items(2, node);
        } else {
          value(1, node.item());
        }
      }
      case "JSONSchemaPropsOrStringArray" -> {
        if (next == '[') {
          in.enter('[');
          while (in.nextItem()) {
            text(2);
          }
        } else {
          value(1, node.item());
        }
      }
      default -> throw new ProtobufException("no protobuf form known for " + node.schema.name());
    }
  }

  // Scalars

  private void string() {
    if (in.peek() != '"') {
      throw new ProtobufException("not a string: " + skipped());
    }
    in.text();
  }

  private void text(int number) {
    string();
    tag(number, BYTES);
    lastText();
  }

  /** The length and the bytes of the text that was read last. */
  private void lastText() {
    if (in.escaped()) {
      byte[] text = in.string().getBytes(StandardCharsets.UTF_8);
      varint(text.length);
      append(text, 0, text.length);
    } else {
      varint(in.textLength());
      append(json, in.textStart(), in.textLength());
    }
  }

  private String skipped() {
    int start = in.position();
    in.skip();
    return in.slice(start, in.position());
  }

  private long integer() {
    int start = in.position();
    in.skip();
    int end = in.position();
    boolean negative = json[start] == '-';
    long value = 0;
    int at = negative ? start + 1 : start;
    if (at == end || end - at > 19) {
      throw notAnInteger(start, end);
    }
    for (; at < end; at++) {
      int digit = json[at] - '0';
      if (digit < 0 || digit > 9) {
        throw notAnInteger(start, end);
      }
      value = 10 * value - digit; // negative numbers reach one further
    }
    if (value > 0 || !negative && value == Long.MIN_VALUE) {
      throw notAnInteger(start, end);
    }
    return negative ? value : -value;
  }

  private ProtobufException notAnInteger(int start, int end) {
    return new ProtobufException("not an integer: " + in.slice(start, end));
  }

  private double decimal() {
    String text = skipped();
    try {
      return Double.parseDouble(text);
    } catch (NumberFormatException _) {
      throw new ProtobufException("not a number: " + text);
    }
  }

  /** The text that was read last as seconds and nanoseconds. */
  private void time() {
    long seconds = in.escaped() ? -1 : Times.seconds(json, in.textStart(), in.textLength());
    if (seconds >= 0) {
      varint(1, seconds);
      varint(2, 0);
      return;
    }
    String text = in.string();
    Instant instant =
        Times.instant(text)
            .orElseThrow(() -> new ProtobufException("not a time: \"" + text + "\""));
    varint(1, instant.getEpochSecond());
    varint(2, instant.getNano());
  }

  // The wire format

  /** Begins a message inside this one; {@link #end} takes what this returns. */
  private int begin(int number) {
    tag(number, BYTES);
    write(0);
    return length;
  }

  private void end(int begun) {
    int size = length - begun;
    int more = varintLength(size) - 1;
    if (more > 0) {
      room(more);
      System.arraycopy(out, begun, out, begun + more, size);
    }
    length = begun - 1;
    varint(size);
    length += size;
  }

  private static int varintLength(int value) {
    return (38 - Integer.numberOfLeadingZeros(value | 1)) / 7;
  }

  private void empty(int number) {
    tag(number, BYTES);
    write(0);
  }

  private void bytes(int number, byte[] bytes) {
    tag(number, BYTES);
    varint(bytes.length);
    append(bytes, 0, bytes.length);
  }

  /** The next value as it stands in the document. */
  private void raw(int number) {
    int start = in.position();
    in.skip();
    int size = in.position() - start;
    tag(number, BYTES);
    varint(size);
    append(json, start, size);
  }

  private void varint(int number, long value) {
    tag(number, VARINT);
    varint(value);
  }

  private void tag(int number, int wireType) {
    varint((long) number << 3 | wireType);
  }

  private void varint(long value) {
    room(10);
    long rest = value;
    while ((rest & ~0x7fL) != 0) {
      out[length++] = (byte) (rest & 0x7f | 0x80);
      rest >>>= 7;
    }
    out[length++] = (byte) rest;
  }

  private void write(int one) {
    room(1);
    out[length++] = (byte) one;
  }

  private void append(byte[] source, int offset, int size) {
    room(size);
    System.arraycopy(source, offset, out, length, size);
    length += size;
  }

  private void room(int more) {
    if (length + more > out.length) {
      out = Arrays.copyOf(out, Math.max(2 * out.length, length + more));
    }
  }
}
