package dev.kedge.scheduler;

import dev.kedge.client.Informer;
import dev.kedge.client.Informers;
import dev.kedge.client.KubeClient;
import dev.kedge.client.KubeClient.Patch;
import dev.kedge.model.JsonObject;
import dev.kedge.model.KubeObject;
import dev.kedge.model.ObjectKey;
import dev.kedge.model.Resources;
import dev.kedge.scheduler.Filter.Refusal;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collection;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;

/**
 * Pods and their claims: bound volumes tie a pod to nodes; claims whose class waits for the first
 * consumer are bound or provisioned for the node that the scheduler picks, before the pod is bound.
 */
final class Volumes {
  private static final Duration PATIENCE = Duration.ofMinutes(10);

  private final KubeClient client;
  private final Informer claims;
  private final Informer volumes;
  private final Informer classes;
  private final Map<String, ObjectKey> assumed = new HashMap<>();

  Volumes(KubeClient client, Informers informers) {
    this.client = client;
    this.claims = informers.of(Resources.PERSISTENT_VOLUME_CLAIMS);
    this.volumes = informers.of(Resources.PERSISTENT_VOLUMES);
    this.classes = informers.of(Resources.STORAGE_CLASSES);
  }

  /** The informers this reads. */
  List<Informer> informers() {
    return List.of(claims, volumes, classes);
  }

  /** Binding was given up; the pod is tried again. */
  static final class GivenUpException extends RuntimeException {
    GivenUpException(String message) {
      super(message);
    }
  }

  /**
   * What a pod's claims mean for a decision.
   *
   * @param refusal why the pod can run nowhere for now
   */
  record Wishes(
      Optional<String> refusal, List<KubeObject> bound, List<Waiting> waiting, boolean exclusive) {
    static final Wishes NONE = new Wishes(Optional.empty(), List.of(), List.of(), false);

    Optional<Refusal> refuse(PodInfo pod, NodeInfo node) {
      Map<String, String> labels = node.spec().labels();
      for (KubeObject volume : bound) {
        if (!VolumeMatch.usableFrom(volume, labels, node.name())) {
          return Refusal.lasting("node(s) didn't match PersistentVolume's node affinity");
        }
        for (String key : List.of("topology.kubernetes.io/zone", "topology.kubernetes.io/region")) {
          String zones = volume.labels().get(key);
          String zone = labels.get(key);
          if (zones != null
              && zone != null
              && !Arrays.asList(zones.split("__", -1)).contains(zone)) {
            return Refusal.lasting("node(s) had no available volume zone");
          }
        }
      }
      for (Waiting claim : waiting) {
        if (!claim.possibleOn(node)) {
          return Refusal.lasting("node(s) didn't find available persistent volumes to bind");
        }
      }
      if (exclusive) {
        for (PodInfo other : node.pods()) {
          if (other.key().namespace().equals(pod.key().namespace())
              && other.claims().stream()
                  .anyMatch(
                      claim ->
                          pod.claims().stream()
                              .anyMatch(mine -> mine.name().equals(claim.name())))) {
            return Refusal.passing(
                "node has pod using PersistentVolumeClaim with the same name and ReadWriteOncePod"
                    + " access mode");
          }
        }
      }
      return Optional.empty();
    }
  }

  /**
   * A claim that waits for its first consumer.
   *
   * @param candidates volumes that could be had now
   */
  record Waiting(KubeObject claim, KubeObject storageClass, Collection<KubeObject> candidates) {
    boolean possibleOn(NodeInfo node) {
      Optional<String> selected = claim.annotation(VolumeMatch.SELECTED_NODE);
      if (selected.isPresent() && !selected.get().equals(node.name())) {
        return false;
      }
      return choose(node).isPresent() || provisionable(node);
    }

    Optional<KubeObject> choose(NodeInfo node) {
      return VolumeMatch.best(
          candidates,
          claim,
          Optional.of(new VolumeMatch.NodeName(node.spec().labels(), node.name())));
    }

