package dev.kedge.server;

import dev.kedge.http.Exchange;
import dev.kedge.http.Handler;
import dev.kedge.http.Headers;
import dev.kedge.identity.Authenticator;
import dev.kedge.identity.Authenticator.UnauthenticatedException;
import dev.kedge.identity.Authorizer;
import dev.kedge.identity.Authorizer.Attributes;
import dev.kedge.identity.Authorizer.Decision;
import dev.kedge.identity.User;
import java.nio.charset.StandardCharsets;
import java.security.cert.X509Certificate;
import java.util.List;
import java.util.Map;

/**
 * Guards the kubelet's port: who may use it is decided by access to the subresources of the Node,
 * as upstream's kubelet does (verb by method; stats, metrics, logs, and proxy for all else).
 */
final class KubeletGate implements Handler {
  private final String node;
  private final Authenticator authenticator;
  private final Authorizer authorizer;
  private final Handler kubelet;

  KubeletGate(String node, Authenticator authenticator, Authorizer authorizer, Handler kubelet) {
    this.node = node;
    this.authenticator = authenticator;
    this.authorizer = authorizer;
    this.kubelet = kubelet;
  }

  @Override
  public void handle(Exchange exchange) throws Exception {
    User user;
    try {
      user = authenticator.authenticate(new Presented(exchange));
    } catch (UnauthenticatedException e) {
      refuse(exchange, 401, "Unauthorized");
      return;
    }
    Attributes attributes =
        new Attributes(
            verb(exchange.method()), "", "v1", "nodes", subresource(exchange.path()), "", node, "");
    Decision decision = authorizer.authorize(user, attributes);
    if (!decision.allowed()) {
      refuse(
          exchange,
          403,
          "Forbidden (user=%s, verb=%s, resource=nodes, subresource=%s)"
              .formatted(user.name(), attributes.verb(), attributes.subresource()));
      return;
    }
    kubelet.handle(exchange);
  }

  private static void refuse(Exchange exchange, int status, String text) throws Exception {
    exchange.respond(
        status,
        Headers.of("Content-Type", "text/plain; charset=utf-8"),
        text.getBytes(StandardCharsets.UTF_8));
  }

  private static String verb(String method) {
    return switch (method) {
      case "POST" -> "create";
      case "PUT" -> "update";
      case "PATCH" -> "patch";
      case "DELETE" -> "delete";
      default -> "get";
    };
  }

  private static String subresource(String path) {
    if (path.startsWith("/stats")) {
      return "stats";
    }
    if (path.startsWith("/metrics")) {
      return "metrics";
    }
    return path.startsWith("/logs") ? "log" : "proxy";
  }

  private record Presented(Exchange exchange) implements Authenticator.Credentials {
    @Override
    public List<X509Certificate> peerCertificates() {
      return exchange.peerCertificates();
    }

    @Override
    public List<String> header(String name) {
      return exchange.headers().values(name);
    }

    @Override
    public List<Map.Entry<String, String>> headers() {
      return exchange.headers().all().stream()
          .map(header -> Map.entry(header.name(), header.value()))
          .toList();
    }
  }
}
