package dev.kedge.registry.admission;

import dev.kedge.model.DeviceRequests;
import dev.kedge.model.JsonNull;
import dev.kedge.model.JsonObject;
import dev.kedge.model.JsonString;
import dev.kedge.model.JsonValue;
import dev.kedge.model.KubeObject;
import dev.kedge.model.Quantity;
import dev.kedge.model.QuotaScopes;
import dev.kedge.model.ResourceType;
import dev.kedge.model.Resources;
import dev.kedge.registry.AdmissionPlugin;
import dev.kedge.registry.Objects;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.TreeMap;
import java.util.concurrent.ConcurrentHashMap;
import java.util.stream.Collectors;

/**
 * Keeps what is created within the namespace's ResourceQuotas. Usage is summed up from the stored
 * objects and those on their way into the store, and written into the quota's status with the
 * expected version, so that of two creations that would together go over the second one counts the
 * first. A controller keeps the status up to date as objects go.
 *
 * <p>The last plugin: what comes after it could still refuse what was counted already.
 */
final class ResourceQuotas implements AdmissionPlugin {
  private static final int ATTEMPTS = 20;
  private static final Set<String> COMPUTE = Set.of("cpu", "memory", "ephemeral-storage");

  /** Kinds that have a quota of their plain plural name. */
  private static final Map<String, ResourceType> COUNTED =
      Map.of(
          "pods", Resources.PODS,
          "services", Resources.SERVICES,
          "configmaps", Resources.CONFIG_MAPS,
          "secrets", Resources.SECRETS,
          "persistentvolumeclaims", Resources.PERSISTENT_VOLUME_CLAIMS,
          "replicationcontrollers", Resources.REPLICATION_CONTROLLERS,
          "resourcequotas", Resources.RESOURCE_QUOTAS);

  /** How long something counted may take to be stored. */
  private static final Duration IN_FLIGHT = Duration.ofSeconds(10);

  /** What was counted lately and may not be stored yet, by quota and object. */
  private final Map<String, Map<String, Counted>> inFlight = new ConcurrentHashMap<>();

  private record Counted(Map<String, Quantity> amounts, long nanos) {}

  @Override
  public String name() {
    return "ResourceQuota";
  }

  @Override
  public void validate(Review review, KubeObject object) {
    boolean counts =
        review.operation() == Operation.CREATE
            || review.operation() == Operation.UPDATE
                && (review.on(Resources.SERVICES)
                    || review.on(Resources.PERSISTENT_VOLUME_CLAIMS)
                    || review.on(RESOURCE_CLAIMS));
    boolean resized =
        review.operation() == Operation.UPDATE
            && review.type().groupResource().equals("pods")
            && review.subresource().equals("resize");
    if (review.namespace().isEmpty() || !resized && (!counts || !review.subresource().isEmpty())) {
      return;
    }
    for (KubeObject quota : review.objects().list(Resources.RESOURCE_QUOTAS, review.namespace())) {
      check(review, object, quota);
    }
  }

  private void check(Review review, KubeObject object, KubeObject known) {
    KubeObject quota = known;
    for (int attempt = 0; attempt < ATTEMPTS; attempt++) {
      Map<String, Quantity> hard = amounts(quota.spec().object("hard"));
      Map<String, Quantity> added = usage(review.type(), object, quota, hard.keySet());
      if (review.operation() == Operation.UPDATE) {
        added = minus(added, usage(review.type(), review.old(), quota, hard.keySet()));
      }
      if (added.isEmpty() && !requiresAmounts(review, object, quota, hard)) {
        return;
      }
      requireAmounts(review, object, quota, hard);
      // Not what the status says: the controller that keeps it does not know what is on its way.
      Map<String, Quantity> used = summed(review.objects(), review.namespace(), quota, hard);
      Map<String, Quantity> after = within(added, used, hard);
      if (after.isEmpty()) {
        throw review.forbidden(exceeded(quota.name(), added, used, hard));
      }
      if (review.dryRun()) {
        return;
      }
      KubeObject marked =
          quota.withStatus(
              JsonObject.of("hard", quota.spec().object("hard"), "used", texts(after)));
      Map<String, Counted> counted =
          inFlight.computeIfAbsent(quota.uid(), _ -> new ConcurrentHashMap<>());
      counted.put(object.uid(), new Counted(added, System.nanoTime()));
      if (review.objects().replace(Resources.RESOURCE_QUOTAS, marked)) {
        return;
      }
      counted.remove(object.uid());
      var fresh =
          review.objects().findLatest(Resources.RESOURCE_QUOTAS, review.namespace(), quota.name());
      if (fresh.isEmpty()) {
        return;
      }
      quota = fresh.get();
    }
    throw dev.kedge.model.ApiException.conflict(
        "",
        "resourcequotas",
        known.name(),
        "the object has been modified; please apply your changes to the latest version and try"
            + " again");
  }

