package dev.kedge.http;

import static java.nio.charset.StandardCharsets.UTF_8;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.awaitility.Awaitility.await;

import java.io.InputStream;
import java.io.OutputStream;
import java.net.InetSocketAddress;
import java.net.ServerSocket;
import java.net.Socket;
import java.net.URI;
import java.net.UnixDomainSocketAddress;
import java.net.http.HttpClient;
import java.net.http.HttpClient.Version;
import java.net.http.HttpRequest;
import java.net.http.HttpRequest.BodyPublishers;
import java.net.http.HttpResponse;
import java.net.http.HttpResponse.BodyHandlers;
import java.nio.channels.Channels;
import java.nio.channels.SocketChannel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.KeyStore;
import java.security.cert.X509Certificate;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ConcurrentLinkedQueue;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.atomic.AtomicReference;
import javax.net.ssl.KeyManagerFactory;
import javax.net.ssl.SSLContext;
import javax.net.ssl.TrustManagerFactory;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

class HttpServerTest {
  private static final TestCertificates CA = new TestCertificates("server-ca");
  private static final TlsIdentity SERVER = CA.leaf("localhost");

  private final List<AutoCloseable> open = new ArrayList<>();

  @AfterEach
  void close() throws Exception {
    for (AutoCloseable each : open.reversed()) {
      each.close();
    }
  }

  private HttpServer serve(Tls tls, Handler handler) throws Exception {
    HttpServer server = HttpServer.start(HttpServer.Listen.tls("127.0.0.1", 0, tls), handler);
    open.add(() -> server.close(Duration.ZERO));
    return server;
  }

  private HttpServer serve(Handler handler) throws Exception {
    return serve(Tls.of(() -> SERVER, List::of), handler);
  }

  private HttpClient client(Version version) throws Exception {
    return client(version, null);
  }

  private HttpClient client(Version version, @Nullable TlsIdentity identity) throws Exception {
    HttpClient client =
        HttpClient.newBuilder().version(version).sslContext(trusting(identity)).build();
    open.add(client::shutdownNow);
    return client;
  }

  private static SSLContext trusting(@Nullable TlsIdentity identity) throws Exception {
    KeyStore trusted = KeyStore.getInstance("PKCS12");
    trusted.load(null, null);
    trusted.setCertificateEntry("ca", CA.certificate());
    TrustManagerFactory trust = TrustManagerFactory.getInstance("PKIX");
    trust.init(trusted);
    KeyManagerFactory keys = KeyManagerFactory.getInstance("PKIX");
    KeyStore own = KeyStore.getInstance("PKCS12");
    own.load(null, null);
    if (identity != null) {
      own.setKeyEntry(
          "me", identity.key(), new char[0], identity.chain().toArray(X509Certificate[]::new));
    }
    keys.init(own, new char[0]);
    SSLContext context = SSLContext.getInstance("TLS");
    context.init(keys.getKeyManagers(), trust.getTrustManagers(), null);
    return context;
  }

  private static HttpRequest.Builder to(HttpServer server, String path) {
    return HttpRequest.newBuilder(URI.create("https://localhost:" + server.port() + path))
        .timeout(Duration.ofSeconds(20));
  }

  @ParameterizedTest
  @EnumSource
  void answersWithWhatTheRequestSaid(Version version) throws Exception {
    HttpServer server =
        serve(
            exchange -> {
              String text =
                  String.join(
                      "|",
                      exchange.method(),
                      exchange.path(),
                      exchange.query().text("a"),
                      exchange.rawQuery(),
                      exchange.headers().first("X-One").orElse(""),
                      exchange.host(),
                      exchange.protocol(),
                      exchange.remoteAddress(),
                      "" + exchange.secure(),
                      new String(exchange.readBody(100), UTF_8));
              exchange.respond(201, Headers.of("X-Two", "2"), text.getBytes(UTF_8));
            });

    HttpResponse<String> answer =
        client(version)
            .send(
                to(server, "/a%2Fb/..%20c?a=1%202&b")
                    .header("X-One", "one")
                    .POST(BodyPublishers.ofString("hello"))
                    .build(),
                BodyHandlers.ofString());

    assertThat(answer.statusCode()).isEqualTo(201);
    assertThat(answer.headers().firstValue("x-two")).contains("2");
    assertThat(answer.body())
        .isEqualTo(
            "POST|/a%2Fb/..%20c|1 2|a=1%202&b|one|localhost:"
                + server.port()
                + "|"
                + (version == Version.HTTP_2 ? "HTTP/2.0" : "HTTP/1.1")
                + "|127.0.0.1|true|hello");
  }

