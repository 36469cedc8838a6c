package dev.kedge.apiserver;

import static dev.kedge.apiserver.PrinterColumn.AGE;
import static dev.kedge.apiserver.PrinterColumn.NAME;
import static dev.kedge.apiserver.PrinterColumn.NONE;
import static dev.kedge.apiserver.PrinterColumn.UNKNOWN;
import static dev.kedge.apiserver.PrinterColumn.UNSET;
import static dev.kedge.apiserver.PrinterColumn.age;
import static dev.kedge.apiserver.PrinterColumn.column;
import static dev.kedge.apiserver.PrinterColumn.count;
import static dev.kedge.apiserver.PrinterColumn.integer;
import static dev.kedge.apiserver.PrinterColumn.or;
import static dev.kedge.apiserver.PrinterColumn.text;
import static dev.kedge.apiserver.PrinterColumn.timed;
import static dev.kedge.apiserver.PrinterColumn.wide;
import static java.util.Map.entry;
import static java.util.stream.Collectors.joining;

import dev.kedge.model.Durations;
import dev.kedge.model.JsonObject;
import dev.kedge.model.KubeObject;
import dev.kedge.model.Times;
import java.time.Duration;
import java.time.Instant;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Optional;

/** The columns of what makes pods, scales them and keeps them: {@code apps}, {@code batch}, … */
final class WorkloadColumns {
  private static final PrinterColumn<KubeObject> CONTAINERS =
      wide(podSpec("Containers", "name", "spec", "template", "spec"));
  private static final PrinterColumn<KubeObject> IMAGES =
      wide(podSpec("Images", "image", "spec", "template", "spec"));
  private static final PrinterColumn<KubeObject> SELECTOR = selector("spec", "selector");

  static final Map<String, PrinterKind<?>> KINDS =
      Map.ofEntries(
          entry(
              "podtemplates",
              PrinterKind.of(
                  NAME,
                  podSpec("Containers", "name", "template", "spec"),
                  podSpec("Images", "image", "template", "spec"),
                  column(
                      "Pod Labels",
                      o -> CoreColumns.labels(o.json().map("template", "metadata", "labels"))))),
          entry(
              "replicationcontrollers",
              PrinterKind.of(
                  NAME,
                  integer("Desired", "spec", "replicas"),
                  integer("Current", "status", "replicas"),
                  integer("Ready", "status", "readyReplicas"),
                  AGE,
                  CONTAINERS,
                  IMAGES,
                  wide(column("Selector", o -> CoreColumns.labels(o.spec().map("selector")))))),
          entry(
              "replicasets.apps",
              PrinterKind.of(
                  NAME,
                  integer("Desired", "spec", "replicas"),
                  integer("Current", "status", "replicas"),
                  integer("Ready", "status", "readyReplicas"),
                  AGE,
                  CONTAINERS,
                  IMAGES,
                  SELECTOR)),
          entry(
              "daemonsets.apps",
              PrinterKind.of(
                  NAME,
                  integer("Desired", "status", "desiredNumberScheduled"),
                  integer("Current", "status", "currentNumberScheduled"),
                  integer("Ready", "status", "numberReady"),
                  integer("Up-to-date", "status", "updatedNumberScheduled"),
                  integer("Available", "status", "numberAvailable"),
                  column(
                      "Node Selector",
                      o -> CoreColumns.labels(o.spec().map("template", "spec", "nodeSelector"))),
                  AGE,
                  CONTAINERS,
                  IMAGES,
                  SELECTOR)),
          entry(
              "deployments.apps",
              PrinterKind.of(
                  NAME,
                  column("Ready", WorkloadColumns::ready),
                  integer("Up-to-date", "status", "updatedReplicas"),
                  integer("Available", "status", "availableReplicas"),
                  AGE,
                  CONTAINERS,
                  IMAGES,
                  SELECTOR)),
          entry(
              "statefulsets.apps",
              PrinterKind.of(
                  NAME, column("Ready", WorkloadColumns::ready), AGE, CONTAINERS, IMAGES)),
          entry(
              "controllerrevisions.apps",
              PrinterKind.of(
                  NAME,
                  column(
                      "Controller", o -> o.controller().map(WorkloadColumns::owner).orElse(NONE)),
                  column("Revision", o -> o.json().integer("revision")),
                  AGE)),
          entry(
              "jobs.batch",
              PrinterKind.of(
                  NAME,
                  column("Status", WorkloadColumns::jobState),
                  column("Completions", WorkloadColumns::completions),
                  timed("Duration", WorkloadColumns::duration),
                  AGE,
                  CONTAINERS,
                  IMAGES,
                  SELECTOR)),
          entry(
              "cronjobs.batch",
              PrinterKind.of(
                  NAME,
                  text("Schedule", "spec", "schedule"),
                  text("Timezone", "spec", "timeZone").or(NONE),
                  // As upstream: a text, though the column says otherwise.
                  column("Suspend", "boolean", o -> o.spec().flag("suspend") ? "True" : "False"),
                  count("Active", "status", "active"),
                  timed(
                      "Last Schedule",
                      (o, now) -> {
                        String last = o.status().text("lastScheduleTime");
                        return last.isEmpty() ? NONE : age(last, now);
                      }),
                  AGE,
                  wide(
                      podSpec(
                          "Containers", "name", "spec", "jobTemplate", "spec", "template", "spec")),
                  wide(
                      podSpec(
                          "Images", "image", "spec", "jobTemplate", "spec", "template", "spec")),
                  selector("spec", "jobTemplate", "spec", "selector"))),
          entry(
              "scales.autoscaling",
              PrinterKind.of(
                  NAME,
                  integer("Desired", "spec", "replicas"),
                  integer("Available", "status", "replicas"),
                  AGE)),
          entry(
              "horizontalpodautoscalers.autoscaling",
              PrinterKind.of(
                  NAME,
                  column(
                      "Reference",
                      o ->
                          o.spec().text("scaleTargetRef", "kind")
                              + "/"
                              + o.spec().text("scaleTargetRef", "name")),
                  column("Targets", WorkloadColumns::targets),
                  text("MinPods", "spec", "minReplicas").or(UNSET),
                  integer("MaxPods", "spec", "maxReplicas"),
                  integer("Replicas", "status", "currentReplicas"),
                  AGE)),
          entry(
              "poddisruptionbudgets.policy",
              PrinterKind.of(
                  NAME,
                  text("Min Available", "spec", "minAvailable").or("N/A"),
                  text("Max Unavailable", "spec", "maxUnavailable").or("N/A"),
                  integer("Allowed Disruptions", "status", "disruptionsAllowed"),
                  AGE)));

