package dev.kedge.node;

import dev.kedge.client.KubeClient.DeleteOptions;
import dev.kedge.client.KubeClient.Patch;
import dev.kedge.client.KubeClient.PatchType;
import dev.kedge.cri.Cri;
import dev.kedge.cri.Cri.ContainerState;
import dev.kedge.cri.Cri.ContainerStatus;
import dev.kedge.cri.CriClient;
import dev.kedge.grpc.GrpcException;
import dev.kedge.model.ApiException;
import dev.kedge.model.JsonBoolean;
import dev.kedge.model.JsonObject;
import dev.kedge.model.KubeObject;
import dev.kedge.model.Resources;
import dev.kedge.model.Times;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.lang.System.Logger;
import java.lang.System.Logger.Level;
import java.nio.file.Files;
import java.time.Duration;
import java.time.Instant;
import java.util.Comparator;
import java.util.HashMap;
import java.util.HashSet;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.concurrent.CompletableFuture;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;

/**
 * Brings one pod to what the API server wants of it, on one virtual thread. Each round reads what
 * CRI has, does the next steps, and writes the status when it changed; what takes long (pulls,
 * hooks, stopping) runs beside it and wakes it when done. All that a round needs to know survives
 * in CRI (labels, annotations, the containers themselves), so that a restarted kedge goes on where
 * the last one was.
 */
final class PodWorker {
  private static final Logger LOG = System.getLogger("dev.kedge.node");

  /** A wait that only a wake ends. */
  static final Duration NEVER = Duration.ofDays(3650);

  /** How long a pod goes unlooked at when nothing is heard of it. */
  static final Duration RELIST = Duration.ofSeconds(60);

  private final NodeServices node;
  private final ContainerSpecs specs;
  private final Volumes volumes;
  private final String uid;
  private final Backoff restarts = new Backoff(Duration.ofSeconds(10), Duration.ofMinutes(5));
  private final Backoff retries = new Backoff(Duration.ofMillis(500), Duration.ofMinutes(2));
  private final Map<String, Prober> probers = new HashMap<>();
  private final Map<String, CompletableFuture<Boolean>> hooks = new HashMap<>();
  private final Set<String> stopping = new HashSet<>();
  private final Set<String> reported = new HashSet<>();
  private final Set<String> stopped = new HashSet<>();
  private final PodStatus status;
  private final RuntimePod.Reader runtime;
  private final PodImages images;
  private final PodLogs logs;
  private final PodResize resize;
  private final ContainerStops stops;
  private final Thread thread;

  // Guarded by this.
  private KubeObject latest;
  private boolean gone;
  private boolean woken = true;
  private boolean closed;
  private final Set<String> ended = new HashSet<>();
  private String eviction = "";

  private @Nullable JsonObject written;
  private @Nullable String failReason;
  private String failMessage = "";
  private boolean admitted;
  private boolean setUp;
  private boolean cleaned;

  PodWorker(NodeServices node, KubeObject pod) {
    this.node = node;
    specs = new ContainerSpecs(node);
    uid = pod.uid();
    volumes = new Volumes(node, uid);
    status = new PodStatus(node);
    runtime = new RuntimePod.Reader(node, uid);
    images = new PodImages(node, this::wake);
    logs = new PodLogs(node.settings(), uid);
    resize = new PodResize(node, specs, uid);
    stops = new ContainerStops(node, this::wake);
    latest = pod;
    thread =
        Thread.ofVirtual().name("pod-" + pod.namespace() + "-" + pod.name()).unstarted(this::run);
  }

  void start() {
    thread.start();
  }

  /** The pod as it was last seen. */
  synchronized KubeObject pod() {
    return latest;
  }

  /** Puts a new version into the mailbox, in the place of the one before. */
  synchronized void update(KubeObject pod) {
    latest = pod;
    woken = true;
    notifyAll();
  }

  /** The object is gone from the API server. */
  synchronized void objectGone() {
    gone = true;
    woken = true;
    notifyAll();
  }

