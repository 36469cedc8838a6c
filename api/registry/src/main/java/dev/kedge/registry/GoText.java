package dev.kedge.registry;

import static java.util.stream.Collectors.joining;

import dev.kedge.model.JsonArray;
import dev.kedge.model.JsonNull;
import dev.kedge.model.JsonObject;
import dev.kedge.model.JsonString;
import dev.kedge.model.JsonValue;
import java.util.Map;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/** The words that messages of upstream owe to Go's formats and reflection. */
final class GoText {
  /** What {@link dev.kedge.model.SchemaDecoder} says of a value of the wrong type. */
  private static final Pattern MISMATCH =
      Pattern.compile("(?s).*json: cannot unmarshal (\\w+)(?: \\S+)? into .* of type (\\S+)");

  private static final Map<String, String> KINDS =
      Map.of("object", "map", "array", "slice", "number", "int64");

  private GoText() {}

  /** A document as Go prints maps: {@code map[spec:map[replicas:2]]}, sorted by name. */
  static String of(JsonValue value) {
    return switch (value) {
      case JsonObject object ->
          object.names().stream()
              .sorted()
              .map(name -> name + ":" + of(object.get(name).orElseThrow()))
              .collect(joining(" ", "map[", "]"));
      case JsonArray array ->
          array.items().stream().map(GoText::of).collect(joining(" ", "[", "]"));
      case JsonString text -> text.value();
      case JsonNull _ -> "<nil>";
      default -> value.toString();
    };
  }

  /** What a decoder's complaint about a type is where an object is made from a tree, not a text. */
  static String converted(String why) {
    Matcher mismatch = MISMATCH.matcher(why);
    if (!mismatch.matches()) {
      return why;
    }
    String found = KINDS.getOrDefault(mismatch.group(1), mismatch.group(1));
    String type = mismatch.group(2);
    if (type.startsWith("[]")) {
      return "cannot restore slice from " + found;
    }
    if (type.startsWith("map[")) {
      return "cannot restore map from " + found;
    }
    if (type.contains(".")) {
      return "cannot restore struct from: " + found;
    }
    return found.equals("int64") && type.equals("string")
        ? "cannot convert int64 to string"
        : "unrecognized type: " + type;
  }
}
