package dev.kedge.controllers;

import dev.kedge.client.Events;
import dev.kedge.client.Informer;
import dev.kedge.client.KubeClient;
import dev.kedge.controllers.ScalingBehavior.Outcome;
import dev.kedge.controllers.ScalingMetrics.Proposal;
import dev.kedge.controllers.ScalingMetrics.Question;
import dev.kedge.controllers.ScalingMetrics.UnusableException;
import dev.kedge.model.ApiException;
import dev.kedge.model.JsonObject;
import dev.kedge.model.KubeObject;
import dev.kedge.model.LabelSelector;
import dev.kedge.model.ObjectKey;
import dev.kedge.model.ResourceType;
import dev.kedge.model.Resources;
import dev.kedge.model.Times;
import dev.kedge.reconcile.Controller;
import dev.kedge.reconcile.Reconciler;
import dev.kedge.reconcile.Timeline;
import java.time.Duration;
import java.time.Instant;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.concurrent.ConcurrentHashMap;
import java.util.function.Supplier;

/**
 * Sets the size of what a HorizontalPodAutoscaler points at, every 15 seconds, by what the metrics
 * API says of its pods. What was recommended and done lately is remembered in memory only: after a
 * restart the windows begin anew, as upstream's do.
 */
final class AutoscalerController implements Reconciler {
  private static final Duration PERIOD = Duration.ofSeconds(15);

  private final KubeClient client;
  private final Timeline timeline;
  private final Events events;
  private final Supplier<List<ResourceType>> resources;
  private final Informer autoscalers;
  private final Informer pods;
  private final ScalingMetrics metrics;
  private final Map<ObjectKey, Memory> memories = new ConcurrentHashMap<>();
  private final Map<ObjectKey, LabelSelector> selectors = new ConcurrentHashMap<>();

  private record Memory(String uid, ScalingBehavior behavior) {}

  private AutoscalerController(ControllerContext context, Events events) {
    this.client = context.client();
    this.timeline = context.timeline();
    this.events = events;
    this.resources = context.settings().resources();
    this.autoscalers = context.informer(Resources.HORIZONTAL_POD_AUTOSCALERS);
    this.pods = context.informer(Resources.PODS);
    this.metrics = new ScalingMetrics(client, pods);
  }

  static Controller create(ControllerContext context, Recorders recorders) {
    AutoscalerController reconciler =
        new AutoscalerController(context, recorders.of("horizontal-pod-autoscaler"));
    return Controller.builder("horizontalpodautoscaler", context.timeline(), reconciler)
        // Its own status writes are no news; only the wish, or its end, is.
        .changes(
            reconciler.autoscalers,
            (before, after) ->
                before.map(KubeObject::spec).equals(after.map(KubeObject::spec))
                    ? List.of()
                    : List.of(after.or(() -> before).orElseThrow().key()))
        .reads(reconciler.pods)
        .build();
  }

  @Override
  public Result reconcile(ObjectKey key) {
    Optional<KubeObject> found = autoscalers.get(key);
    if (found.isEmpty() || found.get().deleting()) {
      selectors.remove(key);
      memories.remove(key);
      return Result.DONE;
    }
    new Sync(found.get()).run();
    return Result.again(PERIOD);
  }

  private final class Sync {
    private final KubeObject autoscaler;
    private final JsonObject spec;
    private final Instant now = timeline.instant();
    private final ScalingBehavior behavior;
    private JsonObject status;
    private List<JsonObject> current = List.of();

    Sync(KubeObject autoscaler) {
      this.autoscaler = autoscaler;
      this.spec = autoscaler.spec();
      this.status = autoscaler.status();
      this.behavior =
          memories
              .compute(
                  autoscaler.key(),
                  (_, known) ->
                      known != null && known.uid().equals(autoscaler.uid())
                          ? known
                          : new Memory(autoscaler.uid(), new ScalingBehavior()))
              .behavior();
    }

