package dev.kedge.http;

import static java.nio.charset.StandardCharsets.UTF_8;

import java.io.IOException;
import java.io.InputStream;
import java.io.OutputStream;
import java.net.ConnectException;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpRequest.BodyPublishers;
import java.net.http.HttpResponse;
import java.net.http.HttpResponse.BodyHandlers;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Locale;
import java.util.Objects;
import java.util.Optional;
import java.util.Set;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.Executors;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.stream.Collectors;
import javax.net.ssl.SSLContext;

/**
 * Forwards exchanges to other servers: headers, bodies as they stream, upgraded connections as
 * bytes. Any thread. Speaks HTTP/1.1 to them, as Kubernetes' proxies do.
 */
public final class ReverseProxy implements AutoCloseable {
  private static final System.Logger LOG = System.getLogger("dev.kedge.http");

  private static final Duration LONG_ANSWER = Duration.ofSeconds(1);

  /** Headers about one connection only (RFC 9110, 7.6.1). */
  private static final Set<String> HOP_BY_HOP =
      Set.of(
          "connection",
          "proxy-connection",
          "keep-alive",
          "proxy-authenticate",
          "proxy-authorization",
          "te",
          "trailer",
          "transfer-encoding",
          "upgrade");

  /** What the JDK's client sets itself, or forbids. */
  private static final Set<String> OWN =
      Set.of("content-length", "host", "expect", "http2-settings");

  static {
    allowHost();
  }

  /**
   * Proxies pass the client's Host on; the JDK's client forbids that unless told otherwise before
   * its first use in the process. Programs that use it before a proxy say {@code
   * -Djdk.httpclient.allowRestrictedHeaders=host}.
   */
  static void allowHost() {
    if (System.getProperty("jdk.httpclient.allowRestrictedHeaders") == null) {
      System.setProperty("jdk.httpclient.allowRestrictedHeaders", "host");
    }
  }

  private final HttpClient client;
  private final Optional<SSLContext> tls;

  /**
   * A proxy.
   *
   * @param tls for https targets
   */
  public ReverseProxy(Optional<SSLContext> tls) {
    this.tls = tls;
    HttpClient.Builder builder =
        HttpClient.newBuilder()
            .version(HttpClient.Version.HTTP_1_1)
            .connectTimeout(Duration.ofSeconds(10))
            .followRedirects(HttpClient.Redirect.NEVER)
            .executor(Executors.newVirtualThreadPerTaskExecutor());
    tls.ifPresent(builder::sslContext);
    this.client = builder.build();
  }

  /** The target failed before it answered; the exchange is not answered yet. */
  public static class TargetException extends IOException {
    TargetException(String message, Throwable cause) {
      super(message, cause);
    }
  }

  /** The target does not accept connections; nothing was sent to it or to the client. */
  public static final class UnreachableException extends TargetException {
    UnreachableException(URI target, Throwable cause) {
      super("cannot connect to " + target.getAuthority() + ": " + cause.getMessage(), cause);
    }
  }

  /**
   * Forwards an exchange and answers it with what the target answers.
   *
   * @param target the whole URL to ask for, with path and query
   * @param headers the request's headers for the target, such as the client's with some changed;
   *     those about the connection are left out here
   * @throws UnreachableException if the target does not accept connections; the exchange is not
   *     answered yet, so that another target can be tried
   * @throws TargetException if the target broke off before its answer; not answered yet either
   * @throws IOException if the client or the target went away in between
   */
  public void forward(Exchange exchange, URI target, Headers headers) throws IOException {
    String upgrade = exchange.headers().first("Upgrade").orElse("");
    boolean upgrades =
        exchange.protocol().equals("HTTP/1.1")
            && tokens(exchange.headers().values("Connection")).contains("upgrade")
            && !upgrade.isEmpty()
            && !upgrade.equalsIgnoreCase("h2c");
    if (upgrades) {
      upgrade(exchange, target, exchange.method(), upgraded(headers, upgrade), tls);
    } else {
      ordinary(exchange, target, headers);
    }
  }

  /** What a server said. */
  public record Answer(int status, Headers headers, byte[] body) {}

