package dev.kedge.node;

import dev.kedge.cri.ContainerdClient;
import dev.kedge.cri.Cri;
import dev.kedge.cri.CriClient;
import dev.kedge.grpc.GrpcException;
import java.io.IOException;
import java.lang.System.Logger;
import java.lang.System.Logger.Level;
import java.nio.charset.StandardCharsets;
import java.nio.file.FileSystems;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardWatchEventKinds;
import java.nio.file.WatchKey;
import java.nio.file.WatchService;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.concurrent.TimeUnit;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;

/**
 * The node's own containerd: configured, started in a session of its own so that it survives kedge,
 * adopted when one already answers on the socket, started again when it dies. Its root is {@code
 * <data>/agent/containerd}, its state and socket {@code <run>/containerd}. Where the settings name
 * another runtime's socket, nothing is started and only that is used.
 *
 * <p>Closing stops the supervision and leaves containerd and all containers running; {@link
 * #stopAll} ends everything.
 */
public final class Containerd implements AutoCloseable {
  private static final Logger LOG = System.getLogger("dev.kedge.node");
  private static final Duration START_LIMIT = Duration.ofSeconds(60);
  private static final String NAMESPACE = "k8s.io";
  private static final Path CNI = Path.of("/var/lib/cni");

  private final NodeSettings settings;
  private final CriClient cri;
  private final ContainerdClient client;
  private final List<Runnable> restartListeners = new CopyOnWriteArrayList<>();
  private volatile boolean closed;
  private @Nullable ProcessHandle process;

  private Containerd(NodeSettings settings) {
    this.settings = settings;
    cri = new CriClient(settings.criSocket());
    client = new ContainerdClient(settings.criSocket(), NAMESPACE);
  }

  /**
   * Adopts or starts containerd and returns when CRI answers.
   *
   * @throws IOException with a sentence for the operator if a binary is missing or containerd does
   *     not come up; the end of its log is part of the message
   */
  public static Containerd start(NodeSettings settings) throws IOException, InterruptedException {
    Containerd containerd = new Containerd(settings);
    try {
      if (settings.runtimeEndpoint().isPresent()) {
        containerd.awaitReady(Optional.empty());
      } else {
        containerd.ensureRunning();
        Thread.ofVirtual().name("containerd-supervisor").start(containerd::supervise);
      }
      return containerd;
    } catch (IOException | InterruptedException | RuntimeException e) {
      containerd.close();
      throw e;
    }
  }

  /** The CRI client; shared, closed with this. */
  public CriClient cri() {
    return cri;
  }

  /** containerd's own services in the namespace of CRI; shared, closed with this. */
  public ContainerdClient client() {
    return client;
  }

  /** Calls the action, on the supervisor's thread, each time containerd came up again. */
  public void onRestart(Runnable action) {
    restartListeners.add(action);
  }

  /** Stops supervising; containerd and its containers go on. */
  @Override
  public void close() {
    closed = true;
    cri.close();
    client.close();
  }

  private Path pidFile() {
    return settings.containerdState().resolve("containerd.pid");
  }

  private Path configFile() {
    return settings.agentDirectory().resolve("etc/containerd/config.toml");
  }

  private Path logFile() {
    return settings.agentDirectory().resolve("containerd/containerd.log");
  }

  private void ensureRunning() throws IOException, InterruptedException {
    Files.createDirectories(settings.containerdState());
    Files.createDirectories(logFile().getParent());
    new RegistryConfiguration(settings).write();
    String config = config(binary("containerd"), binary("runc"));
    binary("containerd-shim-runc-v2");
    Files.createDirectories(configFile().getParent());
    boolean same = Files.exists(configFile()) && Files.readString(configFile()).equals(config);
    Optional<ProcessHandle> running = running(settings);
    if (running.isPresent() && same) {
      try {
        awaitReady(running);
        process = running.get();
        LOG.log(Level.DEBUG, "adopted containerd, process {0}", running.get().pid());
        return;
      } catch (IOException e) {
        LOG.log(Level.WARNING, "the running containerd is replaced: {0}", e.getMessage());
      }
    }
    // Another configuration needs another containerd; containers do not notice.
    running.ifPresent(Containerd::terminate);
    Files.writeString(configFile(), config);
    launch();
  }

