package dev.kedge.cli.kubectl;

import dev.kedge.model.JsonArray;
import dev.kedge.model.JsonObject;
import dev.kedge.model.JsonValue;
import dev.kedge.model.Times;
import java.time.ZoneId;
import java.time.format.DateTimeFormatter;
import java.util.Arrays;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.TreeMap;
import java.util.function.Function;

/**
 * The form of {@code kubectl describe}: a name, a colon and a value per line, the values in one
 * column; what belongs to a name stands under it, two blanks further in. A writer writes at one
 * depth; {@link #heading} and {@link #nested} give the one for the next.
 */
final class DescriptionWriter {
  private static final DateTimeFormatter TIME =
      DateTimeFormatter.ofPattern("EEE, dd MMM yyyy HH:mm:ss Z", Locale.ROOT);

  /** From how many characters on an entry of a map is written under its key, and in part. */
  private static final int LONG_ENTRY = 140;

  private final TabWriter text;
  private final String indent;

  DescriptionWriter() {
    this(TabWriter.describe(), "");
  }

  private DescriptionWriter(TabWriter text, String indent) {
    this.text = text;
    this.indent = indent;
  }

  /** Writes what belongs to the line that was written last. */
  DescriptionWriter nested() {
    return new DescriptionWriter(text, indent + "  ");
  }

  /** Writes a name alone, and gives the writer of what stands under it. */
  DescriptionWriter heading(String name) {
    line(name + ":");
    return nested();
  }

  void field(String name, Object value) {
    line(name + ":", value);
  }

  /** Writes a field if it has a value. */
  void optional(String name, String value) {
    if (!value.isEmpty()) {
      field(name, value);
    }
  }

  /** Writes a line of cells. */
  void line(Object... cells) {
    text.append(indent).line(cells);
  }

  /** Writes an empty line. */
  void blank() {
    text.append("\n");
  }

  /** Writes the names of a table's columns, underlined; one without a name is not. */
  void columns(String... names) {
    line((Object[]) names);
    line(Arrays.stream(names).map(name -> "-".repeat(name.length())).toArray());
  }

  /** A field of several values, one per line. */
  void list(String name, List<String> values) {
    field(name, values.isEmpty() ? "<none>" : values.getFirst());
    values.stream().skip(1).forEach(value -> text.line("", value));
  }

  /** A heading and the lines of texts under it; nothing where there are no texts. */
  void lines(String name, List<String> texts) {
    if (!texts.isEmpty()) {
      DescriptionWriter in = heading(name);
      texts.stream().flatMap(String::lines).forEach(in::line);
    }
  }

  /** A field whose value's further lines stand under the first. */
  void paragraph(String name, String value) {
    field(name, value.replace("\n", "\n" + indent + "\t"));
  }

  /** Labels and the like: {@code key=value}, one per line. */
  void labels(String name, Map<String, String> labels) {
    map(name, labels, "=");
  }

  /** Annotations: {@code key: value}, one per line; long values stand under their key, cut. */
  void annotations(String name, Map<String, String> annotations) {
    map(name, annotations, ": ");
  }

  private void map(String name, Map<String, String> map, String separator) {
    if (map.isEmpty()) {
      field(name, "<none>");
      return;
    }
    String head = name + ":";
    for (Map.Entry<String, String> entry : new TreeMap<>(map).entrySet()) {
      String key = entry.getKey();
      String value = entry.getValue();
      boolean isLong = value.length() + key.length() + 2 > LONG_ENTRY || value.contains("\n");
      if (isLong && separator.equals(": ")) {
        line(head, key + ":");
        for (String line : value.replaceFirst("\n$", "").split("\n", -1)) {
          int most = LONG_ENTRY - 2;
          line("", "  " + (line.length() > most ? line.substring(0, most) + "..." : line));
        }
      } else {
        line(head, key + separator + value);
      }
      head = "";
    }
  }

  /** The fields of an object by name, whatever they are. */
  void tree(JsonObject tree) {
    tree.names().stream()
        .sorted()
        .forEach(name -> value(title(name), tree.get(name).orElseThrow()));
  }

  /** A field of any form. */
  void value(String name, JsonValue value) {
    switch (value) {
      case JsonObject object -> heading(name).tree(object);
      case JsonArray array -> {
        DescriptionWriter in = heading(name);
        for (JsonValue one : array.items()) {
          if (one instanceof JsonObject object) {
            in.tree(object);
          } else {
            in.line(Output.cell(one));
          }
        }
      }
      default -> field(name, Output.cell(value));
    }
  }

  /** Amounts by name, such as a container's limits. */
  void amounts(JsonObject amounts) {
    amounts.names().stream().sorted().forEach(name -> field(name, cell(amounts, name)));
  }

  /** What was written so far, aligned. */
  @Override
  public String toString() {
    return text.toString();
  }

  // Values

  static String or(String text, String absent) {
    return text.isEmpty() ? absent : text;
  }

  /** A number or text as it is shown; empty where there is none. */
  static String cell(JsonObject object, String... path) {
    return object.find(path).map(Output::cell).orElse("");
  }

  static String joined(List<JsonObject> objects, Function<JsonObject, String> text) {
    return String.join(", ", objects.stream().map(text).toList());
  }

  /** A time of an object in this machine's time zone; a text that is none as it is. */
  static String time(String text) {
    return text.isEmpty()
        ? "<unset>"
        : Times.instant(text)
            .map(time -> TIME.format(time.atZone(ZoneId.systemDefault())))
            .orElse(text);
  }

  /** {@code maxSurge} becomes {@code Max Surge}; keys that nobody chose as a field's name stay. */
  static String title(String name) {
    if (name.contains(".") || name.contains("/") || name.contains("-")) {
      return name;
    }
    return capitalized(name.replaceAll("([a-z0-9])([A-Z])", "$1 $2"));
  }

  static String capitalized(String text) {
    return text.isEmpty()
        ? text
        : text.substring(0, 1).toUpperCase(Locale.ROOT) + text.substring(1);
  }
}
