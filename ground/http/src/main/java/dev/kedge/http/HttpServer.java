package dev.kedge.http;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.net.BindException;
import java.net.Socket;
import java.net.StandardSocketOptions;
import java.nio.channels.SocketChannel;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import java.util.Optional;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.Executors;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import java.util.concurrent.atomic.AtomicReference;
import java.util.concurrent.locks.Condition;
import java.util.concurrent.locks.ReentrantLock;
import jdk.net.ExtendedSocketOptions;
import org.eclipse.jetty.alpn.server.ALPNServerConnectionFactory;
import org.eclipse.jetty.http.HttpHeader;
import org.eclipse.jetty.http.HttpStatus;
import org.eclipse.jetty.http.HttpVersion;
import org.eclipse.jetty.http.UriCompliance;
import org.eclipse.jetty.http2.server.AbstractHTTP2ServerConnectionFactory;
import org.eclipse.jetty.http2.server.HTTP2CServerConnectionFactory;
import org.eclipse.jetty.http2.server.HTTP2ServerConnectionFactory;
import org.eclipse.jetty.io.ArrayByteBufferPool;
import org.eclipse.jetty.io.Connection;
import org.eclipse.jetty.io.EndPoint;
import org.eclipse.jetty.io.WindowRateControl;
import org.eclipse.jetty.server.ConnectionFactory;
import org.eclipse.jetty.server.Connector;
import org.eclipse.jetty.server.HttpConfiguration;
import org.eclipse.jetty.server.HttpConnectionFactory;
import org.eclipse.jetty.server.Request;
import org.eclipse.jetty.server.Response;
import org.eclipse.jetty.server.Server;
import org.eclipse.jetty.server.ServerConnector;
import org.eclipse.jetty.server.SslConnectionFactory;
import org.eclipse.jetty.server.handler.ErrorHandler;
import org.eclipse.jetty.server.internal.HttpConnection;
import org.eclipse.jetty.util.Callback;
import org.eclipse.jetty.util.component.Graceful;
import org.eclipse.jetty.util.ssl.SslContextFactory;
import org.eclipse.jetty.util.thread.QueuedThreadPool;
import org.eclipse.jetty.util.thread.Scheduler;
import org.jspecify.annotations.Nullable;

/**
 * Serves HTTP/1.1 and HTTP/2 on one or more ports. Listens when constructed by {@link #start}; each
 * request runs on a virtual thread of its own in the handler; {@link #close} ends it.
 *
 * <p>Guards against careless and hostile clients: bounds on headers, on the time that headers, TLS
 * and {@link Exchange#readBody bodies} may take, on streams per connection and on floods of control
 * frames; a peer that takes nothing of an answer for two minutes is cut off, a quiet watch is not.
 */
public final class HttpServer implements AutoCloseable {
  private static final System.Logger LOGGER = System.getLogger("dev.kedge.http");

  /** Kept from collection, with its level: the library tells of its own life at INFO. */
  private static final java.util.logging.Logger LIBRARY =
      java.util.logging.Logger.getLogger("org.eclipse.jetty");

  static {
    ReverseProxy.allowHost();
    if (LIBRARY.getLevel() == null) {
      LIBRARY.setLevel(java.util.logging.Level.WARNING);
    }
  }

  /**
   * How long peers may take.
   *
   * @param handshake without a byte read until a connection speaks HTTP: TLS and ALPN. With
   *     thousands at once it is the server that is slow, and 10 s cut honest clients off
   * @param headers from the first byte of a request to the end of its headers
   * @param body for a body, once the handler reads it
   * @param idle without a byte while some are due
   */
  record Patience(Duration handshake, Duration headers, Duration body, Duration idle) {
    static final Patience STANDARD =
        new Patience(
            Duration.ofSeconds(30),
            Duration.ofSeconds(30),
            Duration.ofMinutes(1),
            Duration.ofMinutes(2));
  }

  private static final int MAX_HEADER_BYTES = 64 * 1024;
  private static final int MAX_STREAMS = 2000;

  /** Resets, pings and settings a second on one connection; informers cancel hundreds at once. */
  private static final int MAX_CONTROL_FRAMES = 5_000;

