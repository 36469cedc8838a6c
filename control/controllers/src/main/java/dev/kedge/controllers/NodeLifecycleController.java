package dev.kedge.controllers;

import dev.kedge.client.Events;
import dev.kedge.client.Informer;
import dev.kedge.client.KubeClient;
import dev.kedge.client.KubeClient.DeleteOptions;
import dev.kedge.client.KubeClient.Patch;
import dev.kedge.client.KubeClient.PatchType;
import dev.kedge.model.ApiException;
import dev.kedge.model.JsonObject;
import dev.kedge.model.KubeObject;
import dev.kedge.model.ObjectKey;
import dev.kedge.model.Resources;
import dev.kedge.model.Times;
import dev.kedge.reconcile.Controller;
import dev.kedge.reconcile.Reconciler;
import dev.kedge.reconcile.Timeline;
import dev.kedge.scheduler.Taints;
import dev.kedge.scheduler.Taints.Taint;
import dev.kedge.scheduler.Taints.Toleration;
import java.time.Duration;
import java.time.Instant;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.TreeSet;
import java.util.concurrent.ConcurrentHashMap;

/**
 * Watches over nodes: one whose kubelet stopped renewing its Lease becomes Unknown, conditions
 * become taints, and pods that do not tolerate a NoExecute taint (any longer) are evicted. Keys are
 * nodes. Times are this process's own, from when it saw a renewal, so clocks need not agree.
 */
final class NodeLifecycleController implements Reconciler {
  private static final Duration GRACE = Duration.ofSeconds(50);
  private static final Duration STARTUP_GRACE = Duration.ofSeconds(60);
  private static final String NOT_READY = "node.kubernetes.io/not-ready";
  private static final String UNREACHABLE = "node.kubernetes.io/unreachable";

  /** Conditions that keep new pods away while they are true. */
  private static final Map<String, String> PRESSURES =
      Map.of(
          "MemoryPressure", "node.kubernetes.io/memory-pressure",
          "DiskPressure", "node.kubernetes.io/disk-pressure",
          "PIDPressure", "node.kubernetes.io/pid-pressure",
          "NetworkUnavailable", "node.kubernetes.io/network-unavailable");

  private final KubeClient client;
  private final Timeline timeline;
  private final Events events;
  private final Informer nodes;
  private final Informer leases;
  private final Informer pods;
  private final Map<String, Seen> seen = new ConcurrentHashMap<>();
  private final Map<String, Set<ObjectKey>> podsOfNode = new ConcurrentHashMap<>();
  private final Instant started;

  private record Seen(String renewTime, Instant at) {}

  private NodeLifecycleController(ControllerContext context, Events events) {
    this.client = context.client();
    this.timeline = context.timeline();
    this.events = events;
    this.nodes = context.informer(Resources.NODES);
    this.leases = context.informer(Resources.LEASES);
    this.pods = context.informer(Resources.PODS);
    this.started = timeline.instant();
  }

  static Controller create(ControllerContext context, Recorders recorders) {
    NodeLifecycleController reconciler =
        new NodeLifecycleController(context, recorders.of("node-controller"));
    return Controller.builder("node-lifecycle", context.timeline(), reconciler)
        .changes(reconciler.nodes, reconciler::nodeChanged)
        .changes(reconciler.leases, (_, after) -> reconciler.renewed(after))
        .changes(reconciler.pods, reconciler::podChanged)
        .build();
  }

  private List<ObjectKey> nodeChanged(Optional<KubeObject> before, Optional<KubeObject> after) {
    KubeObject node = after.or(() -> before).orElseThrow();
    if (before.isEmpty()) {
      event(node, "RegisteredNode", "Registered Node " + node.name() + " in Controller");
    } else if (after.isEmpty()) {
      seen.remove(node.name());
      event(node, "RemovingNode", "Removing Node " + node.name() + " from Controller");
    }
    return List.of(node.key());
  }

  private void event(KubeObject node, String reason, String what) {
    events.normal(node, reason, "Node " + node.name() + " event: " + what);
  }

  /** A renewal matters only to a node that was given up; others are looked at in their time. */
  private List<ObjectKey> renewed(Optional<KubeObject> lease) {
    if (lease.isEmpty() || !lease.get().namespace().equals("kube-node-lease")) {
      return List.of();
    }
    String name = lease.get().name();
    String renewTime = lease.get().spec().text("renewTime");
    Seen before = seen.get(name);
    if (before == null || !before.renewTime().equals(renewTime)) {
      seen.put(name, new Seen(renewTime, timeline.instant()));
    }
    return before == null ? List.of(new ObjectKey("", name)) : List.of();
  }

