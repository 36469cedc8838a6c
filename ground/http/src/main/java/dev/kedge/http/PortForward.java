package dev.kedge.http;

import static java.nio.charset.StandardCharsets.UTF_8;

import java.io.IOException;
import java.io.InputStream;
import java.io.OutputStream;
import java.net.URI;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import javax.net.ssl.SSLContext;

/**
 * The server's side of {@code port-forward}: relays a request to the streaming URL of a CRI
 * runtime, whichever of the three ways the client speaks. SPDY as bytes, SPDY inside a WebSocket
 * ({@code SPDY/3.1+portforward.k8s.io}, kubectl) as bytes out of messages, and a WebSocket with a
 * pair of channels per port ({@code v4.channel.k8s.io} and its older forms, fabric8 and the Java
 * client) by opening the streams here.
 */
public final class PortForward {
  private static final System.Logger LOG = System.getLogger("dev.kedge.http");

  static final String PROTOCOL = "portforward.k8s.io";
  static final String TUNNEL = SpdyConnection.PROTOCOL + "+" + PROTOCOL;
  private static final List<String> CHANNELS =
      List.of(
          "v4.channel.k8s.io",
          "v4.base64.channel.k8s.io",
          "portforward.k8s.io",
          "channel.k8s.io",
          "base64.channel.k8s.io");

  private PortForward() {}

  /**
   * Answers a port-forward request with the ports of a pod sandbox. Blocks until the client or the
   * runtime ends.
   *
   * @param criUrl from the CRI's PortForward
   */
  public static void relay(Exchange exchange, URI criUrl) throws IOException {
    if (RemoteCommand.spdyRequested(exchange)) {
      ReverseProxy.upgrade(
          exchange, criUrl, SpdyConnection.PROTOCOL, List.of("X-Stream-Protocol-Version"));
      return;
    }
    if (!WebSocket.requested(exchange)) {
      refuse(exchange, 400, "unable to upgrade: missing upgrade headers in request");
      return;
    }
    List<String> offered = WebSocket.offered(exchange);
    if (offered.contains(TUNNEL)) {
      try (HttpUpgrade far = dial(criUrl)) {
        tunnel(WebSocket.accept(exchange, TUNNEL), far);
      } catch (DialException e) {
        refuse(exchange, 500, String.valueOf(e.getMessage()));
      }
      return;
    }
    Optional<String> chosen = offered.stream().filter(CHANNELS::contains).findFirst();
    if (!offered.isEmpty() && chosen.isEmpty()) {
      refuse(exchange, 403, "unable to upgrade: client supports " + offered);
      return;
    }
    List<Integer> ports = new ArrayList<>();
    for (String list : exchange.query().values("ports")) {
      for (String port : list.split(",")) {
        if (!port.matches("\\d{1,5}")
            || Integer.parseInt(port) < 1
            || Integer.parseInt(port) > 65535) {
          refuse(exchange, 400, "invalid port number " + port + ": must be 1 to 65535");
          return;
        }
        ports.add(Integer.parseInt(port));
      }
    }
    if (ports.isEmpty()) {
      refuse(exchange, 400, "query parameter \"ports\" is required");
      return;
    }
    HttpUpgrade far;
    try {
      far = dial(criUrl);
    } catch (DialException e) {
      refuse(exchange, 500, String.valueOf(e.getMessage()));
      return;
    }
    try (SpdyConnection runtime = new SpdyConnection(far, true)) {
      channels(WebSocket.accept(exchange, chosen.orElse("")), runtime, ports);
    }
  }

  private static void refuse(Exchange exchange, int status, String message) throws IOException {
    exchange.respond(
        status,
        Headers.of("Content-Type", "text/plain; charset=utf-8"),
        (message + "\n").getBytes(UTF_8));
  }

  /** The runtime could not be asked; the client has no answer yet. */
  private static final class DialException extends IOException {
    DialException(IOException cause) {
      super("error dialing the container runtime: " + cause.getMessage(), cause);
    }
  }

  private static HttpUpgrade dial(URI criUrl) throws DialException {
    try {
      HttpUpgrade far =
          HttpUpgrade.open(
              criUrl,
              "POST",
              Headers.of(
                  "Connection",
                  "Upgrade",
                  "Upgrade",
                  SpdyConnection.PROTOCOL,
                  "X-Stream-Protocol-Version",
                  PROTOCOL),
              null);
      if (far.status() != 101) {
        throw new UpgradeRefusedException(criUrl, far);
      }
      return far;
    } catch (IOException e) {
      throw new DialException(e);
    }
  }

  /** A port of a pod, through a runtime's streaming URL. */
  public static final class Client implements AutoCloseable {
    private final SpdyConnection connection;
    private final java.util.concurrent.atomic.AtomicInteger requests =
        new java.util.concurrent.atomic.AtomicInteger();

    private Client(SpdyConnection connection) {
      this.connection = connection;
    }

    /** Connects to a streaming URL. */
    public static Client open(URI url, Headers headers, Optional<SSLContext> tls)
        throws IOException {
      HttpUpgrade far =
          HttpUpgrade.open(
              url,
              "POST",
              headers
                  .and("Connection", "Upgrade")
                  .and("Upgrade", SpdyConnection.PROTOCOL)
                  .and("X-Stream-Protocol-Version", PROTOCOL),
              tls.orElse(null));
      if (far.status() != 101) {
        throw new UpgradeRefusedException(url, far);
      }
      return new Client(new SpdyConnection(far, true));
    }

    /** Opens a connection to a port; {@code error} ends empty unless something goes wrong. */
    public Stream dial(int port) throws IOException {
      return PortForward.dial(connection, port, requests.getAndIncrement());
    }

