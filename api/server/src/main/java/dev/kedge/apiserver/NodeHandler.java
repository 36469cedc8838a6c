package dev.kedge.apiserver;

import dev.kedge.http.ClientTls;
import dev.kedge.http.Exchange;
import dev.kedge.http.Handler;
import dev.kedge.http.Headers;
import dev.kedge.http.Headers.Header;
import dev.kedge.http.Query;
import dev.kedge.http.Query.Parameter;
import dev.kedge.http.ReverseProxy;
import dev.kedge.http.ReverseProxy.UnreachableException;
import dev.kedge.identity.Authorizer;
import dev.kedge.identity.Authorizer.Attributes;
import dev.kedge.identity.Authorizer.Decision;
import dev.kedge.model.ApiException;
import dev.kedge.model.JsonObject;
import dev.kedge.model.KubeObject;
import dev.kedge.model.Status;
import dev.kedge.model.Status.Cause;
import dev.kedge.registry.Registry;
import dev.kedge.registry.Registry.GetOptions;
import dev.kedge.registry.Registry.Request;
import java.io.IOException;
import java.io.InputStream;
import java.io.OutputStream;
import java.net.URI;
import java.security.cert.X509Certificate;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.Set;
import java.util.stream.Collectors;

/**
 * Subresources that are answered elsewhere: logs, exec, attach and port-forward by the agent of the
 * pod's node, the proxies by nodes, pods and services themselves. Bodies, streams and upgraded
 * connections pass through. Any thread.
 */
final class NodeHandler {
  /** Subresources that connect to something, rather than read or write an object. */
  static final Set<String> CONNECTIONS = Set.of("exec", "attach", "portforward", "proxy");

  private static final Set<String> STREAMS = Set.of("exec", "attach", "portforward");

  private final Registry registry;
  private final Authorizer authorizer;
  private final NodeAccess nodes;
  private final ServiceAccess services;

  /** Pods have certificates of their own making; upstream's proxy does not verify them either. */
  private final ReverseProxy proxy =
      new ReverseProxy(Optional.of(ClientTls.trustingAnyone(Optional.empty())));

  NodeHandler(Registry registry, Authorizer authorizer, NodeAccess nodes, ServiceAccess services) {
    this.registry = registry;
    this.authorizer = authorizer;
    this.nodes = nodes;
    this.services = services;
  }

  /** Whether a subresource of a {@code plural.group} is answered here. */
  boolean serves(String groupResource, String subresource) {
    return switch (groupResource) {
      case "pods" -> true;
      case "nodes", "services" -> subresource.equals("proxy");
      default -> false;
    };
  }

  void handle(Call call) throws Exception {
    RequestInfo info = call.info();
    String subresource = info.subresource();
    if (subresource.equals("proxy")) {
      proxy(call);
      return;
    }
    boolean get = call.method().equals("GET");
    if (!get && !(STREAMS.contains(subresource) && call.method().equals("POST"))) {
      throw ResourceHandler.notAllowed(info);
    }
    if (get && STREAMS.contains(subresource)) {
      requireCreate(call);
    }
    KubeObject pod = get(call, "pods", info.namespace(), info.name());
    switch (subresource) {
      case "log" -> log(call, pod);
      case "exec" -> {
        admit(call, info.name(), streamOptions(call.query(), "PodExecOptions"));
        stream(call, pod, "exec");
      }
      case "attach" -> {
        admit(call, info.name(), streamOptions(call.query(), "PodAttachOptions"));
        stream(call, pod, "attach");
      }
      default -> {
        List<Long> ports = new ArrayList<>();
        for (String port : call.query().values("ports")) {
          for (String one : port.split(",")) {
            if (one.matches("[0-9]{1,5}")) {
              ports.add(Long.parseLong(one));
            }
          }
        }
        admit(call, info.name(), options("PodPortForwardOptions").putNonEmpty("ports", ports));
        Handler kubelet = kubelet(node(pod));
        kubelet.handle(
            new Rewritten(
                call, "/portForward/" + pod.namespace() + "/" + pod.name(), call.query()));
      }
    }
  }

