package dev.kedge.controllers;

import dev.kedge.client.Events;
import dev.kedge.client.Informer;
import dev.kedge.client.KubeClient;
import dev.kedge.client.KubeClient.DeleteOptions;
import dev.kedge.client.KubeClient.Patch;
import dev.kedge.model.ApiException;
import dev.kedge.model.JsonObject;
import dev.kedge.model.KubeObject;
import dev.kedge.model.LabelSelector;
import dev.kedge.model.ObjectKey;
import dev.kedge.model.Resources;
import dev.kedge.reconcile.Controller;
import dev.kedge.reconcile.Reconciler;
import dev.kedge.reconcile.Timeline;
import java.time.Duration;
import java.time.Instant;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;

/**
 * Runs Jobs to completion. No end of a pod is counted twice or lost, whatever crashes: pods carry a
 * finalizer until their uid stands in {@code status.uncountedTerminatedPods}, and leave that list
 * in the same write that counts them.
 */
final class JobController implements Reconciler {
  static final String FINALIZER = "batch.kubernetes.io/job-tracking";
  private static final String INDEX = "batch.kubernetes.io/job-completion-index";
  private static final Duration FIRST_PAUSE = Duration.ofSeconds(10);
  private static final Duration LONGEST_PAUSE = Duration.ofMinutes(10);

  private final KubeClient client;
  private final Timeline timeline;
  private final Events events;
  private final Informer jobs;
  private final Informer pods;
  private final PodControl podControl;

  private JobController(ControllerContext context, Events events) {
    this.client = context.client();
    this.timeline = context.timeline();
    this.events = events;
    this.jobs = context.informer(Resources.JOBS);
    this.pods = context.informer(Resources.PODS);
    this.podControl = new PodControl(client, pods, events);
  }

  static Controller create(ControllerContext context, Recorders recorders) {
    JobController reconciler = new JobController(context, recorders.of("job-controller"));
    return Controller.builder("job", context.timeline(), reconciler)
        .watches(reconciler.jobs)
        .owned(reconciler.pods, Resources.JOBS)
        .build();
  }

  @Override
  public Result reconcile(ObjectKey key) throws InterruptedException {
    Optional<KubeObject> found = jobs.get(key);
    if (found.isEmpty()) {
      return Result.DONE;
    }
    KubeObject job = found.get();
    String manager = job.spec().text("managedBy");
    if (!manager.isEmpty() && !manager.equals("kubernetes.io/job-controller")) {
      return Result.DONE;
    }
    if (job.deleting() || finished(job)) {
      pods.controlledBy(job.uid()).forEach(this::untrack);
      return job.deleting() ? Result.DONE : expire(job);
    }
    return new Sync(job).run();
  }

  static boolean finished(KubeObject job) {
    return Conditions.isTrue(job.status(), "Complete") || Conditions.isTrue(job.status(), "Failed");
  }

  private Result expire(KubeObject job) {
    if (job.spec().get("ttlSecondsAfterFinished").isEmpty()) {
      return Result.DONE;
    }
    Instant end = Instant.EPOCH;
    for (JsonObject condition : job.status().objects("conditions")) {
      if (Set.of("Complete", "Failed").contains(condition.text("type"))
          && condition.text("status").equals("True")) {
        end = Writes.instant(condition.text("lastTransitionTime"));
      }
    }
    Duration left = timeline.until(end.plusSeconds(job.spec().integer("ttlSecondsAfterFinished")));
    if (left.isPositive()) {
      return Result.again(left);
    }
    try {
      client.delete(
          Resources.JOBS,
          job.namespace(),
          job.name(),
          new DeleteOptions(Optional.empty(), "Foreground", job.uid(), ""));
    } catch (ApiException e) {
      if (!e.isNotFound()) {
        throw e;
      }
    }
    return Result.DONE;
  }

  private void untrack(KubeObject pod) {
    if (!pod.finalizers().contains(FINALIZER)) {
      return;
    }
    try {
      client.patch(
          Resources.PODS,
          pod.namespace(),
          pod.name(),
          Patch.merge(
              JsonObject.of(
                  "metadata",
                  JsonObject.of(
                      "uid",
                      pod.uid(),
                      "finalizers",
                      pod.finalizers().stream()
                          .filter(name -> !name.equals(FINALIZER))
                          .toList()))));
    } catch (ApiException e) {
      if (!e.isNotFound() && !e.isConflict()) {
        throw e;
      }
    }
  }

