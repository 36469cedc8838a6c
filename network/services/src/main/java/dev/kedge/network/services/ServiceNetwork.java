package dev.kedge.network.services;

import dev.kedge.client.Informer;
import dev.kedge.client.Informers;
import dev.kedge.client.KubeClient.Selection;
import dev.kedge.model.KubeObject;
import dev.kedge.model.Resources;
import dev.kedge.network.pods.HostCommands;
import dev.kedge.network.services.Compiler.Compiled;
import java.lang.System.Logger;
import java.lang.System.Logger.Level;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.Semaphore;
import java.util.concurrent.TimeUnit;
import org.jspecify.annotations.Nullable;

/**
 * Makes Services and host ports work on this node, by one nftables table named {@code kedge}
 * (IPv4). Each change of a Service, an EndpointSlice or a pod leads to one transaction with what
 * differs; changes that come while one runs go into the next together. The table stays when the
 * process ends, so that connections go on; at its start it is replaced in one step.
 *
 * <p>One virtual thread does all the work. Node ports answer on every address of the node, loopback
 * included.
 */
public final class ServiceNetwork implements AutoCloseable {
  private static final Logger LOG = System.getLogger("dev.kedge.network.services");

  private final HostCommands host;
  private final Compiler compiler;
  private final Informer services;
  private final Informer slices;
  private final Informer pods;
  private final Informer nodes;
  private final String nodeName;
  private final HealthChecks healthChecks = new HealthChecks();
  private final Semaphore changes = new Semaphore(0);
  private final CountDownLatch first = new CountDownLatch(1);
  private volatile @Nullable Thread thread;

  // The rest belongs to the thread.
  private Optional<Ruleset> applied = Optional.empty();
  private Ruleset.Stale stale = new Ruleset.Stale();

  /**
   * What the rules depend on.
   *
   * @param nodeName this node's name, to know its endpoints and pods
   * @param clusterCidr all pods' addresses; who is outside of it is masqueraded
   * @param localAddresses cluster addresses that this process answers itself, such as the cluster
   *     DNS address: Services there get no rules
   */
  public record Settings(String nodeName, String clusterCidr, Set<String> localAddresses) {
    /**
     * @throws IllegalArgumentException for IPv6, which is not supported yet
     */
    public Settings {
      if (clusterCidr.contains(":")) {
        throw new IllegalArgumentException(
            "IPv6 is not supported yet: cluster CIDR " + clusterCidr);
      }
      localAddresses = Set.copyOf(localAddresses);
    }
  }

  /** Takes its informers; nothing happens before {@link #start}. */
  public ServiceNetwork(Settings settings, Informers informers) {
    this(settings, informers, HostCommands.HERE);
  }

  ServiceNetwork(Settings settings, Informers informers, HostCommands host) {
    this.host = host;
    this.compiler = new Compiler(settings);
    this.nodeName = settings.nodeName();
    this.nodes =
        informers.of(Resources.NODES, "", Selection.fields("metadata.name=" + settings.nodeName()));
    this.services = informers.of(Resources.SERVICES);
    this.slices = informers.of(Resources.ENDPOINT_SLICES);
    this.pods =
        informers.of(Resources.PODS, "", Selection.fields("spec.nodeName=" + settings.nodeName()));
  }

  /** Starts to follow the API; returns at once. */
  public void start() {
    thread = Thread.ofVirtual().name("services").start(this::run);
  }

  /** Waits until the rules have been in place once. */
  public void awaitProgrammed() throws InterruptedException {
    first.await();
  }

  /** Stops following; the rules stay. */
  @Override
  public void close() {
    Thread running = thread;
    if (running != null) {
      running.interrupt();
      boolean interrupted = false;
      while (running.isAlive()) {
        try {
          running.join();
        } catch (InterruptedException e) {
          interrupted = true;
        }
      }
      if (interrupted) {
        Thread.currentThread().interrupt();
      }
    }
    healthChecks.close();
  }

  /** Takes all rules away. */
  public static void remove() throws InterruptedException {
    remove(HostCommands.HERE);
  }

  static void remove(HostCommands host) throws InterruptedException {
    host.require("table ip kedge {}\ndelete table ip kedge\n", "nft", "-f", "-");
  }

