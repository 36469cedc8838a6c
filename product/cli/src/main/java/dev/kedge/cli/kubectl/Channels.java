package dev.kedge.cli.kubectl;

import dev.kedge.model.Json;
import dev.kedge.model.JsonObject;
import dev.kedge.model.JsonSyntaxException;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.InputStream;
import java.io.OutputStream;
import java.io.UncheckedIOException;
import java.net.http.WebSocket;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionException;
import java.util.concurrent.CompletionStage;
import java.util.concurrent.ExecutionException;

/**
 * The streams of exec and attach over one WebSocket ({@code v5.channel.k8s.io}, or v4 where stdin
 * cannot be closed): the first byte of a message is its channel.
 */
final class Channels implements WebSocket.Listener {
  static final List<String> PROTOCOLS = List.of("v5.channel.k8s.io", "v4.channel.k8s.io");

  private static final int STDIN = 0;
  private static final int STDOUT = 1;
  private static final int STDERR = 2;
  private static final int ERROR = 3;
  private static final int RESIZE = 4;
  private static final int CLOSE = 255;

  private final OutputStream out;
  private final OutputStream err;
  private final ByteArrayOutputStream status = new ByteArrayOutputStream();
  private final CompletableFuture<Void> ended = new CompletableFuture<>();
  private int channel = -1;

  Channels(OutputStream out, OutputStream err) {
    this.out = out;
    this.err = err;
  }

  @Override
  public CompletionStage<?> onBinary(WebSocket socket, ByteBuffer data, boolean last) {
    if (channel < 0 && data.hasRemaining()) {
      channel = data.get() & 0xff;
    }
    byte[] bytes = new byte[data.remaining()];
    data.get(bytes);
    try {
      switch (channel) {
        case STDOUT -> {
          out.write(bytes);
          out.flush();
        }
        case STDERR -> {
          err.write(bytes);
          err.flush();
        }
        case ERROR -> status.writeBytes(bytes);
        default -> {
          // Channels that a client does not know carry nothing for it.
        }
      }
    } catch (IOException e) {
      ended.completeExceptionally(e);
      socket.abort();
    }
    if (last) {
      channel = -1;
    }
    socket.request(1);
    return CompletableFuture.completedFuture(null);
  }

  @Override
  public CompletionStage<?> onText(WebSocket socket, CharSequence data, boolean last) {
    return onBinary(socket, StandardCharsets.UTF_8.encode(data.toString()), last);
  }

  @Override
  public CompletionStage<?> onClose(WebSocket socket, int code, String reason) {
    ended.complete(null);
    return CompletableFuture.completedFuture(null);
  }

  @Override
  public void onError(WebSocket socket, Throwable error) {
    ended.completeExceptionally(error);
  }

  /** Copies standard input until it ends, then says so where the protocol can. */
  void pump(WebSocket socket, InputStream in) {
    Thread.ofPlatform()
        .daemon()
        .name("stdin")
        .start(
            () -> {
              byte[] buffer = new byte[32 * 1024];
              try {
                for (int n = in.read(buffer, 1, buffer.length - 1);
                    n >= 0;
                    n = in.read(buffer, 1, buffer.length - 1)) {
                  buffer[0] = STDIN;
                  send(socket, ByteBuffer.wrap(buffer.clone(), 0, n + 1));
                }
                if (socket.getSubprotocol().startsWith("v5")) {
                  send(socket, ByteBuffer.wrap(new byte[] {(byte) CLOSE, STDIN}));
                }
              } catch (IOException | RuntimeException e) {
                // The command may end before its input does; its end tells what counts.
                System.getLogger("dev.kedge.cli").log(System.Logger.Level.DEBUG, "stdin", e);
              }
            });
  }

  /** One message at a time, from any thread. */
  private synchronized void send(WebSocket socket, ByteBuffer message) {
    socket.sendBinary(message, true).join();
  }

  void resize(WebSocket socket, Terminal.Size size) {
    byte[] json = Json.bytes(JsonObject.of("Width", size.columns(), "Height", size.rows()));
    byte[] message = new byte[json.length + 1];
    message[0] = RESIZE;
    System.arraycopy(json, 0, message, 1, json.length);
    try {
      send(socket, ByteBuffer.wrap(message));
    } catch (CompletionException e) {
      // The command may have ended already; its end tells what counts.
      System.getLogger("dev.kedge.cli").log(System.Logger.Level.DEBUG, "resize", e);
    }
  }

  /** Waits for the end and returns the command's exit code. */
  int exitCode(Console console) throws InterruptedException {
    try {
      ended.get();
    } catch (ExecutionException e) {
      if (status.size() == 0) {
        throw e.getCause() instanceof IOException io
            ? new UncheckedIOException(io)
            : new IllegalStateException(e.getCause());
      }
    }
    if (status.size() == 0) {
      return 0;
    }
    JsonObject json;
    try {
      json = Json.parseObject(status.toByteArray());
    } catch (JsonSyntaxException _) {
      throw new UsageException(status.toString(StandardCharsets.UTF_8).strip());
    }
    if (json.text("status").equals("Success")) {
      return 0;
    }
    for (JsonObject cause : json.objects("details", "causes")) {
      if (cause.text("reason").equals("ExitCode")) {
        int code = Integer.parseInt(cause.text("message"));
        console.err().println("command terminated with exit code " + code);
        return code;
      }
    }
    throw new UsageException(json.text("message"));
  }
}