  /** One run over one Job. */
  private final class Sync {
    private final KubeObject job;
    private final JsonObject spec;
    private final Instant now = timeline.instant();
    private final boolean indexed;
    private final long parallelism;
    private final Optional<Long> completions;
    private final List<KubeObject> all;
    private final List<KubeObject> active;
    private final Set<String> uncountedSucceeded;
    private final Set<String> uncountedFailed;
    private final Set<Integer> completed;
    private long succeeded;
    private long failed;
    private JsonObject status;

    Sync(KubeObject job) throws InterruptedException {
      this.job = job;
      this.spec = job.spec();
      this.status = job.status();
      this.indexed = spec.text("completionMode").equals("Indexed");
      this.parallelism = spec.integerOr(1, "parallelism");
      this.completions =
          spec.get("completions").isPresent()
              ? Optional.of(spec.integer("completions"))
              : Optional.empty();
      this.all =
          Owners.claim(
              client,
              Resources.JOBS,
              job,
              LabelSelector.of(spec.object("selector")),
              Resources.PODS,
              pods);
      this.active = all.stream().filter(PodState::active).toList();
      JsonObject uncounted = status.object("uncountedTerminatedPods");
      this.uncountedSucceeded = new LinkedHashSet<>(uncounted.strings("succeeded"));
      this.uncountedFailed = new LinkedHashSet<>(uncounted.strings("failed"));
      this.completed = JobIndexes.parse(status.text("completedIndexes"));
      this.succeeded = status.integer("succeeded");
      this.failed = status.integer("failed");
    }

    Result run() throws InterruptedException {
      count();
      boolean suspended = spec.flag("suspend");
      start(suspended);
      Result result = Result.DONE;
      Optional<End> end = end();
      if (end.isPresent()) {
        stopPods(active);
        announce(end.get());
      } else if (suspended) {
        stopPods(active);
      }
      boolean settled = flush(end);
      if (end.isEmpty() && !suspended) {
        result = manage();
        Optional<Duration> deadline = deadline();
        if (deadline.isPresent()) {
          result = result.sooner(Result.again(deadline.get()));
        }
      }
      // The pods that were let go tell so; the pause is for a view that lost one of them meanwhile.
      return settled ? result : Result.again(Duration.ofSeconds(1)).sooner(result);
    }

    // ---- counting

    private boolean failedPod(KubeObject pod) {
      return PodState.phase(pod).equals("Failed")
          || pod.deleting() && !PodState.phase(pod).equals("Succeeded");
    }

    private boolean tracked(String uid) {
      return all.stream()
          .anyMatch(pod -> pod.uid().equals(uid) && pod.finalizers().contains(FINALIZER));
    }

    private void count() {
      for (String uid : List.copyOf(uncountedSucceeded)) {
        if (!tracked(uid)) {
          uncountedSucceeded.remove(uid);
          succeeded++;
        }
      }
      for (String uid : List.copyOf(uncountedFailed)) {
        if (!tracked(uid)) {
          uncountedFailed.remove(uid);
          failed++;
        }
      }
      for (KubeObject pod : all) {
        if (!pod.finalizers().contains(FINALIZER)) {
          continue;
        }
        if (PodState.phase(pod).equals("Succeeded")) {
          int index = JobIndexes.of(pod);
          if (!indexed) {
            uncountedSucceeded.add(pod.uid());
          } else if (index >= 0 && index < completions.orElse(0L)) {
            completed.add(index);
          }
        } else if (failedPod(pod) && policy(pod) != Action.IGNORE) {
          uncountedFailed.add(pod.uid());
        }
      }
      if (indexed) {
        succeeded = completed.size();
      }
    }

    private long allSucceeded() {
      return succeeded + uncountedSucceeded.size();
    }

    private long allFailed() {
      return failed + uncountedFailed.size();
    }

    // ---- pod failure policy

    private enum Action {
      COUNT,
      IGNORE,
      FAIL_JOB
    }

    private Action policy(KubeObject pod) {
      for (JsonObject rule : spec.objects("podFailurePolicy", "rules")) {
        if (PodFailureRules.matches(rule, pod)) {
          return switch (rule.text("action")) {
            case "Ignore" -> Action.IGNORE;
            case "FailJob" -> Action.FAIL_JOB;
            default -> Action.COUNT;
          };
        }
      }
      return Action.COUNT;
    }

