package dev.kedge.grpc;

import dev.kedge.grpc.GrpcException.Code;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.net.InetSocketAddress;
import java.net.URLDecoder;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.concurrent.TimeoutException;
import javax.net.ssl.SSLContext;
import org.jspecify.annotations.Nullable;

/**
 * gRPC calls to one address over one connection, made when first needed and made again when it
 * broke or the peer sent GOAWAY. Calls block; any thread. An interrupted call is cancelled at the
 * peer and fails with CANCELLED, the thread's interrupt flag set.
 */
public final class GrpcChannel implements AutoCloseable {
  /** Largest message taken from a container runtime: what kubelets allow. */
  private static final int RUNTIME_MESSAGE = 16 << 20;

  private final Transport.Connector connector;
  private final String scheme;
  private final String authority;
  private final Options options;
  private @Nullable Http2Connection current;
  private boolean closed;
  private @Nullable IOException lastFailure;
  private long lastFailureAt;

  /**
   * How a channel over TCP behaves.
   *
   * @param maxMessage largest message taken from the peer, in bytes
   * @param connectTimeout for the connection, and again for the TLS handshake
   * @param keepalive how long the peer may be silent during a call before it is asked for a sign of
   *     life, and how long it then has for it; zero: for ever
   */
  public record Options(int maxMessage, Duration connectTimeout, Duration keepalive) {}

  private GrpcChannel(
      Transport.Connector connector, String scheme, String authority, Options options) {
    this.connector = connector;
    this.scheme = scheme;
    this.authority = authority;
    this.options = options;
  }

  /** A channel to a Unix domain socket. */
  public static GrpcChannel unix(Path socket) {
    return unix(socket, new Options(RUNTIME_MESSAGE, Duration.ZERO, Duration.ZERO));
  }

  static GrpcChannel unix(Path socket, Options options) {
    return new GrpcChannel(() -> Transport.unix(socket), "http", "localhost", options);
  }

  /** A channel over TCP in the clear. */
  public static GrpcChannel plain(InetSocketAddress address, Options options) {
    return new GrpcChannel(
        () -> Transport.plain(address, options.connectTimeout()),
        "http",
        address.getHostString() + ":" + address.getPort(),
        options);
  }

  /** A channel over TLS; the server's certificate must name the address's host. */
  public static GrpcChannel tls(InetSocketAddress address, SSLContext context, Options options) {
    return new GrpcChannel(
        () -> Transport.tls(address, context, options.connectTimeout()),
        "https",
        address.getHostString() + ":" + address.getPort(),
        options);
  }

  /** One request, one answer. */
  public byte[] unary(
      String method, Map<String, String> metadata, byte[] request, Duration timeout) {
    long deadline = System.nanoTime() + timeout.toNanos();
    // A stream that the peer never looked at is tried once more, on a new connection.
    for (int attempt = 1; ; attempt++) {
      try (Call call = open(method, metadata, timeout, deadline)) {
        call.sendLast(request);
        byte[] answer = call.next();
        if (answer == null) {
          throw new GrpcException(Code.INTERNAL, method + " ended without an answer");
        }
        if (call.next() != null) {
          throw new GrpcException(Code.INTERNAL, method + " answered twice");
        }
        return answer;
      } catch (GrpcException e) {
        if (attempt > 1 || !(e.getCause() instanceof Http2Connection.RefusedException)) {
          throw e;
        }
      }
    }
  }

  /** Opens a call whose messages are sent and received one by one, without a deadline. */
  public Call stream(String method, Map<String, String> metadata) {
    return open(method, metadata, null, Long.MAX_VALUE);
  }

  /** As {@link #stream(String, Map)}, all of it within a time. */
  public Call stream(String method, Map<String, String> metadata, Duration timeout) {
    return open(method, metadata, timeout, System.nanoTime() + timeout.toNanos());
  }

  private Call open(
      String method, Map<String, String> metadata, @Nullable Duration timeout, long deadline) {
    List<Hpack.Header> headers = new ArrayList<>();
    headers.add(new Hpack.Header(":method", "POST"));
    headers.add(new Hpack.Header(":scheme", scheme));
    headers.add(new Hpack.Header(":path", method));
    headers.add(new Hpack.Header(":authority", authority));
    headers.add(new Hpack.Header("content-type", "application/grpc"));
    headers.add(new Hpack.Header("te", "trailers"));
    if (timeout != null) {
      headers.add(new Hpack.Header("grpc-timeout", grpcTimeout(timeout)));
    }
    metadata.forEach((name, value) -> headers.add(new Hpack.Header(name, value)));
    try {
      return new Call(method, connection().open(headers), deadline, options.maxMessage());
    } catch (IOException e) {
      throw new GrpcException(Code.UNAVAILABLE, reason(e), e, true);
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
      throw new GrpcException(Code.CANCELLED, method + " was interrupted", e);
    }
  }

  private Http2Connection connection() throws IOException {
    return connection(System.nanoTime());
  }

  private synchronized Http2Connection connection(long asked) throws IOException {
    if (closed) {
      throw new IOException("the client is closed");
    }
    IOException failure = lastFailure;
    if (failure != null && lastFailureAt - asked > 0) {
      // Who waited while an attempt failed does not wait for another.
      throw new IOException(reason(failure), failure);
    }
    Http2Connection connection = current;
    if (connection == null || !connection.usable()) {
      // A connection that is going away is not closed here: its streams may still be answered,
      // and the peer closes it when they are.
      try {
        connection = Http2Connection.open(connector.connect(), options.keepalive());
      } catch (IOException e) {
        lastFailure = e;
        lastFailureAt = System.nanoTime();
        throw e;
      }
      current = connection;
    }
    return connection;
  }

