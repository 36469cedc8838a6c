package dev.kedge.node;

import dev.kedge.model.KubeObject;
import dev.kedge.model.Quantity;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Optional;

/**
 * The node's own last look at a pod, for those that a scheduler did not place, or placed on old
 * knowledge: does it fit beside what is here?
 */
final class Admission {
  private Admission() {}

  /** The answer; reason and message are those of upstream's kubelet. */
  record Verdict(boolean admitted, String reason, String message) {
    static final Verdict YES = new Verdict(true, "", "");
  }

  /**
   * Whether a running pod can be given what its spec asks for now.
   *
   * @return why not, as the condition PodResizePending says it; empty if it can
   */
  static Optional<PodStatus.Waiting> resize(NodeServices node, KubeObject pod) {
    for (String resource : List.of("cpu", "memory")) {
      Quantity wanted = Pods.request(pod, resource);
      Quantity capacity = node.machine().allocatable(resource);
      if (wanted.compareTo(capacity) > 0) {
        return Optional.of(
            new PodStatus.Waiting(
                "Infeasible",
                "Node didn't have enough capacity: "
                    + resource
                    + ", requested: "
                    + count(resource, wanted)
                    + ", capacity: "
                    + count(resource, capacity)));
      }
      Quantity used = Quantity.ZERO;
      for (KubeObject other : node.podsOnNode().get()) {
        if (!other.uid().equals(pod.uid()) && !Pods.isTerminal(other)) {
          used = used.plus(Pods.request(other, resource));
        }
      }
      if (used.plus(wanted).compareTo(capacity) > 0) {
        return Optional.of(
            new PodStatus.Waiting(
                "Deferred",
                "Node didn't have enough resource: "
                    + resource
                    + ", requested: "
                    + count(resource, wanted)
                    + ", used: "
                    + count(resource, used)
                    + ", capacity: "
                    + count(resource, capacity)));
      }
    }
    return Optional.empty();
  }

  private static long count(String resource, Quantity amount) {
    return resource.equals("cpu") ? amount.milli() : amount.units();
  }

  static Verdict check(NodeServices node, KubeObject pod) {
    List<KubeObject> others = new ArrayList<>();
    for (KubeObject other : node.podsOnNode().get()) {
      // A pod that came after this one must not crowd it out.
      boolean earlier =
          !other.status().text("startTime").isEmpty()
              || other
                      .json()
                      .text("metadata", "creationTimestamp")
                      .compareTo(pod.json().text("metadata", "creationTimestamp"))
                  < 0;
      if (!other.uid().equals(pod.uid()) && !Pods.isTerminal(other) && earlier) {
        others.add(other);
      }
    }
    for (Map.Entry<String, String> wanted : pod.spec().map("nodeSelector").entrySet()) {
      Map<String, String> labels = NodeStatus.labels(node.settings());
      if (labels.containsKey(wanted.getKey())
          && !wanted.getValue().equals(labels.get(wanted.getKey()))) {
        return new Verdict(
            false, "NodeAffinity", "Pod was rejected: Predicate NodeAffinity failed");
      }
    }
    if (others.size() + 1 > node.settings().maxPods()) {
      return full("pods", 1, others.size(), node.settings().maxPods());
    }
    for (String resource : List.of("cpu", "memory", "ephemeral-storage")) {
      Quantity used = Quantity.ZERO;
      for (KubeObject other : others) {
        used = used.plus(Pods.request(other, resource));
      }
      Quantity wanted = Pods.request(pod, resource);
      Quantity capacity = node.machine().allocatable(resource);
      if (!wanted.isZero() && used.plus(wanted).compareTo(capacity) > 0) {
        return resource.equals("cpu")
            ? full(resource, wanted.milli(), used.milli(), capacity.milli())
            : full(resource, wanted.units(), used.units(), capacity.units());
      }
    }
    for (Pods.HostPort port : Pods.hostPorts(pod)) {
      for (KubeObject other : others) {
        if (Pods.hostPorts(other).stream().anyMatch(port::conflictsWith)) {
          return new Verdict(false, "NodePorts", "Pod was rejected: Predicate NodePorts failed");
        }
      }
    }
    return Verdict.YES;
  }

  private static Verdict full(String resource, long requested, long used, long capacity) {
    return new Verdict(
        false,
        "OutOf" + resource,
        "Pod was rejected: Node didn't have enough resource: "
            + resource
            + ", requested: "
            + requested
            + ", used: "
            + used
            + ", capacity: "
            + capacity);
  }
}
