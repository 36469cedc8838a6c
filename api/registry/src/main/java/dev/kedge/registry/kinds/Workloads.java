package dev.kedge.registry.kinds;

import dev.kedge.model.JsonArray;
import dev.kedge.model.JsonInteger;
import dev.kedge.model.JsonNull;
import dev.kedge.model.JsonObject;
import dev.kedge.model.JsonString;
import dev.kedge.model.JsonValue;
import dev.kedge.model.KubeObject;
import dev.kedge.model.LabelSelector;
import dev.kedge.model.Names;
import dev.kedge.model.Status.Cause;
import dev.kedge.registry.Strategy;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Locale;
import java.util.Set;

/** The kinds that keep a number of like pods: one strategy, and what each kind adds. */
final class Workloads {
  private Workloads() {}

  /** What the kinds have in common. */
  private abstract static class Workload implements Strategy {
    final String kind;

    Workload(String kind) {
      this.kind = kind;
    }

    @Override
    public KubeObject applyDefaults(KubeObject object) {
      JsonObject spec = object.spec();
      if (spec.has("template")) {
        spec = spec.with("template", templateDefaults(spec.object("template")));
      }
      return object.with("spec", specDefaults(spec));
    }

    JsonObject specDefaults(JsonObject spec) {
      return spec;
    }

    @Override
    public List<Cause> validate(KubeObject object) {
      Checks checks = new Checks();
      JsonObject spec = object.spec();
      checks.notNegative("spec.replicas", spec, "replicas");
      checks.notNegative("spec.minReadySeconds", spec, "minReadySeconds");
      checks.notNegative("spec.revisionHistoryLimit", spec, "revisionHistoryLimit");
      validateSpec(spec, checks);
      validateSelector(spec, checks);
      PodSpecs.template(spec.object("template"), "spec.template", claims(spec), checks);
      String restart = spec.text("template", "spec", "restartPolicy");
      if (!restart.isEmpty() && !restart.equals("Always")) {
        checks.oneOf("spec.template.spec.restartPolicy", restart, "Always");
      }
      if (spec.object("template", "spec").has("activeDeadlineSeconds")) {
        checks.forbidden(
            "spec.template.spec.activeDeadlineSeconds",
            "activeDeadlineSeconds in " + deadlineSubject() + " is not Supported");
      }
      return checks.causes();
    }

    String deadlineSubject() {
      return kind;
    }

    Set<String> claims(JsonObject spec) {
      return Set.of();
    }

    void validateSpec(JsonObject spec, Checks checks) {}

    void validateSelector(JsonObject spec, Checks checks) {
      if (!(spec.get("selector").orElse(JsonNull.NULL) instanceof JsonObject selector)) {
        checks.required("spec.selector", "");
        return;
      }
      int before = checks.causes().size();
      checks.selector("spec.selector", selector);
      if (selector.object("matchLabels").isEmpty()
          && selector.array("matchExpressions").isEmpty()) {
        checks.invalid(
            "spec.selector",
            selector,
            "empty selector is invalid for " + kind.toLowerCase(Locale.ROOT));
      } else if (checks.causes().size() == before) {
        var labels = spec.map("template", "metadata", "labels");
        if (!LabelSelector.of(selector).matches(labels)) {
          checks.invalid(
              "spec.template.metadata.labels",
              labels.isEmpty() ? JsonNull.NULL : Checks.shown(labels),
              "`selector` does not match template `labels`");
        }
      }
    }

    @Override
    public List<Cause> validateUpdate(KubeObject object, KubeObject old) {
      Checks checks = new Checks();
      checks.immutable("spec.", object.spec(), old.spec(), "selector");
      return checks.causes();
    }
  }

  /** A pod template with the defaults that depend on other fields. */
  static JsonObject templateDefaults(JsonObject template) {
    return template.has("spec")
        ? template.with("spec", PodSpecs.withDefaults(template.object("spec"), false))
        : template;
  }

  private static JsonObject absent(JsonObject object, String name, Object value) {
    return object.has(name) ? object : object.with(name, value);
  }

  static final class Deployment extends Workload {
    Deployment() {
      super("Deployment");
    }

    @Override
    String deadlineSubject() {
      return "ReplicaSet";
    }

    @Override
    JsonObject specDefaults(JsonObject spec) {
      if (!spec.text("strategy", "type").equals("RollingUpdate")) {
        return spec;
      }
      JsonObject rolling = spec.object("strategy", "rollingUpdate");
      rolling = absent(absent(rolling, "maxUnavailable", "25%"), "maxSurge", "25%");
      return spec.with("strategy", spec.object("strategy").with("rollingUpdate", rolling));
    }

