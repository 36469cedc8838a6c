package dev.kedge.server;

import dev.kedge.client.Informer;
import dev.kedge.client.Informers;
import dev.kedge.model.JsonObject;
import dev.kedge.model.KubeObject;
import dev.kedge.model.Resources;
import dev.kedge.model.Times;
import dev.kedge.node.ResourceUsage;
import dev.kedge.node.ResourceUsage.Amount;
import dev.kedge.node.ResourceUsage.PodUsage;
import dev.kedge.node.ResourceUsage.Usage;
import dev.kedge.registry.ComputedResource;
import dev.kedge.registry.ResourceInfo.Column;
import java.io.IOException;
import java.lang.System.Logger.Level;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ConcurrentHashMap;

/**
 * The metrics API ({@code metrics.k8s.io/v1beta1}) that {@code kubectl top} and autoscalers read,
 * answered by the node agents of this process. A node that has nothing to tell is left out, as
 * metrics-server does it.
 */
final class MetricsApi {
  private static final System.Logger LOG = System.getLogger("dev.kedge.server");
  private static final JsonObject TEXT = JsonObject.of("type", "string");
  private static final JsonObject USAGE =
      JsonObject.of(
          "type",
          "object",
          "additionalProperties",
          JsonObject.of("x-kubernetes-int-or-string", true));

  private final Map<String, ResourceUsage> nodes = new ConcurrentHashMap<>();
  private final CompletableFuture<Informers> informers = new CompletableFuture<>();

  /** What is known about an object besides its usage comes from these. */
  void labelsFrom(Informers known) {
    informers.complete(known);
  }

  void add(String node, ResourceUsage usage) {
    nodes.put(node, usage);
  }

  List<ComputedResource> resources() {
    Column window = new Column("Window", "string", "", "Length of the measurement", 0, ".window");
    return List.of(
        ComputedResource.of(
            Resources.NODE_METRICS,
            schema("usage", USAGE),
            List.of(
                new Column("CPU", "string", "", "Processor time", 0, ".usage.cpu"),
                new Column("Memory", "string", "", "Working set", 0, ".usage.memory"),
                window),
            _ -> nodeMetrics()),
        ComputedResource.of(
            Resources.POD_METRICS,
            schema(
                "containers",
                JsonObject.of("type", "array", "items", object("name", TEXT, "usage", USAGE))),
            List.of(window),
            this::podMetrics));
  }

  private static JsonObject schema(String field, JsonObject schema) {
    return object("timestamp", TEXT.with("format", "date-time"), "window", TEXT, field, schema);
  }

  private static JsonObject object(Object... properties) {
    return JsonObject.of("type", "object", "properties", JsonObject.of(properties));
  }

  private List<KubeObject> nodeMetrics() {
    Informer known = informers.join().of(Resources.NODES);
    List<KubeObject> all = new ArrayList<>();
    nodes.forEach(
        (name, usage) ->
            measured(name, usage)
                .ifPresent(
                    now ->
                        all.add(
                            metrics(
                                    KubeObject.of(
                                        Resources.NODE_METRICS.groupVersionKind(), "", name),
                                    known.get("", name),
                                    now)
                                .with("usage", amount(now.node())))));
    return all;
  }

  private List<KubeObject> podMetrics(String namespace) {
    Informer known = informers.join().of(Resources.PODS);
    List<KubeObject> all = new ArrayList<>();
    nodes.forEach(
        (name, usage) ->
            measured(name, usage)
                .ifPresent(
                    now ->
                        now.pods().stream()
                            .filter(pod -> namespace.isEmpty() || pod.namespace().equals(namespace))
                            .forEach(pod -> all.add(pod(pod, known, now)))));
    return all;
  }

  private static KubeObject pod(PodUsage pod, Informer known, Usage now) {
    List<JsonObject> containers = new ArrayList<>();
    pod.containers().entrySet().stream()
        .sorted(Map.Entry.comparingByKey())
        .forEach(
            entry ->
                containers.add(
                    JsonObject.of("name", entry.getKey(), "usage", amount(entry.getValue()))));
    return metrics(
            KubeObject.of(Resources.POD_METRICS.groupVersionKind(), pod.namespace(), pod.name()),
            known.get(pod.namespace(), pod.name()),
            now)
        .with("containers", containers);
  }

  private static KubeObject metrics(KubeObject object, Optional<KubeObject> about, Usage now) {
    String time = Times.text(now.time());
    JsonObject labels =
        about.map(known -> known.metadata().object("labels")).orElse(JsonObject.EMPTY);
    KubeObject dated = object.withMetadata("creationTimestamp", time);
    return (labels.isEmpty() ? dated : dated.withMetadata("labels", labels))
        .with("timestamp", time)
        .with("window", now.window().toMillis() / 1000.0 + "s");
  }

  /** In metrics-server's units: billionths of a core, KiB. */
  private static JsonObject amount(Amount amount) {
    return JsonObject.of(
        "cpu", amount.cpuNanoCores() + "n", "memory", amount.memoryBytes() / 1024 + "Ki");
  }

  private static Optional<Usage> measured(String node, ResourceUsage usage) {
    try {
      return Optional.of(usage.now());
    } catch (IOException | RuntimeException e) {
      LOG.log(Level.WARNING, "node " + node + " cannot be measured", e);
      return Optional.empty();
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
      throw new IllegalStateException("interrupted while measuring node " + node, e);
    }
  }
}
