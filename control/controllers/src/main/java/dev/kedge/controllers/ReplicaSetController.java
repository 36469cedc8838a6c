package dev.kedge.controllers;

import dev.kedge.client.Events;
import dev.kedge.client.Informer;
import dev.kedge.client.KubeClient;
import dev.kedge.model.ApiException;
import dev.kedge.model.JsonObject;
import dev.kedge.model.KubeObject;
import dev.kedge.model.LabelSelector;
import dev.kedge.model.ObjectKey;
import dev.kedge.model.ResourceType;
import dev.kedge.model.Resources;
import dev.kedge.reconcile.Controller;
import dev.kedge.reconcile.Reconciler;
import dev.kedge.reconcile.Timeline;
import java.time.Duration;
import java.time.Instant;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;

/** Keeps as many pods as a ReplicaSet, or a ReplicationController, asks for. */
final class ReplicaSetController implements Reconciler {
  /** Pods made or removed in one run; the rest follows in the next. */
  private static final int BURST = 500;

  private final ResourceType type;
  private final KubeClient client;
  private final Timeline timeline;
  private final Informer sets;
  private final Informer pods;
  private final PodControl podControl;

  private ReplicaSetController(ResourceType type, ControllerContext context, Events events) {
    this.type = type;
    this.client = context.client();
    this.timeline = context.timeline();
    this.sets = context.informer(type);
    this.pods = context.informer(Resources.PODS);
    this.podControl = new PodControl(client, pods, events);
  }

  static Controller replicaSets(ControllerContext context, Recorders recorders) {
    return create(
        "replicaset", Resources.REPLICA_SETS, context, recorders.of("replicaset-controller"));
  }

  static Controller replicationControllers(ControllerContext context, Recorders recorders) {
    return create(
        "replicationcontroller",
        Resources.REPLICATION_CONTROLLERS,
        context,
        recorders.of("replication-controller"));
  }

  private static Controller create(
      String name, ResourceType type, ControllerContext context, Events events) {
    ReplicaSetController reconciler = new ReplicaSetController(type, context, events);
    return Controller.builder(name, context.timeline(), reconciler)
        .workers(10)
        .watches(reconciler.sets)
        .owned(reconciler.pods, type)
        .watches(reconciler.pods, reconciler::setsOfOrphan)
        .build();
  }

  /** Sets that may adopt a pod that nobody controls. */
  private List<ObjectKey> setsOfOrphan(KubeObject pod) {
    if (pod.controller().isPresent() || pod.deleting() || pod.labels().isEmpty()) {
      return List.of();
    }
    return sets.inNamespace(pod.namespace()).stream()
        .filter(set -> selector(set).matches(pod.labels()))
        .map(KubeObject::key)
        .toList();
  }

  private LabelSelector selector(KubeObject set) {
    return type.equals(Resources.REPLICATION_CONTROLLERS)
        ? LabelSelector.ofLabels(set.spec().map("selector"))
        : LabelSelector.of(set.spec().object("selector"));
  }

  @Override
  public Result reconcile(ObjectKey key) throws InterruptedException {
    Optional<KubeObject> found = sets.get(key);
    if (found.isEmpty()) {
      return Result.DONE;
    }
    KubeObject set = found.get();
    List<KubeObject> active =
        Owners.claim(client, type, set, selector(set), Resources.PODS, pods).stream()
            .filter(PodState::active)
            .toList();
    Optional<ApiException> failure = Optional.empty();
    String failureReason = "";
    long wanted = set.spec().integerOr(1, "replicas");
    if (!set.deleting()) {
      try {
        if (active.size() < wanted) {
          failureReason = "FailedCreate";
          create(set, (int) Math.min(BURST, wanted - active.size()));
        } else if (active.size() > wanted) {
          failureReason = "FailedDelete";
          delete(set, active, (int) Math.min(BURST, active.size() - wanted));
        }
      } catch (ApiException e) {
        if (e.isNamespaceGoing()) {
          return Result.DONE;
        }
        failure = Optional.of(e);
      }
    }
    List<KubeObject> now = pods.controlledBy(set.uid()).stream().filter(PodState::active).toList();
    Result result = updateStatus(set, now, failure, failureReason);
    if (failure.isPresent()) {
      throw failure.get();
    }
    return now.size() == wanted || set.deleting() ? result : Result.again(Duration.ZERO);
  }

  private void create(KubeObject set, int count) throws InterruptedException {
    KubeObject pod = PodControl.fromTemplate(set.spec().object("template"), type, set);
    podControl.createAll(set, count, _ -> pod);
  }

  private void delete(KubeObject set, List<KubeObject> active, int count)
      throws InterruptedException {
    // Crowding counts the pods of all sets of the same owner, as of a Deployment being rolled.
    Map<String, Long> perNode = new HashMap<>();
    List<KubeObject> related = new ArrayList<>(active);
    set.controller()
        .ifPresent(
            owner -> {
              for (KubeObject sibling : sets.controlledBy(owner.text("uid"))) {
                if (!sibling.uid().equals(set.uid())) {
                  related.addAll(pods.controlledBy(sibling.uid()));
                }
              }
            });
    for (KubeObject pod : related) {
      if (PodState.active(pod)) {
        perNode.merge(pod.spec().text("nodeName"), 1L, Long::sum);
      }
    }
    List<KubeObject> doomed =
        active.stream().sorted(PodState.deletionOrder(perNode)).limit(count).toList();
    podControl.deleteAll(set, doomed);
  }

  private Result updateStatus(
      KubeObject set, List<KubeObject> active, Optional<ApiException> failure, String reason) {
    Instant now = timeline.instant();
    long minReady = set.spec().integer("minReadySeconds");
    Map<String, String> templateLabels = set.spec().map("template", "metadata", "labels");
    LabelSelector template = LabelSelector.ofLabels(templateLabels);
    long labelled = 0;
    long ready = 0;
    long available = 0;
    long terminating =
        pods.controlledBy(set.uid()).stream()
            .filter(pod -> pod.deleting() && !PodState.ended(pod))
            .count();
    Result result = Result.DONE;
    for (KubeObject pod : active) {
      labelled += template.matches(pod.labels()) ? 1 : 0;
      ready += PodState.ready(pod) ? 1 : 0;
      available += PodState.available(pod, minReady, now) ? 1 : 0;
      Optional<Duration> soon = PodState.availableIn(pod, minReady, now);
      if (soon.isPresent()) {
        result = result.sooner(Result.again(soon.get()));
      }
    }
    JsonObject old = set.status();
    List<JsonObject> conditions =
        failure
            .map(
                e ->
                    Conditions.with(
                        old, "ReplicaFailure", "True", reason, e.status().message(), now))
            .orElseGet(() -> Conditions.without(old, "ReplicaFailure"));
    JsonObject.Builder status =
        JsonObject.builder()
            .put("replicas", active.size())
            .putAll(positive("fullyLabeledReplicas", labelled))
            .putAll(positive("readyReplicas", ready))
            .putAll(positive("availableReplicas", available))
            .put("observedGeneration", set.generation())
            .putNonEmpty("conditions", conditions);
    if (type.equals(Resources.REPLICA_SETS)) {
      status.put("terminatingReplicas", terminating);
    }
    Writes.status(client, type, set, status.build());
    return result;
  }

  /** A count that is left out when zero, as upstream's serialisation does. */
  static JsonObject positive(String name, long count) {
    return count == 0 ? JsonObject.EMPTY : JsonObject.of(name, count);
  }
}
