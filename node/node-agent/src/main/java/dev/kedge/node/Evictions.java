package dev.kedge.node;

import dev.kedge.cri.Cri;
import dev.kedge.model.JsonObject;
import dev.kedge.model.KubeObject;
import dev.kedge.model.Quantity;
import java.io.IOException;
import java.math.BigDecimal;
import java.nio.file.FileStore;
import java.nio.file.FileVisitResult;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.SimpleFileVisitor;
import java.nio.file.attribute.BasicFileAttributes;
import java.util.ArrayList;
import java.util.Collection;
import java.util.Comparator;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;

/**
 * Decides which pods the node ends: those that fill more of its disk than they may, and, while the
 * node itself runs short of memory or disk, the one that matters least. Usage is measured only
 * where somebody set a limit, or while the node is short.
 */
final class Evictions {
  private static final long CRITICAL = 2_000_000_000L;

  private final NodeServices node;

  Evictions(NodeServices node) {
    this.node = node;
  }

  /** A pod that is to go, and what its status will say. */
  record Eviction(KubeObject pod, String message) {}

  /** What a pod's containers use, by name. */
  private record Used(Map<String, Long> memory, Map<String, Long> disk) {}

  List<Eviction> due(Collection<KubeObject> pods) throws IOException {
    List<KubeObject> running =
        pods.stream().filter(pod -> !Pods.isTerminal(pod) && !pod.deleting()).toList();
    List<KubeObject> limited = running.stream().filter(Evictions::limitsDisk).toList();
    boolean memory = NodeStatus.memoryPressure();
    FileStore store = Files.getFileStore(node.settings().dataDirectory());
    boolean disk = NodeStatus.diskPressure(store);
    if (limited.isEmpty() && !memory && !disk) {
      return List.of();
    }
    Map<String, Used> used = used();
    List<Eviction> due = new ArrayList<>();
    for (KubeObject pod : limited) {
      overLimit(pod, used.getOrDefault(pod.uid(), new Used(Map.of(), Map.of())))
          .ifPresent(message -> due.add(new Eviction(pod, message)));
    }
    if (due.isEmpty() && memory) {
      least(running, used, true)
          .ifPresent(
              pod ->
                  due.add(
                      new Eviction(
                          pod,
                          shortOf(
                              pod,
                              used,
                              "memory",
                              NodeStatus.MEMORY_PRESSURE,
                              availableMemory()))));
    } else if (due.isEmpty() && disk) {
      long available = store.getUsableSpace();
      least(running, used, false)
          .ifPresent(
              pod ->
                  due.add(
                      new Eviction(
                          pod,
                          shortOf(
                              pod,
                              used,
                              "ephemeral-storage",
                              NodeStatus.diskThreshold(store),
                              available))));
    }
    return due;
  }

  private static long availableMemory() {
    try {
      return Machine.memory("MemAvailable");
    } catch (IOException e) {
      throw new java.io.UncheckedIOException(e);
    }
  }

  // ---- limits of a pod

  private static boolean limitsDisk(KubeObject pod) {
    return Pods.all(pod).stream()
            .anyMatch(c -> !Pods.quantity(c, "limits", "ephemeral-storage").isZero())
        || pod.spec().objects("volumes").stream().anyMatch(Evictions::limited);
  }

  private static boolean limited(JsonObject volume) {
    // One in memory is as large as its mount.
    return volume.object("emptyDir").has("sizeLimit")
        && volume.text("emptyDir", "medium").isEmpty();
  }

  private Optional<String> overLimit(KubeObject pod, Used used) throws IOException {
    long volumes = 0;
    for (JsonObject volume : pod.spec().objects("volumes")) {
      if (!volume.has("emptyDir") || !volume.text("emptyDir", "medium").isEmpty()) {
        continue;
      }
      long size = size(Volumes.emptyDirectory(node.settings(), pod.uid(), volume.text("name")));
      volumes += size;
      if (limited(volume)) {
        Quantity limit = Quantity.of(volume.find("emptyDir", "sizeLimit").orElseThrow());
        if (size > limit.units()) {
          return Optional.of(
              "Usage of EmptyDir volume \""
                  + volume.text("name")
                  + "\" exceeds the limit \""
                  + limit
                  + "\". ");
        }
      }
    }
    long containers = 0;
    Quantity total = Quantity.ZERO;
    for (JsonObject container : Pods.containers(pod)) {
      String name = container.text("name");
      long own =
          used.disk().getOrDefault(name, 0L)
              + size(ContainerSpecs.logDirectory(node.settings(), pod).resolve(name));
      containers += own;
      Quantity limit = Pods.quantity(container, "limits", "ephemeral-storage");
      total = total.plus(limit);
      if (!limit.isZero() && own > limit.units()) {
        return Optional.of(
            "Container "
                + name
                + " exceeded its local ephemeral storage limit \""
                + limit
                + "\". ");
      }
    }
    return !total.isZero() && containers + volumes > total.units()
        ? Optional.of(
            "Pod ephemeral local storage usage exceeds the total limit of containers "
                + total
                + ". ")
        : Optional.empty();
  }

