package dev.kedge.apiserver;

import dev.kedge.model.Durations;
import dev.kedge.model.Json;
import dev.kedge.model.JsonBoolean;
import dev.kedge.model.JsonDecimal;
import dev.kedge.model.JsonInteger;
import dev.kedge.model.JsonString;
import dev.kedge.model.JsonValue;
import dev.kedge.model.KubeObject;
import dev.kedge.model.Times;
import java.time.Duration;
import java.time.Instant;
import java.util.Optional;
import java.util.function.BiFunction;
import java.util.function.Function;

/**
 * A column of a built-in kind's table: its head, and what is in its cells.
 *
 * @param <T> what cells are made from: the object, or a summary of it
 * @param type string, integer, boolean or date
 * @param wide shown by {@code -o wide} only
 * @param cell makes a value ({@link JsonValue#of}) of an object and the time it is shown at
 */
record PrinterColumn<T>(
    String name, String type, boolean wide, BiFunction<T, Instant, Object> cell) {
  static final String NONE = "<none>";
  static final String UNKNOWN = "<unknown>";
  static final String UNSET = "<unset>";

  static final PrinterColumn<KubeObject> NAME = column("Name", KubeObject::name);
  static final PrinterColumn<KubeObject> AGE = age("Age", "metadata", "creationTimestamp");

  /** A column of texts. */
  static <T> PrinterColumn<T> column(String name, Function<T, Object> cell) {
    return column(name, "string", cell);
  }

  static <T> PrinterColumn<T> column(String name, String type, Function<T, Object> cell) {
    return new PrinterColumn<>(name, type, false, (object, _) -> cell.apply(object));
  }

  /** A column whose cells depend on the time they are shown at. */
  static <T> PrinterColumn<T> timed(String name, BiFunction<T, Instant, Object> cell) {
    return new PrinterColumn<>(name, "string", false, cell);
  }

  /** What is at a path, as text; empty where nothing is. */
  static PrinterColumn<KubeObject> text(String name, String... path) {
    return column(name, object -> text(object.json().find(path)));
  }

  /** The number at a path; 0 where there is none. */
  static PrinterColumn<KubeObject> integer(String name, String... path) {
    return column(name, "integer", object -> object.json().integer(path));
  }

  /** The boolean at a path; false where there is none. */
  static PrinterColumn<KubeObject> flag(String name, String... path) {
    return column(name, "boolean", object -> object.json().flag(path));
  }

  /** How many items the array at a path has. */
  static PrinterColumn<KubeObject> count(String name, String... path) {
    return column(name, "integer", object -> object.json().array(path).size());
  }

  /** How long ago the time at a path was. */
  static PrinterColumn<KubeObject> age(String name, String... path) {
    return timed(name, (object, now) -> age(object.json().text(path), now));
  }

  /** A column shown by {@code -o wide} only. */
  static <T> PrinterColumn<T> wide(PrinterColumn<T> column) {
    return new PrinterColumn<>(column.name, column.type, true, column.cell);
  }

  /** This column of texts, with a word in the place of empty ones. */
  PrinterColumn<T> or(String absent) {
    return new PrinterColumn<>(
        name,
        type,
        wide,
        (object, now) -> {
          Object value = cell.apply(object, now);
          return value.equals("") ? absent : value;
        });
  }

  PrinterTables.Definition definition() {
    return new PrinterTables.Definition(
        // Descriptions stay empty: nobody shows them, and upstream's would have to be kept in
        // memory for that.
        name, type, name.equals("Name") ? "name" : "", "", wide ? 1 : 0);
  }

  // Cells

  /** How long ago a time was, as people read it. */
  static String age(String time, Instant now) {
    return Times.instant(time)
        .map(from -> Durations.human(Duration.between(from, now)))
        .orElse(time.isEmpty() ? UNKNOWN : "<invalid>");
  }

  /** A text, number or boolean as text; empty for anything else. */
  static String text(Optional<JsonValue> value) {
    return value
        .map(
            json ->
                switch (json) {
                  case JsonString text -> text.value();
                  case JsonInteger _, JsonDecimal _, JsonBoolean _ -> Json.write(json);
                  default -> "";
                })
        .orElse("");
  }

  static String or(String text, String absent) {
    return text.isEmpty() ? absent : text;
  }
}
