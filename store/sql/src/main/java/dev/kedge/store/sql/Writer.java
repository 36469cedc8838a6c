package dev.kedge.store.sql;

import dev.kedge.store.Store.Entry;
import dev.kedge.store.Store.WriteResult;
import dev.kedge.store.StoreException;
import dev.kedge.store.StoreWatch.Event;
import dev.kedge.store.Watches;
import java.lang.System.Logger;
import java.lang.System.Logger.Level;
import java.sql.Connection;
import java.sql.PreparedStatement;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.locks.LockSupport;
import org.jspecify.annotations.Nullable;

/**
 * The one thread that writes. It takes all requests that wait, applies them in one transaction, and
 * acknowledges each once that is committed and watches have been told. Between transactions it
 * removes superseded rows and gives free pages back, a little at a time.
 *
 * <p>The queue needs no bound: each caller has one request in it and waits.
 */
final class Writer implements Runnable {
  static final byte[] NO_VALUE = new byte[0];

  private static final Logger LOG = System.getLogger("dev.kedge.store.sql");
  private static final int MOST_REQUESTS = 512;
  private static final long MOST_BYTES = 8L << 20;
  private static final int SWEEP_SLICE = 500;
  private static final int VACUUM_SLICE = 64;

  /** Pages that may lie free before any are given back: they will be wanted again. */
  private static final long FREE_PAGES = 1024;

  /** A burst of writes is compacted before its time at this many revisions, half of them kept. */
  private static final long MOST_HISTORY = 200_000;

  private final Database database;
  private final Log log;
  private final Watches watches;
  private final LinkedBlockingQueue<Request> queue = new LinkedBlockingQueue<>();
  private final Thread thread;
  private volatile boolean closed;
  private volatile boolean cleanlyClosed;

  // The rest belongs to the thread.
  private final Connection connection;
  private final PreparedStatement begin;
  private final PreparedStatement commit;
  private final PreparedStatement rollback;
  private final PreparedStatement last;
  private final PreparedStatement insert;
  private final PreparedStatement setCompacted;
  private final PreparedStatement sweepSuperseded;
  private final PreparedStatement sweepDeleted;
  private final PreparedStatement setSwept;
  private final long historyNanos;
  private long revision;
  private long swept;
  private long compactNext;
  private long compactAt;
  private boolean vacuuming;

  Writer(
      Database database,
      Database.Opened opened,
      Log log,
      Watches watches,
      SqliteStore.Options options) {
    this.database = database;
    this.log = log;
    this.watches = watches;
    connection = opened.connection();
    revision = opened.lastRevision();
    swept = opened.sweptRevision();
    historyNanos = options.history().toNanos();
    compactNext = revision;
    compactAt = System.nanoTime() + historyNanos;
    try {
      begin = connection.prepareStatement("BEGIN IMMEDIATE");
      commit = connection.prepareStatement("COMMIT");
      rollback = connection.prepareStatement("ROLLBACK");
      last =
          connection.prepareStatement(
              "SELECT revision, create_revision, deleted, value FROM log WHERE key = ?"
                  + " ORDER BY revision DESC LIMIT 1");
      insert = connection.prepareStatement("INSERT INTO log VALUES (?, ?, ?, ?, ?, ?)");
      setCompacted = connection.prepareStatement("UPDATE progress SET compact_revision = ?");
      sweepSuperseded =
          connection.prepareStatement(
              "DELETE FROM log WHERE revision IN (SELECT previous_revision FROM log"
                  + " WHERE revision > ? AND revision <= ? AND previous_revision > 0)");
      sweepDeleted =
          connection.prepareStatement(
              "DELETE FROM log WHERE revision > ? AND revision <= ? AND deleted = 1");
      setSwept = connection.prepareStatement("UPDATE progress SET swept_revision = ?");
    } catch (SQLException e) {
      throw Failures.of(database.path(), e);
    }
    thread = Thread.ofPlatform().daemon().name("sqlite-writer").start(this);
  }

  enum Kind {
    CREATE,
    UPDATE,
    DELETE,
    COMPACT,
    STOP
  }

  /** What a caller wants, and what became of it. */
  static final class Request {
    private final Kind kind;
    private final String key;
    private final byte[] value;
    private final long revision;
    private final Thread caller = Thread.currentThread();
    private @Nullable WriteResult result;
    private @Nullable StoreException failure;
    private volatile boolean done;

