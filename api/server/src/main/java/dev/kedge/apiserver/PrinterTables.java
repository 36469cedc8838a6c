package dev.kedge.apiserver;

import static java.nio.charset.StandardCharsets.US_ASCII;

import dev.kedge.model.Json;
import dev.kedge.model.JsonArray;
import dev.kedge.model.JsonBoolean;
import dev.kedge.model.JsonDecimal;
import dev.kedge.model.JsonInteger;
import dev.kedge.model.JsonNull;
import dev.kedge.model.JsonObject;
import dev.kedge.model.JsonPath;
import dev.kedge.model.JsonString;
import dev.kedge.model.JsonValue;
import dev.kedge.model.KubeObject;
import dev.kedge.model.ResourceType;
import dev.kedge.registry.ResourceInfo;
import dev.kedge.registry.ResourceInfo.Column;
import dev.kedge.registry.ServedObject;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.OutputStream;
import java.io.UncheckedIOException;
import java.time.Clock;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.concurrent.ConcurrentHashMap;

/**
 * Makes the tables that {@code kubectl get} shows ({@code meta.k8s.io/v1 Table}): the columns of
 * built-in kinds from {@link PrinterColumns}, those of custom resources from their definition, name
 * and creation time for all others. Any thread.
 */
final class PrinterTables {
  private final Clock clock;
  private final Map<ResourceType, Held> printers = new ConcurrentHashMap<>();

  PrinterTables() {
    this(Clock.systemUTC());
  }

  PrinterTables(Clock clock) {
    this.clock = clock;
  }

  /**
   * One column.
   *
   * @param type string, integer, number, boolean or date
   * @param priority above 0: shown by {@code -o wide} only
   */
  record Definition(String name, String type, String format, String description, int priority) {
    JsonObject json() {
      return JsonObject.of(
          "name", name,
          "type", type,
          "format", format,
          "description", description,
          "priority", priority);
    }
  }

  /** What becomes of an object. */
  @FunctionalInterface
  interface Cells {
    List<JsonValue> of(KubeObject object);
  }

  record Printer(List<JsonObject> columns, Cells cells) {}

  /** A printer and the description it was made from; a changed one is another object. */
  private record Held(ResourceInfo info, Printer printer) {}

  /**
   * The table of one object.
   *
   * @param groupVersion of the table, such as {@code meta.k8s.io/v1}
   * @param include None, Metadata or Object
   * @param withColumns whether the definitions are in it; in watches only the first table has them
   */
  byte[] table(
      ResourceInfo info,
      ServedObject object,
      String groupVersion,
      String include,
      boolean withColumns,
      JsonObject metadata) {
    Rows rows =
        isScale(info, object)
            ? new Rows(builtin("scales.autoscaling"), groupVersion, include, false)
            : rows(info, groupVersion, include);
    ByteArrayOutputStream out = new ByteArrayOutputStream();
    try {
      Renderer.joined(rows.head(withColumns, metadata), "rows", List.of(object), rows::write, out);
    } catch (IOException e) {
      throw new UncheckedIOException(e); // cannot be: nothing but memory is written to
    }
    return out.toByteArray();
  }

  /** What makes the rows of a resource's objects. */
  Rows rows(ResourceInfo info, String groupVersion, String include) {
    return new Rows(printer(info), groupVersion, include, info.custom());
  }

  /**
   * Writes rows. Of an object's text only what its columns may show is read, and what its row holds
   * of the object itself is copied from the text.
   *
   * @param whole whether columns may show anything, the field owners too
   */
  record Rows(Printer printer, String groupVersion, String include, boolean whole) {
    private static final byte[] CELLS = "{\"cells\":".getBytes(US_ASCII);
    private static final byte[] CONDITIONS = ",\"conditions\":".getBytes(US_ASCII);
    private static final byte[] OBJECT = ",\"object\":".getBytes(US_ASCII);

    /** A table but for its rows. */
    JsonObject head(boolean withColumns, JsonObject metadata) {
      return JsonObject.of(
          "kind",
          "Table",
          "apiVersion",
          groupVersion,
          "metadata",
          metadata,
          "columnDefinitions",
          withColumns ? printer.columns() : JsonNull.NULL);
    }

    /** Writes the row of an object. */
    void write(ServedObject object, OutputStream out) throws IOException {
      KubeObject shown =
          whole
              ? object.glance()
              : object.glance(
                  (outer, name) -> !(outer.equals("metadata") && name.equals("managedFields")));
      out.write(CELLS);
      out.write(Json.bytes(new JsonArray(printer.cells().of(shown))));
      List<JsonObject> conditions = conditions(shown);
      if (!conditions.isEmpty()) {
        out.write(CONDITIONS);
        out.write(Json.bytes(JsonArray.copyOf(conditions)));
      }
      if (!include.equals("None")) {
        out.write(OBJECT);
        out.write(
            include.equals("Object") ? object.json() : Renderer.metadata(object, groupVersion));
      }
      out.write('}');
    }
  }

