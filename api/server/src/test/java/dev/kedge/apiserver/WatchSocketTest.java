package dev.kedge.apiserver;

import static java.nio.charset.StandardCharsets.UTF_8;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.awaitility.Awaitility.await;

import dev.kedge.model.Json;
import dev.kedge.model.JsonObject;
import dev.kedge.model.KubeObject;
import java.io.OutputStream;
import java.net.URI;
import java.net.http.WebSocket;
import java.net.http.WebSocketHandshakeException;
import java.nio.ByteBuffer;
import java.time.Duration;
import java.util.Base64;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionException;
import java.util.concurrent.CompletionStage;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** Watches over WebSockets; the client is the JDK's own. */
class WatchSocketTest {
  private static final String MAPS = "/api/v1/namespaces/default/configmaps";

  private static final String WATCHES =
      "kedge_apiserver_watches{group=\"\",resource=\"configmaps\",version=\"v1\"}";

  private static TestServer server;

  @BeforeAll
  static void start() throws Exception {
    server = new TestServer();
  }

  @AfterAll
  static void stop() throws Exception {
    server.close();
  }

  /** What a client heard. */
  private static final class Heard implements WebSocket.Listener {
    final BlockingQueue<byte[]> messages = new LinkedBlockingQueue<>();
    final CompletableFuture<Integer> closed = new CompletableFuture<>();
    private final StringBuilder text = new StringBuilder();
    private final java.io.ByteArrayOutputStream bytes = new java.io.ByteArrayOutputStream();

    @Override
    public CompletionStage<?> onText(WebSocket socket, CharSequence data, boolean last) {
      text.append(data);
      if (last) {
        messages.add(text.toString().getBytes(UTF_8));
        text.setLength(0);
      }
      socket.request(1);
      return CompletableFuture.completedFuture(null);
    }

    @Override
    public CompletionStage<?> onBinary(WebSocket socket, ByteBuffer data, boolean last) {
      byte[] part = new byte[data.remaining()];
      data.get(part);
      bytes.writeBytes(part);
      if (last) {
        messages.add(bytes.toByteArray());
        bytes.reset();
      }
      socket.request(1);
      return CompletableFuture.completedFuture(null);
    }

    @Override
    public CompletionStage<?> onClose(WebSocket socket, int code, String reason) {
      closed.complete(code);
      return CompletableFuture.completedFuture(null);
    }

    @Override
    public void onError(WebSocket socket, Throwable error) {
      closed.completeExceptionally(error);
    }

    byte[] next() throws InterruptedException {
      byte[] message = messages.poll(1, TimeUnit.MINUTES);
      assertThat(message).as("a message within a minute").isNotNull();
      return message;
    }

    JsonObject event() throws InterruptedException {
      return Json.parseObject(next());
    }

    int code() throws Exception {
      return closed.get(1, TimeUnit.MINUTES);
    }
  }

  private static WebSocket open(TestServer server, Heard heard, String path, String... headers) {
    WebSocket.Builder builder =
        server.admin().newWebSocketBuilder().header("Origin", "https://127.0.0.1");
    for (int i = 0; i < headers.length; i += 2) {
      if (headers[i].equals("Sec-WebSocket-Protocol")) {
        builder.subprotocols(headers[i + 1]);
      } else {
        builder.header(headers[i], headers[i + 1]);
      }
    }
    return builder
        .buildAsync(URI.create(server.uri(path).toString().replace("https:", "wss:")), heard)
        .join();
  }

  private static String version() throws Exception {
    return server.get(MAPS).json().text("metadata", "resourceVersion");
  }

  private static void create(String name) {
    server.create(
        "{apiVersion: v1, kind: ConfigMap, metadata: {namespace: default, name: " + name + "}}");
  }

