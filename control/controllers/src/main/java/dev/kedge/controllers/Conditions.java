package dev.kedge.controllers;

import dev.kedge.model.JsonObject;
import dev.kedge.model.Times;
import java.time.Instant;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;

/** The conditions of a status. */
final class Conditions {
  private Conditions() {}

  static Optional<JsonObject> find(JsonObject status, String type) {
    return status.objects("conditions").stream()
        .filter(condition -> condition.text("type").equals(type))
        .findFirst();
  }

  static boolean isTrue(JsonObject status, String type) {
    return find(status, type).map(c -> c.text("status").equals("True")).orElse(false);
  }

  /** The conditions with one set; its transition time moves only when its status changes. */
  static List<JsonObject> with(
      JsonObject status, String type, String value, String reason, String message, Instant now) {
    List<JsonObject> all = new ArrayList<>();
    JsonObject changed =
        JsonObject.of(
            "type", type,
            "status", value,
            "lastTransitionTime", Times.text(now),
            "reason", reason,
            "message", message);
    boolean done = false;
    for (JsonObject condition : status.objects("conditions")) {
      if (!condition.text("type").equals(type)) {
        all.add(condition);
        continue;
      }
      done = true;
      boolean same = condition.text("status").equals(value);
      JsonObject next =
          condition.with("status", value).with("reason", reason).with("message", message);
      all.add(same ? next : next.with("lastTransitionTime", Times.text(now)));
    }
    if (!done) {
      all.add(changed);
    }
    return all;
  }

  /** The conditions without one. */
  static List<JsonObject> without(JsonObject status, String type) {
    return status.objects("conditions").stream()
        .filter(condition -> !condition.text("type").equals(type))
        .toList();
  }
}
