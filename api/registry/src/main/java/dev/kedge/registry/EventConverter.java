package dev.kedge.registry;

import dev.kedge.model.JsonObject;
import dev.kedge.model.KubeObject;
import java.util.Map;
import java.util.stream.Collectors;

/** events.k8s.io/v1 events, which are stored as events of the core group. */
final class EventConverter implements Converter {
  private static final Map<String, String> TO_STORED =
      Map.of(
          "regarding", "involvedObject",
          "note", "message",
          "reportingController", "reportingComponent",
          "deprecatedSource", "source",
          "deprecatedFirstTimestamp", "firstTimestamp",
          "deprecatedLastTimestamp", "lastTimestamp",
          "deprecatedCount", "count");
  private static final Map<String, String> TO_SERVED =
      TO_STORED.entrySet().stream()
          .collect(Collectors.toMap(Map.Entry::getValue, Map.Entry::getKey));

  @Override
  public KubeObject toStored(KubeObject served) {
    return rename(served, "v1", TO_STORED);
  }

  @Override
  public KubeObject toServed(KubeObject stored) {
    return rename(stored, "events.k8s.io/v1", TO_SERVED);
  }

  private static KubeObject rename(KubeObject event, String apiVersion, Map<String, String> names) {
    JsonObject.Builder renamed = JsonObject.builder();
    event.json().forEach((name, value) -> renamed.put(names.getOrDefault(name, name), value));
    return new KubeObject(renamed.put("apiVersion", apiVersion).build());
  }
}
