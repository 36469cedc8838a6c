package dev.kedge.node;

import dev.kedge.cri.Cri.ContainerState;
import dev.kedge.cri.Cri.ContainerStatus;
import dev.kedge.model.JsonArray;
import dev.kedge.model.JsonNull;
import dev.kedge.model.JsonObject;
import dev.kedge.model.KubeObject;
import dev.kedge.model.Times;
import java.io.IOException;
import java.io.RandomAccessFile;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Instant;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.concurrent.CompletableFuture;

/** Computes a pod's status from what CRI has; the rules are those of upstream's kubelet. */
final class PodStatus {
  /** Why a container is not running. */
  record Waiting(String reason, String message) {}

  /** The reason of a resize that was begun and refused by the runtime. */
  static final String RESIZE_FAILED = "Error";

  static final Waiting CREATING = new Waiting("ContainerCreating", "");
  private static final Waiting INITIALIZING = new Waiting("PodInitializing", "");
  private static final int MESSAGE_LIMIT = 4096;
  private static final int LOG_TAIL = 2048;

  private final NodeServices node;
  // Termination messages by container: read once, when it has ended.
  private final Map<String, String> messages = new HashMap<>();

  PodStatus(NodeServices node) {
    this.node = node;
  }

  /**
   * What a round of the worker found.
   *
   * @param containers by name, the newest first
   * @param waiting by name, why a container is not running
   * @param probers by container id
   * @param hooks by container id; a container whose postStart hook runs is not ready
   * @param failReason set when the node has refused or ended the pod
   * @param resize why changed resources are not given yet
   */
  record Inputs(
      List<String> podIps,
      boolean sandboxReady,
      Map<String, List<ContainerStatus>> containers,
      Map<String, Waiting> waiting,
      Map<String, Prober> probers,
      Map<String, CompletableFuture<Boolean>> hooks,
      String failReason,
      String failMessage,
      Optional<Waiting> resize) {}

  /** The reported status of a container by name, empty if there is none. */
  static JsonObject containerStatus(KubeObject pod, String name) {
    for (String list :
        List.of("containerStatuses", "initContainerStatuses", "ephemeralContainerStatuses")) {
      for (JsonObject status : pod.status().objects(list)) {
        if (status.text("name").equals(name)) {
          return status;
        }
      }
    }
    return JsonObject.EMPTY;
  }

  /** The reported status of a container if it is about this very container id. */
  static JsonObject reported(KubeObject pod, String name, String id) {
    JsonObject status = containerStatus(pod, name);
    return status.text("containerID").endsWith("//" + id) ? status : JsonObject.EMPTY;
  }

  static int restartCount(KubeObject pod, String name) {
    return (int) containerStatus(pod, name).integer("restartCount");
  }