    // ---- the end

    private record End(boolean success, String reason, String message) {}

    private Optional<End> end() {
      for (String type : List.of("FailureTarget", "SuccessCriteriaMet")) {
        Optional<JsonObject> decided =
            Conditions.find(status, type).filter(c -> c.text("status").equals("True"));
        if (decided.isPresent()) {
          return Optional.of(
              new End(
                  type.equals("SuccessCriteriaMet"),
                  decided.get().text("reason"),
                  decided.get().text("message")));
        }
      }
      for (KubeObject pod : all) {
        if (PodState.phase(pod).equals("Failed") && policy(pod) == Action.FAIL_JOB) {
          return Optional.of(
              new End(
                  false,
                  "PodFailurePolicy",
                  "Pod "
                      + pod.key()
                      + " failed and matches a FailJob rule of the pod failure"
                      + " policy"));
        }
      }
      if (allFailed() > spec.integerOr(6, "backoffLimit") || restartsExceeded()) {
        return Optional.of(
            new End(false, "BackoffLimitExceeded", "Job has reached the specified backoff limit"));
      }
      if (!spec.flag("suspend") && deadline().map(left -> !left.isPositive()).orElse(false)) {
        return Optional.of(
            new End(false, "DeadlineExceeded", "Job was active longer than specified deadline"));
      }
      boolean done =
          completions.isPresent()
              ? allSucceeded() >= completions.get()
              : allSucceeded() > 0 && active.isEmpty();
      if (completions.isEmpty() && parallelism == 0) {
        done = false;
      }
      return done
          ? Optional.of(
              new End(true, "CompletionsReached", "Reached expected number of succeeded pods"))
          : Optional.empty();
    }

    private boolean restartsExceeded() {
      if (!spec.text("template", "spec", "restartPolicy").equals("OnFailure")) {
        return false;
      }
      long restarts = 0;
      for (KubeObject pod : active) {
        for (String list : List.of("initContainerStatuses", "containerStatuses")) {
          for (JsonObject container : pod.status().objects(list)) {
            restarts += container.integer("restartCount");
          }
        }
      }
      long limit = spec.integerOr(6, "backoffLimit");
      return limit == 0 ? restarts > 0 : restarts >= limit;
    }

    private Optional<Duration> deadline() {
      if (spec.get("activeDeadlineSeconds").isEmpty() || status.text("startTime").isEmpty()) {
        return Optional.empty();
      }
      return Optional.of(
          timeline.until(
              Writes.instant(status.text("startTime"))
                  .plusSeconds(spec.integer("activeDeadlineSeconds"))));
    }

    private void announce(End end) {
      condition(
          end.success() ? "SuccessCriteriaMet" : "FailureTarget",
          "True",
          end.reason(),
          end.message());
      boolean quiet =
          all.stream()
              .noneMatch(pod -> PodState.ended(pod) && pod.finalizers().contains(FINALIZER));
      boolean gone = all.stream().noneMatch(PodState::active);
      if (!gone || !quiet || !uncountedFailed.isEmpty() || !uncountedSucceeded.isEmpty()) {
        return;
      }
      condition(end.success() ? "Complete" : "Failed", "True", end.reason(), end.message());
      if (end.success()) {
        status = status.with("completionTime", Writes.time(now));
        events.normal(job, "Completed", "Job completed");
      } else {
        events.warning(job, end.reason(), end.message());
      }
    }

    private void condition(String type, String value, String reason, String message) {
      List<JsonObject> conditions =
          Conditions.with(status, type, value, reason, message, now).stream()
              .map(
                  condition ->
                      condition.text("type").equals(type) && !condition.has("lastProbeTime")
                          ? condition.with("lastProbeTime", Writes.time(now))
                          : condition)
              .toList();
      status = status.with("conditions", conditions);
    }

    // ---- starting, suspending, writing

    private void start(boolean suspended) {
      Optional<JsonObject> condition = Conditions.find(status, "Suspended");
      boolean was = condition.map(c -> c.text("status").equals("True")).orElse(false);
      if (suspended) {
        if (!was) {
          condition("Suspended", "True", "JobSuspended", "Job suspended");
          events.normal(job, "Suspended", "Job suspended");
        }
        status = status.without("startTime");
        return;
      }
      if (was) {
        condition("Suspended", "False", "JobResumed", "Job resumed");
        events.normal(job, "Resumed", "Job resumed");
      }
      if (status.text("startTime").isEmpty()) {
        status = status.with("startTime", Writes.time(now));
      }
    }

