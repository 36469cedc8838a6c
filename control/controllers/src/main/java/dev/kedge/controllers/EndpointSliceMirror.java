package dev.kedge.controllers;

import dev.kedge.client.Informer;
import dev.kedge.client.KubeClient;
import dev.kedge.controllers.ServicePods.Port;
import dev.kedge.controllers.SliceWriter.Group;
import dev.kedge.model.JsonObject;
import dev.kedge.model.KubeObject;
import dev.kedge.model.ObjectKey;
import dev.kedge.model.Resources;
import dev.kedge.reconcile.Controller;
import dev.kedge.reconcile.Reconciler;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;

/**
 * Keeps EndpointSlices equal to Endpoints that somebody wrote by hand for a Service without a
 * selector: what sends traffic reads slices only.
 */
final class EndpointSliceMirror implements Reconciler {
  private static final String SELF = "endpointslicemirroring-controller.k8s.io";
  private static final String SKIP = "endpointslice.kubernetes.io/skip-mirror";
  private static final String LEADER = "control-plane.alpha.kubernetes.io/leader";
  private static final int MOST_OF_A_SUBSET = 1000;
  private static final int MOST = 1000;

  private final KubeClient client;
  private final Informer services;
  private final Informer endpoints;
  private final Informer slices;

  private EndpointSliceMirror(ControllerContext context) {
    this.client = context.client();
    this.services = context.informer(Resources.SERVICES);
    this.endpoints = context.informer(Resources.ENDPOINTS);
    this.slices = context.informer(Resources.ENDPOINT_SLICES);
  }

  static Controller create(ControllerContext context) {
    EndpointSliceMirror reconciler = new EndpointSliceMirror(context);
    return Controller.builder("endpointslice-mirror", context.timeline(), reconciler)
        .watches(reconciler.endpoints)
        .watches(reconciler.services)
        .watches(reconciler.slices, EndpointSliceMirror::mirrored)
        .build();
  }

  private static List<ObjectKey> mirrored(KubeObject slice) {
    return SELF.equals(slice.labels().get(EndpointSliceController.MANAGED_BY))
        ? List.of(
            new ObjectKey(
                slice.namespace(),
                slice.labels().getOrDefault(EndpointSliceController.SERVICE_NAME, "")))
        : List.of();
  }

  @Override
  public Result reconcile(ObjectKey key) throws InterruptedException {
    List<KubeObject> present =
        slices.inNamespace(key.namespace()).stream()
            .filter(slice -> mirrored(slice).contains(key) && !slice.deleting())
            .toList();
    Optional<KubeObject> source = endpoints.get(key).filter(EndpointSliceMirror::isSource);
    boolean byHand =
        services.get(key).map(service -> service.spec().object("selector").isEmpty()).orElse(false);
    if (source.isEmpty() || !byHand) {
      present.forEach(slice -> Writes.delete(client, Resources.ENDPOINT_SLICES, slice));
      Writes.awaitGoing(slices, present);
      return Result.DONE;
    }
    KubeObject from = source.get();
    new SliceWriter(
            client,
            slices,
            new SliceWriter.Shape(
                from,
                Owners.controllerReference(Resources.ENDPOINTS, from),
                from.metadata()
                    .object("labels")
                    .with(EndpointSliceController.SERVICE_NAME, from.name())
                    .with(EndpointSliceController.MANAGED_BY, SELF),
                from.metadata()
                    .object("annotations")
                    .without("kubectl.kubernetes.io/last-applied-configuration")
                    .without("endpoints.kubernetes.io/last-change-trigger-time"),
                MOST),
            endpoint -> endpoint.strings("addresses").getFirst())
        .write(wanted(from), present);
    return Result.DONE;
  }

  /** Those that elect a leader, or say so, are not mirrored. */
  private static boolean isSource(KubeObject endpoints) {
    return !endpoints.deleting()
        && !endpoints.labels().getOrDefault(SKIP, "").equals("true")
        && endpoints.annotation(LEADER).isEmpty();
  }

  private static Map<Group, Map<String, JsonObject>> wanted(KubeObject endpoints) {
    Map<Group, Map<String, JsonObject>> wanted = new LinkedHashMap<>();
    for (JsonObject subset : endpoints.json().objects("subsets")) {
      List<Port> ports =
          subset.objects("ports").stream()
              .map(
                  port ->
                      new Port(
                          port.text("name"),
                          port.text("protocol").isEmpty() ? "TCP" : port.text("protocol"),
                          port.integer("port"),
                          port.text("appProtocol")))
              .toList();
      int left = MOST_OF_A_SUBSET;
      for (String list : List.of("addresses", "notReadyAddresses")) {
        for (JsonObject address : subset.objects(list)) {
          if (left-- <= 0) {
            break;
          }
          String ip = address.text("ip");
          wanted
              .computeIfAbsent(
                  new Group(ip.contains(":") ? "IPv6" : "IPv4", ports), _ -> new LinkedHashMap<>())
              .putIfAbsent(ip, endpoint(address, list.equals("addresses")));
        }
      }
    }
    return wanted;
  }

  private static JsonObject endpoint(JsonObject address, boolean ready) {
    return JsonObject.builder()
        .put("addresses", List.of(address.text("ip")))
        .put("conditions", JsonObject.of("ready", ready))
        .putNonEmpty("hostname", address.text("hostname"))
        .putNonEmpty("nodeName", address.text("nodeName"))
        .putNonEmpty("targetRef", address.object("targetRef"))
        .build();
  }
}
