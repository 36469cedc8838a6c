package dev.kedge.node;

import dev.kedge.cri.Cri;
import dev.kedge.grpc.GrpcException;
import dev.kedge.http.Exchange;
import dev.kedge.http.Handler;
import dev.kedge.http.Headers;
import dev.kedge.http.PortForward;
import dev.kedge.http.Query;
import dev.kedge.http.RemoteCommand;
import dev.kedge.model.ApiException;
import dev.kedge.model.Json;
import dev.kedge.model.JsonObject;
import dev.kedge.model.KubeObject;
import dev.kedge.model.Times;
import java.io.IOException;
import java.io.OutputStream;
import java.net.URI;
import java.net.URLDecoder;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Instant;
import java.util.Comparator;
import java.util.List;
import java.util.Map;
import java.util.Optional;

/**
 * The kubelet's API: logs, exec, attach, port-forward, pods, statistics. Called in-process by the
 * API server, or over TLS by whoever the server in front has authenticated and authorised: this
 * handler itself asks for no credentials.
 *
 * <p>Failures are answered with a {@code Status} object, so that the API server can pass them on as
 * they are.
 */
public final class KubeletHandler implements Handler {
  private final NodeAgent agent;
  private final NodeServices node;
  private final NodeStatistics statistics;
  private final ResourceUsage usage;

  /** The handler of a started agent. */
  public KubeletHandler(NodeAgent agent) {
    this.agent = agent;
    node = agent.services();
    statistics = new NodeStatistics(agent);
    usage = ResourceUsage.of(node);
  }

  /** What the node and its pods use, for the metrics API. */
  public ResourceUsage usage() {
    return usage;
  }

  @Override
  public void handle(Exchange exchange) throws Exception {
    try {
      route(exchange);
    } catch (ApiException e) {
      exchange.respond(
          e.code(), Headers.of("Content-Type", "application/json"), Json.bytes(e.status().json()));
    } catch (GrpcException e) {
      ApiException failure = ApiException.internal(e.detail(), e);
      exchange.respond(
          500, Headers.of("Content-Type", "application/json"), Json.bytes(failure.status().json()));
    }
  }

  private void route(Exchange exchange) throws IOException, InterruptedException {
    String[] path = exchange.path().replaceFirst("^/", "").replaceFirst("/$", "").split("/");
    for (int i = 0; i < path.length; i++) {
      path[i] = URLDecoder.decode(path[i].replace("+", "%2B"), StandardCharsets.UTF_8);
    }
    Query query = exchange.query();
    switch (path[0]) {
      case "healthz" -> text(exchange, "ok");
      case "pods" -> list(exchange, agent.pods().stream().toList());
      case "runningpods" -> list(exchange, running());
      case "containerLogs" -> {
        require(path, 4);
        logs(exchange, pod(path[1], path[2]), path[3], query);
      }
      case "exec", "run" -> {
        KubeObject pod = pod(path[1], path.length > 2 ? path[2] : "");
        RemoteCommand.Options options = RemoteCommand.Options.of(query);
        String id = runningContainer(pod, path[path.length - 1]);
        List<String> command = query.values("command");
        if (command.isEmpty()) {
          throw ApiException.badRequest("you must specify at least 1 command for the container");
        }
        URI url =
            node.cri()
                .exec(
                    id,
                    command,
                    options.tty(),
                    options.stdin(),
                    options.stdout(),
                    options.stderr());
        RemoteCommand.relay(exchange, url, options);
      }
      case "attach" -> {
        KubeObject pod = pod(path[1], path.length > 2 ? path[2] : "");
        String name = path[path.length - 1];
        RemoteCommand.Options asked = RemoteCommand.Options.of(query);
        String id = runningContainer(pod, name);
        // The container has a terminal or not, whatever the client believes.
        boolean tty = Pods.container(pod, name).map(c -> c.flag("tty")).orElse(false);
        RemoteCommand.Options options =
            new RemoteCommand.Options(asked.stdin(), asked.stdout(), asked.stderr() && !tty, tty);
        URI url =
            node.cri()
                .attach(id, options.tty(), options.stdin(), options.stdout(), options.stderr());
        RemoteCommand.relay(exchange, url, options);
      }
      case "portForward" -> {
        require(path, 3);
        KubeObject pod = pod(path[1], path[2]);
        PortForward.relay(exchange, node.cri().portForward(sandbox(pod), List.of()));
      }
      case "stats" -> json(exchange, statistics.summary());
      case "metrics" ->
          plain(
              exchange,
              path.length > 1 && path[1].equals("resource")
                  ? statistics.resourceMetrics()
                  : statistics.metrics());
      default -> throw ApiException.notFound("", "paths", exchange.path());
    }
  }

