package dev.kedge.http;

import static java.nio.charset.StandardCharsets.UTF_8;
import static java.time.Duration.ofMinutes;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.awaitility.Awaitility.await;

import dev.kedge.http.HttpServer.Patience;
import dev.kedge.model.Fuzz;
import java.io.ByteArrayInputStream;
import java.io.ByteArrayOutputStream;
import java.io.DataOutputStream;
import java.io.IOException;
import java.io.InputStream;
import java.io.OutputStream;
import java.io.UncheckedIOException;
import java.net.InetAddress;
import java.net.ServerSocket;
import java.net.Socket;
import java.net.SocketException;
import java.net.SocketTimeoutException;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpClient.Version;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse.BodyHandlers;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Queue;
import java.util.Set;
import java.util.concurrent.ConcurrentLinkedQueue;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.zip.Deflater;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;
import org.junit.jupiter.params.provider.ValueSource;

/**
 * Peers that flood, stall, lie and break the protocols: contained, while honest ones are served.
 */
class HostilePeersTest {
  private static final byte[] PREFACE = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".getBytes(UTF_8);

  /** Far beyond what a busy machine needs; only what never happens takes this long. */
  private static final int NEVER = 60_000;

  private final List<AutoCloseable> open = new ArrayList<>();
  private final AtomicInteger running = new AtomicInteger();
  private final AtomicInteger mostRunning = new AtomicInteger();

  @AfterEach
  void close() throws Exception {
    for (AutoCloseable each : open.reversed()) {
      each.close();
    }
  }

  private HttpServer serve(Patience patience) throws IOException {
    HttpServer server =
        HttpServer.start(
            List.of(HttpServer.Listen.plain("127.0.0.1", 0)),
            exchange -> {
              mostRunning.accumulateAndGet(running.incrementAndGet(), Math::max);
              try {
                byte[] body = exchange.readBody(3 * 1024 * 1024);
                exchange.respond(200, Headers.NONE, ("read " + body.length).getBytes(UTF_8));
              } finally {
                running.decrementAndGet();
              }
            },
            patience);
    open.add(() -> server.close(Duration.ZERO));
    return server;
  }

  private Socket connect(HttpServer server) throws IOException {
    Socket socket = new Socket("127.0.0.1", server.port());
    open.add(socket);
    socket.setSoTimeout(NEVER);
    return socket;
  }

  /** Reads until the peer has ended the connection; a silent one fails the test. */
  private static byte[] untilClosed(Socket socket) throws IOException {
    ByteArrayOutputStream all = new ByteArrayOutputStream();
    try {
      byte[] some = new byte[8192];
      InputStream in = socket.getInputStream();
      for (int count = in.read(some); count >= 0; count = in.read(some)) {
        if (all.size() < 1 << 20) {
          all.write(some, 0, count);
        }
      }
    } catch (SocketTimeoutException e) {
      throw new AssertionError("the server keeps the connection", e);
    } catch (SocketException e) {
      assertThat(e).as("cut off").isNotNull();
    }
    return all.toByteArray();
  }

  // ---- slow ones

  private static Patience shorter() {
    return new Patience(
        Duration.ofMillis(300),
        Duration.ofMillis(300),
        Duration.ofMillis(300),
        Duration.ofSeconds(30));
  }

  @Test
  void headersThatDripAreCutOff() throws Exception {
    HttpServer server = serve(shorter());
    Socket socket = connect(server);
    OutputStream out = socket.getOutputStream();
    out.write("GET / HTTP/1.1\r\nHost: x\r\n".getBytes(UTF_8));
    assertThatThrownBy(
            () -> {
              for (int i = 0; i < NEVER; i++) {
                out.write(("X-" + i + ": y\r\n").getBytes(UTF_8));
                TimeUnit.MILLISECONDS.sleep(20);
              }
            })
        .isInstanceOf(IOException.class);
    assertThat(running).hasValue(0);
  }

  @Test
  void bodiesThatDripAreCutOff() throws Exception {
    HttpServer server = serve(shorter());
    Socket socket = connect(server);
    OutputStream out = socket.getOutputStream();
    out.write("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1000000\r\n\r\n".getBytes(UTF_8));
    assertThatThrownBy(
            () -> {
              for (int i = 0; i < NEVER; i++) {
                out.write('x');
                TimeUnit.MILLISECONDS.sleep(20);
              }
            })
        .isInstanceOf(IOException.class);
    await().atMost(ofMinutes(1)).until(() -> running.get() == 0);
  }

