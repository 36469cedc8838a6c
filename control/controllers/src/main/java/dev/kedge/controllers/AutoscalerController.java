package dev.kedge.controllers;

import dev.kedge.client.Events;
import dev.kedge.client.Informer;
import dev.kedge.client.KubeClient;
import dev.kedge.model.JsonObject;
import dev.kedge.model.KubeObject;
import dev.kedge.model.ObjectKey;
import dev.kedge.model.Resources;
import dev.kedge.reconcile.Controller;
import dev.kedge.reconcile.Reconciler;
import dev.kedge.reconcile.Timeline;
import java.util.Optional;

/**
 * Says on every HorizontalPodAutoscaler that nothing is scaled: there is no metrics API to scale
 * by. Takes the place of an autoscaler until there is one, so that nobody waits in vain.
 */
final class AutoscalerController implements Reconciler {
  private static final String MESSAGE =
      "the HPA was unable to compute the replica count: no metrics API is served by this cluster";

  private final KubeClient client;
  private final Timeline timeline;
  private final Events events;
  private final Informer autoscalers;

  private AutoscalerController(ControllerContext context, Events events) {
    this.client = context.client();
    this.timeline = context.timeline();
    this.events = events;
    this.autoscalers = context.informer(Resources.HORIZONTAL_POD_AUTOSCALERS);
  }

  static Controller create(ControllerContext context, Recorders recorders) {
    AutoscalerController reconciler =
        new AutoscalerController(context, recorders.of("horizontal-pod-autoscaler"));
    return Controller.builder("horizontalpodautoscaler", context.timeline(), reconciler)
        .watches(reconciler.autoscalers)
        .build();
  }

  @Override
  public Result reconcile(ObjectKey key) {
    Optional<KubeObject> found = autoscalers.get(key);
    if (found.isEmpty() || found.get().deleting()) {
      return Result.DONE;
    }
    KubeObject autoscaler = found.get();
    boolean told =
        Conditions.find(autoscaler.status(), "ScalingActive")
            .map(condition -> condition.text("message").equals(MESSAGE))
            .orElse(false);
    if (told) {
      return Result.DONE;
    }
    JsonObject status =
        autoscaler
            .status()
            .with(
                "conditions",
                Conditions.with(
                    autoscaler.status(),
                    "ScalingActive",
                    "False",
                    "FailedGetResourceMetric",
                    MESSAGE,
                    timeline.instant()))
            .with("desiredReplicas", autoscaler.status().integer("desiredReplicas"));
    Writes.status(client, Resources.HORIZONTAL_POD_AUTOSCALERS, autoscaler, status);
    events.warning(autoscaler, "FailedGetResourceMetric", MESSAGE);
    return Result.DONE;
  }
}
