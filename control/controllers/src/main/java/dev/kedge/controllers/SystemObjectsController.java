package dev.kedge.controllers;

import dev.kedge.client.Informer;
import dev.kedge.client.KubeClient;
import dev.kedge.client.KubeClient.Selection;
import dev.kedge.model.ApiException;
import dev.kedge.model.GroupVersionKind;
import dev.kedge.model.JsonArray;
import dev.kedge.model.JsonObject;
import dev.kedge.model.KubeObject;
import dev.kedge.model.ObjectKey;
import dev.kedge.model.ResourceType;
import dev.kedge.model.Resources;
import dev.kedge.reconcile.Controller;
import dev.kedge.reconcile.Reconciler;
import dev.kedge.reconcile.Timeline;
import java.time.Duration;
import java.time.Instant;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.HashSet;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Optional;
import java.util.Set;
import java.util.TreeSet;

/**
 * Keeps what every cluster has from its first second: the system namespaces, the system priority
 * classes, the {@code kubernetes} Service with its endpoints, and (made once, users may change or
 * remove it) the storage class {@code local-path}. One key stands for all.
 */
final class SystemObjectsController implements Reconciler {
  private static final ObjectKey ALL = new ObjectKey("", "system");
  private static final String NAME = "kubernetes";

  /** Label of the Leases by which several servers say that they are there. */
  private static final String SERVER = "kedge.dev/server=true";

  private final KubeClient client;
  private final ControllerContext.Settings settings;
  private final Map<ResourceType, Informer> informers = new LinkedHashMap<>();
  private final Timeline timeline;
  private boolean storageClassMade;

  /** The last renewal that was seen of each server's Lease; one worker uses it. */
  private final Map<ObjectKey, Renewal> renewals = new HashMap<>();

  private record Renewal(String version, Instant seen) {}

  private SystemObjectsController(ControllerContext context) {
    this.client = context.client();
    this.settings = context.settings();
    this.timeline = context.timeline();
    for (ResourceType type :
        List.of(
            Resources.NAMESPACES,
            Resources.PRIORITY_CLASSES,
            Resources.SERVICES,
            Resources.ENDPOINTS,
            Resources.ENDPOINT_SLICES,
            Resources.STORAGE_CLASSES)) {
      informers.put(type, context.informer(type));
    }
    informers.put(
        Resources.LEASES,
        context.informers().of(Resources.LEASES, "kube-system", Selection.labels(SERVER)));
  }

  static Controller create(ControllerContext context) {
    SystemObjectsController reconciler = new SystemObjectsController(context);
    Controller.Builder builder =
        Controller.builder("system-objects", context.timeline(), reconciler)
            .workers(1)
            .initially(ALL);
    reconciler.informers.forEach(
        (type, informer) ->
            builder.changes(
                informer,
                (before, after) ->
                    concerns(type, after.or(() -> before).orElseThrow())
                        ? List.of(ALL)
                        : List.of()));
    return builder.build();
  }

  private static boolean concerns(ResourceType type, KubeObject object) {
    return type.equals(Resources.NAMESPACES)
        || type.equals(Resources.LEASES)
        || type.equals(Resources.PRIORITY_CLASSES)
        || object.name().equals(NAME) && object.namespace().equals("default");
  }

  @Override
  public Result reconcile(ObjectKey key) throws InterruptedException {
    for (String name : List.of("default", "kube-system", "kube-public", "kube-node-lease")) {
      keep(
          Resources.NAMESPACES,
          KubeObject.of(new GroupVersionKind("", "v1", "Namespace"), "", name));
    }
    priorityClass(
        "system-node-critical",
        2_000_001_000,
        "Used for system critical pods that must not be moved from their current node.");
    priorityClass(
        "system-cluster-critical",
        2_000_000_000,
        "Used for system critical pods that must run in the cluster, but can be moved to another"
            + " node if necessary.");
    storageClass();
    kubernetesService();
    return Result.DONE;
  }

  private void keep(ResourceType type, KubeObject object) throws InterruptedException {
    Informer informer = informers.get(type);
    if (informer != null) {
      Writes.createIfAbsent(client, type, informer, object);
    }
  }

  private void priorityClass(String name, long value, String description)
      throws InterruptedException {
    keep(
        Resources.PRIORITY_CLASSES,
        KubeObject.of(Resources.PRIORITY_CLASSES.groupVersionKind(), "", name)
            .with("value", value)
            .with("description", description));
  }

  /** Made at the start if there is none; not again while running: deleting it is a choice. */
  private void storageClass() throws InterruptedException {
    if (storageClassMade) {
      return;
    }
    keep(
        Resources.STORAGE_CLASSES,
        KubeObject.of(Resources.STORAGE_CLASSES.groupVersionKind(), "", "local-path")
            .withMetadata(
                "annotations", JsonObject.of("storageclass.kubernetes.io/is-default-class", "true"))
            .with("provisioner", "rancher.io/local-path")
            .with("reclaimPolicy", "Delete")
            .with("volumeBindingMode", "WaitForFirstConsumer"));
    storageClassMade = true;
  }

