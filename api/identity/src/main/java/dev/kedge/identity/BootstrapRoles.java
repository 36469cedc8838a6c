package dev.kedge.identity;

import dev.kedge.model.GroupVersionKind;
import dev.kedge.model.JsonObject;
import dev.kedge.model.KubeObject;
import java.io.IOException;
import java.io.InputStream;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;

/**
 * The roles and bindings that every cluster starts with, read from the table {@code
 * bootstrap-roles.txt} beside this class. Whoever assembles a server creates those that are missing
 * at start.
 */
public final class BootstrapRoles {
  private static final String GROUP = "rbac.authorization.k8s.io";
  private static final String AGGREGATE = GROUP + "/aggregate-to-";
  private static final JsonObject LABELS =
      JsonObject.of("kubernetes.io/bootstrapping", "rbac-defaults");
  private static final JsonObject ANNOTATIONS =
      JsonObject.of("rbac.authorization.kubernetes.io/autoupdate", "true");
  private static final RbacRule EVENTS =
      new RbacRule(
          List.of("create", "patch", "update"),
          List.of("", "events.k8s.io"),
          List.of("events"),
          List.of(),
          List.of());

  private BootstrapRoles() {}

  private static final class Role {
    final String kind;
    final String namespace;
    final String name;
    final List<String> to;
    final String from;
    final List<RbacRule> rules = new ArrayList<>();

    Role(String kind, String namespace, String name, List<String> to, String from) {
      this.kind = kind;
      this.namespace = namespace;
      this.name = name;
      this.to = to;
      this.from = from;
    }
  }

  /**
   * All of them: ClusterRoles first, then ClusterRoleBindings, Roles, RoleBindings. The aggregated
   * roles {@code admin}, {@code edit} and {@code view} carry the rules of their parts already.
   */
  public static List<KubeObject> objects() {
    Map<String, Role> roles = new LinkedHashMap<>();
    List<KubeObject> bindings = new ArrayList<>();
    read(roles, bindings);
    List<KubeObject> all = new ArrayList<>();
    for (String kind : List.of("ClusterRole", "ClusterRoleBinding", "Role", "RoleBinding")) {
      for (Role role : roles.values()) {
        if (role.kind.equals(kind)) {
          all.add(role(role, roles));
        }
      }
      bindings.stream().filter(binding -> binding.kind().equals(kind)).forEach(all::add);
    }
    return all;
  }

  /** The rules of one of the ClusterRoles. */
  public static List<RbacRule> rulesOf(String clusterRole) {
    Map<String, Role> roles = new LinkedHashMap<>();
    read(roles, new ArrayList<>());
    Role role = roles.get("/" + clusterRole);
    if (role == null) {
      throw new IllegalArgumentException("no bootstrap role " + clusterRole);
    }
    return rules(role, roles);
  }

  private static KubeObject role(Role role, Map<String, Role> roles) {
    JsonObject labels = LABELS;
    for (String to : role.to) {
      labels = labels.with(AGGREGATE + to, "true");
    }
    KubeObject object = object(role.kind, role.namespace, role.name, labels);
    if (!role.from.isEmpty()) {
      object =
          object.with(
              "aggregationRule",
              JsonObject.of(
                  "clusterRoleSelectors",
                  List.of(
                      JsonObject.of("matchLabels", JsonObject.of(AGGREGATE + role.from, "true")))));
    }
    return object.with("rules", rules(role, roles).stream().map(RbacRule::json).toList());
  }

  private static List<RbacRule> rules(Role role, Map<String, Role> roles) {
    if (role.from.isEmpty()) {
      return role.rules;
    }
    Set<RbacRule> all = new LinkedHashSet<>();
    roles.values().stream()
        .filter(part -> part.to.contains(role.from))
        .sorted(java.util.Comparator.comparing((Role part) -> part.name))
        .forEach(part -> all.addAll(rules(part, roles)));
    return List.copyOf(all);
  }

