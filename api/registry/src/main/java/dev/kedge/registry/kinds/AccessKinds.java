package dev.kedge.registry.kinds;

import dev.kedge.model.JsonArray;
import dev.kedge.model.JsonObject;
import dev.kedge.model.JsonValue;
import dev.kedge.model.KubeObject;
import dev.kedge.model.Names;
import dev.kedge.model.Status.Cause;
import dev.kedge.registry.Strategy;
import java.util.ArrayList;
import java.util.List;

/** Roles and their bindings. */
final class AccessKinds {
  private static final String GROUP = "rbac.authorization.k8s.io";

  private AccessKinds() {}

  /** Roles and cluster roles. */
  record Role(boolean namespaced) implements Strategy {
    @Override
    public List<Cause> validate(KubeObject role) {
      Checks checks = new Checks();
      List<JsonObject> rules = role.json().objects("rules");
      for (int i = 0; i < rules.size(); i++) {
        JsonObject rule = rules.get(i);
        String at = "rules[" + i + "]";
        if (rule.array("verbs").isEmpty()) {
          checks.required(at + ".verbs", "verbs must contain at least one value");
        }
        boolean urls = !rule.array("nonResourceURLs").isEmpty();
        boolean resources =
            !rule.array("apiGroups").isEmpty()
                || !rule.array("resources").isEmpty()
                || !rule.array("resourceNames").isEmpty();
        if (urls) {
          if (namespaced) {
            checks.invalid(
                at + ".nonResourceURLs",
                rule.array("nonResourceURLs"),
                "namespaced rules cannot apply to non-resource URLs");
          }
          if (resources) {
            checks.invalid(
                at + ".nonResourceURLs",
                rule.array("nonResourceURLs"),
                "rules cannot apply to both regular resources and non-resource URLs");
          }
          continue;
        }
        if (rule.array("apiGroups").isEmpty()) {
          checks.required(at + ".apiGroups", "resource rules must supply at least one api group");
        }
        if (rule.array("resources").isEmpty()) {
          checks.required(at + ".resources", "resource rules must supply at least one resource");
        }
      }
      List<JsonObject> selectors = role.json().objects("aggregationRule", "clusterRoleSelectors");
      if (!namespaced && role.json().has("aggregationRule")) {
        if (selectors.isEmpty()) {
          checks.required(
              "aggregationRule.clusterRoleSelectors",
              "at least one clusterRoleSelector required if aggregationRule is non-nil");
        }
        for (int i = 0; i < selectors.size(); i++) {
          checks.selector("aggregationRule.clusterRoleSelectors[" + i + "]", selectors.get(i));
        }
      }
      return checks.causes();
    }
  }

  /** Role bindings and cluster role bindings. */
  record Binding(boolean namespaced) implements Strategy {
    @Override
    public KubeObject applyDefaults(KubeObject binding) {
      JsonArray subjects = binding.json().array("subjects");
      if (subjects.isEmpty()) {
        return binding;
      }
      List<JsonValue> made = new ArrayList<>();
      for (JsonValue item : subjects.items()) {
        boolean open =
            item instanceof JsonObject subject
                && subject.text("apiGroup").isEmpty()
                && (subject.text("kind").equals("User") || subject.text("kind").equals("Group"));
        made.add(open ? ((JsonObject) item).with("apiGroup", GROUP) : item);
      }
      return binding.with("subjects", new JsonArray(made));
    }

    @Override
    public List<Cause> validate(KubeObject binding) {
      Checks checks = new Checks();
      JsonObject role = binding.json().object("roleRef");
      if (!role.text("apiGroup").equals(GROUP)) {
        checks.add(
            dev.kedge.model.FieldFault.notSupported(
                "roleRef.apiGroup", role.text("apiGroup"), List.of(GROUP)));
      }
      if (!role.text("kind").equals("ClusterRole")
          && !(namespaced && role.text("kind").equals("Role"))) {
        checks.add(
            dev.kedge.model.FieldFault.notSupported(
                "roleRef.kind",
                role.text("kind"),
                namespaced ? List.of("Role", "ClusterRole") : List.of("ClusterRole")));
      }
      String name = role.text("name");
      if (name.isEmpty()) {
        checks.required("roleRef.name", "");
      } else {
        checks.name("roleRef.name", name, Names.pathSegment(name));
      }
      List<JsonObject> subjects = binding.json().objects("subjects");
      for (int i = 0; i < subjects.size(); i++) {
        subject(subjects.get(i), "subjects[" + i + "]", checks);
      }
      return checks.causes();
    }

    private static void subject(JsonObject subject, String at, Checks checks) {
      String name = subject.text("name");
      String group = subject.text("apiGroup");
      if (name.isEmpty()) {
        checks.required(at + ".name", "");
      }
      switch (subject.text("kind")) {
        case "ServiceAccount" -> {
          if (!name.isEmpty()) {
            checks.name(at + ".name", name, Names.subdomain(name));
          }
          if (!group.isEmpty()) {
            checks.oneOf(at + ".apiGroup", group, "");
          }
          if (subject.text("namespace").isEmpty()) {
            checks.required(at + ".namespace", "");
          }
        }
        case "User", "Group" -> {
          if (!group.equals(GROUP)) {
            checks.oneOf(at + ".apiGroup", group, GROUP);
          }
        }
        default ->
            checks.add(
                dev.kedge.model.FieldFault.notSupported(
                    at + ".kind",
                    subject.text("kind"),
                    List.of("ServiceAccount", "User", "Group")));
      }
    }

    @Override
    public List<Cause> validateUpdate(KubeObject binding, KubeObject old) {
      Checks checks = new Checks();
      JsonObject role = binding.json().object("roleRef");
      if (!role.equals(old.json().object("roleRef"))) {
        checks.invalid("roleRef", role, "cannot change roleRef");
      }
      return checks.causes();
    }
  }
}
