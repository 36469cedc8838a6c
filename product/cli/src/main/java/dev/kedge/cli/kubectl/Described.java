package dev.kedge.cli.kubectl;

import static dev.kedge.cli.kubectl.DescriptionWriter.time;

import dev.kedge.model.ApiException;
import dev.kedge.model.JsonObject;
import dev.kedge.model.LabelSelector;
import dev.kedge.model.ServerSideApply;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.TreeMap;

/** An object that is described, and the parts that the descriptions of many kinds share. */
record Described(Session session, Item item, DescriptionWriter out) {
  JsonObject object() {
    return item.object();
  }

  JsonObject spec() {
    return object().object("spec");
  }

  JsonObject status() {
    return object().object("status");
  }

  LabelSelector selector() {
    return LabelSelector.of(spec().object("selector"));
  }

  /** Objects of another kind in a namespace; empty texts select all. */
  List<JsonObject> list(String resource, String namespace, String labels, String fields) {
    return session.list(session.discovery().find(resource), namespace, labels, fields);
  }

  /** Whether this object is among another's owners. */
  boolean owns(JsonObject other) {
    String uid = object().text("metadata", "uid");
    return other.objects("metadata", "ownerReferences").stream()
        .anyMatch(owner -> owner.text("uid").equals(uid));
  }

  // Parts

  void head() {
    name();
    labels();
    annotations();
  }

  /** Name and namespace. */
  void name() {
    out.field("Name", item.name());
    if (item.served().type().namespaced()) {
      out.field("Namespace", item.namespace());
    }
  }

  void labels() {
    out.labels("Labels", object().map("metadata", "labels"));
  }

  void annotations() {
    Map<String, String> annotations = new TreeMap<>(object().map("metadata", "annotations"));
    annotations.remove(ServerSideApply.LAST_APPLIED);
    out.annotations("Annotations", annotations);
  }

  void created() {
    out.field("CreationTimestamp", time(object().text("metadata", "creationTimestamp")));
  }

  void controller() {
    object().objects("metadata", "ownerReferences").stream()
        .filter(owner -> owner.flag("controller"))
        .forEach(
            owner -> out.field("Controlled By", owner.text("kind") + "/" + owner.text("name")));
  }

  /**
   * The conditions as a table.
   *
   * @param columns fields of a condition, capitalised
   */
  void conditions(String... columns) {
    List<JsonObject> conditions = status().objects("conditions");
    if (conditions.isEmpty()) {
      return;
    }
    DescriptionWriter in = out.heading("Conditions");
    in.columns(columns);
    for (JsonObject condition : conditions) {
      List<String> cells = new ArrayList<>();
      for (String column : columns) {
        String field = column.substring(0, 1).toLowerCase(Locale.ROOT) + column.substring(1);
        cells.add(column.endsWith("Time") ? time(condition.text(field)) : condition.text(field));
      }
      // As upstream: a blank ends every cell but the last.
      for (int i = 0; i < cells.size() - 1; i++) {
        cells.set(i, cells.get(i) + " ");
      }
      in.line(cells.toArray());
    }
  }

  /** The events about the object, unless {@code --show-events=false} is given. */
  void events() {
    if (!session.arguments().on("show-events")) {
      return;
    }
    // The events of a node may have its name in place of its uid.
    String uid =
        item.served().type().plural().equals("nodes") ? "" : object().text("metadata", "uid");
    List<JsonObject> events;
    try {
      events =
          list(
              "events",
              item.namespace(),
              "",
              "involvedObject.name="
                  + item.name()
                  + ",involvedObject.kind="
                  + object().text("kind")
                  + (uid.isEmpty() ? "" : ",involvedObject.uid=" + uid));
    } catch (ApiException e) {
      out.field("Events", "<unknown: " + e.getMessage() + ">");
      return;
    }
    if (events.isEmpty()) {
      out.field("Events", "<none>");
      return;
    }
    DescriptionWriter in = out.heading("Events");
    in.line("Type", "Reason", "Age", "From", "Message");
    // As upstream: the line under Age is longer than it.
    in.line("----", "------", "----", "----", "-------");
    events.stream()
        .sorted(Comparator.comparing(Events::lastSeen))
        .forEach(
            event ->
                in.line(
                    event.text("type"),
                    event.text("reason"),
                    Events.age(event),
                    DescriptionWriter.or(
                        event.text("source", "component"), event.text("reportingComponent")),
                    Events.message(event)));
  }
}
