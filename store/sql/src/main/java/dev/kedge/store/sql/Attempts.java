package dev.kedge.store.sql;

import java.time.Duration;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;

/** Tries that follow each other ever more slowly, for a bounded time. One thread. */
final class Attempts {
  private final CountDownLatch stopping;
  private final long deadline;
  private long pauseMillis;

  /**
   * @param stopping ends them early
   */
  Attempts(Duration patience, CountDownLatch stopping) {
    this.stopping = stopping;
    deadline = System.nanoTime() + patience.toNanos();
  }

  /** Waits a little; whether there is time for another. */
  boolean another() throws InterruptedException {
    if (deadline - System.nanoTime() <= 0) {
      return false;
    }
    // At once the first time: one connection may have been cut with the database in health.
    boolean ending = pauseMillis > 0 && stopping.await(pauseMillis, TimeUnit.MILLISECONDS);
    pauseMillis = Math.min(1000, Math.max(20, pauseMillis * 2));
    return !ending;
  }
}
