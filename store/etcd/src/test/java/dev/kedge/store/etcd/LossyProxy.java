package dev.kedge.store.etcd;

import java.io.BufferedInputStream;
import java.io.DataInputStream;
import java.io.EOFException;
import java.io.IOException;
import java.io.OutputStream;
import java.io.UncheckedIOException;
import java.net.InetAddress;
import java.net.ServerSocket;
import java.net.Socket;
import java.net.URI;
import java.nio.ByteBuffer;
import java.util.Arrays;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.atomic.AtomicBoolean;
import org.assertj.core.api.Assertions;

/**
 * Stands between store and etcd and can lose the answer to a request that etcd has carried out. It
 * reads the frames of HTTP/2 (RFC 9113, section 4.1) to know which bytes are that answer: a
 * connection carries those of watches as well.
 */
final class LossyProxy implements AutoCloseable {
  private static final int PREFACE_LENGTH = 24;
  private static final int FRAME_HEADER_LENGTH = 9;
  private static final int HEADERS = 1;
  private static final int END_STREAM = 1;

  private final ServerSocket server;
  private final URI target;
  private final Set<Connection> open = ConcurrentHashMap.newKeySet();
  private final AtomicBoolean losing = new AtomicBoolean();

  LossyProxy(URI target) throws IOException {
    this.target = target;
    this.server = new ServerSocket(0, 50, InetAddress.getLoopbackAddress());
    Thread.ofVirtual().start(this::accept);
  }

  URI url() {
    return URI.create("http://127.0.0.1:" + server.getLocalPort());
  }

  /**
   * The answer to the next request that begins and ends is lost: its connection is cut where its
   * last frame would have passed.
   */
  void loseNextAnswer() {
    open.forEach(connection -> connection.asked.clear());
    losing.set(true);
  }

  /** Whether the answer that was to be lost is lost. */
  boolean lost() {
    return !losing.get();
  }

  /** Cuts what is open; new connections are let through. */
  void cut() {
    open.forEach(Connection::close);
  }

  private void accept() {
    try {
      while (true) {
        Socket near = server.accept();
        Connection connection =
            new Connection(near, new Socket(target.getHost(), target.getPort()));
        open.add(connection);
        Thread.ofVirtual().start(() -> connection.copy(connection::requests));
        Thread.ofVirtual().start(() -> connection.copy(connection::answers));
      }
    } catch (IOException e) {
      Assertions.assertThat(server.isClosed()).isTrue();
    }
  }

  @Override
  public void close() throws IOException {
    server.close();
    cut();
  }

  private interface Copy {
    void run() throws IOException;
  }

  private record Frame(int type, int flags, int stream, byte[] bytes) {
    static Frame read(DataInputStream in) throws IOException {
      byte[] header = in.readNBytes(FRAME_HEADER_LENGTH);
      if (header.length < FRAME_HEADER_LENGTH) {
        throw new EOFException("the other side hung up");
      }
      ByteBuffer fields = ByteBuffer.wrap(header);
      int length = fields.getInt(0) >>> 8;
      byte[] bytes = Arrays.copyOf(header, FRAME_HEADER_LENGTH + length);
      in.readFully(bytes, FRAME_HEADER_LENGTH, length);
      return new Frame(header[3], header[4], fields.getInt(5), bytes);
    }
  }

  private final class Connection {
    private final Socket near;
    private final Socket far;

    /** The streams that began since an answer is to be lost. */
    private final Set<Integer> asked = ConcurrentHashMap.newKeySet();

    Connection(Socket near, Socket far) {
      this.near = near;
      this.far = far;
    }

    void copy(Copy direction) {
      try {
        direction.run();
      } catch (IOException e) {
        // One side hung up; the other one follows.
        Assertions.assertThat(e).isNotNull();
      } finally {
        open.remove(this);
        close();
      }
    }

    void requests() throws IOException {
      DataInputStream in = new DataInputStream(new BufferedInputStream(near.getInputStream()));
      OutputStream out = far.getOutputStream();
      out.write(in.readNBytes(PREFACE_LENGTH));
      while (true) {
        Frame frame = Frame.read(in);
        if (frame.type() == HEADERS) {
          asked.add(frame.stream());
        }
        out.write(frame.bytes());
      }
    }

    void answers() throws IOException {
      DataInputStream in = new DataInputStream(new BufferedInputStream(far.getInputStream()));
      OutputStream out = near.getOutputStream();
      while (true) {
        Frame frame = Frame.read(in);
        boolean last = frame.type() == HEADERS && (frame.flags() & END_STREAM) != 0;
        if (last && asked.contains(frame.stream()) && losing.compareAndSet(true, false)) {
          return;
        }
        out.write(frame.bytes());
      }
    }

    void close() {
      try (near;
          far) {
        asked.clear();
      } catch (IOException e) {
        throw new UncheckedIOException(e);
      }
    }
  }
}