  @ParameterizedTest
  @EnumSource
  void largeBodiesGoBothWays(Version version) throws Exception {
    byte[] large = pattern(12_345_678);
    HttpServer server =
        serve(
            exchange -> {
              byte[] body = exchange.readBody(large.length);
              if (exchange.path().equals("/streamed")) {
                try (OutputStream out = exchange.stream(200, Headers.NONE)) {
                  out.write(body, 0, 1000);
                  out.write(body, 1000, 3000);
                  out.write(body, 4000, body.length - 4000);
                }
              } else {
                exchange.respond(200, Headers.NONE, body);
              }
            });
    HttpClient client = client(version);

    for (String path : List.of("/whole", "/streamed")) {
      byte[] back =
          client
              .send(
                  to(server, path).POST(BodyPublishers.ofByteArray(large)).build(),
                  BodyHandlers.ofByteArray())
              .body();
      assertThat(back).isEqualTo(large);
    }
    // Of unknown length.
    byte[] back =
        client
            .send(
                to(server, "/whole")
                    .POST(
                        BodyPublishers.ofInputStream(() -> new java.io.ByteArrayInputStream(large)))
                    .build(),
                BodyHandlers.ofByteArray())
            .body();
    assertThat(back).isEqualTo(large);
  }

  @ParameterizedTest
  @EnumSource
  void bodiesOverTheLimitAreRefused(Version version) throws Exception {
    HttpServer server = serve(exchange -> exchange.readBody(1000));
    HttpClient client = client(version);

    for (var publisher :
        List.of(
            BodyPublishers.ofByteArray(new byte[1001]),
            BodyPublishers.ofInputStream(() -> new java.io.ByteArrayInputStream(new byte[1001])))) {
      assertThat(
              client
                  .send(to(server, "/").POST(publisher).build(), BodyHandlers.ofString())
                  .statusCode())
          .isEqualTo(413);
    }
  }

  @ParameterizedTest
  @EnumSource
  void refusalsBeforeTheBodyIsReadReachTheirSender(Version version) throws Exception {
    HttpServer server =
        serve(exchange -> exchange.respond(415, Headers.NONE, "not this".getBytes(UTF_8)));
    HttpClient client = client(version);

    for (int i = 0; i < 300; i++) {
      byte[] body = new byte[i % 3 == 0 ? 100_000 : i];
      HttpResponse<String> answer =
          client.send(
              to(server, "/").POST(BodyPublishers.ofByteArray(body)).build(),
              BodyHandlers.ofString());
      assertThat(answer.statusCode()).isEqualTo(415);
      assertThat(answer.body()).isEqualTo("not this");
    }
  }

  @ParameterizedTest
  @EnumSource
  void unansweredAndFailedRequestsSaySo(Version version) throws Exception {
    HttpServer server =
        serve(
            exchange -> {
              switch (exchange.path()) {
                case "/fails" -> throw new IllegalStateException("on purpose");
                case "/early" -> {
                  exchange.stream(200, Headers.NONE).write("unsent".getBytes(UTF_8));
                  throw new java.io.IOException("on purpose");
                }
                case "/half" -> {
                  OutputStream out = exchange.stream(200, Headers.NONE);
                  out.write("half".getBytes(UTF_8));
                  out.flush();
                  throw new java.io.IOException("on purpose");
                }
                default -> {}
              }
            });
    HttpClient client = client(version);

    assertThat(client.send(to(server, "/").build(), BodyHandlers.ofString()).statusCode())
        .isEqualTo(404);
    for (String path : List.of("/fails", "/early")) {
      HttpResponse<String> answer = client.send(to(server, path).build(), BodyHandlers.ofString());
      assertThat(answer.statusCode()).isEqualTo(500);
      assertThat(answer.body()).isEqualTo("500 internal server error\n");
    }
    assertThatThrownBy(() -> client.send(to(server, "/half").build(), BodyHandlers.ofString()))
        .isInstanceOf(java.io.IOException.class);
    HttpResponse<String> head =
        client.send(to(server, "/").HEAD().build(), BodyHandlers.ofString());
    assertThat(head.statusCode()).isEqualTo(404);
    assertThat(head.body()).isEmpty();
  }

