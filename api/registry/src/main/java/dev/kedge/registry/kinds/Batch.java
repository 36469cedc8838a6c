package dev.kedge.registry.kinds;

import dev.kedge.model.FieldFault;
import dev.kedge.model.JsonNull;
import dev.kedge.model.JsonObject;
import dev.kedge.model.KubeObject;
import dev.kedge.model.LabelSelector;
import dev.kedge.model.Names;
import dev.kedge.model.Status.Cause;
import dev.kedge.registry.Strategy;
import java.util.List;
import java.util.Optional;
import java.util.Set;

/** Jobs and CronJobs. */
final class Batch {
  private static final String UID_LABEL = "batch.kubernetes.io/controller-uid";
  private static final String NAME_LABEL = "batch.kubernetes.io/job-name";

  /** More indexes than these are refused, or have tighter limits. */
  private static final long MANY_INDEXES = 100_000;

  private static final long MOST_OF_MANY = 10_000;
  private static final int LONGEST_MANAGER = 63;

  private Batch() {}

  static final class Job implements Strategy {
    @Override
    public KubeObject applyDefaults(KubeObject job) {
      JsonObject spec = job.spec();
      if (!spec.has("completions") && !spec.has("parallelism")) {
        spec = spec.with("completions", 1).with("parallelism", 1);
      }
      spec = absent(spec, "parallelism", 1);
      spec = absent(spec, "backoffLimit", spec.has("backoffLimitPerIndex") ? Integer.MAX_VALUE : 6);
      spec = absent(spec, "completionMode", "NonIndexed");
      spec = absent(spec, "suspend", false);
      spec = absent(spec, "manualSelector", false);
      spec =
          absent(
              spec,
              "podReplacementPolicy",
              spec.has("podFailurePolicy") ? "Failed" : "TerminatingOrFailed");
      if (spec.has("template")) {
        spec = spec.with("template", Workloads.templateDefaults(spec.object("template")));
      }
      KubeObject made = job.with("spec", spec);
      JsonObject labels = spec.object("template", "metadata", "labels");
      return made.metadata().object("labels").isEmpty() && !labels.isEmpty()
          ? made.withMetadata("labels", labels)
          : made;
    }

    /** A job finds its pods by its own uid, unless it says that it brings its own selector. */
    @Override
    public KubeObject prepareForCreate(KubeObject job) {
      JsonObject spec = job.spec();
      if (spec.flag("manualSelector")) {
        return job;
      }
      JsonObject labels =
          spec.object("template", "metadata", "labels")
              .with(UID_LABEL, job.uid())
              .with(NAME_LABEL, job.name())
              .with("controller-uid", job.uid())
              .with("job-name", job.name());
      JsonObject selector = spec.object("selector");
      selector =
          selector.with("matchLabels", selector.object("matchLabels").with(UID_LABEL, job.uid()));
      return job.with(
          "spec",
          spec.with("selector", selector)
              .withPath(List.of("template", "metadata", "labels"), labels));
    }

    @Override
    public List<Cause> validate(KubeObject job) {
      Checks checks = new Checks();
      JsonObject spec = job.spec();
      if (!spec.has("selector")) {
        checks.required("spec.selector", "");
      } else {
        checks.selector("spec.selector", spec.object("selector"));
        if (checks.causes().isEmpty()
            && !LabelSelector.of(spec.object("selector"))
                .matches(spec.map("template", "metadata", "labels"))) {
          checks.invalid(
              "spec.template.metadata.labels",
              Checks.shown(spec.map("template", "metadata", "labels")),
              "`selector` does not match template `labels`");
        }
      }
      jobSpec(spec, "spec", checks);
      return checks.causes();
    }

