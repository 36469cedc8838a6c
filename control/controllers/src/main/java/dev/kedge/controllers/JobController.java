package dev.kedge.controllers;

import dev.kedge.client.Events;
import dev.kedge.client.Informer;
import dev.kedge.client.KubeClient;
import dev.kedge.client.KubeClient.DeleteOptions;
import dev.kedge.client.KubeClient.Patch;
import dev.kedge.controllers.JobPolicies.Action;
import dev.kedge.controllers.JobPolicies.Verdict;
import dev.kedge.model.ApiException;
import dev.kedge.model.JsonObject;
import dev.kedge.model.KubeObject;
import dev.kedge.model.LabelSelector;
import dev.kedge.model.ObjectKey;
import dev.kedge.model.Resources;
import dev.kedge.model.Times;
import dev.kedge.reconcile.Controller;
import dev.kedge.reconcile.Reconciler;
import dev.kedge.reconcile.Timeline;
import java.time.Duration;
import java.time.Instant;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.HashMap;
import java.util.HashSet;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.SortedSet;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;

/**
 * Runs Jobs to completion. No end of a pod is counted twice or lost, whatever crashes: pods carry a
 * finalizer until their uid stands in {@code status.uncountedTerminatedPods} (or their index in
 * {@code status.completedIndexes}), and leave that list in the same write that counts them.
 *
 * <p>Keys are Jobs; a key without a name stands for the pods of a namespace whose Job is gone, and
 * whose finalizer would hold them for ever.
 */
final class JobController implements Reconciler {
  static final String FINALIZER = "batch.kubernetes.io/job-tracking";
  private static final String INDEX = "batch.kubernetes.io/job-completion-index";
  private static final String INDEX_FAILURES = "batch.kubernetes.io/job-index-failure-count";
  private static final String INDEX_IGNORED = "batch.kubernetes.io/job-index-ignored-failure-count";
  private static final String SELF = "kubernetes.io/job-controller";

  /** Pods written into one status at most; the rest follows in the next. */
  private static final int UNCOUNTED = 500;