  @Test
  void whoSaysNothingIsCutOff() throws Exception {
    Duration soon = Duration.ofMillis(300);
    HttpServer server = serve(new Patience(soon, soon, soon, soon));
    assertThat(untilClosed(connect(server))).isEmpty();
  }

  /** An answer nobody takes ends with the idle time, and holds up nobody else meanwhile. */
  @Test
  void whoTakesNothingHoldsUpNobody() throws Exception {
    CountDownLatch ended = new CountDownLatch(1);
    HttpServer server =
        HttpServer.start(
            List.of(HttpServer.Listen.plain("127.0.0.1", 0)),
            exchange -> {
              if (exchange.path().equals("/endless")) {
                try (OutputStream out = exchange.stream(200, Headers.NONE)) {
                  while (true) {
                    out.write(new byte[64 * 1024]);
                  }
                } finally {
                  ended.countDown();
                }
              }
              exchange.respond(200, Headers.NONE, "served".getBytes(UTF_8));
            },
            new Patience(
                Duration.ofSeconds(30),
                Duration.ofSeconds(30),
                Duration.ofSeconds(30),
                Duration.ofSeconds(1)));
    open.add(() -> server.close(Duration.ZERO));
    Socket stuck = connect(server);
    stuck.getOutputStream().write("GET /endless HTTP/1.1\r\nHost: x\r\n\r\n".getBytes(UTF_8));
    try (Honest honest = new Honest(server)) {
      assertThat(ended.await(NEVER, TimeUnit.MILLISECONDS)).isTrue();
      honest.served(20);
    }
  }

  // ---- floods of HTTP/2

  /** A client that asks one thing after the other on a connection of its own. */
  private static final class Honest implements AutoCloseable {
    private final HttpClient client = HttpClient.newBuilder().version(Version.HTTP_2).build();
    private final AtomicInteger answers = new AtomicInteger();
    private final Queue<String> failures = new ConcurrentLinkedQueue<>();
    private final Thread thread;
    private volatile boolean over;

    Honest(HttpServer server) {
      HttpRequest request =
          HttpRequest.newBuilder(URI.create("http://127.0.0.1:" + server.port() + "/honest"))
              .build();
      thread =
          Thread.ofVirtual()
              .start(
                  () -> {
                    try {
                      while (!over) {
                        var answer = client.send(request, BodyHandlers.ofString());
                        if (answer.statusCode() != 200) {
                          failures.add("" + answer.statusCode());
                        }
                        answers.incrementAndGet();
                      }
                    } catch (IOException e) {
                      failures.add(e.toString());
                    } catch (InterruptedException e) {
                      Thread.currentThread().interrupt();
                    }
                  });
    }

    /** Waits until so many more requests were answered. */
    void served(int more) {
      int until = answers.get() + more;
      await()
          .atMost(Duration.ofMillis(NEVER))
          .until(() -> answers.get() >= until || !failures.isEmpty());
      assertThat(failures).isEmpty();
    }

    @Override
    public void close() throws Exception {
      over = true;
      thread.join();
      client.close();
    }
  }

