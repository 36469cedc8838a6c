package dev.kedge.store;

import dev.kedge.store.Store.Entry;
import dev.kedge.store.Store.WriteResult.Committed;
import dev.kedge.store.StoreWatch.Event;
import java.lang.management.ManagementFactory;
import java.time.Duration;
import java.util.Arrays;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.atomic.AtomicInteger;

/** Prints what an engine costs. */
public final class EngineBenchmark {
  private static final int SMALL = 1024;
  private static final AtomicInteger NEXT = new AtomicInteger();

  private EngineBenchmark() {}

  /** Opens the engine, or opens it again. */
  public interface Opening {
    Store open() throws Exception;
  }

  /**
   * Measures an engine that is empty.
   *
   * @param shared whether several servers may open it
   */
  public static void measure(String engine, Opening opening, boolean shared) throws Exception {
    long began = System.nanoTime();
    Store store = opening.open();
    System.out.printf("%s%n  first open, fresh: %.0f ms%n", engine, millisSince(began));
    store.close();
    began = System.nanoTime();
    store = opening.open();
    System.out.printf("  second open: %.1f ms%n", millisSince(began));

    creates(store, 16, 2000, false);
    for (int writers : new int[] {1, 16, 128}) {
      creates(store, writers, writers == 1 ? 1000 : 10_000, true);
    }
    hotKey(store, 1, 500);
    hotKey(store, 16, 1000);
    latency("watch on this server", store, store);
    if (shared) {
      try (Store other = opening.open()) {
        latency("watch on another server", store, other);
        bothWrite(store, other);
      }
    }
    creates(store, 128, 100_000 - store.list("/k/", 0, "", 0).entries().size(), false);
    list(store);
    store.close();
    began = System.nanoTime();
    store = opening.open();
    System.out.printf("  open with 100,000 keys: %.1f ms%n", millisSince(began));
    store.close();
  }

  private static void creates(Store store, int writers, int count, boolean told) throws Exception {
    byte[] value = new byte[SMALL];
    Times times = run(writers, count, n -> store.create("/k/" + NEXT.getAndIncrement(), value));
    if (told) {
      times.print("create, %3d writers".formatted(writers));
    }
  }

  /** Everybody updates one key: read, write, and again where another was first. */
  private static void hotKey(Store store, int writers, int count) throws Exception {
    String key = "/hot/" + writers;
    store.create(key, new byte[SMALL]);
    run(
            writers,
            count,
            n -> {
              Entry entry = store.get(key).orElseThrow();
              while (true) {
                switch (store.update(key, new byte[SMALL], entry.revision())) {
                  case Committed committed -> {
                    return;
                  }
                  case Store.WriteResult.Conflict(Entry current) -> entry = current;
                  case Store.WriteResult.Absent absent ->
                      throw new StoreException(key + " is gone");
                }
              }
            })
        .print("update of one key, %3d writers".formatted(writers));
  }

  private static void bothWrite(Store one, Store other) throws Exception {
    byte[] value = new byte[SMALL];
    run(128, 10_000, n -> (n % 2 == 0 ? one : other).create("/k/" + NEXT.getAndIncrement(), value))
        .print("create, 64 writers on each of two servers");
  }

  /** From the acknowledgement of a write to its event. */
  private static void latency(String name, Store writing, Store watching) throws Exception {
    int count = 300;
    ConcurrentHashMap<Long, Long> told = new ConcurrentHashMap<>();
    CountDownLatch all = new CountDownLatch(count);
    long[] times = new long[count];
    try (StoreWatch watch = watching.watch("/watched/", 0)) {
      Thread reader =
          Thread.ofVirtual()
              .start(
                  () -> {
                    try {
                      while (all.getCount() > 0) {
                        for (Event event : watch.take(Duration.ofSeconds(1))) {
                          told.put(event.revision(), System.nanoTime());
                          all.countDown();
                        }
                      }
                    } catch (InterruptedException e) {
                      Thread.currentThread().interrupt();
                    }
                  });
      long[] revisions = new long[count];
      long[] acknowledged = new long[count];
      for (int i = 0; i < count; i++) {
        revisions[i] =
            ((Committed) writing.create("/watched/" + NEXT.getAndIncrement(), new byte[SMALL]))
                .revision();
        acknowledged[i] = System.nanoTime();
        // An interval: single changes, not a stream of them.
        Thread.sleep(5);
      }
      all.await();
      reader.join();
      for (int i = 0; i < count; i++) {
        times[i] = Math.max(0, told.get(revisions[i]) - acknowledged[i]);
      }
    }
    Arrays.sort(times);
    System.out.printf(
        "  %s, after the acknowledgement: p50 %.2f ms, p99 %.2f ms%n",
        name, times[count / 2] / 1e6, times[count * 99 / 100] / 1e6);
  }

  private static void list(Store store) {
    for (int i = 0; i < 2; i++) {
      long began = System.nanoTime();
      int size = store.list("/k/", 0, "", 0).entries().size();
      System.out.printf("  list of %,d keys at once: %.0f ms%n", size, millisSince(began));
    }
    long began = System.nanoTime();
    int pages = 0;
    String from = "";
    Store.Page page;
    long revision = 0;
    do {
      page = store.list("/k/", revision, from, 500);
      revision = page.revision();
      from = page.entries().getLast().key() + "\0";
      pages++;
    } while (page.more());
    System.out.printf("  the same in %d pages: %.0f ms%n", pages, millisSince(began));
  }

  private interface Work {
    void run(int number);
  }

  private record Times(int count, long[] nanos, double seconds, double processorMillis) {
    void print(String name) {
      System.out.printf(
          "  %s: %,.0f/s, p50 %.2f ms, p99 %.2f ms, %.3f ms processor each%n",
          name,
          count / seconds,
          nanos[count / 2] / 1e6,
          nanos[count * 99 / 100] / 1e6,
          processorMillis / count);
    }
  }

  private static Times run(int workers, int count, Work work) throws Exception {
    long[] times = new long[count];
    AtomicInteger next = new AtomicInteger();
    CountDownLatch ended = new CountDownLatch(workers);
    long cpu = cpu();
    long began = System.nanoTime();
    for (int i = 0; i < workers; i++) {
      Thread.ofVirtual()
          .start(
              () -> {
                for (int n = next.getAndIncrement(); n < count; n = next.getAndIncrement()) {
                  long start = System.nanoTime();
                  work.run(n);
                  times[n] = System.nanoTime() - start;
                }
                ended.countDown();
              });
    }
    ended.await();
    double seconds = (System.nanoTime() - began) / 1e9;
    double processor = (cpu() - cpu) / 1e6;
    Arrays.sort(times);
    return new Times(count, times, seconds, processor);
  }

  private static double millisSince(long began) {
    return (System.nanoTime() - began) / 1e6;
  }

  private static long cpu() {
    return ((com.sun.management.OperatingSystemMXBean) ManagementFactory.getOperatingSystemMXBean())
        .getProcessCpuTime();
  }
}
