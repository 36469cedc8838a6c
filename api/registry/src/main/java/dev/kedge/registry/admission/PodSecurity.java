package dev.kedge.registry.admission;

import dev.kedge.model.ApiException;
import dev.kedge.model.JsonObject;
import dev.kedge.model.KubeObject;
import dev.kedge.model.Resources;
import dev.kedge.model.Status.Cause;
import dev.kedge.registry.AdmissionPlugin;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;

/**
 * Holds pods to the Pod Security level that their namespace's labels name: refuses what {@code
 * enforce} forbids, warns of what {@code warn} forbids, for workloads' templates too. Whatever
 * version a label names, the rules are those of this release.
 */
final class PodSecurity implements AdmissionPlugin {
  private static final String PREFIX = "pod-security.kubernetes.io/";
  private static final Set<String> LEVELS = Set.of("privileged", "baseline", "restricted");
  private static final Map<String, List<String>> TEMPLATES =
      Map.of(
          "podtemplates", List.of("template"),
          "replicationcontrollers", List.of("spec", "template"),
          "deployments.apps", List.of("spec", "template"),
          "replicasets.apps", List.of("spec", "template"),
          "statefulsets.apps", List.of("spec", "template"),
          "daemonsets.apps", List.of("spec", "template"),
          "jobs.batch", List.of("spec", "template"),
          "cronjobs.batch", List.of("spec", "jobTemplate", "spec", "template"));

  @Override
  public String name() {
    return "PodSecurity";
  }

  @Override
  public void validate(Review review, KubeObject object) {
    if (review.operation() != Operation.CREATE && review.operation() != Operation.UPDATE) {
      return;
    }
    if (review.on(Resources.NAMESPACES)) {
      labels(object);
      return;
    }
    List<String> path = TEMPLATES.get(review.type().groupResource());
    boolean pod =
        review.type().groupResource().equals("pods")
            && (review.operation() == Operation.CREATE && review.subresource().isEmpty()
                || review.subresource().isEmpty() && changes(review, object)
                || review.subresource().equals("ephemeralcontainers"));
    if (!pod && (path == null || !review.subresource().isEmpty())) {
      return;
    }
    Optional<KubeObject> namespace =
        review.objects().find(Resources.NAMESPACES, "", review.namespace());
    if (namespace.isEmpty()) {
      return;
    }
    Map<String, String> labels = namespace.get().labels();
    JsonObject document =
        path == null ? object.json() : object.json().object(path.toArray(String[]::new));
    JsonObject metadata = document.object("metadata");
    JsonObject spec = document.object("spec");
    if (pod) {
      List<String> violations = violations(labels, "enforce", metadata, spec);
      if (!violations.isEmpty()) {
        throw review.forbidden(
            "violates PodSecurity \"" + policy(labels, "enforce") + "\": " + text(violations));
      }
    }
    List<String> violations = violations(labels, "warn", metadata, spec);
    if (!violations.isEmpty()) {
      review
          .warnings()
          .add("would violate PodSecurity \"" + policy(labels, "warn") + "\": " + text(violations));
    }
  }

  /** Whether an update touches more than what the rules never look at. */
  private static boolean changes(Review review, KubeObject pod) {
    return !pod.spec().equals(review.old().spec())
        || !pod.annotations().equals(review.old().annotations());
  }

  private static List<String> violations(
      Map<String, String> labels, String mode, JsonObject metadata, JsonObject spec) {
    String level = labels.getOrDefault(PREFIX + mode, "privileged");
    // A label that is no level cannot be set; if it is there all the same, the strictest counts.
    return PodSecurityRules.violations(
        LEVELS.contains(level) ? level : "restricted", metadata, spec);
  }

  private static String policy(Map<String, String> labels, String mode) {
    return labels.getOrDefault(PREFIX + mode, "privileged")
        + ":"
        + labels.getOrDefault(PREFIX + mode + "-version", "latest");
  }

  private static String text(List<String> violations) {
    return String.join(", ", violations);
  }

  private static void labels(KubeObject namespace) {
    List<Cause> causes = new ArrayList<>();
    for (String mode : List.of("enforce", "audit", "warn")) {
      String level = namespace.labels().get(PREFIX + mode);
      if (level != null && !LEVELS.contains(level)) {
        causes.add(
            new Cause(
                "FieldValueInvalid",
                "Invalid value: \"" + level + "\": must be one of privileged, baseline, restricted",
                "metadata.labels[" + PREFIX + mode + "]"));
      }
      String version = namespace.labels().get(PREFIX + mode + "-version");
      if (version != null && !version.matches("latest|v1\\.(0|[1-9][0-9]{0,3})")) {
        causes.add(
            new Cause(
                "FieldValueInvalid",
                "Invalid value: \"" + version + "\": must be \"latest\" or \"v1.x\"",
                "metadata.labels[" + PREFIX + mode + "-version]"));
      }
    }
    if (!causes.isEmpty()) {
      throw ApiException.invalid("", "Namespace", namespace.name(), causes);
    }
  }
}