  private enum Flood {
    RAPID_RESET {
      @Override
      void write(DataOutputStream out, int round) throws IOException {
        int stream = round * 2 + 1;
        frame(out, 1, 0x5, stream, REQUEST);
        frame(out, 3, 0, stream, new byte[] {0, 0, 0, 8});
      }
    },
    PING {
      @Override
      void write(DataOutputStream out, int round) throws IOException {
        frame(out, 6, 0, 0, new byte[8]);
      }
    },
    SETTINGS {
      @Override
      void write(DataOutputStream out, int round) throws IOException {
        frame(out, 4, 0, 0, new byte[] {0, 4, 0, 0, (byte) 0xff, (byte) 0xff});
      }
    },
    EMPTY_DATA {
      @Override
      void write(DataOutputStream out, int round) throws IOException {
        if (round == 0) {
          frame(out, 1, 0x4, 1, REQUEST);
        }
        frame(out, 0, 0, 1, new byte[0]);
      }
    },
    CONTINUATION {
      @Override
      void write(DataOutputStream out, int round) throws IOException {
        if (round == 0) {
          frame(out, 1, 0x1, 1, REQUEST);
        }
        // A literal header without indexing: "x: " and 1000 letters.
        byte[] header = new byte[1005];
        java.util.Arrays.fill(header, (byte) 'a');
        System.arraycopy(new byte[] {0, 1, 'x', 0x7f, (byte) 0xe9}, 0, header, 0, 5);
        frame(out, 9, 0, 1, header);
      }
    },
    EMPTY_CONTINUATION {
      @Override
      void write(DataOutputStream out, int round) throws IOException {
        if (round == 0) {
          frame(out, 1, 0x1, 1, REQUEST);
        }
        frame(out, 9, 0, 1, new byte[0]);
      }
    },
    PRIORITY {
      @Override
      void write(DataOutputStream out, int round) throws IOException {
        frame(out, 2, 0, round * 2 + 1, new byte[] {0, 0, 0, 0, 1});
      }
    },
    WINDOW_UPDATE {
      @Override
      void write(DataOutputStream out, int round) throws IOException {
        frame(out, 8, 0, 0, new byte[] {0, 0, 0, 1});
      }
    },
    UNKNOWN {
      @Override
      void write(DataOutputStream out, int round) throws IOException {
        frame(out, 0x77, 0, 0, new byte[0]);
      }
    },
    /** One entry of 4 KB in the table, named thousands of times in each request. */
    HEADER_BOMB {
      @Override
      void write(DataOutputStream out, int round) throws IOException {
        ByteArrayOutputStream block = new ByteArrayOutputStream();
        block.writeBytes(REQUEST);
        block.writeBytes(new byte[] {0x40, 1, 'x', 0x7f, (byte) 0xc1, 0x1e});
        byte[] value = new byte[4000];
        java.util.Arrays.fill(value, (byte) 'a');
        block.writeBytes(value);
        byte[] again = new byte[12_000];
        java.util.Arrays.fill(again, (byte) 0xbe);
        block.writeBytes(again);
        frame(out, 1, 0x5, round * 2 + 1, block.toByteArray());
      }
    };

    /** GET / of http://x in HPACK. */
    private static final byte[] REQUEST = {(byte) 0x82, (byte) 0x84, (byte) 0x86, 0x41, 1, 'x'};

    abstract void write(DataOutputStream out, int round) throws IOException;

    static void frame(DataOutputStream out, int type, int flags, int stream, byte[] payload)
        throws IOException {
      out.writeByte(payload.length >> 16);
      out.writeShort(payload.length);
      out.writeByte(type);
      out.writeByte(flags);
      out.writeInt(stream);
      out.write(payload);
    }
  }

  @ParameterizedTest
  @EnumSource
  void floodsAreContained(Flood flood) throws Exception {
    HttpServer server = serve(Patience.STANDARD);
    try (Honest honest = new Honest(server)) {
      honest.served(1);
      Socket socket = connect(server);
      Thread drain =
          Thread.ofVirtual()
              .start(
                  () -> {
                    try {
                      untilClosed(socket);
                    } catch (IOException e) {
                      throw new UncheckedIOException(e);
                    }
                  });
      boolean cut = false;
      int frames = 0;
      try {
        DataOutputStream out =
            new DataOutputStream(
                new java.io.BufferedOutputStream(socket.getOutputStream(), 16 * 1024));
        out.write(PREFACE);
        Flood.frame(out, 4, 0, 0, new byte[0]);
        for (; frames < 100_000; frames++) {
          flood.write(out, frames);
        }
        out.flush();
      } catch (SocketException e) {
        cut = true;
      }
      System.out.println(
          "flood " + flood + ": " + (cut ? "cut off after " : "borne: ") + frames + " frames");
      assertThat(mostRunning.get()).isLessThan(3000);
      honest.served(20);
      socket.close();
      drain.join();
      await().atMost(Duration.ofMillis(NEVER)).until(() -> running.get() <= 1);
    }
  }

