package dev.kedge.controllers;

import dev.kedge.client.Informer;
import dev.kedge.client.KubeClient;
import dev.kedge.client.KubeClient.Selection;
import dev.kedge.model.JsonObject;
import dev.kedge.model.KubeObject;
import dev.kedge.model.ObjectKey;
import dev.kedge.model.ResourceType;
import dev.kedge.model.Resources;
import dev.kedge.reconcile.Controller;
import dev.kedge.reconcile.Reconciler;
import java.util.ArrayList;
import java.util.Collection;
import java.util.List;
import java.util.Optional;
import java.util.Set;
import java.util.function.Predicate;

/**
 * Takes the protection finalizer off claims and volumes that are to go, once no pod uses the claim
 * and no claim is bound to the volume. The API server's admission puts it on.
 */
final class VolumeProtectionController implements Reconciler {
  private final KubeClient client;
  private final ResourceType type;
  private final String finalizer;
  private final Informer objects;
  private final Predicate<KubeObject> used;

  private VolumeProtectionController(
      ControllerContext context,
      ResourceType type,
      String finalizer,
      Informer objects,
      Predicate<KubeObject> used) {
    this.client = context.client();
    this.type = type;
    this.finalizer = finalizer;
    this.objects = objects;
    this.used = used;
  }

  static Controller claims(ControllerContext context) {
    Informer pods = context.informer(Resources.PODS);
    Informer claims = context.informer(Resources.PERSISTENT_VOLUME_CLAIMS);
    return Controller.builder(
            "pvc-protection",
            context.timeline(),
            new VolumeProtectionController(
                context,
                Resources.PERSISTENT_VOLUME_CLAIMS,
                "kubernetes.io/pvc-protection",
                claims,
                // The informer may not have heard of the newest pod; a claim taken away under it is
                // not to be mended, so the last word has the server.
                claim ->
                    uses(pods.inNamespace(claim.namespace()), claim)
                        || uses(
                            context
                                .client()
                                .list(Resources.PODS, claim.namespace(), Selection.ALL)
                                .items(),
                            claim)))
        .watches(claims)
        .watches(pods, VolumeProtectionController::claims)
        .build();
  }

  static Controller volumes(ControllerContext context) {
    Informer volumes = context.informer(Resources.PERSISTENT_VOLUMES);
    return Controller.builder(
            "pv-protection",
            context.timeline(),
            new VolumeProtectionController(
                context,
                Resources.PERSISTENT_VOLUMES,
                "kubernetes.io/pv-protection",
                volumes,
                volume -> volume.status().text("phase").equals("Bound")))
        .watches(volumes)
        .build();
  }

  private static boolean uses(Collection<KubeObject> pods, KubeObject claim) {
    return pods.stream().anyMatch(pod -> runs(pod) && claims(pod).contains(claim.key()));
  }

  /** Whether a pod may have volumes mounted: it has a node and has not come to its end. */
  private static boolean runs(KubeObject pod) {
    return !pod.spec().text("nodeName").isEmpty()
        && !Set.of("Succeeded", "Failed").contains(pod.status().text("phase"));
  }

  private static List<ObjectKey> claims(KubeObject pod) {
    List<ObjectKey> keys = new ArrayList<>();
    for (JsonObject volume : pod.spec().objects("volumes")) {
      String claim = volume.text("persistentVolumeClaim", "claimName");
      if (volume.has("ephemeral")) {
        claim = pod.name() + "-" + volume.text("name");
      }
      if (!claim.isEmpty()) {
        keys.add(new ObjectKey(pod.namespace(), claim));
      }
    }
    return keys;
  }

  @Override
  public Result reconcile(ObjectKey key) {
    Optional<KubeObject> found = objects.get(key);
    if (found.isEmpty()
        || !found.get().deleting()
        || !found.get().finalizers().contains(finalizer)
        || used.test(found.get())) {
      return Result.DONE;
    }
    List<String> finalizers = new ArrayList<>(found.get().finalizers());
    finalizers.remove(finalizer);
    client.update(type, found.get().withMetadata("finalizers", finalizers));
    return Result.DONE;
  }
}
