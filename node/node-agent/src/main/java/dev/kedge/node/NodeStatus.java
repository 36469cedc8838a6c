package dev.kedge.node;

import dev.kedge.cri.Cri;
import dev.kedge.grpc.GrpcException;
import dev.kedge.model.JsonObject;
import dev.kedge.model.Times;
import java.io.IOException;
import java.nio.file.FileStore;
import java.nio.file.Files;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;

/** The Node object as this machine sees itself. */
final class NodeStatus {
  /** Less memory than this is pressure, in bytes. */
  static final long MEMORY_PRESSURE = 100L << 20;

  private static final double DISK_PRESSURE = 0.10;

  private final NodeServices node;

  NodeStatus(NodeServices node) {
    this.node = node;
  }

  /** The labels that a node gives itself, the operator's included. */
  static Map<String, String> labels(NodeSettings settings) {
    Map<String, String> labels = new LinkedHashMap<>();
    labels.put("beta.kubernetes.io/arch", PauseImage.architecture());
    labels.put("beta.kubernetes.io/os", "linux");
    labels.put("kubernetes.io/arch", PauseImage.architecture());
    labels.put("kubernetes.io/hostname", settings.nodeName());
    labels.put("kubernetes.io/os", "linux");
    if (settings.server()) {
      labels.put("node-role.kubernetes.io/control-plane", "true");
    }
    labels.putAll(settings.labels());
    return labels;
  }

  /** The operator's taints as the API has them. */
  static List<JsonObject> taints(NodeSettings settings) {
    List<JsonObject> taints = new ArrayList<>();
    for (String text : settings.taints()) {
      int colon = text.lastIndexOf(':');
      String keyValue = colon < 0 ? text : text.substring(0, colon);
      int equals = keyValue.indexOf('=');
      taints.add(
          JsonObject.builder()
              .put("key", equals < 0 ? keyValue : keyValue.substring(0, equals))
              .putNonEmpty("value", equals < 0 ? "" : keyValue.substring(equals + 1))
              .put("effect", colon < 0 ? "NoSchedule" : text.substring(colon + 1))
              .build());
    }
    return taints;
  }

  /** Whether pods can be run, and why not: the runtime's two conditions. */
  String unready() {
    try {
      Cri.RuntimeStatus runtime = node.cri().status(false);
      Cri.RuntimeCondition ready = runtime.condition("RuntimeReady");
      if (!ready.status()) {
        return "container runtime not ready: RuntimeReady=false reason:"
            + ready.reason()
            + " message:"
            + ready.message();
      }
      Cri.RuntimeCondition network = runtime.condition("NetworkReady");
      if (!network.status()) {
        return "container runtime network not ready: NetworkReady=false reason:"
            + network.reason()
            + " message:"
            + network.message();
      }
      return "";
    } catch (GrpcException e) {
      return "container runtime is down: " + e.detail();
    }
  }

  static boolean memoryPressure() throws IOException {
    return Machine.memory("MemAvailable") < MEMORY_PRESSURE;
  }

  static boolean diskPressure(FileStore store) throws IOException {
    return store.getUsableSpace() < diskThreshold(store);
  }

  /** Less disk than this is pressure, in bytes: a tenth, but of a large disk no more than 1 GiB. */
  static long diskThreshold(FileStore store) {
    try {
      return Math.min((long) (store.getTotalSpace() * DISK_PRESSURE), 1L << 30);
    } catch (IOException e) {
      throw new java.io.UncheckedIOException(e);
    }
  }

