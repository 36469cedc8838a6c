package dev.kedge.node;

import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeSet;
import java.util.stream.Stream;
import org.apache.commons.compress.archivers.tar.TarArchiveEntry;
import org.apache.commons.compress.archivers.tar.TarArchiveOutputStream;
import org.junit.jupiter.api.Assumptions;

/**
 * A node of its own below one temporary directory: data, run directory, logs, cgroup, bridge.
 * Closing ends everything and deletes it.
 */
final class TestNode implements AutoCloseable {
  static final String BUSYBOX = "kedge.local/busybox:test";

  final Path root;
  final NodeSettings settings;

  private TestNode(Path root, NodeSettings settings) {
    this.root = root;
    this.settings = settings;
  }

  /** Skips the test, saying why, where no containers can be run. */
  static TestNode create() throws IOException {
    Assumptions.assumeTrue("root".equals(System.getProperty("user.name")), "containers need root");
    for (String name :
        List.of("containerd", "containerd-shim-runc-v2", "runc", "busybox", "mount")) {
      Assumptions.assumeTrue(Processes.find(name).isPresent(), name + " is not installed");
    }
    Assumptions.assumeTrue(
        Files.exists(Path.of("/usr/lib/cni/bridge"))
            || Files.exists(Path.of("/opt/cni/bin/bridge")),
        "the CNI plugins are not installed");
    Path root = Files.createTempDirectory("node-");
    String id = root.getFileName().toString();
    NodeSettings settings =
        NodeSettings.builder("test-node", root.resolve("data"))
            .runDirectory(root.resolve("run"))
            .podLogs(root.resolve("logs/pods"))
            .containerLogs(root.resolve("logs/containers"))
            .registries(root.resolve("registries.yaml"))
            .cgroupRoot(id)
            .resolvConf(Files.writeString(root.resolve("resolv.conf"), "nameserver 192.0.2.53\n"))
            .build();
    Files.createDirectories(settings.cniConfiguration());
    int subnet = Math.floorMod(id.hashCode(), 200) + 20;
    Files.writeString(
        settings.cniConfiguration().resolve("10-test.conflist"),
        """
        {"cniVersion": "1.0.0", "name": "%s", "plugins": [
          {"type": "bridge", "bridge": "kt%d", "isGateway": true, "ipMasq": false,
           "ipam": {"type": "host-local", "dataDir": "%s",
                    "ranges": [[{"subnet": "10.99.%d.0/24"}]],
                    "routes": [{"dst": "0.0.0.0/0"}]}}]}
        """
            .formatted(id, subnet, root.resolve("ipam"), subnet));
    return new TestNode(root, settings);
  }

  /** A docker-archive of busybox with all its tools. */
  static byte[] busybox() throws IOException {
    Path binary = Processes.find("busybox").orElseThrow();
    ByteArrayOutputStream layer = new ByteArrayOutputStream();
    try (TarArchiveOutputStream tar = new TarArchiveOutputStream(layer)) {
      for (String directory : List.of("bin/", "tmp/", "etc/", "dev/", "proc/", "sys/")) {
        TarArchiveEntry entry = new TarArchiveEntry(directory);
        entry.setMode(directory.equals("tmp/") ? 01777 : 0755);
        tar.putArchiveEntry(entry);
        tar.closeArchiveEntry();
      }
      PauseImage.entry(tar, "bin/busybox", Files.readAllBytes(binary), 0755);
      PauseImage.entry(
          tar,
          "etc/passwd",
          "root:x:0:0::/:/bin/sh\nweb:x:1234:1234::/:/bin/sh\n"
              .getBytes(java.nio.charset.StandardCharsets.UTF_8),
          0644);
      PauseImage.entry(
          tar,
          "etc/group",
          "root:x:0:\nweb:x:1234:\n".getBytes(java.nio.charset.StandardCharsets.UTF_8),
          0644);
      for (String tool : Processes.run(binary.toString(), "--list").split("\n")) {
        if (!tool.isBlank() && !tool.equals("busybox")) {
          TarArchiveEntry link =
              new TarArchiveEntry("bin/" + tool.strip(), TarArchiveEntry.LF_SYMLINK);
          link.setLinkName("busybox");
          tar.putArchiveEntry(link);
          tar.closeArchiveEntry();
        }
      }
    }
    return PauseImage.dockerArchive(
        BUSYBOX, List.of(), List.of("/bin/sh"), Map.of(), layer.toByteArray());
  }

  /** What of this node is still mounted, running or limited. */
  Set<String> leftovers() throws IOException {
    Set<String> left = new TreeSet<>();
    for (Path mount : Mounts.all()) {
      if (mount.startsWith(root)) {
        left.add("mount " + mount);
      }
    }
    ProcessHandle.allProcesses()
        .forEach(
            process -> {
              try {
                String commandLine =
                    Files.readString(Path.of("/proc", "" + process.pid(), "cmdline"));
                if (commandLine.contains(root + "/")) {
                  left.add("process " + commandLine.replace('\0', ' '));
                }
              } catch (IOException e) {
                assert !process.isAlive() || e.getMessage() != null;
              }
            });
    for (Path hierarchy : hierarchies()) {
      Path cgroup = hierarchy.resolve(root.getFileName()).resolve("kubepods");
      if (Files.exists(cgroup)) {
        left.add("cgroup " + cgroup);
      }
    }
    return left;
  }

  /** The one tree of cgroup v2, and the places of v1's. */
  private static List<Path> hierarchies() throws IOException {
    Path top = Path.of("/sys/fs/cgroup");
    try (Stream<Path> mounts = Files.list(top)) {
      return Stream.concat(Stream.of(top), mounts.filter(Files::isDirectory)).toList();
    }
  }

  @Override
  public void close() throws Exception {
    Containerd.stopAll(settings);
    String name = root.getFileName().toString();
    for (Path hierarchy : hierarchies()) {
      Files.deleteIfExists(hierarchy.resolve(name));
    }
    int subnet = Math.floorMod(name.hashCode(), 200) + 20;
    if (Files.exists(Path.of("/sys/class/net/kt" + subnet))) {
      Processes.run("ip", "link", "delete", "kt" + subnet);
    }
    Mounts.deleteTree(root);
  }
}