    @Override
    public List<Cause> validateUpdate(KubeObject job, KubeObject old) {
      Checks checks = new Checks();
      JsonObject spec = job.spec();
      JsonObject before = old.spec();
      boolean elastic =
          spec.text("completionMode").equals("Indexed")
              && spec.integer("completions") == spec.integer("parallelism");
      if (!elastic) {
        checks.immutable("spec.", spec, before, "completions");
      }
      checks.immutable("spec.", spec, before, "selector");
      boolean unstarted = before.flag("suspend") && !old.status().has("startTime");
      if (!template(spec, unstarted).equals(template(before, unstarted))) {
        checks.invalid("spec.template", spec.object("template"), "field is immutable");
      }
      checks.immutable(
          "spec.",
          spec,
          before,
          "completionMode",
          "podFailurePolicy",
          "backoffLimitPerIndex",
          "managedBy",
          "successPolicy");
      return checks.causes();
    }

    /** The template without what a suspended job that never ran may still change. */
    private static JsonObject template(JsonObject spec, boolean unstarted) {
      JsonObject template = spec.object("template");
      return unstarted
          ? template
              .with("metadata", JsonObject.EMPTY)
              .with(
                  "spec",
                  template
                      .object("spec")
                      .without("nodeSelector")
                      .without("affinity")
                      .without("tolerations")
                      .without("schedulingGates"))
          : template;
    }
  }

  private static JsonObject absent(JsonObject object, String name, Object value) {
    return object.has(name) ? object : object.with(name, value);
  }

  private static void jobSpec(JsonObject spec, String field, Checks checks) {
    for (String name :
        List.of(
            "parallelism",
            "completions",
            "activeDeadlineSeconds",
            "backoffLimit",
            "backoffLimitPerIndex",
            "maxFailedIndexes",
            "ttlSecondsAfterFinished")) {
      checks.notNegative(field + "." + name, spec, name);
    }
    indexed(spec, field, checks);
    if (spec.has("podFailurePolicy")) {
      JobPolicies.failure(spec, field + ".podFailurePolicy", checks);
    }
    if (spec.has("successPolicy")) {
      if (spec.text("completionMode").equals("Indexed")) {
        JobPolicies.success(spec, field + ".successPolicy", checks);
      } else {
        checks.invalid(
            field + ".successPolicy",
            spec.object("successPolicy"),
            "requires indexed completion mode");
      }
    }
    String replacement = spec.text("podReplacementPolicy");
    if (spec.has("podFailurePolicy")) {
      checks.oneOfOrNone(field + ".podReplacementPolicy", replacement, "Failed");
    } else {
      checks.oneOfOrNone(
          field + ".podReplacementPolicy", replacement, "Failed", "TerminatingOrFailed");
    }
    if (spec.has("managedBy")) {
      String manager = spec.text("managedBy");
      checks.name(field + ".managedBy", manager, Names.domainPrefixedPath(manager));
      if (manager.length() > LONGEST_MANAGER) {
        checks.add(FieldFault.tooLong(field + ".managedBy", LONGEST_MANAGER));
      }
    }
    PodSpecs.template(spec.object("template"), field + ".template", Set.of(), checks);
    String at = field + ".template.spec.restartPolicy";
    String restart = spec.text("template", "spec", "restartPolicy");
    switch (restart) {
      case "Always" -> checks.required(at, "valid values: \"OnFailure\", \"Never\"");
      case "OnFailure" -> {
        if (spec.has("podFailurePolicy")) {
          checks.invalid(
              at, restart, "only \"Never\" is supported when podFailurePolicy is specified");
        }
      }
      default -> checks.oneOf(at, restart, "OnFailure", "Never");
    }
  }

