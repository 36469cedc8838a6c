package dev.kedge.server;

import dev.kedge.lifecycle.UserException;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.net.ServerSocket;
import java.nio.file.AccessDeniedException;
import java.nio.file.FileAlreadyExistsException;
import java.nio.file.FileSystemException;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Set;

/** What is checked before anything is changed on the machine; each fault is one clear sentence. */
final class Preflight {
  /** Free space below which a start would soon end in a full disk. */
  private static final long LEAST_FREE_BYTES = 64L << 20;

  private Preflight() {}

  static void check(ServerConfig config) {
    if (config.runAgent()) {
      root();
      cgroups();
    }
    port(config.bindAddress(), config.httpsPort(), "--https-listen-port");
    if (config.runAgent() && config.enabled("ingress")) {
      port(
          "0.0.0.0",
          config.ingressHttpPort(),
          "--ingress-http-port, or leave the ingress out with --disable=ingress");
      port(
          "0.0.0.0",
          config.ingressHttpsPort(),
          "--ingress-https-port, or leave the ingress out with --disable=ingress");
    }
  }

  /** Makes the directories that everything else is written to, and checks that it can be. */
  static void directories(ServerConfig config) {
    directory(config.dataDir());
    kubeconfig(config.kubeconfig());
  }

  private static void root() {
    if (!"root".equals(System.getProperty("user.name"))) {
      throw new UserException(
          "kedge server must run as root to start containers; run it with sudo, or run the control"
              + " plane alone with --disable-agent");
    }
  }

  private static void cgroups() {
    Set<String> controllers = cgroupControllers();
    for (String needed : List.of("cpu", "memory", "pids")) {
      if (!controllers.contains(needed)) {
        throw new UserException(
            "the kernel offers no "
                + needed
                + " cgroup controller; enable it (for memory: kernel parameters"
                + " cgroup_enable=memory cgroup_memory=1) or run with --disable-agent");
      }
    }
  }

  /** The controllers in effect, of cgroup v1 and v2 alike. */
  static Set<String> cgroupControllers() {
    Set<String> controllers = new LinkedHashSet<>();
    Path unified = Path.of("/sys/fs/cgroup/cgroup.controllers");
    try {
      if (Files.isReadable(unified)) {
        controllers.addAll(List.of(Files.readString(unified).strip().split(" ", -1)));
      }
      for (String line : Files.readAllLines(Path.of("/proc/self/mountinfo"))) {
        int dash = line.indexOf(" - cgroup ");
        if (dash > 0) {
          String options = line.substring(line.lastIndexOf(' ') + 1);
          controllers.addAll(List.of(options.split(",", -1)));
        }
      }
    } catch (IOException e) {
      throw new UserException("the kernel's cgroups cannot be read: " + e.getMessage(), e);
    }
    return controllers;
  }

  private static void directory(Path directory) {
    try {
      Files.createDirectories(directory);
      Path probe = Files.createTempFile(directory, ".write", "");
      Files.writeString(probe, "probe");
      Files.delete(probe);
      long free = Files.getFileStore(directory).getUsableSpace();
      if (free < LEAST_FREE_BYTES) {
        throw new UserException(
            "the data directory "
                + directory
                + " has only "
                + (free >> 20)
                + " MiB free; free some space or choose another with --data-dir");
      }
    } catch (AccessDeniedException e) {
      throw new UserException(
          "the data directory " + directory + " is not writable; choose another with --data-dir",
          e);
    } catch (IOException e) {
      throw new UserException(
          "the data directory "
              + directory
              + " cannot be used ("
              + why(e)
              + "); choose another with --data-dir",
          e);
    }
  }

  private static void kubeconfig(Path file) {
    try {
      Path directory = file.toAbsolutePath().getParent();
      if (directory != null) {
        Files.createDirectories(directory);
      }
      if (Files.isDirectory(file)
          || (Files.exists(file)
              ? !Files.isWritable(file)
              : directory != null && !Files.isWritable(directory))) {
        throw new UserException(
            "the kubeconfig "
                + file
                + " is not writable; choose another place with --write-kubeconfig");
      }
    } catch (IOException e) {
      throw new UserException(
          "the kubeconfig "
              + file
              + " cannot be written ("
              + why(e)
              + "); choose another place with --write-kubeconfig",
          e);
    }
  }

  /** What the system said, without the path, which the library gives for a message. */
  static String why(Exception e) {
    return switch (e) {
      case NoSuchFileException _ -> "no such file or directory";
      case AccessDeniedException _ -> "permission denied";
      case FileAlreadyExistsException _ -> "a file is in the way";
      case FileSystemException f when f.getReason() instanceof String reason -> reason;
      case UncheckedIOException u when u.getCause() instanceof IOException cause -> why(cause);
      default -> String.valueOf(e.getMessage());
    };
  }

  private static void port(String address, int port, String flag) {
    try (ServerSocket probe = new ServerSocket()) {
      probe.setReuseAddress(true);
      probe.bind(new InetSocketAddress(InetAddress.getByName(address), port));
    } catch (IOException e) {
      throw new UserException(
          "port "
              + port
              + " is taken by another program; stop that, or choose another with "
              + flag,
          e);
    }
  }
}
