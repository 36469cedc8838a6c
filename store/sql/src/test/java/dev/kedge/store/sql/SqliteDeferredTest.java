package dev.kedge.store.sql;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.awaitility.Awaitility.await;

import dev.kedge.store.CompactedException;
import dev.kedge.store.Store;
import dev.kedge.store.Store.WriteResult;
import dev.kedge.store.Store.WriteResult.Committed;
import dev.kedge.store.StoreContract;
import dev.kedge.store.StoreWatch;
import dev.kedge.store.sql.SqliteStore.Options;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.ByteBuffer;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import java.util.Optional;
import java.util.concurrent.atomic.AtomicLong;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** Writes that may be lost: as good as others until the process dies. */
class SqliteDeferredTest extends StoreContract {
  private static final Duration SLACK = Duration.ofMinutes(5);

  // Of an idle day and an idle hour. They take 22 MB and 12 syncs: this fails when either doubles.
  private static final long MOST_BYTES = 40_000_000;
  private static final long MOST_SYNCS = 24;

  @TempDir Path directory;

  /** The whole contract, with every other write in memory. */
  @Override
  protected Store open() {
    return new Deferring(SqliteStore.open(directory.resolve("db/state.db"), Options.FAST));
  }

  private record Deferring(Store store) implements Store {
    private static Duration slack(String key) {
      return key.hashCode() % 3 == 0 ? Duration.ZERO : SLACK;
    }

    @Override
    public Optional<Entry> get(String key) {
      return store.get(key);
    }

    @Override
    public Page list(String prefix, long revision, String startKey, int limit) {
      return store.list(prefix, revision, startKey, limit);
    }

    @Override
    public WriteResult create(String key, byte[] value) {
      return store.create(key, value, slack(key));
    }

    @Override
    public WriteResult update(String key, byte[] value, long expectedRevision) {
      return store.update(key, value, expectedRevision, slack(key));
    }

    @Override
    public WriteResult delete(String key, long expectedRevision) {
      return store.delete(key, expectedRevision, slack(key));
    }

    @Override
    public StoreWatch watch(String prefix, long afterRevision) {
      return store.watch(prefix, afterRevision);
    }

    @Override
    public long currentRevision() {
      return store.currentRevision();
    }

    @Override
    public void compact(long revision) {
      store.compact(revision);
    }

    @Override
    public void raise(long revision) {
      store.raise(revision);
    }

    @Override
    public void close() {
      store.close();
    }
  }

  @Test
  void aPageIsFullAlthoughSomeOfItIsGone() {
    for (int i = 0; i < 20; i++) {
      create("/p/%02d".formatted(i), "1");
    }
    store.compact(store.currentRevision());
    for (int i = 0; i < 20; i += 2) {
      delete("/p/%02d".formatted(i), store.get("/p/%02d".formatted(i)).orElseThrow().revision());
    }
    create("/p/00a", "new");

    Store.Page first = store.list("/p/", 0, "", 5);
    assertThat(shown(first))
        .containsExactly("/p/00a=new", "/p/01=1", "/p/03=1", "/p/05=1", "/p/07=1");
    assertThat(first.more()).isTrue();
    Store.Page rest = store.list("/p/", first.revision(), "/p/07\0", 0);
    assertThat(rest.entries()).extracting(Store.Entry::key).startsWith("/p/09").hasSize(6);
  }

  @Test
  void closingBringsAllToDisk() {
    long revision = create("/a", "1");
    revision = update("/a", "2", revision);
    store.close();
    store = open();
    assertThat(shown(store.list("/", 0, "", 0))).containsExactly("/a=2");
    // In order, so no revision is left out.
    assertThat(create("/b", "1")).isEqualTo(revision + 1);
  }

  @Test
  void aLaterDurableWriteTakesTheEarlierOnesAlong() throws Exception {
    Path crashed = directory.resolve("crashed");
    try (Store deferring = SqliteStore.open(directory.resolve("one/state.db"))) {
      deferring.create("/a", bytes("1"), SLACK);
      long durable = committed(deferring.create("/b", bytes("1")));
      copy(directory.resolve("one"), crashed);
      try (Store after = SqliteStore.open(crashed.resolve("state.db"))) {
        assertThat(shown(after.list("/", 0, "", 0))).containsExactly("/a=1", "/b=1");
        assertThat(after.currentRevision()).isGreaterThanOrEqualTo(durable);
      }
    }
  }

  @Test
  void lostRevisionsAreNotGivenOutAgainAndReadersBeginAnew() throws Exception {
    Path crashed = directory.resolve("crashed");
    try (Store deferring = SqliteStore.open(directory.resolve("one/state.db"))) {
      long kept = committed(deferring.create("/a", bytes("kept")));
      long lost = committed(deferring.update("/a", bytes("lost"), kept, SLACK));
      assertThat(deferring.get("/a").orElseThrow().revision()).isEqualTo(lost);
      copy(directory.resolve("one"), crashed);
      try (Store after = SqliteStore.open(crashed.resolve("state.db"))) {
        assertThat(after.currentRevision()).isGreaterThan(lost);
        assertThat(shown(after.list("/", 0, "", 0))).containsExactly("/a=kept");
        // Who saw what is lost must not go on from there.
        assertThatThrownBy(() -> after.watch("/", lost)).isInstanceOf(CompactedException.class);
        assertThatThrownBy(() -> after.list("/", lost, "", 0))
            .isInstanceOf(CompactedException.class);
        assertThat(after.update("/a", bytes("x"), lost)).isInstanceOf(WriteResult.Conflict.class);
        assertThat(committed(after.update("/a", bytes("x"), kept))).isGreaterThan(lost);
      }
    }
  }

