package dev.kedge.http;

import static org.eclipse.jetty.io.Content.Chunk.isFailure;

import java.io.EOFException;
import java.io.IOException;
import java.io.InputStream;
import java.io.OutputStream;
import java.net.InetSocketAddress;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.security.cert.X509Certificate;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import org.eclipse.jetty.http.HttpField;
import org.eclipse.jetty.http.HttpHeader;
import org.eclipse.jetty.http.HttpVersion;
import org.eclipse.jetty.io.Content;
import org.eclipse.jetty.io.EndPoint;
import org.eclipse.jetty.server.HttpStream;
import org.eclipse.jetty.server.Request;
import org.eclipse.jetty.server.Response;
import org.eclipse.jetty.server.internal.HttpConnection;
import org.eclipse.jetty.util.BufferUtil;
import org.eclipse.jetty.util.Callback;
import org.eclipse.jetty.util.thread.Scheduler;
import org.jspecify.annotations.Nullable;

/** An exchange over the library's request and response. Lives on one virtual thread. */
final class JettyExchange implements Exchange {
  private static final long MOST_PASSED_OVER = 16L << 20;
  private static final int SMALL = 8 * 1024;
  private static final System.Logger LOGGER = System.getLogger("dev.kedge.http");

  private final Request request;
  private final Response response;
  private final Callback callback;
  private final Duration bodyTime;
  private final Body body = new Body();
  private @Nullable Headers headers;
  private @Nullable Query query;
  private @Nullable Stream stream;
  private @Nullable RawConnection raw;
  private boolean answered;

  // Guarded by this: they are touched by the library's threads too.
  private final List<Runnable> goneActions = new ArrayList<>(1);
  private boolean gone;
  private boolean ended;
  private boolean streaming;
  private boolean watchingPeer;

  /** Whether the body's chunks are made here. */
  private volatile boolean framed;

  JettyExchange(Request request, Response response, Callback callback, Duration bodyTime) {
    this.request = request;
    this.response = response;
    this.callback = callback;
    this.bodyTime = bodyTime;
    // Asked only when no read and no write is pending: a quiet watch is no fault.
    request.addIdleTimeoutListener(timeout -> false);
    request.addFailureListener(failure -> gone());
  }

  @Override
  public String method() {
    return request.getMethod();
  }

  @Override
  public String path() {
    String path = request.getHttpURI().getPath();
    return path == null ? "" : path;
  }

  @Override
  public Query query() {
    if (query == null) {
      try {
        query = Query.parse(rawQuery());
      } catch (IllegalArgumentException e) {
        throw new MalformedRequestException("malformed query: " + e.getMessage(), e);
      }
    }
    return query;
  }

  @Override
  public String rawQuery() {
    String text = request.getHttpURI().getQuery();
    return text == null ? "" : text;
  }

  @Override
  public Headers headers() {
    if (headers == null) {
      List<Headers.Header> all = new ArrayList<>(request.getHeaders().size() + 1);
      boolean host = false;
      for (HttpField field : request.getHeaders()) {
        String value = field.getValue();
        all.add(new Headers.Header(field.getName(), value == null ? "" : value));
        host |= field.getHeader() == HttpHeader.HOST;
      }
      String authority = request.getHttpURI().getAuthority();
      if (!host && authority != null) {
        all.add(new Headers.Header("Host", authority));
      }
      headers = new Headers(all);
    }
    return headers;
  }

  @Override
  public boolean secure() {
    return endPoint().isSecure();
  }

  @Override
  public boolean local() {
    return request.getConnectionMetaData().getConnector() instanceof UnixConnector;
  }

  @Override
  public List<X509Certificate> peerCertificates() {
    EndPoint.SslSessionData tls = endPoint().getSslSessionData();
    X509Certificate[] chain = tls == null ? null : tls.peerCertificates();
    return chain == null ? List.of() : List.of(chain);
  }

  private EndPoint endPoint() {
    return request.getConnectionMetaData().getConnection().getEndPoint();
  }

  @Override
  public String remoteAddress() {
    return request.getConnectionMetaData().getRemoteSocketAddress() instanceof InetSocketAddress a
        ? a.getAddress().getHostAddress()
        : "";
  }

  @Override
  public String protocol() {
    return request.getConnectionMetaData().getHttpVersion().asString();
  }

  @Override
  public InputStream body() {
    return body;
  }

