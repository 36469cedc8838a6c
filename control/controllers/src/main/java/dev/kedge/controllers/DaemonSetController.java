package dev.kedge.controllers;

import dev.kedge.client.Informer;
import dev.kedge.model.JsonObject;
import dev.kedge.model.KubeObject;
import dev.kedge.model.ObjectKey;
import dev.kedge.model.Resources;
import dev.kedge.reconcile.Controller;
import dev.kedge.reconcile.Reconciler;
import dev.kedge.scheduler.NodeSelection;
import dev.kedge.scheduler.Taints;
import dev.kedge.scheduler.Taints.Taint;
import dev.kedge.scheduler.Taints.Toleration;
import java.time.Duration;
import java.time.Instant;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;

/**
 * Keeps one pod of a DaemonSet on each node that should have one. The scheduler places them too:
 * each pod's node affinity names its node.
 */
final class DaemonSetController implements Reconciler {
  private static final int BURST = 250;

  /** Daemons run where other pods may not. */
  private static final List<Toleration> OWN_TOLERATIONS =
      List.of(
          tolerates("node.kubernetes.io/not-ready", "NoExecute"),
          tolerates("node.kubernetes.io/unreachable", "NoExecute"),
          tolerates("node.kubernetes.io/disk-pressure", "NoSchedule"),
          tolerates("node.kubernetes.io/memory-pressure", "NoSchedule"),
          tolerates("node.kubernetes.io/pid-pressure", "NoSchedule"),
          tolerates("node.kubernetes.io/unschedulable", "NoSchedule"));

  private static final Toleration NETWORK =
      tolerates("node.kubernetes.io/network-unavailable", "NoSchedule");

  private final SetParts parts;
  private final Informer nodes;

  private static Toleration tolerates(String key, String effect) {
    return new Toleration(key, "Exists", "", effect, Optional.empty());
  }

  private DaemonSetController(ControllerContext context, Recorders recorders) {
    this.parts = SetParts.of(context, Resources.DAEMON_SETS, recorders.of("daemonset-controller"));
    this.nodes = context.informer(Resources.NODES);
  }

  static Controller create(ControllerContext context, Recorders recorders) {
    DaemonSetController reconciler = new DaemonSetController(context, recorders);
    return reconciler
        .parts
        .controller("daemonset", reconciler)
        .changes(reconciler.nodes, reconciler::nodeChanged)
        .build();
  }

  private List<ObjectKey> nodeChanged(Optional<KubeObject> before, Optional<KubeObject> after) {
    boolean same =
        before.isPresent()
            && after.isPresent()
            && before.get().labels().equals(after.get().labels())
            && before.get().spec().equals(after.get().spec());
    return same ? List.of() : parts.sets().all().stream().map(KubeObject::key).toList();
  }

  /** What a node is to a set. */
  private record Fit(boolean shouldRun, boolean shouldContinue) {}

  private static Fit fit(JsonObject template, KubeObject node) {
    JsonObject spec = template.object("spec");
    if (!spec.text("nodeName").isEmpty() && !spec.text("nodeName").equals(node.name())) {
      return new Fit(false, false);
    }
    if (!NodeSelection.podMatches(spec, node.labels(), node.name())) {
      return new Fit(false, false);
    }
    List<Toleration> tolerations = new ArrayList<>(OWN_TOLERATIONS);
    spec.objects("tolerations").forEach(json -> tolerations.add(Toleration.of(json)));
    if (spec.flag("hostNetwork")) {
      tolerations.add(NETWORK);
    }
    boolean run = true;
    boolean stay = true;
    for (JsonObject json : node.spec().objects("taints")) {
      Taint taint = Taint.of(json);
      if (taint.effect().equals("PreferNoSchedule") || Taints.tolerated(taint, tolerations)) {
        continue;
      }
      run = false;
      stay &= !taint.effect().equals("NoExecute");
    }
    return new Fit(run, stay);
  }

  @Override
  public Result reconcile(ObjectKey key) throws InterruptedException {
    Optional<KubeObject> found = parts.sets().get(key);
    if (found.isEmpty() || found.get().deleting()) {
      return Result.DONE;
    }
    return new Sync(found.get()).run();
  }

  private final class Sync {
    private final KubeObject set;
    private final JsonObject template;
    private final KubeObject revision;
    private final Revisions history;
    private final Instant now = parts.timeline().instant();
    private Map<String, List<KubeObject>> byNode = new HashMap<>();

    Sync(KubeObject set) throws InterruptedException {
      this.set = set;
      this.template = set.spec().object("template");
      this.history = parts.history(set);
      this.revision = history.current(set.status().integer("collisionCount"));
      readPods();
    }

    private void readPods() throws InterruptedException {
      byNode = new HashMap<>();
      for (KubeObject pod : parts.claimPods(set)) {
        String node = pod.spec().text("nodeName");
        byNode
            .computeIfAbsent(node.isEmpty() ? target(pod) : node, _ -> new ArrayList<>())
            .add(pod);
      }
    }

