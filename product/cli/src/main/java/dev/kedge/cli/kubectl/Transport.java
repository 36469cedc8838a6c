package dev.kedge.cli.kubectl;

import dev.kedge.cli.kubectl.Http.Answer;
import dev.kedge.http.Pem;
import dev.kedge.model.ApiException;
import dev.kedge.model.Json;
import dev.kedge.model.JsonObject;
import dev.kedge.model.JsonSyntaxException;
import dev.kedge.model.JsonValue;
import dev.kedge.model.Status;
import java.io.IOException;
import java.io.InputStream;
import java.io.UncheckedIOException;
import java.net.Socket;
import java.net.URI;
import java.net.URLEncoder;
import java.net.http.HttpClient;
import java.net.http.HttpResponse;
import java.net.http.WebSocket;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.security.GeneralSecurityException;
import java.security.KeyStore;
import java.security.cert.Certificate;
import java.security.cert.X509Certificate;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Base64;
import java.util.List;
import java.util.Map;
import java.util.concurrent.ExecutionException;
import javax.net.ssl.KeyManager;
import javax.net.ssl.SSLContext;
import javax.net.ssl.SSLEngine;
import javax.net.ssl.TrustManager;
import javax.net.ssl.TrustManagerFactory;
import javax.net.ssl.X509ExtendedTrustManager;
import org.jspecify.annotations.Nullable;

/**
 * Requests to one API server. Answers that are failures are thrown as {@link ApiException}; a
 * server that cannot be reached as {@link UncheckedIOException}. Any thread.
 */
final class Transport implements AutoCloseable {
  static final String JSON = "application/json";

  private final String server;
  private final KubeConfig.Target target;
  private final Http http;
  // The part of the server's URL that stands before every path.
  private final String root;
  // Guarded by this.
  private @Nullable HttpClient webSockets;
  private final List<String> headers;
  private final Console console;
  private final int verbosity;
  private final Duration timeout;

  /**
   * A transport.
   *
   * @param impersonation headers such as {@code Impersonate-User}, name after name and value
   * @param timeout of each request, zero for none
   */
  Transport(
      KubeConfig.Target target,
      List<String> impersonation,
      Console console,
      int verbosity,
      Duration timeout) {
    this.server = target.server();
    URI address = address(server);
    String path = address.getRawPath();
    this.root = path == null ? "" : path;
    this.console = console;
    this.verbosity = verbosity;
    this.timeout = timeout;
    List<String> all = new ArrayList<>(impersonation);
    all.addAll(List.of("User-Agent", "kubectl/v1.36.0 (kedge)"));
    if (target.token().chars().anyMatch(c -> c < ' ' || c == 0x7f)) {
      throw new UsageException("the token cannot be sent: it has a line break or the like");
    }
    if (!target.token().isEmpty()) {
      all.addAll(List.of("Authorization", "Bearer " + target.token()));
    } else if (!target.basic().isEmpty()) {
      all.addAll(
          List.of(
              "Authorization",
              "Basic "
                  + Base64.getEncoder()
                      .encodeToString(target.basic().getBytes(StandardCharsets.UTF_8))));
    }
    this.headers = List.copyOf(all);
    this.target = target;
    // A read on a socket of the machine has no limit of time.
    String socket = timeout.isZero() ? target.socket() : "";
    this.http =
        new Http(
            address,
            server.startsWith("https:") ? this::tls : null,
            socket.isEmpty() ? null : Path.of(socket));
  }

  private static URI address(String server) {
    try {
      return URI.create(server);
    } catch (IllegalArgumentException e) {
      throw new UsageException("parse \"" + server + "\": " + e.getMessage());
    }
  }

  private SSLContext tls() {
    try {
      SSLContext context = SSLContext.getInstance("TLS");
      context.init(keys(target), trust(target), null);
      return context;
    } catch (GeneralSecurityException | IOException | IllegalArgumentException e) {
      throw new UsageException("cannot use the kubeconfig's certificates: " + e.getMessage());
    }
  }

