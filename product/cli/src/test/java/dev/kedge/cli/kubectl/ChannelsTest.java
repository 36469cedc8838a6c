package dev.kedge.cli.kubectl;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.ByteArrayInputStream;
import java.io.ByteArrayOutputStream;
import java.io.DataInputStream;
import java.io.IOException;
import java.io.OutputStream;
import java.io.PrintStream;
import java.net.InetAddress;
import java.net.ServerSocket;
import java.net.Socket;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.WebSocket;
import java.nio.charset.StandardCharsets;
import java.security.MessageDigest;
import java.util.Base64;
import java.util.Map;
import org.junit.jupiter.api.Test;

/** The streams of exec against a WebSocket peer written out by hand. */
class ChannelsTest {
  private static final String FAILED =
      "{\"status\":\"Failure\",\"reason\":\"NonZeroExitCode\",\"details\":{\"causes\":[{\"reason\":\"ExitCode\",\"message\":\"3\"}]}}";

  @Test
  void streamsAreApartStdinIsClosedAndTheExitCodeComesBack() throws Exception {
    try (ServerSocket listener = new ServerSocket(0, 1, InetAddress.getLoopbackAddress())) {
      StringBuilder stdin = new StringBuilder();
      Thread server = Thread.ofVirtual().start(() -> serve(listener, stdin));
      ByteArrayOutputStream out = new ByteArrayOutputStream();
      ByteArrayOutputStream err = new ByteArrayOutputStream();
      Channels channels = new Channels(out, err);
      WebSocket socket =
          HttpClient.newHttpClient()
              .newWebSocketBuilder()
              .subprotocols("v5.channel.k8s.io", "v4.channel.k8s.io")
              .buildAsync(URI.create("ws://127.0.0.1:" + listener.getLocalPort() + "/"), channels)
              .get();
      channels.pump(socket, new ByteArrayInputStream("hello".getBytes(StandardCharsets.UTF_8)));
      ByteArrayOutputStream said = new ByteArrayOutputStream();
      int code =
          channels.exitCode(
              new Console(System.in, new PrintStream(said), new PrintStream(said), Map.of()));
      server.join();
      assertThat(code).isEqualTo(3);
      assertThat(stdin.toString()).isEqualTo("hello");
      assertThat(out.toString(StandardCharsets.UTF_8)).isEqualTo("one two");
      assertThat(err.toString(StandardCharsets.UTF_8)).isEqualTo("oops");
      assertThat(said.toString(StandardCharsets.UTF_8))
          .isEqualTo("command terminated with exit code 3\n");
    }
  }

  /** Takes stdin until it is closed, then answers on every channel and closes. */
  private static void serve(ServerSocket listener, StringBuilder stdin) {
    try (Socket socket = listener.accept()) {
      DataInputStream in = new DataInputStream(socket.getInputStream());
      OutputStream out = socket.getOutputStream();
      String key = "";
      for (String line = line(in); !line.isEmpty(); line = line(in)) {
        if (line.regionMatches(true, 0, "Sec-WebSocket-Key:", 0, 18)) {
          key = line.substring(18).strip();
        }
      }
      byte[] digest =
          MessageDigest.getInstance("SHA-1")
              .digest(
                  (key + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11").getBytes(StandardCharsets.UTF_8));
      out.write(
          ("HTTP/1.1 101 Switching Protocols\r\n"
                  + "Upgrade: websocket\r\n"
                  + "Connection: Upgrade\r\n"
                  + "Sec-WebSocket-Protocol: v5.channel.k8s.io\r\n"
                  + "Sec-WebSocket-Accept: "
                  + Base64.getEncoder().encodeToString(digest)
                  + "\r\n\r\n")
              .getBytes(StandardCharsets.UTF_8));
      out.flush();
      for (byte[] frame = frame(in); (frame[0] & 0xff) != 255; frame = frame(in)) {
        stdin.append(new String(frame, 1, frame.length - 1, StandardCharsets.UTF_8));
      }
      send(out, 1, "one ");
      send(out, 2, "oops");
      send(out, 1, "two");
      send(out, 3, FAILED);
      out.write(new byte[] {(byte) 0x88, 2, 0x03, (byte) 0xe8});
      out.flush();
      in.read();
    } catch (IOException | java.security.GeneralSecurityException e) {
      throw new IllegalStateException(e);
    }
  }

  private static String line(DataInputStream in) throws IOException {
    StringBuilder line = new StringBuilder();
    for (int c = in.read(); c != '\n'; c = in.read()) {
      if (c != '\r') {
        line.append((char) c);
      }
    }
    return line.toString();
  }

  private static byte[] frame(DataInputStream in) throws IOException {
    in.readUnsignedByte();
    int length = in.readUnsignedByte() & 0x7f;
    if (length == 126) {
      length = in.readUnsignedShort();
    }
    byte[] mask = in.readNBytes(4);
    byte[] data = in.readNBytes(length);
    for (int i = 0; i < data.length; i++) {
      data[i] ^= mask[i % 4];
    }
    return data;
  }

  private static void send(OutputStream out, int channel, String text) throws IOException {
    byte[] bytes = text.getBytes(StandardCharsets.UTF_8);
    byte[] frame = new byte[bytes.length + 1];
    frame[0] = (byte) channel;
    System.arraycopy(bytes, 0, frame, 1, bytes.length);
    out.write(0x82);
    if (frame.length < 126) {
      out.write(frame.length);
    } else {
      out.write(126);
      out.write(frame.length >> 8);
      out.write(frame.length & 0xff);
    }
    out.write(frame);
    out.flush();
  }
}
