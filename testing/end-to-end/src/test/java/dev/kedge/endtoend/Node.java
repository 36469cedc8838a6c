package dev.kedge.endtoend;

import static org.assertj.core.api.Assertions.assertThat;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import dev.kedge.endtoend.Program.Result;
import dev.kedge.endtoend.Program.Running;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.net.ServerSocket;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import java.util.Optional;
import java.util.stream.Stream;
import org.junit.jupiter.api.extension.ExtensionContext;
import org.junit.jupiter.api.extension.ParameterContext;
import org.junit.jupiter.api.extension.ParameterResolver;

/**
 * The packaged program as a server with a node, which all tests of a run share; stopped and removed
 * when the run ends. Its node has the image {@link #IMAGE}.
 */
final class Node implements AutoCloseable {
  /** An image with nginx, a shell and tar, made from Debian's packages. */
  static final String IMAGE = "kedge.local/hello-nginx:1";

  private final Path work;
  private final int apiPort = freePort();
  private final int httpPort = freePort();
  private final int httpsPort = freePort();
  private Optional<Running> server = Optional.empty();

  private Node(Path work) {
    this.work = work;
  }

  /** Gives tests the node as a parameter; skips them where none can run. */
  static final class Extension implements ParameterResolver {
    @Override
    public boolean supportsParameter(ParameterContext parameter, ExtensionContext context) {
      return parameter.getParameter().getType() == Node.class;
    }

    @Override
    public Object resolveParameter(ParameterContext parameter, ExtensionContext context) {
      assumeTrue("root".equals(System.getProperty("user.name")), "needs root to run containers");
      assumeTrue(Files.exists(Path.of("/usr/bin/apt-get")), "needs a Debian machine");
      Node node =
          context
              .getRoot()
              .getStore(ExtensionContext.Namespace.create(Node.class))
              .computeIfAbsent(Node.class, _ -> made(), Node.class);
      node.ensureStarted();
      return node;
    }
  }

  private static Node made() {
    try {
      Node node = new Node(Files.createTempDirectory("kedge-e2e"));
      node.image(IMAGE, "hello-nginx.tar");
      Files.createFile(node.emptyConfig());
      return node;
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }

  /** Makes the hello example's image under a name, for the node to import. */
  void image(String name, String file) {
    Program.run(
            Program.ROOT.resolve("examples/hello/build-image").toString(),
            "-t",
            name,
            "-o",
            data().resolve("agent/images").resolve(file).toString())
        .succeeded();
  }

  void ensureStarted() {
    if (server.isEmpty()) {
      start();
    }
  }

  private void start() {
    Running running = Program.start(Program.kedge(arguments()));
    server = Optional.of(running);
    running.awaitOutput("Next:", Duration.ofMinutes(3));
  }

  Running server() {
    return server.orElseThrow();
  }

  /** Kills the server, its containers go on, and starts it again. */
  void killAndStartAgain() throws InterruptedException {
    server().process().destroyForcibly().waitFor();
    start();
  }

  /** Ends the server as Ctrl-C does, and gives its exit code. */
  int interrupt() throws InterruptedException {
    int code = server().interrupt();
    server = Optional.empty();
    return code;
  }

  /** Ends the containers that a server has left running, and removes what it made. */
  Result killAll() {
    return Program.run(
        Program.kedge(List.of("killall", "--data-dir=" + data())), Duration.ofMinutes(1));
  }

  /** The command line of a server on this node's data, with more flags. */
  List<String> arguments(String... more) {
    List<String> arguments =
        new ArrayList<>(
            List.of(
                "server",
                "--config=" + emptyConfig(),
                "--data-dir=" + data(),
                "--write-kubeconfig=" + kubeconfig(),
                "--node-name=newcomer",
                "--https-listen-port=" + apiPort,
                "--ingress-http-port=" + httpPort,
                "--ingress-https-port=" + httpsPort));
    arguments.addAll(List.of(more));
    return arguments;
  }

  Path work() {
    return work;
  }

  private Path data() {
    return work.resolve("data");
  }

  private Path emptyConfig() {
    return work.resolve("config.yaml");
  }

  Path kubeconfig() {
    return work.resolve("kedge.yaml");
  }

  int apiPort() {
    return apiPort;
  }

  int httpPort() {
    return httpPort;
  }

  int httpsPort() {
    return httpsPort;
  }

  static int freePort() {
    try (ServerSocket socket = new ServerSocket(0)) {
      return socket.getLocalPort();
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }

  @Override
  public void close() throws Exception {
    if (server.isPresent()) {
      server.get().close();
      killAll().succeeded();
    }
    // What is mounted from elsewhere must not be emptied with the directory.
    assertThat(Files.readString(Path.of("/proc/self/mountinfo"))).doesNotContain(work.toString());
    try (Stream<Path> files = Files.walk(work)) {
      for (Path file : files.sorted(Comparator.reverseOrder()).toList()) {
        Files.delete(file);
      }
    }
  }
}
