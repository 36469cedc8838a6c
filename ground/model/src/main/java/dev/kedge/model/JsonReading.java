package dev.kedge.model;

import com.fasterxml.jackson.core.JsonParseException;
import com.fasterxml.jackson.core.JsonParser;
import com.fasterxml.jackson.core.JsonToken;
import java.io.IOException;
import java.util.ArrayList;
import java.util.List;
import java.util.Set;
import org.jspecify.annotations.Nullable;

/** The reading of one text into a tree. One thread. */
final class JsonReading {
  /** Most repeated names that are reported, as upstream. */
  private static final int MAX_DUPLICATES = 100;

  /** Short texts that many objects have, such as phases and names of images, are kept once. */
  private static final int COMMON_LENGTH = 64;

  /** Any thread puts and takes: it does not matter which of two equal ones is kept. */
  private static final @Nullable JsonString[] COMMON = new @Nullable JsonString[2048];

  private final JsonParser parser;
  private final @Nullable Set<String> duplicates;
  private final boolean wellFormed;

  /**
   * @param duplicates receives the paths of repeated fields; null where nobody asks
   * @param wellFormed whether the text cannot have halves of surrogate pairs that stand alone
   */
  JsonReading(JsonParser parser, @Nullable Set<String> duplicates, boolean wellFormed) {
    this.parser = parser;
    this.duplicates = duplicates;
    this.wellFormed = wellFormed;
  }

  /** Whether a text has nothing that could make half a surrogate pair. */
  static boolean wellFormed(byte[] text) {
    byte before = 0;
    for (byte one : text) {
      // As JSON's escape of a character alone: the parser refuses what UTF-8 would make of one.
      if (one == 'u' && before == '\\') {
        return false;
      }
      before = one;
    }
    return true;
  }

  /** The value at the parser's current token. */
  JsonValue value() throws IOException {
    return value(null);
  }

  /** The wanted part of the object at the parser's current token. */
  JsonObject part(FieldFilter filter) throws IOException {
    return part("", filter);
  }

  private JsonObject part(String outer, FieldFilter filter) throws IOException {
    JsonObject.Builder builder = JsonObject.builder();
    while (parser.nextToken() != JsonToken.END_OBJECT) {
      String name = checked(parser.currentName());
      JsonToken token = parser.nextToken();
      if (!filter.wants(outer, name)) {
        parser.skipChildren();
      } else if (outer.isEmpty() && token == JsonToken.START_OBJECT) {
        builder.putRead(name, part(name, filter));
      } else {
        builder.putRead(name, value());
      }
    }
    return builder.build();
  }

  private JsonValue value(@Nullable DocumentPath path) throws IOException {
    JsonToken token = parser.currentToken();
    return switch (token) {
      case START_OBJECT -> object(path);
      case START_ARRAY -> {
        List<JsonValue> items = new ArrayList<>();
        while (parser.nextToken() != JsonToken.END_ARRAY) {
          items.add(value(duplicates == null ? null : DocumentPath.item(path, items.size())));
        }
        yield new JsonArray(items);
      }
      case VALUE_STRING -> text(checked(parser.getText()));
      case VALUE_NUMBER_INT ->
          switch (parser.getNumberType()) {
            case INT, LONG -> new JsonInteger(parser.getLongValue());
            default -> decimal();
          };
      case VALUE_NUMBER_FLOAT -> decimal();
      case VALUE_TRUE -> JsonBoolean.TRUE;
      case VALUE_FALSE -> JsonBoolean.FALSE;
      case VALUE_NULL -> JsonNull.NULL;
      default -> throw new JsonParseException(parser, "unexpected " + token);
    };
  }

  private JsonObject object(@Nullable DocumentPath path) throws IOException {
    JsonObject.Builder builder = JsonObject.builder();
    while (parser.nextToken() != JsonToken.END_OBJECT) {
      String name = checked(parser.currentName());
      DocumentPath field = null;
      if (duplicates != null) {
        field = DocumentPath.field(path, name);
        if (duplicates.size() < MAX_DUPLICATES && builder.has(name)) {
          duplicates.add(field.toString());
        }
      }
      parser.nextToken();
      builder.putRead(name, value(field));
    }
    return builder.build();
  }

  private JsonDecimal decimal() throws IOException {
    double value = parser.getDoubleValue();
    if (!Double.isFinite(value)) {
      throw new JsonParseException(
          parser,
          "json: cannot unmarshal number " + parser.getText() + " into Go value of type float64");
    }
    return new JsonDecimal(value);
  }

  static JsonString text(String value) {
    if (value.length() > COMMON_LENGTH) {
      return new JsonString(value);
    }
    int hash = value.hashCode();
    int at = (hash ^ hash >>> 11) & COMMON.length - 1;
    JsonString known = COMMON[at];
    if (known != null && known.value().equals(value)) {
      return known;
    }
    JsonString text = new JsonString(value);
    COMMON[at] = text;
    return text;
  }

  /** Halves of surrogate pairs that stand alone are no characters: replaced, as Go does. */
  private String checked(String text) {
    if (!wellFormed) {
      for (int i = 0; i < text.length(); i++) {
        if (Character.isSurrogate(text.charAt(i))) {
          return replaced(text);
        }
      }
    }
    return text;
  }

  private static String replaced(String text) {
    StringBuilder out = new StringBuilder(text.length());
    text.codePoints().forEach(c -> out.appendCodePoint(c >= 0xD800 && c <= 0xDFFF ? 0xFFFD : c));
    return out.toString();
  }
}
