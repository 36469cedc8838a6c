package dev.kedge.controllers;

import dev.kedge.client.Informer;
import dev.kedge.client.KubeClient;
import dev.kedge.client.KubeClient.DeleteOptions;
import dev.kedge.client.KubeClient.Patch;
import dev.kedge.model.ApiException;
import dev.kedge.model.JsonObject;
import dev.kedge.model.KubeObject;
import dev.kedge.model.ObjectKey;
import dev.kedge.model.Resources;
import dev.kedge.model.Times;
import dev.kedge.reconcile.Controller;
import dev.kedge.reconcile.Reconciler;
import dev.kedge.reconcile.Timeline;
import java.time.Duration;
import java.time.Instant;
import java.util.Comparator;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.concurrent.ConcurrentHashMap;

/**
 * Removes pods that no kubelet will remove: of nodes that are gone (40 s after they went, they may
 * come back) or that somebody declared out of service, those asked to go before they had a node,
 * and the oldest of too many that ended. Who counts ends sees them as failed first.
 */
final class PodGarbageController implements Reconciler {
  private static final int ENDED_KEPT = 12_500;
  private static final Duration QUARANTINE = Duration.ofSeconds(40);
  private static final ObjectKey ENDED = new ObjectKey("", "");

  private final KubeClient client;
  private final Timeline timeline;
  private final Informer pods;
  private final Informer nodes;
  private final Map<String, Instant> missingSince = new ConcurrentHashMap<>();

  private PodGarbageController(ControllerContext context) {
    this.client = context.client();
    this.timeline = context.timeline();
    this.pods = context.informer(Resources.PODS);
    this.nodes = context.informer(Resources.NODES);
  }

  static Controller create(ControllerContext context) {
    PodGarbageController reconciler = new PodGarbageController(context);
    return Controller.builder("pod-garbage", context.timeline(), reconciler)
        .changes(reconciler.pods, reconciler::podChanged)
        .changes(
            reconciler.nodes,
            (before, after) ->
                before.isEmpty()
                        || after.isEmpty()
                        || outOfService(after.get()) && !outOfService(before.get())
                    ? List.of(after.or(() -> before).orElseThrow().key())
                    : List.of())
        .build();
  }

  private List<ObjectKey> podChanged(Optional<KubeObject> before, Optional<KubeObject> after) {
    if (after.isEmpty()) {
      return List.of();
    }
    KubeObject pod = after.get();
    String node = pod.spec().text("nodeName");
    if (node.isEmpty()) {
      return pod.deleting() ? List.of(pod.key()) : List.of();
    }
    Optional<KubeObject> its = nodes.get("", node);
    if (pod.deleting() && its.filter(PodGarbageController::outOfService).isPresent()) {
      return List.of(new ObjectKey("", node));
    }
    boolean ends = PodState.ended(pod) && before.filter(PodState::ended).isEmpty();
    return its.isEmpty() ? List.of(new ObjectKey("", node)) : ends ? List.of(ENDED) : List.of();
  }

  @Override
  public Result reconcile(ObjectKey key) {
    if (key.equals(ENDED)) {
      removeEnded();
      return Result.DONE;
    }
    if (!key.namespace().isEmpty()) {
      pods.get(key)
          .filter(pod -> pod.deleting() && pod.spec().text("nodeName").isEmpty())
          .ifPresent(pod -> remove(pod, ""));
      return Result.DONE;
    }
    return orphans(key.name());
  }

  /** A node that is not ready and will not come back: somebody said so by a taint. */
  private static boolean outOfService(KubeObject node) {
    return !Conditions.isTrue(node.status(), "Ready")
        && node.spec().objects("taints").stream()
            .anyMatch(taint -> taint.text("key").equals("node.kubernetes.io/out-of-service"));
  }

  private Result orphans(String node) {
    Optional<KubeObject> present = nodes.get("", node);
    List<KubeObject> orphans =
        pods.all().stream().filter(pod -> pod.spec().text("nodeName").equals(node)).toList();
    if (present.isPresent()) {
      missingSince.remove(node);
      if (outOfService(present.get())) {
        orphans.stream().filter(KubeObject::deleting).forEach(pod -> remove(pod, ""));
      }
      return Result.DONE;
    }
    if (orphans.isEmpty()) {
      missingSince.remove(node);
      return Result.DONE;
    }
    Instant since = missingSince.computeIfAbsent(node, _ -> timeline.instant());
    Duration left = timeline.until(since.plus(QUARANTINE));
    if (left.isPositive()) {
      return Result.again(left);
    }
    if (client.find(Resources.NODES, "", node).isEmpty()) {
      orphans.forEach(pod -> remove(pod, "PodGC: node no longer exists"));
      missingSince.remove(node);
    }
    return Result.DONE;
  }

  private void removeEnded() {
    List<KubeObject> ended = pods.all().stream().filter(PodState::ended).toList();
    ended.stream()
        .sorted(Comparator.comparing(PodState::created))
        .limit(Math.max(0, ended.size() - ENDED_KEPT))
        .forEach(pod -> remove(pod, ""));
  }

  /**
   * @param disruption why the pod is disrupted; empty if it is not
   */
  private void remove(KubeObject pod, String disruption) {
    try {
      if (!PodState.ended(pod)) {
        fail(pod, disruption);
      }
      client.delete(
          Resources.PODS,
          pod.namespace(),
          pod.name(),
          DeleteOptions.DEFAULT.withGracePeriodSeconds(0).withUid(pod.uid()));
    } catch (ApiException e) {
      if (!e.isNotFound()) {
        throw e;
      }
    }
  }

  private void fail(KubeObject pod, String disruption) {
    JsonObject status = JsonObject.of("phase", "Failed");
    if (!disruption.isEmpty()) {
      status =
          status.with(
              "conditions",
              List.of(
                  JsonObject.of(
                      "type",
                      "DisruptionTarget",
                      "status",
                      "True",
                      "reason",
                      "DeletionByPodGC",
                      "message",
                      disruption,
                      "lastTransitionTime",
                      Times.text(timeline.instant()))));
    }
    client.patch(
        Resources.PODS,
        pod.namespace(),
        pod.name(),
        new Patch(
            KubeClient.PatchType.STRATEGIC,
            JsonObject.of("metadata", JsonObject.of("uid", pod.uid()), "status", status),
            "status",
            "",
            false));
  }
}
