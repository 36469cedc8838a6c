package dev.kedge.cli.kubectl;

import static dev.kedge.cli.kubectl.DescriptionWriter.cell;
import static dev.kedge.cli.kubectl.DescriptionWriter.joined;
import static dev.kedge.cli.kubectl.DescriptionWriter.or;

import dev.kedge.model.JsonObject;
import java.util.Comparator;
import java.util.List;
import java.util.function.Predicate;

/** Describes deployments, with their replica sets. */
final class DeploymentDescription {
  private DeploymentDescription() {}

  static void write(Described deployment) {
    DescriptionWriter out = deployment.out();
    JsonObject spec = deployment.spec();
    JsonObject status = deployment.status();
    deployment.name();
    deployment.created();
    deployment.labels();
    deployment.annotations();
    out.field("Selector", deployment.selector());
    out.field(
        "Replicas",
        "%d desired | %d updated | %d total | %d available | %d unavailable"
            .formatted(
                spec.integerOr(1, "replicas"),
                status.integer("updatedReplicas"),
                status.integer("replicas"),
                status.integer("availableReplicas"),
                status.integer("unavailableReplicas")));
    out.field("StrategyType", spec.text("strategy", "type"));
    out.field("MinReadySeconds", spec.integer("minReadySeconds"));
    JsonObject rolling = spec.object("strategy", "rollingUpdate");
    if (!rolling.isEmpty()) {
      out.field(
          "RollingUpdateStrategy",
          "%s max unavailable, %s max surge"
              .formatted(cell(rolling, "maxUnavailable"), cell(rolling, "maxSurge")));
    }
    PodDescription.template(deployment);
    deployment.conditions("Type", "Status", "Reason");
    replicaSets(deployment);
    deployment.events();
  }

  private static void replicaSets(Described deployment) {
    List<JsonObject> sets =
        deployment
            .list(
                "replicasets.apps",
                deployment.item().namespace(),
                deployment.selector().toString(),
                "")
            .stream()
            .filter(deployment::owns)
            .sorted(Comparator.comparing(set -> set.text("metadata", "creationTimestamp")))
            .toList();
    String current = revision(deployment.object());
    names(deployment.out(), "OldReplicaSets", sets, set -> !revision(set).equals(current));
    names(deployment.out(), "NewReplicaSet", sets, set -> revision(set).equals(current));
  }

  private static void names(
      DescriptionWriter out, String name, List<JsonObject> sets, Predicate<JsonObject> named) {
    List<JsonObject> some = sets.stream().filter(named).toList();
    out.field(name, or(joined(some, DeploymentDescription::replicaSet), "<none>"));
  }

  private static String replicaSet(JsonObject set) {
    return "%s (%d/%d replicas created)"
        .formatted(
            set.text("metadata", "name"),
            set.integer("status", "replicas"),
            set.integer("spec", "replicas"));
  }

  private static String revision(JsonObject object) {
    return object.text("metadata", "annotations", "deployment.kubernetes.io/revision");
  }
}
