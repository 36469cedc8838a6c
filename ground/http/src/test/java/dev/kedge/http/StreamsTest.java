package dev.kedge.http;

import static java.nio.charset.StandardCharsets.UTF_8;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.InputStream;
import java.io.OutputStream;
import java.net.ServerSocket;
import java.net.Socket;
import java.net.URI;
import java.nio.ByteBuffer;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Base64;
import java.util.List;
import java.util.Optional;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionStage;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** WebSocket, SPDY and what Kubernetes sends through them. */
class StreamsTest {
  private final List<AutoCloseable> open = new ArrayList<>();

  @AfterEach
  void close() throws Exception {
    for (AutoCloseable each : open.reversed()) {
      each.close();
    }
  }

  private HttpServer serve(Handler handler) throws Exception {
    HttpServer server = HttpServer.start(HttpServer.Listen.plain("127.0.0.1", 0), handler);
    open.add(() -> server.close(Duration.ZERO));
    return server;
  }

  private FakeRuntime runtime() throws Exception {
    FakeRuntime runtime = new FakeRuntime();
    open.add(runtime);
    return runtime;
  }

  private static URI to(HttpServer server, String path) {
    return URI.create("http://127.0.0.1:" + server.port() + path);
  }

  @Test
  void theDictionaryIsTheOneOfTheProtocol() {
    assertThat(SpdyDictionary.BYTES).hasSize(1423);
    assertThat(SpdyDictionary.checksum()).isEqualTo(0xe3c6a7c2L);
  }

  private HttpServer echo() throws Exception {
    return serve(
        exchange -> {
          try (WebSocket socket =
              WebSocket.accept(exchange, WebSocket.offered(exchange).contains("b") ? "b" : "")) {
            Optional<WebSocket.Message> next;
            while ((next = socket.read()).isPresent()) {
              if (next.get().text()) {
                socket.sendText(new String(next.get().data(), UTF_8));
              } else {
                socket.sendBinary(next.get().data());
              }
            }
          }
        });
  }

  @Test
  void anotherClientTalksToOurWebSocket() throws Exception {
    CompletableFuture<String> text = new CompletableFuture<>();
    CompletableFuture<byte[]> binary = new CompletableFuture<>();
    CompletableFuture<ByteBuffer> pong = new CompletableFuture<>();
    CompletableFuture<Integer> code = new CompletableFuture<>();
    StringBuilder parts = new StringBuilder();
    ByteArrayOutputStream bytes = new ByteArrayOutputStream();
    var client =
        java.net.http.HttpClient.newHttpClient()
            .newWebSocketBuilder()
            .subprotocols("a", "b")
            .buildAsync(
                URI.create("ws://127.0.0.1:" + echo().port() + "/"),
                new java.net.http.WebSocket.Listener() {
                  @Override
                  public CompletionStage<?> onText(
                      java.net.http.WebSocket socket, CharSequence data, boolean last) {
                    parts.append(data);
                    if (last) {
                      text.complete(parts.toString());
                    }
                    socket.request(1);
                    return CompletableFuture.completedFuture(null);
                  }

                  @Override
                  public CompletionStage<?> onBinary(
                      java.net.http.WebSocket socket, ByteBuffer data, boolean last) {
                    byte[] part = new byte[data.remaining()];
                    data.get(part);
                    bytes.writeBytes(part);
                    if (last) {
                      binary.complete(bytes.toByteArray());
                    }
                    socket.request(1);
                    return CompletableFuture.completedFuture(null);
                  }

                  @Override
                  public CompletionStage<?> onPong(
                      java.net.http.WebSocket socket, ByteBuffer message) {
                    pong.complete(message);
                    socket.request(1);
                    return CompletableFuture.completedFuture(null);
                  }

                  @Override
                  public CompletionStage<?> onClose(
                      java.net.http.WebSocket socket, int status, String reason) {
                    code.complete(status);
                    return CompletableFuture.completedFuture(null);
                  }
                })
            .get(60, TimeUnit.SECONDS);

    assertThat(client.getSubprotocol()).isEqualTo("b");
    client.sendText("in ", false).get();
    client.sendPing(ByteBuffer.wrap(new byte[] {1})).get();
    client.sendText("parts", true).get();
    byte[] large = new byte[200_000];
    Arrays.fill(large, (byte) 3);
    client.sendBinary(ByteBuffer.wrap(large), true).get();
    assertThat(text.get(60, TimeUnit.SECONDS)).isEqualTo("in parts");
    assertThat(binary.get(60, TimeUnit.SECONDS)).isEqualTo(large);
    assertThat(pong.get(60, TimeUnit.SECONDS)).isEqualTo(ByteBuffer.wrap(new byte[] {1}));
    client.sendClose(java.net.http.WebSocket.NORMAL_CLOSURE, "bye").get();
    assertThat(code.get(60, TimeUnit.SECONDS)).isEqualTo(1000);
  }

