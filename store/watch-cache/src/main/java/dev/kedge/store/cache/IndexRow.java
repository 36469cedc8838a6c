package dev.kedge.store.cache;

import java.util.Map;

/**
 * What selections ask of an object, read out of it once when it enters the cache.
 *
 * @param namespace empty for cluster-scoped objects
 * @param fields the kind's selectable fields other than namespace and name, such as {@code
 *     spec.nodeName}; a field without value stands there as the empty string
 */
public record IndexRow(
    String namespace, String name, Map<String, String> labels, Map<String, String> fields) {
  public IndexRow {
    labels = Map.copyOf(labels);
    fields = Map.copyOf(fields);
  }

  /** The value of a selectable field, {@code metadata.name} and {@code .namespace} included. */
  public String field(String path) {
    return switch (path) {
      case "metadata.name" -> name;
      case "metadata.namespace" -> namespace;
      default -> fields.getOrDefault(path, "");
    };
  }
}