  private static void require(String[] path, int length) {
    if (path.length < length) {
      throw ApiException.notFound("", "paths", "/" + String.join("/", path));
    }
  }

  private KubeObject pod(String namespace, String name) {
    return agent.pod(namespace, name).orElseThrow(() -> ApiException.notFound("", "pods", name));
  }

  // ---- containers

  private List<Cri.Container> containers(KubeObject pod, String name) {
    return node
        .cri()
        .listContainers(
            new Cri.ContainerFilter(
                "", null, "", Map.of(Pods.UID_LABEL, pod.uid(), Pods.CONTAINER_LABEL, name)))
        .stream()
        .sorted(Comparator.comparingLong(Cri.Container::createdAt).reversed())
        .toList();
  }

  private String runningContainer(KubeObject pod, String name) {
    return containers(pod, name).stream()
        .filter(container -> container.state() == Cri.ContainerState.RUNNING)
        .findFirst()
        .map(Cri.Container::id)
        .orElseThrow(
            () ->
                ApiException.internal(
                    "unable to upgrade connection: container not found (\"" + name + "\")"));
  }

  private String sandbox(KubeObject pod) {
    return node
        .cri()
        .listPodSandboxes(
            new Cri.SandboxFilter("", Cri.SandboxState.READY, Map.of(Pods.UID_LABEL, pod.uid())))
        .stream()
        .max(Comparator.comparingLong(Cri.Sandbox::createdAt))
        .map(Cri.Sandbox::id)
        .orElseThrow(
            () ->
                ApiException.internal(
                    "unable to upgrade connection: pod not found (\""
                        + pod.name()
                        + "_"
                        + pod.namespace()
                        + "\")"));
  }

  private List<KubeObject> running() {
    List<String> uids =
        node
            .cri()
            .listContainers(new Cri.ContainerFilter("", Cri.ContainerState.RUNNING, "", Map.of()))
            .stream()
            .map(container -> container.labels().getOrDefault(Pods.UID_LABEL, ""))
            .toList();
    return agent.pods().stream().filter(pod -> uids.contains(pod.uid())).toList();
  }

  // ---- logs

  private void logs(Exchange exchange, KubeObject pod, String name, Query query)
      throws IOException, InterruptedException {
    if (Pods.container(pod, name).isEmpty()) {
      throw ApiException.badRequest(
          "container \"" + name + "\" not found in pod \"" + pod.name() + "\"");
    }
    Cri.ContainerStatus container = logSource(pod, name, query.flag("previous"));
    Optional<Instant> since = since(query);
    String stream =
        switch (query.text("stream")) {
          case "Stdout" -> "stdout";
          case "Stderr" -> "stderr";
          default -> "";
        };
    LogReader.Options options =
        new LogReader.Options(
            query.flag("follow"),
            number(query, "tailLines"),
            since,
            query.flag("timestamps"),
            number(query, "limitBytes"),
            stream);
    Path file = Path.of(container.logPath());
    if (!Files.exists(file)) {
      throw ApiException.internal(
          "unable to retrieve container logs for containerd://" + container.id());
    }
    try (OutputStream out =
        exchange.stream(200, Headers.of("Content-Type", "text/plain; charset=utf-8"))) {
      out.flush(); // whoever follows learns at once that it goes on
      LogReader reader =
          new LogReader(
              file,
              options,
              out,
              () ->
                  node.cri().containerStatus(container.id(), false).state()
                      == Cri.ContainerState.RUNNING);
      try (AutoCloseable exit = agent.onExit(container.id(), reader::containerEnded)) {
        exchange.onGone(reader::readerGone);
        reader.copy();
      } catch (IOException | InterruptedException | RuntimeException e) {
        throw e;
      } catch (Exception e) {
        throw new IllegalStateException(e); // removing the listener throws nothing
      }
    }
  }

