package dev.kedge.model;

import com.fasterxml.jackson.core.JsonFactory;
import com.fasterxml.jackson.core.JsonFactoryBuilder;
import com.fasterxml.jackson.core.JsonGenerator;
import com.fasterxml.jackson.core.JsonParser;
import com.fasterxml.jackson.core.StreamReadConstraints;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.OutputStream;
import java.io.StringWriter;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;
import java.util.Arrays;
import java.util.Set;
import org.jspecify.annotations.Nullable;

/** Reads and writes JSON text. Stateless; any thread. */
public final class Json {
  /** Deepest nesting of a document that a client sends, so that it cannot exhaust the stack. */
  public static final int MAX_DEPTH = 500;

  /** What is put around documents and into them: lists, events, managed fields. */
  private static final int MADE_DEPTH = 100;

  private static final JsonFactory FACTORY = factory(MAX_DEPTH + MADE_DEPTH);
  private static final JsonFactory DOCUMENTS = factory(MAX_DEPTH);

  private static JsonFactory factory(int depth) {
    return new JsonFactoryBuilder()
        // JSON is UTF-8 here; zeros between its bytes must not be taken for UTF-16 or UTF-32.
        .disable(JsonFactory.Feature.CHARSET_DETECTION)
        .streamReadConstraints(
            StreamReadConstraints.builder()
                .maxNestingDepth(depth)
                .maxStringLength(64 << 20)
                .maxNameLength(1 << 20)
                .build())
        .build();
  }

  private Json() {}

  /**
   * Reads one JSON value that fills the whole text.
   *
   * @throws JsonSyntaxException if it is not one well-formed value
   */
  public static JsonValue parse(String text) {
    return parse(text.getBytes(StandardCharsets.UTF_8));
  }

  /**
   * Reads one JSON value that fills all bytes (UTF-8). Of fields that stand twice the last one
   * counts.
   *
   * @throws JsonSyntaxException if it is not one well-formed value
   */
  public static JsonValue parse(byte[] bytes) {
    return parse(FACTORY, bytes, null, (reading, _) -> reading.value());
  }

  /**
   * Reads one JSON value that a client sent, no deeper than {@link #MAX_DEPTH}, and reports names
   * that stand twice in one object, at most a hundred.
   *
   * @param duplicates receives the paths of repeated fields, such as {@code spec.replicas}
   * @throws JsonSyntaxException if it is not one well-formed value
   */
  public static JsonValue parse(byte[] bytes, Set<String> duplicates) {
    return parse(DOCUMENTS, bytes, duplicates, (reading, _) -> reading.value());
  }

  private interface Reader<T> {
    T read(JsonReading reading, JsonParser parser) throws IOException;
  }

