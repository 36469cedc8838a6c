package dev.kedge.cli.kubectl;

import dev.kedge.model.JsonObject;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import java.util.Locale;

/** {@code events}. */
final class EventsCommand {
  static final List<Flag> FLAGS =
      List.of(
          Flag.toggle("all-namespaces", 'A', "Across all namespaces"),
          Flag.text("for", "Only events about TYPE/NAME"),
          Flag.list("types", '\0', "Only events of these types"),
          Flag.toggle("no-headers", "Do not print headers"),
          Output.FLAG,
          Output.MANAGED_FIELDS);

  private EventsCommand() {}

  static int run(Session session) {
    Arguments a = session.arguments();
    String fields = "";
    if (!a.text("for").isEmpty()) {
      var target = Targets.parse(session, List.of(a.text("for"))).getFirst();
      if (target.names().isEmpty()) {
        throw new UsageException("--for must be in resource/name form");
      }
      fields =
          "involvedObject.kind="
              + target.served().type().kind()
              + ",involvedObject.name="
              + target.names().getFirst();
    }
    List<JsonObject> events =
        new ArrayList<>(
            session.list(
                session.discovery().find("events"),
                session.allNamespaces() ? "" : session.namespace(),
                "",
                fields));
    List<String> types = a.list("types").stream().map(t -> t.toLowerCase(Locale.ROOT)).toList();
    events.removeIf(
        e -> !types.isEmpty() && !types.contains(e.text("type").toLowerCase(Locale.ROOT)));
    events.sort(Comparator.comparing(Events::lastSeen));
    Output output = Output.of(session);
    if (!output.table()) {
      output.print(
          JsonObject.of(
              "apiVersion",
              "v1",
              "items",
              events,
              "kind",
              "List",
              "metadata",
              JsonObject.of("resourceVersion", "")));
      return 0;
    }
    if (events.isEmpty()) {
      session
          .err()
          .println(
              "No events found"
                  + (session.allNamespaces() ? "." : " in " + session.namespace() + " namespace."));
      return 0;
    }
    TabWriter table = TabWriter.table();
    String head = session.allNamespaces() ? "NAMESPACE\t" : "";
    if (!a.on("no-headers")) {
      table.append(head).line("LAST SEEN", "TYPE", "REASON", "OBJECT", "MESSAGE");
    }
    for (JsonObject e : events) {
      table.append(session.allNamespaces() ? e.text("metadata", "namespace") + "\t" : "");
      table.line(
          Events.age(e),
          e.text("type"),
          e.text("reason"),
          e.text("involvedObject", "kind") + "/" + e.text("involvedObject", "name"),
          Events.message(e));
    }
    session.out().print(table);
    return 0;
  }
}