  private void run() {
    try {
      services.awaitSynced();
      slices.awaitSynced();
      pods.awaitSynced();
      nodes.awaitSynced();
      if (!host.sysctl("net/ipv4/conf/all/route_localnet", "1")) {
        LOG.log(Level.WARNING, "cannot set route_localnet: node ports do not answer on 127.0.0.1");
      }
      services.listen((_, _) -> changes.release());
      slices.listen((_, _) -> changes.release());
      pods.listen(
          (before, after) -> {
            if (before.filter(ServiceNetwork::hasHostPort).isPresent()
                || after.filter(ServiceNetwork::hasHostPort).isPresent()) {
              changes.release();
            }
          });
      nodes.listen(
          (before, after) -> {
            if (!zone(before).equals(zone(after))) {
              changes.release();
            }
          });
      boolean failed = !sync();
      while (true) {
        if (failed) {
          // Somebody else's table or memory may be in the way; the next change may come late.
          LOG.log(
              Level.DEBUG,
              changes.tryAcquire(1, TimeUnit.SECONDS) ? "changed since" : "trying the rules again");
        } else {
          changes.acquire();
        }
        // Whatever has come until here is seen by this round.
        changes.drainPermits();
        failed = !sync();
      }
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
    }
  }

  private static String zone(Optional<KubeObject> node) {
    return node.map(n -> n.labels().getOrDefault("topology.kubernetes.io/zone", "")).orElse("");
  }

  /** Brings the kernel to what the API says; returns whether that succeeded. */
  private boolean sync() throws InterruptedException {
    Compiled compiled =
        compiler.compile(services.all(), slices.all(), pods.all(), zone(nodes.get("", nodeName)));
    healthChecks.update(compiled.healthChecks());
    Ruleset rules = compiled.rules();
    Ruleset before = applied.orElseGet(Ruleset::new);
    if (applied.isEmpty() || !rules.sameRules(before)) {
      long began = System.nanoTime();
      String script =
          applied.isEmpty()
              ? Tables.base() + rules.changesFrom(before, new Ruleset.Stale())
              : rules.changesFrom(before, stale);
      HostCommands.Output output = host.run(script, "nft", "-f", "-");
      if (!output.succeeded()) {
        // The table is not what we thought, so it is made anew.
        LOG.log(
            Level.WARNING,
            "nft refused the rules of Services; rebuilding them: {0}",
            output.error().lines().limit(5).toList());
        applied = Optional.empty();
        stale = new Ruleset.Stale();
        return false;
      }
      LOG.log(
          Level.DEBUG,
          "changed the rules of Services in {0} ms",
          (System.nanoTime() - began) / 1_000_000);
    }
    applied = Optional.of(rules);
    forgetConnections(before.udp(), rules.udp());
    first.countDown();
    return true;
  }

  /**
   * UDP has no connections that end: what is tracked towards an endpoint that is gone, or towards a
   * Service that had none, would go there as long as the client keeps sending.
   */
  private void forgetConnections(
      Map<Ruleset.UdpFront, Set<String>> before, Map<Ruleset.UdpFront, Set<String>> now)
      throws InterruptedException {
    Map<Ruleset.UdpFront, Set<String>> all = new HashMap<>(before);
    now.forEach(all::putIfAbsent);
    for (Ruleset.UdpFront front : all.keySet()) {
      Set<String> old = before.getOrDefault(front, Set.of());
      Set<String> current = now.getOrDefault(front, Set.of());
      if (old.isEmpty() && !current.isEmpty()) {
        forget(front, "");
      }
      for (String endpoint : old) {
        if (!current.contains(endpoint)) {
          forget(front, endpoint);
        }
      }
    }
  }

  private void forget(Ruleset.UdpFront front, String endpoint) throws InterruptedException {
    List<String> command =
        new ArrayList<>(
            List.of("conntrack", "-D", "-f", "ipv4", "-p", "udp", "--dport", "" + front.port()));
    if (!front.address().isEmpty()) {
      command.addAll(List.of("--orig-dst", front.address()));
    }
    if (!endpoint.isEmpty()) {
      command.addAll(List.of("--dst-nat", endpoint));
    }
    HostCommands.Output output = host.run("", command.toArray(String[]::new));
    // It fails, saying so, when there was none to delete.
    if (!output.succeeded() && !output.error().contains("0 flow entries")) {
      LOG.log(Level.WARNING, "cannot clear UDP connections: {0}", output.error().strip());
    }
  }

  private static boolean hasHostPort(KubeObject pod) {
    return !pod.spec().flag("hostNetwork")
        && (pod.spec().objects("containers").stream()
                .flatMap(container -> container.objects("ports").stream())
                .anyMatch(port -> port.integer("hostPort") > 0)
            || pod.spec().objects("initContainers").stream()
                .flatMap(container -> container.objects("ports").stream())
                .anyMatch(port -> port.integer("hostPort") > 0));
  }
}
