package dev.kedge.registry.admission;

import dev.kedge.model.JsonObject;
import dev.kedge.model.ResourceType;
import dev.kedge.registry.AdmissionPlugin.Operation;
import java.util.List;

/**
 * Which requests something is about: a {@code RuleWithOperations} of webhooks and policies.
 *
 * @param names names of objects; empty means any (webhooks have none)
 */
record Rule(
    List<String> operations,
    List<String> groups,
    List<String> versions,
    List<String> resources,
    String scope,
    List<String> names) {
  static Rule of(JsonObject rule) {
    return new Rule(
        rule.strings("operations"),
        rule.strings("apiGroups"),
        rule.strings("apiVersions"),
        rule.strings("resources"),
        rule.text("scope"),
        rule.strings("resourceNames"));
  }

  /** Whether the rule is about a request for a resource in one of its versions. */
  boolean matches(
      Operation operation, ResourceType type, String subresource, String namespace, String name) {
    return inScope(type, namespace)
        && one(operations, operation.name())
        && one(groups, type.group())
        && one(versions, type.version())
        && resource(type.plural(), subresource)
        && (names.isEmpty() || names.contains(name));
  }

  private boolean inScope(ResourceType type, String namespace) {
    boolean cluster =
        namespace.isEmpty()
            || type.plural().equals("namespaces")
                && type.group().isEmpty()
                && type.version().equals("v1");
    return switch (scope) {
      case "Namespaced" -> !cluster;
      case "Cluster" -> cluster;
      default -> true;
    };
  }

  private boolean resource(String plural, String subresource) {
    for (String each : resources) {
      int slash = each.indexOf('/');
      String resource = slash < 0 ? each : each.substring(0, slash);
      String sub = slash < 0 ? "" : each.substring(slash + 1);
      if ((resource.equals("*") || resource.equals(plural))
          && (sub.equals("*") || sub.equals(subresource))) {
        return true;
      }
    }
    return false;
  }

  private static boolean one(List<String> allowed, String asked) {
    return allowed.contains("*") || allowed.contains(asked);
  }
}
