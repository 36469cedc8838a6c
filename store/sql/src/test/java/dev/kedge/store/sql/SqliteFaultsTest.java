package dev.kedge.store.sql;

import static java.nio.charset.StandardCharsets.UTF_8;
import static org.assertj.core.api.Assertions.assertThat;

import dev.kedge.store.Store;
import dev.kedge.store.Store.Entry;
import dev.kedge.store.Store.WriteResult.Committed;
import dev.kedge.store.sql.SqliteStore.Options;
import java.nio.file.Files;
import java.nio.file.Path;
import java.sql.SQLException;
import java.time.Duration;
import java.util.Arrays;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.Set;
import java.util.TreeMap;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicBoolean;
import org.junit.jupiter.api.Assumptions;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** What disks do to a database. {@code -Dkedge.kills=1000} for as many torn logs. */
class SqliteFaultsTest {
  private static final int TEARS = Integer.getInteger("kedge.kills", 40);
  private static final Duration SLACK = Duration.ofMinutes(5);

  @TempDir Path directory;

  /**
   * The end of the log is cut off, or its last page is half old and half new, as after a power cut:
   * the store opens by itself and shows what was there at some revision, whole.
   */
  @Test
  void aTornLogLeavesAWholePast() throws Exception {
    Path file = directory.resolve("one/state.db");
    TreeMap<Long, Map<String, String>> states = new TreeMap<>();
    byte[] main;
    byte[] log;
    Random random = new Random(7);
    try (Store store = SqliteStore.open(file)) {
      states.put(store.currentRevision(), Map.of());
      Map<String, String> state = new TreeMap<>();
      for (int n = 0; n < 300; n++) {
        String key = "/k/" + random.nextInt(40);
        Entry entry = store.get(key).orElse(null);
        byte[] value = (n + "-" + "x".repeat(random.nextInt(3000))).getBytes(UTF_8);
        Duration slack = random.nextInt(3) == 0 ? SLACK : Duration.ZERO;
        if (entry == null) {
          store.create(key, value, slack);
          state.put(key, new String(value, UTF_8));
        } else if (random.nextInt(4) == 0) {
          store.delete(key, entry.revision(), slack);
          state.remove(key);
        } else {
          store.update(key, value, entry.revision(), slack);
          state.put(key, new String(value, UTF_8));
        }
        states.put(store.currentRevision(), Map.copyOf(state));
      }
      main = Files.readAllBytes(file);
      log = Files.readAllBytes(wal(file));
    }
    Set<Map<String, String>> restored = new HashSet<>();
    for (int tear = 0; tear < TEARS; tear++) {
      byte[] torn = log.clone();
      int at = random.nextInt(torn.length);
      if (tear % 2 == 0) {
        torn = Arrays.copyOf(torn, at);
      } else {
        byte[] noise = new byte[Math.min(512 * (1 + random.nextInt(16)), torn.length - at)];
        random.nextBytes(noise);
        System.arraycopy(noise, 0, torn, at, noise.length);
      }
      Path copy = Files.createDirectory(directory.resolve("torn-" + tear)).resolve("state.db");
      Files.write(copy, main);
      Files.write(wal(copy), torn);
      try (Store store = SqliteStore.open(copy)) {
        Map<String, String> shown = new TreeMap<>();
        long newest = 1;
        for (Entry entry : store.list("/", 0, "", 0).entries()) {
          shown.put(entry.key(), new String(entry.value(), UTF_8));
          newest = Math.max(newest, entry.revision());
        }
        // The state is that of some revision, from that of its newest entry on.
        assertThat(states.tailMap(newest, true).values()).as("tear " + tear).contains(shown);
        restored.add(shown);
        // And it goes on.
        assertThat(store.create("/new", new byte[1])).isInstanceOf(Committed.class);
      }
    }
    System.out.printf("%d torn logs, all opened, at %d revisions%n", TEARS, restored.size());
    assertThat(restored).hasSizeGreaterThan(TEARS / 10);
  }