  /**
   * One port.
   *
   * @param address the local address to listen on; empty for all, IPv4 and IPv6; the path of a Unix
   *     socket if it begins with a slash
   * @param port 0 for any free one
   * @param tls empty for plain HTTP
   */
  public record Listen(String address, int port, Optional<Tls> tls) {
    /**
     * A Unix socket, without TLS: who may connect is decided by the permissions of its folder,
     * which the caller has made. A file that is there already is replaced.
     */
    public static Listen unix(Path socket) {
      return new Listen(socket.toAbsolutePath().toString(), 0, Optional.empty());
    }

    boolean isUnix() {
      return address.startsWith("/");
    }

    /** A port with TLS. */
    public static Listen tls(String address, int port, Tls tls) {
      return new Listen(address, port, Optional.of(tls));
    }

    /** A port without TLS. */
    public static Listen plain(String address, int port) {
      return new Listen(address, port, Optional.empty());
    }
  }

  private final Handler handler;
  private final Patience patience;
  private final Server server;
  private final List<Listen> listens;
  private final Set<JettyExchange> running = ConcurrentHashMap.newKeySet();
  private final Set<Thread> threads = ConcurrentHashMap.newKeySet();
  private final ReentrantLock lock = new ReentrantLock();
  private final Condition drained = lock.newCondition();
  private volatile boolean stopping;

  /** From here on connections are cut: what begins now could not be answered. */
  private volatile boolean cutting;

  private HttpServer(List<Listen> listens, Handler handler, Patience patience) {
    this.listens = List.copyOf(listens);
    this.patience = patience;
    this.handler = handler;
    QueuedThreadPool pool = new QueuedThreadPool(32, 2, 30_000);
    pool.setName("http");
    pool.setDaemon(true);
    // Platform threads only select. A reserved one would run handlers itself.
    pool.setReservedThreads(0);
    pool.setVirtualThreadsExecutor(
        Executors.newThreadPerTaskExecutor(Thread.ofVirtual().name("http").factory()));
    this.server =
        new Server(pool, null, new ArrayByteBufferPool(0, 1024, 65_536, 1024, 8L << 20, 16L << 20));
    server.setStopAtShutdown(false);
    server.setStopTimeout(0);
    server.setHandler(new Entry());
    server.setErrorHandler(HttpServer::error);
    for (Listen listen : this.listens) {
      server.addConnector(connector(listen));
    }
  }

  /**
   * Listens and serves.
   *
   * @throws PortTakenException if another program listens on one of the ports
   * @throws IOException if an address cannot be listened on for another reason
   */
  public static HttpServer start(List<Listen> listens, Handler handler) throws IOException {
    return start(listens, handler, Patience.STANDARD);
  }

  /** As above, with other times. */
  static HttpServer start(List<Listen> listens, Handler handler, Patience patience)
      throws IOException {
    HttpServer server = new HttpServer(listens, handler, patience);
    try {
      server.open();
    } catch (IOException e) {
      server.close(Duration.ZERO);
      throw e;
    }
    return server;
  }

  /** Listens on one port and serves. */
  public static HttpServer start(Listen listen, Handler handler) throws IOException {
    return start(List.of(listen), handler);
  }

  private void open() throws IOException {
    for (int i = 0; i < listens.size(); i++) {
      Listen listen = listens.get(i);
      try {
        ((ServerConnector) server.getConnectors()[i]).open();
      } catch (IOException e) {
        throw failedToListen(listen, e);
      } catch (java.nio.channels.UnresolvedAddressException e) {
        throw new IOException("cannot listen on unknown address " + listen.address(), e);
      }
    }
    try {
      server.start();
    } catch (IOException | UncheckedIOException e) {
      throw new IOException("cannot start the HTTP server: " + e.getMessage(), e);
    } catch (Exception e) {
      throw new IllegalStateException("cannot start the HTTP server", e);
    }
  }

  private static IOException failedToListen(Listen listen, IOException failure) {
    for (Throwable t = failure; t != null; t = t.getCause()) {
      String message = t.getMessage();
      if (t instanceof BindException && message != null && message.contains("in use")) {
        return new PortTakenException(listen.address(), listen.port(), failure);
      }
      if (t instanceof BindException || t instanceof java.net.SocketException) {
        return new IOException(
            "cannot listen on port "
                + listen.port()
                + (listen.address().isEmpty() ? "" : " of " + listen.address())
                + ": "
                + message,
            failure);
      }
    }
    return failure;
  }

  /** The port that the first listener listens on. */
  public int port() {
    return port(0);
  }

