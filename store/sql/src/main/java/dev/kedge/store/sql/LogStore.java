package dev.kedge.store.sql;

import dev.kedge.store.CompactedException;
import dev.kedge.store.Store;
import dev.kedge.store.StoreException;
import dev.kedge.store.StoreWatch;
import dev.kedge.store.Watches;
import java.lang.System.Logger;
import java.lang.System.Logger.Level;
import java.sql.SQLException;
import java.time.Duration;
import java.util.Optional;
import java.util.Set;
import java.util.function.LongSupplier;
import org.jspecify.annotations.Nullable;

/**
 * A {@link Store} on one append-only table with a row per revision, whatever the database. Writes
 * are grouped: what waits while a transaction commits goes into the next one together.
 */
final class LogStore implements Store {
  /** Gives the database up for good. */
  interface Release {
    /**
     * @param clean whether everything ended in order
     */
    void release(boolean clean);
  }

  private static final Logger LOG = System.getLogger("dev.kedge.store.sql");

  private final Log log;
  private final Reads reads;
  private final Follower follower;
  private final Watches watches;
  private final Writer writer;
  private final Release release;
  private final @Nullable Tail tail;
  private boolean closed;

  private LogStore(
      Engine engine,
      WriteSession session,
      WriteSession.Standing standing,
      Log log,
      Reads reads,
      Pending pending,
      Duration history,
      Duration patience,
      LongSupplier nanos,
      Thread.Builder threads,
      Release release,
      @Nullable Signal signal) {
    this.log = log;
    this.reads = reads;
    this.release = release;
    this.watches = new Watches(new Followed());
    this.follower = new Follower(log, reads, watches);
    this.writer =
        new Writer(
            engine, session, standing, log, follower, pending, history, patience, nanos, threads);
    this.tail = signal == null ? null : new Tail(engine.name(), signal, follower);
  }

  /**
   * For a database that nobody else writes to.
   *
   * @param patience the least time that writes which may be lost wait
   * @param nanos a clock as {@link System#nanoTime}
   */
  static LogStore alone(
      Engine engine,
      WriteSession session,
      WriteSession.Standing standing,
      Log log,
      Reads reads,
      Duration history,
      Duration patience,
      LongSupplier nanos,
      Thread.Builder threads,
      Release release) {
    Pending pending = new Pending();
    return new LogStore(
        engine,
        session,
        standing,
        log,
        new PendingReads(reads, log, pending),
        pending,
        history,
        patience,
        nanos,
        threads,
        release,
        null);
  }

  /**
   * For a database that other servers write to as well.
   *
   * @param signal tells of their writes
   */
  static LogStore shared(DatabaseServer server, Duration history, Signal signal)
      throws SQLException {
    WriteSession session = server.openForWriting();
    WriteSession.Standing standing;
    try {
      standing = session.begin(Set.of());
      session.rollback();
    } catch (SQLException | StoreException e) {
      session.close();
      throw e;
    }
    Log log = new Log(standing.revision(), standing.compacted());
    return new LogStore(
        server,
        session,
        standing,
        log,
        new NetworkReads(server, log),
        new Pending(),
        history,
        Duration.ZERO,
        System::nanoTime,
        Thread.ofVirtual().name("datastore-writer"),
        clean -> {},
        signal);
  }

  /** What a read shows, watches are told before. */
  private void seen(long revision) {
    if (tail != null) {
      follower.upTo(revision);
    }
  }

  @Override
  public Optional<Entry> get(String key) {
    Reads.Last last = reads.get(key);
    seen(last.revision());
    return last.entry();
  }

  @Override
  public Page list(String prefix, long revision, String startKey, int limit) {
    long forgotten = log.forgotten();
    if (revision != 0 && revision < forgotten) {
      throw new CompactedException(revision, forgotten);
    }
    Page page = reads.list(prefix, revision, startKey, limit);
    seen(page.revision());
    return page;
  }

  @Override
  public WriteResult create(String key, byte[] value) {
    return create(key, value, Duration.ZERO);
  }

  @Override
  public WriteResult create(String key, byte[] value, Duration slack) {
    return writer.write(new Writer.Request(Writer.Kind.CREATE, key, value, 0, slack));
  }

  @Override
  public WriteResult update(String key, byte[] value, long expectedRevision) {
    return update(key, value, expectedRevision, Duration.ZERO);
  }

  @Override
  public WriteResult update(String key, byte[] value, long expectedRevision, Duration slack) {
    return writer.write(
        new Writer.Request(Writer.Kind.UPDATE, key, value, expectedRevision, slack));
  }

  @Override
  public WriteResult delete(String key, long expectedRevision) {
    return delete(key, expectedRevision, Duration.ZERO);
  }

  @Override
  public WriteResult delete(String key, long expectedRevision, Duration slack) {
    return writer.write(
        new Writer.Request(Writer.Kind.DELETE, key, Writer.NO_VALUE, expectedRevision, slack));
  }

  @Override
  public StoreWatch watch(String prefix, long afterRevision) {
    return watches.open(prefix, afterRevision == 0 ? currentRevision() : afterRevision);
  }

  @Override
  public long currentRevision() {
    return tail != null ? follower.current() : log.published();
  }

  @Override
  public void compact(long revision) {
    writer.compact(revision);
  }

  @Override
  public void raise(long revision) {
    writer.raise(revision);
  }

  @Override
  public synchronized void close() {
    if (closed) {
      return;
    }
    closed = true;
    watches.close();
    if (tail != null) {
      tail.close();
    }
    boolean clean = false;
    try {
      // Before the writer: SQLite's last connection moves the write-ahead log into the file, if it
      // may write.
      reads.close();
      clean = true;
    } finally {
      release.release(writer.close() && clean);
    }
  }

  /** The log as its watches see it. */
  private final class Followed implements Watches.ChangeLog {
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
      return reads.history(prefix, after, upTo);
    }

    @Override
    public void whenCurrent(Runnable action) {
      if (tail == null) {
        action.run();
        return;
      }
      Thread.ofVirtual()
          .name("datastore-current")
          .start(
              () -> {
                try {
                  follower.current();
                  action.run();
                } catch (StoreException e) {
                  // Who asked asks again, or gives up; there is nothing current to tell of.
                  LOG.log(Level.DEBUG, "the datastore did not say how far it is", e);
                }
              });
    }
  }
}
