package dev.kedge.http;

import static java.nio.charset.StandardCharsets.ISO_8859_1;

import java.io.BufferedInputStream;
import java.io.ByteArrayOutputStream;
import java.io.EOFException;
import java.io.IOException;
import java.io.InputStream;
import java.io.OutputStream;
import java.net.ConnectException;
import java.net.InetSocketAddress;
import java.net.Socket;
import java.net.SocketTimeoutException;
import java.net.UnknownHostException;
import java.security.cert.CertificateException;
import java.time.Duration;
import java.util.ArrayDeque;
import java.util.Deque;
import java.util.HashMap;
import java.util.Locale;
import java.util.Map;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import javax.net.ssl.SSLContext;
import javax.net.ssl.SSLException;
import javax.net.ssl.SSLHandshakeException;
import javax.net.ssl.SSLParameters;
import javax.net.ssl.SSLSocket;
import org.jspecify.annotations.Nullable;

/**
 * Posts JSON documents to HTTPS servers that may be reached under another address than the name in
 * their certificate: webhooks behind Services. The JDK's client cannot tell the two apart. Speaks
 * HTTP/1.1, keeps a few idle connections, and never outlasts its deadline, whatever the server
 * does. Any thread.
 */
public final class HttpsPost implements AutoCloseable {
  private static final int MOST_IDLE = 8;
  private static final long IDLE_NANOS = Duration.ofSeconds(30).toNanos();
  private static final int LONGEST_LINE = 16 << 10;
  private static final int MOST_HEADERS = 200;

  private final int largestAnswer;
  private final Map<Peer, Deque<Connection>> idle = new HashMap<>();
  private boolean closed;

  /**
   * @param largestAnswer most bytes of an answer's body
   */
  public HttpsPost(int largestAnswer) {
    this.largestAnswer = largestAnswer;
  }

  /**
   * Where to post.
   *
   * @param name host name for the certificate and the {@code Host} header
   * @param port port in the {@code Host} header
   * @param path with query, begins with a slash
   * @param address host name or IP address to connect to
   * @param addressPort port to connect to
   */
  public record Target(
      String name, int port, String path, String address, int addressPort, SSLContext tls) {
    private Peer peer() {
      return new Peer(name, address, addressPort, tls);
    }
  }

  private record Peer(String name, String address, int port, SSLContext tls) {}

  /** What came back. */
  public record Answer(int status, byte[] body) {}

  /**
   * Posts a document.
   *
   * @throws IOException if there was no whole answer; the message says why in the words of Go's
   *     client, which those who run webhooks search for
   */
  public Answer post(Target target, byte[] json, Duration timeout) throws IOException {
    CompletableFuture<Answer> outcome = new CompletableFuture<>();
    // A thread of its own, because the name's lookup and the handshake cannot be given a deadline;
    // interrupting a virtual thread closes the socket that it waits for.
    Thread call =
        Thread.ofVirtual()
            .name("post to " + target.name())
            .start(
                () -> {
                  try {
                    outcome.complete(exchange(target, json));
                  } catch (IOException | RuntimeException e) {
                    outcome.completeExceptionally(e);
                  }
                });
    try {
      return outcome.get(timeout.toMillis(), TimeUnit.MILLISECONDS);
    } catch (TimeoutException e) {
      call.interrupt();
      throw new IOException("context deadline exceeded", e);
    } catch (InterruptedException e) {
      call.interrupt();
      Thread.currentThread().interrupt();
      throw new IOException("context canceled", e);
    } catch (ExecutionException e) {
      Throwable cause = e.getCause();
      throw new IOException(reason(target, cause == null ? e : cause), cause);
    }
  }

  private static String reason(Target target, Throwable cause) {
    String dialled = target.address() + ":" + target.addressPort();
    return switch (cause) {
      case UnknownHostException _ -> "dial tcp: lookup " + target.address() + ": no such host";
      case ConnectException _ -> "dial tcp " + dialled + ": connect: connection refused";
      case SocketTimeoutException _ -> "dial tcp " + dialled + ": i/o timeout";
      case SSLHandshakeException e when caused(e, CertificateException.class) != null ->
          "tls: failed to verify certificate: x509: " + unverified(e);
      case SSLException e -> "tls: " + e.getMessage();
      default -> String.valueOf(cause.getMessage());
    };
  }

