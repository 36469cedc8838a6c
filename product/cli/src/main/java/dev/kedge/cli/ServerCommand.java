package dev.kedge.cli;

import dev.kedge.lifecycle.Logging;
import dev.kedge.lifecycle.Startup;
import dev.kedge.lifecycle.UserException;
import dev.kedge.server.KedgeServer;
import dev.kedge.server.KedgeVersion;
import dev.kedge.server.NodePackages;
import dev.kedge.server.ServerConfig;
import java.lang.management.ManagementFactory;
import java.nio.file.Path;
import java.util.List;
import java.util.Optional;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.atomic.AtomicBoolean;

/** {@code kedge server}: runs until it is told to stop. */
final class ServerCommand {
  private ServerCommand() {}

  static int run(ProgramName program, List<String> arguments) {
    long processStarted = processStarted();
    Flags flags = ServerFlags.table(program);
    if (Main.wantsHelp(arguments)) {
      Main.printFlags("Usage: kedge server [flags]", flags);
      return 0;
    }
    Flags.Values values = flags.parse(arguments).withEnvironment(System.getenv());
    if (!values.arguments().isEmpty()) {
      throw new UserException("server takes flags only, not " + values.arguments().getFirst());
    }
    Path file = Path.of(values.text("config"));
    values.withFile(ConfigFile.read(file, values.isSet("config")), "the configuration");
    ServerConfig config = ServerOptions.of(values);
    Logging.configure(
        values.on("debug"),
        Optional.of(values.text("log")).filter(log -> !log.isEmpty()).map(Path::of));

    Startup startup = new Startup(System.out, processStarted);
    startup.say("kedge " + KedgeVersion.KEDGE + " (Kubernetes v" + KedgeVersion.KUBERNETES + ")");
    if (config.cluster().reset()) {
      KedgeServer.resetCluster(config, startup);
      startup.say(
          "The cluster is this server alone now. Start it again without --cluster-reset; on the"
              + " other servers remove server/db in the data directory before they join again.");
      return 0;
    }
    CountDownLatch stop = new CountDownLatch(1);
    CountDownLatch stopped = new CountDownLatch(1);
    // The JVM turns SIGINT and SIGTERM into its shutdown hooks; it leaves when the hooks have
    // ended.
    Thread starting = Thread.currentThread();
    AtomicBoolean started = new AtomicBoolean();
    Runtime.getRuntime()
        .addShutdownHook(
            Thread.ofPlatform()
                .name("stop")
                .unstarted(
                    () -> {
                      stop.countDown();
                      // A start may wait for other servers, however long they take.
                      if (!started.get()) {
                        starting.interrupt();
                      }
                      awaitQuietly(stopped);
                    }));
    try (KedgeServer server =
        KedgeServer.start(config, startup, () -> packages(config, values, startup))) {
      started.set(true);
      if (config.runAgent()) {
        server.awaitNodeReady();
        startup.say(
            "Node %s is Ready after %.2f s."
                .formatted(config.node().name(), startup.elapsed().toMillis() / 1e3));
      } else {
        startup.say(
            "The control plane is ready after %.2f s."
                .formatted(startup.elapsed().toMillis() / 1e3));
      }
      startup.say("Kubeconfig: " + config.kubeconfig());
      startup.say("Next: " + next(config, values));
      HeapKeeper.start();
      stop.await();
      startup.say(
          config.runAgent()
              ? "Stopping; containers keep running (kedge killall stops them)."
              : "Stopping.");
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
    } catch (IllegalStateException e) {
      if (started.get() || stop.getCount() > 0) {
        throw e;
      }
      startup.say("Stopped while starting.");
    } finally {
      stopped.countDown();
    }
    return 0;
  }

  /** A first command that works as it stands. */
  private static String next(ServerConfig config, Flags.Values values) {
    String command = System.getProperty("kedge.command", "./kedge") + " kubectl ";
    return command
        + (values.isSet("write-kubeconfig") ? "--kubeconfig=" + config.kubeconfig() + " " : "")
        + (config.runAgent() ? "get nodes" : "get namespaces");
  }

  /** Installs what the node misses, or says what that is. */
  private static void packages(ServerConfig config, Flags.Values values, Startup startup) {
    if (!config.runAgent()) {
      return;
    }
    List<String> missing = NodePackages.missing();
    if (missing.isEmpty()) {
      return;
    }
    if (values.on("no-install")) {
      throw new UserException(
          "the Debian packages "
              + String.join(", ", missing)
              + " are missing and --no-install forbids installing them; install them with: apt-get"
              + " install "
              + String.join(" ", missing));
    }
    NodePackages.install(missing, startup::say);
  }

  /** When this process was started, on {@link System#nanoTime}'s clock. */
  private static long processStarted() {
    long age = System.currentTimeMillis() - ManagementFactory.getRuntimeMXBean().getStartTime();
    return System.nanoTime() - age * 1_000_000;
  }

  private static void awaitQuietly(CountDownLatch latch) {
    try {
      latch.await();
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
    }
  }
}