  /** The port that a listener listens on, by its place in the list given to {@link #start}. */
  public int port(int index) {
    return ((ServerConnector) server.getConnectors()[index]).getLocalPort();
  }

  private ServerConnector connector(Listen listen) {
    HttpConfiguration http = new HttpConfiguration();
    http.setSendServerVersion(false);
    http.setSendXPoweredBy(false);
    http.setRequestHeaderSize(MAX_HEADER_BYTES);
    http.setResponseHeaderSize(4 * 1024);
    http.setMaxResponseHeaderSize(MAX_HEADER_BYTES);
    // Paths are routed as they were sent; handlers decode segments themselves.
    http.setUriCompliance(UriCompliance.UNSAFE);
    http.setNotifyRemoteAsyncErrors(true);
    http.setOutputBufferSize(32 * 1024);
    HttpConnectionFactory http1 = new TimedHttp1(http, patience.headers);
    ConnectionFactory[] factories;
    if (listen.tls().isPresent()) {
      AbstractHTTP2ServerConnectionFactory http2 = tune(new HTTP2ServerConnectionFactory(http));
      ALPNServerConnectionFactory alpn = new ALPNServerConnectionFactory();
      alpn.setDefaultProtocol(HttpVersion.HTTP_1_1.asString());
      SslContextFactory.Server tls = new SslContextFactory.Server();
      tls.setSslContext(listen.tls().get().context());
      tls.setWantClientAuth(listen.tls().get().wantClientCertificate());
      tls.setSniRequired(false);
      tls.setIncludeProtocols("TLSv1.2", "TLSv1.3");
      tls.setRenegotiationAllowed(false);
      SslConnectionFactory ssl = new SslConnectionFactory(tls, alpn.getProtocol());
      // It would answer 400 where the certificate shown does not name the host asked for.
      ssl.setEnsureSecureRequestCustomizer(false);
      factories = new ConnectionFactory[] {ssl, alpn, http2, http1};
    } else {
      factories = new ConnectionFactory[] {http1, tune(new HTTP2CServerConnectionFactory(http))};
    }
    ServerConnector connector =
        listen.isUnix()
            ? new UnixConnector(server, Path.of(listen.address()), factories)
            : new TcpConnector(factories);
    if (!listen.isUnix()) {
      connector.setHost(listen.address().isEmpty() ? null : listen.address());
      connector.setPort(listen.port());
    }
    connector.setAcceptQueueSize(1024);
    connector.setIdleTimeout(patience.handshake.toMillis());
    connector.addBean(
        new Connection.Listener() {
          @Override
          public void onOpened(Connection connection) {
            if (connection instanceof HttpConnection
                || connection instanceof org.eclipse.jetty.http2.HTTP2Connection) {
              connection.getEndPoint().setIdleTimeout(patience.idle.toMillis());
            }
          }
        });
    return connector;
  }

  /** Knows every connection from its acceptance on: the library forgets those it stops upon. */
  private final class TcpConnector extends ServerConnector {
    private static final int PRUNED_AT = 1024;

    private final Set<Socket> sockets = ConcurrentHashMap.newKeySet();
    private volatile boolean over;

    TcpConnector(ConnectionFactory... factories) {
      // No acceptor threads: to stop they are interrupted, and a connection that is accepted at
      // that
      // moment is lost inside the JDK: open for ever, with nobody to serve or close it.
      super(server, null, null, null, 0, 1, factories);
    }

    @Override
    protected void configure(Socket socket) {
      super.configure(socket);
      if (sockets.size() % PRUNED_AT == PRUNED_AT - 1) {
        sockets.removeIf(Socket::isClosed);
      }
      sockets.add(socket);
      if (over) {
        closeAll();
        return;
      }
      try {
        // A peer that vanished without a word is found after some 90 seconds.
        socket.setOption(StandardSocketOptions.SO_KEEPALIVE, true);
        if (socket.supportedOptions().contains(ExtendedSocketOptions.TCP_KEEPIDLE)) {
          socket.setOption(ExtendedSocketOptions.TCP_KEEPIDLE, 45);
          socket.setOption(ExtendedSocketOptions.TCP_KEEPINTERVAL, 15);
          socket.setOption(ExtendedSocketOptions.TCP_KEEPCOUNT, 3);
        }
      } catch (IOException e) {
        LOGGER.log(System.Logger.Level.DEBUG, "cannot set keep-alive on a connection", e);
      }
    }

