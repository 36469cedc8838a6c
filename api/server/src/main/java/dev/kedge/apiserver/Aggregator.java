package dev.kedge.apiserver;

import dev.kedge.apiserver.ApiGroups.GroupVersion;
import dev.kedge.http.TlsIdentity;
import dev.kedge.identity.User;
import dev.kedge.model.ApiException;
import dev.kedge.model.JsonObject;
import dev.kedge.model.KubeObject;
import dev.kedge.model.ResourceType;
import dev.kedge.model.Resources;
import dev.kedge.model.Times;
import dev.kedge.registry.Registry;
import dev.kedge.registry.Registry.DeleteOptions;
import dev.kedge.registry.Registry.GetOptions;
import dev.kedge.registry.Registry.Request;
import dev.kedge.registry.Registry.ServedWatch;
import dev.kedge.registry.Registry.WatchEvent;
import dev.kedge.registry.Registry.WatchOptions;
import dev.kedge.registry.Registry.WriteOptions;
import dev.kedge.registry.ResourceInfo;
import dev.kedge.registry.ServedObject;
import java.time.Duration;
import java.time.Instant;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Optional;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.Semaphore;
import java.util.concurrent.TimeUnit;
import java.util.function.Consumer;
import java.util.function.Supplier;

/**
 * Keeps the APIServices: writes one for everything that this server serves itself, and knows those
 * behind Services, whose availability it checks when their Service or its endpoints change and
 * every half minute.
 *
 * <pre>
 * APIService, Service, EndpointSlice, CustomResourceDefinition → watch → one checker per remote API
 *                                                                     ↘ registration of local ones
 * </pre>
 *
 * Nothing runs but two watches while no API is remote.
 */
final class Aggregator implements AutoCloseable {
  private static final System.Logger LOG = System.getLogger("dev.kedge.apiserver");
  private static final User SELF = User.of("system:kube-aggregator", "system:masters");
  private static final String MANAGER = "kube-aggregator";
  private static final Duration CHECK = Duration.ofSeconds(30);
  private static final Duration TAKE = Duration.ofMinutes(1);
  private static final Duration RETRY = Duration.ofSeconds(1);
  private static final ResourceType API_SERVICES = Resources.API_SERVICES;

  private final Registry registry;
  private final ServiceAccess services;
  private final Supplier<TlsIdentity> identity;
  private final Map<String, KubeObject> known = new ConcurrentHashMap<>();
  private final Semaphore registration = new Semaphore(0);
  private final Set<Thread> threads = ConcurrentHashMap.newKeySet();
  private final Map<String, Checker> checkers = new HashMap<>();
  private volatile Remotes remotes = new Remotes(0, Map.of());
  private boolean following;
  private volatile boolean closed;

  /**
   * The remote APIs of one moment.
   *
   * @param version grows with every change, of what they serve too
   */
  record Remotes(long version, Map<GroupVersion, RemoteApi> all) {
    Remotes {
      all = Map.copyOf(all);
    }

    Optional<RemoteApi> find(String group, String version) {
      return Optional.ofNullable(all.get(new GroupVersion(group, version)));
    }
  }

  Aggregator(Registry registry, ServiceAccess services, Supplier<TlsIdentity> identity) {
    this.registry = registry;
    this.services = services;
    this.identity = identity;
  }

  Remotes remotes() {
    return remotes;
  }

  /** Begins to look after APIServices. */
  void start() {
    follow(API_SERVICES, this::apiServiceChanged);
    follow(Resources.CUSTOM_RESOURCE_DEFINITIONS, _ -> registration.release());
    run("apiservice-registration", this::register);
  }

  private void run(String name, Loop loop) {
    Thread thread =
        Thread.ofVirtual()
            .name(name)
            .unstarted(
                () -> {
                  try {
                    loop.run();
                  } catch (InterruptedException e) {
                    Thread.currentThread().interrupt();
                  } finally {
                    threads.remove(Thread.currentThread());
                  }
                });
    threads.add(thread);
    thread.start();
  }

  @FunctionalInterface
  private interface Loop {
    void run() throws InterruptedException;
  }