  /** Something happened that may concern this pod. */
  synchronized void wake() {
    woken = true;
    notifyAll();
  }

  /** containerd says that a container has ended; CRI may say so only a moment later. */
  synchronized void containerExited(String id) {
    stops.exited(id);
    ended.add(id);
    wake();
  }

  /** The node ends the pod; its status will say why. */
  synchronized void evict(String message) {
    if (eviction.isEmpty()) {
      eviction = message;
      wake();
    }
  }

  /** Ends the thread; containers go on. */
  void close() {
    synchronized (this) {
      closed = true;
      notifyAll();
    }
    thread.interrupt();
    probers.values().forEach(Prober::stop);
  }

  private void run() {
    while (true) {
      Duration next;
      try {
        next = round();
        retries.forget("round");
      } catch (InterruptedException e) {
        return;
      } catch (GrpcException e) {
        if (Thread.interrupted() || isClosed()) {
          return;
        }
        next = failed(e);
      } catch (IOException | RuntimeException e) {
        if (isClosed()) {
          return;
        }
        next = failed(e);
      }
      synchronized (this) {
        long deadline = System.nanoTime() + next.toNanos();
        while (!woken && !closed) {
          long millis = (deadline - System.nanoTime()) / 1_000_000 + 1;
          if (millis <= 0) {
            break;
          }
          try {
            wait(millis);
          } catch (InterruptedException e) {
            return;
          }
        }
        if (closed || gone && cleaned) {
          return;
        }
        woken = false;
      }
    }
  }

  private synchronized boolean isClosed() {
    return closed;
  }

  private Duration failed(Exception e) {
    Instant now = node.clock().instant();
    retries.next("round", now, now);
    boolean expected =
        e instanceof GrpcException cri && CriClient.isUnavailable(cri)
            || e instanceof UncheckedIOException
            || e instanceof ApiException;
    LOG.log(
        expected ? Level.DEBUG : Level.WARNING, "pod " + Pods.format(pod()) + ": will retry", e);
    return retries.pause("round");
  }

  private Duration round() throws IOException, InterruptedException {
    KubeObject pod;
    boolean absent;
    String evicted;
    synchronized (this) {
      pod = latest;
      absent = gone;
      evicted = eviction;
    }
    RuntimePod actual = runtime.read();
    Duration soon = awaitEnded(actual);
    hear(pod, actual);
    if (!soon.equals(NEVER)) {
      return soon;
    }
    if (absent || pod.deleting()) {
      return terminate(pod, actual, absent);
    }
    if (!evicted.isEmpty() && failReason == null && !Pods.isTerminal(pod)) {
      failReason = "Evicted";
      failMessage = evicted;
      node.event(pod, "Warning", "Evicted", evicted);
    }
    if (Pods.isTerminal(pod) || failReason != null) {
      return settle(pod, actual);
    }
    if (!admitted && !admit(pod, actual)) {
      return settle(pod, actual);
    }
    Optional<Duration> deadline = deadline(pod);
    if (deadline.isPresent() && !deadline.get().isPositive()) {
      failReason = "DeadlineExceeded";
      failMessage = "Pod was active on the node longer than the specified deadline";
      node.event(pod, "Normal", "DeadlineExceeded", failMessage);
      return settle(pod, actual);
    }
    Duration next = advance(pod, actual);
    return Stream.of(next, deadline.orElse(NEVER), RELIST)
        .min(Comparator.naturalOrder())
        .orElseThrow();
  }

  // ---- reading what is there

  /** Looks again in a moment while CRI still calls running what containerd says has ended. */
  private Duration awaitEnded(RuntimePod actual) {
    synchronized (this) {
      ended.retainAll(
          actual
              .all()
              .filter(c -> c.state() == ContainerState.RUNNING)
              .map(ContainerStatus::id)
              .toList());
      return ended.isEmpty() ? NEVER : Duration.ofMillis(2);
    }
  }

