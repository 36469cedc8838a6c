package dev.kedge.model;

import java.lang.invoke.MethodHandles;
import java.lang.invoke.VarHandle;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import org.jspecify.annotations.Nullable;

/**
 * Walks over JSON as {@link Json#bytes(JsonValue)} writes it: well-formed, without white space, no
 * name twice in one object. Each byte is looked at once, and nothing is made of what nobody asks
 * for. What a client sent goes through {@link Json#parse(byte[])} first. One thread.
 */
final class JsonCursor {
  private static final int LONGEST_COMMON_NAME = 64;
  private static final VarHandle WORDS =
      MethodHandles.byteArrayViewVarHandle(long[].class, ByteOrder.LITTLE_ENDIAN);
  private static final long ONES = 0x0101010101010101L;
  private static final long HIGH_BITS = 0x8080808080808080L;
  private static final long QUOTES = ONES * '"';
  private static final long BACKSLASHES = ONES * '\\';

  /** Any thread puts and takes: it does not matter whose stays. */
  private static final @Nullable Name[] NAMES = new @Nullable Name[2048];

  /** A field's name as it stands in documents. */
  private record Name(byte[] bytes, int hash, String name) {}

  private final byte[] json;
  private final boolean brief;
  private int at;

  // The last name or text, without its quotes.
  private int textStart;
  private int textEnd;
  private boolean escaped;
  private int nameHash;

  JsonCursor(byte[] json) {
    this(json, false);
  }

  /**
   * @param brief whether trees are for one look: texts that many objects have are not looked for,
   *     which saves memory where trees are kept, and costs a look into cold memory each
   */
  JsonCursor(byte[] json, boolean brief) {
    this.json = json;
    this.brief = brief;
  }

  /** The byte that the next value, or what ends the present one, begins with. */
  byte peek() {
    if (at >= json.length) {
      throw broken();
    }
    return json[at];
  }

  int position() {
    return at;
  }

  /** Steps into an object or array. */
  void enter(char bracket) {
    if (peek() != bracket) {
      throw broken();
    }
    at++;
  }

  /** Steps to the value of the next field, whose name is the text; false behind the last one. */
  boolean nextField() {
    if (!next('}')) {
      return false;
    }
    if (peek() != '"') {
      throw broken();
    }
    int start = ++at;
    int hash = 0;
    while (peek() != '"') {
      if (json[at] == '\\') {
        at++;
        return longName(start);
      }
      hash = 31 * hash + json[at++];
    }
    textStart = start;
    textEnd = at++;
    escaped = false;
    nameHash = hash;
    enter(':');
    return true;
  }

  private boolean longName(int start) {
    at = start - 1;
    text();
    nameHash = 0;
    enter(':');
    return true;
  }

  /** Steps to the next item of an array; false behind the last one. */
  boolean nextItem() {
    return next(']');
  }

  private boolean next(char bracket) {
    byte found = peek();
    if (found == bracket) {
      at++;
      return false;
    }
    if (found == ',') {
      at++;
    }
    return true;
  }

  /** Steps over a text and keeps where it is. */
  void text() {
    enter('"');
    int i = at;
    boolean escapes = false;
    byte[] bytes = json;
    while (true) {
      if (i + Long.BYTES <= bytes.length) {
        long marks = marks((long) WORDS.get(bytes, i));
        if (marks == 0) {
          i += Long.BYTES;
          continue;
        }
        i += Long.numberOfTrailingZeros(marks) / Byte.SIZE;
      } else if (i >= bytes.length) {
        throw broken();
      }
      byte one = bytes[i];
      if (one == '"') {
        break;
      }
      if (one == '\\') {
        escapes = true;
        i++;
      }
      i++;
    }
    textStart = at;
    textEnd = i;
    escaped = escapes;
    at = i + 1;
  }

  /** Marks the first of eight bytes that is a quote or a backslash; 0 without one. */
  private static long marks(long word) {
    long quotes = word ^ QUOTES;
    long slashes = word ^ BACKSLASHES;
    return (((quotes - ONES) & ~quotes) | ((slashes - ONES) & ~slashes)) & HIGH_BITS;
  }

  /** Whether the last name is this one, of this hash. */
  boolean isName(byte[] name, int hash) {
    return hash == nameHash && Arrays.equals(json, textStart, textEnd, name, 0, name.length);
  }

  /** The hash of the last name, as {@link #hash}. */
  int nameHash() {
    return nameHash;
  }

  static int hash(byte[] name) {
    int hash = 0;
    for (byte one : name) {
      hash = 31 * hash + one;
    }
    return hash;
  }

  /** Whether the last text has escapes; else its bytes are those of the document. */
  boolean escaped() {
    return escaped;
  }

