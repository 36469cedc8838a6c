package dev.kedge.registry.kinds;

import dev.kedge.model.JsonObject;
import dev.kedge.model.Names;
import java.util.HashSet;
import java.util.List;
import java.util.Set;

/** What webhooks and policies have in common: rules and whole {@code MatchResources}. Stateless. */
final class AdmissionRules {
  private AdmissionRules() {}

  /** A rule with operations. */
  static void rule(String field, JsonObject rule, Checks checks) {
    List<String> operations = rule.strings("operations");
    if (operations.isEmpty()) {
      checks.required(field + ".operations", "");
    }
    if (operations.size() > 1 && operations.contains("*")) {
      checks.invalid(
          field + ".operations",
          rule.array("operations"),
          "if '*' is present, must not specify other operations");
    }
    for (int i = 0; i < operations.size(); i++) {
      checks.oneOfOrNone(
          field + ".operations[" + i + "]",
          operations.get(i),
          "*",
          "CONNECT",
          "CREATE",
          "DELETE",
          "UPDATE");
    }
    alone(field + ".apiGroups", rule, "apiGroups", "API groups", checks);
    alone(field + ".apiVersions", rule, "apiVersions", "API versions", checks);
    List<String> versions = rule.strings("apiVersions");
    for (int i = 0; i < versions.size(); i++) {
      if (versions.get(i).isEmpty()) {
        checks.required(field + ".apiVersions[" + i + "]", "");
      }
    }
    resources(field + ".resources", rule, checks);
    checks.oneOfOrNone(field + ".scope", rule.text("scope"), "*", "Cluster", "Namespaced");
  }

  private static void alone(
      String field, JsonObject rule, String name, String what, Checks checks) {
    List<String> items = rule.strings(name);
    if (items.isEmpty()) {
      checks.required(field, "");
    }
    if (items.size() > 1 && items.contains("*")) {
      checks.invalid(field, rule.array(name), "if '*' is present, must not specify other " + what);
    }
  }

  private static void resources(String field, JsonObject rule, Checks checks) {
    List<String> resources = rule.strings("resources");
    if (resources.isEmpty()) {
      checks.required(field, "");
    }
    Set<String> allSubresources = new HashSet<>();
    Set<String> allResources = new HashSet<>();
    boolean withoutSubresource = false;
    for (int i = 0; i < resources.size(); i++) {
      String each = resources.get(i);
      String at = field + "[" + i + "]";
      if (each.isEmpty()) {
        checks.required(at, "");
        continue;
      }
      int slash = each.indexOf('/');
      if (slash < 0) {
        withoutSubresource = !each.equals("*");
        continue;
      }
      String resource = each.substring(0, slash);
      String subresource = each.substring(slash + 1);
      if (allSubresources.contains(resource)) {
        checks.invalid(at, each, "if '" + resource + "/*' is present, must not specify " + each);
      }
      if (allResources.contains(subresource)) {
        checks.invalid(at, each, "if '*/" + subresource + "' is present, must not specify " + each);
      }
      if (subresource.equals("*")) {
        allSubresources.add(resource);
      }
      if (resource.equals("*")) {
        allResources.add(subresource);
      }
    }
    if (resources.size() > 1 && resources.contains("*/*")) {
      checks.invalid(
          field, rule.array("resources"), "if '*/*' is present, must not specify other resources");
    }
    if (resources.contains("*") && withoutSubresource) {
      checks.invalid(
          field,
          rule.array("resources"),
          "if '*' is present, must not specify other resources without subresources");
    }
  }

  /** A rule with names of objects. */
  static void namedRule(String field, JsonObject rule, Checks checks) {
    List<String> names = rule.strings("resourceNames");
    Set<String> seen = new HashSet<>();
    for (int i = 0; i < names.size(); i++) {
      String at = field + ".resourceNames[" + i + "]";
      checks.name(at, names.get(i), Names.pathSegment(names.get(i)));
      if (!seen.add(names.get(i))) {
        checks.duplicate(at, names.get(i));
      }
    }
    rule(field, rule, checks);
  }

  /** {@code MatchResources} of a policy or binding. */
  static void matchResources(String field, JsonObject match, Checks checks) {
    checks.oneOf(field + ".matchPolicy", match.text("matchPolicy"), "Equivalent", "Exact");
    for (String selector : List.of("namespaceSelector", "objectSelector")) {
      checks.selector(field + "." + selector, match.object(selector));
    }
    for (String rules : List.of("resourceRules", "excludeResourceRules")) {
      List<JsonObject> all = match.objects(rules);
      for (int i = 0; i < all.size(); i++) {
        namedRule(field + "." + rules + "[" + i + "]", all.get(i), checks);
      }
    }
  }

  /** A name of at least three segments. */
  static void qualifiedName(String field, String name, Checks checks) {
    if (name.isEmpty()) {
      checks.required(field, "");
    } else if (!Names.subdomain(name).isEmpty()) {
      checks.invalid(field, name, String.join(",", Names.subdomain(name)));
    } else if (name.split("\\.").length < 3) {
      checks.invalid(
          field, name, "should be a domain with at least three segments separated by dots");
    }
  }
}
