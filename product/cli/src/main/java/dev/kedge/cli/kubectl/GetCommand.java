package dev.kedge.cli.kubectl;

import dev.kedge.cli.kubectl.Discovery.Served;
import dev.kedge.cli.kubectl.Targets.Target;
import dev.kedge.model.ApiException;
import dev.kedge.model.Json;
import dev.kedge.model.JsonArray;
import dev.kedge.model.JsonObject;
import dev.kedge.model.JsonPath;
import dev.kedge.model.JsonValue;
import dev.kedge.model.Quantity;
import java.io.BufferedReader;
import java.io.IOException;
import java.io.InputStreamReader;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import java.util.Locale;
import java.util.Optional;

/** {@code get}: tables come from the server and are printed as kubectl prints them. */
final class GetCommand {
  static final String TABLE = "application/json;as=Table;v=v1;g=meta.k8s.io,application/json";

  static final List<Flag> FLAGS =
      Flags.with(
          Manifests.FLAGS,
          Output.FLAG,
          Output.MANAGED_FIELDS,
          Flag.toggle("all-namespaces", 'A', "List the requested objects across all namespaces"),
          Flag.text("selector", 'l', "", "Selector (label query) to filter on"),
          Flag.text("field-selector", "Selector (field query) to filter on"),
          Flag.toggle("watch", 'w', "After listing, watch for changes"),
          Flag.toggle("watch-only", "Watch for changes without listing first"),
          Flag.toggle("output-watch-events", "Output watch event objects when --watch is used"),
          Flag.toggle("show-labels", "Show all labels as the last column"),
          Flag.toggle("show-kind", "List the resource type for the requested objects"),
          Flag.list("label-columns", 'L', "Labels that are presented as columns"),
          Flag.toggle("no-headers", "Do not print headers"),
          Flag.text("sort-by", "Sort list types using this JSONPath expression"),
          Flag.toggle("ignore-not-found", "Exit 0 if the object does not exist"),
          Flag.text("chunk-size", '\0', "500", "Return large lists in chunks"),
          Flag.text("subresource", "Use this subresource, such as status or scale"),
          Flag.text("raw", "Raw URI to request from the server"));

  private final Session session;
  private final Arguments arguments;
  private final Output output;
  private boolean failed;

  private GetCommand(Session session) {
    this.session = session;
    this.arguments = session.arguments();
    this.output = Output.of(session);
  }

  static int run(Session session) throws IOException {
    String raw = session.arguments().text("raw");
    if (!raw.isEmpty()) {
      session.out().write(session.transport().bytes("GET", raw, Transport.JSON, "", null));
      return 0;
    }
    return new GetCommand(session).run();
  }

  private int run() throws IOException {
    List<Target> targets;
    boolean fromFiles = Manifests.given(session);
    if (fromFiles) {
      targets = new ArrayList<>();
      for (Item item : Manifests.items(session)) {
        targets.add(new Target(item.served(), List.of(item.name())));
      }
    } else {
      if (session.words().isEmpty()) {
        throw new UsageException(
            "You must specify the type of resource to get. Use \"kubectl api-resources\" for a"
                + " complete list of supported resources.\n\n"
                + "error: Required resource not specified.\n"
                + "Use \"kubectl explain <resource>\" for a detailed description of that resource"
                + " (e.g. kubectl explain pods).\n"
                + "See 'kubectl get -h' for help and examples");
      }
      targets = Targets.parse(session, session.words());
    }
    for (Target target : targets) {
      if (!target.names().isEmpty() && session.allNamespaces()) {
        throw new UsageException("a resource cannot be retrieved by name across all namespaces");
      }
      if (!target.names().isEmpty()
          && !(arguments.text("selector") + arguments.text("field-selector")).isEmpty()) {
        throw new UsageException(
            "selectors and the all flag cannot be used when passing resource/name arguments");
      }
    }
    if (arguments.on("watch") || arguments.on("watch-only")) {
      return watch(targets);
    }
    if (output.table()) {
      tables(targets);
    } else {
      objects(targets);
    }
    return failed ? 1 : 0;
  }