  /**
   * The status to write.
   *
   * @param previous the status written last
   */
  JsonObject compute(KubeObject pod, JsonObject previous, Inputs in) throws IOException {
    String now = Times.text(node.clock().instant());
    List<JsonObject> init = new ArrayList<>();
    List<JsonObject> main = new ArrayList<>();
    boolean initialized = initialized(pod, in);
    for (JsonObject container : Pods.initContainers(pod)) {
      init.add(container(pod, previous, container, in, INITIALIZING, "initContainerStatuses"));
    }
    Waiting otherwise = initialized || Pods.initContainers(pod).isEmpty() ? CREATING : INITIALIZING;
    for (JsonObject container : Pods.containers(pod)) {
      main.add(container(pod, previous, container, in, otherwise, "containerStatuses"));
    }
    String phase = phase(pod, in, init, main);
    String before = previous.text("phase");
    if (before.equals("Failed") || before.equals("Succeeded")) {
      phase = before; // for ever
    }
    boolean over = phase.equals("Failed") || phase.equals("Succeeded");
    JsonObject.Builder out = JsonObject.builder();
    if (pod.generation() > 0) {
      out.put("observedGeneration", pod.generation());
    }
    out.put("phase", phase);
    if (!in.failReason().isEmpty()) {
      out.put("reason", in.failReason()).put("message", in.failMessage());
    } else if (over) {
      out.putNonEmpty("reason", previous.text("reason"));
      out.putNonEmpty("message", previous.text("message"));
    }
    out.put("conditions", conditions(pod, previous, in, phase, initialized, init, main, now));
    String address = node.settings().addresses().getFirst();
    out.put("hostIP", address);
    out.put(
        "hostIPs",
        node.settings().addresses().stream().map(ip -> JsonObject.of("ip", ip)).toList());
    List<String> ips = in.podIps();
    if (ips.isEmpty() && over) {
      // Where it was stays on record.
      out.putNonEmpty("podIP", previous.text("podIP"));
      out.putNonEmpty("podIPs", previous.array("podIPs"));
    } else if (!ips.isEmpty() && (in.sandboxReady() || Pods.hostNetwork(pod))) {
      out.put("podIP", ips.getFirst());
      out.put("podIPs", ips.stream().map(ip -> JsonObject.of("ip", ip)).toList());
    } else {
      out.putNonEmpty("podIP", previous.text("podIP"));
      out.putNonEmpty("podIPs", previous.array("podIPs"));
    }
    String startTime = previous.text("startTime");
    out.put("startTime", startTime.isEmpty() ? now : startTime);
    if (!init.isEmpty()) {
      out.put("initContainerStatuses", init);
    }
    boolean refused = !in.failReason().isEmpty() && in.containers().isEmpty();
    if (!refused) {
      out.put("containerStatuses", main);
    }
    List<JsonObject> ephemeral = new ArrayList<>();
    for (JsonObject container : Pods.ephemeralContainers(pod)) {
      ephemeral.add(
          container(pod, previous, container, in, CREATING, "ephemeralContainerStatuses"));
    }
    out.putNonEmpty("ephemeralContainerStatuses", ephemeral);
    String qos = pod.status().text("qosClass");
    out.put("qosClass", qos.isEmpty() ? Pods.qosClass(pod) : qos);
    return out.build();
  }

  private static String time(long nanos) {
    return Times.text(Instant.ofEpochSecond(0, nanos));
  }

  private static Optional<ContainerStatus> newest(Inputs in, String name) {
    return in.containers().getOrDefault(name, List.of()).stream().findFirst();
  }

  private static boolean initialized(KubeObject pod, Inputs in) {
    boolean mainSeen =
        Pods.containers(pod).stream().anyMatch(c -> newest(in, c.text("name")).isPresent());
    if (mainSeen) {
      return true;
    }
    for (JsonObject container : Pods.initContainers(pod)) {
      Optional<ContainerStatus> status = newest(in, container.text("name"));
      if (status.isEmpty()) {
        return false;
      }
      if (Pods.isSidecar(container)) {
        Prober prober = in.probers().get(status.get().id());
        if (status.get().state() != ContainerState.RUNNING
            || prober == null
            || !prober.isStarted()) {
          return false;
        }
      } else if (status.get().state() != ContainerState.EXITED || status.get().exitCode() != 0) {
        return false;
      }
    }
    return true;
  }

