package dev.kedge.server;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Set;

/** What a machine must offer to run containers, looked at without changing anything. */
public final class NodeCheck {
  /** How a check came out. */
  public enum Result {
    OK,
    WARNING,
    MISSING
  }

  /** One thing looked at. */
  public record Finding(Result result, String subject, String text) {}

  private NodeCheck() {}

  /** Every finding, in the order a reader would ask. */
  public static List<Finding> all() {
    List<Finding> findings = new ArrayList<>();
    boolean root = "root".equals(System.getProperty("user.name"));
    findings.add(
        new Finding(
            root ? Result.OK : Result.WARNING,
            "user",
            root ? "root" : "not root; the server needs root to start containers"));
    findings.add(kernel());
    cgroups(findings);
    namespaces(findings);
    fileSystem(
        findings,
        "overlay",
        "overlayfs",
        Result.WARNING,
        "start with --snapshotter=native, which is slower and larger");
    setting(findings, "/proc/sys/net/ipv4/ip_forward", "ip_forward");
    List<String> packages = NodePackages.missing();
    findings.add(
        packages.isEmpty()
            ? new Finding(
                Result.OK, "programs", "containerd, runc, CNI plugins, nft, ip, conntrack, zstd")
            : new Finding(
                Files.isExecutable(Path.of("/usr/bin/apt-get")) ? Result.WARNING : Result.MISSING,
                "programs",
                "Debian packages to be installed at the first start: "
                    + String.join(", ", packages)));
    return findings;
  }

  private static Finding kernel() {
    String release = System.getProperty("os.version", "");
    String[] parts = release.split("[.-]", -1);
    boolean recent;
    try {
      int major = Integer.parseInt(parts[0]);
      int minor = Integer.parseInt(parts[1]);
      recent = major > 4 || major == 4 && minor >= 15;
    } catch (NumberFormatException | ArrayIndexOutOfBoundsException e) {
      return new Finding(Result.WARNING, "kernel", release + " (" + e.getMessage() + ")");
    }
    return new Finding(
        recent ? Result.OK : Result.MISSING,
        "kernel",
        release + (recent ? "" : "; needs 4.15 or later"));
  }

  private static void cgroups(List<Finding> findings) {
    Set<String> controllers = Preflight.cgroupControllers();
    boolean unified = Files.exists(Path.of("/sys/fs/cgroup/cgroup.controllers"));
    findings.add(new Finding(Result.OK, "cgroups", unified ? "version 2" : "version 1"));
    for (String controller : List.of("cpu", "memory", "pids", "cpuset")) {
      boolean there = controllers.contains(controller);
      findings.add(
          new Finding(
              there ? Result.OK : controller.equals("cpuset") ? Result.WARNING : Result.MISSING,
              "cgroup " + controller,
              there
                  ? "present"
                  : "absent; for memory, boot with cgroup_enable=memory cgroup_memory=1"));
    }
  }

  private static void namespaces(List<Finding> findings) {
    for (String namespace : List.of("mnt", "net", "pid", "ipc", "uts")) {
      boolean there = Files.exists(Path.of("/proc/self/ns", namespace));
      if (!there) {
        findings.add(
            new Finding(
                Result.MISSING, "namespace " + namespace, "the kernel was built without it"));
      }
    }
  }

  private static void fileSystem(
      List<Finding> findings, String name, String subject, Result absent, String otherwise) {
    try {
      boolean there =
          Files.readAllLines(Path.of("/proc/filesystems")).stream()
              .anyMatch(line -> line.endsWith("\t" + name));
      findings.add(
          new Finding(
              there ? Result.OK : absent, subject, there ? "present" : "not loaded; " + otherwise));
    } catch (IOException e) {
      findings.add(new Finding(Result.WARNING, subject, "/proc/filesystems: " + e.getMessage()));
    }
  }

  private static void setting(List<Finding> findings, String file, String subject) {
    try {
      boolean on = Files.readString(Path.of(file)).strip().equals("1");
      findings.add(new Finding(Result.OK, subject, on ? "on" : "off; the server turns it on"));
    } catch (IOException e) {
      findings.add(new Finding(Result.WARNING, subject, String.valueOf(e.getMessage())));
    }
  }
}