  private String namespace() {
    return session.allNamespaces() ? "" : session.namespace();
  }

  private String suffix() {
    String subresource = arguments.text("subresource");
    return subresource.isEmpty() ? "" : "/" + subresource;
  }

  // ---- objects

  private void objects(List<Target> targets) {
    List<JsonObject> items = new ArrayList<>();
    boolean single = targets.size() == 1 && targets.getFirst().names().size() == 1;
    for (Target target : targets) {
      Served served = target.served();
      if (target.names().isEmpty()) {
        items.addAll(
            session.list(
                served, namespace(), arguments.text("selector"), arguments.text("field-selector")));
      }
      for (String name : target.names()) {
        find(served, name).ifPresent(items::add);
      }
    }
    sort(items, item -> item);
    if (single) {
      if (!items.isEmpty()) {
        output.print(items.getFirst());
      }
      return;
    }
    if (output.isName()) {
      items.forEach(output::print);
      return;
    }
    if (items.isEmpty() && failed) {
      return;
    }
    output.print(
        JsonObject.of(
            "apiVersion",
            "v1",
            "items",
            new JsonArray(List.copyOf(items)),
            "kind",
            "List",
            "metadata",
            JsonObject.of("resourceVersion", "")));
  }

  private Optional<JsonObject> find(Served served, String name) {
    try {
      return Optional.of(
          Session.typed(
              session.transport().get(session.path(served, namespace(), name) + suffix()),
              served.type()));
    } catch (ApiException e) {
      missing(e);
      return Optional.empty();
    }
  }

  private void missing(ApiException e) {
    if (!e.isNotFound()) {
      throw e;
    }
    if (!arguments.on("ignore-not-found")) {
      session.out().flush();
      Kubectl.report(session.console(), e, session.target().server());
      failed = true;
    }
  }

  private interface Of<T> {
    JsonObject object(T item);
  }

  private <T> void sort(List<T> items, Of<T> of) {
    String by = arguments.text("sort-by");
    if (by.isEmpty()) {
      return;
    }
    JsonPath path;
    try {
      path = JsonPath.path(by);
    } catch (IllegalArgumentException e) {
      throw new UsageException(String.valueOf(e.getMessage()));
    }
    Comparator<T> comparator =
        (left, right) -> {
          List<JsonValue> a = path.find(of.object(left));
          List<JsonValue> b = path.find(of.object(right));
          if (a.isEmpty() || b.isEmpty()) {
            return Boolean.compare(!a.isEmpty(), !b.isEmpty());
          }
          Optional<Quantity> x = Quantity.find(JsonPath.text(a.getFirst()));
          Optional<Quantity> y = Quantity.find(JsonPath.text(b.getFirst()));
          return x.isPresent() && y.isPresent()
              ? x.get().compareTo(y.get())
              : JsonPath.compare(a.getFirst(), b.getFirst());
        };
    items.sort(comparator);
  }

  // ---- tables

  private record Row(List<String> cells, JsonObject object) {}

  private record Column(String name, boolean wide) {}

  private void tables(List<Target> targets) {
    boolean several =
        targets.stream().map(target -> target.served().type()).distinct().count() > 1
            || arguments.on("show-kind");
    boolean any = false;
    boolean printed = false;
    for (Target target : targets) {
      List<Column> columns = new ArrayList<>();
      List<Row> rows = new ArrayList<>();
      if (target.names().isEmpty()) {
        list(target.served(), columns, rows);
      }
      for (String name : target.names()) {
        try {
          JsonObject table =
              session
                  .transport()
                  .get(
                      session.path(target.served(), namespace(), name) + suffix() + include(),
                      TABLE);
          add(table, target.served(), columns, rows);
        } catch (ApiException e) {
          missing(e);
        }
      }
      sort(rows, Row::object);
      if (rows.isEmpty()) {
        continue;
      }
      any = true;
      if (printed) {
        session.out().print("\n");
      }
      printed = true;
      session.out().print(format(target.served(), columns, rows, several, true));
    }
    if (!any && !failed && !arguments.on("ignore-not-found")) {
      session.out().flush();
      boolean namespaced =
          targets.stream().anyMatch(target -> target.served().type().namespaced())
              && !session.allNamespaces();
      session
          .err()
          .println(
              namespaced
                  ? "No resources found in " + session.namespace() + " namespace."
                  : "No resources found");
    }
  }

