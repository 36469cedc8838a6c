package dev.kedge.controllers;

import dev.kedge.client.Events;
import dev.kedge.client.Informer;
import dev.kedge.client.KubeClient;
import dev.kedge.model.ApiException;
import dev.kedge.model.JsonObject;
import dev.kedge.model.KubeObject;
import dev.kedge.model.ObjectKey;
import dev.kedge.model.Resources;
import dev.kedge.model.Times;
import dev.kedge.reconcile.Controller;
import dev.kedge.reconcile.Reconciler;
import dev.kedge.reconcile.Timeline;
import java.time.DateTimeException;
import java.time.Duration;
import java.time.Instant;
import java.time.ZoneId;
import java.time.ZoneOffset;
import java.time.format.DateTimeFormatter;
import java.time.temporal.ChronoUnit;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import java.util.Locale;
import java.util.Optional;

/** Makes a Job each time a CronJob's schedule says so. Sleeps until then. */
final class CronJobController implements Reconciler {
  private static final int MANY_MISSED = 100;

  /** RFC 1123 with a numeric zone, as upstream writes times into its events. */
  private static final DateTimeFormatter MISSED =
      DateTimeFormatter.ofPattern("EEE, dd MMM yyyy HH:mm:ss xx", Locale.ENGLISH);

  private final KubeClient client;
  private final Timeline timeline;
  private final Events events;
  private final Informer crons;
  private final Informer jobs;

  private CronJobController(ControllerContext context, Events events) {
    this.client = context.client();
    this.timeline = context.timeline();
    this.events = events;
    this.crons = context.informer(Resources.CRON_JOBS);
    this.jobs = context.informer(Resources.JOBS);
  }

  static Controller create(ControllerContext context, Recorders recorders) {
    CronJobController reconciler =
        new CronJobController(context, recorders.of("cronjob-controller"));
    return Controller.builder("cronjob", context.timeline(), reconciler)
        .watches(reconciler.crons)
        .owned(reconciler.jobs, Resources.CRON_JOBS)
        .build();
  }

  @Override
  public Result reconcile(ObjectKey key) throws InterruptedException {
    Optional<KubeObject> found = crons.get(key);
    if (found.isEmpty() || found.get().deleting()) {
      return Result.DONE;
    }
    return new Sync(found.get()).run();
  }

  private final class Sync {
    private final KubeObject cron;
    private final JsonObject spec;
    private final Instant now = timeline.instant();
    private final List<KubeObject> active = new ArrayList<>();
    private JsonObject status;

    Sync(KubeObject cron) {
      this.cron = cron;
      this.spec = cron.spec();
      this.status = cron.status();
    }

    Result run() throws InterruptedException {
      takeStock();
      Result result = spec.flag("suspend") ? Result.DONE : schedule();
      status =
          active.isEmpty()
              ? status.without("active")
              : status.with(
                  "active",
                  active.stream()
                      .map(
                          job ->
                              JsonObject.of(
                                  "kind", "Job",
                                  "namespace", job.namespace(),
                                  "name", job.name(),
                                  "uid", job.uid(),
                                  "apiVersion", "batch/v1",
                                  "resourceVersion", job.resourceVersion()))
                      .toList());
      if (!withoutVersions(status).equals(withoutVersions(cron.status()))) {
        Writes.awaitSeen(crons, Writes.status(client, Resources.CRON_JOBS, cron, status));
      }
      return result;
    }

    private static JsonObject withoutVersions(JsonObject status) {
      return status.with(
          "active",
          status.objects("active").stream()
              .map(reference -> reference.without("resourceVersion"))
              .toList());
    }

    private void takeStock() {
      List<KubeObject> succeeded = new ArrayList<>();
      List<KubeObject> failed = new ArrayList<>();
      for (KubeObject job : jobs.controlledBy(cron.uid())) {
        boolean known =
            cron.status().objects("active").stream()
                .anyMatch(reference -> reference.text("uid").equals(job.uid()));
        if (!JobController.finished(job)) {
          active.add(job);
          continue;
        }
        boolean complete = Conditions.isTrue(job.status(), "Complete");
        (complete ? succeeded : failed).add(job);
        if (known) {
          events.normal(
              cron,
              "SawCompletedJob",
              "Saw completed job: "
                  + job.name()
                  + ", condition: "
                  + (complete ? "Complete" : "Failed"));
        }
        String end = job.status().text("completionTime");
        if (complete && end.compareTo(status.text("lastSuccessfulTime")) > 0) {
          status = status.with("lastSuccessfulTime", end);
        }
      }
      for (JsonObject reference : cron.status().objects("active")) {
        if (jobs.get(cron.namespace(), reference.text("name"))
            .filter(job -> job.uid().equals(reference.text("uid")))
            .isEmpty()) {
          events.normal(cron, "MissingJob", "Active job went missing: " + reference.text("name"));
        }
      }
      active.sort(Comparator.comparing(KubeObject::name));
      trim(succeeded, spec.integerOr(3, "successfulJobsHistoryLimit"));
      trim(failed, spec.integerOr(1, "failedJobsHistoryLimit"));
    }

    private void trim(List<KubeObject> finished, long limit) {
      finished.sort(
          Comparator.comparing((KubeObject job) -> job.status().text("startTime"))
              .thenComparing(KubeObject::name));
      for (int i = 0; i < finished.size() - limit; i++) {
        Writes.delete(client, Resources.JOBS, finished.get(i));
        events.normal(cron, "SuccessfulDelete", "Deleted job " + finished.get(i).name());
      }
    }

