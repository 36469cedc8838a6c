package dev.kedge.controllers;

import dev.kedge.client.Events;
import dev.kedge.client.Informer;
import dev.kedge.client.KubeClient;
import dev.kedge.model.ApiException;
import dev.kedge.model.JsonObject;
import dev.kedge.model.KubeObject;
import dev.kedge.model.LabelSelector;
import dev.kedge.model.ObjectKey;
import dev.kedge.model.ResourceType;
import dev.kedge.model.Resources;
import dev.kedge.reconcile.Controller;
import dev.kedge.reconcile.Reconciler;
import dev.kedge.reconcile.Timeline;
import java.time.Duration;
import java.time.Instant;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.function.Supplier;

/** Keeps count of how many more pods of each PodDisruptionBudget may be evicted. */
final class DisruptionController implements Reconciler {
  /** How long an eviction that was allowed may take to show. */
  private static final Duration EVICTION_TIMEOUT = Duration.ofMinutes(2);

  private final KubeClient client;
  private final Timeline timeline;
  private final Events events;
  private final Informer budgets;
  private final Informer pods;
  private final Map<String, Informer> owners = new HashMap<>();
  private final Supplier<List<ResourceType>> resources;

  private DisruptionController(ControllerContext context, Events events) {
    this.client = context.client();
    this.timeline = context.timeline();
    this.events = events;
    this.budgets = context.informer(Resources.POD_DISRUPTION_BUDGETS);
    this.pods = context.informer(Resources.PODS);
    this.resources = context.settings().resources();
    for (ResourceType type :
        List.of(
            Resources.REPLICA_SETS,
            Resources.REPLICATION_CONTROLLERS,
            Resources.STATEFUL_SETS,
            Resources.DEPLOYMENTS)) {
      owners.put(type.kind(), context.informer(type));
    }
  }

  static Controller create(ControllerContext context, Recorders recorders) {
    DisruptionController reconciler =
        new DisruptionController(context, recorders.of("controllermanager"));
    return Controller.builder("disruption", context.timeline(), reconciler)
        .watches(reconciler.budgets)
        .watches(reconciler.pods, reconciler::budgetsOf)
        .reads(reconciler.owners.values().toArray(Informer[]::new))
        .build();
  }

  private List<ObjectKey> budgetsOf(KubeObject pod) {
    return budgets.inNamespace(pod.namespace()).stream()
        .filter(budget -> selects(budget, pod))
        .map(KubeObject::key)
        .toList();
  }

  private static boolean selects(KubeObject budget, KubeObject pod) {
    return budget.spec().find("selector").isPresent()
        && LabelSelector.of(budget.spec().object("selector")).matches(pod.labels());
  }

