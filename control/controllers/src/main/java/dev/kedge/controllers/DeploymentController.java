package dev.kedge.controllers;

import static dev.kedge.controllers.DeploymentSets.available;
import static dev.kedge.controllers.DeploymentSets.replicas;

import dev.kedge.client.Events;
import dev.kedge.client.Informer;
import dev.kedge.client.KubeClient;
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
import java.util.List;
import java.util.Optional;
import org.jspecify.annotations.Nullable;

/**
 * Rolls Deployments: one ReplicaSet per template, the new one grows while the old ones shrink
 * within {@code maxSurge} and {@code maxUnavailable}, or after they are empty (Recreate).
 */
final class DeploymentController implements Reconciler {
  private static final Comparator<KubeObject> OLDEST_FIRST =
      Comparator.comparing(PodState::created).thenComparing(KubeObject::name);

  private final KubeClient client;
  private final Timeline timeline;
  private final Events events;
  private final Informer deployments;
  private final Informer sets;
  private final Informer pods;

  private DeploymentController(ControllerContext context, Events events) {
    this.client = context.client();
    this.timeline = context.timeline();
    this.events = events;
    this.deployments = context.informer(Resources.DEPLOYMENTS);
    this.sets = context.informer(Resources.REPLICA_SETS);
    this.pods = context.informer(Resources.PODS);
  }

  static Controller create(ControllerContext context, Recorders recorders) {
    DeploymentController reconciler =
        new DeploymentController(context, recorders.of("deployment-controller"));
    return Controller.builder("deployment", context.timeline(), reconciler)
        .workers(10)
        .watches(reconciler.deployments)
        .owned(reconciler.sets, Resources.DEPLOYMENTS)
        .watches(reconciler.sets, reconciler::deploymentsOfOrphan)
        .changes(reconciler.pods, reconciler::recreateWaitsForPod)
        .build();
  }

  private List<ObjectKey> deploymentsOfOrphan(KubeObject set) {
    if (set.controller().isPresent() || set.deleting()) {
      return List.of();
    }
    return deployments.inNamespace(set.namespace()).stream()
        .filter(
            deployment ->
                LabelSelector.of(deployment.spec().object("selector")).matches(set.labels()))
        .map(KubeObject::key)
        .toList();
  }

  /** A Recreate waits until the old pods are gone: their end matters, nothing else about them. */
  private List<ObjectKey> recreateWaitsForPod(
      Optional<KubeObject> before, Optional<KubeObject> after) {
    KubeObject pod = after.or(() -> before).orElseThrow();
    if (after.isPresent() && !PodState.ended(pod)) {
      return List.of();
    }
    String setName =
        pod.controller()
            .filter(owner -> owner.text("kind").equals("ReplicaSet"))
            .map(owner -> owner.text("name"))
            .orElse("");
    return setName.isEmpty()
        ? List.of()
        : sets.get(pod.namespace(), setName)
            .flatMap(KubeObject::controller)
            .map(owner -> new ObjectKey(pod.namespace(), owner.text("name")))
            .filter(
                key ->
                    deployments
                        .get(key)
                        .map(d -> d.spec().text("strategy", "type").equals("Recreate"))
                        .orElse(false))
            .map(List::of)
            .orElse(List.of());
  }

  @Override
  public Result reconcile(ObjectKey key) throws InterruptedException {
    Optional<KubeObject> found = deployments.get(key);
    if (found.isEmpty()) {
      return Result.DONE;
    }
    KubeObject deployment = found.get();
    LabelSelector selector = LabelSelector.of(deployment.spec().object("selector"));
    if (selector.isEmpty()) {
      events.warning(
          deployment,
          "SelectingAll",
          "This deployment is selecting all pods. A non-empty selector is required.");
      return Result.DONE;
    }
    List<KubeObject> owned =
        Owners.claim(
            client, Resources.DEPLOYMENTS, deployment, selector, Resources.REPLICA_SETS, sets);
    return new Rollout(deployment, owned).run();
  }