  private Cri.ContainerStatus logSource(KubeObject pod, String name, boolean previous) {
    List<Cri.Container> all =
        containers(pod, name).stream()
            .filter(
                container ->
                    container.state() == Cri.ContainerState.RUNNING
                        || container.state() == Cri.ContainerState.EXITED)
            .toList();
    if (previous) {
      // Between two runs the last one is what came before.
      boolean between = PodStatus.containerStatus(pod, name).object("state").has("waiting");
      int index = between || all.isEmpty() ? 0 : 1;
      if (all.size() <= index) {
        throw ApiException.badRequest(
            "previous terminated container \""
                + name
                + "\" in pod \""
                + pod.name()
                + "\" not found");
      }
      return node.cri().containerStatus(all.get(index).id(), false);
    }
    if (all.isEmpty()) {
      JsonObject waiting = PodStatus.containerStatus(pod, name).object("state").object("waiting");
      String reason =
          waiting.text("reason").isEmpty() ? "ContainerCreating" : waiting.text("reason");
      String why =
          switch (reason) {
            case "ErrImagePull", "ImagePullBackOff", "ErrImageNeverPull" ->
                "\" is waiting to start: "
                    + (reason.equals("ErrImageNeverPull")
                        ? reason
                        : reason.equals("ErrImagePull")
                            ? "image can't be pulled"
                            : "trying and failing to pull image");
            default -> "\" is waiting to start: " + reason;
          };
      throw ApiException.badRequest("container \"" + name + "\" in pod \"" + pod.name() + why);
    }
    return node.cri().containerStatus(all.getFirst().id(), false);
  }

  private Optional<Instant> since(Query query) {
    if (query.first("sinceSeconds").isPresent()) {
      return Optional.of(
          node.clock().instant().minusSeconds(Math.max(0, number(query, "sinceSeconds"))));
    }
    String time = query.text("sinceTime");
    Optional<Instant> since = Times.instant(time);
    if (since.isEmpty() && !time.isEmpty()) {
      throw ApiException.badRequest("sinceTime " + time + " is not an RFC 3339 time");
    }
    return since;
  }

  private static long number(Query query, String name) {
    String text = query.text(name);
    try {
      return text.isEmpty() ? -1 : Long.parseLong(text);
    } catch (NumberFormatException e) {
      throw ApiException.badRequest(name + " " + text + " is not a number");
    }
  }

  // ---- answers

  private static void list(Exchange exchange, List<KubeObject> pods) throws IOException {
    json(
        exchange,
        JsonObject.of(
            "kind",
            "PodList",
            "apiVersion",
            "v1",
            "metadata",
            JsonObject.EMPTY,
            "items",
            pods.stream().map(KubeObject::json).toList()));
  }

  private static void json(Exchange exchange, JsonObject body) throws IOException {
    exchange.respond(200, Headers.of("Content-Type", "application/json"), Json.bytes(body));
  }

  private static void text(Exchange exchange, String body) throws IOException {
    exchange.respond(
        200,
        Headers.of("Content-Type", "text/plain; charset=utf-8"),
        body.getBytes(StandardCharsets.UTF_8));
  }

  private static void plain(Exchange exchange, String metrics) throws IOException {
    exchange.respond(
        200,
        Headers.of("Content-Type", "text/plain; version=0.0.4; charset=utf-8"),
        metrics.getBytes(StandardCharsets.UTF_8));
  }
}
