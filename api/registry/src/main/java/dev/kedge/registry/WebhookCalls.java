package dev.kedge.registry;

import dev.kedge.http.ClientTls;
import dev.kedge.http.HttpsPost;
import dev.kedge.http.HttpsPost.Answer;
import dev.kedge.http.HttpsPost.Target;
import dev.kedge.http.Pem;
import dev.kedge.model.Json;
import dev.kedge.model.JsonObject;
import dev.kedge.model.JsonString;
import dev.kedge.model.JsonSyntaxException;
import dev.kedge.model.KubeObject;
import dev.kedge.model.Resources;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.net.URI;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.Base64;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.concurrent.ThreadLocalRandom;
import javax.net.ssl.SSLContext;

/**
 * Asks webhooks: posts a review to a {@code clientConfig} (a URL, or a Service whose ready
 * endpoints are taken from the API) and reads the answer. No call outlasts its timeout. Any thread.
 */
public final class WebhookCalls implements AutoCloseable {
  private static final int LARGEST_ANSWER = 32 << 20;
  private static final int MOST_CONTEXTS = 200;
  private static final int HTTPS = 443;

  private final HttpsPost client = new HttpsPost(LARGEST_ANSWER);
  private final Map<String, SSLContext> contexts =
      new LinkedHashMap<>(16, 0.75f, true) {
        @Override
        protected boolean removeEldestEntry(Map.Entry<String, SSLContext> eldest) {
          return size() > MOST_CONTEXTS;
        }
      };

  /** There was no usable answer; the message says why. */
  public static final class CallException extends Exception {
    CallException(String message) {
      super(message);
    }

    CallException(String message, Throwable cause) {
      super(message, cause);
    }
  }

  /**
   * Posts a review and reads the answer.
   *
   * @param clientConfig as in admissionregistration.k8s.io and apiextensions.k8s.io
   * @param objects where Services and their endpoints are looked up
   */
  public JsonObject post(
      JsonObject clientConfig, JsonObject review, Duration timeout, Objects objects)
      throws CallException {
    String query = "?timeout=" + Math.max(1, timeout.toSeconds()) + "s";
    JsonObject service = clientConfig.object("service");
    String shown;
    Answer answer;
    if (service.isEmpty()) {
      URI url = url(clientConfig.text("url"));
      int port = url.getPort() < 0 ? HTTPS : url.getPort();
      String path = url.getRawPath() == null || url.getRawPath().isEmpty() ? "/" : url.getRawPath();
      shown = "https://" + url.getRawAuthority() + path + query;
      String host = url.getHost().replaceAll("[\\[\\]]", "");
      answer =
          post(
              shown,
              new Target(host, port, path + query, host, port, tls(clientConfig)),
              review,
              timeout);
    } else {
      String name = service.text("name") + "." + service.text("namespace") + ".svc";
      int port = (int) service.integerOr(HTTPS, "port");
      String path = service.text("path");
      path = path.startsWith("/") ? path : "/" + path;
      shown = "https://" + name + ":" + port + path + query;
      URI endpoint = endpoint(shown, service, port, objects);
      answer =
          post(
              shown,
              new Target(
                  name,
                  port,
                  path + query,
                  endpoint.getHost().replaceAll("[\\[\\]]", ""),
                  endpoint.getPort(),
                  tls(clientConfig)),
              review,
              timeout);
    }
    requireSuccess(answer);
    try {
      return Json.parseObject(answer.body());
    } catch (JsonSyntaxException e) {
      throw new CallException("couldn't get version/kind; json parse error: " + e.getMessage(), e);
    }
  }

  private Answer post(String shown, Target target, JsonObject review, Duration timeout)
      throws CallException {
    try {
      return client.post(target, Json.bytes(review), timeout);
    } catch (IOException e) {
      throw new CallException("Post \"" + shown + "\": " + e.getMessage(), e);
    }
  }

  private static URI url(String text) throws CallException {
    try {
      URI url = URI.create(text);
      if (url.getHost() != null) {
        return url;
      }
    } catch (IllegalArgumentException e) {
      throw new CallException("Unparsable URL: " + e.getMessage(), e);
    }
    throw new CallException("webhook configuration must have either service or URL");
  }

