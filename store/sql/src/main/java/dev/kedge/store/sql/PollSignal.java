package dev.kedge.store.sql;

import java.time.Duration;

/**
 * Looks from time to time, where a database cannot call; oftener while there is something to see.
 * Reads and writes of this server learn of others' changes at once, so this only bounds how long a
 * watch waits when this server itself does nothing.
 */
final class PollSignal implements Signal {
  private static final Duration BUSY = Duration.ofMillis(20);
  private static final Duration QUIET = Duration.ofMillis(200);
  private static final long STAYS_BUSY_NANOS = Duration.ofSeconds(1).toNanos();

  private long busyUntil = System.nanoTime();

  @Override
  public void await(boolean busy) throws InterruptedException {
    long now = System.nanoTime();
    if (busy) {
      busyUntil = now + STAYS_BUSY_NANOS;
    }
    Thread.sleep(busyUntil - now > 0 ? BUSY : QUIET);
  }

  @Override
  public void reset() {}
}