  @ParameterizedTest
  @EnumSource
  void aClientThatLeavesIsNoticed(Version version) throws Exception {
    CountDownLatch gone = new CountDownLatch(1);
    CompletableFuture<Boolean> writeFailed = new CompletableFuture<>();
    HttpServer server =
        serve(
            exchange -> {
              CountDownLatch mine = new CountDownLatch(1);
              exchange.onGone(mine::countDown);
              exchange.onGone(gone::countDown);
              OutputStream out = exchange.stream(200, Headers.NONE);
              out.write("event\n".getBytes(UTF_8));
              out.flush();
              mine.await();
              try {
                while (true) {
                  out.write(new byte[10_000]);
                }
              } catch (java.io.IOException e) {
                writeFailed.complete(true);
              }
            });

    HttpResponse<InputStream> answer =
        client(version).send(to(server, "/").build(), BodyHandlers.ofInputStream());
    assertThat(answer.body().readNBytes(6)).isEqualTo("event\n".getBytes(UTF_8));
    answer.body().close();

    assertThat(gone.await(60, TimeUnit.SECONDS)).isTrue();
    assertThat(writeFailed.get(60, TimeUnit.SECONDS)).isTrue();
  }

  /** Python's urllib3 hands out a chunk when it has read the end of its line too. */
  @Test
  void anEventsChunkIsWholeBeforeTheNextEventComes() throws Exception {
    CountDownLatch read = new CountDownLatch(1);
    HttpServer server =
        HttpServer.start(
            HttpServer.Listen.plain("127.0.0.1", 0),
            exchange -> {
              exchange.onGone(read::countDown);
              try (OutputStream out = exchange.stream(200, Headers.NONE)) {
                out.flush();
                out.write("event\n".getBytes(UTF_8));
                out.flush();
                read.await();
                out.write("y".repeat(100_000).getBytes(UTF_8));
              }
            });
    open.add(server);
    try (Socket socket = new Socket("127.0.0.1", server.port())) {
      socket.setSoTimeout(60_000);
      InputStream in = socket.getInputStream();
      socket.getOutputStream().write("GET / HTTP/1.1\r\nHost: x\r\n\r\n".getBytes(UTF_8));
      String head = "";
      while (!head.endsWith("\r\n\r\n")) {
        head += (char) in.read();
      }
      assertThat(head)
          .containsOnlyOnce("Transfer-Encoding: chunked\r\n")
          .containsOnlyOnce("Connection: close\r\n");
      assertThat(new String(in.readNBytes(11), UTF_8)).isEqualTo("6\r\nevent\n\r\n");
      read.countDown();
      assertThat(new String(in.readAllBytes(), UTF_8))
          .isEqualTo("186a0\r\n" + "y".repeat(100_000) + "\r\n0\r\n\r\n");
    }
  }

  @Test
  void manyWatchesShareOneConnectionAndCancelAtOnce() throws Exception {
    int count = 1500;
    ConcurrentLinkedQueue<CountDownLatch> events = new ConcurrentLinkedQueue<>();
    AtomicInteger gone = new AtomicInteger();
    HttpServer server =
        serve(
            exchange -> {
              if (exchange.path().equals("/other")) {
                exchange.respond(200, Headers.NONE, "fine".getBytes(UTF_8));
                return;
              }
              CountDownLatch event = new CountDownLatch(1);
              exchange.onGone(
                  () -> {
                    gone.incrementAndGet();
                    event.countDown();
                  });
              OutputStream out = exchange.stream(200, Headers.NONE);
              out.write('1');
              out.flush();
              events.add(event);
              event.await();
              out.write('2');
            });
    HttpClient client = client(Version.HTTP_2);
    client.send(to(server, "/other").build(), BodyHandlers.ofString());

    List<CompletableFuture<HttpResponse<InputStream>>> answers = new ArrayList<>();
    for (int i = 0; i < count; i++) {
      answers.add(client.sendAsync(to(server, "/w" + i).build(), BodyHandlers.ofInputStream()));
    }
    for (var answer : answers) {
      assertThat(answer.get(20, TimeUnit.SECONDS).body().read()).isEqualTo('1');
    }
    assertThat(events).hasSize(count);
    for (var answer : answers.subList(1, count)) {
      answer.get().body().close();
    }
    await()
        .atMost(Duration.ofSeconds(60))
        .untilAtomic(gone, value -> assertThat(value).isEqualTo(count - 1));
    assertThat(client.send(to(server, "/other").build(), BodyHandlers.ofString()).body())
        .isEqualTo("fine");
    events.forEach(CountDownLatch::countDown);
    assertThat(answers.getFirst().get().body().readAllBytes()).isEqualTo(new byte[] {'2'});
  }