  private JsonObject container(
      KubeObject pod,
      JsonObject previous,
      JsonObject container,
      Inputs in,
      Waiting otherwise,
      String list)
      throws IOException {
    boolean init = list.equals("initContainerStatuses");
    String name = container.text("name");
    List<ContainerStatus> all = in.containers().getOrDefault(name, List.of());
    JsonObject before = JsonObject.EMPTY;
    for (JsonObject status : previous.objects(list)) {
      if (status.text("name").equals(name)) {
        before = status;
      }
    }
    JsonObject.Builder out = JsonObject.builder().put("name", name);
    Waiting waiting = in.waiting().get(name);
    if (all.isEmpty()) {
      if (!before.text("containerID").isEmpty() && (pod.deleting() || Pods.isTerminal(pod))) {
        return ended(before); // removed meanwhile: the last word stays
      }
      Waiting why = waiting == null ? otherwise : waiting;
      return out.put("state", JsonObject.of("waiting", waiting(why)))
          .put("lastState", before.object("lastState"))
          .put("ready", false)
          .put("restartCount", before.integer("restartCount"))
          .put("image", container.text("image"))
          .put("imageID", "")
          .put("started", false)
          .build();
    }
    ContainerStatus current = all.getFirst();
    Optional<ContainerStatus> last = all.stream().skip(1).findFirst();
    JsonObject lastState =
        last.isPresent() && last.get().state() == ContainerState.EXITED
            ? JsonObject.of("terminated", terminated(pod, last.get()))
            : before.text("containerID").endsWith("//" + current.id())
                ? before.object("lastState")
                : JsonObject.EMPTY;
    boolean ready = false;
    boolean started = false;
    JsonObject state;
    switch (current.state()) {
      case RUNNING -> {
        state = JsonObject.of("running", JsonObject.of("startedAt", time(current.startedAt())));
        CompletableFuture<Boolean> hook = in.hooks().get(current.id());
        boolean hookDone = hook == null || hook.isDone();
        Prober prober = in.probers().get(current.id());
        started = hookDone && prober != null && prober.isStarted();
        ready = hookDone && prober != null && prober.isReady();
        if (prober == null && pod.deleting()) {
          JsonObject known = reported(pod, name, current.id());
          started = known.flag("started");
          ready = known.flag("ready");
        }
      }
      case EXITED -> {
        JsonObject terminated = JsonObject.of("terminated", terminated(pod, current));
        if (waiting != null) {
          state = JsonObject.of("waiting", waiting(waiting));
          lastState = terminated;
        } else {
          state = terminated;
        }
        ready = init && current.exitCode() == 0 && !Pods.isSidecar(container);
      }
      default -> state = JsonObject.of("waiting", waiting(waiting == null ? otherwise : waiting));
    }
    String image = current.image().image();
    out.put("state", state)
        .put("lastState", lastState)
        .put("ready", ready)
        .put("restartCount", current.metadata().attempt())
        .put("image", image.startsWith("sha256:") ? container.text("image") : image)
        .put("imageID", current.imageRef())
        .put("containerID", "containerd://" + current.id())
        .put("started", started);
    if (current.state() == ContainerState.RUNNING) {
      // What it has been given: until a resize is granted, that is what was reported before.
      boolean pending =
          in.resize().isPresent() && before.text("containerID").endsWith("//" + current.id());
      JsonObject resources = pending ? before.object("resources") : container.object("resources");
      JsonObject allocated =
          pending ? before.object("allocatedResources") : resources.object("requests");
      out.putNonEmpty("allocatedResources", allocated)
          .put("resources", resources.without("claims"));
    }
    return out.build();
  }

  private static JsonObject ended(JsonObject before) {
    if (before.object("state").has("terminated")) {
      return before;
    }
    return before
        .with("ready", false)
        .with("started", false)
        .with(
            "state",
            JsonObject.of(
                "terminated",
                JsonObject.of(
                    "exitCode",
                    137,
                    "reason",
                    "ContainerStatusUnknown",
                    "message",
                    "The container could not be located when the pod was terminated")));
  }

  private static JsonObject waiting(Waiting why) {
    return JsonObject.builder()
        .put("reason", why.reason())
        .putNonEmpty("message", why.message())
        .build();
  }

  private JsonObject terminated(KubeObject pod, ContainerStatus container) throws IOException {
    String message = messages.get(container.id());
    if (message == null) {
      message = terminationMessage(pod, container);
      messages.put(container.id(), message);
    }
    String reason =
        container.reason().isEmpty()
            ? container.exitCode() == 0 ? "Completed" : "Error"
            : container.reason();
    return JsonObject.builder()
        .put("exitCode", container.exitCode())
        .put("reason", reason)
        .putNonEmpty("message", message)
        .put("startedAt", time(container.startedAt()))
        .put("finishedAt", time(container.finishedAt()))
        .put("containerID", "containerd://" + container.id())
        .build();
  }

  private String terminationMessage(KubeObject pod, ContainerStatus container) throws IOException {
    String name = container.metadata().name();
    Path file =
        ContainerSpecs.terminationLog(
            node.settings(), pod.uid(), name, container.metadata().attempt());
    String own = Files.exists(file) ? tail(file, MESSAGE_LIMIT) : "";
    if (!own.isEmpty()) {
      return own;
    }
    boolean fallback =
        "FallbackToLogsOnError"
            .equals(
                container.annotations().get("io.kubernetes.container.terminationMessagePolicy"));
    if (fallback && container.exitCode() != 0 && !container.logPath().isEmpty()) {
      Path log = Path.of(container.logPath());
      return Files.exists(log) ? LogReader.plainTail(log, LOG_TAIL, 80) : "";
    }
    return container.message();
  }