  @Override
  public synchronized void close() {
    closed = true;
    if (current != null) {
      current.close();
    }
  }

  private static String reason(IOException e) {
    return e.getMessage() == null ? e.getClass().getSimpleName() : e.getMessage();
  }

  /** At most eight digits and a unit. */
  private static String grpcTimeout(Duration timeout) {
    long millis = Math.max(1, timeout.toMillis());
    return millis < 100_000_000 ? millis + "m" : millis / 1000 + "S";
  }

  /** A running call. Closing cancels it unless it has ended. */
  public static final class Call implements AutoCloseable {
    private final String method;
    private final Http2Connection.Stream stream;
    private final long deadline;
    private final int maxMessage;
    private byte[] pending = new byte[0];
    private int position;

    private Call(String method, Http2Connection.Stream stream, long deadline, int maxMessage) {
      this.maxMessage = maxMessage;
      this.method = method;
      this.stream = stream;
      this.deadline = deadline;
    }

    /** Sends one message. */
    public void send(byte[] message) {
      send(message, false);
    }

    /** Sends one message and says that there are no more. */
    public void sendLast(byte[] message) {
      send(message, true);
    }

    private void send(byte[] message, boolean end) {
      try {
        byte[] framed =
            ByteBuffer.allocate(5 + message.length)
                .put((byte) 0)
                .putInt(message.length)
                .put(message)
                .array();
        stream.send(framed, end);
      } catch (IOException e) {
        throw broken(e);
      } catch (InterruptedException e) {
        throw interrupted(e);
      }
    }

    /**
     * The next message of the answer, or null at its end.
     *
     * @throws GrpcException with the peer's status if that is not OK
     */
    public byte @Nullable [] next() {
      byte[] prefix = take(5);
      if (prefix == null) {
        throwUnlessOk();
        return null;
      }
      int length = ByteBuffer.wrap(prefix, 1, 4).getInt();
      if (prefix[0] != 0) {
        throw new GrpcException(Code.INTERNAL, method + " answered in a compressed form");
      }
      if (length < 0 || length > maxMessage) {
        throw new GrpcException(
            Code.RESOURCE_EXHAUSTED,
            "received message larger than max (" + length + " vs. " + maxMessage + ")");
      }
      byte[] message = length == 0 ? new byte[0] : take(length);
      if (message == null) {
        throwUnlessOk();
        throw new GrpcException(Code.INTERNAL, method + " broke off inside a message");
      }
      return message;
    }

    private byte @Nullable [] take(int count) {
      if (pending.length - position >= count) {
        position += count;
        return java.util.Arrays.copyOfRange(pending, position - count, position);
      }
      ByteArrayOutputStream out = new ByteArrayOutputStream(count);
      while (out.size() < count) {
        if (position == pending.length) {
          byte[] piece = receive();
          if (piece == null) {
            return null;
          }
          pending = piece;
          position = 0;
        }
        int size = Math.min(count - out.size(), pending.length - position);
        out.write(pending, position, size);
        position += size;
      }
      return out.toByteArray();
    }

    private byte @Nullable [] receive() {
      try {
        return stream.receive(deadline);
      } catch (TimeoutException e) {
        stream.cancel();
        throw new GrpcException(Code.DEADLINE_EXCEEDED, "context deadline exceeded", e);
      } catch (IOException e) {
        throw broken(e);
      } catch (InterruptedException e) {
        throw interrupted(e);
      }
    }

    private void throwUnlessOk() {
      String status = stream.header("grpc-status");
      if (status == null) {
        throw new GrpcException(
            Code.UNKNOWN,
            method + " ended without a status (HTTP " + stream.header(":status") + ")");
      }
      if (!status.equals("0")) {
        String message = stream.header("grpc-message");
        throw new GrpcException(code(status), message == null ? "" : decode(message));
      }
    }

    /** Of a status that is not "0": what is no number, or another zero, is a code nobody knows. */
    private static Code code(String status) {
      try {
        Code code = Code.of(Integer.parseInt(status));
        return code == Code.OK ? Code.UNKNOWN : code;
      } catch (NumberFormatException e) {
        return Code.UNKNOWN;
      }
    }

    /** grpc-message is percent-encoded, but a plus is a plus. */
    private static String decode(String message) {
      try {
        return URLDecoder.decode(message.replace("+", "%2B"), StandardCharsets.UTF_8);
      } catch (IllegalArgumentException e) {
        return message;
      }
    }

    private GrpcException broken(IOException e) {
      if (e instanceof Http2Connection.ResetException reset) {
        return new GrpcException(
            reset.code == Http2Connection.CANCEL ? Code.CANCELLED : Code.INTERNAL,
            method + ": " + reset.getMessage(),
            e);
      }
      return new GrpcException(
          Code.UNAVAILABLE,
          method + ": " + reason(e),
          e,
          e instanceof Http2Connection.RefusedException);
    }

    private GrpcException interrupted(InterruptedException e) {
      stream.cancel();
      Thread.currentThread().interrupt();
      return new GrpcException(Code.CANCELLED, method + " was interrupted", e);
    }

    @Override
    public void close() {
      stream.cancel();
    }
  }
}
