package dev.kedge.node;

import dev.kedge.cri.Cri;
import dev.kedge.grpc.GrpcException;
import dev.kedge.grpc.GrpcHealth;
import dev.kedge.model.JsonInteger;
import dev.kedge.model.JsonObject;
import dev.kedge.model.JsonString;
import dev.kedge.model.JsonValue;
import java.io.BufferedInputStream;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.InputStream;
import java.net.InetSocketAddress;
import java.net.Socket;
import java.net.SocketTimeoutException;
import java.net.URI;
import java.nio.charset.StandardCharsets;
import java.security.GeneralSecurityException;
import java.security.SecureRandom;
import java.security.cert.X509Certificate;
import java.time.Duration;
import java.util.List;
import javax.net.ssl.SSLContext;
import javax.net.ssl.TrustManager;
import javax.net.ssl.X509TrustManager;

/**
 * The four ways to ask a container something, for probes and life-cycle hooks: a command, an HTTP
 * request, a TCP connection, a gRPC health check.
 */
final class Checks {
  private static final int BODY_LIMIT = 10 << 10;

  private Checks() {}

  /** What came of it; the output is for the event. */
  record Result(boolean success, String output) {}

  /**
   * Runs the handler of a probe or hook.
   *
   * @param host the pod's address, for handlers that name none
   */
  static Result run(
      JsonObject handler,
      JsonObject container,
      String containerId,
      String host,
      Duration timeout,
      dev.kedge.cri.CriClient cri)
      throws InterruptedException {
    if (handler.has("exec")) {
      return exec(cri, containerId, handler.strings("exec", "command"), timeout);
    }
    if (handler.has("httpGet")) {
      JsonObject http = handler.object("httpGet");
      return http(http, or(http.text("host"), host), port(http, container), timeout);
    }
    if (handler.has("tcpSocket")) {
      JsonObject tcp = handler.object("tcpSocket");
      return tcp(or(tcp.text("host"), host), port(tcp, container), timeout);
    }
    if (handler.has("grpc")) {
      JsonObject grpc = handler.object("grpc");
      return grpc(host, (int) grpc.integer("port"), grpc.text("service"), timeout);
    }
    if (handler.has("sleep")) {
      Thread.sleep(Duration.ofSeconds(handler.integer("sleep", "seconds")));
      return new Result(true, "");
    }
    return new Result(false, "missing probe handler");
  }

  private static String or(String text, String otherwise) {
    return text.isEmpty() ? otherwise : text;
  }

  private static int port(JsonObject source, JsonObject container) {
    JsonValue port = source.get("port").orElse(new JsonInteger(0));
    if (port instanceof JsonString name) {
      for (JsonObject declared : container.objects("ports")) {
        if (declared.text("name").equals(name.value())) {
          return (int) declared.integer("containerPort");
        }
      }
      return name.value().matches("[0-9]{1,5}") ? Integer.parseInt(name.value()) : 0;
    }
    return port instanceof JsonInteger number ? (int) number.value() : 0;
  }

  private static Result exec(
      dev.kedge.cri.CriClient cri, String id, List<String> command, Duration timeout) {
    try {
      Cri.ExecResult result = cri.execSync(id, command, timeout);
      String output =
          new String(result.stdout(), StandardCharsets.UTF_8)
              + new String(result.stderr(), StandardCharsets.UTF_8);
      return new Result(result.exitCode() == 0, output);
    } catch (GrpcException e) {
      return e.code() == GrpcException.Code.DEADLINE_EXCEEDED
              || e.detail().contains("timeout") && e.detail().contains("exceeded")
          ? new Result(
              false,
              "command timed out: \""
                  + String.join(" ", command)
                  + "\" timed out after "
                  + Backoff.format(timeout))
          : new Result(false, e.getMessage() == null ? "" : e.getMessage());
    }
  }

  private static Result tcp(String host, int port, Duration timeout) {
    try (Socket socket = new Socket()) {
      socket.connect(new InetSocketAddress(host, port), millis(timeout));
      return new Result(true, "");
    } catch (IOException e) {
      return new Result(false, "dial tcp " + host + ":" + port + ": " + reason(e));
    }
  }

  private static int millis(Duration timeout) {
    return (int) Math.max(1, timeout.toMillis());
  }

  private static String reason(IOException e) {
    if (e instanceof SocketTimeoutException) {
      return "i/o timeout";
    }
    String message = e.getMessage() == null ? e.getClass().getSimpleName() : e.getMessage();
    return message.toLowerCase(java.util.Locale.ROOT).contains("connection refused")
        ? "connect: connection refused"
        : message;
  }

  private static Result grpc(String host, int port, String service, Duration timeout) {
    try {
      int status = GrpcHealth.check(new InetSocketAddress(host, port), service, timeout);
      return status == GrpcHealth.SERVING
          ? new Result(true, "service healthy")
          : new Result(
              false, "service unhealthy (responded with \"" + GrpcHealth.name(status) + "\")");
    } catch (GrpcException e) {
      return switch (e.code()) {
        case UNIMPLEMENTED ->
            new Result(
                false,
                "error: this server does not implement the grpc health protocol"
                    + " (grpc.health.v1.Health): "
                    + e.detail());
        case DEADLINE_EXCEEDED ->
            new Result(
                false, "timeout: health rpc did not complete within " + Backoff.format(timeout));
        case UNAVAILABLE ->
            new Result(
                false,
                "timeout: failed to connect service \""
                    + host
                    + ":"
                    + port
                    + "\" within "
                    + Backoff.format(timeout)
                    + ": "
                    + e.detail());
        default -> new Result(false, "error: health rpc probe failed: " + e.getMessage());
      };
    }
  }