  @ParameterizedTest
  @CsvSource({
    "/api/v1/namespaces/default/configmaps?watch=true&, one",
    "/api/v1/watch/namespaces/default/configmaps?, two",
    "/api/v1/namespaces/default/configmaps?watch=true&fieldSelector=metadata.name%3Dthree&, three"
  })
  void eachEventIsAMessage(String path, String name) throws Exception {
    Heard heard = new Heard();
    WebSocket socket = open(server, heard, path + "resourceVersion=" + version());
    assertThat(socket.getSubprotocol()).isEmpty();
    create(name);
    server.send("DELETE", MAPS + "/" + name, "");
    byte[] added = heard.next();
    assertThat(added).endsWith("}\n".getBytes(UTF_8));
    assertThat(Json.parseObject(added).text("type")).isEqualTo("ADDED");
    assertThat(Json.parseObject(added).text("object", "metadata", "name")).isEqualTo(name);
    assertThat(heard.event().text("type")).isEqualTo("DELETED");
    socket.sendClose(WebSocket.NORMAL_CLOSURE, "enough").join();
    assertThat(heard.code()).isEqualTo(1000);
    // Whoever closed is gone from the server's count, too.
    await()
        .atMost(Duration.ofMinutes(1))
        .until(() -> server.get("/metrics").text().contains(WATCHES + " 0\n"));
  }

  @Test
  void protobufComesInBinaryMessagesWithoutTheirLength() throws Exception {
    Heard heard = new Heard();
    WebSocket socket =
        open(
            server,
            heard,
            MAPS + "?watch=true&resourceVersion=" + version(),
            "Accept",
            "application/vnd.kubernetes.protobuf");
    create("binary");
    byte[] event = heard.next();
    // metav1.WatchEvent: the type, then a RawExtension with the enveloped object.
    assertThat(event).startsWith(0x0a, 5, 'A', 'D', 'D', 'E', 'D', 0x12);
    assertThat(new String(event, UTF_8)).contains("k8s\0", "ConfigMap", "binary");
    socket.abort();
  }

  @Test
  void tablesHaveTheirColumnsOnce() throws Exception {
    Heard heard = new Heard();
    WebSocket socket =
        open(
            server,
            heard,
            MAPS + "?watch=true&resourceVersion=" + version(),
            "Accept",
            "application/json;as=Table;v=v1;g=meta.k8s.io");
    create("table-1");
    create("table-2");
    JsonObject first = heard.event();
    assertThat(first.text("object", "kind")).isEqualTo("Table");
    assertThat(first.object("object").objects("columnDefinitions")).isNotEmpty();
    assertThat(heard.event().object("object").objects("columnDefinitions")).isEmpty();
    socket.abort();
  }

  @Test
  void theServerSaysGoodbyeWhenTheTimeIsOver() throws Exception {
    Heard heard = new Heard();
    open(server, heard, MAPS + "?watch=true&timeoutSeconds=1&resourceVersion=" + version());
    assertThat(heard.code()).isEqualTo(1000);
    assertThat(heard.messages).isEmpty();
  }

  @Test
  void historyThatIsGoneIsAnEventBeforeTheGoodbye() throws Exception {
    server.compact();
    server.create(
        """
        apiVersion: apiextensions.k8s.io/v1
        kind: CustomResourceDefinition
        metadata: {name: gadgets.watch.test}
        spec:
          group: watch.test
          scope: Namespaced
          names: {plural: gadgets, singular: gadget, kind: Gadget}
          versions:
          - name: v1
            served: true
            storage: true
            schema: {openAPIV3Schema: {type: object}}
        """);
    String path = "/apis/watch.test/v1/gadgets";
    await().atMost(Duration.ofMinutes(1)).until(() -> server.get(path).status() == 200);
    Heard heard = new Heard();
    open(server, heard, path + "?watch=true&resourceVersion=2");
    JsonObject event = heard.event();
    assertThat(event.text("type")).isEqualTo("ERROR");
    assertThat(event.object("object").integer("code")).isEqualTo(410);
    assertThat(heard.code()).isEqualTo(1000);
  }

  @Test
  void whatTheClientSaysIsIgnored() throws Exception {
    Heard heard = new Heard();
    WebSocket socket = open(server, heard, MAPS + "?watch=true&resourceVersion=" + version());
    socket.sendText("{\"hello\": ", false).join();
    socket.sendText("1}", true).join();
    socket.sendBinary(ByteBuffer.allocate(1 << 20), true).join();
    socket.sendPing(ByteBuffer.allocate(3)).join();
    create("ignored");
    assertThat(heard.event().text("object", "metadata", "name")).isEqualTo("ignored");
    socket.abort();
  }