    @Override
    void validateSpec(JsonObject spec, Checks checks) {
      JsonObject strategy = spec.object("strategy");
      switch (strategy.text("type")) {
        case "Recreate" -> {
          if (strategy.has("rollingUpdate")) {
            checks.forbidden(
                "spec.strategy.rollingUpdate",
                "may not be specified when strategy `type` is 'Recreate'");
          }
        }
        case "RollingUpdate" ->
            rolling(strategy.object("rollingUpdate"), "spec.strategy.rollingUpdate", checks);
        default ->
            checks.oneOf("spec.strategy.type", strategy.text("type"), "Recreate", "RollingUpdate");
      }
      checks.notNegative("spec.progressDeadlineSeconds", spec, "progressDeadlineSeconds");
      if (spec.integerOr(600, "progressDeadlineSeconds") <= spec.integer("minReadySeconds")) {
        checks.invalid(
            "spec.progressDeadlineSeconds",
            spec.integer("progressDeadlineSeconds"),
            "must be greater than minReadySeconds");
      }
    }
  }

  private static void rolling(JsonObject rolling, String field, Checks checks) {
    checks.countOrPercent(field + ".maxUnavailable", rolling, "maxUnavailable");
    checks.countOrPercent(field + ".maxSurge", rolling, "maxSurge");
    if (isZero(rolling, "maxUnavailable") && isZero(rolling, "maxSurge")) {
      checks.invalid(
          field + ".maxUnavailable",
          rolling.get("maxUnavailable").orElse(new JsonInteger(0)),
          "may not be 0 when `maxSurge` is 0");
    }
    if (rolling.text("maxUnavailable").matches("[0-9]{1,9}%")
        && Integer.parseInt(rolling.text("maxUnavailable").replace("%", "")) > 100) {
      checks.invalid(
          field + ".maxUnavailable",
          rolling.text("maxUnavailable"),
          "must not be greater than 100%");
    }
  }

  private static boolean isZero(JsonObject object, String name) {
    return switch (object.get(name).orElse(new JsonInteger(0))) {
      case JsonInteger number -> number.value() == 0;
      case JsonString text -> text.value().matches("0+%");
      default -> false;
    };
  }

  static final class ReplicaSet extends Workload {
    ReplicaSet() {
      super("ReplicaSet");
    }

    @Override
    void validateSelector(JsonObject spec, Checks checks) {
      if (spec.get("selector").orElse(JsonNull.NULL) instanceof JsonObject) {
        super.validateSelector(spec, checks);
      } else {
        checks.required("spec.selector", "");
      }
    }
  }

  static final class DaemonSet extends Workload {
    DaemonSet() {
      super("DaemonSet");
    }

    @Override
    JsonObject specDefaults(JsonObject spec) {
      if (!spec.text("updateStrategy", "type").equals("RollingUpdate")) {
        return spec;
      }
      JsonObject rolling = spec.object("updateStrategy", "rollingUpdate");
      rolling = absent(absent(rolling, "maxUnavailable", 1), "maxSurge", 0);
      return spec.with(
          "updateStrategy", spec.object("updateStrategy").with("rollingUpdate", rolling));
    }

    @Override
    void validateSpec(JsonObject spec, Checks checks) {
      JsonObject strategy = spec.object("updateStrategy");
      String field = "spec.updateStrategy";
      checks.oneOf(field + ".type", strategy.text("type"), "OnDelete", "RollingUpdate");
      if (strategy.text("type").equals("RollingUpdate")) {
        JsonObject rolling = strategy.object("rollingUpdate");
        checks.countOrPercent(field + ".rollingUpdate.maxUnavailable", rolling, "maxUnavailable");
        checks.countOrPercent(field + ".rollingUpdate.maxSurge", rolling, "maxSurge");
        boolean noneDown = isZero(rolling, "maxUnavailable");
        boolean noneMore = isZero(rolling, "maxSurge");
        if (noneDown && noneMore) {
          checks.required(
              field + ".rollingUpdate.maxUnavailable", "cannot be 0 when maxSurge is 0");
        } else if (!noneDown && !noneMore) {
          checks.invalid(
              field + ".rollingUpdate.maxSurge",
              rolling.get("maxSurge").orElse(new JsonInteger(0)),
              "may not be set when maxUnavailable is non-zero");
        }
      }
    }
  }

  static final class StatefulSet extends Workload {
    private static final List<String> CHANGEABLE =
        List.of(
            "replicas",
            "ordinals",
            "template",
            "updateStrategy",
            "revisionHistoryLimit",
            "persistentVolumeClaimRetentionPolicy",
            "minReadySeconds");

    StatefulSet() {
      super("StatefulSet");
    }

    @Override
    JsonObject specDefaults(JsonObject spec) {
      if (!spec.text("updateStrategy", "type").equals("RollingUpdate")) {
        return spec;
      }
      JsonObject rolling = absent(spec.object("updateStrategy", "rollingUpdate"), "partition", 0);
      return spec.with(
          "updateStrategy", spec.object("updateStrategy").with("rollingUpdate", rolling));
    }