    void run() {
      Optional<Target> target = target();
      if (target.isEmpty()) {
        write();
        return;
      }
      KubeObject scale = target.get().scale();
      long replicas = scale.spec().integer("replicas");
      long least = spec.integerOr(1, "minReplicas");
      long most = spec.integer("maxReplicas");
      status = status.with("currentReplicas", scale.status().integer("replicas"));
      if (replicas == 0 && least != 0) {
        condition(
            "ScalingActive",
            "False",
            "ScalingDisabled",
            "scaling is disabled since the replica count of the target is zero");
        status = status.with("desiredReplicas", 0);
        write();
        return;
      }
      if (replicas > most) {
        rescale(target.get(), most, "Current number of replicas above Spec.MaxReplicas");
      } else if (replicas < least) {
        rescale(target.get(), least, "Current number of replicas below Spec.MinReplicas");
      } else {
        byMetrics(target.get(), replicas);
      }
      write();
    }

    // ---- the target

    private record Target(ResourceType type, KubeObject scale) {}

    private Optional<Target> target() {
      JsonObject reference = spec.object("scaleTargetRef");
      String apiVersion = reference.text("apiVersion");
      int slash = apiVersion.indexOf('/');
      String group = slash < 0 ? "" : apiVersion.substring(0, slash);
      Optional<ResourceType> type =
          resources.get().stream()
              .filter(one -> one.group().equals(group))
              .filter(one -> one.kind().equals(reference.text("kind")))
              .filter(ResourceType::namespaced)
              .findFirst();
      String problem;
      if (type.isEmpty()) {
        problem =
            "no matches for kind \"" + reference.text("kind") + "\" in group \"" + group + "\"";
      } else {
        try {
          KubeObject scale =
              client.getSubresource(
                  type.get(), autoscaler.namespace(), reference.text("name"), "scale");
          condition(
              "AbleToScale",
              "True",
              "SucceededGetScale",
              "the HPA controller was able to get the target's current scale");
          return Optional.of(new Target(type.get(), scale));
        } catch (ApiException e) {
          problem = e.status().message();
        }
      }
      events.warning(autoscaler, "FailedGetScale", problem);
      condition(
          "AbleToScale",
          "False",
          "FailedGetScale",
          "the HPA controller was unable to get the target's current scale: " + problem);
      return Optional.empty();
    }

    private void rescale(Target target, long size, String reason) {
      long before = target.scale().spec().integer("replicas");
      try {
        client.updateSubresource(
            target.type(), target.scale().withPath(List.of("spec", "replicas"), size), "scale");
      } catch (ApiException e) {
        events.warning(
            autoscaler,
            "FailedRescale",
            "New size: " + size + "; reason: " + reason + "; error: " + e.status().message());
        condition(
            "AbleToScale",
            "False",
            "FailedUpdateScale",
            "the HPA controller was unable to update the target scale: " + e.status().message());
        return;
      }
      behavior.changed(before, size, now);
      condition(
          "AbleToScale",
          "True",
          "SucceededRescale",
          "the HPA controller was able to update the target scale to " + size);
      events.normal(autoscaler, "SuccessfulRescale", "New size: " + size + "; reason: " + reason);
      status = status.with("desiredReplicas", size).with("lastScaleTime", Times.text(now));
    }

    // ---- the metrics

