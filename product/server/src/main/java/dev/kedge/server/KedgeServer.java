package dev.kedge.server;

import dev.kedge.apiserver.ApiServer;
import dev.kedge.apiserver.AuditLog;
import dev.kedge.apiserver.AuditPolicy;
import dev.kedge.apiserver.Exposition;
import dev.kedge.apiserver.HealthChecks;
import dev.kedge.apiserver.OpenApiDocuments;
import dev.kedge.client.Informers;
import dev.kedge.client.KubeClient;
import dev.kedge.client.SharedInformers;
import dev.kedge.controllers.ControllerContext;
import dev.kedge.controllers.ControllerSet;
import dev.kedge.http.Handler;
import dev.kedge.http.HttpServer;
import dev.kedge.http.HttpServer.Listen;
import dev.kedge.http.Pem;
import dev.kedge.http.PortTakenException;
import dev.kedge.http.Tls;
import dev.kedge.identity.Authenticator;
import dev.kedge.identity.Authorizer;
import dev.kedge.identity.ClusterCertificates;
import dev.kedge.identity.NodeAuthorizer;
import dev.kedge.identity.RbacAuthorizer;
import dev.kedge.identity.RequestSigner;
import dev.kedge.identity.ServiceAccountTokens;
import dev.kedge.identity.UnionAuthorizer;
import dev.kedge.identity.User;
import dev.kedge.lifecycle.Closer;
import dev.kedge.lifecycle.Startup;
import dev.kedge.lifecycle.Startup.Phase;
import dev.kedge.lifecycle.UserException;
import dev.kedge.model.Resources;
import dev.kedge.reconcile.LeaderElection;
import dev.kedge.reconcile.SystemTimeline;
import dev.kedge.reconcile.Timeline;
import dev.kedge.registry.Identity;
import dev.kedge.registry.ObjectRegistry;
import dev.kedge.registry.Objects;
import dev.kedge.registry.ResourceInfo;
import dev.kedge.registry.Settings;
import dev.kedge.registry.admission.AdmissionPlugins;
import dev.kedge.scheduler.Scheduler;
import dev.kedge.store.Store;
import dev.kedge.store.StoreException;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFilePermissions;
import java.time.Clock;
import java.time.Duration;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.UUID;
import java.util.concurrent.CompletableFuture;
import java.util.function.Supplier;

/**
 * The assembly: every part of a server, constructed in start order, on one page. Parts know the
 * interfaces of the layers below them; only this class (and {@link NodeParts} for the node's half)
 * knows which parts there are.
 *
 * <pre>
 * preflight → lock → ┬ certificates ┐
 *                    ├ datastore ───┴→ registry → API → controllers, scheduler ┐
 *                    └ packages → containerd ──────────────────────────────────┴→ node, network
 * </pre>
 *
 * {@link #close} stops them in reverse. Containers are not parts; they go on.
 */
public final class KedgeServer implements AutoCloseable {
  private static final System.Logger LOG = System.getLogger("dev.kedge.server");

  /** What the system takes as a Unix socket's path. */
  private static final int LONGEST_SOCKET = 107;

  private static final Duration RENEWAL_INTERVAL = Duration.ofHours(12);

  private final Closer parts;
  private final Optional<NodeParts> node;

  private final Readiness readiness;

  private KedgeServer(Closer parts, Readiness readiness, Optional<NodeParts> node) {
    this.parts = parts;
    this.readiness = readiness;
    this.node = node;
  }

  /**
   * Starts a server; returns when the API is ready and everything else is on its way.
   *
   * @param packages installs what this machine misses as a node, before containerd is started
   * @throws UserException if something that the user must change is in the way
   */
  public static KedgeServer start(ServerConfig config, Startup startup, Runnable packages) {
    Preflight.check(config);
    Closer parts = new Closer();
    Readiness readiness = new Readiness();
    try {
      return new KedgeServer(parts, readiness, start(config, startup, packages, readiness, parts));
    } catch (RuntimeException | Error e) {
      parts.close();
      throw e;
    }
  }

