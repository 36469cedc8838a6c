package dev.kedge.reconcile;

import java.time.Duration;
import java.time.Instant;
import java.util.concurrent.ScheduledFuture;
import java.util.concurrent.ScheduledThreadPoolExecutor;
import java.util.concurrent.TimeUnit;

/** The machine's time; one thread waits for all timers. */
public final class SystemTimeline implements Timeline, AutoCloseable {
  private static final System.Logger LOG = System.getLogger("dev.kedge.reconcile");
  private final ScheduledThreadPoolExecutor executor;

  /** Starts the thread with the first timer. */
  public SystemTimeline() {
    executor =
        new ScheduledThreadPoolExecutor(1, Thread.ofPlatform().daemon().name("timers").factory());
    executor.setRemoveOnCancelPolicy(true);
    executor.setExecuteExistingDelayedTasksAfterShutdownPolicy(false);
  }

  @Override
  public Instant instant() {
    return Instant.now();
  }

  @Override
  public Timer after(Duration delay, Runnable action) {
    if (executor.isShutdown()) {
      return () -> {}; // the process stops; nothing happens later any more
    }
    ScheduledFuture<?> future =
        executor.schedule(
            () -> {
              try {
                action.run();
              } catch (RuntimeException e) {
                LOG.log(System.Logger.Level.ERROR, "a timer's action failed", e);
              }
            },
            Math.max(0, delay.toNanos()),
            TimeUnit.NANOSECONDS);
    return () -> future.cancel(false);
  }

  @Override
  public void close() {
    executor.shutdownNow();
  }
}
