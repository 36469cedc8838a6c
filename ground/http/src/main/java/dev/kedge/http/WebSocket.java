package dev.kedge.http;

import static java.nio.charset.StandardCharsets.US_ASCII;
import static java.nio.charset.StandardCharsets.UTF_8;

import java.io.ByteArrayOutputStream;
import java.io.DataInputStream;
import java.io.EOFException;
import java.io.IOException;
import java.io.OutputStream;
import java.net.URI;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.security.SecureRandom;
import java.time.Duration;
import java.util.Arrays;
import java.util.Base64;
import java.util.List;
import java.util.Optional;
import java.util.stream.Stream;
import javax.net.ssl.SSLContext;
import org.jspecify.annotations.Nullable;

/**
 * A WebSocket (RFC 6455), as server or client. One thread reads; any thread sends. Pings are
 * answered by {@link #read}, as is the peer's close.
 */
public final class WebSocket implements AutoCloseable {
  private static final String MAGIC = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";
  private static final int MAX_MESSAGE = 64 * 1024 * 1024;
  private static final SecureRandom RANDOM = new SecureRandom();

  private final Exchange.Connection connection;
  private final DataInputStream in;
  private final OutputStream out;
  private final boolean client;
  private final String protocol;
  private boolean closeSent; // or a frame broke off; guarded by this

  /** A complete message; the bytes are the reader's to keep. */
  public record Message(boolean text, byte[] data) {}

  WebSocket(Exchange.Connection connection, boolean client, String protocol) {
    this.connection = connection;
    this.in = new DataInputStream(new java.io.BufferedInputStream(connection.in(), 16 * 1024));
    this.out = connection.out();
    this.client = client;
    this.protocol = protocol;
  }

  /** Whether a request asks for a WebSocket, as one of the options of its connection. */
  public static boolean requested(Exchange exchange) {
    return exchange.headers().first("Upgrade").orElse("").equalsIgnoreCase("websocket")
        && list(exchange, "Connection").anyMatch(option -> option.equalsIgnoreCase("upgrade"));
  }

  /** The subprotocols that a request offers, in its order. */
  public static List<String> offered(Exchange exchange) {
    return list(exchange, "Sec-WebSocket-Protocol").toList();
  }

  private static Stream<String> list(Exchange exchange, String header) {
    return exchange.headers().values(header).stream()
        .flatMap(line -> Arrays.stream(line.split(",")))
        .map(String::strip)
        .filter(name -> !name.isEmpty());
  }

  /**
   * Accepts a request for a WebSocket with one of the subprotocols it offers, or the empty one.
   *
   * @throws IOException if the handshake is malformed (answered with 400) or the client is gone
   */
  public static WebSocket accept(Exchange exchange, String protocol) throws IOException {
    String key = exchange.headers().first("Sec-WebSocket-Key").orElse("");
    String version = exchange.headers().first("Sec-WebSocket-Version").orElse("");
    if (key.isEmpty() || !version.equals("13")) {
      exchange.respond(
          400,
          Headers.of("Content-Type", "text/plain; charset=utf-8", "Sec-WebSocket-Version", "13"),
          "malformed WebSocket handshake: version 13 and a key are needed\n".getBytes(UTF_8));
      throw new IOException("malformed WebSocket handshake");
    }
    Headers headers =
        Headers.of(
            "Connection", "Upgrade",
            "Upgrade", "websocket",
            "Sec-WebSocket-Accept", acceptance(key));
    if (!protocol.isEmpty()) {
      headers = headers.and("Sec-WebSocket-Protocol", protocol);
    }
    return new WebSocket(exchange.hijack(headers), false, protocol);
  }