  /** Sorting needs the objects themselves. */
  private String include() {
    return arguments.text("sort-by").isEmpty() ? "" : "?includeObject=Object";
  }

  private void list(Served served, List<Column> columns, List<Row> rows) {
    String next = "";
    do {
      JsonObject table =
          session
              .transport()
              .get(
                  session.path(served, namespace())
                      + Session.query(
                          "labelSelector",
                          arguments.text("selector"),
                          "fieldSelector",
                          arguments.text("field-selector"),
                          "limit",
                          arguments.text("chunk-size").equals("0")
                              ? ""
                              : arguments.text("chunk-size"),
                          "continue",
                          next,
                          "includeObject",
                          arguments.text("sort-by").isEmpty() ? "" : "Object"),
                  TABLE);
      add(table, served, columns, rows);
      next = table.text("metadata", "continue");
    } while (!next.isEmpty());
  }

  private static void add(JsonObject table, Served served, List<Column> columns, List<Row> rows) {
    if (!table.text("kind").equals("Table")) {
      // A server that makes no tables: name and age, as kubectl falls back to.
      if (columns.isEmpty()) {
        columns.add(new Column("NAME", false));
        columns.add(new Column("AGE", false));
      }
      List<JsonObject> objects = table.has("items") ? table.objects("items") : List.of(table);
      for (JsonObject object : objects) {
        rows.add(
            new Row(
                List.of(
                    object.text("metadata", "name"),
                    Session.age(object.text("metadata", "creationTimestamp"))),
                Session.typed(object, served.type())));
      }
      return;
    }
    if (columns.isEmpty()) {
      for (JsonObject column : table.objects("columnDefinitions")) {
        columns.add(
            new Column(
                column.text("name").toUpperCase(Locale.ROOT), column.integer("priority") > 0));
      }
    }
    for (JsonObject row : table.objects("rows")) {
      rows.add(
          new Row(
              row.array("cells").items().stream().map(GetCommand::cell).toList(),
              row.object("object")));
    }
  }

  private static String cell(JsonValue value) {
    String text = Output.cell(value);
    int line = text.indexOf('\n');
    // As kubectl: a cell is one line.
    return line < 0 ? text.replace("\t", "\\t") : text.substring(0, line) + "...";
  }

  private String format(
      Served served, List<Column> columns, List<Row> rows, boolean kind, boolean headers) {
    TabWriter table = TabWriter.table();
    boolean namespaces = session.allNamespaces() && served.type().namespaced();
    List<String> labels = arguments.list("label-columns");
    if (headers && !arguments.on("no-headers")) {
      List<String> cells = new ArrayList<>();
      if (namespaces) {
        cells.add("NAMESPACE");
      }
      for (Column column : columns) {
        if (output.wide() || !column.wide()) {
          cells.add(column.name());
        }
      }
      for (String label : labels) {
        cells.add(label.substring(label.lastIndexOf('/') + 1).toUpperCase(Locale.ROOT));
      }
      if (arguments.on("show-labels")) {
        cells.add("LABELS");
      }
      table.line(cells.toArray());
    }
    for (Row row : rows) {
      List<String> cells = new ArrayList<>();
      if (namespaces) {
        cells.add(row.object().text("metadata", "namespace"));
      }
      for (int i = 0; i < columns.size(); i++) {
        if (output.wide() || !columns.get(i).wide()) {
          String text = i < row.cells().size() ? row.cells().get(i) : "";
          cells.add(kind && i == 0 ? served.singularName() + "/" + text : text);
        }
      }
      var map = row.object().map("metadata", "labels");
      for (String label : labels) {
        cells.add(map.getOrDefault(label, ""));
      }
      if (arguments.on("show-labels")) {
        cells.add(
            map.isEmpty()
                ? "<none>"
                : String.join(
                    ",",
                    map.entrySet().stream()
                        .map(label -> label.getKey() + "=" + label.getValue())
                        .sorted()
                        .toList()));
      }
      table.line(cells.toArray());
    }
    return table.toString();
  }

