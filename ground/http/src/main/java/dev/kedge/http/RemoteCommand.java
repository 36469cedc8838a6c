package dev.kedge.http;

import static java.nio.charset.StandardCharsets.UTF_8;

import java.io.EOFException;
import java.io.IOException;
import java.io.InputStream;
import java.io.InterruptedIOException;
import java.io.OutputStream;
import java.net.URI;
import java.time.Duration;
import java.util.Arrays;
import java.util.Base64;
import java.util.EnumMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.jspecify.annotations.Nullable;

/**
 * The server's side of {@code exec} and {@code attach}: accepts a request by WebSocket ({@code v5},
 * {@code v4}, {@code v1}, plain and base64) or SPDY ({@code v4} to {@code v1}) and gives the
 * command's streams. Each stream is for one thread at a time.
 */
public final class RemoteCommand implements AutoCloseable {
  private static final System.Logger LOG = System.getLogger("dev.kedge.http");

  private static final List<String> WEB_SOCKET =
      List.of(
          "v5.channel.k8s.io",
          "v4.channel.k8s.io",
          "v4.base64.channel.k8s.io",
          "channel.k8s.io",
          "base64.channel.k8s.io");
  private static final List<String> SPDY =
      List.of("v4.channel.k8s.io", "v3.channel.k8s.io", "v2.channel.k8s.io", "channel.k8s.io");
  private static final Duration STREAMS_TIME = Duration.ofSeconds(30);
  private static final Duration GOODBYE_TIME = Duration.ofSeconds(2);
  private static final Pattern SIZE = Pattern.compile("\"(Width|Height)\"\\s*:\\s*(\\d{1,5})");
  private static final Pattern MESSAGE =
      Pattern.compile("\"message\"\\s*:\\s*\"((?:[^\"\\\\]|\\\\.)*+)\"");

  /**
   * Which streams a command has.
   *
   * @param tty whether it has a terminal; its standard error then comes with its output
   */
  public record Options(boolean stdin, boolean stdout, boolean stderr, boolean tty) {
    /**
     * Reads {@code stdin}, {@code stdout}, {@code stderr} and {@code tty}, or the kubelet's {@code
     * input}, {@code output} and {@code error}.
     */
    public static Options of(Query query) {
      boolean tty = query.flag("tty");
      return new Options(
          query.flag("stdin") || query.flag("input"),
          query.flag("stdout") || query.flag("output"),
          !tty && (query.flag("stderr") || query.flag("error")),
          tty);
    }
  }

  /** A terminal's size in characters. */
  public record TerminalSize(int width, int height) {}

  private enum Channel {
    STDIN,
    STDOUT,
    STDERR,
    ERROR,
    RESIZE
  }

  /** How bytes get to the client. */
  private interface Transport extends AutoCloseable {
    void send(Channel channel, byte[] data, int offset, int length) throws IOException;

    /** Ends a channel where the protocol can. */
    void end(Channel channel) throws IOException;

    /** Closes after all was sent. */
    @Override
    void close() throws IOException;
  }

  private final String protocol;
  private final Pipe stdin = new Pipe(64 * 1024);
  private final LinkedBlockingQueue<Optional<TerminalSize>> sizes = new LinkedBlockingQueue<>();
  private final AtomicBoolean reported = new AtomicBoolean();
  private final AtomicBoolean closed = new AtomicBoolean();
  private final java.util.concurrent.CopyOnWriteArrayList<Runnable> gone =
      new java.util.concurrent.CopyOnWriteArrayList<>();
  private final AtomicBoolean isGone = new AtomicBoolean();
  private @Nullable Transport transport;

  private RemoteCommand(String protocol) {
    this.protocol = protocol;
  }

  /** Whether a request asks for a WebSocket or for SPDY. */
  public static boolean requested(Exchange exchange) {
    return WebSocket.requested(exchange) || spdyRequested(exchange);
  }

  static boolean spdyRequested(Exchange exchange) {
    return exchange.headers().first("Upgrade").orElse("").equalsIgnoreCase("SPDY/3.1");
  }

  /**
   * Accepts a request. One that cannot be accepted is answered with what is wrong.
   *
   * @throws IOException if it was not accepted, or the client is gone
   */
  public static RemoteCommand accept(Exchange exchange, Options options) throws IOException {
    if (WebSocket.requested(exchange)) {
      return acceptWebSocket(exchange, options);
    }
    if (spdyRequested(exchange)) {
      return acceptSpdy(exchange, options);
    }
    throw refused(exchange, 400, "unable to upgrade: missing upgrade headers in request");
  }

