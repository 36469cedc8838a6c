package dev.kedge.controllers;

import dev.kedge.client.Informer;
import dev.kedge.client.KubeClient.Patch;
import dev.kedge.model.ApiException;
import dev.kedge.model.JsonInteger;
import dev.kedge.model.JsonObject;
import dev.kedge.model.KubeObject;
import dev.kedge.model.ObjectKey;
import dev.kedge.model.Resources;
import dev.kedge.reconcile.Controller;
import dev.kedge.reconcile.Reconciler;
import java.time.Duration;
import java.time.Instant;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.TreeMap;

/**
 * Keeps pods with names, order and claims of their own. {@code OrderedReady} makes one after the
 * other and removes them from the highest; {@code Parallel} does not wait.
 */
final class StatefulSetController implements Reconciler {
  private static final String POD_NAME = "statefulset.kubernetes.io/pod-name";
  private static final String POD_INDEX = "apps.kubernetes.io/pod-index";

  private final SetParts parts;
  private final Informer claims;

  private StatefulSetController(ControllerContext context, Recorders recorders) {
    this.parts =
        SetParts.of(context, Resources.STATEFUL_SETS, recorders.of("statefulset-controller"));
    this.claims = context.informer(Resources.PERSISTENT_VOLUME_CLAIMS);
  }

  static Controller create(ControllerContext context, Recorders recorders) {
    StatefulSetController reconciler = new StatefulSetController(context, recorders);
    return reconciler.parts.controller("statefulset", reconciler).reads(reconciler.claims).build();
  }

  @Override
  public Result reconcile(ObjectKey key) throws InterruptedException {
    Optional<KubeObject> found = parts.sets().get(key);
    if (found.isEmpty() || found.get().deleting()) {
      return Result.DONE;
    }
    return new Sync(found.get()).run();
  }

  /** The ordinal in a pod's name; -1 if the name is not of the set. */
  static int ordinal(KubeObject set, String podName) {
    String prefix = set.name() + "-";
    if (!podName.startsWith(prefix)) {
      return -1;
    }
    String number = podName.substring(prefix.length());
    return number.matches("0|[1-9][0-9]{0,8}") ? Integer.parseInt(number) : -1;
  }

  private final class Sync {
    private final KubeObject set;
    private final Instant now = parts.timeline().instant();
    private final int start;
    private final int wanted;
    private final boolean parallel;
    private final long minReady;
    private final Revisions history;
    private final KubeObject update;
    private final KubeObject current;
    private final TreeMap<Integer, KubeObject> replicas = new TreeMap<>();
    private final TreeMap<Integer, KubeObject> condemned = new TreeMap<>(Comparator.reverseOrder());

    Sync(KubeObject set) throws InterruptedException {
      this.set = set;
      this.start = (int) set.spec().integer("ordinals", "start");
      this.wanted = (int) set.spec().integerOr(1, "replicas");
      this.parallel = set.spec().text("podManagementPolicy").equals("Parallel");
      this.minReady = set.spec().integer("minReadySeconds");
      this.history = parts.history(set);
      this.update = history.current(set.status().integer("collisionCount"));
      this.current = history.named(set.status().text("currentRevision")).orElse(update);
      read();
    }

    private void read() throws InterruptedException {
      replicas.clear();
      condemned.clear();
      for (KubeObject pod : parts.claimPods(set)) {
        int ordinal = ordinal(set, pod.name());
        if (ordinal >= start && ordinal < start + wanted) {
          replicas.put(ordinal, pod);
        } else if (ordinal >= 0) {
          condemned.put(ordinal, pod);
        }
      }
    }

    private boolean healthy(KubeObject pod) {
      return !pod.deleting()
          && PodState.phase(pod).equals("Running")
          && PodState.available(pod, minReady, now);
    }

    private String revisionOf(KubeObject pod) {
      return pod.labels().getOrDefault("controller-revision-hash", "");
    }

