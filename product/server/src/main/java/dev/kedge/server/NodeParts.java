package dev.kedge.server;

import dev.kedge.client.Informers;
import dev.kedge.client.KubeClient;
import dev.kedge.lifecycle.Closer;
import dev.kedge.network.pods.PodNetwork;
import dev.kedge.reconcile.SystemTimeline;
import dev.kedge.registry.Registry;
import java.nio.file.Path;

/** The half of the assembly that makes this machine a node: agent, kubelet port, network. */
final class NodeParts implements AutoCloseable {
  private static final int KUBELET_PORT = 10250;

  private final Closer parts = new Closer();

  static NodeParts start(
      ServerConfig config,
      NodeRuntime runtime,
      Registry registry,
      KubeClient client,
      Informers informers,
      SystemTimeline timeline,
      ServingCertificates serving,
      NodeRoutes nodes) {
    return new NodeParts();
  }

  void awaitReady() {}

  @Override
  public void close() {
    parts.close();
  }

  static PodNetwork podNetwork(Path dataDir, String nodeCidr, String clusterCidr) {
    return new PodNetwork(
        new PodNetwork.Settings(
            dataDir.resolve("agent/etc/cni/net.d"),
            dataDir.resolve("agent/cni"),
            nodeCidr,
            clusterCidr));
  }
}