  /**
   * Opens a WebSocket.
   *
   * @param target ws, wss, http or https
   * @param headers more headers, such as {@code Authorization}
   * @param protocols offered, best first; the server must choose one of them unless empty
   * @param tls for wss and https
   * @throws UpgradeRefusedException if the server answers other than 101
   */
  public static WebSocket connect(
      URI target, Headers headers, List<String> protocols, Optional<SSLContext> tls)
      throws IOException {
    byte[] nonce = new byte[16];
    RANDOM.nextBytes(nonce);
    String key = Base64.getEncoder().encodeToString(nonce);
    Headers all =
        headers
            .and("Connection", "Upgrade")
            .and("Upgrade", "websocket")
            .and("Sec-WebSocket-Version", "13")
            .and("Sec-WebSocket-Key", key);
    if (!protocols.isEmpty()) {
      all = all.and("Sec-WebSocket-Protocol", String.join(", ", protocols));
    }
    HttpUpgrade answer = HttpUpgrade.open(target, "GET", all, tls.orElse(null));
    if (answer.status() != 101) {
      throw new UpgradeRefusedException(target, answer);
    }
    String chosen = answer.headers().first("Sec-WebSocket-Protocol").orElse("");
    boolean proven =
        answer.headers().first("Sec-WebSocket-Accept").orElse("").equals(acceptance(key));
    if (!proven || !(protocols.isEmpty() ? chosen.isEmpty() : protocols.contains(chosen))) {
      answer.close();
      throw new IOException(
          proven ? "the server chose no offered subprotocol: " + chosen : "not a WebSocket server");
    }
    return new WebSocket(answer, true, chosen);
  }

  private static String acceptance(String key) {
    try {
      return Base64.getEncoder()
          .encodeToString(
              MessageDigest.getInstance("SHA-1").digest((key + MAGIC).getBytes(US_ASCII)));
    } catch (NoSuchAlgorithmException e) {
      throw new IllegalStateException("this Java runtime has no SHA-1", e);
    }
  }

  /**
   * Cuts the peer off when it takes nothing of a message for so long; {@link
   * Exchange.Connection#limitPauses}.
   */
  public void limitPauses(Duration longest) {
    connection.limitPauses(longest);
  }

  /** The agreed subprotocol; empty without one. */
  public String protocol() {
    return protocol;
  }

  /** The beginning of a frame; the payload follows. */
  private record Frame(boolean fin, int opcode, int length, byte @Nullable [] mask) {
    boolean control() {
      return opcode >= 8;
    }
  }

  /**
   * Waits for the next message.
   *
   * @return empty when the peer closed in order
   * @throws IOException if the connection breaks or the peer breaks the protocol
   */
  public Optional<Message> read() throws IOException {
    ByteArrayOutputStream parts = null;
    boolean text = false;
    while (true) {
      Frame frame = frame();
      byte[] data = payload(frame);
      if (frame.control()) {
        if (!answer(frame, data)) {
          return Optional.empty();
        }
        continue;
      }
      if (frame.opcode > 2) {
        throw broken("unknown opcode " + frame.opcode);
      }
      if ((frame.opcode == 0) != (parts != null)) {
        throw broken("continuation out of order");
      }
      if (frame.opcode != 0) {
        text = frame.opcode == 1;
      }
      if (frame.fin && parts == null) {
        return Optional.of(new Message(text, data));
      }
      if (parts == null) {
        parts = new ByteArrayOutputStream();
      }
      if (parts.size() + data.length > MAX_MESSAGE) {
        sendClose(1009, "message too big");
        throw new IOException("message is too big");
      }
      parts.write(data);
      if (frame.fin) {
        return Optional.of(new Message(text, parts.toByteArray()));
      }
    }
  }

  /**
   * Reads until the peer closes and keeps nothing of what it sends: for a peer that has only to
   * listen. Returns when the peer closed in order.
   *
   * @throws IOException if the connection breaks or the peer breaks the protocol
   */
  public void ignoreMessages() throws IOException {
    while (true) {
      Frame frame = frame();
      if (!frame.control()) {
        in.skipNBytes(frame.length);
      } else if (!answer(frame, payload(frame))) {
        return;
      }
    }
  }

  private Frame frame() throws IOException {
    int first = in.read();
    if (first < 0) {
      throw new EOFException("the connection was closed without a closing handshake");
    }
    int second = in.readUnsignedByte();
    boolean fin = (first & 0x80) != 0;
    int opcode = first & 0x0f;
    long length = second & 0x7f;
    if (length == 126) {
      length = in.readUnsignedShort();
    } else if (length == 127) {
      length = in.readLong();
    }
    boolean masked = (second & 0x80) != 0;
    if ((first & 0x70) != 0 || masked == client || opcode >= 8 && (!fin || length > 125)) {
      throw broken("malformed frame");
    }
    if (length < 0 || length > MAX_MESSAGE) {
      sendClose(1009, "message too big");
      throw new IOException("message of " + length + " bytes is too big");
    }
    byte[] mask = masked ? in.readNBytes(4) : null;
    if (mask != null && mask.length < 4) {
      throw new EOFException("the connection was closed within a frame");
    }
    return new Frame(fin, opcode, (int) length, mask);
  }

