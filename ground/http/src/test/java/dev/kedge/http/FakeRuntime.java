package dev.kedge.http;

import static java.nio.charset.StandardCharsets.UTF_8;

import java.io.IOException;
import java.net.Socket;
import java.net.URI;
import java.time.Duration;
import java.util.HashMap;
import java.util.Map;
import java.util.Optional;

/**
 * A CRI runtime's streaming server: {@code /exec?command=…&stdin=…} runs a small command, {@code
 * /portforward} connects to ports of this machine. Written by hand over the server's side of SPDY.
 */
final class FakeRuntime implements AutoCloseable {
  private final HttpServer server;

  FakeRuntime() throws IOException {
    server = HttpServer.start(HttpServer.Listen.plain("127.0.0.1", 0), this::handle);
  }

  URI url(String pathAndQuery) {
    return URI.create("http://127.0.0.1:" + server.port() + pathAndQuery);
  }

  private void handle(Exchange exchange) throws Exception {
    if (exchange.path().equals("/exec")) {
      RemoteCommand.Options options = RemoteCommand.Options.of(exchange.query());
      try (RemoteCommand command = RemoteCommand.accept(exchange, options)) {
        run(exchange.query().text("command"), options, command);
      }
    } else if (exchange.path().equals("/portforward")) {
      forward(exchange);
    }
  }

  private static void run(String name, RemoteCommand.Options options, RemoteCommand command)
      throws Exception {
    switch (name) {
      case "cat" -> {
        byte[] all = command.stdin().readAllBytes();
        command.stdout().write(all);
        command.stderr().write(("read " + all.length).getBytes(UTF_8));
        command.exited(0);
      }
      case "size" -> {
        var size = command.awaitResize().orElseThrow();
        command.stdout().write((size.width() + "x" + size.height()).getBytes(UTF_8));
        command.exited(0);
      }
      case "large" -> {
        byte[] part = new byte[100_000];
        java.util.Arrays.fill(part, (byte) 'x');
        for (int i = 0; i < 50; i++) {
          command.stdout().write(part);
        }
        command.exited(7);
      }
      case "forever" -> {
        command.stdout().write("on\n".getBytes(UTF_8));
        while (true) {
          int b = command.stdin().read();
          if (b < 0) {
            break;
          }
          command.stdout().write(b);
        }
        command.exited(0);
      }
      default -> command.failed("no such command: \"" + name + "\" " + options);
    }
  }

  /** The pair of streams of one request. */
  private record Pair(
      SpdyConnection.@org.jspecify.annotations.Nullable SpdyStream error,
      SpdyConnection.@org.jspecify.annotations.Nullable SpdyStream data) {}

  private static void forward(Exchange exchange) throws Exception {
    try (SpdyConnection connection =
        new SpdyConnection(
            exchange.hijack(
                Headers.of(
                    "Connection", "Upgrade",
                    "Upgrade", SpdyConnection.PROTOCOL,
                    "X-Stream-Protocol-Version", PortForward.PROTOCOL)),
            false)) {
      Map<String, Pair> pairs = new HashMap<>();
      while (true) {
        Optional<SpdyConnection.SpdyStream> next = connection.accept(Duration.ofSeconds(30));
        if (next.isEmpty()) {
          return;
        }
        SpdyConnection.SpdyStream stream = next.get();
        stream.reply();
        String id = stream.headers().first("requestid").orElseThrow();
        Pair old = pairs.getOrDefault(id, new Pair(null, null));
        boolean data = stream.headers().first("streamtype").orElseThrow().equals("data");
        Pair pair = data ? new Pair(old.error(), stream) : new Pair(stream, old.data());
        pairs.put(id, pair);
        var error = pair.error();
        var both = pair.data();
        if (error != null && both != null) {
          int port = Integer.parseInt(stream.headers().first("port").orElseThrow());
          Thread.ofVirtual().start(() -> connect(port, both, error));
        }
      }
    }
  }

  private static void connect(
      int port, SpdyConnection.SpdyStream data, SpdyConnection.SpdyStream error) {
    try {
      try (Socket socket = new Socket("127.0.0.1", port)) {
        Thread up =
            Thread.ofVirtual()
                .start(
                    () -> {
                      try {
                        Relays.copy(data.in(), socket.getOutputStream());
                        socket.shutdownOutput();
                      } catch (IOException e) {
                        Relays.close(socket);
                      }
                    });
        Relays.copy(socket.getInputStream(), data.out());
        data.out().close();
        up.join(Duration.ofSeconds(5));
      } catch (IOException e) {
        error.out().write(("cannot connect to port " + port).getBytes(UTF_8));
      }
      data.out().close();
      error.out().close();
    } catch (IOException | InterruptedException e) {
      throw new IllegalStateException(e);
    }
  }

  @Override
  public void close() {
    server.close(Duration.ZERO);
  }
}
