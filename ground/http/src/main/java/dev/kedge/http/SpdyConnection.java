package dev.kedge.http;

import static java.nio.charset.StandardCharsets.UTF_8;

import java.io.ByteArrayOutputStream;
import java.io.DataInputStream;
import java.io.DataOutputStream;
import java.io.EOFException;
import java.io.IOException;
import java.io.InterruptedIOException;
import java.io.OutputStream;
import java.time.Duration;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Optional;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.concurrent.locks.Condition;
import java.util.concurrent.locks.ReentrantLock;
import java.util.zip.DataFormatException;
import java.util.zip.Deflater;
import java.util.zip.Inflater;
import org.jspecify.annotations.Nullable;

/**
 * SPDY/3.1 over a taken-over connection, either side: what exec, attach and port-forward of
 * Kubernetes clients and of CRI runtimes speak. A virtual thread of its own reads; any thread opens
 * streams and writes.
 *
 * <p>The other implementation in the field, Go's spdystream, knows no flow control: it neither
 * sends window updates nor heeds them. Windows are therefore kept only towards a peer that has sent
 * an update or a setting of its own.
 */
final class SpdyConnection implements AutoCloseable {
  private static final System.Logger LOG = System.getLogger("dev.kedge.http");

  static final String PROTOCOL = "SPDY/3.1";

  private static final int VERSION = 3;
  private static final int SYN_STREAM = 1;
  private static final int SYN_REPLY = 2;
  private static final int RST_STREAM = 3;
  private static final int SETTINGS = 4;
  private static final int PING = 6;
  private static final int GOAWAY = 7;
  private static final int HEADERS = 8;
  private static final int WINDOW_UPDATE = 9;
  private static final int FLAG_FIN = 1;
  private static final int SETTING_INITIAL_WINDOW = 7;

  static final int STATUS_PROTOCOL_ERROR = 1;
  static final int STATUS_INVALID_STREAM = 2;
  static final int STATUS_REFUSED_STREAM = 3;
  static final int STATUS_CANCEL = 5;

  private static final int DEFAULT_WINDOW = 64 * 1024;
  private static final int MAX_CONTROL_FRAME = 256 * 1024;
  private static final int MAX_HEADERS = 256 * 1024;
  private static final int MAX_DATA_FRAME = 32 * 1024;
  private static final int MAX_STREAMS = 1000;
  private static final int UNREAD = 256 * 1024;
  private static final Duration REPLY_TIME = Duration.ofSeconds(30);

  private final Exchange.Connection connection;
  private final DataInputStream in;
  private final OutputStream out;
  private final boolean client;
  private final Thread reader;
  private final Map<Integer, SpdyStream> streams = new ConcurrentHashMap<>();
  private final LinkedBlockingQueue<Optional<SpdyStream>> incoming = new LinkedBlockingQueue<>();
  private final AtomicBoolean closed = new AtomicBoolean();
  private final Inflater inflater = new Inflater(); // the reader's
  private final ReentrantLock writing = new ReentrantLock();
  private final Deflater deflater = new Deflater(); // under the writing lock
  private int nextStream; // under the writing lock
  private int nextPing; // under the writing lock

  private final ReentrantLock windows = new ReentrantLock();
  private final Condition windowGrew = windows.newCondition();
  private boolean peerKeepsWindows; // under the windows lock, as are the next two
  private long sendWindow = DEFAULT_WINDOW;
  private int initialWindow = DEFAULT_WINDOW;

  SpdyConnection(Exchange.Connection connection, boolean client) {
    this.connection = connection;
    this.in = new DataInputStream(new java.io.BufferedInputStream(connection.in(), 16 * 1024));
    this.out = connection.out();
    this.client = client;
    this.nextStream = client ? 1 : 2;
    this.nextPing = client ? 1 : 2;
    deflater.setDictionary(SpdyDictionary.BYTES);
    this.reader = Thread.ofVirtual().name("spdy-reader").unstarted(this::readFrames);
    reader.start();
  }

  /** One stream: bytes both ways, each direction ended on its own. */
  final class SpdyStream {
    private final int id;
    private final Headers headers;
    private final Pipe in = new Pipe(UNREAD, this::consumed);
    private final ReentrantLock lock = new ReentrantLock();
    private final Condition answered = lock.newCondition();
    private boolean replied; // under lock, as are the next three
    private boolean reset;
    private boolean sentEnd;
    private boolean gotEnd;
    private long window; // under the windows lock
    private int unacknowledged; // under the windows lock