  /** Keeps probes in step with what runs. */
  private void hear(KubeObject pod, RuntimePod actual) {
    Set<String> running = new HashSet<>();
    actual.all().filter(c -> c.state() == ContainerState.RUNNING).forEach(c -> running.add(c.id()));
    probers
        .entrySet()
        .removeIf(
            entry -> {
              if (!running.contains(entry.getKey()) || pod.deleting()) {
                entry.getValue().stop();
                return true;
              }
              return false;
            });
    stopping.retainAll(running);
    resize.retain(running);
    hooks.keySet().retainAll(running);
    if (pod.deleting()) {
      return;
    }
    for (JsonObject container : Pods.all(pod)) {
      Optional<ContainerStatus> current = actual.newest(container.text("name"));
      if (current.isPresent()
          && running.contains(current.get().id())
          && !probers.containsKey(current.get().id())) {
        String id = current.get().id();
        Prober prober = new Prober(node, pod, container, id, probeHost(pod, actual), this::wake);
        JsonObject before = PodStatus.reported(pod, container.text("name"), id);
        probers.put(id, prober);
        prober.start(before.flag("started"), before.flag("ready"));
      }
    }
  }

  private String probeHost(KubeObject pod, RuntimePod actual) {
    List<String> ips = podIps(pod, actual);
    return ips.isEmpty() ? "127.0.0.1" : ips.getFirst();
  }

  private List<String> podIps(KubeObject pod, RuntimePod actual) {
    if (Pods.hostNetwork(pod)) {
      return node.settings().addresses();
    }
    return actual.ready().map(Cri.SandboxStatus::ips).orElse(List.of());
  }

  // ---- admission

  private boolean admit(KubeObject pod, RuntimePod actual) {
    if (!actual.sandboxes().isEmpty() || !pod.status().text("startTime").isEmpty()) {
      admitted = true; // decided before
      return true;
    }
    Admission.Verdict verdict = Admission.check(node, pod);
    if (verdict.admitted()) {
      admitted = true;
      return true;
    }
    failReason = verdict.reason();
    failMessage = verdict.message();
    node.event(pod, "Warning", verdict.reason(), verdict.message());
    return false;
  }

  private Optional<Duration> deadline(KubeObject pod) {
    if (!pod.spec().has("activeDeadlineSeconds")) {
      return Optional.empty();
    }
    long seconds = pod.spec().integer("activeDeadlineSeconds");
    return Times.instant(pod.status().text("startTime"))
        .map(start -> Duration.between(node.clock().instant(), start.plusSeconds(seconds)));
  }

  // ---- a pod that is to run

  private Duration advance(KubeObject pod, RuntimePod actual)
      throws IOException, InterruptedException {
    Duration next = NEVER;
    Map<String, PodStatus.Waiting> waiting = new LinkedHashMap<>();
    List<String> ips = podIps(pod, actual);
    Environment environment = new Environment(node, pod, ips);
    if (isDone(pod, actual)) {
      // Nothing is to be started any more: the rest is reporting and stopping sidecars.
      if (actual.anyRunning()) {
        stops.all(pod, actual, Pods.graceSeconds(pod));
      } else {
        stopSandboxes(actual);
      }
      write(pod, actual, waiting);
      return NEVER;
    }
    try {
      prepare(pod);
      Optional<Instant> renewal = volumes.sync(pod, environment);
      if (renewal.isPresent()) {
        next = Duration.between(node.clock().instant(), renewal.get());
      }
      retries.forget("volumes");
    } catch (Volumes.MountException e) {
      String message = e.getMessage() == null ? "" : e.getMessage();
      node.event(pod, "Warning", "FailedMount", message);
      write(pod, actual, waiting);
      return retry("volumes");
    }
    if (actual.ready().isEmpty()) {
      if (actual.anyRunning()) {
        // The sandbox died under its containers.
        node.event(
            pod,
            "Normal",
            "SandboxChanged",
            "Pod sandbox changed, it will be killed and re-created.");
      }
      write(pod, actual, waiting);
      stopSandboxes(actual);
      if (!createSandbox(pod, actual)) {
        return retry("sandbox");
      }
      retries.forget("sandbox");
      actual = runtime.read();
      ips = podIps(pod, actual);
    }
    Cri.SandboxStatus sandbox = actual.ready().orElse(null);
    if (sandbox == null) {
      return retry("sandbox");
    }
    resize.consider(pod, actual);
    Initialised initialised = initialise(pod, actual, sandbox, ips, waiting);
    next = min(next, initialised.next());
    if (initialised.complete()) {
      for (JsonObject container : Pods.containers(pod)) {
        Step step = step(pod, container, actual, sandbox, ips, waiting);
        next = min(next, step.next());
        if (step.blocked()) {
          break; // a postStart hook of an earlier container still runs
        }
      }
      for (JsonObject container : Pods.ephemeralContainers(pod)) {
        // Run once, whatever comes of it.
        if (actual.newest(container.text("name")).isEmpty()) {
          next = min(next, start(pod, container, Optional.empty(), sandbox, ips, waiting).next());
        }
      }
    }
    resize.narrow(pod);
    write(pod, runtime.read(), waiting);
    collect(pod);
    return next;
  }

