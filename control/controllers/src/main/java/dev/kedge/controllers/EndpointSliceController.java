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
import java.util.HashMap;
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

  private record Group(String family, List<Port> ports) {}

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
    Map<Group, Map<String, JsonObject>> wanted = wanted(service);
    Changes changes = new Changes(service);
    Map<Group, List<KubeObject>> byGroup = new HashMap<>();
    for (KubeObject slice : present) {
      Group group = groupOf(slice);
      if (wanted.containsKey(group)) {
        byGroup.computeIfAbsent(group, _ -> new ArrayList<>()).add(slice);
      } else {
        changes.delete(slice);
      }
    }
    for (Map.Entry<Group, Map<String, JsonObject>> entry : wanted.entrySet()) {
      changes.fill(
          entry.getKey(), entry.getValue(), byGroup.getOrDefault(entry.getKey(), List.of()));
    }
    Writes.awaitSeen(slices, changes.written);
    Writes.awaitGoing(slices, changes.deleted);
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
        .build();
  }

  private static Group groupOf(KubeObject slice) {
    return new Group(
        slice.json().text("addressType"),
        slice.json().objects("ports").stream()
            .map(
                port ->
                    new Port(
                        port.text("name"),
                        port.text("protocol"),
                        port.integer("port"),
                        port.text("appProtocol")))
            .toList());
  }

  /** What one run writes. */
  private final class Changes {
    private final KubeObject service;
    private final List<KubeObject> written = new ArrayList<>();
    private final List<KubeObject> deleted = new ArrayList<>();

    Changes(KubeObject service) {
      this.service = service;
    }

    void delete(KubeObject slice) {
      Writes.delete(client, Resources.ENDPOINT_SLICES, slice);
      deleted.add(slice);
    }

    void fill(Group group, Map<String, JsonObject> wanted, List<KubeObject> present) {
      Map<String, JsonObject> missing = new LinkedHashMap<>(wanted);
      Map<KubeObject, List<JsonObject>> kept = new LinkedHashMap<>();
      for (KubeObject slice : present) {
        List<JsonObject> endpoints = new ArrayList<>();
        for (JsonObject endpoint : slice.json().objects("endpoints")) {
          JsonObject update = missing.remove(endpoint.text("targetRef", "uid"));
          if (update != null) {
            endpoints.add(update);
          }
        }
        kept.put(slice, endpoints);
      }
      List<JsonObject> homeless = new ArrayList<>(missing.values());
      // The fullest first, so that slices fill up instead of multiplying.
      List<KubeObject> order =
          kept.keySet().stream()
              .sorted(
                  Comparator.comparingInt(
                      (KubeObject slice) -> -kept.getOrDefault(slice, List.of()).size()))
              .toList();
      for (KubeObject slice : order) {
        List<JsonObject> endpoints = kept.getOrDefault(slice, List.of());
        while (endpoints.size() < MOST && !homeless.isEmpty()) {
          endpoints.add(homeless.removeFirst());
        }
      }
      long filled = kept.values().stream().filter(endpoints -> !endpoints.isEmpty()).count();
      boolean spared = filled > 0 || !homeless.isEmpty();
      for (Map.Entry<KubeObject, List<JsonObject>> entry : kept.entrySet()) {
        if (entry.getValue().isEmpty() && spared) {
          delete(entry.getKey());
        } else {
          spared = true;
          update(entry.getKey(), entry.getValue());
        }
      }
      do {
        if (homeless.isEmpty() && spared) {
          return;
        }
        List<JsonObject> part = homeless.subList(0, Math.min(MOST, homeless.size()));
        create(group, List.copyOf(part));
        part.clear();
        spared = true;
      } while (true);
    }

    private void update(KubeObject slice, List<JsonObject> endpoints) {
      KubeObject next = slice.withMetadata("labels", labels()).with("endpoints", endpoints);
      if (!next.labels().equals(slice.labels())
          || !slice.json().objects("endpoints").equals(endpoints)) {
        written.add(client.update(Resources.ENDPOINT_SLICES, next));
      }
    }

    private void create(Group group, List<JsonObject> endpoints) {
      written.add(
          client.create(
              Resources.ENDPOINT_SLICES,
              new KubeObject(
                  JsonObject.of(
                      "apiVersion",
                      "discovery.k8s.io/v1",
                      "kind",
                      "EndpointSlice",
                      "metadata",
                      JsonObject.of(
                          "generateName",
                          service.name() + "-",
                          "namespace",
                          service.namespace(),
                          "labels",
                          labels(),
                          "ownerReferences",
                          List.of(Owners.controllerReference(Resources.SERVICES, service))),
                      "addressType",
                      group.family(),
                      "endpoints",
                      endpoints,
                      "ports",
                      group.ports().stream().map(port -> port.json(true)).toList()))));
    }

    private JsonObject labels() {
      JsonObject.Builder labels = JsonObject.builder().putAll(service.metadata().object("labels"));
      labels.put(SERVICE_NAME, service.name()).put(MANAGED_BY, SELF);
      if (ServicePods.headless(service)) {
        labels.put(ServicePods.HEADLESS, "");
      }
      return labels.build();
    }
  }
}