  private void kubernetesService() throws InterruptedException {
    keep(
        Resources.SERVICES,
        KubeObject.of(Resources.SERVICES.groupVersionKind(), "default", NAME)
            .withMetadata(
                "labels", JsonObject.of("component", "apiserver", "provider", "kubernetes"))
            .with(
                "spec",
                JsonObject.of(
                    "type",
                    "ClusterIP",
                    "clusterIP",
                    settings.apiServiceAddress(),
                    "sessionAffinity",
                    "None",
                    "ports",
                    List.of(
                        JsonObject.of(
                            "name",
                            "https",
                            "protocol",
                            "TCP",
                            "port",
                            443,
                            "targetPort",
                            settings.advertisePort())))));
    List<String> servers = servers();
    JsonArray ports =
        JsonArray.of(
            JsonObject.of("name", "https", "port", settings.advertisePort(), "protocol", "TCP"));
    JsonArray subsets =
        JsonArray.of(
            JsonObject.of(
                "addresses",
                servers.stream().map(ip -> JsonObject.of("ip", ip)).toList(),
                "ports",
                ports));
    hold(
        Resources.ENDPOINTS,
        KubeObject.of(Resources.ENDPOINTS.groupVersionKind(), "default", NAME)
            .withMetadata(
                "labels", JsonObject.of("endpointslice.kubernetes.io/skip-mirror", "true"))
            .with("subsets", subsets),
        "subsets");
    hold(
        Resources.ENDPOINT_SLICES,
        KubeObject.of(Resources.ENDPOINT_SLICES.groupVersionKind(), "default", NAME)
            .withMetadata("labels", JsonObject.of(EndpointSliceController.SERVICE_NAME, NAME))
            .with("addressType", settings.advertiseAddress().contains(":") ? "IPv6" : "IPv4")
            .with(
                "endpoints",
                servers.stream()
                    .map(
                        ip ->
                            JsonObject.of(
                                "addresses",
                                List.of(ip),
                                "conditions",
                                JsonObject.of("ready", true)))
                    .toList())
            .with("ports", ports),
        "endpoints",
        "ports");
  }

  /**
   * Addresses of the servers: of those whose Leases are renewed, or of this one where there are no
   * Leases. Clocks are not compared: a Lease is over when it was seen unchanged for its duration.
   */
  private List<String> servers() {
    TreeSet<String> addresses = new TreeSet<>();
    Set<ObjectKey> present = new HashSet<>();
    for (KubeObject lease : Objects.requireNonNull(informers.get(Resources.LEASES)).all()) {
      ObjectKey key = new ObjectKey(lease.namespace(), lease.name());
      present.add(key);
      String version = lease.metadata().text("resourceVersion");
      Renewal renewal = renewals.get(key);
      if (renewal == null || !renewal.version().equals(version)) {
        renewal = new Renewal(version, timeline.instant());
        renewals.put(key, renewal);
      }
      Duration valid = Duration.ofSeconds(lease.spec().integer("leaseDurationSeconds"));
      if (renewal.seen().plus(valid).isAfter(timeline.instant())) {
        addresses.add(lease.spec().text("holderIdentity"));
      }
    }
    renewals.keySet().retainAll(present);
    return addresses.isEmpty() ? List.of(settings.advertiseAddress()) : List.copyOf(addresses);
  }

  /** Creates an object, or sets the given fields of the one that is there. */
  private void hold(ResourceType type, KubeObject wanted, String... fields) {
    Optional<KubeObject> present = client.find(type, wanted.namespace(), wanted.name());
    if (present.isEmpty()) {
      try {
        client.create(type, wanted);
      } catch (ApiException e) {
        if (!e.isAlreadyExists()) {
          throw e;
        }
      }
      return;
    }
    KubeObject changed = present.get();
    List<String> different = new ArrayList<>();
    for (String field : fields) {
      if (!contains(changed.json().array(field), wanted.json().array(field))) {
        different.add(field);
        changed = changed.with(field, wanted.json().array(field));
      }
    }
    if (!different.isEmpty()) {
      client.update(type, changed);
    }
  }

  /** Equality but for fields that the server's defaults added. */
  private static boolean contains(JsonArray present, JsonArray wanted) {
    List<JsonObject> left = present.objects();
    List<JsonObject> right = wanted.objects();
    if (left.size() != right.size()) {
      return false;
    }
    for (int i = 0; i < left.size(); i++) {
      JsonObject merged = JsonObject.builder().putAll(left.get(i)).putAll(right.get(i)).build();
      if (!merged.equals(left.get(i))) {
        return false;
      }
    }
    return true;
  }
}