  private static IOException refused(Exchange exchange, int status, String message)
      throws IOException {
    exchange.respond(
        status,
        Headers.of("Content-Type", "text/plain; charset=utf-8"),
        (message + "\n").getBytes(UTF_8));
    return new IOException(message);
  }

  private static RemoteCommand acceptWebSocket(Exchange exchange, Options options)
      throws IOException {
    List<String> offered = WebSocket.offered(exchange);
    // Without an offer, the first version: binary channels and plain errors.
    Optional<String> chosen = offered.stream().filter(WEB_SOCKET::contains).findFirst();
    if (!offered.isEmpty() && chosen.isEmpty()) {
      throw refused(
          exchange,
          403,
          "unable to upgrade: client supports " + offered + ", server accepts " + WEB_SOCKET);
    }
    WebSocket socket = WebSocket.accept(exchange, chosen.orElse(""));
    RemoteCommand command = new RemoteCommand(chosen.orElse("channel.k8s.io"));
    WebSocketTransport transport =
        new WebSocketTransport(socket, command.protocol.contains("base64"), command);
    command.transport = transport;
    // Tells the client that the connection works before the command says anything.
    if (options.stdout()) {
      transport.send(Channel.STDOUT, new byte[0], 0, 0);
    } else if (options.stderr()) {
      transport.send(Channel.STDERR, new byte[0], 0, 0);
    } else {
      transport.send(Channel.ERROR, new byte[0], 0, 0);
    }
    transport.start();
    return command;
  }

  private static RemoteCommand acceptSpdy(Exchange exchange, Options options) throws IOException {
    List<String> offered =
        exchange.headers().values("X-Stream-Protocol-Version").stream()
            .flatMap(line -> Arrays.stream(line.split(",")))
            .map(String::strip)
            .toList();
    Optional<String> chosen =
        offered.isEmpty()
            ? Optional.of("channel.k8s.io")
            : SPDY.stream().filter(offered::contains).findFirst();
    if (chosen.isEmpty()) {
      throw refused(
          exchange,
          403,
          "unable to upgrade: unable to negotiate protocol: client supports "
              + offered
              + ", server accepts "
              + SPDY);
    }
    Headers headers =
        Headers.of(
            "Connection",
            "Upgrade",
            "Upgrade",
            SpdyConnection.PROTOCOL,
            "X-Stream-Protocol-Version",
            chosen.get());
    RemoteCommand command = new RemoteCommand(chosen.get());
    SpdyConnection connection = new SpdyConnection(exchange.hijack(headers), false);
    try {
      SpdyTransport transport = new SpdyTransport(connection);
      command.transport = transport;
      transport.awaitStreams(expected(options, chosen.get()));
      transport.start(command);
      return command;
    } catch (IOException e) {
      connection.close();
      throw e;
    }
  }

  private static int expected(Options options, String protocol) {
    boolean resizes = protocol.startsWith("v3") || protocol.startsWith("v4");
    return 1
        + (options.stdin() ? 1 : 0)
        + (options.stdout() ? 1 : 0)
        + (options.stderr() && !options.tty() ? 1 : 0)
        + (options.tty() && resizes ? 1 : 0);
  }

  /** The protocol agreed upon, such as {@code v5.channel.k8s.io}. */
  public String protocol() {
    return protocol;
  }

  /** What the client types; ends when the client ends it or goes away. */
  public InputStream stdin() {
    return stdin;
  }

  /** Goes to the client's standard output, at once. */
  public OutputStream stdout() {
    return new ChannelOut(Channel.STDOUT);
  }

  /** Goes to the client's standard error, at once. */
  public OutputStream stderr() {
    return new ChannelOut(Channel.STDERR);
  }

  /** Waits for the terminal's next size; empty when the client is gone. */
  public Optional<TerminalSize> awaitResize() throws InterruptedException {
    Optional<TerminalSize> next = sizes.take();
    if (next.isEmpty()) {
      sizes.add(next);
    }
    return next;
  }

  /** Registers what to do when the client goes away; at once if it has. */
  public void onGone(Runnable action) {
    gone.add(action);
    if (isGone.get() && gone.remove(action)) {
      action.run();
    }
  }