  @Test
  void aWriteWaitsNoLongerThanItMay() {
    Path file = directory.resolve("one/state.db");
    try (Store deferring = SqliteStore.open(file)) {
      deferring.create("/a", bytes("1"), Duration.ofMillis(50));
      await().atMost(Duration.ofSeconds(60)).until(() -> stored(file) == 1);
      // A long one does not make a short one wait.
      deferring.create("/b", bytes("1"), SLACK);
      deferring.create("/c", bytes("1"), Duration.ofMillis(50));
      await().atMost(Duration.ofSeconds(60)).until(() -> stored(file) == 3);
    }
  }

  @Test
  void memoryIsBounded() {
    Path file = directory.resolve("one/state.db");
    try (Store deferring = SqliteStore.open(file, Options.FAST)) {
      for (int i = 0; i < 10; i++) {
        deferring.create("/large/" + i, new byte[1_000_000], SLACK);
      }
      assertThat(stored(file)).isGreaterThanOrEqualTo(5);
      for (int i = 0; i < 10_000; i++) {
        deferring.create("/small/" + i, new byte[10], SLACK);
      }
      assertThat(stored(file)).isGreaterThanOrEqualTo(5_000);
    }
  }

  @ParameterizedTest
  @ValueSource(booleans = {false, true})
  void anIdleNodeSyncsSeldom(boolean sparing) throws Exception {
    Path file = directory.resolve("one/state.db");
    Options options = sparing ? Options.DEFAULT.sparing() : Options.DEFAULT;
    try (Idle idle = new Idle(file, options)) {
      long before = syncs(file);
      idle.live(Duration.ofHours(1));
      long synced = syncs(file) - before;
      System.out.printf("an idle hour%s: %d syncs%n", sparing ? ", sparing" : "", synced);
      assertThat(synced).isPositive().isLessThan(MOST_SYNCS);
    }
  }

  /** Into the log, and from there to their places in the file. */
  @ParameterizedTest
  @ValueSource(booleans = {false, true})
  void anIdleNodeWritesLittle(boolean sparing) throws Exception {
    Path file = directory.resolve("one/state.db");
    Options options = sparing ? Options.FAST.sparing() : Options.FAST;
    try (Idle idle = new Idle(file, options)) {
      long before = written();
      idle.live(Duration.ofDays(1));
      long written = written() - before;
      System.out.printf("an idle day%s: %,d bytes%n", sparing ? ", sparing" : "", written);
      assertThat(written).isPositive().isLessThan(MOST_BYTES);
    }
  }

  /**
   * A node that does nothing, by a clock of the test's own: a heartbeat every ten seconds and a
   * status every five minutes.
   */
  private static final class Idle implements AutoCloseable {
    private static final int BEAT = 10;

    private final AtomicLong clock = new AtomicLong();
    private final byte[] lease = new byte[600];
    private final byte[] status = new byte[6_000];
    private final Store store;
    private long leaseAt;
    private long nodeAt;

    Idle(Path file, Options options) {
      store = SqliteStore.open(file, options, clock::get);
      for (int i = 0; i < 500; i++) {
        store.create("/registry/some/" + i, new byte[1_000], SLACK);
      }
      leaseAt = committed(store.create("/registry/leases/node", lease));
      nodeAt = committed(store.create("/registry/nodes/node", status));
    }

    void live(Duration time) {
      for (int second = 0; second < time.toSeconds(); second += BEAT) {
        clock.addAndGet(Duration.ofSeconds(BEAT).toNanos());
        leaseAt = committed(store.update("/registry/leases/node", lease, leaseAt, SLACK));
        if (second % 300 == 150) {
          nodeAt = committed(store.update("/registry/nodes/node", status, nodeAt));
        }
      }
    }

    @Override
    public void close() {
      store.close();
    }
  }

  /** What this process has written so far. */
  private static long written() throws IOException {
    return Files.readAllLines(Path.of("/proc/self/io")).stream()
        .filter(line -> line.startsWith("wchar: "))
        .mapToLong(line -> Long.parseLong(line.substring("wchar: ".length())))
        .findFirst()
        .orElseThrow();
  }

  private static Path wal(Path file) {
    return file.resolveSibling(file.getFileName() + "-wal");
  }

  /** Commits in the write-ahead log, each of which was synced: their last page says so. */
  private static long syncs(Path file) throws IOException {
    ByteBuffer log = ByteBuffer.wrap(Files.readAllBytes(wal(file)));
    int page = log.getInt(8);
    long commits = 0;
    for (int frame = 32; frame + 24 + page <= log.limit(); frame += 24 + page) {
      commits += log.getInt(frame + 4) == 0 ? 0 : 1;
    }
    return commits;
  }

  /** How many rows the database has, whatever waits in memory. */
  private static long stored(Path file) {
    try (var connection =
        org.sqlite.JDBC.createConnection("jdbc:sqlite:" + file, new java.util.Properties())) {
      return Database.number(connection, "SELECT count(*) FROM log");
    } catch (java.sql.SQLException e) {
      throw new AssertionError(e);
    }
  }

  /** What a server that starts after a crash finds. */
  private static void copy(Path from, Path to) {
    try {
      Files.createDirectory(to);
      for (String name : List.of("state.db", "state.db-wal")) {
        Files.copy(from.resolve(name), to.resolve(name));
      }
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }

  private static long committed(WriteResult result) {
    assertThat(result).isInstanceOf(Committed.class);
    return ((Committed) result).revision();
  }
}
