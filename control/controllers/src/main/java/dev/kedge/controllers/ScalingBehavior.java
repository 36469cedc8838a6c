package dev.kedge.controllers;

import dev.kedge.model.JsonObject;
import dev.kedge.model.KubeObject;
import java.time.Duration;
import java.time.Instant;
import java.util.ArrayList;
import java.util.List;

/**
 * How fast one autoscaler may follow its recommendations: the stabilisation windows and policies of
 * {@code spec.behavior}, and what holds where that is absent. Remembers what was recommended and
 * done. One thread at a time.
 */
final class ScalingBehavior {
  private static final long DEFAULT_DOWN_WINDOW = 300;
  private static final Duration LONGEST_MEMORY = Duration.ofHours(1);

  private final List<Recommendation> recommendations = new ArrayList<>();
  private final List<Change> changes = new ArrayList<>();

  private record Recommendation(Instant time, long replicas) {}

  /** A change of size; negative: downwards. */
  private record Change(Instant time, long by) {}

  /** A condition's reason and message. */
  record Why(String reason, String message) {}

  /**
   * What is to be done.
   *
   * @param able why the scale may be changed now, or what it is held at
   * @param limited why the size differs from the stabilised recommendation
   * @param isLimited whether it differs
   */
  record Outcome(long replicas, Why able, Why limited, boolean isLimited) {}

  /** Takes a recommendation and gives the size to set. */
  Outcome follow(KubeObject autoscaler, long current, long recommended, Instant now) {
    JsonObject behavior = autoscaler.spec().object("behavior");
    boolean ruled = !behavior.isEmpty();
    recommendations.removeIf(r -> r.time().isBefore(now.minus(LONGEST_MEMORY)));
    changes.removeIf(c -> c.time().isBefore(now.minus(LONGEST_MEMORY)));
    if (recommendations.isEmpty()) {
      recommendations.add(new Recommendation(now, current)); // nothing moves on the first look
    }
    long stable = stabilised(behavior, current, recommended, now);
    recommendations.add(new Recommendation(now, recommended));
    Why able =
        stable == recommended
            ? new Why("ReadyForNewScale", "recommended size matches current size")
            : stable > recommended
                ? new Why(
                    "ScaleDownStabilized",
                    "recent recommendations were higher than current one, applying the highest"
                        + " recent recommendation")
                : new Why(
                    "ScaleUpStabilized",
                    "recent recommendations were lower than current one, applying the lowest recent"
                        + " recommendation");
    long least = autoscaler.spec().integerOr(1, "minReplicas");
    long most = autoscaler.spec().integer("maxReplicas");
    return ruled
        ? byRules(behavior, current, stable, least, most, able, now)
        : plain(current, stable, least, most, able);
  }

  /** Remembers that the size was changed. */
  void changed(long from, long to, Instant now) {
    if (from != to) {
      changes.add(new Change(now, to - from));
    }
  }

  private long stabilised(JsonObject behavior, long current, long recommended, Instant now) {
    // Without rules, upwards is followed at once and downwards after five minutes.
    long upWindow = behavior.integer("scaleUp", "stabilizationWindowSeconds");
    long downWindow =
        behavior.integerOr(DEFAULT_DOWN_WINDOW, "scaleDown", "stabilizationWindowSeconds");
    long lowest = recommended;
    long highest = recommended;
    for (Recommendation recommendation : recommendations) {
      if (recommendation.time().isAfter(now.minusSeconds(upWindow))) {
        lowest = Math.min(lowest, recommendation.replicas());
      }
      if (recommendation.time().isAfter(now.minusSeconds(downWindow))) {
        highest = Math.max(highest, recommendation.replicas());
      }
    }
    if (behavior.isEmpty()) {
      return highest;
    }
    return Math.max(lowest, Math.min(current, highest));
  }

  private static final Why TOO_MANY =
      new Why(
          "TooManyReplicas", "the desired replica count is more than the maximum replica count");
  private static final Why TOO_FEW =
      new Why("TooFewReplicas", "the desired replica count is less than the minimum replica count");
  private static final Why UP_LIMIT =
      new Why(
          "ScaleUpLimit",
          "the desired replica count is increasing faster than the maximum scale rate");
  private static final Why DOWN_LIMIT =
      new Why(
          "ScaleDownLimit",
          "the desired replica count is decreasing faster than the maximum scale rate");
  private static final Why WITHIN =
      new Why("DesiredWithinRange", "the desired count is within the acceptable range");

  private static Outcome plain(long current, long stable, long least, long most, Why able) {
    long fastest = Math.max(2 * current, 4);
    long ceiling = Math.min(most, fastest);
    if (stable < least) {
      return new Outcome(least, able, TOO_FEW, true);
    }
    return stable > ceiling
        ? new Outcome(ceiling, able, most > fastest ? UP_LIMIT : TOO_MANY, true)
        : new Outcome(stable, able, WITHIN, false);
  }

  private Outcome byRules(
      JsonObject behavior,
      long current,
      long stable,
      long least,
      long most,
      Why able,
      Instant now) {
    if (stable > current) {
      long fastest = Math.max(current, limit(behavior.object("scaleUp"), current, true, now));
      long ceiling = Math.min(most, fastest);
      if (stable > ceiling) {
        return new Outcome(ceiling, able, most > fastest ? UP_LIMIT : TOO_MANY, true);
      }
    } else if (stable < current) {
      long fastest = Math.min(current, limit(behavior.object("scaleDown"), current, false, now));
      long floor = Math.max(least, fastest);
      if (stable < floor) {
        return new Outcome(floor, able, least < fastest ? DOWN_LIMIT : TOO_FEW, true);
      }
    }
    return new Outcome(stable, able, WITHIN, false);
  }

  private long limit(JsonObject rules, long current, boolean up, Instant now) {
    String select = rules.text("selectPolicy");
    if (select.equals("Disabled")) {
      return current;
    }
    // Max means the most change: the highest number upwards, the lowest downwards.
    boolean highest = up != select.equals("Min");
    long result = highest ? Long.MIN_VALUE : Long.MAX_VALUE;
    for (JsonObject policy : rules.objects("policies")) {
      long value = policy.integer("value");
      long start = current - changedSince(now.minusSeconds(policy.integer("periodSeconds")));
      long proposed;
      if (policy.text("type").equals("Pods")) {
        proposed = up ? start + value : start - value;
      } else {
        proposed =
            up
                ? (long) Math.ceil(start * (100.0 + value) / 100)
                : (long) (start * (100.0 - value) / 100);
      }
      result = highest ? Math.max(result, proposed) : Math.min(result, proposed);
    }
    return rules.objects("policies").isEmpty() ? current : result;
  }

  private long changedSince(Instant start) {
    return changes.stream().filter(c -> c.time().isAfter(start)).mapToLong(Change::by).sum();
  }
}
