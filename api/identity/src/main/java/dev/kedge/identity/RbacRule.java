package dev.kedge.identity;

import dev.kedge.identity.Authorizer.Attributes;
import dev.kedge.model.JsonObject;
import java.util.ArrayList;
import java.util.List;

/**
 * A rule of a role ({@code rbac.authorization.k8s.io PolicyRule}): allows verbs on resources, or on
 * URLs. Immutable.
 *
 * @param resourceNames empty: all names
 */
public record RbacRule(
    List<String> verbs,
    List<String> apiGroups,
    List<String> resources,
    List<String> resourceNames,
    List<String> urls) {
  public RbacRule {
    verbs = List.copyOf(verbs);
    apiGroups = List.copyOf(apiGroups);
    resources = List.copyOf(resources);
    resourceNames = List.copyOf(resourceNames);
    urls = List.copyOf(urls);
  }

  /** Reads a rule. */
  public static RbacRule of(JsonObject rule) {
    return new RbacRule(
        rule.strings("verbs"),
        rule.strings("apiGroups"),
        rule.strings("resources"),
        rule.strings("resourceNames"),
        rule.strings("nonResourceURLs"));
  }

  /** Reads the rules of a Role or ClusterRole. */
  public static List<RbacRule> listOf(JsonObject role) {
    return role.objects("rules").stream().map(RbacRule::of).toList();
  }

  /** The rule as it stands in a role. */
  public JsonObject json() {
    return JsonObject.builder()
        .putNonEmpty("apiGroups", apiGroups)
        .putNonEmpty("nonResourceURLs", urls)
        .putNonEmpty("resourceNames", resourceNames)
        .putNonEmpty("resources", resources)
        .put("verbs", verbs)
        .build();
  }

  /** Whether the rule allows a request. */
  public boolean allows(Attributes request) {
    if (!has(verbs, request.verb())) {
      return false;
    }
    if (!request.path().isEmpty()) {
      return urls.stream().anyMatch(url -> matchesUrl(url, request.path()));
    }
    return has(apiGroups, request.group())
        && matchesResource(request.resource(), request.subresource())
        && (resourceNames.isEmpty() || resourceNames.contains(request.name()));
  }

  /** The rule split into rules of one verb, group, resource and name (or verb and URL) each. */
  List<RbacRule> parts() {
    List<RbacRule> parts = new ArrayList<>();
    for (String verb : verbs) {
      for (String url : urls) {
        parts.add(new RbacRule(List.of(verb), List.of(), List.of(), List.of(), List.of(url)));
      }
      for (String group : apiGroups) {
        for (String resource : resources) {
          for (String name : resourceNames.isEmpty() ? List.of("") : resourceNames) {
            parts.add(
                new RbacRule(
                    List.of(verb),
                    List.of(group),
                    List.of(resource),
                    name.isEmpty() ? List.of() : List.of(name),
                    List.of()));
          }
        }
      }
    }
    return parts;
  }

  /** What of the wanted rules others do not allow, split into the smallest rules. */
  public static List<RbacRule> missing(List<RbacRule> held, List<RbacRule> wanted) {
    return wanted.stream()
        .flatMap(rule -> rule.parts().stream())
        .filter(part -> held.stream().noneMatch(rule -> rule.covers(part)))
        .toList();
  }

  /** Whether this rule allows all that a rule of one part does. */
  boolean covers(RbacRule part) {
    if (!has(verbs, part.verbs.getFirst())) {
      return false;
    }
    if (!part.urls.isEmpty()) {
      String wanted = part.urls.getFirst();
      return urls.stream()
          .anyMatch(
              url ->
                  url.equals(wanted)
                      || (url.endsWith("*")
                          && wanted.startsWith(url.substring(0, url.length() - 1))));
    }
    String resource = part.resources.getFirst();
    int slash = resource.indexOf('/');
    return has(apiGroups, part.apiGroups.getFirst())
        && (resources.contains(resource)
            || (slash < 0
                ? resources.contains("*")
                : matchesResource(resource.substring(0, slash), resource.substring(slash + 1))))
        && (resourceNames.isEmpty()
            || (!part.resourceNames.isEmpty()
                && resourceNames.contains(part.resourceNames.getFirst())));
  }

  private boolean matchesResource(String resource, String subresource) {
    for (String allowed : resources) {
      if (allowed.equals("*")) {
        return true;
      }
      if (subresource.isEmpty()) {
        if (allowed.equals(resource)) {
          return true;
        }
      } else if (allowed.length() == resource.length() + 1 + subresource.length()
          && allowed.startsWith(resource)
          && allowed.charAt(resource.length()) == '/'
          && allowed.endsWith(subresource)) {
        return true;
      } else if (allowed.length() == subresource.length() + 2
          && allowed.startsWith("*/")
          && allowed.endsWith(subresource)) {
        return true;
      }
    }
    return false;
  }

  private static boolean matchesUrl(String allowed, String path) {
    return allowed.equals("*")
        || allowed.equals(path)
        || (allowed.endsWith("*") && path.startsWith(allowed.substring(0, allowed.length() - 1)));
  }

  private static boolean has(List<String> allowed, String wanted) {
    for (String one : allowed) {
      if (one.equals("*") || one.equals(wanted)) {
        return true;
      }
    }
    return false;
  }
}
