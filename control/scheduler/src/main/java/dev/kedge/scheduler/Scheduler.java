package dev.kedge.scheduler;

import dev.kedge.client.Events;
import dev.kedge.client.Informer;
import dev.kedge.client.Informers;
import dev.kedge.client.KubeClient;
import dev.kedge.client.KubeClient.DeleteOptions;
import dev.kedge.client.KubeClient.Patch;
import dev.kedge.client.KubeClient.PatchType;
import dev.kedge.model.ApiException;
import dev.kedge.model.JsonNull;
import dev.kedge.model.JsonObject;
import dev.kedge.model.KubeObject;
import dev.kedge.model.Resources;
import dev.kedge.model.Times;
import dev.kedge.reconcile.Timeline;
import dev.kedge.scheduler.Filter.Refusal;
import dev.kedge.scheduler.SchedulingQueue.Waiting;
import java.io.UncheckedIOException;
import java.lang.System.Logger.Level;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.TreeMap;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.Semaphore;
import java.util.concurrent.ThreadLocalRandom;

/**
 * Gives every pod that names this scheduler a node. One virtual thread decides, pod by pod, on
 * compact snapshots; a decision is assumed at once and bound in the background, at most some dozens
 * at a time, so the next pod need not wait for the API.
 *
 * <pre>
 * queue → volumes' wishes → filters per node → scores → assume → (background) volumes → binding
 *                               └ nowhere → preemption → rests until an event
 * </pre>
 */
public final class Scheduler implements AutoCloseable {
  /** The name that pods carry in {@code spec.schedulerName} by default. */
  public static final String DEFAULT_NAME = "default-scheduler";

  private static final System.Logger LOG = System.getLogger("dev.kedge.scheduler");
  private static final int CONCURRENT_BINDINGS = 64;
  private static final int ENOUGH_NODES = 100;

  private final String name;
  private final KubeClient client;
  private final Timeline timeline;
  private final Events events;
  private final ClusterState state = new ClusterState();
  private final SchedulingQueue queue;
  private final Volumes volumes;
  private final Preemption preemption;
  private final Informer pods;
  private final Informer nodes;
  private final Informer namespaces;
  private final Informer budgets;
  private final Semaphore bindings = new Semaphore(CONCURRENT_BINDINGS);
  private final Set<Thread> background = ConcurrentHashMap.newKeySet();
  private final Thread loop;
  private int nextNode;
  private volatile boolean closed;

  /** A scheduler under the usual name. */
  public Scheduler(KubeClient client, Informers informers, Timeline timeline) {
    this(DEFAULT_NAME, client, informers, timeline);
  }

  /** A scheduler under a name of its own. */
  public Scheduler(String name, KubeClient client, Informers informers, Timeline timeline) {
    this.name = name;
    this.client = client;
    this.timeline = timeline;
    this.events = new Events(client, name, "", timeline);
    this.queue = new SchedulingQueue(timeline);
    this.volumes = new Volumes(client, informers);
    this.pods = informers.of(Resources.PODS);
    this.nodes = informers.of(Resources.NODES);
    this.namespaces = informers.of(Resources.NAMESPACES);
    this.budgets = informers.of(Resources.POD_DISRUPTION_BUDGETS);
    this.preemption = new Preemption(budgets);
    this.loop = Thread.ofVirtual().name("scheduler").unstarted(this::run);
  }

  /** Begins as soon as the informers are synced; returns at once. */
  public void start() {
    loop.start();
  }

  /** Pods that wait for a node, those that fit nowhere included. */
  public int waiting() {
    return queue.size();
  }

  @Override
  public void close() {
    closed = true;
    queue.close();
    loop.interrupt();
    background.forEach(Thread::interrupt);
    events.close();
  }

  private void run() {
    try {
      nodes.listen(this::nodeChanged);
      pods.listen(this::podChanged);
      for (Informer informer : volumes.informers()) {
        informer.listen((_, _) -> queue.moveAll(pod -> !pod.claims().isEmpty()));
        informer.awaitSynced();
      }
      budgets.awaitSynced();
      namespaces.awaitSynced();
      nodes.awaitSynced();
      pods.awaitSynced();
      while (true) {
        Waiting waiting = queue.take();
        try {
          schedule(waiting);
        } catch (RuntimeException e) {
          LOG.log(Level.ERROR, "scheduling " + waiting.pod().key() + " failed", e);
          queue.failed(waiting.pod().uid());
        }
      }
    } catch (InterruptedException _) {
      LOG.log(Level.DEBUG, "scheduler stopped"); // only close() interrupts
    }
  }

