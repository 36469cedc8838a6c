package dev.kedge.registry.kinds;

import dev.kedge.model.JsonArray;
import dev.kedge.model.JsonObject;
import dev.kedge.model.JsonValue;
import dev.kedge.model.KubeObject;
import dev.kedge.model.Names;
import dev.kedge.model.Quantity;
import dev.kedge.model.Status.Cause;
import dev.kedge.registry.Strategy;
import java.util.ArrayList;
import java.util.Base64;
import java.util.List;
import java.util.Set;

/** Kinds that rule over others: nodes, quotas, priorities, budgets, autoscalers, classes. */
final class ClusterKinds {
  private ClusterKinds() {}

  static final class Node implements Strategy {
    @Override
    public List<Cause> validate(KubeObject node) {
      Checks checks = new Checks();
      List<JsonObject> taints = node.spec().objects("taints");
      Set<String> seen = new java.util.HashSet<>();
      for (int i = 0; i < taints.size(); i++) {
        JsonObject taint = taints.get(i);
        String at = "spec.taints[" + i + "]";
        checks.name(at + ".key", taint.text("key"), Names.qualified(taint.text("key")));
        String value = taint.text("value");
        checks.name(at + ".value", value, Names.labelValue(value));
        checks.oneOf(
            at + ".effect", taint.text("effect"), "NoSchedule", "PreferNoSchedule", "NoExecute");
        if (!seen.add(taint.text("key") + ":" + taint.text("effect"))) {
          checks.duplicate(at, taint);
        }
      }
      return checks.causes();
    }

    @Override
    public List<Cause> validateUpdate(KubeObject node, KubeObject old) {
      Checks checks = new Checks();
      List<String> before = old.spec().strings("podCIDRs");
      if (!before.isEmpty() && !before.equals(node.spec().strings("podCIDRs"))) {
        checks.forbidden(
            "spec.podCIDRs", "node updates may not change podCIDR except from \"\" to valid");
      }
      String provider = old.spec().text("providerID");
      if (!provider.isEmpty() && !provider.equals(node.spec().text("providerID"))) {
        checks.forbidden(
            "spec.providerID", "node updates may not change providerID except from \"\" to valid");
      }
      return checks.causes();
    }
  }

  static final class LimitRange implements Strategy {
    @Override
    public KubeObject applyDefaults(KubeObject range) {
      List<JsonValue> items = new ArrayList<>();
      for (JsonValue item : range.spec().array("limits").items()) {
        items.add(
            item instanceof JsonObject limit && limit.text("type").equals("Container")
                ? container(limit)
                : item);
      }
      return items.isEmpty()
          ? range
          : range.with("spec", range.spec().with("limits", new JsonArray(items)));
    }

    /** Limits follow the maximum, requests the limits, then the minimum. */
    private static JsonObject container(JsonObject item) {
      JsonObject limits = filled(item.object("default"), item.object("max"));
      JsonObject requests =
          filled(filled(item.object("defaultRequest"), limits), item.object("min"));
      JsonObject made = limits.isEmpty() ? item : item.with("default", limits);
      return requests.isEmpty() ? made : made.with("defaultRequest", requests);
    }

    private static JsonObject filled(JsonObject object, JsonObject from) {
      JsonObject made = object;
      for (int i = 0; i < from.size(); i++) {
        if (!made.has(from.nameAt(i))) {
          made = made.with(from.nameAt(i), from.valueAt(i));
        }
      }
      return made;
    }

