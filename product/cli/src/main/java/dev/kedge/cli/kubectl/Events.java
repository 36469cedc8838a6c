package dev.kedge.cli.kubectl;

import dev.kedge.model.JsonObject;
import java.util.List;

/** What is shown of an event ({@code v1 Event}). */
final class Events {
  /** Where an event may have the time it was last seen at, the best first. */
  private static final List<String[]> LAST_SEEN =
      List.of(
          new String[] {"series", "lastObservedTime"},
          new String[] {"lastTimestamp"},
          new String[] {"eventTime"},
          new String[] {"metadata", "creationTimestamp"});

  private Events() {}

  /** When it was last seen; empty if it does not say. */
  static String lastSeen(JsonObject event) {
    return LAST_SEEN.stream()
        .map(event::text)
        .filter(time -> !time.isEmpty())
        .findFirst()
        .orElse("");
  }

  /** {@code 5m}, or {@code 5m (x3 over 7m)} if it was seen more than once. */
  static String age(JsonObject event) {
    String age = Session.age(lastSeen(event));
    long count = Math.max(event.integer("count"), event.integer("series", "count"));
    if (count <= 1) {
      return age;
    }
    String first = event.text("firstTimestamp");
    return age
        + " (x"
        + count
        + " over "
        + Session.age(first.isEmpty() ? event.text("eventTime") : first)
        + ")";
  }

  /** The message in one line. */
  static String message(JsonObject event) {
    return event.text("message").strip().replace("\n", " ");
  }
}
