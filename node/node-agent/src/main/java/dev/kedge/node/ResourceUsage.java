package dev.kedge.node;

import dev.kedge.cri.Cri;
import java.io.IOException;
import java.time.Duration;
import java.time.Instant;
import java.time.InstantSource;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;

/**
 * What the node and its containers use now: processor time as a rate between two looks, memory as
 * of the later one.
 *
 * <p>Nobody looks while nobody asks. Questions in quick succession share an answer; after a long
 * silence a question takes two looks, a second apart, and waits for them. Any thread; one looks,
 * the others wait for it.
 */
public final class ResourceUsage {
  private static final Duration FRESH = Duration.ofSeconds(10);
  private static final Duration SHORTEST = Duration.ofSeconds(1);
  private static final Duration LONGEST = Duration.ofMinutes(2);

  private final Looks looks;
  private final InstantSource clock;
  private Optional<Look> before = Optional.empty();
  private Optional<Usage> answer = Optional.empty();

  /** What counters say at one moment. */
  @FunctionalInterface
  interface Looks {
    Look take() throws IOException;
  }

  record Look(Instant time, Counter node, Map<String, Container> containers) {}

  record Counter(long cpuNanos, long memoryBytes) {}

  record Container(String namespace, String pod, String name, Counter counter) {}

  /** Processor time in billionths of a core, and memory that cannot be reclaimed, in bytes. */
  public record Amount(long cpuNanoCores, long memoryBytes) {}

  /** What a pod's containers use, by name. */
  public record PodUsage(String namespace, String name, Map<String, Amount> containers) {
    public PodUsage {
      containers = Map.copyOf(containers);
    }
  }

  /**
   * What was measured.
   *
   * @param time of the later look
   * @param window between the two
   * @param pods those whose containers were seen both times
   */
  public record Usage(Instant time, Duration window, Amount node, List<PodUsage> pods) {
    public Usage {
      pods = List.copyOf(pods);
    }
  }

  ResourceUsage(Looks looks, InstantSource clock) {
    this.looks = looks;
    this.clock = clock;
  }

  /** The usage on an agent's node. */
  static ResourceUsage of(NodeServices node) {
    return new ResourceUsage(
        () -> {
          Map<String, Container> containers = new LinkedHashMap<>();
          for (Cri.ContainerStats stats : node.cri().listContainerStats("")) {
            if (stats.cpu().timestamp() > 0) {
              containers.put(
                  stats.id(),
                  new Container(
                      stats.labels().getOrDefault(Pods.NAMESPACE_LABEL, ""),
                      stats.labels().getOrDefault(Pods.NAME_LABEL, ""),
                      stats.metadata().name(),
                      new Counter(
                          stats.cpu().usageCoreNanoSeconds(), stats.memory().workingSetBytes())));
            }
          }
          return new Look(
              node.clock().instant(),
              new Counter(
                  NodeStatistics.nodeCpuNanos(),
                  Machine.memory("MemTotal") - Machine.memory("MemAvailable")),
              containers);
        },
        node.clock());
  }

  /** What is used now, measured at most some seconds ago. */
  public synchronized Usage now() throws IOException, InterruptedException {
    if (answer.isPresent() && !older(answer.get().time(), FRESH)) {
      return answer.get();
    }
    if (before.isEmpty() || older(before.get().time(), LONGEST)) {
      before = Optional.of(looks.take());
    }
    Look first = before.get();
    Duration wait = SHORTEST.minus(Duration.between(first.time(), clock.instant()));
    if (wait.isPositive()) {
      Thread.sleep(wait); // a rate needs an interval
    }
    Look second = looks.take();
    before = Optional.of(second);
    Usage usage = between(first, second);
    answer = Optional.of(usage);
    return usage;
  }

  private boolean older(Instant time, Duration than) {
    return Duration.between(time, clock.instant()).compareTo(than) > 0;
  }

  static Usage between(Look first, Look second) {
    Duration window = Duration.between(first.time(), second.time());
    Map<List<String>, Map<String, Amount>> pods = new LinkedHashMap<>();
    List<List<String>> incomplete = new ArrayList<>();
    second
        .containers()
        .forEach(
            (id, container) -> {
              List<String> pod = List.of(container.namespace(), container.pod());
              Container earlier = first.containers().get(id);
              if (earlier == null) {
                incomplete.add(pod);
              } else {
                pods.computeIfAbsent(pod, _ -> new HashMap<>())
                    .put(container.name(), rate(earlier.counter(), container.counter(), window));
              }
            });
    incomplete.forEach(pods::remove);
    List<PodUsage> all = new ArrayList<>();
    pods.forEach(
        (pod, containers) -> all.add(new PodUsage(pod.getFirst(), pod.getLast(), containers)));
    return new Usage(second.time(), window, rate(first.node(), second.node(), window), all);
  }

  private static Amount rate(Counter earlier, Counter later, Duration window) {
    long nanos = Math.max(0, later.cpuNanos() - earlier.cpuNanos());
    return new Amount((long) (nanos * 1e9 / window.toNanos()), later.memoryBytes());
  }
}
