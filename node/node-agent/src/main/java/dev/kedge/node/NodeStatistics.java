package dev.kedge.node;

import dev.kedge.cri.Cri;
import dev.kedge.model.JsonObject;
import dev.kedge.model.KubeObject;
import dev.kedge.model.Times;
import java.io.IOException;
import java.nio.file.FileStore;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Instant;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/**
 * What node, pods and containers use, as the kubelet's {@code /stats/summary} and {@code
 * /metrics/resource} say it. Nothing is sampled in the background: rates are taken between one
 * question and the next, over at least a second.
 */
final class NodeStatistics {
  private final NodeAgent agent;
  private final NodeServices node;
  private final Map<String, Sample> samples = new HashMap<>();

  private record Sample(long nanos, long usage, long rate) {}

  NodeStatistics(NodeAgent agent) {
    this.agent = agent;
    node = agent.services();
  }

  private synchronized long rate(String key, long usage) {
    long now = System.nanoTime();
    Sample before = samples.get(key);
    if (before != null && now - before.nanos() < 1_000_000_000L) {
      return before.rate();
    }
    long rate =
        before == null || usage < before.usage()
            ? 0
            : (long) ((usage - before.usage()) * 1e9 / (now - before.nanos()));
    samples.put(key, new Sample(now, usage, rate));
    return rate;
  }

  static long nodeCpuNanos() throws IOException {
    // user nice system idle iowait irq softirq steal, in hundredths of a second
    String[] fields = Files.readAllLines(Path.of("/proc/stat")).getFirst().split(" +");
    long busy = 0;
    for (int i = 1; i < 9; i++) {
      if (i != 4 && i != 5) {
        busy += Long.parseLong(fields[i]);
      }
    }
    return busy * 10_000_000L;
  }

  JsonObject summary() throws IOException {
    String now = Times.text(node.clock().instant());
    long cpu = nodeCpuNanos();
    long total = Machine.memory("MemTotal");
    long available = Machine.memory("MemAvailable");
    FileStore store = Files.getFileStore(node.settings().dataDirectory());
    JsonObject fs =
        JsonObject.of(
            "time",
            now,
            "availableBytes",
            store.getUsableSpace(),
            "capacityBytes",
            store.getTotalSpace(),
            "usedBytes",
            store.getTotalSpace() - store.getUnallocatedSpace());
    Map<String, List<Cri.ContainerStats>> byPod = new LinkedHashMap<>();
    for (Cri.ContainerStats stats : node.cri().listContainerStats("")) {
      byPod
          .computeIfAbsent(stats.labels().getOrDefault(Pods.UID_LABEL, ""), _ -> new ArrayList<>())
          .add(stats);
    }
    List<JsonObject> pods = new ArrayList<>();
    for (KubeObject pod : agent.pods()) {
      List<JsonObject> containers = new ArrayList<>();
      long podCpu = 0;
      long podRate = 0;
      long podMemory = 0;
      for (Cri.ContainerStats stats : byPod.getOrDefault(pod.uid(), List.of())) {
        long usage = stats.cpu().usageCoreNanoSeconds();
        long rate = rate(stats.id(), usage);
        podCpu += usage;
        podRate += rate;
        podMemory += stats.memory().workingSetBytes();
        containers.add(
            JsonObject.of(
                "name",
                stats.metadata().name(),
                "startTime",
                pod.status().text("startTime"),
                "cpu",
                cpu(now, rate, usage),
                "memory",
                memory(now, stats.memory().workingSetBytes()),
                "rootfs",
                JsonObject.of(
                    "time",
                    now,
                    "usedBytes",
                    stats.writableLayer().usedBytes(),
                    "inodesUsed",
                    stats.writableLayer().inodesUsed())));
      }
      if (!containers.isEmpty()) {
        pods.add(
            JsonObject.of(
                "podRef",
                JsonObject.of("name", pod.name(), "namespace", pod.namespace(), "uid", pod.uid()),
                "startTime",
                pod.status().text("startTime"),
                "containers",
                containers,
                "cpu",
                cpu(now, podRate, podCpu),
                "memory",
                memory(now, podMemory)));
      }
    }
    return JsonObject.of(
        "node",
        JsonObject.of(
            "nodeName",
            node.settings().nodeName(),
            "startTime",
            boot(),
            "cpu",
            cpu(now, rate("node", cpu), cpu),
            "memory",
            JsonObject.of(
                "time",
                now,
                "availableBytes",
                available,
                "usageBytes",
                total - Machine.memory("MemFree"),
                "workingSetBytes",
                total - available),
            "fs",
            fs,
            "runtime",
            JsonObject.of("imageFs", fs)),
        "pods",
        pods);
  }

