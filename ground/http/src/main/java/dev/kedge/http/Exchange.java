package dev.kedge.http;

import java.io.IOException;
import java.io.InputStream;
import java.io.OutputStream;
import java.security.cert.X509Certificate;
import java.time.Duration;
import java.util.List;

/**
 * One request and its answer. Handlers run on a virtual thread of their own and block freely; all
 * methods are for that thread, except {@link #onGone}'s callback.
 *
 * <p>An exchange is answered once: by {@link #respond}, {@link #stream} or {@link #hijack}. A
 * handler that returns without answering produces 404.
 */
public interface Exchange {
  /** GET, POST, … in capitals. */
  String method();

  /** The path as sent, still percent-encoded, without query. */
  String path();

  /** The query's parameters, decoded. */
  Query query();

  /** The query as sent, without the question mark; empty without one. */
  default String rawQuery() {
    return query().encode();
  }

  /** Request headers; names are compared without case. {@code Host} is there in HTTP/2 too. */
  Headers headers();

  /** The authority asked for: host and perhaps port; empty if the client named none. */
  default String host() {
    return headers().first("Host").orElse("");
  }

  /** Whether the connection is TLS. */
  default boolean secure() {
    return false;
  }

  /**
   * Whether the connection came over a Unix socket of this server's: from a process that the
   * permissions of the socket's folder let in.
   */
  default boolean local() {
    return false;
  }

  /**
   * The certificate chain that the client presented, leaf first; empty without one. The client has
   * proved that it holds the leaf's key, and nothing else: who issued it, for what use and until
   * when is for the authenticator to verify. TLS accepts any chain, so that a stale certificate
   * does not stop a user who also sends a token.
   */
  List<X509Certificate> peerCertificates();

  /** The peer's address without port, such as {@code 10.42.0.7}. */
  String remoteAddress();

  /** {@code HTTP/1.1} or {@code HTTP/2.0}. */
  String protocol();

  /**
   * The request's body, without a limit of size or time. Reading ends with an {@link IOException}
   * if the client goes away.
   */
  InputStream body();

  /**
   * Reads the whole body within a minute.
   *
   * @throws BodyTooLargeException if it has more bytes than the limit; none beyond are read
   * @throws IOException if the client goes away or is too slow
   */
  default byte[] readBody(int maxBytes) throws IOException {
    byte[] body = body().readNBytes(maxBytes);
    if (body.length == maxBytes && body().read() >= 0) {
      throw new BodyTooLargeException(maxBytes);
    }
    return body;
  }

  /** Answers with a complete body. */
  void respond(int status, Headers headers, byte[] body) throws IOException;

  /**
   * Answers with a body of unknown length. Writes block while the client does not read; {@code
   * flush} sends what was written, the first one the headers too; {@code close} ends the answer.
   * One thread at a time writes; a peer that takes nothing for two minutes fails the write.
   */
  OutputStream stream(int status, Headers headers) throws IOException;

  /**
   * Switches protocols: sends 101 with the headers (which name {@code Connection} and {@code
   * Upgrade}) and hands over the connection. HTTP/1.1 only. The connection ends when the handler
   * returns.
   *
   * @throws IOException if the connection cannot be taken over
   */
  Connection hijack(Headers headers) throws IOException;

  /**
   * Registers what to do when the client goes away before the answer is complete (cancelled stream,
   * closed connection), or when the server stops. Runs once on another thread and must be quick; at
   * once, if the client is already gone.
   *
   * <p>On HTTP/1.1 a closed peer is noticed while {@link #stream streaming} the answer of a request
   * without a body; such an answer closes the connection at its end.
   */
  void onGone(Runnable action);

  /**
   * A taken-over connection: bytes both ways, one reader and one writer at a time. Closing closes
   * the socket and ends what blocks on it, from any thread.
   */
  interface Connection extends AutoCloseable {
    InputStream in();

    /**
     * Unbuffered: each write is sent. Closing it sends the peer an end, and leaves reading open.
     */
    OutputStream out();

    /**
     * Cuts the peer off, reading and writing, when it takes nothing of a write for so long. Without
     * it a peer may pause for as long as it likes, as somebody who pages through a command's output
     * does.
     *
     * @throws UnsupportedOperationException unless an {@link HttpServer} handed the connection over
     */
    default void limitPauses(Duration longest) {
      throw new UnsupportedOperationException("only a server's connections limit pauses");
    }

    @Override
    void close() throws IOException;
  }
}