    private SpdyStream(int id, Headers headers) {
      this.id = id;
      this.headers = headers;
      windows.lock();
      try {
        this.window = initialWindow;
      } finally {
        windows.unlock();
      }
    }

    Headers headers() {
      return headers;
    }

    Pipe in() {
      return in;
    }

    /** Accepts a stream that the peer opened; before this the peer's data may be lost. */
    void reply() throws IOException {
      lock.lock();
      try {
        replied = true;
      } finally {
        lock.unlock();
      }
      writing.lock();
      try {
        ByteArrayOutputStream body = new ByteArrayOutputStream();
        DataOutputStream data = new DataOutputStream(body);
        data.writeInt(id);
        data.write(deflate(dev.kedge.http.Headers.NONE));
        sendControl(SYN_REPLY, 0, body.toByteArray());
      } finally {
        writing.unlock();
      }
    }

    private void awaitReply() throws IOException {
      lock.lock();
      try {
        long left = REPLY_TIME.toNanos();
        while (!replied && !reset && !closed.get()) {
          if (left <= 0) {
            throw new InterruptedIOException("the peer did not accept a stream in " + REPLY_TIME);
          }
          left = answered.awaitNanos(left);
        }
        if (!replied) {
          throw new IOException(
              reset ? "the peer refused a stream" : "the connection was closed by the peer");
        }
      } catch (InterruptedException e) {
        Thread.currentThread().interrupt();
        throw new InterruptedIOException("interrupted");
      } finally {
        lock.unlock();
      }
    }

    /** Writes are sent at once; closing ends this direction. */
    OutputStream out() {
      return new OutputStream() {
        @Override
        public void write(int b) throws IOException {
          write(new byte[] {(byte) b}, 0, 1);
        }

        @Override
        public void write(byte[] source, int offset, int length) throws IOException {
          int at = offset;
          int left = length;
          while (left > 0) {
            int count = allowed(Math.min(left, MAX_DATA_FRAME));
            sendData(id, 0, source, at, count);
            at += count;
            left -= count;
          }
        }

        @Override
        public void close() throws IOException {
          endOutput();
        }
      };
    }

    private void endOutput() throws IOException {
      lock.lock();
      try {
        if (sentEnd || reset) {
          return;
        }
        sentEnd = true;
      } finally {
        lock.unlock();
      }
      if (!closed.get()) {
        sendData(id, FLAG_FIN, new byte[0], 0, 0);
      }
      forgetIfDone();
    }

    /** How much may be sent now; waits until it is something. */
    private int allowed(int wanted) throws IOException {
      windows.lock();
      try {
        while (true) {
          if (closed.get() || isReset()) {
            throw new IOException("the stream was closed by the peer");
          }
          if (!peerKeepsWindows) {
            // Counted nevertheless: it may start to.
            window -= wanted;
            sendWindow -= wanted;
            return wanted;
          }
          long room = Math.min(window, sendWindow);
          if (room > 0) {
            int count = (int) Math.min(room, wanted);
            window -= count;
            sendWindow -= count;
            return count;
          }
          windowGrew.await();
        }
      } catch (InterruptedException e) {
        Thread.currentThread().interrupt();
        throw new InterruptedIOException("interrupted");
      } finally {
        windows.unlock();
      }
    }

    private boolean isReset() {
      lock.lock();
      try {
        return reset;
      } finally {
        lock.unlock();
      }
    }

    /** Gives the peer room for what was read, if it keeps windows. */
    private void consumed(int count) {
      int update;
      windows.lock();
      try {
        if (!peerKeepsWindows) {
          return;
        }
        unacknowledged += count;
        if (unacknowledged < DEFAULT_WINDOW / 2) {
          return;
        }
        update = unacknowledged;
        unacknowledged = 0;
      } finally {
        windows.unlock();
      }
      try {
        sendWindowUpdate(id, update);
        sendWindowUpdate(0, update);
      } catch (IOException e) {
        fail(e);
      }
    }

    /** Ends both directions at once. */
    void reset(int status) throws IOException {
      gotReset();
      sendReset(id, status);
    }

    private void gotReset() {
      lock.lock();
      try {
        reset = true;
        answered.signalAll();
      } finally {
        lock.unlock();
      }
      in.end();
      streams.remove(id);
      wakeWriters();
    }

    private void gotReply() {
      lock.lock();
      try {
        replied = true;
        answered.signalAll();
      } finally {
        lock.unlock();
      }
    }