  private static String boot() throws IOException {
    for (String line : Files.readAllLines(Path.of("/proc/stat"))) {
      if (line.startsWith("btime ")) {
        return Instant.ofEpochSecond(Long.parseLong(line.substring(6).strip())).toString();
      }
    }
    return "";
  }

  private static JsonObject cpu(String now, long rate, long usage) {
    return JsonObject.of("time", now, "usageNanoCores", rate, "usageCoreNanoSeconds", usage);
  }

  private static JsonObject memory(String now, long workingSet) {
    return JsonObject.of("time", now, "workingSetBytes", workingSet);
  }

  /** What a metrics server reads. */
  String resourceMetrics() throws IOException {
    StringBuilder out = new StringBuilder();
    long now = node.clock().millis();
    out.append("# TYPE node_cpu_usage_seconds_total counter\n")
        .append("node_cpu_usage_seconds_total ")
        .append(nodeCpuNanos() / 1e9)
        .append(' ')
        .append(now)
        .append("\n# TYPE node_memory_working_set_bytes gauge\nnode_memory_working_set_bytes ")
        .append(Machine.memory("MemTotal") - Machine.memory("MemAvailable"))
        .append(' ')
        .append(now)
        .append('\n');
    StringBuilder cpu = new StringBuilder("# TYPE container_cpu_usage_seconds_total counter\n");
    StringBuilder memory = new StringBuilder("# TYPE container_memory_working_set_bytes gauge\n");
    for (Cri.ContainerStats stats : node.cri().listContainerStats("")) {
      String labels =
          "{container=\""
              + stats.metadata().name()
              + "\",namespace=\""
              + stats.labels().getOrDefault(Pods.NAMESPACE_LABEL, "")
              + "\",pod=\""
              + stats.labels().getOrDefault(Pods.NAME_LABEL, "")
              + "\"} ";
      cpu.append("container_cpu_usage_seconds_total")
          .append(labels)
          .append(stats.cpu().usageCoreNanoSeconds() / 1e9)
          .append(' ')
          .append(stats.cpu().timestamp() / 1_000_000)
          .append('\n');
      memory
          .append("container_memory_working_set_bytes")
          .append(labels)
          .append(stats.memory().workingSetBytes())
          .append(' ')
          .append(stats.memory().timestamp() / 1_000_000)
          .append('\n');
    }
    return out.append(cpu).append(memory).toString();
  }

  /** The agent's own numbers. */
  String metrics() {
    Map<String, Integer> containers = new LinkedHashMap<>();
    for (Cri.Container container : node.cri().listContainers(Cri.ContainerFilter.ALL)) {
      containers.merge(
          container.state().name().toLowerCase(java.util.Locale.ROOT), 1, Integer::sum);
    }
    long pods =
        node.cri()
            .listPodSandboxes(new Cri.SandboxFilter("", Cri.SandboxState.READY, Map.of()))
            .size();
    StringBuilder out = new StringBuilder();
    out.append("# TYPE kubelet_node_name gauge\nkubelet_node_name{node=\"")
        .append(node.settings().nodeName())
        .append("\"} 1\n# TYPE kubelet_running_pods gauge\nkubelet_running_pods ")
        .append(pods)
        .append("\n# TYPE kubelet_running_containers gauge\n");
    containers.forEach(
        (state, count) ->
            out.append("kubelet_running_containers{container_state=\"")
                .append(state)
                .append("\"} ")
                .append(count)
                .append('\n'));
    return out.toString();
  }
}
