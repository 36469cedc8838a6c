package dev.kedge.client;

import dev.kedge.model.ApiException;
import dev.kedge.model.Json;
import dev.kedge.model.JsonObject;
import dev.kedge.model.JsonSyntaxException;
import dev.kedge.model.JsonValue;
import dev.kedge.model.KubeObject;
import dev.kedge.model.ResourceType;
import dev.kedge.model.Status;
import java.io.BufferedInputStream;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.InputStream;
import java.io.InterruptedIOException;
import java.io.UncheckedIOException;
import java.net.URI;
import java.net.URLEncoder;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpRequest.BodyPublishers;
import java.net.http.HttpResponse;
import java.net.http.HttpResponse.BodyHandlers;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.concurrent.Executors;
import java.util.concurrent.ScheduledFuture;
import java.util.concurrent.ScheduledThreadPoolExecutor;
import java.util.concurrent.ThreadLocalRandom;
import java.util.concurrent.TimeUnit;
import java.util.function.Supplier;
import javax.net.ssl.SSLContext;
import org.jspecify.annotations.Nullable;

/**
 * The Kubernetes API of a server elsewhere, over HTTPS (HTTP/2 where the server speaks it). Blocks
 * the calling thread; any number of threads. Closing ends every watch.
 *
 * <p>A watch asks the server to end it after some minutes and is cut a little later in any case, so
 * a server that vanished without a word is noticed.
 */
public final class HttpKubeClient implements KubeClient, AutoCloseable {
  private static final Duration REQUEST_TIMEOUT = Duration.ofSeconds(65);
  private static final Duration CONNECT_TIMEOUT = Duration.ofSeconds(10);
  private static final int WATCH_SECONDS = 300;
  private static final int WATCH_GRACE_SECONDS = 30;

  private final String server;
  private final Supplier<Optional<String>> bearerToken;
  private final String userAgent;
  private final HttpClient http;
  private final ScheduledThreadPoolExecutor cutter;

  /**
   * A client of a server.
   *
   * @param server such as {@code https://127.0.0.1:6443}; a path prefix is kept
   * @param tls trust and client certificate
   * @param bearerToken asked before each request, so that a rotated token is taken up; empty where
   *     the certificate or nothing authenticates
   * @param userAgent the {@code User-Agent}, whose part before the slash becomes the field manager
   */
  public HttpKubeClient(
      URI server, SSLContext tls, Supplier<Optional<String>> bearerToken, String userAgent) {
    String text = server.toString();
    this.server = text.endsWith("/") ? text.substring(0, text.length() - 1) : text;
    this.bearerToken = bearerToken;
    this.userAgent = userAgent;
    this.http =
        HttpClient.newBuilder()
            .sslContext(tls)
            .connectTimeout(CONNECT_TIMEOUT)
            .followRedirects(HttpClient.Redirect.NEVER)
            .executor(Executors.newVirtualThreadPerTaskExecutor())
            .build();
    this.cutter =
        new ScheduledThreadPoolExecutor(
            1, Thread.ofPlatform().daemon().name("client-watch-cutter").factory());
    cutter.setRemoveOnCancelPolicy(true);
  }

  @Override
  public KubeObject get(ResourceType type, String namespace, String name) {
    return object(type, send("GET", objectPath(type, namespace, name, ""), "", null));
  }

  @Override
  public KubeObject getSubresource(
      ResourceType type, String namespace, String name, String subresource) {
    return new KubeObject(send("GET", objectPath(type, namespace, name, subresource), "", null));
  }

  @Override
  public ObjectList list(ResourceType type, String namespace, Selection selection) {
    List<String> query = query(selection);
    JsonObject list = send("GET", type.path(namespace) + joined(query), "", null);
    List<KubeObject> items = new ArrayList<>();
    for (JsonObject item : list.objects("items")) {
      items.add(object(type, selection.part().of(item)));
    }
    return new ObjectList(items, list.text("metadata", "resourceVersion"));
  }