  private static Duration min(Duration a, Duration b) {
    return a.compareTo(b) <= 0 ? a : b;
  }

  private Duration retry(String what) {
    Instant now = node.clock().instant();
    retries.next(what, now, now);
    return retries.pause(what);
  }

  /** Whether no container is to run any more by the pod's restart policy. */
  private static boolean isDone(KubeObject pod, RuntimePod actual) {
    if (Pods.restartPolicy(pod).equals("Never")) {
      for (JsonObject container : Pods.initContainers(pod)) {
        Optional<ContainerStatus> status = actual.newest(container.text("name"));
        if (!Pods.isSidecar(container)
            && status.isPresent()
            && status.get().state() == ContainerState.EXITED
            && status.get().exitCode() != 0
            && !Pods.restarts(pod, container, status.get().exitCode())) {
          return true;
        }
      }
    }
    for (JsonObject container : Pods.containers(pod)) {
      Optional<ContainerStatus> status = actual.newest(container.text("name"));
      if (status.isEmpty()
          || status.get().state() != ContainerState.EXITED
          || Pods.restarts(pod, container, status.get().exitCode())) {
        return false;
      }
    }
    return true;
  }

  private void prepare(KubeObject pod) throws IOException {
    if (setUp) {
      return;
    }
    Files.createDirectories(ContainerSpecs.podDirectory(node.settings(), uid));
    Files.createDirectories(ContainerSpecs.logDirectory(node.settings(), pod));
    node.cgroups().createPod(Pods.qosClass(pod), uid, ContainerSpecs.podLimits(pod));
    setUp = true;
  }

  private boolean createSandbox(KubeObject pod, RuntimePod actual) throws IOException {
    int attempt =
        actual.sandboxes().isEmpty() ? 0 : actual.sandboxes().getFirst().metadata().attempt() + 1;
    try {
      node.cri().runPodSandbox(specs.sandbox(pod, attempt), runtimeHandler(pod));
      return true;
    } catch (GrpcException e) {
      node.event(
          pod,
          "Warning",
          "FailedCreatePodSandBox",
          "Failed to create pod sandbox: " + e.getMessage());
      LOG.log(Level.WARNING, "pod {0}: no sandbox: {1}", Pods.format(pod), e.detail());
      return false;
    }
  }

