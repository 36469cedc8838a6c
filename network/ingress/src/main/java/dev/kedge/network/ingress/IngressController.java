package dev.kedge.network.ingress;

import static java.nio.charset.StandardCharsets.UTF_8;

import dev.kedge.client.Informer;
import dev.kedge.client.Informers;
import dev.kedge.client.KubeClient;
import dev.kedge.client.KubeClient.Patch;
import dev.kedge.client.KubeClient.Selection;
import dev.kedge.http.ClientTls;
import dev.kedge.http.Exchange;
import dev.kedge.http.Headers;
import dev.kedge.http.HttpServer;
import dev.kedge.http.Pem;
import dev.kedge.http.ReverseProxy;
import dev.kedge.http.Tls;
import dev.kedge.http.TlsIdentity;
import dev.kedge.model.ApiException;
import dev.kedge.model.JsonArray;
import dev.kedge.model.JsonObject;
import dev.kedge.model.KubeObject;
import dev.kedge.model.ObjectKey;
import dev.kedge.model.Resources;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.net.URI;
import java.security.cert.CertificateParsingException;
import java.security.cert.X509Certificate;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Base64;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.locks.Condition;
import java.util.concurrent.locks.ReentrantLock;
import java.util.function.Predicate;
import java.util.function.Supplier;
import org.jspecify.annotations.Nullable;

/**
 * Serves Ingresses on this node. Listens from {@link #start} to {@link #close}. Requests are routed
 * by a snapshot of all rules; one virtual thread makes the next snapshot when an Ingress, a class
 * or a referenced Secret changes, and writes the nodes' addresses into the status of Ingresses.
 */
public final class IngressController implements AutoCloseable {
  /** The IngressClass made at start. */
  public static final String CLASS = "kedge";

  /** What IngressClasses name in {@code spec.controller} to be served here. */
  public static final String CONTROLLER = "kedge.dev/ingress";

  private static final System.Logger LOG = System.getLogger("dev.kedge.ingress");
  private static final String CLASS_ANNOTATION = "kubernetes.io/ingress.class";
  private static final String DEFAULT_CLASS = "ingressclass.kubernetes.io/is-default-class";
  private static final Duration FIRST_TABLE = Duration.ofSeconds(10);
  private static final Duration RETRY = Duration.ofSeconds(5);
  private static final int ATTEMPTS = 3;

  /**
   * How to serve.
   *
   * @param address to listen on, empty for all
   * @param httpPort usually 80; 0 for any
   * @param httpsPort usually 443; 0 for any
   * @param defaultIdentity shown where no Ingress brings a certificate for the name asked for;
   *     called at each such handshake
   * @param nodes which nodes serve Ingresses; their addresses become the status of Ingresses
   */
  public record Settings(
      String address,
      int httpPort,
      int httpsPort,
      Supplier<TlsIdentity> defaultIdentity,
      Predicate<KubeObject> nodes) {
    /** Ports 80 and 443 on all addresses of all nodes. */
    public static Settings standard(Supplier<TlsIdentity> defaultIdentity) {
      return new Settings("", 80, 443, defaultIdentity, node -> true);
    }
  }

  /** What requests see; replaced as a whole. */
  private record Snapshot(RoutingTable routes, Map<String, TlsIdentity> identities) {}

  /** A Secret's version, so that a certificate is parsed once. */
  private record Parsed(String version, Optional<TlsIdentity> identity) {}

  private final KubeClient client;
  private final Informers informers;
  private final Settings settings;
  private final Informer ingresses;
  private final Informer classes;
  private final Informer services;
  private final Informer endpointSlices;
  private final Informer nodes;
  private final Map<ObjectKey, Informer> secrets = new ConcurrentHashMap<>();
  private final Map<ObjectKey, Parsed> parsed = new HashMap<>(); // the worker's
  private final ReverseProxy proxy =
      new ReverseProxy(Optional.of(ClientTls.trustingAnyone(Optional.empty())));
  private final CountDownLatch firstTable = new CountDownLatch(1);
  private final ReentrantLock lock = new ReentrantLock();
  private final Condition changed = lock.newCondition();
  private boolean dirty = true; // under lock
  private volatile Snapshot snapshot = new Snapshot(RoutingTable.EMPTY, Map.of());
  private volatile boolean closed;
  private @Nullable Backends backends;
  private @Nullable HttpServer server;
  private @Nullable Thread worker;

  public IngressController(KubeClient client, Informers informers, Settings settings) {
    this.client = client;
    this.informers = informers;
    this.settings = settings;
    this.ingresses = informers.of(Resources.INGRESSES);
    this.classes = informers.of(Resources.INGRESS_CLASSES);
    this.services = informers.of(Resources.SERVICES);
    this.endpointSlices = informers.of(Resources.ENDPOINT_SLICES);
    this.nodes = informers.of(Resources.NODES);
  }

