package dev.kedge.apiserver;

import dev.kedge.http.Handler;
import dev.kedge.http.HttpServer;
import dev.kedge.http.HttpServer.Listen;
import dev.kedge.http.Tls;
import dev.kedge.http.TlsIdentity;
import dev.kedge.identity.Authenticator;
import dev.kedge.identity.Authorizer;
import dev.kedge.identity.BootstrapRoles;
import dev.kedge.identity.ClusterCertificates;
import dev.kedge.identity.Credential;
import dev.kedge.identity.Kubeconfig;
import dev.kedge.identity.NodeAuthorizer;
import dev.kedge.identity.RbacAuthorizer;
import dev.kedge.identity.ServiceAccountTokens;
import dev.kedge.identity.StaticTokens;
import dev.kedge.identity.UnionAuthorizer;
import dev.kedge.identity.User;
import dev.kedge.model.GroupVersionKind;
import dev.kedge.model.Json;
import dev.kedge.model.JsonObject;
import dev.kedge.model.KubeObject;
import dev.kedge.model.ResourceType;
import dev.kedge.model.Resources;
import dev.kedge.model.Yaml;
import dev.kedge.registry.Identity;
import dev.kedge.registry.ObjectRegistry;
import dev.kedge.registry.Registry.Request;
import dev.kedge.registry.Registry.ServedWatch;
import dev.kedge.registry.Registry.WatchEvent;
import dev.kedge.registry.Registry.WatchOptions;
import dev.kedge.registry.Registry.WriteOptions;
import dev.kedge.registry.Settings;
import dev.kedge.registry.admission.AdmissionPlugins;
import dev.kedge.store.Store;
import dev.kedge.store.sql.SqliteStore;
import java.io.IOException;
import java.io.InputStream;
import java.net.InetSocketAddress;
import java.net.Socket;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpRequest.BodyPublishers;
import java.net.http.HttpResponse;
import java.net.http.HttpResponse.BodyHandlers;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.KeyStore;
import java.time.Clock;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;
import javax.net.ssl.KeyManagerFactory;
import javax.net.ssl.SSLContext;
import javax.net.ssl.TrustManagerFactory;

/**
 * A whole API server on a free port: TLS with certificates of its own, RBAC with the standard
 * roles, the real registry over a real SQLite file. The kubelets of nodes are handlers that a test
 * gives.
 */
final class TestServer implements AutoCloseable {
  static final User ADMIN = User.of("system:admin", "system:masters", "system:authenticated");

  final Path directory;
  final Map<String, Handler> kubelets = new ConcurrentHashMap<>();

  /** Where Services lead, by {@code namespace/name:port}. */
  final Map<String, URI> services = new ConcurrentHashMap<>();

  final ObjectRegistry registry;
  final ServiceAccountTokens tokens;
  final ClusterCertificates certificates;
  final ApiServer api;
  private final Store store;
  private final HttpServer http;
  private final HttpClient admin;
  private final HttpClient nobody;
  private final List<Thread> threads = new ArrayList<>();
  private volatile boolean closed;

  TestServer() throws Exception {
    this(Optional.empty());
  }