  /** The runtime's name of the pod's RuntimeClass; empty for the default. */
  private String runtimeHandler(KubeObject pod) {
    if (pod.spec().get("hostUsers").filter(JsonBoolean.FALSE::equals).isPresent()) {
      throw new GrpcException(
          GrpcException.Code.UNIMPLEMENTED,
          "user namespaces (hostUsers: false) are not supported by this node");
    }
    String name = pod.spec().text("runtimeClassName");
    if (name.isEmpty()) {
      return "";
    }
    return node.client()
        .find(Resources.RUNTIME_CLASSES, "", name)
        .map(runtimeClass -> runtimeClass.json().text("handler"))
        .orElseThrow(
            () ->
                new GrpcException(
                    GrpcException.Code.NOT_FOUND, "RuntimeClass \"" + name + "\" not found"));
  }

  /**
   * Stops all sandboxes, each once: also one that a reboot has ended, whose address would stay
   * taken otherwise.
   */
  private void stopSandboxes(RuntimePod actual) {
    for (Cri.Sandbox sandbox : actual.sandboxes()) {
      if (sandbox.state() == Cri.SandboxState.READY
          || !stopped.contains(sandbox.id())
          || actual.anyRunning()) {
        node.cri().stopPodSandbox(sandbox.id());
        stopped.add(sandbox.id());
      }
    }
  }

  private record Initialised(boolean complete, Duration next) {}

  /** How a container comes on: when to look again, and whether those after it must wait. */
  private record Step(Duration next, boolean blocked) {}

  /**
   * Runs the init containers one after the other.
   *
   * @return whether the ordinary containers may run, and when to look again
   */
  private Initialised initialise(
      KubeObject pod,
      RuntimePod actual,
      Cri.SandboxStatus sandbox,
      List<String> ips,
      Map<String, PodStatus.Waiting> waiting)
      throws IOException, InterruptedException {
    // Once an ordinary container was there in this sandbox, only sidecars are of interest.
    boolean past =
        Pods.containers(pod).stream()
            .flatMap(c -> actual.containers().getOrDefault(c.text("name"), List.of()).stream())
            .anyMatch(c -> c.createdAt() >= sandbox.createdAt());
    Duration next = NEVER;
    for (JsonObject container : Pods.initContainers(pod)) {
      Optional<ContainerStatus> current =
          actual.newest(container.text("name")).filter(c -> c.createdAt() >= sandbox.createdAt());
      if (Pods.isSidecar(container)) {
        Step step = step(pod, container, actual, sandbox, ips, waiting);
        next = min(next, step.next());
        Prober prober = current.map(c -> probers.get(c.id())).orElse(null);
        boolean up =
            current.isPresent()
                && current.get().state() == ContainerState.RUNNING
                && (prober == null || prober.isStarted())
                && !step.blocked();
        if (!up && !past) {
          return new Initialised(false, next);
        }
        continue;
      }
      if (past) {
        continue;
      }
      if (current.isPresent()
          && current.get().state() == ContainerState.EXITED
          && current.get().exitCode() == 0) {
        continue;
      }
      Step step = step(pod, container, actual, sandbox, ips, waiting);
      return new Initialised(false, min(next, step.next()));
    }
    return new Initialised(true, next);
  }

  /** Does for one container what is to do now. */
  private Step step(
      KubeObject pod,
      JsonObject container,
      RuntimePod actual,
      Cri.SandboxStatus sandbox,
      List<String> ips,
      Map<String, PodStatus.Waiting> waiting)
      throws IOException, InterruptedException {
    String name = container.text("name");
    Optional<ContainerStatus> newest = actual.newest(name);
    boolean inSandbox = newest.isPresent() && newest.get().createdAt() >= sandbox.createdAt();
    Instant now = node.clock().instant();
    if (newest.isPresent() && inSandbox) {
      ContainerStatus current = newest.get();
      switch (current.state()) {
        case RUNNING -> {
          return watchRunning(pod, container, current);
        }
        case CREATED, UNKNOWN -> node.cri().removeContainer(current.id());
        case EXITED -> {
          if (!Pods.restarts(pod, container, current.exitCode())) {
            return new Step(NEVER, false);
          }
        }
      }
    }
    if (newest.isPresent() && newest.get().state() == ContainerState.EXITED) {
      ContainerStatus last = newest.get();
      Instant ended = Instant.ofEpochSecond(0, last.finishedAt());
      Duration left = restarts.remaining(name, ended, now);
      if (left.isPositive()) {
        String message =
            "back-off "
                + Backoff.format(restarts.pause(name))
                + " restarting failed container="
                + name
                + " pod="
                + Pods.format(pod);
        waiting.put(name, new PodStatus.Waiting("CrashLoopBackOff", message));
        if (reported.add("backoff " + last.id())) {
          node.event(
              pod,
              name,
              "Warning",
              "BackOff",
              "Back-off restarting failed container " + name + " in pod " + Pods.format(pod));
        }
        return new Step(left, false);
      }
    }
    return start(pod, container, newest, sandbox, ips, waiting);
  }

