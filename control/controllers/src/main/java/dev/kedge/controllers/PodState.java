package dev.kedge.controllers;

import dev.kedge.model.JsonObject;
import dev.kedge.model.KubeObject;
import java.time.Duration;
import java.time.Instant;
import java.util.Comparator;
import java.util.Map;
import java.util.Optional;

/** What controllers ask about a pod. */
final class PodState {
  private PodState() {}

  static String phase(KubeObject pod) {
    return pod.status().text("phase");
  }

  /** Whether the pod runs or will run: neither ended nor asked to go. */
  static boolean active(KubeObject pod) {
    return !ended(pod) && !pod.deleting();
  }

  static boolean ended(KubeObject pod) {
    String phase = phase(pod);
    return phase.equals("Succeeded") || phase.equals("Failed");
  }

  static boolean ready(KubeObject pod) {
    return Conditions.isTrue(pod.status(), "Ready");
  }

  static Instant readySince(KubeObject pod) {
    return Conditions.find(pod.status(), "Ready")
        .map(condition -> Writes.instant(condition.text("lastTransitionTime")))
        .orElse(Instant.EPOCH);
  }

  /** Whether the pod has been ready for some time. */
  static boolean available(KubeObject pod, long minReadySeconds, Instant now) {
    return ready(pod)
        && (minReadySeconds == 0 || !readySince(pod).plusSeconds(minReadySeconds).isAfter(now));
  }

  /** When a ready pod becomes available; empty if it is, or is not ready. */
  static Optional<Duration> availableIn(KubeObject pod, long minReadySeconds, Instant now) {
    if (!ready(pod) || available(pod, minReadySeconds, now)) {
      return Optional.empty();
    }
    return Optional.of(Duration.between(now, readySince(pod).plusSeconds(minReadySeconds)));
  }

  static Instant created(KubeObject object) {
    return Writes.instant(object.metadata().text("creationTimestamp"));
  }

  static long restarts(KubeObject pod) {
    long most = 0;
    for (JsonObject status : pod.status().objects("containerStatuses")) {
      most = Math.max(most, status.integer("restartCount"));
    }
    return most;
  }

  /**
   * The order in which surplus pods go: unassigned, pending, not ready, cheap to delete, crowded on
   * their node, recently ready, often restarted, and young ones first.
   *
   * @param perNode how many pods of the same kind run on each node
   */
  static Comparator<KubeObject> deletionOrder(Map<String, Long> perNode) {
    return Comparator.comparing((KubeObject pod) -> !pod.spec().text("nodeName").isEmpty())
        .thenComparingInt(
            pod ->
                switch (phase(pod)) {
                  case "Pending" -> 0;
                  case "Unknown" -> 1;
                  default -> 2;
                })
        .thenComparing(PodState::ready)
        .thenComparingLong(PodState::deletionCost)
        .thenComparingLong(pod -> -perNode.getOrDefault(pod.spec().text("nodeName"), 0L))
        .thenComparing(PodState::readySince, Comparator.reverseOrder())
        .thenComparingLong(pod -> -restarts(pod))
        .thenComparing(PodState::created, Comparator.reverseOrder())
        .thenComparing(KubeObject::name);
  }

  private static long deletionCost(KubeObject pod) {
    try {
      return Long.parseLong(
          pod.annotation("controller.kubernetes.io/pod-deletion-cost").orElse("0"));
    } catch (NumberFormatException _) {
      return 0; // upstream takes an unreadable cost as none too
    }
  }
}
