package dev.kedge.scheduler;

import dev.kedge.scheduler.PodInfo.AffinityTerm;
import dev.kedge.scheduler.PodInfo.NamespaceLabels;
import dev.kedge.scheduler.PodInfo.Spread;
import dev.kedge.scheduler.PodInfo.Weighted;
import java.util.ArrayList;
import java.util.Collection;
import java.util.HashMap;
import java.util.List;
import java.util.Map;

/**
 * One decision: the pod, the nodes as they are, and everything about the whole cluster that the
 * filters and scores would otherwise count once per node. Counts are made on first use.
 */
final class Cycle {
  private final PodInfo pod;
  private final Collection<NodeInfo> nodes;
  private final NamespaceLabels namespaceLabels;
  private final Volumes.Wishes volumes;

  /** How often something was found, by value of a topology label. */
  static final class Counts {
    private final Map<String, Integer> byValue = new HashMap<>();
    private int total;

    void add(String value, int count) {
      byValue.merge(value, count, Integer::sum);
      total += count;
    }

    int of(String value) {
      return byValue.getOrDefault(value, 0);
    }

    int total() {
      return total;
    }

    int domains() {
      return byValue.size();
    }

    int least() {
      int least = Integer.MAX_VALUE;
      for (int count : byValue.values()) {
        least = Math.min(least, count);
      }
      return byValue.isEmpty() ? 0 : least;
    }
  }

  private final Map<String, Counts> forbidden = new HashMap<>();
  private final List<Counts> affinity = new ArrayList<>();
  private final List<Counts> antiAffinity = new ArrayList<>();
  private final List<Counts> spread = new ArrayList<>();

  Cycle(
      PodInfo pod,
      Collection<NodeInfo> nodes,
      NamespaceLabels namespaceLabels,
      Volumes.Wishes volumes) {
    this.pod = pod;
    this.nodes = nodes;
    this.namespaceLabels = namespaceLabels;
    this.volumes = volumes;
    countForbidden();
    countAffinity();
    countSpread();
  }

  /** The same decision over other nodes, as when some pods were gone. */
  Cycle over(Collection<NodeInfo> others) {
    return new Cycle(pod, others, namespaceLabels, volumes);
  }

  PodInfo pod() {
    return pod;
  }

  Volumes.Wishes volumes() {
    return volumes;
  }

  Collection<NodeInfo> nodes() {
    return nodes;
  }

  NamespaceLabels namespaceLabels() {
    return namespaceLabels;
  }

  /** Topology keys and values where pods that are there do not want this one. */
  Map<String, Counts> forbidden() {
    return forbidden;
  }

  /** Per required affinity term of the pod: where pods are that fulfil all terms. */
  List<Counts> affinity() {
    return affinity;
  }

  /** Per required anti-affinity term of the pod: where pods are that match it. */
  List<Counts> antiAffinity() {
    return antiAffinity;
  }

  /** Per hard spread constraint, in the pod's order: matching pods by domain. */
  List<Counts> spread() {
    return spread;
  }

  List<Spread> hardSpreads() {
    return pod.spreads().stream().filter(Spread::hard).toList();
  }

  boolean fulfilsOwnAffinity() {
    for (AffinityTerm term : pod.affinity()) {
      if (!term.matches(pod, namespaceLabels)) {
        return false;
      }
    }
    return true;
  }

  private void countForbidden() {
    for (NodeInfo node : nodes) {
      if (!node.hasAntiAffinity()) {
        continue;
      }
      for (PodInfo other : node.pods()) {
        for (AffinityTerm term : other.antiAffinity()) {
          String value = node.spec().labels().get(term.topologyKey());
          if (value != null && term.matches(pod, namespaceLabels)) {
            forbidden.computeIfAbsent(term.topologyKey(), _ -> new Counts()).add(value, 1);
          }
        }
      }
    }
  }

