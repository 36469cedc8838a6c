package dev.kedge.grpc;

import java.io.ByteArrayOutputStream;
import java.io.EOFException;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Deque;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.locks.Condition;
import java.util.concurrent.locks.ReentrantLock;
import org.jspecify.annotations.Nullable;

/**
 * The client side of one HTTP/2 connection (RFC 9113), in the clear with prior knowledge or over
 * TLS. One virtual thread reads; any thread opens streams and writes. When the socket breaks, every
 * stream fails and {@link #usable} is false for ever; after GOAWAY running streams finish and new
 * ones are refused.
 */
final class Http2Connection implements AutoCloseable {
  /** What each stream may receive before its reader takes something out. */
  private static final int STREAM_WINDOW = 1 << 20;

  private static final int MAX_FRAME = 1 << 20;
  private static final byte[] PREFACE =
      "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".getBytes(StandardCharsets.US_ASCII);

  private static final int DATA = 0;
  private static final int HEADERS = 1;
  private static final int RST_STREAM = 3;
  private static final int SETTINGS = 4;
  private static final int PUSH_PROMISE = 5;
  private static final int PING = 6;
  private static final int GOAWAY = 7;
  private static final int WINDOW_UPDATE = 8;
  private static final int CONTINUATION = 9;
  private static final int END_STREAM = 1;
  private static final int ACK = 1;
  private static final int END_HEADERS = 4;
  private static final int PADDED = 8;
  private static final int PRIORITY = 0x20;

  static final int CANCEL = 8;
  static final int REFUSED_STREAM = 7;

  private final Transport transport;
  private final Object writeLock = new Object();
  private final ReentrantLock lock = new ReentrantLock();
  private final Condition changed = lock.newCondition();
  private final Condition broken = lock.newCondition();
  private final Map<Integer, Stream> streams = new HashMap<>();
  private final Hpack.Decoder decoder = new Hpack.Decoder(4096);
  private int nextStreamId = 1;
  private int peerMaxFrame = 16384;
  private int peerInitialWindow = 65535;
  private long peerMaxStreams = Long.MAX_VALUE;
  private long connectionWindow = 65535;
  private boolean goingAway;
  private @Nullable IOException failure;
  private volatile long lastRead = System.nanoTime();

  private Http2Connection(Transport transport) {
    this.transport = transport;
  }

  /**
   * Sends the preface; does not wait for the peer's.
   *
   * @param keepalive how long the peer may be silent while streams are open before it is asked for
   *     a sign of life, and how long it then has for it; zero: for ever
   */
  static Http2Connection open(Transport transport, Duration keepalive) throws IOException {
    Http2Connection connection = new Http2Connection(transport);
    try {
      connection.start(keepalive);
      return connection;
    } catch (IOException | RuntimeException e) {
      transport.close();
      throw e;
    }
  }

  private void start(Duration keepalive) throws IOException {
    ByteArrayOutputStream out = new ByteArrayOutputStream();
    out.writeBytes(PREFACE);
    ByteBuffer settings = ByteBuffer.allocate(18);
    settings.putShort((short) 2).putInt(0); // no push
    settings.putShort((short) 4).putInt(STREAM_WINDOW);
    settings.putShort((short) 5).putInt(MAX_FRAME);
    out.writeBytes(frame(SETTINGS, 0, 0, settings.array()));
    // The connection's own window is opened wide: one slow reader must not hold up the others,
    // and each stream is bounded by its own.
    out.writeBytes(frame(WINDOW_UPDATE, 0, 0, integer(Integer.MAX_VALUE - 65535)));
    write(out.toByteArray());
    Thread.ofVirtual().name("http2-reader").start(this::readLoop);
    if (keepalive.isPositive()) {
      Thread.ofVirtual().name("http2-keepalive").start(() -> keepAlive(keepalive.toNanos()));
    }
  }

  private void keepAlive(long interval) {
    try {
      while (awaitSilence(interval)) {
        long before = lastRead;
        // A peer that stands still may hold up writers, but not the verdict on it.
        Thread.ofVirtual().name("http2-ping").start(this::ping);
        if (!sleep(interval)) {
          return;
        }
        if (lastRead == before) {
          fail(new IOException("the peer gives no sign of life"));
        }
      }
    } catch (InterruptedException e) {
      fail(new IOException("interrupted", e));
    }
  }

  private void ping() {
    try {
      write(frame(PING, 0, 0, new byte[8]));
    } catch (IOException e) {
      fail(e);
    }
  }

  /** Waits until nothing was read for an interval while a stream is open; false: it is over. */
  private boolean awaitSilence(long interval) throws InterruptedException {
    while (true) {
      long quiet = System.nanoTime() - lastRead;
      boolean busy;
      lock.lock();
      try {
        busy = !streams.isEmpty();
      } finally {
        lock.unlock();
      }
      if (busy && quiet >= interval) {
        return true;
      }
      if (!sleep(busy ? interval - quiet : interval)) {
        return false;
      }
    }
  }