  @Test
  void browsersSendTokensAndSubprotocols() throws Exception {
    Heard heard = new Heard();
    WebSocket socket =
        open(
            server,
            heard,
            MAPS + "?watch=true&resourceVersion=" + version(),
            "Sec-WebSocket-Protocol",
            "base64.binary.k8s.io");
    assertThat(socket.getSubprotocol()).isEqualTo("base64.binary.k8s.io");
    create("subprotocol");
    assertThat(heard.event().text("object", "metadata", "name")).isEqualTo("subprotocol");
    socket.abort();

    String token =
        "base64url.bearer.authorization.k8s.io."
            + Base64.getUrlEncoder().withoutPadding().encodeToString("jane-token".getBytes(UTF_8));
    // Jane may not watch: the token was understood, and the refusal is a Status.
    var refused =
        server.sendAs(
            "",
            "GET",
            MAPS + "?watch=true",
            "Sec-WebSocket-Protocol",
            token + ", base64.binary.k8s.io");
    assertThat(refused.status()).isEqualTo(403);
    assertThat(refused.json().text("message")).contains("User \"jane\" cannot watch resource");
  }

  @ParameterizedTest
  @CsvSource(
      nullValues = "none",
      value = {
        "none, none, 403",
        "null, none, 403",
        "https://dashboard.example, 'a, b', 400",
      })
  void handshakesThatUpstreamRefuses(String origin, String protocols, int status) {
    WebSocket.Builder builder = server.admin().newWebSocketBuilder();
    if (origin != null) {
      builder.header("Origin", origin);
    }
    if (protocols != null) {
      builder.subprotocols("a", "b");
    }
    assertThatThrownBy(
            () ->
                builder
                    .buildAsync(
                        URI.create(
                            server.uri(MAPS + "?watch=true").toString().replace("https:", "wss:")),
                        new Heard())
                    .join())
        .isInstanceOf(CompletionException.class)
        .cause()
        .isInstanceOfSatisfying(
            WebSocketHandshakeException.class,
            e -> assertThat(e.getResponse().statusCode()).isEqualTo(status));
  }

  @Test
  void whatCannotBeWatchedIsRefusedAsEver() throws Exception {
    String path = MAPS + "?watch=true&resourceVersion=nonsense";
    int status = server.get(path).status();
    assertThat(status).isBetween(400, 499);
    assertThatThrownBy(() -> open(server, new Heard(), path))
        .cause()
        .isInstanceOfSatisfying(
            WebSocketHandshakeException.class,
            e -> assertThat(e.getResponse().statusCode()).isEqualTo(status));
  }

  /** One that reads nothing fills its own queue and no other. */
  @Test
  void aClientThatStopsReadingHarmsNobody() throws Exception {
    String maps = "/api/v1/namespaces/kube-public/configmaps";
    String path = maps + "?watch=true&resourceVersion=" + version();
    try (var stalled = server.socket()) {
      OutputStream out = stalled.getOutputStream();
      out.write(
          ("GET "
                  + path
                  + " HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: keep-alive, Upgrade\r\n"
                  + "Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
                  + "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nOrigin: http://x\r\n\r\n")
              .getBytes(UTF_8));
      out.flush();
      assertThat(new String(stalled.getInputStream().readNBytes(12), UTF_8))
          .isEqualTo("HTTP/1.1 101");
      Heard heard = new Heard();
      WebSocket socket = open(server, heard, path);
      String data = "x".repeat(400_000);
      int count = 20;
      for (int i = 0; i < count; i++) {
        String object =
            "{\"apiVersion\":\"v1\",\"kind\":\"ConfigMap\",\"metadata\":{\"namespace\":\"kube-public\","
                + "\"name\":\"large-%d\"},\"data\":{\"x\":\"%s\"}}".formatted(i, data);
        server.create(new KubeObject(Json.parseObject(object)));
      }
      for (int i = 0; i < count; i++) {
        assertThat(heard.event().text("object", "metadata", "name")).isEqualTo("large-" + i);
      }
      socket.abort();
    }
  }

  @Test
  void aServerThatStopsSaysGoodbye() throws Exception {
    Heard heard = new Heard();
    TestServer other = new TestServer();
    try {
      open(other, heard, MAPS + "?watch=true");
    } finally {
      other.close();
    }
    assertThat(heard.code()).isEqualTo(1000);
  }
}