  private static KeyManager @Nullable [] keys(KubeConfig.Target target)
      throws GeneralSecurityException {
    if (target.clientCertificate().isEmpty()) {
      return null;
    }
    return new KeyManager[] {
      new ClientKey(
          Pem.privateKey(target.clientKey()),
          Pem.certificates(target.clientCertificate()).toArray(X509Certificate[]::new))
    };
  }

  private static TrustManager @Nullable [] trust(KubeConfig.Target target)
      throws GeneralSecurityException, IOException {
    if (target.insecure()) {
      return new TrustManager[] {new TrustAll()};
    }
    if (target.certificateAuthority().isEmpty()) {
      return null;
    }
    KeyStore store = KeyStore.getInstance("PKCS12");
    store.load(null, null);
    int count = 0;
    for (Certificate certificate : Pem.certificates(target.certificateAuthority())) {
      store.setCertificateEntry("ca" + count++, certificate);
    }
    TrustManagerFactory factory = TrustManagerFactory.getInstance("PKIX");
    factory.init(store);
    return factory.getTrustManagers();
  }

  /** For {@code --insecure-skip-tls-verify}, which says so. */
  private static final class TrustAll extends X509ExtendedTrustManager {
    @Override
    public void checkClientTrusted(X509Certificate[] chain, String type) {}

    @Override
    public void checkServerTrusted(X509Certificate[] chain, String type) {}

    @Override
    public void checkClientTrusted(X509Certificate[] chain, String type, Socket socket) {}

    @Override
    public void checkServerTrusted(X509Certificate[] chain, String type, Socket socket) {}

    @Override
    public void checkClientTrusted(X509Certificate[] chain, String type, SSLEngine engine) {}

    @Override
    public void checkServerTrusted(X509Certificate[] chain, String type, SSLEngine engine) {}

    @Override
    public X509Certificate[] getAcceptedIssuers() {
      return new X509Certificate[0];
    }
  }

  /** Headers of every request, name after name and value: credentials, and who to act as. */
  List<String> headers() {
    return headers;
  }

  String server() {
    return server;
  }

  /** Reads a JSON object. */
  JsonObject get(String path) {
    return send("GET", path, JSON, "", null);
  }

  /** Reads JSON in a representation that the Accept header names. */
  JsonObject get(String path, String accept) {
    return send("GET", path, accept, "", null);
  }

  JsonObject post(String path, JsonValue body) {
    return send("POST", path, JSON, JSON, Json.bytes(body));
  }

  JsonObject put(String path, JsonValue body) {
    return send("PUT", path, JSON, JSON, Json.bytes(body));
  }

  JsonObject patch(String path, String mediaType, byte[] body) {
    return send("PATCH", path, JSON, mediaType, body);
  }

  JsonObject delete(String path, JsonValue options) {
    return send("DELETE", path, JSON, JSON, Json.bytes(options));
  }

  private JsonObject send(
      String method, String path, String accept, String contentType, byte @Nullable [] body) {
    byte[] answer = bytes(method, path, accept, contentType, body);
    try {
      return Json.parseObject(answer);
    } catch (JsonSyntaxException e) {
      throw new UsageException(
          "the server answered " + method + " " + path + " with no JSON object: " + e.getMessage());
    }
  }

