package dev.kedge.apiserver;

import dev.kedge.http.Exchange;
import dev.kedge.http.Headers;
import dev.kedge.http.HttpServer;
import dev.kedge.http.HttpServer.Listen;
import dev.kedge.http.Tls;
import dev.kedge.http.TlsIdentity;
import dev.kedge.identity.Credential;
import dev.kedge.model.Json;
import dev.kedge.model.JsonObject;
import java.nio.charset.StandardCharsets;
import java.util.Base64;
import java.util.List;
import java.util.Map;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.function.Function;

/** A real HTTPS server with webhooks by path, and what they were asked. */
final class WebhookServer implements AutoCloseable {
  private final Map<String, Function<JsonObject, JsonObject>> hooks = new ConcurrentHashMap<>();
  private final Map<String, List<JsonObject>> asked = new ConcurrentHashMap<>();
  private final HttpServer http;
  private final String authority;

  /** A server whose certificate is for 127.0.0.1, localhost and a Service's name. */
  WebhookServer(TestServer server) throws Exception {
    Credential serving =
        server.certificates.serving(
            "webhook", "webhook", List.of("localhost", "127.0.0.1", "hook.default.svc"));
    authority = server.certificates.serverAuthority().bundlePem();
    http =
        HttpServer.start(
            Listen.tls(
                "127.0.0.1",
                0,
                Tls.of(() -> new TlsIdentity(serving.chain(), serving.key()), List::of)),
            this::handle);
  }

  private void handle(Exchange exchange) throws Exception {
    JsonObject body = Json.parseObject(exchange.readBody(10 << 20));
    asked.computeIfAbsent(exchange.path(), _ -> new CopyOnWriteArrayList<>()).add(body);
    Function<JsonObject, JsonObject> hook = hooks.get(exchange.path());
    if (hook == null) {
      exchange.respond(404, Headers.of(), new byte[0]);
      return;
    }
    exchange.respond(
        200, Headers.of("Content-Type", "application/json"), Json.bytes(hook.apply(body)));
  }

  /** Answers at a path; the function makes the whole answer of the whole question. */
  void raw(String path, Function<JsonObject, JsonObject> hook) {
    hooks.put(path, hook);
  }

  /** Answers admission reviews; the function makes the response, but for its uid. */
  void admission(String path, Function<JsonObject, JsonObject> hook) {
    raw(
        path,
        review ->
            JsonObject.of(
                "apiVersion",
                "admission.k8s.io/v1",
                "kind",
                "AdmissionReview",
                "response",
                hook.apply(review.object("request")).with("uid", review.text("request", "uid"))));
  }

  static JsonObject allowed() {
    return JsonObject.of("allowed", true);
  }

  static JsonObject patched(String patch) {
    return allowed()
        .with("patchType", "JSONPatch")
        .with("patch", Base64.getEncoder().encodeToString(patch.getBytes(StandardCharsets.UTF_8)));
  }

  /** What was asked at a path, in order. */
  List<JsonObject> asked(String path) {
    return List.copyOf(asked.getOrDefault(path, List.of()));
  }

  int port() {
    return http.port();
  }

  String url(String path) {
    return "https://127.0.0.1:" + port() + path;
  }

  String caBundle() {
    return Base64.getEncoder().encodeToString(authority.getBytes(StandardCharsets.US_ASCII));
  }

  @Override
  public void close() {
    http.close();
  }
}
