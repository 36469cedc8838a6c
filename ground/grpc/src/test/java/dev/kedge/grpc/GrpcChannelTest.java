package dev.kedge.grpc;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.io.DataInputStream;
import java.io.IOException;
import java.io.OutputStream;
import java.net.StandardProtocolFamily;
import java.net.UnixDomainSocketAddress;
import java.nio.ByteBuffer;
import java.nio.channels.Channels;
import java.nio.channels.ServerSocketChannel;
import java.nio.channels.SocketChannel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import java.util.Map;
import java.util.concurrent.atomic.AtomicInteger;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** The bad days of a connection, played by a peer that speaks HTTP/2 frame by frame. */
class GrpcChannelTest {
  private Path directory;
  private Path socket;
  private ServerSocketChannel server;
  private GrpcChannel channel;

  @BeforeEach
  void listen() throws IOException {
    directory = Files.createTempDirectory("kedge-grpc");
    socket = directory.resolve("s");
    server = ServerSocketChannel.open(StandardProtocolFamily.UNIX);
    server.bind(UnixDomainSocketAddress.of(socket));
    channel = GrpcChannel.unix(socket);
  }

  @AfterEach
  void close() throws IOException {
    channel.close();
    server.close();
    Files.deleteIfExists(socket);
    Files.delete(directory);
  }

  /** Handles one request frame of type DATA with END_STREAM. */
  private interface Script {
    void request(Peer peer, int connection, int stream, byte[] message)
        throws IOException, InterruptedException;
  }

  private record Peer(OutputStream out) {
    void frame(int type, int flags, int stream, byte[] payload) throws IOException {
      out.write(Frames.of(type, flags, stream, payload));
      out.flush();
    }

    void headers(int stream, boolean end, String... namesAndValues) throws IOException {
      List<Hpack.Header> headers = new java.util.ArrayList<>();
      for (int i = 0; i < namesAndValues.length; i += 2) {
        headers.add(new Hpack.Header(namesAndValues[i], namesAndValues[i + 1]));
      }
      frame(1, end ? 5 : 4, stream, Hpack.encode(headers));
    }

    void answer(int stream, byte[] message) throws IOException {
      headers(stream, false, ":status", "200", "content-type", "application/grpc");
      byte[] framed =
          ByteBuffer.allocate(5 + message.length)
              .put((byte) 0)
              .putInt(message.length)
              .put(message)
              .array();
      for (int offset = 0; offset < framed.length; offset += 16384) {
        frame(
            0,
            0,
            stream,
            java.util.Arrays.copyOfRange(framed, offset, Math.min(framed.length, offset + 16384)));
      }
      headers(stream, true, "grpc-status", "0");
    }

    void goAway(int last) throws IOException {
      frame(7, 0, 0, ByteBuffer.allocate(8).putInt(last).putInt(0).array());
    }
  }

  private void serve(Script script) {
    AtomicInteger connections = new AtomicInteger();
    Thread.ofVirtual()
        .start(
            () -> {
              try {
                while (true) {
                  SocketChannel peer = server.accept();
                  int number = connections.incrementAndGet();
                  Thread.ofVirtual().start(() -> converse(peer, number, script));
                }
              } catch (IOException e) {
                assertThat(server.isOpen()).isFalse();
              }
            });
  }

  private static void converse(SocketChannel socket, int connection, Script script) {
    try (socket) {
      DataInputStream in = new DataInputStream(Channels.newInputStream(socket));
      Peer peer = new Peer(Channels.newOutputStream(socket));
      in.readNBytes(24);
      peer.frame(4, 0, 0, new byte[0]);
      byte[] collected = new byte[0];
      while (true) {
        int head = in.readInt();
        int flags = in.read();
        int stream = in.readInt();
        byte[] payload = in.readNBytes(head >>> 8);
        if ((head & 0xff) == 6 && (flags & 1) == 0) {
          peer.frame(6, 1, 0, payload);
        }
        if ((head & 0xff) == 0) {
          byte[] all = java.util.Arrays.copyOf(collected, collected.length + payload.length);
          System.arraycopy(payload, 0, all, collected.length, payload.length);
          collected = all;
          if (payload.length > 0) {
            byte[] window = ByteBuffer.allocate(4).putInt(payload.length).array();
            peer.frame(8, 0, 0, window);
            peer.frame(8, 0, stream, window);
          }
          if ((flags & 1) != 0) {
            byte[] message = java.util.Arrays.copyOfRange(collected, 5, collected.length);
            collected = new byte[0];
            script.request(peer, connection, stream, message);
          }
        }
      }
    } catch (InterruptedException e) {
      throw new IllegalStateException(e);
    } catch (IOException e) {
      // The client hung up: the end of the conversation.
      assertThat(e).isNotNull();
    }
  }