  @Test
  void ourClientTalksToOurWebSocket() throws Exception {
    try (WebSocket socket =
        WebSocket.connect(to(echo(), "/"), Headers.NONE, List.of("b"), Optional.empty())) {
      for (int length : new int[] {0, 125, 126, 65535, 65536}) {
        byte[] data = new byte[length];
        Arrays.fill(data, (byte) 9);
        socket.sendBinary(data);
        assertThat(socket.read().orElseThrow().data()).isEqualTo(data);
      }
      socket.sendClose(1000, "");
      assertThat(socket.read()).isEmpty();
    }
    HttpServer other = serve(exchange -> exchange.respond(403, Headers.NONE, "no".getBytes(UTF_8)));
    assertThatThrownBy(
            () -> WebSocket.connect(to(other, "/"), Headers.NONE, List.of(), Optional.empty()))
        .isInstanceOf(UpgradeRefusedException.class)
        .hasMessage("/ answered 403: no");
  }

  @Test
  void theServersStopIsToldAfterAnUpgrade() throws Exception {
    HttpServer server =
        serve(
            exchange -> {
              CountDownLatch before = new CountDownLatch(1);
              CountDownLatch after = new CountDownLatch(1);
              exchange.onGone(before::countDown);
              try (WebSocket socket = WebSocket.accept(exchange, "")) {
                exchange.onGone(after::countDown);
                socket.sendText("up");
                before.await();
                after.await();
                socket.sendClose(1000, "stopping");
                socket.ignoreMessages();
              }
            });
    try (WebSocket socket =
        WebSocket.connect(to(server, "/"), Headers.NONE, List.of(), Optional.empty())) {
      assertThat(socket.read()).isPresent();
      Thread stop = Thread.ofVirtual().start(() -> server.close(Duration.ofMinutes(1)));
      assertThat(socket.read()).isEmpty();
      stop.join();
    }
  }

  @Test
  void aPeerThatTakesNothingOfAMessageIsCutOffAndAQuietOneIsNot() throws Exception {
    CountDownLatch cut = new CountDownLatch(1);
    HttpServer server =
        serve(
            exchange -> {
              try (WebSocket socket = WebSocket.accept(exchange, "")) {
                socket.limitPauses(Duration.ofMillis(100));
                if (exchange.path().equals("/quiet")) {
                  socket.ignoreMessages();
                  return;
                }
                while (true) {
                  socket.sendBinary(new byte[1 << 20]);
                }
              } catch (IOException e) {
                cut.countDown();
                throw e;
              }
            });
    try (WebSocket quiet =
            WebSocket.connect(to(server, "/quiet"), Headers.NONE, List.of(), Optional.empty());
        WebSocket stalled =
            WebSocket.connect(to(server, "/"), Headers.NONE, List.of(), Optional.empty())) {
      assertThat(cut.await(1, TimeUnit.MINUTES)).isTrue();
      assertThatThrownBy(
              () -> {
                while (stalled.read().isPresent()) {
                  assertThat(stalled.protocol()).isEmpty();
                }
              })
          .isInstanceOf(IOException.class);
      quiet.sendText("here all the time");
      quiet.sendClose(1000, "");
      assertThat(quiet.read()).isEmpty();
    }
  }

  @Test
  void aCommandRunsOverSpdy() throws Exception {
    FakeRuntime runtime = runtime();
    var options = new RemoteCommand.Options(true, true, true, false);
    try (RemoteCommandClient client =
        RemoteCommandClient.open(
            runtime.url("/exec?command=cat&stdin=1&stdout=1&stderr=1"), options)) {
      byte[] input = new byte[1_000_000];
      Arrays.fill(input, (byte) 'i');
      client.stdin().write(input);
      client.stdin().close();
      assertThat(client.stdout().readAllBytes()).isEqualTo(input);
      assertThat(client.stderr().readAllBytes()).isEqualTo("read 1000000".getBytes(UTF_8));
      assertThat(new String(client.awaitStatus(), UTF_8)).contains("\"Success\"");
    }
    try (RemoteCommandClient client =
        RemoteCommandClient.open(
            runtime.url("/exec?command=size&stdout=1&tty=1"),
            new RemoteCommand.Options(false, true, false, true))) {
      client.resize(new RemoteCommand.TerminalSize(100, 40));
      assertThat(new String(client.stdout().readAllBytes(), UTF_8)).isEqualTo("100x40");
    }
  }

