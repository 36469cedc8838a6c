package dev.kedge.store.snapshot;

import static java.nio.charset.StandardCharsets.UTF_8;

import com.sun.net.httpserver.HttpExchange;
import com.sun.net.httpserver.HttpServer;
import com.sun.net.httpserver.HttpsConfigurator;
import com.sun.net.httpserver.HttpsServer;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.net.URLDecoder;
import java.time.Duration;
import java.time.Instant;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.SortedMap;
import java.util.TreeMap;
import java.util.concurrent.ConcurrentLinkedQueue;
import java.util.concurrent.ConcurrentSkipListMap;
import java.util.concurrent.Executors;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import javax.net.ssl.SSLContext;

/**
 * As much of S3 as snapshots need, in memory. Each request's signature is made anew of what came
 * over the wire, its body is held to the digest that was signed, and its time to the clock.
 */
public final class TestS3 implements AutoCloseable {
  public static final String REGION = "eu-test-1";
  public static final String BUCKET = "backups";
  public static final String ACCESS_KEY = "AKTEST";
  public static final String SECRET_KEY = "secret/of+the+test";
  static final int PAGE = 3;

  /** More than this must come in parts, of which all but the last have at least so much. */
  static final int PIECE = 100_000;

  private static final Pattern AUTHORIZATION =
      Pattern.compile(
          "AWS4-HMAC-SHA256 Credential=([^/]+)/(\\d{8})/([^/]+)/s3/aws4_request,"
              + "SignedHeaders=([^,]+),Signature=([0-9a-f]{64})");

  private record Stored(byte[] content, Instant modified) {}

  private final HttpServer server;
  private final ConcurrentSkipListMap<String, Stored> objects = new ConcurrentSkipListMap<>();
  private final AtomicInteger refusals = new AtomicInteger();
  private final AtomicInteger nextUpload = new AtomicInteger();
  private final ConcurrentSkipListMap<String, ConcurrentSkipListMap<Integer, byte[]>> uploads =
      new ConcurrentSkipListMap<>();
  private final ConcurrentLinkedQueue<String> requests = new ConcurrentLinkedQueue<>();
  private volatile int refusal;
  private volatile String refused = "";

  /** Starts it on loopback. */
  public TestS3(Optional<SSLContext> tls) throws IOException {
    InetSocketAddress address = new InetSocketAddress(InetAddress.getByName("127.0.0.1"), 0);
    if (tls.isPresent()) {
      HttpsServer secured = HttpsServer.create(address, 0);
      secured.setHttpsConfigurator(new HttpsConfigurator(tls.get()));
      server = secured;
    } else {
      server = HttpServer.create(address, 0);
    }
    server.setExecutor(Executors.newVirtualThreadPerTaskExecutor());
    server.createContext("/", this::handle);
    server.start();
  }

  /** Host and port. */
  public String endpoint() {
    return "127.0.0.1:" + server.getAddress().getPort();
  }

  /** The keys of all objects. */
  public List<String> names() {
    return List.copyOf(objects.keySet());
  }

  /** Answers the next requests with a status. */
  void refuse(int status, int times) {
    refuse(status, times, "");
  }

  /**
   * Answers the next requests of a kind with a status.
   *
   * @param part of the method and the query
   */
  void refuse(int status, int times, String part) {
    refusal = status;
    refused = part;
    refusals.set(times);
  }

  /** How many uploads in parts are neither complete nor aborted. */
  int unfinished() {
    return uploads.size();
  }

  /** Method and query of every request that came. */
  List<String> requests() {
    return List.copyOf(requests);
  }