  @Override
  public ObjectWatch watch(
      ResourceType type, String namespace, Selection selection, String resourceVersion) {
    // Spread, so that the watches of many clients do not end at the same moment.
    int seconds = WATCH_SECONDS + ThreadLocalRandom.current().nextInt(WATCH_SECONDS);
    List<String> query = query(selection);
    query.add("watch=1");
    query.add("allowWatchBookmarks=true");
    query.add("timeoutSeconds=" + seconds);
    if (!resourceVersion.isEmpty()) {
      query.add("resourceVersion=" + encode(resourceVersion));
    }
    HttpRequest request = request("GET", type.path(namespace) + joined(query), "", null);
    HttpResponse<InputStream> response = exchange(request, BodyHandlers.ofInputStream());
    if (response.statusCode() != 200) {
      try (InputStream body = response.body()) {
        throw failure(response.statusCode(), body.readAllBytes());
      } catch (IOException e) {
        throw new UncheckedIOException(e);
      }
    }
    return new StreamWatch(type, selection.part(), response.body(), seconds + WATCH_GRACE_SECONDS);
  }

  @Override
  public KubeObject create(ResourceType type, KubeObject object) {
    return object(
        type,
        send(
            "POST",
            type.path(type.namespaced() ? object.namespace() : ""),
            "application/json",
            object.json()));
  }

  @Override
  public KubeObject update(ResourceType type, KubeObject object) {
    return updateSubresource(type, object, "");
  }

  @Override
  public KubeObject updateSubresource(ResourceType type, KubeObject object, String subresource) {
    return object(
        type,
        send(
            "PUT",
            objectPath(type, object.namespace(), object.name(), subresource),
            "application/json",
            object.json()));
  }

  @Override
  public KubeObject patch(ResourceType type, String namespace, String name, Patch patch) {
    List<String> query = new ArrayList<>();
    if (!patch.fieldManager().isEmpty()) {
      query.add("fieldManager=" + encode(patch.fieldManager()));
    }
    if (patch.force()) {
      query.add("force=true");
    }
    return object(
        type,
        send(
            "PATCH",
            objectPath(type, namespace, name, patch.subresource()) + joined(query),
            patch.type().mediaType(),
            patch.body()));
  }

  @Override
  public void delete(ResourceType type, String namespace, String name, DeleteOptions options) {
    JsonObject.Builder body =
        JsonObject.builder()
            .put("kind", "DeleteOptions")
            .put("apiVersion", "v1")
            .putNonEmpty("propagationPolicy", options.propagationPolicy())
            .putNonEmpty(
                "preconditions",
                JsonObject.builder()
                    .putNonEmpty("uid", options.uid())
                    .putNonEmpty("resourceVersion", options.resourceVersion())
                    .build());
    options.gracePeriodSeconds().ifPresent(seconds -> body.put("gracePeriodSeconds", seconds));
    send("DELETE", objectPath(type, namespace, name, ""), "application/json", body.build());
  }

  @Override
  public KubeObject createSubresource(
      ResourceType type, String namespace, String name, String subresource, KubeObject body) {
    return new KubeObject(
        send(
            "POST",
            objectPath(type, namespace, name, subresource),
            "application/json",
            body.json()));
  }

  /** Reads any path that answers with a JSON object, such as {@code /version}. */
  public JsonObject getPath(String path) {
    return send("GET", path, "", null);
  }

  @Override
  public void close() {
    cutter.shutdownNow();
    http.shutdownNow();
  }

  private JsonObject send(String method, String path, String mediaType, @Nullable JsonValue body) {
    HttpResponse<byte[]> response =
        exchange(request(method, path, mediaType, body), BodyHandlers.ofByteArray());
    if (response.statusCode() >= 300) {
      throw failure(response.statusCode(), response.body());
    }
    return Json.parseObject(response.body());
  }

  private HttpRequest request(
      String method, String path, String mediaType, @Nullable JsonValue body) {
    HttpRequest.Builder request =
        HttpRequest.newBuilder(URI.create(server + path))
            .timeout(REQUEST_TIMEOUT)
            .header("User-Agent", userAgent)
            .header("Accept", "application/json")
            .method(
                method,
                body == null
                    ? BodyPublishers.noBody()
                    : BodyPublishers.ofByteArray(Json.bytes(body)));
    bearerToken.get().ifPresent(token -> request.header("Authorization", "Bearer " + token));
    if (!mediaType.isEmpty()) {
      request.header("Content-Type", mediaType);
    }
    return request.build();
  }

  private <T> HttpResponse<T> exchange(HttpRequest request, HttpResponse.BodyHandler<T> handler) {
    try {
      return http.send(request, handler);
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
      InterruptedIOException interrupted = new InterruptedIOException("interrupted");
      interrupted.initCause(e);
      throw new UncheckedIOException(interrupted);
    }
  }