  @Override
  public byte[] readBody(int maxBytes) throws IOException {
    long announced = request.getHeaders().getLongField(HttpHeader.CONTENT_LENGTH);
    if (announced > maxBytes) {
      throw new BodyTooLargeException(maxBytes);
    }
    Scheduler.Task deadline = limitBodyTime();
    try {
      byte[] bytes = new byte[announced >= 0 ? (int) announced : Math.min(SMALL, maxBytes)];
      int length = 0;
      while (true) {
        if (length == bytes.length) {
          int next = body.read();
          if (next < 0) {
            return bytes;
          }
          if (length == maxBytes) {
            throw new BodyTooLargeException(maxBytes);
          }
          byte[] larger = new byte[(int) Math.min(maxBytes, Math.max(64, bytes.length * 2L))];
          System.arraycopy(bytes, 0, larger, 0, length);
          bytes = larger;
          bytes[length++] = (byte) next;
          continue;
        }
        int count = body.read(bytes, length, bytes.length - length);
        if (count < 0) {
          byte[] exact = new byte[length];
          System.arraycopy(bytes, 0, exact, 0, length);
          return exact;
        }
        length += count;
      }
    } finally {
      body.limited = false;
      deadline.cancel();
    }
  }

  /** From now on the body must come within {@link #bodyTime}, or the request fails. */
  private Scheduler.Task limitBodyTime() {
    body.limited = true;
    return request
        .getComponents()
        .getScheduler()
        .schedule(
            () ->
                request.fail(
                    new TimeoutException("the request's body did not arrive within " + bodyTime)),
            bodyTime.toMillis(),
            TimeUnit.MILLISECONDS);
  }

  /**
   * Takes what the handler left of the body, within bounds, before the answer goes out: a peer that
   * still writes would be reset, and lose the answer that tells it why.
   */
  private void passOverBody() {
    if (body.ended() || request.getHeaders().contains(HttpHeader.EXPECT)) {
      // A client that waits for leave to send its body has sent none of it.
      return;
    }
    Scheduler.Task deadline = limitBodyTime();
    try {
      byte[] waste = new byte[SMALL];
      long left = MOST_PASSED_OVER;
      for (int count = body.read(waste); count >= 0 && left > 0; count = body.read(waste)) {
        left -= count;
      }
    } catch (IOException e) {
      LOGGER.log(System.Logger.Level.DEBUG, "the rest of a refused body did not come", e);
    } finally {
      body.limited = false;
      deadline.cancel();
    }
  }

  @Override
  public void respond(int status, Headers headers, byte[] content) throws IOException {
    passOverBody();
    begin(status, headers);
    if (!response.getHeaders().contains(HttpHeader.CONTENT_LENGTH)
        && status >= 200
        && status != 204
        && status != 304) {
      response.getHeaders().put(HttpHeader.CONTENT_LENGTH, content.length);
    }
    boolean bodiless = method().equals("HEAD") || status == 204 || status == 304;
    write(true, bodiless ? BufferUtil.EMPTY_BUFFER : ByteBuffer.wrap(content));
    end();
  }

  @Override
  public OutputStream stream(int status, Headers headers) throws IOException {
    begin(status, headers);
    stream = new Stream();
    synchronized (this) {
      streaming = true;
    }
    watchPeer();
    return stream;
  }

  private void begin(int status, Headers headers) throws IOException {
    if (answered) {
      throw new IllegalStateException("this exchange is answered already");
    }
    answered = true;
    response.setStatus(status);
    for (Headers.Header header : headers.all()) {
      if (header.name().equalsIgnoreCase("Date")) {
        // The library has set its own; a proxy passes the origin's.
        response.getHeaders().put(HttpHeader.DATE, header.value());
      } else {
        response.getHeaders().add(header.name(), header.value());
      }
    }
  }

  /** A piece of the body as it goes out: if chunks are made here, by RFC 9112 section 7.1. */
  private ByteBuffer piece(byte[] source, int offset, int length, boolean last) {
    if (!framed) {
      return ByteBuffer.wrap(source, offset, length);
    }
    ByteBuffer chunk = ByteBuffer.allocate(length + 24);
    if (length > 0) {
      chunk.put((Integer.toHexString(length) + "\r\n").getBytes(StandardCharsets.US_ASCII));
      chunk.put(source, offset, length).put((byte) '\r').put((byte) '\n');
    }
    if (last) {
      chunk.put("0\r\n\r\n".getBytes(StandardCharsets.US_ASCII));
    }
    return chunk.flip();
  }

  private void write(boolean last, ByteBuffer content) throws IOException {
    Waiter waiter = new Waiter();
    response.write(last, content, waiter);
    waiter.await();
  }

  /** Marks the answer complete and lets the library go on to the next request. */
  private void end() {
    synchronized (this) {
      if (ended) {
        return;
      }
      ended = true;
      goneActions.clear();
    }
    callback.succeeded();
  }

