package dev.kedge.store.sql;

import dev.kedge.store.Store;
import dev.kedge.store.StoreException;
import java.nio.file.Path;
import java.sql.SQLException;
import java.time.Duration;

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

  /**
   * How the store behaves.
   *
   * @param durable whether a write is on disk before it is acknowledged; without, a power cut may
   *     take the last ones, a killed process none
   * @param history how long superseded values are kept for watches and lists that go on from an
   *     older revision
   */
  public record Options(boolean durable, Duration history) {
    public static final Options DEFAULT = new Options(true, Duration.ofMinutes(5));

    /** For tests: nothing waits for the disk. */
    public static final Options FAST = new Options(false, Duration.ofMinutes(5));
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
    DataFile data = DataFile.lock(file.toAbsolutePath());
    Database database = new Database(data, options);
    try {
      SqliteSession session = database.openForWriting();
      Log log = new Log(session.standing().revision(), session.standing().compacted());
      return LogStore.alone(
          database,
          session,
          log,
          new Readers(database, log),
          options.history(),
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
}