  private Step watchRunning(KubeObject pod, JsonObject container, ContainerStatus current) {
    String name = container.text("name");
    CompletableFuture<Boolean> hook = hooks.get(current.id());
    if (hook != null && !hook.isDone()) {
      return new Step(NEVER, true);
    }
    if (stopping.contains(current.id())) {
      return new Step(NEVER, false);
    }
    String why = "";
    long grace = pod.spec().integerOr(30, "terminationGracePeriodSeconds");
    Prober prober = probers.get(current.id());
    if (hook != null && !hook.join()) {
      why = "FailedPostStartHook";
    } else if (prober != null && !prober.failed().isEmpty()) {
      why = "Container " + name + " failed " + prober.failed() + " probe, will be restarted";
      grace =
          container.integerOr(grace, prober.failed() + "Probe", "terminationGracePeriodSeconds");
    } else if (current.annotations().containsKey(Pods.HASH)
        && !Pods.hash(container).equals(current.annotations().get(Pods.HASH))) {
      why = "Container " + name + " definition changed, will be restarted";
    } else if (!resize.applied(pod, container, current)) {
      why = "Container " + name + " resize requires restart";
    }
    if (!why.isEmpty()) {
      stopping.add(current.id());
      node.event(pod, name, "Normal", "Killing", why);
      long seconds = grace;
      Thread.ofVirtual()
          .name("stop-" + name)
          .start(
              () -> {
                stops.one(pod, container, current.id(), seconds);
                wake();
              });
    }
    return new Step(NEVER, false);
  }

  private Step start(
      KubeObject pod,
      JsonObject container,
      Optional<ContainerStatus> last,
      Cri.SandboxStatus sandbox,
      List<String> ips,
      Map<String, PodStatus.Waiting> waiting)
      throws IOException, InterruptedException {
    String name = container.text("name");
    PodImages.Found found = images.find(pod, container);
    if (found.image() == null) {
      waiting.put(name, found.waiting());
      return new Step(found.next(), false);
    }
    int attempt =
        last.map(c -> c.metadata().attempt() + 1)
            .orElse(PodStatus.restartCount(pod, name) + (hadBefore(pod, name) ? 1 : 0));
    if (last.isPresent() && last.get().state() == ContainerState.EXITED) {
      restarts.next(
          name, Instant.ofEpochSecond(0, last.get().finishedAt()), node.clock().instant());
    }
    Cri.ContainerConfig config;
    try {
      config =
          specs.container(pod, container, attempt, found.image(), ips, volumes, target(container));
    } catch (Environment.ConfigException e) {
      String message = e.getMessage() == null ? "" : e.getMessage();
      waiting.put(name, new PodStatus.Waiting("CreateContainerConfigError", message));
      node.event(pod, name, "Warning", "Failed", "Error: " + message);
      return new Step(retry("config " + name), false);
    }
    String id;
    try {
      id =
          node.cri()
              .createContainer(
                  sandbox.id(), config, specs.sandbox(pod, sandbox.metadata().attempt()));
    } catch (GrpcException e) {
      if (CriClient.isUnavailable(e)) {
        throw e;
      }
      waiting.put(name, new PodStatus.Waiting("CreateContainerError", e.detail()));
      node.event(pod, name, "Warning", "Failed", "Error: " + e.detail());
      return new Step(retry("create " + name), false);
    }
    resize.given(id, config.resources());
    node.event(pod, name, "Normal", "Created", "Container created");
    try {
      node.cri().startContainer(id);
    } catch (GrpcException e) {
      if (CriClient.isUnavailable(e)) {
        throw e;
      }
      waiting.put(name, new PodStatus.Waiting("RunContainerError", e.detail()));
      node.event(pod, name, "Warning", "Failed", "Error: " + e.detail());
      // containerd keeps it as exited with StartError; the restart policy goes on from there.
      return new Step(Duration.ZERO, false);
    }
    node.event(pod, name, "Normal", "Started", "Container started");
    retries.forget("config " + name);
    retries.forget("create " + name);
    logs.link(pod, name, id, attempt);
    JsonObject hook = container.object("lifecycle", "postStart");
    if (!hook.isEmpty()) {
      runPostStart(pod, container, id, hook, ips);
      return new Step(NEVER, true);
    }
    hear(pod, runtime.read());
    return new Step(NEVER, false);
  }