    /**
     * @param revision the expected one; for a compaction, up to which
     */
    Request(Kind kind, String key, byte[] value, long revision) {
      this.kind = kind;
      this.key = key;
      this.value = value;
      this.revision = revision;
    }

    private void finish() {
      done = true;
      LockSupport.unpark(caller);
    }
  }

  WriteResult write(Request request) {
    submit(request);
    WriteResult result = request.result;
    if (result == null) {
      throw new StoreException("the store " + database.path() + " is closed");
    }
    return result;
  }

  void compact(long upTo) {
    submit(new Request(Kind.COMPACT, "", NO_VALUE, upTo));
  }

  /** Finishes what waits, then ends; returns whether everything is in order on disk. */
  boolean close() {
    synchronized (queue) {
      closed = true;
      queue.add(new Request(Kind.STOP, "", NO_VALUE, 0));
    }
    boolean interrupted = false;
    while (thread.isAlive()) {
      try {
        thread.join();
      } catch (InterruptedException e) {
        interrupted = true;
      }
    }
    if (interrupted) {
      Thread.currentThread().interrupt();
    }
    return cleanlyClosed;
  }

  private void submit(Request request) {
    // After the end nobody takes from the queue, so nothing may get in.
    synchronized (queue) {
      if (closed) {
        throw new StoreException("the store " + database.path() + " is closed");
      }
      queue.add(request);
    }
    boolean interrupted = false;
    // An interrupt does not cut the wait short: the caller must learn whether it was written, and
    // the wait is one disk sync.
    while (!request.done) {
      LockSupport.park(request);
      interrupted |= Thread.interrupted();
    }
    if (interrupted) {
      Thread.currentThread().interrupt();
    }
    StoreException failure = request.failure;
    if (failure != null) {
      // Thrown anew, so that its trace shows this caller too.
      throw new StoreException(String.valueOf(failure.getMessage()), failure);
    }
  }

  @Override
  public void run() {
    List<Request> batch = new ArrayList<>();
    boolean stop = false;
    try {
      while (!stop) {
        batch.clear();
        Request first = queue.poll(patience(), TimeUnit.NANOSECONDS);
        if (first != null) {
          batch.add(first);
          long bytes = first.value.length;
          while (batch.size() < MOST_REQUESTS && bytes < MOST_BYTES) {
            Request next = queue.poll();
            if (next == null) {
              break;
            }
            batch.add(next);
            bytes += next.value.length;
          }
          stop = transact(batch);
        }
        maintain();
      }
      cleanlyClosed = shutDown();
    } catch (InterruptedException e) {
      LOG.log(Level.ERROR, "the writer of " + database.path() + " was interrupted", e);
    } catch (RuntimeException | Error e) {
      LOG.log(Level.ERROR, "the writer of " + database.path() + " failed", e);
      StoreException failure = new StoreException("the store's writer failed: " + e, e);
      batch.forEach(request -> fail(request, failure));
    } finally {
      StoreException gone = new StoreException("the store " + database.path() + " is closed");
      synchronized (queue) {
        closed = true;
        for (Request left = queue.poll(); left != null; left = queue.poll()) {
          fail(left, gone);
        }
      }
    }
  }

  /** How long nothing needs to be done when nobody writes. */
  private long patience() {
    if (swept < log.compacted() || vacuuming) {
      return 0;
    }
    return Math.max(0, compactAt - System.nanoTime());
  }

  // Transactions.

  /** Returns whether the end was asked for. */
  private boolean transact(List<Request> batch) {
    long before = revision;
    boolean stop = false;
    List<Event> events = new ArrayList<>();
    long compactTo = 0;
    try {
      begin.execute();
      for (Request request : batch) {
        switch (request.kind) {
          case CREATE, UPDATE, DELETE -> request.result = apply(request, events);
          case COMPACT -> compactTo = Math.max(compactTo, request.revision);
          case STOP -> stop = true;
        }
      }
      if (compactTo > log.compacted()) {
        setCompacted.setLong(1, compactTo);
        setCompacted.execute();
      }
      commit.execute();
    } catch (SQLException e) {
      revision = before;
      undo(e);
      StoreException failure = Failures.of(database.path(), e);
      for (Request request : batch) {
        fail(request, failure);
      }
      return stop;
    }
    if (compactTo > log.compacted()) {
      log.compact(compactTo);
    }
    if (!events.isEmpty()) {
      watches.publish(events, revision);
    }
    batch.forEach(Request::finish);
    return stop;
  }

