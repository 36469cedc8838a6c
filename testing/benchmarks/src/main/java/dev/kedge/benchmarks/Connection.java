package dev.kedge.benchmarks;

import static java.nio.charset.StandardCharsets.ISO_8859_1;
import static java.nio.charset.StandardCharsets.UTF_8;

import dev.kedge.client.Kubeconfig;
import java.io.BufferedInputStream;
import java.io.EOFException;
import java.io.IOException;
import java.io.InputStream;
import java.io.OutputStream;
import java.net.Socket;
import java.util.Locale;

/**
 * One connection that is kept, HTTP/1.1 over TLS: as little work on the client's side as there can
 * be, since client and server share the processors. One thread at a time.
 */
final class Connection implements AutoCloseable {
  private final Socket socket;
  private final InputStream in;
  private final OutputStream out;
  private final String common;
  private final byte[] discarded = new byte[64 * 1024];

  Connection(Kubeconfig target) throws IOException {
    int port = target.server().getPort() < 0 ? 443 : target.server().getPort();
    socket = target.tls().getSocketFactory().createSocket(target.server().getHost(), port);
    socket.setTcpNoDelay(true);
    in = new BufferedInputStream(socket.getInputStream(), 64 * 1024);
    out = socket.getOutputStream();
    common =
        "Host: "
            + target.server().getHost()
            + "\r\n"
            + target.token().map(token -> "Authorization: Bearer " + token + "\r\n").orElse("");
  }

  /** The bytes of a request; a body needs its type. */
  byte[] request(String method, String path, String accept, String type, String body) {
    byte[] content = body.getBytes(UTF_8);
    String head =
        method
            + " "
            + path
            + " HTTP/1.1\r\n"
            + common
            + "Accept: "
            + accept
            + "\r\n"
            + (content.length == 0
                ? ""
                : "Content-Type: " + type + "\r\nContent-Length: " + content.length + "\r\n")
            + "\r\n";
    byte[] bytes = new byte[head.length() + content.length];
    System.arraycopy(head.getBytes(ISO_8859_1), 0, bytes, 0, head.length());
    System.arraycopy(content, 0, bytes, head.length(), content.length);
    return bytes;
  }

  /**
   * Sends a request and reads the answer to its end.
   *
   * @return the answer's size in bytes
   * @throws IOException if it is an error, with its text
   */
  long exchange(byte[] request) throws IOException {
    out.write(request);
    out.flush();
    Answer answer = head();
    if (answer.status >= 300) {
      throw new IOException(answer.status + " " + text(answer));
    }
    return skip(answer);
  }

  /** Sends a request whose answer does not end; {@link #chunk} reads on. */
  void open(byte[] request) throws IOException {
    out.write(request);
    out.flush();
    Answer answer = head();
    if (answer.status >= 300) {
      throw new IOException(answer.status + " " + text(answer));
    }
  }

  /** The next chunk of an answer that does not end. */
  String chunk() throws IOException {
    int length = Integer.parseInt(line(), 16);
    String text = new String(in.readNBytes(length), UTF_8);
    line();
    return text;
  }

  private record Answer(int status, long length, boolean chunked) {}

  private Answer head() throws IOException {
    int status = Integer.parseInt(line().split(" ", 3)[1]);
    long length = 0;
    boolean chunked = false;
    for (String line = line(); !line.isEmpty(); line = line()) {
      String header = line.toLowerCase(Locale.ROOT);
      if (header.startsWith("content-length:")) {
        length = Long.parseLong(header.substring(15).strip());
      } else if (header.startsWith("transfer-encoding:")) {
        chunked = header.contains("chunked");
      }
    }
    return new Answer(status, length, chunked);
  }

  private String text(Answer answer) throws IOException {
    return answer.chunked ? chunk() : new String(in.readNBytes((int) answer.length), UTF_8);
  }

  private long skip(Answer answer) throws IOException {
    if (!answer.chunked) {
      skip(answer.length);
      return answer.length;
    }
    long total = 0;
    while (true) {
      int length = Integer.parseInt(line(), 16);
      skip(length);
      line();
      if (length == 0) {
        return total;
      }
      total += length;
    }
  }

  private void skip(long length) throws IOException {
    for (long left = length; left > 0; ) {
      int read = in.read(discarded, 0, (int) Math.min(discarded.length, left));
      if (read < 0) {
        throw new EOFException("the server closed the connection within an answer");
      }
      left -= read;
    }
  }

  private String line() throws IOException {
    StringBuilder line = new StringBuilder();
    while (true) {
      int c = in.read();
      if (c < 0) {
        throw new EOFException("the server closed the connection");
      }
      if (c == '\n') {
        return line.toString();
      }
      if (c != '\r') {
        line.append((char) c);
      }
    }
  }

  @Override
  public void close() throws IOException {
    socket.close();
  }
}