  private void countAffinity() {
    pod.affinity().forEach(_ -> affinity.add(new Counts()));
    pod.antiAffinity().forEach(_ -> antiAffinity.add(new Counts()));
    if (pod.affinity().isEmpty() && pod.antiAffinity().isEmpty()) {
      return;
    }
    for (NodeInfo node : nodes) {
      Map<String, String> labels = node.spec().labels();
      for (PodInfo other : node.pods()) {
        boolean all = !pod.affinity().isEmpty();
        for (AffinityTerm term : pod.affinity()) {
          all &= term.matches(other, namespaceLabels);
        }
        for (int i = 0; all && i < pod.affinity().size(); i++) {
          String value = labels.get(pod.affinity().get(i).topologyKey());
          if (value != null) {
            affinity.get(i).add(value, 1);
          }
        }
        for (int i = 0; i < pod.antiAffinity().size(); i++) {
          AffinityTerm term = pod.antiAffinity().get(i);
          String value = labels.get(term.topologyKey());
          if (value != null && term.matches(other, namespaceLabels)) {
            antiAffinity.get(i).add(value, 1);
          }
        }
      }
    }
  }

  private void countSpread() {
    List<Spread> constraints = hardSpreads();
    for (Spread constraint : constraints) {
      Counts counts = new Counts();
      for (NodeInfo node : nodes) {
        Map<String, String> labels = node.spec().labels();
        boolean eligible = true;
        for (Spread each : constraints) {
          eligible &= labels.containsKey(each.topologyKey());
        }
        String domain = labels.get(constraint.topologyKey());
        if (eligible && domain != null && counted(constraint, node)) {
          counts.add(domain, matching(constraint, node));
        }
      }
      spread.add(counts);
    }
  }

  private boolean counted(Spread constraint, NodeInfo node) {
    return (!constraint.honorAffinity() || Filters.nodeAffinityMatches(pod, node))
        && (!constraint.honorTaints()
            || Taints.schedulable(node.spec().taints(), pod.tolerations()));
  }

  /** How many pods of a node a spread constraint counts. */
  int matching(Spread constraint, NodeInfo node) {
    int count = 0;
    for (PodInfo other : node.pods()) {
      if (!other.deleting()
          && other.key().namespace().equals(pod.key().namespace())
          && constraint.selector().matches(other.labels())) {
        count++;
      }
    }
    return count;
  }

  /** What pods that are there, and the pod's own wishes, say about a node's neighbourhoods. */
  Map<String, Map<String, Long>> affinityWeights() {
    Map<String, Map<String, Long>> weights = new HashMap<>();
    boolean wishes = !pod.preferredAffinity().isEmpty() || !pod.preferredAntiAffinity().isEmpty();
    for (NodeInfo node : nodes) {
      if (!wishes && !node.hasAffinityTerms()) {
        continue;
      }
      Map<String, String> labels = node.spec().labels();
      for (PodInfo other : node.pods()) {
        weigh(weights, pod.preferredAffinity(), other, labels, 1);
        weigh(weights, pod.preferredAntiAffinity(), other, labels, -1);
        weighOwn(weights, other, labels);
      }
    }
    return weights;
  }

  private void weighOwn(
      Map<String, Map<String, Long>> weights, PodInfo other, Map<String, String> labels) {
    weigh(weights, other.preferredAffinity(), pod, labels, 1);
    weigh(weights, other.preferredAntiAffinity(), pod, labels, -1);
    for (AffinityTerm term : other.affinity()) {
      weigh(weights, List.of(new Weighted<>(1, term)), pod, labels, 1);
    }
  }

  private void weigh(
      Map<String, Map<String, Long>> weights,
      List<Weighted<AffinityTerm>> terms,
      PodInfo candidate,
      Map<String, String> labels,
      int sign) {
    for (Weighted<AffinityTerm> weighted : terms) {
      String value = labels.get(weighted.term().topologyKey());
      if (value != null && weighted.term().matches(candidate, namespaceLabels)) {
        weights
            .computeIfAbsent(weighted.term().topologyKey(), _ -> new HashMap<>())
            .merge(value, sign * weighted.weight(), Long::sum);
      }
    }
  }
}