  /** A WebSocket begins with GET but acts like a POST: who may only read must not get in. */
  private void requireCreate(Call call) {
    RequestInfo info = call.info();
    Attributes attributes =
        new Attributes(
            "create",
            "",
            info.version(),
            "pods",
            info.subresource(),
            info.namespace(),
            info.name(),
            "");
    Decision decision = authorizer.authorize(call.user(), attributes);
    if (!decision.allowed()) {
      throw AuthorizationStage.forbidden(call.user(), attributes, decision.reason());
    }
  }

  private static JsonObject.Builder options(String kind) {
    return JsonObject.builder().put("kind", kind).put("apiVersion", "v1");
  }

  private static JsonObject.Builder streamOptions(Query query, String kind) {
    JsonObject.Builder options = options(kind);
    for (String flag : List.of("stdin", "stdout", "stderr", "tty")) {
      if (Options.flag(query, flag)) {
        options.put(flag, true);
      }
    }
    options.putNonEmpty("container", query.text("container"));
    if (kind.equals("PodExecOptions")) {
      options.putNonEmpty("command", query.values("command"));
    }
    return options;
  }

  /** Lets admission have its say on a connection. */
  private void admit(Call call, String name, JsonObject.Builder options) {
    RequestInfo info = call.info();
    Request request =
        new Request(
            registry
                .catalog()
                .find(info.group(), info.version(), info.resource())
                .orElseThrow(() -> ApiException.internal(info.resource() + " are not served")),
            info.namespace(),
            name,
            info.subresource(),
            call.user());
    call.warn(registry.connect(request, options.build()));
  }

  private void log(Call call, KubeObject pod) throws Exception {
    Query query = call.query();
    List<Cause> causes = new ArrayList<>();
    atLeast(causes, query, "tailLines", 0, "must be greater than or equal to 0");
    atLeast(causes, query, "limitBytes", 1, "must be greater than 0");
    atLeast(causes, query, "sinceSeconds", 1, "must be greater than 0");
    if (query.first("sinceSeconds").isPresent() && query.first("sinceTime").isPresent()) {
      causes.add(
          new Cause(
              "FieldValueForbidden",
              "Forbidden: at most one of `sinceTime` or `sinceSeconds` may be specified",
              ""));
    }
    if (!causes.isEmpty()) {
      throw ApiException.invalid("", "PodLogOptions", pod.name(), causes);
    }
    String container = container(pod, query.text("container"));
    if (pod.spec().text("nodeName").isEmpty()) {
      // Not yet on a node: there is nothing to read, and that is no failure.
      Answers.text(call, 200, "");
      return;
    }
    List<Parameter> parameters = new ArrayList<>();
    for (String name :
        List.of(
            "follow",
            "previous",
            "timestamps",
            "sinceSeconds",
            "sinceTime",
            "tailLines",
            "limitBytes",
            "stream")) {
      query.first(name).ifPresent(value -> parameters.add(new Parameter(name, value)));
    }
    kubelet(node(pod))
        .handle(
            new Rewritten(
                call,
                "/containerLogs/" + pod.namespace() + "/" + pod.name() + "/" + container,
                new Query(parameters)));
  }

  private static void atLeast(
      List<Cause> causes, Query query, String name, long least, String why) {
    Optional<Long> value = Options.number(query, name);
    if (value.isPresent() && value.get() < least) {
      causes.add(
          new Cause("FieldValueInvalid", "Invalid value: " + value.get() + ": " + why, name));
    }
  }

  /** Exec and attach; the agent's parameters have other names than the API's. */
  private void stream(Call call, KubeObject pod, String verb) throws Exception {
    Query query = call.query();
    boolean in = Options.flag(query, "stdin");
    boolean out = Options.flag(query, "stdout");
    boolean error = Options.flag(query, "stderr");
    boolean tty = Options.flag(query, "tty");
    if (!in && !out && !error) {
      throw ApiException.badRequest("you must specify at least 1 of stdin, stdout, stderr");
    }
    String container = container(pod, query.text("container"));
    List<Parameter> parameters = new ArrayList<>();
    if (in) {
      parameters.add(new Parameter("input", "1"));
    }
    if (out) {
      parameters.add(new Parameter("output", "1"));
    }
    if (error) {
      parameters.add(new Parameter("error", "1"));
    }
    if (tty) {
      parameters.add(new Parameter("tty", "1"));
    }
    for (String word : query.values("command")) {
      parameters.add(new Parameter("command", word));
    }
    kubelet(node(pod))
        .handle(
            new Rewritten(
                call,
                "/" + verb + "/" + pod.namespace() + "/" + pod.name() + "/" + container,
                new Query(parameters)));
  }