    private void gotEnd() {
      lock.lock();
      try {
        gotEnd = true;
      } finally {
        lock.unlock();
      }
      in.end();
      forgetIfDone();
    }

    private void forgetIfDone() {
      lock.lock();
      try {
        if (!sentEnd || !gotEnd) {
          return;
        }
      } finally {
        lock.unlock();
      }
      streams.remove(id);
    }

    private void connectionClosed(@Nullable IOException cause) {
      lock.lock();
      try {
        answered.signalAll();
      } finally {
        lock.unlock();
      }
      in.end(cause);
    }
  }

  /** Opens a stream and waits until the peer has accepted it. */
  SpdyStream open(Headers headers) throws IOException {
    SpdyStream stream;
    writing.lock();
    try {
      if (closed.get()) {
        throw new IOException("the connection is closed");
      }
      stream = new SpdyStream(nextStream, headers);
      nextStream += 2;
      streams.put(stream.id, stream);
      ByteArrayOutputStream body = new ByteArrayOutputStream();
      DataOutputStream data = new DataOutputStream(body);
      data.writeInt(stream.id);
      data.writeInt(0);
      data.writeShort(0);
      data.write(deflate(headers));
      sendControl(SYN_STREAM, 0, body.toByteArray());
    } finally {
      writing.unlock();
    }
    stream.awaitReply();
    return stream;
  }

  /** Waits for a stream that the peer opens; empty when the connection ends or time is up. */
  Optional<SpdyStream> accept(Duration time) throws InterruptedException {
    Optional<SpdyStream> next = incoming.poll(time.toNanos(), TimeUnit.NANOSECONDS);
    if (next == null) {
      return Optional.empty();
    }
    if (next.isEmpty()) {
      incoming.add(next);
    }
    return next;
  }

  boolean isClosed() {
    return closed.get();
  }

  /** Waits until the peer has closed the connection, at most for a time. */
  void awaitClosed(Duration time) {
    try {
      if (!reader.join(time)) {
        LOG.log(System.Logger.Level.DEBUG, "the peer keeps its connection open");
      }
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
    }
  }

  /** Asks for a sign of life, to keep the connection from idling out. */
  void ping() throws IOException {
    writing.lock();
    try {
      int id = nextPing;
      nextPing += 2;
      sendControl(PING, 0, int32(id));
    } finally {
      writing.unlock();
    }
  }

  private void readFrames() {
    try {
      while (true) {
        int first = in.read();
        if (first < 0) {
          break;
        }
        int head = first << 24 | in.readUnsignedByte() << 16 | in.readUnsignedShort();
        int flagsAndLength = in.readInt();
        int flags = flagsAndLength >>> 24;
        int length = flagsAndLength & 0xffffff;
        if (head < 0) {
          control(head >>> 16 & 0x7fff, head & 0xffff, flags, length);
        } else {
          data(head & 0x7fffffff, flags, length);
        }
      }
      ended(null);
    } catch (IOException e) {
      ended(e);
    } catch (RuntimeException e) {
      LOG.log(System.Logger.Level.WARNING, "a SPDY connection failed", e);
      ended(new IOException(e));
    } finally {
      inflater.end();
    }
  }

  private void data(int id, int flags, int length) throws IOException {
    SpdyStream stream = streams.get(id);
    int left = length;
    while (left > 0) {
      byte[] chunk = in.readNBytes(Math.min(left, MAX_DATA_FRAME));
      if (chunk.length == 0) {
        throw new EOFException("the connection was closed within a frame");
      }
      left -= chunk.length;
      if (stream != null) {
        stream.in.put(chunk);
      }
    }
    if (stream == null) {
      if (flags == 0) {
        sendReset(id, STATUS_INVALID_STREAM);
      }
    } else if ((flags & FLAG_FIN) != 0) {
      stream.gotEnd();
    }
  }