  /**
   * The status to report.
   *
   * @param previous the Node's status as it is, for transition times and others' conditions
   */
  JsonObject compute(JsonObject previous, String unready, String runtimeVersion)
      throws IOException {
    NodeSettings settings = node.settings();
    String now = Times.text(node.clock().instant());
    List<JsonObject> addresses = new ArrayList<>();
    settings.addresses().forEach(ip -> addresses.add(address("InternalIP", ip)));
    settings.externalAddresses().forEach(ip -> addresses.add(address("ExternalIP", ip)));
    addresses.add(address("Hostname", settings.nodeName()));
    JsonObject resources = node.machine().resources();
    List<JsonObject> conditions = new ArrayList<>();
    boolean memory = memoryPressure();
    conditions.add(
        condition(
            previous,
            "MemoryPressure",
            memory,
            memory ? "KubeletHasInsufficientMemory" : "KubeletHasSufficientMemory",
            memory
                ? "kubelet has insufficient memory available"
                : "kubelet has sufficient memory available",
            now));
    FileStore store = Files.getFileStore(settings.dataDirectory());
    boolean disk = diskPressure(store);
    conditions.add(
        condition(
            previous,
            "DiskPressure",
            disk,
            disk ? "KubeletHasDiskPressure" : "KubeletHasNoDiskPressure",
            disk ? "kubelet has disk pressure" : "kubelet has no disk pressure",
            now));
    long processes = Cgroups.readNumber(java.nio.file.Path.of("/proc/sys/kernel/pid_max"));
    boolean pids = processes > 0 && running() > processes * 9 / 10;
    conditions.add(
        condition(
            previous,
            "PIDPressure",
            pids,
            pids ? "KubeletHasInsufficientPID" : "KubeletHasSufficientPID",
            pids
                ? "kubelet has insufficient PID available"
                : "kubelet has sufficient PID available",
            now));
    conditions.add(
        condition(
            previous,
            "Ready",
            unready.isEmpty(),
            unready.isEmpty() ? "KubeletReady" : "KubeletNotReady",
            unready.isEmpty() ? "kubelet is posting ready status" : unready,
            now));
    for (JsonObject other : previous.objects("conditions")) {
      if (conditions.stream().noneMatch(c -> c.text("type").equals(other.text("type")))) {
        conditions.add(other);
      }
    }
    return JsonObject.of(
        "addresses",
        addresses,
        "allocatable",
        resources,
        "capacity",
        resources,
        "conditions",
        conditions,
        "daemonEndpoints",
        Map.of("kubeletEndpoint", JsonObject.of("Port", settings.kubeletPort())),
        "images",
        images(),
        "nodeInfo",
        node.machine().info(settings, runtimeVersion));
  }

  private static long running() throws IOException {
    // loadavg's fourth field: runnable/total scheduling entities.
    String[] fields = Files.readString(java.nio.file.Path.of("/proc/loadavg")).split(" ");
    return Long.parseLong(fields[3].split("/")[1]);
  }

  private static JsonObject address(String type, String address) {
    return JsonObject.of("address", address, "type", type);
  }

  private List<JsonObject> images() {
    try {
      return node.cri().listImages().stream()
          // In one order always, so that a status without news equals the one before.
          .sorted(Comparator.comparingLong(Cri.Image::size).reversed().thenComparing(Cri.Image::id))
          .limit(50)
          .map(
              image -> {
                List<String> names =
                    new ArrayList<>(image.repoDigests().stream().sorted().toList());
                names.addAll(image.repoTags().stream().sorted().toList());
                return JsonObject.of("names", names, "sizeBytes", image.size());
              })
          .toList();
    } catch (GrpcException e) {
      return List.of();
    }
  }

  private static JsonObject condition(
      JsonObject previous, String type, boolean status, String reason, String message, String now) {
    String value = status ? "True" : "False";
    Optional<JsonObject> before =
        previous.objects("conditions").stream()
            .filter(c -> c.text("type").equals(type))
            .findFirst();
    String since =
        before
            .filter(c -> c.text("status").equals(value))
            .map(c -> c.text("lastTransitionTime"))
            .orElse(now);
    return JsonObject.of(
        "type",
        type,
        "status",
        value,
        "lastHeartbeatTime",
        now,
        "lastTransitionTime",
        since,
        "reason",
        reason,
        "message",
        message);
  }

  /** Whether anything but the heartbeat differs. */
  static boolean differs(JsonObject a, JsonObject b) {
    return !quiet(a).equals(quiet(b));
  }

  private static JsonObject quiet(JsonObject status) {
    return status.with(
        "conditions",
        status.objects("conditions").stream().map(c -> c.without("lastHeartbeatTime")).toList());
  }
}