  TestServer(Optional<AuditLog> audit) throws Exception {
    directory = Files.createTempDirectory("kedge-apiserver");
    certificates = ClusterCertificates.open(directory.resolve("tls"), Clock.systemUTC());
    store = SqliteStore.open(directory.resolve("state.db"), SqliteStore.Options.FAST);
    RbacAuthorizer rbac = new RbacAuthorizer();
    // The registry is asked through this only after the constructor has set it.
    ObjectRegistry[] later = new ObjectRegistry[1];
    tokens =
        new ServiceAccountTokens(
            "https://kubernetes.default.svc.cluster.local",
            List.of("https://kubernetes.default.svc.cluster.local", "kedge"),
            certificates.serviceAccountKey(),
            List.of(),
            (type, namespace, name) -> later[0].objects().find(type, namespace, name),
            Clock.systemUTC());
    Authenticator authenticator =
        new Authenticator(
            certificates.clientAuthority().chain(),
            certificates.requestHeaderAuthority().chain(),
            Set.of(),
            List.of(
                new StaticTokens(
                    Map.of("jane-token", User.of("jane", "devs"), "ops", User.of("ops", "ops"))),
                tokens),
            true,
            Clock.systemUTC());
    Authorizer authorizer =
        new UnionAuthorizer(
            List.of(
                new NodeAuthorizer(
                    node ->
                        later[0].objects().list(Resources.PODS, "").stream()
                            .filter(pod -> pod.spec().text("nodeName").equals(node))
                            .toList(),
                    (type, namespace, name) -> later[0].objects().find(type, namespace, name)),
                rbac));
    registry =
        new ObjectRegistry(
            store,
            Settings.of("10.43.0.0/16"),
            new Identity(authorizer, rbac, authenticator::review, tokens::issue),
            AdmissionPlugins.standard(authorizer, rbac),
            Clock.systemUTC());
    later[0] = registry;
    registry.start();
    for (String name : List.of("default", "kube-system", "kube-public")) {
      create(KubeObject.of(new GroupVersionKind("", "v1", "Namespace"), "", name));
      create(KubeObject.of(new GroupVersionKind("", "v1", "ServiceAccount"), name, "default"));
    }
    BootstrapRoles.objects().forEach(this::create);
    for (ResourceType type :
        List.of(
            Resources.CLUSTER_ROLES,
            Resources.CLUSTER_ROLE_BINDINGS,
            Resources.ROLES,
            Resources.ROLE_BINDINGS)) {
      feed(rbac, type);
    }
    Credential proxy = certificates.proxy("client-auth-proxy", "system:auth-proxy");
    api =
        new ApiServer(
            new ApiServer.Parts(
                registry,
                authenticator,
                authorizer,
                Optional.of(tokens),
                node -> Optional.ofNullable(kubelets.get(node)),
                (namespace, service, port) ->
                    Optional.ofNullable(services.get(namespace + "/" + service + ":" + port)),
                () -> new TlsIdentity(proxy.chain(), proxy.key()),
                HealthChecks.PING,
                OpenApiDocuments.rendered(),
                List.of(),
                audit,
                certificates.serverAuthority().bundlePem(),
                ApiServer.Settings.of("v1.36.2+kedge1", "127.0.0.1:6443")));
    Credential serving =
        certificates.serving("serving-kube-apiserver", "kedge", List.of("localhost", "127.0.0.1"));
    http =
        HttpServer.start(
            Listen.tls(
                "127.0.0.1",
                0,
                Tls.of(
                    () -> new TlsIdentity(serving.chain(), serving.key()),
                    certificates.clientAuthority()::chain)),
            api);
    admin = client(certificates.client("client-admin", "system:admin", "system:masters"));
    nobody = client(null);
  }

  private HttpClient client(@org.jspecify.annotations.Nullable Credential credential)
      throws Exception {
    return HttpClient.newBuilder().sslContext(context(credential)).build();
  }

  private SSLContext context(@org.jspecify.annotations.Nullable Credential credential)
      throws Exception {
    KeyStore trusted = KeyStore.getInstance("PKCS12");
    trusted.load(null, null);
    trusted.setCertificateEntry("ca", certificates.serverAuthority().certificate());
    TrustManagerFactory trust = TrustManagerFactory.getInstance("PKIX");
    trust.init(trusted);
    KeyStore own = KeyStore.getInstance("PKCS12");
    own.load(null, null);
    if (credential != null) {
      own.setKeyEntry(
          "client",
          credential.key(),
          new char[0],
          credential.chain().toArray(java.security.cert.Certificate[]::new));
    }
    KeyManagerFactory keys = KeyManagerFactory.getInstance("PKIX");
    keys.init(own, new char[0]);
    SSLContext context = SSLContext.getInstance("TLS");
    context.init(keys.getKeyManagers(), trust.getTrustManagers(), null);
    return context;
  }

  private void feed(RbacAuthorizer rbac, ResourceType type) {
    Request request = new Request(info(type), "", "", "", ADMIN);
    ServedWatch watch =
        registry.watch(request, new WatchOptions("", "", "", "", false, Optional.empty()));
    Map<String, KubeObject> known = new ConcurrentHashMap<>();
    threads.add(
        Thread.ofVirtual()
            .start(
                () -> {
                  try (watch) {
                    while (!closed) {
                      for (WatchEvent event : watch.take(Duration.ofMillis(200))) {
                        KubeObject object = event.object().tree();
                        String key = object.key().toString();
                        boolean gone = event.type() == WatchEvent.Type.DELETED;
                        rbac.changed(
                            Optional.ofNullable(known.get(key)),
                            gone ? Optional.empty() : Optional.of(object));
                        if (gone) {
                          known.remove(key);
                        } else {
                          known.put(key, object);
                        }
                      }
                    }
                  } catch (InterruptedException e) {
                    Thread.currentThread().interrupt();
                  }
                }));
  }

