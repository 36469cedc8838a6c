package dev.kedge.model;

import java.nio.ByteBuffer;
import java.nio.charset.CharacterCodingException;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Optional;
import java.util.Set;
import java.util.TreeSet;
import java.util.regex.Pattern;
import org.snakeyaml.engine.v2.api.LoadSettings;
import org.snakeyaml.engine.v2.api.lowlevel.Compose;
import org.snakeyaml.engine.v2.common.ScalarStyle;
import org.snakeyaml.engine.v2.exceptions.Mark;
import org.snakeyaml.engine.v2.exceptions.MarkedYamlEngineException;
import org.snakeyaml.engine.v2.exceptions.YamlEngineException;
import org.snakeyaml.engine.v2.nodes.MappingNode;
import org.snakeyaml.engine.v2.nodes.Node;
import org.snakeyaml.engine.v2.nodes.NodeTuple;
import org.snakeyaml.engine.v2.nodes.ScalarNode;
import org.snakeyaml.engine.v2.nodes.SequenceNode;
import org.snakeyaml.engine.v2.nodes.Tag;
import org.snakeyaml.engine.v2.schema.CoreSchema;

/**
 * Reads and writes YAML as JSON trees: YAML 1.2's core schema, and the merge key {@code <<}. Names
 * and values are what {@code kubectl} makes of them. Stateless; any thread.
 */
public final class Yaml {
  // Everything that some YAML reader takes for something else than a string.
  private static final Pattern AMBIGUOUS =
      Pattern.compile(
          "(?i)null|~|true|false|yes|no|on|off|y|n|=|<<"
              + "|[-+]?[0-9][0-9_]*(\\.[0-9_]*)?(e[-+]?[0-9]+)?|[-+]?\\.[0-9_]+(e[-+]?[0-9]+)?"
              + "|0x[0-9a-f_]+|0o?[0-7_]+|0b[01_]+|[-+]?\\.(inf)|\\.nan"
              + "|[-+]?[0-9][0-9_]*(:[0-5]?[0-9])+(\\.[0-9_]*)?"
              + "|[0-9]{4}-[0-9]{1,2}-[0-9]{1,2}([Tt ].*)?");
  private static final String INDICATORS = "-?:,[]{}#&*!|>'\"%@`";

  private Yaml() {}

  /**
   * Reads one document.
   *
   * @throws JsonSyntaxException if it is not one well-formed document
   */
  public static JsonValue parse(byte[] utf8) {
    return parse(utf8, new LinkedHashSet<>());
  }

  /** As {@link #parse(byte[])}. */
  public static JsonValue parse(String text) {
    return parse(text.getBytes(StandardCharsets.UTF_8));
  }

  /**
   * Reads one document and reports names that stand twice in one mapping; the last one counts.
   *
   * @param duplicates receives the paths of repeated fields, such as {@code spec.replicas}
   * @throws JsonSyntaxException if it is not one well-formed document
   */
  public static JsonValue parse(byte[] utf8, Set<String> duplicates) {
    List<JsonValue> documents = parseAll(utf8, duplicates);
    if (documents.size() > 1) {
      throw new JsonSyntaxException("more than one YAML document", 1, 1);
    }
    return documents.isEmpty() ? JsonNull.NULL : documents.getFirst();
  }

  /**
   * Reads a stream of documents, as in files whose parts are divided by {@code ---}; empty
   * documents are left out.
   *
   * @throws JsonSyntaxException if one is not well-formed
   */
  public static List<JsonValue> parseAll(byte[] utf8) {
    return parseAll(utf8, new LinkedHashSet<>());
  }

  private static List<JsonValue> parseAll(byte[] utf8, Set<String> duplicates) {
    LoadSettings settings =
        LoadSettings.builder()
            .setSchema(new CoreSchema())
            .setAllowDuplicateKeys(true)
            .setMaxAliasesForCollections(100)
            .setCodePointLimit(64 << 20)
            .build();
    List<JsonValue> documents = new ArrayList<>();
    try {
      String text = StandardCharsets.UTF_8.newDecoder().decode(ByteBuffer.wrap(utf8)).toString();
      for (Node node : new Compose(settings).composeAllFromString(text)) {
        JsonValue value = value(node, "", duplicates, 0);
        if (value != JsonNull.NULL) {
          documents.add(value);
        }
      }
      return documents;
    } catch (CharacterCodingException _) {
      throw new JsonSyntaxException("the text is not UTF-8", 1, 1);
    } catch (MarkedYamlEngineException e) {
      Optional<Mark> mark = e.getProblemMark();
      throw new JsonSyntaxException(
          String.valueOf(e.getProblem()),
          mark.map(at -> at.getLine() + 1).orElse(1),
          mark.map(at -> at.getColumn() + 1).orElse(1));
    } catch (YamlEngineException e) {
      throw new JsonSyntaxException(String.valueOf(e.getMessage()), 1, 1);
    }
  }