    @Override
    public List<Cause> validate(KubeObject range) {
      Checks checks = new Checks();
      List<JsonObject> items = range.spec().objects("limits");
      Set<String> types = new java.util.HashSet<>();
      for (int i = 0; i < items.size(); i++) {
        JsonObject item = items.get(i);
        String at = "spec.limits[" + i + "]";
        String type = item.text("type");
        if (!types.add(type)) {
          checks.duplicate(at + ".type", type);
        }
        if (type.equals("Pod")) {
          for (String field : List.of("default", "defaultRequest")) {
            if (!item.object(field).isEmpty()) {
              checks.forbidden(
                  "limits[" + i + "]." + field, "may not be specified when `type` is 'Pod'");
            }
          }
        }
        item.object("min")
            .forEach(
                (name, least) -> {
                  JsonObject most = item.object("max");
                  if (most.has(name)
                      && Quantity.of(least).compareTo(Quantity.of(most.get(name).orElseThrow()))
                          > 0) {
                    checks.invalid(
                        at + ".min[" + name + "]",
                        least,
                        "min value "
                            + Quantity.of(least)
                            + " is greater than max value "
                            + Quantity.of(most.get(name).orElseThrow()));
                  }
                });
      }
      return checks.causes();
    }
  }

  static final class ResourceQuota implements Strategy {
    @Override
    public List<Cause> validate(KubeObject quota) {
      Checks checks = new Checks();
      quota
          .spec()
          .object("hard")
          .forEach(
              (name, value) -> {
                checks.name("spec.hard[" + name + "]", name, Names.qualified(name));
                if (Quantity.of(value).value().signum() < 0) {
                  checks.invalid(
                      "spec.hard[" + name + "]", value, "must be greater than or equal to 0");
                }
              });
      return checks.causes();
    }

    @Override
    public List<Cause> validateUpdate(KubeObject quota, KubeObject old) {
      Checks checks = new Checks();
      checks.immutable("spec.", quota.spec(), old.spec(), "scopes");
      return checks.causes();
    }
  }

  static final class PriorityClass implements Strategy {
    private static final long MOST = 1_000_000_000;
    private static final Set<String> SYSTEM =
        Set.of("system-node-critical", "system-cluster-critical");

    @Override
    public List<Cause> validate(KubeObject priority) {
      Checks checks = new Checks();
      long value = priority.json().integer("value");
      if (priority.name().startsWith("system-")) {
        if (!SYSTEM.contains(priority.name())) {
          checks.forbidden(
              "metadata.name",
              "priority class names with 'system-' prefix are reserved for system use only. error:"
                  + " "
                  + priority.name()
                  + " is not a known system priority class");
        }
      } else if (value > MOST) {
        checks.forbidden("value", "maximum allowed value of a user defined priority is " + MOST);
      }
      checks.oneOfOrNone(
          "preemptionPolicy",
          priority.json().text("preemptionPolicy"),
          "Never",
          "PreemptLowerPriority");
      return checks.causes();
    }

    @Override
    public List<Cause> validateUpdate(KubeObject priority, KubeObject old) {
      Checks checks = new Checks();
      if (priority.json().integer("value") != old.json().integer("value")) {
        checks.forbidden("value", "may not be changed in an update.");
      }
      checks.immutable("", priority.json(), old.json(), "preemptionPolicy");
      return checks.causes();
    }
  }

  static final class PodDisruptionBudget implements Strategy {
    @Override
    public List<Cause> validate(KubeObject budget) {
      Checks checks = new Checks();
      JsonObject spec = budget.spec();
      if (spec.has("minAvailable") && spec.has("maxUnavailable")) {
        checks.invalid("spec", spec, "minAvailable and maxUnavailable cannot be both set");
      }
      checks.countOrPercent("spec.minAvailable", spec, "minAvailable");
      checks.countOrPercent("spec.maxUnavailable", spec, "maxUnavailable");
      checks.selector("spec.selector", spec.object("selector"));
      checks.oneOfOrNone(
          "spec.unhealthyPodEvictionPolicy",
          spec.text("unhealthyPodEvictionPolicy"),
          "AlwaysAllow",
          "IfHealthyBudget");
      return checks.causes();
    }
  }