  /**
   * Asks a server on this process's own behalf and reads the whole answer.
   *
   * @param time until all of the answer must be here
   * @param maxBytes of the body
   * @throws IOException if it did not answer in time and within bounds
   */
  public Answer get(URI target, Headers headers, Duration time, int maxBytes)
      throws IOException, InterruptedException {
    HttpRequest.Builder request = HttpRequest.newBuilder(target);
    headers.all().forEach(header -> request.header(header.name(), header.value()));
    var pending =
        client.sendAsync(
            request.build(), BodyHandlers.limiting(BodyHandlers.ofByteArray(), maxBytes));
    try {
      HttpResponse<byte[]> answer = pending.get(time.toMillis(), TimeUnit.MILLISECONDS);
      return new Answer(answer.statusCode(), headers(answer), answer.body());
    } catch (java.util.concurrent.TimeoutException e) {
      throw new IOException("no answer within " + time.toSeconds() + " s", e);
    } catch (java.util.concurrent.ExecutionException e) {
      Throwable cause = Objects.requireNonNull(e.getCause());
      throw cause instanceof IOException io ? io : new IOException(cause.toString(), cause);
    } finally {
      pending.cancel(true);
    }
  }

  private static Headers headers(HttpResponse<?> answer) {
    List<Headers.Header> all = new ArrayList<>();
    answer
        .headers()
        .map()
        .forEach(
            (name, values) -> values.forEach(value -> all.add(new Headers.Header(name, value))));
    return new Headers(all);
  }

  private static Set<String> tokens(List<String> lines) {
    return lines.stream()
        .flatMap(line -> Arrays.stream(line.split(",")))
        .map(token -> token.strip().toLowerCase(Locale.ROOT))
        .collect(Collectors.toSet());
  }

  private static Headers endToEnd(Headers headers) {
    Set<String> named = tokens(headers.values("Connection"));
    List<Headers.Header> kept = new ArrayList<>();
    for (Headers.Header header : headers.all()) {
      String name = header.name().toLowerCase(Locale.ROOT);
      if (!HOP_BY_HOP.contains(name) && !named.contains(name) && !name.equals("cookie")) {
        kept.add(header);
      }
    }
    // HTTP/2 clients may send a cookie in crumbs; HTTP/1.1 knows one line only (RFC 9113, 8.2.3).
    List<String> cookies = headers.values("Cookie");
    if (!cookies.isEmpty()) {
      kept.add(new Headers.Header("Cookie", String.join("; ", cookies)));
    }
    return new Headers(kept);
  }

  private static Headers upgraded(Headers headers, String protocol) {
    return endToEnd(headers).and("Connection", "Upgrade").and("Upgrade", protocol);
  }

  private void ordinary(Exchange exchange, URI target, Headers headers) throws IOException {
    HttpRequest request = request(exchange, target, headers);
    var pending = client.sendAsync(request, BodyHandlers.ofInputStream());
    boolean http2 = exchange.protocol().startsWith("HTTP/2");
    if (http2) {
      exchange.onGone(() -> pending.cancel(true));
    }
    HttpResponse<InputStream> answer;
    try {
      answer = pending.get();
    } catch (InterruptedException e) {
      pending.cancel(true);
      Thread.currentThread().interrupt();
      throw new IOException("interrupted", e);
    } catch (java.util.concurrent.CancellationException e) {
      throw new IOException("the client went away", e);
    } catch (java.util.concurrent.ExecutionException e) {
      Throwable cause = Objects.requireNonNull(e.getCause());
      if (cause instanceof ConnectException
          || cause instanceof java.net.http.HttpConnectTimeoutException) {
        throw new UnreachableException(target, cause);
      }
      throw new TargetException(target.getAuthority() + " did not answer: " + cause, cause);
    }
    try (InputStream body = answer.body()) {
      Headers back = endToEnd(headers(answer));
      boolean bodiless =
          exchange.method().equals("HEAD")
              || answer.statusCode() == 204
              || answer.statusCode() == 304;
      if (bodiless) {
        exchange.respond(answer.statusCode(), back, new byte[0]);
        return;
      }
      try (OutputStream out = exchange.stream(answer.statusCode(), back)) {
        out.flush();
        AtomicBoolean done = new AtomicBoolean();
        Runnable watch =
            () -> {
              if (!done.get()) {
                exchange.onGone(() -> Relays.close(body));
              }
            };
        if (http2) {
          watch.run();
        } else {
          // On HTTP/1.1 it costs the connection; only answers that go on and on are worth that.
          CompletableFuture.delayedExecutor(
                  LONG_ANSWER.toMillis(), TimeUnit.MILLISECONDS, Thread::startVirtualThread)
              .execute(watch);
        }
        try {
          copy(body, out);
        } finally {
          done.set(true);
        }
      }
    }
  }