    /** Writes the status, then lets counted pods go; says whether nothing is left to count. */
    private boolean flush(Optional<End> end) throws InterruptedException {
      long ready = active.stream().filter(PodState::ready).count();
      long terminating = all.stream().filter(pod -> pod.deleting() && !PodState.ended(pod)).count();
      long running = end.isPresent() || spec.flag("suspend") ? 0 : active.size();
      JsonObject.Builder next = JsonObject.builder();
      for (String name : List.of("conditions", "startTime", "completionTime")) {
        status.get(name).ifPresent(value -> next.putNonEmpty(name, value));
      }
      next.putAll(ReplicaSetController.positive("active", running))
          .putAll(ReplicaSetController.positive("succeeded", succeeded))
          .putAll(ReplicaSetController.positive("failed", failed))
          .put("terminating", terminating)
          .putNonEmpty("completedIndexes", JobIndexes.text(completed))
          .put(
              "uncountedTerminatedPods",
              JsonObject.builder()
                  .putNonEmpty("succeeded", uncountedSucceeded)
                  .putNonEmpty("failed", uncountedFailed)
                  .build())
          .put("ready", ready);
      JsonObject written = next.build();
      if (!written.equals(job.status())) {
        KubeObject updated =
            client.updateSubresource(Resources.JOBS, job.withStatus(written), "status");
        Writes.awaitSeen(jobs, updated);
      }
      boolean settled = true;
      for (KubeObject pod : all) {
        boolean counted =
            uncountedFailed.contains(pod.uid())
                || uncountedSucceeded.contains(pod.uid())
                || PodState.ended(pod)
                || pod.deleting();
        if (counted && pod.finalizers().contains(FINALIZER)) {
          untrack(pod);
          settled = false;
        }
      }
      return settled && uncountedFailed.isEmpty() && uncountedSucceeded.isEmpty();
    }

    private void stopPods(List<KubeObject> doomed) throws InterruptedException {
      if (!doomed.isEmpty()) {
        podControl.deleteAll(job, doomed);
      }
    }

    // ---- making pods

    private Result manage() throws InterruptedException {
      long wanted =
          completions
              .map(number -> Math.min(parallelism, Math.max(0, number - allSucceeded())))
              .orElse(allSucceeded() > 0 ? Math.min(parallelism, active.size()) : parallelism);
      if (active.size() > wanted) {
        stopPods(
            active.stream()
                .sorted(PodState.deletionOrder(Map.of()))
                .limit(active.size() - wanted)
                .toList());
        return Result.DONE;
      }
      long terminating =
          spec.text("podReplacementPolicy").equals("Failed")
              ? all.stream().filter(pod -> pod.deleting() && !PodState.ended(pod)).count()
              : 0;
      int missing = (int) Math.max(0, wanted - active.size() - terminating);
      if (missing == 0) {
        return Result.DONE;
      }
      Duration pause = pause();
      if (pause.isPositive()) {
        return Result.again(pause);
      }
      try {
        if (indexed) {
          List<Integer> indexes = freeIndexes(missing);
          podControl.createAll(job, indexes.size(), i -> pod(indexes.get(i)));
        } else {
          podControl.createAll(job, missing, _ -> pod(-1));
        }
      } catch (ApiException e) {
        if (!Writes.namespaceGoing(e)) {
          throw e;
        }
      }
      return Result.again(Duration.ofMillis(1)); // the status counts the new ones
    }

    /** After failures new pods wait: 10 s, doubling with each further failure. */
    private Duration pause() {
      Instant lastSuccess = Instant.EPOCH;
      for (KubeObject pod : all) {
        if (PodState.phase(pod).equals("Succeeded") && ended(pod).isAfter(lastSuccess)) {
          lastSuccess = ended(pod);
        }
      }
      long failures = 0;
      Instant lastFailure = Instant.EPOCH;
      for (KubeObject pod : all) {
        if (PodState.phase(pod).equals("Failed") && ended(pod).isAfter(lastSuccess)) {
          failures++;
          lastFailure = ended(pod).isAfter(lastFailure) ? ended(pod) : lastFailure;
        }
      }
      if (failures == 0) {
        return Duration.ZERO;
      }
      Duration pause = FIRST_PAUSE.multipliedBy(1L << Math.min(failures - 1, 10));
      if (pause.compareTo(LONGEST_PAUSE) > 0) {
        pause = LONGEST_PAUSE;
      }
      return timeline.until(lastFailure.plus(pause));
    }