  // ---- what happens in the cluster

  private void nodeChanged(Optional<KubeObject> before, Optional<KubeObject> after) {
    boolean helps;
    synchronized (state) {
      if (after.isPresent()) {
        helps = state.putNode(NodeInfo.Spec.of(after.get()));
      } else {
        before.ifPresent(node -> state.removeNode(node.name()));
        helps = false;
      }
    }
    if (helps) {
      queue.moveAll(_ -> true);
    }
  }

  private void podChanged(Optional<KubeObject> before, Optional<KubeObject> after) {
    if (after.isEmpty()) {
      before.ifPresent(pod -> gone(pod.uid()));
      return;
    }
    KubeObject pod = after.get();
    // A pod deleted and made again under its name between two looks.
    before.filter(old -> !old.uid().equals(pod.uid())).ifPresent(old -> gone(old.uid()));
    String phase = pod.status().text("phase");
    if (phase.equals("Succeeded") || phase.equals("Failed")) {
      gone(pod.uid());
    } else if (!pod.spec().text("nodeName").isEmpty()) {
      PodInfo info = PodInfo.of(pod);
      boolean news;
      synchronized (state) {
        news = state.putPod(info);
      }
      queue.remove(pod.uid());
      if (news || before.map(old -> !old.labels().equals(pod.labels())).orElse(false)) {
        queue.moveAll(PodInfo::looksAtOthers);
      }
    } else if (pod.deleting() || !pod.spec().text("schedulerName").equals(name)) {
      queue.remove(pod.uid());
    } else if (!pod.spec().objects("schedulingGates").isEmpty()) {
      queue.remove(pod.uid());
    } else {
      synchronized (state) {
        if (state.isAssumed(pod.uid())) {
          return; // a status change while its binding is under way
        }
      }
      queue.put(pod);
    }
  }

  private void gone(String uid) {
    boolean freed;
    synchronized (state) {
      freed = state.removePod(uid);
      state.dropNomination(uid);
    }
    queue.remove(uid);
    if (freed) {
      queue.moveAll(_ -> true);
    }
  }

  // ---- one decision

  private void schedule(Waiting waiting) {
    PodInfo pod = waiting.pod();
    Volumes.Wishes wishes = volumes.wishes(pod);
    NodeInfo chosen;
    Volumes.Plan plan;
    synchronized (state) {
      List<NodeInfo> all = state.nodes();
      Cycle cycle = new Cycle(pod, all, this::namespaceLabels, wishes);
      if (all.isEmpty()) {
        refuse(waiting, "no nodes available to schedule pods", Optional.empty());
        return;
      }
      if (wishes.refusal().isPresent()) {
        refuse(
            waiting,
            "0/"
                + all.size()
                + " nodes are available: "
                + wishes.refusal().get()
                + ". preemption: 0/"
                + all.size()
                + " nodes are available: "
                + all.size()
                + " Preemption is not helpful for scheduling.",
            Optional.empty());
        return;
      }
      Map<String, Refusal> refusals = new HashMap<>();
      List<NodeInfo> feasible = feasible(cycle, all, refusals);
      if (feasible.isEmpty()) {
        Preemption.Outcome outcome = preemption.find(cycle, refusals);
        outcome.victims().ifPresent(victims -> state.nominate(pod, victims.node().name()));
        refuse(waiting, message(all.size(), refusals, outcome.message()), outcome.victims());
        return;
      }
      chosen = best(cycle, feasible);
      plan = volumes.reserve(wishes, chosen);
      state.assume(pod, chosen.name());
    }
    String node = chosen.name();
    inBackground("bind " + pod.key(), () -> bind(waiting, node, plan));
  }

  private Map<String, String> namespaceLabels(String namespace) {
    return namespaces.get("", namespace).map(KubeObject::labels).orElse(Map.of());
  }