  /**
   * Listens; requests wait until the first snapshot is made.
   *
   * @throws dev.kedge.http.PortTakenException if another program listens on a port
   * @throws IOException if the address cannot be listened on
   */
  public void start() throws IOException {
    backends = new Backends(services, endpointSlices);
    server =
        HttpServer.start(
            List.of(
                HttpServer.Listen.plain(settings.address(), settings.httpPort()),
                HttpServer.Listen.tls(
                    settings.address(),
                    settings.httpsPort(),
                    new Tls(this::identity, false, List::of))),
            this::handle);
    ingresses.listen((before, after) -> changed());
    classes.listen((before, after) -> changed());
    nodes.listen(
        (before, after) -> {
          // Heartbeats change nodes all the time, addresses hardly ever.
          if (!before.map(this::addresses).equals(after.map(this::addresses))) {
            changed();
          }
        });
    worker = Thread.ofVirtual().name("ingress").start(this::work);
  }

  /** The port of HTTP. */
  public int httpPort() {
    return server == null ? settings.httpPort() : server.port(0);
  }

  /** The port of HTTPS. */
  public int httpsPort() {
    return server == null ? settings.httpsPort() : server.port(1);
  }

  /** Stops listening; requests under way have a few seconds. */
  @Override
  public void close() {
    closed = true;
    if (worker != null) {
      worker.interrupt();
    }
    if (server != null) {
      server.close();
    }
    proxy.close();
  }

  // Requests

  private void handle(Exchange exchange) throws Exception {
    if (!firstTable.await(FIRST_TABLE.toMillis(), TimeUnit.MILLISECONDS)) {
      text(exchange, 503, "no available server\n");
      return;
    }
    if (!exchange.path().isEmpty() && !exchange.path().startsWith("/")) {
      text(exchange, 400, "400 bad request\n");
      return;
    }
    Optional<Route> route = snapshot.routes().find(exchange.host(), exchange.path());
    if (route.isEmpty() || backends == null) {
      text(exchange, 404, "404 page not found\n");
      return;
    }
    Backends.Target target = backends.target(route.get());
    Headers headers = forwarded(exchange);
    int left = ATTEMPTS;
    for (String authority : target.authorities()) {
      if (left-- == 0) {
        break;
      }
      try {
        proxy.forward(exchange, url(target.secure(), authority, exchange), headers);
        return;
      } catch (ReverseProxy.UnreachableException e) {
        LOG.log(System.Logger.Level.DEBUG, "{0} of {1} is not reachable", authority, route.get());
      } catch (ReverseProxy.TargetException e) {
        LOG.log(System.Logger.Level.DEBUG, "a backend failed", e);
        text(exchange, 502, "Bad Gateway\n");
        return;
      }
    }
    text(
        exchange,
        target.authorities().isEmpty() ? 503 : 502,
        target.authorities().isEmpty() ? "no available server\n" : "Bad Gateway\n");
  }

  private static URI url(boolean secure, String authority, Exchange exchange) throws IOException {
    String path = exchange.path().isEmpty() ? "/" : exchange.path();
    String text =
        (secure ? "https://" : "http://")
            + authority
            + path
            + (exchange.rawQuery().isEmpty() ? "" : "?" + exchange.rawQuery());
    try {
      return URI.create(text);
    } catch (IllegalArgumentException e) {
      // Browsers and older programs send characters that a URI must escape.
      try {
        return URI.create(escaped(text));
      } catch (IllegalArgumentException again) {
        throw new IOException("no URL: " + text, again);
      }
    }
  }

  private static String escaped(String text) {
    StringBuilder out = new StringBuilder(text.length() + 16);
    for (byte b : text.getBytes(UTF_8)) {
      char c = (char) (b & 0xff);
      if (c > ' ' && c < 127 && "\"<>\\^`{|}".indexOf(c) < 0) {
        out.append(c);
      } else {
        out.append(String.format("%%%02X", (int) c));
      }
    }
    return out.toString();
  }