  private void peerGone() {
    stdin.end();
    sizes.add(Optional.empty());
    if (isGone.compareAndSet(false, true)) {
      for (Runnable action : gone) {
        if (gone.remove(action)) {
          action.run();
        }
      }
    }
  }

  private void resized(String json) {
    int width = 0;
    int height = 0;
    Matcher matcher = SIZE.matcher(json);
    while (matcher.find()) {
      int value = Math.min(65535, Integer.parseInt(matcher.group(2)));
      if (matcher.group(1).equals("Width")) {
        width = value;
      } else {
        height = value;
      }
    }
    if (width > 0 && height > 0) {
      sizes.add(Optional.of(new TerminalSize(width, height)));
    }
  }

  /** Reports that the command ended with an exit code, in the form the protocol has for it. */
  public void exited(int code) throws IOException {
    if (code == 0) {
      status("{\"metadata\":{},\"status\":\"Success\"}".getBytes(UTF_8));
      return;
    }
    status(
        ("{\"metadata\":{},\"status\":\"Failure\",\"message\":\"command terminated with non-zero"
                + " exit code: exit status "
                + code
                + "\",\"reason\":\"NonZeroExitCode\",\"details\":{\"causes\":[{\"reason\":\"ExitCode\","
                + "\"message\":\""
                + code
                + "\"}]}}")
            .getBytes(UTF_8));
  }

  /** Reports that the command could not be run. */
  public void failed(String message) throws IOException {
    status(
        ("{\"metadata\":{},\"status\":\"Failure\",\"message\":\""
                + escape(message)
                + "\",\"reason\":\"InternalError\",\"code\":500}")
            .getBytes(UTF_8));
  }

  private static String escape(String text) {
    StringBuilder out = new StringBuilder();
    for (char c : text.toCharArray()) {
      if (c == '"' || c == '\\') {
        out.append('\\').append(c);
      } else if (c < ' ') {
        out.append(String.format("\\u%04x", (int) c));
      } else {
        out.append(c);
      }
    }
    return out.toString();
  }

  /** Reports the end of the command by the JSON of a {@code v1 Status}; once. */
  public void status(byte[] json) throws IOException {
    if (!reported.compareAndSet(false, true)) {
      return;
    }
    byte[] data = json;
    if (!protocol.startsWith("v4") && !protocol.startsWith("v5")) {
      // The older protocols send the text of a failure and nothing for success.
      String text = new String(json, UTF_8);
      Matcher message = MESSAGE.matcher(text);
      data =
          text.contains("\"Success\"") || !message.find()
              ? new byte[0]
              : message.group(1).replace("\\\"", "\"").replace("\\\\", "\\").getBytes(UTF_8);
    }
    if (data.length > 0) {
      transport().send(Channel.ERROR, data, 0, data.length);
    }
  }

  private Transport transport() {
    return java.util.Objects.requireNonNull(transport);
  }

  /** Ends all streams and the connection, after what was written has been sent. */
  @Override
  public void close() throws IOException {
    if (closed.compareAndSet(false, true)) {
      transport().close();
    }
  }

  private final class ChannelOut extends OutputStream {
    private final Channel channel;

    ChannelOut(Channel channel) {
      this.channel = channel;
    }

    @Override
    public void write(int b) throws IOException {
      write(new byte[] {(byte) b}, 0, 1);
    }

    @Override
    public void write(byte[] source, int offset, int length) throws IOException {
      if (length > 0) {
        transport().send(channel, source, offset, length);
      }
    }

    @Override
    public void close() throws IOException {
      transport().end(channel);
    }
  }

  private static final class WebSocketTransport implements Transport {
    private final WebSocket socket;
    private final boolean base64;
    private final RemoteCommand command;
    private @Nullable Thread reader;

    WebSocketTransport(WebSocket socket, boolean base64, RemoteCommand command) {
      this.socket = socket;
      this.base64 = base64;
      this.command = command;
    }

    void start() {
      reader = Thread.ofVirtual().name("exec-websocket-reader").start(this::readMessages);
    }

