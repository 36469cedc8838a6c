package dev.kedge.store.sql;

import dev.kedge.store.Store;
import dev.kedge.store.StoreException;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.sql.Connection;
import java.sql.SQLException;
import java.time.Duration;
import java.util.Optional;
import java.util.OptionalLong;
import java.util.function.Consumer;
import java.util.function.LongSupplier;
import org.sqlite.JDBC;
import org.sqlite.SQLiteConfig;

/**
 * A {@link Store} in one SQLite file. Writes are grouped: whatever waits while the disk syncs goes
 * into the next transaction together, and each is acknowledged after the sync that made it durable.
 *
 * <p>SQLite blocks in native code, which would hold a virtual thread's carrier, so one platform
 * thread writes and at most two read; callers park meanwhile. Watches are fed by the writer and
 * read the log only to catch up. The writer also compacts, a slice between two transactions.
 */
public final class SqliteStore {
  private SqliteStore() {}

  /** When a write is on disk. A killed process loses none of what is acknowledged, either way. */
  public enum Durability {
    /** Before it is acknowledged. */
    FULL("FULL"),
    /**
     * Within ten seconds; a power cut takes the last ones. Their revisions are not given out again.
     */
    NORMAL("NORMAL"),
    /** Whenever the system likes; a power cut may damage the file. For tests. */
    NONE("OFF");

    final String synchronous;

    Durability(String synchronous) {
      this.synchronous = synchronous;
    }
  }

  /**
   * How the store behaves.
   *
   * @param history how long superseded values are kept for watches and lists that go on from an
   *     older revision
   * @param checkpoint how many bytes of changes are gathered before they go to their places in the
   *     file, while writers wait; more of them means fewer writes, and a larger log
   * @param patience the least time that writes which may be lost wait for others to go along with
   * @param limit bytes of pages in use from which on new objects are refused; a tenth more, and
   *     changes are too, never deletions
   */
  public record Options(
      Durability durability, Duration history, long checkpoint, Duration patience, long limit) {
    public static final Options DEFAULT =
        new Options(Durability.FULL, Duration.ofMinutes(5), 16L << 20, Duration.ZERO, 8L << 30);

    /** For tests: nothing waits for the disk. */
    public static final Options FAST = DEFAULT.with(Durability.NONE);

    /** For a file that counts only when it is whole, and is synced then. */
    private static final Options UNTIL_CLOSED = FAST;

    public Options with(Durability other) {
      return new Options(other, history, checkpoint, patience, limit);
    }

    public Options limited(long other) {
      return new Options(durability, history, checkpoint, patience, other);
    }

    /** For cards that wear out: what may be lost waits longer, and old values stay longer. */
    public Options sparing() {
      return new Options(
          durability, Duration.ofMinutes(30), checkpoint, Duration.ofMinutes(5), limit);
    }
  }

  /** Opens with {@link Options#DEFAULT}. */
  public static Store open(Path file) {
    return open(file, Options.DEFAULT);
  }

  /**
   * Opens the database file, making it and its directory if need be. The directory belongs to the
   * store: it also holds the lock, the write-ahead log and SQLite's native library.
   *
   * @throws StoreException with a sentence for the user, if the directory cannot be written, the
   *     file is damaged or another server uses it
   */
  public static Store open(Path file, Options options) {
    return open(file, options, System::nanoTime);
  }

  /**
   * @param nanos a clock as {@link System#nanoTime}
   */
  static Store open(Path file, Options options, LongSupplier nanos) {
    DataFile data = DataFile.lock(file.toAbsolutePath());
    Database database = new Database(data, options);
    try {
      SqliteSession session = database.openForWriting();
      Log log = new Log(session.standing().revision(), session.standing().compacted());
      return LogStore.alone(
          database,
          session,
          session.standing(),
          log,
          new Readers(database, log),
          options.history(),
          options.patience(),
          nanos,
          Thread.ofPlatform().daemon().name("sqlite-writer"),
          data::release);
    } catch (SQLException e) {
      data.release(false);
      throw database.failure(e);
    } catch (RuntimeException e) {
      data.release(false);
      throw e;
    }
  }

  /**
   * Puts a database of other content in a file's place. The old file is kept beside it, under a
   * name with the time; a crash on the way leaves the old one or the new one, and nothing between.
   *
   * @param filling writes the content; what it throws leaves everything as it was
   * @return where the old file is now; empty if there was none
   * @throws StoreException with a sentence for the user, if another server uses the file, or the
   *     directory cannot be written
   */
  public static Optional<Path> replace(Path file, Consumer<Store> filling) {
    DataFile data = DataFile.hold(file.toAbsolutePath());
    Path building = data.path().resolveSibling(data.path().getFileName() + ".building");
    boolean clean = false;
    try {
      DataFile.delete(building);
      try (Store store = open(building, Options.UNTIL_CLOSED)) {
        filling.accept(store);
      }
      Files.delete(building.resolveSibling(building.getFileName() + ".lock"));
      Optional<Path> aside = data.replaceBy(building);
      clean = true;
      return aside;
    } catch (IOException e) {
      throw new StoreException("cannot write " + building + ": " + e.getMessage(), e);
    } finally {
      data.release(clean);
      if (!clean) {
        deleteQuietly(building);
      }
    }
  }

  private static void deleteQuietly(Path building) {
    try {
      DataFile.delete(building);
    } catch (IOException e) {
      System.getLogger("dev.kedge.store.sql")
          .log(System.Logger.Level.DEBUG, "a file that was not finished stays", e);
    }
  }

  /**
   * The last revision that a file's store may have given out, damaged or not, while no store uses
   * it; empty if that cannot be told.
   */
  public static OptionalLong lastRevision(Path file) {
    SQLiteConfig config = new SQLiteConfig();
    config.setReadOnly(true);
    // Without a write-ahead log nothing needs to be made beside the file to read it.
    boolean alone = !Files.exists(file.resolveSibling(file.getFileName() + "-wal"));
    try (Connection connection =
        JDBC.createConnection(
            "jdbc:sqlite:" + file.toUri() + (alone ? "?immutable=1" : ""), config.toProperties())) {
      return OptionalLong.of(
          Database.number(
              connection,
              "SELECT max(coalesce((SELECT max(revision) FROM log), 0), compact_revision,"
                  + " reserved_revision) FROM progress"));
    } catch (SQLException e) {
      return OptionalLong.empty();
    }
  }
}
