package dev.kedge.store.cache;

import java.time.Duration;

/**
 * Time for waiting on slow watchers, which they share: it refills evenly over a second, so however
 * many are slow, dispatching loses no more than that. One thread.
 */
final class TimeBudget {
  private final long most;
  private long left;
  private long refilledAt = System.nanoTime();

  TimeBudget(Duration perSecond) {
    this.most = perSecond.toNanos();
    this.left = most;
  }

  /** Nanoseconds that may be waited now. */
  long available(long now) {
    long elapsed = Math.min(now - refilledAt, 1_000_000_000L);
    refilledAt = now;
    left = Math.min(most, left + (long) (most * (elapsed / 1e9)));
    return left;
  }

  void spend(long began, long ended) {
    left = Math.max(0, left - (ended - began));
    refilledAt = ended;
  }
}