  /** The containerd of these settings, found by its pid file and checked by its command line. */
  private static Optional<ProcessHandle> running(NodeSettings settings) throws IOException {
    Path pidFile = settings.containerdState().resolve("containerd.pid");
    if (!Files.exists(pidFile)) {
      return Optional.empty();
    }
    long pid;
    try {
      pid = Long.parseLong(Files.readString(pidFile).strip());
    } catch (NumberFormatException e) {
      LOG.log(Level.WARNING, "ignoring " + pidFile + ", which holds no number", e);
      return Optional.empty();
    }
    // A pid can be another process by now.
    Path commandLine = Path.of("/proc", Long.toString(pid), "cmdline");
    String config = settings.agentDirectory().resolve("etc/containerd/config.toml").toString();
    if (!Files.exists(commandLine) || !Files.readString(commandLine).contains(config)) {
      return Optional.empty();
    }
    return ProcessHandle.of(pid).filter(ProcessHandle::isAlive);
  }

  private void launch() throws IOException, InterruptedException {
    long begun = System.nanoTime();
    try (WatchService watch = FileSystems.getDefault().newWatchService()) {
      settings.containerdState().register(watch, StandardWatchEventKinds.ENTRY_CREATE);
      Path socket = settings.criSocket();
      Files.deleteIfExists(socket);
      if (Files.exists(logFile()) && Files.size(logFile()) > 20 << 20) {
        Files.move(
            logFile(),
            logFile().resolveSibling("containerd.log.1"),
            java.nio.file.StandardCopyOption.REPLACE_EXISTING);
      }
      Path setsid =
          Processes.find("setsid")
              .orElseThrow(() -> new IOException("setsid is missing: install util-linux"));
      // A session of its own: neither Ctrl-C nor kedge's end reaches it.
      ProcessBuilder builder =
          new ProcessBuilder(
              setsid.toString(),
              binary("containerd").toString(),
              "--config",
              configFile().toString());
      builder.redirectInput(ProcessBuilder.Redirect.from(Path.of("/dev/null").toFile()));
      builder.redirectErrorStream(true);
      builder.redirectOutput(ProcessBuilder.Redirect.appendTo(logFile().toFile()));
      Map<String, String> environment = builder.environment();
      // Halves containerd's heap for next to no processor time.
      environment.putIfAbsent("GOGC", "25");
      environment.remove("NOTIFY_SOCKET");
      String path = environment.getOrDefault("PATH", "");
      // The shim and runc are found through PATH.
      environment.put(
          "PATH",
          binary("containerd-shim-runc-v2").getParent()
              + ":"
              + binary("runc").getParent()
              + (path.isEmpty() ? "" : ":" + path)
              + ":/usr/sbin:/usr/bin:/sbin:/bin");
      Process started = builder.start();
      process = started.toHandle();
      Files.writeString(pidFile(), started.pid() + "\n");
      long deadline = System.nanoTime() + START_LIMIT.toNanos();
      // The socket appears when containerd is about to serve; the wait ends early if it dies.
      while (!Files.exists(socket)) {
        WatchKey key = watch.poll(50, TimeUnit.MILLISECONDS);
        if (key != null) {
          key.pollEvents();
          key.reset();
        }
        if (!started.isAlive() || System.nanoTime() > deadline) {
          throw new IOException(
              "containerd "
                  + (started.isAlive() ? "opened no socket" : "ended at once")
                  + "; its log, "
                  + logFile()
                  + ", ends with: "
                  + logEnd());
        }
      }
    }
    try {
      awaitReady(Optional.ofNullable(process));
    } catch (IOException e) {
      // A second one could not open the first one's database.
      ProcessHandle failed = process;
      if (failed != null) {
        failed.destroyForcibly();
        failed.onExit().join();
      }
      throw e;
    }
    LOG.log(
        Level.DEBUG, "containerd answers after {0} ms", (System.nanoTime() - begun) / 1_000_000);
  }

