package dev.kedge.controllers;

import dev.kedge.model.Json;
import dev.kedge.model.JsonArray;
import dev.kedge.model.JsonObject;
import dev.kedge.model.JsonValue;
import dev.kedge.model.Names;
import java.nio.charset.StandardCharsets;
import java.util.TreeMap;

/** Comparing and naming pod templates. */
final class Template {
  static final String HASH_LABEL = "pod-template-hash";

  private Template() {}

  /** Whether two templates make the same pods, the label with their hash apart. */
  static boolean same(JsonObject left, JsonObject right) {
    return plain(left).equals(plain(right));
  }

  private static JsonObject plain(JsonObject template) {
    JsonObject metadata = template.object("metadata");
    JsonObject labels = metadata.object("labels").without(HASH_LABEL);
    JsonObject rest = metadata.without("labels").without("creationTimestamp");
    JsonObject plain = labels.isEmpty() ? rest : rest.with("labels", labels);
    return template.with("metadata", plain);
  }

  /** A short name for a template: FNV-1a over its sorted form, in letters that spell no words. */
  static String hash(JsonObject template, long collisions) {
    return hash(plain(template), collisions == 0 ? "" : Long.toString(collisions));
  }

  static String hash(JsonValue value, String salt) {
    int hash = 0x811c9dc5;
    String text = Json.write(sorted(value)) + salt;
    for (byte b : text.getBytes(StandardCharsets.UTF_8)) {
      hash = (hash ^ (b & 0xff)) * 0x01000193;
    }
    StringBuilder name = new StringBuilder();
    for (char digit : Integer.toUnsignedString(hash).toCharArray()) {
      name.append(Names.GENERATED_LETTERS.charAt(digit % Names.GENERATED_LETTERS.length()));
    }
    return name.toString();
  }

  private static JsonValue sorted(JsonValue value) {
    if (value instanceof JsonObject object) {
      TreeMap<String, JsonValue> fields = new TreeMap<>();
      object.forEach((name, field) -> fields.put(name, sorted(field)));
      return JsonValue.of(fields);
    }
    if (value instanceof JsonArray array) {
      return JsonArray.copyOf(array.items().stream().map(Template::sorted).toList());
    }
    return value;
  }
}
