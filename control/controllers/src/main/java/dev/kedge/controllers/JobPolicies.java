package dev.kedge.controllers;

import dev.kedge.model.JsonInteger;
import dev.kedge.model.JsonObject;
import dev.kedge.model.KubeObject;
import java.util.List;
import java.util.Optional;
import java.util.SortedSet;

/** What a Job's podFailurePolicy and successPolicy say; the first rule that matches counts. */
final class JobPolicies {
  private JobPolicies() {}

  /** What the end of a pod means. */
  enum Action {
    /** Counts as any failure does. */
    COUNT,
    IGNORE,
    FAIL_INDEX,
    FAIL_JOB
  }

  /**
   * What is to happen because of a failed pod.
   *
   * @param message why the Job fails; empty unless it does
   */
  record Verdict(Action action, String message) {
    private static final Verdict COUNT = new Verdict(Action.COUNT, "");
  }

  static Verdict failure(JsonObject jobSpec, KubeObject pod) {
    List<JsonObject> rules = jobSpec.objects("podFailurePolicy", "rules");
    for (int i = 0; i < rules.size(); i++) {
      JsonObject rule = rules.get(i);
      Optional<String> cause =
          rule.has("onExitCodes")
              ? exitCode(rule.object("onExitCodes"), pod)
              : condition(rule.objects("onPodConditions"), pod);
      if (cause.isEmpty()) {
        continue;
      }
      return switch (rule.text("action")) {
        case "Ignore" -> new Verdict(Action.IGNORE, "");
        case "FailIndex" -> new Verdict(Action.FAIL_INDEX, "");
        case "FailJob" ->
            new Verdict(Action.FAIL_JOB, cause.get() + " matching FailJob rule at index " + i);
        default -> Verdict.COUNT;
      };
    }
    return Verdict.COUNT;
  }

  private static Optional<String> exitCode(JsonObject wanted, KubeObject pod) {
    String name = wanted.text("containerName");
    for (String list : List.of("containerStatuses", "initContainerStatuses")) {
      for (JsonObject container : pod.status().objects(list)) {
        JsonObject end = container.object("state", "terminated");
        long code = end.integer("exitCode");
        if (end.isEmpty() || code == 0 || !name.isEmpty() && !name.equals(container.text("name"))) {
          continue;
        }
        boolean listed = wanted.array("values").items().contains(new JsonInteger(code));
        if (listed == wanted.text("operator").equals("In")) {
          return Optional.of(
              "Container "
                  + container.text("name")
                  + " for pod "
                  + pod.key()
                  + " failed with exit code "
                  + code);
        }
      }
    }
    return Optional.empty();
  }

  private static Optional<String> condition(List<JsonObject> patterns, KubeObject pod) {
    for (JsonObject condition : pod.status().objects("conditions")) {
      for (JsonObject pattern : patterns) {
        String status = pattern.text("status").isEmpty() ? "True" : pattern.text("status");
        if (condition.text("type").equals(pattern.text("type"))
            && condition.text("status").equals(status)) {
          return Optional.of("Pod " + pod.key() + " has condition " + condition.text("type"));
        }
      }
    }
    return Optional.empty();
  }

  /** The message of the success rule that succeeded indexes meet. */
  static Optional<String> success(
      JsonObject jobSpec, long completions, SortedSet<Integer> succeeded) {
    List<JsonObject> rules = jobSpec.objects("successPolicy", "rules");
    for (int i = 0; i < rules.size() && !succeeded.isEmpty(); i++) {
      JsonObject rule = rules.get(i);
      SortedSet<Integer> wanted = JobIndexes.parse(rule.text("succeededIndexes"), completions);
      boolean named = rule.has("succeededIndexes");
      if (named && wanted.isEmpty()) {
        continue;
      }
      long met = named ? wanted.stream().filter(succeeded::contains).count() : succeeded.size();
      if (named && met == wanted.size()
          || rule.has("succeededCount") && met >= rule.integer("succeededCount")) {
        return Optional.of("Matched rules at index " + i);
      }
    }
    return Optional.empty();
  }
}