  private static String unverified(SSLHandshakeException e) {
    String message = String.valueOf(e.getMessage());
    return message.contains("path building failed") || message.contains("trust anchor")
        ? "certificate signed by unknown authority"
        : message;
  }

  private static @Nullable Throwable caused(Throwable thrown, Class<? extends Throwable> type) {
    for (Throwable at = thrown; at != null; at = at.getCause()) {
      if (type.isInstance(at)) {
        return at;
      }
    }
    return null;
  }

  private Answer exchange(Target target, byte[] json) throws IOException {
    Connection kept = take(target.peer());
    if (kept != null) {
      try {
        return exchange(kept, target, json);
      } catch (ClosedBeforeAnswerException _) {
        // The server had closed it while it was idle: nobody saw the request.
      }
    }
    return exchange(open(target), target, json);
  }

  private Answer exchange(Connection connection, Target target, byte[] json) throws IOException {
    boolean keep = false;
    try {
      Reply reply = connection.exchange(target, json, largestAnswer);
      keep = reply.keep();
      return reply.answer();
    } finally {
      if (keep) {
        give(target.peer(), connection);
      } else {
        connection.close();
      }
    }
  }

  private static Connection open(Target target) throws IOException {
    Socket plain = new Socket();
    try {
      plain.setTcpNoDelay(true);
      plain.connect(new InetSocketAddress(target.address(), target.addressPort()));
      SSLSocket tls =
          (SSLSocket)
              target
                  .tls()
                  .getSocketFactory()
                  .createSocket(plain, target.name(), target.port(), true);
      SSLParameters parameters = tls.getSSLParameters();
      parameters.setEndpointIdentificationAlgorithm("HTTPS");
      tls.setSSLParameters(parameters);
      tls.startHandshake();
      return new Connection(tls);
    } catch (IOException | RuntimeException e) {
      plain.close();
      throw e;
    }
  }

  private synchronized @Nullable Connection take(Peer peer) throws IOException {
    Deque<Connection> waiting = idle.get(peer);
    while (waiting != null && !waiting.isEmpty()) {
      Connection connection = waiting.pop();
      if (System.nanoTime() - connection.idleSince < IDLE_NANOS) {
        return connection;
      }
      connection.close();
    }
    return null;
  }

  private synchronized void give(Peer peer, Connection connection) throws IOException {
    Deque<Connection> waiting = idle.computeIfAbsent(peer, _ -> new ArrayDeque<>());
    if (closed || waiting.size() >= MOST_IDLE) {
      connection.close();
      return;
    }
    connection.idleSince = System.nanoTime();
    waiting.push(connection);
    idle.values().removeIf(Deque::isEmpty);
  }

  @Override
  public synchronized void close() throws IOException {
    closed = true;
    for (Deque<Connection> waiting : idle.values()) {
      for (Connection connection : waiting) {
        connection.close();
      }
    }
    idle.clear();
  }

  private static final class ClosedBeforeAnswerException extends EOFException {
    ClosedBeforeAnswerException(@Nullable Throwable cause) {
      super("EOF");
      initCause(cause);
    }
  }

  private record Reply(Answer answer, boolean keep) {}

  private static final class Connection {
    private final Socket socket;
    private final InputStream in;
    private final OutputStream out;
    private long idleSince;

    Connection(Socket socket) throws IOException {
      this.socket = socket;
      this.in = new BufferedInputStream(socket.getInputStream(), 8192);
      this.out = socket.getOutputStream();
    }

    void close() throws IOException {
      socket.close();
    }

