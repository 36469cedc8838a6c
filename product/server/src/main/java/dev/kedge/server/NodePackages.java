package dev.kedge.server;

import dev.kedge.lifecycle.UserException;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.function.Consumer;
import java.util.stream.Stream;

/** The programs a node needs beside kedge, and the Debian packages they come from. */
public final class NodePackages {
  private record Program(String path, String debianPackage) {}

  // Looked for in the PATH of a root shell, but for the CNI plugins, which have a place of their
  // own.
  private static final List<Program> PROGRAMS =
      List.of(
          new Program("containerd", "containerd"),
          new Program("containerd-shim-runc-v2", "containerd"),
          new Program("runc", "runc"),
          new Program("/usr/lib/cni/bridge", "containernetworking-plugins"),
          new Program("/usr/lib/cni/host-local", "containernetworking-plugins"),
          new Program("/usr/lib/cni/loopback", "containernetworking-plugins"),
          new Program("nft", "nftables"),
          new Program("ip", "iproute2"),
          new Program("conntrack", "conntrack"),
          // Image archives may be compressed with it.
          new Program("zstd", "zstd"));

  private NodePackages() {}

  /** The packages whose programs are missing on this machine. */
  public static List<String> missing() {
    return PROGRAMS.stream()
        .filter(program -> !present(program.path()))
        .map(Program::debianPackage)
        .distinct()
        .toList();
  }

  /**
   * Installs packages, telling each in one line.
   *
   * @throws UserException if apt-get is absent or cannot install one
   */
  public static void install(List<String> packages, Consumer<String> say) {
    if (!present("apt-get")) {
      throw new UserException(
          "needs "
              + String.join(", ", packages)
              + ", and this is not a Debian machine (no apt-get); install them with the machine's"
              + " own package manager");
    }
    boolean listsFresh = false;
    for (String name : packages) {
      say.accept("  installing the Debian package " + name);
      Outcome outcome = aptGet("install", "-y", "--no-install-recommends", name);
      if (outcome.code() != 0 && !listsFresh) {
        // An image without package lists, or lists older than the archive.
        aptGet("update");
        listsFresh = true;
        outcome = aptGet("install", "-y", "--no-install-recommends", name);
      }
      if (outcome.code() != 0) {
        throw new UserException(
            "the Debian package "
                + name
                + " cannot be installed ("
                + outcome.lastLine()
                + "); mend that, or install it by hand and start with --no-install");
      }
    }
  }

  private static boolean present(String program) {
    if (program.startsWith("/")) {
      return Files.isExecutable(Path.of(program));
    }
    String path =
        System.getenv().getOrDefault("PATH", "") + ":/usr/local/sbin:/usr/sbin:/sbin:/usr/bin:/bin";
    return Stream.of(path.split(":", -1))
        .filter(directory -> !directory.isEmpty())
        .anyMatch(directory -> Files.isExecutable(Path.of(directory, program)));
  }

  private record Outcome(int code, String output) {
    String lastLine() {
      return output
          .lines()
          .filter(line -> !line.isBlank())
          .reduce((_, last) -> last)
          .orElse("no output");
    }
  }

  private static Outcome aptGet(String... arguments) {
    List<String> command = new ArrayList<>(List.of("apt-get", "-q"));
    command.addAll(List.of(arguments));
    ProcessBuilder builder = new ProcessBuilder(command).redirectErrorStream(true);
    builder.environment().put("DEBIAN_FRONTEND", "noninteractive");
    try {
      Process process = builder.start();
      process.getOutputStream().close();
      String output = new String(process.getInputStream().readAllBytes(), StandardCharsets.UTF_8);
      return new Outcome(process.waitFor(), output);
    } catch (IOException e) {
      throw new UserException("apt-get cannot be run: " + e.getMessage(), e);
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
      throw new IllegalStateException("interrupted while installing packages", e);
    }
  }
}