    @Override
    protected void onEndPointClosed(EndPoint endPoint) {
      super.onEndPointClosed(endPoint);
      if (endPoint.getTransport() instanceof SocketChannel channel) {
        sockets.remove(channel.socket());
      }
    }

    /** Closes what is open, and what is accepted from now on. */
    private void closeAll() {
      over = true;
      for (Socket socket : sockets) {
        try {
          socket.close();
        } catch (IOException e) {
          LOGGER.log(System.Logger.Level.DEBUG, "cannot close a connection", e);
        }
      }
      sockets.clear();
    }
  }

  private AbstractHTTP2ServerConnectionFactory tune(AbstractHTTP2ServerConnectionFactory http2) {
    http2.setMaxConcurrentStreams(MAX_STREAMS);
    http2.setStreamIdleTimeout(patience.idle.toMillis());
    http2.setRateControlFactory(new WindowRateControl.Factory(MAX_CONTROL_FRAMES));
    // Room for one large object per stream without waiting for window updates.
    http2.setInitialStreamRecvWindow(512 * 1024);
    http2.setInitialSessionRecvWindow(4 * 1024 * 1024);
    return http2;
  }

  /** The one handler the library knows: each request has a virtual thread. */
  private final class Entry extends org.eclipse.jetty.server.Handler.Abstract {
    @Override
    public boolean handle(Request request, Response response, Callback callback) {
      if (request.getConnectionMetaData().getConnection() instanceof TimedHttp1Connection timed) {
        timed.headersComplete();
      }
      JettyExchange exchange = new JettyExchange(request, response, callback, patience.body);
      running.add(exchange);
      if (cutting) {
        if (request.getConnectionMetaData().getConnection() instanceof HttpConnection one) {
          one.getEndPoint().close();
        }
        // Over HTTP/2 the neighbours may be being answered: the connection stays.
        Response.writeError(request, response, callback, HttpStatus.SERVICE_UNAVAILABLE_503);
        ended(exchange);
        return true;
      }
      // The library runs this on a virtual thread: one that it made for the bytes that came, or for
      // one stream of HTTP/2. An upgrade happens when this method has returned.
      if (Thread.currentThread().isVirtual()
          && !request.getHeaders().contains(HttpHeader.UPGRADE)) {
        run(exchange);
      } else {
        Thread.ofVirtual().name("http-request").start(() -> run(exchange));
      }
      return true;
    }
  }

  /** The answer to what never became an exchange, such as malformed headers: plain words. */
  private static boolean error(Request request, Response response, Callback callback) {
    Object message = request.getAttribute(ErrorHandler.ERROR_MESSAGE);
    String reason = HttpStatus.getMessage(response.getStatus());
    String text =
        response.getStatus() + " " + reason + (message == null ? "" : ": " + message) + "\n";
    response.getHeaders().put(HttpHeader.CONTENT_TYPE, "text/plain; charset=utf-8");
    response.write(
        true,
        java.nio.ByteBuffer.wrap(text.getBytes(java.nio.charset.StandardCharsets.UTF_8)),
        callback);
    return true;
  }

  private void run(JettyExchange exchange) {
    Thread thread = Thread.currentThread();
    threads.add(thread);
    Throwable failure = null;
    try {
      if (stopping) {
        exchange.gone();
      }
      handler.handle(exchange);
    } catch (IOException | MalformedRequestException e) {
      failure = e;
      if (!exchange.isAnswered()) {
        LOGGER.log(System.Logger.Level.DEBUG, () -> "request failed: " + exchange.path(), e);
      }
    } catch (Throwable e) {
      failure = e;
      if (!(e instanceof InterruptedException && stopping)) {
        LOGGER.log(
            System.Logger.Level.ERROR,
            () -> "handler failed: " + exchange.method() + " " + exchange.path(),
            e);
      }
    }
    try {
      exchange.finish(failure);
    } catch (IOException | RuntimeException e) {
      LOGGER.log(System.Logger.Level.DEBUG, () -> "answer not delivered: " + exchange.path(), e);
      exchange.abandon(e);
    } finally {
      threads.remove(thread);
      ended(exchange);
    }
  }

  private void ended(JettyExchange exchange) {
    running.remove(exchange);
    if (stopping) {
      lock.lock();
      try {
        drained.signalAll();
      } finally {
        lock.unlock();
      }
    }
  }

