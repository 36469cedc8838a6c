package dev.kedge.controllers;

import dev.kedge.client.Informer;
import dev.kedge.client.KubeClient;
import dev.kedge.controllers.SliceWriter.Group;
import dev.kedge.model.JsonObject;
import dev.kedge.model.KubeObject;
import dev.kedge.model.ObjectKey;
import dev.kedge.model.Resources;
import dev.kedge.reconcile.Controller;
import dev.kedge.reconcile.Reconciler;
import java.util.Comparator;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;

/**
 * Keeps EndpointSlices for each Service with a selector: up to 100 endpoints each, one group of
 * slices per address family and set of ports. An endpoint stays in the slice it is in.
 */
final class EndpointSliceController implements Reconciler {
  static final String SERVICE_NAME = "kubernetes.io/service-name";
  static final String MANAGED_BY = "endpointslice.kubernetes.io/managed-by";
  static final String SELF = "endpointslice-controller.k8s.io";
  private static final int MOST = 100;

  private final KubeClient client;
  private final Informer services;
  private final Informer slices;
  private final Informer pods;
  private final Informer nodes;

  private EndpointSliceController(ControllerContext context) {
    this.client = context.client();
    this.services = context.informer(Resources.SERVICES);
    this.slices = context.informer(Resources.ENDPOINT_SLICES);
    this.pods = context.informer(Resources.PODS);
    this.nodes = context.informer(Resources.NODES);
  }

  static Controller create(ControllerContext context) {
    EndpointSliceController reconciler = new EndpointSliceController(context);
    return Controller.builder("endpointslice", context.timeline(), reconciler)
        .watches(reconciler.services)
        .watches(
            reconciler.slices,
            slice ->
                SELF.equals(slice.labels().get(MANAGED_BY))
                    ? List.of(
                        new ObjectKey(
                            slice.namespace(), slice.labels().getOrDefault(SERVICE_NAME, "")))
                    : List.of())
        .changes(
            reconciler.pods,
            (before, after) -> ServicePods.servicesOf(before, after, reconciler.services))
        .reads(reconciler.nodes)
        .build();
  }

  @Override
  public Result reconcile(ObjectKey key) throws InterruptedException {
    Optional<KubeObject> found = services.get(key);
    List<KubeObject> present =
        slices.inNamespace(key.namespace()).stream()
            .filter(slice -> key.name().equals(slice.labels().get(SERVICE_NAME)))
            .filter(slice -> SELF.equals(slice.labels().get(MANAGED_BY)))
            .filter(slice -> !slice.deleting())
            .sorted(Comparator.comparing(KubeObject::name))
            .toList();
    if (found.isEmpty() || found.get().deleting() || !ServicePods.selects(found.get())) {
      // A Service that lost its selector keeps what it had, a Service that is gone does not.
      if (found.isEmpty()) {
        present.forEach(slice -> Writes.delete(client, Resources.ENDPOINT_SLICES, slice));
      }
      return Result.DONE;
    }
    KubeObject service = found.get();
    JsonObject.Builder labels = JsonObject.builder().putAll(service.metadata().object("labels"));
    labels.put(SERVICE_NAME, service.name()).put(MANAGED_BY, SELF);
    if (ServicePods.headless(service)) {
      labels.put(ServicePods.HEADLESS, "");
    }
    new SliceWriter(
            client,
            slices,
            new SliceWriter.Shape(
                service,
                Owners.controllerReference(Resources.SERVICES, service),
                labels.build(),
                JsonObject.EMPTY,
                MOST),
            endpoint -> endpoint.text("targetRef", "uid"))
        .write(wanted(service), present);
    return Result.DONE;
  }

  private Map<Group, Map<String, JsonObject>> wanted(KubeObject service) {
    List<String> families = service.spec().strings("ipFamilies");
    if (families.isEmpty()) {
      families = List.of("IPv4");
    }
    Map<Group, Map<String, JsonObject>> wanted = new LinkedHashMap<>();
    for (String family : families) {
      for (KubeObject pod : ServicePods.of(service, pods)) {
        if (PodState.ended(pod)) {
          continue;
        }
        List<String> addresses = ServicePods.addresses(pod, family);
        if (!addresses.isEmpty()) {
          Group group = new Group(family, ServicePods.ports(service, pod));
          wanted
              .computeIfAbsent(group, _ -> new LinkedHashMap<>())
              .put(pod.uid(), endpoint(service, pod, addresses));
        }
      }
      if (wanted.keySet().stream().noneMatch(group -> group.family().equals(family))) {
        // An empty slice says that the Service has no endpoints; no slice would say nothing.
        wanted.put(new Group(family, List.of()), Map.of());
      }
    }
    return wanted;
  }

  private JsonObject endpoint(KubeObject service, KubeObject pod, List<String> addresses) {
    boolean serving = PodState.ready(pod);
    boolean ready = service.spec().flag("publishNotReadyAddresses") || serving && !pod.deleting();
    String node = pod.spec().text("nodeName");
    String zone =
        nodes.get("", node).map(n -> n.labels().get("topology.kubernetes.io/zone")).orElse("");
    return JsonObject.builder()
        .put("addresses", addresses.subList(0, 1))
        .put(
            "conditions",
            JsonObject.of("ready", ready, "serving", serving, "terminating", pod.deleting()))
        .putNonEmpty("hostname", ServicePods.hostname(service, pod))
        .putNonEmpty("nodeName", node)
        .put("targetRef", ServicePods.targetReference(pod))
        .putNonEmpty("zone", zone)
        .putNonEmpty(
            "hints",
            ready
                ? hints(service.spec().text("trafficDistribution"), node, zone)
                : JsonObject.EMPTY)
        .build();
  }

  /** For whom an endpoint is meant first; a node's neighbours in its zone come second. */
  private static JsonObject hints(String distribution, String node, String zone) {
    if (distribution.isEmpty()) {
      return JsonObject.EMPTY;
    }
    JsonObject.Builder hints = JsonObject.builder();
    if (!zone.isEmpty()) {
      hints.put("forZones", List.of(JsonObject.of("name", zone)));
    }
    if (distribution.equals("PreferSameNode") && !node.isEmpty()) {
      hints.put("forNodes", List.of(JsonObject.of("name", node)));
    }
    return hints.build();
  }
}