  /** Creates an object behind the server's back. */
  KubeObject create(KubeObject object) {
    return registry
        .create(
            new Request(
                registry.catalog().ofKind(object.groupVersionKind()).orElseThrow(),
                object.namespace(),
                "",
                "",
                ADMIN),
            object.json(),
            WriteOptions.by("test"))
        .object()
        .tree();
  }

  /** Creates an object from YAML behind the server's back. */
  KubeObject create(String yaml) {
    return create(new KubeObject((JsonObject) Yaml.parse(yaml)));
  }

  private dev.kedge.registry.ResourceInfo info(ResourceType type) {
    return registry.catalog().find(type.group(), type.version(), type.plural()).orElseThrow();
  }

  URI uri(String path) {
    return URI.create("https://127.0.0.1:" + http.port() + path);
  }

  /** A request as the administrator. */
  Reply send(String method, String path, String body, String... headers) throws Exception {
    return send(admin, method, path, body.getBytes(StandardCharsets.UTF_8), headers);
  }

  /** As above, with bytes. */
  Reply send(String method, String path, byte[] body, String... headers) throws Exception {
    return send(admin, method, path, body, headers);
  }

  /** A request without a certificate. */
  Reply sendAs(String token, String method, String path, String... headers) throws Exception {
    List<String> all = new ArrayList<>(List.of(headers));
    if (!token.isEmpty()) {
      all.add("Authorization");
      all.add("Bearer " + token);
    }
    return send(nobody, method, path, new byte[0], all.toArray(String[]::new));
  }

  Reply get(String path, String... headers) throws Exception {
    return send("GET", path, "", headers);
  }

  Reply post(String path, String body) throws Exception {
    return send("POST", path, body, "Content-Type", "application/yaml");
  }

  private Reply send(HttpClient client, String method, String path, byte[] body, String... headers)
      throws Exception {
    HttpRequest.Builder request =
        HttpRequest.newBuilder(uri(path))
            .timeout(Duration.ofSeconds(30))
            .method(
                method,
                body.length == 0 ? BodyPublishers.noBody() : BodyPublishers.ofByteArray(body));
    if (headers.length > 0) {
      request.headers(headers);
    }
    HttpResponse<byte[]> response = client.send(request.build(), BodyHandlers.ofByteArray());
    return new Reply(response);
  }

  /** Forgets all history that no cache keeps. */
  void compact() throws Exception {
    store.compact(store.currentRevision());
  }

  /** The administrator's client. */
  HttpClient admin() {
    return admin;
  }

  /** A bare connection of the administrator's, which takes little that nobody reads. */
  Socket socket() throws Exception {
    Credential credential = certificates.client("client-admin", "system:admin", "system:masters");
    Socket socket = context(credential).getSocketFactory().createSocket();
    socket.setReceiveBufferSize(8 * 1024);
    socket.connect(new InetSocketAddress("127.0.0.1", http.port()));
    return socket;
  }

  /** An open answer, for watches. */
  HttpResponse<InputStream> open(String path, String... headers) throws Exception {
    HttpRequest.Builder request = HttpRequest.newBuilder(uri(path));
    if (headers.length > 0) {
      request.headers(headers);
    }
    return admin.send(request.build(), BodyHandlers.ofInputStream());
  }

  record Reply(HttpResponse<byte[]> response) {
    int status() {
      return response.statusCode();
    }

    String text() {
      return new String(response.body(), StandardCharsets.UTF_8);
    }

    JsonObject json() {
      return Json.parseObject(response.body());
    }

    String header(String name) {
      return response.headers().firstValue(name).orElse("");
    }
  }

  /** A kubeconfig of the administrator. */
  Path kubeconfig() {
    Path file = directory.resolve("kubeconfig.yaml");
    Kubeconfig.write(
        file,
        "rw-------",
        "https://127.0.0.1:" + http.port(),
        certificates.serverAuthority().bundlePem(),
        certificates.client("client-admin", "system:admin", "system:masters"));
    return file;
  }

  @Override
  public void close() throws Exception {
    closed = true;
    http.close();
    api.close();
    for (Thread thread : threads) {
      thread.join();
    }
    admin.close();
    nobody.close();
    registry.close();
    store.close();
    try (var files = Files.walk(directory)) {
      for (Path path : files.sorted(Comparator.reverseOrder()).toList()) {
        Files.delete(path);
      }
    } catch (IOException e) {
      System.getLogger("dev.kedge.apiserver")
          .log(System.Logger.Level.WARNING, "cannot remove " + directory, e);
    }
  }
}