  private static void read(Map<String, Role> roles, List<KubeObject> bindings) {
    Role current = null;
    for (String line : table()) {
      if (line.isBlank() || line.startsWith("#")) {
        continue;
      }
      List<String> words = List.of(line.strip().split("\\s+"));
      if (line.startsWith(" ")) {
        if (current == null) {
          throw new IllegalStateException("a rule before any role: " + line);
        }
        current.rules.add(rule(words));
        continue;
      }
      switch (words.getFirst()) {
        case "clusterrole" ->
            current =
                new Role(
                    "ClusterRole",
                    "",
                    words.get(1),
                    option(words, "to"),
                    String.join("", option(words, "from")));
        case "controller" -> {
          String name = "system:controller:" + words.get(1);
          current = new Role("ClusterRole", "", name, List.of(), "");
          bindings.add(
              binding(
                  "ClusterRoleBinding",
                  "",
                  name,
                  "ClusterRole",
                  name,
                  List.of("sa:kube-system/" + words.get(1))));
        }
        case "role" -> current = new Role("Role", words.get(1), words.get(2), List.of(), "");
        case "bind" ->
            bindings.add(
                binding(
                    "ClusterRoleBinding",
                    "",
                    words.get(1),
                    "ClusterRole",
                    words.get(1),
                    words.subList(2, words.size())));
        case "bindrole" ->
            bindings.add(
                binding(
                    "RoleBinding",
                    words.get(1),
                    words.get(2),
                    "Role",
                    words.get(3),
                    words.subList(4, words.size())));
        default -> throw new IllegalStateException("not understood: " + line);
      }
      if (current != null) {
        roles.putIfAbsent(current.namespace + "/" + current.name, current);
      }
    }
  }

  private static List<String> table() {
    try (InputStream in = BootstrapRoles.class.getResourceAsStream("bootstrap-roles.txt")) {
      if (in == null) {
        throw new IllegalStateException("bootstrap-roles.txt is missing from the program");
      }
      return new String(in.readAllBytes(), StandardCharsets.UTF_8).lines().toList();
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }

  private static List<String> option(List<String> words, String name) {
    return words.stream()
        .filter(word -> word.startsWith(name + "="))
        .flatMap(word -> Arrays.stream(word.substring(name.length() + 1).split(",")))
        .toList();
  }

  private static RbacRule rule(List<String> words) {
    if (words.equals(List.of("events"))) {
      return EVENTS;
    }
    List<String> verbs =
        switch (words.getFirst()) {
          case "r" -> List.of("get", "list", "watch");
          case "l" -> List.of("list", "watch");
          case "w" -> List.of("create", "delete", "deletecollection", "patch", "update");
          case "c" ->
              List.of(
                  "create",
                  "delete",
                  "deletecollection",
                  "get",
                  "list",
                  "patch",
                  "update",
                  "watch");
          default -> split(words.getFirst());
        };
    if (words.size() == 2) {
      return new RbacRule(verbs, List.of(), List.of(), List.of(), split(words.get(1)));
    }
    List<String> groups =
        split(words.get(1)).stream().map(group -> group.equals("core") ? "" : group).toList();
    List<String> names = words.size() > 3 ? split(words.get(3)) : List.of();
    return new RbacRule(verbs, groups, split(words.get(2)), names, List.of());
  }

  private static List<String> split(String text) {
    return List.of(text.split(","));
  }

  private static KubeObject binding(
      String kind,
      String namespace,
      String name,
      String roleKind,
      String role,
      List<String> subjects) {
    List<JsonObject> all = new ArrayList<>();
    for (String subject : subjects) {
      int colon = subject.indexOf(':');
      String rest = subject.substring(colon + 1);
      all.add(
          switch (subject.substring(0, colon)) {
            case "user" -> JsonObject.of("apiGroup", GROUP, "kind", "User", "name", rest);
            case "group" -> JsonObject.of("apiGroup", GROUP, "kind", "Group", "name", rest);
            case "sa" -> {
              int slash = rest.indexOf('/');
              yield JsonObject.of(
                  "kind", "ServiceAccount",
                  "name", rest.substring(slash + 1),
                  "namespace", rest.substring(0, slash));
            }
            default -> throw new IllegalStateException("not a subject: " + subject);
          });
    }
    KubeObject object =
        object(kind, namespace, name, LABELS)
            .with("roleRef", JsonObject.of("apiGroup", GROUP, "kind", roleKind, "name", role));
    return all.isEmpty() ? object : object.with("subjects", all);
  }

  private static KubeObject object(String kind, String namespace, String name, JsonObject labels) {
    return KubeObject.of(new GroupVersionKind(GROUP, "v1", kind), namespace, name)
        .withMetadata("labels", labels)
        .withMetadata("annotations", ANNOTATIONS);
  }
}