  @ParameterizedTest
  @ValueSource(strings = {"h1", "h2"})
  void brokenRequestsHurtNobody(String version) throws Exception {
    // No shorter than an honest client takes on a busy machine.
    Duration soon = Duration.ofSeconds(5);
    HttpServer server = serve(new Patience(soon, soon, soon, Duration.ofSeconds(30)));
    List<byte[]> seeds = new ArrayList<>();
    if (version.equals("h1")) {
      for (String text :
          List.of(
              "GET /a?b=c HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n",
              "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nConnection: close\r\n\r\nhello",
              "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"
                  + "5;a=b\r\nhello\r\n0\r\nTrailer: x\r\n\r\n",
              "OPTIONS * HTTP/1.0\r\n\r\n")) {
        seeds.add(text.getBytes(UTF_8));
      }
    } else {
      ByteArrayOutputStream bytes = new ByteArrayOutputStream();
      DataOutputStream out = new DataOutputStream(bytes);
      out.write(PREFACE);
      Flood.frame(out, 4, 0, 0, new byte[] {0, 3, 0, 0, 0, 100, 0, 4, 0, 1, 0, 0});
      for (Flood flood : Flood.values()) {
        ByteArrayOutputStream one = new ByteArrayOutputStream();
        one.writeBytes(bytes.toByteArray());
        flood.write(new DataOutputStream(one), 0);
        Flood.frame(new DataOutputStream(one), 7, 0, 0, new byte[8]);
        seeds.add(one.toByteArray());
      }
    }
    AtomicInteger fed = new AtomicInteger();
    try (Honest honest = new Honest(server)) {
      Fuzz.run(
          version,
          seeds,
          Set.of(SocketException.class),
          input -> {
            // Not each one by itself: most inputs make the server wait for more, and give up.
            if (fed.incrementAndGet() % 8 == 0) {
              try (Socket socket = new Socket("127.0.0.1", server.port())) {
                socket.setSoTimeout(NEVER);
                socket.getOutputStream().write(input);
                socket.shutdownOutput();
                byte[] answer = untilClosed(socket);
                assertThat(new String(answer, UTF_8)).doesNotContain("HTTP/1.1 500");
              }
            }
          });
      honest.served(20);
    }
    await().atMost(Duration.ofMillis(NEVER)).until(() -> running.get() == 0);
  }

  // ---- stopping

  /** Whoever was accepted is served or told; nobody is left with an open connection and no peer. */
  @Test
  void nobodyIsForgottenAtAStop() throws Exception {
    for (int round = 0; round < 8; round++) {
      HttpServer server =
          HttpServer.start(
              HttpServer.Listen.plain("127.0.0.1", 0),
              exchange -> exchange.respond(200, Headers.NONE, new byte[0]));
      int port = server.port();
      Queue<Socket> connected = new ConcurrentLinkedQueue<>();
      List<Thread> callers = new ArrayList<>();
      for (int i = 0; i < 3; i++) {
        callers.add(
            Thread.ofPlatform()
                .start(
                    () -> {
                      try {
                        for (int j = 0; j < 150; j++) {
                          connected.add(new Socket(InetAddress.getByName("127.0.0.1"), port));
                        }
                      } catch (IOException e) {
                        // The door is closed.
                      }
                    }));
      }
      await().atMost(ofMinutes(1)).until(() -> connected.size() > 20);
      server.close(Duration.ofSeconds(1));
      for (Thread caller : callers) {
        caller.join();
      }
      for (Socket socket : connected) {
        socket.setSoTimeout(NEVER);
        untilClosed(socket);
        socket.close();
      }
    }
  }

  // ---- streams

  /** A connection whose peer has said all it says. */
  private record Said(InputStream in, OutputStream out) implements Exchange.Connection {
    static Said of(byte[] bytes) {
      return new Said(new ByteArrayInputStream(bytes), OutputStream.nullOutputStream());
    }

    @Override
    public void close() throws IOException {
      in.close();
    }
  }

  private static byte[] webSocketFrame(int first, byte[] payload, boolean masked) {
    ByteArrayOutputStream out = new ByteArrayOutputStream();
    out.write(first);
    int mask = masked ? 0x80 : 0;
    if (payload.length < 126) {
      out.write(mask | payload.length);
    } else {
      out.write(mask | 126);
      out.write(payload.length >> 8);
      out.write(payload.length);
    }
    if (masked) {
      out.writeBytes(new byte[] {1, 2, 3, 4});
    }
    out.writeBytes(payload);
    return out.toByteArray();
  }