  private static String tail(Path file, int limit) throws IOException {
    try (RandomAccessFile in = new RandomAccessFile(file.toFile(), "r")) {
      in.seek(Math.max(0, in.length() - limit));
      byte[] bytes = new byte[(int) Math.min(limit, in.length())];
      in.readFully(bytes);
      return new String(bytes, StandardCharsets.UTF_8);
    }
  }

  private static String phase(
      KubeObject pod, Inputs in, List<JsonObject> init, List<JsonObject> main) {
    if (!in.failReason().isEmpty()) {
      return "Failed";
    }
    String policy = Pods.restartPolicy(pod);
    boolean pendingInit = false;
    boolean failedInit = false;
    List<JsonObject> initSpecs = Pods.initContainers(pod);
    boolean mainStarted = main.stream().anyMatch(status -> !status.text("containerID").isEmpty());
    for (int i = 0; i < init.size() && !mainStarted; i++) {
      JsonObject state = init.get(i).object("state");
      if (Pods.isSidecar(initSpecs.get(i))) {
        pendingInit |= !init.get(i).flag("started");
      } else if (state.has("terminated")) {
        if (state.integer("terminated", "exitCode") != 0) {
          failedInit |= policy.equals("Never");
          pendingInit |= !policy.equals("Never");
        }
      } else {
        pendingInit = true;
      }
    }
    if (failedInit) {
      return "Failed";
    }
    if (pendingInit) {
      return "Pending";
    }
    int waiting = 0;
    int running = 0;
    int stopped = 0;
    int succeeded = 0;
    for (JsonObject status : main) {
      JsonObject state = status.object("state");
      if (state.has("running")) {
        running++;
      } else if (state.has("terminated")) {
        stopped++;
        succeeded += state.integer("terminated", "exitCode") == 0 ? 1 : 0;
      } else if (status.object("lastState").has("terminated")) {
        stopped++;
      } else {
        waiting++;
      }
    }
    if (waiting > 0) {
      return "Pending";
    }
    if (running > 0) {
      return "Running";
    }
    if (stopped > 0) {
      if (policy.equals("Always") && !pod.deleting()) {
        return "Running";
      }
      if (stopped == succeeded) {
        return "Succeeded";
      }
      if (policy.equals("Never") || pod.deleting()) {
        return "Failed";
      }
      return "Running";
    }
    return "Pending";
  }

