package dev.kedge.builtin;

import dev.kedge.model.Json;
import dev.kedge.model.JsonValue;
import dev.kedge.model.Schema;
import dev.kedge.model.Schema.Type;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/**
 * The texts and published defaults of the built-in definitions: 0.7 MB that only OpenAPI documents
 * need. Make one, use it, let it go. One thread.
 */
final class Descriptions {
  private final byte[] bytes = Input.resource("descriptions.bin", "KDSC1");
  private final int[] offsets;

  Descriptions() {
    Input in = new Input(bytes, 5);
    offsets = new int[in.number()];
    int offset = 0;
    for (int i = 0; i < offsets.length; i++) {
      offsets[i] = offset;
      offset += in.number();
    }
    for (int i = 0; i < offsets.length; i++) {
      offsets[i] += in.position();
    }
  }

  /**
   * What is written about a definition.
   *
   * @param text about the definition itself
   * @param fields about its fields, by name
   * @param defaults that documents of version 3 tell of its fields, by name; what an absent field
   *     gets is {@link Schema.Field#defaultValue}
   */
  record Texts(String text, Map<String, String> fields, Map<String, JsonValue> defaults) {
    static final Texts NONE = new Texts("", Map.of());

    Texts(String text, Map<String, String> fields) {
      this(text, fields, Map.of());
    }
  }

  /** The texts of a schema's definition; none for schemas that are not built in. */
  Texts of(Schema schema) {
    int index = schema.name().isEmpty() ? -1 : BuiltinSchemas.index(schema.name());
    if (index < 0) {
      return Texts.NONE;
    }
    Input in = new Input(bytes, offsets[index]);
    String text = in.text();
    if (schema.type() != Type.OBJECT) {
      return new Texts(text, Map.of());
    }
    Map<String, String> fields = new LinkedHashMap<>();
    List<String> names = new ArrayList<>(schema.fields().keySet());
    names.forEach(name -> fields.put(name, in.text()));
    int count = in.number();
    Map<String, JsonValue> defaults = HashMap.newHashMap(count);
    for (int i = 0; i < count; i++) {
      defaults.put(names.get(in.number()), Json.parse(in.text()));
    }
    return new Texts(text, fields, defaults);
  }
}
