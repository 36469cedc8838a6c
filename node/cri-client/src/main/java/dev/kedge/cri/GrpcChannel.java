package dev.kedge.cri;

import dev.kedge.cri.CriException.Code;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.net.SocketAddress;
import java.net.URLDecoder;
import java.net.UnixDomainSocketAddress;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.concurrent.TimeoutException;
import org.jspecify.annotations.Nullable;

/**
 * gRPC calls to one socket (Unix domain as a rule) over one connection, made when first needed and
 * made again when it broke or the peer sent GOAWAY. Calls block; any thread. An interrupted call is
 * cancelled at the peer and fails with CANCELLED, the thread's interrupt flag set.
 */
final class GrpcChannel implements AutoCloseable {
  /** Largest message taken from the peer: what kubelets allow. */
  private static final int MAX_MESSAGE = 16 << 20;

  private final SocketAddress socket;
  private @Nullable Http2Connection current;
  private boolean closed;

  GrpcChannel(Path socket) {
    this(UnixDomainSocketAddress.of(socket));
  }

  GrpcChannel(SocketAddress socket) {
    this.socket = socket;
  }

  /** One request, one answer. */
  byte[] unary(String method, Map<String, String> metadata, byte[] request, Duration timeout) {
    long deadline = System.nanoTime() + timeout.toNanos();
    // A stream that the peer never looked at is tried once more, on a new connection.
    for (int attempt = 1; ; attempt++) {
      try (Call call = open(method, metadata, timeout, deadline)) {
        call.sendLast(request);
        byte[] answer = call.next();
        if (answer == null) {
          throw new CriException(Code.INTERNAL, method + " ended without an answer");
        }
        if (call.next() != null) {
          throw new CriException(Code.INTERNAL, method + " answered twice");
        }
        return answer;
      } catch (CriException e) {
        if (attempt > 1 || !(e.getCause() instanceof Http2Connection.RefusedException)) {
          throw e;
        }
      }
    }
  }

  /** Opens a call whose messages are sent and received one by one, without a deadline. */
  Call stream(String method, Map<String, String> metadata) {
    return open(method, metadata, null, Long.MAX_VALUE);
  }

  private Call open(
      String method, Map<String, String> metadata, @Nullable Duration timeout, long deadline) {
    List<Hpack.Header> headers = new ArrayList<>();
    headers.add(new Hpack.Header(":method", "POST"));
    headers.add(new Hpack.Header(":scheme", "http"));
    headers.add(new Hpack.Header(":path", method));
    headers.add(new Hpack.Header(":authority", "localhost"));
    headers.add(new Hpack.Header("content-type", "application/grpc"));
    headers.add(new Hpack.Header("te", "trailers"));
    if (timeout != null) {
      headers.add(new Hpack.Header("grpc-timeout", grpcTimeout(timeout)));
    }
    metadata.forEach((name, value) -> headers.add(new Hpack.Header(name, value)));
    try {
      return new Call(method, connection().open(headers), deadline);
    } catch (IOException e) {
      throw new CriException(Code.UNAVAILABLE, "connection to " + socket + ": " + reason(e), e);
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
      throw new CriException(Code.CANCELLED, method + " was interrupted", e);
    }
  }

  private synchronized Http2Connection connection() throws IOException {
    if (closed) {
      throw new IOException("the client is closed");
    }
    Http2Connection connection = current;
    if (connection == null || !connection.usable()) {
      // A connection that is going away is not closed here: its streams may still be answered,
      // and the peer closes it when they are.
      connection = Http2Connection.open(socket);
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
  static final class Call implements AutoCloseable {
    private final String method;
    private final Http2Connection.Stream stream;
    private final long deadline;
    private byte[] pending = new byte[0];
    private int position;

    private Call(String method, Http2Connection.Stream stream, long deadline) {
      this.method = method;
      this.stream = stream;
      this.deadline = deadline;
    }

    /** Sends one message. */
    void send(byte[] message) {
      send(message, false);
    }

    /** Sends one message and says that there are no more. */
    void sendLast(byte[] message) {
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
     * @throws CriException with the peer's status if that is not OK
     */
    byte @Nullable [] next() {
      byte[] prefix = take(5);
      if (prefix == null) {
        throwUnlessOk();
        return null;
      }
      int length = ByteBuffer.wrap(prefix, 1, 4).getInt();
      if (prefix[0] != 0) {
        throw new CriException(Code.INTERNAL, method + " answered in a compressed form");
      }
      if (length < 0 || length > MAX_MESSAGE) {
        throw new CriException(
            Code.RESOURCE_EXHAUSTED,
            "received message larger than max (" + length + " vs. " + MAX_MESSAGE + ")");
      }
      byte[] message = length == 0 ? new byte[0] : take(length);
      if (message == null) {
        throwUnlessOk();
        throw new CriException(Code.INTERNAL, method + " broke off inside a message");
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
        throw new CriException(Code.DEADLINE_EXCEEDED, "context deadline exceeded", e);
      } catch (IOException e) {
        throw broken(e);
      } catch (InterruptedException e) {
        throw interrupted(e);
      }
    }

    private void throwUnlessOk() {
      String status = stream.header("grpc-status");
      if (status == null) {
        throw new CriException(
            Code.UNKNOWN,
            method + " ended without a status (HTTP " + stream.header(":status") + ")");
      }
      if (!status.equals("0")) {
        String message = stream.header("grpc-message");
        throw new CriException(
            Code.of(Integer.parseInt(status)), message == null ? "" : decode(message));
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

    private CriException broken(IOException e) {
      if (e instanceof Http2Connection.ResetException reset) {
        return new CriException(
            reset.code == Http2Connection.CANCEL ? Code.CANCELLED : Code.INTERNAL,
            method + ": " + reset.getMessage(),
            e);
      }
      return new CriException(Code.UNAVAILABLE, method + ": " + reason(e), e);
    }

    private CriException interrupted(InterruptedException e) {
      stream.cancel();
      Thread.currentThread().interrupt();
      return new CriException(Code.CANCELLED, method + " was interrupted", e);
    }

    @Override
    public void close() {
      stream.cancel();
    }
  }
}