  /** Waits; false when the connection broke meanwhile. */
  private boolean sleep(long nanos) throws InterruptedException {
    lock.lock();
    try {
      long left = nanos;
      while (failure == null && left > 0) {
        left = broken.awaitNanos(left);
      }
      return failure == null;
    } finally {
      lock.unlock();
    }
  }

  /** Whether a new stream may be opened. */
  boolean usable() {
    lock.lock();
    try {
      return failure == null && !goingAway && nextStreamId > 0;
    } finally {
      lock.unlock();
    }
  }

  /** Opens a stream by sending its headers; waits while the peer allows no more streams. */
  Stream open(List<Hpack.Header> headers) throws IOException, InterruptedException {
    byte[] block = Hpack.encode(headers);
    awaitPlace();
    // Streams must appear on the wire in the order of their numbers.
    synchronized (writeLock) {
      Stream stream;
      int maxFrame;
      lock.lockInterruptibly();
      try {
        if (failure != null) {
          throw new RefusedException("connection is closed", failure);
        }
        if (goingAway || nextStreamId < 0) {
          throw new RefusedException("connection is going away", null);
        }
        stream = new Stream(nextStreamId, peerInitialWindow);
        nextStreamId += 2;
        streams.put(stream.id, stream);
        maxFrame = peerMaxFrame;
      } finally {
        lock.unlock();
      }
      for (int offset = 0; offset == 0 || offset < block.length; offset += maxFrame) {
        int end = Math.min(block.length, offset + maxFrame);
        write(
            frame(
                offset == 0 ? HEADERS : CONTINUATION,
                end == block.length ? END_HEADERS : 0,
                stream.id,
                block,
                offset,
                end - offset));
      }
      return stream;
    }
  }

  /** A stream that slips past the limit all the same is refused by the peer and tried again. */
  private void awaitPlace() throws InterruptedException {
    lock.lockInterruptibly();
    try {
      while (streams.size() >= peerMaxStreams && failure == null && !goingAway) {
        changed.await();
      }
    } finally {
      lock.unlock();
    }
  }

  @Override
  public void close() {
    fail(new IOException("connection closed"));
  }

  private void fail(IOException cause) {
    lock.lock();
    try {
      if (failure == null) {
        failure = cause;
      }
      for (Stream stream : streams.values()) {
        stream.end(cause);
      }
      streams.clear();
      changed.signalAll();
      broken.signalAll();
    } finally {
      lock.unlock();
    }
    try {
      transport.close();
    } catch (IOException e) {
      System.getLogger("dev.kedge.grpc").log(System.Logger.Level.DEBUG, "closing the socket", e);
    }
  }

  private void write(byte[] bytes) throws IOException {
    synchronized (writeLock) {
      try {
        transport.out().write(bytes);
        transport.out().flush();
      } catch (IOException e) {
        fail(e);
        throw e;
      }
    }
  }

  private static byte[] integer(int value) {
    return ByteBuffer.allocate(4).putInt(value).array();
  }

  private static byte[] frame(int type, int flags, int stream, byte[] payload) {
    return frame(type, flags, stream, payload, 0, payload.length);
  }

  private static byte[] frame(
      int type, int flags, int stream, byte[] payload, int offset, int length) {
    return ByteBuffer.allocate(9 + length)
        .put((byte) (length >> 16))
        .putShort((short) length)
        .put((byte) type)
        .put((byte) flags)
        .putInt(stream)
        .put(payload, offset, length)
        .array();
  }

  private void readLoop() {
    ByteBuffer in = ByteBuffer.allocate(64 << 10).limit(0);
    try {
      while (true) {
        int head = read(in, 4).getInt();
        int length = head >>> 8;
        int type = head & 0xff;
        int flags = read(in, 1).get() & 0xff;
        int stream = read(in, 4).getInt() & Integer.MAX_VALUE;
        if (length > MAX_FRAME) {
          throw new IOException("HTTP/2 frame of " + length + " bytes");
        }
        handle(type, flags, stream, payload(in, length), in);
      }
    } catch (IOException e) {
      fail(e);
    } catch (RuntimeException e) {
      fail(new IOException("malformed HTTP/2 frame", e));
    }
  }

  /** The buffer with at least so many bytes to read; for small counts. */
  private ByteBuffer read(ByteBuffer in, int count) throws IOException {
    while (in.remaining() < count) {
      in.compact();
      int read = transport.in().read(in.array(), in.position(), in.remaining());
      if (read < 0) {
        throw new EOFException("the peer closed the connection");
      }
      in.position(in.position() + read).flip();
      lastRead = System.nanoTime();
    }
    return in;
  }