  /**
   * The nodes that pass every filter. In large clusters the search ends when enough are found and
   * goes on with the next node for the next pod, as upstream's does.
   */
  private List<NodeInfo> feasible(Cycle cycle, List<NodeInfo> all, Map<String, Refusal> refusals) {
    PodInfo pod = cycle.pod();
    List<NodeInfo> feasible = new ArrayList<>();
    int enough = all.size();
    if (all.size() > ENOUGH_NODES) {
      int percent = Math.max(5, 50 - all.size() / 125);
      enough = Math.max(ENOUGH_NODES, all.size() * percent / 100);
    }
    int start = nextNode % all.size();
    for (int i = 0; i < all.size() && feasible.size() < enough; i++) {
      NodeInfo node = all.get((start + i) % all.size());
      nextNode = start + i + 1;
      Optional<Refusal> refusal = Filters.first(cycle, node);
      List<PodInfo> nominated = state.nominatedBefore(pod, node.name());
      if (refusal.isEmpty() && !nominated.isEmpty()) {
        NodeInfo crowded = node.copy();
        nominated.forEach(crowded::add);
        refusal = Filters.first(cycle, crowded);
      }
      if (refusal.isPresent()) {
        refusals.put(node.name(), refusal.get());
      } else {
        feasible.add(node);
      }
    }
    return feasible;
  }

  private static NodeInfo best(Cycle cycle, List<NodeInfo> feasible) {
    if (feasible.size() == 1) {
      return feasible.getFirst();
    }
    for (NodeInfo node : feasible) {
      if (node.name().equals(cycle.pod().nominatedNode())) {
        return node; // room was made there for this pod
      }
    }
    double[] ranks = Scores.rank(cycle, feasible);
    int best = 0;
    int equals = 1;
    for (int i = 1; i < ranks.length; i++) {
      if (ranks[i] > ranks[best]) {
        best = i;
        equals = 1;
      } else if (ranks[i] == ranks[best] && ThreadLocalRandom.current().nextInt(++equals) == 0) {
        best = i;
      }
    }
    return feasible.get(best);
  }

  /** {@code 0/3 nodes are available: 1 Insufficient cpu, 2 node(s) were unschedulable. …}. */
  static String message(int nodes, Map<String, Refusal> refusals, String preemption) {
    Map<String, Integer> counts = new TreeMap<>();
    for (Refusal refusal : refusals.values()) {
      refusal.reasons().forEach(reason -> counts.merge(reason, 1, Integer::sum));
    }
    List<String> reasons =
        counts.entrySet().stream()
            .map(entry -> entry.getValue() + " " + entry.getKey())
            .sorted()
            .toList();
    String text = "0/" + nodes + " nodes are available: " + String.join(", ", reasons) + ".";
    return preemption.isEmpty() ? text : text + " " + preemption;
  }

  // ---- what follows from it, in the background

  private void bind(Waiting waiting, String node, Volumes.Plan plan) throws InterruptedException {
    PodInfo pod = waiting.pod();
    try {
      volumes.bind(plan);
      bindings.acquire();
      try {
        client.createSubresource(
            Resources.PODS,
            pod.key().namespace(),
            pod.key().name(),
            "binding",
            new KubeObject(
                JsonObject.of(
                    "apiVersion",
                    "v1",
                    "kind",
                    "Binding",
                    "metadata",
                    JsonObject.of(
                        "name", pod.key().name(),
                        "namespace", pod.key().namespace(),
                        "uid", pod.uid()),
                    "target",
                    JsonObject.of("apiVersion", "v1", "kind", "Node", "name", node))));
      } finally {
        bindings.release();
      }
      events.normal(
          waiting.object(), "Scheduled", "Successfully assigned " + pod.key() + " to " + node);
    } catch (ApiException | UncheckedIOException | Volumes.GivenUpException e) {
      synchronized (state) {
        state.forget(pod.uid());
      }
      boolean gone = e instanceof ApiException api && api.isNotFound();
      if (!gone) {
        LOG.log(Level.WARNING, "binding {0} to {1}: {2}", pod.key(), node, e.toString());
        events.warning(waiting.object(), "FailedScheduling", String.valueOf(e.getMessage()));
      }
      queue.failed(pod.uid());
      queue.moveAll(_ -> true);
    } finally {
      volumes.release(plan);
    }
  }

