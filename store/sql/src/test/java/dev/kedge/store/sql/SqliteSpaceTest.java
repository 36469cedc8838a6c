package dev.kedge.store.sql;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.awaitility.Awaitility.await;

import dev.kedge.store.Store;
import dev.kedge.store.Store.WriteResult;
import dev.kedge.store.Store.WriteResult.Committed;
import dev.kedge.store.StoreException;
import dev.kedge.store.sql.SqliteStore.Durability;
import dev.kedge.store.sql.SqliteStore.Options;
import java.nio.file.Files;
import java.nio.file.Path;
import java.sql.Connection;
import java.sql.SQLException;
import java.time.Duration;
import java.util.Properties;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.concurrent.atomic.AtomicInteger;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.sqlite.JDBC;

/** What the file and its log take of the disk, and what happens when that is too much. */
class SqliteSpaceTest {
  private static final int UPDATES = Integer.getInteger("kedge.updates", 30_000);
  private static final int WRITERS = 64;
  private static final long MEGABYTE = 1L << 20;

  @TempDir Path directory;

  private Path file() {
    return directory.resolve("db/state.db");
  }

  /** Readers that follow each other without pause leave the log no moment to begin anew. */
  @Test
  void theLogStaysBoundedWhileSomebodyAlwaysReads() throws Exception {
    AtomicBoolean done = new AtomicBoolean();
    try (Store store = SqliteStore.open(file(), Options.FAST);
        ExecutorService threads = Executors.newCachedThreadPool()) {
      store.create("/a", new byte[1]);
      CountDownLatch reading = new CountDownLatch(1);
      Future<?> reader =
          threads.submit(
              () -> {
                try (Connection one = JDBC.createConnection(url(), new Properties());
                    Connection other = JDBC.createConnection(url(), new Properties())) {
                  beginReading(one);
                  reading.countDown();
                  while (!done.get()) {
                    beginReading(other);
                    Database.execute(one, "COMMIT");
                    beginReading(one);
                    Database.execute(other, "COMMIT");
                  }
                }
                return null;
              });
      reading.await();
      byte[] value = new byte[(int) MEGABYTE];
      long longest = 0;
      for (int i = 0; i < 150; i++) {
        store.create("/k/" + i, value);
        longest = Math.max(longest, Files.size(Path.of(file() + "-wal")));
      }
      done.set(true);
      reader.get();
      System.out.printf("the log was %d MB long at most%n", longest / MEGABYTE);
      assertThat(longest).isLessThan(64 * MEGABYTE);
    }
  }

  private String url() {
    return "jdbc:sqlite:" + file();
  }

  private static void beginReading(Connection connection) throws SQLException {
    Database.execute(connection, "BEGIN");
    Database.number(connection, "SELECT count(*) FROM progress");
  }

  /** {@code -Dkedge.updates=1000000} for the long form. */
  @Test
  void manyUpdatesLeaveASmallFile() throws Exception {
    int keys = UPDATES / 5;
    Options options =
        new Options(Durability.NONE, Duration.ofSeconds(1), 4 * MEGABYTE, Duration.ZERO, 8L << 30);
    try (Store store = SqliteStore.open(file(), options)) {
      AtomicInteger next = new AtomicInteger();
      try (ExecutorService threads = Executors.newVirtualThreadPerTaskExecutor()) {
        for (int w = 0; w < WRITERS; w++) {
          int writer = w;
          threads.submit(() -> update(store, "/k/" + writer + "-", keys / WRITERS, next));
        }
      }
      long largest = Files.size(file());
      long live =
          store.list("/", 0, "", 0).entries().stream().mapToLong(each -> each.value().length).sum();
      assertThat(live).isPositive();
      // Compaction, removal and vacuum go on between writes; what is free goes at a checkpoint.
      await()
          .atMost(Duration.ofMinutes(2))
          .until(
              () -> {
                store
                    .get("/k/0-0")
                    .map(each -> store.update(each.key(), each.value(), each.revision()));
                return Files.size(file()) < 3 * live;
              });
      System.out.printf(
          "%,d updates of %,d keys: %d MB live, the file had %d MB, has %d MB%n",
          UPDATES, keys, live / MEGABYTE, largest / MEGABYTE, Files.size(file()) / MEGABYTE);
    }
  }

  private static void update(Store store, String prefix, int keys, AtomicInteger next) {
    long[] revisions = new long[keys];
    for (int i = 0; next.getAndIncrement() < UPDATES; i = (i + 1) % keys) {
      byte[] value = new byte[512 + (int) (revisions[i] % 1024)];
      revisions[i] =
          committed(
              revisions[i] == 0
                  ? store.create(prefix + i, value)
                  : store.update(prefix + i, value, revisions[i]));
    }
  }

  @Test
  void aFullDatabaseRefusesObjectsUntilSomeAreDeleted() {
    Options options =
        new Options(
            Durability.NONE, Duration.ofMillis(100), 4 * MEGABYTE, Duration.ZERO, 16 * MEGABYTE);
    byte[] value = new byte[100_000];
    try (Store store = SqliteStore.open(file(), options)) {
      int count = 0;
      StoreException refusal = null;
      while (refusal == null && count < 1000) {
        try {
          store.create("/k/" + count, value);
          count++;
        } catch (StoreException e) {
          refusal = e;
        }
      }
      assertThat(count).isBetween(150, 170);
      assertThat(refusal)
          .hasMessageContaining("is full: it uses 16 MiB, its limit is 16 MiB")
          .hasMessageContaining("raise --datastore-size-limit");
      // The cluster works on, and can be cleaned up.
      Store.Entry entry = store.get("/k/0").orElseThrow();
      long revision = committed(store.update("/k/0", new byte[10], entry.revision()));
      committed(store.delete("/k/0", revision));
      int filled = count;
      assertThatThrownBy(
              () -> {
                for (int i = 1; i < filled; i++) {
                  long at = store.get("/k/" + i).orElseThrow().revision();
                  store.update("/k/" + i, value, at);
                }
              })
          .hasMessageContaining("is full");
      for (int i = 1; i < count; i++) {
        committed(store.delete("/k/" + i, store.get("/k/" + i).orElseThrow().revision()));
      }
      await()
          .atMost(Duration.ofSeconds(60))
          .ignoreException(StoreException.class)
          .until(() -> store.create("/again", value) instanceof Committed);
    }
  }

  /** A power cut may take what was acknowledged; a copy of the file without its log is worse. */
  @Test
  void revisionsAreNotReusedAfterALaggingCommitWasLost() throws Exception {
    Path lost = Files.createDirectory(directory.resolve("lost"));
    try (Store store = SqliteStore.open(file(), Options.DEFAULT.with(Durability.NORMAL))) {
      long kept = committed(store.create("/a", new byte[1]));
      Files.copy(file(), lost.resolve("state.db"));
      Files.copy(Path.of(file() + "-wal"), lost.resolve("state.db-wal"));
      long gone = committed(store.create("/b", new byte[1]));
      try (Store after =
          SqliteStore.open(lost.resolve("state.db"), Options.DEFAULT.with(Durability.NORMAL))) {
        assertThat(after.get("/a").orElseThrow().revision()).isEqualTo(kept);
        assertThat(after.get("/b")).isEmpty();
        assertThat(committed(after.create("/c", new byte[1]))).isGreaterThan(gone);
      }
    }
  }

  private static long committed(WriteResult result) {
    assertThat(result).isInstanceOf(Committed.class);
    return ((Committed) result).revision();
  }
}