  private WriteResult apply(Request request, List<Event> events) throws SQLException {
    Entry current = current(request.key);
    if (request.kind == Kind.CREATE) {
      if (current != null) {
        return new WriteResult.Conflict(current);
      }
      revision++;
      insert(request.key, revision, 0, request.value);
      events.add(new Event.Put(request.key, request.value, revision, revision, Optional.empty()));
      return new WriteResult.Committed(revision);
    }
    if (current == null) {
      return new WriteResult.Absent();
    }
    if (current.revision() != request.revision) {
      return new WriteResult.Conflict(current);
    }
    revision++;
    long created = current.createRevision();
    if (request.kind == Kind.UPDATE) {
      insert(request.key, created, current.revision(), request.value);
      events.add(
          new Event.Put(
              request.key, request.value, created, revision, Optional.of(current.value())));
    } else {
      insert(request.key, created, current.revision(), null);
      events.add(new Event.Delete(request.key, current.value(), created, revision));
    }
    return new WriteResult.Committed(revision);
  }

  private @Nullable Entry current(String key) throws SQLException {
    last.setString(1, key);
    try (ResultSet row = last.executeQuery()) {
      if (!row.next() || row.getInt(3) != 0) {
        return null;
      }
      return new Entry(key, row.getBytes(4), row.getLong(2), row.getLong(1));
    }
  }

  private void insert(String key, long created, long previous, byte @Nullable [] value)
      throws SQLException {
    insert.setLong(1, revision);
    insert.setString(2, key);
    insert.setLong(3, created);
    insert.setLong(4, previous);
    insert.setInt(5, value == null ? 1 : 0);
    insert.setBytes(6, value);
    insert.execute();
  }

  private void undo(SQLException reason) {
    try {
      rollback.execute();
    } catch (SQLException e) {
      // SQLite may have rolled back by itself, as it does when the disk is full.
      reason.addSuppressed(e);
    }
  }

  private static void fail(Request request, StoreException failure) {
    request.result = null;
    request.failure = failure;
    request.finish();
  }

  // Compaction.

  private void maintain() {
    try {
      if (swept < log.compacted()) {
        sweep();
      } else if (vacuuming) {
        vacuum();
      } else if (compactAt - System.nanoTime() <= 0) {
        compactTo(compactNext);
        compactNext = revision;
        compactAt = System.nanoTime() + historyNanos;
      } else if (revision - log.compacted() > MOST_HISTORY) {
        compactTo(revision - MOST_HISTORY / 2);
      }
    } catch (SQLException e) {
      undo(e);
      LOG.log(Level.WARNING, "cannot compact: " + Failures.of(database.path(), e).getMessage());
      // Not at once again: whatever is wrong will not go away by trying.
      swept = log.compacted();
      vacuuming = false;
      compactAt = System.nanoTime() + TimeUnit.MINUTES.toNanos(1);
    }
  }

  private void compactTo(long upTo) throws SQLException {
    if (upTo > log.compacted()) {
      setCompacted.setLong(1, upTo);
      setCompacted.execute();
      log.compact(upTo);
    }
  }

  /** Removes what the next few hundred compacted revisions have superseded. */
  private void sweep() throws SQLException {
    long upTo = Math.min(swept + SWEEP_SLICE, log.compacted());
    begin.execute();
    sweepSuperseded.setLong(1, swept);
    sweepSuperseded.setLong(2, upTo);
    sweepSuperseded.execute();
    sweepDeleted.setLong(1, swept);
    sweepDeleted.setLong(2, upTo);
    sweepDeleted.execute();
    setSwept.setLong(1, upTo);
    setSwept.execute();
    commit.execute();
    swept = upTo;
    vacuuming = swept == log.compacted();
  }

  /** Gives a few free pages back to the file system, as long as there are many. */
  private void vacuum() throws SQLException {
    long free = Database.number(connection, "PRAGMA freelist_count");
    long all = Database.number(connection, "PRAGMA page_count");
    if (free <= Math.max(FREE_PAGES, all / 4)) {
      vacuuming = false;
      return;
    }
    begin.execute();
    // One page each: the driver runs a pragma's first step only.
    for (int i = 0; i < VACUUM_SLICE; i++) {
      Database.execute(connection, "PRAGMA incremental_vacuum(1)");
    }
    commit.execute();
  }

  private boolean shutDown() {
    try {
      connection.close();
      return true;
    } catch (SQLException e) {
      LOG.log(Level.ERROR, "cannot close " + database.path(), e);
      return false;
    }
  }
}
