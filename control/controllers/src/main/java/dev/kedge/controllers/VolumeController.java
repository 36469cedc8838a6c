package dev.kedge.controllers;

import static dev.kedge.scheduler.VolumeMatch.BIND_COMPLETED;
import static dev.kedge.scheduler.VolumeMatch.SELECTED_NODE;

import dev.kedge.client.Events;
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
import dev.kedge.scheduler.VolumeMatch;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;

/**
 * Binds claims to volumes, releases volumes whose claim is gone, and protects both from being
 * removed while they are in use. Volumes themselves are made and wiped by provisioners (for {@code
 * rancher.io/local-path} the node agent), which this controller only asks: by annotations on the
 * claim, and by the phase Released.
 *
 * <p>Keys with a namespace are claims, those without are volumes. One at a time, so that no volume
 * is given away twice.
 */
final class VolumeController implements Reconciler {
  private static final String BOUND_BY_CONTROLLER = "pv.kubernetes.io/bound-by-controller";
  private static final String PROVISIONED_BY = "pv.kubernetes.io/provisioned-by";
  private static final String PROVISIONER = "volume.kubernetes.io/storage-provisioner";
  private static final String OLD_PROVISIONER = "volume.beta.kubernetes.io/storage-provisioner";
  private static final String CLAIM_PROTECTION = "kubernetes.io/pvc-protection";
  private static final String VOLUME_PROTECTION = "kubernetes.io/pv-protection";

  private final KubeClient client;
  private final Events events;
  private final Informer claims;
  private final Informer volumes;
  private final Informer classes;
  private final Informer pods;

  private VolumeController(ControllerContext context, Events events) {
    this.client = context.client();
    this.events = events;
    this.claims = context.informer(Resources.PERSISTENT_VOLUME_CLAIMS);
    this.volumes = context.informer(Resources.PERSISTENT_VOLUMES);
    this.classes = context.informer(Resources.STORAGE_CLASSES);
    this.pods = context.informer(Resources.PODS);
  }

  static Controller create(ControllerContext context, Recorders recorders) {
    VolumeController reconciler =
        new VolumeController(context, recorders.of("persistentvolume-controller"));
    return Controller.builder("persistentvolume", context.timeline(), reconciler)
        .workers(1)
        .watches(reconciler.claims, reconciler::concernedByClaim)
        .watches(reconciler.volumes, reconciler::concernedByVolume)
        .watches(reconciler.classes, _ -> reconciler.unboundClaims())
        .changes(reconciler.pods, reconciler::concernedByPod)
        .build();
  }

  private List<ObjectKey> concernedByClaim(KubeObject claim) {
    String volume = claim.spec().text("volumeName");
    return volume.isEmpty()
        ? List.of(claim.key())
        : List.of(claim.key(), Writes.clusterKey(volume));
  }

  private List<ObjectKey> concernedByVolume(KubeObject volume) {
    List<ObjectKey> keys = new ArrayList<>();
    keys.add(volume.key());
    JsonObject reference = volume.spec().object("claimRef");
    if (reference.isEmpty()) {
      keys.addAll(unboundClaims());
    } else {
      keys.add(new ObjectKey(reference.text("namespace"), reference.text("name")));
    }
    return keys;
  }

  private List<ObjectKey> unboundClaims() {
    return claims.all().stream()
        .filter(claim -> !VolumeMatch.bound(claim))
        .map(KubeObject::key)
        .toList();
  }

  /** A pod that starts to need a claim, or ends to. */
  private List<ObjectKey> concernedByPod(Optional<KubeObject> before, Optional<KubeObject> after) {
    KubeObject pod = after.or(() -> before).orElseThrow();
    boolean news = before.isEmpty() || after.isEmpty() || PodState.ended(pod);
    if (!news) {
      return List.of();
    }
    List<ObjectKey> keys = new ArrayList<>();
    for (JsonObject volume : pod.spec().objects("volumes")) {
      String name = claimName(pod, volume);
      if (!name.isEmpty()) {
        keys.add(new ObjectKey(pod.namespace(), name));
      }
    }
    return keys;
  }

