package dev.kedge.network.ingress;

import static java.nio.charset.StandardCharsets.UTF_8;
import static org.assertj.core.api.Assertions.assertThat;
import static org.awaitility.Awaitility.await;

import dev.kedge.apiserver.ApiServer;
import dev.kedge.apiserver.HealthChecks;
import dev.kedge.apiserver.OpenApiDocuments;
import dev.kedge.apiserver.ServiceAccess;
import dev.kedge.client.HttpKubeClient;
import dev.kedge.client.SharedInformers;
import dev.kedge.http.HttpServer;
import dev.kedge.http.Pem;
import dev.kedge.http.TlsIdentity;
import dev.kedge.identity.Authenticator;
import dev.kedge.identity.Authorizer;
import dev.kedge.identity.Authorizer.Decision;
import dev.kedge.identity.RbacAuthorizer;
import dev.kedge.identity.StaticTokens;
import dev.kedge.identity.User;
import dev.kedge.model.GroupVersionKind;
import dev.kedge.model.JsonObject;
import dev.kedge.model.KubeObject;
import dev.kedge.model.ResourceType;
import dev.kedge.model.Resources;
import dev.kedge.model.Yaml;
import dev.kedge.registry.Identity;
import dev.kedge.registry.ObjectRegistry;
import dev.kedge.registry.Settings;
import dev.kedge.registry.admission.AdmissionPlugins;
import dev.kedge.store.sql.SqliteStore;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse.BodyHandlers;
import java.nio.file.Path;
import java.time.Clock;
import java.time.Duration;
import java.util.Base64;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import javax.net.ssl.SSLContext;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/**
 * The controller against the real API server over HTTP: what it reads, and what it writes. Backends
 * are not: the API allows no endpoints on loopback.
 */
class RealApiTest {
  private static final TlsIdentity DEFAULT = IngressControllerTest.selfSigned("default.test");

  @Test
  void followsTheApi(@TempDir Path directory) throws Exception {
    Authorizer everyone = (user, attributes) -> new Decision(true, "");
    RbacAuthorizer rbac = new RbacAuthorizer();
    Authenticator authenticator =
        new Authenticator(
            List.of(),
            List.of(),
            Set.of(),
            List.of(new StaticTokens(Map.of("token", User.of("ingress", "system:masters")))),
            false,
            Clock.systemUTC());
    try (var store = SqliteStore.open(directory.resolve("state.db"), SqliteStore.Options.FAST);
        ObjectRegistry registry =
            new ObjectRegistry(
                store,
                Settings.of("10.43.0.0/16"),
                new Identity(
                    everyone,
                    rbac,
                    authenticator::review,
                    request -> {
                      throw new UnsupportedOperationException();
                    }),
                AdmissionPlugins.standard(everyone, rbac),
                Clock.systemUTC())) {
      registry.start();
      ApiServer api =
          new ApiServer(
              new ApiServer.Parts(
                  registry,
                  authenticator,
                  everyone,
                  Optional.empty(),
                  node -> Optional.empty(),
                  ServiceAccess.NONE,
                  () -> {
                    throw new IllegalStateException("no aggregated APIs here");
                  },
                  HealthChecks.PING,
                  OpenApiDocuments.rendered(),
                  List.of(),
                  Optional.empty(),
                  "",
                  ApiServer.Settings.of("v1.36.2+kedge1", "127.0.0.1:6443")));
      try (HttpServer http = HttpServer.start(HttpServer.Listen.plain("127.0.0.1", 0), api);
          HttpKubeClient client =
              new HttpKubeClient(
                  URI.create("http://127.0.0.1:" + http.port()),
                  SSLContext.getDefault(),
                  () -> Optional.of("token"),
                  "ingress-test");
          SharedInformers informers = new SharedInformers(client);
          IngressController controller =
              new IngressController(
                  client,
                  informers,
                  new IngressController.Settings("127.0.0.1", 0, 0, () -> DEFAULT, n -> true))) {
        controller.start();
        follow(client, controller);
      }
    }
  }

  private static void follow(HttpKubeClient client, IngressController controller) throws Exception {
    client.create(
        Resources.NAMESPACES,
        KubeObject.of(new GroupVersionKind("", "v1", "Namespace"), "", "default"));
    await()
        .atMost(Duration.ofSeconds(60))
        .until(() -> client.find(Resources.INGRESS_CLASSES, "", "kedge").isPresent());
    KubeObject node = create(client, Resources.NODES, "{kind: Node, metadata: {name: one}}");
    client.updateSubresource(
        Resources.NODES,
        node.withStatus(
            (JsonObject) Yaml.parse("addresses: [{type: InternalIP, address: 10.0.0.7}]")),
        "status");
    TlsIdentity certificate = IngressControllerTest.selfSigned("a.test");
    Base64.Encoder base64 = Base64.getEncoder();
    create(
        client,
        Resources.SECRETS,
        """
        kind: Secret
        metadata: {name: cert, namespace: default}
        type: kubernetes.io/tls
        data: {tls.crt: "%s", tls.key: "%s"}
        """
            .formatted(
                base64.encodeToString(Pem.encode(certificate.chain()).getBytes(UTF_8)),
                base64.encodeToString(
                    Pem.encode(certificate.key(), certificate.chain().getFirst().getPublicKey())
                        .getBytes(UTF_8))));
    create(
        client,
        Resources.INGRESSES,
        """
        kind: Ingress
        metadata: {name: web, namespace: default}
        spec:
          tls: [{hosts: [a.test], secretName: cert}]
          rules:
          - http:
              paths:
              - {path: /app, pathType: Prefix, backend: {service: {name: web, port: {number: 80}}}}
        """);
    await()
        .atMost(Duration.ofSeconds(60))
        .until(() -> status(controller, "/app"), code -> code == 503);
    assertThat(status(controller, "/other")).isEqualTo(404);
    await()
        .atMost(Duration.ofSeconds(60))
        .until(
            () ->
                client
                    .get(Resources.INGRESSES, "default", "web")
                    .status()
                    .array("loadBalancer", "ingress")
                    .toString(),
            "[{\"ip\":\"10.0.0.7\"}]"::equals);
    assertThat(client.get(Resources.INGRESSES, "default", "web").spec().text("ingressClassName"))
        .as("the default class is set at creation once there is one")
        .isEqualTo("kedge");
    assertThat(IngressControllerTest.shown(controller.httpsPort(), "a.test"))
        .isEqualTo(certificate.chain().getFirst());
    assertThat(IngressControllerTest.shown(controller.httpsPort(), "b.test"))
        .isEqualTo(DEFAULT.chain().getFirst());
  }

  private static KubeObject create(HttpKubeClient client, ResourceType type, String yaml) {
    JsonObject json = (JsonObject) Yaml.parse(yaml);
    return client.create(type, new KubeObject(json.with("apiVersion", type.apiVersion())));
  }

  private static int status(IngressController controller, String path) throws Exception {
    try (HttpClient client = HttpClient.newHttpClient()) {
      return client
          .send(
              HttpRequest.newBuilder(URI.create("http://127.0.0.1:" + controller.httpPort() + path))
                  .build(),
              BodyHandlers.ofString())
          .statusCode();
    }
  }
}