    @Override
    Set<String> claims(JsonObject spec) {
      Set<String> names = new HashSet<>();
      spec.objects("volumeClaimTemplates")
          .forEach(claim -> names.add(claim.text("metadata", "name")));
      return names;
    }

    @Override
    void validateSpec(JsonObject spec, Checks checks) {
      String policy = spec.text("podManagementPolicy");
      if (policy.isEmpty()) {
        checks.required("spec.podManagementPolicy", "");
      } else if (!policy.equals("OrderedReady") && !policy.equals("Parallel")) {
        checks.invalid("spec.podManagementPolicy", policy, "must be 'OrderedReady' or 'Parallel'");
      }
      JsonObject strategy = spec.object("updateStrategy");
      switch (strategy.text("type")) {
        case "OnDelete" -> {
          if (strategy.has("rollingUpdate")) {
            checks.invalid(
                "spec.updateStrategy.rollingUpdate",
                strategy.object("rollingUpdate"),
                "only allowed for updateStrategy 'RollingUpdate'");
          }
        }
        case "RollingUpdate" ->
            checks.notNegative(
                "spec.updateStrategy.rollingUpdate.partition",
                strategy.object("rollingUpdate"),
                "partition");
        case "" -> checks.required("spec.updateStrategy", "");
        default ->
            checks.invalid(
                "spec.updateStrategy", strategy, "must be 'RollingUpdate' or 'OnDelete'");
      }
      for (String when : List.of("whenDeleted", "whenScaled")) {
        checks.oneOf(
            "spec.persistentVolumeClaimRetentionPolicy." + when,
            spec.text("persistentVolumeClaimRetentionPolicy", when),
            "Delete",
            "Retain");
      }
      String service = spec.text("serviceName");
      if (!service.isEmpty()) {
        checks.name("spec.serviceName", service, Names.subdomain(service));
      }
    }

    @Override
    public KubeObject applyDefaults(KubeObject object) {
      KubeObject made = super.applyDefaults(object);
      JsonArray claims = made.spec().array("volumeClaimTemplates");
      if (claims.isEmpty()) {
        return made;
      }
      List<JsonValue> named = new ArrayList<>();
      for (JsonValue claim : claims.items()) {
        named.add(
            claim instanceof JsonObject template
                ? absent(absent(template, "apiVersion", "v1"), "kind", "PersistentVolumeClaim")
                : claim);
      }
      return made.with("spec", made.spec().with("volumeClaimTemplates", new JsonArray(named)));
    }

    @Override
    public List<Cause> validateUpdate(KubeObject object, KubeObject old) {
      JsonObject spec = object.spec();
      JsonObject before = old.spec();
      for (String field : CHANGEABLE) {
        spec = spec.without(field);
        before = before.without(field);
      }
      Checks checks = new Checks();
      if (!spec.equals(before)) {
        checks.forbidden(
            "spec",
            "updates to statefulset spec for fields other than 'replicas', 'ordinals', 'template',"
                + " 'updateStrategy', 'revisionHistoryLimit',"
                + " 'persistentVolumeClaimRetentionPolicy' and 'minReadySeconds' are forbidden");
      }
      return checks.causes();
    }
  }

  /** Replication controllers: a plain map as selector, taken from the template where absent. */
  static final class ReplicationController extends Workload {
    ReplicationController() {
      super("ReplicationController");
    }

    @Override
    public KubeObject applyDefaults(KubeObject object) {
      KubeObject made = super.applyDefaults(object);
      JsonObject labels = made.spec().object("template", "metadata", "labels");
      if (labels.isEmpty()) {
        return made;
      }
      if (made.spec().object("selector").isEmpty()) {
        made = made.with("spec", made.spec().with("selector", labels));
      }
      return made.metadata().object("labels").isEmpty()
          ? made.withMetadata("labels", labels)
          : made;
    }

    @Override
    void validateSelector(JsonObject spec, Checks checks) {
      if (spec.object("selector").isEmpty()) {
        checks.required("spec.selector", "");
      } else if (!LabelSelector.ofLabels(spec.map("selector"))
          .matches(spec.map("template", "metadata", "labels"))) {
        checks.invalid(
            "spec.template.metadata.labels",
            Checks.shown(spec.map("template", "metadata", "labels")),
            "`selector` does not match template `labels`");
      }
    }

    @Override
    public List<Cause> validateUpdate(KubeObject object, KubeObject old) {
      return List.of();
    }
  }

  /** Templates of pods as objects of their own. */
  static final class PodTemplate implements Strategy {
    @Override
    public KubeObject applyDefaults(KubeObject object) {
      return object.json().has("template")
          ? object.with("template", templateDefaults(object.json().object("template")))
          : object;
    }

    @Override
    public List<Cause> validate(KubeObject object) {
      Checks checks = new Checks();
      PodSpecs.template(object.json().object("template"), "template", Set.of(), checks);
      return checks.causes();
    }
  }
}