  /** CRI refuses calls for a moment after the socket is there. */
  private void awaitReady(Optional<ProcessHandle> started)
      throws IOException, InterruptedException {
    long deadline = System.nanoTime() + START_LIMIT.toNanos();
    while (true) {
      try {
        cri.version();
        return;
      } catch (GrpcException e) {
        if (!CriClient.isUnavailable(e) || System.nanoTime() > deadline) {
          throw new IOException(
              "the container runtime on "
                  + settings.criSocket()
                  + " does not answer: "
                  + e.detail(),
              e);
        }
        if (started.isPresent() && !started.get().isAlive()) {
          throw new IOException("containerd ended while starting: " + logEnd(), e);
        }
        TimeUnit.MILLISECONDS.sleep(5);
      }
    }
  }

  private String logEnd() throws IOException {
    if (!Files.exists(logFile())) {
      return "(empty)";
    }
    List<String> lines = Files.readAllLines(logFile(), StandardCharsets.UTF_8);
    return String.join(" | ", lines.subList(Math.max(0, lines.size() - 3), lines.size()));
  }

  private void supervise() {
    Duration pause = Duration.ZERO;
    while (!closed) {
      ProcessHandle current = process;
      if (current != null) {
        long since = System.nanoTime();
        current.onExit().join();
        if (closed) {
          return;
        }
        LOG.log(Level.WARNING, "containerd ended; starting it again, containers go on");
        // Only one that keeps dying is held back.
        pause =
            System.nanoTime() - since > TimeUnit.SECONDS.toNanos(30)
                ? Duration.ZERO
                : pause.isZero()
                    ? Duration.ofMillis(100)
                    : pause.multipliedBy(2).compareTo(Duration.ofSeconds(10)) > 0
                        ? Duration.ofSeconds(10)
                        : pause.multipliedBy(2);
      }
      try {
        Thread.sleep(pause);
        launch();
        restartListeners.forEach(Runnable::run);
      } catch (IOException | RuntimeException e) {
        process = null;
        pause = pause.isZero() ? Duration.ofMillis(200) : pause;
        LOG.log(Level.ERROR, "containerd cannot be started: " + e.getMessage(), e);
      } catch (InterruptedException e) {
        return;
      }
    }
  }

  private Path binary(String name) throws IOException {
    return Processes.find(name, settings.dataDirectory().resolve("bin"))
        .orElseThrow(
            () ->
                new IOException(
                    name
                        + " is missing: install the packages containerd and runc, or put it into "
                        + settings.dataDirectory().resolve("bin")));
  }

