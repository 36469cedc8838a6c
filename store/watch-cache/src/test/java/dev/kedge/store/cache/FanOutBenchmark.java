package dev.kedge.store.cache;

import dev.kedge.store.Store;
import dev.kedge.store.sql.SqliteStore;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.concurrent.CountDownLatch;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.condition.EnabledIfSystemProperty;
import org.junit.jupiter.api.io.TempDir;

/** From an acknowledged write to the last of 1,000 watchers; the README says how to run it. */
@EnabledIfSystemProperty(named = "kedge.benchmark", matches = "true")
class FanOutBenchmark {
  private static final int WATCHERS = 1000;
  private static final int ROUNDS = 400;

  @TempDir Path directory;

  @Test
  void oneEventToAThousandWatchers() throws Exception {
    try (Store store = SqliteStore.open(directory.resolve("state.db"));
        WatchCache cache = WatchCache.open(store, "/registry/pods/", WatchCacheTest.INDEXER)) {
      CountDownLatch[] received = new CountDownLatch[ROUNDS];
      Arrays.setAll(received, _ -> new CountDownLatch(WATCHERS));
      List<CacheWatch> watches = new ArrayList<>();
      for (int i = 0; i < WATCHERS; i++) {
        CacheWatch watch =
            cache.watch(Selection.ALL.and(row -> row.labels().containsKey("app")), 0);
        watches.add(watch);
        Thread.ofVirtual()
            .start(
                () -> {
                  try {
                    int round = 0;
                    while (round < ROUNDS) {
                      for (CacheEvent _ : watch.take(Duration.ofMinutes(1))) {
                        received[round++].countDown();
                      }
                    }
                  } catch (InterruptedException e) {
                    Thread.currentThread().interrupt();
                  }
                });
      }
      long[] times = new long[ROUNDS];
      for (int round = 0; round < ROUNDS; round++) {
        WatchCacheTest.committed(
            store.create(
                "/registry/pods/a/p" + round, WatchCacheTest.pod("a", "p" + round, "n1", "x")));
        long acknowledged = System.nanoTime();
        received[round].await();
        times[round] = System.nanoTime() - acknowledged;
      }
      long[] warm = Arrays.copyOfRange(times, ROUNDS / 4, ROUNDS);
      Arrays.sort(warm);
      System.out.printf(
          "%d watchers, write acknowledged to last take: p50 %.2f ms, p99 %.2f ms, cold first"
              + " %.2f ms%n",
          WATCHERS,
          warm[warm.length / 2] / 1e6,
          warm[warm.length * 99 / 100] / 1e6,
          times[0] / 1e6);
      watches.forEach(CacheWatch::close);
    }
  }
}
