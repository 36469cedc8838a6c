package dev.kedge.node;

import dev.kedge.client.Events;
import dev.kedge.client.Informer;
import dev.kedge.client.Informers;
import dev.kedge.client.KubeClient;
import dev.kedge.client.KubeClient.Patch;
import dev.kedge.client.KubeClient.Selection;
import dev.kedge.cri.ContainerdClient.TaskEvent;
import dev.kedge.cri.Cri;
import dev.kedge.grpc.GrpcException;
import dev.kedge.model.ApiException;
import dev.kedge.model.JsonObject;
import dev.kedge.model.KubeObject;
import dev.kedge.model.Resources;
import dev.kedge.model.Times;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.lang.System.Logger;
import java.lang.System.Logger.Level;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.time.Instant;
import java.time.InstantSource;
import java.util.ArrayList;
import java.util.Collection;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.CountDownLatch;
import org.jspecify.annotations.Nullable;

/**
 * Makes this machine a node: registers it, reports its health, and runs the pods that are bound to
 * it, one {@link PodWorker} each. Closing leaves all containers running; the next agent over the
 * same containerd takes them over untouched.
 *
 * <p>Threads, all virtual: the pods' workers; one that hears containerd's events; one for the
 * node's Lease and status; one for housekeeping (log rotation, images, orphans) every minute.
 */
public final class NodeAgent implements AutoCloseable {
  private static final Logger LOG = System.getLogger("dev.kedge.node");
  private static final String LEASES = "kube-node-lease";
  private static final Duration LEASE_RENEWAL = Duration.ofSeconds(10);
  private static final long LEASE_SECONDS = 40;
  private static final Duration STATUS_INTERVAL = Duration.ofMinutes(5);
  private static final Duration HOUSEKEEPING = Duration.ofSeconds(60);
  private static final Duration EVICTION_INTERVAL = Duration.ofSeconds(10);

  private final NodeServices node;
  private final NodeSettings settings;
  private final Containerd containerd;
  private final Optional<ImageImporter> importer;
  private final Informer pods;
  private final NodeStatus status;
  private final Map<String, PodWorker> workers = new ConcurrentHashMap<>();
  private final List<Thread> threads = new ArrayList<>();
  // Which pod a container belongs to, for events that name only the container.
  private final Map<String, String> owners = new ConcurrentHashMap<>();
  private final Map<String, Set<Runnable>> exits = new ConcurrentHashMap<>();
  private final CountDownLatch ready = new CountDownLatch(1);
  private final Object statusSignal = new Object();
  private boolean statusWanted;
  private volatile boolean closed;

  /**
   * An agent; {@link #start} begins its work.
   *
   * @param containerd running; stays the caller's to close
   * @param importer whose imports wake pods that wait for an image; empty without one
   */
  public NodeAgent(
      KubeClient client,
      Informers informers,
      NodeSettings settings,
      Containerd containerd,
      Optional<ImageImporter> importer)
      throws IOException {
    this.settings = settings;
    this.containerd = containerd;
    this.importer = importer;
    InstantSource clock = InstantSource.system();
    pods =
        informers.of(Resources.PODS, "", Selection.fields("spec.nodeName=" + settings.nodeName()));
    node =
        new NodeServices(
            client,
            informers,
            settings,
            containerd.cri(),
            new Events(client, "kubelet", settings.nodeName(), clock),
            new Cgroups(settings.cgroupRoot()),
            new Images(
                containerd.cri(),
                () -> importer.map(images -> !images.firstPassDone()).orElse(false)),
            new Machine(settings),
            clock,
            pods::all);
    status = new NodeStatus(node);
  }

  /**
   * Registers the node and begins to run pods; returns when the node is registered and its first
   * status, Ready or not yet, is written.
   */
  public void start() throws IOException, InterruptedException {
    Files.createDirectories(settings.podsDirectory());
    Files.createDirectories(settings.podLogs());
    Volumes.prepareNode(settings);
    register();
    spawn("node-lease", this::renewLeases);
    spawn("node-status", this::reportStatus);
    spawn("node-events", this::followEvents);
    containerd.onRestart(this::wakeAll);
    importer.ifPresent(images -> images.onImport(this::wakeAll));
    spawn("node-pods", this::runPods);
    spawn("node-evictions", this::evict);
  }

