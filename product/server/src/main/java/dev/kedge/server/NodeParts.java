package dev.kedge.server;

import dev.kedge.client.Events;
import dev.kedge.client.Informer;
import dev.kedge.client.Informers;
import dev.kedge.client.KubeClient;
import dev.kedge.client.KubeClient.Selection;
import dev.kedge.http.HttpServer;
import dev.kedge.http.HttpServer.Listen;
import dev.kedge.http.PortTakenException;
import dev.kedge.http.Tls;
import dev.kedge.identity.Authenticator;
import dev.kedge.identity.Authorizer;
import dev.kedge.identity.User;
import dev.kedge.lifecycle.Closer;
import dev.kedge.lifecycle.UserException;
import dev.kedge.model.Resources;
import dev.kedge.network.dns.ClusterAddress;
import dev.kedge.network.dns.ClusterDns;
import dev.kedge.network.ingress.IngressController;
import dev.kedge.network.pods.PodNetwork;
import dev.kedge.network.services.NodeBalancer;
import dev.kedge.network.services.ServiceNetwork;
import dev.kedge.node.KubeletHandler;
import dev.kedge.node.LocalPathProvisioner;
import dev.kedge.node.NodeAgent;
import dev.kedge.reconcile.SystemTimeline;
import dev.kedge.registry.Registry;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.net.InetAddress;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.time.InstantSource;
import java.util.HashSet;
import java.util.List;
import java.util.Optional;
import java.util.Set;
import java.util.concurrent.CompletableFuture;

/**
 * The half of the assembly that makes this machine a node.
 *
 * <pre>
 * agent registers the node → its share of pod addresses → pod network → Ready
 *                          ├ kubelet port, Services, load balancer, DNS, ingress, local volumes
 * </pre>
 */
final class NodeParts implements AutoCloseable {
  private static final int KUBELET_PORT = 10250;
  private static final Duration DNS_PATIENCE = Duration.ofSeconds(2);

  private final Closer parts = new Closer();
  private final NodeAgent agent;

  private NodeParts(NodeAgent agent) {
    this.agent = agent;
  }

  /** What the node's half takes from the control plane's. */
  record Plane(
      Registry registry,
      KubeClient client,
      Informers informers,
      SystemTimeline timeline,
      Authenticator authenticator,
      Authorizer authorizer,
      ServingCertificates certificates,
      NodeRoutes nodes,
      MetricsApi metrics) {}

  static NodeParts start(ServerConfig config, NodeRuntime runtime, Plane plane) {
    try {
      return begin(config, runtime, plane);
    } catch (IOException | UncheckedIOException e) {
      throw new UserException("the node cannot be started: " + e.getMessage(), e);
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
      throw new IllegalStateException("interrupted while starting the node", e);
    }
  }

  private static NodeParts begin(ServerConfig config, NodeRuntime runtime, Plane plane)
      throws IOException, InterruptedException {
    // Not as system:node:…: the agent of a server also labels its node with the server's role,
    // which
    // the restriction on nodes forbids, and it can be trusted as much as the server it is part of.
    KubeClient kubelet =
        new InProcessClient(plane.registry(), User.of("system:kedge", "system:masters"), "kubelet");
    NodeAgent agent =
        new NodeAgent(
            kubelet, plane.informers(), runtime.settings(), runtime.containerd(), runtime.images());
    NodeParts node = new NodeParts(agent);
    try {
      node.parts.add("node agent", agent).start();
      node.network(config, plane);
      node.kubelet(config, plane);
      if (config.enabled("local-storage")) {
        node.parts
            .add(
                "local-path volumes",
                new LocalPathProvisioner(plane.client(), plane.informers(), runtime.settings()))
            .start();
      }
      return node;
    } catch (IOException | InterruptedException | RuntimeException e) {
      node.close();
      throw e;
    }
  }

