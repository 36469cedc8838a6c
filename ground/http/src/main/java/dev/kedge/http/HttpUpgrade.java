package dev.kedge.http;

import static java.nio.charset.StandardCharsets.ISO_8859_1;

import java.io.BufferedInputStream;
import java.io.EOFException;
import java.io.IOException;
import java.io.InputStream;
import java.io.OutputStream;
import java.net.InetSocketAddress;
import java.net.Socket;
import java.net.URI;
import java.util.ArrayList;
import java.util.List;
import javax.net.ssl.SSLContext;
import javax.net.ssl.SSLParameters;
import javax.net.ssl.SSLSocket;
import org.jspecify.annotations.Nullable;

/**
 * The client's side of an HTTP/1.1 upgrade: one request on a socket of its own, and the socket
 * after the answer 101. For SPDY, WebSocket and proxies, which the JDK's client cannot do.
 */
final class HttpUpgrade implements Exchange.Connection {
  private static final int CONNECT_MILLIS = 10_000;
  private static final int ANSWER_MILLIS = 30_000;
  private static final int MAX_HEAD = 64 * 1024;
  private static final int MAX_BODY = 1024 * 1024;

  private final Socket socket;
  private final InputStream in;
  private final int status;
  private final Headers headers;

  private HttpUpgrade(Socket socket, InputStream in, int status, Headers headers) {
    this.socket = socket;
    this.in = in;
    this.status = status;
    this.headers = headers;
  }

  /**
   * Connects, sends the request and reads the answer's head.
   *
   * @param target http or https
   * @param tls for https
   * @throws java.net.ConnectException if nobody listens
   */
  static HttpUpgrade open(URI target, String method, Headers headers, @Nullable SSLContext tls)
      throws IOException {
    boolean secure = target.getScheme().equals("https") || target.getScheme().equals("wss");
    int port = target.getPort() >= 0 ? target.getPort() : secure ? 443 : 80;
    String host = target.getHost();
    if (host == null) {
      throw new IOException("no host in " + target);
    }
    String bare = host.startsWith("[") ? host.substring(1, host.length() - 1) : host;
    Socket socket = new Socket();
    try {
      socket.setTcpNoDelay(true);
      socket.setKeepAlive(true);
      socket.connect(new InetSocketAddress(bare, port), CONNECT_MILLIS);
      socket.setSoTimeout(ANSWER_MILLIS);
      if (secure) {
        socket = secure(socket, bare, port, tls);
      }
      StringBuilder head = new StringBuilder();
      String path = target.getRawPath();
      head.append(method).append(' ').append(path == null || path.isEmpty() ? "/" : path);
      if (target.getRawQuery() != null) {
        head.append('?').append(target.getRawQuery());
      }
      head.append(" HTTP/1.1\r\n");
      if (headers.first("Host").isEmpty()) {
        head.append("Host: ").append(host);
        if (target.getPort() >= 0) {
          head.append(':').append(target.getPort());
        }
        head.append("\r\n");
      }
      for (Headers.Header header : headers.all()) {
        if (header.name().matches(".*[\\r\\n:].*") || header.value().matches("(?s).*[\\r\\n].*")) {
          throw new IOException("line break in header " + header.name());
        }
        head.append(header.name()).append(": ").append(header.value()).append("\r\n");
      }
      if (!method.equals("GET") && headers.first("Content-Length").isEmpty()) {
        head.append("Content-Length: 0\r\n");
      }
      head.append("\r\n");
      OutputStream out = socket.getOutputStream();
      out.write(head.toString().getBytes(ISO_8859_1));
      out.flush();
      HttpUpgrade answer = readHead(socket);
      socket.setSoTimeout(answer.status == 101 ? 0 : ANSWER_MILLIS);
      return answer;
    } catch (IOException | RuntimeException e) {
      socket.close();
      throw e;
    }
  }