  private static <T> T parse(
      JsonFactory factory, byte[] bytes, @Nullable Set<String> duplicates, Reader<T> reader) {
    try (JsonParser parser = factory.createParser(bytes)) {
      if (parser.nextToken() == null) {
        throw new JsonSyntaxException("unexpected end of JSON input", 1, 1);
      }
      T value =
          reader.read(new JsonReading(parser, duplicates, JsonReading.wellFormed(bytes)), parser);
      if (parser.nextToken() != null) {
        throw new JsonSyntaxException(
            "invalid character after top-level value",
            parser.currentLocation().getLineNr(),
            parser.currentLocation().getColumnNr());
      }
      return value;
    } catch (com.fasterxml.jackson.core.JsonProcessingException e) {
      int line = e.getLocation() == null ? 1 : e.getLocation().getLineNr();
      int column = e.getLocation() == null ? 1 : e.getLocation().getColumnNr();
      throw new JsonSyntaxException(e.getOriginalMessage(), line, column);
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }

  /**
   * Reads one JSON object.
   *
   * @throws JsonSyntaxException if it is not one well-formed object
   */
  public static JsonObject parseObject(byte[] bytes) {
    if (parse(bytes) instanceof JsonObject object) {
      return object;
    }
    throw new JsonSyntaxException("not a JSON object", 1, 1);
  }

  /**
   * Reads a part of one JSON object; the rest is looked at only for being well-formed.
   *
   * @throws JsonSyntaxException if it is not one well-formed object
   */
  public static JsonObject parseObject(byte[] bytes, FieldFilter filter) {
    return parse(
        FACTORY,
        bytes,
        null,
        (reading, parser) -> {
          if (!parser.isExpectedStartObjectToken()) {
            throw new JsonSyntaxException("not a JSON object", 1, 1);
          }
          return reading.part(filter);
        });
  }

  /**
   * Reads an object that {@link #bytes} wrote: faster than what may come from anywhere.
   *
   * @throws JsonSyntaxException if it is not what was written
   */
  public static JsonObject parseStored(byte[] stored) {
    return parseStored(stored, (_, _) -> true);
  }

  /** As {@link #parseStored(byte[])}, a part of it; the rest is passed over. */
  public static JsonObject parseStored(byte[] stored, FieldFilter filter) {
    return new JsonCursor(stored).part(filter);
  }

  /** As {@link #parseStored(byte[], FieldFilter)}, for one look: the result is not kept. */
  public static JsonObject glance(byte[] stored, FieldFilter filter) {
    return new JsonCursor(stored, true).part(filter);
  }

  /**
   * The bytes of one outermost field's value in an object that {@link #bytes} wrote; empty where
   * there is no such field.
   */
  public static byte[] storedField(byte[] stored, String name) {
    byte[] wanted = name.getBytes(StandardCharsets.UTF_8);
    int hash = JsonCursor.hash(wanted);
    JsonCursor cursor = new JsonCursor(stored);
    cursor.enter('{');
    while (cursor.nextField()) {
      boolean found = cursor.isName(wanted, hash);
      int start = cursor.position();
      cursor.skip();
      if (found) {
        return Arrays.copyOfRange(stored, start, cursor.position());
      }
    }
    return new byte[0];
  }

  /** As {@link #parseObject(byte[])}. */
  public static JsonObject parseObject(String text) {
    return parseObject(text.getBytes(StandardCharsets.UTF_8));
  }

  /** Whether collections stand inside each other more often than so many times. */
  static boolean isDeeper(JsonValue value, int depth) {
    return switch (value) {
      case JsonObject object -> {
        for (int i = 0; i < object.size(); i++) {
          if (depth == 0 || isDeeper(object.valueAt(i), depth - 1)) {
            yield true;
          }
        }
        yield false;
      }
      case JsonArray array -> {
        for (JsonValue item : array.items()) {
          if (depth == 0 || isDeeper(item, depth - 1)) {
            yield true;
          }
        }
        yield false;
      }
      case JsonString _, JsonInteger _, JsonDecimal _, JsonBoolean _, JsonNull _ -> false;
    };
  }

  /** The value as compact UTF-8 JSON. */
  public static byte[] bytes(JsonValue value) {
    ByteArrayOutputStream out = new ByteArrayOutputStream(1024);
    write(value, out);
    return out.toByteArray();
  }

  /** Writes the value as compact UTF-8 JSON; the stream stays open. */
  public static void write(JsonValue value, OutputStream out) {
    try (JsonGenerator generator = FACTORY.createGenerator(out)) {
      generator.disable(JsonGenerator.Feature.AUTO_CLOSE_TARGET);
      write(value, generator);
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }

  /** The value as compact JSON text. */
  public static String write(JsonValue value) {
    StringWriter out = new StringWriter();
    try (JsonGenerator generator = FACTORY.createGenerator(out)) {
      write(value, generator);
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
    return out.toString();
  }

  /**
   * The value as JSON text indented as {@code kubectl -o json} does: four spaces, a closing line
   * feed.
   */
  public static String pretty(JsonValue value) {
    StringBuilder out = new StringBuilder();
    pretty(value, "", out);
    return out.append('\n').toString();
  }

  private static void pretty(JsonValue value, String indent, StringBuilder out) {
    String inner = indent + "    ";
    switch (value) {
      case JsonObject object when !object.isEmpty() -> {
        out.append("{\n");
        for (int i = 0; i < object.size(); i++) {
          out.append(inner).append(write(new JsonString(object.nameAt(i)))).append(": ");
          pretty(object.valueAt(i), inner, out);
          out.append(i + 1 < object.size() ? ",\n" : "\n");
        }
        out.append(indent).append('}');
      }
      case JsonArray array when !array.isEmpty() -> {
        out.append("[\n");
        for (int i = 0; i < array.size(); i++) {
          out.append(inner);
          pretty(array.items().get(i), inner, out);
          out.append(i + 1 < array.size() ? ",\n" : "\n");
        }
        out.append(indent).append(']');
      }
      default -> out.append(write(value));
    }
  }

  private static void write(JsonValue value, JsonGenerator out) throws IOException {
    switch (value) {
      case JsonObject object -> {
        out.writeStartObject();
        for (int i = 0; i < object.size(); i++) {
          out.writeFieldName(object.nameAt(i));
          write(object.valueAt(i), out);
        }
        out.writeEndObject();
      }
      case JsonArray array -> {
        out.writeStartArray();
        for (JsonValue item : array.items()) {
          write(item, out);
        }
        out.writeEndArray();
      }
      case JsonString text -> out.writeString(text.value());
      case JsonInteger number -> out.writeNumber(number.value());
      case JsonDecimal number -> writeDecimal(number.value(), out);
      case JsonBoolean flag -> out.writeBoolean(flag.value());
      case JsonNull _ -> out.writeNull();
    }
  }

  /** Whole decimals are written without fraction, as Go's encoder does. */
  private static void writeDecimal(double value, JsonGenerator out) throws IOException {
    if (value == Math.rint(value) && Math.abs(value) < 1e15) {
      out.writeNumber((long) value);
    } else {
      out.writeNumber(value);
    }
  }
}