  /**
   * Makes a cluster of this server's etcd member alone, for when the others are lost for good; with
   * what it has, or with a snapshot.
   *
   * @throws UserException if it was no member, or etcd does not start, or the snapshot cannot be
   *     restored
   */
  public static void resetCluster(ServerConfig config, Startup startup) {
    Optional<String> snapshot = config.cluster().restore();
    if (snapshot.isPresent()) {
      restore(config, snapshot.get(), true, startup);
      return;
    }
    try (Closer parts = new Closer()) {
      Preflight.directories(config);
      parts.add("data directory lock", DataDirLock.take(config.dataDir()));
      ClusterCertificates certificates =
          ClusterCertificates.open(config.tlsDir(), Clock.systemUTC());
      startup.run(
          "etcd",
          () -> {
            EmbeddedEtcd.reset(config, certificates, startup);
            return "reset";
          });
    }
  }

  /**
   * Fills the datastore that the configuration names from a snapshot, of whatever engine that is.
   *
   * @param snapshot its path, or its name in the directory of snapshots or in the bucket
   * @param force whether what the datastore holds may be replaced; it is kept elsewhere then
   * @throws UserException with the next step, if it cannot be done
   */
  public static void restore(ServerConfig config, String snapshot, boolean force, Startup startup) {
    new Restoring(config, startup, Clock.systemUTC()).run(snapshot, force);
  }

  private static Optional<NodeParts> start(
      ServerConfig config, Startup startup, Runnable packages, Readiness readiness, Closer parts) {
    Clock clock = Clock.systemUTC();
    // A database elsewhere is the likeliest to be out of reach: it is tried before anything on this
    // machine is changed.
    Optional<Store> external =
        config.datastore().file(config.databaseFile()).isPresent()
            ? Optional.empty()
            : Optional.of(
                parts.add("datastore", startup.run("datastore", () -> openStore(config))));
    Preflight.directories(config);
    parts.add("data directory lock", DataDirLock.take(config.dataDir()));

    Optional<Phase<NodeRuntime>> runtime =
        config.runAgent()
            ? Optional.of(
                startup.begin("containerd", () -> NodeRuntime.start(config, packages, parts)))
            : Optional.empty();
    Foundation foundation = Foundation.lay(config, external, startup, parts, clock);
    Store store = foundation.store();
    ClusterCertificates certificates = foundation.certificates();
    ServingCertificates serving = new ServingCertificates(certificates, config);

    // Identity looks objects up in the registry, and the registry asks identity about tokens.
    CompletableFuture<Objects> objects = new CompletableFuture<>();
    RbacAuthorizer rbac = new RbacAuthorizer();
    Authorizer authorizer =
        new UnionAuthorizer(
            List.of(
                rbac,
                new NodeAuthorizer(
                    name ->
                        objects.join().list(Resources.PODS, "").stream()
                            .filter(pod -> pod.spec().text("nodeName").equals(name))
                            .toList(),
                    (type, namespace, name) -> objects.join().find(type, namespace, name))));
    String issuer = "https://kubernetes.default.svc." + config.clusterDomain();
    ServiceAccountTokens tokens =
        new ServiceAccountTokens(
            issuer,
            List.of(issuer, "kedge"),
            certificates.serviceAccountKey(),
            List.of(),
            (type, namespace, name) -> objects.join().find(type, namespace, name),
            clock);
    Authenticator authenticator =
        new Authenticator(
            certificates.clientAuthority().chain(),
            certificates.requestHeaderAuthority().chain(),
            Set.of(ServingCertificates.PROXY),
            List.of(tokens),
            true,
            clock);
    MetricsApi metrics = new MetricsApi();
    ObjectRegistry registry =
        parts.add(
            "registry",
            new ObjectRegistry(
                store,
                Settings.of(config.serviceCidr())
                    .shared(foundation.shared())
                    .with(config.enabled("metrics-server") ? metrics.resources() : List.of()),
                new Identity(authorizer, rbac, authenticator::review, tokens::issue),
                AdmissionPlugins.standard(authorizer, rbac),
                clock));
    objects.complete(registry.objects());
    registry.start();

    KubeClient client =
        new InProcessClient(registry, User.of("system:kedge", "system:masters"), "kedge");
    Informers informers = parts.add("informers", new SharedInformers(client));
    metrics.labelsFrom(informers);
    NodeRoutes nodes = new NodeRoutes();
    ServiceRoutes services = new ServiceRoutes(informers);
    // Beside the API, which nobody is told of before the roles are there.
    Phase<String> roles =
        startup.begin("roles", () -> bootstrap(client, certificates, rbac, informers));

    ApiServer api =
        new ApiServer(
            new ApiServer.Parts(
                registry,
                authenticator,
                authorizer,
                Optional.of(tokens),
                nodes,
                services,
                serving::proxy,
                health(store, readiness),
                OpenApiDocuments.rendered(),
                List.of(out -> databaseSize(config, out)),
                auditLog(config, clock, parts),
                certificates.serverAuthority().bundlePem(),
                ApiServer.Settings.of(
                    KedgeVersion.GIT_VERSION,
                    config.advertiseAddress() + ":" + config.advertisePort())));
    parts.add(
        "API",
        startup.run(
            "api", () -> listen(config, serving, new Supervisor(api, config, foundation, clock))));
    roles.await();
    serving.writeKubeconfig();
    readiness.ready();
    parts.add("aggregated APIs", api).start();

    SystemTimeline timeline = parts.add("timers", new SystemTimeline());
    renewCertificates(certificates, timeline);
    ControllerContext.Settings control =
        new ControllerContext.Settings(
            certificates.serverAuthority().bundlePem(),
            config.advertiseAddress(),
            config.advertisePort(),
            serving.apiServiceAddress(),
            config.serviceCidr(),
            List.of(config.clusterCidr()),
            List.of(24),
            () ->
                registry.catalog().all().stream()
                    .filter(resource -> resource.verbs().contains("delete"))
                    .filter(resource -> resource.verbs().contains("list"))
                    .map(ResourceInfo::type)
                    .toList(),
            Optional.of(
                (account, secret) ->
                    tokens.issueLegacy(
                        account.namespace(), secret.name(), account.name(), account.uid())),
            Optional.of(signer(certificates)));
    foundation
        .etcd()
        .ifPresent(etcd -> parts.add("etcd's care", new EtcdCare(etcd.cluster())).start());
    SnapshotSchedule.Plan.of(config)
        .ifPresent(
            plan ->
                parts
                    .add(
                        "snapshots",
                        new SnapshotSchedule(
                            new Snapshots(config, clock),
                            plan,
                            config.snapshots().name(),
                            () -> Snapshots.content(config, store, foundation.token(), clock),
                            clock))
                    .start());
    if (foundation.shared()) {
      parts
          .add(
              "server's Lease",
              new ServerLease(client, clock, config.node().name(), config.advertiseAddress()))
          .start();
      // In one of the servers at a time, with informers that end with its term.
      LeaderElection election =
          new LeaderElection(
              client,
              clock,
              LeaderElection.Settings.of(
                  "kube-system", "kedge", config.node().name() + "_" + UUID.randomUUID()),
              () -> {
                Closer term = new Closer();
                Informers own = term.add("informers", new SharedInformers(client));
                control(config, client, own, timeline, control, term);
                foundation.etcd().ifPresent(etcd -> removeMembersWithNodes(config, own, etcd));
                return term;
              });
      parts.add("leader election", election).start();
    } else {
      control(config, client, informers, timeline, control, parts);
    }
    return runtime.map(
        phase ->
            parts.add(
                "node",
                NodeParts.start(
                    config,
                    phase.await(),
                    new NodeParts.Plane(
                        registry,
                        client,
                        informers,
                        timeline,
                        authenticator,
                        authorizer,
                        serving,
                        nodes,
                        metrics))));
  }