  /** One run over one Deployment. */
  private final class Rollout {
    private final KubeObject deployment;
    private final long wanted;
    private final long surge;
    private final long unavailable;
    private final Instant now = timeline.instant();
    private List<KubeObject> all;
    private @Nullable KubeObject current;
    private JsonObject status;

    Rollout(KubeObject deployment, List<KubeObject> owned) {
      this.deployment = deployment;
      this.status = deployment.status();
      this.wanted = deployment.spec().integerOr(1, "replicas");
      DeploymentSets.Bounds bounds = DeploymentSets.bounds(deployment);
      this.surge = bounds.surge();
      this.unavailable = bounds.unavailable();
      this.all = new ArrayList<>(owned.stream().sorted(OLDEST_FIRST).toList());
      this.current = DeploymentSets.current(deployment, all).orElse(null);
    }

    Result run() throws InterruptedException {
      if (deployment.deleting()) {
        return report();
      }
      boolean paused = deployment.spec().flag("paused");
      pauseCondition(paused);
      if (paused) {
        revise(false);
        scale();
        cleanUpIf(true);
        return report();
      }
      if (DeploymentSets.scaled(deployment, all)) {
        revise(false);
        scale();
        return report();
      }
      if (deployment.spec().text("strategy", "type").equals("Recreate")) {
        recreate();
      } else {
        roll();
      }
      cleanUpIf(DeploymentSets.complete(deployment, totals()));
      return report();
    }

    private List<KubeObject> old() {
      return all.stream()
          .filter(set -> current == null || !set.uid().equals(current.uid()))
          .toList();
    }

    // ---- strategies

    private void recreate() throws InterruptedException {
      revise(false);
      boolean scaledDown = false;
      for (KubeObject set : old()) {
        if (replicas(set) > 0) {
          scale(set, 0);
          scaledDown = true;
        }
      }
      if (scaledDown || oldPodsRun()) {
        return;
      }
      revise(true);
      if (current != null && replicas(current) != wanted) {
        scale(current, wanted);
      }
    }

    private boolean oldPodsRun() {
      for (KubeObject set : old()) {
        for (KubeObject pod : pods.controlledBy(set.uid())) {
          if (!PodState.ended(pod)) {
            return true;
          }
        }
      }
      return false;
    }

    private void roll() throws InterruptedException {
      revise(true);
      KubeObject fresh = current;
      if (fresh == null) {
        return;
      }
      if (replicas(fresh) != wanted) {
        long size = replicas(fresh) > wanted ? wanted : newSetSize(fresh);
        if (size != replicas(fresh)) {
          scale(fresh, size);
          return;
        }
      }
      shrinkOld(fresh);
    }

    private long newSetSize(KubeObject fresh) {
      long sum = all.stream().mapToLong(DeploymentSets::replicas).sum();
      long room = wanted + surge - sum;
      return room <= 0
          ? replicas(fresh)
          : replicas(fresh) + Math.min(room, wanted - replicas(fresh));
    }

    private void shrinkOld(KubeObject fresh) throws InterruptedException {
      List<KubeObject> old = old();
      if (old.stream().mapToLong(DeploymentSets::replicas).sum() == 0) {
        return;
      }
      long sum = all.stream().mapToLong(DeploymentSets::replicas).sum();
      long least = wanted - unavailable;
      long freshUnavailable = replicas(fresh) - available(fresh);
      long most = sum - least - freshUnavailable;
      if (most <= 0) {
        return;
      }
      // Pods that are not available are no loss: they go first.
      long gone = 0;
      List<KubeObject> changed = new ArrayList<>();
      for (KubeObject set : old) {
        long broken = Math.min(most - gone, replicas(set) - available(set));
        if (broken > 0 && replicas(set) > 0) {
          gone += broken;
          changed.add(scale(set, replicas(set) - broken));
        } else {
          changed.add(set);
        }
      }
      long surplus = all.stream().mapToLong(DeploymentSets::available).sum() - least;
      for (KubeObject set : changed) {
        if (surplus <= 0) {
          return;
        }
        long down = Math.min(replicas(set), surplus);
        if (down > 0) {
          surplus -= down;
          scale(set, replicas(set) - down);
        }
      }
    }

    // ---- scaling outside a roll-out

