package dev.kedge.network.ingress;

import static java.nio.charset.StandardCharsets.UTF_8;
import static java.time.Duration.ofMinutes;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.awaitility.Awaitility.await;

import dev.kedge.http.ClientTls;
import dev.kedge.http.Exchange;
import dev.kedge.http.Headers;
import dev.kedge.http.HttpServer;
import dev.kedge.http.Pem;
import dev.kedge.http.PortTakenException;
import dev.kedge.http.TlsIdentity;
import dev.kedge.http.WebSocket;
import dev.kedge.model.Resources;
import java.io.IOException;
import java.io.OutputStream;
import java.math.BigInteger;
import java.net.Socket;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.net.http.HttpResponse.BodyHandlers;
import java.security.KeyPair;
import java.security.KeyPairGenerator;
import java.security.cert.X509Certificate;
import java.time.Duration;
import java.time.Instant;
import java.util.ArrayList;
import java.util.Base64;
import java.util.Date;
import java.util.HashSet;
import java.util.List;
import java.util.Optional;
import java.util.Set;
import javax.net.ssl.SNIHostName;
import javax.net.ssl.SSLSocket;
import org.bouncycastle.asn1.x500.X500Name;
import org.bouncycastle.asn1.x509.Extension;
import org.bouncycastle.asn1.x509.GeneralName;
import org.bouncycastle.asn1.x509.GeneralNames;
import org.bouncycastle.cert.jcajce.JcaX509CertificateConverter;
import org.bouncycastle.cert.jcajce.JcaX509v3CertificateBuilder;
import org.bouncycastle.operator.jcajce.JcaContentSignerBuilder;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;

class IngressControllerTest {
  private static final TlsIdentity DEFAULT = selfSigned("default.test");

  private final List<AutoCloseable> open = new ArrayList<>();
  private final FakeCluster cluster = new FakeCluster();
  private IngressController controller;

  @BeforeEach
  void start() throws Exception {
    controller =
        new IngressController(
            cluster,
            cluster,
            new IngressController.Settings("127.0.0.1", 0, 0, () -> DEFAULT, node -> true));
    controller.start();
    open.add(controller);
  }

  @AfterEach
  void close() throws Exception {
    for (AutoCloseable each : open.reversed()) {
      each.close();
    }
  }

  static TlsIdentity selfSigned(String name) {
    try {
      KeyPairGenerator generator = KeyPairGenerator.getInstance("EC");
      generator.initialize(256);
      KeyPair keys = generator.generateKeyPair();
      X500Name subject = new X500Name("CN=" + name);
      var builder =
          new JcaX509v3CertificateBuilder(
              subject,
              BigInteger.ONE,
              Date.from(Instant.now().minusSeconds(60)),
              Date.from(Instant.now().plusSeconds(3600)),
              subject,
              keys.getPublic());
      builder.addExtension(
          Extension.subjectAlternativeName,
          false,
          new GeneralNames(new GeneralName(GeneralName.dNSName, name)));
      return new TlsIdentity(
          List.of(
              new JcaX509CertificateConverter()
                  .getCertificate(
                      builder.build(
                          new JcaContentSignerBuilder("SHA256withECDSA")
                              .build(keys.getPrivate())))),
          keys.getPrivate());
    } catch (Exception e) {
      throw new IllegalStateException(e);
    }
  }

  private HttpServer backend(String name) throws IOException {
    HttpServer server =
        HttpServer.start(
            HttpServer.Listen.plain("127.0.0.1", 0), exchange -> answer(name, exchange));
    open.add(() -> server.close(Duration.ZERO));
    return server;
  }

  private static void answer(String name, Exchange exchange) throws Exception {
    if (WebSocket.requested(exchange)) {
      try (WebSocket socket = WebSocket.accept(exchange, "")) {
        socket.sendText(name);
        assertThat(socket.read()).isEmpty();
      }
      return;
    }
    if (exchange.path().equals("/stream")) {
      OutputStream out = exchange.stream(200, Headers.NONE);
      out.write(exchange.readBody(100_000));
      out.write(name.getBytes(UTF_8));
      return;
    }
    exchange.respond(
        200,
        Headers.of(
            "X-Saw",
            String.join(
                "|",
                exchange.path(),
                exchange.rawQuery(),
                exchange.host(),
                exchange.headers().values("X-Forwarded-For").toString(),
                exchange.headers().first("X-Forwarded-Proto").orElse(""),
                exchange.headers().first("X-Forwarded-Host").orElse(""))),
        name.getBytes(UTF_8));
  }

  private void service(String name, int... ports) {
    cluster.put(
        Resources.SERVICES,
        """
        {"metadata":{"name":"%s","namespace":"d"},
         "spec":{"ports":[{"name":"other","port":81},{"name":"web","port":80,"targetPort":"x"}]}}\
        """
            .formatted(name));
    for (int i = 0; i < ports.length; i++) {
      endpoints(name, name + "-" + i, ports[i], "{}");
    }
  }

