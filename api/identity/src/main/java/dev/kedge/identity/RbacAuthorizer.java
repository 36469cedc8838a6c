package dev.kedge.identity;

import dev.kedge.model.JsonObject;
import dev.kedge.model.KubeObject;
import java.util.ArrayList;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;
import java.util.function.Predicate;

/**
 * Decides by the cluster's Roles, ClusterRoles and their bindings. Keeps them compiled: roles by
 * name, bindings by subject. Fed with changes by {@link #changed}, for instance from four
 * informers; reads never block. Members of {@code system:masters} may do anything, so that a
 * cluster with broken roles can be mended.
 *
 * <p>ClusterRoles with an aggregation rule have the rules of the roles they select, whether or not
 * a controller has written them out yet.
 */
public final class RbacAuthorizer implements Authorizer {
  private static final String MASTERS = "system:masters";

  private final Map<String, ClusterRole> clusterRoles = new ConcurrentHashMap<>();
  private final Map<String, List<RbacRule>> roles = new ConcurrentHashMap<>();
  // By namespace ("" for ClusterRoleBindings), then by subject; lists are replaced, not changed.
  private final Map<String, Map<String, List<Binding>>> bindings = new ConcurrentHashMap<>();

  private record ClusterRole(
      List<RbacRule> rules, Map<String, String> labels, List<Map<String, String>> aggregates) {}

  private record Binding(
      String namespace, String name, String roleKind, String roleName, List<String> subjects) {}

  /**
   * Takes in a change of a Role, ClusterRole, RoleBinding or ClusterRoleBinding; other kinds are
   * passed over. Calls for the same object must come in order.
   *
   * @param before empty when it is new
   * @param after empty when it is gone
   */
  public synchronized void changed(Optional<KubeObject> before, Optional<KubeObject> after) {
    KubeObject object = after.or(() -> before).orElseThrow();
    switch (object.kind()) {
      case "ClusterRole" ->
          after.ifPresentOrElse(
              role -> clusterRoles.put(role.name(), compile(role)),
              () -> clusterRoles.remove(object.name()));
      case "Role" -> {
        String key = object.namespace() + "/" + object.name();
        after.ifPresentOrElse(
            role -> roles.put(key, RbacRule.listOf(role.json())), () -> roles.remove(key));
      }
      case "ClusterRoleBinding", "RoleBinding" -> {
        before.ifPresent(this::unbind);
        after.ifPresent(this::bind);
      }
      default -> {}
    }
  }

  @Override
  public Decision authorize(User user, Attributes attributes) {
    if (user.groups().contains(MASTERS)) {
      return new Decision(true, "");
    }
    String[] reason = {""};
    boolean allowed =
        anyBinding(
            user,
            attributes.path().isEmpty() ? attributes.namespace() : "",
            binding -> {
              for (RbacRule rule : rules(binding)) {
                if (rule.allows(attributes)) {
                  reason[0] = describe(binding);
                  return true;
                }
              }
              return false;
            });
    return new Decision(allowed, reason[0]);
  }

  /** Every rule that holds for a user in a namespace, cluster-wide ones included. */
  public List<RbacRule> rulesFor(User user, String namespace) {
    if (user.groups().contains(MASTERS)) {
      return List.of(
          new RbacRule(List.of("*"), List.of("*"), List.of("*"), List.of(), List.of()),
          new RbacRule(List.of("*"), List.of(), List.of(), List.of(), List.of("*")));
    }
    Set<RbacRule> all = new LinkedHashSet<>();
    anyBinding(
        user,
        namespace,
        binding -> {
          all.addAll(rules(binding));
          return false;
        });
    return List.copyOf(all);
  }

  /**
   * What of the wanted rules a user does not have, split into the smallest rules: a user must not
   * give away more than it has.
   */
  public List<RbacRule> missing(User user, String namespace, List<RbacRule> wanted) {
    return RbacRule.missing(rulesFor(user, namespace), wanted);
  }

  /** The rules of a role that a binding refers to; empty if there is no such role. */
  public List<RbacRule> rulesOf(String roleKind, String namespace, String roleName) {
    return rules(new Binding(namespace, "", roleKind, roleName, List.of()));
  }

  private boolean anyBinding(User user, String namespace, Predicate<Binding> stop) {
    return anyBindingIn(bindings.get(""), user, stop)
        || (!namespace.isEmpty() && anyBindingIn(bindings.get(namespace), user, stop));
  }

