package dev.kedge.scheduler;

import java.util.ArrayList;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;

/**
 * Nodes and the pods on them as the scheduler believes them to be: what the informers told, plus
 * pods assumed on a node whose binding is under way. Guard every use by this object's lock.
 */
final class ClusterState {
  private final Map<String, NodeInfo> nodes = new LinkedHashMap<>();
  private final Map<String, String> nodeOfPod = new HashMap<>();
  private final Map<String, PodInfo> assumed = new HashMap<>();
  private final Map<String, Nomination> nominated = new HashMap<>();

  private record Nomination(PodInfo pod, String node) {}

  private List<NodeInfo> present = List.of();

  /** Takes a node's new state; says whether pods that fitted nowhere might fit now. */
  boolean putNode(NodeInfo.Spec spec) {
    NodeInfo node = nodes.get(spec.name());
    if (node == null) {
      nodes.put(spec.name(), new NodeInfo(spec));
      refreshPresent();
      return true;
    }
    boolean changed = !node.spec().sameRoom(spec);
    boolean appeared = !node.spec().present();
    node.spec(spec);
    if (appeared) {
      refreshPresent();
    }
    return changed;
  }

  void removeNode(String name) {
    NodeInfo node = nodes.get(name);
    if (node == null) {
      return;
    }
    if (node.pods().isEmpty()) {
      nodes.remove(name);
    } else {
      node.spec(NodeInfo.Spec.absent(name));
    }
    refreshPresent();
  }

  private void refreshPresent() {
    present = nodes.values().stream().filter(node -> node.spec().present()).toList();
  }

  /** The nodes that exist. */
  List<NodeInfo> nodes() {
    return present;
  }

  Optional<NodeInfo> node(String name) {
    return Optional.ofNullable(nodes.get(name));
  }

  /** A pod that the API says is on a node; says whether that is news. */
  boolean putPod(PodInfo pod) {
    assumed.remove(pod.uid());
    nominated.remove(pod.uid());
    return place(pod, pod.nodeName());
  }

  private boolean place(PodInfo pod, String nodeName) {
    String before = nodeOfPod.put(pod.uid(), nodeName);
    if (before != null && !before.equals(nodeName)) {
      take(pod.uid(), before);
    }
    nodes.computeIfAbsent(nodeName, name -> new NodeInfo(NodeInfo.Spec.absent(name))).add(pod);
    return before == null;
  }

  /** A pod that is gone or will never run again; says whether it took room. */
  boolean removePod(String uid) {
    assumed.remove(uid);
    nominated.remove(uid);
    String node = nodeOfPod.remove(uid);
    if (node == null) {
      return false;
    }
    take(uid, node);
    return true;
  }

  private void take(String uid, String nodeName) {
    NodeInfo node = nodes.get(nodeName);
    if (node != null) {
      node.remove(uid);
      if (!node.spec().present() && node.pods().isEmpty()) {
        nodes.remove(nodeName);
      }
    }
  }

  /** Counts a pod on a node before its binding is done. */
  void assume(PodInfo pod, String node) {
    assumed.put(pod.uid(), pod);
    nominated.remove(pod.uid());
    place(pod, node);
  }

  boolean isAssumed(String uid) {
    return assumed.containsKey(uid);
  }

  /** Takes an assumption back, unless the API has confirmed it meanwhile. */
  void forget(String uid) {
    if (assumed.containsKey(uid)) {
      removePod(uid);
    }
  }

  /** Keeps room on a node for a pod that others were removed for. */
  void nominate(PodInfo pod, String node) {
    nominated.put(pod.uid(), new Nomination(pod, node));
  }

  void dropNomination(String uid) {
    nominated.remove(uid);
  }

  /** The pods that have a right to room on a node before a given one. */
  List<PodInfo> nominatedBefore(PodInfo pod, String node) {
    if (nominated.isEmpty()) {
      return List.of();
    }
    List<PodInfo> before = new ArrayList<>();
    for (Nomination other : nominated.values()) {
      if (!other.pod().uid().equals(pod.uid())
          && other.pod().priority() >= pod.priority()
          && node.equals(other.node())) {
        before.add(other.pod());
      }
    }
    return before;
  }
}
