package dev.kedge.controllers;

import static org.awaitility.Awaitility.await;

import dev.kedge.client.Informer;
import dev.kedge.client.KubeClient.DeleteOptions;
import dev.kedge.client.KubeClient.Patch;
import dev.kedge.client.SharedInformers;
import dev.kedge.identity.Authorizer.Decision;
import dev.kedge.identity.CertificateAuthority;
import dev.kedge.identity.RbacAuthorizer;
import dev.kedge.identity.RequestSigner;
import dev.kedge.identity.ServiceAccountTokens.IssuedToken;
import dev.kedge.identity.TokenAuthenticator.InvalidTokenException;
import dev.kedge.model.ApiException;
import dev.kedge.model.JsonObject;
import dev.kedge.model.KubeObject;
import dev.kedge.model.ResourceType;
import dev.kedge.model.Resources;
import dev.kedge.model.Yaml;
import dev.kedge.reconcile.SystemTimeline;
import dev.kedge.registry.ComputedResource;
import dev.kedge.registry.Identity;
import dev.kedge.registry.ObjectRegistry;
import dev.kedge.registry.ResourceInfo;
import dev.kedge.registry.Settings;
import dev.kedge.registry.admission.AdmissionPlugins;
import dev.kedge.scheduler.Scheduler;
import dev.kedge.store.Store;
import dev.kedge.store.sql.SqliteStore;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Clock;
import java.time.Duration;
import java.time.Instant;
import java.time.temporal.ChronoUnit;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import java.util.Optional;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.function.Predicate;
import java.util.stream.Stream;
import org.awaitility.core.ConditionTimeoutException;

/**
 * A real store, registry, scheduler and set of controllers in one process, and nodes whose kubelet
 * is played: pods bound to one run at once unless a test holds them, and vanish when deleted.
 */
final class TestCluster implements AutoCloseable {
  final RegistryClient client;
  private final List<ResourceType> ghosts = new CopyOnWriteArrayList<>();
  final SharedInformers informers;
  final SystemTimeline timeline = new SystemTimeline();
  final ControllerSet controllers;
  final Scheduler scheduler;
  private final Store store;
  private final Path directory;
  private final ObjectRegistry registry;
  private final ExecutorService kubelet = Executors.newVirtualThreadPerTaskExecutor();
  private final Set<String> held = ConcurrentHashMap.newKeySet();

  /** What the metrics API tells of pods: PodMetrics. */
  final List<KubeObject> podMetrics = new CopyOnWriteArrayList<>();

  private final AtomicInteger addresses = new AtomicInteger();