    Result run() throws InterruptedException {
      retain();
      boolean settled = grow() && shrink();
      read();
      if (settled && !set.spec().text("updateStrategy", "type").equals("OnDelete")) {
        roll();
        read();
      }
      List<KubeObject> all = new ArrayList<>(replicas.values());
      all.addAll(condemned.values());
      history.truncate(
          set.spec().integerOr(10, "revisionHistoryLimit"),
          Revisions.used(all, update.name(), current.name()));
      return report();
    }

    /** Makes what is missing, in order; says whether the pods are complete and well. */
    private boolean grow() throws InterruptedException {
      List<Integer> missing = new ArrayList<>();
      for (int ordinal = start; ordinal < start + wanted; ordinal++) {
        KubeObject pod = replicas.get(ordinal);
        if (pod == null) {
          missing.add(ordinal);
        } else if (PodState.ended(pod) && !pod.deleting()) {
          parts
              .events()
              .warning(
                  set,
                  "RecreatingFailedPod",
                  "StatefulSet " + set.key() + " is recreating failed Pod " + pod.name());
          parts.podControl().deleteAll(set, List.of(pod));
          return false;
        } else if (!healthy(pod)) {
          if (!pod.deleting() && PodState.phase(pod).equals("Pending")) {
            ensureClaims(ordinal); // a claim that somebody deleted holds the pod up
          }
          if (!parallel) {
            if (missing.isEmpty()) {
              return false;
            }
            break;
          }
        }
        if (!parallel && !missing.isEmpty()) {
          break;
        }
      }
      for (int ordinal : parallel ? missing : missing.subList(0, Math.min(1, missing.size()))) {
        ensureClaims(ordinal);
        KubeObject made;
        try {
          made = create(ordinal);
        } catch (ApiException e) {
          if (e.isNamespaceGoing()) {
            return false;
          }
          if (e.isAlreadyExists()) {
            return false; // a pod of that name that is not ours, or is still going
          }
          throw e;
        }
        Writes.awaitSeen(parts.pods(), made);
      }
      return missing.isEmpty() && (parallel || replicas.values().stream().allMatch(this::healthy));
    }

    /** Removes what is too many, from the highest; says whether nothing is left to remove. */
    private boolean shrink() throws InterruptedException {
      for (KubeObject pod : condemned.values()) {
        if (pod.deleting()) {
          if (!parallel) {
            return false;
          }
          continue;
        }
        parts.podControl().deleteAll(set, List.of(pod));
        if (!parallel) {
          return false;
        }
      }
      return condemned.isEmpty();
    }

    /** Replaces pods of old revisions from the highest down to the partition. */
    private void roll() throws InterruptedException {
      JsonObject rolling = set.spec().object("updateStrategy", "rollingUpdate");
      int partition = (int) rolling.integer("partition");
      long allowed =
          Math.max(
              1,
              DeploymentSets.share(
                  rolling.get("maxUnavailable").orElse(new JsonInteger(1)), wanted, true));
      long missing = wanted - replicas.values().stream().filter(this::healthy).count();
      List<KubeObject> doomed = new ArrayList<>();
      for (Map.Entry<Integer, KubeObject> entry : replicas.descendingMap().entrySet()) {
        KubeObject pod = entry.getValue();
        if (entry.getKey() < start + partition) {
          break;
        }
        if (revisionOf(pod).equals(update.name()) || pod.deleting()) {
          continue;
        }
        boolean well = healthy(pod);
        if (well && missing >= allowed) {
          break;
        }
        doomed.add(pod);
        missing += well ? 1 : 0;
        if (allowed == 1) {
          break;
        }
      }
      if (!doomed.isEmpty()) {
        parts.podControl().deleteAll(set, doomed);
      }
    }

