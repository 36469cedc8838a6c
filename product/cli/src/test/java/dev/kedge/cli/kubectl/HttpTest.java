package dev.kedge.cli.kubectl;

import static java.nio.charset.StandardCharsets.UTF_8;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.kedge.cli.kubectl.Http.Answer;
import java.io.IOException;
import java.io.InputStream;
import java.net.InetAddress;
import java.net.ServerSocket;
import java.net.Socket;
import java.net.SocketTimeoutException;
import java.net.URI;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicInteger;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** The client against servers that say exactly what a test wants, well-formed or not. */
@Timeout(240)
class HttpTest {
  private final AtomicInteger connections = new AtomicInteger();
  private final BlockingQueue<String> heads = new LinkedBlockingQueue<>();
  // What each request is answered; "close" ends the connection without a word.
  private final BlockingQueue<String> answers = new LinkedBlockingQueue<>();
  private ServerSocket server;
  private Http http;

  @BeforeEach
  void start() throws IOException {
    server = new ServerSocket(0, 10, InetAddress.getByName("127.0.0.1"));
    http = new Http(URI.create("http://127.0.0.1:" + server.getLocalPort()), null, null);
    Thread.ofVirtual().start(this::accept);
  }

  private void accept() {
    try {
      while (true) {
        Socket socket = server.accept();
        connections.incrementAndGet();
        Thread.ofVirtual().start(() -> serve(socket));
      }
    } catch (IOException e) {
      // The test is over.
    }
  }

  private void serve(Socket socket) {
    try (socket) {
      while (true) {
        StringBuilder head = new StringBuilder();
        while (head.indexOf("\r\n\r\n") < 0) {
          int b = socket.getInputStream().read();
          if (b < 0) {
            return;
          }
          head.append((char) b);
        }
        heads.add(head.toString());
        String answer = answers.take();
        if (answer.equals("close")) {
          return;
        }
        boolean last = answer.endsWith("<end>");
        socket.getOutputStream().write(answer.replace("<end>", "").getBytes(UTF_8));
        if (last) {
          return;
        }
      }
    } catch (IOException | InterruptedException e) {
      // The client has gone, or the test is over.
    }
  }

  @AfterEach
  void stop() throws IOException {
    http.close();
    server.close();
  }

  private Answer send(String method) throws IOException {
    return http.send(method, "/x", List.of("A", "b"), null, Duration.ofSeconds(5));
  }

  private static String body(Answer answer) throws IOException {
    try (InputStream in = answer.body()) {
      return new String(in.readAllBytes(), UTF_8);
    }
  }

  @Test
  void connectionsAreUsedAgain() throws IOException {
    answers.add("HTTP/1.1 200 OK\r\nContent-Length: 2\r\nx-y: 1\r\nX-Y: 2\r\n\r\nab");
    answers.add(
        "HTTP/1.1 200 OK\r\n"
            + "Transfer-Encoding: chunked\r\n\r\n"
            + "3;a=b\r\n"
            + "abc\r\n"
            + "2\r\n"
            + "de\r\n"
            + "0\r\n"
            + "T: u\r\n\r\n");
    answers.add("HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 204 No Content\r\n\r\n");
    answers.add("HTTP/1.0 200 OK\r\n\r\nuntil the end<end>");
    Answer first = send("GET");
    assertThat(first.headers().get("X-y")).containsExactly("1", "2");
    assertThat(body(first)).isEqualTo("ab");
    assertThat(body(send("GET"))).isEqualTo("abcde");
    assertThat(body(send("DELETE"))).isEmpty();
    assertThat(body(send("GET"))).isEqualTo("until the end");
    assertThat(connections).hasValue(1);
    assertThat(heads.poll())
        .isEqualTo(
            "GET /x HTTP/1.1\r\nHost: 127.0.0.1:" + server.getLocalPort() + "\r\nA: b\r\n\r\n");
  }

  @Test
  void aConnectionThatDiedMeanwhileIsReplacedForReads() throws IOException {
    answers.add("HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\na");
    answers.add("close");
    answers.add("HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\nb");
    answers.add("close");
    assertThat(body(send("GET"))).isEqualTo("a");
    assertThat(body(send("GET"))).isEqualTo("b");
    assertThat(connections).hasValue(2);
    // Nobody knows whether a write was carried out.
    assertThatThrownBy(() -> send("POST")).isInstanceOf(IOException.class);
  }

  @ParameterizedTest
  @ValueSource(
      strings = {
        "SSH-2.0-x\r\n<end>",
        "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nab<end>",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nab<end>",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nxyz\r\nab<end>",
        "HTTP/1.1 200 OK\r\nA: b<end>",
        "<end>",
      })
  void whatIsCutOffOrMalformedIsNoAnswer(String answer) {
    answers.add(answer);
    assertThatThrownBy(() -> body(send("GET"))).isInstanceOf(IOException.class);
  }

  @Test
  void aServerThatSaysNothingIsWaitedForNoLongerThanAsked() {
    assertThatThrownBy(() -> http.send("GET", "/", List.of(), null, Duration.ofMillis(50)))
        .isInstanceOf(SocketTimeoutException.class);
  }

  @Test
  void closingABodyEndsAReadOfAnotherThread() throws Exception {
    answers.add("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n");
    InputStream in = send("GET").body();
    assertThat(in.read()).isEqualTo('a');
    CompletableFuture<Integer> read = CompletableFuture.supplyAsync(() -> next(in));
    in.close();
    assertThat(read.get(60, TimeUnit.SECONDS)).isEqualTo(-1);
  }

  /** The next byte; -1 at the end, in order or not. */
  private static int next(InputStream in) {
    try {
      return in.read();
    } catch (IOException e) {
      return -1;
    }
  }

  @Test
  void aSocketThatIsNotThereIsPassedOver() throws IOException {
    try (Http other =
        new Http(
            URI.create("http://127.0.0.1:" + server.getLocalPort()),
            null,
            Path.of("/nonexistent/socket"))) {
      answers.add("HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\na");
      assertThat(body(other.send("GET", "/", List.of(), null, Duration.ZERO))).isEqualTo("a");
    }
  }
}
