package dev.kedge.controllers;

import dev.kedge.client.Informer;
import dev.kedge.client.KubeClient;
import dev.kedge.model.ApiException;
import dev.kedge.model.JsonObject;
import dev.kedge.model.KubeObject;
import dev.kedge.model.ObjectKey;
import dev.kedge.model.Resources;
import dev.kedge.reconcile.Controller;
import dev.kedge.reconcile.Reconciler;
import java.util.List;
import java.util.Optional;

/** Makes the claims of pods' generic ephemeral volumes; they belong to the pod and go with it. */
final class EphemeralVolumeController implements Reconciler {
  private final KubeClient client;
  private final Informer pods;
  private final Informer claims;

  private EphemeralVolumeController(ControllerContext context) {
    this.client = context.client();
    this.pods = context.informer(Resources.PODS);
    this.claims = context.informer(Resources.PERSISTENT_VOLUME_CLAIMS);
  }

  static Controller create(ControllerContext context) {
    EphemeralVolumeController reconciler = new EphemeralVolumeController(context);
    return Controller.builder("ephemeral-volume", context.timeline(), reconciler)
        .changes(
            reconciler.pods,
            (before, after) ->
                before.isEmpty()
                        && after.isPresent()
                        && after.get().spec().objects("volumes").stream()
                            .anyMatch(volume -> volume.has("ephemeral"))
                    ? List.of(after.get().key())
                    : List.of())
        .reads(reconciler.claims)
        .build();
  }

  @Override
  public Result reconcile(ObjectKey key) throws InterruptedException {
    Optional<KubeObject> pod = pods.get(key);
    if (pod.isEmpty() || pod.get().deleting()) {
      return Result.DONE;
    }
    for (JsonObject volume : pod.get().spec().objects("volumes")) {
      if (!volume.has("ephemeral")) {
        continue;
      }
      JsonObject template = volume.object("ephemeral", "volumeClaimTemplate");
      KubeObject claim =
          new KubeObject(
              JsonObject.of(
                  "apiVersion",
                  "v1",
                  "kind",
                  "PersistentVolumeClaim",
                  "metadata",
                  JsonObject.builder()
                      .put("name", VolumeController.claimName(pod.get(), volume))
                      .put("namespace", key.namespace())
                      .putNonEmpty("labels", template.object("metadata", "labels"))
                      .putNonEmpty("annotations", template.object("metadata", "annotations"))
                      .put(
                          "ownerReferences",
                          List.of(Owners.controllerReference(Resources.PODS, pod.get())))
                      .build(),
                  "spec",
                  template.object("spec")));
      try {
        Writes.createIfAbsent(client, Resources.PERSISTENT_VOLUME_CLAIMS, claims, claim);
      } catch (ApiException e) {
        if (!e.isNamespaceGoing()) {
          throw e;
        }
      }
    }
    return Result.DONE;
  }
}