    private KubeObject create(int ordinal) {
      JsonObject rolling = set.spec().object("updateStrategy", "rollingUpdate");
      boolean old =
          set.spec().text("updateStrategy", "type").equals("RollingUpdate")
              && ordinal < start + rolling.integer("partition");
      KubeObject revision = old ? current : update;
      String name = set.name() + "-" + ordinal;
      KubeObject pod =
          PodControl.fromTemplate(
              old ? Revisions.template(current) : set.spec().object("template"),
              Resources.STATEFUL_SETS,
              set);
      JsonObject metadata =
          pod.metadata()
              .without("generateName")
              .with("name", name)
              .with(
                  "labels",
                  pod.metadata()
                      .object("labels")
                      .with("controller-revision-hash", revision.name())
                      .with(POD_NAME, name)
                      .with(POD_INDEX, Integer.toString(ordinal)));
      JsonObject spec =
          pod.spec().with("hostname", name).with("subdomain", set.spec().text("serviceName"));
      List<JsonObject> volumes = new ArrayList<>();
      List<JsonObject> templates = set.spec().objects("volumeClaimTemplates");
      for (JsonObject template : templates) {
        String volume = template.text("metadata", "name");
        volumes.add(
            JsonObject.of(
                "name",
                volume,
                "persistentVolumeClaim",
                JsonObject.of("claimName", claimName(volume, ordinal))));
      }
      for (JsonObject volume : spec.objects("volumes")) {
        if (templates.stream()
            .noneMatch(t -> t.text("metadata", "name").equals(volume.text("name")))) {
          volumes.add(volume);
        }
      }
      if (spec.text("subdomain").isEmpty()) {
        spec = spec.without("subdomain");
      }
      return create(
          new KubeObject(pod.json().with("metadata", metadata))
              .with("spec", volumes.isEmpty() ? spec : spec.with("volumes", volumes)));
    }

    private KubeObject create(KubeObject pod) {
      try {
        KubeObject made = parts.client().create(Resources.PODS, pod);
        parts
            .events()
            .normal(
                set,
                "SuccessfulCreate",
                "create Pod " + pod.name() + " in StatefulSet " + set.name() + " successful");
        return made;
      } catch (ApiException e) {
        if (!e.isNamespaceGoing() && !e.isAlreadyExists()) {
          parts
              .events()
              .warning(
                  set,
                  "FailedCreate",
                  "create Pod "
                      + pod.name()
                      + " in StatefulSet "
                      + set.name()
                      + " failed error: "
                      + e.status().message());
        }
        throw e;
      }
    }

    private String claimName(String volume, int ordinal) {
      return volume + "-" + set.name() + "-" + ordinal;
    }

    private void ensureClaims(int ordinal) throws InterruptedException {
      for (JsonObject template : set.spec().objects("volumeClaimTemplates")) {
        String name = claimName(template.text("metadata", "name"), ordinal);
        Optional<KubeObject> present = claims.get(set.namespace(), name);
        if (present.isPresent()) {
          continue;
        }
        JsonObject metadata =
            JsonObject.builder()
                .put("name", name)
                .put("namespace", set.namespace())
                .put(
                    "labels",
                    JsonObject.builder()
                        .putAll(template.object("metadata", "labels"))
                        .putAll(set.spec().object("selector", "matchLabels"))
                        .build())
                .putNonEmpty("annotations", template.object("metadata", "annotations"))
                .build();
        KubeObject claim =
            new KubeObject(
                JsonObject.of(
                    "apiVersion",
                    "v1",
                    "kind",
                    "PersistentVolumeClaim",
                    "metadata",
                    metadata,
                    "spec",
                    template.object("spec")));
        try {
          Writes.awaitSeen(
              claims, parts.client().create(Resources.PERSISTENT_VOLUME_CLAIMS, claim));
          parts
              .events()
              .normal(
                  set,
                  "SuccessfulCreate",
                  "create Claim "
                      + name
                      + " Pod "
                      + set.name()
                      + "-"
                      + ordinal
                      + " in StatefulSet "
                      + set.name()
                      + " success");
        } catch (ApiException e) {
          if (!e.isAlreadyExists()) {
            throw e;
          }
        }
      }
    }