  /** Whether what is shown is what a built-in kind's scale subresource answers. */
  private static boolean isScale(ResourceInfo info, ServedObject object) {
    return !info.custom()
        && object.tree().kind().equals("Scale")
        && !info.type().kind().equals("Scale");
  }

  /** Marks rows of pods that have run to their end. */
  private static List<JsonObject> conditions(KubeObject object) {
    if (!object.kind().equals("Pod")) {
      return List.of();
    }
    return switch (object.status().text("phase")) {
      case "Succeeded" ->
          List.of(
              JsonObject.of(
                  "type", "Completed",
                  "status", "True",
                  "reason", "Succeeded",
                  "message", "The pod has completed successfully."));
      case "Failed" ->
          List.of(
              JsonObject.of(
                  "type", "Completed",
                  "status", "True",
                  "reason", "Failed",
                  "message", "The pod failed."));
      default -> List.of();
    };
  }

  private Printer printer(ResourceInfo info) {
    Held held = printers.get(info.type());
    if (held == null || held.info() != info) {
      held = new Held(info, info.custom() ? custom(info) : builtin(info.type().groupResource()));
      printers.put(info.type(), held);
    }
    return held.printer();
  }

  private Printer builtin(String groupResource) {
    PrinterKind<?> kind = PrinterColumns.of(groupResource);
    return new Printer(
        kind.columns().stream().map(column -> column.definition().json()).toList(),
        object -> kind.cells(object, clock.instant()));
  }

  private Printer custom(ResourceInfo info) {
    List<Column> columns = info.columns();
    List<JsonObject> definitions = new ArrayList<>();
    definitions.add(
        new Definition(
                "Name",
                "string",
                "name",
                "Name must be unique within a namespace. Is required when creating resources.",
                0)
            .json());
    if (columns.isEmpty()) {
      definitions.add(
          new Definition(
                  "Age",
                  "date",
                  "",
                  "CreationTimestamp is a timestamp representing the server time when this object"
                      + " was created.",
                  0)
              .json());
      return new Printer(
          definitions,
          object ->
              List.of(
                  new JsonString(object.name()),
                  new JsonString(
                      PrinterColumn.age(
                          object.metadata().text("creationTimestamp"), clock.instant()))));
    }
    Map<Column, JsonPath> paths = new LinkedHashMap<>();
    for (Column column : columns) {
      definitions.add(
          new Definition(
                  column.name(),
                  column.type(),
                  column.format(),
                  column.description().isEmpty()
                      ? "Custom resource definition column (in JSONPath format): "
                          + column.jsonPath()
                      : column.description(),
                  column.priority())
              .json());
      path(column.jsonPath()).ifPresent(path -> paths.put(column, path));
    }
    return new Printer(
        definitions,
        object -> {
          List<JsonValue> cells = new ArrayList<>();
          cells.add(new JsonString(object.name()));
          for (Column column : columns) {
            JsonPath path = paths.get(column);
            cells.add(path == null ? JsonNull.NULL : customCell(column, path.find(object.json())));
          }
          return cells;
        });
  }

  /** A column whose path cannot be read stays empty, as upstream has it. */
  private static Optional<JsonPath> path(String text) {
    try {
      return Optional.of(JsonPath.path(text));
    } catch (IllegalArgumentException _) {
      return Optional.empty();
    }
  }

  private JsonValue customCell(Column column, List<JsonValue> found) {
    if (found.isEmpty() || found.getFirst() == JsonNull.NULL) {
      return JsonNull.NULL;
    }
    JsonValue value = found.getFirst();
    return switch (column.type()) {
      case "integer" ->
          switch (value) {
            case JsonInteger _ -> value;
            case JsonDecimal decimal -> new JsonInteger((long) decimal.value());
            default -> JsonNull.NULL;
          };
      case "number" ->
          value instanceof JsonInteger || value instanceof JsonDecimal ? value : JsonNull.NULL;
      case "boolean" -> value instanceof JsonBoolean ? value : JsonNull.NULL;
      case "date" ->
          value instanceof JsonString text
              ? new JsonString(PrinterColumn.age(text.value(), clock.instant()))
              : JsonNull.NULL;
      default -> {
        List<String> texts = new ArrayList<>();
        for (JsonValue one : found) {
          texts.add(one instanceof JsonString text ? text.value() : Json.write(one));
        }
        yield new JsonString(String.join(",", texts));
      }
    };
  }
}