  @Test
  void webSocketFrames() {
    List<byte[]> seeds = new ArrayList<>();
    for (boolean masked : new boolean[] {true, false}) {
      ByteArrayOutputStream all = new ByteArrayOutputStream();
      all.writeBytes(webSocketFrame(0x01, "part".getBytes(UTF_8), masked));
      all.writeBytes(webSocketFrame(0x89, "ping".getBytes(UTF_8), masked));
      all.writeBytes(webSocketFrame(0x80, "rest".getBytes(UTF_8), masked));
      all.writeBytes(webSocketFrame(0x82, new byte[300], masked));
      all.writeBytes(webSocketFrame(0x88, new byte[] {3, (byte) 0xe8}, masked));
      seeds.add(all.toByteArray());
      // Announces more than it brings.
      seeds.add(new byte[] {(byte) 0x82, (byte) (masked ? 0xff : 0x7f), 0, 0, 0, 0, 3, 0, 0, 0});
    }
    for (boolean client : new boolean[] {true, false}) {
      Fuzz.run(
          "WebSocket of a " + (client ? "client" : "server"),
          seeds,
          Set.of(IOException.class),
          input -> {
            try (WebSocket socket = new WebSocket(Said.of(input), client, "")) {
              while (socket.read().isPresent()) {
                assertThat(socket.protocol()).isEmpty();
              }
            }
          });
      Fuzz.run(
          "WebSocket that a " + (client ? "client" : "server") + " ignores",
          seeds,
          Set.of(IOException.class),
          input -> {
            try (WebSocket socket = new WebSocket(Said.of(input), client, "")) {
              socket.ignoreMessages();
            }
          });
    }
  }

  private static byte[] headers(String... namesAndValues) throws IOException {
    ByteArrayOutputStream block = new ByteArrayOutputStream();
    DataOutputStream data = new DataOutputStream(block);
    data.writeInt(namesAndValues.length / 2);
    for (String text : namesAndValues) {
      data.writeInt(text.length());
      data.write(text.getBytes(UTF_8));
    }
    Deflater deflater = new Deflater();
    deflater.setDictionary(SpdyDictionary.BYTES);
    deflater.setInput(block.toByteArray());
    byte[] compressed = new byte[4096];
    int length = deflater.deflate(compressed, 0, compressed.length, Deflater.SYNC_FLUSH);
    deflater.end();
    return java.util.Arrays.copyOf(compressed, length);
  }

  private static void spdy(DataOutputStream out, int type, int flags, byte[] body)
      throws IOException {
    out.writeInt(0x80030000 | type);
    out.writeInt(flags << 24 | body.length);
    out.write(body);
  }

  private static byte[] opening(int stream, byte[] headers) {
    ByteArrayOutputStream body = new ByteArrayOutputStream();
    body.writeBytes(new byte[] {0, 0, (byte) (stream >> 8), (byte) stream, 0, 0, 0, 0, 0, 0});
    body.writeBytes(headers);
    return body.toByteArray();
  }

  @Test
  void spdyFrames() throws Exception {
    ByteArrayOutputStream all = new ByteArrayOutputStream();
    DataOutputStream out = new DataOutputStream(all);
    spdy(out, 4, 0, new byte[] {0, 0, 0, 1, 0, 0, 0, 7, 0, 1, 0, 0});
    spdy(out, 1, 0, opening(1, headers("streamtype", "error", "port", "80")));
    out.writeInt(1);
    out.writeInt(5);
    out.write("hello".getBytes(UTF_8));
    spdy(out, 9, 0, new byte[] {0, 0, 0, 1, 0, 0, 1, 0});
    spdy(out, 6, 0, new byte[] {0, 0, 0, 1});
    spdy(out, 3, 0, new byte[] {0, 0, 0, 1, 0, 0, 0, 5});
    spdy(out, 7, 0, new byte[8]);
    // Not what the reader of the connection allocates is counted here, but what it throws.
    Fuzz.run(
        "SPDY",
        List.of(all.toByteArray()),
        Set.of(),
        input -> {
          try (SpdyConnection connection = new SpdyConnection(Said.of(input), false)) {
            while (connection.accept(Duration.ofMillis(NEVER)).isPresent()) {
              assertThat(connection.isClosed()).isIn(true, false);
            }
            assertThat(connection.isClosed()).isTrue();
          }
        });
  }