  private List<ObjectKey> podChanged(Optional<KubeObject> before, Optional<KubeObject> after) {
    KubeObject pod = after.or(() -> before).orElseThrow();
    String node = pod.spec().text("nodeName");
    if (node.isEmpty()) {
      return List.of();
    }
    if (after.isEmpty()) {
      podsOfNode.computeIfPresent(
          node,
          (_, keys) -> {
            keys.remove(pod.key());
            return keys.isEmpty() ? null : keys;
          });
      return List.of();
    }
    boolean news =
        podsOfNode.computeIfAbsent(node, _ -> ConcurrentHashMap.newKeySet()).add(pod.key());
    return news ? List.of(new ObjectKey("", node)) : List.of();
  }

  @Override
  public Result reconcile(ObjectKey key) throws InterruptedException {
    Optional<KubeObject> found = nodes.get(key);
    if (found.isEmpty()) {
      return Result.DONE;
    }
    KubeObject node = found.get();
    Duration left = timeline.until(deadline(node));
    if (left.isNegative() || left.isZero()) {
      node = giveUp(node);
    }
    node = taint(node);
    Result result = evict(node);
    if (left.isPositive()) {
      result = result.sooner(Result.again(left.plusMillis(1)));
    }
    return result;
  }

  /** Until when the node counts as alive without a further sign. */
  private Instant deadline(KubeObject node) {
    Seen renewal = seen.get(node.name());
    Instant heartbeat = heartbeat(node);
    Instant statusSeen = heartbeat.isBefore(started) ? started : heartbeat;
    if (renewal != null && renewal.at().isAfter(statusSeen)) {
      return renewal.at().plus(GRACE);
    }
    boolean reported = Conditions.find(node.status(), "Ready").isPresent();
    if (renewal == null && !reported) {
      Instant created = PodState.created(node);
      return (created.isBefore(started) ? started : created).plus(STARTUP_GRACE);
    }
    return statusSeen.plus(GRACE);
  }

  private static Instant heartbeat(KubeObject node) {
    return Conditions.find(node.status(), "Ready")
        .map(condition -> Writes.instant(condition.text("lastHeartbeatTime")))
        .orElse(Instant.EPOCH);
  }

  private KubeObject giveUp(KubeObject node) throws InterruptedException {
    Instant now = timeline.instant();
    JsonObject status = node.status();
    for (String type : List.of("Ready", "MemoryPressure", "DiskPressure", "PIDPressure")) {
      Optional<JsonObject> condition = Conditions.find(status, type);
      if (condition.isPresent() && condition.get().text("status").equals("Unknown")) {
        continue;
      }
      status =
          status.with(
              "conditions",
              condition.isPresent()
                  ? Conditions.with(
                      status,
                      type,
                      "Unknown",
                      "NodeStatusUnknown",
                      "Kubelet stopped posting node status.",
                      now)
                  : Conditions.with(
                      status,
                      type,
                      "Unknown",
                      "NodeStatusNeverUpdated",
                      "Kubelet never posted node status.",
                      now));
    }
    if (status.equals(node.status())) {
      return node;
    }
    KubeObject written =
        client.updateSubresource(Resources.NODES, node.withStatus(status), "status");
    Writes.awaitSeen(nodes, written);
    events.normal(node, "NodeNotReady", "Node " + node.name() + " status is now: NodeNotReady");
    for (KubeObject pod : podsOn(node.name())) {
      if (PodState.ready(pod)) {
        podNotReady(pod, now);
      }
    }
    return written;
  }

  private void podNotReady(KubeObject pod, Instant now) {
    condition(pod, "Ready", "False", "NodeNotReady", "", now);
    events.warning(pod, "NodeNotReady", "Node is not ready");
  }

  private void condition(
      KubeObject pod, String type, String value, String reason, String message, Instant now) {
    try {
      client.patch(
          Resources.PODS,
          pod.namespace(),
          pod.name(),
          new Patch(
              PatchType.STRATEGIC,
              JsonObject.of(
                  "status",
                  JsonObject.of(
                      "conditions",
                      List.of(
                          JsonObject.builder()
                              .put("type", type)
                              .put("status", value)
                              .put("reason", reason)
                              .putNonEmpty("message", message)
                              .put("lastTransitionTime", Times.text(now))
                              .build()))),
              "status",
              "",
              false));
    } catch (ApiException e) {
      if (!e.isNotFound()) {
        throw e;
      }
    }
  }