  /** Each commit takes 50 to 500 ms. */
  @Test
  void aSlowDiskOnlyMakesWritersWait() throws Exception {
    Random random = new Random(7);
    DataFile data = DataFile.lock(directory.resolve("slow/state.db"));
    Database database = new Database(data, Options.FAST);
    SqliteSession session = database.openForWriting();
    Log log = new Log(session.standing().revision(), session.standing().compacted());
    try (Store store =
        LogStore.alone(
            database,
            new Slow(session, random),
            session.standing(),
            log,
            new Readers(database, log),
            Duration.ofMinutes(5),
            Duration.ZERO,
            System::nanoTime,
            Thread.ofPlatform().daemon().name("slow-writer"),
            data::release)) {
      History history = new History();
      long start = store.currentRevision();
      try (History.Follower follower = new History.Follower(store, start)) {
        work(store, history, 20);
        history.check(follower.upTo(store.currentRevision()), start);
        assertThat(history.failed()).isZero();
      }
    }
  }

  /** Space runs out under load and comes back, again and again, while the server runs on. */
  @Test
  void aDiskThatFillsUpAndIsFreedIsGoneOnWith() throws Exception {
    Path mount = Files.createDirectory(directory.resolve("small"));
    Assumptions.assumeTrue(
        run("mount", "-t", "tmpfs", "-o", "size=4m", "tmpfs", mount.toString()),
        "mounting needs root");
    try (Store store = SqliteStore.open(mount.resolve("state.db"))) {
      History history = new History();
      long start = store.currentRevision();
      AtomicBoolean done = new AtomicBoolean();
      int refused = 0;
      try (History.Follower follower = new History.Follower(store, start);
          ExecutorService threads = Executors.newVirtualThreadPerTaskExecutor()) {
        for (int i = 0; i < 4; i++) {
          String name = "w" + i;
          threads.submit(
              () -> {
                for (int run = 0; !done.get(); run++) {
                  history.work(store, name + "-" + run, 20);
                }
              });
        }
        Path filler = mount.resolve("filler");
        for (int round = 0; round < 3; round++) {
          long failed = history.failed();
          fill(filler);
          // The log grows until there is no room for it.
          while (history.failed() < failed + 5) {
            TimeUnit.MILLISECONDS.sleep(1);
          }
          refused++;
          Files.delete(filler);
          long operations = history.operations();
          while (history.operations() < operations + 100) {
            TimeUnit.MILLISECONDS.sleep(1);
          }
        }
        done.set(true);
        threads.close();
        assertThat(refused).isPositive();
        history.check(follower.upTo(store.currentRevision()), start);
      }
    } finally {
      run("umount", mount.toString());
    }
  }

  private static void fill(Path filler) {
    try (var out = Files.newOutputStream(filler)) {
      while (true) {
        out.write(new byte[4096]);
      }
    } catch (java.io.IOException e) {
      // Full, as it was to be.
      assertThat(e).hasMessageContaining("No space left");
    }
  }

  private static void work(Store store, History history, int count) {
    try (ExecutorService threads = Executors.newVirtualThreadPerTaskExecutor()) {
      for (int i = 0; i < 8; i++) {
        String name = "w" + i;
        threads.submit(() -> history.work(store, name, count));
      }
    }
  }

  private static Path wal(Path file) {
    return file.resolveSibling(file.getFileName() + "-wal");
  }

  private static boolean run(String... command) throws Exception {
    return new ProcessBuilder(List.of(command)).redirectErrorStream(true).start().waitFor() == 0;
  }

  /** Commits that wait for the disk. */
  private record Slow(SqliteSession session, Random random) implements WriteSession {
    @Override
    public Standing begin(Set<String> keys) throws SQLException {
      return session.begin(keys);
    }

    @Override
    public void commit(List<Row> rows, long revision, long compacted, long batch)
        throws SQLException {
      pause();
      session.commit(rows, revision, compacted, batch);
      pause();
    }

    private void pause() {
      try {
        TimeUnit.MILLISECONDS.sleep(25 + random.nextInt(225));
      } catch (InterruptedException e) {
        Thread.currentThread().interrupt();
      }
    }

    @Override
    public void end(Standing standing, long published) throws SQLException {
      session.end(standing, published);
    }

    @Override
    public void sweep(long after, long upTo) throws SQLException {
      session.sweep(after, upTo);
    }

    @Override
    public void raise(long to) throws SQLException {
      session.raise(to);
    }

    @Override
    public void reserve(long revision) throws SQLException {
      session.reserve(revision);
    }

    @Override
    public Fate fate(long revision, long batch) throws SQLException {
      return session.fate(revision, batch);
    }

    @Override
    public void rollback() throws SQLException {
      session.rollback();
    }

    @Override
    public void close() throws SQLException {
      session.close();
    }
  }
}