  private byte[] payload(ByteBuffer in, int length) throws IOException {
    byte[] payload = new byte[length];
    int have = Math.min(in.remaining(), length);
    in.get(payload, 0, have);
    if (transport.in().readNBytes(payload, have, length - have) < length - have) {
      throw new EOFException("the peer closed the connection");
    }
    lastRead = System.nanoTime();
    return payload;
  }

  private void handle(int type, int flags, int streamId, byte[] payload, ByteBuffer in)
      throws IOException {
    switch (type) {
      case DATA -> data(flags, streamId, payload);
      case HEADERS -> {
        int offset = 0;
        int padding = 0;
        if ((flags & PADDED) != 0) {
          padding = payload[offset++] & 0xff;
        }
        if ((flags & PRIORITY) != 0) {
          offset += 5;
        }
        ByteArrayOutputStream block = new ByteArrayOutputStream();
        block.write(payload, offset, payload.length - offset - padding);
        boolean last = (flags & END_HEADERS) != 0;
        while (!last) {
          int head = read(in, 4).getInt();
          int more = read(in, 1).get();
          int id = read(in, 4).getInt() & Integer.MAX_VALUE;
          if ((head & 0xff) != CONTINUATION || id != streamId || block.size() > MAX_FRAME) {
            throw new IOException("HTTP/2 header block is broken off");
          }
          block.writeBytes(payload(in, head >>> 8));
          last = (more & END_HEADERS) != 0;
        }
        headers(streamId, decoder.decode(block.toByteArray()), (flags & END_STREAM) != 0);
      }
      case RST_STREAM -> {
        int code = ByteBuffer.wrap(payload).getInt();
        finish(
            streamId,
            code == REFUSED_STREAM
                ? new RefusedException("stream refused", null)
                : new ResetException(code));
      }
      case SETTINGS -> {
        if ((flags & ACK) == 0) {
          settings(ByteBuffer.wrap(payload));
          write(frame(SETTINGS, ACK, 0, new byte[0]));
        }
      }
      case PING -> {
        if ((flags & ACK) == 0) {
          write(frame(PING, ACK, 0, payload));
        }
      }
      case GOAWAY -> goAway(ByteBuffer.wrap(payload));
      case WINDOW_UPDATE -> {
        int increment = ByteBuffer.wrap(payload).getInt() & Integer.MAX_VALUE;
        lock.lock();
        try {
          if (streamId == 0) {
            connectionWindow += increment;
          } else if (streams.get(streamId) instanceof Stream stream) {
            stream.sendWindow += increment;
          }
          changed.signalAll();
        } finally {
          lock.unlock();
        }
      }
      case PUSH_PROMISE -> throw new IOException("HTTP/2 push was not asked for");
      default -> {
        // PRIORITY and unknown frame types are to be ignored.
      }
    }
  }

  private void data(int flags, int streamId, byte[] payload) throws IOException {
    byte[] content = payload;
    if ((flags & PADDED) != 0) {
      int padding = payload[0] & 0xff;
      content = java.util.Arrays.copyOfRange(payload, 1, payload.length - padding);
    }
    lock.lock();
    try {
      Stream stream = streams.get(streamId);
      if (stream != null) {
        stream.received.add(content);
        stream.overhead += payload.length - content.length;
        stream.readable.signalAll();
        if ((flags & END_STREAM) != 0) {
          streams.remove(streamId);
          stream.end(null);
        }
      }
    } finally {
      lock.unlock();
    }
    if (payload.length > 0) {
      write(frame(WINDOW_UPDATE, 0, 0, integer(payload.length)));
    }
  }

  private void headers(int streamId, List<Hpack.Header> headers, boolean end) {
    lock.lock();
    try {
      Stream stream = streams.get(streamId);
      if (stream == null) {
        return;
      }
      stream.headers.addAll(headers);
      if (end) {
        streams.remove(streamId);
        stream.end(null);
      }
    } finally {
      lock.unlock();
    }
  }

  private void finish(int streamId, IOException cause) {
    lock.lock();
    try {
      Stream stream = streams.remove(streamId);
      if (stream != null) {
        stream.end(cause);
      }
    } finally {
      lock.unlock();
    }
  }

  private void settings(ByteBuffer settings) {
    lock.lock();
    try {
      while (settings.remaining() >= 6) {
        int name = settings.getShort();
        int value = settings.getInt();
        switch (name) {
          case 3 -> peerMaxStreams = value & 0xffffffffL;
          case 4 -> {
            for (Stream stream : streams.values()) {
              stream.sendWindow += value - peerInitialWindow;
            }
            peerInitialWindow = value;
          }
          case 5 -> peerMaxFrame = value;
          default -> {
            // The header table size concerns an encoder that uses the table; ours does not.
          }
        }
      }
      changed.signalAll();
    } finally {
      lock.unlock();
    }
  }

