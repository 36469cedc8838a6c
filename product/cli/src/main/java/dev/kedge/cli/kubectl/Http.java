package dev.kedge.cli.kubectl;

import static java.nio.charset.StandardCharsets.ISO_8859_1;

import java.io.BufferedInputStream;
import java.io.Closeable;
import java.io.EOFException;
import java.io.IOException;
import java.io.InputStream;
import java.io.OutputStream;
import java.net.ConnectException;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.net.Socket;
import java.net.SocketTimeoutException;
import java.net.StandardProtocolFamily;
import java.net.URI;
import java.net.UnixDomainSocketAddress;
import java.nio.channels.Channels;
import java.nio.channels.SocketChannel;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Deque;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Optional;
import java.util.TreeMap;
import java.util.function.Supplier;
import javax.net.ssl.SSLContext;
import javax.net.ssl.SSLParameters;
import javax.net.ssl.SSLSocket;
import org.jspecify.annotations.Nullable;

/**
 * HTTP/1.1 to one server on plain blocking sockets. A command lives for a moment: the JDK's client,
 * with its selector, executors and flows, costs it as much time as TLS does. Any thread; each
 * request has a connection to itself, and leaves it to the next one.
 */
public final class Http implements AutoCloseable {
  private static final int CONNECT_MILLIS = 30_000;
  private static final int MAX_HEAD = 256 * 1024;

  /** What a quiet connection is trusted for; servers close theirs after a minute or more. */
  private static final Duration FRESH = Duration.ofSeconds(20);

  private final String host;
  private final int port;
  private final String authority;
  private final @Nullable Supplier<SSLContext> tls;
  private final @Nullable Path unix;
  // Guarded by this.
  private final Deque<Connection> idle = new ArrayDeque<>();
  private boolean closed;

  /**
   * A client.
   *
   * @param server such as {@code https://127.0.0.1:6443}
   * @param tls for https; asked when it is needed
   * @param unix a Unix socket of the server's that is tried first
   */
  Http(URI server, @Nullable Supplier<SSLContext> tls, @Nullable Path unix) {
    String named = server.getHost();
    if (named == null) {
      throw new UsageException("the server " + server + " has no host name");
    }
    this.host = named.startsWith("[") ? named.substring(1, named.length() - 1) : named;
    this.port = server.getPort() >= 0 ? server.getPort() : tls != null ? 443 : 80;
    this.authority = server.getPort() >= 0 ? named + ":" + server.getPort() : named;
    this.tls = tls;
    this.unix = unix;
  }

  /**
   * An answer; its body must be read to the end or closed.
   *
   * @param headers by name, whatever its case
   */
  public record Answer(int status, Map<String, List<String>> headers, InputStream body) {}

  /**
   * Sends a request and reads the head of its answer.
   *
   * @param headers name after name and value
   * @param limit how long any one read may wait; zero for ever
   * @throws SocketTimeoutException when that is over
   */
  Answer send(
      String method, String target, List<String> headers, byte @Nullable [] body, Duration limit)
      throws IOException {
    Connection reused = reusable();
    if (reused != null) {
      try {
        return reused.send(method, target, headers, body, limit);
      } catch (SocketTimeoutException e) {
        throw e;
      } catch (IOException e) {
        // The server may have closed it in the meantime; what only reads can be asked again.
        if (!method.equals("GET") || reused.answering) {
          throw e;
        }
      }
    }
    return connect().send(method, target, headers, body, limit);
  }

  /**
   * Asks whoever listens on a Unix socket.
   *
   * @return empty where nobody does, or this user may not in
   */
  public static Optional<Answer> get(Path socket, String target) throws IOException {
    Http http = new Http(URI.create("http://localhost"), null, socket);
    Optional<Connection> connection = http.local(socket);
    return connection.isEmpty()
        ? Optional.empty()
        : Optional.of(
            connection
                .get()
                .send("GET", target, List.of("Connection", "close"), null, Duration.ZERO));
  }

  private synchronized @Nullable Connection reusable() {
    for (Connection each = idle.poll(); each != null; each = idle.poll()) {
      if (System.nanoTime() - each.since < FRESH.toNanos()) {
        return each;
      }
      each.close();
    }
    return null;
  }

  private void free(Connection connection) {
    synchronized (this) {
      if (!closed) {
        connection.since = System.nanoTime();
        idle.push(connection);
        return;
      }
    }
    connection.close();
  }