  @Override
  public void committed(
      ResourceType type, Optional<KubeObject> before, Optional<KubeObject> after, Objects objects) {
    if (type.groupResource().equals("resourcequotas")) {
      if (after.isEmpty() && before.isPresent()) {
        inFlight.remove(before.get().uid());
      }
      return;
    }
    if (before.isEmpty() && after.isPresent()) {
      String stored = after.get().uid();
      inFlight.values().forEach(counted -> counted.remove(stored));
    }
  }

  /** Usage with the addition, of everything limited; empty if it goes over. */
  private static Map<String, Quantity> within(
      Map<String, Quantity> added, Map<String, Quantity> used, Map<String, Quantity> hard) {
    Map<String, Quantity> after = new TreeMap<>();
    for (Map.Entry<String, Quantity> limit : hard.entrySet()) {
      Quantity amount = used.getOrDefault(limit.getKey(), Quantity.ZERO);
      Quantity more = added.get(limit.getKey());
      if (more != null) {
        amount = amount.plus(more);
        if (more.value().signum() > 0 && amount.compareTo(limit.getValue()) > 0) {
          return Map.of();
        }
      }
      after.put(limit.getKey(), amount);
    }
    return after;
  }

  private static String exceeded(
      String name,
      Map<String, Quantity> added,
      Map<String, Quantity> used,
      Map<String, Quantity> hard) {
    List<String> over = new ArrayList<>();
    for (Map.Entry<String, Quantity> more : added.entrySet()) {
      Quantity limit = hard.getOrDefault(more.getKey(), Quantity.ZERO);
      Quantity sum = used.getOrDefault(more.getKey(), Quantity.ZERO).plus(more.getValue());
      if (more.getValue().value().signum() > 0 && sum.compareTo(limit) > 0) {
        over.add(more.getKey());
      }
    }
    return "exceeded quota: "
        + name
        + ", requested: "
        + listed(over, added)
        + ", used: "
        + listed(over, used)
        + ", limited: "
        + listed(over, hard);
  }

  private static String listed(List<String> names, Map<String, Quantity> amounts) {
    return names.stream()
        .map(name -> name + "=" + amounts.getOrDefault(name, Quantity.ZERO))
        .collect(Collectors.joining(","));
  }

  /** The usage of all stored objects, and of those on their way into the store. */
  private Map<String, Quantity> summed(
      Objects objects, String namespace, KubeObject quota, Map<String, Quantity> hard) {
    Map<String, Quantity> sum = new TreeMap<>();
    Map<String, ResourceType> types = new TreeMap<>();
    for (String name : hard.keySet()) {
      ResourceType type = counted(name);
      types.put(type.groupResource(), type);
    }
    Map<String, Counted> counted = inFlight.getOrDefault(quota.uid(), new ConcurrentHashMap<>());
    long now = System.nanoTime();
    counted.values().removeIf(one -> now - one.nanos() > IN_FLIGHT.toNanos());
    for (ResourceType type : types.values()) {
      for (KubeObject object : objects.listLatest(type, namespace)) {
        counted.remove(object.uid());
        usage(type, object, quota, hard.keySet())
            .forEach((name, amount) -> sum.merge(name, amount, Quantity::plus));
      }
    }
    for (Counted one : counted.values()) {
      one.amounts().forEach((name, amount) -> sum.merge(name, amount, Quantity::plus));
    }
    return sum;
  }

  private static final ResourceType RESOURCE_CLAIMS =
      new ResourceType("resource.k8s.io", "", "resourceclaims", "", true);

  /** Which kind's objects an amount is about. */
  private static ResourceType counted(String name) {
    if (name.startsWith("count/")) {
      String resource = name.substring("count/".length());
      int dot = resource.indexOf('.');
      return dot < 0
          ? new ResourceType("", "v1", resource, "", true)
          : new ResourceType(resource.substring(dot + 1), "", resource.substring(0, dot), "", true);
    }
    if (name.startsWith("services")) {
      return Resources.SERVICES;
    }
    if (name.equals("requests.storage") || name.contains(".storageclass.storage.k8s.io/")) {
      return Resources.PERSISTENT_VOLUME_CLAIMS;
    }
    if (name.endsWith(DeviceRequests.QUOTA_SUFFIX)) {
      return RESOURCE_CLAIMS;
    }
    return COUNTED.getOrDefault(name, Resources.PODS);
  }