  /** The container that is meant, in upstream's words if that cannot be told. */
  private static String container(KubeObject pod, String asked) {
    List<String> containers = names(pod, "containers");
    List<String> init = names(pod, "initContainers");
    List<String> ephemeral = names(pod, "ephemeralContainers");
    if (!asked.isEmpty()) {
      if (!containers.contains(asked) && !init.contains(asked) && !ephemeral.contains(asked)) {
        throw ApiException.badRequest("container " + asked + " is not valid for pod " + pod.name());
      }
      return asked;
    }
    if (containers.size() == 1) {
      return containers.getFirst();
    }
    String message = "a container name must be specified for pod " + pod.name();
    if (!containers.isEmpty()) {
      message += ", choose one of: [" + String.join(" ", containers) + "]";
      if (!init.isEmpty()) {
        message += " or one of the init containers: [" + String.join(" ", init) + "]";
      }
      if (!ephemeral.isEmpty()) {
        message += " or one of the ephemeral containers: [" + String.join(" ", ephemeral) + "]";
      }
    }
    throw ApiException.badRequest(message);
  }

  private static List<String> names(KubeObject pod, String list) {
    return pod.spec().objects(list).stream()
        .map(container -> container.text("name"))
        .collect(Collectors.toList());
  }

  private static String node(KubeObject pod) {
    String node = pod.spec().text("nodeName");
    if (node.isEmpty()) {
      throw ApiException.badRequest("pod " + pod.name() + " does not have a host assigned");
    }
    return node;
  }

  private Handler kubelet(String node) {
    return nodes
        .kubelet(node)
        .orElseThrow(
            () ->
                new ApiException(
                    new Status(
                        503,
                        "ServiceUnavailable",
                        "the agent of node \"" + node + "\" cannot be reached",
                        Status.Details.NONE)));
  }

  private KubeObject get(Call call, String plural, String namespace, String name) {
    return registry
        .get(
            new Request(
                registry
                    .catalog()
                    .find("", "v1", plural)
                    .orElseThrow(() -> ApiException.internal(plural + " are not served")),
                namespace,
                name,
                "",
                call.user()),
            GetOptions.LATEST)
        .tree();
  }

  // Proxies.

  private void proxy(Call call) throws Exception {
    RequestInfo info = call.info();
    Target target = Target.of(info.name());
    String rest = rest(call);
    if (rest.isEmpty()) {
      // Relative links of what is behind must stay below the proxy's path.
      String query = call.rawQuery();
      call.respond(
          301,
          Headers.of("Location", call.path() + "/" + (query.isEmpty() ? "" : "?" + query)),
          new byte[0]);
      return;
    }
    String kind =
        switch (info.resource()) {
          case "nodes" -> "NodeProxyOptions";
          case "pods" -> "PodProxyOptions";
          default -> "ServiceProxyOptions";
        };
    admit(call, info.name(), options(kind).put("path", rest));
    switch (info.resource()) {
      case "nodes" -> {
        get(call, "nodes", "", target.name());
        kubelet(target.name()).handle(new Rewritten(call, rest, call.query()));
      }
      case "pods" -> forward(call, target, podAddress(call, target), rest);
      default -> {
        get(call, "services", info.namespace(), target.name());
        URI endpoint =
            services
                .endpoint(info.namespace(), target.name(), target.port())
                .orElseThrow(
                    () ->
                        ApiException.unavailable(
                            "no endpoints available for service \"" + info.name() + "\""));
        forward(call, target, endpoint, rest);
      }
    }
  }

  private URI podAddress(Call call, Target target) {
    KubeObject pod = get(call, "pods", call.info().namespace(), target.name());
    List<JsonObject> addresses = pod.status().objects("podIPs");
    String address =
        addresses.isEmpty() ? pod.status().text("podIP") : addresses.getFirst().text("ip");
    if (address.isEmpty()) {
      throw ApiException.badRequest("address not allowed");
    }
    long port = 80;
    if (!target.port().isEmpty()) {
      try {
        port = Long.parseLong(target.port());
      } catch (NumberFormatException e) {
        throw ApiException.badRequest("invalid port \"" + target.port() + "\"");
      }
    } else {
      port =
          pod.spec().objects("containers").stream()
              .flatMap(container -> container.objects("ports").stream())
              .map(declared -> declared.integer("containerPort"))
              .findFirst()
              .orElse(80L);
    }
    String host = address.indexOf(':') >= 0 ? "[" + address + "]" : address;
    return URI.create("http://" + host + ":" + port);
  }

