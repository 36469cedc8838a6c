package dev.kedge.reconcile;

import java.time.Duration;
import java.time.Instant;
import java.time.InstantSource;

/** The time and things to do later. Tests pass one that they move by hand. */
public interface Timeline extends InstantSource {
  /** Runs a short action later, on a thread of the timeline's own. Never busy while it waits. */
  Timer after(Duration delay, Runnable action);

  /** How long it is until an instant; negative once it is past. */
  default Duration until(Instant instant) {
    return Duration.between(instant(), instant);
  }

  /** An action that waits. */
  @FunctionalInterface
  interface Timer {
    /** Forgets the action, unless it runs already. */
    void cancel();
  }
}