  private static JsonValue value(Node node, String path, Set<String> duplicates, int depth) {
    if (depth > Json.MAX_DEPTH) {
      throw at(node, "nested deeper than " + Json.MAX_DEPTH);
    }
    return switch (node) {
      case MappingNode mapping -> mapping(mapping, path, duplicates, depth);
      case SequenceNode sequence -> {
        List<JsonValue> items = new ArrayList<>(sequence.getValue().size());
        for (Node item : sequence.getValue()) {
          items.add(value(item, path + "[" + items.size() + "]", duplicates, depth + 1));
        }
        yield new JsonArray(items);
      }
      case ScalarNode scalar -> scalar(scalar);
      default -> throw at(node, "not understood: " + node.getTag());
    };
  }

  private static JsonObject mapping(
      MappingNode mapping, String path, Set<String> duplicates, int depth) {
    JsonObject.Builder merged = JsonObject.builder();
    for (NodeTuple tuple : mapping.getValue()) {
      if (isMerge(tuple)) {
        List<Node> sources =
            tuple.getValueNode() instanceof SequenceNode many
                ? many.getValue().reversed()
                : List.of(tuple.getValueNode());
        for (Node source : sources) {
          if (!(value(source, path, duplicates, depth + 1) instanceof JsonObject object)) {
            throw at(source, "map merge requires map or sequence of maps as the value");
          }
          merged.putAll(object);
        }
      }
    }
    Set<String> own = new TreeSet<>();
    for (NodeTuple tuple : mapping.getValue()) {
      if (isMerge(tuple)) {
        continue;
      }
      if (!(tuple.getKeyNode() instanceof ScalarNode key)) {
        throw at(tuple.getKeyNode(), "a key must be a scalar");
      }
      String name = key.getValue();
      String fieldPath = path.isEmpty() ? name : path + "." + name;
      if (!own.add(name)) {
        duplicates.add(fieldPath);
      }
      merged.put(name, value(tuple.getValueNode(), fieldPath, duplicates, depth + 1));
    }
    return merged.build();
  }

  private static boolean isMerge(NodeTuple tuple) {
    return tuple.getKeyNode() instanceof ScalarNode key
        && key.isPlain()
        && key.getValue().equals("<<");
  }

  private static JsonValue scalar(ScalarNode node) {
    String text = node.getValue();
    Tag tag = node.getTag();
    if (node.getScalarStyle() != ScalarStyle.PLAIN && !tag.equals(Tag.BINARY)) {
      return new JsonString(text);
    }
    if (tag.equals(Tag.NULL)) {
      return JsonNull.NULL;
    }
    if (tag.equals(Tag.BOOL)) {
      return JsonBoolean.of(text.equalsIgnoreCase("true"));
    }
    if (tag.equals(Tag.INT)) {
      return integer(text);
    }
    if (tag.equals(Tag.FLOAT)) {
      try {
        return new JsonDecimal(Double.parseDouble(text));
      } catch (NumberFormatException _) {
        throw at(node, "JSON has no " + text);
      }
    }
    return new JsonString(text);
  }

  private static JsonValue integer(String text) {
    try {
      if (text.startsWith("0x")) {
        return new JsonInteger(Long.parseLong(text.substring(2), 16));
      }
      // 0o17 as in YAML 1.2, 0644 as in YAML 1.1, which file modes are written in.
      if (text.startsWith("0o")) {
        return new JsonInteger(Long.parseLong(text.substring(2), 8));
      }
      if (text.length() > 1 && text.startsWith("0") && text.matches("[0-7]+")) {
        return new JsonInteger(Long.parseLong(text, 8));
      }
      return new JsonInteger(Long.parseLong(text));
    } catch (NumberFormatException _) {
      return new JsonDecimal(Double.parseDouble(text));
    }
  }

