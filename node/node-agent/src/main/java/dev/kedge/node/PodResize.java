package dev.kedge.node;

import dev.kedge.cri.Cri;
import dev.kedge.cri.Cri.ContainerState;
import dev.kedge.cri.Cri.ContainerStatus;
import dev.kedge.cri.CriClient;
import dev.kedge.grpc.GrpcException;
import dev.kedge.model.JsonObject;
import dev.kedge.model.KubeObject;
import java.io.IOException;
import java.lang.System.Logger;
import java.lang.System.Logger.Level;
import java.util.HashMap;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import org.jspecify.annotations.Nullable;

/**
 * Gives the running containers of one pod the resources that its spec asks for now, in place. Used
 * by the pod's thread alone.
 */
final class PodResize {
  private static final Logger LOG = System.getLogger("dev.kedge.node");

  private final NodeServices node;
  private final ContainerSpecs specs;
  private final String uid;
  // What the running containers have been given, by id.
  private final Map<String, Cri.LinuxResources> given = new HashMap<>();
  private Optional<PodStatus.Waiting> waiting = Optional.empty();
  private Cgroups.@Nullable PodLimits podLimits;

  PodResize(NodeServices node, ContainerSpecs specs, String uid) {
    this.node = node;
    this.specs = specs;
    this.uid = uid;
  }

  /** Why the pod does not have yet what it asks for; empty when it has. */
  Optional<PodStatus.Waiting> waiting() {
    return waiting;
  }

  void given(String container, Cri.LinuxResources resources) {
    given.put(container, resources);
  }

  /** Forgets all containers but those that run. */
  void retain(Set<String> running) {
    given.keySet().retainAll(running);
  }

  /**
   * Gives a running container what its spec asks for now; says no if its policy wants a restart for
   * that.
   */
  boolean applied(KubeObject pod, JsonObject container, ContainerStatus current) {
    if (waiting.isPresent()) {
      return true;
    }
    Cri.LinuxResources wanted = specs.resources(pod, container);
    Cri.LinuxResources has = given.get(current.id());
    if (wanted.equals(has)) {
      return true;
    }
    if (has != null) {
      boolean cpu = has.cpuQuota() != wanted.cpuQuota() || has.cpuShares() != wanted.cpuShares();
      boolean memory = has.memoryLimit() != wanted.memoryLimit();
      for (JsonObject policy : container.objects("resizePolicy")) {
        boolean concerned = policy.text("resourceName").equals("cpu") ? cpu : memory;
        if (concerned && policy.text("restartPolicy").equals("RestartContainer")) {
          return false;
        }
      }
    }
    // After a restart of this process nobody knows what it was given: given again, it has it.
    try {
      node.cri().updateContainerResources(current.id(), wanted);
      given.put(current.id(), wanted);
    } catch (GrpcException e) {
      if (CriClient.isUnavailable(e)) {
        throw e;
      }
      waiting = Optional.of(new PodStatus.Waiting(PodStatus.RESIZE_FAILED, e.detail()));
      LOG.log(Level.WARNING, "pod {0}: not resized: {1}", Pods.format(pod), e.detail());
    }
    return true;
  }

  /** Looks whether a changed request fits the node; until it does the pod keeps what it has. */
  void consider(KubeObject pod, RuntimePod actual) throws IOException {
    Cgroups.PodLimits limits = ContainerSpecs.podLimits(pod);
    if (podLimits == null) {
      podLimits = limits; // set when its cgroup was made
    }
    Cgroups.PodLimits before = podLimits;
    boolean changed =
        !limits.equals(before)
            || actual
                .all()
                .filter(c -> c.state() == ContainerState.RUNNING && given.containsKey(c.id()))
                .anyMatch(
                    c ->
                        Pods.container(pod, c.metadata().name())
                            .filter(spec -> !specs.resources(pod, spec).equals(given.get(c.id())))
                            .isPresent());
    if (!changed) {
      waiting = Optional.empty();
      return;
    }
    waiting = Admission.resize(node, pod);
    if (waiting.isEmpty()) {
      // The pod's own limits make room before its containers' grow, and follow when they shrank.
      node.cgroups().resizePod(Pods.qosClass(pod), uid, Cgroups.PodLimits.wider(before, limits));
    }
  }

  /** Lets the pod's own limits follow when all containers have shrunk. */
  void narrow(KubeObject pod) throws IOException {
    Cgroups.PodLimits limits = ContainerSpecs.podLimits(pod);
    if (waiting.isEmpty() && !limits.equals(podLimits)) {
      node.cgroups().resizePod(Pods.qosClass(pod), uid, limits);
      podLimits = limits;
    }
  }
}
