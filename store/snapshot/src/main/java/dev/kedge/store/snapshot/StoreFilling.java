package dev.kedge.store.snapshot;

import dev.kedge.store.Store;
import dev.kedge.store.Store.WriteResult;
import dev.kedge.store.StoreException;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.util.Arrays;
import java.util.Optional;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Semaphore;
import java.util.concurrent.atomic.AtomicReference;
import org.jspecify.annotations.Nullable;

/**
 * Fills a store from elsewhere: from a snapshot, or from a store of another engine. Many writes are
 * under way at a time, so that engines commit them together; memory does not grow with their
 * number. Nobody else may use the store meanwhile.
 */
public final class StoreFilling {
  /**
   * After a snapshot a store went on, nobody knows how far; this is farther. What etcd's
   * documentation advises to skip at a restore: a year of thirty changes a second.
   */
  public static final long UNKNOWN = 1_000_000_000;

  private static final int AT_A_TIME = 128;
  private static final int PAGE = 500;

  private StoreFilling() {}

  /**
   * Writes all records, with revisions greater than one. Keys that are there already with the same
   * value, from an attempt that was cut short, stay.
   *
   * @param above what clients may know of the store that the records are of; where that is not
   *     known for certain, {@link #UNKNOWN} more
   * @return how many they were
   * @throws StoreException if the store fails, or somebody else writes to it
   */
  public static long fill(Store store, long above, Records records) {
    store.raise(above);
    try (InFlight writes = new InFlight()) {
      long count = 0;
      for (Optional<Records.Entry> next = records.next(); next.isPresent(); next = records.next()) {
        Records.Entry entry = next.get();
        writes.start(() -> create(store, entry));
        count++;
      }
      writes.await();
      return count;
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }

  private static void create(Store store, Records.Entry entry) {
    WriteResult result = store.create(entry.key(), entry.value());
    if (result instanceof WriteResult.Conflict(Store.Entry current)
        && !Arrays.equals(current.value(), entry.value())) {
      throw new StoreException(
          "somebody else writes to the datastore: " + entry.key() + " is there already");
    }
  }

  /** Removes every key but one. */
  public static void clear(Store store, String kept) {
    while (true) {
      Store.Page page = store.list("/", 0, "", PAGE);
      try (InFlight writes = new InFlight()) {
        page.entries().stream()
            .filter(entry -> !entry.key().equals(kept))
            .forEach(entry -> writes.start(() -> store.delete(entry.key(), entry.revision())));
        writes.await();
      }
      if (page.entries().stream().allMatch(entry -> entry.key().equals(kept))) {
        return;
      }
    }
  }

  /** Writes under way; the first failure ends them all. */
  private static final class InFlight implements AutoCloseable {
    private final ExecutorService threads = Executors.newVirtualThreadPerTaskExecutor();
    private final Semaphore places = new Semaphore(AT_A_TIME);
    private final AtomicReference<@Nullable RuntimeException> failure = new AtomicReference<>();

    void start(Runnable write) {
      places.acquireUninterruptibly();
      check();
      threads.execute(
          () -> {
            try {
              write.run();
            } catch (RuntimeException e) {
              failure.compareAndSet(null, e);
            } finally {
              places.release();
            }
          });
    }

    void await() {
      places.acquireUninterruptibly(AT_A_TIME);
      places.release(AT_A_TIME);
      check();
    }

    private void check() {
      RuntimeException first = failure.get();
      if (first != null) {
        throw first;
      }
    }

    @Override
    public void close() {
      threads.close();
    }
  }
}