    private boolean provisionable(NodeInfo node) {
      if (storageClass.json().text("provisioner").equals("kubernetes.io/no-provisioner")) {
        return false;
      }
      List<JsonObject> allowed = storageClass.json().objects("allowedTopologies");
      return allowed.isEmpty()
          || allowed.stream()
              .anyMatch(
                  term ->
                      term.objects("matchLabelExpressions").stream()
                          .allMatch(
                              expression ->
                                  expression
                                      .strings("values")
                                      .contains(
                                          node.spec()
                                              .labels()
                                              .getOrDefault(expression.text("key"), ""))));
    }
  }

  /** Looks a pod's claims up. */
  Wishes wishes(PodInfo pod) {
    if (pod.claims().isEmpty()) {
      return Wishes.NONE;
    }
    List<KubeObject> bound = new ArrayList<>();
    List<Waiting> waiting = new ArrayList<>();
    boolean exclusive = false;
    for (PodInfo.Claim wanted : pod.claims()) {
      Optional<KubeObject> found = claims.get(pod.key().namespace(), wanted.name());
      if (found.isEmpty()) {
        return refused(
            wanted.ephemeral()
                ? "waiting for ephemeral volume controller to create the persistentvolumeclaim \""
                    + wanted.name()
                    + "\""
                : "persistentvolumeclaim \"" + wanted.name() + "\" not found");
      }
      KubeObject claim = found.get();
      if (claim.deleting()) {
        return refused("persistentvolumeclaim \"" + wanted.name() + "\" is being deleted");
      }
      if (claim.status().text("phase").equals("Lost")) {
        return refused(
            "persistentvolumeclaim \""
                + wanted.name()
                + "\" bound to non-existent persistentvolume \""
                + claim.spec().text("volumeName")
                + "\"");
      }
      if (wanted.ephemeral()
          && claim.ownerReferences().stream()
              .noneMatch(owner -> owner.text("uid").equals(pod.uid()))) {
        return refused(
            "PVC " + claim.key() + " was not created for pod " + pod.key() + " (pod is not owner)");
      }
      exclusive |= claim.spec().strings("accessModes").contains("ReadWriteOncePod");
      if (VolumeMatch.bound(claim)) {
        Optional<KubeObject> volume = volumes.get("", claim.spec().text("volumeName"));
        if (volume.isEmpty()) {
          return refused(
              "node(s) unavailable due to one or more pvc(s) bound to non-existent pv(s)");
        }
        bound.add(volume.get());
        continue;
      }
      Optional<KubeObject> storageClass = classes.get("", VolumeMatch.storageClass(claim));
      if (storageClass.isEmpty()
          || !claim.spec().text("volumeName").isEmpty()
          || !storageClass.get().json().text("volumeBindingMode").equals("WaitForFirstConsumer")) {
        return refused("pod has unbound immediate PersistentVolumeClaims");
      }
      waiting.add(new Waiting(claim, storageClass.get(), free(claim)));
    }
    return new Wishes(Optional.empty(), bound, waiting, exclusive);
  }

  private List<KubeObject> free(KubeObject claim) {
    synchronized (assumed) {
      return volumes.all().stream()
          .filter(
              volume -> {
                ObjectKey holder = assumed.get(volume.name());
                return holder == null || holder.equals(claim.key());
              })
          .toList();
    }
  }

  private static Wishes refused(String reason) {
    return new Wishes(Optional.of(reason), List.of(), List.of(), false);
  }

  /** What is to be done before the pod is bound: each claim with the volume chosen for it. */
  record Plan(String node, Map<ObjectKey, Optional<String>> choices) {}

  /** Chooses volumes for a node and keeps others from choosing them too. */
  Plan reserve(Wishes wishes, NodeInfo node) {
    Map<ObjectKey, Optional<String>> choices = new HashMap<>();
    for (Waiting waiting : wishes.waiting()) {
      Optional<String> volume = waiting.choose(node).map(KubeObject::name);
      choices.put(waiting.claim().key(), volume);
      synchronized (assumed) {
        volume.ifPresent(name -> assumed.put(name, waiting.claim().key()));
      }
    }
    return new Plan(node.name(), choices);
  }

