package dev.kedge.node;

import java.io.FileInputStream;
import java.io.IOException;
import java.io.InputStream;
import java.lang.System.Logger.Level;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Set;
import java.util.stream.Stream;

/**
 * The cgroups above containers, in the layout of the cgroupfs driver: {@code kubepods}, {@code
 * kubepods/burstable}, {@code kubepods/besteffort}, and one per pod. Works on cgroup v2 and on v1
 * with its controllers mounted one by one; of a v2 tree beside them only what runc leaves is
 * removed.
 */
final class Cgroups {
  private static final Path ROOT = Path.of("/sys/fs/cgroup");
  private static final System.Logger LOG = System.getLogger("dev.kedge.node");
  private static final Set<String> LIMITED = Set.of("cpu", "memory", "pids");

  private final String prefix;
  private final boolean unified;
  // Per mounted v1 hierarchy, or the one v2 tree.
  private final List<Path> hierarchies;

  /**
   * @param root parent of {@code kubepods}, empty for the root cgroup
   */
  Cgroups(String root) {
    prefix = (root.isEmpty() || root.startsWith("/") ? root : "/" + root) + "/kubepods";
    unified = Files.exists(ROOT.resolve("cgroup.controllers"));
    Set<Path> found = new LinkedHashSet<>();
    if (unified) {
      found.add(ROOT);
    } else {
      try (Stream<Path> mounts = Files.list(ROOT)) {
        for (Path mount : mounts.sorted().toList()) {
          if (Files.exists(mount.resolve("cgroup.procs"))) {
            // cpu and cpuacct are often links to one mount.
            found.add(mount.toRealPath());
          }
        }
      } catch (IOException e) {
        LOG.log(Level.WARNING, "no cgroups are mounted at " + ROOT, e);
      }
    }
    hierarchies = List.copyOf(found);
  }

  boolean unified() {
    return unified;
  }

  /** Limits of a pod as a whole; 0 means none. */
  record PodLimits(long cpuShares, long cpuQuotaMicros, long memoryBytes) {
    /** The more generous of each. */
    static PodLimits wider(PodLimits one, PodLimits other) {
      return new PodLimits(
          Math.max(one.cpuShares(), other.cpuShares()),
          wider(one.cpuQuotaMicros(), other.cpuQuotaMicros()),
          wider(one.memoryBytes(), other.memoryBytes()));
    }

    private static long wider(long one, long other) {
      return one == 0 || other == 0 ? 0 : Math.max(one, other);
    }
  }

  /** The cgroup path of a QoS class: Guaranteed, Burstable, BestEffort. */
  private String classPath(String qosClass) {
    return switch (qosClass) {
      case "Burstable" -> prefix + "/burstable";
      case "BestEffort" -> prefix + "/besteffort";
      default -> prefix;
    };
  }

  /** The cgroup parent of a pod's containers, as CRI takes it. */
  String podPath(String qosClass, String uid) {
    return classPath(qosClass) + "/pod" + uid;
  }

  /** Makes a pod's cgroup with its parents and sets its limits. May be repeated. */
  void createPod(String qosClass, String uid, PodLimits limits) throws IOException {
    String path = podPath(qosClass, uid);
    for (Path hierarchy : hierarchies) {
      if (unified
          || LIMITED.contains(hierarchy.getFileName().toString())
          || hierarchy.getFileName().toString().startsWith("cpu,")) {
        create(hierarchy, path);
        if (qosClass.equals("BestEffort")) {
          shares(hierarchy, classPath(qosClass), 2);
        }
      }
    }
    for (Path hierarchy : hierarchies) {
      if (limits.cpuShares() > 0) {
        shares(hierarchy, path, limits.cpuShares());
      }
      if (limits.cpuQuotaMicros() > 0) {
        if (unified) {
          set(hierarchy, path, "cpu.max", limits.cpuQuotaMicros() + " 100000");
        } else {
          set(hierarchy, path, "cpu.cfs_quota_us", "" + limits.cpuQuotaMicros());
        }
      }
      if (limits.memoryBytes() > 0) {
        set(
            hierarchy,
            path,
            unified ? "memory.max" : "memory.limit_in_bytes",
            "" + limits.memoryBytes());
      }
    }
  }

  /** Sets the limits of a pod's cgroup anew, none included. */
  void resizePod(String qosClass, String uid, PodLimits limits) throws IOException {
    createPod(qosClass, uid, limits);
    String path = podPath(qosClass, uid);
    for (Path hierarchy : hierarchies) {
      if (limits.cpuQuotaMicros() == 0) {
        set(
            hierarchy,
            path,
            unified ? "cpu.max" : "cpu.cfs_quota_us",
            unified ? "max 100000" : "-1");
      }
      if (limits.memoryBytes() == 0) {
        set(
            hierarchy,
            path,
            unified ? "memory.max" : "memory.limit_in_bytes",
            unified ? "max" : "-1");
      }
    }
  }

  /** Sets the weight of all burstable pods together, from the sum of their requests. */
  void burstableShares(long shares) throws IOException {
    for (Path hierarchy : hierarchies) {
      shares(hierarchy, classPath("Burstable"), Math.max(2, shares));
    }
  }

  private void shares(Path hierarchy, String path, long shares) throws IOException {
    if (unified) {
      set(
          hierarchy,
          path,
          "cpu.weight",
          "" + (1 + (Math.clamp(shares, 2, 262144) - 2) * 9999 / 262142));
    } else {
      set(hierarchy, path, "cpu.shares", "" + shares);
    }
  }