  /** The running container that an ephemeral one is to look into. */
  private String target(JsonObject container) throws Environment.ConfigException {
    String name = container.text("targetContainerName");
    if (name.isEmpty()) {
      return "";
    }
    return runtime
        .read()
        .newest(name)
        .filter(c -> c.state() == ContainerState.RUNNING)
        .map(ContainerStatus::id)
        .orElseThrow(
            () ->
                new Environment.ConfigException(
                    "unable to find target container \"" + name + "\""));
  }

  private static boolean hadBefore(KubeObject pod, String name) {
    return !PodStatus.containerStatus(pod, name).text("containerID").isEmpty();
  }

  private void runPostStart(
      KubeObject pod, JsonObject container, String id, JsonObject hook, List<String> ips) {
    CompletableFuture<Boolean> done = new CompletableFuture<>();
    hooks.put(id, done);
    String host = ips.isEmpty() ? "127.0.0.1" : ips.getFirst();
    Thread.ofVirtual()
        .name("postStart-" + container.text("name"))
        .start(
            () -> {
              boolean success = false;
              try {
                Checks.Result result =
                    Checks.run(hook, container, id, host, Duration.ZERO.plusHours(1), node.cri());
                success = result.success();
                if (!success) {
                  node.event(
                      pod,
                      container.text("name"),
                      "Warning",
                      "FailedPostStartHook",
                      "PostStartHook failed");
                  LOG.log(Level.DEBUG, "postStart hook failed: {0}", result.output());
                }
              } catch (InterruptedException e) {
                Thread.currentThread().interrupt();
              } finally {
                done.complete(success);
                wake();
              }
            });
  }

  // ---- stopping

  /** Brings a pod that is to go to its end, step by step. */
  private Duration terminate(KubeObject pod, RuntimePod actual, boolean absent)
      throws IOException, InterruptedException {
    long grace = Pods.graceSeconds(pod);
    if (absent && !pod.deleting()) {
      grace = pod.spec().integerOr(30, "terminationGracePeriodSeconds");
    }
    if (actual.anyRunning()) {
      stops.all(pod, actual, grace);
      if (!absent) {
        write(pod, actual, Map.of());
      }
      return RELIST;
    }
    if (!cleaned) {
      for (Cri.Sandbox sandbox : actual.sandboxes()) {
        node.cri().stopPodSandbox(sandbox.id());
      }
      if (!absent) {
        write(pod, runtime.read(), Map.of());
      }
      volumes.tearDown();
      for (Cri.Sandbox sandbox : actual.sandboxes()) {
        node.cri().removePodSandbox(sandbox.id());
      }
      node.cgroups().removePod(uid);
      Mounts.deleteTree(ContainerSpecs.podDirectory(node.settings(), uid));
      logs.removeAll(pod);
      synchronized (this) {
        cleaned = true;
      }
    }
    if (!absent) {
      try {
        node.client()
            .delete(
                Resources.PODS,
                pod.namespace(),
                pod.name(),
                DeleteOptions.DEFAULT.withUid(uid).withGracePeriodSeconds(0));
      } catch (ApiException e) {
        // Gone already, or the name is another pod's by now.
        if (!e.isNotFound() && !e.isConflict()) {
          throw e;
        }
      }
    }
    return RELIST;
  }