  /** Waits until the node has reported itself Ready. */
  public void awaitReady() throws InterruptedException {
    ready.await();
  }

  private void spawn(String name, InterruptibleAction action) {
    threads.add(
        Thread.ofVirtual()
            .name(name)
            .start(
                () -> {
                  try {
                    action.run();
                  } catch (InterruptedException e) {
                    LOG.log(Level.TRACE, "{0} ends", name);
                  } catch (RuntimeException e) {
                    if (!closed) {
                      LOG.log(Level.ERROR, name + " ended by a failure", e);
                    }
                  }
                }));
  }

  @FunctionalInterface
  private interface InterruptibleAction {
    void run() throws InterruptedException;
  }

  /** Stops working; containers go on. */
  @Override
  public void close() {
    closed = true;
    threads.forEach(Thread::interrupt);
    workers.values().forEach(PodWorker::close);
    node.events().close();
  }

  NodeServices services() {
    return node;
  }

  /** The pods of this node as the API server has them. */
  Collection<KubeObject> pods() {
    return pods.all();
  }

  Optional<KubeObject> pod(String namespace, String name) {
    return pods.get(namespace, name);
  }

  // ---- the Node object

  private void register() {
    KubeObject wanted =
        new KubeObject(
            JsonObject.of(
                "apiVersion",
                "v1",
                "kind",
                "Node",
                "metadata",
                JsonObject.of(
                    "name",
                    settings.nodeName(),
                    "labels",
                    NodeStatus.labels(settings),
                    "annotations",
                    Map.of("volumes.kubernetes.io/controller-managed-attach-detach", "true")),
                "spec",
                JsonObject.builder().putNonEmpty("taints", NodeStatus.taints(settings)).build()));
    try {
      node.client().create(Resources.NODES, wanted);
      node.events().normal(reference(wanted), "Starting", "Starting kubelet.");
    } catch (ApiException e) {
      if (!e.isAlreadyExists()) {
        throw e;
      }
      // An old acquaintance: its labels follow the settings, the rest of it is the cluster's.
      node.client()
          .patch(
              Resources.NODES,
              "",
              settings.nodeName(),
              Patch.merge(
                  JsonObject.of("metadata", JsonObject.of("labels", NodeStatus.labels(settings)))));
    }
  }

  private KubeObject reference(KubeObject wanted) {
    // As upstream: the node's events are about its name, whatever object bears it.
    return wanted.withMetadata("uid", settings.nodeName());
  }

  /** Reports at once, when something changed, and every five minutes. */
  private void reportStatus() throws InterruptedException {
    String runtime = "";
    JsonObject written = JsonObject.EMPTY;
    Instant writtenAt = Instant.EPOCH;
    String before = "?";
    while (true) {
      Duration pause = LEASE_RENEWAL;
      try {
        if (runtime.isEmpty()) {
          Cri.Version version = node.cri().version();
          runtime = version.runtimeName() + "://" + version.runtimeVersion().replaceFirst("^v", "");
        }
        String unready = status.unready();
        Instant now = node.clock().instant();
        JsonObject present =
            written.isEmpty()
                ? node.client().get(Resources.NODES, "", settings.nodeName()).status()
                : written;
        JsonObject wanted = status.compute(present, unready, runtime);
        if (NodeStatus.differs(wanted, written)
            || Duration.between(writtenAt, now).compareTo(STATUS_INTERVAL) >= 0) {
          KubeObject answer =
              node.client()
                  .patch(Resources.NODES, "", settings.nodeName(), Patch.mergeStatus(wanted));
          written = answer.status().isEmpty() ? wanted : answer.status();
          writtenAt = now;
        }
        if (unready.isEmpty()) {
          if (!before.isEmpty()) {
            node.events()
                .normal(
                    nodeReference(),
                    "NodeReady",
                    "Node " + settings.nodeName() + " status is now: NodeReady");
          }
          ready.countDown();
        } else {
          // CRI has no event for "the network is configured now".
          pause = ready.getCount() > 0 ? Duration.ofMillis(50) : Duration.ofSeconds(1);
          if (before.isEmpty()) {
            node.events()
                .normal(
                    nodeReference(),
                    "NodeNotReady",
                    "Node " + settings.nodeName() + " status is now: NodeNotReady");
          }
        }
        before = unready;
      } catch (ApiException e) {
        if (e.isNotFound()) {
          registerAgain();
          written = JsonObject.EMPTY;
          continue;
        }
        LOG.log(Level.WARNING, "the node's status is not written: {0}", e.getMessage());
      } catch (UncheckedIOException | GrpcException | IOException e) {
        LOG.log(Level.WARNING, "the node's status is not written: {0}", e.getMessage());
        pause = Duration.ofSeconds(1);
      }
      synchronized (statusSignal) {
        if (!statusWanted) {
          statusSignal.wait(pause.toMillis());
        }
        statusWanted = false;
      }
    }
  }

