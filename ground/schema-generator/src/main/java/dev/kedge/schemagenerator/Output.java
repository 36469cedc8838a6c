package dev.kedge.schemagenerator;

import dev.kedge.schemagenerator.Definition.Field;
import dev.kedge.schemagenerator.Definition.Type;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/**
 * The file format. Numbers are base-128 varints, texts are UTF-8 with their length before them.
 *
 * <pre>
 * schemas.bin       magic "KSCH1" · strings · definitions: (name, length of body) … · bodies
 * body              form · flags (1 atomic) · number of fields · fields
 * field             name · number · type · flags · [default] · [list type, keys] · [strategy, key]
 * type              shape · [definition | item type]
 * descriptions.bin  magic "KDSC1" · per definition the length of its body · bodies
 * body              text of the definition · texts of its fields · number of fields with a
 *                   published default · (position of the field, its default as JSON) …
 * </pre>
 *
 * Strings in bodies of {@code schemas.bin} are positions in the string table.
 */
final class Output {
  static final int REQUIRED = 1;
  static final int DEFAULT = 2;
  static final int ZERO_IS_ABSENT = 4;
  static final int ATOMIC = 8;
  static final int LIST_TYPE = 16;
  static final int PATCH = 32;
  static final int ALWAYS = 64;

  private final List<Definition> definitions;
  private final Map<String, Integer> strings = new LinkedHashMap<>();
  private final Map<String, Integer> indexes = new LinkedHashMap<>();

  Output(List<Definition> definitions) {
    this.definitions = definitions;
    for (Definition definition : definitions) {
      indexes.put(definition.name, indexes.size());
    }
  }

  void write(Path folder) throws IOException {
    List<byte[]> bodies = new ArrayList<>();
    for (Definition definition : definitions) {
      string(definition.name);
    }
    for (Definition definition : definitions) {
      bodies.add(body(definition));
    }
    var schemas = new ByteArrayOutputStream();
    schemas.writeBytes("KSCH1".getBytes(StandardCharsets.UTF_8));
    number(schemas, strings.size());
    strings.keySet().forEach(text -> text(schemas, text));
    number(schemas, bodies.size());
    for (int i = 0; i < bodies.size(); i++) {
      number(schemas, string(definitions.get(i).name));
      number(schemas, bodies.get(i).length);
    }
    bodies.forEach(schemas::writeBytes);
    Files.write(folder.resolve("schemas.bin"), schemas.toByteArray());

    var descriptions = new ByteArrayOutputStream();
    descriptions.writeBytes("KDSC1".getBytes(StandardCharsets.UTF_8));
    List<byte[]> texts = new ArrayList<>();
    for (Definition definition : definitions) {
      var out = new ByteArrayOutputStream();
      text(out, definition.description);
      definition.fields.forEach(field -> text(out, field.description));
      defaults(out, definition);
      texts.add(out.toByteArray());
    }
    number(descriptions, texts.size());
    texts.forEach(body -> number(descriptions, body.length));
    texts.forEach(descriptions::writeBytes);
    Files.write(folder.resolve("descriptions.bin"), descriptions.toByteArray());
  }

  private static void defaults(ByteArrayOutputStream out, Definition definition) {
    List<Field> published =
        definition.fields.stream().filter(field -> !field.published.isEmpty()).toList();
    number(out, published.size());
    for (Field field : published) {
      number(out, definition.fields.indexOf(field));
      text(out, field.published);
    }
  }

  private byte[] body(Definition definition) {
    var out = new ByteArrayOutputStream();
    number(out, definition.form.ordinal());
    number(out, definition.atomic ? 1 : 0);
    number(out, definition.fields.size());
    for (Field field : definition.fields) {
      field(out, field);
    }
    return out.toByteArray();
  }

  private void field(ByteArrayOutputStream out, Field field) {
    number(out, string(field.name));
    number(out, field.number);
    type(out, field.type);
    boolean patch = !field.patchStrategy.isEmpty() || !field.patchMergeKey.isEmpty();
    int flags = field.required ? REQUIRED : 0;
    flags |= field.defaultJson.isEmpty() ? 0 : DEFAULT;
    flags |= field.zeroIsAbsent ? ZERO_IS_ABSENT : 0;
    flags |= field.atomic ? ATOMIC : 0;
    flags |= field.listType.isEmpty() ? 0 : LIST_TYPE;
    flags |= patch ? PATCH : 0;
    flags |= field.always ? ALWAYS : 0;
    number(out, flags);
    if (!field.defaultJson.isEmpty()) {
      number(out, string(field.defaultJson));
    }
    if (!field.listType.isEmpty()) {
      number(
          out,
          switch (field.listType) {
            case "atomic" -> 0;
            case "set" -> 1;
            case "map" -> 2;
            default -> throw new IllegalStateException("list type " + field.listType);
          });
      number(out, field.listMapKeys.size());
      field.listMapKeys.forEach(key -> number(out, string(key)));
    }
    if (patch) {
      number(out, string(String.join(",", field.patchStrategy)));
      number(out, string(field.patchMergeKey));
    }
  }

  private void type(ByteArrayOutputStream out, Type type) {
    number(out, type.shape().ordinal());
    switch (type.shape()) {
      case REFERENCE -> {
        Integer index = indexes.get(type.reference());
        if (index == null) {
          throw new IllegalStateException("no definition " + type.reference());
        }
        number(out, index);
      }
      case LIST, MAP -> type(out, type.item().getFirst());
      case STRING, BOOLEAN, INT32, INT64, DOUBLE, BYTES -> {}
    }
  }

  private int string(String text) {
    Integer known = strings.putIfAbsent(text, strings.size());
    return known == null ? strings.size() - 1 : known;
  }

  private static void text(ByteArrayOutputStream out, String text) {
    byte[] bytes = text.getBytes(StandardCharsets.UTF_8);
    number(out, bytes.length);
    out.writeBytes(bytes);
  }

  private static void number(ByteArrayOutputStream out, int value) {
    int rest = value;
    while (rest >= 0x80) {
      out.write(rest & 0x7f | 0x80);
      rest >>>= 7;
    }
    out.write(rest);
  }
}