  private static JsonSyntaxException at(Node node, String message) {
    Optional<Mark> mark = node.getStartMark();
    return new JsonSyntaxException(
        message,
        mark.map(at -> at.getLine() + 1).orElse(1),
        mark.map(at -> at.getColumn() + 1).orElse(1));
  }

  /**
   * The value as a YAML document, names in alphabetical order and lists not indented, as {@code
   * kubectl -o yaml} shows objects.
   */
  public static String write(JsonValue value) {
    StringBuilder out = new StringBuilder();
    switch (value) {
      case JsonObject object when !object.isEmpty() -> object(object, 0, out);
      case JsonArray array when !array.isEmpty() -> array(array, 0, out);
      default -> out.append(flow(value, 0)).append('\n');
    }
    return out.toString();
  }

  private static void object(JsonObject object, int indent, StringBuilder out) {
    boolean first = true;
    for (String name : new TreeSet<>(object.names())) {
      // The first name of a list's item stands behind its dash.
      if (!first || out.isEmpty() || out.charAt(out.length() - 1) == '\n') {
        out.append(" ".repeat(indent));
      }
      first = false;
      out.append(name.indexOf('\n') < 0 ? text(name, indent) : Json.write(new JsonString(name)))
          .append(':');
      JsonValue value = object.get(name).orElse(JsonNull.NULL);
      switch (value) {
        case JsonObject child when !child.isEmpty() -> {
          out.append('\n');
          object(child, indent + 2, out);
        }
        case JsonArray child when !child.isEmpty() -> {
          out.append('\n');
          array(child, indent, out);
        }
        default -> out.append(' ').append(flow(value, indent)).append('\n');
      }
    }
  }

  private static void array(JsonArray array, int indent, StringBuilder out) {
    boolean first = true;
    for (JsonValue item : array.items()) {
      if (!first || out.isEmpty() || out.charAt(out.length() - 1) == '\n') {
        out.append(" ".repeat(indent));
      }
      first = false;
      out.append("- ");
      switch (item) {
        case JsonObject child when !child.isEmpty() -> object(child, indent + 2, out);
        case JsonArray child when !child.isEmpty() -> array(child, indent + 2, out);
        default -> out.append(flow(item, indent)).append('\n');
      }
    }
  }

  private static String flow(JsonValue value, int indent) {
    return value instanceof JsonString text ? text(text.value(), indent) : Json.write(value);
  }

  private static String text(String text, int indent) {
    if (text.isEmpty() || AMBIGUOUS.matcher(text).matches()) {
      return "\"" + text + "\"";
    }
    if (text.codePoints().anyMatch(c -> (c < ' ' && c != '\n') || c == 127 || c == 0xfeff)
        || text.isBlank()) {
      return Json.write(new JsonString(text));
    }
    if (text.indexOf('\n') >= 0) {
      return block(text, indent);
    }
    boolean plain =
        INDICATORS.indexOf(text.charAt(0)) < 0
            || (text.length() > 1
                && "-?:".indexOf(text.charAt(0)) >= 0
                && text.charAt(1) != ' '
                && !text.startsWith("---"));
    if (plain
        && text.charAt(0) != ' '
        && !text.endsWith(" ")
        && !text.endsWith(":")
        && !text.contains(": ")
        && !text.contains(" #")) {
      return text;
    }
    return "'" + text.replace("'", "''") + "'";
  }

  private static String block(String text, int indent) {
    if (text.startsWith(" ") || text.startsWith("\n")) {
      return Json.write(new JsonString(text));
    }
    String body = text;
    String chomping;
    if (!text.endsWith("\n")) {
      chomping = "-";
    } else if (text.endsWith("\n\n")) {
      chomping = "+";
      body = text.substring(0, text.length() - 1);
    } else {
      chomping = "";
      body = text.substring(0, text.length() - 1);
    }
    StringBuilder out = new StringBuilder("|").append(chomping);
    String pad = " ".repeat(indent + 2);
    for (String line : body.split("\n", -1)) {
      out.append('\n');
      if (!line.isEmpty()) {
        out.append(pad).append(line);
      }
    }
    return out.toString();
  }
}