  private Connection connect() throws IOException {
    if (unix != null) {
      Optional<Connection> local = local(unix);
      if (local.isPresent()) {
        return local.get();
      }
    }
    IOException failure = null;
    for (InetAddress address : InetAddress.getAllByName(host)) {
      Socket socket = new Socket();
      try {
        socket.setTcpNoDelay(true);
        socket.setKeepAlive(true);
        socket.connect(new InetSocketAddress(address, port), CONNECT_MILLIS);
        Socket secured = tls == null ? socket : secured(socket, tls.get());
        return new Connection(
            socket, secured.getInputStream(), secured.getOutputStream(), secured::setSoTimeout);
      } catch (IOException e) {
        socket.close();
        if (failure == null || e instanceof javax.net.ssl.SSLException) {
          failure = e;
        }
      }
    }
    throw failure == null ? new ConnectException("no address of " + host) : failure;
  }

  /** Empty where nobody listens, or this user may not in. */
  private Optional<Connection> local(Path path) throws IOException {
    SocketChannel channel = SocketChannel.open(StandardProtocolFamily.UNIX);
    try {
      channel.connect(UnixDomainSocketAddress.of(path));
      return Optional.of(
          new Connection(
              channel,
              Channels.newInputStream(channel),
              Channels.newOutputStream(channel),
              _ -> {}));
    } catch (IOException e) {
      channel.close();
      return Optional.empty();
    }
  }

  private Socket secured(Socket socket, SSLContext context) throws IOException {
    SSLSocket secured =
        (SSLSocket) context.getSocketFactory().createSocket(socket, host, port, true);
    SSLParameters parameters = secured.getSSLParameters();
    parameters.setEndpointIdentificationAlgorithm("HTTPS");
    parameters.setApplicationProtocols(new String[] {"http/1.1"});
    secured.setSSLParameters(parameters);
    secured.startHandshake();
    return secured;
  }

  @Override
  public void close() {
    List<Connection> all;
    synchronized (this) {
      closed = true;
      all = List.copyOf(idle);
      idle.clear();
    }
    all.forEach(Connection::close);
  }

  /** Sets how many milliseconds a read may wait. */
  private interface Limit {
    void set(int millis) throws IOException;
  }

  /** One connection; for one request at a time. */
  private final class Connection {
    private final Closeable raw;
    private final InputStream in;
    private final OutputStream out;
    private final Limit limiter;
    private long since;
    private boolean answering;

    Connection(Closeable raw, InputStream in, OutputStream out, Limit limiter) {
      this.raw = raw;
      this.in = new BufferedInputStream(in, 16 * 1024);
      this.out = out;
      this.limiter = limiter;
    }

    Answer send(
        String method, String target, List<String> headers, byte @Nullable [] body, Duration limit)
        throws IOException {
      answering = false;
      try {
        limiter.set((int) Math.min(limit.toMillis(), Integer.MAX_VALUE));
        write(method, target, headers, body);
        return read(method);
      } catch (IOException | RuntimeException e) {
        close();
        throw e;
      }
    }

    private void write(String method, String target, List<String> headers, byte @Nullable [] body)
        throws IOException {
      StringBuilder head = new StringBuilder(512);
      head.append(method).append(' ').append(target).append(" HTTP/1.1\r\n");
      head.append("Host: ").append(authority).append("\r\n");
      for (int i = 0; i < headers.size(); i += 2) {
        String value = headers.get(i + 1);
        if (value.indexOf('\r') >= 0 || value.indexOf('\n') >= 0) {
          throw new UsageException("line break in the header " + headers.get(i));
        }
        head.append(headers.get(i)).append(": ").append(value).append("\r\n");
      }
      if (body == null && !method.equals("GET")) {
        head.append("Content-Length: 0\r\n");
      } else if (body != null) {
        head.append("Content-Length: ").append(body.length).append("\r\n");
      }
      byte[] start = head.append("\r\n").toString().getBytes(ISO_8859_1);
      if (body == null) {
        out.write(start);
        return;
      }
      byte[] whole = new byte[start.length + body.length];
      System.arraycopy(start, 0, whole, 0, start.length);
      System.arraycopy(body, 0, whole, start.length, body.length);
      out.write(whole);
    }