  /** The bytes of all files below a directory; what vanishes meanwhile counts nothing. */
  private static long size(Path root) throws IOException {
    if (!Files.isDirectory(root)) {
      return 0;
    }
    long[] sum = new long[1];
    Files.walkFileTree(
        root,
        new SimpleFileVisitor<>() {
          @Override
          public FileVisitResult visitFile(Path file, BasicFileAttributes attributes) {
            sum[0] += attributes.isRegularFile() ? attributes.size() : 0;
            return FileVisitResult.CONTINUE;
          }

          @Override
          public FileVisitResult visitFileFailed(Path file, IOException e) {
            return FileVisitResult.CONTINUE;
          }
        });
    return sum[0];
  }

  // ---- a node that is short

  /** First those above what they asked for, of these the least important, the greediest. */
  private Optional<KubeObject> least(
      List<KubeObject> running, Map<String, Used> used, boolean memory) {
    String resource = memory ? "memory" : "ephemeral-storage";
    Comparator<KubeObject> order =
        Comparator.comparing((KubeObject pod) -> excess(pod, used, memory, resource) <= 0)
            .thenComparingLong(pod -> pod.spec().integer("priority"))
            .thenComparing(pod -> excess(pod, used, memory, resource), Comparator.reverseOrder());
    return running.stream()
        .filter(pod -> pod.spec().integer("priority") < CRITICAL)
        .filter(pod -> used.containsKey(pod.uid()))
        .min(order);
  }

  private static long excess(
      KubeObject pod, Map<String, Used> used, boolean memory, String resource) {
    Used own = used.getOrDefault(pod.uid(), new Used(Map.of(), Map.of()));
    long sum =
        (memory ? own.memory() : own.disk()).values().stream().mapToLong(Long::longValue).sum();
    return sum - Pods.request(pod, resource).units();
  }

  private static String shortOf(
      KubeObject pod, Map<String, Used> used, String resource, long threshold, long available) {
    StringBuilder message =
        new StringBuilder("The node was low on resource: ")
            .append(resource)
            .append(". Threshold quantity: ")
            .append(binary(threshold))
            .append(", available: ")
            .append(binary(available / 1024 * 1024))
            .append(". ");
    Used own = used.getOrDefault(pod.uid(), new Used(Map.of(), Map.of()));
    Map<String, Long> amounts = resource.equals("memory") ? own.memory() : own.disk();
    for (JsonObject container : Pods.containers(pod)) {
      long amount = amounts.getOrDefault(container.text("name"), 0L);
      Quantity request = Pods.request(container, resource);
      if (amount > request.units()) {
        message
            .append("Container ")
            .append(container.text("name"))
            .append(" was using ")
            .append(binary(amount / 1024 * 1024))
            .append(", request is ")
            .append(request)
            .append(", has larger consumption of ")
            .append(resource)
            .append(". ");
      }
    }
    return message.toString();
  }

  private static Quantity binary(long bytes) {
    return new Quantity(BigDecimal.valueOf(bytes), Quantity.Format.BINARY_SI);
  }

  private Map<String, Used> used() {
    Map<String, Used> used = new HashMap<>();
    for (Cri.ContainerStats stats : node.cri().listContainerStats("")) {
      Used own =
          used.computeIfAbsent(
              stats.labels().getOrDefault(Pods.UID_LABEL, ""),
              _ -> new Used(new HashMap<>(), new HashMap<>()));
      String name = stats.metadata().name();
      own.memory().merge(name, stats.memory().workingSetBytes(), Long::sum);
      own.disk().merge(name, stats.writableLayer().usedBytes(), Long::sum);
    }
    return used;
  }
}
