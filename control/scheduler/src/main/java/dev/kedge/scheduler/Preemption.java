package dev.kedge.scheduler;

import dev.kedge.client.Informer;
import dev.kedge.model.KubeObject;
import dev.kedge.model.LabelSelector;
import dev.kedge.scheduler.Filter.Refusal;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;

/**
 * Finds a node where a pod fits once pods of lower priority are gone. On each node as few as
 * possible go, those whose disruption budget forbids it last; of the nodes the one that hurts least
 * wins: fewest broken budgets, then lowest priority of the highest victim, then smallest sum of
 * priorities, then fewest victims, then the youngest.
 */
final class Preemption {
  /** Nodes looked at when other pods' places matter, which makes every try a count of all pods. */
  private static final int COSTLY_CANDIDATES = 100;

  private final Informer budgets;

  Preemption(Informer budgets) {
    this.budgets = budgets;
  }

  /** Where, and who must go (most important last). */
  record Victims(NodeInfo node, List<PodInfo> pods, int brokenBudgets) {}

  /** The outcome: victims, or why there are none in upstream's words. */
  record Outcome(Optional<Victims> victims, String message) {}

  Outcome find(Cycle cycle, Map<String, Refusal> refusals) {
    PodInfo pod = cycle.pod();
    int nodes = cycle.nodes().size();
    if (!pod.mayPreempt()) {
      return new Outcome(
          Optional.empty(), "preemption: not eligible due to preemptionPolicy=Never.");
    }
    List<Victims> candidates = new ArrayList<>();
    int hopeless = 0;
    int none = 0;
    int tried = 0;
    for (NodeInfo node : cycle.nodes()) {
      Refusal refusal = refusals.get(node.name());
      if (refusal == null || refusal.lasting()) {
        hopeless++;
        continue;
      }
      if (node.pods().stream().noneMatch(other -> other.priority() < pod.priority())
          || pod.looksAtOthers() && ++tried > COSTLY_CANDIDATES) {
        none++;
        continue;
      }
      Optional<Victims> victims = victims(cycle, node);
      victims.ifPresentOrElse(candidates::add, () -> {});
      none += victims.isEmpty() ? 1 : 0;
    }
    if (candidates.isEmpty()) {
      List<String> reasons = new ArrayList<>();
      if (none > 0) {
        reasons.add(none + " No preemption victims found for incoming pod");
      }
      if (hopeless > 0) {
        reasons.add(hopeless + " Preemption is not helpful for scheduling");
      }
      return new Outcome(
          Optional.empty(),
          "preemption: 0/" + nodes + " nodes are available: " + String.join(", ", reasons) + ".");
    }
    Victims best =
        candidates.stream()
            .min(
                Comparator.comparingInt(Victims::brokenBudgets)
                    .thenComparingInt(v -> v.pods().getLast().priority())
                    .thenComparingLong(
                        v -> v.pods().stream().mapToLong(p -> p.priority() + (1L << 31)).sum())
                    .thenComparingInt(v -> v.pods().size())
                    .thenComparing(v -> v.pods().getLast().startTime(), Comparator.reverseOrder()))
            .orElseThrow();
    return new Outcome(Optional.of(best), "");
  }

  private Optional<Victims> victims(Cycle cycle, NodeInfo node) {
    PodInfo pod = cycle.pod();
    NodeInfo emptied = node.copy();
    List<PodInfo> lower = new ArrayList<>();
    for (PodInfo other : node.pods()) {
      if (other.priority() < pod.priority()) {
        lower.add(other);
        emptied.remove(other.uid());
      }
    }
    if (refused(cycle, node, emptied)) {
      return Optional.empty();
    }
    List<PodInfo> breaking = breaking(lower);
    // Kept are first those that a budget protects, then the most important, then the oldest.
    lower.sort(
        Comparator.comparing((PodInfo other) -> !breaking.contains(other))
            .thenComparing(Comparator.comparingInt(PodInfo::priority).reversed())
            .thenComparing(PodInfo::startTime));
    List<PodInfo> victims = new ArrayList<>();
    int broken = 0;
    for (PodInfo other : lower) {
      emptied.add(other);
      if (refused(cycle, node, emptied)) {
        emptied.remove(other.uid());
        victims.add(other);
        broken += breaking.contains(other) ? 1 : 0;
      }
    }
    if (victims.isEmpty()) {
      return Optional.empty();
    }
    victims.sort(Comparator.comparingInt(PodInfo::priority));
    return Optional.of(new Victims(node, victims, broken));
  }

  private static boolean refused(Cycle cycle, NodeInfo real, NodeInfo imagined) {
    if (!cycle.pod().looksAtOthers() && cycle.forbidden().isEmpty()) {
      return Filters.first(cycle, imagined).isPresent();
    }
    List<NodeInfo> others =
        cycle.nodes().stream().map(node -> node == real ? imagined : node).toList();
    return Filters.first(cycle.over(others), imagined).isPresent();
  }

  /** Those of the pods whose removal a disruption budget does not allow. */
  private List<PodInfo> breaking(List<PodInfo> pods) {
    Map<KubeObject, Long> left = new HashMap<>();
    List<PodInfo> breaking = new ArrayList<>();
    List<PodInfo> byImportance = new ArrayList<>(pods);
    byImportance.sort(Comparator.comparingInt(PodInfo::priority).reversed());
    for (PodInfo pod : byImportance) {
      boolean breaks = false;
      for (KubeObject budget : budgets.inNamespace(pod.key().namespace())) {
        if (budget.spec().find("selector").isEmpty()
            || !LabelSelector.of(budget.spec().object("selector")).matches(pod.labels())
            || budget.status().object("disruptedPods").has(pod.key().name())) {
          continue;
        }
        long allowed =
            left.merge(budget, budget.status().integer("disruptionsAllowed") - 1, (a, _) -> a - 1);
        breaks |= allowed < 0;
      }
      if (breaks) {
        breaking.add(pod);
      }
    }
    return breaking;
  }
}