  /** What the backend is told of the client; what the client itself claims of that is dropped. */
  private Headers forwarded(Exchange exchange) {
    List<Headers.Header> kept = new ArrayList<>();
    for (Headers.Header header : exchange.headers().all()) {
      String name = header.name().toLowerCase(Locale.ROOT);
      if (!name.startsWith("x-forwarded-")
          && !name.equals("x-real-ip")
          && !name.equals("forwarded")) {
        kept.add(header);
      }
    }
    String host = exchange.host();
    int colon = host.lastIndexOf(':');
    String port =
        colon > host.lastIndexOf(']')
            ? host.substring(colon + 1)
            : exchange.secure() ? "443" : "80";
    return new Headers(kept)
        .and("X-Forwarded-For", exchange.remoteAddress())
        .and("X-Forwarded-Host", host)
        .and("X-Forwarded-Port", port)
        .and("X-Forwarded-Proto", exchange.secure() ? "https" : "http")
        .and("X-Real-Ip", exchange.remoteAddress());
  }

  private static void text(Exchange exchange, int status, String text) throws IOException {
    exchange.respond(
        status,
        Headers.of(
            "Content-Type", "text/plain; charset=utf-8", "X-Content-Type-Options", "nosniff"),
        text.getBytes(UTF_8));
  }

  private TlsIdentity identity(String serverName) {
    Map<String, TlsIdentity> identities = snapshot.identities();
    String name = RoutingTable.hostName(serverName);
    TlsIdentity found = identities.get(name);
    if (found == null && name.indexOf('.') > 0) {
      found = identities.get("*" + name.substring(name.indexOf('.')));
    }
    return found == null ? settings.defaultIdentity().get() : found;
  }

  // State

  private void changed() {
    lock.lock();
    try {
      dirty = true;
      changed.signalAll();
    } finally {
      lock.unlock();
    }
  }

  private void work() {
    try {
      for (Informer informer : List.of(ingresses, classes, services, endpointSlices, nodes)) {
        informer.awaitSynced();
      }
      boolean complete = ensureClass();
      while (!closed) {
        awaitChange(complete);
        try {
          List<KubeObject> mine = ingresses.all().stream().filter(this::isMine).toList();
          snapshot = new Snapshot(new RoutingTable(mine), identities(mine));
          firstTable.countDown();
          complete = ensureClass() & updateStatuses(mine);
        } catch (RuntimeException e) {
          complete = false;
          LOG.log(System.Logger.Level.ERROR, "cannot follow the Ingresses; trying again", e);
        }
      }
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
    }
  }

  /** Waits for a change, or a while if something must be tried again. */
  private void awaitChange(boolean complete) throws InterruptedException {
    lock.lock();
    try {
      long left = RETRY.toNanos();
      while (!dirty && (complete || left > 0)) {
        if (complete) {
          changed.await();
        } else {
          left = changed.awaitNanos(left);
        }
      }
      dirty = false;
    } finally {
      lock.unlock();
    }
  }

  /**
   * Whether an Ingress is of one of our classes, or of none while no other class is the default.
   */
  private boolean isMine(KubeObject ingress) {
    String name = ingress.spec().text("ingressClassName");
    if (name.isEmpty()) {
      name = ingress.annotation(CLASS_ANNOTATION).orElse("");
    }
    if (!name.isEmpty()) {
      Optional<KubeObject> named = classes.get("", name);
      return named.isPresent() ? isOurs(named.get()) : name.equals(CLASS);
    }
    return classes.all().stream().noneMatch(c -> isDefault(c) && !isOurs(c));
  }

  private static boolean isOurs(KubeObject ingressClass) {
    return ingressClass.spec().text("controller").equals(CONTROLLER);
  }

  private static boolean isDefault(KubeObject ingressClass) {
    return ingressClass.annotation(DEFAULT_CLASS).orElse("").equals("true");
  }

  private boolean ensureClass() {
    if (classes.get("", CLASS).isPresent()) {
      return true;
    }
    boolean first = classes.all().stream().noneMatch(IngressController::isDefault);
    JsonObject metadata = JsonObject.of("name", CLASS);
    if (first) {
      metadata = metadata.with("annotations", JsonObject.of(DEFAULT_CLASS, "true"));
    }
    try {
      client.create(
          Resources.INGRESS_CLASSES,
          new KubeObject(
              JsonObject.of(
                  "apiVersion",
                  "networking.k8s.io/v1",
                  "kind",
                  "IngressClass",
                  "metadata",
                  metadata,
                  "spec",
                  JsonObject.of("controller", CONTROLLER))));
      return true;
    } catch (ApiException e) {
      if (e.isAlreadyExists()) {
        return true;
      }
      LOG.log(System.Logger.Level.WARNING, "cannot create the ingress class " + CLASS, e);
      return false;
    } catch (UncheckedIOException e) {
      LOG.log(System.Logger.Level.DEBUG, "the API is not reachable", e);
      return false;
    }
  }