  private byte[] call(byte... request) {
    return channel.unary("/s/m", Map.of(), request, Duration.ofSeconds(60));
  }

  @ParameterizedTest
  @CsvSource({"5, NOT_FOUND", "99, UNKNOWN", "-1, UNKNOWN", "00, UNKNOWN", "five, UNKNOWN"})
  void aStatusThatIsNotZeroIsAnError(String status, GrpcException.Code code) {
    serve(
        (peer, connection, stream, message) ->
            peer.headers(stream, true, ":status", "200", "grpc-status", status));
    assertThatThrownBy(() -> call(new byte[0]))
        .isInstanceOfSatisfying(GrpcException.class, e -> assertThat(e.code()).isEqualTo(code));
  }

  @Test
  void largeMessagesPassBothWaysThroughTheWindows() {
    serve((peer, connection, stream, message) -> peer.answer(stream, message));
    byte[] large = new byte[3 << 20];
    new java.util.Random(1).nextBytes(large);
    assertThat(call(large)).isEqualTo(large);
    assertThat(call()).isEmpty();
  }

  @Test
  void afterGoAwayCallsGoToANewConnection() {
    serve(
        (peer, connection, stream, message) -> {
          peer.answer(stream, new byte[] {(byte) connection});
          peer.goAway(stream);
        });
    assertThat(call()).containsExactly(1);
    assertThat(call()).containsExactly(2);
  }

  @Test
  void aCallThatGoAwayLeavesOutIsMadeAgain() {
    serve(
        (peer, connection, stream, message) -> {
          if (connection == 1) {
            peer.goAway(0);
          } else {
            peer.answer(stream, new byte[] {7});
          }
        });
    assertThat(call()).containsExactly(7);
  }

  @Test
  void aBrokenConnectionFailsTheCallAndTheNextOneConnectsAgain() {
    serve(
        (peer, connection, stream, message) -> {
          if (connection == 1) {
            throw new IOException("broken on purpose");
          }
          peer.answer(stream, new byte[] {9});
        });
    assertThatThrownBy(this::call)
        .isInstanceOfSatisfying(GrpcException.class, e -> assertThat(e.isUnavailable()).isTrue());
    assertThat(call()).containsExactly(9);
  }

  @Test
  void trailersBecomeAnException() {
    serve(
        (peer, connection, stream, message) ->
            peer.headers(
                stream,
                true,
                ":status",
                "200",
                "grpc-status",
                "5",
                "grpc-message",
                "an error occurred: container %22x+y%22: not found"));
    assertThatThrownBy(this::call)
        .isInstanceOfSatisfying(
            GrpcException.class,
            e -> {
              assertThat(e.isNotFound()).isTrue();
              assertThat(e.detail()).isEqualTo("an error occurred: container \"x+y\": not found");
              assertThat(e).hasMessageStartingWith("rpc error: code = NotFound desc = ");
            });
  }

  @Test
  void silenceEndsAtTheDeadline() {
    serve((peer, connection, stream, message) -> peer.frame(6, 0, 0, new byte[8]));
    assertThatThrownBy(() -> channel.unary("/s/m", Map.of(), new byte[0], Duration.ofMillis(50)))
        .isInstanceOfSatisfying(
            GrpcException.class,
            e -> assertThat(e.code()).isEqualTo(GrpcException.Code.DEADLINE_EXCEEDED));
  }

  @Test
  void noSocketIsUnavailable() throws IOException {
    server.close();
    Files.delete(socket);
    assertThatThrownBy(this::call)
        .isInstanceOfSatisfying(GrpcException.class, e -> assertThat(e.isUnavailable()).isTrue());
  }

  @Test
  void aSilentPeerIsGivenUpAndOneThatAnswersPingsIsNot() throws IOException {
    channel.close();
    channel =
        GrpcChannel.unix(
            socket, new GrpcChannel.Options(1 << 20, Duration.ZERO, Duration.ofMillis(100)));
    serve(
        (peer, connection, stream, message) -> {
          if (connection == 1) {
            // Nothing is read from now on, so nothing is answered.
            Thread.currentThread().join(Duration.ofSeconds(20));
          }
        });
    assertThatThrownBy(() -> call(new byte[0]))
        .isInstanceOfSatisfying(
            GrpcException.class,
            e -> {
              assertThat(e.isUnavailable()).isTrue();
              assertThat(e.detail()).contains("no sign of life");
            });
    // The second connection does not answer the call either, but its pings.
    assertThatThrownBy(() -> channel.unary("/s/m", Map.of(), new byte[0], Duration.ofMillis(600)))
        .isInstanceOfSatisfying(
            GrpcException.class,
            e -> assertThat(e.code()).isEqualTo(GrpcException.Code.DEADLINE_EXCEEDED));
  }
}