  private WorkloadColumns() {}

  /** What a field of the containers of a pod's specification says. */
  private static PrinterColumn<KubeObject> podSpec(String name, String field, String... path) {
    return column(
        name,
        object ->
            object.json().object(path).objects("containers").stream()
                .map(container -> container.text(field))
                .collect(joining(",")));
  }

  private static PrinterColumn<KubeObject> selector(String... path) {
    return wide(column("Selector", object -> CoreColumns.selector(object.json().object(path))));
  }

  private static String ready(KubeObject workload) {
    return workload.status().integer("readyReplicas") + "/" + workload.spec().integer("replicas");
  }

  /** {@code deployment.apps/web}. */
  private static String owner(JsonObject owner) {
    int slash = owner.text("apiVersion").indexOf('/');
    String group = slash < 0 ? "" : "." + owner.text("apiVersion").substring(0, slash);
    return owner.text("kind").toLowerCase(Locale.ROOT) + group + "/" + owner.text("name");
  }

  // Jobs

  private static String completions(KubeObject job) {
    long succeeded = job.status().integer("succeeded");
    if (job.spec().has("completions")) {
      return succeeded + "/" + job.spec().integer("completions");
    }
    long parallelism = job.spec().integer("parallelism");
    return succeeded + "/1" + (parallelism > 1 ? " of " + parallelism : "");
  }

  private static String jobState(KubeObject job) {
    String state = "";
    for (JsonObject condition : job.status().objects("conditions")) {
      if (condition.text("status").equals("True")) {
        String type = condition.text("type");
        switch (type) {
          case "Complete", "Failed" -> state = type;
          case "Suspended", "FailureTarget", "SuccessCriteriaMet" -> {
            if (!state.equals("Complete") && !state.equals("Failed")) {
              state = type;
            }
          }
          default -> {}
        }
      }
    }
    return or(state, job.deleting() ? "Terminating" : "Running");
  }

  /** How long a job took, or how long it runs; empty for one that did not start. */
  private static String duration(KubeObject job, Instant now) {
    Optional<Instant> started = Times.instant(job.status().text("startTime"));
    Instant ended = Times.instant(end(job)).orElse(now);
    return started.map(from -> Durations.human(Duration.between(from, ended))).orElse("");
  }

  private static String end(KubeObject job) {
    String ended = job.status().text("completionTime");
    return ended.isEmpty()
        ? job.status().objects("conditions").stream()
            .filter(c -> c.text("type").equals("Failed") && c.text("status").equals("True"))
            .map(condition -> condition.text("lastTransitionTime"))
            .findFirst()
            .orElse("")
        : ended;
  }

  // Autoscalers

  private static String targets(KubeObject autoscaler) {
    JsonObject spec = autoscaler.spec();
    if (spec.has("targetCPUUtilizationPercentage")) {
      String current = text(autoscaler.status().get("currentCPUUtilizationPercentage"));
      return "cpu: "
          + (current.isEmpty() ? UNKNOWN : current + "%")
          + "/"
          + spec.integer("targetCPUUtilizationPercentage")
          + "%";
    }
    List<JsonObject> current = autoscaler.status().objects("currentMetrics");
    List<String> all = new ArrayList<>();
    List<JsonObject> metrics = spec.objects("metrics");
    for (int i = 0; i < metrics.size(); i++) {
      JsonObject now = i < current.size() ? current.get(i) : JsonObject.EMPTY;
      all.add(target(metrics.get(i), now));
    }
    return all.isEmpty() ? NONE : CoreColumns.more(all, 2, ", ");
  }

  private static String target(JsonObject metric, JsonObject now) {
    String field =
        switch (metric.text("type")) {
          case "Resource" -> "resource";
          case "ContainerResource" -> "containerResource";
          case "Pods" -> "pods";
          case "Object" -> "object";
          case "External" -> "external";
          default -> "";
        };
    JsonObject target = metric.object(field, "target");
    JsonObject current = now.object(field, "current");
    String name =
        field.equals("resource") || field.equals("containerResource")
            ? metric.text(field, "name") + ": "
            : "";
    if (target.has("averageUtilization")) {
      String value = text(current.get("averageUtilization"));
      return name
          + (value.isEmpty() ? UNKNOWN : value + "%")
          + "/"
          + target.integer("averageUtilization")
          + "%";
    }
    boolean average = target.has("averageValue");
    String value = text(current.get(average ? "averageValue" : "value"));
    String wanted = text(target.get(average ? "averageValue" : "value"));
    String suffix = average && (field.equals("object") || field.equals("external")) ? " (avg)" : "";
    return name + or(value, UNKNOWN) + "/" + wanted + suffix;
  }
}