  private static void indexed(JsonObject spec, String field, Checks checks) {
    boolean perIndex = spec.has("backoffLimitPerIndex");
    long completions = spec.integer("completions");
    long mayFail = spec.integer("maxFailedIndexes");
    if (spec.has("maxFailedIndexes") && !perIndex) {
      checks.required(field + ".backoffLimitPerIndex", "when maxFailedIndexes is specified");
    }
    checks.oneOfOrNone(
        field + ".completionMode", spec.text("completionMode"), "NonIndexed", "Indexed");
    if (!spec.text("completionMode").equals("Indexed")) {
      for (String name : List.of("backoffLimitPerIndex", "maxFailedIndexes")) {
        if (spec.has(name)) {
          checks.invalid(
              field + "." + name, spec.integer(name), "requires indexed completion mode");
        }
      }
      return;
    }
    if (!spec.has("completions")) {
      checks.required(field + ".completions", "when completion mode is Indexed");
    }
    if (spec.integer("parallelism") > MANY_INDEXES) {
      checks.invalid(
          field + ".parallelism",
          spec.integer("parallelism"),
          "must be less than or equal to " + MANY_INDEXES + " when completion mode is Indexed");
    }
    if (spec.has("completions") && mayFail > completions) {
      checks.invalid(
          field + ".maxFailedIndexes", mayFail, "must be less than or equal to completions");
    }
    if (perIndex && completions > MANY_INDEXES) {
      if (!spec.has("maxFailedIndexes")) {
        checks.required(
            field + ".maxFailedIndexes",
            "must be specified when completions is above " + MANY_INDEXES);
      }
      for (String name : List.of("parallelism", "maxFailedIndexes")) {
        if (spec.integer(name) > MOST_OF_MANY) {
          checks.invalid(
              field + "." + name,
              spec.integer(name),
              "must be less than or equal to "
                  + MOST_OF_MANY
                  + " when completions are above "
                  + MANY_INDEXES
                  + " and used with backoff limit per index");
        }
      }
    }
  }

  static final class CronJob implements Strategy {
    @Override
    public KubeObject applyDefaults(KubeObject job) {
      JsonObject template = job.spec().object("jobTemplate");
      if (!template.object("spec").has("template")) {
        return job;
      }
      JsonObject spec = template.object("spec");
      return job.with(
          "spec",
          job.spec()
              .with(
                  "jobTemplate",
                  template.with(
                      "spec",
                      spec.with("template", Workloads.templateDefaults(spec.object("template"))))));
    }

    @Override
    public List<Cause> validate(KubeObject job) {
      Checks checks = new Checks();
      JsonObject spec = job.spec();
      if (job.name().length() > 52) {
        checks.invalid("metadata.name", job.name(), "must be no more than 52 characters");
      }
      String schedule = spec.text("schedule");
      if (schedule.isEmpty()) {
        checks.required("spec.schedule", "");
      } else {
        Optional<String> fault = CronSchedule.fault(schedule);
        fault.ifPresent(what -> checks.invalid("spec.schedule", schedule, what));
        if (schedule.contains("TZ") && spec.has("timeZone")) {
          checks.invalid(
              "spec.schedule",
              schedule,
              "cannot use both timeZone field and TZ or CRON_TZ in schedule");
        } else if (schedule.contains("TZ")) {
          checks.invalid(
              "spec.schedule",
              schedule,
              "cannot use TZ or CRON_TZ in schedule, use timeZone field instead");
        }
      }
      if (spec.has("timeZone")) {
        String zone = spec.text("timeZone");
        if (zone.isEmpty()) {
          checks.invalid("spec.timeZone", JsonNull.NULL, "must be nil or non-empty string");
        } else if (!CronSchedule.isZone(zone)) {
          checks.invalid("spec.timeZone", zone, "unknown time zone " + zone);
        }
      }
      for (String name :
          List.of(
              "startingDeadlineSeconds", "successfulJobsHistoryLimit", "failedJobsHistoryLimit")) {
        checks.notNegative("spec." + name, spec, name);
      }
      checks.oneOf(
          "spec.concurrencyPolicy", spec.text("concurrencyPolicy"), "Allow", "Forbid", "Replace");
      JsonObject template = spec.object("jobTemplate", "spec");
      if (template.has("selector")) {
        checks.invalid(
            "spec.jobTemplate.spec.selector",
            template.object("selector"),
            "`selector` will be auto-generated");
      }
      jobSpec(template, "spec.jobTemplate.spec", checks);
      return checks.causes();
    }
  }
}