    private void scale() throws InterruptedException {
      List<KubeObject> active = all.stream().filter(set -> replicas(set) > 0).toList();
      Optional<KubeObject> only =
          active.size() == 1
              ? Optional.of(active.getFirst())
              : active.isEmpty()
                  ? Optional.ofNullable(current).or(() -> all.stream().max(OLDEST_FIRST))
                  : Optional.empty();
      if (only.isPresent()) {
        if (replicas(only.get()) != wanted) {
          scale(only.get(), wanted);
        } else {
          annotateSizes(only.get());
        }
        return;
      }
      if (current != null && DeploymentSets.saturated(deployment, current)) {
        for (KubeObject set : old()) {
          if (replicas(set) > 0) {
            scale(set, 0);
          }
        }
        return;
      }
      if (!deployment.spec().text("strategy", "type").equals("Recreate")) {
        for (DeploymentSets.Size size : DeploymentSets.proportional(deployment, active, surge)) {
          scale(size.set(), size.replicas());
        }
      }
    }

    private void annotateSizes(KubeObject set) throws InterruptedException {
      KubeObject annotated = DeploymentSets.withSizes(set, wanted, wanted + surge);
      if (!annotated.equals(set)) {
        put(client.update(Resources.REPLICA_SETS, annotated));
      }
    }

    private KubeObject scale(KubeObject set, long size) throws InterruptedException {
      long before = replicas(set);
      KubeObject changed =
          DeploymentSets.withSizes(
              set.with("spec", set.spec().with("replicas", size)), wanted, wanted + surge);
      if (changed.equals(set)) {
        return set;
      }
      KubeObject written = client.update(Resources.REPLICA_SETS, changed);
      put(written);
      if (before != size) {
        events.normal(
            deployment,
            "ScalingReplicaSet",
            "Scaled "
                + (size > before ? "up" : "down")
                + " replica set "
                + set.name()
                + " from "
                + before
                + " to "
                + size);
      }
      return written;
    }

    private void put(KubeObject written) throws InterruptedException {
      Writes.awaitSeen(sets, written);
      all.removeIf(set -> set.uid().equals(written.uid()));
      all.add(written);
      all.sort(OLDEST_FIRST);
      if (current != null && current.uid().equals(written.uid())) {
        current = written;
      }
    }

    // ---- revisions

    /** Finds or makes the set of the present template and numbers the revisions. */
    private void revise(boolean create) throws InterruptedException {
      long last = old().stream().mapToLong(DeploymentSets::revision).max().orElse(0);
      String revision = Long.toString(last + 1);
      if (current != null) {
        KubeObject annotated = DeploymentSets.withRevision(deployment, current, revision);
        long minReady = deployment.spec().integer("minReadySeconds");
        if (annotated.spec().integer("minReadySeconds") != minReady) {
          annotated = annotated.with("spec", annotated.spec().with("minReadySeconds", minReady));
        }
        if (!annotated.equals(current)) {
          put(client.update(Resources.REPLICA_SETS, annotated));
        }
        annotateDeployment(DeploymentSets.revisionText(current));
        if (hasDeadline() && Conditions.find(status, "Progressing").isEmpty()) {
          progress(
              "True", "FoundNewReplicaSet", "Found new replica set \"" + current.name() + "\"");
        }
        return;
      }
      if (!create) {
        return;
      }
      KubeObject wish =
          DeploymentSets.fresh(deployment, revision, wanted, surge, all, collisions());
      try {
        KubeObject made = client.create(Resources.REPLICA_SETS, wish);
        current = made;
        put(made);
        annotateDeployment(revision);
        if (hasDeadline()) {
          progress(
              "True", "NewReplicaSetCreated", "Created new replica set \"" + made.name() + "\"");
        }
        if (replicas(made) > 0) {
          events.normal(
              deployment,
              "ScalingReplicaSet",
              "Scaled up replica set " + made.name() + " from 0 to " + replicas(made));
        }
      } catch (ApiException e) {
        if (e.isAlreadyExists()) {
          // Another template has the same hash: a new salt gives another name.
          status = status.with("collisionCount", collisions() + 1);
          client.updateSubresource(Resources.DEPLOYMENTS, deployment.withStatus(status), "status");
        } else if (!e.isNamespaceGoing()) {
          events.warning(
              deployment,
              "ReplicaSetCreateError",
              "Failed to create new replica set \"" + wish.name() + "\": " + e.status().message());
          if (hasDeadline()) {
            progress("False", "ReplicaSetCreateError", e.status().message());
            Writes.status(client, Resources.DEPLOYMENTS, deployment, status);
          }
        }
        throw e;
      }
    }