  private void forward(Call call, Target target, URI endpoint, String rest) throws Exception {
    String scheme = target.scheme().isEmpty() ? "http" : target.scheme();
    String query = call.rawQuery();
    URI url =
        URI.create(
            scheme
                + "://"
                + endpoint.getRawAuthority()
                + rest
                + (query.isEmpty() ? "" : "?" + query));
    Headers headers = withoutCredentials(call.headers());
    headers = headers.and("X-Forwarded-Uri", call.path());
    try {
      proxy.forward(call, url, headers.without("Host").and("Host", endpoint.getRawAuthority()));
    } catch (UnreachableException e) {
      throw new ApiException(
          new Status(
              503,
              "ServiceUnavailable",
              "error trying to reach service: " + e.getMessage(),
              Status.Details.NONE),
          e);
    }
  }

  /** The user's credentials are for this server, never for what is behind a proxy. */
  static Headers withoutCredentials(Headers headers) {
    return new Headers(
        headers.all().stream()
            .filter(header -> !header.name().equalsIgnoreCase("Authorization"))
            .filter(
                header ->
                    !header.name().regionMatches(true, 0, "Impersonate-", 0, 12)
                        && !header.name().regionMatches(true, 0, "X-Remote-", 0, 9))
            .toList());
  }

  /** What follows {@code /proxy} in the path as it was sent. */
  private static String rest(Call call) {
    String path = call.path();
    // api, version, [namespaces, namespace,] resource, name, proxy
    int segments = call.info().namespace().isEmpty() ? 5 : 7;
    int at = 0;
    while (at < path.length() && path.charAt(at) == '/') {
      at++;
    }
    for (int i = 0; i < segments && at >= 0; i++) {
      at = path.indexOf('/', i == 0 ? at : at + 1);
    }
    return at < 0 ? "" : path.substring(at);
  }

  /** {@code name}, {@code name:port}, {@code scheme:name:port}. */
  private record Target(String scheme, String name, String port) {
    static Target of(String text) {
      String[] parts = text.split(":", -1);
      return switch (parts.length) {
        case 1 -> new Target("", parts[0], "");
        case 2 -> new Target("", parts[0], parts[1]);
        case 3 -> {
          if (!Set.of("", "http", "https").contains(parts[0])) {
            throw ApiException.badRequest("invalid proxy target \"" + text + "\"");
          }
          yield new Target(parts[0], parts[1], parts[2]);
        }
        default -> throw ApiException.badRequest("invalid proxy target \"" + text + "\"");
      };
    }
  }

  /** A call with another path and query, as the agent knows it. */
  private record Rewritten(Call call, String path, Query query) implements Exchange {
    @Override
    public String method() {
      return call.method();
    }

    @Override
    public String rawQuery() {
      return query.encode();
    }

    @Override
    public Headers headers() {
      return new Headers(
          call.headers().all().stream()
              .filter((Header header) -> !header.name().equalsIgnoreCase("Authorization"))
              .toList());
    }

    @Override
    public String host() {
      return call.host();
    }

    @Override
    public boolean secure() {
      return call.secure();
    }

    @Override
    public List<X509Certificate> peerCertificates() {
      return List.of();
    }

    @Override
    public String remoteAddress() {
      return call.remoteAddress();
    }

    @Override
    public String protocol() {
      return call.protocol();
    }

    @Override
    public InputStream body() {
      return call.body();
    }

    @Override
    public byte[] readBody(int maxBytes) throws IOException {
      return call.readBody(maxBytes);
    }

    @Override
    public void respond(int status, Headers headers, byte[] body) throws IOException {
      call.respond(status, headers, body);
    }

    @Override
    public OutputStream stream(int status, Headers headers) throws IOException {
      return call.stream(status, headers);
    }

    @Override
    public Connection hijack(Headers headers) throws IOException {
      return call.hijack(headers);
    }

    @Override
    public void onGone(Runnable action) {
      call.onGone(action);
    }
  }
}
