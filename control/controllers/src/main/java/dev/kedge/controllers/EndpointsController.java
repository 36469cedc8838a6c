package dev.kedge.controllers;

import dev.kedge.client.Informer;
import dev.kedge.client.KubeClient;
import dev.kedge.controllers.ServicePods.Port;
import dev.kedge.model.JsonObject;
import dev.kedge.model.KubeObject;
import dev.kedge.model.ObjectKey;
import dev.kedge.model.Resources;
import dev.kedge.reconcile.Controller;
import dev.kedge.reconcile.Reconciler;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.TreeMap;

/** Keeps the Endpoints of a name equal to the pods that the Service of that name selects. */
final class EndpointsController implements Reconciler {
  private static final int MOST = 1000;
  private static final String OVER_CAPACITY = "endpoints.kubernetes.io/over-capacity";

  private final KubeClient client;
  private final Informer services;
  private final Informer endpoints;
  private final Informer pods;

  private EndpointsController(ControllerContext context) {
    this.client = context.client();
    this.services = context.informer(Resources.SERVICES);
    this.endpoints = context.informer(Resources.ENDPOINTS);
    this.pods = context.informer(Resources.PODS);
  }

  static Controller create(ControllerContext context) {
    EndpointsController reconciler = new EndpointsController(context);
    return Controller.builder("endpoints", context.timeline(), reconciler)
        .watches(reconciler.services)
        .watches(reconciler.endpoints)
        .changes(
            reconciler.pods,
            (before, after) -> ServicePods.servicesOf(before, after, reconciler.services))
        .build();
  }

  private record Ports(List<Port> ports) {}

  private record Addresses(List<JsonObject> ready, List<JsonObject> notReady) {}

  @Override
  public Result reconcile(ObjectKey key) throws InterruptedException {
    Optional<KubeObject> service = services.get(key);
    Optional<KubeObject> present = endpoints.get(key);
    if (service.isEmpty()) {
      // Those that lead an election, or were made by hand, are not a Service's.
      present
          .filter(object -> object.labels().containsKey(MANAGED))
          .ifPresent(object -> Writes.delete(client, Resources.ENDPOINTS, object));
      return Result.DONE;
    }
    if (!ServicePods.selects(service.get())) {
      return Result.DONE;
    }
    KubeObject wanted = wanted(service.get(), present);
    if (present.isEmpty()) {
      Writes.awaitSeen(endpoints, client.create(Resources.ENDPOINTS, wanted));
    } else if (!present.get().json().array("subsets").equals(wanted.json().array("subsets"))
        || !present.get().labels().equals(wanted.labels())) {
      Writes.awaitSeen(endpoints, client.update(Resources.ENDPOINTS, wanted));
    }
    return Result.DONE;
  }

  private static final String MANAGED = "endpoints.kubernetes.io/managed-by";

  private KubeObject wanted(KubeObject service, Optional<KubeObject> present) {
    boolean publish = service.spec().flag("publishNotReadyAddresses");
    List<String> families = service.spec().strings("ipFamilies");
    String family = families.isEmpty() ? "IPv4" : families.getFirst();
    Map<String, Ports> portSets = new TreeMap<>();
    Map<String, Addresses> byPorts = new TreeMap<>();
    int count = 0;
    List<KubeObject> candidates =
        ServicePods.of(service, pods).stream()
            .filter(pod -> !PodState.ended(pod) && (!pod.deleting() || publish))
            .sorted(Comparator.comparing(KubeObject::name))
            .toList();
    for (KubeObject pod : candidates) {
      List<String> ips = ServicePods.addresses(pod, family);
      if (ips.isEmpty() || count == MOST) {
        continue;
      }
      List<Port> ports = ServicePods.ports(service, pod);
      if (ports.isEmpty() && !ServicePods.headless(service)) {
        continue;
      }
      count++;
      JsonObject address =
          JsonObject.builder()
              .put("ip", ips.getFirst())
              .putNonEmpty("hostname", ServicePods.hostname(service, pod))
              .putNonEmpty("nodeName", pod.spec().text("nodeName"))
              .put("targetRef", ServicePods.targetReference(pod))
              .build();
      String group = ports.toString();
      portSets.put(group, new Ports(ports));
      Addresses addresses =
          byPorts.computeIfAbsent(group, _ -> new Addresses(new ArrayList<>(), new ArrayList<>()));
      (publish || PodState.ready(pod) ? addresses.ready() : addresses.notReady()).add(address);
    }
    List<JsonObject> subsets = new ArrayList<>();
    byPorts.forEach(
        (ports, addresses) ->
            subsets.add(
                JsonObject.builder()
                    .putNonEmpty("addresses", addresses.ready())
                    .putNonEmpty("notReadyAddresses", addresses.notReady())
                    .putNonEmpty(
                        "ports",
                        portSets.getOrDefault(ports, new Ports(List.of())).ports().stream()
                            .map(port -> port.json(false))
                            .toList())
                    .build()));
    JsonObject.Builder labels = JsonObject.builder().putAll(service.metadata().object("labels"));
    labels.put(MANAGED, "endpoint-controller");
    if (ServicePods.headless(service)) {
      labels.put(ServicePods.HEADLESS, "");
    }
    JsonObject base =
        present
            .map(KubeObject::json)
            .orElseGet(
                () ->
                    JsonObject.of(
                        "apiVersion",
                        "v1",
                        "kind",
                        "Endpoints",
                        "metadata",
                        JsonObject.of("name", service.name(), "namespace", service.namespace())));
    JsonObject metadata = base.object("metadata").with("labels", labels.build());
    if (count == MOST) {
      metadata = metadata.withPath(List.of("annotations", OVER_CAPACITY), "truncated");
    }
    JsonObject json = base.with("metadata", metadata);
    return new KubeObject(
        subsets.isEmpty() ? json.without("subsets") : json.with("subsets", subsets));
  }
}