  private KubeObject nodeReference() {
    return reference(
        new KubeObject(
            JsonObject.of(
                "apiVersion",
                "v1",
                "kind",
                "Node",
                "metadata",
                JsonObject.of("name", settings.nodeName()))));
  }

  /** Somebody deleted the Node: a node that lives comes back. */
  private void registerAgain() throws InterruptedException {
    try {
      register();
    } catch (ApiException | UncheckedIOException e) {
      LOG.log(Level.WARNING, "the node is not registered: {0}", e.getMessage());
      Thread.sleep(Duration.ofSeconds(1));
    }
  }

  private void wantStatus() {
    synchronized (statusSignal) {
      statusWanted = true;
      statusSignal.notifyAll();
    }
  }

  private void renewLeases() throws InterruptedException {
    @Nullable KubeObject lease = null;
    while (true) {
      Duration pause = LEASE_RENEWAL;
      try {
        String now = Times.microText(node.clock().instant());
        if (lease == null) {
          lease = node.client().find(Resources.LEASES, LEASES, settings.nodeName()).orElse(null);
        }
        if (lease == null) {
          lease =
              node.client()
                  .create(
                      Resources.LEASES,
                      new KubeObject(
                          JsonObject.of(
                              "apiVersion",
                              "coordination.k8s.io/v1",
                              "kind",
                              "Lease",
                              "metadata",
                              JsonObject.of(
                                  "name",
                                  settings.nodeName(),
                                  "namespace",
                                  LEASES,
                                  "ownerReferences",
                                  List.of(owner())),
                              "spec",
                              JsonObject.of(
                                  "holderIdentity",
                                  settings.nodeName(),
                                  "leaseDurationSeconds",
                                  LEASE_SECONDS,
                                  "renewTime",
                                  now))));
        } else {
          lease =
              node.client()
                  .update(
                      Resources.LEASES,
                      lease
                          .withPath(List.of("spec", "renewTime"), now)
                          .withPath(List.of("spec", "holderIdentity"), settings.nodeName())
                          .withPath(List.of("spec", "leaseDurationSeconds"), LEASE_SECONDS));
        }
      } catch (ApiException e) {
        // Taken, changed or deleted by somebody, or its namespace is still to come.
        LOG.log(Level.DEBUG, "lease not renewed: {0}", e.getMessage());
        lease = null;
        pause = Duration.ofMillis(500);
      } catch (UncheckedIOException e) {
        LOG.log(Level.WARNING, "lease not renewed: {0}", e.getMessage());
        lease = null;
        pause = Duration.ofSeconds(1);
      }
      Thread.sleep(pause);
    }
  }

  private JsonObject owner() {
    KubeObject self = node.client().get(Resources.NODES, "", settings.nodeName());
    return JsonObject.of(
        "apiVersion", "v1", "kind", "Node", "name", settings.nodeName(), "uid", self.uid());
  }

  // ---- pods