  TestCluster() {
    try {
      directory = Files.createTempDirectory("kedge-controllers");
      store = SqliteStore.open(directory.resolve("state.db"), SqliteStore.Options.FAST);
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
    RbacAuthorizer rbac = new RbacAuthorizer();
    Identity identity =
        new Identity(
            rbac,
            rbac,
            (_, _) -> {
              throw new InvalidTokenException("no tokens here");
            },
            request -> new IssuedToken("token", Instant.now().plus(request.life())));
    registry =
        new ObjectRegistry(
            store,
            Settings.of("10.43.0.0/16")
                .with(
                    List.of(
                        ComputedResource.of(
                            Resources.POD_METRICS,
                            JsonObject.of("type", "object"),
                            List.of(),
                            namespace ->
                                podMetrics.stream()
                                    .filter(pod -> pod.namespace().equals(namespace))
                                    .toList()))),
            identity,
            AdmissionPlugins.standard((_, _) -> new Decision(true, ""), rbac),
            Clock.systemUTC());
    registry.start();
    client = new RegistryClient(registry);
    for (String name : List.of("default", "kube-system", "kube-public", "kube-node-lease")) {
      create("{kind: Namespace, metadata: {name: " + name + "}}");
    }
    informers = new SharedInformers(client);
    controllers =
        ControllerSet.all(
            new ControllerContext(
                client,
                informers,
                timeline,
                new ControllerContext.Settings(
                    "PEM",
                    "192.0.2.1",
                    6443,
                    "10.43.0.1",
                    "10.43.0.0/16",
                    List.of("10.42.0.0/16"),
                    List.of(24),
                    this::resources,
                    Optional.of((account, secret) -> account.name() + "/" + secret.name()),
                    Optional.of(signer()))));
    scheduler = new Scheduler(client, informers, timeline);
    informers.of(Resources.PODS).listen(this::play);
    controllers.start();
    scheduler.start();
    awaitPresent(Resources.SERVICE_ACCOUNTS, "default", "default", _ -> true);
  }

  private static ControllerContext.CertificateSigner signer() {
    CertificateAuthority authority = CertificateAuthority.create("test", Clock.systemUTC());
    RequestSigner signer = new RequestSigner(authority, authority);
    return new ControllerContext.CertificateSigner() {
      @Override
      public String sign(String request, String signerName, List<String> usages, long seconds) {
        return signer.sign(request, signerName, usages, seconds);
      }

      @Override
      public Optional<String> kubelet(String request, List<String> usages) {
        return signer.kubelet(request, usages);
      }
    };
  }

  private List<ResourceType> resources() {
    List<ResourceType> types = new ArrayList<>(ghosts);
    registry.catalog().all().stream()
        .filter(info -> info.verbs().containsAll(Set.of("list", "watch", "delete")))
        .map(ResourceInfo::type)
        .forEach(types::add);
    return types;
  }

  /** From now on discovery tells of a kind that is not served, as of one that is gone again. */
  void ghost(ResourceType type) {
    ghosts.add(type);
  }

  /** Creates an object given as YAML; apiVersion v1 where none is given. */
  KubeObject create(String yaml) {
    JsonObject json = (JsonObject) Yaml.parse(yaml);
    if (json.text("apiVersion").isEmpty()) {
      json = json.with("apiVersion", "v1");
    }
    KubeObject object = new KubeObject(json);
    return client.create(type(object), object);
  }

  private ResourceType type(KubeObject object) {
    return registry.catalog().ofKind(object.groupVersionKind()).orElseThrow().type();
  }

  /** A node with 4 cores, 8 GiB and room for 110 pods. */
  void node(String name) {
    node(name, "{}");
  }

  void node(String name, String labels) {
    create("{kind: Node, metadata: {name: %s, labels: %s}}".formatted(name, labels));
    client.patch(
        Resources.NODES,
        "",
        name,
        Patch.mergeStatus(
            (JsonObject)
                Yaml.parse(
                    """
                    capacity: {cpu: "4", memory: 8Gi, pods: "110"}
                    allocatable: {cpu: "4", memory: 8Gi, pods: "110"}
                    conditions: [{type: Ready, status: "True", reason: KubeletReady,
                      lastHeartbeatTime: "2026-01-01T00:00:00Z",
                      lastTransitionTime: "2026-01-01T00:00:00Z"}]
                    """)));
    lease(name);
    // A test's nodes are ready from the start; the life-cycle controller takes the taint away.
    awaitPresent(Resources.NODES, "", name, node -> node.spec().objects("taints").isEmpty());
  }

  void lease(String name) {
    create(
        """
        apiVersion: coordination.k8s.io/v1
        kind: Lease
        metadata: {name: %s, namespace: kube-node-lease}
        spec: {holderIdentity: %s, leaseDurationSeconds: 40, renewTime: "%s"}
        """
            .formatted(
                name,
                name,
                Instant.now().truncatedTo(ChronoUnit.MICROS).plusNanos(1000).toString()));
  }

  /** Pods whose name begins so are not started by the played kubelet, until released. */
  void hold(String prefix) {
    held.add(prefix);
  }

  void release(String prefix) {
    held.remove(prefix);
    informers.of(Resources.PODS).all().forEach(pod -> play(Optional.empty(), Optional.of(pod)));
  }

  private void play(Optional<KubeObject> before, Optional<KubeObject> after) {
    if (after.isEmpty() || after.get().spec().text("nodeName").isEmpty()) {
      return;
    }
    KubeObject pod = after.get();
    if (pod.deleting()) {
      kubelet.execute(
          () ->
              quietly(
                  () ->
                      client.delete(
                          Resources.PODS,
                          pod.namespace(),
                          pod.name(),
                          DeleteOptions.DEFAULT.withGracePeriodSeconds(0).withUid(pod.uid()))));
    } else if (List.of("", "Pending").contains(pod.status().text("phase"))
        && held.stream().noneMatch(pod.name()::startsWith)) {
      kubelet.execute(() -> quietly(() -> run(pod, "Running", true)));
    }
  }

  /** Reports a pod's phase as its kubelet would. */
  void run(KubeObject pod, String phase, boolean ready) {
    int number = addresses.incrementAndGet();
    String ip = "10.42." + number / 250 + "." + (number % 250 + 1);
    String now = Instant.now().truncatedTo(ChronoUnit.SECONDS).toString();
    client.patch(
        Resources.PODS,
        pod.namespace(),
        pod.name(),
        new Patch(
            dev.kedge.client.KubeClient.PatchType.STRATEGIC,
            JsonObject.of(
                "status",
                (JsonObject)
                    Yaml.parse(
                        """
                        phase: %s
                        podIP: %s
                        podIPs: [{ip: %s}]
                        startTime: "%s"
                        conditions: [{type: Ready, status: "%s", lastTransitionTime: "%s"}]
                        """
                            .formatted(phase, ip, ip, now, ready ? "True" : "False", now))),
            "status",
            "",
            false));
  }

  private static void quietly(Runnable action) {
    try {
      action.run();
    } catch (ApiException e) {
      // The pod is gone or changed: its next event is played too.
      System.getLogger("test").log(System.Logger.Level.DEBUG, e.getMessage());
    }
  }

  Informer pods() {
    return informers.of(Resources.PODS);
  }

  List<KubeObject> pods(String namespace, Predicate<KubeObject> which) {
    return client
        .list(Resources.PODS, namespace, dev.kedge.client.KubeClient.Selection.ALL)
        .items()
        .stream()
        .filter(which)
        .toList();
  }

  KubeObject awaitPresent(
      ResourceType type, String namespace, String name, Predicate<KubeObject> holds) {
    try {
      return await("" + type + " " + namespace + "/" + name)
          .atMost(Duration.ofSeconds(60))
          .pollInterval(Duration.ofMillis(10))
          .until(() -> client.find(type, namespace, name).filter(holds), Optional::isPresent)
          .orElseThrow();
    } catch (ConditionTimeoutException e) {
      throw new AssertionError(
          "last seen: "
              + client.find(type, namespace, name)
              + "\npods: "
              + pods(namespace, _ -> true),
          e);
    }
  }

  /** Waits for an event about an object. */
  void awaitEvent(String about, String reason, String message) {
    await(reason + " " + message)
        .atMost(Duration.ofSeconds(60))
        .until(
            () ->
                informers.of(Resources.EVENTS).all().stream()
                    .anyMatch(
                        event ->
                            event.json().text("involvedObject", "name").equals(about)
                                && event.json().text("reason").equals(reason)
                                && event.json().text("message").equals(message)));
  }

  void awaitGone(ResourceType type, String namespace, String name) {
    await()
        .atMost(Duration.ofSeconds(60))
        .pollInterval(Duration.ofMillis(10))
        .until(() -> client.find(type, namespace, name).isEmpty());
  }

  @Override
  public void close() {
    scheduler.close();
    controllers.close();
    informers.close();
    kubelet.shutdownNow();
    timeline.close();
    registry.close();
    store.close();
    try (Stream<Path> files = Files.walk(directory)) {
      for (Path path : files.sorted(Comparator.reverseOrder()).toList()) {
        Files.delete(path);
      }
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }
}