  /** A pod that has ended, or is refused: nothing runs, the status says so, the rest stays. */
  private Duration settle(KubeObject pod, RuntimePod actual) throws IOException {
    if (actual.anyRunning()) {
      // What is evicted has used up its time already.
      stops.all(
          pod,
          actual,
          "Evicted".equals(failReason)
              ? 1
              : pod.spec().integerOr(30, "terminationGracePeriodSeconds"));
      write(pod, actual, Map.of());
      return RELIST;
    }
    stopSandboxes(actual);
    write(pod, runtime.read(), Map.of());
    return RELIST;
  }

  /** Keeps one dead container for each name, besides the newest, and removes the older ones. */
  private void collect(KubeObject pod) {
    RuntimePod actual = runtime.read();
    for (List<ContainerStatus> list : actual.containers().values()) {
      list.stream()
          .filter(c -> c.state() == ContainerState.EXITED)
          .skip(!list.isEmpty() && list.getFirst().state() == ContainerState.EXITED ? 2 : 1)
          .forEach(
              c -> {
                node.cri().removeContainer(c.id());
                logs.remove(pod, c);
              });
    }
    for (Cri.Sandbox sandbox : actual.sandboxes().stream().skip(1).toList()) {
      boolean used =
          node
              .cri()
              .listContainers(new Cri.ContainerFilter("", null, sandbox.id(), Map.of()))
              .stream()
              .findAny()
              .isPresent();
      if (sandbox.state() == Cri.SandboxState.NOT_READY && !used) {
        node.cri().removePodSandbox(sandbox.id());
      }
    }
  }

  // ---- status

  private void write(KubeObject pod, RuntimePod actual, Map<String, PodStatus.Waiting> waiting)
      throws IOException {
    PodStatus.Inputs inputs =
        new PodStatus.Inputs(
            podIps(pod, actual),
            actual.ready().isPresent(),
            actual.containers(),
            waiting,
            probers,
            hooks,
            failReason == null ? "" : failReason,
            failMessage,
            resize.waiting());
    // What was written last may not have come back to us yet, but it is the newer truth.
    JsonObject previous = written != null ? written : pod.status();
    JsonObject wanted = status.compute(pod, previous, inputs);
    if (written != null ? wanted.equals(written) : covers(pod.status(), wanted)) {
      return;
    }
    JsonObject.Builder patch = JsonObject.builder().putAll(wanted);
    for (String field : List.of("reason", "message")) {
      if (!wanted.has(field) && (pod.status().has(field) || previous.has(field))) {
        patch.put(field, null);
      }
    }
    try {
      node.client()
          .patch(
              Resources.PODS,
              pod.namespace(),
              pod.name(),
              new Patch(
                  PatchType.MERGE,
                  JsonObject.of("metadata", JsonObject.of("uid", uid), "status", patch.build()),
                  "status",
                  "",
                  false));
      written = wanted;
    } catch (ApiException e) {
      // The pod is gone, or its name is another's: nobody is interested any more.
      if (!e.isNotFound() && !e.isConflict() && e.code() != 422) {
        throw e;
      }
      LOG.log(Level.DEBUG, "status of {0} not written: {1}", Pods.format(pod), e.getMessage());
    }
  }

  private static boolean covers(JsonObject present, JsonObject wanted) {
    for (String field : wanted.names()) {
      if (!wanted.get(field).equals(present.get(field))) {
        return false;
      }
    }
    return present.has("reason") == wanted.has("reason");
  }
}