  private Map<String, TlsIdentity> identities(List<KubeObject> mine) throws InterruptedException {
    Map<String, TlsIdentity> declared = new HashMap<>();
    Map<String, TlsIdentity> inherent = new HashMap<>();
    Set<ObjectKey> used = new HashSet<>();
    for (KubeObject ingress : mine) {
      for (JsonObject tls : ingress.spec().objects("tls")) {
        ObjectKey key = new ObjectKey(ingress.namespace(), tls.text("secretName"));
        if (key.name().isEmpty()) {
          continue;
        }
        used.add(key);
        Optional<TlsIdentity> identity = secretIdentity(key);
        if (identity.isPresent()) {
          for (String host : tls.strings("hosts")) {
            declared.putIfAbsent(host.toLowerCase(Locale.ROOT), identity.get());
          }
          for (String name : names(identity.get().chain().getFirst())) {
            inherent.putIfAbsent(name.toLowerCase(Locale.ROOT), identity.get());
          }
        }
      }
    }
    parsed.keySet().retainAll(used);
    declared.forEach(inherent::put);
    return Map.copyOf(inherent);
  }

  /** Watches the one Secret: a cluster's other Secrets are none of our business. */
  private Optional<TlsIdentity> secretIdentity(ObjectKey key) throws InterruptedException {
    boolean known = secrets.containsKey(key);
    Informer informer =
        secrets.computeIfAbsent(
            key,
            k ->
                informers.of(
                    Resources.SECRETS,
                    k.namespace(),
                    Selection.fields("metadata.name=" + k.name())));
    if (!known) {
      informer.awaitSynced();
      informer.listen((before, after) -> changed());
    }
    Optional<KubeObject> secret = informer.get(key);
    if (secret.isEmpty()) {
      parsed.remove(key);
      return Optional.empty();
    }
    String version = secret.get().resourceVersion();
    Parsed old = parsed.get(key);
    if (old != null && old.version().equals(version)) {
      return old.identity();
    }
    Parsed fresh = new Parsed(version, parse(secret.get()));
    parsed.put(key, fresh);
    return fresh.identity();
  }

  private static Optional<TlsIdentity> parse(KubeObject secret) {
    try {
      return Optional.of(Pem.identity(decode(secret, "tls.crt"), decode(secret, "tls.key")));
    } catch (IllegalArgumentException e) {
      LOG.log(
          System.Logger.Level.WARNING,
          "Secret {0} has no usable certificate, the default one is shown: {1}",
          secret.key(),
          e.getMessage());
      return Optional.empty();
    }
  }

  private static String decode(KubeObject secret, String field) {
    return new String(Base64.getDecoder().decode(secret.json().text("data", field)), UTF_8);
  }

  private static List<String> names(X509Certificate certificate) {
    List<String> names = new ArrayList<>();
    try {
      var alternatives = certificate.getSubjectAlternativeNames();
      if (alternatives != null) {
        for (List<?> each : alternatives) {
          if (Integer.valueOf(2).equals(each.get(0)) && each.get(1) instanceof String name) {
            names.add(name);
          }
        }
      }
    } catch (CertificateParsingException e) {
      LOG.log(System.Logger.Level.DEBUG, "no alternative names", e);
    }
    return names;
  }

  private List<String> addresses(KubeObject node) {
    if (!settings.nodes().test(node)) {
      return List.of();
    }
    for (String type : List.of("ExternalIP", "InternalIP")) {
      List<String> all =
          node.status().objects("addresses").stream()
              .filter(address -> address.text("type").equals(type))
              .map(address -> address.text("address"))
              .toList();
      if (!all.isEmpty()) {
        return all;
      }
    }
    return List.of();
  }

  private boolean updateStatuses(List<KubeObject> mine) {
    JsonArray wanted =
        nodes.all().stream()
            .flatMap(node -> addresses(node).stream())
            .distinct()
            .sorted()
            .map(address -> JsonObject.of("ip", address))
            .collect(JsonArray.collector());
    if (wanted.isEmpty()) {
      return true;
    }
    boolean complete = true;
    for (KubeObject ingress : mine) {
      if (ingress.status().array("loadBalancer", "ingress").equals(wanted)) {
        continue;
      }
      try {
        client.patch(
            Resources.INGRESSES,
            ingress.namespace(),
            ingress.name(),
            Patch.mergeStatus(JsonObject.of("loadBalancer", JsonObject.of("ingress", wanted))));
      } catch (ApiException e) {
        if (!e.isNotFound()) {
          complete = false;
          LOG.log(System.Logger.Level.WARNING, "cannot write the status of " + ingress.key(), e);
        }
      } catch (UncheckedIOException e) {
        complete = false;
        LOG.log(System.Logger.Level.DEBUG, "the API is not reachable", e);
      }
    }
    return complete;
  }
}
