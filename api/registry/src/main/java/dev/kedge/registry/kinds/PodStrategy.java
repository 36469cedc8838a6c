package dev.kedge.registry.kinds;

import dev.kedge.model.JsonArray;
import dev.kedge.model.JsonObject;
import dev.kedge.model.JsonValue;
import dev.kedge.model.KubeObject;
import dev.kedge.model.Status.Cause;
import dev.kedge.registry.Strategy;
import java.util.ArrayList;
import java.util.List;
import java.util.Set;

/** Pods. */
final class PodStrategy implements Strategy {
  @Override
  public KubeObject applyDefaults(KubeObject pod) {
    return pod.with("spec", PodSpecs.withDefaults(pod.spec(), true));
  }

  @Override
  public KubeObject prepareForCreate(KubeObject pod) {
    Checks checks = new Checks();
    if (!pod.spec().array("ephemeralContainers").isEmpty()) {
      checks.forbidden("spec.ephemeralContainers", "cannot be set on create");
    }
    checks.refuse(pod);
    JsonObject status =
        JsonObject.of("phase", "Pending", "qosClass", PodSpecs.qosClass(pod.spec()));
    if (!pod.spec().array("schedulingGates").isEmpty()) {
      status =
          status.with(
              "conditions",
              JsonArray.of(
                  JsonObject.of(
                      "type",
                      "PodScheduled",
                      "status",
                      "False",
                      "reason",
                      "SchedulingGated",
                      "message",
                      "Scheduling is blocked due to non-empty scheduling gates")));
    }
    return pod.withStatus(status);
  }

  @Override
  public List<Cause> validate(KubeObject pod) {
    Checks checks = new Checks();
    PodSpecs.validate(pod.spec(), "spec", true, Set.of(), checks);
    return checks.causes();
  }

  @Override
  public List<Cause> validateUpdate(KubeObject pod, KubeObject old) {
    Checks checks = new Checks();
    JsonObject spec = pod.spec();
    JsonObject before = old.spec();
    for (String list : List.of("containers", "initContainers")) {
      if (spec.array(list).size() != before.array(list).size()) {
        checks.forbidden("spec." + list, "pod updates may not add or remove containers");
        return checks.causes();
      }
    }
    deadline(spec, before, checks);
    if (!checks.causes().isEmpty()) {
      return checks.causes();
    }
    JsonObject allowed =
        withImages(withImages(spec, before, "containers"), before, "initContainers");
    allowed = keep(allowed, before, "activeDeadlineSeconds");
    if (spec.integer("terminationGracePeriodSeconds") == 1
        && before.integer("terminationGracePeriodSeconds") < 0) {
      allowed = keep(allowed, before, "terminationGracePeriodSeconds");
    }
    Set<JsonValue> tolerations = Set.copyOf(spec.array("tolerations").items());
    if (tolerations.containsAll(before.array("tolerations").items())) {
      allowed = keep(allowed, before, "tolerations");
    } else {
      checks.forbidden(
          "spec.tolerations",
          "existing toleration can not be modified except its tolerationSeconds");
      return checks.causes();
    }
    Set<JsonValue> gates = Set.copyOf(before.array("schedulingGates").items());
    if (gates.containsAll(spec.array("schedulingGates").items())) {
      allowed = keep(allowed, before, "schedulingGates");
    } else {
      checks.forbidden(
          "spec.schedulingGates", "only deletion is allowed, but found new scheduling gates");
    }
    if (!before.array("schedulingGates").isEmpty()) {
      // A gated pod may be narrowed until it is let go.
      allowed = keep(keep(allowed, before, "nodeSelector"), before, "affinity");
    }
    if (!allowed.equals(before)) {
      checks.forbidden(
          "spec",
          "pod updates may not change fields other than"
              + " `spec.containers[*].image`,`spec.initContainers[*].image`,`spec.activeDeadlineSeconds`,`spec.tolerations`"
              + " (only additions to existing tolerations),`spec.terminationGracePeriodSeconds`"
              + " (allow it to be set to 1 if it was previously negative)"
              + differences(allowed, before));
    }
    return checks.causes();
  }

  private static void deadline(JsonObject spec, JsonObject before, Checks checks) {
    if (!before.has("activeDeadlineSeconds")) {
      return;
    }
    if (!spec.has("activeDeadlineSeconds")) {
      checks.invalid(
          "spec.activeDeadlineSeconds",
          dev.kedge.model.JsonNull.NULL,
          "must not update from a positive integer to nil value");
    } else if (spec.integer("activeDeadlineSeconds") > before.integer("activeDeadlineSeconds")) {
      checks.invalid(
          "spec.activeDeadlineSeconds",
          spec.integer("activeDeadlineSeconds"),
          "must be less than or equal to previous value");
    }
  }

  private static JsonObject withImages(JsonObject spec, JsonObject before, String list) {
    List<JsonObject> containers = spec.objects(list);
    if (containers.isEmpty()) {
      return spec;
    }
    List<JsonValue> made = new ArrayList<>();
    List<JsonObject> old = before.objects(list);
    for (int i = 0; i < containers.size(); i++) {
      made.add(containers.get(i).with("image", old.get(i).text("image")));
    }
    return spec.with(list, new JsonArray(made));
  }

  private static JsonObject keep(JsonObject spec, JsonObject before, String name) {
    return before.get(name).map(value -> spec.with(name, value)).orElse(spec.without(name));
  }

  /** The fields that differ, one a line: old value, new value. */
  private static String differences(JsonObject spec, JsonObject before) {
    Set<String> names = new java.util.TreeSet<>(spec.names());
    names.addAll(before.names());
    StringBuilder out = new StringBuilder();
    for (String name : names) {
      if (!spec.get(name).equals(before.get(name))) {
        before
            .get(name)
            .ifPresent(value -> out.append("\n-\t").append(name).append(": ").append(value));
        spec.get(name)
            .ifPresent(value -> out.append("\n+\t").append(name).append(": ").append(value));
      }
    }
    return out.append('\n').toString();
  }

  @Override
  public long gracePeriodSeconds(KubeObject pod) {
    String phase = pod.status().text("phase");
    boolean over = phase.equals("Succeeded") || phase.equals("Failed");
    return pod.spec().text("nodeName").isEmpty() || over
        ? 0
        : Math.max(1, pod.spec().integerOr(30, "terminationGracePeriodSeconds"));
  }
}
