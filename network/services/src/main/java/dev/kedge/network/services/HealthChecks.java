package dev.kedge.network.services;

import com.sun.net.httpserver.HttpExchange;
import com.sun.net.httpserver.HttpServer;
import dev.kedge.model.Json;
import dev.kedge.model.JsonObject;
import dev.kedge.network.services.Compiler.Health;
import java.io.IOException;
import java.io.OutputStream;
import java.lang.System.Logger;
import java.lang.System.Logger.Level;
import java.net.InetSocketAddress;
import java.util.HashMap;
import java.util.Map;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;

/**
 * Answers on the health check node ports of Services with {@code externalTrafficPolicy: Local}: an
 * outer load balancer asks there whether this node has endpoints (200) or not (503).
 */
final class HealthChecks implements AutoCloseable {
  private static final Logger LOG = System.getLogger("dev.kedge.network.services");

  private final ExecutorService threads = Executors.newVirtualThreadPerTaskExecutor();
  private final Map<Integer, HttpServer> servers = new HashMap<>();
  private volatile Map<Integer, Health> answers = Map.of();

  /** Takes up these ports and no others. */
  synchronized void update(Map<Integer, Health> wanted) {
    answers = Map.copyOf(wanted);
    servers
        .entrySet()
        .removeIf(
            entry -> {
              boolean gone = !wanted.containsKey(entry.getKey());
              if (gone) {
                entry.getValue().stop(0);
              }
              return gone;
            });
    wanted.forEach(
        (port, health) -> {
          if (!servers.containsKey(port)) {
            listen(port, health);
          }
        });
  }

  private void listen(int port, Health health) {
    try {
      HttpServer server = HttpServer.create(new InetSocketAddress(port), 0);
      server.setExecutor(threads);
      server.createContext("/", exchange -> answer(exchange, port));
      server.start();
      servers.put(port, server);
    } catch (IOException e) {
      // Tried again with the next change; the Service itself works without.
      LOG.log(
          Level.WARNING,
          "cannot listen on health check node port " + port + " of Service " + health.service(),
          e);
    }
  }

  private void answer(HttpExchange exchange, int port) throws IOException {
    Health health = answers.get(port);
    try (exchange) {
      if (health == null) {
        exchange.sendResponseHeaders(404, -1);
        return;
      }
      byte[] body =
          Json.bytes(
              JsonObject.of(
                  "service",
                  JsonObject.of(
                      "namespace", health.service().namespace(), "name", health.service().name()),
                  "localEndpoints",
                  health.localEndpoints(),
                  "serviceProxyHealthy",
                  true));
      exchange.getResponseHeaders().set("Content-Type", "application/json");
      exchange.getResponseHeaders().set("X-Content-Type-Options", "nosniff");
      exchange
          .getResponseHeaders()
          .set("X-Load-Balancing-Endpoint-Weight", Long.toString(health.localEndpoints()));
      exchange.sendResponseHeaders(health.localEndpoints() > 0 ? 200 : 503, body.length);
      try (OutputStream out = exchange.getResponseBody()) {
        out.write(body);
      }
    }
  }

  @Override
  public synchronized void close() {
    servers.values().forEach(server -> server.stop(0));
    servers.clear();
    threads.shutdown();
  }
}