  private static ApiException failure(int code, byte[] body) {
    try {
      JsonObject json = Json.parseObject(body);
      if (json.text("kind").equals("Status")) {
        return new ApiException(Status.of(json));
      }
    } catch (JsonSyntaxException _) {
      // Not the API's own answer, as from a proxy in between: its text is the message.
    }
    String text = new String(body, StandardCharsets.UTF_8).strip();
    String reason =
        switch (code) {
          case 401 -> "Unauthorized";
          case 403 -> "Forbidden";
          case 404 -> "NotFound";
          case 410 -> "Expired";
          case 429 -> "TooManyRequests";
          case 503 -> "ServiceUnavailable";
          default -> "Unknown";
        };
    return new ApiException(
        new Status(code, reason, text.isEmpty() ? "HTTP " + code : text, Status.Details.NONE));
  }

  private static String objectPath(
      ResourceType type, String namespace, String name, String subresource) {
    String path = type.path(type.namespaced() ? namespace : "") + "/" + encode(name);
    return subresource.isEmpty() ? path : path + "/" + subresource;
  }

  private static List<String> query(Selection selection) {
    List<String> query = new ArrayList<>();
    if (!selection.labelSelector().isEmpty()) {
      query.add("labelSelector=" + encode(selection.labelSelector()));
    }
    if (!selection.fieldSelector().isEmpty()) {
      query.add("fieldSelector=" + encode(selection.fieldSelector()));
    }
    return query;
  }

  private static String joined(List<String> query) {
    return query.isEmpty() ? "" : "?" + String.join("&", query);
  }

  private static String encode(String text) {
    return URLEncoder.encode(text, StandardCharsets.UTF_8).replace("+", "%20");
  }

  /** Items of upstream's lists carry no kind; every object of ours does. */
  private static KubeObject object(ResourceType type, JsonObject json) {
    if (json.text("kind").isEmpty()) {
      return new KubeObject(
          JsonObject.builder()
              .put("apiVersion", type.apiVersion())
              .put("kind", type.kind())
              .putAll(json)
              .build());
    }
    return new KubeObject(json);
  }

  /** Reads one JSON document per line. */
  private final class StreamWatch implements ObjectWatch {
    private final ResourceType type;
    private final Part part;
    private final InputStream in;
    private final ScheduledFuture<?> cut;
    private volatile boolean closed;

    StreamWatch(ResourceType type, Part part, InputStream in, int seconds) {
      this.type = type;
      this.part = part;
      this.in = new BufferedInputStream(in, 16 * 1024);
      this.cut = cutter.schedule(this::close, seconds, TimeUnit.SECONDS);
    }

    @Override
    public Optional<Event> next() throws InterruptedException {
      try {
        byte[] line = line();
        while (line.length == 0 && !ended) {
          line = line();
        }
        if (line.length == 0) {
          close();
          return Optional.empty();
        }
        JsonObject event = Json.parseObject(line);
        JsonObject object = event.object("object");
        return switch (event.text("type")) {
          case "ADDED" -> Optional.of(event(EventType.ADDED, object));
          case "MODIFIED" -> Optional.of(event(EventType.MODIFIED, object));
          case "DELETED" -> Optional.of(event(EventType.DELETED, object));
          case "BOOKMARK" -> Optional.of(new Event(EventType.BOOKMARK, object(type, object)));
          case "ERROR" -> throw new ApiException(Status.of(object));
          default -> throw new IOException("unknown watch event: " + event.text("type"));
        };
      } catch (IOException e) {
        if (Thread.interrupted()) {
          throw new InterruptedException();
        }
        if (closed) {
          return Optional.empty();
        }
        throw new UncheckedIOException(e);
      }
    }

    private Event event(EventType change, JsonObject object) {
      return new Event(change, object(type, part.of(object)));
    }

    private boolean ended;

    private byte[] line() throws IOException {
      ByteArrayOutputStream line = new ByteArrayOutputStream(2048);
      for (int b = in.read(); b != '\n'; b = in.read()) {
        if (b < 0) {
          ended = true;
          break;
        }
        line.write(b);
      }
      return line.toByteArray();
    }

    @Override
    public void close() {
      closed = true;
      cut.cancel(false);
      try {
        in.close();
      } catch (IOException e) {
        System.getLogger("dev.kedge.client")
            .log(System.Logger.Level.DEBUG, "closing a watch of {0}: {1}", type, e.getMessage());
      }
    }
  }
}