    private void readMessages() {
      try {
        while (true) {
          Optional<WebSocket.Message> next = socket.read();
          if (next.isEmpty()) {
            return;
          }
          byte[] data = next.get().data();
          if (data.length == 0) {
            continue;
          }
          int channel = base64 ? data[0] - '0' : data[0] & 0xff;
          byte[] rest = Arrays.copyOfRange(data, 1, data.length);
          if (base64) {
            rest = Base64.getDecoder().decode(rest);
          }
          if (channel == Channel.STDIN.ordinal()) {
            command.stdin.put(rest);
          } else if (channel == Channel.RESIZE.ordinal()) {
            command.resized(new String(rest, UTF_8));
          } else if (channel == 255 && rest.length == 1 && rest[0] == Channel.STDIN.ordinal()) {
            // v5: a channel is closed by its number on channel 255.
            command.stdin.end();
          }
        }
      } catch (IOException | IllegalArgumentException e) {
        LOG.log(System.Logger.Level.DEBUG, "the client's WebSocket ended", e);
      } finally {
        command.peerGone();
      }
    }

    @Override
    public void send(Channel channel, byte[] data, int offset, int length) throws IOException {
      if (base64) {
        byte[] part = Arrays.copyOfRange(data, offset, offset + length);
        socket.sendText(channel.ordinal() + Base64.getEncoder().encodeToString(part));
      } else {
        byte[] message = new byte[1 + length];
        message[0] = (byte) channel.ordinal();
        System.arraycopy(data, offset, message, 1, length);
        socket.sendBinary(message);
      }
    }

    @Override
    public void end(Channel channel) {
      // Only the whole WebSocket can be ended.
    }

    @Override
    public void close() throws IOException {
      try {
        socket.sendClose(1000, "");
        // The peer's goodbye, lest a reset overtakes the last bytes.
        if (reader != null) {
          reader.join(GOODBYE_TIME);
        }
      } catch (InterruptedException e) {
        Thread.currentThread().interrupt();
      } finally {
        socket.close();
      }
    }
  }

  private static final class SpdyTransport implements Transport {
    private final SpdyConnection connection;
    private final Map<Channel, SpdyConnection.SpdyStream> streams = new EnumMap<>(Channel.class);

    SpdyTransport(SpdyConnection connection) {
      this.connection = connection;
    }

    void awaitStreams(int count) throws IOException {
      long deadline = System.nanoTime() + STREAMS_TIME.toNanos();
      while (streams.size() < count) {
        SpdyConnection.SpdyStream stream;
        try {
          stream =
              connection
                  .accept(Duration.ofNanos(deadline - System.nanoTime()))
                  .orElseThrow(
                      () -> new EOFException("the client did not open the streams it asked for"));
        } catch (InterruptedException e) {
          Thread.currentThread().interrupt();
          throw new InterruptedIOException("interrupted");
        }
        String type = stream.headers().first("streamtype").orElse("");
        Optional<Channel> channel =
            Arrays.stream(Channel.values())
                .filter(c -> c.name().equalsIgnoreCase(type))
                .findFirst();
        if (channel.isEmpty()) {
          stream.reset(SpdyConnection.STATUS_REFUSED_STREAM);
          continue;
        }
        streams.put(channel.get(), stream);
        stream.reply();
      }
    }

    void start(RemoteCommand command) {
      SpdyConnection.SpdyStream stdin = streams.get(Channel.STDIN);
      if (stdin == null) {
        command.stdin.end();
      } else {
        Thread.ofVirtual().name("exec-stdin").start(() -> pump(stdin.in(), command.stdin));
      }
      SpdyConnection.SpdyStream resize = streams.get(Channel.RESIZE);
      if (resize != null) {
        Thread.ofVirtual()
            .name("exec-resize")
            .start(
                () -> {
                  try (var lines =
                      new java.io.BufferedReader(
                          new java.io.InputStreamReader(resize.in(), UTF_8))) {
                    String line;
                    while ((line = lines.readLine()) != null) {
                      command.resized(line);
                    }
                  } catch (IOException e) {
                    LOG.log(System.Logger.Level.DEBUG, "no more sizes", e);
                  }
                });
      }
      Thread.ofVirtual()
          .name("exec-gone")
          .start(
              () -> {
                try {
                  // No further streams are expected: this ends with the connection.
                  while (true) {
                    Optional<SpdyConnection.SpdyStream> extra =
                        connection.accept(Duration.ofDays(1));
                    if (extra.isPresent()) {
                      extra.get().reset(SpdyConnection.STATUS_REFUSED_STREAM);
                    } else if (connection.isClosed()) {
                      return;
                    }
                  }
                } catch (IOException e) {
                  LOG.log(System.Logger.Level.DEBUG, "the client's connection broke", e);
                } catch (InterruptedException e) {
                  Thread.currentThread().interrupt();
                } finally {
                  command.peerGone();
                }
              });
    }