    Result run() throws InterruptedException {
      manage();
      readPods();
      if (set.spec().text("updateStrategy", "type").equals("RollingUpdate")) {
        roll();
        readPods();
      }
      List<KubeObject> all = byNode.values().stream().flatMap(List::stream).toList();
      history.truncate(
          set.spec().integerOr(10, "revisionHistoryLimit"), Revisions.used(all, revision.name()));
      return report();
    }

    private boolean current(KubeObject pod) {
      return Revisions.hash(revision).equals(pod.labels().get("controller-revision-hash"));
    }

    private void manage() throws InterruptedException {
      List<String> missing = new ArrayList<>();
      List<KubeObject> doomed = new ArrayList<>();
      for (KubeObject node : nodes.all()) {
        Fit fit = fit(template, node);
        List<KubeObject> here = byNode.getOrDefault(node.name(), List.of());
        if (!fit.shouldContinue()) {
          here.stream().filter(pod -> !pod.deleting()).forEach(doomed::add);
          continue;
        }
        List<KubeObject> alive = new ArrayList<>();
        boolean failed = false;
        for (KubeObject pod : here) {
          if (pod.deleting()) {
            continue;
          }
          if (PodState.ended(pod)) {
            parts
                .events()
                .warning(
                    set,
                    "FailedDaemonPod",
                    "Found failed daemon pod "
                        + pod.key()
                        + " on node "
                        + node.name()
                        + ", will try to kill it");
            doomed.add(pod);
            failed = true;
          } else {
            alive.add(pod);
          }
        }
        boolean going = here.stream().anyMatch(KubeObject::deleting);
        if (alive.isEmpty() && !failed && !going && fit.shouldRun()) {
          missing.add(node.name());
        } else if (alive.size() > 1) {
          doomed.addAll(surplus(alive));
        }
      }
      for (Map.Entry<String, List<KubeObject>> entry : byNode.entrySet()) {
        if (nodes.get("", entry.getKey()).isEmpty()) {
          entry.getValue().stream()
              .filter(pod -> !pod.deleting() && pod.spec().text("nodeName").isEmpty())
              .forEach(doomed::add);
        }
      }
      if (!doomed.isEmpty()) {
        parts.podControl().deleteAll(set, doomed);
      }
      List<String> targets = missing.subList(0, Math.min(BURST, missing.size()));
      parts.podControl().createAll(set, targets.size(), i -> pod(targets.get(i)));
    }

    /** Of several pods on a node one stays, or two during a surging update: old ready, new not. */
    private List<KubeObject> surplus(List<KubeObject> alive) {
      List<KubeObject> order =
          alive.stream()
              .sorted(
                  Comparator.comparing((KubeObject pod) -> !PodState.ready(pod))
                      .thenComparing(PodState::created))
              .toList();
      if (surge() == 0) {
        return order.subList(1, order.size());
      }
      List<KubeObject> news = order.stream().filter(this::current).toList();
      List<KubeObject> olds = order.stream().filter(pod -> !current(pod)).toList();
      List<KubeObject> doomed = new ArrayList<>();
      doomed.addAll(news.subList(Math.min(1, news.size()), news.size()));
      boolean replaced =
          !news.isEmpty()
              && PodState.available(news.getFirst(), set.spec().integer("minReadySeconds"), now);
      doomed.addAll(replaced ? olds : olds.subList(Math.min(1, olds.size()), olds.size()));
      return doomed;
    }

    private long wanted() {
      return nodes.all().stream().filter(node -> fit(template, node).shouldRun()).count();
    }

    private long surge() {
      return DeploymentSets.share(
          set.spec()
              .find("updateStrategy", "rollingUpdate", "maxSurge")
              .orElse(new dev.kedge.model.JsonInteger(0)),
          wanted(),
          true);
    }

    private void roll() throws InterruptedException {
      long minReady = set.spec().integer("minReadySeconds");
      long surge = surge();
      long unavailable =
          DeploymentSets.share(
              set.spec()
                  .find("updateStrategy", "rollingUpdate", "maxUnavailable")
                  .orElse(new dev.kedge.model.JsonInteger(1)),
              wanted(),
              true);
      if (surge == 0 && unavailable == 0) {
        unavailable = 1;
      }
      List<KubeObject> free = new ArrayList<>();
      List<KubeObject> candidates = new ArrayList<>();
      List<String> surging = new ArrayList<>();
      long missing = 0;
      long extra = 0;
      for (KubeObject node : nodes.all()) {
        if (!fit(template, node).shouldRun()) {
          continue;
        }
        List<KubeObject> here =
            byNode.getOrDefault(node.name(), List.of()).stream()
                .filter(pod -> !pod.deleting())
                .toList();
        Optional<KubeObject> fresh = here.stream().filter(this::current).findFirst();
        Optional<KubeObject> old = here.stream().filter(pod -> !current(pod)).findFirst();
        if (surge > 0) {
          if (fresh.isPresent() && old.isPresent()) {
            if (PodState.available(fresh.get(), minReady, now)) {
              free.add(old.get());
            } else {
              extra++;
            }
          } else if (old.isPresent()) {
            surging.add(node.name());
          }
          continue;
        }
        if (old.isPresent()) {
          if (PodState.available(old.get(), minReady, now)) {
            candidates.add(old.get());
          } else {
            free.add(old.get()); // not available anyhow
            missing++;
          }
        } else if (fresh.map(pod -> !PodState.available(pod, minReady, now)).orElse(true)) {
          missing++;
        }
      }
      long more = Math.max(0, unavailable - missing);
      List<KubeObject> doomed = new ArrayList<>(free);
      candidates.stream().limit(surge > 0 ? 0 : more).forEach(doomed::add);
      if (!doomed.isEmpty()) {
        parts.podControl().deleteAll(set, doomed);
      }
      List<String> targets = surging.stream().limit(Math.max(0, surge - extra)).toList();
      parts.podControl().createAll(set, targets.size(), i -> pod(targets.get(i)));
    }

