package dev.kedge.scheduler;

import dev.kedge.scheduler.Cycle.Counts;
import dev.kedge.scheduler.Filter.Refusal;
import dev.kedge.scheduler.PodInfo.HostPort;
import dev.kedge.scheduler.PodInfo.Spread;
import dev.kedge.scheduler.Taints.Taint;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Optional;

/** The filters in the order they are asked; the first refusal is the node's reason. */
final class Filters {
  static final List<Filter> ALL =
      List.of(
          Filters::unschedulable,
          Filters::taints,
          Filters::nodeAffinity,
          Filters::ports,
          Filters::resources,
          Filters::volumes,
          Filters::spread,
          Filters::podAffinity);

  private Filters() {}

  /** The first refusal of a node; empty where the pod can run. */
  static Optional<Refusal> first(Cycle cycle, NodeInfo node) {
    for (Filter filter : ALL) {
      Optional<Refusal> refusal = filter.refuse(cycle, node);
      if (refusal.isPresent()) {
        return refusal;
      }
    }
    return Optional.empty();
  }

  private static Optional<Refusal> unschedulable(Cycle cycle, NodeInfo node) {
    if (!node.spec().unschedulable()) {
      return Optional.empty();
    }
    Taint cordoned = new Taint("node.kubernetes.io/unschedulable", "", "NoSchedule");
    return Taints.tolerated(cordoned, cycle.pod().tolerations())
        ? Optional.empty()
        : Refusal.lasting("node(s) were unschedulable");
  }

  private static Optional<Refusal> taints(Cycle cycle, NodeInfo node) {
    return Taints.schedulable(node.spec().taints(), cycle.pod().tolerations())
        ? Optional.empty()
        : Refusal.lasting("node(s) had untolerated taint(s)");
  }

  private static Optional<Refusal> nodeAffinity(Cycle cycle, NodeInfo node) {
    return nodeAffinityMatches(cycle.pod(), node)
        ? Optional.empty()
        : Refusal.lasting("node(s) didn't match Pod's node affinity/selector");
  }

  static boolean nodeAffinityMatches(PodInfo pod, NodeInfo node) {
    Map<String, String> labels = node.spec().labels();
    for (Map.Entry<String, String> wanted : pod.nodeSelector().entrySet()) {
      if (!wanted.getValue().equals(labels.get(wanted.getKey()))) {
        return false;
      }
    }
    return pod.nodeAffinity().map(terms -> terms.matches(labels, node.name())).orElse(true);
  }

  private static Optional<Refusal> ports(Cycle cycle, NodeInfo node) {
    for (HostPort wanted : cycle.pod().hostPorts()) {
      for (HostPort taken : node.ports()) {
        if (wanted.conflicts(taken)) {
          return Refusal.passing("node(s) didn't have free ports for the requested pod ports");
        }
      }
    }
    return Optional.empty();
  }

  private static Optional<Refusal> resources(Cycle cycle, NodeInfo node) {
    Amounts wants = cycle.pod().requests();
    Amounts has = node.spec().allocatable();
    Amounts used = node.requested();
    List<String> missing = new ArrayList<>();
    boolean lasting = false;
    if (node.pods().size() + 1 > node.spec().maxPods()) {
      missing.add("Too many pods");
    }
    if (wants.cpu() > 0 && wants.cpu() > has.cpu() - used.cpu()) {
      missing.add("Insufficient cpu");
      lasting |= wants.cpu() > has.cpu();
    }
    if (wants.memory() > 0 && wants.memory() > has.memory() - used.memory()) {
      missing.add("Insufficient memory");
      lasting |= wants.memory() > has.memory();
    }
    if (wants.ephemeralStorage() > 0
        && wants.ephemeralStorage() > has.ephemeralStorage() - used.ephemeralStorage()) {
      missing.add("Insufficient ephemeral-storage");
      lasting |= wants.ephemeralStorage() > has.ephemeralStorage();
    }
    for (Map.Entry<String, Long> other : wants.others().entrySet()) {
      long all = has.others().getOrDefault(other.getKey(), 0L);
      long taken = used.others().getOrDefault(other.getKey(), 0L);
      if (other.getValue() > 0 && other.getValue() > all - taken) {
        missing.add("Insufficient " + other.getKey());
        lasting |= other.getValue() > all;
      }
    }
    return missing.isEmpty() ? Optional.empty() : Optional.of(new Refusal(missing, lasting));
  }

  private static Optional<Refusal> volumes(Cycle cycle, NodeInfo node) {
    return cycle.volumes().refuse(cycle.pod(), node);
  }

  private static Optional<Refusal> spread(Cycle cycle, NodeInfo node) {
    List<Spread> constraints = cycle.hardSpreads();
    for (int i = 0; i < constraints.size(); i++) {
      Spread constraint = constraints.get(i);
      String domain = node.spec().labels().get(constraint.topologyKey());
      if (domain == null) {
        return Refusal.lasting(
            "node(s) didn't match pod topology spread constraints (missing required label)");
      }
      Counts counts = cycle.spread().get(i);
      int least = counts.domains() < constraint.minDomains() ? 0 : counts.least();
      int self = constraint.selector().matches(cycle.pod().labels()) ? 1 : 0;
      if (counts.of(domain) + self - least > constraint.maxSkew()) {
        return Refusal.passing("node(s) didn't match pod topology spread constraints");
      }
    }
    return Optional.empty();
  }

  private static Optional<Refusal> podAffinity(Cycle cycle, NodeInfo node) {
    Map<String, String> labels = node.spec().labels();
    PodInfo pod = cycle.pod();
    boolean fulfilled = true;
    boolean labelled = true;
    int found = 0;
    for (int i = 0; i < pod.affinity().size(); i++) {
      String value = labels.get(pod.affinity().get(i).topologyKey());
      labelled &= value != null;
      fulfilled &= value != null && cycle.affinity().get(i).of(value) > 0;
      found += cycle.affinity().get(i).total();
    }
    // The first pod of a group that wants its own kind near must be able to start.
    boolean first = labelled && found == 0 && cycle.fulfilsOwnAffinity();
    if (!fulfilled && !first) {
      return Refusal.lasting("node(s) didn't match pod affinity rules");
    }
    for (int i = 0; i < pod.antiAffinity().size(); i++) {
      String value = labels.get(pod.antiAffinity().get(i).topologyKey());
      if (value != null && cycle.antiAffinity().get(i).of(value) > 0) {
        return Refusal.passing("node(s) didn't match pod anti-affinity rules");
      }
    }
    for (Map.Entry<String, Counts> forbidden : cycle.forbidden().entrySet()) {
      String value = labels.get(forbidden.getKey());
      if (value != null && forbidden.getValue().of(value) > 0) {
        return Refusal.passing("node(s) didn't satisfy existing pods anti-affinity rules");
      }
    }
    return Optional.empty();
  }
}