  /** Sends a request and reads the whole answer. */
  byte[] bytes(
      String method, String path, String accept, String contentType, byte @Nullable [] body) {
    try (InputStream in = exchange(method, path, accept, contentType, body, timeout).body()) {
      return in.readAllBytes();
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }

  /** Opens an answer that goes on, such as a log or a watch. */
  InputStream stream(String path, String accept) {
    return exchange("GET", path, accept, "", null, Duration.ZERO).body();
  }

  /** The JDK's client, for what lasts. */
  private synchronized HttpClient webSockets() {
    if (webSockets == null) {
      HttpClient.Builder builder =
          HttpClient.newBuilder()
              .version(HttpClient.Version.HTTP_1_1)
              .connectTimeout(Duration.ofSeconds(30));
      if (server.startsWith("https:")) {
        builder.sslContext(tls());
      }
      webSockets = builder.build();
    }
    return webSockets;
  }

  /**
   * Opens a WebSocket.
   *
   * @throws ApiException if the server refuses the upgrade
   */
  WebSocket webSocket(String path, List<String> protocols, WebSocket.Listener listener)
      throws InterruptedException {
    HttpClient client = webSockets();
    WebSocket.Builder builder = client.newWebSocketBuilder();
    for (int i = 0; i < headers.size(); i += 2) {
      builder.header(headers.get(i), headers.get(i + 1));
    }
    builder.subprotocols(
        protocols.getFirst(), protocols.subList(1, protocols.size()).toArray(String[]::new));
    URI uri = URI.create(server.replaceFirst("^http", "ws") + path);
    if (verbosity >= 6) {
      console.err().println("GET " + uri);
    }
    try {
      return builder.buildAsync(uri, listener).get();
    } catch (ExecutionException e) {
      if (e.getCause() instanceof java.net.http.WebSocketHandshakeException refused) {
        HttpResponse<?> response = refused.getResponse();
        byte[] body =
            response != null && response.body() instanceof byte[] bytes ? bytes : new byte[0];
        int code = response == null ? 0 : response.statusCode();
        if (body.length == 0) {
          // The JDK drops the body of a refused upgrade; asking again without it tells why.
          bytes("GET", path, JSON, "", null);
        }
        throw failure(code, body);
      }
      if (e.getCause() instanceof IOException io) {
        throw new UncheckedIOException(io);
      }
      throw new IllegalStateException(e.getCause());
    }
  }

  /** Sends a request; an answer that is a failure is thrown. */
  private Answer exchange(
      String method,
      String path,
      String accept,
      String contentType,
      byte @Nullable [] body,
      Duration limit) {
    List<String> all = new ArrayList<>(headers);
    all.addAll(List.of("Accept", accept));
    if (!contentType.isEmpty()) {
      all.addAll(List.of("Content-Type", contentType));
    }
    long start = System.nanoTime();
    try {
      Answer answer = http.send(method, root + path, all, body, limit);
      if (verbosity >= 6) {
        console
            .err()
            .println(
                method
                    + " "
                    + server
                    + path
                    + " "
                    + answer.status()
                    + " in "
                    + (System.nanoTime() - start) / 1_000_000
                    + " milliseconds");
      }
      for (String warning : answer.headers().getOrDefault("Warning", List.of())) {
        String text = warning.replaceFirst("^299 \\S+ ", "");
        console.err().println("Warning: " + unquoted(text));
      }
      if (answer.status() >= 300) {
        try (InputStream in = answer.body()) {
          throw failure(answer.status(), in.readAllBytes());
        }
      }
      return answer;
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }

  private static String unquoted(String text) {
    String bare = text.strip();
    if (bare.length() >= 2 && bare.startsWith("\"") && bare.endsWith("\"")) {
      bare = bare.substring(1, bare.length() - 1);
    }
    return bare.replace("\\\"", "\"").replace("\\\\", "\\");
  }

  static ApiException failure(int code, byte[] body) {
    try {
      JsonObject json = Json.parseObject(body);
      if (json.text("kind").equals("Status")) {
        return new ApiException(Status.of(json));
      }
    } catch (JsonSyntaxException _) {
      // Not the API's own answer, as from a proxy in between: its text is the message.
    }
    String text = new String(body, StandardCharsets.UTF_8).strip();
    Map<Integer, String> reasons =
        Map.of(
            401, "Unauthorized",
            403, "Forbidden",
            404, "NotFound",
            405, "MethodNotAllowed",
            406, "NotAcceptable",
            503, "ServiceUnavailable");
    String message =
        code == 404
            ? "the server could not find the requested resource"
            : text.isEmpty() ? "HTTP " + code : text;
    return new ApiException(
        new Status(code, reasons.getOrDefault(code, ""), message, Status.Details.NONE));
  }

  static String encode(String text) {
    return URLEncoder.encode(text, StandardCharsets.UTF_8).replace("+", "%20");
  }

  @Override
  public synchronized void close() {
    http.close();
    if (webSockets != null) {
      webSockets.shutdownNow();
    }
  }
}
