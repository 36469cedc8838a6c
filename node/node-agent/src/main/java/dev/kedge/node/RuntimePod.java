package dev.kedge.node;

import dev.kedge.cri.Cri;
import dev.kedge.cri.Cri.ContainerState;
import dev.kedge.cri.Cri.ContainerStatus;
import dev.kedge.grpc.GrpcException;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.stream.Stream;

/**
 * What CRI has of one pod: sandboxes and, by name, containers, newest first each; {@code ready} is
 * the newest sandbox when it is ready.
 */
record RuntimePod(
    List<Cri.Sandbox> sandboxes,
    Optional<Cri.SandboxStatus> ready,
    Map<String, List<ContainerStatus>> containers) {
  Optional<ContainerStatus> newest(String name) {
    return containers.getOrDefault(name, List.of()).stream().findFirst();
  }

  Stream<ContainerStatus> all() {
    return containers.values().stream().flatMap(List::stream);
  }

  boolean anyRunning() {
    return all().anyMatch(c -> c.state() == ContainerState.RUNNING);
  }

  /** Reads it; remembers the containers that have ended, which do not change any more. */
  static final class Reader {
    private final NodeServices node;
    private final String uid;
    private final Map<String, ContainerStatus> exited = new HashMap<>();

    Reader(NodeServices node, String uid) {
      this.node = node;
      this.uid = uid;
    }

    RuntimePod read() {
      Map<String, String> label = Map.of(Pods.UID_LABEL, uid);
      List<Cri.Sandbox> sandboxes =
          node.cri().listPodSandboxes(new Cri.SandboxFilter("", null, label)).stream()
              .sorted(Comparator.comparingLong(Cri.Sandbox::createdAt).reversed())
              .toList();
      Optional<Cri.SandboxStatus> ready = Optional.empty();
      if (!sandboxes.isEmpty() && sandboxes.getFirst().state() == Cri.SandboxState.READY) {
        ready = Optional.of(node.cri().podSandboxStatus(sandboxes.getFirst().id(), false));
      }
      Map<String, List<ContainerStatus>> containers = new HashMap<>();
      Set<String> seen = new HashSet<>();
      for (Cri.Container container :
          node.cri().listContainers(new Cri.ContainerFilter("", null, "", label))) {
        seen.add(container.id());
        ContainerStatus known = exited.get(container.id());
        if (known == null) {
          try {
            known = node.cri().containerStatus(container.id(), false);
          } catch (GrpcException e) {
            if (e.isNotFound()) {
              continue;
            }
            throw e;
          }
          if (known.state() == ContainerState.EXITED) {
            exited.put(container.id(), known);
          }
        }
        containers
            .computeIfAbsent(
                container.labels().getOrDefault(Pods.CONTAINER_LABEL, ""), _ -> new ArrayList<>())
            .add(known);
      }
      exited.keySet().retainAll(seen);
      containers
          .values()
          .forEach(
              list ->
                  list.sort(
                      Comparator.<ContainerStatus>comparingInt(c -> c.metadata().attempt())
                          .thenComparingLong(ContainerStatus::createdAt)
                          .reversed()));
      return new RuntimePod(sandboxes, ready, containers);
    }
  }
}
