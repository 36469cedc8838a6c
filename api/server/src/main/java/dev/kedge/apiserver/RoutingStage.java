package dev.kedge.apiserver;

import dev.kedge.apiserver.Aggregator.Remotes;
import dev.kedge.apiserver.ApiGroups.GroupVersion;
import dev.kedge.apiserver.ApiServer.Parts;
import dev.kedge.builtin.BuiltinSchemas;
import dev.kedge.http.Headers;
import dev.kedge.model.GroupVersionKind;
import dev.kedge.model.JsonObject;
import dev.kedge.model.Schema;
import dev.kedge.registry.Registry;
import dev.kedge.registry.ResourceInfo;
import java.io.IOException;
import java.util.ArrayList;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Optional;
import java.util.Set;

/** Sends a request to what answers it; the last of the stages. */
final class RoutingStage implements Stage {
  private static final Set<String> NODE_SUBRESOURCES =
      Set.of("log", "exec", "attach", "portforward", "proxy");

  private final Parts parts;
  private final Registry registry;
  private final Metrics metrics;
  private final Discovery discovery;
  private final ResourceHandler resources;
  private final NodeHandler nodes;
  private final OpenApiHandler openApi;
  private final Aggregator aggregator;

  RoutingStage(Parts parts, Aggregator aggregator, Metrics metrics) {
    this.aggregator = aggregator;
    this.parts = parts;
    this.registry = parts.registry();
    this.metrics = metrics;
    this.discovery =
        new Discovery(registry::catalog, aggregator::remotes, parts.settings().address());
    ProtobufForms protobuf = new ProtobufForms(this::schema);
    Renderer renderer = new Renderer(new PrinterTables(), protobuf);
    this.resources =
        new ResourceHandler(
            registry,
            new Bodies(protobuf),
            renderer,
            new Watches(registry, renderer, metrics, parts.settings().minWatch()));
    this.nodes = new NodeHandler(registry, parts.authorizer(), parts.nodes(), parts.services());
    this.openApi =
        new OpenApiHandler(
            registry::catalog, aggregator::remotes, parts.openApi(), parts.settings().version());
  }

  private Optional<Schema> schema(GroupVersionKind kind) {
    if (kind.kind().equals("DeleteOptions")) {
      // Every group has them, and all are the core group's.
      return BuiltinSchemas.find(new GroupVersionKind("", "v1", "DeleteOptions"));
    }
    return registry
        .catalog()
        .ofKind(kind)
        .filter(info -> !info.custom())
        .map(ResourceInfo::schema)
        .or(() -> BuiltinSchemas.find(kind));
  }

  @Override
  public void handle(Call call, Next next) throws Exception {
    RequestInfo info = call.info();
    Optional<RemoteApi> remote = remote(info);
    if (remote.isPresent()) {
      remote.get().forward(call);
      return;
    }
    if (info.resourceRequest()) {
      Optional<ResourceInfo> resource =
          registry.catalog().find(info.group(), info.version(), info.resource());
      if (resource.isEmpty()) {
        next.handle(call);
      } else if (NODE_SUBRESOURCES.contains(info.subresource())
          && nodes.serves(resource.get().type().groupResource(), info.subresource())) {
        nodes.handle(call);
      } else {
        resources.handle(call, resource.get());
      }
      return;
    }
    List<String> path = segments(info.path());
    boolean get = call.method().equals("GET") || call.method().equals("HEAD");
    String first = path.isEmpty() ? "" : path.getFirst();
    if (!get) {
      next.handle(call);
      return;
    }
    switch (first) {
      case "" -> Answers.document(call, 200, JsonObject.of("paths", paths()));
      case "api" -> api(call, next, path);
      case "apis" -> apis(call, next, path);
      case "openapi" -> openApi.handle(call, next, path);
      case "version" -> version(call, next, path);
      case "healthz", "livez", "readyz" -> health(call, next, path);
      case "metrics" -> metrics(call, next, path);
      case "cacerts" -> {
        if (path.size() == 1) {
          Answers.text(call, 200, parts.authorityPem());
        } else {
          next.handle(call);
        }
      }
      case ".well-known", "openid" -> openId(call, next, info.path());
      default -> next.handle(call);
    }
  }

  /** The server that a path belongs to, where that is another one. */
  private Optional<RemoteApi> remote(RequestInfo info) {
    Remotes remotes = aggregator.remotes();
    if (remotes.all().isEmpty()) {
      return Optional.empty();
    }
    if (info.resourceRequest()) {
      return remotes.find(info.group(), info.version());
    }
    List<String> path = segments(info.path());
    return path.size() >= 3 && path.getFirst().equals("apis")
        ? remotes.find(path.get(1), path.get(2))
        : Optional.empty();
  }

  private void api(Call call, Next next, List<String> path) throws Exception {
    if (path.size() == 1) {
      discovery.root(call, "/api");
    } else if (path.size() != 2 || !discovery.version(call, "", path.get(1))) {
      next.handle(call);
    }
  }