  private static final int BURST = 500;
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
        .watches(reconciler.pods, reconciler::concernedBesides)
        .build();
  }

  /** Besides its controller: Jobs that may adopt a pod, and whoever looks after orphans. */
  private List<ObjectKey> concernedBesides(KubeObject pod) {
    List<ObjectKey> keys = new ArrayList<>();
    if (pod.controller().isEmpty() && !pod.deleting() && !pod.labels().isEmpty()) {
      jobs.inNamespace(pod.namespace()).stream()
          .filter(job -> !finished(job) && selector(job).matches(pod.labels()))
          .forEach(job -> keys.add(job.key()));
    }
    if (tracked(pod) && jobOf(pod).isEmpty()) {
      keys.add(new ObjectKey(pod.namespace(), ""));
    }
    return keys;
  }

  private static LabelSelector selector(KubeObject job) {
    return LabelSelector.of(job.spec().object("selector"));
  }

  private static boolean tracked(KubeObject pod) {
    return pod.finalizers().contains(FINALIZER);
  }

  /** The Job that controls a pod, as the informer knows it. */
  private Optional<KubeObject> jobOf(KubeObject pod) {
    return pod.controller()
        .filter(reference -> reference.text("kind").equals("Job"))
        .flatMap(
            reference ->
                jobs.get(pod.namespace(), reference.text("name"))
                    .filter(job -> job.uid().equals(reference.text("uid"))));
  }

  @Override
  public Result reconcile(ObjectKey key) throws InterruptedException {
    if (key.name().isEmpty()) {
      releaseOrphans(key.namespace());
      return Result.DONE;
    }
    Optional<KubeObject> found = jobs.get(key);
    if (found.isEmpty()) {
      releaseOrphans(key.namespace());
      return Result.DONE;
    }
    KubeObject job = found.get();
    Result expiry = finished(job) && !job.deleting() ? expire(job) : Result.DONE;
    String manager = job.spec().text("managedBy");
    if (!manager.isEmpty() && !manager.equals(SELF)) {
      return expiry; // whoever manages it, its time to live is the cluster's affair
    }
    if (job.deleting() || finished(job)) {
      pods.controlledBy(job.uid()).forEach(this::untrack);
      return expiry;
    }
    return new Sync(job).run();
  }

  static boolean finished(KubeObject job) {
    return Conditions.isTrue(job.status(), "Complete") || Conditions.isTrue(job.status(), "Failed");
  }

  private void releaseOrphans(String namespace) {
    Map<String, String> present = new HashMap<>();
    for (KubeObject pod : pods.inNamespace(namespace)) {
      if (!tracked(pod) || jobOf(pod).isPresent()) {
        continue;
      }
      JsonObject owner = pod.controller().orElse(JsonObject.EMPTY);
      // The view of Jobs may be behind the view of pods: asked afresh.
      String uid =
          owner.text("kind").equals("Job")
              ? present.computeIfAbsent(
                  owner.text("name"),
                  name ->
                      client.find(Resources.JOBS, namespace, name).map(KubeObject::uid).orElse(""))
              : "";
      if (uid.isEmpty() || !uid.equals(owner.text("uid"))) {
        untrack(pod);
      }
    }
  }

  private Result expire(KubeObject found) {
    Optional<Duration> left = lifeLeft(found);
    if (left.isEmpty() || left.get().isPositive()) {
      return left.<Result>map(Result::again).orElse(Result.DONE);
    }
    // Asked afresh: somebody may just have given it more time.
    Optional<KubeObject> live = client.find(Resources.JOBS, found.namespace(), found.name());
    Optional<Duration> now =
        live.filter(job -> job.uid().equals(found.uid())).flatMap(this::lifeLeft);
    if (live.isEmpty() || now.isEmpty() || now.get().isPositive()) {
      return Result.DONE; // its change comes as an event
    }
    try {
      client.delete(
          Resources.JOBS,
          found.namespace(),
          found.name(),
          new DeleteOptions(
              Optional.empty(), "Foreground", found.uid(), live.get().resourceVersion()));
    } catch (ApiException e) {
      if (!e.isNotFound()) {
        throw e;
      }
    }
    return Result.DONE;
  }

  private Optional<Duration> lifeLeft(KubeObject job) {
    if (!job.spec().has("ttlSecondsAfterFinished")) {
      return Optional.empty();
    }
    return job.status().objects("conditions").stream()
        .filter(condition -> Set.of("Complete", "Failed").contains(condition.text("type")))
        .filter(condition -> condition.text("status").equals("True"))
        .map(condition -> Writes.instant(condition.text("lastTransitionTime")))
        .max(Comparator.naturalOrder())
        .map(end -> timeline.until(end.plusSeconds(job.spec().integer("ttlSecondsAfterFinished"))));
  }

  private void untrack(KubeObject pod) {
    if (!tracked(pod)) {
      return;
    }
    try {
      client.patch(
          Resources.PODS,
          pod.namespace(),
          pod.name(),
          new Patch(
              KubeClient.PatchType.STRATEGIC,
              JsonObject.of(
                  "metadata",
                  JsonObject.of(
                      "uid", pod.uid(), "$deleteFromPrimitiveList/finalizers", List.of(FINALIZER))),
              "",
              "",
              false));
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
    private final boolean perIndex;
    private final boolean waitsForEnds;
    private final boolean suspended;
    private final long parallelism;
    private final Optional<Long> completions;
    private final List<KubeObject> all;
    private final Set<String> uncountedSucceeded;
    private final Set<String> uncountedFailed;
    private final SortedSet<Integer> completed;
    private final SortedSet<Integer> failedIndexes;

    /** Failed pods that no status has counted or will count yet. */
    private final List<KubeObject> fresh;

    /** Of each index that is to be tried again the pod that failed last: it keeps the count. */
    private final Map<Integer, KubeObject> toReplace = new HashMap<>();

    private List<KubeObject> active;
    private long stopped;
    private long succeeded;
    private long failed;
    private JsonObject status;

    Sync(KubeObject job) throws InterruptedException {
      this.job = job;
      this.spec = job.spec();
      this.status = job.status();
      this.indexed = spec.text("completionMode").equals("Indexed");
      this.perIndex = indexed && spec.has("backoffLimitPerIndex");
      this.waitsForEnds =
          spec.text("podReplacementPolicy").equals("Failed") || spec.has("podFailurePolicy");
      this.suspended = spec.flag("suspend");
      this.parallelism = spec.integerOr(1, "parallelism");
      this.completions =
          spec.has("completions") ? Optional.of(spec.integer("completions")) : Optional.empty();
      this.all =
          Owners.claim(client, Resources.JOBS, job, selector(job), Resources.PODS, pods).stream()
              .sorted(Comparator.comparingInt(JobIndexes::of))
              .toList();
      this.active = all.stream().filter(PodState::active).toList();
      JsonObject uncounted = status.object("uncountedTerminatedPods");
      this.uncountedSucceeded = new LinkedHashSet<>(uncounted.strings("succeeded"));
      this.uncountedFailed = new LinkedHashSet<>(uncounted.strings("failed"));
      long indexes = completions.orElse(0L);
      this.completed = JobIndexes.parse(status.text("completedIndexes"), indexes);
      this.failedIndexes = JobIndexes.parse(status.text("failedIndexes"), indexes);
      this.succeeded = status.integer("succeeded");
      this.failed = status.integer("failed");
      settle();
      takeSucceeded();
      this.fresh =
          all.stream()
              .filter(pod -> tracked(pod) && isFailed(pod) && valid(pod))
              .filter(pod -> !uncountedFailed.contains(pod.uid()))
              .toList();
      if (perIndex) {
        judgeIndexes();
      }
    }

    Result run() throws InterruptedException {
      Optional<End> end = end();
      if (!suspended && status.text("startTime").isEmpty()) {
        status = status.with("startTime", Times.text(now));
      }
      if (end.isPresent()) {
        if (!active.isEmpty() && !Conditions.isTrue(status, end.get().target())) {
          // Written before any pod is stopped: who comes after a failed write must not take the
          // pods that this decision stops for its reason to decide otherwise.
          condition(end.get());
          write();
          return Result.DONE; // what was written comes back as an event
        }
        podControl.deleteAll(job, active);
        stopped = active.size();
        active = List.of();
      } else if (suspended) {
        stop(active);
      }
      if (end.isEmpty()) {
        suspension();
      }
      List<KubeObject> released = take(end);
      announce(end);
      write();
      released.forEach(JobController.this::untrack);
      if (end.isPresent() || suspended) {
        return Result.DONE;
      }
      Result result = manage();
      return deadline().map(left -> result.sooner(Result.again(left))).orElse(result);
    }

    // ---- counting

    private boolean valid(KubeObject pod) {
      int index = JobIndexes.of(pod);
      return !indexed || index >= 0 && index < completions.orElse(0L);
    }

    private boolean isFailed(KubeObject pod) {
      return PodState.phase(pod).equals("Failed")
          || !waitsForEnds && pod.deleting() && !PodState.ended(pod);
    }

    /** Counts those whose finalizer is gone: nobody can count them again. */
    private void settle() {
      Set<String> tracked = new HashSet<>();
      all.stream().filter(JobController::tracked).forEach(pod -> tracked.add(pod.uid()));
      int before = uncountedSucceeded.size();
      uncountedSucceeded.retainAll(tracked);
      succeeded += before - uncountedSucceeded.size();
      before = uncountedFailed.size();
      uncountedFailed.retainAll(tracked);
      failed += before - uncountedFailed.size();
    }

    private void takeSucceeded() {
      for (KubeObject pod : all) {
        if (!tracked(pod) || !PodState.phase(pod).equals("Succeeded")) {
          continue;
        }
        if (indexed && valid(pod)) {
          completed.add(JobIndexes.of(pod));
        } else if (!indexed
            && uncountedSucceeded.size() < UNCOUNTED
            && !uncountedFailed.contains(pod.uid())) {
          uncountedSucceeded.add(pod.uid());
        }
      }
      if (indexed) {
        succeeded = completed.size();
      }
    }

    private Verdict verdict(KubeObject pod) {
      return JobPolicies.failure(spec, pod);
    }

    private boolean counts(KubeObject pod) {
      return verdict(pod).action() != Action.IGNORE;
    }

    /** Which indexes have failed for good, and which are to be tried again. */
    private void judgeIndexes() {
      for (KubeObject pod : fresh) {
        Action action = verdict(pod).action();
        boolean spent =
            JobIndexes.number(pod, INDEX_FAILURES, 0) >= spec.integer("backoffLimitPerIndex");
        if (action == Action.FAIL_INDEX || action != Action.IGNORE && spent) {
          failedIndexes.add(JobIndexes.of(pod));
        }
      }
      Set<Integer> running = new HashSet<>();
      active.forEach(pod -> running.add(JobIndexes.of(pod)));
      for (KubeObject pod : fresh) {
        int index = JobIndexes.of(pod);
        if (!completed.contains(index)
            && !failedIndexes.contains(index)
            && !running.contains(index)) {
          toReplace.merge(
              index,
              pod,
              (one, other) ->
                  failures(one) <= failures(other) && !ended(other).isBefore(ended(one))
                      ? other
                      : one);
        }
      }
    }

    private static long failures(KubeObject pod) {
      return JobIndexes.number(pod, INDEX_FAILURES, 0) + JobIndexes.number(pod, INDEX_IGNORED, 0);
    }

    /**
     * Enters ended pods into the lists of the status and tells which may lose their finalizer once
     * that is written.
     */
    private List<KubeObject> take(Optional<End> end) {
      List<KubeObject> released = new ArrayList<>();
      for (KubeObject pod : all) {
        if (!tracked(pod)) {
          continue;
        }
        if (PodState.phase(pod).equals("Succeeded")) {
          if (indexed || uncountedSucceeded.contains(pod.uid())) {
            released.add(pod);
          }
          continue;
        }
        boolean bad =
            // After a success a pod that is being stopped is none, whatever its end looks like.
            end.map(e -> !e.success() || PodState.phase(pod).equals("Failed") && !pod.deleting())
                .orElseGet(() -> isFailed(pod));
        if (end.isEmpty() && (!bad || remembered(pod))) {
          continue;
        }
        if (bad && valid(pod) && counts(pod)) {
          if (uncountedSucceeded.size() + uncountedFailed.size() >= UNCOUNTED
              && !uncountedFailed.contains(pod.uid())) {
            continue; // a later run takes it
          }
          uncountedFailed.add(pod.uid());
        }
        released.add(pod);
      }
      return released;
    }

    private boolean remembered(KubeObject pod) {
      KubeObject last = toReplace.get(JobIndexes.of(pod));
      return last != null && last.uid().equals(pod.uid());
    }

    // ---- the end

    private record End(boolean success, String reason, String message) {
      /** The condition that says what is decided, before it is done. */
      String target() {
        return success ? "SuccessCriteriaMet" : "FailureTarget";
      }
    }

    private Optional<End> end() {
      for (String type : List.of("SuccessCriteriaMet", "FailureTarget")) {
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
      for (KubeObject pod : spec.has("podFailurePolicy") ? all : List.<KubeObject>of()) {
        Verdict verdict = isFailed(pod) ? verdict(pod) : new Verdict(Action.COUNT, "");
        if (verdict.action() == Action.FAIL_JOB) {
          return failure("PodFailurePolicy", verdict.message());
        }
      }
      long failures = failed + uncountedFailed.size() + fresh.stream().filter(this::counts).count();
      if (failures > spec.integerOr(6, "backoffLimit") || restartsExceeded()) {
        return failure("BackoffLimitExceeded", "Job has reached the specified backoff limit");
      }
      if (deadline().map(left -> !left.isPositive()).orElse(false)) {
        return failure("DeadlineExceeded", "Job was active longer than specified deadline");
      }
      if (perIndex
          && failedIndexes.size() > spec.integerOr(Integer.MAX_VALUE, "maxFailedIndexes")) {
        return failure(
            "MaxFailedIndexesExceeded",
            "Job has exceeded the specified maximal number of failed indexes");
      }
      if (perIndex
          && !failedIndexes.isEmpty()
          && failedIndexes.size() + completed.size() >= completions.orElse(0L)) {
        return failure("FailedIndexes", "Job has failed indexes");
      }
      Optional<String> rule =
          indexed ? JobPolicies.success(spec, completions.orElse(0L), completed) : Optional.empty();
      if (rule.isPresent()) {
        return Optional.of(new End(true, "SuccessPolicy", rule.get()));
      }
      long good = succeeded + uncountedSucceeded.size();
      boolean done =
          completions
              .map(number -> good >= number && active.isEmpty())
              .orElse(good > 0 && active.isEmpty());
      return done
          ? Optional.of(
              new End(true, "CompletionsReached", "Reached expected number of succeeded pods"))
          : Optional.empty();
    }

    private static Optional<End> failure(String reason, String message) {
      return Optional.of(new End(false, reason, message));
    }

    private boolean restartsExceeded() {
      if (!spec.text("template", "spec", "restartPolicy").equals("OnFailure")) {
        return false;
      }
      long restarts = 0;
      for (KubeObject pod : all) {
        if (!Set.of("Running", "Pending").contains(PodState.phase(pod))) {
          continue;
        }
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
      if (suspended || !spec.has("activeDeadlineSeconds") || !status.has("startTime")) {
        return Optional.empty();
      }
      return Optional.of(
          timeline.until(
              Writes.instant(status.text("startTime"))
                  .plusSeconds(spec.integer("activeDeadlineSeconds"))));
    }

    private long terminating() {
      return stopped + all.stream().filter(pod -> pod.deleting() && !PodState.ended(pod)).count();
    }

    /** Says first what is decided, and once all pods are counted and gone that it is over. */
    private void announce(Optional<End> decided) {
      if (decided.isEmpty()) {
        return;
      }
      End end = decided.get();
      if (!Conditions.isTrue(status, end.target())) {
        condition(end);
      }
      boolean counted =
          uncountedFailed.isEmpty()
              && uncountedSucceeded.isEmpty()
              && all.stream().noneMatch(JobController::tracked);
      if (!counted || terminating() > 0) {
        return;
      }
      condition(end.success() ? "Complete" : "Failed", "True", end.reason(), end.message());
      if (!end.success()) {
        events.warning(job, end.reason(), end.message());
        return;
      }
      status = status.with("completionTime", Times.text(now));
      if (completions.map(number -> succeeded > number).orElse(false)) {
        events.warning(
            job,
            "TooManySucceededPods",
            "Too many succeeded pods running after completion count reached");
      }
      events.normal(job, "Completed", "Job completed");
    }

    private void condition(End end) {
      condition(end.target(), "True", end.reason(), end.message());
    }

    private void condition(String type, String value, String reason, String message) {
      List<JsonObject> conditions =
          Conditions.with(status, type, value, reason, message, now).stream()
              .map(
                  condition ->
                      condition.text("type").equals(type)
                          ? condition.with("lastProbeTime", Times.text(now))
                          : condition)
              .toList();
      status = status.with("conditions", conditions);
    }

    // ---- suspending, stopping, writing

    private void suspension() {
      Optional<JsonObject> condition = Conditions.find(status, "Suspended");
      boolean was = condition.map(c -> c.text("status").equals("True")).orElse(false);
      if (suspended && !was) {
        condition("Suspended", "True", "JobSuspended", "Job suspended");
        events.normal(job, "Suspended", "Job suspended");
      } else if (!suspended && was) {
        condition("Suspended", "False", "JobResumed", "Job resumed");
        events.normal(job, "Resumed", "Job resumed");
        // The deadline counts from here: it is about the time that a Job is active in one stretch.
        status = status.with("startTime", Times.text(now));
      }
    }

    private void write() throws InterruptedException {
      JsonObject.Builder next = JsonObject.builder();
      for (String name : List.of("conditions", "startTime", "completionTime")) {
        status.get(name).ifPresent(value -> next.putNonEmpty(name, value));
      }
      next.putAll(ReplicaSetController.positive("active", active.size()))
          .putAll(ReplicaSetController.positive("succeeded", succeeded))
          .putAll(ReplicaSetController.positive("failed", failed))
          .put("terminating", terminating())
          .putNonEmpty("completedIndexes", JobIndexes.text(completed));
      if (perIndex) {
        next.put("failedIndexes", JobIndexes.text(failedIndexes));
      }
      next.put(
              "uncountedTerminatedPods",
              JsonObject.builder()
                  .putNonEmpty("succeeded", uncountedSucceeded)
                  .putNonEmpty("failed", uncountedFailed)
                  .build())
          .put("ready", active.stream().filter(PodState::ready).count());
      JsonObject written = next.build();
      if (!written.equals(job.status())) {
        Writes.awaitSeen(
            jobs, client.updateSubresource(Resources.JOBS, job.withStatus(written), "status"));
      }
    }

    /** Removes pods that have done nothing wrong: they are not counted. */
    private void stop(List<KubeObject> doomed) throws InterruptedException {
      doomed.forEach(JobController.this::untrack);
      podControl.deleteAll(job, doomed);
      stopped += doomed.size();
      active = active.stream().filter(pod -> !doomed.contains(pod)).toList();
    }

    // ---- making pods

    private Result manage() throws InterruptedException {
      long good = succeeded + uncountedSucceeded.size();
      long wanted =
          completions
              .map(number -> Math.min(parallelism, Math.max(0, number - good)))
              .orElse(good > 0 ? active.size() : parallelism);
      List<KubeObject> surplus = surplus(Math.max(0, active.size() - wanted));
      if (!surplus.isEmpty()) {
        stop(surplus);
        return Result.again(Duration.ofMillis(1)); // the status counts those that are left
      }
      long leaving = waitsForEnds ? terminating() : 0;
      int missing = (int) Math.min(BURST, Math.max(0, wanted - active.size() - leaving));
      if (missing == 0) {
        return Result.DONE;
      }
      Duration pause = perIndex ? Duration.ZERO : pause();
      if (pause.isPositive()) {
        return Result.again(pause);
      }
      List<Integer> indexes = new ArrayList<>();
      if (indexed) {
        for (int index : freeIndexes(missing)) {
          Duration left = pause(index);
          if (left.isPositive()) {
            pause = pause.isZero() || left.compareTo(pause) < 0 ? left : pause;
          } else {
            indexes.add(index);
          }
        }
        if (indexes.isEmpty()) {
          return pause.isZero() ? Result.DONE : Result.again(pause);
        }
      }
      try {
        podControl.createAll(
            job, indexed ? indexes.size() : missing, i -> pod(indexed ? indexes.get(i) : -1));
      } catch (ApiException e) {
        if (!e.isNamespaceGoing()) {
          throw e;
        }
      }
      return Result.again(Duration.ofMillis(1)); // the status counts the new ones
    }

    /** Pods to stop: those without a place of their own, and as many more as are too many. */
    private List<KubeObject> surplus(long atLeast) {
      List<KubeObject> doomed = new ArrayList<>();
      List<KubeObject> left = new ArrayList<>(active);
      left.sort(PodState.deletionOrder(Map.of()).reversed());
      if (indexed) {
        Set<Integer> seen = new HashSet<>();
        left.removeIf(
            pod -> {
              boolean misplaced = !valid(pod) || !seen.add(JobIndexes.of(pod));
              if (misplaced) {
                doomed.add(pod);
              }
              return misplaced;
            });
      }
      while (doomed.size() < atLeast) {
        doomed.add(left.removeLast());
      }
      return doomed.size() > BURST ? doomed.subList(0, BURST) : doomed;
    }

    private static Duration pauseAfter(long failures) {
      Duration pause = FIRST_PAUSE.multipliedBy(1L << Math.min(failures - 1, 10));
      return pause.compareTo(LONGEST_PAUSE) > 0 ? LONGEST_PAUSE : pause;
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
        if (isFailed(pod) && ended(pod).isAfter(lastSuccess)) {
          failures++;
          lastFailure = ended(pod).isAfter(lastFailure) ? ended(pod) : lastFailure;
        }
      }
      return failures == 0 ? Duration.ZERO : timeline.until(lastFailure.plus(pauseAfter(failures)));
    }

    /** The same for one index, where each has a limit of its own. */
    private Duration pause(int index) {
      KubeObject last = toReplace.get(index);
      return last == null
          ? Duration.ZERO
          : timeline.until(ended(last).plus(pauseAfter(failures(last) + 1)));
    }

    private List<Integer> freeIndexes(int count) {
      Set<Integer> taken = new HashSet<>(completed);
      taken.addAll(failedIndexes);
      for (KubeObject pod : all) {
        if (PodState.active(pod) || waitsForEnds && pod.deleting() && !PodState.ended(pod)) {
          taken.add(JobIndexes.of(pod));
        }
      }
      return Stream.iterate(0, index -> index < completions.orElse(0L), index -> index + 1)
          .filter(index -> !taken.contains(index))
          .limit(count)
          .toList();
    }

    private KubeObject pod(int index) {
      KubeObject pod = PodControl.fromTemplate(spec.object("template"), Resources.JOBS, job);
      List<String> finalizers = new ArrayList<>(pod.finalizers());
      if (!finalizers.contains(FINALIZER)) {
        finalizers.add(FINALIZER);
      }
      pod = pod.withMetadata("finalizers", finalizers);
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
      JsonObject podSpec = pod.spec().with("hostname", job.name() + "-" + number);
      for (String list : List.of("initContainers", "containers")) {
        if (podSpec.has(list)) {
          podSpec =
              podSpec.with(list, podSpec.objects(list).stream().map(this::withIndex).toList());
        }
      }
      JsonObject annotations = pod.metadata().object("annotations").with(INDEX, number);
      if (perIndex) {
        annotations = withFailures(annotations, toReplace.get(index));
      }
      String suffix = "-" + number + "-";
      String prefix = job.name();
      return pod.withMetadata("labels", labels.with(INDEX, number))
          .withMetadata("annotations", annotations)
          // The server cuts names for room; the index has to stay in.
          .withMetadata(
              "generateName",
              prefix.substring(0, Math.min(prefix.length(), 58 - suffix.length())) + suffix)
          .with("spec", podSpec);
    }

    private JsonObject withFailures(JsonObject annotations, @Nullable KubeObject replaced) {
      if (replaced == null) {
        return annotations.with(INDEX_FAILURES, "0");
      }
      boolean counts = counts(replaced);
      long failures = JobIndexes.number(replaced, INDEX_FAILURES, 0) + (counts ? 1 : 0);
      long ignored = JobIndexes.number(replaced, INDEX_IGNORED, 0) + (counts ? 0 : 1);
      JsonObject with = annotations.with(INDEX_FAILURES, Long.toString(failures));
      return ignored == 0 ? with : with.with(INDEX_IGNORED, Long.toString(ignored));
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

  /** When a pod ended: its last container's end, or else when it stopped being ready. */
  private static Instant ended(KubeObject pod) {
    Instant latest = Instant.EPOCH;
    for (JsonObject container : pod.status().objects("containerStatuses")) {
      Instant end = Writes.instant(container.text("state", "terminated", "finishedAt"));
      latest = end.isAfter(latest) ? end : latest;
    }
    if (latest.isAfter(Instant.EPOCH)) {
      return latest;
    }
    Optional<JsonObject> notReady =
        Conditions.find(pod.status(), "Ready").filter(c -> c.text("status").equals("False"));
    if (notReady.isPresent() && !notReady.get().text("lastTransitionTime").isEmpty()) {
      return Writes.instant(notReady.get().text("lastTransitionTime"));
    }
    if (pod.deleting()) {
      return Writes.instant(pod.metadata().text("deletionTimestamp"))
          .minusSeconds(pod.metadata().integer("deletionGracePeriodSeconds"));
    }
    return PodState.created(pod);
  }
}
