package dev.kedge.scheduler;

import java.util.List;
import java.util.Optional;

/** Says whether a pod can run on a node. Reads only. */
@FunctionalInterface
interface Filter {
  /** Why not; empty: it can. */
  Optional<Refusal> refuse(Cycle cycle, NodeInfo node);

  /**
   * Reasons against a node, in the words that users see.
   *
   * @param lasting whether removing pods from the node would not help
   */
  record Refusal(List<String> reasons, boolean lasting) {
    public Refusal {
      reasons = List.copyOf(reasons);
    }

    static Optional<Refusal> lasting(String reason) {
      return Optional.of(new Refusal(List.of(reason), true));
    }

    static Optional<Refusal> passing(String reason) {
      return Optional.of(new Refusal(List.of(reason), false));
    }
  }
}
