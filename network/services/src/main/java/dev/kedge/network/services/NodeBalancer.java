package dev.kedge.network.services;

import dev.kedge.client.Events;
import dev.kedge.client.Informer;
import dev.kedge.client.Informers;
import dev.kedge.client.KubeClient;
import dev.kedge.client.KubeClient.Patch;
import dev.kedge.model.ApiException;
import dev.kedge.model.JsonArray;
import dev.kedge.model.JsonObject;
import dev.kedge.model.KubeObject;
import dev.kedge.model.ObjectKey;
import dev.kedge.model.Resources;
import dev.kedge.reconcile.Controller;
import dev.kedge.reconcile.Reconciler;
import dev.kedge.reconcile.Timeline;
import java.util.ArrayList;
import java.util.Collection;
import java.util.Comparator;
import java.util.List;
import java.util.Optional;
import java.util.Set;
import java.util.TreeSet;

/**
 * The built-in load balancer: gives Services of type LoadBalancer the addresses of the nodes, where
 * {@link ServiceNetwork} then answers on the Service's own ports. A port belongs to the oldest
 * Service that asks for it, as there is only one of each on a node; a later one stays pending and
 * says why in an Event. Services with a {@code loadBalancerClass} are somebody else's.
 */
public final class NodeBalancer implements AutoCloseable {
  private final KubeClient client;
  private final Events events;
  private final Set<Integer> reservedPorts;
  private final Informer services;
  private final Informer nodes;
  private final Informer slices;
  private final Controller controller;

  /**
   * @param reservedPorts TCP ports of the nodes that are kedge's own, such as 6443 and 10250, and
   *     80 and 443 where the ingress listens
   */
  public NodeBalancer(
      KubeClient client,
      Informers informers,
      Events events,
      Timeline timeline,
      Set<Integer> reservedPorts) {
    this.client = client;
    this.events = events;
    this.reservedPorts = Set.copyOf(reservedPorts);
    this.services = informers.of(Resources.SERVICES);
    this.nodes = informers.of(Resources.NODES);
    this.slices = informers.of(Resources.ENDPOINT_SLICES);
    this.controller =
        Controller.builder("service-lb", timeline, this::reconcile)
            .workers(1)
            // A Service that goes may free a port for another one.
            .changes(
                services,
                (before, after) -> concerns(before, after) ? balancers() : List.<ObjectKey>of())
            .changes(
                nodes,
                (before, after) ->
                    before.map(NodeBalancer::addresses).equals(after.map(NodeBalancer::addresses))
                            && before
                                .map(NodeBalancer::takesTraffic)
                                .equals(after.map(NodeBalancer::takesTraffic))
                        ? List.<ObjectKey>of()
                        : balancers())
            .watches(slices, this::localBalancerOf)
            .build();
  }

  /** Starts to work; returns at once. */
  public void start() {
    controller.start();
  }

  @Override
  public void close() {
    controller.close();
  }

  private static boolean concerns(Optional<KubeObject> before, Optional<KubeObject> after) {
    return before.filter(NodeBalancer::isBalancer).isPresent()
        || after.filter(NodeBalancer::isBalancer).isPresent()
        || after.filter(service -> !ingress(service).isEmpty()).isPresent();
  }

  private List<ObjectKey> balancers() {
    return services.all().stream()
        .filter(service -> isBalancer(service) || !ingress(service).isEmpty())
        .map(KubeObject::key)
        .toList();
  }

  private Collection<ObjectKey> localBalancerOf(KubeObject slice) {
    ObjectKey key =
        new ObjectKey(
            slice.namespace(), slice.labels().getOrDefault("kubernetes.io/service-name", ""));
    return services
        .get(key)
        .filter(service -> isBalancer(service) && onlyLocal(service))
        .map(_ -> List.of(key))
        .orElse(List.of());
  }

  private Reconciler.Result reconcile(ObjectKey key) {
    Optional<KubeObject> found = services.get(key);
    if (found.isEmpty() || found.get().deleting()) {
      return Reconciler.Result.DONE;
    }
    KubeObject service = found.get();
    boolean ours = isBalancer(service);
    if (!ours
        && (service.spec().text("type").equals("LoadBalancer") || ingress(service).isEmpty())) {
      return Reconciler.Result.DONE;
    }
    List<JsonObject> wanted = List.of();
    if (ours) {
      Optional<String> taken = portTaken(service);
      if (taken.isPresent()) {
        events.warning(service, "PortConflict", taken.get());
      } else {
        wanted = addressesFor(service);
      }
    }
    if (!ingress(service).equals(wanted)) {
      JsonObject status =
          JsonObject.of("loadBalancer", JsonObject.of("ingress", JsonArray.copyOf(wanted)));
      try {
        client.patch(Resources.SERVICES, key.namespace(), key.name(), Patch.mergeStatus(status));
      } catch (ApiException e) {
        if (!e.isNotFound()) {
          throw e;
        }
      }
    }
    return Reconciler.Result.DONE;
  }