  @Override
  public Result reconcile(ObjectKey key) throws InterruptedException {
    Optional<KubeObject> found = budgets.get(key);
    if (found.isEmpty() || found.get().deleting()) {
      return Result.DONE;
    }
    KubeObject budget = found.get();
    JsonObject spec = budget.spec();
    Instant now = timeline.instant();
    List<KubeObject> selected =
        pods.inNamespace(key.namespace()).stream()
            .filter(pod -> !PodState.ended(pod) && selects(budget, pod))
            .toList();
    long expected;
    long desired;
    if (spec.find("maxUnavailable").isPresent()) {
      expected = scale(budget, selected);
      long down = DeploymentSets.share(spec.find("maxUnavailable").orElseThrow(), expected, true);
      desired = Math.max(0, expected - down);
    } else {
      Optional<dev.kedge.model.JsonValue> least = spec.find("minAvailable");
      boolean percent = least.isPresent() && least.get() instanceof dev.kedge.model.JsonString;
      expected = percent ? scale(budget, selected) : selected.size();
      desired = least.map(value -> DeploymentSets.share(value, expected, true)).orElse(1L);
    }
    Result result = Result.DONE;
    Map<String, Object> disrupted = new HashMap<>();
    JsonObject before = budget.status().object("disruptedPods");
    for (int i = 0; i < before.size(); i++) {
      String name = before.nameAt(i);
      Instant since = Writes.instant(before.text(name));
      boolean still = selected.stream().anyMatch(pod -> pod.name().equals(name) && !pod.deleting());
      Duration left = timeline.until(since.plus(EVICTION_TIMEOUT));
      if (still && left.isPositive()) {
        disrupted.put(name, before.text(name));
        result = result.sooner(Result.again(left));
      }
    }
    long healthy =
        selected.stream()
            .filter(pod -> !pod.deleting() && PodState.ready(pod))
            .filter(pod -> !disrupted.containsKey(pod.name()))
            .count();
    long allowed = expected > 0 ? Math.max(0, healthy - desired) : 0;
    List<JsonObject> conditions =
        Conditions.with(
                budget.status(),
                "DisruptionAllowed",
                allowed > 0 ? "True" : "False",
                allowed > 0 ? "SufficientPods" : "InsufficientPods",
                "",
                now)
            .stream()
            .map(c -> c.with("observedGeneration", budget.generation()))
            .toList();
    JsonObject.Builder status =
        JsonObject.builder()
            .put("observedGeneration", budget.generation())
            .putNonEmpty("disruptedPods", disrupted)
            .put("disruptionsAllowed", allowed)
            .put("currentHealthy", healthy)
            .put("desiredHealthy", desired)
            .put("expectedPods", expected)
            .put("conditions", conditions);
    if (selected.isEmpty()) {
      events.normal(budget, "NoPods", "No matching pods found");
    }
    Writes.status(client, Resources.POD_DISRUPTION_BUDGETS, budget, status.build());
    return result;
  }

  /** How many pods the controllers of these pods want in all. */
  private long scale(KubeObject budget, List<KubeObject> selected) {
    long sum = 0;
    Set<String> seen = new HashSet<>();
    boolean unmanaged = false;
    for (KubeObject pod : selected) {
      Optional<JsonObject> reference = pod.controller();
      if (reference.isEmpty()) {
        unmanaged = true;
        continue;
      }
      Optional<KubeObject> owner = owner(pod);
      // A ReplicaSet speaks for its Deployment.
      Optional<KubeObject> top = owner.flatMap(this::owner).or(() -> owner);
      String uid = top.map(KubeObject::uid).orElse(reference.get().text("uid"));
      if (seen.add(uid)) {
        sum +=
            top.map(found -> found.spec().integerOr(1, "replicas"))
                .orElseGet(() -> foreignScale(pod.namespace(), reference.get()));
      }
    }
    if (unmanaged) {
      events.warning(
          budget,
          "UnmanagedPods",
          "Pods selected by this PodDisruptionBudget (selector: "
              + LabelSelector.of(budget.spec().object("selector"))
              + ") were found to be unmanaged. As a result, the status of the PDB cannot be"
              + " calculated correctly, which may result in undefined behavior. To account for"
              + " these pods please set \".spec.minAvailable\" field of the PDB to an integer"
              + " value.");
    }
    return sum;
  }

  /** What a controller of another kind wants, if it has a scale to tell. */
  private long foreignScale(String namespace, JsonObject reference) {
    String apiVersion = reference.text("apiVersion");
    return resources.get().stream()
        .filter(type -> type.namespaced() && type.apiVersion().equals(apiVersion))
        .filter(type -> type.kind().equals(reference.text("kind")))
        .findFirst()
        .map(
            type -> {
              try {
                return client
                    .getSubresource(type, namespace, reference.text("name"), "scale")
                    .spec()
                    .integer("replicas");
              } catch (ApiException e) {
                if (e.isNotFound()) {
                  return 0L; // no scale, or gone: then it wants nothing
                }
                throw e;
              }
            })
        .orElse(0L);
  }

  private Optional<KubeObject> owner(KubeObject object) {
    return object
        .controller()
        .flatMap(
            reference ->
                Optional.ofNullable(owners.get(reference.text("kind")))
                    .flatMap(informer -> informer.get(object.namespace(), reference.text("name"))));
  }
}
