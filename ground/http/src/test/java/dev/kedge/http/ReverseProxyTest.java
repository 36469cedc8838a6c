package dev.kedge.http;

import static java.nio.charset.StandardCharsets.UTF_8;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.io.InputStream;
import java.io.OutputStream;
import java.net.ServerSocket;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpRequest.BodyPublishers;
import java.net.http.HttpResponse;
import java.net.http.HttpResponse.BodyHandlers;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import javax.net.ssl.SSLContext;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

class ReverseProxyTest {
  private static final TestCertificates CA = new TestCertificates("proxy-ca");
  private static final SSLContext TRUST =
      ClientTls.trusting(List.of(CA.certificate()), Optional.empty());

  private final List<AutoCloseable> open = new ArrayList<>();
  private final CountDownLatch backendGone = new CountDownLatch(1);
  private HttpServer front;
  private HttpServer back;

  @BeforeEach
  void start() throws Exception {
    Tls tls = Tls.of(() -> CA.leaf("localhost"));
    back = HttpServer.start(HttpServer.Listen.tls("127.0.0.1", 0, tls), this::backend);
    open.add(() -> back.close(Duration.ZERO));
    ReverseProxy proxy = new ReverseProxy(Optional.of(TRUST));
    open.add(proxy);
    front =
        HttpServer.start(
            HttpServer.Listen.tls("127.0.0.1", 0, tls),
            exchange ->
                proxy.forward(
                    exchange,
                    URI.create(
                        "https://127.0.0.1:"
                            + back.port()
                            + exchange.path()
                            + (exchange.rawQuery().isEmpty() ? "" : "?" + exchange.rawQuery())),
                    exchange.headers().and("X-Forwarded-For", exchange.remoteAddress())));
    open.add(() -> front.close(Duration.ZERO));
  }

  @AfterEach
  void close() throws Exception {
    for (AutoCloseable each : open.reversed()) {
      each.close();
    }
  }

  private void backend(Exchange exchange) throws Exception {
    switch (exchange.path()) {
      case "/echo%2Fpath" -> {
        byte[] body = exchange.readBody(10_000_000);
        exchange.respond(
            201,
            Headers.of(
                "X-Said",
                String.join(
                    "|",
                    exchange.method(),
                    exchange.rawQuery(),
                    exchange.host(),
                    exchange.headers().first("X-Forwarded-For").orElse(""),
                    exchange.headers().first("X-Drop").orElse("-"))),
            body);
      }
      case "/events" -> {
        exchange.onGone(backendGone::countDown);
        OutputStream out = exchange.stream(200, Headers.NONE);
        out.write("one\n".getBytes(UTF_8));
        out.flush();
        backendGone.await();
      }
      case "/socket" -> {
        try (WebSocket socket = WebSocket.accept(exchange, "")) {
          Optional<WebSocket.Message> next;
          while ((next = socket.read()).isPresent()) {
            socket.sendText("got " + new String(next.get().data(), UTF_8));
          }
        }
      }
      case "/cookies" ->
          exchange.respond(
              200, Headers.NONE, exchange.headers().values("Cookie").toString().getBytes(UTF_8));
      case "/nothing" -> exchange.respond(304, Headers.of("ETag", "x"), new byte[0]);
      default -> exchange.respond(404, Headers.NONE, "no such page".getBytes(UTF_8));
    }
  }

  private HttpClient client(HttpClient.Version version) {
    HttpClient client = HttpClient.newBuilder().version(version).sslContext(TRUST).build();
    open.add(client::shutdownNow);
    return client;
  }

  private HttpRequest.Builder to(String path) {
    return HttpRequest.newBuilder(URI.create("https://localhost:" + front.port() + path));
  }

