package dev.kedge.server;

import dev.kedge.http.Exchange;
import dev.kedge.http.Handler;
import dev.kedge.http.Headers;
import dev.kedge.model.JsonArray;
import dev.kedge.model.JsonString;
import dev.kedge.store.snapshot.Records;
import dev.kedge.store.snapshot.SnapshotWriter;
import java.io.OutputStream;
import java.nio.charset.StandardCharsets;
import java.security.MessageDigest;
import java.time.Clock;
import java.util.Base64;
import java.util.List;
import java.util.Optional;

/**
 * What servers ask each other on the API's port, before the API: the cluster's authority, and with
 * the cluster's token what a new server needs; and a snapshot, for this machine's administrator.
 * Everything else goes on to the API.
 */
final class Supervisor implements Handler {
  /** Answers what {@link Joining} reads. */
  static final String BOOTSTRAP = "/v1-kedge/server-bootstrap";

  private final Handler api;
  private final ServerConfig config;
  private final Foundation foundation;
  private final Clock clock;

  Supervisor(Handler api, ServerConfig config, Foundation foundation, Clock clock) {
    this.api = api;
    this.config = config;
    this.foundation = foundation;
    this.clock = clock;
  }

  @Override
  public void handle(Exchange exchange) throws Exception {
    switch (exchange.path()) {
      case "/cacerts" ->
          respond(exchange, 200, foundation.certificates().serverAuthority().bundlePem());
      case "/ping" -> respond(exchange, 200, "pong");
      case BOOTSTRAP -> bootstrap(exchange);
      case Snapshots.PATH -> snapshot(exchange);
      default -> api.handle(exchange);
    }
  }

  private void bootstrap(Exchange exchange) throws Exception {
    if (!mayJoin(exchange)) {
      respond(exchange, 401, "Unauthorized");
      return;
    }
    Optional<EmbeddedEtcd> etcd = foundation.etcd();
    if (etcd.isEmpty()) {
      respond(
          exchange,
          409,
          foundation.shared()
              ? "this cluster keeps its data in an external datastore; start the new server with"
                  + " the same --datastore-endpoint and --token, without --server"
              : "this server keeps its data in SQLite, which is for one server; start it again with"
                  + " --cluster-init, then join");
      return;
    }
    List<JsonString> urls = etcd.get().clientUrls().stream().map(JsonString::new).toList();
    String body =
        BootstrapData.of(config).toJson().with("etcd", JsonArray.of(urls.toArray())).toString();
    exchange.respond(
        200, Headers.of("Content-Type", "application/json"), body.getBytes(StandardCharsets.UTF_8));
  }

  /** For who may open the socket, who may read the database's file as well. */
  private void snapshot(Exchange exchange) throws Exception {
    if (!exchange.local()) {
      api.handle(exchange);
      return;
    }
    Snapshots.Content content =
        Snapshots.content(config, foundation.store(), foundation.token(), clock);
    try (Records records = content.records();
        OutputStream out =
            exchange.stream(200, Headers.of("Content-Type", "application/octet-stream"))) {
      SnapshotWriter.write(out, content.header(), Optional.empty(), records);
    }
  }

  private boolean mayJoin(Exchange exchange) {
    byte[] wanted = ("server:" + foundation.token().password()).getBytes(StandardCharsets.UTF_8);
    return exchange.headers().values("Authorization").stream()
        .filter(value -> value.startsWith("Basic "))
        .anyMatch(value -> MessageDigest.isEqual(wanted, decoded(value.substring(6))));
  }

  private static byte[] decoded(String credentials) {
    try {
      return Base64.getDecoder().decode(credentials.strip());
    } catch (IllegalArgumentException e) {
      return new byte[0];
    }
  }

  private static void respond(Exchange exchange, int status, String text) throws Exception {
    exchange.respond(
        status,
        Headers.of("Content-Type", "text/plain; charset=utf-8"),
        text.getBytes(StandardCharsets.UTF_8));
  }
}