  private static Result http(JsonObject source, String host, int port, Duration timeout) {
    String scheme = source.text("scheme").equals("HTTPS") ? "https" : "http";
    String path = source.text("path").isEmpty() ? "/" : source.text("path");
    String url = scheme + "://" + host + ":" + port + (path.startsWith("/") ? path : "/" + path);
    long deadline = System.nanoTime() + timeout.toNanos();
    String shown = url;
    try {
      // As upstream: redirects are followed on the same host only; elsewhere they count as success.
      for (int hop = 0; hop < 10; hop++) {
        Answer answer = get(source, URI.create(url), deadline);
        boolean redirect = answer.status >= 300 && answer.status < 400;
        if (redirect && !answer.location.isEmpty()) {
          URI next = URI.create(url).resolve(answer.location);
          if (host.equals(next.getHost())) {
            url = next.toString();
            continue;
          }
          return new Result(true, "Probe terminated redirects, Response body: " + answer.body);
        }
        return answer.status >= 200 && answer.status < 400
            ? new Result(true, answer.body)
            : new Result(false, "HTTP probe failed with statuscode: " + answer.status);
      }
      return new Result(false, "Get \"" + shown + "\": stopped after 10 redirects");
    } catch (SocketTimeoutException e) {
      return new Result(
          false,
          "Get \""
              + shown
              + "\": context deadline exceeded (Client.Timeout exceeded while awaiting headers)");
    } catch (IOException e) {
      return new Result(
          false, "Get \"" + shown + "\": dial tcp " + host + ":" + port + ": " + reason(e));
    } catch (IllegalArgumentException | GeneralSecurityException e) {
      return new Result(false, "Get \"" + shown + "\": " + e.getMessage());
    }
  }

  private record Answer(int status, String location, String body) {}

  private static Answer get(JsonObject source, URI url, long deadline)
      throws IOException, GeneralSecurityException {
    int port = url.getPort() >= 0 ? url.getPort() : url.getScheme().equals("https") ? 443 : 80;
    try (Socket plain = new Socket()) {
      plain.connect(new InetSocketAddress(url.getHost(), port), left(deadline));
      plain.setSoTimeout(left(deadline));
      Socket socket = plain;
      if (url.getScheme().equals("https")) {
        socket = trustAll().getSocketFactory().createSocket(plain, url.getHost(), port, true);
      }
      String host = url.getHost() + ":" + port;
      String agent = "kube-probe/1.36";
      String accept = "*/*";
      StringBuilder head = new StringBuilder();
      for (JsonObject header : source.objects("httpHeaders")) {
        switch (header.text("name").toLowerCase(java.util.Locale.ROOT)) {
          case "host" -> host = header.text("value");
          case "user-agent" -> agent = header.text("value");
          case "accept" -> accept = header.text("value");
          default ->
              head.append(header.text("name"))
                  .append(": ")
                  .append(header.text("value"))
                  .append("\r\n");
        }
      }
      String target =
          (url.getRawPath().isEmpty() ? "/" : url.getRawPath())
              + (url.getRawQuery() == null ? "" : "?" + url.getRawQuery());
      String request =
          "GET "
              + target
              + " HTTP/1.1\r\nHost: "
              + host
              + "\r\nUser-Agent: "
              + agent
              + "\r\nAccept: "
              + accept
              + "\r\nConnection: close\r\n"
              + head
              + "\r\n";
      socket.getOutputStream().write(request.getBytes(StandardCharsets.UTF_8));
      socket.getOutputStream().flush();
      InputStream in = new BufferedInputStream(socket.getInputStream());
      String status = line(in);
      String[] words = status.split(" ", 3);
      if (words.length < 2 || !words[0].startsWith("HTTP/") || !words[1].matches("[0-9]{3}")) {
        throw new IOException("malformed HTTP response \"" + status + "\"");
      }
      String location = "";
      for (String header = line(in); !header.isEmpty(); header = line(in)) {
        if (header.toLowerCase(java.util.Locale.ROOT).startsWith("location:")) {
          location = header.substring(9).strip();
        }
      }
      return new Answer(
          Integer.parseInt(words[1]),
          location,
          new String(in.readNBytes(BODY_LIMIT), StandardCharsets.UTF_8));
    }
  }

  private static int left(long deadline) throws SocketTimeoutException {
    long millis = (deadline - System.nanoTime()) / 1_000_000;
    if (millis <= 0) {
      throw new SocketTimeoutException("deadline");
    }
    return (int) millis;
  }

  private static String line(InputStream in) throws IOException {
    ByteArrayOutputStream out = new ByteArrayOutputStream();
    for (int b = in.read(); b != '\n'; b = in.read()) {
      if (b < 0) {
        if (out.size() == 0) {
          throw new IOException("EOF");
        }
        break;
      }
      if (out.size() > 64 << 10) {
        throw new IOException("header line too long");
      }
      out.write(b);
    }
    return out.toString(StandardCharsets.ISO_8859_1).stripTrailing();
  }

  /** Probes ask whether the application is up, not who it is: as upstream, no certificate check. */
  private static SSLContext trustAll() throws GeneralSecurityException {
    SSLContext context = SSLContext.getInstance("TLS");
    context.init(
        null,
        new TrustManager[] {
          new X509TrustManager() {
            @Override
            public void checkClientTrusted(X509Certificate[] chain, String type) {}

            @Override
            public void checkServerTrusted(X509Certificate[] chain, String type) {}

            @Override
            public X509Certificate[] getAcceptedIssuers() {
              return new X509Certificate[0];
            }
          }
        },
        new SecureRandom());
    return context;
  }
}