  static final class HorizontalPodAutoscaler implements Strategy {
    private static final JsonObject PERCENT =
        JsonObject.of("type", "Percent", "value", 100, "periodSeconds", 15);
    private static final JsonObject PODS =
        JsonObject.of("type", "Pods", "value", 4, "periodSeconds", 15);

    @Override
    public KubeObject applyDefaults(KubeObject scaler) {
      if (!scaler.apiVersion().equals("autoscaling/v2")) {
        return scaler;
      }
      JsonObject spec = scaler.spec();
      if (spec.array("metrics").isEmpty()) {
        spec =
            spec.with(
                "metrics",
                JsonArray.of(
                    JsonObject.of(
                        "type",
                        "Resource",
                        "resource",
                        JsonObject.of(
                            "name",
                            "cpu",
                            "target",
                            JsonObject.of("type", "Utilization", "averageUtilization", 80)))));
      }
      if (spec.has("behavior")) {
        JsonObject behavior = spec.object("behavior");
        JsonObject up =
            absent(
                absent(
                    absent(behavior.object("scaleUp"), "stabilizationWindowSeconds", 0),
                    "selectPolicy",
                    "Max"),
                "policies",
                JsonArray.of(PODS, PERCENT));
        JsonObject down =
            absent(
                absent(behavior.object("scaleDown"), "selectPolicy", "Max"),
                "policies",
                JsonArray.of(PERCENT));
        spec = spec.with("behavior", behavior.with("scaleUp", up).with("scaleDown", down));
      }
      return scaler.with("spec", spec);
    }

    private static JsonObject absent(JsonObject object, String name, Object value) {
      return object.has(name) ? object : object.with(name, value);
    }

    @Override
    public List<Cause> validate(KubeObject scaler) {
      Checks checks = new Checks();
      JsonObject spec = scaler.spec();
      long least = spec.integerOr(1, "minReplicas");
      long most = spec.integer("maxReplicas");
      if (least < 1) {
        checks.invalid("spec.minReplicas", least, "must be greater than or equal to 1");
      }
      if (most < 1) {
        checks.invalid("spec.maxReplicas", most, "must be greater than 0");
      }
      if (most < least) {
        checks.invalid("spec.maxReplicas", most, "must be greater than or equal to `minReplicas`");
      }
      for (String field : List.of("kind", "name")) {
        String text = spec.text("scaleTargetRef", field);
        if (text.isEmpty()) {
          checks.required("spec.scaleTargetRef." + field, "");
        } else {
          checks.name("spec.scaleTargetRef." + field, text, Names.pathSegment(text));
        }
      }
      return checks.causes();
    }
  }

  static final class Lease implements Strategy {
    @Override
    public List<Cause> validate(KubeObject lease) {
      Checks checks = new Checks();
      JsonObject spec = lease.spec();
      if (spec.has("leaseDurationSeconds") && spec.integer("leaseDurationSeconds") <= 0) {
        checks.invalid(
            "spec.leaseDurationSeconds",
            spec.integer("leaseDurationSeconds"),
            "must be greater than 0");
      }
      checks.notNegative("spec.leaseTransitions", spec, "leaseTransitions");
      return checks.causes();
    }
  }

  static final class IngressClass implements Strategy {
    @Override
    public List<Cause> validate(KubeObject ingressClass) {
      Checks checks = new Checks();
      String controller = ingressClass.spec().text("controller");
      if (controller.length() > 250) {
        checks.add(dev.kedge.model.FieldFault.tooLong("spec.controller", 250));
      }
      if (!controller.matches("[^/]+/.+")) {
        checks.invalid(
            "spec.controller",
            controller,
            "must be a domain-prefixed path (such as \"acme.io/foo\")");
      }
      return checks.causes();
    }

    @Override
    public List<Cause> validateUpdate(KubeObject ingressClass, KubeObject old) {
      Checks checks = new Checks();
      checks.immutable("spec.", ingressClass.spec(), old.spec(), "controller");
      return checks.causes();
    }
  }

