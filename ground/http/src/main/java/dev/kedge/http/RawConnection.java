package dev.kedge.http;

import java.io.IOException;
import java.io.InputStream;
import java.io.OutputStream;
import java.nio.ByteBuffer;
import java.time.Duration;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.Executor;
import java.util.concurrent.TimeoutException;
import org.eclipse.jetty.io.AbstractConnection;
import org.eclipse.jetty.io.EndPoint;
import org.jspecify.annotations.Nullable;

/** A socket after an upgrade: what the HTTP parser had read already, then the bytes that follow. */
final class RawConnection extends AbstractConnection
    implements org.eclipse.jetty.io.Connection.UpgradeTo, Exchange.Connection {
  private final CompletableFuture<@Nullable Void> open = new CompletableFuture<>();
  private final In in = new In();
  private final Out out = new Out();
  private volatile boolean writing;

  RawConnection(EndPoint endPoint, Executor executor) {
    super(endPoint, executor);
  }

  /** Waits until the answer 101 is sent and the connection is taken over. */
  void awaitOpen() throws IOException {
    open.join();
  }

  void failOpen(Throwable cause) {
    open.completeExceptionally(cause);
  }

  @Override
  public void onUpgradeTo(@Nullable ByteBuffer rest) {
    if (rest != null && rest.hasRemaining()) {
      byte[] bytes = new byte[rest.remaining()];
      rest.get(bytes);
      in.waiting = ByteBuffer.wrap(bytes);
    }
  }

  @Override
  public void onOpen() {
    super.onOpen();
    getEndPoint().setIdleTimeout(0);
    open.complete(null);
  }

  @Override
  public void onFillable() {
    // Reads register their own callback.
  }

  @Override
  public boolean onIdleExpired(TimeoutException timeout) {
    // A quiet connection is no fault, a peer that lets a write wait is one.
    return writing;
  }

  @Override
  public void limitPauses(Duration longest) {
    getEndPoint().setIdleTimeout(longest.toMillis());
  }

  @Override
  public InputStream in() {
    return in;
  }

  @Override
  public OutputStream out() {
    return out;
  }

  @Override
  public void close() {
    getEndPoint().close();
  }

  private final class In extends InputStream {
    private ByteBuffer waiting = ByteBuffer.allocate(0);

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
      if (waiting.hasRemaining()) {
        int count = Math.min(length, waiting.remaining());
        waiting.get(target, offset, count);
        return count;
      }
      // The library fills buffers in flush mode: position 0 up to the limit is content.
      ByteBuffer buffer = ByteBuffer.wrap(target, offset, length).slice().limit(0);
      while (true) {
        int count = getEndPoint().fill(buffer);
        if (count != 0) {
          return count;
        }
        Waiter waiter = new Waiter();
        getEndPoint().fillInterested(waiter);
        waiter.await();
      }
    }

    @Override
    public int available() {
      return waiting.remaining();
    }

    @Override
    public void close() {
      RawConnection.this.close();
    }
  }

  private final class Out extends OutputStream {
    @Override
    public void write(int b) throws IOException {
      write(new byte[] {(byte) b}, 0, 1);
    }

    @Override
    public void write(byte[] source, int offset, int length) throws IOException {
      Waiter waiter = new Waiter();
      writing = true;
      try {
        getEndPoint().write(waiter, ByteBuffer.wrap(source, offset, length));
        waiter.await();
      } finally {
        writing = false;
      }
    }

    @Override
    public void close() {
      getEndPoint().shutdownOutput();
    }
  }
}