  /** Hands every change of a resource to a listener, the present objects first. */
  private void follow(ResourceType type, Consumer<WatchEvent> listener) {
    run(
        "follow-" + type.plural(),
        () -> {
          while (!closed) {
            try (ServedWatch watch =
                registry.watch(
                    request(type, "", "", ""),
                    new WatchOptions("", "", "", "", false, Optional.empty()))) {
              while (!closed && !watch.ended()) {
                watch.take(TAKE).forEach(listener);
              }
            } catch (ApiException | IllegalStateException e) {
              // It fell behind, or the registry closes: look again from the present.
              LOG.log(System.Logger.Level.DEBUG, "watch of " + type + " ended", e);
              TimeUnit.NANOSECONDS.sleep(RETRY.toNanos());
            }
          }
        });
  }

  private Request request(ResourceType type, String namespace, String name, String subresource) {
    ResourceInfo info =
        registry
            .catalog()
            .find(type.group(), type.version(), type.plural())
            .orElseThrow(() -> new IllegalStateException(type + " is not served"));
    return new Request(info, namespace, name, subresource, SELF);
  }

  // Remote APIs.

  private synchronized void apiServiceChanged(WatchEvent event) {
    if (event.type() == WatchEvent.Type.BOOKMARK || closed) {
      return;
    }
    KubeObject service = event.object().tree();
    boolean gone = event.type() == WatchEvent.Type.DELETED;
    if (gone) {
      known.remove(service.name());
    } else {
      known.put(service.name(), service);
    }
    if (gone || service.labels().containsKey(ApiGroups.MANAGED)) {
      registration.release();
    }
    boolean remote = !gone && service.spec().has("service");
    Checker checker = checkers.get(service.name());
    if (checker != null && (!remote || !checker.api.spec().equals(service.spec()))) {
      checkers.remove(service.name());
      checker.stop();
      checker = null;
    }
    if (remote && checker == null) {
      followServices();
      checker = new Checker(service.name(), new RemoteApi(service, services, identity));
      checkers.put(service.name(), checker);
      run("check-" + service.name(), checker::run);
    }
    if (checker != null) {
      checker.api.available(condition(service).text("status").equals("True"));
    } else if (!gone && !condition(service).text("reason").equals("Local")) {
      write(
          service.name(),
          service.spec(),
          "True",
          "Local",
          "Local APIServices are always available");
    }
    publish();
  }

  private synchronized void publish() {
    Map<GroupVersion, RemoteApi> all = new LinkedHashMap<>();
    checkers.values().forEach(checker -> all.put(checker.api.version(), checker.api));
    if (!all.isEmpty() || !remotes.all().isEmpty()) {
      remotes = new Remotes(remotes.version() + 1, all);
    }
  }

  private void followServices() {
    if (!following) {
      following = true;
      follow(
          Resources.SERVICES,
          event -> poke(event.object().tree().namespace(), event.object().tree().name()));
      follow(
          Resources.ENDPOINT_SLICES,
          event ->
              poke(
                  event.object().tree().namespace(),
                  event.object().tree().labels().getOrDefault("kubernetes.io/service-name", "")));
    }
  }

  private synchronized void poke(String namespace, String service) {
    for (Checker checker : checkers.values()) {
      if (checker.api.namespace().equals(namespace) && checker.api.service().equals(service)) {
        checker.look.release();
      }
    }
  }

  /** Looks after one remote API; its own thread waits for a server that hangs. */
  private final class Checker {
    final String name;
    final RemoteApi api;
    final Semaphore look = new Semaphore(0);
    private volatile boolean stopped;

    Checker(String name, RemoteApi api) {
      this.name = name;
      this.api = api;
    }

    void run() throws InterruptedException {
      while (!stopped && !closed) {
        RemoteApi.Served before = api.served();
        Condition condition = check(api);
        if (!stopped) {
          write(name, api.spec(), condition.status, condition.reason, condition.message);
        }
        if (condition.status.equals("True")) {
          api.readDocuments();
        }
        if (!before.equals(api.served())) {
          publish();
        }
        // What changed while this looked is looked at at once, everything in one go.
        if (look.tryAcquire(CHECK.toMillis(), TimeUnit.MILLISECONDS)) {
          look.drainPermits();
        }
      }
    }

    void stop() {
      stopped = true;
      look.release();
      api.close();
    }
  }

  private record Condition(String status, String reason, String message) {}

