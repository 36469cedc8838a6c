package dev.kedge.server;

import dev.kedge.client.HttpKubeClient;
import dev.kedge.client.Kubeconfig;
import dev.kedge.lifecycle.Startup;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.PrintStream;
import java.io.UncheckedIOException;
import java.net.InetAddress;
import java.net.ServerSocket;
import java.net.URI;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Optional;

/** Servers without agents, on loopback and free ports, in a directory of the test's. */
final class TestServers {
  private TestServers() {}

  static ServerConfig config(
      Path directory,
      String name,
      String advertiseAddress,
      Datastore datastore,
      ServerConfig.Cluster cluster,
      ServerConfig.Snapshots snapshots) {
    int port = freePorts(1)[0];
    return new ServerConfig(
        directory.resolve(name),
        datastore,
        cluster,
        "127.0.0.1",
        port,
        advertiseAddress,
        port,
        List.of(),
        "10.42.0.0/16",
        "10.43.0.0/16",
        30000,
        32767,
        "10.43.0.10",
        "cluster.local",
        directory.resolve(name + ".yaml"),
        "600",
        Optional.empty(),
        List.of(),
        true,
        false,
        false,
        0,
        0,
        new ServerConfig.Node(
            name,
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
        snapshots);
  }

  static ServerConfig.Cluster cluster(String token, Optional<URI> join, boolean init) {
    int[] ports = freePorts(2);
    return new ServerConfig.Cluster(
        Optional.of(token), join, init, false, Optional.empty(), ports[0], ports[1], false);
  }

  static int[] freePorts(int count) {
    List<ServerSocket> held = new ArrayList<>();
    try {
      for (int i = 0; i < count; i++) {
        held.add(new ServerSocket(0, 1, InetAddress.getLoopbackAddress()));
      }
      int[] ports = held.stream().mapToInt(ServerSocket::getLocalPort).toArray();
      for (ServerSocket each : held) {
        each.close();
      }
      return ports;
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }

  static KedgeServer start(ServerConfig config) {
    return start(config, new ByteArrayOutputStream());
  }

  /**
   * @param said what it tells on the terminal
   */
  static KedgeServer start(ServerConfig config, ByteArrayOutputStream said) {
    return KedgeServer.start(config, startup(said), () -> {});
  }

  static Startup startup(ByteArrayOutputStream said) {
    return new Startup(new PrintStream(said, true, StandardCharsets.UTF_8), System.nanoTime());
  }

  static HttpKubeClient client(ServerConfig server) {
    Kubeconfig kubeconfig = Kubeconfig.read(server.kubeconfig());
    return new HttpKubeClient(kubeconfig.server(), kubeconfig.tls(), kubeconfig::token, "test/1");
  }
}