  /** Stops within five seconds. */
  @Override
  public void close() {
    close(Duration.ofSeconds(5));
  }

  /**
   * Stops: refuses new connections, tells HTTP/2 clients to go (GOAWAY), tells watches through
   * {@link Exchange#onGone}, waits for handlers up to the grace time, interrupts those left and
   * closes all connections. Idempotent.
   */
  public void close(Duration grace) {
    stopping = true;
    long deadline = System.nanoTime() + grace.toNanos();
    boolean interrupted = false;
    if (server.isStarted()) {
      var graceful = Graceful.shutdown(server);
      running.forEach(JettyExchange::gone);
      interrupted = awaitDrained(deadline);
      try {
        // Lets the last answers and GOAWAY frames out.
        graceful.get(
            Math.clamp(deadline - System.nanoTime(), 0, Duration.ofMillis(300).toNanos()),
            TimeUnit.NANOSECONDS);
      } catch (InterruptedException e) {
        interrupted = true;
      } catch (ExecutionException | TimeoutException e) {
        LOGGER.log(System.Logger.Level.DEBUG, "connections still open at stop", e);
      }
      // A connection that was kept, or opened while the others were told to go, may have brought a
      // request meanwhile.
      cutting = true;
      interrupted |= awaitDrained(deadline);
      if (!running.isEmpty()) {
        threads.forEach(Thread::interrupt);
        interrupted |= awaitDrained(System.nanoTime() + Duration.ofMillis(500).toNanos());
      }
    }
    try {
      server.stop();
    } catch (InterruptedException e) {
      interrupted = true;
    } catch (Exception e) {
      LOGGER.log(System.Logger.Level.WARNING, "the HTTP server did not stop in order", e);
    }
    for (Connector connector : server.getConnectors()) {
      ((ServerConnector) connector).close();
      if (connector instanceof TcpConnector tcp) {
        tcp.closeAll();
      }
    }
    if (interrupted) {
      Thread.currentThread().interrupt();
    }
  }

  private boolean awaitDrained(long deadline) {
    lock.lock();
    try {
      while (!running.isEmpty()) {
        long left = deadline - System.nanoTime();
        if (left <= 0) {
          return false;
        }
        drained.awaitNanos(left);
      }
      return false;
    } catch (InterruptedException e) {
      return true;
    } finally {
      lock.unlock();
    }
  }

  /**
   * HTTP/1.1 with a limit on the time between a request's first byte and the end of its headers.
   */
  private static final class TimedHttp1 extends HttpConnectionFactory {
    private final Duration time;

    TimedHttp1(HttpConfiguration configuration, Duration time) {
      super(configuration);
      this.time = time;
    }

    @Override
    public Connection newConnection(Connector connector, EndPoint endPoint) {
      TimedHttp1Connection connection =
          new TimedHttp1Connection(getHttpConfiguration(), connector, endPoint, time);
      connection.setTransferEncodingChunkMaxLength(getTransferEncodingChunkMaxLength());
      return configure(connection, connector, endPoint);
    }
  }

  private static final class TimedHttp1Connection extends HttpConnection {
    private final Scheduler scheduler;
    private final Duration time;
    private final AtomicReference<Scheduler.@Nullable Task> timer = new AtomicReference<>();

    TimedHttp1Connection(
        HttpConfiguration configuration, Connector connector, EndPoint endPoint, Duration time) {
      super(configuration, connector, endPoint);
      this.time = time;
      this.scheduler = connector.getScheduler();
    }

    @Override
    public void onFillable() {
      // Whole requests arrive in one piece nearly always: no timer for them.
      super.onFillable();
      if (getHttpChannel().getRequest() == null && getEndPoint().isOpen() && !isBetween()) {
        if (timer.get() == null) {
          var task = scheduler.schedule(this::giveUp, time.toMillis(), TimeUnit.MILLISECONDS);
          if (!timer.compareAndSet(null, task)) {
            task.cancel();
          }
        }
      }
    }

    private void giveUp() {
      // Not if the bytes turned out to be the beginning of HTTP/2.
      if (getEndPoint().getConnection() == this) {
        getEndPoint().close(new TimeoutException("headers not complete within " + time));
      }
    }

    /** Whether no byte of a request has come yet. */
    private boolean isBetween() {
      return getParser().isStart();
    }

    void headersComplete() {
      var task = timer.getAndSet(null);
      if (task != null) {
        task.cancel();
      }
    }
  }
}