    private static void pump(InputStream from, Pipe to) {
      try {
        byte[] buffer = new byte[16 * 1024];
        int count;
        while ((count = from.read(buffer)) >= 0) {
          to.put(Arrays.copyOf(buffer, count));
        }
      } catch (IOException e) {
        LOG.log(System.Logger.Level.DEBUG, "the client's stdin ended", e);
      } finally {
        to.end();
      }
    }

    @Override
    public void send(Channel channel, byte[] data, int offset, int length) throws IOException {
      SpdyConnection.SpdyStream stream = streams.get(channel);
      if (stream != null) {
        stream.out().write(data, offset, length);
      }
    }

    @Override
    public void end(Channel channel) throws IOException {
      SpdyConnection.SpdyStream stream = streams.get(channel);
      if (stream != null) {
        stream.out().close();
      }
    }

    @Override
    public void close() throws IOException {
      for (SpdyConnection.SpdyStream stream : streams.values()) {
        stream.out().close();
      }
      connection.awaitClosed(GOODBYE_TIME);
      connection.close();
    }
  }

  /**
   * Answers an exec or attach request with a command behind a streaming URL of a CRI runtime, from
   * the first byte to the exit status. Blocks until the command or the client ends. What the
   * runtime refuses is answered with 500 and its words.
   *
   * @param criUrl from the CRI's Exec or Attach, such as {@code http://127.0.0.1:35000/exec/token}
   * @param options the streams that the CRI was asked for
   */
  public static void relay(Exchange exchange, URI criUrl, Options options) throws IOException {
    if (!requested(exchange)) {
      throw refused(exchange, 400, "unable to upgrade: missing upgrade headers in request");
    }
    if (spdyRequested(exchange)) {
      // Both ends speak the same: bytes as they are.
      ReverseProxy.upgrade(
          exchange, criUrl, SpdyConnection.PROTOCOL, List.of("X-Stream-Protocol-Version"));
      return;
    }
    RemoteCommandClient runtime;
    try {
      runtime = RemoteCommandClient.open(criUrl, options);
    } catch (IOException e) {
      LOG.log(System.Logger.Level.WARNING, "the container runtime refused a stream", e);
      refused(exchange, 500, "error dialing the container runtime: " + e.getMessage());
      return;
    }
    try (runtime;
        RemoteCommand command = accept(exchange, options)) {
      command.onGone(runtime::close);
      Thread.ofVirtual().name("exec-stdin").start(() -> pumpStdin(command, runtime));
      if (options.tty()) {
        Thread.ofVirtual().name("exec-resize").start(() -> pumpSizes(command, runtime));
      }
      Thread stderr =
          Thread.ofVirtual()
              .name("exec-stderr")
              .start(() -> pump(runtime.stderr(), command.stderr()));
      pump(runtime.stdout(), command.stdout());
      stderr.join();
      byte[] status = runtime.awaitStatus();
      if (status.length > 0) {
        command.status(status);
      } else {
        command.failed("the connection to the container runtime was closed before the exit status");
      }
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
    }
  }

  private static void pumpStdin(RemoteCommand command, RemoteCommandClient runtime) {
    try (OutputStream to = runtime.stdin()) {
      Relays.copy(command.stdin(), to);
    } catch (IOException e) {
      // The command does not read any more; what the client still types has no taker.
      LOG.log(System.Logger.Level.DEBUG, "stdin ended", e);
      command.stdin.close();
    }
  }

  private static void pumpSizes(RemoteCommand command, RemoteCommandClient runtime) {
    try {
      Optional<TerminalSize> size;
      while ((size = command.awaitResize()).isPresent()) {
        runtime.resize(size.get());
      }
    } catch (IOException e) {
      LOG.log(System.Logger.Level.DEBUG, "no more sizes", e);
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
    }
  }

  private static void pump(InputStream from, OutputStream to) {
    try (from) {
      Relays.copy(from, to);
    } catch (IOException e) {
      LOG.log(System.Logger.Level.DEBUG, "output ended", e);
    }
  }
}
