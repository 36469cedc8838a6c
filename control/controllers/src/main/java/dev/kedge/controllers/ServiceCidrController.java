package dev.kedge.controllers;

import dev.kedge.client.Informer;
import dev.kedge.client.KubeClient;
import dev.kedge.client.KubeClient.Patch;
import dev.kedge.model.ApiException;
import dev.kedge.model.JsonObject;
import dev.kedge.model.KubeObject;
import dev.kedge.model.ObjectKey;
import dev.kedge.model.Resources;
import dev.kedge.reconcile.Controller;
import dev.kedge.reconcile.Reconciler;
import dev.kedge.reconcile.Timeline;
import java.math.BigInteger;
import java.net.InetAddress;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Optional;
import java.util.Set;

/**
 * Shows the networks of Services as objects: the default ServiceCIDR {@code kubernetes}, one
 * IPAddress for each address that a Service has, and whether a ServiceCIDR is in use, which keeps
 * it from going. The addresses themselves are given out with the Services, in the registry.
 *
 * <p>Keys are those of Services and, without a namespace, of ServiceCIDRs.
 */
final class ServiceCidrController implements Reconciler {
  static final String DEFAULT = "kubernetes";

  private static final String PROTECTION = "networking.k8s.io/service-cidr-finalizer";
  private static final String MANAGED_BY = "ipaddress.kubernetes.io/managed-by";
  private static final String ALLOCATOR = "ipallocator.k8s.io";
  private static final String FAMILY = "ipaddress.kubernetes.io/ip-family";

  private final KubeClient client;
  private final Timeline timeline;
  private final String defaultCidr;
  private final Informer cidrs;
  private final Informer addresses;
  private final Informer services;

  private ServiceCidrController(ControllerContext context) {
    this.client = context.client();
    this.timeline = context.timeline();
    this.defaultCidr = context.settings().serviceCidr();
    this.cidrs = context.informer(Resources.SERVICE_CIDRS);
    this.addresses = context.informer(Resources.IP_ADDRESSES);
    this.services = context.informer(Resources.SERVICES);
  }

  static Controller create(ControllerContext context) {
    ServiceCidrController reconciler = new ServiceCidrController(context);
    return Controller.builder("service-cidrs", context.timeline(), reconciler)
        .workers(1)
        .initially(new ObjectKey("", DEFAULT))
        .changes(reconciler.cidrs, (before, after) -> reconciler.everyCidr(before.or(() -> after)))
        .changes(
            reconciler.services,
            (before, after) -> List.of(after.or(() -> before).orElseThrow().key()))
        .changes(
            reconciler.addresses,
            (before, after) -> reconciler.concerned(after.or(() -> before).orElseThrow()))
        .build();
  }

  /** All of them: whether one may go depends on the others. */
  private List<ObjectKey> everyCidr(Optional<KubeObject> changed) {
    Set<ObjectKey> keys = new HashSet<>();
    changed.ifPresent(cidr -> keys.add(cidr.key()));
    cidrs.all().forEach(cidr -> keys.add(cidr.key()));
    return List.copyOf(keys);
  }

  /** The Service of an address, and the ServiceCIDRs that may wait for it to go. */
  private List<ObjectKey> concerned(KubeObject address) {
    List<ObjectKey> keys = new ArrayList<>();
    cidrs.all().stream().filter(KubeObject::deleting).forEach(cidr -> keys.add(cidr.key()));
    parent(address).ifPresent(keys::add);
    return keys;
  }

  private static Optional<ObjectKey> parent(KubeObject address) {
    JsonObject parent = address.spec().object("parentRef");
    return parent.text("resource").equals("services") && parent.text("group").isEmpty()
        ? Optional.of(new ObjectKey(parent.text("namespace"), parent.text("name")))
        : Optional.empty();
  }

  @Override
  public Result reconcile(ObjectKey key) throws InterruptedException {
    if (key.namespace().isEmpty()) {
      cidr(key.name());
    } else {
      service(key);
    }
    return Result.DONE;
  }

  private void service(ObjectKey key) throws InterruptedException {
    Set<String> wanted = new HashSet<>();
    services
        .get(key)
        .filter(service -> !service.spec().text("type").equals("ExternalName"))
        .ifPresent(service -> wanted.addAll(service.spec().strings("clusterIPs")));
    wanted.remove("None");
    for (String address : wanted) {
      Writes.createIfAbsent(client, Resources.IP_ADDRESSES, addresses, object(address, key));
    }
    List<KubeObject> gone = new ArrayList<>();
    for (KubeObject address : addresses.all()) {
      boolean mine = parent(address).filter(key::equals).isPresent();
      boolean ours = address.metadata().text("labels", MANAGED_BY).equals(ALLOCATOR);
      if (mine && ours && !wanted.contains(address.name()) && !address.deleting()) {
        Writes.delete(client, Resources.IP_ADDRESSES, address);
        gone.add(address);
      }
    }
    Writes.awaitGoing(addresses, gone);
  }