  private void runPods() throws InterruptedException {
    pods.awaitSynced();
    removeOrphans();
    pods.listen(this::podChanged);
    if (settings.wholeClusterReads()) {
      for (boolean secret : new boolean[] {true, false}) {
        node.synced(secret ? Resources.SECRETS : Resources.CONFIG_MAPS)
            .listen((_, after) -> after.ifPresent(object -> sourceChanged(object, secret)));
      }
    }
    node.synced(Resources.PERSISTENT_VOLUME_CLAIMS)
        .listen((_, after) -> after.ifPresent(this::claimChanged));
    LogRotation rotation = new LogRotation(node.cri(), node.clock(), LogRotation.MAX_SIZE);
    ImageCollection images = new ImageCollection(node, importer);
    while (true) {
      Thread.sleep(HOUSEKEEPING);
      try {
        rotation.pass();
        images.pass();
        updateWeights();
      } catch (GrpcException | IOException e) {
        LOG.log(Level.WARNING, "housekeeping: {0}", e.getMessage());
      }
    }
  }

  /** Nobody tells when a disk fills or memory runs out, so both are looked at. */
  private void evict() throws InterruptedException {
    pods.awaitSynced();
    Evictions evictions = new Evictions(node);
    while (true) {
      Thread.sleep(EVICTION_INTERVAL);
      try {
        for (Evictions.Eviction eviction : evictions.due(pods.all())) {
          PodWorker worker = workers.get(eviction.pod().uid());
          if (worker != null) {
            worker.evict(eviction.message());
          }
        }
      } catch (GrpcException | IOException | UncheckedIOException e) {
        LOG.log(Level.WARNING, "usage of the node''s resources is not known: {0}", e.getMessage());
      }
    }
  }

  private void podChanged(Optional<KubeObject> before, Optional<KubeObject> after) {
    String uid = after.or(() -> before).map(KubeObject::uid).orElse("");
    // A name can have passed to another pod between two events.
    if (before.isPresent() && !before.get().uid().equals(uid)) {
      PodWorker old = workers.get(before.get().uid());
      if (old != null) {
        old.objectGone();
      }
    }
    if (after.isEmpty()) {
      PodWorker worker = workers.remove(uid);
      if (worker != null) {
        worker.objectGone();
      }
      return;
    }
    KubeObject pod = after.get();
    PodWorker worker = workers.get(uid);
    if (worker != null) {
      worker.update(pod);
    } else {
      PodWorker created = new PodWorker(node, pod);
      workers.put(uid, created);
      created.start();
    }
  }

  private void sourceChanged(KubeObject object, boolean secret) {
    for (PodWorker worker : workers.values()) {
      KubeObject pod = worker.pod();
      if (pod.namespace().equals(object.namespace())
          && (Volumes.uses(pod, secret, object.name())
              || pod.status().text("phase").equals("Pending"))) {
        worker.wake();
      }
    }
  }

  private void claimChanged(KubeObject claim) {
    for (PodWorker worker : workers.values()) {
      KubeObject pod = worker.pod();
      if (pod.namespace().equals(claim.namespace())
          && pod.status().text("phase").equals("Pending")) {
        worker.wake();
      }
    }
  }

  private void wakeAll() {
    workers.values().forEach(PodWorker::wake);
    wantStatus();
  }

  private void updateWeights() throws IOException {
    long shares = 0;
    boolean any = false;
    for (KubeObject pod : pods.all()) {
      if (Pods.qosClass(pod).equals("Burstable") && !Pods.isTerminal(pod)) {
        any = true;
        shares += Pods.request(pod, "cpu").milli() * 1024 / 1000;
      }
    }
    if (any) {
      node.cgroups().burstableShares(shares);
    }
  }

