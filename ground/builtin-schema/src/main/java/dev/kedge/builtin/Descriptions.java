package dev.kedge.builtin;

import dev.kedge.model.Schema;
import dev.kedge.model.Schema.Type;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/**
 * The texts of the built-in definitions: 0.7 MB that only OpenAPI documents need. Make one, use it,
 * let it go. One thread.
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
   */
  record Texts(String text, Map<String, String> fields) {
    static final Texts NONE = new Texts("", Map.of());
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
    return new Texts(text, fields);
  }
}
