package dev.kedge.registry.admission;

import dev.kedge.model.JsonObject;
import dev.kedge.model.JsonValue;
import dev.kedge.model.KubeObject;
import dev.kedge.model.Resources;
import dev.kedge.registry.AdmissionPlugin;
import java.util.Comparator;
import java.util.List;
import java.util.Map;
import java.util.Optional;

/** Resolves a pod's priority class into its number, and keeps default classes single. */
final class Priority implements AdmissionPlugin {
  /** Classes that exist in every cluster, stored or not. */
  private static final Map<String, Long> SYSTEM =
      Map.of("system-cluster-critical", 2_000_000_000L, "system-node-critical", 2_000_001_000L);

  @Override
  public String name() {
    return "Priority";
  }

  @Override
  public KubeObject mutate(Review review, KubeObject pod) {
    if (review.operation() == Operation.UPDATE && review.on(Resources.PODS)) {
      return kept(pod, review.old());
    }
    if (!review.creating(Resources.PODS)) {
      return pod;
    }
    JsonObject spec = pod.spec();
    String name = spec.text("priorityClassName");
    long priority;
    String preemption;
    if (name.isEmpty()) {
      Optional<KubeObject> standard =
          review.objects().list(Resources.PRIORITY_CLASSES, "").stream()
              .filter(priorityClass -> priorityClass.json().flag("globalDefault"))
              .min(Comparator.comparing(priorityClass -> priorityClass.json().integer("value")));
      priority = standard.map(found -> found.json().integer("value")).orElse(0L);
      preemption = standard.map(Priority::preemption).orElse("PreemptLowerPriority");
      name = standard.map(KubeObject::name).orElse("");
    } else {
      Optional<KubeObject> found = review.objects().find(Resources.PRIORITY_CLASSES, "", name);
      if (found.isEmpty() && !SYSTEM.containsKey(name)) {
        throw review.forbidden("no PriorityClass with name " + name + " was found");
      }
      priority =
          found.isPresent() ? found.get().json().integer("value") : SYSTEM.getOrDefault(name, 0L);
      preemption = found.map(Priority::preemption).orElse("PreemptLowerPriority");
    }
    if (spec.has("priority") && spec.integer("priority") != priority) {
      throw review.forbidden(
          "the integer value of priority ("
              + spec.integer("priority")
              + ") must not be provided in pod spec; priority admission controller computed "
              + priority
              + " from the given PriorityClass name");
    }
    String asked = spec.text("preemptionPolicy");
    if (!asked.isEmpty() && !asked.equals(preemption)) {
      throw review.forbidden(
          "the string value of PreemptionPolicy ("
              + asked
              + ") must not be provided in pod spec; priority admission controller computed "
              + preemption
              + " from the given PriorityClass name");
    }
    if (!name.isEmpty()) {
      spec = spec.with("priorityClassName", name);
    }
    return pod.with("spec", spec.with("priority", priority).with("preemptionPolicy", preemption));
  }

  /** An update that leaves out what creation filled in does not take it away. */
  private static KubeObject kept(KubeObject pod, KubeObject old) {
    JsonObject spec = pod.spec();
    for (String field : List.of("priority", "preemptionPolicy")) {
      Optional<JsonValue> before = old.spec().get(field);
      if (!spec.has(field) && before.isPresent()) {
        spec = spec.with(field, before.get());
      }
    }
    return pod.with("spec", spec);
  }

  private static String preemption(KubeObject priorityClass) {
    String policy = priorityClass.json().text("preemptionPolicy");
    return policy.isEmpty() ? "PreemptLowerPriority" : policy;
  }

  @Override
  public void validate(Review review, KubeObject object) {
    if (review.operation() == Operation.DELETE
        || !review.on(Resources.PRIORITY_CLASSES)
        || !object.json().flag("globalDefault")) {
      return;
    }
    review.objects().list(Resources.PRIORITY_CLASSES, "").stream()
        .filter(other -> other.json().flag("globalDefault") && !other.name().equals(object.name()))
        .findFirst()
        .ifPresent(
            other -> {
              throw review.forbidden(
                  "PriorityClass "
                      + other.name()
                      + " is already marked as default. Only one default can exist");
            });
  }
}