  int textStart() {
    return textStart;
  }

  int textLength() {
    return textEnd - textStart;
  }

  /** The last name or text. */
  String string() {
    if (!escaped) {
      return new String(json, textStart, textEnd - textStart, StandardCharsets.UTF_8);
    }
    StringBuilder out = new StringBuilder(textEnd - textStart);
    int from = textStart;
    int i = from;
    while (i < textEnd) {
      if (json[i] != '\\') {
        i++;
        continue;
      }
      out.append(new String(json, from, i - from, StandardCharsets.UTF_8));
      byte kind = json[i + 1];
      i += 2;
      switch (kind) {
        case 'b' -> out.append('\b');
        case 'f' -> out.append('\f');
        case 'n' -> out.append('\n');
        case 'r' -> out.append('\r');
        case 't' -> out.append('\t');
        case 'u' -> {
          if (i + 4 > textEnd) {
            throw broken();
          }
          out.append((char) Integer.parseInt(slice(i, i + 4), 16));
          i += 4;
        }
        default -> out.append((char) kind);
      }
      from = i;
    }
    return out.append(new String(json, from, textEnd - from, StandardCharsets.UTF_8)).toString();
  }

  /** Steps over a value, whatever it is. */
  void skip() {
    switch (peek()) {
      case '"' -> text();
      case '{', '[' -> skipNested();
      default -> skipScalar();
    }
  }

  private void skipNested() {
    int depth = 0;
    do {
      switch (peek()) {
        case '{', '[' -> {
          depth++;
          at++;
        }
        case '}', ']' -> {
          depth--;
          at++;
        }
        case '"' -> text();
        default -> at++;
      }
    } while (depth > 0);
  }

  private void skipScalar() {
    int start = at;
    while (at < json.length && json[at] != ',' && json[at] != '}' && json[at] != ']') {
      at++;
    }
    if (at == start) {
      throw broken();
    }
  }

  // Trees

  /** The next value. */
  JsonValue value() {
    switch (peek()) {
      case '{' -> {
        JsonObject.Builder builder = JsonObject.builder();
        enter('{');
        while (nextField()) {
          String name = name();
          builder.putRead(name, value());
        }
        return builder.build();
      }
      case '[' -> {
        List<JsonValue> items = new ArrayList<>();
        enter('[');
        while (nextItem()) {
          items.add(value());
        }
        return new JsonArray(items);
      }
      case '"' -> {
        text();
        return brief ? new JsonString(string()) : JsonReading.text(string());
      }
      default -> {
        int start = at;
        skipScalar();
        return scalar(slice(start, at));
      }
    }
  }

  /** The wanted part of the next value, an object. */
  JsonObject part(FieldFilter filter) {
    return part("", filter);
  }

  private JsonObject part(String outer, FieldFilter filter) {
    JsonObject.Builder builder = JsonObject.builder();
    enter('{');
    while (nextField()) {
      String name = name();
      if (!filter.wants(outer, name)) {
        skip();
      } else if (outer.isEmpty() && peek() == '{') {
        builder.putRead(name, part(name, filter));
      } else {
        builder.putRead(name, value());
      }
    }
    return builder.build();
  }

  /** The last name, one instance of it in all documents. */
  private String name() {
    int slot = (nameHash ^ nameHash >>> 13) & NAMES.length - 1;
    Name known = NAMES[slot];
    if (known != null && isName(known.bytes, known.hash)) {
      return known.name;
    }
    String name = string().intern();
    if (!escaped && name.length() <= LONGEST_COMMON_NAME) {
      NAMES[slot] = new Name(Arrays.copyOfRange(json, textStart, textEnd), nameHash, name);
    }
    return name;
  }

  private JsonValue scalar(String text) {
    switch (text) {
      case "true" -> {
        return JsonBoolean.TRUE;
      }
      case "false" -> {
        return JsonBoolean.FALSE;
      }
      case "null" -> {
        return JsonNull.NULL;
      }
      default -> {
        try {
          boolean whole = text.chars().noneMatch(c -> c == '.' || c == 'e' || c == 'E');
          if (whole && text.length() < 19) {
            return new JsonInteger(Long.parseLong(text));
          }
          // Also those that barely fit 64 bits, or do not.
          return Json.parse(text);
        } catch (NumberFormatException _) {
          throw broken();
        }
      }
    }
  }

  /** A piece of the document, such as a number. */
  String slice(int start, int end) {
    return new String(json, start, end - start, StandardCharsets.UTF_8);
  }

  private JsonSyntaxException broken() {
    return new JsonSyntaxException("not JSON as it is stored", 1, at + 1);
  }
}
