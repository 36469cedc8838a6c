package dev.kedge.apiserver;

import static dev.kedge.apiserver.PrinterColumn.column;
import static dev.kedge.apiserver.PrinterColumn.or;
import static dev.kedge.apiserver.PrinterColumn.timed;
import static dev.kedge.apiserver.PrinterColumn.wide;

import dev.kedge.model.JsonObject;
import dev.kedge.model.KubeObject;
import java.util.Locale;
import java.util.Map;

/**
 * The columns of events. An instance is what an event of either group says; the two name the same
 * things differently.
 */
record EventColumns(
    KubeObject event,
    JsonObject about,
    JsonObject source,
    String reporter,
    String message,
    String firstSeen,
    String lastSeen,
    long count) {
  private static final PrinterKind<EventColumns> EVENTS =
      PrinterKind.of(
          EventColumns::of,
          timed("Last Seen", (event, now) -> PrinterColumn.age(event.lastSeen, now)),
          column("Type", event -> event.event.json().text("type")),
          column("Reason", event -> event.event.json().text("reason")),
          column("Object", EventColumns::object),
          wide(column("Subobject", event -> event.about.text("fieldPath"))),
          wide(column("Source", EventColumns::origin)),
          column("Message", event -> event.message.strip()),
          wide(timed("First Seen", (event, now) -> PrinterColumn.age(event.firstSeen, now))),
          wide(column("Count", event -> event.count)),
          wide(column("Name", event -> event.event.name())));

  static final Map<String, PrinterKind<?>> KINDS =
      Map.of("events", EVENTS, "events.events.k8s.io", EVENTS);

  private static EventColumns of(KubeObject event) {
    JsonObject json = event.json();
    boolean core = event.apiVersion().equals("v1");
    String first =
        or(json.text(core ? "firstTimestamp" : "deprecatedFirstTimestamp"), json.text("eventTime"));
    String last = or(json.text(core ? "lastTimestamp" : "deprecatedLastTimestamp"), first);
    long count = json.integer(core ? "count" : "deprecatedCount");
    JsonObject series = json.object("series");
    return new EventColumns(
        event,
        json.object(core ? "involvedObject" : "regarding"),
        json.object(core ? "source" : "deprecatedSource"),
        json.text(core ? "reportingComponent" : "reportingController"),
        json.text(core ? "message" : "note"),
        first,
        series.isEmpty() ? last : series.text("lastObservedTime"),
        series.isEmpty() ? (count == 0 ? 1 : count) : series.integer("count"));
  }

  /** {@code pod/web}. */
  private String object() {
    String kind = about.text("kind").toLowerCase(Locale.ROOT);
    return about.text("name").isEmpty() ? kind : kind + "/" + about.text("name");
  }

  /** Who saw it, and where. */
  private String origin() {
    String host = or(source.text("host"), event.json().text("reportingInstance"));
    return or(source.text("component"), reporter) + (host.isEmpty() ? "" : ", " + host);
  }
}
