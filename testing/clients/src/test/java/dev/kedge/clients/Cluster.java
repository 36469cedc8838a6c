package dev.kedge.clients;

import dev.kedge.lifecycle.Startup;
import dev.kedge.server.Datastore;
import dev.kedge.server.KedgeServer;
import dev.kedge.server.ServerConfig;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.PrintStream;
import java.net.InetAddress;
import java.net.ServerSocket;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Comparator;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.extension.ExtensionContext;
import org.junit.jupiter.api.extension.ParameterContext;
import org.junit.jupiter.api.extension.ParameterResolver;

/**
 * The cluster that all tests of a run share: that of {@code -Dkedge.clients.kubeconfig}, or else a
 * control plane in this process, stopped when the run ends.
 */
final class Cluster implements AutoCloseable {
  private final Path kubeconfig;
  private final @Nullable KedgeServer server;
  private final @Nullable Path directory;

  private Cluster(Path kubeconfig, @Nullable KedgeServer server, @Nullable Path directory) {
    this.kubeconfig = kubeconfig;
    this.server = server;
    this.directory = directory;
  }

  /** Gives tests the cluster as a parameter. */
  static final class Extension implements ParameterResolver {
    @Override
    public boolean supportsParameter(ParameterContext parameter, ExtensionContext context) {
      return parameter.getParameter().getType() == Cluster.class;
    }

    @Override
    public Object resolveParameter(ParameterContext parameter, ExtensionContext context) {
      return context
          .getRoot()
          .getStore(ExtensionContext.Namespace.create(Cluster.class))
          .computeIfAbsent(Cluster.class, _ -> start(), Cluster.class);
    }
  }

  Path kubeconfig() {
    return kubeconfig;
  }

  /** An image with a shell that the cluster's node has; absent if there is no node. */
  static Optional<String> image() {
    return Optional.ofNullable(System.getProperty("kedge.clients.image"))
        .filter(image -> !image.isEmpty());
  }

  private static Cluster start() {
    String given = System.getProperty("kedge.clients.kubeconfig", "");
    if (!given.isEmpty()) {
      return new Cluster(Path.of(given), null, null);
    }
    try {
      Path directory = Files.createTempDirectory("kedge-clients");
      int port;
      try (ServerSocket socket = new ServerSocket(0, 1, InetAddress.getLoopbackAddress())) {
        port = socket.getLocalPort();
      }
      Path kubeconfig = directory.resolve("kedge.yaml");
      ServerConfig config =
          new ServerConfig(
              directory.resolve("data"),
              Datastore.EMBEDDED,
              ServerConfig.Cluster.ALONE,
              "127.0.0.1",
              port,
              "127.0.0.1",
              port,
              List.of(),
              "10.42.0.0/16",
              "10.43.0.0/16",
              30000,
              32767,
              "10.43.0.10",
              "cluster.local",
              kubeconfig,
              "600",
              Optional.empty(),
              List.of("coredns", "servicelb", "ingress", "local-storage"),
              false,
              false,
              false,
              0,
              0,
              new ServerConfig.Node(
                  "here",
                  "127.0.0.1",
                  List.of(),
                  Map.of(),
                  List.of(),
                  Path.of("/etc/resolv.conf"),
                  Optional.empty(),
                  "overlayfs",
                  directory.resolve("registries.yaml"),
                  directory.resolve("storage")),
              Optional.empty(),
              ServerConfig.Snapshots.DEFAULT);
      KedgeServer server =
          KedgeServer.start(
              config,
              new Startup(new PrintStream(new ByteArrayOutputStream()), System.nanoTime()),
              () -> {});
      return new Cluster(kubeconfig, server, directory);
    } catch (IOException e) {
      throw new java.io.UncheckedIOException(e);
    }
  }

  @Override
  public void close() throws IOException {
    if (server == null || directory == null) {
      return;
    }
    server.close();
    try (Stream<Path> files = Files.walk(directory)) {
      for (Path file : files.sorted(Comparator.reverseOrder()).toList()) {
        Files.delete(file);
      }
    }
  }
}