  private JsonArray conditions(
      KubeObject pod,
      JsonObject previous,
      Inputs in,
      String phase,
      boolean initialized,
      List<JsonObject> init,
      List<JsonObject> main,
      String now) {
    boolean succeeded = phase.equals("Succeeded");
    boolean failed = phase.equals("Failed");
    List<JsonObject> own = new ArrayList<>();
    boolean up = in.sandboxReady() && !succeeded && !failed;
    own.add(condition("PodReadyToStartContainers", up, "", ""));
    if (initialized && !Pods.initContainers(pod).isEmpty() || Pods.initContainers(pod).isEmpty()) {
      own.add(condition("Initialized", true, succeeded ? "PodCompleted" : "", ""));
    } else {
      own.add(
          condition(
              "Initialized",
              false,
              failed ? "PodFailed" : "ContainersNotInitialized",
              failed
                  ? ""
                  : "containers with incomplete status: "
                      + names(init, status -> !complete(pod, status))));
    }
    List<String> unready = new ArrayList<>();
    for (JsonObject status : main) {
      if (!status.flag("ready")) {
        unready.add(status.text("name"));
      }
    }
    for (int i = 0; i < init.size(); i++) {
      if (Pods.isSidecar(Pods.initContainers(pod).get(i)) && !init.get(i).flag("ready")) {
        unready.add(init.get(i).text("name"));
      }
    }
    boolean containersReady = unready.isEmpty() && !succeeded && !failed;
    String reason =
        containersReady
            ? ""
            : succeeded ? "PodCompleted" : failed ? "PodFailed" : "ContainersNotReady";
    String message =
        containersReady || succeeded || failed
            ? ""
            : "containers with unready status: [" + String.join(" ", unready) + "]";
    List<String> gates = new ArrayList<>();
    for (JsonObject gate : pod.spec().objects("readinessGates")) {
      String type = gate.text("conditionType");
      Optional<JsonObject> found = find(pod.status(), type);
      if (found.isEmpty()) {
        gates.add("corresponding condition of pod readiness gate \"" + type + "\" does not exist.");
      } else if (!found.get().text("status").equals("True")) {
        gates.add(
            "the status of pod readiness gate \""
                + type
                + "\" is not \"True\", but "
                + found.get().text("status"));
      }
    }
    boolean gated = containersReady && !gates.isEmpty();
    own.add(
        condition(
            "Ready",
            containersReady && gates.isEmpty(),
            gated ? "ReadinessGatesNotReady" : reason,
            gated ? String.join(", ", gates) : message));
    own.add(condition("ContainersReady", containersReady, reason, message));
    if (in.failReason().equals("Evicted")) {
      own.add(condition("DisruptionTarget", true, "TerminationByKubelet", in.failMessage()));
    }
    in.resize()
        .ifPresent(
            why ->
                own.add(
                    condition(
                        why.reason().equals(RESIZE_FAILED)
                            ? "PodResizeInProgress"
                            : "PodResizePending",
                        true,
                        why.reason(),
                        why.message())));
    List<JsonObject> all = new ArrayList<>();
    for (JsonObject condition : own) {
      Optional<JsonObject> before = find(previous, condition.text("type"));
      String since =
          before
              .filter(b -> b.text("status").equals(condition.text("status")))
              .map(b -> b.text("lastTransitionTime"))
              .filter(text -> !text.isEmpty())
              .orElse(now);
      JsonObject.Builder out = JsonObject.builder().put("type", condition.text("type"));
      if (pod.generation() > 0) {
        out.put("observedGeneration", pod.generation());
      }
      // Never probed, and written all the same: upstream's type always has the field.
      out.put("status", condition.text("status"))
          .put("lastProbeTime", JsonNull.NULL)
          .put("lastTransitionTime", since)
          .putNonEmpty("reason", condition.text("reason"))
          .putNonEmpty("message", condition.text("message"));
      all.add(out.build());
    }
    // What others say of the pod (the scheduler, readiness gates) is not ours to change.
    for (JsonObject condition : pod.status().objects("conditions")) {
      String type = condition.text("type");
      if (!type.startsWith("PodResize")
          && own.stream().noneMatch(c -> c.text("type").equals(type))) {
        all.add(condition);
      }
    }
    if (find(pod.status(), "PodScheduled").isEmpty()) {
      all.add(
          find(previous, "PodScheduled")
              .orElse(
                  JsonObject.of(
                      "type",
                      "PodScheduled",
                      "status",
                      "True",
                      "lastProbeTime",
                      JsonNull.NULL,
                      "lastTransitionTime",
                      now)));
    }
    return JsonArray.copyOf(all);
  }

  private static boolean complete(KubeObject pod, JsonObject status) {
    boolean sidecar = Pods.container(pod, status.text("name")).filter(Pods::isSidecar).isPresent();
    return sidecar
        ? status.flag("started")
        : status.object("state").has("terminated")
            && status.integer("state", "terminated", "exitCode") == 0;
  }

  private static String names(
      List<JsonObject> statuses, java.util.function.Predicate<JsonObject> which) {
    return "["
        + String.join(
            " ", statuses.stream().filter(which).map(status -> status.text("name")).toList())
        + "]";
  }

  private static JsonObject condition(String type, boolean status, String reason, String message) {
    return JsonObject.of(
        "type", type, "status", status ? "True" : "False", "reason", reason, "message", message);
  }

  private static Optional<JsonObject> find(JsonObject status, String type) {
    return status.objects("conditions").stream()
        .filter(condition -> condition.text("type").equals(type))
        .findFirst();
  }
}
