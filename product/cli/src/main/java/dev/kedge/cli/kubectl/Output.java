package dev.kedge.cli.kubectl;

import dev.kedge.model.Json;
import dev.kedge.model.JsonArray;
import dev.kedge.model.JsonObject;
import dev.kedge.model.JsonPath;
import dev.kedge.model.JsonString;
import dev.kedge.model.JsonValue;
import dev.kedge.model.Yaml;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;

/** The output formats that print objects: yaml, json, name, jsonpath, custom-columns. */
final class Output {
  static final Flag FLAG =
      Flag.text(
          "output",
          'o',
          "",
          "Output format. One of: (json, yaml, name, jsonpath, jsonpath-as-json, jsonpath-file,"
              + " custom-columns, custom-columns-file, wide)");
  static final Flag MANAGED_FIELDS =
      Flag.toggle("show-managed-fields", "Keep the managedFields when printing objects");

  private final Session session;
  private final String format;
  private final String parameter;
  private boolean headersPrinted;
  private int documents;

  private Output(Session session, String format, String parameter) {
    this.session = session;
    this.format = format;
    this.parameter = parameter;
  }

  /**
   * Reads {@code -o}.
   *
   * @throws UsageException if the format is unknown
   */
  static Output of(Session session) {
    String text = session.arguments().text("output");
    int equals = text.indexOf('=');
    String format = equals < 0 ? text : text.substring(0, equals);
    String parameter = equals < 0 ? "" : text.substring(equals + 1);
    switch (format) {
      case "", "wide", "json", "yaml", "name" -> {}
      case "jsonpath", "jsonpath-as-json", "custom-columns" -> {
        if (parameter.isEmpty()) {
          throw new UsageException(
              format
                  + " format specified but no "
                  + (format.startsWith("json") ? "template given" : "custom columns given"));
        }
      }
      case "jsonpath-file" -> {
        return new Output(session, "jsonpath", file(parameter).strip());
      }
      case "custom-columns-file" -> {
        List<String> lines = file(parameter).lines().toList();
        List<String> names = List.of(lines.getFirst().strip().split("\\s+"));
        List<String> paths = List.of(lines.get(1).strip().split("\\s+"));
        List<String> columns = new ArrayList<>();
        for (int i = 0; i < names.size(); i++) {
          columns.add(names.get(i) + ":" + paths.get(i));
        }
        return new Output(session, "custom-columns", String.join(",", columns));
      }
      case "go-template", "go-template-file", "template", "templatefile", "kyaml" ->
          throw new UsageException(
              "output format \""
                  + format
                  + "\" is not supported by kedge kubectl; use jsonpath or custom-columns");
      default ->
          throw new UsageException(
              "unable to match a printer suitable for the output format \""
                  + format
                  + "\", allowed formats are:"
                  + " custom-columns,custom-columns-file,json,jsonpath,jsonpath-as-json,jsonpath-file,name,wide,yaml");
    }
    return new Output(session, format, parameter);
  }

  private static String file(String path) {
    try {
      return Files.readString(Path.of(path));
    } catch (IOException e) {
      throw new UsageException("error reading template " + path + ", " + e.getMessage());
    }
  }

  /** Whether a table is wanted: the default and {@code wide}. */
  boolean table() {
    return format.isEmpty() || format.equals("wide");
  }

  boolean wide() {
    return format.equals("wide");
  }

  boolean plain() {
    return format.isEmpty();
  }

  boolean isName() {
    return format.equals("name");
  }

  private JsonObject shown(JsonObject object) {
    if (session.arguments().given("show-managed-fields")
        && session.arguments().on("show-managed-fields")) {
      return object;
    }
    if (object.text("kind").endsWith("List") && object.has("items")) {
      return object.with(
          "items",
          new JsonArray(
              object.array("items").items().stream()
                  .map(item -> item instanceof JsonObject o ? (JsonValue) shown(o) : item)
                  .toList()));
    }
    return object.has("metadata")
        ? object.withoutPath(List.of("metadata", "managedFields"))
        : object;
  }

  /** Prints one object, or a list as one. */
  void print(JsonObject object) {
    switch (format) {
      case "yaml" -> {
        if (documents++ > 0) {
          session.out().print("---\n");
        }
        session.out().print(Yaml.write(shown(object)));
      }
      case "json" -> session.out().print(Json.pretty(sorted(shown(object))));
      case "name" -> each(object, item -> session.out().print(name(item) + "\n"));
      case "jsonpath" -> {
        try {
          session.out().print(JsonPath.template(parameter).print(shown(object)));
        } catch (IllegalArgumentException e) {
          throw new UsageException(String.valueOf(e.getMessage()));
        }
      }
      case "jsonpath-as-json" ->
          session
              .out()
              .print(Json.pretty(new JsonArray(JsonPath.template(parameter).find(shown(object)))));
      case "custom-columns" -> customColumns(object);
      default -> throw new IllegalStateException(format);
    }
  }

