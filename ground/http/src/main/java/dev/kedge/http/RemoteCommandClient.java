package dev.kedge.http;

import java.io.IOException;
import java.io.InputStream;
import java.io.OutputStream;
import java.net.URI;
import java.nio.charset.StandardCharsets;
import java.util.Optional;
import javax.net.ssl.SSLContext;
import org.jspecify.annotations.Nullable;

/**
 * Runs or attaches to a command behind a streaming URL, over SPDY with {@code v4.channel.k8s.io},
 * as a CRI runtime's streaming server and a kubelet offer it. SPDY and not WebSocket, because only
 * there can stdin be ended while output goes on.
 */
public final class RemoteCommandClient implements AutoCloseable {
  static final String V4 = "v4.channel.k8s.io";

  private final SpdyConnection connection;
  private final SpdyConnection.SpdyStream error;
  private final SpdyConnection.@Nullable SpdyStream stdin;
  private final SpdyConnection.@Nullable SpdyStream stdout;
  private final SpdyConnection.@Nullable SpdyStream stderr;
  private final SpdyConnection.@Nullable SpdyStream resize;

  private RemoteCommandClient(SpdyConnection connection, RemoteCommand.Options options)
      throws IOException {
    this.connection = connection;
    error = open("error");
    // Nothing is sent on it; closed from this side it can be forgotten when the status has come.
    error.out().close();
    stdin = options.stdin() ? open("stdin") : null;
    stdout = options.stdout() ? open("stdout") : null;
    stderr = options.stderr() && !options.tty() ? open("stderr") : null;
    resize = options.tty() ? open("resize") : null;
  }

  /**
   * Connects and opens the streams that the options name.
   *
   * @param url such as {@code http://127.0.0.1:35000/exec/token} from the CRI's Exec or Attach
   * @throws UpgradeRefusedException if the server answers other than 101
   */
  public static RemoteCommandClient open(
      URI url, RemoteCommand.Options options, Headers headers, Optional<SSLContext> tls)
      throws IOException {
    HttpUpgrade answer =
        HttpUpgrade.open(
            url,
            "POST",
            headers
                .and("Connection", "Upgrade")
                .and("Upgrade", SpdyConnection.PROTOCOL)
                .and("X-Stream-Protocol-Version", V4),
            tls.orElse(null));
    if (answer.status() != 101) {
      throw new UpgradeRefusedException(url, answer);
    }
    String protocol = answer.headers().first("X-Stream-Protocol-Version").orElse("");
    if (!protocol.equals(V4)) {
      answer.close();
      throw new IOException("the server does not speak " + V4 + " but '" + protocol + "'");
    }
    SpdyConnection connection = new SpdyConnection(answer, true);
    try {
      return new RemoteCommandClient(connection, options);
    } catch (IOException e) {
      connection.close();
      throw e;
    }
  }

  /** Opens a URL of the runtime on this machine. */
  public static RemoteCommandClient open(URI url, RemoteCommand.Options options)
      throws IOException {
    return open(url, options, Headers.NONE, Optional.empty());
  }

  private SpdyConnection.SpdyStream open(String type) throws IOException {
    return connection.open(Headers.of("streamtype", type));
  }

  /** The command's standard input; closing it is the command's end of file. */
  public OutputStream stdin() {
    return stdin == null ? OutputStream.nullOutputStream() : stdin.out();
  }

  /** The command's standard output, all output where there is a terminal. */
  public InputStream stdout() {
    return stdout == null ? InputStream.nullInputStream() : stdout.in();
  }

  public InputStream stderr() {
    return stderr == null ? InputStream.nullInputStream() : stderr.in();
  }

  /** Tells the terminal's size; without a terminal nothing happens. */
  public void resize(RemoteCommand.TerminalSize size) throws IOException {
    if (resize != null) {
      resize
          .out()
          .write(
              ("{\"Width\":" + size.width() + ",\"Height\":" + size.height() + "}\n")
                  .getBytes(StandardCharsets.UTF_8));
    }
  }

  /**
   * Waits for the command's end.
   *
   * @return the JSON of a {@code v1 Status}; empty if the connection ended before
   */
  public byte[] awaitStatus() throws IOException {
    return error.in().readNBytes(1024 * 1024);
  }

  /** Ends the connection; what waits on it ends. */
  @Override
  public void close() {
    connection.close();
  }
}
