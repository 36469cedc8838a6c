package dev.kedge.scheduler;

import dev.kedge.model.JsonObject;
import java.util.List;
import java.util.Optional;

/** Taints of nodes and what pods tolerate of them. */
public final class Taints {
  private Taints() {}

  /** A taint: effect is NoSchedule, PreferNoSchedule or NoExecute. */
  public record Taint(String key, String value, String effect) {
    /** Reads one of a node's {@code spec.taints}. */
    public static Taint of(JsonObject taint) {
      return new Taint(taint.text("key"), taint.text("value"), taint.text("effect"));
    }
  }

  /**
   * A toleration; an empty key with operator Exists tolerates everything, an empty effect all
   * effects.
   *
   * @param seconds how long a NoExecute taint is endured; empty: for ever
   */
  public record Toleration(
      String key, String operator, String value, String effect, Optional<Long> seconds) {
    /** Reads one of a pod's {@code spec.tolerations}. */
    public static Toleration of(JsonObject toleration) {
      return new Toleration(
          toleration.text("key"),
          toleration.text("operator"),
          toleration.text("value"),
          toleration.text("effect"),
          toleration.get("tolerationSeconds").isPresent()
              ? Optional.of(toleration.integer("tolerationSeconds"))
              : Optional.empty());
    }

    /** Whether this tolerates a taint. */
    public boolean tolerates(Taint taint) {
      if (!effect.isEmpty() && !effect.equals(taint.effect())) {
        return false;
      }
      if (!key.isEmpty() && !key.equals(taint.key())) {
        return false;
      }
      return switch (operator) {
        case "Exists" -> true;
        case "", "Equal" -> !key.isEmpty() && value.equals(taint.value());
        case "Gt", "Lt" -> ordered(taint);
        default -> false;
      };
    }

    private boolean ordered(Taint taint) {
      try {
        int order = Long.compare(Long.parseLong(taint.value()), Long.parseLong(value));
        return operator.equals("Gt") ? order > 0 : order < 0;
      } catch (NumberFormatException _) {
        return false;
      }
    }
  }

  /** Whether some toleration tolerates a taint. */
  public static boolean tolerated(Taint taint, List<Toleration> tolerations) {
    for (Toleration toleration : tolerations) {
      if (toleration.tolerates(taint)) {
        return true;
      }
    }
    return false;
  }

  /** Whether nothing but PreferNoSchedule taints is untolerated. */
  public static boolean schedulable(List<Taint> taints, List<Toleration> tolerations) {
    for (Taint taint : taints) {
      if (!taint.effect().equals("PreferNoSchedule") && !tolerated(taint, tolerations)) {
        return false;
      }
    }
    return true;
  }
}