  private String config(Path containerd, Path runc) throws IOException {
    String version = Processes.run(containerd.toString(), "--version");
    String number = version.replaceFirst("^\\S+ \\S+ v?", "").split("[ ~+-]")[0];
    String[] parts = number.split("\\.");
    if (parts.length < 2
        || Integer.parseInt(parts[0]) == 1 && Integer.parseInt(parts[1]) < 6
        || Integer.parseInt(parts[0]) < 1) {
      throw new IOException(containerd + " is " + number + "; kedge needs containerd 1.6 or later");
    }
    boolean restrictOom = !hasCapSysResource();
    // Version 2 is what 1.6 and 1.7 speak; 2.x reads it as well and translates it for itself.
    return """
    # Written by kedge at every start: changes are lost.
    version = 2
    root = %s
    state = %s
    # Only the plugins that Kubernetes needs.
    disabled_plugins = ["io.containerd.internal.v1.opt", "io.containerd.snapshotter.v1.aufs", \
    "io.containerd.snapshotter.v1.btrfs", "io.containerd.snapshotter.v1.devmapper", \
    "io.containerd.snapshotter.v1.zfs", "io.containerd.tracing.processor.v1.otlp", \
    "io.containerd.internal.v1.tracing"]

    [grpc]
      address = %s

    [debug]
      level = "warn"

    [plugins."io.containerd.grpc.v1.cri"]
      sandbox_image = %s
      enable_unprivileged_ports = true
      enable_unprivileged_icmp = true
      restrict_oom_score_adj = %s
      stream_server_address = "127.0.0.1"
      stream_server_port = "0"

      [plugins."io.containerd.grpc.v1.cri".cni]
        bin_dir = %s
        conf_dir = %s

      [plugins."io.containerd.grpc.v1.cri".containerd]
        snapshotter = %s
        default_runtime_name = "runc"

        [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc]
          runtime_type = "io.containerd.runc.v2"

          [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc.options]
            SystemdCgroup = false
            BinaryName = %s

      [plugins."io.containerd.grpc.v1.cri".registry]
        config_path = %s
    """
        .formatted(
            quote(settings.agentDirectory().resolve("containerd").toString()),
            quote(settings.containerdState().toString()),
            quote(settings.criSocket().toString()),
            quote(NodeSettings.PAUSE_IMAGE),
            restrictOom,
            quote(settings.cniBinaries().toString()),
            quote(settings.cniConfiguration().toString()),
            quote(settings.snapshotter()),
            quote(runc.toString()),
            quote(RegistryConfiguration.directory(settings).toString()));
  }

  private static String quote(String text) {
    return "\"" + text.replace("\\", "\\\\").replace("\"", "\\\"") + "\"";
  }

  /** Without this capability a score below one's own cannot be given to containers. */
  static boolean hasCapSysResource() throws IOException {
    for (String line : Files.readAllLines(Path.of("/proc/self/status"))) {
      if (line.startsWith("CapEff:")) {
        return (Long.parseUnsignedLong(line.substring(7).strip(), 16) >>> 24 & 1) == 1;
      }
    }
    return true;
  }

  private static void terminate(ProcessHandle process) {
    process.destroy();
    try {
      process.onExit().get(10, TimeUnit.SECONDS);
    } catch (java.util.concurrent.TimeoutException e) {
      process.destroyForcibly();
      process.onExit().join();
    } catch (java.util.concurrent.ExecutionException e) {
      throw new IllegalStateException(e);
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
    }
  }

  /**
   * Ends every pod of this node, containerd and its shims, and clears what they leave: mounts, shim
   * sockets, cgroups, pod directories, logs of those pods. Images and local-path volumes stay. What
   * is not there is no failure; what cannot be cleared is logged, and the rest goes on.
   *
   * @return a line per thing done
   */
  public static List<String> stopAll(NodeSettings settings)
      throws IOException, InterruptedException {
    List<String> done = new ArrayList<>();
    List<String> sandboxes = removeSandboxes(settings);
    if (!sandboxes.isEmpty()) {
      done.add("removed " + sandboxes.size() + " pod sandboxes");
    }
    Optional<ProcessHandle> containerd = running(settings);
    containerd.ifPresent(
        process -> {
          terminate(process);
          done.add("stopped containerd");
        });
    int shims = 0;
    for (ProcessHandle shim : shims(settings)) {
      for (ProcessHandle child : shim.descendants().toList()) {
        child.destroyForcibly();
      }
      shim.destroyForcibly();
      shim.onExit().join();
      shims++;
    }
    if (shims > 0) {
      done.add("killed " + shims + " containerd shims");
    }
    removeLogs(settings);
    Mounts.unmountBelow(settings.containerdState());
    Mounts.unmountBelow(settings.runDirectory().resolve("volumes"));
    Mounts.unmountBelow(settings.podsDirectory());
    Mounts.deleteTree(settings.podsDirectory());
    Mounts.deleteTree(settings.containerdState());
    Mounts.deleteTree(settings.runDirectory().resolve("volumes"));
    new Cgroups(settings.cgroupRoot()).removeEmpty();
    clearLinks(settings.containerLogs());
    removeNetworkResults(sandboxes);
    removeIfEmpty(settings.runDirectory());
    return done;
  }

