package dev.kedge.cli.kubectl;

import static dev.kedge.cli.kubectl.DescriptionWriter.cell;
import static dev.kedge.cli.kubectl.DescriptionWriter.or;
import static dev.kedge.cli.kubectl.DescriptionWriter.time;

import dev.kedge.model.JsonObject;

/** Describes what makes pods itself: replica sets, stateful sets, daemon sets and jobs. */
final class WorkloadDescription {
  private WorkloadDescription() {}

  static void replicaSet(Described set) {
    head(set);
    set.out()
        .field(
            "Replicas",
            set.status().integer("replicas")
                + " current / "
                + set.spec().integer("replicas")
                + " desired");
    pods(set);
    tail(set);
  }

  static void statefulSet(Described set) {
    head(set);
    set.out()
        .field(
            "Replicas",
            set.spec().integer("replicas")
                + " desired | "
                + set.status().integer("replicas")
                + " total");
    pods(set);
    tail(set);
  }

  static void daemonSet(Described set) {
    head(set);
    DescriptionWriter out = set.out();
    JsonObject status = set.status();
    out.field("Desired Number of Nodes Scheduled", status.integer("desiredNumberScheduled"));
    out.field("Current Number of Nodes Scheduled", status.integer("currentNumberScheduled"));
    out.field(
        "Number of Nodes Scheduled with Up-to-date Pods", status.integer("updatedNumberScheduled"));
    out.field("Number of Nodes Scheduled with Available Pods", status.integer("numberAvailable"));
    out.field("Number of Nodes Misscheduled", status.integer("numberMisscheduled"));
    pods(set);
    tail(set);
  }

  static void job(Described job) {
    head(job);
    DescriptionWriter out = job.out();
    JsonObject spec = job.spec();
    JsonObject status = job.status();
    out.field("Parallelism", spec.integer("parallelism"));
    out.field("Completions", or(cell(spec, "completions"), "<unset>"));
    out.field("Completion Mode", or(spec.text("completionMode"), "NonIndexed"));
    out.field("Suspend", spec.flag("suspend"));
    out.field("Backoff Limit", spec.integerOr(6, "backoffLimit"));
    if (!status.text("startTime").isEmpty()) {
      out.field("Start Time", time(status.text("startTime")));
    }
    if (!status.text("completionTime").isEmpty()) {
      out.field("Completed At", time(status.text("completionTime")));
    }
    out.field(
        "Pods Statuses",
        "%d Active (%d Ready) / %d Succeeded / %d Failed"
            .formatted(
                status.integer("active"),
                status.integer("ready"),
                status.integer("succeeded"),
                status.integer("failed")));
    tail(job);
  }

  private static void head(Described workload) {
    workload.name();
    workload.created();
    workload.out().field("Selector", workload.selector());
    workload.labels();
    workload.annotations();
    workload.controller();
  }

  private static void tail(Described workload) {
    PodDescription.template(workload);
    workload.conditions("Type", "Status", "Reason");
    workload.events();
  }

  /** The phases of the pods that are there. */
  private static void pods(Described set) {
    if (set.spec().object("selector").isEmpty()) {
      return;
    }
    int running = 0;
    int waiting = 0;
    int succeeded = 0;
    int failed = 0;
    for (JsonObject pod : set.list("pods", set.item().namespace(), set.selector().toString(), "")) {
      if (set.owns(pod)) {
        switch (pod.text("status", "phase")) {
          case "Running" -> running++;
          case "Succeeded" -> succeeded++;
          case "Failed" -> failed++;
          default -> waiting++;
        }
      }
    }
    set.out()
        .field(
            "Pods Status",
            "%d Running / %d Waiting / %d Succeeded / %d Failed"
                .formatted(running, waiting, succeeded, failed));
  }
}