  private List<JsonObject> addressesFor(KubeObject service) {
    Set<String> addresses = new TreeSet<>();
    Set<String> serving = onlyLocal(service) ? servingNodes(service) : Set.of();
    nodes.all().stream()
        .filter(NodeBalancer::takesTraffic)
        .filter(node -> !onlyLocal(service) || serving.contains(node.name()))
        .forEach(node -> addresses.addAll(addresses(node)));
    return addresses.stream()
        .map(address -> JsonObject.of("ip", address, "ipMode", "VIP"))
        .toList();
  }

  private Set<String> servingNodes(KubeObject service) {
    Set<String> names = new TreeSet<>();
    for (KubeObject slice : slices.inNamespace(service.namespace())) {
      if (service.name().equals(slice.labels().get("kubernetes.io/service-name"))) {
        slice.json().objects("endpoints").stream()
            .filter(endpoint -> endpoint.flagOr(true, "conditions", "ready"))
            .forEach(endpoint -> names.add(endpoint.text("nodeName")));
      }
    }
    return names;
  }

  private Optional<String> portTaken(KubeObject service) {
    for (String port : ports(service)) {
      int number = Integer.parseInt(port.substring(0, port.indexOf('/')));
      if (port.endsWith("/TCP") && reservedPorts.contains(number)) {
        return Optional.of("port " + port + " of the nodes is used by kedge itself");
      }
    }
    List<KubeObject> older =
        services.all().stream()
            .filter(NodeBalancer::isBalancer)
            .filter(other -> !other.deleting())
            .filter(other -> AGE.compare(other, service) < 0)
            .sorted(AGE)
            .toList();
    List<String> wanted = ports(service);
    for (KubeObject other : older) {
      for (String port : ports(other)) {
        if (wanted.contains(port)) {
          return Optional.of("port " + port + " of the nodes is used by Service " + other.key());
        }
      }
    }
    return Optional.empty();
  }

  private static final Comparator<KubeObject> AGE =
      Comparator.comparing(
              (KubeObject service) -> service.json().text("metadata", "creationTimestamp"))
          .thenComparing(service -> service.key().toString());

  private static List<String> ports(KubeObject service) {
    List<String> ports = new ArrayList<>();
    for (JsonObject port : service.spec().objects("ports")) {
      String protocol = port.text("protocol");
      ports.add(port.integer("port") + "/" + (protocol.isEmpty() ? "TCP" : protocol));
    }
    return ports;
  }

  private static boolean isBalancer(KubeObject service) {
    return service.spec().text("type").equals("LoadBalancer")
        && service.spec().text("loadBalancerClass").isEmpty();
  }

  private static boolean onlyLocal(KubeObject service) {
    return service.spec().text("externalTrafficPolicy").equals("Local");
  }

  private static List<JsonObject> ingress(KubeObject service) {
    return service.status().objects("loadBalancer", "ingress").stream()
        .map(
            ingress ->
                JsonObject.of("ip", ingress.text("ip"), "ipMode", textOr(ingress.text("ipMode"))))
        .toList();
  }

  private static String textOr(String mode) {
    return mode.isEmpty() ? "VIP" : mode;
  }

  private static boolean takesTraffic(KubeObject node) {
    boolean ready =
        node.status().objects("conditions").stream()
            .anyMatch(
                condition ->
                    condition.text("type").equals("Ready")
                        && condition.text("status").equals("True"));
    return ready
        && !node.labels().containsKey("node.kubernetes.io/exclude-from-external-load-balancers");
  }

  /** A node's external IPv4 addresses, or where it has none, its internal ones. */
  private static List<String> addresses(KubeObject node) {
    List<String> external = addresses(node, "ExternalIP");
    return external.isEmpty() ? addresses(node, "InternalIP") : external;
  }

  private static List<String> addresses(KubeObject node, String type) {
    return node.status().objects("addresses").stream()
        .filter(address -> address.text("type").equals(type))
        .map(address -> address.text("address"))
        .filter(address -> address.contains("."))
        .toList();
  }
}