  private void create(Path hierarchy, String path) throws IOException {
    Path current = hierarchy;
    for (String step : path.substring(1).split("/")) {
      if (unified) {
        delegate(current);
      }
      current = current.resolve(step);
      if (!Files.isDirectory(current)) {
        try {
          Files.createDirectory(current);
        } catch (java.nio.file.FileAlreadyExistsException e) {
          LOG.log(Level.TRACE, "another pod made it first", e);
        }
      }
    }
    if (unified) {
      delegate(current);
    }
  }

  /** In v2 a controller works below a cgroup only where it was handed down. */
  private static void delegate(Path cgroup) throws IOException {
    String available = Files.readString(cgroup.resolve("cgroup.controllers")).strip();
    String enabled = Files.readString(cgroup.resolve("cgroup.subtree_control"));
    List<String> enabledList = List.of(enabled.strip().split(" "));
    StringBuilder missing = new StringBuilder();
    for (String controller : available.split(" ")) {
      if (!controller.isEmpty() && !enabledList.contains(controller)) {
        missing.append('+').append(controller).append(' ');
      }
    }
    if (!missing.isEmpty()) {
      Files.writeString(cgroup.resolve("cgroup.subtree_control"), missing.toString().strip());
    }
  }

  private static void set(Path hierarchy, String path, String file, String value)
      throws IOException {
    Path target = hierarchy.resolve(path.substring(1)).resolve(file);
    if (Files.exists(target)) {
      Files.writeString(target, value);
    }
  }

  /** Removes a pod's cgroups, killing what still runs in them. */
  void removePod(String uid) throws IOException {
    for (String qosClass : List.of("Guaranteed", "Burstable", "BestEffort")) {
      for (Path hierarchy : hierarchies) {
        remove(hierarchy.resolve(podPath(qosClass, uid).substring(1)));
      }
    }
  }

  /** The uids of pods that have a cgroup. */
  Set<String> pods() throws IOException {
    Set<String> uids = new LinkedHashSet<>();
    for (Path hierarchy : hierarchies) {
      for (String qosClass : List.of("Guaranteed", "Burstable", "BestEffort")) {
        Path parent = hierarchy.resolve(classPath(qosClass).substring(1));
        if (Files.isDirectory(parent)) {
          try (Stream<Path> children = Files.list(parent)) {
            children
                .map(child -> child.getFileName().toString())
                .filter(name -> name.startsWith("pod") && name.length() == 39)
                .forEach(name -> uids.add(name.substring(3)));
          }
        }
      }
    }
    return uids;
  }

  /** Removes all cgroups in which nothing runs; what still runs below is somebody else's. */
  void removeEmpty() throws IOException {
    for (Path hierarchy : hierarchies) {
      removeEmptyTree(hierarchy.resolve(prefix.substring(1)));
    }
  }

  /** Removes a pod's cgroups unless something runs in them. */
  void removePodIfEmpty(String uid) throws IOException {
    for (String qosClass : List.of("Guaranteed", "Burstable", "BestEffort")) {
      for (Path hierarchy : hierarchies) {
        removeEmptyTree(hierarchy.resolve(podPath(qosClass, uid).substring(1)));
      }
    }
  }

  private static void removeEmptyTree(Path cgroup) throws IOException {
    if (!Files.isDirectory(cgroup)) {
      return;
    }
    try (Stream<Path> children = Files.list(cgroup)) {
      for (Path child : children.filter(Files::isDirectory).toList()) {
        removeEmptyTree(child);
      }
    }
    boolean children;
    try (Stream<Path> left = Files.list(cgroup)) {
      children = left.anyMatch(Files::isDirectory);
    }
    if (!children && readKernelFile(cgroup.resolve("cgroup.procs")).isEmpty()) {
      removeDirectory(cgroup);
    }
  }

  private static void remove(Path cgroup) throws IOException {
    if (!Files.isDirectory(cgroup)) {
      return;
    }
    List<Path> tree = new ArrayList<>();
    try (Stream<Path> paths = Files.walk(cgroup)) {
      paths.filter(Files::isDirectory).forEach(tree::add);
    }
    for (Path directory : tree.reversed()) {
      for (String line : Files.readAllLines(directory.resolve("cgroup.procs"))) {
        ProcessHandle.of(Long.parseLong(line.strip())).ifPresent(ProcessHandle::destroyForcibly);
      }
      removeDirectory(directory);
    }
  }

  private static void removeDirectory(Path directory) throws IOException {
    // Killed processes leave their cgroup a moment later, and the kernel has no event for v1.
    for (int attempt = 0; ; attempt++) {
      try {
        Files.deleteIfExists(directory);
        return;
      } catch (IOException e) {
        if (attempt == 50) {
          throw e;
        }
      }
      try {
        Thread.sleep(10);
      } catch (InterruptedException e) {
        Thread.currentThread().interrupt();
        throw new IOException("interrupted", e);
      }
    }
  }

  /** A small kernel file; those below /proc/sys give everything to the first read or nothing. */
  static String readKernelFile(Path file) throws IOException {
    byte[] buffer = new byte[4096];
    try (InputStream in = new FileInputStream(file.toFile())) {
      int count = in.read(buffer);
      return count <= 0 ? "" : new String(buffer, 0, count, StandardCharsets.UTF_8).strip();
    }
  }

  /** The number in a kernel file, or -1 where there is none. */
  static long readNumber(Path file) {
    try {
      String text = readKernelFile(file);
      return text.equals("max") ? Long.MAX_VALUE : Long.parseLong(text);
    } catch (IOException | NumberFormatException e) {
      return -1;
    }
  }
}