  private KubeObject taint(KubeObject node) throws InterruptedException {
    String ready = Conditions.find(node.status(), "Ready").map(c -> c.text("status")).orElse("");
    Set<String> schedule = new TreeSet<>();
    Set<String> execute = new TreeSet<>();
    if (ready.equals("Unknown")) {
      schedule.add(UNREACHABLE);
      execute.add(UNREACHABLE);
    } else if (!ready.equals("True")) {
      schedule.add(NOT_READY);
      execute.add(NOT_READY);
    }
    PRESSURES.forEach(
        (condition, taint) -> {
          if (Conditions.isTrue(node.status(), condition)) {
            schedule.add(taint);
          }
        });
    if (node.spec().flag("unschedulable")) {
      schedule.add("node.kubernetes.io/unschedulable");
    }
    List<JsonObject> wanted = new ArrayList<>();
    for (JsonObject taint : node.spec().objects("taints")) {
      Set<String> ours =
          taint.text("effect").equals("NoSchedule")
              ? schedule
              : taint.text("effect").equals("NoExecute") ? execute : Set.of();
      if (ours.remove(taint.text("key"))) {
        wanted.add(taint);
      } else if (!owned(taint)) {
        wanted.add(taint);
      }
    }
    String now = Times.text(timeline.instant());
    schedule.forEach(key -> wanted.add(newTaint(key, "NoSchedule", now)));
    execute.forEach(key -> wanted.add(newTaint(key, "NoExecute", now)));
    if (wanted.equals(node.spec().objects("taints"))) {
      return node;
    }
    KubeObject written =
        client.patch(
            Resources.NODES,
            "",
            node.name(),
            Patch.merge(
                JsonObject.of(
                    "metadata",
                    JsonObject.of("resourceVersion", node.resourceVersion()),
                    "spec",
                    JsonObject.of("taints", wanted))));
    Writes.awaitSeen(nodes, written);
    return written;
  }

  private static boolean owned(JsonObject taint) {
    String key = taint.text("key");
    return key.equals(NOT_READY)
        || key.equals(UNREACHABLE)
        || taint.text("effect").equals("NoSchedule")
            && (PRESSURES.containsValue(key) || key.equals("node.kubernetes.io/unschedulable"));
  }

  private static JsonObject newTaint(String key, String effect, String now) {
    return JsonObject.of("key", key, "effect", effect, "timeAdded", now);
  }

  private List<KubeObject> podsOn(String node) {
    List<KubeObject> result = new ArrayList<>();
    for (ObjectKey key : podsOfNode.getOrDefault(node, Set.of())) {
      pods.get(key).filter(pod -> pod.spec().text("nodeName").equals(node)).ifPresent(result::add);
    }
    return result;
  }

  /** Deletes pods whose patience with the node's NoExecute taints is over. */
  private Result evict(KubeObject node) {
    List<JsonObject> taints =
        node.spec().objects("taints").stream()
            .filter(taint -> taint.text("effect").equals("NoExecute"))
            .toList();
    Result result = Result.DONE;
    if (taints.isEmpty()) {
      return result;
    }
    for (KubeObject pod : podsOn(node.name())) {
      if (pod.deleting() || PodState.ended(pod)) {
        continue;
      }
      Optional<Instant> end = patience(pod, taints);
      if (end.isEmpty()) {
        continue;
      }
      Duration left = timeline.until(end.get());
      if (left.isPositive()) {
        result = result.sooner(Result.again(left.plusMillis(1)));
      } else {
        events.normal(pod, "TaintManagerEviction", "Marking for deletion Pod " + pod.key());
        condition(
            pod,
            "DisruptionTarget",
            "True",
            "DeletionByTaintManager",
            "Taint manager: deleting due to NoExecute taint",
            timeline.instant());
        try {
          client.delete(
              Resources.PODS,
              pod.namespace(),
              pod.name(),
              DeleteOptions.DEFAULT.withUid(pod.uid()));
        } catch (ApiException e) {
          if (!e.isNotFound()) {
            throw e;
          }
        }
      }
    }
    return result;
  }

  /** When a pod must go; empty: it endures the taints for ever. */
  private Optional<Instant> patience(KubeObject pod, List<JsonObject> taints) {
    List<Toleration> tolerations =
        pod.spec().objects("tolerations").stream().map(Toleration::of).toList();
    Optional<Instant> end = Optional.empty();
    for (JsonObject json : taints) {
      Taint taint = Taint.of(json);
      Instant since = Writes.instant(json.text("timeAdded"));
      if (since.equals(Instant.EPOCH)) {
        since = timeline.instant();
      }
      if (!Taints.tolerated(taint, tolerations)) {
        return Optional.of(Instant.EPOCH);
      }
      for (Toleration toleration : tolerations) {
        if (toleration.tolerates(taint) && toleration.seconds().isPresent()) {
          Instant until = since.plusSeconds(Math.max(0, toleration.seconds().get()));
          end = Optional.of(end.filter(until::isAfter).orElse(until));
        }
      }
    }
    return end;
  }
}