  /** Gives reserved volumes free again; harmless when binding succeeded, the claims show it. */
  void release(Plan plan) {
    synchronized (assumed) {
      plan.choices().values().forEach(volume -> volume.ifPresent(assumed::remove));
    }
  }

  /**
   * Binds the claims and waits until it is done.
   *
   * @throws GivenUpException if it cannot be or takes too long
   */
  void bind(Plan plan) throws InterruptedException {
    if (plan.choices().isEmpty()) {
      return;
    }
    for (Map.Entry<ObjectKey, Optional<String>> choice : plan.choices().entrySet()) {
      ObjectKey key = choice.getKey();
      KubeObject claim =
          claims.get(key).orElseThrow(() -> new GivenUpException("claim " + key + " is gone"));
      if (choice.getValue().isPresent()) {
        reserveVolume(choice.getValue().get(), claim);
      } else if (!claim.annotation(VolumeMatch.SELECTED_NODE).orElse("").equals(plan.node())) {
        client.patch(
            Resources.PERSISTENT_VOLUME_CLAIMS,
            key.namespace(),
            key.name(),
            Patch.merge(
                JsonObject.of(
                    "metadata",
                    JsonObject.of(
                        "annotations", JsonObject.of(VolumeMatch.SELECTED_NODE, plan.node())))));
        // The wait below must not mistake the time before this is seen for a refusal.
        claims.await(
            Duration.ofSeconds(10),
            () ->
                claims
                    .get(key)
                    .map(c -> c.annotation(VolumeMatch.SELECTED_NODE).isPresent())
                    .orElse(true));
      }
    }
    boolean done = claims.await(PATIENCE, () -> settled(plan));
    if (!done) {
      throw new GivenUpException("binding volumes: timed out waiting for the condition");
    }
    for (Map.Entry<ObjectKey, Optional<String>> choice : plan.choices().entrySet()) {
      if (refusedByProvisioner(choice.getKey(), choice.getValue())) {
        throw new GivenUpException(
            "binding volumes: provisioning failed for PVC \"" + choice.getKey().name() + "\"");
      }
    }
  }

  private boolean settled(Plan plan) {
    boolean all = true;
    for (Map.Entry<ObjectKey, Optional<String>> choice : plan.choices().entrySet()) {
      if (refusedByProvisioner(choice.getKey(), choice.getValue())) {
        return true;
      }
      all &= claims.get(choice.getKey()).map(VolumeMatch::bound).orElse(false);
    }
    return all;
  }

  /** A provisioner that cannot serve the node takes the annotation away (or the claim is gone). */
  private boolean refusedByProvisioner(ObjectKey key, Optional<String> volume) {
    Optional<KubeObject> claim = claims.get(key);
    return claim.isEmpty()
        || volume.isEmpty()
            && !VolumeMatch.bound(claim.get())
            && claim.get().annotation(VolumeMatch.SELECTED_NODE).isEmpty();
  }

  private void reserveVolume(String name, KubeObject claim) {
    KubeObject volume =
        volumes
            .get("", name)
            .orElseThrow(() -> new GivenUpException("volume " + name + " is gone"));
    if (volume.spec().find("claimRef").isPresent()
        && VolumeMatch.reservedFor(volume, claim)
        && !volume.spec().text("claimRef", "uid").isEmpty()) {
      return;
    }
    client.update(
        Resources.PERSISTENT_VOLUMES,
        volume
            .with(
                "spec",
                volume
                    .spec()
                    .with(
                        "claimRef",
                        JsonObject.of(
                            "kind", "PersistentVolumeClaim",
                            "namespace", claim.namespace(),
                            "name", claim.name(),
                            "uid", claim.uid(),
                            "apiVersion", "v1",
                            "resourceVersion", claim.resourceVersion())))
            .withPath(
                List.of("metadata", "annotations", "pv.kubernetes.io/bound-by-controller"), "yes"));
  }
}