    private Result schedule() throws InterruptedException {
      CronSchedule schedule;
      ZoneId zone;
      try {
        schedule = CronSchedule.parse(spec.text("schedule"));
        String name = spec.text("timeZone");
        zone = name.isEmpty() ? ZoneOffset.systemDefault() : ZoneId.of(name);
      } catch (IllegalArgumentException e) {
        events.warning(
            cron,
            "UnparseableSchedule",
            "unparseable schedule: \"" + spec.text("schedule") + "\" : " + e.getMessage());
        return Result.DONE;
      } catch (DateTimeException e) {
        events.warning(
            cron,
            "UnknownTimeZone",
            "invalid timeZone: \"" + spec.text("timeZone") + "\": " + e.getMessage());
        return Result.DONE;
      }
      Result result =
          schedule
              .next(now, zone)
              .map(next -> Result.again(Duration.between(now, next).plusMillis(5)))
              .orElse(Result.DONE);
      Optional<Instant> due = due(schedule, zone);
      if (due.isEmpty()) {
        return result;
      }
      if (spec.get("startingDeadlineSeconds").isPresent()
          && due.get().plusSeconds(spec.integer("startingDeadlineSeconds")).isBefore(now)) {
        events.warning(
            cron,
            "MissSchedule",
            "Missed scheduled time to start a job: "
                + MISSED.format(due.get().atOffset(ZoneOffset.UTC)));
        return result;
      }
      if (active.stream().anyMatch(job -> job.name().equals(jobName(due.get())))) {
        return result;
      }
      String policy = spec.text("concurrencyPolicy");
      if (policy.equals("Forbid") && !active.isEmpty()) {
        events.normal(
            cron,
            "JobAlreadyActive",
            "Not starting job because prior execution is running and concurrency policy is"
                + " Forbid");
        return result;
      }
      if (policy.equals("Replace")) {
        for (KubeObject job : active) {
          Writes.delete(client, Resources.JOBS, job);
          events.normal(cron, "SuccessfulDelete", "Deleted job " + job.name());
        }
        active.clear();
      }
      create(due.get(), zone);
      return result;
    }

    /** The latest time that has passed and was not used yet. */
    private Optional<Instant> due(CronSchedule schedule, ZoneId zone) {
      Instant earliest = PodState.created(cron);
      Instant last = Writes.instant(status.text("lastScheduleTime"));
      if (last.isAfter(earliest)) {
        earliest = last;
      }
      if (spec.get("startingDeadlineSeconds").isPresent()) {
        Instant floor = now.minusSeconds(spec.integer("startingDeadlineSeconds"));
        earliest = floor.isAfter(earliest) ? floor : earliest;
      }
      Optional<Instant> latest = Optional.empty();
      Optional<Instant> next = schedule.next(earliest, zone);
      int missed = 0;
      while (next.isPresent() && !next.get().isAfter(now)) {
        latest = next;
        missed++;
        if (missed == MANY_MISSED) {
          events.warning(
              cron,
              "TooManyMissedTimes",
              "too many missed start times. Set or decrease .spec.startingDeadlineSeconds or check"
                  + " clock skew");
          // Not worth counting on: what counts is the latest, which lies within the last stretch.
          Duration distance = Duration.between(latest.get(), next.get()).plusSeconds(60);
          Instant jump = now.minus(distance.multipliedBy(2).plusDays(1));
          next = schedule.next(jump.isAfter(next.get()) ? jump : next.get(), zone);
          continue;
        }
        next = schedule.next(next.get(), zone);
      }
      return latest;
    }

    private String jobName(Instant time) {
      return cron.name() + "-" + time.getEpochSecond() / 60;
    }

    private void create(Instant time, ZoneId zone) throws InterruptedException {
      JsonObject template = spec.object("jobTemplate");
      KubeObject wish =
          new KubeObject(
              JsonObject.of(
                  "apiVersion",
                  "batch/v1",
                  "kind",
                  "Job",
                  "metadata",
                  JsonObject.builder()
                      .put("name", jobName(time))
                      .put("namespace", cron.namespace())
                      .putNonEmpty("labels", template.object("metadata", "labels"))
                      .put(
                          "annotations",
                          template
                              .object("metadata", "annotations")
                              .with(
                                  "batch.kubernetes.io/cronjob-scheduled-timestamp",
                                  DateTimeFormatter.ISO_OFFSET_DATE_TIME.format(
                                      time.truncatedTo(ChronoUnit.SECONDS).atZone(zone))))
                      .put(
                          "ownerReferences",
                          List.of(Owners.controllerReference(Resources.CRON_JOBS, cron)))
                      .build(),
                  "spec",
                  template.object("spec")));
      try {
        KubeObject made = client.create(Resources.JOBS, wish);
        Writes.awaitSeen(jobs, made);
        active.add(made);
        events.normal(cron, "SuccessfulCreate", "Created job " + made.name());
      } catch (ApiException e) {
        if (e.isNamespaceGoing()) {
          return;
        }
        if (!e.isAlreadyExists()) {
          events.warning(cron, "FailedCreate", "Error creating job: " + e.status().message());
          throw e;
        }
      }
      status = status.with("lastScheduleTime", Times.text(time));
    }
  }
}
