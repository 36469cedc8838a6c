package dev.kedge.node;

import dev.kedge.model.JsonObject;
import dev.kedge.model.KubeObject;
import dev.kedge.model.Quantity;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.stream.Stream;

/**
 * The node's own last look at a pod, for those that a scheduler did not place, or placed on old
 * knowledge: does it fit beside what is here?
 */
final class Admission {
  /** Those that act on the pod alone, whatever it sets them to. */
  private static final Set<String> SAFE_SYSCTLS =
      Set.of(
          "kernel.shm_rmid_forced",
          "net.ipv4.ip_local_port_range",
          "net.ipv4.ip_local_reserved_ports",
          "net.ipv4.ip_unprivileged_port_start",
          "net.ipv4.ping_group_range",
          "net.ipv4.tcp_fin_timeout",
          "net.ipv4.tcp_keepalive_intvl",
          "net.ipv4.tcp_keepalive_probes",
          "net.ipv4.tcp_keepalive_time",
          "net.ipv4.tcp_rmem",
          "net.ipv4.tcp_syncookies",
          "net.ipv4.tcp_wmem");

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
    Optional<Verdict> unable = unable(pod);
    if (unable.isPresent()) {
      return unable.get();
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

  /** What this machine cannot do for any pod, or does for none. */
  private static Optional<Verdict> unable(KubeObject pod) {
    String os = pod.spec().text("os", "name");
    if (!os.isEmpty() && !os.equals("linux")) {
      return Optional.of(
          new Verdict(
              false,
              "PodOSNotSupported",
              "Failed to admit pod as the OS field doesn't match node OS"));
    }
    for (JsonObject sysctl : pod.spec().objects("securityContext", "sysctls")) {
      String name = sysctl.text("name").replace('/', '.');
      if (!SAFE_SYSCTLS.contains(name)) {
        return Optional.of(
            new Verdict(
                false,
                "SysctlForbidden",
                "Pod was rejected: forbidden sysctl: \""
                    + sysctl.text("name")
                    + "\" not allowlisted"));
      }
    }
    boolean confined =
        Stream.concat(Stream.of(pod.spec()), Pods.all(pod).stream())
            .map(part -> part.text("securityContext", "appArmorProfile", "type"))
            .anyMatch(type -> !type.isEmpty() && !type.equals("Unconfined"));
    return confined && !Machine.hasAppArmor()
        ? Optional.of(
            new Verdict(
                false,
                "AppArmor",
                "Pod was rejected: Cannot enforce AppArmor: AppArmor is not enabled on the host"))
        : Optional.empty();
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