    private KubeObject pod(String node) {
      KubeObject pod = PodControl.fromTemplate(template, Resources.DAEMON_SETS, set);
      JsonObject labels =
          pod.metadata()
              .object("labels")
              .with("controller-revision-hash", Revisions.hash(revision))
              .with("pod-template-generation", Long.toString(set.generation()));
      JsonObject only =
          JsonObject.of(
              "matchFields",
              List.of(
                  JsonObject.of(
                      "key", "metadata.name", "operator", "In", "values", List.of(node))));
      JsonObject spec = pod.spec();
      List<String> path =
          List.of("affinity", "nodeAffinity", "requiredDuringSchedulingIgnoredDuringExecution");
      // The template's own requirements decided that this node should run it; the name is enough.
      spec = spec.withPath(path, JsonObject.of("nodeSelectorTerms", List.of(only)));
      List<JsonObject> tolerations = new ArrayList<>(spec.objects("tolerations"));
      OWN_TOLERATIONS.forEach(own -> tolerations.add(json(own)));
      if (spec.flag("hostNetwork")) {
        tolerations.add(json(NETWORK));
      }
      return pod.withMetadata("labels", labels).with("spec", spec.with("tolerations", tolerations));
    }

    private static JsonObject json(Toleration toleration) {
      return JsonObject.of(
          "key", toleration.key(), "operator", "Exists", "effect", toleration.effect());
    }

    private Result report() {
      long minReady = set.spec().integer("minReadySeconds");
      long wanted = 0;
      long scheduled = 0;
      long misplaced = 0;
      long ready = 0;
      long available = 0;
      long updated = 0;
      Result result = Result.DONE;
      for (KubeObject node : nodes.all()) {
        boolean should = fit(template, node).shouldRun();
        List<KubeObject> here =
            byNode.getOrDefault(node.name(), List.of()).stream()
                .filter(PodState::active)
                .sorted(Comparator.comparing((KubeObject pod) -> !PodState.ready(pod)))
                .toList();
        if (!should) {
          misplaced += here.isEmpty() ? 0 : 1;
          continue;
        }
        wanted++;
        if (here.isEmpty()) {
          continue;
        }
        scheduled++;
        KubeObject pod = here.getFirst();
        ready += PodState.ready(pod) ? 1 : 0;
        available += PodState.available(pod, minReady, now) ? 1 : 0;
        updated += here.stream().anyMatch(this::current) ? 1 : 0;
        Optional<Duration> soon = PodState.availableIn(pod, minReady, now);
        if (soon.isPresent()) {
          result = result.sooner(Result.again(soon.get()));
        }
      }
      JsonObject old = set.status();
      JsonObject.Builder status =
          JsonObject.builder()
              .put("currentNumberScheduled", scheduled)
              .put("numberMisscheduled", misplaced)
              .put("desiredNumberScheduled", wanted)
              .put("numberReady", ready)
              .put("observedGeneration", set.generation())
              .putAll(ReplicaSetController.positive("updatedNumberScheduled", updated))
              .putAll(ReplicaSetController.positive("numberAvailable", available))
              .putAll(ReplicaSetController.positive("numberUnavailable", wanted - available))
              .putNonEmpty("conditions", old.array("conditions"));
      if (old.has("collisionCount")) {
        status.put("collisionCount", old.integer("collisionCount"));
      }
      Writes.status(parts.client(), Resources.DAEMON_SETS, set, status.build());
      return result;
    }
  }

  /** The node that an unscheduled daemon pod is meant for. */
  private static String target(KubeObject pod) {
    for (JsonObject term :
        pod.spec()
            .objects(
                "affinity",
                "nodeAffinity",
                "requiredDuringSchedulingIgnoredDuringExecution",
                "nodeSelectorTerms")) {
      for (JsonObject field : term.objects("matchFields")) {
        if (field.text("key").equals("metadata.name") && !field.strings("values").isEmpty()) {
          return field.strings("values").getFirst();
        }
      }
    }
    return "";
  }
}