  private static URI endpoint(String shown, JsonObject reference, int port, Objects objects)
      throws CallException {
    String namespace = reference.text("namespace");
    String name = reference.text("name");
    KubeObject service =
        objects
            .find(Resources.SERVICES, namespace, name)
            .orElseThrow(() -> unreachable(shown, "service \"" + name + "\" not found"));
    if (service.spec().text("type").equals("ExternalName")) {
      return URI.create("https://" + service.spec().text("externalName") + ":" + port);
    }
    String portName =
        service.spec().objects("ports").stream()
            .filter(one -> one.integer("port") == port)
            .map(one -> one.text("name"))
            .findFirst()
            .orElseThrow(
                () ->
                    unreachable(
                        shown, "no service port " + port + " found for service \"" + name + "\""));
    List<URI> ready =
        objects.list(Resources.ENDPOINT_SLICES, namespace).stream()
            .filter(slice -> name.equals(slice.labels().get("kubernetes.io/service-name")))
            .flatMap(slice -> ready(slice.json(), portName).stream())
            .toList();
    if (ready.isEmpty()) {
      throw unreachable(shown, "no endpoints available for service \"" + name + "\"");
    }
    return ready.get(ThreadLocalRandom.current().nextInt(ready.size()));
  }

  private static CallException unreachable(String shown, String why) {
    return new CallException("Post \"" + shown + "\": " + why);
  }

  private static List<URI> ready(JsonObject slice, String portName) {
    return slice.objects("ports").stream()
        .filter(port -> port.text("name").equals(portName))
        .flatMap(
            port ->
                slice.objects("endpoints").stream()
                    .filter(endpoint -> endpoint.object("conditions").flagOr(true, "ready"))
                    .flatMap(endpoint -> endpoint.strings("addresses").stream())
                    .map(address -> address.contains(":") ? "[" + address + "]" : address)
                    .map(address -> URI.create("https://" + address + ":" + port.integer("port"))))
        .toList();
  }

  private SSLContext tls(JsonObject clientConfig) throws CallException {
    String bundle = clientConfig.text("caBundle");
    synchronized (contexts) {
      SSLContext known = contexts.get(bundle);
      if (known != null) {
        return known;
      }
    }
    SSLContext made;
    try {
      made =
          ClientTls.trusting(
              bundle.isEmpty()
                  ? List.of()
                  : Pem.certificates(
                      new String(
                          Base64.getMimeDecoder().decode(bundle), StandardCharsets.US_ASCII)),
              Optional.empty());
    } catch (IllegalArgumentException e) {
      throw new CallException(
          "unable to load root certificates: unable to parse bytes as PEM block", e);
    }
    synchronized (contexts) {
      contexts.put(bundle, made);
    }
    return made;
  }

  /** Upstream's words for answers that are no success (apimachinery {@code api/errors}). */
  private static void requireSuccess(Answer answer) throws CallException {
    int status = answer.status();
    if (status >= 200 && status < 300) {
      return;
    }
    String body =
        new String(answer.body(), 0, Math.min(answer.body().length, 2048), StandardCharsets.UTF_8)
            .strip();
    throw new CallException(
        switch (status) {
          case 400 -> "the server rejected our request for an unknown reason";
          case 401 -> "the server has asked for the client to provide credentials";
          case 403 ->
              body.isEmpty() ? "the server does not allow access to the requested resource" : body;
          case 404 -> "the server could not find the requested resource";
          case 405 -> "the server does not allow this method on the requested resource";
          case 406 ->
              "the server was unable to respond with a content type that the client supports";
          case 409 -> "the server reported a conflict";
          case 415 -> "the server does not support the media type of the request";
          case 422 -> "the server rejected our request due to an error in our request";
          case 429 ->
              "the server has received too many requests and has asked us to try again later";
          case 503 -> "the server is currently unable to handle the request";
          case 504 ->
              "the server was unable to return a response in the time allotted, but may still be"
                  + " processing the request";
          default ->
              status >= 500
                  ? "an error on the server ("
                      + new JsonString(body)
                      + ") has prevented the request from succeeding"
                  : "the server responded with the status code "
                      + status
                      + " but did not return more information";
        });
  }

  @Override
  public void close() {
    try {
      client.close();
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }
}