  private static boolean anyBindingIn(
      @org.jspecify.annotations.Nullable Map<String, List<Binding>> bySubject,
      User user,
      Predicate<Binding> stop) {
    if (bySubject == null) {
      return false;
    }
    if (bySubject.getOrDefault("user:" + user.name(), List.of()).stream().anyMatch(stop)) {
      return true;
    }
    for (String group : user.groups()) {
      if (bySubject.getOrDefault("group:" + group, List.of()).stream().anyMatch(stop)) {
        return true;
      }
    }
    return false;
  }

  private List<RbacRule> rules(Binding binding) {
    if (binding.roleKind().equals("Role")) {
      return roles.getOrDefault(binding.namespace() + "/" + binding.roleName(), List.of());
    }
    ClusterRole role = clusterRoles.get(binding.roleName());
    if (role == null) {
      return List.of();
    }
    if (role.aggregates().isEmpty()) {
      return role.rules();
    }
    Set<RbacRule> all = new LinkedHashSet<>(role.rules());
    collect(role, all, new java.util.HashSet<>());
    return List.copyOf(all);
  }

  private void collect(ClusterRole role, Set<RbacRule> into, Set<ClusterRole> seen) {
    if (!seen.add(role)) {
      return;
    }
    for (ClusterRole part : clusterRoles.values()) {
      if (role.aggregates().stream()
          .anyMatch(wanted -> part.labels().entrySet().containsAll(wanted.entrySet()))) {
        into.addAll(part.rules());
        collect(part, into, seen);
      }
    }
  }

  private static ClusterRole compile(KubeObject role) {
    List<Map<String, String>> aggregates =
        role.json().objects("aggregationRule", "clusterRoleSelectors").stream()
            .filter(selector -> selector.array("matchExpressions").isEmpty())
            .map(selector -> selector.map("matchLabels"))
            .filter(labels -> !labels.isEmpty())
            .toList();
    return new ClusterRole(RbacRule.listOf(role.json()), role.labels(), aggregates);
  }

  private void bind(KubeObject object) {
    Binding binding = binding(object);
    Map<String, List<Binding>> bySubject =
        bindings.computeIfAbsent(object.namespace(), _ -> new ConcurrentHashMap<>());
    for (String subject : binding.subjects()) {
      bySubject.merge(
          subject,
          List.of(binding),
          (held, added) -> {
            List<Binding> all = new ArrayList<>(held);
            all.removeIf(one -> one.name().equals(binding.name()));
            all.addAll(added);
            return List.copyOf(all);
          });
    }
  }

  private void unbind(KubeObject object) {
    Map<String, List<Binding>> bySubject = bindings.get(object.namespace());
    if (bySubject == null) {
      return;
    }
    for (String subject : binding(object).subjects()) {
      bySubject.computeIfPresent(
          subject,
          (_, held) -> {
            List<Binding> rest =
                held.stream().filter(one -> !one.name().equals(object.name())).toList();
            return rest.isEmpty() ? null : rest;
          });
    }
  }

  private static Binding binding(KubeObject object) {
    List<String> subjects = new ArrayList<>();
    for (JsonObject subject : object.json().objects("subjects")) {
      String name = subject.text("name");
      switch (subject.text("kind")) {
        case "User" -> subjects.add("user:" + name);
        case "Group" -> subjects.add("group:" + name);
        case "ServiceAccount" -> {
          String namespace =
              subject.text("namespace").isEmpty() ? object.namespace() : subject.text("namespace");
          subjects.add("user:" + ServiceAccountTokens.USER_PREFIX + namespace + ":" + name);
        }
        default -> {}
      }
    }
    JsonObject role = object.json().object("roleRef");
    return new Binding(
        object.namespace(),
        object.name(),
        role.text("kind"),
        role.text("name"),
        List.copyOf(new LinkedHashSet<>(subjects)));
  }

  private static String describe(Binding binding) {
    String name =
        binding.namespace().isEmpty()
            ? "ClusterRoleBinding \"" + binding.name() + "\""
            : "RoleBinding \"" + binding.name() + "/" + binding.namespace() + "\"";
    return "RBAC: allowed by "
        + name
        + " of "
        + binding.roleKind()
        + " \""
        + binding.roleName()
        + "\"";
  }
}