  static String claimName(KubeObject pod, JsonObject volume) {
    return volume.has("ephemeral")
        ? pod.name() + "-" + volume.text("name")
        : volume.text("persistentVolumeClaim", "claimName");
  }

  @Override
  public Result reconcile(ObjectKey key) throws InterruptedException {
    if (key.namespace().isEmpty()) {
      Optional<KubeObject> volume = volumes.get(key);
      if (volume.isPresent()) {
        volume(volume.get());
      }
    } else {
      Optional<KubeObject> claim = claims.get(key);
      if (claim.isPresent()) {
        claim(claim.get());
      }
    }
    return Result.DONE;
  }

  // ---- claims

  private void claim(KubeObject found) throws InterruptedException {
    KubeObject claim = found;
    if (claim.deleting()) {
      if (claim.finalizers().contains(CLAIM_PROTECTION) && !inUse(claim)) {
        finalizers(
            true,
            claim,
            claim.finalizers().stream().filter(f -> !f.equals(CLAIM_PROTECTION)).toList());
      }
      return;
    }
    if (!claim.finalizers().contains(CLAIM_PROTECTION)) {
      List<String> more = new ArrayList<>(claim.finalizers());
      more.add(CLAIM_PROTECTION);
      claim = finalizers(true, claim, more);
    }
    String volumeName = claim.spec().text("volumeName");
    if (VolumeMatch.bound(claim)) {
      bound(claim, volumeName);
    } else if (volumeName.isEmpty()) {
      unbound(claim);
    } else {
      Optional<KubeObject> volume = volumes.get("", volumeName);
      if (volume.isEmpty()) {
        phase(claim, "Pending");
      } else if (volume.get().spec().find("claimRef").isEmpty()
          || VolumeMatch.reservedFor(volume.get(), claim)) {
        bind(claim, volume.get());
      } else {
        phase(claim, "Pending");
        events.warning(
            claim,
            "FailedBinding",
            "volume \"" + volumeName + "\" already bound to a different claim.");
      }
    }
  }

  private void bound(KubeObject claim, String volumeName) throws InterruptedException {
    Optional<KubeObject> volume = volumes.get("", volumeName);
    if (volume.isEmpty()) {
      if (!claim.status().text("phase").equals("Lost")) {
        phase(claim, "Lost");
        events.warning(
            claim,
            "ClaimLost",
            "Bound claim has lost its PersistentVolume. Data on the volume is lost!");
      }
    } else if (volume.get().spec().find("claimRef").isEmpty()
        || VolumeMatch.reservedFor(volume.get(), claim)) {
      bind(claim, volume.get());
    } else if (!claim.status().text("phase").equals("Lost")) {
      phase(claim, "Lost");
      events.warning(
          claim,
          "ClaimMisbound",
          "Two claims are bound to the same volume, this one is bound incorrectly");
    }
  }