  private static Socket secure(Socket socket, String host, int port, @Nullable SSLContext tls)
      throws IOException {
    if (tls == null) {
      throw new IOException("no TLS settings for https");
    }
    SSLSocket secured = (SSLSocket) tls.getSocketFactory().createSocket(socket, host, port, true);
    SSLParameters parameters = secured.getSSLParameters();
    parameters.setEndpointIdentificationAlgorithm("HTTPS");
    parameters.setApplicationProtocols(new String[] {"http/1.1"});
    secured.setSSLParameters(parameters);
    secured.startHandshake();
    return secured;
  }

  private static HttpUpgrade readHead(Socket socket) throws IOException {
    InputStream in = new BufferedInputStream(socket.getInputStream(), 16 * 1024);
    int[] left = {MAX_HEAD};
    while (true) {
      String first = line(in, left);
      String[] parts = first.split(" ", 3);
      if (parts.length < 2 || !parts[0].startsWith("HTTP/1.") || !parts[1].matches("[1-9]\\d\\d")) {
        throw new IOException("not an HTTP answer: " + first);
      }
      List<Headers.Header> headers = new ArrayList<>();
      for (String line = line(in, left); !line.isEmpty(); line = line(in, left)) {
        int colon = line.indexOf(':');
        if (colon <= 0) {
          throw new IOException("malformed header: " + line);
        }
        headers.add(
            new Headers.Header(
                line.substring(0, colon).strip(), line.substring(colon + 1).strip()));
      }
      int status = Integer.parseInt(parts[1]);
      if (status >= 200 || status == 101) {
        return new HttpUpgrade(socket, in, status, new Headers(headers));
      }
    }
  }

  private static String line(InputStream in, int[] left) throws IOException {
    StringBuilder line = new StringBuilder();
    while (true) {
      int b = in.read();
      if (b < 0) {
        throw new EOFException("the connection was closed before the answer");
      }
      if (--left[0] < 0) {
        throw new IOException("the answer's headers are too long");
      }
      if (b == '\n') {
        int length = line.length();
        if (length > 0 && line.charAt(length - 1) == '\r') {
          line.setLength(length - 1);
        }
        return line.toString();
      }
      line.append((char) b);
    }
  }

  int status() {
    return status;
  }

  Headers headers() {
    return headers;
  }

  /** The body of an answer other than 101, up to a megabyte; closes the connection. */
  byte[] refusal() throws IOException {
    try (socket) {
      String coding = headers.first("Transfer-Encoding").orElse("");
      if (coding.equalsIgnoreCase("chunked")) {
        var body = new java.io.ByteArrayOutputStream();
        int[] left = {MAX_BODY};
        while (true) {
          int size = Integer.parseInt(line(in, left).split(";", 2)[0].strip(), 16);
          if (size == 0 || body.size() + (long) size > MAX_BODY) {
            return body.toByteArray();
          }
          body.write(in.readNBytes(size));
          line(in, left);
        }
      }
      String length = headers.first("Content-Length").orElse("");
      return in.readNBytes(
          length.matches("\\d{1,9}") ? Math.min(MAX_BODY, Integer.parseInt(length)) : MAX_BODY);
    } catch (NumberFormatException e) {
      throw new IOException("malformed chunk in the answer", e);
    }
  }

  @Override
  public InputStream in() {
    return in;
  }

  @Override
  public OutputStream out() {
    return new Out();
  }

  @Override
  public void close() throws IOException {
    socket.close();
  }

  /** Closing ends this direction only. */
  private final class Out extends OutputStream {
    private final OutputStream to;

    Out() {
      try {
        to = socket.getOutputStream();
      } catch (IOException e) {
        throw new java.io.UncheckedIOException(e);
      }
    }

    @Override
    public void write(int b) throws IOException {
      to.write(b);
    }

    @Override
    public void write(byte[] source, int offset, int length) throws IOException {
      to.write(source, offset, length);
    }

    @Override
    public void flush() throws IOException {
      to.flush();
    }

    @Override
    public void close() throws IOException {
      if (!socket.isClosed() && !socket.isOutputShutdown()) {
        socket.shutdownOutput();
      }
    }
  }
}