  private HttpServer kubelet(FakeRuntime runtime) throws Exception {
    return serve(
        exchange -> {
          if (exchange.path().equals("/exec")) {
            RemoteCommand.relay(
                exchange,
                runtime.url("/exec?" + exchange.rawQuery()),
                RemoteCommand.Options.of(exchange.query()));
          } else {
            PortForward.relay(exchange, runtime.url("/portforward"));
          }
        });
  }

  @ParameterizedTest
  @ValueSource(strings = {"v5.channel.k8s.io", "v4.channel.k8s.io", "v4.base64.channel.k8s.io"})
  void aCommandIsRelayedFromWebSocketToSpdy(String protocol) throws Exception {
    HttpServer kubelet = kubelet(runtime());
    boolean base64 = protocol.contains("base64");
    try (WebSocket socket =
        WebSocket.connect(
            to(kubelet, "/exec?command=large&stdout=true&stderr=true"),
            Headers.NONE,
            List.of(protocol),
            Optional.empty())) {
      Received received = receive(socket, base64);
      assertThat(received.channels[1].size()).isEqualTo(5_000_000);
      assertThat(received.channels[3].toString(UTF_8))
          .contains("\"reason\":\"ExitCode\",\"message\":\"7\"");
    }
    if (protocol.startsWith("v5")) {
      try (WebSocket socket =
          WebSocket.connect(
              to(kubelet, "/exec?command=cat&stdin=true&stdout=true&stderr=true"),
              Headers.NONE,
              List.of(protocol),
              Optional.empty())) {
        socket.sendBinary(new byte[] {0, 'h', 'i'});
        socket.sendBinary(new byte[] {(byte) 255, 0});
        Received received = receive(socket, false);
        assertThat(received.channels[1].toString(UTF_8)).isEqualTo("hi");
        assertThat(received.channels[2].toString(UTF_8)).isEqualTo("read 2");
        assertThat(received.channels[3].toString(UTF_8)).contains("Success");
      }
      try (WebSocket socket =
          WebSocket.connect(
              to(kubelet, "/exec?command=size&stdin=true&stdout=true&tty=true"),
              Headers.NONE,
              List.of(protocol),
              Optional.empty())) {
        socket.sendBinary("\4{\"Width\":80,\"Height\":24}".getBytes(UTF_8));
        assertThat(receive(socket, false).channels[1].toString(UTF_8)).isEqualTo("80x24");
      }
    }
  }

  private record Received(ByteArrayOutputStream[] channels) {}

  private static Received receive(WebSocket socket, boolean base64) throws IOException {
    ByteArrayOutputStream[] channels = new ByteArrayOutputStream[5];
    Arrays.setAll(channels, i -> new ByteArrayOutputStream());
    Optional<WebSocket.Message> next;
    while ((next = socket.read()).isPresent()) {
      byte[] data = next.get().data();
      byte[] rest = Arrays.copyOfRange(data, 1, data.length);
      channels[base64 ? data[0] - '0' : data[0]].writeBytes(
          base64 ? Base64.getDecoder().decode(rest) : rest);
    }
    return new Received(channels);
  }

  @Test
  void aCommandEndsWithItsClient() throws Exception {
    CountDownLatch ended = new CountDownLatch(1);
    HttpServer server =
        serve(
            exchange -> {
              try (RemoteCommand command =
                  RemoteCommand.accept(
                      exchange, new RemoteCommand.Options(true, true, false, false))) {
                command.onGone(ended::countDown);
                assertThat(command.stdin().readAllBytes()).isEmpty();
              }
            });
    WebSocket socket =
        WebSocket.connect(
            to(server, "/"), Headers.NONE, List.of("v5.channel.k8s.io"), Optional.empty());
    socket.close();
    assertThat(ended.await(60, TimeUnit.SECONDS)).isTrue();
  }