  private void unbound(KubeObject claim) throws InterruptedException {
    String className = VolumeMatch.storageClass(claim);
    Optional<KubeObject> storageClass = classes.get("", className);
    boolean waits =
        storageClass
                .map(c -> c.json().text("volumeBindingMode").equals("WaitForFirstConsumer"))
                .orElse(false)
            && claim.annotation(SELECTED_NODE).isEmpty();
    Optional<KubeObject> volume =
        VolumeMatch.best(volumes.all(), claim, Optional.empty())
            // A class that waits leaves the choice to the scheduler, but for a volume already
            // reserved.
            .filter(v -> !waits || v.spec().find("claimRef").isPresent());
    if (volume.isPresent() && claim.annotation(SELECTED_NODE).isEmpty()
        || volume.isPresent() && volume.get().spec().find("claimRef").isPresent()) {
      bind(claim, volume.get());
      return;
    }
    phase(claim, "Pending");
    if (waits) {
      events.normal(
          claim, "WaitForFirstConsumer", "waiting for first consumer to be created before binding");
      return;
    }
    String provisioner = storageClass.map(c -> c.json().text("provisioner")).orElse("");
    if (provisioner.isEmpty()) {
      if (className.isEmpty()) {
        events.normal(
            claim,
            "FailedBinding",
            "no persistent volumes available for this claim and no storage class is set");
      } else {
        events.warning(
            claim,
            "ProvisioningFailed",
            "storageclass.storage.k8s.io \"" + className + "\" not found");
      }
    } else if (!provisioner.equals("kubernetes.io/no-provisioner")) {
      if (!claim.annotation(PROVISIONER).orElse("").equals(provisioner)) {
        Writes.awaitSeen(
            claims,
            client.patch(
                Resources.PERSISTENT_VOLUME_CLAIMS,
                claim.namespace(),
                claim.name(),
                Patch.merge(
                    JsonObject.of(
                        "metadata",
                        JsonObject.of(
                            "annotations",
                            JsonObject.of(
                                PROVISIONER, provisioner, OLD_PROVISIONER, provisioner))))));
      }
      events.normal(
          claim,
          "ExternalProvisioning",
          "Waiting for a volume to be created either by the external provisioner '"
              + provisioner
              + "' or manually by the system administrator. If volume creation is delayed, please"
              + " verify that the provisioner is running and correctly registered.");
    }
  }

  /** Ties both sides together; each step alone is safe to repeat. */
  private void bind(KubeObject claim, KubeObject found) throws InterruptedException {
    KubeObject volume = found;
    JsonObject reference = volume.spec().object("claimRef");
    if (reference.text("uid").isEmpty()) {
      KubeObject tied =
          volume.with(
              "spec",
              volume
                  .spec()
                  .with(
                      "claimRef",
                      JsonObject.builder()
                          .putAll(reference)
                          .put("kind", "PersistentVolumeClaim")
                          .put("apiVersion", "v1")
                          .put("namespace", claim.namespace())
                          .put("name", claim.name())
                          .put("uid", claim.uid())
                          .put("resourceVersion", claim.resourceVersion())
                          .build()));
      if (reference.isEmpty()) {
        tied = tied.withPath(List.of("metadata", "annotations", BOUND_BY_CONTROLLER), "yes");
      }
      volume = client.update(Resources.PERSISTENT_VOLUMES, tied);
      Writes.awaitSeen(volumes, volume);
    }
    volumePhase(volume, "Bound");
    KubeObject bound = claim;
    if (!VolumeMatch.bound(claim)) {
      if (claim.spec().text("volumeName").isEmpty()) {
        bound =
            bound
                .with("spec", claim.spec().with("volumeName", volume.name()))
                .withPath(List.of("metadata", "annotations", BOUND_BY_CONTROLLER), "yes");
      }
      bound = bound.withPath(List.of("metadata", "annotations", BIND_COMPLETED), "yes");
      bound = client.update(Resources.PERSISTENT_VOLUME_CLAIMS, bound);
      Writes.awaitSeen(claims, bound);
    }
    JsonObject status =
        bound
            .status()
            .with("phase", "Bound")
            .with("accessModes", volume.spec().array("accessModes"))
            .with("capacity", volume.spec().object("capacity"));
    if (!bound.status().text("phase").equals("Bound")) {
      Writes.awaitSeen(
          claims, Writes.status(client, Resources.PERSISTENT_VOLUME_CLAIMS, bound, status));
    }
  }

  private void phase(KubeObject claim, String phase) throws InterruptedException {
    if (!claim.status().text("phase").equals(phase)) {
      Writes.awaitSeen(
          claims,
          Writes.status(
              client,
              Resources.PERSISTENT_VOLUME_CLAIMS,
              claim,
              claim.status().with("phase", phase)));
    }
  }