  private interface Each {
    void accept(JsonObject item);
  }

  private static void each(JsonObject object, Each each) {
    if (object.text("kind").endsWith("List") && object.has("items")) {
      object.objects("items").forEach(each::accept);
    } else {
      each.accept(object);
    }
  }

  /** {@code pod/x}, {@code deployment.apps/x}. */
  static String name(JsonObject object) {
    String apiVersion = object.text("apiVersion");
    int slash = apiVersion.indexOf('/');
    String kind = object.text("kind").toLowerCase(Locale.ROOT);
    return kind
        + (slash < 0 ? "" : "." + apiVersion.substring(0, slash))
        + "/"
        + object.text("metadata", "name");
  }

  /** JSON with the fields of every object in order, as Go's encoder prints maps. */
  static JsonValue sorted(JsonValue value) {
    return switch (value) {
      case JsonObject object -> {
        JsonObject.Builder builder = JsonObject.builder();
        object.names().stream()
            .sorted()
            .forEach(name -> builder.put(name, sorted(object.get(name).orElseThrow())));
        yield builder.build();
      }
      case JsonArray array -> new JsonArray(array.items().stream().map(Output::sorted).toList());
      default -> value;
    };
  }

  private void customColumns(JsonObject object) {
    List<String> headers = new ArrayList<>();
    List<JsonPath> paths = new ArrayList<>();
    for (String column : parameter.split(",")) {
      int colon = column.indexOf(':');
      if (colon < 0) {
        throw new UsageException(
            "unexpected custom-columns spec: " + column + ", expected <header>:<json-path-expr>");
      }
      headers.add(column.substring(0, colon));
      try {
        paths.add(JsonPath.path(column.substring(colon + 1)));
      } catch (IllegalArgumentException e) {
        throw new UsageException(String.valueOf(e.getMessage()));
      }
    }
    TabWriter table = TabWriter.table();
    boolean hidden =
        session.arguments().given("no-headers") && session.arguments().on("no-headers");
    if (!hidden && !headersPrinted) {
      table.line(headers.toArray());
      headersPrinted = true;
    }
    each(
        object,
        item ->
            table.line(
                paths.stream()
                    .map(
                        path -> {
                          List<JsonValue> found = path.find(item);
                          return found.isEmpty()
                              ? "<none>"
                              : String.join(",", found.stream().map(Output::cell).toList());
                        })
                    .toArray()));
    session.out().print(table);
  }

  /** Go's print form of a value. */
  static String cell(JsonValue value) {
    return switch (value) {
      case JsonString text -> text.value();
      case JsonObject object -> {
        List<String> fields = new ArrayList<>();
        object.names().stream()
            .sorted()
            .forEach(name -> fields.add(name + ":" + cell(object.get(name).orElseThrow())));
        yield "map[" + String.join(" ", fields) + "]";
      }
      case JsonArray array ->
          "[" + String.join(" ", array.items().stream().map(Output::cell).toList()) + "]";
      case dev.kedge.model.JsonNull _ -> "<nil>";
      default -> Json.write(value);
    };
  }

  /** What a changing command says about an object: {@code pod/x created}, or the object by -o. */
  void done(Item item, JsonObject result, String what) {
    if (table()) {
      String dryRun =
          switch (dryRun(session)) {
            case "client" -> " (dry run)";
            case "server" -> " (server dry run)";
            default -> "";
          };
      session.out().print(item.shown() + " " + what + dryRun + "\n");
      session.out().flush();
    } else {
      print(Session.typed(result, item.served().type()));
    }
  }

  static final Flag DRY_RUN =
      Flag.optional(
          "dry-run",
          "none",
          "unchanged",
          "Must be \"none\", \"server\", or \"client\": what to send, if anything, without"
              + " persisting");

  /** The value of {@code --dry-run}: none, client or server. */
  static String dryRun(Session session) {
    Arguments arguments = session.arguments();
    if (!arguments.given("dry-run")) {
      return "none";
    }
    String text = arguments.text("dry-run");
    return switch (text) {
      case "none", "client", "server" -> text;
      default ->
          throw new UsageException(
              "invalid dry-run value (" + text + "). Must be \"none\", \"server\", or \"client\".");
    };
  }
}