  /** Its close fails as the write did, and is suppressed under it. */
  @ParameterizedTest
  @EnumSource
  void anAnswerThatIsCutOffFailsAsAnInputOutputError(Version version) throws Exception {
    var failure = new CompletableFuture<Throwable>();
    HttpServer server =
        serve(
            exchange -> {
              try (OutputStream out = exchange.stream(200, Headers.NONE)) {
                while (true) {
                  out.write(new byte[100_000]);
                }
              } catch (Throwable e) {
                failure.complete(e);
                throw e;
              }
            });
    InputStream body =
        client(version).send(to(server, "/").build(), BodyHandlers.ofInputStream()).body();
    body.read();
    body.close();
    assertThat(failure.get(60, TimeUnit.SECONDS)).isInstanceOf(java.io.IOException.class);
  }

  @Test
  void clientCertificatesAreHandedOverWhoeverIssuedThem() throws Exception {
    HttpServer server =
        serve(
            exchange ->
                exchange.respond(
                    200,
                    Headers.NONE,
                    exchange.peerCertificates().stream()
                        .map(c -> c.getSubjectX500Principal().getName())
                        .toList()
                        .toString()
                        .getBytes(UTF_8)));
    TlsIdentity stranger = new TestCertificates("other-ca").leaf("alice");

    for (Version version : Version.values()) {
      if (version == Version.HTTP_1_1 || version == Version.HTTP_2) {
        assertThat(
                client(version, stranger)
                    .send(to(server, "/").build(), BodyHandlers.ofString())
                    .body())
            .isEqualTo("[CN=alice]");
        assertThat(client(version).send(to(server, "/").build(), BodyHandlers.ofString()).body())
            .isEqualTo("[]");
      }
    }
  }

  @Test
  void certificatesRotateAndFollowTheServerName() throws Exception {
    AtomicReference<TlsIdentity> current = new AtomicReference<>(SERVER);
    TlsIdentity named = CA.leaf("named.test");
    HttpServer server =
        serve(
            new Tls(name -> name.equals("named.test") ? named : current.get(), false, List::of),
            exchange -> exchange.respond(200, Headers.NONE, new byte[0]));

    assertThat(shown(server, "localhost")).isEqualTo(SERVER.chain().getFirst());
    assertThat(shown(server, "named.test")).isEqualTo(named.chain().getFirst());
    TlsIdentity next = CA.leaf("localhost");
    current.set(next);
    assertThat(shown(server, "localhost")).isEqualTo(next.chain().getFirst());
  }

  @ParameterizedTest
  @EnumSource
  void aCertificateOfAnotherNameIsTheClientsConcern(Version version) throws Exception {
    TlsIdentity stranger = CA.named("only.test");
    HttpServer server =
        serve(
            Tls.of(() -> stranger),
            exchange -> exchange.respond(200, Headers.NONE, "served".getBytes(UTF_8)));
    HttpClient client =
        HttpClient.newBuilder()
            .version(version)
            .sslContext(ClientTls.trustingAnyone(java.util.Optional.empty()))
            .build();
    open.add(client::shutdownNow);
    for (String host : List.of("localhost", "127.0.0.1")) {
      assertThat(
              client
                  .send(
                      HttpRequest.newBuilder(
                              URI.create("https://" + host + ":" + server.port() + "/"))
                          .build(),
                      BodyHandlers.ofString())
                  .body())
          .isEqualTo("served");
    }
  }

  @Test
  void malformedRequestsAreAnsweredInWords() throws Exception {
    HttpServer server = HttpServer.start(HttpServer.Listen.plain("127.0.0.1", 0), exchange -> {});
    open.add(server);
    for (String request :
        List.of(
            "GET / HTTP/1.1\r\nBad Header\r\nHost: x\r\n\r\n",
            "GET / HTTP/1.1\r\nHost: x\r\nX: " + "y".repeat(70_000) + "\r\n\r\n")) {
      try (Socket socket = new Socket("127.0.0.1", server.port())) {
        socket.setSoTimeout(60_000);
        socket.getOutputStream().write(request.getBytes(UTF_8));
        assertThat(new String(socket.getInputStream().readAllBytes(), UTF_8))
            .matches("(?s)HTTP/1.1 4(00|31) .*text/plain.*\r\n\r\n4(00|31) [^<]*\n");
      }
    }
  }

