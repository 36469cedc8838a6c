package dev.kedge.apiserver;

import dev.kedge.model.GroupVersionKind;
import dev.kedge.model.ResourceType;
import java.util.List;
import java.util.Map;

/** The warnings that every answer about a deprecated kind carries. */
final class Deprecations {
  private static final Map<GroupVersionKind, String> SINCE =
      Map.of(
          new GroupVersionKind("", "v1", "ComponentStatus"), "v1.19+",
          new GroupVersionKind("", "v1", "Endpoints"),
              "v1.33+; use discovery.k8s.io/v1 EndpointSlice");

  private Deprecations() {}

  static List<String> of(ResourceType type) {
    String since = SINCE.get(type.groupVersionKind());
    return since == null
        ? List.of()
        : List.of(type.apiVersion() + " " + type.kind() + " is deprecated in " + since);
  }
}