  private void goAway(ByteBuffer payload) {
    int last = payload.getInt() & Integer.MAX_VALUE;
    lock.lock();
    try {
      goingAway = true;
      for (Stream stream : List.copyOf(streams.values())) {
        if (stream.id > last) {
          streams.remove(stream.id);
          stream.end(new RefusedException("the peer is going away", null));
        }
      }
      changed.signalAll();
    } finally {
      lock.unlock();
    }
  }

  /** The peer did not look at the stream: the call may be made again elsewhere. */
  static final class RefusedException extends IOException {
    RefusedException(String message, @Nullable Throwable cause) {
      super(message, cause);
    }
  }

  /** The peer broke the stream off. */
  static final class ResetException extends IOException {
    final int code;

    ResetException(int code) {
      super("stream reset with HTTP/2 error " + code);
      this.code = code;
    }
  }

  /** One stream. One thread writes, one reads; {@link #cancel} from any. */
  final class Stream {
    private final int id;
    private final Condition readable = lock.newCondition();
    private final Deque<byte[]> received = new ArrayDeque<>();
    private final List<Hpack.Header> headers = new ArrayList<>();
    private long sendWindow;
    private int taken;
    private int overhead;
    private boolean ended;
    private @Nullable IOException cause;

    private Stream(int id, int sendWindow) {
      this.id = id;
      this.sendWindow = sendWindow;
    }

    private void end(@Nullable IOException why) {
      if (!ended) {
        ended = true;
        cause = why;
        readable.signalAll();
        // Whoever waits for a place or for this stream's window.
        changed.signalAll();
      }
    }

    /** Sends body bytes as the peer's windows allow. */
    void send(byte[] body, boolean end) throws IOException, InterruptedException {
      int offset = 0;
      while (true) {
        int size;
        lock.lockInterruptibly();
        try {
          while (offset < body.length && !ended && Math.min(sendWindow, connectionWindow) <= 0) {
            changed.await();
          }
          if (ended) {
            // The peer answered before it read everything; what it said is for the reader.
            return;
          }
          size =
              (int)
                  Math.min(
                      Math.min(body.length - offset, peerMaxFrame),
                      Math.max(0, Math.min(sendWindow, connectionWindow)));
          sendWindow -= size;
          connectionWindow -= size;
        } finally {
          lock.unlock();
        }
        boolean last = offset + size == body.length;
        write(frame(DATA, last && end ? END_STREAM : 0, id, body, offset, size));
        offset += size;
        if (last) {
          return;
        }
      }
    }

    /**
     * The next piece of the answer's body, or null at its end.
     *
     * @param deadline of {@link System#nanoTime}; {@link Long#MAX_VALUE} for none
     * @throws java.util.concurrent.TimeoutException when the deadline passes first
     */
    byte @Nullable [] receive(long deadline)
        throws IOException, InterruptedException, java.util.concurrent.TimeoutException {
      byte[] piece;
      int increment = 0;
      lock.lockInterruptibly();
      try {
        while (received.isEmpty() && !ended) {
          if (deadline == Long.MAX_VALUE) {
            readable.await();
          } else if (readable.awaitNanos(deadline - System.nanoTime()) <= 0
              && received.isEmpty()
              && !ended) {
            throw new java.util.concurrent.TimeoutException();
          }
        }
        if (received.isEmpty()) {
          if (cause != null) {
            throw cause;
          }
          return null;
        }
        piece = received.removeFirst();
        taken += piece.length + overhead;
        overhead = 0;
        if (taken > STREAM_WINDOW / 2 && !ended) {
          increment = taken;
          taken = 0;
        }
      } finally {
        lock.unlock();
      }
      if (increment > 0) {
        write(frame(WINDOW_UPDATE, 0, id, integer(increment)));
      }
      return piece;
    }

    /** A header or trailer received so far; the last of that name. */
    @Nullable String header(String name) {
      lock.lock();
      try {
        return headers.reversed().stream()
            .filter(header -> header.name().equals(name))
            .map(Hpack.Header::value)
            .findFirst()
            .orElse(null);
      } finally {
        lock.unlock();
      }
    }

    /** Tells the peer that nobody waits any longer. */
    void cancel() {
      lock.lock();
      try {
        if (ended) {
          return;
        }
        streams.remove(id);
        end(new ResetException(CANCEL));
      } finally {
        lock.unlock();
      }
      try {
        write(frame(RST_STREAM, 0, id, integer(CANCEL)));
      } catch (IOException e) {
        // The connection is gone, and with it the stream.
        System.getLogger("dev.kedge.grpc").log(System.Logger.Level.DEBUG, "cancelling a stream", e);
      }
    }
  }
}