    private Instant ended(KubeObject pod) {
      Instant latest = Instant.EPOCH;
      for (JsonObject container : pod.status().objects("containerStatuses")) {
        Instant end = Writes.instant(container.text("state", "terminated", "finishedAt"));
        latest = end.isAfter(latest) ? end : latest;
      }
      return latest.equals(Instant.EPOCH) ? PodState.created(pod) : latest;
    }

    private List<Integer> freeIndexes(int count) {
      Set<Integer> taken = new HashSet<>(completed);
      for (KubeObject pod : all) {
        if (PodState.active(pod)
            || PodState.phase(pod).equals("Succeeded")
            || pod.deleting() && spec.text("podReplacementPolicy").equals("Failed")) {
          taken.add(JobIndexes.of(pod));
        }
      }
      List<Integer> free = new ArrayList<>();
      for (int i = 0; free.size() < count && i < completions.orElse(0L); i++) {
        if (!taken.contains(i)) {
          free.add(i);
        }
      }
      return free;
    }

    private KubeObject pod(int index) {
      KubeObject pod =
          PodControl.fromTemplate(spec.object("template"), Resources.JOBS, job)
              .withMetadata("finalizers", List.of(FINALIZER));
      JsonObject labels = pod.metadata().object("labels");
      for (String key : List.of("job-name", "batch.kubernetes.io/job-name")) {
        labels = labels.with(key, job.name());
      }
      for (String key : List.of("controller-uid", "batch.kubernetes.io/controller-uid")) {
        labels = labels.with(key, job.uid());
      }
      if (index < 0) {
        return pod.withMetadata("labels", labels);
      }
      String number = Integer.toString(index);
      JsonObject podSpec = pod.spec();
      if (podSpec.text("hostname").isEmpty()) {
        podSpec = podSpec.with("hostname", job.name() + "-" + number);
      }
      for (String list : List.of("initContainers", "containers")) {
        if (podSpec.has(list)) {
          podSpec =
              podSpec.with(list, podSpec.objects(list).stream().map(this::withIndex).toList());
        }
      }
      return pod.withMetadata("labels", labels.with(INDEX, number))
          .withMetadata("annotations", pod.metadata().object("annotations").with(INDEX, number))
          .withMetadata("generateName", job.name() + "-" + number + "-")
          .with("spec", podSpec);
    }

    private JsonObject withIndex(JsonObject container) {
      List<JsonObject> environment = new ArrayList<>(container.objects("env"));
      if (environment.stream().anyMatch(v -> v.text("name").equals("JOB_COMPLETION_INDEX"))) {
        return container;
      }
      environment.add(
          JsonObject.of(
              "name",
              "JOB_COMPLETION_INDEX",
              "valueFrom",
              JsonObject.of(
                  "fieldRef", JsonObject.of("fieldPath", "metadata.labels['" + INDEX + "']"))));
      return container.with("env", environment);
    }
  }

  /** The rules of a pod failure policy. */
  private static final class PodFailureRules {
    private PodFailureRules() {}

    static boolean matches(JsonObject rule, KubeObject pod) {
      JsonObject codes = rule.object("onExitCodes");
      if (!codes.isEmpty()) {
        for (String list : List.of("containerStatuses", "initContainerStatuses")) {
          for (JsonObject container : pod.status().objects(list)) {
            String name = codes.text("containerName");
            JsonObject end = container.object("state", "terminated");
            if (end.isEmpty()
                || !name.isEmpty() && !name.equals(container.text("name"))
                || end.integer("exitCode") == 0) {
              continue;
            }
            boolean listed =
                codes.array("values").items().stream()
                    .anyMatch(
                        value ->
                            value.equals(new dev.kedge.model.JsonInteger(end.integer("exitCode"))));
            if (listed == codes.text("operator").equals("In")) {
              return true;
            }
          }
        }
        return false;
      }
      for (JsonObject pattern : rule.objects("onPodConditions")) {
        String wanted = pattern.text("status").isEmpty() ? "True" : pattern.text("status");
        boolean found =
            Conditions.find(pod.status(), pattern.text("type"))
                .map(condition -> condition.text("status").equals(wanted))
                .orElse(false);
        if (found) {
          return true;
        }
      }
      return false;
    }
  }
}