  private void handle(HttpExchange exchange) throws IOException {
    try (exchange) {
      byte[] body = exchange.getRequestBody().readAllBytes();
      String request = exchange.getRequestMethod() + " " + exchange.getRequestURI().getRawQuery();
      requests.add(request);
      if (request.contains(refused) && refusals.getAndUpdate(left -> Math.max(0, left - 1)) > 0) {
        fail(exchange, refusal, "SlowDown");
        return;
      }
      Optional<String> fault = fault(exchange, body);
      if (fault.isPresent()) {
        fail(exchange, 403, fault.get());
        return;
      }
      String path =
          URLDecoder.decode(exchange.getRequestURI().getRawPath().replace("+", "%2B"), UTF_8);
      String[] parts = path.split("/", 3);
      if (!parts[1].equals(BUCKET)) {
        fail(exchange, 404, "NoSuchBucket");
        return;
      }
      String key = parts.length > 2 ? parts[2] : "";
      if (exchange.getRequestMethod().equals("PUT") && body.length > PIECE) {
        fail(exchange, 400, "EntityTooLarge");
        return;
      }
      SortedMap<String, String> query = query(exchange);
      if (query.containsKey("uploads") || query.containsKey("uploadId")) {
        upload(exchange, key, query, body);
        return;
      }
      switch (exchange.getRequestMethod()) {
        case "PUT" -> {
          objects.put(key, new Stored(body, Instant.now()));
          exchange.sendResponseHeaders(200, -1);
        }
        case "DELETE" -> {
          objects.remove(key);
          exchange.sendResponseHeaders(204, -1);
        }
        default -> {
          if (key.isEmpty()) {
            list(exchange);
          } else if (objects.containsKey(key)) {
            respond(exchange, 200, objects.get(key).content());
          } else {
            fail(exchange, 404, "NoSuchKey");
          }
        }
      }
    }
  }

  private void upload(
      HttpExchange exchange, String key, SortedMap<String, String> query, byte[] body)
      throws IOException {
    String id = query.getOrDefault("uploadId", key + "/<&>" + nextUpload.incrementAndGet());
    if (query.containsKey("uploads")) {
      uploads.put(id, new ConcurrentSkipListMap<>());
      respond(exchange, 200, ("<R><UploadId>" + escaped(id) + "</UploadId></R>").getBytes(UTF_8));
      return;
    }
    ConcurrentSkipListMap<Integer, byte[]> parts = uploads.get(id);
    if (parts == null || !id.startsWith(key + "/")) {
      fail(exchange, 404, "NoSuchUpload");
      return;
    }
    switch (exchange.getRequestMethod()) {
      case "PUT" -> {
        parts.put(Integer.parseInt(query.get("partNumber")), body);
        exchange.getResponseHeaders().set("ETag", tag(body));
        exchange.sendResponseHeaders(200, -1);
      }
      case "DELETE" -> {
        uploads.remove(id);
        exchange.sendResponseHeaders(204, -1);
      }
      default -> {
        StringBuilder expected = new StringBuilder();
        ByteArrayOutputStream whole = new ByteArrayOutputStream();
        boolean small = false;
        for (Map.Entry<Integer, byte[]> part : parts.entrySet()) {
          small |= part.getValue().length < PIECE && !part.getKey().equals(parts.lastKey());
          expected.append("<Part><PartNumber>").append(part.getKey());
          expected.append("</PartNumber><ETag>").append(tag(part.getValue()));
          expected.append("</ETag></Part>");
          whole.writeBytes(part.getValue());
        }
        String complete = "<CompleteMultipartUpload>" + expected + "</CompleteMultipartUpload>";
        // As S3 does when it has answered already by the time it finds out.
        if (small || !complete.equals(new String(body, UTF_8))) {
          fail(exchange, 200, small ? "EntityTooSmall" : "InvalidPart");
          return;
        }
        uploads.remove(id);
        objects.put(key, new Stored(whole.toByteArray(), Instant.now()));
        respond(exchange, 200, "<CompleteMultipartUploadResult/>".getBytes(UTF_8));
      }
    }
  }

  private static String tag(byte[] part) {
    return '"' + SignatureV4.sha256(part).substring(0, 32) + '"';
  }

  private static String escaped(String text) {
    return text.replace("&", "&amp;").replace("<", "&lt;");
  }