  private static X509Certificate shown(HttpServer server, String name) throws Exception {
    try (Socket plain = new Socket("127.0.0.1", server.port());
        var socket =
            (javax.net.ssl.SSLSocket)
                trusting(null).getSocketFactory().createSocket(plain, name, server.port(), true)) {
      var parameters = socket.getSSLParameters();
      parameters.setServerNames(List.of(new javax.net.ssl.SNIHostName(name)));
      socket.setSSLParameters(parameters);
      socket.startHandshake();
      return (X509Certificate) socket.getSession().getPeerCertificates()[0];
    }
  }

  @Test
  void aConnectionIsTakenOver() throws Exception {
    HttpServer server =
        HttpServer.start(
            HttpServer.Listen.plain("127.0.0.1", 0),
            exchange -> {
              try (var connection =
                  exchange.hijack(Headers.of("Connection", "Upgrade", "Upgrade", "echo/1"))) {
                connection.in().transferTo(connection.out());
              }
            });
    open.add(server);
    try (Socket socket = new Socket("127.0.0.1", server.port())) {
      socket.setSoTimeout(60_000);
      OutputStream out = socket.getOutputStream();
      // The first bytes of the new protocol come with the request.
      out.write(
          ("POST /exec HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: echo/1\r\n"
                  + "Content-Length: 0\r\n\r\nearly,")
              .getBytes(UTF_8));
      out.write("late".getBytes(UTF_8));
      out.flush();
      String head = "";
      while (!head.endsWith("\r\n\r\n")) {
        head += (char) socket.getInputStream().read();
      }
      assertThat(head).startsWith("HTTP/1.1 101 Switching Protocols\r\n");
      assertThat(head).containsIgnoringCase("Upgrade: echo/1").doesNotContainIgnoringCase("length");
      assertThat(socket.getInputStream().readNBytes(10)).isEqualTo("early,late".getBytes(UTF_8));
      byte[] large = pattern(3_000_000);
      Thread writer =
          Thread.ofVirtual()
              .start(
                  () -> {
                    try {
                      out.write(large);
                      socket.shutdownOutput();
                    } catch (java.io.IOException e) {
                      throw new java.io.UncheckedIOException(e);
                    }
                  });
      assertThat(socket.getInputStream().readNBytes(large.length)).isEqualTo(large);
      writer.join();
      assertThat(socket.getInputStream().read()).isEqualTo(-1);
    }
  }

  @Test
  void keepAliveServesManyRequestsOnOneConnection() throws Exception {
    HttpServer server =
        HttpServer.start(
            HttpServer.Listen.plain("127.0.0.1", 0),
            exchange -> {
              exchange.onGone(() -> {});
              exchange.respond(200, Headers.NONE, "ok".getBytes(UTF_8));
            });
    open.add(server);
    try (Socket socket = new Socket("127.0.0.1", server.port())) {
      socket.setSoTimeout(60_000);
      for (int i = 0; i < 200; i++) {
        socket.getOutputStream().write("GET / HTTP/1.1\r\nHost: x\r\n\r\n".getBytes(UTF_8));
        String answer = "";
        while (!answer.endsWith("\r\n\r\nok")) {
          answer += (char) socket.getInputStream().read();
        }
        assertThat(answer).doesNotContain("close");
      }
    }
  }

  @Test
  void stoppingLetsAnswersFinishAndTellsWatches() throws Exception {
    CountDownLatch started = new CountDownLatch(2);
    CountDownLatch release = new CountDownLatch(1);
    HttpServer server =
        serve(
            exchange -> {
              if (exchange.path().equals("/watch")) {
                CountDownLatch end = new CountDownLatch(1);
                exchange.onGone(
                    () -> {
                      release.countDown();
                      end.countDown();
                    });
                OutputStream out = exchange.stream(200, Headers.NONE);
                out.write("begun,".getBytes(UTF_8));
                out.flush();
                started.countDown();
                end.await();
                out.write("ended".getBytes(UTF_8));
              } else {
                started.countDown();
                release.await();
                exchange.respond(200, Headers.NONE, "answered".getBytes(UTF_8));
              }
            });
    HttpClient client = client(Version.HTTP_2);
    var watch = client.sendAsync(to(server, "/watch").build(), BodyHandlers.ofString());
    var get = client.sendAsync(to(server, "/get").build(), BodyHandlers.ofString());
    assertThat(started.await(60, TimeUnit.SECONDS)).isTrue();

    server.close(Duration.ofSeconds(5));

    assertThat(watch.get(60, TimeUnit.SECONDS).body()).isEqualTo("begun,ended");
    assertThat(get.get(60, TimeUnit.SECONDS).body()).isEqualTo("answered");
    try (Socket socket = new Socket()) {
      assertThatThrownBy(
              () -> socket.connect(new InetSocketAddress("127.0.0.1", port(server)), 1000))
          .isInstanceOf(java.io.IOException.class);
    }
  }