  /** Takes down what belongs to pods that ended while nobody looked. */
  private void removeOrphans() {
    Set<String> known = new HashSet<>();
    pods.all().forEach(pod -> known.add(pod.uid()));
    try {
      for (Cri.Sandbox sandbox : node.cri().listPodSandboxes(Cri.SandboxFilter.ALL)) {
        String uid = sandbox.labels().getOrDefault(Pods.UID_LABEL, "");
        if (!uid.isEmpty() && !known.contains(uid)) {
          LOG.log(
              Level.INFO,
              "removing pod {0}/{1}, which is gone from the cluster",
              sandbox.metadata().namespace(),
              sandbox.metadata().name());
          node.cri().stopPodSandbox(sandbox.id());
          node.cri().removePodSandbox(sandbox.id());
        }
      }
      Volumes.cleanUp(settings, known);
      for (String uid : node.cgroups().pods()) {
        if (!known.contains(uid)) {
          // What runs there without a sandbox of ours is another runtime's.
          node.cgroups().removePodIfEmpty(uid);
        }
      }
      removeOrphanLogs(known);
    } catch (GrpcException | IOException e) {
      LOG.log(Level.WARNING, "not everything of pods that are gone could be removed", e);
    }
  }

  private void removeOrphanLogs(Set<String> known) throws IOException {
    try (var directories = Files.list(settings.podLogs())) {
      for (Path directory : directories.toList()) {
        String name = directory.getFileName().toString();
        String uid = name.substring(name.lastIndexOf('_') + 1);
        if (name.chars().filter(c -> c == '_').count() == 2 && !known.contains(uid)) {
          Mounts.deleteTree(directory);
        }
      }
    }
  }

  // ---- events of the runtime

  private void followEvents() throws InterruptedException {
    boolean criEvents = settings.runtimeEndpoint().isPresent();
    while (true) {
      try {
        if (criEvents) {
          node.cri().followContainerEvents(event -> containerChanged(event.containerId()));
        } else {
          // Debian's containerd has no CRI events; its own say the same.
          containerd
              .client()
              .followTaskEvents(
                  List.of("/tasks/exit", "/tasks/oom"), this::wakeAll, this::taskEvent);
        }
      } catch (GrpcException e) {
        if (Thread.interrupted() || closed) {
          return;
        }
        if (e.isUnimplemented()) {
          LOG.log(
              Level.WARNING,
              "the container runtime sends no events; exits are noticed within a minute");
          return;
        }
        LOG.log(Level.DEBUG, "the runtime's events broke off: {0}", e.getMessage());
      }
      wakeAll();
      Thread.sleep(100);
    }
  }

  private void taskEvent(TaskEvent event) {
    boolean process = event.execId().isEmpty() || event.execId().equals(event.containerId());
    if (process) {
      containerChanged(event.containerId());
    }
  }

  /** Runs the action once when a container ends; closing takes it back. */
  AutoCloseable onExit(String containerId, Runnable action) {
    exits.computeIfAbsent(containerId, _ -> ConcurrentHashMap.newKeySet()).add(action);
    return () ->
        exits.computeIfPresent(
            containerId,
            (_, actions) -> {
              actions.remove(action);
              return actions.isEmpty() ? null : actions;
            });
  }

  private void containerChanged(String containerId) {
    Set<Runnable> waiting = exits.get(containerId);
    if (waiting != null) {
      waiting.forEach(Runnable::run);
    }
    String uid = owners.get(containerId);
    if (uid == null) {
      Map<String, String> fresh = new HashMap<>();
      try {
        for (Cri.Container container : node.cri().listContainers(Cri.ContainerFilter.ALL)) {
          fresh.put(container.id(), container.labels().getOrDefault(Pods.UID_LABEL, ""));
        }
        for (Cri.Sandbox sandbox : node.cri().listPodSandboxes(Cri.SandboxFilter.ALL)) {
          fresh.put(sandbox.id(), sandbox.labels().getOrDefault(Pods.UID_LABEL, ""));
        }
      } catch (GrpcException e) {
        LOG.log(Level.DEBUG, "containers not listed: {0}", e.getMessage());
        wakeAll();
        return;
      }
      owners.keySet().retainAll(fresh.keySet());
      owners.putAll(fresh);
      uid = fresh.getOrDefault(containerId, "");
    }
    PodWorker worker = workers.get(uid);
    if (worker != null) {
      // CRI learns of the exit from the same event, perhaps a moment after us.
      worker.containerExited(containerId);
    }
  }
}
