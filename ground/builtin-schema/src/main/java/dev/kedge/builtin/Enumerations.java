package dev.kedge.builtin;

import dev.kedge.model.JsonArray;
import dev.kedge.model.JsonObject;
import java.nio.charset.StandardCharsets;
import java.util.Arrays;
import java.util.HashMap;
import java.util.List;
import java.util.Map;

/**
 * The values of built-in fields that have only a few, for OpenAPI documents. Make one, use it, let
 * it go. One thread.
 */
final class Enumerations {
  private final Map<String, List<String>> values = new HashMap<>();

  Enumerations() {
    String prefix = "";
    String text = new String(Input.resource("enums.txt", "#"), StandardCharsets.UTF_8);
    for (String line : text.lines().toList()) {
      if (line.startsWith("[")) {
        prefix = line.substring(1, line.length() - 1) + ".";
      } else if (!line.isEmpty() && !line.startsWith("#")) {
        int colon = line.indexOf(": ");
        List<String> listed =
            Arrays.stream(line.substring(colon + 2).split(", "))
                .map(value -> value.equals("''") ? "" : value)
                .toList();
        for (String field : line.substring(0, colon).split(" ")) {
          values.put(prefix + field, listed);
        }
      }
    }
  }

  /** The names of all fields that have values, each with that of its definition before it. */
  Iterable<String> fields() {
    return values.keySet();
  }

  /**
   * A field's schema with its values: in the schema and at the end of its description, or where it
   * is a list or map in that of its items.
   */
  JsonObject in(String definition, String field, JsonObject schema) {
    List<String> listed = values.get(definition + "." + field);
    if (listed == null) {
      return schema;
    }
    for (String items : List.of("items", "additionalProperties")) {
      if (schema.has(items)) {
        return schema.with(
            items, schema.object(items).with("enum", JsonArray.of(listed.toArray())));
      }
    }
    StringBuilder text = new StringBuilder(schema.text("description"));
    text.append(text.isEmpty() ? "" : "\n\n").append("Possible enum values:");
    listed.forEach(value -> text.append("\n - `\"").append(value).append("\"`"));
    return schema.with("description", text.toString()).with("enum", JsonArray.of(listed.toArray()));
  }
}