  private void network(ServerConfig config, Plane plane) throws IOException, InterruptedException {
    podNetwork(
            config.dataDir(),
            podCidr(plane.informers(), config.node().name()),
            config.clusterCidr())
        .start();
    boolean dns = config.enabled("coredns");
    if (config.serviceProxy()) {
      parts
          .add(
              "services",
              new ServiceNetwork(
                  new ServiceNetwork.Settings(
                      config.node().name(),
                      config.clusterCidr(),
                      dns ? Set.of(config.clusterDns()) : Set.of()),
                  plane.informers()))
          .start();
    }
    boolean ingress = config.enabled("ingress");
    if (config.enabled("servicelb")) {
      Set<Integer> reserved = new HashSet<>(List.of(config.httpsPort(), KUBELET_PORT));
      if (ingress) {
        reserved.addAll(List.of(config.ingressHttpPort(), config.ingressHttpsPort()));
      }
      Events events =
          parts.add(
              "load balancer events",
              new Events(plane.client(), "service-lb-controller", "", InstantSource.system()));
      parts
          .add(
              "load balancer",
              new NodeBalancer(
                  plane.client(), plane.informers(), events, plane.timeline(), reserved))
          .start();
    }
    if (dns) {
      InetAddress address = InetAddress.getByName(config.clusterDns());
      ClusterAddress.claim(address);
      Files.writeString(clusterDnsFile(config.dataDir()), config.clusterDns());
      parts
          .add(
              "DNS",
              new ClusterDns(
                  new ClusterDns.Settings(
                      address,
                      53,
                      config.clusterDomain(),
                      List.of(config.clusterCidr(), config.serviceCidr()),
                      config.node().resolvConf(),
                      DNS_PATIENCE),
                  plane.informers()))
          .start();
      ControlPlane.dnsService(plane.client(), config.clusterDns());
    }
    if (ingress) {
      parts
          .add(
              "ingress",
              new IngressController(
                  plane.client(),
                  plane.informers(),
                  new IngressController.Settings(
                      "",
                      config.ingressHttpPort(),
                      config.ingressHttpsPort(),
                      plane.certificates()::ingress,
                      _ -> true)))
          .start();
    }
  }

  /**
   * The API server calls the agent without a network between; others come by the kubelet's port.
   */
  private void kubelet(ServerConfig config, Plane plane) throws IOException {
    KubeletHandler handler = new KubeletHandler(agent);
    plane.nodes().add(config.node().name(), handler);
    plane.metrics().add(config.node().name(), handler.usage());
    KubeletGate gate =
        new KubeletGate(config.node().name(), plane.authenticator(), plane.authorizer(), handler);
    try {
      parts.add(
          "kubelet port",
          HttpServer.start(
              Listen.tls(
                  "",
                  KUBELET_PORT,
                  Tls.of(plane.certificates()::kubelet, plane.certificates()::clientAuthorities)),
              gate));
    } catch (PortTakenException e) {
      throw new UserException(
          "port " + KUBELET_PORT + " is taken by another kubelet; stop that first", e);
    }
  }

  /** The node's share of the pod addresses, as soon as the control plane has given it one. */
  private static String podCidr(Informers informers, String node) throws InterruptedException {
    CompletableFuture<String> given = new CompletableFuture<>();
    Informer nodes = informers.of(Resources.NODES, "", Selection.fields("metadata.name=" + node));
    nodes.listen(
        (_, after) ->
            after
                .map(found -> found.spec().text("podCIDR"))
                .filter(cidr -> !cidr.isEmpty())
                .ifPresent(given::complete));
    return given.join();
  }

  static PodNetwork podNetwork(Path dataDir, String nodeCidr, String clusterCidr) {
    return new PodNetwork(
        new PodNetwork.Settings(
            dataDir.resolve("agent/etc/cni/net.d"),
            dataDir.resolve("agent/cni"),
            nodeCidr,
            clusterCidr));
  }

  /** Takes the node's network from the machine; pods must be gone. */
  static void removeNetwork(Path dataDir) throws IOException, InterruptedException {
    ServiceNetwork.remove();
    podNetwork(dataDir, "", "").remove();
    Optional<Path> dns = Optional.of(clusterDnsFile(dataDir)).filter(Files::exists);
    if (dns.isPresent()) {
      ClusterAddress.release(InetAddress.getByName(Files.readString(dns.get()).strip()));
      Files.delete(dns.get());
    }
  }

  private static Path clusterDnsFile(Path dataDir) {
    return dataDir.resolve("agent/cluster-dns");
  }

  void awaitReady() throws InterruptedException {
    agent.awaitReady();
  }

  @Override
  public void close() {
    parts.close();
  }
}