  private byte[] payload(Frame frame) throws IOException {
    byte[] data = in.readNBytes(frame.length);
    if (data.length < frame.length) {
      throw new EOFException("the connection was closed within a frame");
    }
    if (frame.mask != null) {
      apply(frame.mask, data, 0, data.length);
    }
    return data;
  }

  /** Does what a control frame asks for; false if it is the peer's goodbye. */
  private boolean answer(Frame frame, byte[] data) throws IOException {
    switch (frame.opcode) {
      case 8 -> {
        int code = data.length >= 2 ? (data[0] & 0xff) << 8 | data[1] & 0xff : 1000;
        try {
          sendClose(code == 1005 || code == 1006 ? 1000 : code, "");
        } catch (IOException e) {
          // The peer said goodbye and need not wait for ours.
          return false;
        }
        return false;
      }
      case 9 -> send(10, data, 0, data.length);
      case 10 -> {
        // A pong only shows that the peer lives.
      }
      default -> throw broken("unknown opcode " + frame.opcode);
    }
    return true;
  }

  private IOException broken(String what) throws IOException {
    sendClose(1002, what);
    return new IOException("WebSocket protocol error: " + what);
  }

  /** Sends a binary message. */
  public void sendBinary(byte[] data) throws IOException {
    send(2, data, 0, data.length);
  }

  /** Sends a binary message. */
  public void sendBinary(byte[] data, int offset, int length) throws IOException {
    send(2, data, offset, length);
  }

  /** Sends a text message. */
  public void sendText(String text) throws IOException {
    sendText(text.getBytes(UTF_8));
  }

  /** Sends a text message that is UTF-8 already. */
  public void sendText(byte[] utf8) throws IOException {
    send(1, utf8, 0, utf8.length);
  }

  /** Sends a ping; the peer's pong is swallowed by its {@link #read}. */
  public void ping() throws IOException {
    send(9, new byte[0], 0, 0);
  }

  private synchronized void send(int opcode, byte[] data, int offset, int length)
      throws IOException {
    if (closeSent) {
      throw new IOException("the WebSocket is closed");
    }
    byte[] frame = new byte[length + 14];
    int at = 0;
    frame[at++] = (byte) (0x80 | opcode);
    int maskBit = client ? 0x80 : 0;
    if (length < 126) {
      frame[at++] = (byte) (maskBit | length);
    } else if (length < 65536) {
      frame[at++] = (byte) (maskBit | 126);
      frame[at++] = (byte) (length >> 8);
      frame[at++] = (byte) length;
    } else {
      frame[at++] = (byte) (maskBit | 127);
      for (int shift = 56; shift >= 0; shift -= 8) {
        frame[at++] = (byte) ((long) length >> shift);
      }
    }
    byte @Nullable [] mask = null;
    if (client) {
      mask = new byte[4];
      RANDOM.nextBytes(mask);
      System.arraycopy(mask, 0, frame, at, 4);
      at += 4;
    }
    System.arraycopy(data, offset, frame, at, length);
    if (mask != null) {
      apply(mask, frame, at, length);
    }
    // Nothing can follow a frame that broke off.
    closeSent = true;
    out.write(frame, 0, at + length);
    out.flush();
    closeSent = opcode == 8;
  }

  private static void apply(byte[] mask, byte[] data, int offset, int length) {
    for (int i = 0; i < length; i++) {
      data[offset + i] ^= mask[i & 3];
    }
  }

  /** Says goodbye with a code (1000 is normal) and a reason of at most 120 bytes; once. */
  public synchronized void sendClose(int code, String reason) throws IOException {
    if (closeSent) {
      return;
    }
    byte[] text = reason.getBytes(UTF_8);
    int length = Math.min(text.length, 120);
    byte[] data = new byte[2 + length];
    data[0] = (byte) (code >> 8);
    data[1] = (byte) code;
    System.arraycopy(text, 0, data, 2, length);
    send(8, data, 0, data.length);
  }

  /** Closes the connection, with a goodbye if none was said. */
  @Override
  public void close() throws IOException {
    try {
      sendClose(1000, "");
    } finally {
      connection.close();
    }
  }
}
