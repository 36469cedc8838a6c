package dev.kedge.grpc;

import dev.kedge.model.Fuzz;
import java.io.ByteArrayOutputStream;
import java.io.DataInputStream;
import java.io.IOException;
import java.net.StandardProtocolFamily;
import java.net.UnixDomainSocketAddress;
import java.nio.ByteBuffer;
import java.nio.channels.Channels;
import java.nio.channels.ServerSocketChannel;
import java.nio.channels.SocketChannel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.atomic.AtomicReference;
import org.junit.jupiter.api.Test;

/** A peer that sends anything at all ends a call with an error, and nothing worse. */
class HostileAnswersTest {
  private static final byte[] MESSAGE =
      new ProtoWriter()
          .string(1, "text")
          .integer(2, 300)
          .map(3, Map.of("key", "value"))
          .string(4, "more")
          .bytes();

  @Test
  void messages() {
    Fuzz.run(
        "messages",
        List.of(MESSAGE),
        Set.of(GrpcException.class),
        input -> {
          ProtoMessage message = ProtoMessage.parse(input);
          for (int field = 1; field < 6; field++) {
            message.integer(field);
            // Each way of reading may refuse the field; the others are tried all the same.
            for (Runnable read : reads(message, field)) {
              try {
                read.run();
              } catch (GrpcException e) {
                if (e.code() != GrpcException.Code.INTERNAL) {
                  throw e;
                }
              }
            }
          }
        });
  }

  private static List<Runnable> reads(ProtoMessage message, int field) {
    return List.of(
        () -> message.string(field),
        () -> message.bytes(field),
        () -> message.strings(field),
        () -> message.message(field),
        () -> message.messages(field, inner -> inner),
        () -> message.map(field),
        () -> message.integerValue(field));
  }

  @Test
  void headers() {
    byte[] block =
        Hpack.encode(
            List.of(
                new Hpack.Header(":status", "200"),
                new Hpack.Header("content-type", "application/grpc"),
                new Hpack.Header("grpc-status", "0")));
    // Literals that are kept, found again by index, coded by Huffman; a change of the table's size.
    byte[] kept = {
      0x40, 1, 'a', (byte) 0x83, (byte) 0xf1, (byte) 0xe3, (byte) 0xc2, (byte) 0xbe, 0x20
    };
    Fuzz.run(
        "headers",
        List.of(block, kept),
        Set.of(IOException.class),
        input -> {
          Hpack.Decoder decoder = new Hpack.Decoder(4096);
          decoder.decode(input);
          decoder.decode(input);
        });
  }

  private static byte[] answer() {
    ByteArrayOutputStream out = new ByteArrayOutputStream();
    out.writeBytes(Frames.of(4, 0, 0, new byte[] {0, 3, 0, 0, 0, 100}));
    out.writeBytes(Frames.of(8, 0, 0, new byte[] {0, 1, 0, 0}));
    List<Hpack.Header> headers = new ArrayList<>();
    headers.add(new Hpack.Header(":status", "200"));
    headers.add(new Hpack.Header("content-type", "application/grpc"));
    out.writeBytes(Frames.of(1, 4, 1, Hpack.encode(headers)));
    byte[] framed =
        ByteBuffer.allocate(5 + MESSAGE.length)
            .put((byte) 0)
            .putInt(MESSAGE.length)
            .put(MESSAGE)
            .array();
    out.writeBytes(Frames.of(0, 0, 1, framed));
    out.writeBytes(Frames.of(6, 0, 0, new byte[8]));
    out.writeBytes(Frames.of(1, 5, 1, Hpack.encode(List.of(new Hpack.Header("grpc-status", "0")))));
    out.writeBytes(Frames.of(7, 0, 0, new byte[8]));
    return out.toByteArray();
  }

  @Test
  void frames() throws Exception {
    Path directory = Files.createTempDirectory("kedge-grpc");
    Path socket = directory.resolve("s");
    AtomicReference<byte[]> said = new AtomicReference<>(new byte[0]);
    try (ServerSocketChannel server = ServerSocketChannel.open(StandardProtocolFamily.UNIX)) {
      server.bind(UnixDomainSocketAddress.of(socket));
      Thread.ofVirtual().start(() -> serve(server, said));
      Fuzz.run(
          "frames",
          List.of(answer()),
          Set.of(GrpcException.class),
          input -> {
            said.set(input);
            try (GrpcChannel channel = GrpcChannel.unix(socket)) {
              channel.unary("/s/m", Map.of(), MESSAGE, Duration.ofSeconds(30));
            }
          });
    } finally {
      Files.deleteIfExists(socket);
      Files.delete(directory);
    }
  }

  /** Reads a request's end, says what is to be said, and hangs up. */
  private static void serve(ServerSocketChannel server, AtomicReference<byte[]> said) {
    while (server.isOpen()) {
      try (SocketChannel peer = server.accept()) {
        DataInputStream in = new DataInputStream(Channels.newInputStream(peer));
        in.readNBytes(24);
        int head;
        int flags;
        do {
          head = in.readInt();
          flags = in.read();
          in.readInt();
          in.readNBytes(head >>> 8);
        } while ((head & 0xff) != 0 || (flags & 1) == 0);
        Channels.newOutputStream(peer).write(said.get());
      } catch (IOException e) {
        // The client hung up first, or the test is over.
        if (!server.isOpen()) {
          return;
        }
      }
    }
  }
}
