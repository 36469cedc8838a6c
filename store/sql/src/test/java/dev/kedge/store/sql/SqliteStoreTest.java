package dev.kedge.store.sql;

import static java.nio.charset.StandardCharsets.UTF_8;
import static java.time.Duration.ofMinutes;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.awaitility.Awaitility.await;

import dev.kedge.store.CompactedException;
import dev.kedge.store.Store;
import dev.kedge.store.StoreContract;
import dev.kedge.store.StoreException;
import java.io.RandomAccessFile;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFilePermissions;
import java.time.Duration;
import java.util.List;
import java.util.concurrent.atomic.AtomicLong;
import java.util.stream.Stream;
import org.junit.jupiter.api.Assumptions;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class SqliteStoreTest extends StoreContract {
  @TempDir Path directory;

  @Override
  protected Store open() {
    return SqliteStore.open(directory.resolve("db/state.db"), SqliteStore.Options.FAST);
  }

  @Test
  void everythingIsThereAfterReopening() {
    long a = create("/a", "1");
    long b = update("/a", "2", a);
    create("/b", "1");
    store.compact(b);
    long revision = store.currentRevision();

    store.close();
    store = open();

    assertThat(store.currentRevision()).isEqualTo(revision);
    assertThat(shown(store.list("/", 0, "", 0))).containsExactly("/a=2", "/b=1");
    assertThat(create("/c", "1")).isEqualTo(revision + 1);
  }

  @Test
  void revisionSurvivesReopeningWhenItsRowWasSweptAway() {
    long deleted = delete("/a", create("/a", "1"));
    store.compact(deleted);
    await().atMost(ofMinutes(1)).until(() -> rows() == 0);

    store.close();
    store = open();

    assertThat(store.currentRevision()).isEqualTo(deleted);
  }

  @Test
  void leavesOneFileThatHoldsEverything() throws Exception {
    create("/a", "1");
    assertThat(store.get("/a")).isPresent(); // reads have connections of their own
    store.close();
    assertThat(Path.of(file() + "-wal")).doesNotExist();
    assertThat(Path.of(file() + "-shm")).doesNotExist();
    store = open();
  }

  @Test
  void onlyTheOwnerMayReadTheFile() throws Exception {
    assertThat(PosixFilePermissions.toString(Files.getPosixFilePermissions(file())))
        .isEqualTo("rw-------");
    assertThat(PosixFilePermissions.toString(Files.getPosixFilePermissions(file().getParent())))
        .isEqualTo("rwx------");
  }

  @Test
  void compactionFreesSpaceAndTheLogBeforeItStaysBounded() throws Exception {
    byte[] value = new byte[10_000];
    long revision = committed(store.create("/a", value));
    for (int i = 0; i < 3000; i++) {
      revision = committed(store.update("/a", value, revision));
    }
    long full = Files.size(file());
    assertThat(full).isGreaterThan(20_000_000);
    assertThat(Files.size(Path.of(file() + "-wal"))).isLessThan(20_000_000);

    store.compact(revision);

    await().atMost(Duration.ofSeconds(60)).until(() -> rows() == 1);
    // The file shrinks at the next checkpoint, which closing makes for certain.
    await().atMost(Duration.ofSeconds(60)).until(() -> freePages() <= 1024);
    store.close();
    assertThat(Files.size(file())).isLessThan(8_000_000);
    store = open();
    assertThat(store.get("/a").orElseThrow().value()).hasSize(10_000);
  }

  @Test
  void secondServerIsToldWhoUsesTheDirectory() {
    assertThatThrownBy(this::open)
        .isInstanceOf(StoreException.class)
        .hasMessageContaining("another kedge server uses the data directory")
        .hasMessageContaining("process " + ProcessHandle.current().pid());
    create("/a", "1");
  }

  @Test
  void fileThatIsNoDatabaseIsNamedDamaged() throws Exception {
    Path other = Files.createDirectory(directory.resolve("other")).resolve("state.db");
    Files.write(other, "hello, this is certainly not what a database looks like".getBytes(UTF_8));

    assertThatThrownBy(() -> SqliteStore.open(other))
        .isInstanceOf(StoreException.class)
        .hasMessageContaining("is damaged")
        .hasMessageContaining("restore it from a snapshot");
    assertThat(Files.readString(other)).startsWith("hello");
  }

  @Test
  void overwrittenPagesAreFoundAtOpen() throws Exception {
    for (int i = 0; i < 500; i++) {
      create("/k/" + i, "some value that fills pages " + i);
    }
    store.close();
    try (RandomAccessFile raw = new RandomAccessFile(file().toFile(), "rw")) {
      for (long page = 2; page < raw.length() / 4096; page += 2) {
        raw.seek(page * 4096);
        raw.write(new byte[512]);
      }
    }
    assertThatThrownBy(this::open)
        .isInstanceOf(StoreException.class)
        .hasMessageContaining("is damaged");
    // Nothing holds the directory after the refusal.
    Files.delete(file());
    store = open();
  }

  @Test
  void truncatedFileIsFoundAtOpen() throws Exception {
    for (int i = 0; i < 500; i++) {
      create("/k/" + i, "some value that fills pages " + i);
    }
    store.close();
    try (RandomAccessFile raw = new RandomAccessFile(file().toFile(), "rw")) {
      raw.setLength(raw.length() / 2 / 4096 * 4096);
    }
    assertThatThrownBy(this::open)
        .isInstanceOf(StoreException.class)
        .hasMessageContaining("is damaged");
    Files.delete(file());
    store = open();
  }

  @Test
  void aRaisedRevisionSurvivesReopening() {
    create("/a", "1");
    store.raise(1_000_000);

    store.close();
    store = open();

    assertThat(store.currentRevision()).isEqualTo(1_000_000);
    assertThat(shown(store.list("/", 0, "", 0))).containsExactly("/a=1");
    assertThat(create("/b", "1")).isEqualTo(1_000_001);
  }

  @Test
  void anotherDatabaseTakesTheFilesPlaceWhichIsKept() {
    long last = create("/old", "1");
    assertThatThrownBy(() -> SqliteStore.replace(file(), filled -> {}))
        .hasMessageContaining("another kedge server uses the data directory");
    store.close();

    Path aside =
        SqliteStore.replace(
                file(),
                filled -> {
                  filled.raise(500);
                  filled.create("/new", bytes("2"));
                })
            .orElseThrow();

    store = open();
    assertThat(shown(store.list("/", 0, "", 0))).containsExactly("/new=2");
    assertThat(store.currentRevision()).isEqualTo(501);
    assertThat(SqliteStore.lastRevision(aside)).hasValue(last);
    try (Store old = SqliteStore.open(aside)) {
      assertThat(shown(old.list("/", 0, "", 0))).containsExactly("/old=1");
    }
  }

  @Test
  void replacingThatFailsChangesNothing() throws Exception {
    create("/old", "1");
    store.close();

    assertThatThrownBy(
            () ->
                SqliteStore.replace(
                    file(),
                    filled -> {
                      filled.create("/new", bytes("2"));
                      throw new StoreException("cut short");
                    }))
        .hasMessage("cut short");

    try (Stream<Path> files = Files.list(directory.resolve("db"))) {
      assertThat(files.map(path -> path.getFileName().toString()).filter(n -> !n.equals("native")))
          .containsExactlyInAnyOrder("state.db", "state.db.lock");
    }
    store = open();
    assertThat(shown(store.list("/", 0, "", 0))).containsExactly("/old=1");
  }

  /** As after a power cut right after the new file got its name. */
  @Test
  void replacingThatWasCutShortIsFinishedAtOpen() throws Exception {
    create("/old", "1");
    store.close();
    Path other = directory.resolve("other/state.db");
    try (Store filled = SqliteStore.open(other, SqliteStore.Options.FAST)) {
      filled.create("/new", bytes("2"));
    }
    Files.move(other, directory.resolve("db/state.db.replacement"));

    store = open();

    assertThat(shown(store.list("/", 0, "", 0))).containsExactly("/new=2");
    try (Stream<Path> files = Files.list(directory.resolve("db"))) {
      assertThat(files.map(path -> path.getFileName().toString()))
          .anyMatch(name -> name.matches("state\\.db\\.replaced-\\d{8}T\\d{6}Z"))
          .noneMatch(name -> name.endsWith(".replacement"));
    }
  }

  /** Each step is five minutes, after which superseded values may go. */
  @Test
  void littleIsNotCompactedAtOnceAndMuchIs() {
    AtomicLong clock = new AtomicLong();
    try (Store slow =
        SqliteStore.open(
            directory.resolve("slow/state.db"), SqliteStore.Options.FAST, clock::get)) {
      long first = committed(slow.create("/small", bytes("1")));
      long at = first;
      for (int step = 0; step < 10; step++) {
        at = step(slow, clock, at);
      }
      slow.watch("/", first + 1).close();
      // But how long a list can be gone on with does not depend on that.
      assertThatThrownBy(() -> slow.list("/", first + 1, "", 0))
          .isInstanceOf(CompactedException.class);
      for (int step = 0; step < 10; step++) {
        at = step(slow, clock, at);
      }
      assertThatThrownBy(() -> slow.watch("/", first + 1)).isInstanceOf(CompactedException.class);

      // As who makes room deletes what is large.
      long large = committed(slow.create("/large", new byte[2 << 20]));
      committed(slow.delete("/large", large));
      at = step(slow, clock, at);
      at = step(slow, clock, at);
      step(slow, clock, at);
      assertThatThrownBy(() -> slow.watch("/", large)).isInstanceOf(CompactedException.class);
    }
  }

  /** What is due has been done when the second write is acknowledged. */
  private long step(Store slow, AtomicLong clock, long revision) {
    clock.addAndGet(Duration.ofMinutes(5).plusSeconds(1).toNanos());
    long next = committed(slow.update("/small", bytes("2"), revision));
    return committed(slow.update("/small", bytes("3"), next));
  }

  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      value = {
        "PRAGMA user_version = 99                         | has format 99",
        "PRAGMA user_version = 0                          | is not of kedge",
        "PRAGMA writable_schema = ON; DELETE FROM sqlite_master WHERE name = 'log' | is damaged",
      })
  void aFileThatIsRefusedIsLeftAsItIs(String change, String message) throws Exception {
    create("/a", "1");
    store.close();
    try (var connection =
        org.sqlite.JDBC.createConnection("jdbc:sqlite:" + file(), new java.util.Properties())) {
      for (String statement : change.split(";", -1)) {
        Database.execute(connection, statement);
      }
    }
    byte[] before = Files.readAllBytes(file());

    for (int attempt = 0; attempt < 2; attempt++) {
      assertThatThrownBy(this::open)
          .isInstanceOf(StoreException.class)
          .hasMessageContaining(message);
    }

    assertThat(Files.readAllBytes(file())).isEqualTo(before);
    assertThat(Path.of(file() + "-wal")).doesNotExist();
    Files.delete(file());
    store = open();
  }

  @Test
  void aFileThatLostItsContentIsNoFreshOne() throws Exception {
    create("/a", "1");
    store.close();
    Files.write(file(), new byte[0]);

    // However often it is tried.
    for (int attempt = 0; attempt < 2; attempt++) {
      assertThatThrownBy(this::open)
          .isInstanceOf(StoreException.class)
          .hasMessageContaining("is damaged (it became empty since it was closed)");
    }

    // The user moves it away, as told.
    Files.delete(file());
    store = open();
    assertThat(store.get("/a")).isEmpty();
  }

  @Test
  void aDirectoryInTheFilesPlaceIsNamed() throws Exception {
    Path place = Files.createDirectory(directory.resolve("place"));

    assertThatThrownBy(() -> SqliteStore.open(place))
        .isInstanceOf(StoreException.class)
        .hasMessageContaining("is a directory; give a file, such as " + place + "/state.db");

    assertThat(directory.resolve("place.lock")).doesNotExist();
  }

  @Test
  void directoryThatCannotBeWrittenIsNamed() throws Exception {
    Path mount = Files.createDirectory(directory.resolve("readonly"));
    Assumptions.assumeTrue(
        run("mount", "-t", "tmpfs", "-o", "ro", "tmpfs", mount.toString()), "mounting needs root");
    try {
      assertThatThrownBy(() -> SqliteStore.open(mount.resolve("db/state.db")))
          .isInstanceOf(StoreException.class)
          .hasMessageContaining("cannot use the data directory");
      assertThatThrownBy(() -> SqliteStore.open(mount.resolve("state.db")))
          .isInstanceOf(StoreException.class)
          .hasMessageContaining("cannot be written");
    } finally {
      run("umount", mount.toString());
    }
    Path plain = Files.createFile(directory.resolve("plain"));
    assertThatThrownBy(() -> SqliteStore.open(plain.resolve("state.db")))
        .isInstanceOf(StoreException.class)
        .hasMessageContaining("is not a directory");
  }

  @Test
  void fullDiskRefusesWritesAndLosesNothing() throws Exception {
    Path mount = Files.createDirectory(directory.resolve("small"));
    Assumptions.assumeTrue(
        run("mount", "-t", "tmpfs", "-o", "size=6m", "tmpfs", mount.toString()),
        "mounting needs root");
    try {
      Path small = mount.resolve("state.db");
      Path other = Files.write(mount.resolve("other"), new byte[1_000_000]);
      int kept = 0;
      try (Store full = SqliteStore.open(small)) {
        byte[] value = new byte[100_000];
        String message = "";
        while (message.isEmpty() && kept < 1000) {
          try {
            committed(full.create("/k/" + kept, value));
            kept++;
          } catch (StoreException e) {
            message = String.valueOf(e.getMessage());
          }
        }
        assertThat(message).contains("no space left").contains("free some space");
        assertThat(kept).isPositive();
        assertThat(full.list("/k/", 0, "", 0).entries()).hasSize(kept);
      }
      // Now the user frees some space, as told.
      Files.delete(other);
      try (Store again = SqliteStore.open(small)) {
        assertThat(again.list("/k/", 0, "", 0).entries()).hasSize(kept);
      }
    } finally {
      run("umount", mount.toString());
    }
  }

  private Path file() {
    return directory.resolve("db/state.db");
  }

  private long rows() {
    return ask("SELECT count(*) FROM log");
  }

  private long freePages() {
    return ask("PRAGMA freelist_count");
  }

  private long ask(String sql) {
    try (var connection =
        org.sqlite.JDBC.createConnection("jdbc:sqlite:" + file(), new java.util.Properties())) {
      return Database.number(connection, sql);
    } catch (java.sql.SQLException e) {
      throw new AssertionError(e);
    }
  }

  private static boolean run(String... command) throws Exception {
    return new ProcessBuilder(List.of(command)).redirectErrorStream(true).start().waitFor() == 0;
  }

  private static long committed(Store.WriteResult result) {
    assertThat(result).isInstanceOf(Store.WriteResult.Committed.class);
    return ((Store.WriteResult.Committed) result).revision();
  }
}
