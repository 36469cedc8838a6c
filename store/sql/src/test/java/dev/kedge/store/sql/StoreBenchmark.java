package dev.kedge.store.sql;

import dev.kedge.store.Store;
import dev.kedge.store.StoreWatch;
import java.lang.management.ManagementFactory;
import java.nio.file.Path;
import java.time.Duration;
import java.util.Arrays;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.atomic.AtomicInteger;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.condition.EnabledIfSystemProperty;
import org.junit.jupiter.api.io.TempDir;

/** Prints what the store costs; the README says how to run it. */
@EnabledIfSystemProperty(named = "kedge.benchmark", matches = "true")
class StoreBenchmark {
  @TempDir Path directory;

  @Test
  void opensAndCreates() throws Exception {
    Path file = directory.resolve("db/state.db");
    long began = System.nanoTime();
    Store store = SqliteStore.open(file);
    System.out.printf("first open, fresh: %.1f ms%n", millisSince(began));
    store.close();
    began = System.nanoTime();
    store = SqliteStore.open(file);
    System.out.printf("second open: %.1f ms%n", millisSince(began));

    try (StoreWatch watch = store.watch("/k/", 0)) {
      Thread.ofVirtual()
          .start(
              () -> {
                try {
                  while (true) {
                    watch.take(Duration.ofMinutes(1));
                  }
                } catch (InterruptedException | RuntimeException e) {
                  System.out.println("watch ended: " + e.getMessage());
                }
              });
      for (int callers : new int[] {1, 16, 16, 64, 256}) {
        creates(store, callers, callers == 1 ? 500 : 20_000);
      }
    }
    store.close();
    began = System.nanoTime();
    store = SqliteStore.open(file);
    System.out.printf("open with the rows of all that: %.1f ms%n", millisSince(began));
    began = System.nanoTime();
    int size = store.list("/k/", 0, "", 0).entries().size();
    System.out.printf("list %d entries of 1 KB: %.1f ms%n", size, millisSince(began));
    store.close();
  }

  private static final AtomicInteger NEXT = new AtomicInteger();

  private static void creates(Store store, int callers, int count) throws Exception {
    long[] times = new long[count];
    AtomicInteger done = new AtomicInteger();
    CountDownLatch ended = new CountDownLatch(callers);
    byte[] value = new byte[1024];
    long cpu = cpu();
    long began = System.nanoTime();
    for (int i = 0; i < callers; i++) {
      Thread.ofVirtual()
          .start(
              () -> {
                for (int n = done.getAndIncrement(); n < count; n = done.getAndIncrement()) {
                  long start = System.nanoTime();
                  store.create("/k/" + NEXT.getAndIncrement(), value);
                  times[n] = System.nanoTime() - start;
                }
                ended.countDown();
              });
    }
    ended.await();
    double seconds = (System.nanoTime() - began) / 1e9;
    double cpuEach = (cpu() - cpu) / 1e6 / count;
    Arrays.sort(times);
    System.out.printf(
        "%3d callers: %,.0f creates/s, p50 %.2f ms, p99 %.2f ms, %.3f ms processor each%n",
        callers, count / seconds, times[count / 2] / 1e6, times[count * 99 / 100] / 1e6, cpuEach);
  }

  private static double millisSince(long began) {
    return (System.nanoTime() - began) / 1e6;
  }

  private static long cpu() {
    return ((com.sun.management.OperatingSystemMXBean) ManagementFactory.getOperatingSystemMXBean())
        .getProcessCpuTime();
  }
}