  @ParameterizedTest
  @EnumSource
  void requestsGoThroughAsTheyAre(HttpClient.Version version) throws Exception {
    HttpClient client = client(version);
    byte[] large = new byte[3_000_000];
    for (var publisher :
        List.of(
            BodyPublishers.ofByteArray(large),
            BodyPublishers.ofInputStream(() -> new java.io.ByteArrayInputStream(large)))) {
      HttpResponse<byte[]> answer =
          client.send(
              to("/echo%2Fpath?a=%20b").POST(publisher).build(), BodyHandlers.ofByteArray());
      assertThat(answer.statusCode()).isEqualTo(201);
      assertThat(answer.headers().firstValue("X-Said"))
          .contains("POST|a=%20b|localhost:" + front.port() + "|127.0.0.1|-");
      assertThat(answer.body()).isEqualTo(large);
    }
    HttpResponse<String> missing = client.send(to("/x").build(), BodyHandlers.ofString());
    assertThat(missing.statusCode()).isEqualTo(404);
    assertThat(missing.body()).isEqualTo("no such page");
    HttpResponse<String> unchanged = client.send(to("/nothing").build(), BodyHandlers.ofString());
    assertThat(unchanged.statusCode()).isEqualTo(304);
    assertThat(unchanged.headers().firstValue("etag")).contains("x");
    assertThat(missing.headers().allValues("date")).hasSize(1);
    HttpResponse<String> missingHead =
        client.send(to("/x").HEAD().build(), BodyHandlers.ofString());
    assertThat(missingHead.statusCode()).isEqualTo(404);
    assertThat(missingHead.headers().firstValue("content-length")).contains("12");
    HttpResponse<String> cookies =
        client.send(
            to("/cookies").header("Cookie", "a=1").header("Cookie", "b=2").build(),
            BodyHandlers.ofString());
    assertThat(cookies.body()).isEqualTo("[a=1; b=2]");
    HttpResponse<String> head =
        client.send(to("/echo%2Fpath").HEAD().build(), BodyHandlers.ofString());
    assertThat(head.statusCode()).isEqualTo(201);
  }

  @ParameterizedTest
  @EnumSource
  void eventsPassAtOnceAndTheEndReachesTheBackend(HttpClient.Version version) throws Exception {
    HttpResponse<InputStream> answer =
        client(version).send(to("/events").build(), BodyHandlers.ofInputStream());
    assertThat(answer.body().readNBytes(4)).isEqualTo("one\n".getBytes(UTF_8));
    answer.body().close();
    assertThat(backendGone.await(60, TimeUnit.SECONDS)).isTrue();
  }

  @Test
  void shortAnswersKeepTheConnection() throws Exception {
    try (var socket = TRUST.getSocketFactory().createSocket("localhost", front.port())) {
      socket.setSoTimeout(60_000);
      for (int i = 0; i < 3; i++) {
        socket.getOutputStream().write("GET /x HTTP/1.1\r\nHost: x\r\n\r\n".getBytes(UTF_8));
        String answer = "";
        while (!answer.endsWith("no such page")) {
          int b = socket.getInputStream().read();
          assertThat(b).isNotNegative();
          answer += (char) b;
        }
        assertThat(answer).doesNotContainIgnoringCase("connection: close");
      }
    }
  }

  @Test
  void upgradesGoThrough() throws Exception {
    try (WebSocket socket =
        WebSocket.connect(
            URI.create("wss://localhost:" + front.port() + "/socket"),
            Headers.NONE,
            List.of(),
            Optional.of(TRUST))) {
      socket.sendText("hello");
      assertThat(new String(socket.read().orElseThrow().data(), UTF_8)).isEqualTo("got hello");
      socket.sendClose(1000, "");
      assertThat(socket.read()).isEmpty();
    }
    assertThatThrownBy(
            () ->
                WebSocket.connect(
                    URI.create("wss://localhost:" + front.port() + "/x"),
                    Headers.NONE,
                    List.of(),
                    Optional.of(TRUST)))
        .isInstanceOf(UpgradeRefusedException.class)
        .hasMessage("/x answered 404: no such page");
  }

  @Test
  void aTargetThatDoesNotListenIsToldApart() throws Exception {
    int free;
    try (ServerSocket socket = new ServerSocket(0)) {
      free = socket.getLocalPort();
    }
    ReverseProxy proxy = new ReverseProxy(Optional.empty());
    open.add(proxy);
    HttpServer server =
        HttpServer.start(
            HttpServer.Listen.plain("127.0.0.1", 0),
            exchange -> {
              try {
                proxy.forward(
                    exchange, URI.create("http://127.0.0.1:" + free + "/"), exchange.headers());
              } catch (ReverseProxy.UnreachableException e) {
                exchange.respond(502, Headers.NONE, "tried".getBytes(UTF_8));
              }
            });
    open.add(() -> server.close(Duration.ZERO));
    assertThat(
            client(HttpClient.Version.HTTP_1_1)
                .send(
                    HttpRequest.newBuilder(URI.create("http://127.0.0.1:" + server.port())).build(),
                    BodyHandlers.ofString())
                .body())
        .isEqualTo("tried");
  }
}
