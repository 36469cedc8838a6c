package dev.kedge.cli;

import dev.kedge.cli.kubectl.Kubectl;
import dev.kedge.lifecycle.Logging;
import dev.kedge.lifecycle.Startup;
import dev.kedge.server.KedgeServer;
import java.io.IOException;
import java.io.PrintStream;
import java.io.UncheckedIOException;
import java.net.ServerSocket;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Optional;
import java.util.jar.JarFile;
import java.util.stream.Stream;

/**
 * The runs that the AOT caches are made from (see {@code src/main/sh/train}): what a start and the
 * first commands touch is loaded, linked and profiled once, at build time.
 */
final class Training {
  private Training() {}

  /**
   * Runs a control plane in a directory until standard input ends, then loads what only a node
   * loads.
   */
  static int server(Path directory) {
    Logging.configure(false, Optional.of(directory.resolve("server.log")));
    Flags.Values values =
        ServerFlags.table(ProgramName.KEDGE)
            .parse(
                List.of(
                    "--disable-agent",
                    "--data-dir=" + directory.resolve("data"),
                    "--bind-address=127.0.0.1",
                    "--advertise-address=127.0.0.1",
                    "--node-ip=127.0.0.1",
                    "--https-listen-port=" + freePort(),
                    "--write-kubeconfig=" + directory.resolve("kedge.yaml")));
    Startup startup = new Startup(new PrintStream(System.err, true), System.nanoTime());
    try (KedgeServer _ = KedgeServer.start(ServerOptions.of(values), startup, () -> {})) {
      System.out.println("ready");
      System.out.flush();
      System.in.readAllBytes();
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
    loadOwnClasses();
    return 0;
  }

  /** Runs the commands a user types first. */
  static int commands(String kubeconfig) {
    PrintStream out = System.out;
    // What the commands print is of no use here.
    System.setOut(new PrintStream(PrintStream.nullOutputStream()));
    try {
      for (String line :
          List.of(
              "get nodes",
              // With a limit of time it goes through TLS, as from another machine.
              "--request-timeout=30s get nodes",
              "get pods -A",
              "get pods,services -A -o wide",
              "get namespaces -o yaml",
              "create configmap training --from-literal=a=b",
              "describe configmap training",
              "delete configmap training",
              "api-resources",
              "version")) {
        String[] words = ("--kubeconfig=" + kubeconfig + " " + line).split(" ", -1);
        Kubectl.run(words);
      }
    } finally {
      System.setOut(out);
    }
    return 0;
  }

  /**
   * Node and network parts do not run in a training run, but their classes are wanted in the cache.
   */
  private static void loadOwnClasses() {
    Path lib = Path.of(System.getProperty("kedge.home"), "lib");
    try (Stream<Path> jars = Files.list(lib)) {
      for (Path jar :
          jars.filter(file -> file.getFileName().toString().startsWith("kedge-")).toList()) {
        try (JarFile content = new JarFile(jar.toFile())) {
          content.stream()
              .map(entry -> entry.getName())
              .filter(name -> name.endsWith(".class") && !name.contains("-info"))
              .filter(name -> !name.startsWith("dev/kedge/cli/kubectl/"))
              .forEach(name -> load(name.substring(0, name.length() - 6).replace('/', '.')));
        }
      }
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }

  private static void load(String name) {
    try {
      Class.forName(name, false, Training.class.getClassLoader());
    } catch (ClassNotFoundException | LinkageError e) {
      System.err.println("not in the cache: " + name + " (" + e + ")");
    }
  }

  private static int freePort() {
    try (ServerSocket socket = new ServerSocket(0)) {
      return socket.getLocalPort();
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }
}