  /** The log directory may be shared with other runtimes: only what is of our pods goes. */
  private static void removeLogs(NodeSettings settings) throws IOException {
    if (!Files.isDirectory(settings.podsDirectory()) || !Files.isDirectory(settings.podLogs())) {
      return;
    }
    Set<String> ours;
    try (Stream<Path> pods = Files.list(settings.podsDirectory())) {
      ours = pods.map(pod -> pod.getFileName().toString()).collect(Collectors.toSet());
    }
    try (Stream<Path> logs = Files.list(settings.podLogs())) {
      for (Path log : logs.toList()) {
        String name = log.getFileName().toString();
        if (ours.contains(name.substring(name.lastIndexOf('_') + 1))) {
          Mounts.deleteTree(log);
        }
      }
    }
  }

  /** What the CNI library remembers of sandboxes; other runtimes keep theirs in the same place. */
  private static void removeNetworkResults(List<String> sandboxes) throws IOException {
    Path known = CNI.resolve("results");
    if (!Files.isDirectory(known)) {
      return;
    }
    try (Stream<Path> results = Files.list(known)) {
      for (Path result : results.toList()) {
        if (sandboxes.stream().anyMatch(result.getFileName().toString()::contains)) {
          Files.delete(result);
        }
      }
    }
    removeIfEmpty(known);
    removeIfEmpty(CNI);
  }

  private static void removeIfEmpty(Path directory) throws IOException {
    if (Files.isDirectory(directory)) {
      try (Stream<Path> entries = Files.list(directory)) {
        if (entries.findAny().isPresent()) {
          return;
        }
      }
      Files.delete(directory);
    }
  }

  private static List<String> removeSandboxes(NodeSettings settings)
      throws IOException, InterruptedException {
    // A dead containerd is started once more, since only it knows all that must be undone.
    boolean known = Files.isDirectory(settings.agentDirectory().resolve("containerd"));
    if (!known && settings.runtimeEndpoint().isEmpty()) {
      return List.of();
    }
    List<String> removed = new ArrayList<>();
    try (Containerd containerd = start(settings)) {
      for (Cri.Sandbox sandbox : containerd.cri().listPodSandboxes(Cri.SandboxFilter.ALL)) {
        containerd.cri().stopPodSandbox(sandbox.id());
        containerd.cri().removePodSandbox(sandbox.id());
        removed.add(sandbox.id());
      }
    } catch (GrpcException e) {
      LOG.log(Level.WARNING, "not all sandboxes could be removed", e);
    }
    return removed;
  }

  /** Shims name their containerd's socket on the command line. */
  private static List<ProcessHandle> shims(NodeSettings settings) {
    String socket = settings.criSocket().toString();
    return ProcessHandle.allProcesses()
        .filter(
            process -> {
              try {
                String commandLine =
                    Files.readString(Path.of("/proc", "" + process.pid(), "cmdline"));
                return commandLine.contains("containerd-shim") && commandLine.contains(socket);
              } catch (IOException e) {
                return false;
              }
            })
        .toList();
  }

  private static void clearLinks(Path directory) throws IOException {
    if (!Files.isDirectory(directory)) {
      return;
    }
    try (Stream<Path> links = Files.list(directory)) {
      for (Path link : links.filter(Files::isSymbolicLink).toList()) {
        if (!Files.exists(link)) {
          Files.delete(link);
        }
      }
    }
  }
}