  private static KubeObject object(String address, ObjectKey service) {
    return KubeObject.of(Resources.IP_ADDRESSES.groupVersionKind(), "", address)
        .withMetadata(
            "labels",
            JsonObject.of(FAMILY, address.contains(":") ? "IPv6" : "IPv4", MANAGED_BY, ALLOCATOR))
        .with(
            "spec",
            JsonObject.of(
                "parentRef",
                JsonObject.of(
                    "resource",
                    "services",
                    "namespace",
                    service.namespace(),
                    "name",
                    service.name())));
  }

  private void cidr(String name) throws InterruptedException {
    Optional<KubeObject> found = cidrs.get("", name);
    if (found.isEmpty()) {
      if (name.equals(DEFAULT)) {
        Writes.createIfAbsent(
            client,
            Resources.SERVICE_CIDRS,
            cidrs,
            KubeObject.of(Resources.SERVICE_CIDRS.groupVersionKind(), "", DEFAULT)
                .with("spec", JsonObject.of("cidrs", List.of(defaultCidr))));
      }
      return;
    }
    KubeObject cidr = found.get();
    List<String> finalizers = new ArrayList<>(cidr.finalizers());
    if (!cidr.deleting()) {
      if (!finalizers.contains(PROTECTION)) {
        finalizers.add(PROTECTION);
        cidr = finalizers(cidr, finalizers);
      }
      ready(cidr, "True", "", "Kubernetes Service CIDR is ready");
    } else if (finalizers.contains(PROTECTION)) {
      if (needed(cidr)) {
        ready(
            cidr,
            "False",
            "Terminating",
            "There are still IPAddresses referencing the ServiceCIDR, please remove them or create"
                + " a new ServiceCIDR");
      } else {
        finalizers.remove(PROTECTION);
        finalizers(cidr, finalizers);
      }
    }
  }

  private KubeObject finalizers(KubeObject cidr, List<String> finalizers)
      throws InterruptedException {
    try {
      KubeObject written =
          client.patch(
              Resources.SERVICE_CIDRS,
              "",
              cidr.name(),
              Patch.merge(
                  JsonObject.of(
                      "metadata",
                      JsonObject.of(
                          "resourceVersion", cidr.resourceVersion(), "finalizers", finalizers))));
      Writes.awaitSeen(cidrs, written);
      return written;
    } catch (ApiException e) {
      if (e.isNotFound()) {
        return cidr;
      }
      throw e;
    }
  }

  private void ready(KubeObject cidr, String status, String reason, String message)
      throws InterruptedException {
    boolean known =
        Conditions.find(cidr.status(), "Ready")
            .filter(c -> c.text("status").equals(status) && c.text("message").equals(message))
            .isPresent();
    if (known) {
      return;
    }
    List<JsonObject> conditions =
        Conditions.with(cidr.status(), "Ready", status, reason, message, timeline.instant());
    Writes.awaitSeen(
        cidrs,
        Writes.status(
            client, Resources.SERVICE_CIDRS, cidr, JsonObject.of("conditions", conditions)));
  }

  /** Whether an address is in this ServiceCIDR and in no other that stays. */
  private boolean needed(KubeObject cidr) {
    for (KubeObject address : addresses.all()) {
      boolean elsewhere =
          cidrs.all().stream()
              .anyMatch(
                  other ->
                      !other.name().equals(cidr.name())
                          && !other.deleting()
                          && contains(other, address.name()));
      if (contains(cidr, address.name()) && !elsewhere) {
        return true;
      }
    }
    return false;
  }

  private static boolean contains(KubeObject cidr, String address) {
    return cidr.spec().strings("cidrs").stream().anyMatch(network -> contains(network, address));
  }

  private static boolean contains(String network, String address) {
    int slash = network.indexOf('/');
    byte[] base = InetAddress.ofLiteral(network.substring(0, slash)).getAddress();
    byte[] one = InetAddress.ofLiteral(address).getAddress();
    int host = base.length * 8 - Integer.parseInt(network.substring(slash + 1));
    return base.length == one.length
        && new BigInteger(1, base).shiftRight(host).equals(new BigInteger(1, one).shiftRight(host));
  }
}