  /**
   * Flushes when nothing more waits, so that events pass at once and large bodies in large parts.
   */
  private static void copy(InputStream body, OutputStream out) throws IOException {
    byte[] buffer = new byte[16 * 1024];
    int count;
    while ((count = body.read(buffer)) >= 0) {
      out.write(buffer, 0, count);
      if (body.available() == 0) {
        out.flush();
      }
    }
  }

  private static HttpRequest request(Exchange exchange, URI target, Headers headers) {
    try {
      HttpRequest.Builder request =
          HttpRequest.newBuilder(target).method(exchange.method(), publisher(exchange));
      for (Headers.Header header : endToEnd(headers).all()) {
        String name = header.name().toLowerCase(Locale.ROOT);
        if (!OWN.contains(name) || name.equals("host")) {
          request.header(header.name(), header.value());
        }
      }
      return request.build();
    } catch (IllegalArgumentException e) {
      throw new MalformedRequestException("cannot be forwarded: " + e.getMessage(), e);
    }
  }

  private static HttpRequest.BodyPublisher publisher(Exchange exchange) {
    String length = exchange.headers().first("Content-Length").orElse("");
    boolean announced = exchange.headers().first("Transfer-Encoding").isPresent();
    if (length.matches("\\d{1,18}")) {
      long size = Long.parseLong(length);
      return size == 0
          ? BodyPublishers.noBody()
          : BodyPublishers.fromPublisher(BodyPublishers.ofInputStream(exchange::body), size);
    }
    boolean http2 = exchange.protocol().startsWith("HTTP/2");
    boolean usual = Set.of("POST", "PUT", "PATCH").contains(exchange.method());
    return announced || http2 && usual
        ? BodyPublishers.ofInputStream(exchange::body)
        : BodyPublishers.noBody();
  }

  /** Forwards an upgrade to a runtime on this machine, with some of the client's headers. */
  static void upgrade(Exchange exchange, URI target, String protocol, List<String> passed)
      throws IOException {
    Headers headers = Headers.of("Connection", "Upgrade", "Upgrade", protocol);
    for (String name : passed) {
      for (String value : exchange.headers().values(name)) {
        headers = headers.and(name, value);
      }
    }
    try {
      upgrade(exchange, target, exchange.method(), headers, Optional.empty());
    } catch (TargetException e) {
      LOG.log(System.Logger.Level.WARNING, "cannot forward a stream", e);
      exchange.respond(
          500,
          Headers.of("Content-Type", "text/plain; charset=utf-8"),
          ("error dialing backend: " + e.getMessage() + "\n").getBytes(UTF_8));
    }
  }

  private static void upgrade(
      Exchange exchange, URI target, String method, Headers headers, Optional<SSLContext> tls)
      throws IOException {
    HttpUpgrade far;
    try {
      far = HttpUpgrade.open(target, method, headers, tls.orElse(null));
    } catch (ConnectException | java.net.SocketTimeoutException e) {
      throw new UnreachableException(target, e);
    } catch (IOException e) {
      throw new TargetException(target.getAuthority() + " did not answer: " + e, e);
    }
    if (far.status() != 101) {
      byte[] body = far.refusal();
      exchange.respond(far.status(), endToEnd(far.headers()).without("Content-Length"), body);
      return;
    }
    try {
      Headers back = endToEnd(far.headers());
      for (String value : far.headers().values("Upgrade")) {
        back = back.and("Upgrade", value);
      }
      Relays.both(exchange.hijack(back.and("Connection", "Upgrade")), far);
    } finally {
      far.close();
    }
  }

  @Override
  public void close() {
    client.shutdownNow();
  }
}