  @Override
  public Connection hijack(Headers headers) throws IOException {
    if (request.getConnectionMetaData().getHttpVersion() != HttpVersion.HTTP_1_1) {
      throw new IOException("only HTTP/1.1 connections can be upgraded, not " + protocol());
    }
    begin(101, headers);
    RawConnection connection =
        new RawConnection(endPoint(), request.getConnectionMetaData().getConnector().getExecutor());
    raw = connection;
    request.setAttribute(HttpStream.UPGRADE_CONNECTION_ATTRIBUTE, connection);
    Waiter waiter = new Waiter();
    response.write(true, BufferUtil.EMPTY_BUFFER, waiter);
    waiter.await();
    callback.succeeded();
    connection.awaitOpen();
    return connection;
  }

  @Override
  public void onGone(Runnable action) {
    synchronized (this) {
      if (ended) {
        return;
      }
      if (!gone) {
        goneActions.add(action);
      }
    }
    if (isGone()) {
      Thread.ofVirtual().name("http-gone").start(action);
      return;
    }
    watchPeer();
  }

  private synchronized boolean isGone() {
    return gone;
  }

  /** The client is gone or the server stops: tells the handler, once. */
  void gone() {
    List<Runnable> actions;
    synchronized (this) {
      if (ended || gone) {
        return;
      }
      gone = true;
      actions = List.copyOf(goneActions);
      goneActions.clear();
    }
    if (!actions.isEmpty()) {
      // Never on the library's thread: an action may block for a moment.
      Thread.ofVirtual().name("http-gone").start(() -> actions.forEach(Runnable::run));
    }
  }

  /**
   * Notices that the peer of an HTTP/1.1 connection has closed: the library reads nothing while an
   * answer is under way. Bytes that come would be a pipelined request; {@code Connection: close}
   * tells the client that none will be answered.
   */
  private void watchPeer() {
    if (!(request.getConnectionMetaData().getConnection() instanceof HttpConnection connection)
        || request.getHeaders().contains(HttpHeader.TRANSFER_ENCODING)
        || request.getHeaders().getLongField(HttpHeader.CONTENT_LENGTH) > 0) {
      return;
    }
    EndPoint endPoint = connection.getEndPoint();
    // Under the lock: once the answer has ended, reads are the connection's own again.
    synchronized (this) {
      if (watchingPeer || !streaming || ended || goneActions.isEmpty()) {
        return;
      }
      watchingPeer = true;
      if (response.isCommitted()) {
        connection.getGenerator().setPersistent(false);
      } else {
        response.getHeaders().put(HttpHeader.CONNECTION, "close");
        if (request.getConnectionMetaData().getHttpVersion() == HttpVersion.HTTP_1_1) {
          // By another name than the library knows the header by: it would end a chunk only when
          // the next begins, and clients that read a chunk whole would be told of each event late.
          response.getHeaders().add(new HttpField(null, "Transfer-Encoding", "chunked"));
          framed = true;
        }
      }
      endPoint.tryFillInterested(new PeerWatch(endPoint));
    }
  }

  /** Reads from a peer that should say nothing, to see it close. */
  private final class PeerWatch implements Callback {
    private final EndPoint endPoint;

    PeerWatch(EndPoint endPoint) {
      this.endPoint = endPoint;
    }

    @Override
    public void succeeded() {
      try {
        ByteBuffer ignored = BufferUtil.allocate(512);
        int count;
        do {
          BufferUtil.clear(ignored);
          count = endPoint.fill(ignored);
        } while (count > 0);
        if (count == 0) {
          endPoint.tryFillInterested(this);
          return;
        }
        closed(new EOFException("the client closed the connection"));
      } catch (IOException e) {
        closed(e);
      }
    }

    @Override
    public void failed(Throwable x) {
      if (x instanceof TimeoutException) {
        if (!endPoint.isFillInterested()) {
          endPoint.tryFillInterested(this);
        }
        return;
      }
      closed(x);
    }

    private void closed(Throwable cause) {
      gone();
      endPoint.close(cause);
    }

    @Override
    public InvocationType getInvocationType() {
      return InvocationType.NON_BLOCKING;
    }
  }

  /** The handler has returned; {@code failure} is what it threw. */
  void finish(@Nullable Throwable failure) throws IOException {
    if (raw != null) {
      synchronized (this) {
        ended = true;
        goneActions.clear();
      }
      raw.close();
      return;
    }
    if (stream != null && failure == null) {
      stream.close();
      return;
    }
    if (stream != null && !response.isCommitted()) {
      response.reset();
      answered = false;
    }
    if (!answered && failure == null) {
      respondText(404, "404 page not found\n");
      return;
    }
    if (!answered && failure instanceof MalformedRequestException) {
      respondText(400, failure.getMessage() + "\n");
      return;
    }
    if (!answered && failure instanceof BrokenBodyException && !isGone()) {
      respondText(400, "the request's body did not come whole\n");
      return;
    }
    if (!answered && failure instanceof BodyTooLargeException) {
      respondText(413, failure.getMessage() + "\n");
      return;
    }
    if (!answered && !isGone()) {
      respondText(500, "500 internal server error\n");
      return;
    }
    synchronized (this) {
      if (ended) {
        return;
      }
      ended = true;
      goneActions.clear();
    }
    // Cuts the answer off so that the client cannot take it for a complete one.
    callback.failed(failure == null ? new IOException("the client is gone") : failure);
  }

