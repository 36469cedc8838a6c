package dev.kedge.controllers;

import dev.kedge.client.Informer;
import dev.kedge.client.KubeClient;
import dev.kedge.client.KubeClient.Selection;
import dev.kedge.model.ApiException;
import dev.kedge.model.DeviceRequests;
import dev.kedge.model.JsonObject;
import dev.kedge.model.KubeObject;
import dev.kedge.model.ObjectKey;
import dev.kedge.model.Quantity;
import dev.kedge.model.QuotaScopes;
import dev.kedge.model.ResourceType;
import dev.kedge.model.Resources;
import dev.kedge.reconcile.Controller;
import dev.kedge.reconcile.Reconciler;
import dev.kedge.scheduler.Amounts;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.function.Supplier;

/**
 * Keeps the used amounts in the status of ResourceQuotas true. Admission adds what it lets in; this
 * takes back what is gone.
 */
final class ResourceQuotaController implements Reconciler {
  /**
   * Kinds without an informer here are counted when one comes or goes, and anew so often, as
   * upstream's full sync does.
   */
  private static final Duration RECOUNT = Duration.ofMinutes(5);

  private static final String RESOURCE_CLAIMS = "resourceclaims.resource.k8s.io";

  private final KubeClient client;
  private final Supplier<List<ResourceType>> resources;
  private final Informer quotas;
  private final Informer pods;
  private final Informer services;
  private final Informer claims;

  private ResourceQuotaController(ControllerContext context) {
    this.client = context.client();
    this.resources = context.settings().resources();
    this.quotas = context.informer(Resources.RESOURCE_QUOTAS);
    this.pods = context.informer(Resources.PODS);
    this.services = context.informer(Resources.SERVICES);
    this.claims = context.informer(Resources.PERSISTENT_VOLUME_CLAIMS);
  }

  static Controller create(ControllerContext context, GarbageCollector everything) {
    ResourceQuotaController reconciler = new ResourceQuotaController(context);
    Controller.Builder builder =
        Controller.builder("resourcequota", context.timeline(), reconciler)
            .watches(reconciler.quotas);
    for (Informer informer : List.of(reconciler.pods, reconciler.services, reconciler.claims)) {
      builder.changes(
          informer,
          (before, after) -> {
            boolean counts =
                before.isEmpty()
                    || after.isEmpty()
                    || PodState.ended(before.get()) != PodState.ended(after.get())
                    || before.get().generation() != after.get().generation()
                    || !QuotaScopes.volumeAttributesClasses(before.get())
                        .equals(QuotaScopes.volumeAttributesClasses(after.get()));
            return counts
                ? reconciler.quotasIn(after.or(() -> before).orElseThrow().namespace())
                : List.of();
          });
    }
    Controller controller = builder.build();
    everything.onComeOrGone(
        (type, object) ->
            reconciler.quotas.inNamespace(object.namespace()).stream()
                .filter(quota -> counts(quota, type))
                .forEach(quota -> controller.add(quota.key())));
    return controller;
  }

  private static boolean counts(KubeObject quota, ResourceType type) {
    JsonObject hard = quota.spec().object("hard");
    return hard.has(type.groupResource())
        || hard.has("count/" + type.groupResource())
        || type.groupResource().equals(RESOURCE_CLAIMS)
            && hard.names().stream().anyMatch(name -> name.endsWith(DeviceRequests.QUOTA_SUFFIX));
  }

  private List<ObjectKey> quotasIn(String namespace) {
    return quotas.inNamespace(namespace).stream().map(KubeObject::key).toList();
  }

  @Override
  public Result reconcile(ObjectKey key) {
    Optional<KubeObject> found = quotas.get(key);
    if (found.isEmpty() || found.get().deleting()) {
      return Result.DONE;
    }
    KubeObject quota = found.get();
    JsonObject hard = quota.spec().object("hard");
    JsonObject.Builder used = JsonObject.builder();
    boolean recount = false;
    for (String name : hard.names()) {
      used.put(name, used(quota, name).toString());
      recount |=
          name.startsWith("count/")
              || name.endsWith(DeviceRequests.QUOTA_SUFFIX)
              || List.of("configmaps", "secrets").contains(name);
    }
    Writes.status(
        client,
        Resources.RESOURCE_QUOTAS,
        quota,
        JsonObject.of("hard", hard, "used", used.build()));
    return recount ? Result.again(RECOUNT) : Result.DONE;
  }