  // ---- watching

  private int watch(List<Target> targets) throws IOException {
    if (targets.size() != 1 || targets.getFirst().names().size() > 1) {
      throw new UsageException("you may only specify a single resource type");
    }
    Target target = targets.getFirst();
    Served served = target.served();
    String fields = arguments.text("field-selector");
    if (!target.names().isEmpty()) {
      fields = "metadata.name=" + target.names().getFirst();
    }
    List<Column> columns = new ArrayList<>();
    String base =
        session.path(served, namespace())
            + Session.query("labelSelector", arguments.text("selector"), "fieldSelector", fields);
    String accept = output.table() ? TABLE : Transport.JSON;
    JsonObject first = session.transport().get(base, accept);
    boolean headers = true;
    if (!arguments.on("watch-only")) {
      if (output.table()) {
        List<Row> rows = new ArrayList<>();
        add(first, served, columns, rows);
        if (!rows.isEmpty()) {
          session
              .out()
              .print(
                  eventful(
                      "ADDED",
                      format(served, columns, rows, arguments.on("show-kind"), true),
                      true));
          headers = false;
        }
      } else {
        for (JsonObject item : first.objects("items")) {
          output.print(Session.typed(item, served.type()));
        }
      }
      session.out().flush();
    }
    String version = first.text("metadata", "resourceVersion");
    while (true) {
      String path =
          base
              + (base.contains("?") ? "&" : "?")
              + "watch=true&resourceVersion="
              + Transport.encode(version);
      try (BufferedReader lines =
          new BufferedReader(
              new InputStreamReader(
                  session.transport().stream(path, accept), StandardCharsets.UTF_8))) {
        for (String line = lines.readLine(); line != null; line = lines.readLine()) {
          if (line.isBlank()) {
            continue;
          }
          JsonObject event = Json.parseObject(line);
          String type = event.text("type");
          JsonObject object = event.object("object");
          if (type.equals("ERROR")) {
            throw new ApiException(dev.kedge.model.Status.of(object));
          }
          if (type.equals("BOOKMARK")) {
            continue;
          }
          if (output.table()) {
            List<Row> rows = new ArrayList<>();
            add(object, served, columns, rows);
            if (!rows.isEmpty()) {
              version = newer(version, rows.getLast().object());
            }
            session
                .out()
                .print(
                    eventful(
                        type,
                        format(served, columns, rows, arguments.on("show-kind"), headers),
                        headers));
            headers = false;
          } else {
            version = newer(version, object);
            output.print(
                arguments.on("output-watch-events")
                    ? JsonObject.of("type", type, "object", object)
                    : object);
          }
          session.out().flush();
        }
      }
    }
  }

  private String eventful(String type, String table, boolean headers) {
    if (!arguments.on("output-watch-events")) {
      return table;
    }
    StringBuilder out = new StringBuilder();
    boolean header = headers && !arguments.on("no-headers");
    for (String line : table.lines().toList()) {
      out.append("%-11s".formatted(header ? "EVENT" : type)).append(line).append('\n');
      header = false;
    }
    return out.toString();
  }

  private static String newer(String version, JsonObject object) {
    String next = object.text("metadata", "resourceVersion");
    return next.isEmpty() ? version : next;
  }
}
