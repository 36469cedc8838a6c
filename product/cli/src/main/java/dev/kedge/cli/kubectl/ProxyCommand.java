package dev.kedge.cli.kubectl;

import dev.kedge.http.ClientTls;
import dev.kedge.http.Exchange;
import dev.kedge.http.Headers;
import dev.kedge.http.HttpServer;
import dev.kedge.http.Pem;
import dev.kedge.http.ReverseProxy;
import dev.kedge.http.ReverseProxy.TargetException;
import dev.kedge.http.TlsIdentity;
import java.io.IOException;
import java.net.URI;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import java.util.Optional;
import java.util.concurrent.CountDownLatch;
import java.util.regex.Pattern;
import javax.net.ssl.SSLContext;

/** {@code proxy}: the API without TLS and credentials on a local port. */
final class ProxyCommand {
  static final List<Flag> FLAGS =
      List.of(
          Flag.text("port", 'p', "8001", "The port to listen on; 0 for any"),
          Flag.text("address", '\0', "127.0.0.1", "The address to listen on"),
          Flag.text("unix-socket", 'u', "", "Unix socket to listen on instead"),
          Flag.text("api-prefix", '\0', "/", "Prefix to serve the API under"),
          Flag.text(
              "accept-hosts",
              '\0',
              "^localhost$,^127\\.0\\.0\\.1$,^\\[::1\\]$",
              "Regular expressions for hosts that are accepted"),
          Flag.text("accept-paths", '\0', "^.*", "Regular expressions for accepted paths"),
          Flag.text(
              "reject-paths",
              '\0',
              "^/api/.*/pods/.*/exec,^/api/.*/pods/.*/attach",
              "Regular expressions for rejected paths"),
          Flag.text("reject-methods", '\0', "^$", "Regular expressions for rejected methods"),
          Flag.toggle("disable-filter", "Accept every request; dangerous with another address"),
          Flag.text("www", 'w', "", "Not supported: refused"),
          Flag.text("www-prefix", 'P', "/static/", "Not supported without --www"));

  private final URI server;
  private final List<String> credentials;
  private final String prefix;
  private final Optional<Filter> filter;
  private final ReverseProxy proxy;

  private record Filter(
      List<Pattern> hosts, List<Pattern> paths, List<Pattern> notPaths, List<Pattern> notMethods) {
    boolean accepts(Exchange exchange) {
      String host = exchange.host().replaceFirst(":\\d+$", "");
      return any(hosts, host)
          && any(paths, exchange.path())
          && !any(notPaths, exchange.path())
          && !any(notMethods, exchange.method());
    }

    private static boolean any(List<Pattern> patterns, String text) {
      return patterns.stream().anyMatch(pattern -> pattern.matcher(text).find());
    }
  }

  private ProxyCommand(Session session) {
    Arguments a = session.arguments();
    KubeConfig.Target target = session.target();
    server = URI.create(target.server());
    credentials = session.transport().headers();
    String given = a.text("api-prefix");
    prefix = (given.startsWith("/") ? given : "/" + given).replaceFirst("/+$", "");
    filter =
        a.on("disable-filter")
            ? Optional.empty()
            : Optional.of(
                new Filter(
                    patterns(a, "accept-hosts"),
                    patterns(a, "accept-paths"),
                    patterns(a, "reject-paths"),
                    patterns(a, "reject-methods")));
    Optional<TlsIdentity> identity =
        target.clientCertificate().isEmpty()
            ? Optional.empty()
            : Optional.of(Pem.identity(target.clientCertificate(), target.clientKey()));
    SSLContext tls =
        target.insecure()
            ? ClientTls.trustingAnyone(identity)
            : ClientTls.trusting(
                target.certificateAuthority().isEmpty()
                    ? List.of()
                    : Pem.certificates(target.certificateAuthority()),
                identity);
    proxy = new ReverseProxy(Optional.of(tls));
  }

  private static List<Pattern> patterns(Arguments a, String flag) {
    return Arrays.stream(a.text(flag).split(","))
        .filter(text -> !text.isEmpty())
        .map(Pattern::compile)
        .toList();
  }

  static int run(Session session) throws IOException, InterruptedException {
    Arguments a = session.arguments();
    if (!a.text("www").isEmpty()) {
      throw new UsageException("--www is not supported by kedge kubectl");
    }
    ProxyCommand command = new ProxyCommand(session);
    String socket = a.text("unix-socket");
    HttpServer.Listen listen =
        socket.isEmpty()
            ? HttpServer.Listen.plain(a.text("address"), (int) a.number("port"))
            : HttpServer.Listen.unix(Path.of(socket));
    try (HttpServer listening = HttpServer.start(listen, command::handle)) {
      session
          .out()
          .print(
              "Starting to serve on "
                  + (socket.isEmpty() ? a.text("address") + ":" + listening.port() : socket)
                  + "\n");
      session.out().flush();
      // Until the process is told to end.
      new CountDownLatch(1).await();
    } finally {
      command.proxy.close();
    }
    return 0;
  }

  private void handle(Exchange exchange) throws IOException {
    String path = exchange.path();
    if (filter.isPresent() && !filter.get().accepts(exchange)) {
      text(exchange, 403, "Forbidden\n");
      return;
    }
    if (!prefix.isEmpty()) {
      if (!path.startsWith(prefix + "/")) {
        text(exchange, 404, "404 page not found\n");
        return;
      }
      path = path.substring(prefix.length());
    }
    String query = exchange.rawQuery();
    String root = server.getRawPath() == null ? "" : server.getRawPath();
    URI target =
        URI.create(
            server.getScheme()
                + "://"
                + server.getRawAuthority()
                + root
                + path
                + (query.isEmpty() ? "" : "?" + query));
    Headers headers = exchange.headers().without("Host").without("Authorization");
    for (int i = 0; i < credentials.size(); i += 2) {
      headers = headers.without(credentials.get(i));
    }
    for (int i = 0; i < credentials.size(); i += 2) {
      headers = headers.and(credentials.get(i), credentials.get(i + 1));
    }
    try {
      proxy.forward(exchange, target, headers);
    } catch (TargetException e) {
      text(exchange, 502, "Bad Gateway: " + e.getMessage() + "\n");
    }
  }

  private static void text(Exchange exchange, int status, String text) throws IOException {
    exchange.respond(
        status,
        Headers.of("Content-Type", "text/plain; charset=utf-8"),
        text.getBytes(StandardCharsets.UTF_8));
  }
}
