package dev.kedge.store.sql;

import dev.kedge.store.CompactedException;
import dev.kedge.store.Store;
import dev.kedge.store.StoreException;
import dev.kedge.store.StoreWatch;
import dev.kedge.store.Watches;
import java.nio.file.Path;
import java.time.Duration;
import java.util.Optional;

/**
 * A {@link Store} in one SQLite file. Writes are grouped: whatever waits while the disk syncs goes
 * into the next transaction together, and each is acknowledged after the sync that made it durable.
 *
 * <p>SQLite blocks in native code, which would hold a virtual thread's carrier, so one platform
 * thread writes and at most two read; callers park meanwhile. Watches are fed by the writer and
 * read the log only to catch up. The writer also compacts, a slice between two transactions.
 */
public final class SqliteStore implements Store {
  private final DataFile file;
  private final Log log;
  private final Readers readers;
  private final Writer writer;
  private final Watches watches;
  private boolean closed;

  private SqliteStore(DataFile file, Options options) {
    this.file = file;
    Database database = new Database(file, options);
    Database.Opened opened = database.openForWriting();
    this.log = new Log(opened.lastRevision(), opened.compactRevision());
    this.readers = new Readers(database, log);
    this.watches = new Watches(new Followed(log, readers));
    this.writer = new Writer(database, opened, log, watches, options);
  }

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
  public static SqliteStore open(Path file) {
    return open(file, Options.DEFAULT);
  }

  /**
   * Opens the database file, making it and its directory if need be. The directory belongs to the
   * store: it also holds the lock, the write-ahead log and SQLite's native library.
   *
   * @throws StoreException with a sentence for the user, if the directory cannot be written, the
   *     file is damaged or another server uses it
   */
  public static SqliteStore open(Path file, Options options) {
    DataFile data = DataFile.lock(file.toAbsolutePath());
    try {
      return new SqliteStore(data, options);
    } catch (RuntimeException e) {
      data.release(false);
      throw e;
    }
  }

  @Override
  public Optional<Entry> get(String key) {
    return readers.get(key);
  }

  @Override
  public Page list(String prefix, long revision, String startKey, int limit) {
    return readers.list(prefix, revision, startKey, limit);
  }

  @Override
  public WriteResult create(String key, byte[] value) {
    return writer.write(new Writer.Request(Writer.Kind.CREATE, key, value, 0));
  }

  @Override
  public WriteResult update(String key, byte[] value, long expectedRevision) {
    return writer.write(new Writer.Request(Writer.Kind.UPDATE, key, value, expectedRevision));
  }

  @Override
  public WriteResult delete(String key, long expectedRevision) {
    return writer.write(
        new Writer.Request(Writer.Kind.DELETE, key, Writer.NO_VALUE, expectedRevision));
  }

  @Override
  public StoreWatch watch(String prefix, long afterRevision) {
    return watches.open(prefix, afterRevision == 0 ? log.published() : afterRevision);
  }

  @Override
  public long currentRevision() {
    return log.published();
  }

  @Override
  public void compact(long revision) {
    if (revision > log.published()) {
      throw new StoreException(
          "cannot compact revision " + revision + ": the current one is " + log.published());
    }
    if (revision < log.compacted()) {
      throw new CompactedException(revision, log.compacted());
    }
    writer.compact(revision);
  }

  @Override
  public synchronized void close() {
    if (closed) {
      return;
    }
    closed = true;
    watches.close();
    boolean clean = writer.close();
    readers.close();
    file.release(clean);
  }

  /** The log as its watches see it: the writer publishes in the moment of the commit. */
  private record Followed(Log log, Readers readers) implements Watches.ChangeLog {
    @Override
    public long published() {
      return log.published();
    }

    @Override
    public void publish(long revision) {
      log.publish(revision);
    }

    @Override
    public long compacted() {
      return log.compacted();
    }

    @Override
    public Watches.Chunk history(String prefix, long after, long upTo) {
      return readers.history(prefix, after, upTo);
    }

    @Override
    public void whenCurrent(Runnable action) {
      action.run();
    }
  }
}