    Reply exchange(Target target, byte[] json, int largest) throws IOException {
      String head =
          "POST "
              + target.path()
              + " HTTP/1.1\r\nHost: "
              + target.name()
              + ":"
              + target.port()
              + "\r\nUser-Agent: kube-apiserver-admission\r\nAccept: application/json, */*\r\n"
              + "Content-Type: application/json\r\nContent-Length: "
              + json.length
              + "\r\n\r\n";
      ByteArrayOutputStream request = new ByteArrayOutputStream(head.length() + json.length);
      request.writeBytes(head.getBytes(ISO_8859_1));
      request.writeBytes(json);
      int first;
      try {
        request.writeTo(out);
        out.flush();
        in.mark(1);
        first = in.read();
      } catch (IOException e) {
        throw new ClosedBeforeAnswerException(e);
      }
      if (first < 0) {
        throw new ClosedBeforeAnswerException(null);
      }
      in.reset();
      int status;
      Map<String, String> headers;
      do {
        status = status(line());
        headers = headers();
      } while (status / 100 == 1);
      String encoding = headers.getOrDefault("transfer-encoding", "").toLowerCase(Locale.ROOT);
      String length = headers.get("content-length");
      boolean framed = true;
      byte[] body;
      if (encoding.endsWith("chunked")) {
        body = chunks(largest);
      } else if (length != null) {
        body = exactly(number(length, 10), largest);
      } else if (status == 204 || status == 304) {
        body = new byte[0];
      } else {
        framed = false;
        body = in.readNBytes(largest + 1);
        if (body.length > largest) {
          throw tooLarge(largest);
        }
      }
      boolean close =
          headers.getOrDefault("connection", "").toLowerCase(Locale.ROOT).contains("close");
      return new Reply(new Answer(status, body), framed && !close);
    }

    private static int status(String line) throws IOException {
      String[] parts = line.split(" ", 3);
      if (parts.length < 2 || !parts[0].startsWith("HTTP/1.") || !parts[1].matches("[1-5]\\d\\d")) {
        throw new IOException("malformed HTTP response \"" + line + "\"");
      }
      return Integer.parseInt(parts[1]);
    }

    private Map<String, String> headers() throws IOException {
      Map<String, String> headers = new HashMap<>();
      for (int i = 0; i < MOST_HEADERS; i++) {
        String line = line();
        if (line.isEmpty()) {
          return headers;
        }
        int colon = line.indexOf(':');
        if (colon <= 0) {
          throw new IOException("malformed MIME header line: " + line);
        }
        headers.put(
            line.substring(0, colon).toLowerCase(Locale.ROOT), line.substring(colon + 1).strip());
      }
      throw new IOException("too many headers in the answer");
    }

    private String line() throws IOException {
      ByteArrayOutputStream line = new ByteArrayOutputStream(80);
      while (line.size() <= LONGEST_LINE) {
        int next = in.read();
        if (next < 0) {
          throw new EOFException("unexpected EOF");
        }
        if (next == '\n') {
          String text = line.toString(ISO_8859_1);
          return text.endsWith("\r") ? text.substring(0, text.length() - 1) : text;
        }
        line.write(next);
      }
      throw new IOException("too long a line in the answer");
    }

    private byte[] chunks(int largest) throws IOException {
      ByteArrayOutputStream body = new ByteArrayOutputStream();
      while (true) {
        String line = line();
        int end = line.indexOf(';');
        long size = number((end < 0 ? line : line.substring(0, end)).strip(), 16);
        if (size == 0) {
          headers();
          return body.toByteArray();
        }
        body.writeBytes(exactly(size, largest - body.size()));
        if (!line().isEmpty()) {
          throw new IOException("malformed chunked encoding");
        }
      }
    }

    private byte[] exactly(long length, int largest) throws IOException {
      if (length > largest) {
        throw tooLarge(largest);
      }
      byte[] bytes = in.readNBytes((int) length);
      if (bytes.length < length) {
        throw new EOFException("unexpected EOF");
      }
      return bytes;
    }

    private static long number(String text, int radix) throws IOException {
      try {
        long number = Long.parseLong(text, radix);
        if (number >= 0) {
          return number;
        }
      } catch (NumberFormatException e) {
        throw new IOException("malformed length \"" + text + "\" in the answer", e);
      }
      throw new IOException("malformed length \"" + text + "\" in the answer");
    }

    private static IOException tooLarge(int largest) {
      return new IOException("the answer has more than " + largest + " bytes");
    }
  }
}