  private boolean inUse(KubeObject claim) {
    return pods.inNamespace(claim.namespace()).stream()
        .filter(pod -> !PodState.ended(pod))
        // A pod without a node that is going will never use it.
        .filter(pod -> !pod.deleting() || !pod.spec().text("nodeName").isEmpty())
        .anyMatch(
            pod ->
                pod.spec().objects("volumes").stream()
                    .anyMatch(volume -> claimName(pod, volume).equals(claim.name())));
  }

  private KubeObject finalizers(boolean isClaim, KubeObject object, List<String> finalizers)
      throws InterruptedException {
    KubeObject written =
        client.patch(
            isClaim ? Resources.PERSISTENT_VOLUME_CLAIMS : Resources.PERSISTENT_VOLUMES,
            object.namespace(),
            object.name(),
            Patch.merge(
                JsonObject.of(
                    "metadata",
                    JsonObject.of(
                        "resourceVersion", object.resourceVersion(), "finalizers", finalizers))));
    Writes.awaitSeen(isClaim ? claims : volumes, written);
    return written;
  }

  // ---- volumes

  private void volume(KubeObject found) throws InterruptedException {
    KubeObject volume = found;
    JsonObject reference = volume.spec().object("claimRef");
    Optional<KubeObject> claim =
        reference.isEmpty()
            ? Optional.empty()
            : claims.get(reference.text("namespace"), reference.text("name"));
    boolean held =
        claim.isPresent()
            && (reference.text("uid").isEmpty() || reference.text("uid").equals(claim.get().uid()));
    if (volume.deleting()) {
      if (volume.finalizers().contains(VOLUME_PROTECTION)
          && !volume.status().text("phase").equals("Bound")) {
        finalizers(
            false,
            volume,
            volume.finalizers().stream().filter(f -> !f.equals(VOLUME_PROTECTION)).toList());
        return;
      }
      if (held) {
        return;
      }
    } else if (!volume.finalizers().contains(VOLUME_PROTECTION)) {
      List<String> more = new ArrayList<>(volume.finalizers());
      more.add(VOLUME_PROTECTION);
      volume = finalizers(false, volume, more);
    }
    if (reference.isEmpty() || reference.text("uid").isEmpty()) {
      volumePhase(volume, "Available");
      return;
    }
    if (held) {
      return; // the claim's run sets the phase
    }
    // The view may be older than the claim: ask before its data is given up.
    Optional<KubeObject> live =
        client.find(
            Resources.PERSISTENT_VOLUME_CLAIMS,
            reference.text("namespace"),
            reference.text("name"));
    if (live.isPresent() && live.get().uid().equals(reference.text("uid"))) {
      return;
    }
    volumePhase(volume, "Released");
    reclaim(volume);
  }

  private void reclaim(KubeObject volume) {
    String policy = volume.spec().text("persistentVolumeReclaimPolicy");
    if (policy.equals("Delete") && volume.annotation(PROVISIONED_BY).isEmpty()) {
      // Nobody would wipe it: a hand-made volume of a kind without a deleter.
      events.warning(
          volume,
          "VolumeFailedDelete",
          "error getting deleter volume plugin for volume \""
              + volume.name()
              + "\": no deletable volume plugin matched");
      volumePhase(volume, "Failed");
    } else if (policy.equals("Recycle")) {
      events.warning(volume, "VolumeFailedRecycle", "recycling is not supported");
      volumePhase(volume, "Failed");
    }
  }

  private void volumePhase(KubeObject volume, String phase) {
    if (volume.status().text("phase").equals(phase)
        || phase.equals("Released") && volume.status().text("phase").equals("Failed")) {
      return;
    }
    try {
      client.patch(
          Resources.PERSISTENT_VOLUMES,
          "",
          volume.name(),
          Patch.mergeStatus(JsonObject.of("phase", phase)));
    } catch (ApiException e) {
      if (!e.isNotFound()) {
        throw e;
      }
    }
  }
}
