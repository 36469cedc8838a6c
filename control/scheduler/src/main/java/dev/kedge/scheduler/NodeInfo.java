package dev.kedge.scheduler;

import dev.kedge.model.JsonObject;
import dev.kedge.model.KubeObject;
import dev.kedge.model.Quantity;
import dev.kedge.scheduler.PodInfo.HostPort;
import dev.kedge.scheduler.Taints.Taint;
import java.util.ArrayList;
import java.util.Collection;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/**
 * A node and the pods that run or will run on it, with running totals. Not thread-safe: belongs to
 * the {@link ClusterState} that holds it.
 */
final class NodeInfo {
  private Spec spec;
  private final Map<String, PodInfo> pods = new LinkedHashMap<>();
  private Amounts requested = Amounts.NONE;
  private Amounts load = Amounts.NONE;
  private int withAntiAffinity;
  private int withAffinityTerms;
  private final List<HostPort> ports = new ArrayList<>();

  /** The part that comes from the Node object; equal specs mean nothing the scheduler cares of. */
  record Spec(
      boolean present,
      String name,
      Map<String, String> labels,
      List<Taint> taints,
      boolean unschedulable,
      Amounts allocatable,
      long maxPods,
      Map<String, Long> images) {

    static Spec of(KubeObject node) {
      JsonObject allocatable = node.status().object("allocatable");
      Map<String, Long> images = new HashMap<>();
      for (JsonObject image : node.status().objects("images")) {
        for (String name : image.strings("names")) {
          images.put(name, image.integer("sizeBytes"));
        }
      }
      return new Spec(
          true,
          node.name(),
          node.labels(),
          node.spec().objects("taints").stream().map(Taint::of).toList(),
          node.spec().flag("unschedulable"),
          Amounts.of(allocatable),
          allocatable.get("pods").map(Quantity::of).map(Quantity::units).orElse(0L),
          images);
    }

    /** A name that pods are bound to although no such node is known (yet). */
    static Spec absent(String name) {
      return new Spec(false, name, Map.of(), List.of(), false, Amounts.NONE, 0, Map.of());
    }

    /** Whether a change could make room for a pod that fitted nowhere. */
    boolean sameRoom(Spec other) {
      return present == other.present
          && unschedulable == other.unschedulable
          && maxPods == other.maxPods
          && allocatable.equals(other.allocatable)
          && labels.equals(other.labels)
          && taints.equals(other.taints);
    }
  }

  NodeInfo(Spec spec) {
    this.spec = spec;
  }

  Spec spec() {
    return spec;
  }

  void spec(Spec changed) {
    spec = changed;
  }

  String name() {
    return spec.name();
  }

  Collection<PodInfo> pods() {
    return pods.values();
  }

  Amounts requested() {
    return requested;
  }

  /** Requests with what is assumed of containers that ask for nothing. */
  Amounts load() {
    return load;
  }

  List<HostPort> ports() {
    return ports;
  }

  boolean hasAntiAffinity() {
    return withAntiAffinity > 0;
  }

  boolean hasAffinityTerms() {
    return withAffinityTerms > 0;
  }

  void add(PodInfo pod) {
    remove(pod.uid());
    pods.put(pod.uid(), pod);
    requested = requested.plus(pod.requests());
    load = load.plus(pod.load());
    ports.addAll(pod.hostPorts());
    withAntiAffinity += pod.antiAffinity().isEmpty() ? 0 : 1;
    withAffinityTerms += terms(pod);
  }

  void remove(String uid) {
    PodInfo pod = pods.remove(uid);
    if (pod == null) {
      return;
    }
    requested = requested.minus(pod.requests());
    load = load.minus(pod.load());
    pod.hostPorts().forEach(ports::remove);
    withAntiAffinity -= pod.antiAffinity().isEmpty() ? 0 : 1;
    withAffinityTerms -= terms(pod);
  }

  private static int terms(PodInfo pod) {
    return pod.affinity().isEmpty()
            && pod.preferredAffinity().isEmpty()
            && pod.preferredAntiAffinity().isEmpty()
        ? 0
        : 1;
  }

  NodeInfo copy() {
    NodeInfo copy = new NodeInfo(spec);
    pods.values().forEach(copy::add);
    return copy;
  }
}