  /** What one object adds to the limited amounts. */
  private static Map<String, Quantity> usage(
      ResourceType type, KubeObject object, KubeObject quota, Set<String> limited) {
    Map<String, Quantity> usage = new TreeMap<>();
    String resource = type.groupResource();
    if (resource.equals("pods") && finished(object)
        || !QuotaScopes.cover(quota.spec(), resource, object)) {
      return usage;
    }
    Quantity one = Quantity.of(1);
    put(usage, limited, "count/" + resource, one);
    if (COUNTED.containsKey(resource)) {
      put(usage, limited, resource, one);
    }
    switch (resource) {
      case "pods" -> {
        for (String which : List.of("requests", "limits")) {
          JsonObject total = PodAmounts.total(object.spec(), which);
          total.forEach(
              (name, value) -> {
                Quantity amount = Quantity.of(value);
                put(usage, limited, which + "." + name, amount);
                if (which.equals("requests") && COMPUTE.contains(name)) {
                  put(usage, limited, name, amount);
                }
              });
        }
      }
      case "services" -> {
        long ports = object.spec().array("ports").size();
        switch (object.spec().text("type")) {
          case "NodePort" -> put(usage, limited, "services.nodeports", Quantity.of(ports));
          case "LoadBalancer" -> {
            put(usage, limited, "services.loadbalancers", one);
            if (object.spec().flagOr(true, "allocateLoadBalancerNodePorts")) {
              put(usage, limited, "services.nodeports", Quantity.of(ports));
            }
          }
          default -> {
            // Others have neither.
          }
        }
      }
      case "persistentvolumeclaims" -> {
        JsonValue storage =
            object.spec().object("resources", "requests").get("storage").orElse(JsonNull.NULL);
        put(usage, limited, "requests.storage", Quantity.of(storage));
        String storageClass = object.spec().text("storageClassName");
        if (!storageClass.isEmpty()) {
          String prefix = storageClass + ".storageclass.storage.k8s.io/";
          put(usage, limited, prefix + "requests.storage", Quantity.of(storage));
          put(usage, limited, prefix + "persistentvolumeclaims", one);
        }
      }
      case "resourceclaims.resource.k8s.io" ->
          DeviceRequests.byClass(object.spec())
              .forEach(
                  (name, count) ->
                      put(usage, limited, name + DeviceRequests.QUOTA_SUFFIX, Quantity.of(count)));
      default -> {
        // Counted only.
      }
    }
    return usage;
  }

  private static void put(
      Map<String, Quantity> usage, Set<String> limited, String name, Quantity amount) {
    if (limited.contains(name)) {
      usage.put(name, amount);
    }
  }

  private static boolean finished(KubeObject pod) {
    String phase = pod.status().text("phase");
    return phase.equals("Succeeded") || phase.equals("Failed");
  }

  /** Whether a pod must say an amount because a quota limits it. */
  private static boolean requiresAmounts(
      Review review, KubeObject object, KubeObject quota, Map<String, Quantity> hard) {
    return review.creating(Resources.PODS)
        && QuotaScopes.cover(quota.spec(), "pods", object)
        && hard.keySet().stream().anyMatch(name -> !required(name).isEmpty());
  }

  /** The compute resource a quota's name is about, such as {@code cpu} for {@code limits.cpu}. */
  private static String required(String name) {
    String resource =
        name.startsWith("requests.")
            ? name.substring("requests.".length())
            : name.startsWith("limits.") ? name.substring("limits.".length()) : name;
    return resource.equals("cpu") || resource.equals("memory") ? resource : "";
  }

  private static void requireAmounts(
      Review review, KubeObject pod, KubeObject quota, Map<String, Quantity> hard) {
    if (!requiresAmounts(review, pod, quota, hard)) {
      return;
    }
    if (!pod.spec().object("resources").isEmpty()) {
      return;
    }
    Map<String, List<String>> missing = new TreeMap<>();
    for (String list : List.of("containers", "initContainers")) {
      for (JsonObject container : pod.spec().objects(list)) {
        for (String name : hard.keySet()) {
          String resource = required(name);
          if (resource.isEmpty()) {
            continue;
          }
          String which = name.startsWith("limits.") ? "limits" : "requests";
          if (!container.object("resources", which).has(resource)) {
            missing.computeIfAbsent(name, _ -> new ArrayList<>()).add(container.text("name"));
          }
        }
      }
    }
    if (!missing.isEmpty()) {
      throw review.forbidden(
          "failed quota: "
              + quota.name()
              + ": must specify "
              + missing.entrySet().stream()
                  .map(entry -> entry.getKey() + " for: " + String.join(",", entry.getValue()))
                  .collect(Collectors.joining("; ")));
    }
  }

  // Amounts.

  private static Map<String, Quantity> amounts(JsonObject json) {
    Map<String, Quantity> amounts = new TreeMap<>();
    json.forEach((name, value) -> amounts.put(name, Quantity.of(value)));
    return amounts;
  }

  private static Map<String, Quantity> minus(
      Map<String, Quantity> amounts, Map<String, Quantity> others) {
    Map<String, Quantity> result = new TreeMap<>(amounts);
    others.forEach(
        (name, amount) -> result.merge(name, Quantity.ZERO.minus(amount), Quantity::plus));
    result.values().removeIf(Quantity::isZero);
    return result;
  }

  private static JsonObject texts(Map<String, Quantity> amounts) {
    JsonObject.Builder texts = JsonObject.builder();
    amounts.forEach((name, amount) -> texts.put(name, new JsonString(amount.toString())));
    return texts.build();
  }
}