    private void byMetrics(Target target, long replicas) {
      String text = target.scale().status().text("selector");
      Optional<LabelSelector> selector = selector(text);
      if (selector.isEmpty()) {
        return;
      }
      Question question = new Question(autoscaler, selector.get(), text, replicas, now);
      Optional<Proposal> best = Optional.empty();
      Optional<UnusableException> failure = Optional.empty();
      List<JsonObject> statuses = new ArrayList<>();
      List<JsonObject> wanted = spec.objects("metrics");
      int failures = 0;
      for (JsonObject metric : wanted) {
        try {
          Proposal proposal = metrics.propose(question, metric);
          statuses.add(proposal.status());
          if (best.isEmpty() || proposal.replicas() > best.get().replicas()) {
            best = Optional.of(proposal);
          }
        } catch (UnusableException e) {
          failures++;
          events.warning(autoscaler, e.reason(), String.valueOf(e.getMessage()));
          failure = failure.or(() -> Optional.of(e));
        }
      }
      if (failure.isPresent() && (best.isEmpty() || best.get().replicas() < replicas)) {
        // A metric that is missing might ask for more than the others: nothing shrinks without it.
        condition(
            "ScalingActive",
            "False",
            failure.get().reason(),
            "the HPA was unable to compute the replica count: " + failure.get().getMessage());
        events.warning(
            autoscaler,
            "FailedComputeMetricsReplicas",
            "invalid metrics ("
                + failures
                + " invalid out of "
                + wanted.size()
                + "), first error is: "
                + failure.get().getMessage());
        return;
      }
      if (best.isEmpty()) {
        return; // no metric is asked for; validation lets that pass only when defaults are off
      }
      current = statuses;
      Proposal proposal = best.get();
      condition(
          "ScalingActive",
          "True",
          "ValidMetricFound",
          "the HPA was able to successfully calculate a replica count from " + proposal.name());
      Outcome outcome = behavior.follow(autoscaler, replicas, proposal.replicas(), now);
      condition("AbleToScale", "True", outcome.able().reason(), outcome.able().message());
      condition(
          "ScalingLimited",
          outcome.isLimited() ? "True" : "False",
          outcome.limited().reason(),
          outcome.limited().message());
      if (outcome.replicas() == replicas) {
        status = status.with("desiredReplicas", replicas);
      } else {
        rescale(
            target,
            outcome.replicas(),
            proposal.replicas() > replicas
                ? proposal.name() + " above target"
                : "All metrics below target");
      }
    }

    private Optional<LabelSelector> selector(String text) {
      if (text.isEmpty()) {
        events.warning(autoscaler, "SelectorRequired", "selector is required");
        condition(
            "ScalingActive",
            "False",
            "InvalidSelector",
            "the HPA target's scale is missing a selector");
        return Optional.empty();
      }
      LabelSelector selector = LabelSelector.parse(text);
      selectors.put(autoscaler.key(), selector);
      List<KubeObject> mine =
          pods.inNamespace(autoscaler.namespace()).stream()
              .filter(pod -> selector.matches(pod.labels()))
              .toList();
      List<String> rivals =
          selectors.entrySet().stream()
              .filter(entry -> entry.getKey().namespace().equals(autoscaler.namespace()))
              .filter(entry -> autoscalers.get(entry.getKey()).isPresent())
              .filter(
                  entry -> mine.stream().anyMatch(pod -> entry.getValue().matches(pod.labels())))
              .map(entry -> entry.getKey().toString())
              .sorted()
              .toList();
      if (rivals.size() > 1) {
        String problem =
            "pods by selector "
                + text
                + " are controlled by multiple HPAs: ["
                + String.join(" ", rivals)
                + "]";
        events.warning(autoscaler, "AmbiguousSelector", problem);
        condition("ScalingActive", "False", "AmbiguousSelector", problem);
        return Optional.empty();
      }
      return Optional.of(selector);
    }

    // ---- the status

    private void condition(String type, String value, String reason, String message) {
      status =
          status.with("conditions", Conditions.with(status, type, value, reason, message, now));
    }

    private void write() {
      JsonObject.Builder next =
          JsonObject.builder().put("observedGeneration", autoscaler.generation());
      status.get("lastScaleTime").ifPresent(time -> next.put("lastScaleTime", time));
      next.putAll(
              ReplicaSetController.positive("currentReplicas", status.integer("currentReplicas")))
          .put("desiredReplicas", status.integer("desiredReplicas"))
          .putNonEmpty("currentMetrics", current)
          .putNonEmpty("conditions", status.array("conditions"));
      Writes.status(client, Resources.HORIZONTAL_POD_AUTOSCALERS, autoscaler, next.build());
    }
  }
}