    private long collisions() {
      return status.integer("collisionCount");
    }

    private void annotateDeployment(String revision) {
      if (!deployment.annotation(DeploymentSets.REVISION).orElse("").equals(revision)) {
        client.patch(
            Resources.DEPLOYMENTS,
            deployment.namespace(),
            deployment.name(),
            KubeClient.Patch.merge(
                JsonObject.of(
                    "metadata",
                    JsonObject.of(
                        "annotations", JsonObject.of(DeploymentSets.REVISION, revision)))));
        revised = true;
      }
    }

    private boolean revised;

    private void cleanUpIf(boolean due) {
      long limit = deployment.spec().integerOr(10, "revisionHistoryLimit");
      if (!due) {
        return;
      }
      List<KubeObject> idle =
          old().stream()
              .filter(
                  set ->
                      replicas(set) == 0
                          && set.status().integer("replicas") == 0
                          && set.status().integer("observedGeneration") >= set.generation()
                          && !set.deleting())
              .sorted(Comparator.comparingLong(DeploymentSets::revision))
              .toList();
      for (int i = 0; i < idle.size() - limit; i++) {
        Writes.delete(client, Resources.REPLICA_SETS, idle.get(i));
      }
    }

    // ---- status

    private DeploymentSets.Totals totals() {
      return DeploymentSets.totals(all, current);
    }

    private boolean hasDeadline() {
      return deployment.spec().integerOr(Integer.MAX_VALUE, "progressDeadlineSeconds")
          != Integer.MAX_VALUE;
    }

    private void pauseCondition(boolean paused) {
      if (!hasDeadline()) {
        return;
      }
      String reason = Conditions.find(status, "Progressing").map(c -> c.text("reason")).orElse("");
      if (reason.equals("ProgressDeadlineExceeded")) {
        return;
      }
      if (paused && !reason.equals("DeploymentPaused")) {
        progress("Unknown", "DeploymentPaused", "Deployment is paused");
      } else if (!paused && reason.equals("DeploymentPaused")) {
        progress("Unknown", "DeploymentResumed", "Deployment is resumed");
      }
    }

    private void progress(String value, String reason, String message) {
      List<JsonObject> conditions =
          Conditions.with(status, "Progressing", value, reason, message, now);
      status =
          status.with(
              "conditions",
              conditions.stream()
                  .map(
                      condition ->
                          condition.text("type").equals("Progressing")
                              ? condition.with("lastUpdateTime", Times.text(now))
                              : condition)
                  .toList());
    }

    private Result report() {
      DeploymentSets.Totals totals = totals();
      JsonObject before = deployment.status();
      boolean enough = totals.available() >= wanted - unavailable;
      List<JsonObject> conditions =
          Conditions.with(
              status,
              "Available",
              enough ? "True" : "False",
              enough ? "MinimumReplicasAvailable" : "MinimumReplicasUnavailable",
              enough
                  ? "Deployment has minimum availability."
                  : "Deployment does not have minimum availability.",
              now);
      status = status.with("conditions", touched(conditions, before));
      Result result = deployment.deleting() ? Result.DONE : progress(totals, before);
      failures();
      JsonObject.Builder next = JsonObject.builder();
      next.put("observedGeneration", deployment.generation());
      next.putAll(ReplicaSetController.positive("replicas", totals.replicas()));
      next.putAll(ReplicaSetController.positive("updatedReplicas", totals.updated()));
      next.putAll(ReplicaSetController.positive("readyReplicas", totals.ready()));
      next.putAll(ReplicaSetController.positive("availableReplicas", totals.available()));
      next.putAll(
          ReplicaSetController.positive(
              "unavailableReplicas", Math.max(0, totals.specified() - totals.available())));
      next.put("terminatingReplicas", totals.terminating());
      next.putNonEmpty("conditions", status.array("conditions"));
      if (collisions() > 0) {
        next.put("collisionCount", collisions());
      }
      JsonObject written = next.build();
      if (!written.equals(before)) {
        if (revised) {
          // The annotation moved the version; only the status matters here.
          client.patch(
              Resources.DEPLOYMENTS,
              deployment.namespace(),
              deployment.name(),
              KubeClient.Patch.mergeStatus(withRemovals(before, written)));
        } else {
          Writes.status(client, Resources.DEPLOYMENTS, deployment, written);
        }
      }
      return result;
    }