  /** Checks in upstream's order and words. */
  private Condition check(RemoteApi api) throws InterruptedException {
    String name = "service/" + api.service() + " in \"" + api.namespace() + "\"";
    Optional<KubeObject> service = find(Resources.SERVICES, api.namespace(), api.service());
    if (service.isEmpty()) {
      return new Condition("False", "ServiceNotFound", name + " is not present");
    }
    if (service.get().spec().text("type").equals("ClusterIP")) {
      Optional<JsonObject> port =
          service.get().spec().objects("ports").stream()
              .filter(each -> each.integer("port") == api.port())
              .findFirst();
      if (port.isEmpty()) {
        return new Condition(
            "False", "ServicePortError", name + " is not listening on port " + api.port());
      }
      List<KubeObject> slices = slices(api);
      if (slices.isEmpty()) {
        return new Condition(
            "False", "EndpointsNotFound", "cannot find endpointslices for " + name);
      }
      String portName = port.get().text("name");
      if (slices.stream().noneMatch(slice -> ready(slice, portName))) {
        return new Condition(
            "False",
            "MissingEndpoints",
            "endpointslices for "
                + name
                + " have no addresses with port name \""
                + portName
                + "\"");
      }
    }
    return api.look()
        .map(fault -> new Condition("False", "FailedDiscoveryCheck", fault))
        .orElse(new Condition("True", "Passed", "all checks passed"));
  }

  private static boolean ready(KubeObject slice, String portName) {
    return slice.json().objects("endpoints").stream()
            .anyMatch(endpoint -> endpoint.object("conditions").flagOr(true, "ready"))
        && slice.json().objects("ports").stream()
            .anyMatch(port -> port.text("name").equals(portName) && port.has("port"));
  }

  private List<KubeObject> slices(RemoteApi api) {
    return registry
        .list(
            request(Resources.ENDPOINT_SLICES, api.namespace(), "", ""),
            new Registry.ListOptions(
                "kubernetes.io/service-name=" + api.service(), "", "", "", 0, ""))
        .items()
        .stream()
        .map(ServedObject::tree)
        .toList();
  }

  private Optional<KubeObject> find(ResourceType type, String namespace, String name) {
    try {
      return Optional.of(
          registry.get(request(type, namespace, name, ""), GetOptions.LATEST).tree());
    } catch (ApiException e) {
      if (e.isNotFound()) {
        return Optional.empty();
      }
      throw e;
    }
  }

  private static JsonObject condition(KubeObject service) {
    return service.status().objects("conditions").stream()
        .filter(each -> each.text("type").equals("Available"))
        .findFirst()
        .orElse(JsonObject.EMPTY);
  }

  /** Writes the condition where it differs; the time is that of the last change of its status. */
  private void write(String name, JsonObject spec, String status, String reason, String message) {
    try {
      Optional<KubeObject> found = find(API_SERVICES, "", name);
      if (found.isEmpty() || !found.get().spec().equals(spec)) {
        return;
      }
      JsonObject held = condition(found.get());
      if (held.text("status").equals(status)
          && held.text("reason").equals(reason)
          && held.text("message").equals(message)) {
        return;
      }
      String time =
          held.text("status").equals(status)
              ? held.text("lastTransitionTime")
              : Times.text(Instant.now());
      List<JsonObject> conditions = new ArrayList<>();
      for (JsonObject each : found.get().status().objects("conditions")) {
        if (!each.text("type").equals("Available")) {
          conditions.add(each);
        }
      }
      conditions.add(
          JsonObject.of(
              "type", "Available",
              "status", status,
              "lastTransitionTime", time,
              "reason", reason,
              "message", message));
      registry.update(
          request(API_SERVICES, "", name, "status"),
          found.get().withStatus(JsonObject.of("conditions", conditions)).json(),
          WriteOptions.by(MANAGER));
    } catch (ApiException e) {
      // Somebody changed it at the same time, and that change brings the next look.
      LOG.log(System.Logger.Level.DEBUG, "condition of " + name + " not written", e);
    }
  }

  // Local APIs.