    /** Ties claims to what their retention policy says: the set, the pod, or nothing. */
    private void retain() throws InterruptedException {
      JsonObject policy = set.spec().object("persistentVolumeClaimRetentionPolicy");
      boolean whenDeleted = policy.text("whenDeleted").equals("Delete");
      boolean whenScaled = policy.text("whenScaled").equals("Delete");
      if (policy.isEmpty()) {
        return;
      }
      List<KubeObject> all = new ArrayList<>(replicas.values());
      all.addAll(condemned.values());
      for (KubeObject pod : all) {
        int ordinal = ordinal(set, pod.name());
        for (JsonObject template : set.spec().objects("volumeClaimTemplates")) {
          Optional<KubeObject> claim =
              claims.get(set.namespace(), claimName(template.text("metadata", "name"), ordinal));
          if (claim.isEmpty()) {
            continue;
          }
          List<JsonObject> owners = new ArrayList<>();
          for (JsonObject owner : claim.get().ownerReferences()) {
            boolean ours =
                owner.text("uid").equals(set.uid())
                    || owner.text("kind").equals("Pod") && owner.text("name").equals(pod.name());
            if (!ours) {
              owners.add(owner);
            }
          }
          if (whenScaled && condemned.containsKey(ordinal)) {
            owners.add(reference("v1", "Pod", pod));
          } else if (whenDeleted) {
            owners.add(reference("apps/v1", "StatefulSet", set));
          }
          if (!owners.equals(claim.get().ownerReferences())) {
            Writes.awaitSeen(
                claims,
                parts
                    .client()
                    .patch(
                        Resources.PERSISTENT_VOLUME_CLAIMS,
                        set.namespace(),
                        claim.get().name(),
                        Patch.merge(
                            JsonObject.of("metadata", JsonObject.of("ownerReferences", owners)))));
          }
        }
      }
    }

    private JsonObject reference(String apiVersion, String kind, KubeObject owner) {
      return JsonObject.of(
          "apiVersion", apiVersion, "kind", kind, "name", owner.name(), "uid", owner.uid());
    }

    private Result report() {
      long count = 0;
      long ready = 0;
      long available = 0;
      long onCurrent = 0;
      long onUpdate = 0;
      Result result = Result.DONE;
      List<KubeObject> all = new ArrayList<>(replicas.values());
      all.addAll(condemned.values());
      for (KubeObject pod : all) {
        count++;
        if (PodState.phase(pod).equals("Running") && PodState.ready(pod)) {
          ready++;
          available += PodState.available(pod, minReady, now) ? 1 : 0;
          Optional<Duration> soon = PodState.availableIn(pod, minReady, now);
          if (soon.isPresent()) {
            result = result.sooner(Result.again(soon.get()));
          }
        }
        if (!pod.deleting()) {
          onCurrent += revisionOf(pod).equals(current.name()) ? 1 : 0;
          onUpdate += revisionOf(pod).equals(update.name()) ? 1 : 0;
        }
      }
      KubeObject reported = current;
      if (onUpdate == wanted && count == wanted && ready == wanted) {
        reported = update; // the roll-out is complete
        onCurrent = onUpdate;
      }
      JsonObject old = set.status();
      JsonObject.Builder status =
          JsonObject.builder()
              .put("observedGeneration", set.generation())
              .put("replicas", count)
              .putAll(ReplicaSetController.positive("readyReplicas", ready))
              .putAll(ReplicaSetController.positive("currentReplicas", onCurrent))
              .putAll(ReplicaSetController.positive("updatedReplicas", onUpdate))
              .put("currentRevision", reported.name())
              .put("updateRevision", update.name())
              .put("collisionCount", old.integer("collisionCount"))
              .put("availableReplicas", available)
              .putNonEmpty("conditions", old.array("conditions"));
      Writes.status(parts.client(), Resources.STATEFUL_SETS, set, status.build());
      return result;
    }
  }
}