  private void endpoints(String service, String slice, int port, String conditions) {
    cluster.put(
        Resources.ENDPOINT_SLICES,
        """
        {"metadata":{"name":"%s","namespace":"d","labels":{"kubernetes.io/service-name":"%s"}},
         "addressType":"IPv4","ports":[{"name":"web","port":%d},{"name":"other","port":1}],
         "endpoints":[{"addresses":["127.0.0.1"],"conditions":%s}]}\
        """
            .formatted(slice, service, port, conditions));
  }

  private HttpResponse<String> get(String pathAndQuery) throws Exception {
    try (HttpClient client = HttpClient.newHttpClient()) {
      return client.send(
          HttpRequest.newBuilder(
                  URI.create("http://127.0.0.1:" + controller.httpPort() + pathAndQuery))
              .header("X-Forwarded-For", "6.6.6.6")
              .build(),
          BodyHandlers.ofString());
    }
  }

  private void awaitBody(String path, String body) {
    await().atMost(Duration.ofSeconds(60)).until(() -> get(path).body(), body::equals);
  }

  @Test
  void routesToReadyEndpointsInTurn() throws Exception {
    assertThat(get("/").statusCode()).isEqualTo(404);
    assertThat(get("/").body()).isEqualTo("404 page not found\n");

    cluster.put(
        Resources.INGRESSES,
        RoutingTableTest.ingress("i", "2026-01-01T00:00:00Z", "", "- Prefix /app web"));
    awaitBody("/app", "no available server\n");
    assertThat(get("/app").statusCode()).isEqualTo(503);

    service("web", backend("one").port(), backend("two").port());
    Set<String> seen = new HashSet<>();
    for (int i = 0; i < 4; i++) {
      seen.add(get("/app").body());
    }
    assertThat(seen).containsExactlyInAnyOrder("one", "two");
    HttpResponse<String> answer = get("/app/x%2Fy?q=1");
    String authority = "127.0.0.1:" + controller.httpPort();
    assertThat(answer.headers().firstValue("X-Saw"))
        .contains("/app/x%2Fy|q=1|" + authority + "|[127.0.0.1]|http|" + authority);

    endpoints("web", "web-0", 1, "{\"ready\":false}");
    for (int i = 0; i < 4; i++) {
      assertThat(get("/app").body()).isEqualTo("two");
    }
    // Nobody listens on port 1: the other endpoint answers.
    endpoints("web", "web-0", 1, "{\"ready\":true}");
    for (int i = 0; i < 4; i++) {
      assertThat(get("/app").body()).isEqualTo("two");
    }
    cluster.remove(Resources.ENDPOINT_SLICES, "d", "web-1");
    assertThat(get("/app").statusCode()).isEqualTo(502);
    cluster.remove(Resources.INGRESSES, "d", "i");
    awaitBody("/app", "404 page not found\n");
  }

  @Test
  void classesDecideWhatIsServed() throws Exception {
    await()
        .atMost(ofMinutes(1))
        .until(() -> cluster.find(Resources.INGRESS_CLASSES, "", "kedge").isPresent());
    var own = cluster.get(Resources.INGRESS_CLASSES, "", "kedge");
    assertThat(own.spec().text("controller")).isEqualTo("kedge.dev/ingress");
    assertThat(own.annotation("ingressclass.kubernetes.io/is-default-class")).contains("true");
    service("web", backend("web").port());
    var plain = RoutingTableTest.ingress("i", "2026-01-01T00:00:00Z", "", "- Prefix / web");

    cluster.put(Resources.INGRESSES, plain);
    awaitBody("/", "web");
    cluster.put(
        Resources.INGRESSES, plain.with("spec", plain.spec().with("ingressClassName", "nginx")));
    awaitBody("/", "404 page not found\n");
    cluster.put(
        Resources.INGRESSES, plain.with("spec", plain.spec().with("ingressClassName", "kedge")));
    awaitBody("/", "web");
    cluster.put(
        Resources.INGRESSES,
        plain.withMetadata(
            "annotations", dev.kedge.model.JsonObject.of("kubernetes.io/ingress.class", "nginx")));
    awaitBody("/", "404 page not found\n");
    cluster.put(
        Resources.INGRESSES, plain.with("spec", plain.spec().with("ingressClassName", "mine")));
    cluster.put(
        Resources.INGRESS_CLASSES,
        "{\"metadata\":{\"name\":\"mine\"},\"spec\":{\"controller\":\"kedge.dev/ingress\"}}");
    awaitBody("/", "web");
  }

  @Test
  void statusNamesTheNodes() {
    cluster.put(
        Resources.NODES,
        """
        {"metadata":{"name":"n"},"status":{"addresses":[{"type":"Hostname","address":"n"},
         {"type":"InternalIP","address":"10.0.0.7"}]}}\
        """);
    cluster.put(
        Resources.INGRESSES,
        RoutingTableTest.ingress("i", "2026-01-01T00:00:00Z", "", "- Prefix / web"));
    await()
        .atMost(ofMinutes(1))
        .until(
            () ->
                cluster
                    .get(Resources.INGRESSES, "d", "i")
                    .status()
                    .array("loadBalancer", "ingress")
                    .toString(),
            "[{\"ip\":\"10.0.0.7\"}]"::equals);
  }

