package dev.kedge.apiserver;

import dev.kedge.apiserver.Watches.Frames;
import dev.kedge.http.Headers;
import dev.kedge.http.WebSocket;
import java.io.IOException;
import java.net.URI;
import java.net.URISyntaxException;
import java.time.Duration;
import java.util.List;

/**
 * A watch over a WebSocket: each event is one message, a text of JSON or YAML, or the bytes of
 * protobuf without the length that precedes them in a stream. The client says nothing but goodbye;
 * what else it says is thrown away. For the request's thread; one of its own listens to the client.
 */
final class WatchSocket implements Frames {
  private static final System.Logger LOG = System.getLogger("dev.kedge.apiserver");

  /** As for the answers of ordinary watches. */
  private static final Duration LONGEST_PAUSE = Duration.ofMinutes(2);

  /** How long the client's goodbye is waited for after ours. */
  private static final Duration GOODBYE = Duration.ofSeconds(1);

  /** Bytes of the length before a protobuf message. */
  private static final int LENGTH = 4;

  private static final String BEARER = "base64url.bearer.authorization.k8s.io.";

  private final WebSocket socket;
  private final boolean text;
  private final Thread listener;

  private WatchSocket(WebSocket socket, boolean text, Runnable gone) {
    this.socket = socket;
    this.text = text;
    this.listener =
        Thread.ofVirtual()
            .name("watch-listener")
            .start(
                () -> {
                  try {
                    socket.ignoreMessages();
                  } catch (IOException e) {
                    LOG.log(System.Logger.Level.DEBUG, "the client of a watch is gone", e);
                  } finally {
                    gone.run();
                  }
                });
  }

  /**
   * Accepts a WebSocket as upstream does: from any origin, but not without one, and with the one
   * subprotocol that is offered, whichever it is; nothing depends on it.
   *
   * @param text whether frames are texts
   * @param gone run on another thread when the client is gone
   * @throws IOException if the handshake is refused, which the client has been told, or the client
   *     is gone
   */
  static WatchSocket accept(Call call, boolean text, Runnable gone) throws IOException {
    if (!isOrigin(call.header("Origin"))) {
      call.respond(403, Headers.NONE, new byte[0]);
      throw new IOException("a WebSocket without an origin");
    }
    // The subprotocol that carries a browser's credentials is no offer and must not be repeated.
    List<String> offered =
        WebSocket.offered(call).stream().filter(name -> !name.startsWith(BEARER)).toList();
    if (offered.size() > 1) {
      call.respond(400, Headers.NONE, new byte[0]);
      throw new IOException("a WebSocket with several subprotocols");
    }
    WebSocket socket = WebSocket.accept(call, offered.isEmpty() ? "" : offered.getFirst());
    socket.limitPauses(LONGEST_PAUSE);
    return new WatchSocket(socket, text, gone);
  }

  /** Whether a text is a URL or an absolute path; an opaque origin says {@code null}. */
  private static boolean isOrigin(String text) {
    try {
      return text.startsWith("/") || new URI(text).isAbsolute();
    } catch (URISyntaxException _) {
      return false;
    }
  }

  @Override
  public void send(byte[] frame) throws IOException {
    if (text) {
      socket.sendText(frame);
    } else {
      socket.sendBinary(frame, LENGTH, frame.length - LENGTH);
    }
  }

  /** Every message has been sent on its own. */
  @Override
  public void flush() {}

  @Override
  public void close() throws IOException {
    try (socket) {
      socket.sendClose(1000, "");
      listener.join(GOODBYE);
    } catch (InterruptedException _) {
      // The server stops and waits no longer.
      Thread.currentThread().interrupt();
    }
  }
}
