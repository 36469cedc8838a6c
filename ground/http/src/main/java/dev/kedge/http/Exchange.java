package dev.kedge.http;

import java.io.IOException;
import java.io.InputStream;
import java.io.OutputStream;
import java.security.cert.X509Certificate;
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

  /** Request headers; names are compared without case. */
  Headers headers();

  /** The client certificate chain, verified against the server's client CAs; empty without one. */
  List<X509Certificate> peerCertificates();

  /** The peer's address without port, such as {@code 10.42.0.7}. */
  String remoteAddress();

  /** {@code HTTP/1.1} or {@code HTTP/2.0}. */
  String protocol();

  /** The request's body. Reading ends with an {@link IOException} if the client goes away. */
  InputStream body();

  /** Answers with a complete body. */
  void respond(int status, Headers headers, byte[] body) throws IOException;

  /**
   * Answers with a body of unknown length. Writes block while the client does not read; {@code
   * flush} sends what was written; {@code close} ends the answer.
   */
  OutputStream stream(int status, Headers headers) throws IOException;

  /**
   * Switches protocols: sends 101 with the headers and hands over the connection. HTTP/1.1 only.
   *
   * @throws IOException if the connection cannot be taken over
   */
  Connection hijack(Headers headers) throws IOException;

  /**
   * Registers what to do when the client goes away before the answer is complete (cancelled stream,
   * closed connection). Runs once on another thread; at once, if the client is already gone.
   */
  void onGone(Runnable action);

  /** A taken-over connection: bytes both ways. Closing closes the socket. */
  interface Connection extends AutoCloseable {
    InputStream in();

    OutputStream out();

    @Override
    void close() throws IOException;
  }
}