  private Quantity used(KubeObject quota, String name) {
    String namespace = quota.namespace();
    boolean scoped =
        !quota.spec().array("scopes").isEmpty() || !quota.spec().object("scopeSelector").isEmpty();
    boolean ofPods =
        name.equals("pods")
            || name.equals("count/pods")
            || name.startsWith("requests.") && !name.equals("requests.storage")
            || name.startsWith("limits.")
            || List.of("cpu", "memory", "ephemeral-storage").contains(name);
    boolean ofClaims = name.endsWith("persistentvolumeclaims") || name.endsWith("requests.storage");
    if (scoped && !ofPods && !ofClaims) {
      return Quantity.ZERO; // scopes are about these: nothing else is within them
    }
    if (name.equals("count/pods")) {
      return Quantity.of(podsOf(quota).size());
    }
    if (name.equals("count/persistentvolumeclaims")) {
      return claims(quota, "persistentvolumeclaims", Optional.empty());
    }
    if (name.startsWith("count/")) {
      return count(name.substring("count/".length()), namespace);
    }
    if (name.endsWith(DeviceRequests.QUOTA_SUFFIX)) {
      String deviceClass = name.substring(0, name.length() - DeviceRequests.QUOTA_SUFFIX.length());
      return Quantity.of(
          objects(RESOURCE_CLAIMS, namespace).stream()
              .mapToLong(
                  claim -> DeviceRequests.byClass(claim.spec()).getOrDefault(deviceClass, 0L))
              .sum());
    }
    int storageClass = name.indexOf(".storageclass.storage.k8s.io/");
    if (storageClass > 0) {
      String className = name.substring(0, storageClass);
      String what = name.substring(storageClass + ".storageclass.storage.k8s.io/".length());
      return claims(quota, what, Optional.of(className));
    }
    return switch (name) {
      case "pods" -> Quantity.of(podsOf(quota).size());
      case "services" -> Quantity.of(services.inNamespace(namespace).size());
      case "services.loadbalancers" -> Quantity.of(servicesOfType(namespace, "LoadBalancer"));
      case "services.nodeports" ->
          Quantity.of(
              services.inNamespace(namespace).stream()
                  .mapToLong(
                      service ->
                          service.spec().objects("ports").stream()
                              .filter(port -> port.integer("nodePort") != 0)
                              .count())
                  .sum());
      case "persistentvolumeclaims", "requests.storage" -> claims(quota, name, Optional.empty());
      case "configmaps", "secrets", "replicationcontrollers", "resourcequotas" ->
          count(name, namespace);
      default -> compute(podsOf(quota), name);
    };
  }

  private long servicesOfType(String namespace, String type) {
    return services.inNamespace(namespace).stream()
        .filter(service -> service.spec().text("type").equals(type))
        .count();
  }

  private Quantity claims(KubeObject quota, String what, Optional<String> storageClass) {
    List<KubeObject> counted =
        claims.inNamespace(quota.namespace()).stream()
            .filter(claim -> QuotaScopes.cover(quota.spec(), "persistentvolumeclaims", claim))
            .filter(
                claim ->
                    storageClass
                        .map(name -> claim.spec().text("storageClassName").equals(name))
                        .orElse(true))
            .toList();
    if (what.equals("persistentvolumeclaims")) {
      return Quantity.of(counted.size());
    }
    Quantity sum = Quantity.ZERO;
    for (KubeObject claim : counted) {
      sum =
          sum.plus(
              claim
                  .spec()
                  .find("resources", "requests", "storage")
                  .map(Quantity::of)
                  .orElse(Quantity.ZERO));
    }
    return sum;
  }

  private Quantity count(String groupResource, String namespace) {
    return Quantity.of(objects(groupResource, namespace).size());
  }

  /** The objects of a kind by name, from the server; none where it is not served. */
  private List<KubeObject> objects(String groupResource, String namespace) {
    Optional<ResourceType> type =
        resources.get().stream()
            .filter(t -> t.namespaced() && t.groupResource().equals(groupResource))
            .findFirst();
    if (type.isEmpty()) {
      return List.of();
    }
    try {
      return client.list(type.get(), namespace, Selection.ALL).items();
    } catch (ApiException e) {
      if (e.isNotFound()) {
        return List.of(); // no longer served
      }
      throw e;
    }
  }

  private List<KubeObject> podsOf(KubeObject quota) {
    List<KubeObject> counted = new ArrayList<>();
    for (KubeObject pod : pods.inNamespace(quota.namespace())) {
      if (!PodState.ended(pod) && QuotaScopes.cover(quota.spec(), "pods", pod)) {
        counted.add(pod);
      }
    }
    return counted;
  }

  private static Quantity compute(List<KubeObject> pods, String name) {
    String field = name.startsWith("limits.") ? "limits" : "requests";
    String resource =
        name.startsWith("limits.") || name.startsWith("requests.")
            ? name.substring(name.indexOf('.') + 1)
            : name;
    long others = 0;
    long cpu = 0;
    long memory = 0;
    long storage = 0;
    for (KubeObject pod : pods) {
      Amounts amounts = Amounts.ofPod(pod.spec(), field);
      cpu += amounts.cpu();
      memory += amounts.memory();
      storage += amounts.ephemeralStorage();
      others += amounts.others().getOrDefault(resource, 0L);
    }
    return switch (resource) {
      case "cpu" -> Quantity.ofMilli(cpu);
      case "memory" -> binary(memory);
      case "ephemeral-storage" -> binary(storage);
      default -> Quantity.of(others);
    };
  }

  private static Quantity binary(long bytes) {
    return new Quantity(java.math.BigDecimal.valueOf(bytes), Quantity.Format.BINARY_SI);
  }
}