    private JsonObject withRemovals(JsonObject before, JsonObject after) {
      JsonObject patch = after;
      for (String name : before.names()) {
        if (!after.has(name)) {
          patch = patch.with(name, dev.kedge.model.JsonNull.NULL);
        }
      }
      return patch;
    }

    private List<JsonObject> touched(List<JsonObject> conditions, JsonObject before) {
      return conditions.stream()
          .map(
              condition -> {
                Optional<JsonObject> old = Conditions.find(before, condition.text("type"));
                boolean same =
                    old.isPresent()
                        && old.get()
                            .without("lastUpdateTime")
                            .equals(condition.without("lastUpdateTime"));
                return same || condition.has("lastUpdateTime") && !changedAvailable(condition, old)
                    ? condition
                    : condition.with("lastUpdateTime", Times.text(now));
              })
          .toList();
    }

    private boolean changedAvailable(JsonObject condition, Optional<JsonObject> old) {
      return condition.text("type").equals("Available")
          && old.map(o -> !o.text("status").equals(condition.text("status"))).orElse(true);
    }

    private Result progress(DeploymentSets.Totals totals, JsonObject before) {
      Optional<JsonObject> condition = Conditions.find(status, "Progressing");
      if (!hasDeadline()) {
        status = status.with("conditions", Conditions.without(status, "Progressing"));
        return Result.DONE;
      }
      String reason = condition.map(c -> c.text("reason")).orElse("");
      boolean settled =
          totals.replicas() == totals.updated() && reason.equals("NewReplicaSetAvailable");
      if (settled || deployment.spec().flag("paused")) {
        return Result.DONE;
      }
      String set = current == null ? "" : current.name();
      String what =
          set.isEmpty() ? "Deployment \"" + deployment.name() + "\"" : "ReplicaSet \"" + set + "\"";
      long deadline = deployment.spec().integer("progressDeadlineSeconds");
      if (DeploymentSets.complete(deployment, totals)) {
        progress("True", "NewReplicaSetAvailable", what + " has successfully progressed.");
        return Result.DONE;
      }
      if (totals.progressedSince(before)) {
        progress("True", "ReplicaSetUpdated", what + " is progressing.");
        return Result.again(Duration.ofSeconds(deadline + 1));
      }
      if (condition.isEmpty() || reason.equals("ProgressDeadlineExceeded")) {
        return Result.DONE;
      }
      Instant late = Writes.instant(condition.get().text("lastUpdateTime")).plusSeconds(deadline);
      if (late.isAfter(now)) {
        return Result.again(Duration.between(now, late).plusSeconds(1));
      }
      progress("False", "ProgressDeadlineExceeded", what + " has timed out progressing.");
      return Result.DONE;
    }

    private void failures() {
      Optional<JsonObject> failure =
          Optional.ofNullable(current)
              .flatMap(set -> Conditions.find(set.status(), "ReplicaFailure"))
              .or(
                  () ->
                      old().stream()
                          .flatMap(set -> Conditions.find(set.status(), "ReplicaFailure").stream())
                          .findFirst());
      status =
          status.with(
              "conditions",
              failure
                  .map(
                      c ->
                          Conditions.with(
                              status,
                              "ReplicaFailure",
                              c.text("status"),
                              c.text("reason"),
                              c.text("message"),
                              now))
                  .orElseGet(() -> Conditions.without(status, "ReplicaFailure")));
    }
  }
}