  private static Optional<String> fault(HttpExchange exchange, byte[] body) {
    String authorization = String.valueOf(exchange.getRequestHeaders().getFirst("Authorization"));
    Matcher given = AUTHORIZATION.matcher(authorization);
    if (!given.matches()) {
      return Optional.of("AccessDenied");
    }
    if (!given.group(1).equals(ACCESS_KEY) || !given.group(3).equals(REGION)) {
      return Optional.of("InvalidAccessKeyId");
    }
    SortedMap<String, String> headers = new TreeMap<>();
    for (String name : given.group(4).split(";", -1)) {
      headers.put(name, String.valueOf(exchange.getRequestHeaders().getFirst(name)));
    }
    if (!headers.keySet().containsAll(List.of("host", "x-amz-content-sha256", "x-amz-date"))) {
      return Optional.of("AccessDenied");
    }
    Instant time = SignatureV4.TIME.parse(headers.get("x-amz-date"), Instant::from);
    if (Duration.between(time, Instant.now()).abs().compareTo(Duration.ofMinutes(15)) > 0) {
      return Optional.of("RequestTimeTooSkewed");
    }
    String payload = headers.get("x-amz-content-sha256");
    if (!payload.equals(SignatureV4.sha256(body))) {
      return Optional.of("XAmzContentSHA256Mismatch");
    }
    String expected =
        SignatureV4.authorization(
            new SignatureV4.Request(
                exchange.getRequestMethod(),
                exchange.getRequestURI().getRawPath(),
                query(exchange),
                headers,
                payload),
            new SignatureV4.Signer(ACCESS_KEY, SECRET_KEY, REGION, "s3"),
            time);
    return expected.equals(authorization) ? Optional.empty() : Optional.of("SignatureDoesNotMatch");
  }

  private static SortedMap<String, String> query(HttpExchange exchange) {
    SortedMap<String, String> query = new TreeMap<>();
    String raw = exchange.getRequestURI().getRawQuery();
    for (String each : raw == null ? new String[0] : raw.split("&", -1)) {
      String[] parts = each.split("=", 2);
      query.put(URLDecoder.decode(parts[0], UTF_8), URLDecoder.decode(parts[1], UTF_8));
    }
    return query;
  }

  private void list(HttpExchange exchange) throws IOException {
    SortedMap<String, String> query = query(exchange);
    String prefix = query.get("prefix");
    List<String> keys =
        objects.tailMap(query.getOrDefault("continuation-token", ""), false).keySet().stream()
            .filter(key -> key.startsWith(prefix))
            .filter(key -> key.indexOf('/', prefix.length()) < 0)
            .toList();
    StringBuilder xml =
        new StringBuilder(
            "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n"
                + "<ListBucketResult xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\">");
    boolean more = keys.size() > PAGE;
    for (String key : keys.subList(0, more ? PAGE : keys.size())) {
      Stored stored = objects.get(key);
      xml.append("<Contents><Key>")
          .append(escaped(key))
          .append("</Key><LastModified>")
          .append(stored.modified())
          .append("</LastModified><Size>")
          .append(stored.content().length)
          .append("</Size></Contents>");
    }
    if (more) {
      xml.append("<NextContinuationToken>")
          .append(escaped(keys.get(PAGE - 1)))
          .append("</NextContinuationToken>");
    }
    respond(exchange, 200, xml.append("</ListBucketResult>").toString().getBytes(UTF_8));
  }

  private static void fail(HttpExchange exchange, int status, String code) throws IOException {
    respond(
        exchange,
        status,
        ("<?xml version=\"1.0\" encoding=\"UTF-8\"?><Error><Code>"
                + code
                + "</Code><Message>as the test says</Message></Error>")
            .getBytes(UTF_8));
  }

  private static void respond(HttpExchange exchange, int status, byte[] body) throws IOException {
    exchange.sendResponseHeaders(status, body.length);
    exchange.getResponseBody().write(body);
  }

  @Override
  public void close() {
    server.stop(0);
  }
}