  static final class RuntimeClass implements Strategy {
    @Override
    public List<Cause> validate(KubeObject runtime) {
      Checks checks = new Checks();
      String handler = runtime.json().text("handler");
      checks.name("handler", handler, Names.label(handler));
      return checks.causes();
    }

    @Override
    public List<Cause> validateUpdate(KubeObject runtime, KubeObject old) {
      Checks checks = new Checks();
      checks.immutable("", runtime.json(), old.json(), "handler");
      return checks.causes();
    }
  }

  static final class ControllerRevision implements Strategy {
    @Override
    public List<Cause> validate(KubeObject revision) {
      Checks checks = new Checks();
      checks.notNegative("revision", revision.json(), "revision");
      if (!revision.json().has("data")) {
        checks.required("data", "data is mandatory");
      }
      return checks.causes();
    }

    @Override
    public List<Cause> validateUpdate(KubeObject revision, KubeObject old) {
      Checks checks = new Checks();
      checks.immutable("", revision.json(), old.json(), "data");
      return checks.causes();
    }
  }

  static final class ApiService implements Strategy {
    /** What this server serves itself is available from the first moment on. */
    @Override
    public KubeObject prepareForCreate(KubeObject service) {
      KubeObject plain = new KubeObject(service.json().without("status"));
      return plain.spec().has("service")
          ? plain
          : plain.withStatus(
              JsonObject.of(
                  "conditions",
                  List.of(
                      JsonObject.of(
                          "type",
                          "Available",
                          "status",
                          "True",
                          "lastTransitionTime",
                          plain.metadata().text("creationTimestamp"),
                          "reason",
                          "Local",
                          "message",
                          "Local APIServices are always available"))));
    }

    @Override
    public List<Cause> validate(KubeObject service) {
      Checks checks = new Checks();
      JsonObject spec = service.spec();
      String name = spec.text("version") + "." + spec.text("group");
      if (!service.name().equals(name)) {
        checks.invalid(
            "metadata.name",
            service.name(),
            "must be `spec.version+\".\"+spec.group`: \"" + name + "\"");
      }
      long priority = spec.integer("groupPriorityMinimum");
      if (priority <= 0 || priority > 20000) {
        checks.invalid(
            "spec.groupPriorityMinimum", priority, "must be positive and less than 20000");
      }
      long version = spec.integer("versionPriority");
      if (version <= 0 || version > 1000) {
        checks.invalid("spec.versionPriority", version, "must be positive and less than 1000");
      }
      if (spec.text("group").isEmpty() && !spec.text("version").equals("v1")) {
        checks.required(
            "spec.group", "only v1 may have an empty group and it better be legacy kube");
      }
      boolean insecure = spec.flag("insecureSkipTLSVerify");
      boolean bundle = !spec.text("caBundle").isEmpty();
      if (!spec.has("service")) {
        if (bundle) {
          checks.invalid(
              "spec.caBundle",
              Base64.getDecoder().decode(spec.text("caBundle")).length + " bytes",
              "local APIServices may not have a caBundle");
        }
        if (insecure) {
          checks.invalid(
              "spec.insecureSkipTLSVerify",
              true,
              "local APIServices may not have insecureSkipTLSVerify");
        }
        return checks.causes();
      }
      if (spec.text("service", "namespace").isEmpty()) {
        checks.required("spec.service.namespace", "");
      }
      if (spec.text("service", "name").isEmpty()) {
        checks.required("spec.service.name", "");
      }
      long port = spec.integer("service", "port");
      if (port < 1 || port > 65535) {
        checks.invalid(
            "spec.service.port", port, "port is not valid: must be between 1 and 65535, inclusive");
      }
      if (insecure && bundle) {
        checks.invalid(
            "spec.insecureSkipTLSVerify", true, "may not be true if caBundle is present");
      }
      return checks.causes();
    }
  }
}