  /** Keeps an APIService for everything served here; those of built-in groups at start only. */
  private void register() throws InterruptedException {
    boolean starting = true;
    while (!closed) {
      try {
        register(starting);
        starting = false;
        registration.acquire();
        registration.drainPermits();
      } catch (ApiException e) {
        LOG.log(System.Logger.Level.DEBUG, "local APIServices not written; trying again", e);
        TimeUnit.NANOSECONDS.sleep(RETRY.toNanos());
      }
    }
  }

  private void register(boolean starting) {
    Map<GroupVersion, Boolean> wanted = new LinkedHashMap<>();
    // From the definitions, not from the catalogue, which follows them a moment later.
    for (KubeObject definition : all(Resources.CUSTOM_RESOURCE_DEFINITIONS)) {
      for (JsonObject version : definition.spec().objects("versions")) {
        if (version.flag("served")) {
          wanted.put(new GroupVersion(definition.spec().text("group"), version.text("name")), true);
        }
      }
    }
    for (ResourceInfo info : registry.catalog().all()) {
      if (!info.custom() || info.computed()) {
        wanted.put(new GroupVersion(info.type().group(), info.type().version()), false);
      }
    }
    // Upstream has none for itself either.
    wanted.remove(new GroupVersion(API_SERVICES.group(), API_SERVICES.version()));
    Map<String, KubeObject> held = new HashMap<>();
    all(API_SERVICES).forEach(service -> held.put(service.name(), service));
    List<Thread> writes = new ArrayList<>();
    wanted.forEach(
        (version, custom) -> {
          KubeObject local = ApiGroups.local(version, custom);
          KubeObject present = held.get(local.name());
          if (!starting && !custom) {
            return;
          }
          if (present == null) {
            // Side by side, so that the datastore syncs them to disk together.
            writes.add(Thread.startVirtualThread(() -> create(local)));
          } else if (present.labels().containsKey(ApiGroups.MANAGED)
              && !present.spec().equals(local.spec())) {
            replace(present.with("spec", local.spec()));
          }
        });
    held.forEach(
        (name, present) -> {
          String managed = present.labels().getOrDefault(ApiGroups.MANAGED, "");
          GroupVersion version =
              new GroupVersion(present.spec().text("group"), present.spec().text("version"));
          boolean stale = managed.equals("true") || managed.equals("onstart") && starting;
          if (stale && !wanted.containsKey(version)) {
            delete(present);
          }
        });
    for (Thread write : writes) {
      joined(write);
    }
  }

  private List<KubeObject> all(ResourceType type) {
    return registry.list(request(type, "", "", ""), Registry.ListOptions.ALL).items().stream()
        .map(ServedObject::tree)
        .toList();
  }

  private static void joined(Thread thread) {
    try {
      thread.join();
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
    }
  }

  private void create(KubeObject local) {
    try {
      registry.create(request(API_SERVICES, "", "", ""), local.json(), WriteOptions.by(MANAGER));
    } catch (ApiException e) {
      if (!e.isAlreadyExists()) {
        LOG.log(System.Logger.Level.WARNING, "cannot write APIService " + local.name(), e);
      }
    }
  }

  private void replace(KubeObject changed) {
    registry.update(
        request(API_SERVICES, "", changed.name(), ""), changed.json(), WriteOptions.by(MANAGER));
  }

  private void delete(KubeObject stale) {
    try {
      registry.delete(
          request(API_SERVICES, "", stale.name(), ""),
          new DeleteOptions(Optional.empty(), "", Optional.empty(), stale.uid(), "", false));
    } catch (ApiException e) {
      if (!e.isNotFound() && e.code() != 409) {
        throw e;
      }
    }
  }

  /** Tells which APIs are away. */
  void write(Exposition out) {
    out.family(
        "aggregator_unavailable_apiservice",
        "gauge",
        "Gauge of APIServices which are marked as unavailable broken down by APIService name.");
    Map<String, KubeObject> sorted = new java.util.TreeMap<>(known);
    sorted.forEach(
        (name, service) ->
            out.sample(condition(service).text("status").equals("True") ? 0 : 1, "name", name));
  }

  @Override
  public void close() {
    closed = true;
    threads.forEach(Thread::interrupt);
    List<Checker> all;
    synchronized (this) {
      all = List.copyOf(checkers.values());
    }
    all.forEach(Checker::stop);
    for (Thread thread : threads) {
      if (!Objects.equals(thread, Thread.currentThread())) {
        joined(thread);
      }
    }
  }
}
