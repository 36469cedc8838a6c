package dev.kedge.apiserver;

import static java.nio.charset.StandardCharsets.UTF_8;

import dev.kedge.apiserver.ApiGroups.GroupVersion;
import dev.kedge.apiserver.ApiGroups.Priority;
import dev.kedge.http.ClientTls;
import dev.kedge.http.Headers;
import dev.kedge.http.Pem;
import dev.kedge.http.ReverseProxy;
import dev.kedge.http.ReverseProxy.Answer;
import dev.kedge.http.ReverseProxy.TargetException;
import dev.kedge.http.TlsIdentity;
import dev.kedge.identity.User;
import dev.kedge.model.Json;
import dev.kedge.model.JsonObject;
import dev.kedge.model.JsonSyntaxException;
import dev.kedge.model.KubeObject;
import java.io.IOException;
import java.net.URI;
import java.net.URLEncoder;
import java.time.Duration;
import java.util.Base64;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.function.Supplier;
import javax.net.ssl.SSLContext;

/**
 * A group and version that another server serves, behind a Service: forwards requests to it under
 * the name of the user, and asks it what it serves. A server that hangs costs its askers their
 * deadline and nobody else anything. Any thread.
 */
final class RemoteApi implements AutoCloseable {
  private static final System.Logger LOG = System.getLogger("dev.kedge.apiserver");
  private static final Duration ANSWER = Duration.ofSeconds(5);
  private static final Duration DOCUMENT = Duration.ofSeconds(20);
  private static final int MOST_BYTES = 32 << 20;

  /** How often a check asks before it believes that the server is away. */
  private static final int ATTEMPTS = 3;

  /** Under which name this server itself asks others. */
  private static final User SELF = User.of("system:kube-aggregator", "system:masters");

  private final GroupVersion version;
  private final Priority priority;
  private final JsonObject spec;
  private final ServiceAccess services;
  private final Supplier<TlsIdentity> identity;
  // What the connections stand on; made again when the identity is renewed.
  private volatile @org.jspecify.annotations.Nullable Link link;
  private volatile boolean available;
  private volatile Served served = Served.NOTHING;

  private record Link(TlsIdentity identity, ReverseProxy proxy) {}

  /**
   * What a server was seen to serve.
   *
   * @param resources its APIResourceList; empty before it was first seen
   * @param openApiV2 its whole document, empty without one
   * @param v3Path where its document of this version is; empty without one
   */
  record Served(JsonObject resources, JsonObject openApiV2, String v2Tag, String v3Path) {
    static final Served NOTHING = new Served(JsonObject.EMPTY, JsonObject.EMPTY, "", "");
  }

  RemoteApi(KubeObject service, ServiceAccess services, Supplier<TlsIdentity> identity) {
    this.spec = service.spec();
    this.version = new GroupVersion(spec.text("group"), spec.text("version"));
    this.priority =
        new Priority(
            (int) spec.integer("groupPriorityMinimum"), (int) spec.integer("versionPriority"));
    this.services = services;
    this.identity = identity;
  }

  GroupVersion version() {
    return version;
  }

  Priority priority() {
    return priority;
  }

  /** What the APIService says; another one makes another of this class. */
  JsonObject spec() {
    return spec;
  }

  String namespace() {
    return spec.text("service", "namespace");
  }

  String service() {
    return spec.text("service", "name");
  }

  long port() {
    return spec.integerOr(443, "service", "port");
  }

  /** Whether the APIService's condition says so. */
  boolean available() {
    return available;
  }

  void available(boolean now) {
    available = now;
  }

  Served served() {
    return served;
  }

  private ReverseProxy proxy() {
    TlsIdentity now = identity.get();
    Link known = link;
    if (known != null && known.identity.equals(now)) {
      return known.proxy;
    }
    synchronized (this) {
      known = link;
      if (known == null || !known.identity.equals(now)) {
        if (known != null) {
          known.proxy.close();
        }
        known = new Link(now, new ReverseProxy(Optional.of(tls(now))));
        link = known;
      }
      return known.proxy;
    }
  }

  private SSLContext tls(TlsIdentity shown) {
    if (spec.flag("insecureSkipTLSVerify")) {
      return ClientTls.trustingAnyone(Optional.of(shown));
    }
    String bundle = spec.text("caBundle");
    return ClientTls.trusting(
        bundle.isEmpty()
            ? List.of()
            : Pem.certificates(new String(Base64.getDecoder().decode(bundle), UTF_8)),
        service() + "." + namespace() + ".svc",
        Optional.of(shown));
  }

  private Optional<URI> endpoint() {
    return services.endpoint(namespace(), service(), Long.toString(port()));
  }

  /** Forwards a request of a user who may make it. */
  void forward(Call call) throws IOException {
    forward(call, call.path());
  }