  private ServerSocket echoPort() throws Exception {
    ServerSocket echo = new ServerSocket(0, 50, java.net.InetAddress.getByName("127.0.0.1"));
    open.add(echo);
    Thread.ofVirtual()
        .start(
            () -> {
              try {
                while (true) {
                  Socket socket = echo.accept();
                  Thread.ofVirtual()
                      .start(
                          () -> {
                            try (socket) {
                              socket.getInputStream().transferTo(socket.getOutputStream());
                            } catch (IOException e) {
                              throw new java.io.UncheckedIOException(e);
                            }
                          });
                }
              } catch (IOException e) {
                assertThat(echo.isClosed()).isTrue();
              }
            });
    return echo;
  }

  @Test
  void portsAreForwardedOverSpdyAndItsTunnel() throws Exception {
    HttpServer kubelet = kubelet(runtime());
    int port = echoPort().getLocalPort();
    try (PortForward.Client client =
        PortForward.Client.open(to(kubelet, "/portforward"), Headers.NONE, Optional.empty())) {
      talk(client, port);
    }
    // As kubectl does it: the same bytes as messages.
    WebSocket socket =
        WebSocket.connect(
            to(kubelet, "/portforward"),
            Headers.NONE,
            List.of(PortForward.TUNNEL),
            Optional.empty());
    open.add(socket);
    try (SpdyConnection inside = new SpdyConnection(messages(socket), true)) {
      Headers headers = Headers.of("port", "" + port, "requestid", "0");
      inside.open(headers.and("streamtype", "error"));
      var data = inside.open(headers.and("streamtype", "data"));
      data.out().write("hello".getBytes(UTF_8));
      data.out().close();
      assertThat(data.in().readAllBytes()).isEqualTo("hello".getBytes(UTF_8));
    }
  }

  private static void talk(PortForward.Client client, int port) throws IOException {
    byte[] large = new byte[2_000_000];
    Arrays.fill(large, (byte) 5);
    PortForward.Stream first = client.dial(port);
    PortForward.Stream second = client.dial(port);
    Thread writer =
        Thread.ofVirtual()
            .start(
                () -> {
                  try (OutputStream out = first.out()) {
                    out.write(large);
                  } catch (IOException e) {
                    throw new java.io.UncheckedIOException(e);
                  }
                });
    second.out().write("second".getBytes(UTF_8));
    second.out().close();
    assertThat(first.in().readAllBytes()).isEqualTo(large);
    assertThat(second.in().readAllBytes()).isEqualTo("second".getBytes(UTF_8));
    assertThat(first.error().readAllBytes()).isEmpty();
    PortForward.Stream closed = client.dial(1);
    assertThat(new String(closed.error().readAllBytes(), UTF_8))
        .isEqualTo("cannot connect to port 1");
    assertThat(writer.isAlive()).isFalse();
  }

  private static Exchange.Connection messages(WebSocket socket) {
    Pipe in = new Pipe(1 << 20);
    Thread.ofVirtual()
        .start(
            () -> {
              try {
                Optional<WebSocket.Message> next;
                while ((next = socket.read()).isPresent()) {
                  in.put(next.get().data());
                }
                in.end();
              } catch (IOException e) {
                in.end(e);
              }
            });
    return new Exchange.Connection() {
      @Override
      public InputStream in() {
        return in;
      }

      @Override
      public OutputStream out() {
        return new OutputStream() {
          @Override
          public void write(int b) throws IOException {
            write(new byte[] {(byte) b}, 0, 1);
          }

          @Override
          public void write(byte[] source, int offset, int length) throws IOException {
            socket.sendBinary(source, offset, length);
          }
        };
      }

      @Override
      public void close() throws IOException {
        socket.close();
      }
    };
  }

  @Test
  void portsAreForwardedByPairsOfChannels() throws Exception {
    HttpServer kubelet = kubelet(runtime());
    int port = echoPort().getLocalPort();
    try (WebSocket socket =
        WebSocket.connect(
            to(kubelet, "/portforward?ports=" + port),
            Headers.NONE,
            List.of("v4.channel.k8s.io"),
            Optional.empty())) {
      byte[] number = {(byte) port, (byte) (port >> 8)};
      assertThat(socket.read().orElseThrow().data())
          .isEqualTo(new byte[] {0, number[0], number[1]});
      assertThat(socket.read().orElseThrow().data())
          .isEqualTo(new byte[] {1, number[0], number[1]});
      socket.sendBinary(new byte[] {0, 'a', 'b'});
      assertThat(socket.read().orElseThrow().data()).isEqualTo(new byte[] {0, 'a', 'b'});
    }
  }
}