  @Test
  void certificatesComeFromSecretsByName() throws Exception {
    service("web", backend("web").port());
    TlsIdentity first = selfSigned("a.test");
    secret("cert", first);
    var ingress = RoutingTableTest.ingress("i", "2026-01-01T00:00:00Z", "", "a.test Prefix / web");
    cluster.put(
        Resources.INGRESSES,
        ingress.with(
            "spec",
            ingress
                .spec()
                .with(
                    "tls",
                    dev.kedge.model.JsonArray.of(
                        dev.kedge.model.JsonObject.of(
                            "secretName",
                            "cert",
                            "hosts",
                            dev.kedge.model.JsonArray.of("a.test", "*.b.test"))))));
    await().atMost(ofMinutes(1)).until(() -> shown("a.test"), first.chain().getFirst()::equals);
    assertThat(shown("x.b.test")).isEqualTo(first.chain().getFirst());
    assertThat(shown("c.test")).isEqualTo(DEFAULT.chain().getFirst());
    TlsIdentity second = selfSigned("a.test");
    secret("cert", second);
    await().atMost(ofMinutes(1)).until(() -> shown("a.test"), second.chain().getFirst()::equals);

    // HTTP/2 from the client; HTTP/1.1 to the backend.
    try (HttpClient client =
        HttpClient.newBuilder()
            .sslContext(ClientTls.trustingAnyone(Optional.empty()))
            .version(HttpClient.Version.HTTP_2)
            .build()) {
      cluster.put(
          Resources.INGRESSES,
          RoutingTableTest.ingress("any", "2026-01-01T00:00:00Z", "", "- Prefix / web"));
      HttpRequest request =
          HttpRequest.newBuilder(
                  URI.create("https://127.0.0.1:" + controller.httpsPort() + "/stream"))
              .POST(HttpRequest.BodyPublishers.ofString("said to "))
              .build();
      await()
          .atMost(ofMinutes(1))
          .until(() -> client.send(request, BodyHandlers.ofString()).body(), "said to web"::equals);
      assertThat(client.send(request, BodyHandlers.ofString()).version())
          .isEqualTo(HttpClient.Version.HTTP_2);
    }
  }

  private void secret(String name, TlsIdentity identity) {
    Base64.Encoder base64 = Base64.getEncoder();
    cluster.put(
        Resources.SECRETS,
        """
        {"metadata":{"name":"%s","namespace":"d"},"data":{"tls.crt":"%s","tls.key":"%s"}}\
        """
            .formatted(
                name,
                base64.encodeToString(Pem.encode(identity.chain()).getBytes(UTF_8)),
                base64.encodeToString(
                    Pem.encode(identity.key(), identity.chain().getFirst().getPublicKey())
                        .getBytes(UTF_8))));
  }

  private X509Certificate shown(String name) throws Exception {
    return shown(controller.httpsPort(), name);
  }

  /** The certificate that a port shows to who asks for a name. */
  static X509Certificate shown(int port, String name) throws Exception {
    try (Socket plain = new Socket("127.0.0.1", port);
        SSLSocket socket =
            (SSLSocket)
                ClientTls.trustingAnyone(Optional.empty())
                    .getSocketFactory()
                    .createSocket(plain, name, port, true)) {
      var parameters = socket.getSSLParameters();
      parameters.setServerNames(List.of(new SNIHostName(name)));
      socket.setSSLParameters(parameters);
      socket.startHandshake();
      return (X509Certificate) socket.getSession().getPeerCertificates()[0];
    }
  }

  @Test
  void webSocketsGoThrough() throws Exception {
    service("web", backend("web").port());
    cluster.put(
        Resources.INGRESSES,
        RoutingTableTest.ingress("i", "2026-01-01T00:00:00Z", "", "- Prefix / web"));
    awaitBody("/", "web");
    try (WebSocket socket =
        WebSocket.connect(
            URI.create("ws://127.0.0.1:" + controller.httpPort() + "/ws"),
            Headers.NONE,
            List.of(),
            Optional.empty())) {
      assertThat(new String(socket.read().orElseThrow().data(), UTF_8)).isEqualTo("web");
    }
  }

  @Test
  void aTakenPortStopsTheStart() {
    IngressController second =
        new IngressController(
            cluster,
            cluster,
            new IngressController.Settings(
                "127.0.0.1", controller.httpPort(), 0, () -> DEFAULT, node -> true));
    open.add(second);
    assertThatThrownBy(second::start)
        .isInstanceOf(PortTakenException.class)
        .hasMessageStartingWith("port " + controller.httpPort() + " of 127.0.0.1");
  }
}