    @Override
    public void close() {
      connection.close();
    }
  }

  /** A forwarded connection and its error stream. */
  public static final class Stream implements Exchange.Connection {
    private final SpdyConnection.SpdyStream data;
    private final SpdyConnection.SpdyStream error;

    private Stream(SpdyConnection.SpdyStream data, SpdyConnection.SpdyStream error) {
      this.data = data;
      this.error = error;
    }

    @Override
    public InputStream in() {
      return data.in();
    }

    @Override
    public OutputStream out() {
      return data.out();
    }

    /** What went wrong, in words; ends with the connection. */
    public InputStream error() {
      return error.in();
    }

    @Override
    public void close() throws IOException {
      data.reset(SpdyConnection.STATUS_CANCEL);
    }
  }

  private static Stream dial(SpdyConnection connection, int port, int request) throws IOException {
    Headers headers =
        Headers.of("port", Integer.toString(port), "requestid", Integer.toString(request));
    SpdyConnection.SpdyStream error = connection.open(headers.and("streamtype", "error"));
    error.out().close();
    SpdyConnection.SpdyStream data = connection.open(headers.and("streamtype", "data"));
    return new Stream(data, error);
  }

  /** SPDY's bytes are the payloads of the WebSocket's messages. */
  private static void tunnel(WebSocket socket, HttpUpgrade far) throws IOException {
    try (socket) {
      Thread up =
          Thread.ofVirtual()
              .name("port-forward-up")
              .start(
                  () -> {
                    try {
                      OutputStream out = far.out();
                      Optional<WebSocket.Message> next;
                      while ((next = socket.read()).isPresent()) {
                        out.write(next.get().data());
                      }
                      out.close();
                    } catch (IOException e) {
                      LOG.log(System.Logger.Level.DEBUG, "the client's tunnel ended", e);
                    }
                    Relays.close(far);
                  });
      try {
        byte[] buffer = new byte[16 * 1024];
        InputStream in = far.in();
        int count;
        while ((count = in.read(buffer)) >= 0) {
          socket.sendBinary(buffer, 0, count);
        }
      } catch (IOException e) {
        LOG.log(System.Logger.Level.DEBUG, "the runtime's end of a tunnel closed", e);
      }
      socket.sendClose(1000, "");
      up.join(java.time.Duration.ofSeconds(2));
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
    }
  }

  /**
   * Per port a channel of data and one of errors; each begins with a message of the port's number,
   * two bytes, low one first.
   */
  private static void channels(WebSocket socket, SpdyConnection runtime, List<Integer> ports)
      throws IOException {
    boolean base64 = socket.protocol().contains("base64");
    List<Stream> streams = new ArrayList<>();
    try (socket) {
      for (int i = 0; i < ports.size(); i++) {
        int port = ports.get(i);
        byte[] number = {(byte) port, (byte) (port >> 8)};
        send(socket, base64, 2 * i, number, 2);
        send(socket, base64, 2 * i + 1, number, 2);
      }
      List<Thread> pumps = new ArrayList<>();
      for (int i = 0; i < ports.size(); i++) {
        Stream stream = dial(runtime, ports.get(i), i);
        streams.add(stream);
        int channel = 2 * i;
        pumps.add(pump(socket, base64, channel, stream.in()));
        pumps.add(pump(socket, base64, channel + 1, stream.error()));
      }
      Thread ender =
          Thread.ofVirtual()
              .name("port-forward-end")
              .start(
                  () -> {
                    try {
                      for (Thread pump : pumps) {
                        pump.join();
                      }
                      socket.sendClose(1000, "");
                    } catch (IOException e) {
                      LOG.log(System.Logger.Level.DEBUG, "the client is gone already", e);
                    } catch (InterruptedException e) {
                      Thread.currentThread().interrupt();
                    }
                  });
      Optional<WebSocket.Message> next;
      while ((next = socket.read()).isPresent()) {
        byte[] message = next.get().data();
        if (message.length == 0) {
          continue;
        }
        int channel = base64 ? message[0] - '0' : message[0] & 0xff;
        if (channel % 2 != 0 || channel / 2 >= streams.size()) {
          continue;
        }
        byte[] data = java.util.Arrays.copyOfRange(message, 1, message.length);
        streams
            .get(channel / 2)
            .out()
            .write(base64 ? java.util.Base64.getDecoder().decode(data) : data);
      }
      runtime.close();
      ender.interrupt();
    } catch (IllegalArgumentException e) {
      throw new IOException("the client sent malformed base64", e);
    }
  }

  private static Thread pump(WebSocket socket, boolean base64, int channel, InputStream from) {
    return Thread.ofVirtual()
        .name("port-forward-down")
        .start(
            () -> {
              byte[] buffer = new byte[16 * 1024];
              try {
                int count;
                while ((count = from.read(buffer)) >= 0) {
                  send(socket, base64, channel, buffer, count);
                }
              } catch (IOException e) {
                LOG.log(System.Logger.Level.DEBUG, "a forwarded port closed", e);
              }
            });
  }

  private static void send(WebSocket socket, boolean base64, int channel, byte[] data, int length)
      throws IOException {
    if (base64) {
      byte[] part = java.util.Arrays.copyOf(data, length);
      socket.sendText(channel + java.util.Base64.getEncoder().encodeToString(part));
    } else {
      byte[] message = new byte[length + 1];
      message[0] = (byte) channel;
      System.arraycopy(data, 0, message, 1, length);
      socket.sendBinary(message);
    }
  }
}