  private void refuse(Waiting waiting, String message, Optional<Preemption.Victims> victims) {
    queue.unschedulable(waiting.pod().uid());
    inBackground(
        "refuse " + waiting.pod().key(),
        () -> {
          events.warning(waiting.object(), "FailedScheduling", message);
          report(waiting, message, victims.map(v -> v.node().name()));
          victims.ifPresent(found -> evict(waiting, found));
        });
  }

  private void report(Waiting waiting, String message, Optional<String> nominatedNode) {
    KubeObject pod = waiting.object();
    JsonObject before =
        pod.status().objects("conditions").stream()
            .filter(condition -> condition.text("type").equals("PodScheduled"))
            .findFirst()
            .orElse(JsonObject.EMPTY);
    boolean same =
        before.text("status").equals("False")
            && before.text("reason").equals("Unschedulable")
            && before.text("message").equals(message);
    boolean nominates =
        nominatedNode.isPresent()
            && !nominatedNode.get().equals(pod.status().text("nominatedNodeName"));
    if (same && !nominates) {
      return;
    }
    JsonObject condition =
        JsonObject.of(
            "type",
            "PodScheduled",
            "status",
            "False",
            "reason",
            "Unschedulable",
            "message",
            message,
            "lastProbeTime",
            JsonNull.NULL,
            "lastTransitionTime",
            before.text("status").equals("False")
                ? before.text("lastTransitionTime")
                : Times.text(timeline.instant()));
    JsonObject status = JsonObject.of("conditions", List.of(condition));
    if (nominates) {
      status = status.with("nominatedNodeName", nominatedNode.get());
    }
    client.patch(
        Resources.PODS,
        pod.namespace(),
        pod.name(),
        new Patch(PatchType.STRATEGIC, JsonObject.of("status", status), "status", "", false));
  }

  private void evict(Waiting preemptor, Preemption.Victims victims) {
    for (PodInfo victim : victims.pods()) {
      Optional<KubeObject> pod = pods.get(victim.key());
      if (pod.isEmpty() || pod.get().deleting() || !pod.get().uid().equals(victim.uid())) {
        continue;
      }
      try {
        client.patch(
            Resources.PODS,
            victim.key().namespace(),
            victim.key().name(),
            new Patch(
                PatchType.STRATEGIC,
                JsonObject.of(
                    "status",
                    JsonObject.of(
                        "conditions",
                        List.of(
                            JsonObject.of(
                                "type", "DisruptionTarget",
                                "status", "True",
                                "reason", "PreemptionByScheduler",
                                "message",
                                    name + ": preempting to accommodate a higher priority pod",
                                "lastTransitionTime", Times.text(timeline.instant()))))),
                "status",
                "",
                false));
        client.delete(
            Resources.PODS,
            victim.key().namespace(),
            victim.key().name(),
            DeleteOptions.DEFAULT.withUid(victim.uid()));
      } catch (ApiException e) {
        if (!e.isNotFound()) {
          throw e;
        }
      }
      events.normal(
          pod.get(),
          "Preempted",
          "Preempted by pod " + preemptor.pod().uid() + " on node " + victims.node().name());
    }
  }

  private interface Action {
    void run() throws InterruptedException;
  }

  private void inBackground(String what, Action action) {
    Thread thread =
        Thread.ofVirtual()
            .name(what)
            .unstarted(
                () -> {
                  try {
                    action.run();
                  } catch (InterruptedException _) {
                    LOG.log(Level.DEBUG, "{0}: stopped", what); // only close() interrupts
                  } catch (ApiException e) {
                    // The pod went away meanwhile, or changed: its event brings it back.
                    LOG.log(Level.DEBUG, "{0}: {1}", what, e.status().message());
                  } catch (RuntimeException e) {
                    if (!closed) {
                      LOG.log(Level.WARNING, what, e);
                    }
                  } finally {
                    background.remove(Thread.currentThread());
                  }
                });
    background.add(thread);
    thread.start();
  }
}