  /** As above, to another path. */
  void forward(Call call, String path) throws IOException {
    Optional<URI> endpoint = available ? endpoint() : Optional.empty();
    if (endpoint.isEmpty()) {
      Answers.text(call, 503, "service unavailable\n");
      return;
    }
    String authority = endpoint.get().getRawAuthority();
    String query = call.rawQuery();
    Headers headers =
        as(call.user(), NodeHandler.withoutCredentials(call.headers()).without("Host"))
            .and("X-Forwarded-For", call.remoteAddress());
    try {
      proxy()
          .forward(
              call,
              URI.create("https://" + authority + path + (query.isEmpty() ? "" : "?" + query)),
              headers);
    } catch (IllegalArgumentException e) {
      Answers.text(call, 500, e.getMessage() + "\n");
    } catch (TargetException e) {
      Answers.text(call, 503, "error trying to reach service: " + e.getMessage() + "\n");
    }
  }

  /** Adds the headers by which a front proxy tells who asks. */
  private static Headers as(User user, Headers headers) {
    Headers all = headers.and("X-Remote-User", user.name());
    if (!user.uid().isEmpty()) {
      all = all.and("X-Remote-Uid", user.uid());
    }
    for (String group : user.groups()) {
      all = all.and("X-Remote-Group", group);
    }
    for (Map.Entry<String, List<String>> extra : user.extra().entrySet()) {
      String name =
          "X-Remote-Extra-" + URLEncoder.encode(extra.getKey(), UTF_8).replace("+", "%20");
      for (String value : extra.getValue()) {
        all = all.and(name, value);
      }
    }
    return all;
  }

  /**
   * Asks the server what it serves.
   *
   * @return why it could not be asked; empty if it answered
   */
  Optional<String> look() throws InterruptedException {
    String fault = "";
    for (int i = 0; i < ATTEMPTS; i++) {
      Optional<URI> endpoint = endpoint();
      if (endpoint.isEmpty()) {
        return Optional.of("no endpoints available for service \"" + service() + "\"");
      }
      String url = "https://" + endpoint.get().getRawAuthority() + version.path();
      try {
        Answer answer = ask(url, Headers.of("Accept", MediaType.JSON), ANSWER);
        if (answer.status() >= 200 && answer.status() < 300) {
          JsonObject resources = list(answer.body());
          if (!resources.isEmpty()) {
            served = new Served(resources, served.openApiV2(), served.v2Tag(), served.v3Path());
          }
          return Optional.empty();
        }
        fault =
            "failing or missing response from "
                + url
                + ": bad status from "
                + url
                + ": "
                + answer.status();
      } catch (IOException | IllegalArgumentException e) {
        fault = "failing or missing response from " + url + ": " + reason(e);
      }
    }
    return Optional.of(fault);
  }

  private static String reason(Exception e) {
    return e.getMessage() == null ? e.toString() : e.getMessage();
  }

  /** The list in an answer; a server that answers something else is up, but serves nothing. */
  private static JsonObject list(byte[] body) {
    try {
      JsonObject list = Json.parseObject(body);
      return list.text("kind").equals("APIResourceList") ? list : JsonObject.EMPTY;
    } catch (JsonSyntaxException e) {
      LOG.log(System.Logger.Level.DEBUG, "not a list of resources", e);
      return JsonObject.EMPTY;
    }
  }

  /** Fetches the server's OpenAPI documents, where they have changed. */
  void readDocuments() throws InterruptedException {
    Optional<URI> endpoint = endpoint();
    if (endpoint.isEmpty()) {
      return;
    }
    String root = "https://" + endpoint.get().getRawAuthority();
    Served known = served;
    JsonObject v2 = known.openApiV2();
    String tag = known.v2Tag();
    try {
      Headers headers = Headers.of("Accept", MediaType.JSON);
      Answer answer =
          ask(
              root + "/openapi/v2",
              tag.isEmpty() ? headers : headers.and("If-None-Match", tag),
              DOCUMENT);
      if (answer.status() == 200) {
        v2 = Json.parseObject(answer.body());
        tag = answer.headers().first("ETag").orElse("");
      }
    } catch (IOException | JsonSyntaxException e) {
      LOG.log(System.Logger.Level.DEBUG, "no OpenAPI v2 of " + version.serviceName(), e);
    }
    String v3 = "";
    try {
      Answer index = ask(root + "/openapi/v3", Headers.of("Accept", MediaType.JSON), ANSWER);
      if (index.status() == 200) {
        v3 =
            Json.parseObject(index.body())
                .text("paths", version.path().substring(1), "serverRelativeURL");
      }
    } catch (IOException | JsonSyntaxException e) {
      LOG.log(System.Logger.Level.DEBUG, "no OpenAPI v3 of " + version.serviceName(), e);
    }
    served = new Served(known.resources(), v2, tag, v3);
  }

  private Answer ask(String url, Headers headers, Duration time)
      throws IOException, InterruptedException {
    return proxy().get(URI.create(url), as(SELF, headers), time, MOST_BYTES);
  }

  @Override
  public void close() {
    Link known = link;
    if (known != null) {
      known.proxy.close();
    }
  }
}