  private static ControllerContext.CertificateSigner signer(ClusterCertificates certificates) {
    RequestSigner signer =
        new RequestSigner(certificates.clientAuthority(), certificates.serverAuthority());
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

  private static void removeMembersWithNodes(
      ServerConfig config, Informers informers, EmbeddedEtcd etcd) {
    informers
        .of(Resources.NODES)
        .listen(
            (before, after) -> {
              if (after.isEmpty()) {
                Thread.ofVirtual()
                    .start(
                        () ->
                            EtcdCare.removeWith(
                                before.orElseThrow(), config.node().name(), etcd.cluster()));
              }
            });
  }

  /** Starts what works on the cluster's objects: controllers and scheduler. */
  private static void control(
      ServerConfig config,
      KubeClient client,
      Informers informers,
      Timeline timeline,
      ControllerContext.Settings settings,
      Closer parts) {
    ControllerContext context = new ControllerContext(client, informers, timeline, settings);
    parts.add("controllers", ControllerSet.all(context)).start();
    if (config.scheduler()) {
      parts.add("scheduler", new Scheduler(client, informers, timeline)).start();
    }
  }

  private static Optional<AuditLog> auditLog(ServerConfig config, Clock clock, Closer parts) {
    return config
        .audit()
        .map(
            audit -> {
              try {
                AuditPolicy policy = AuditPolicy.parse(Files.readAllBytes(audit.policy()));
                return parts.add(
                    "audit log",
                    new AuditLog(
                        new AuditLog.Settings(
                            policy,
                            audit.log(),
                            audit.maxDays(),
                            audit.maxFiles(),
                            audit.maxMegabytes()),
                        clock));
              } catch (IllegalArgumentException e) {
                throw new UserException(
                    "the audit policy " + audit.policy() + " cannot be used: " + e.getMessage(), e);
              } catch (IOException e) {
                throw new UserException(
                    "the audit policy "
                        + audit.policy()
                        + " cannot be read, or the log "
                        + audit.log()
                        + " not written: "
                        + Preflight.why(e),
                    e);
              }
            });
  }

  /** Under upstream's names: probes and dashboards ask for {@code /readyz/etcd} and its like. */
  private static HealthChecks health(Store store, Readiness readiness) {
    Map<String, Supplier<Optional<String>>> live = new LinkedHashMap<>();
    live.put("log", Optional::empty); // no log of ours can fall behind: whoever logs writes
    live.put("etcd", () -> fault(store));
    Readiness.HOOKS.forEach(hook -> live.put(hook, readiness::bootstrap));
    Map<String, Supplier<Optional<String>>> ready = new LinkedHashMap<>();
    ready.put("informer-sync", readiness::bootstrap);
    ready.put("shutdown", readiness::shutdown);
    return new HealthChecks(live, ready);
  }

  private static Optional<String> fault(Store store) {
    try {
      store.get("/registry/health");
      return Optional.empty();
    } catch (StoreException e) {
      return Optional.of(String.valueOf(e.getMessage()));
    }
  }

  private static void databaseSize(ServerConfig config, Exposition out) {
    config
        .datastore()
        .file(config.databaseFile())
        .ifPresent(
            file -> {
              try {
                long size = Files.size(file);
                out.family(
                        "apiserver_storage_size_bytes",
                        "gauge",
                        "Size of the storage database file physically allocated in bytes.")
                    .sample(size, "storage_cluster_id", "storage-cluster-0");
              } catch (IOException e) {
                LOG.log(System.Logger.Level.DEBUG, "the database file cannot be measured", e);
              }
            });
  }

  /** Looks twice a day; a leaf is renewed when a third of its life remains. */
  private static void renewCertificates(ClusterCertificates certificates, Timeline timeline) {
    timeline.after(
        RENEWAL_INTERVAL,
        () -> {
          certificates.renewDue();
          renewCertificates(certificates, timeline);
        });
  }

  private static Store openStore(ServerConfig config) {
    return config.datastore().open(config.databaseFile());
  }

  private static HttpServer listen(ServerConfig config, ServingCertificates serving, Handler api)
      throws IOException {
    try {
      List<Listen> listens = new ArrayList<>();
      listens.add(
          Listen.tls(
              config.bindAddress(),
              config.httpsPort(),
              Tls.of(serving::api, serving::clientAuthorities)));
      if (config.socket().toString().length() <= LONGEST_SOCKET) {
        Path folder = config.socket().getParent();
        Files.createDirectories(folder);
        Files.setPosixFilePermissions(folder, PosixFilePermissions.fromString("rwx------"));
        listens.add(Listen.unix(config.socket()));
      }
      return HttpServer.start(listens, api);
    } catch (PortTakenException e) {
      throw new UserException(
          "port "
              + config.httpsPort()
              + " is taken by another program; stop that, or choose another with"
              + " --https-listen-port",
          e);
    }
  }

  private static String bootstrap(
      KubeClient client, ClusterCertificates certificates, RbacAuthorizer rbac, Informers informers)
      throws InterruptedException {
    ControlPlane.bootstrap(client);
    ControlPlane.tellAuthorities(
        client,
        Pem.encode(certificates.clientAuthority().chain()),
        Pem.encode(certificates.requestHeaderAuthority().chain()));
    ControlPlane.follow(rbac, informers);
    return "in place";
  }

  /** Waits until this machine is a Ready node; at once where it is none. */
  public void awaitNodeReady() throws InterruptedException {
    if (node.isPresent()) {
      node.get().awaitReady();
    }
  }

  @Override
  public void close() {
    readiness.stopping();
    parts.close();
  }
}
