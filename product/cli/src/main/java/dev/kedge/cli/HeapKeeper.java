package dev.kedge.cli;

import java.lang.management.GarbageCollectorMXBean;
import java.lang.management.ManagementFactory;
import java.lang.management.MemoryNotificationInfo;
import java.lang.management.MemoryPoolMXBean;
import java.lang.management.MemoryType;
import java.lang.management.MemoryUsage;
import java.time.Duration;
import java.util.Optional;
import java.util.concurrent.Semaphore;
import java.util.concurrent.TimeUnit;
import javax.management.NotificationEmitter;

/**
 * Keeps the process near the size of what lives in its heap. The small collector lets garbage that
 * has grown old pile up to the heap's limit, a quarter of the machine's memory, before it looks for
 * it; here it is told to look when the old generation has doubled since it last did, and when there
 * is something to give back in a quiet minute.
 *
 * <p>What that costs is bounded as Go's collector bounds it: each byte that lives is looked at once
 * for each byte that was made and grew old.
 */
final class HeapKeeper {
  /** What may gather however little lives: collecting a small heap often would gain nothing. */
  private static final long ROOM = 32L << 20;

  /** What is worth a collection in a quiet minute. */
  private static final long WORTH = 8L << 20;

  private static final Duration LOOK = Duration.ofMinutes(1);

  private final MemoryPoolMXBean old;
  private final Semaphore crossed = new Semaphore(0);
  private long live;

  private HeapKeeper(MemoryPoolMXBean old) {
    this.old = old;
  }

  /**
   * Begins, for this process; does nothing where the collector has no old generation that can be
   * watched.
   */
  static void start() {
    Optional<MemoryPoolMXBean> old =
        ManagementFactory.getMemoryPoolMXBeans().stream()
            .filter(pool -> pool.getType() == MemoryType.HEAP)
            .filter(pool -> pool.isUsageThresholdSupported() && pool.getName().contains("Tenured"))
            .findFirst();
    old.ifPresent(pool -> Thread.ofVirtual().name("heap-keeper").start(new HeapKeeper(pool)::run));
  }

  private void run() {
    ((NotificationEmitter) ManagementFactory.getMemoryMXBean())
        .addNotificationListener(
            (notification, _) -> {
              if (notification.getType().equals(MemoryNotificationInfo.MEMORY_THRESHOLD_EXCEEDED)) {
                crossed.release();
              }
            },
            null,
            null);
    settle();
    long collections = collections();
    try {
      while (true) {
        boolean full = crossed.tryAcquire(LOOK.toMillis(), TimeUnit.MILLISECONDS);
        crossed.drainPermits();
        long now = collections();
        boolean quiet = !full && now - collections <= 1;
        collections = now;
        long used = old.getUsage().getUsed();
        if (used > limit(live) || quiet && used > live + Math.max(WORTH, live / 4)) {
          System.gc();
          settle();
        }
      }
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
    }
  }

  /** Takes what is there now for what lives. */
  private void settle() {
    MemoryUsage usage = old.getUsage();
    live = usage.getUsed();
    long most = usage.getMax();
    long limit = limit(live);
    // Near the end of the heap the collector looks by itself.
    old.setUsageThreshold(most < 0 ? limit : Math.min(limit, most));
  }

  /**
   * What the old generation may grow to, in bytes, when so much lived after the last collection.
   */
  static long limit(long live) {
    return Math.max(2 * live, live + ROOM);
  }

  private static long collections() {
    return ManagementFactory.getGarbageCollectorMXBeans().stream()
        .mapToLong(GarbageCollectorMXBean::getCollectionCount)
        .sum();
  }
}