  private void control(int version, int type, int flags, int length) throws IOException {
    if (version != VERSION || length > MAX_CONTROL_FRAME) {
      throw new IOException("malformed SPDY frame: version " + version + ", length " + length);
    }
    byte[] body = in.readNBytes(length);
    if (body.length < length) {
      throw new EOFException("the connection was closed within a frame");
    }
    switch (type) {
      case SYN_STREAM -> {
        need(body, 10);
        int id = int32(body, 0) & 0x7fffffff;
        Headers headers = inflate(body, 10);
        if ((id & 1) == (client ? 1 : 0) || streams.containsKey(id)) {
          sendReset(id, STATUS_PROTOCOL_ERROR);
        } else if (streams.size() >= MAX_STREAMS || incoming.size() >= MAX_STREAMS) {
          // Streams that were reset at once wait to be accepted all the same.
          sendReset(id, STATUS_REFUSED_STREAM);
        } else {
          SpdyStream stream = new SpdyStream(id, headers);
          streams.put(id, stream);
          if ((flags & FLAG_FIN) != 0) {
            stream.gotEnd();
          }
          incoming.add(Optional.of(stream));
        }
      }
      case SYN_REPLY -> {
        need(body, 4);
        SpdyStream stream = streams.get(int32(body, 0) & 0x7fffffff);
        // Inflated even if nobody asks: the compression goes through all header blocks.
        inflate(body, 4);
        if (stream != null) {
          stream.gotReply();
          if ((flags & FLAG_FIN) != 0) {
            stream.gotEnd();
          }
        }
      }
      case HEADERS -> {
        need(body, 4);
        SpdyStream stream = streams.get(int32(body, 0) & 0x7fffffff);
        inflate(body, 4);
        if (stream != null && (flags & FLAG_FIN) != 0) {
          stream.gotEnd();
        }
      }
      case RST_STREAM -> {
        need(body, 8);
        SpdyStream stream = streams.get(int32(body, 0) & 0x7fffffff);
        if (stream != null) {
          stream.gotReset();
        }
      }
      case PING -> {
        need(body, 4);
        if ((int32(body, 0) & 1) != (client ? 1 : 0)) {
          sendControl(PING, 0, body);
        }
      }
      case WINDOW_UPDATE -> {
        need(body, 8);
        windowUpdate(int32(body, 0) & 0x7fffffff, int32(body, 4) & 0x7fffffff);
      }
      case SETTINGS -> settings(body);
      default -> {
        // GOAWAY needs no answer: the streams at work go on, and the peer closes after them.
        // Unknown types are to be ignored.
        if (type != GOAWAY) {
          LOG.log(System.Logger.Level.DEBUG, "ignoring SPDY frame type {0}", type);
        }
      }
    }
  }

  private void windowUpdate(int id, int delta) {
    windows.lock();
    try {
      peerKeepsWindows = true;
      if (id == 0) {
        sendWindow += delta;
      } else {
        SpdyStream stream = streams.get(id);
        if (stream != null) {
          stream.window += delta;
        }
      }
      windowGrew.signalAll();
    } finally {
      windows.unlock();
    }
  }

  private void settings(byte[] body) throws IOException {
    need(body, 4);
    int count = int32(body, 0);
    for (int i = 0; i < count; i++) {
      need(body, 12 + i * 8);
      if ((int32(body, 4 + i * 8) & 0xffffff) == SETTING_INITIAL_WINDOW) {
        int value = int32(body, 8 + i * 8);
        windows.lock();
        try {
          peerKeepsWindows = true;
          int grown = value - initialWindow;
          initialWindow = value;
          for (SpdyStream stream : streams.values()) {
            stream.window += grown;
          }
          windowGrew.signalAll();
        } finally {
          windows.unlock();
        }
      }
    }
  }

  private void wakeWriters() {
    windows.lock();
    try {
      windowGrew.signalAll();
    } finally {
      windows.unlock();
    }
  }

  private static void need(byte[] body, int length) throws IOException {
    if (body.length < length) {
      throw new IOException("malformed SPDY frame: too short");
    }
  }

  private void fail(IOException cause) {
    LOG.log(System.Logger.Level.DEBUG, "a SPDY connection broke", cause);
    ended(cause);
  }

  /** The connection is over: wakes everyone who waits for it. */
  private void ended(@Nullable IOException cause) {
    boolean mine = closed.compareAndSet(false, true);
    // An orderly end of the connection is one of its streams too: Go's side just closes.
    IOException failure = cause == null || cause instanceof EOFException || !mine ? null : cause;
    List.copyOf(streams.values()).forEach(stream -> stream.connectionClosed(failure));
    wakeWriters();
    incoming.add(Optional.empty());
    Relays.close(connection);
  }

  private void sendData(int id, int flags, byte[] source, int offset, int length)
      throws IOException {
    byte[] frame = new byte[8 + length];
    putInt32(frame, 0, id);
    putInt32(frame, 4, flags << 24 | length);
    System.arraycopy(source, offset, frame, 8, length);
    send(frame);
  }

  private void sendReset(int id, int status) throws IOException {
    byte[] body = new byte[8];
    putInt32(body, 0, id);
    putInt32(body, 4, status);
    sendControl(RST_STREAM, 0, body);
  }