  private void apis(Call call, Next next, List<String> path) throws Exception {
    boolean known =
        switch (path.size()) {
          case 1 -> {
            discovery.root(call, "/apis");
            yield true;
          }
          case 2 -> discovery.group(call, path.get(1));
          case 3 -> discovery.version(call, path.get(1), path.get(2));
          default -> false;
        };
    if (!known) {
      next.handle(call);
    }
  }

  private void version(Call call, Next next, List<String> path) throws Exception {
    if (path.size() > 1) {
      next.handle(call);
      return;
    }
    String version = parts.settings().version();
    String[] numbers = version.replaceFirst("^v", "").split("[.+-]");
    Runtime.Version java = Runtime.version();
    Answers.document(
        call,
        200,
        JsonObject.of(
            "major",
            numbers[0],
            "minor",
            numbers.length > 1 ? numbers[1] : "",
            "gitVersion",
            version,
            "gitCommit",
            "",
            "gitTreeState",
            "clean",
            "buildDate",
            "1970-01-01T00:00:00Z",
            "goVersion",
            "java" + java.feature() + "." + java.interim() + "." + java.update(),
            "compiler",
            "hotspot",
            "platform",
            "linux/" + platform()));
  }

  private static String platform() {
    String name = System.getProperty("os.arch", "");
    return switch (name) {
      case "aarch64" -> "arm64";
      default -> name;
    };
  }

  private void health(Call call, Next next, List<String> path) throws Exception {
    String root = path.getFirst();
    if (path.size() > 2) {
      next.handle(call);
      return;
    }
    HealthChecks.Report report;
    if (path.size() == 2) {
      Optional<HealthChecks.Report> one = parts.health().one(root, path.get(1));
      if (one.isEmpty()) {
        next.handle(call);
        return;
      }
      report = one.get();
    } else {
      report =
          parts
              .health()
              .all(
                  root,
                  new LinkedHashSet<>(call.query().values("exclude")),
                  call.query().first("verbose").isPresent());
    }
    Answers.text(call, report.healthy() ? 200 : 500, report.text());
  }

  private void metrics(Call call, Next next, List<String> path) throws Exception {
    if (path.size() > 1) {
      next.handle(call);
      return;
    }
    Answers.bytes(
        call,
        200,
        Headers.of("Content-Type", "text/plain; version=0.0.4; charset=utf-8"),
        metrics.text().getBytes(java.nio.charset.StandardCharsets.UTF_8));
  }

  private void openId(Call call, Next next, String path) throws Exception {
    String trimmed = path.endsWith("/") ? path.substring(0, path.length() - 1) : path;
    if (parts.tokens().isEmpty()) {
      next.handle(call);
      return;
    }
    switch (trimmed) {
      case "/.well-known/openid-configuration" ->
          openId(
              call,
              MediaType.JSON,
              parts
                  .tokens()
                  .get()
                  .discoveryDocument("https://" + parts.settings().address() + "/openid/v1/jwks"));
      case "/openid/v1/jwks" ->
          openId(call, "application/jwk-set+json", parts.tokens().get().keySet());
      default -> next.handle(call);
    }
  }

  private static void openId(Call call, String type, JsonObject document) throws IOException {
    call.respond(
        200,
        Headers.of("Content-Type", type, "Cache-Control", "public, max-age=3600"),
        dev.kedge.model.Json.bytes(document));
  }

  /** Every path that can be asked for, in alphabetical order. */
  private List<String> paths() {
    Set<String> all = new java.util.TreeSet<>();
    all.addAll(
        List.of("/api", "/apis", "/metrics", "/openapi/v2", "/openapi/v3", "/version", "/cacerts"));
    for (ResourceInfo info : registry.catalog().all()) {
      String group = info.type().group();
      if (group.isEmpty()) {
        all.add("/api/" + info.type().version());
      } else {
        all.add("/apis/" + group);
        all.add("/apis/" + group + "/" + info.type().version());
      }
    }
    for (String root : List.of("healthz", "livez", "readyz")) {
      all.add("/" + root);
      parts.health().names(root).forEach(name -> all.add("/" + root + "/" + name));
    }
    if (parts.tokens().isPresent()) {
      all.add("/.well-known/openid-configuration");
      all.add("/openid/v1/jwks");
    }
    for (GroupVersion version : aggregator.remotes().all().keySet()) {
      all.add("/apis/" + version.group());
      all.add(version.path());
    }
    openApi.paths().forEach(path -> all.add("/openapi/v3/" + path));
    return new ArrayList<>(all);
  }

  private static List<String> segments(String path) {
    List<String> all = new ArrayList<>();
    for (String segment : path.split("/")) {
      if (!segment.isEmpty()) {
        all.add(segment);
      }
    }
    return all;
  }
}