  private void respondText(int status, String text) throws IOException {
    respond(
        status,
        Headers.of("Content-Type", "text/plain; charset=utf-8"),
        text.getBytes(java.nio.charset.StandardCharsets.UTF_8));
  }

  boolean isAnswered() {
    return answered;
  }

  /** Gives up on an answer that could not be delivered. */
  void abandon(Throwable cause) {
    synchronized (this) {
      if (ended) {
        return;
      }
      ended = true;
      goneActions.clear();
    }
    callback.failed(cause);
  }

  private final class Body extends InputStream {
    private Content.@Nullable Chunk chunk;
    private boolean eof;
    private boolean limited;

    /** Whether nothing is left of the body, as known without waiting. */
    boolean ended() {
      if (!eof && chunk == null) {
        chunk = request.read();
        if (chunk != null && chunk.isLast() && !chunk.hasRemaining() && !isFailure(chunk)) {
          chunk.release();
          chunk = null;
          eof = true;
        }
      }
      return eof;
    }

    @Override
    public int read() throws IOException {
      byte[] one = new byte[1];
      return read(one, 0, 1) < 0 ? -1 : one[0] & 0xff;
    }

    @Override
    public int read(byte[] target, int offset, int length) throws IOException {
      if (length == 0) {
        return 0;
      }
      while (!eof) {
        Content.Chunk next = chunk;
        chunk = null;
        if (next == null) {
          next = request.read();
        }
        if (next == null) {
          Waiter waiter = new Waiter();
          request.demand(waiter::succeeded);
          waiter.await();
          continue;
        }
        if (isFailure(next)) {
          Throwable failure = next.getFailure();
          if (!next.isLast() && !limited) {
            // Only quiet for a while: an upload may pause.
            continue;
          }
          throw new BrokenBodyException("cannot read the request's body: " + failure, failure);
        }
        if (next.hasRemaining()) {
          int count = next.get(target, offset, length);
          if (next.hasRemaining()) {
            chunk = next;
          } else {
            eof = next.isLast();
            next.release();
          }
          return count;
        }
        eof = next.isLast();
        next.release();
      }
      return -1;
    }

    @Override
    public int available() {
      return chunk == null ? 0 : chunk.remaining();
    }
  }

  /** Gathers small writes; large ones go out without a copy, unless chunks are made of them. */
  private final class Stream extends OutputStream {
    private static final byte[] NOTHING = {};

    private byte @Nullable [] buffer;
    private int buffered;
    private boolean closed;

    @Override
    public void write(int b) throws IOException {
      write(new byte[] {(byte) b}, 0, 1);
    }

    @Override
    public void write(byte[] source, int offset, int length) throws IOException {
      if (closed) {
        throw new IOException("the answer is closed");
      }
      if (buffered + length > SMALL) {
        send(false);
      }
      if (length >= SMALL) {
        JettyExchange.this.write(false, piece(source, offset, length, false));
        return;
      }
      if (buffer == null) {
        buffer = new byte[Math.max(length, buffered == 0 ? 1024 : SMALL)];
      } else if (buffered + length > buffer.length) {
        byte[] larger = new byte[SMALL];
        System.arraycopy(buffer, 0, larger, 0, buffered);
        buffer = larger;
      }
      System.arraycopy(source, offset, buffer, buffered, length);
      buffered += length;
    }

    @Override
    public void flush() throws IOException {
      if (closed) {
        return;
      }
      if (buffered > 0) {
        send(false);
      } else if (!response.isCommitted()) {
        JettyExchange.this.write(false, BufferUtil.EMPTY_BUFFER);
      }
    }

    private void send(boolean last) throws IOException {
      byte[] content = buffer == null ? NOTHING : buffer;
      int length = buffered;
      // Let go of it: a quiet watch should not hold a buffer.
      buffer = null;
      buffered = 0;
      if (last || length > 0) {
        JettyExchange.this.write(last, piece(content, 0, length, last));
      }
    }

    @Override
    public void close() throws IOException {
      if (closed) {
        return;
      }
      closed = true;
      send(true);
      end();
    }
  }
}