  private void sendWindowUpdate(int id, int delta) throws IOException {
    byte[] body = new byte[8];
    putInt32(body, 0, id);
    putInt32(body, 4, delta);
    sendControl(WINDOW_UPDATE, 0, body);
  }

  private void sendControl(int type, int flags, byte[] body) throws IOException {
    byte[] frame = new byte[8 + body.length];
    putInt32(frame, 0, 0x80000000 | VERSION << 16 | type);
    putInt32(frame, 4, flags << 24 | body.length);
    System.arraycopy(body, 0, frame, 8, body.length);
    send(frame);
  }

  private void send(byte[] frame) throws IOException {
    writing.lock();
    try {
      if (closed.get()) {
        throw new IOException("the connection is closed");
      }
      out.write(frame);
      out.flush();
    } finally {
      writing.unlock();
    }
  }

  /** Compresses a header block; under the writing lock, because blocks share one state. */
  private byte[] deflate(Headers headers) {
    Map<String, List<String>> fields = new LinkedHashMap<>();
    for (Headers.Header header : headers.all()) {
      fields
          .computeIfAbsent(header.name().toLowerCase(Locale.ROOT), name -> new ArrayList<>())
          .add(header.value());
    }
    ByteArrayOutputStream block = new ByteArrayOutputStream();
    block.writeBytes(int32(fields.size()));
    fields.forEach(
        (name, values) -> {
          for (String text : List.of(name, String.join("\0", values))) {
            byte[] bytes = text.getBytes(UTF_8);
            block.writeBytes(int32(bytes.length));
            block.writeBytes(bytes);
          }
        });
    deflater.setInput(block.toByteArray());
    ByteArrayOutputStream compressed = new ByteArrayOutputStream();
    byte[] buffer = new byte[1024];
    int count;
    do {
      count = deflater.deflate(buffer, 0, buffer.length, Deflater.SYNC_FLUSH);
      compressed.write(buffer, 0, count);
    } while (count == buffer.length);
    return compressed.toByteArray();
  }

  private Headers inflate(byte[] body, int offset) throws IOException {
    inflater.setInput(body, offset, body.length - offset);
    ByteArrayOutputStream block = new ByteArrayOutputStream();
    byte[] buffer = new byte[4096];
    try {
      while (true) {
        int count = inflater.inflate(buffer);
        if (count > 0) {
          block.write(buffer, 0, count);
          if (block.size() > MAX_HEADERS) {
            throw new IOException("SPDY headers are too large");
          }
        } else if (inflater.needsDictionary()) {
          inflater.setDictionary(SpdyDictionary.BYTES);
        } else {
          break;
        }
      }
    } catch (DataFormatException | IllegalArgumentException e) {
      throw new IOException("malformed SPDY headers", e);
    }
    byte[] plain = block.toByteArray();
    need(plain, 4);
    int fields = int32(plain, 0);
    int at = 4;
    List<Headers.Header> all = new ArrayList<>();
    for (int i = 0; i < fields; i++) {
      String[] pair = new String[2];
      for (int j = 0; j < 2; j++) {
        need(plain, at + 4);
        int length = int32(plain, at);
        at += 4;
        if (length < 0 || length > plain.length - at) {
          throw new IOException("malformed SPDY headers");
        }
        pair[j] = new String(plain, at, length, UTF_8);
        at += length;
      }
      for (String value : pair[1].split("\0", -1)) {
        all.add(new Headers.Header(pair[0], value));
      }
    }
    return new Headers(all);
  }

  private static int int32(byte[] bytes, int at) {
    return bytes[at] << 24
        | (bytes[at + 1] & 0xff) << 16
        | (bytes[at + 2] & 0xff) << 8
        | bytes[at + 3] & 0xff;
  }

  private static byte[] int32(int value) {
    byte[] bytes = new byte[4];
    putInt32(bytes, 0, value);
    return bytes;
  }

  private static void putInt32(byte[] bytes, int at, int value) {
    bytes[at] = (byte) (value >> 24);
    bytes[at + 1] = (byte) (value >> 16);
    bytes[at + 2] = (byte) (value >> 8);
    bytes[at + 3] = (byte) value;
  }

  /** Says GOAWAY and closes; what others wait for ends. */
  @Override
  public void close() {
    if (closed.get()) {
      return;
    }
    try {
      sendControl(GOAWAY, 0, new byte[8]);
    } catch (IOException e) {
      LOG.log(System.Logger.Level.DEBUG, "could not say goodbye", e);
    }
    ended(null);
  }
}