  /** A client that retries what it may retry sees nothing of a stop but a closed door. */
  @ParameterizedTest
  @EnumSource
  void stoppingLosesNoRequest(Version version) throws Exception {
    AtomicInteger handled = new AtomicInteger();
    HttpServer server =
        serve(
            exchange -> {
              byte[] body = exchange.readBody(100_000);
              handled.incrementAndGet();
              exchange.respond(200, Headers.NONE, body);
            });
    HttpClient client = client(version);
    HttpRequest request = to(server, "/x").POST(BodyPublishers.ofString("y".repeat(2000))).build();
    var lost = new ConcurrentLinkedQueue<String>();
    AtomicInteger answered = new AtomicInteger();
    List<Thread> callers = new ArrayList<>();
    for (int i = 0; i < 8; i++) {
      callers.add(
          Thread.ofVirtual()
              .start(
                  () -> {
                    try {
                      while (true) {
                        HttpResponse<String> answer = client.send(request, BodyHandlers.ofString());
                        if (answer.statusCode() != 200 || answer.body().length() != 2000) {
                          lost.add("answered " + answer.statusCode());
                          return;
                        }
                        answered.incrementAndGet();
                      }
                    } catch (java.net.ConnectException e) {
                      // The door is closed.
                    } catch (java.io.IOException e) {
                      lost.add(e.toString());
                    } catch (InterruptedException e) {
                      Thread.currentThread().interrupt();
                    }
                  }));
    }
    await().atMost(Duration.ofMinutes(1)).until(() -> answered.get() > 200);
    server.close(Duration.ofSeconds(5));
    for (Thread caller : callers) {
      caller.join();
    }
    // What was handled was answered; what was not handled may be sent again elsewhere.
    assertThat(answered.get()).as(lost.toString()).isEqualTo(handled.get());
    System.out.println("stop under load: " + answered + " answered, refused: " + lost);
  }

  @Test
  void aUnixSocketServesWhoMayOpenIt() throws Exception {
    Path folder = Files.createTempDirectory("kedge-http");
    Path path = folder.resolve("s");
    // What an earlier process left behind.
    Files.writeString(path, "");
    HttpServer server =
        HttpServer.start(
            List.of(HttpServer.Listen.plain("127.0.0.1", 0), HttpServer.Listen.unix(path)),
            exchange ->
                exchange.respond(
                    200,
                    Headers.NONE,
                    (exchange.local() + " " + new String(exchange.readBody(100), UTF_8))
                        .getBytes(UTF_8)));
    try (var channel = SocketChannel.open(UnixDomainSocketAddress.of(path))) {
      var out = Channels.newOutputStream(channel);
      var in = Channels.newInputStream(channel);
      for (int i = 0; i < 2; i++) {
        out.write("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nhello".getBytes(UTF_8));
        byte[] answer = new byte[4096];
        String text = new String(answer, 0, in.read(answer), UTF_8);
        assertThat(text).startsWith("HTTP/1.1 200").endsWith("true hello");
      }
    }
    HttpResponse<String> other =
        client(Version.HTTP_1_1)
            .send(
                HttpRequest.newBuilder(URI.create("http://127.0.0.1:" + server.port() + "/"))
                    .build(),
                BodyHandlers.ofString());
    assertThat(other.body()).isEqualTo("false ");
    server.close();
    assertThat(path).doesNotExist();
    Files.delete(folder);
  }

  private static byte[] pattern(int length) {
    byte[] bytes = new byte[length];
    for (int i = 0; i < length; i++) {
      bytes[i] = (byte) (i * 31 + (i >> 8));
    }
    return bytes;
  }

  private static int port(HttpServer server) {
    return Math.max(1, server.port());
  }

  @Test
  void aTakenPortIsNamed() throws Exception {
    try (ServerSocket taken = new ServerSocket(0, 1, java.net.InetAddress.getByName("127.0.0.1"))) {
      assertThatThrownBy(
              () ->
                  HttpServer.start(
                      HttpServer.Listen.plain("127.0.0.1", taken.getLocalPort()), exchange -> {}))
          .isInstanceOf(PortTakenException.class)
          .hasMessageStartingWith(
              "port " + taken.getLocalPort() + " of 127.0.0.1 is already in use");
    }
  }
}