    private Answer read(String method) throws IOException {
      int[] left = {MAX_HEAD};
      while (true) {
        String first = line(left);
        answering = true;
        String[] parts = first.split(" ", 3);
        if (parts.length < 2 || !parts[0].startsWith("HTTP/1.") || parts[1].length() != 3) {
          throw new IOException("the server does not speak HTTP/1.1: " + first);
        }
        int status = Integer.parseInt(parts[1]);
        Map<String, List<String>> headers = new TreeMap<>(String.CASE_INSENSITIVE_ORDER);
        for (String line = line(left); !line.isEmpty(); line = line(left)) {
          int colon = line.indexOf(':');
          if (colon > 0) {
            headers
                .computeIfAbsent(line.substring(0, colon).strip(), _ -> new ArrayList<>(1))
                .add(line.substring(colon + 1).strip());
          }
        }
        if (status >= 200) {
          return new Answer(status, headers, body(method, status, headers));
        }
      }
    }

    private InputStream body(String method, int status, Map<String, List<String>> headers) {
      boolean keep =
          !String.join(",", headers.getOrDefault("Connection", List.of()))
              .toLowerCase(Locale.ROOT)
              .contains("close");
      if (method.equals("HEAD") || status == 204 || status == 304) {
        return new Body(0, false, keep);
      }
      if (headers.containsKey("Transfer-Encoding")) {
        return new Body(0, true, keep);
      }
      List<String> length = headers.getOrDefault("Content-Length", List.of());
      return length.isEmpty()
          ? new Body(Long.MAX_VALUE, false, false)
          : new Body(Long.parseLong(length.getFirst()), false, keep);
    }

    private String line(int[] left) throws IOException {
      StringBuilder line = new StringBuilder();
      while (true) {
        int b = in.read();
        if (b < 0) {
          throw new EOFException("the server closed the connection");
        }
        if (--left[0] < 0) {
          throw new IOException("the answer's headers are too long");
        }
        if (b == '\n') {
          int length = line.length();
          if (length > 0 && line.charAt(length - 1) == '\r') {
            line.setLength(length - 1);
          }
          return line.toString();
        }
        line.append((char) b);
      }
    }

    /** What is below TLS, so that a read under way in another thread ends at once. */
    void close() {
      try {
        raw.close();
      } catch (IOException e) {
        System.getLogger("dev.kedge.cli").log(System.Logger.Level.DEBUG, "closing", e);
      }
    }

    /** The body of an answer; frees the connection at its end. */
    private final class Body extends InputStream {
      private final boolean chunked;
      private final boolean keep;
      private long left;
      private boolean begun;
      private boolean ended;

      Body(long length, boolean chunked, boolean keep) {
        this.left = length;
        this.chunked = chunked;
        this.keep = keep;
        if (length == 0 && !chunked) {
          end();
        }
      }

      private void end() {
        if (ended) {
          return;
        }
        ended = true;
        if (keep) {
          free(Connection.this);
        } else {
          Connection.this.close();
        }
      }

      @Override
      public int read() throws IOException {
        byte[] one = new byte[1];
        return read(one, 0, 1) < 0 ? -1 : one[0] & 0xff;
      }

      @Override
      public int read(byte[] target, int offset, int length) throws IOException {
        if (length == 0) {
          return 0;
        }
        if (!ended && chunked && left == 0) {
          nextChunk();
        }
        if (ended) {
          return -1;
        }
        int count = in.read(target, offset, (int) Math.min(length, left));
        if (count < 0) {
          ended = true;
          Connection.this.close();
          if (!lengthUnknown()) {
            throw new EOFException("unexpected EOF");
          }
          return -1;
        }
        if (!lengthUnknown()) {
          left -= count;
          if (left == 0 && !chunked) {
            end();
          }
        }
        return count;
      }

      private boolean lengthUnknown() {
        return left == Long.MAX_VALUE;
      }

      private void nextChunk() throws IOException {
        int[] bound = {MAX_HEAD};
        if (begun) {
          line(bound);
        }
        begun = true;
        String size = line(bound).split(";", 2)[0].strip();
        try {
          left = Long.parseLong(size, 16);
        } catch (NumberFormatException e) {
          throw new IOException("malformed chunk in the answer: " + size, e);
        }
        if (left == 0) {
          while (!line(bound).isEmpty()) {
            // Trailers say nothing here.
          }
          end();
        }
      }

      @Override
      public int available() throws IOException {
        return ended ? 0 : (int) Math.min(in.available(), left);
      }

      @Override
      public void close() {
        if (!ended) {
          ended = true;
          Connection.this.close();
        }
      }
    }
  }
}