  /** Streams that are opened and reset at once do not pile up for a handler that accepts none. */
  @Test
  void spdyStreamsThatAreResetAtOnceAreRefusedInTheEnd() throws Exception {
    try (ServerSocket listener = new ServerSocket(0, 1, InetAddress.getByName("127.0.0.1"));
        Socket peer = new Socket("127.0.0.1", listener.getLocalPort());
        Socket socket = listener.accept()) {
      peer.setSoTimeout(NEVER);
      SpdyConnection connection = new SpdyConnection(over(socket), false);
      Thread writer =
          Thread.ofVirtual()
              .start(
                  () -> {
                    try {
                      DataOutputStream out =
                          new DataOutputStream(
                              new java.io.BufferedOutputStream(peer.getOutputStream()));
                      byte[] first = headers("a", "b");
                      for (int i = 0; i < 3000; i++) {
                        int stream = i * 2 + 1;
                        spdy(out, 1, 0, opening(stream, i == 0 ? first : again()));
                        spdy(
                            out,
                            3,
                            0,
                            new byte[] {0, 0, (byte) (stream >> 8), (byte) stream, 0, 0, 0, 5});
                      }
                      out.flush();
                    } catch (IOException e) {
                      throw new UncheckedIOException(e);
                    }
                  });
      // A reset of our own, for the first stream too many.
      byte[] reset = peer.getInputStream().readNBytes(16);
      assertThat(reset).startsWith(0x80, 3, 0, 3);
      connection.close();
      writer.join();
    }
  }

  /** The second and later blocks of one compression: an empty one. */
  private static byte[] again() throws IOException {
    ByteArrayOutputStream stored = new ByteArrayOutputStream();
    // A stored deflate block of four zero bytes: no fields.
    stored.writeBytes(new byte[] {0, 4, 0, (byte) 0xfb, (byte) 0xff, 0, 0, 0, 0});
    return stored.toByteArray();
  }

  private static Exchange.Connection over(Socket socket) throws IOException {
    InputStream in = socket.getInputStream();
    OutputStream out = socket.getOutputStream();
    return new Exchange.Connection() {
      @Override
      public InputStream in() {
        return in;
      }

      @Override
      public OutputStream out() {
        return out;
      }

      @Override
      public void close() throws IOException {
        socket.close();
      }
    };
  }

  @Test
  void queriesAndKeys() {
    Fuzz.texts(
        "queries",
        List.of("a=1&b=%20c&&d", "labelSelector=a%3Db&watch=true"),
        Set.of(IllegalArgumentException.class),
        input -> {
          Query query = Query.parse(new String(input, UTF_8));
          assertThat(Query.parse(query.encode())).isEqualTo(query);
        });
    TestCertificates authority = new TestCertificates("ca");
    TlsIdentity leaf = authority.leaf("localhost");
    byte[] der;
    try {
      der = leaf.chain().getFirst().getEncoded();
    } catch (java.security.cert.CertificateEncodingException e) {
      throw new IllegalStateException(e);
    }
    var encoder = java.util.Base64.getMimeEncoder(64, new byte[] {'\n'});
    String pem =
        "-----BEGIN CERTIFICATE-----\n"
            + encoder.encodeToString(der)
            + "\n-----END CERTIFICATE-----\n-----BEGIN PRIVATE KEY-----\n"
            + encoder.encodeToString(leaf.key().getEncoded())
            + "\n-----END PRIVATE KEY-----\n";
    Fuzz.texts(
        "PEM",
        List.of(pem, pem + pem),
        Set.of(IllegalArgumentException.class),
        input -> Pem.certificates(new String(input, UTF_8)));
    Fuzz.texts(
        "PEM keys",
        List.of(pem),
        Set.of(IllegalArgumentException.class),
        input -> Pem.privateKey(new String(input, UTF_8)));
  }
}
