package dev.kedge.store.sql;

import dev.kedge.store.CompactedException;
import dev.kedge.store.Store.Entry;
import dev.kedge.store.Store.WriteResult;
import dev.kedge.store.StoreException;
import dev.kedge.store.StoreWatch.Event;
import dev.kedge.store.sql.WriteSession.Fate;
import dev.kedge.store.sql.WriteSession.Row;
import dev.kedge.store.sql.WriteSession.Standing;
import java.lang.System.Logger;
import java.lang.System.Logger.Level;
import java.sql.SQLException;
import java.time.Duration;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Optional;
import java.util.Set;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.ThreadLocalRandom;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.locks.LockSupport;
import java.util.function.LongSupplier;
import org.jspecify.annotations.Nullable;

/**
 * The one thread of a server that writes. It takes all requests that wait, decides them on what one
 * transaction sees, writes that in the same transaction, and acknowledges each once that is
 * committed and watches have been told. Between transactions it removes superseded rows and lets
 * the engine give free space back, a little at a time.
 *
 * <p>A connection that breaks is opened anew for a bounded time. Where it broke in a commit, the
 * database is asked what became of that before anything is repeated.
 *
 * <p>The queue needs no bound: each caller has one request in it and waits.
 */
final class Writer implements Runnable {
  static final byte[] NO_VALUE = new byte[0];
  private static final Duration FOR_EVER = Duration.ofDays(365);

  private static final Logger LOG = System.getLogger("dev.kedge.store.sql");
  private static final int MOST_REQUESTS = 512;
  private static final long MOST_BYTES = 4L << 20;
  private static final int SWEEP_SLICE = 500;

  // What may wait in memory, at most.
  private static final int MOST_PENDING = 4096;
  private static final long MOST_PENDING_BYTES = 4L << 20;

  /** How many revisions are set aside at once for writes that may be lost. */
  private static final long RESERVE = 2000;

  /**
   * Compaction writes pages too, as many as an idle server's changes do. So it waits until it is
   * worth that: for this many superseded bytes, or for several times the time that those stay.
   */
  private static final long WORTH_COMPACTING = 1L << 20;

  private static final int MOST_WAITS = 12;

  /** What a row takes besides its value, about. */
  private static final long ROW = 256;

  /** A burst of writes is compacted before its time at this many revisions, half of them kept. */
  private static final long MOST_HISTORY = 200_000;

  /** When it is tried again to bring to disk what could not be. */
  private static final Duration AGAIN = Duration.ofSeconds(10);

  /** How long a write waits for a database that is away. */
  private static final Duration PATIENCE = Duration.ofSeconds(20);

  private final Engine engine;
  private final Log log;
  private final Follower follower;
  private final Pending pending;
  private final Duration patience;
  private final LongSupplier nanos;
  private final LinkedBlockingQueue<Request> queue = new LinkedBlockingQueue<>();
  private final CountDownLatch stopping = new CountDownLatch(1);
  private final Thread thread;
  private volatile boolean closed;
  private volatile boolean cleanlyClosed;

  // The rest belongs to the thread.
  private final long historyNanos;
  private @Nullable WriteSession session;
  private long revision;
  private long swept;
  private long compactAt;

  /** Compaction does not wait longer than this. */
  private long compactBy;

  /** Where the log was when compaction was last thought of. */
  private Mark compactNext;

  /** How many bytes changes have superseded so far. */
  private long superseded;

  /** Of those, how many were compacted. */
  private long compactedBytes;

  private boolean reclaiming;
  private long pendingBytes;
  private WriteSession.Room.Level told = WriteSession.Room.Level.AMPLE;

  /** When what is pending must be on disk; of no meaning while nothing is. */
  private long pendingUntil;

  /** Revisions up to here may be lost. */
  private long reserved;

  /** When commits that lag must be on disk; 0 if there are none. */
  private long syncAt;

  /**
   * @param pending where writes wait that may be lost
   * @param patience the least time that they do
   * @param nanos a clock as {@link System#nanoTime}
   */
  Writer(
      Engine engine,
      WriteSession session,
      Standing standing,
      Log log,
      Follower follower,
      Pending pending,
      Duration history,
      Duration patience,
      LongSupplier nanos,
      Thread.Builder threads) {
    this.engine = engine;
    this.pending = pending;
    this.patience = patience;
    this.nanos = nanos;
    this.session = session;
    this.log = log;
    this.follower = follower;
    revision = standing.revision();
    swept = standing.swept();
    historyNanos = history.toNanos();
    compactNext = new Mark(revision, 0);
    compactAt = nanos.getAsLong() + historyNanos;
    // What an earlier run left is not known, so the first time does not wait.
    compactBy = compactAt;
    thread = threads.start(this);
  }

  /**
   * A place in the log.
   *
   * @param superseded how many bytes changes up to there have superseded
   */
  private record Mark(long revision, long superseded) {}

  enum Kind {
    CREATE,
    UPDATE,
    DELETE,
    COMPACT,
    RAISE,
    STOP
  }

  /** What a caller wants, and what became of it. */
  static final class Request {
    private final Kind kind;
    private final String key;
    private final byte[] value;
    private final long revision;
    private final Duration slack;
    private final Thread caller = Thread.currentThread();
    private @Nullable WriteResult result;
    private @Nullable StoreException failure;
    private volatile boolean done;

    /**
     * @param revision the expected one; for a compaction or a raise, up to which
     * @param slack how long it may wait in memory
     */
    Request(Kind kind, String key, byte[] value, long revision, Duration slack) {
      this.slack = slack;
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
      throw gone();
    }
    return result;
  }

  /**
   * Forgets what was superseded up to a revision.
   *
   * @throws CompactedException if more than that is forgotten already
   * @throws StoreException if there is no such revision yet
   */
  void compact(long upTo) {
    submit(new Request(Kind.COMPACT, "", NO_VALUE, upTo, Duration.ZERO));
  }

  /** As {@link dev.kedge.store.Store#raise}. */
  void raise(long to) {
    submit(new Request(Kind.RAISE, "", NO_VALUE, to, Duration.ZERO));
  }

  /** Finishes what waits, then ends; returns whether everything is in order on disk. */
  boolean close() {
    synchronized (queue) {
      closed = true;
      queue.add(new Request(Kind.STOP, "", NO_VALUE, 0, Duration.ZERO));
    }
    stopping.countDown();
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
        throw gone();
      }
      queue.add(request);
    }
    boolean interrupted = false;
    // An interrupt does not cut the wait short: the caller must learn whether it was written, and
    // the wait is bounded.
    while (!request.done) {
      LockSupport.park(request);
      interrupted |= Thread.interrupted();
    }
    if (interrupted) {
      Thread.currentThread().interrupt();
    }
    StoreException failure = request.failure;
    // Thrown anew, so that its trace shows this caller too.
    if (failure instanceof CompactedException compacted) {
      throw new CompactedException(compacted.asked(), compacted.compactRevision());
    }
    if (failure != null) {
      throw new StoreException(String.valueOf(failure.getMessage()), failure);
    }
  }

  private StoreException gone() {
    return new StoreException("the store " + engine.name() + " is closed");
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
          stop = batch.stream().anyMatch(request -> request.kind == Kind.STOP);
          transact(batch);
          // Whoever raises has the store to itself, so its order among others does not matter.
          batch.stream().filter(request -> request.kind == Kind.RAISE).forEach(this::raise);
        }
        maintain();
      }
      cleanlyClosed = shutDown();
    } catch (InterruptedException e) {
      LOG.log(Level.ERROR, "the writer of " + engine.name() + " was interrupted", e);
    } catch (RuntimeException | Error e) {
      LOG.log(Level.ERROR, "the writer of " + engine.name() + " failed", e);
      StoreException failure = new StoreException("the store's writer failed: " + e, e);
      batch.stream().filter(request -> !request.done).forEach(request -> fail(request, failure));
    } finally {
      synchronized (queue) {
        closed = true;
        for (Request left = queue.poll(); left != null; left = queue.poll()) {
          fail(left, gone());
        }
      }
    }
  }

  /** How long nothing needs to be done when nobody writes. */
  private long patience() {
    if (swept < log.compacted() || reclaiming) {
      return 0;
    }
    long now = nanos.getAsLong();
    long pause = compactAt - now;
    pause = pending.isEmpty() ? pause : Math.min(pause, pendingUntil - now);
    pause = lagging() ? Math.min(pause, syncAt - now) : pause;
    return Math.max(0, pause);
  }

  // Transactions.

  private void transact(List<Request> batch) throws InterruptedException {
    Set<String> keys = new LinkedHashSet<>();
    for (Request request : batch) {
      switch (request.kind) {
        case CREATE, UPDATE, DELETE -> keys.add(request.key);
        case COMPACT, RAISE, STOP -> {}
      }
    }
    Attempts attempts = new Attempts(PATIENCE, stopping);
    while (true) {
      Decision decision = null;
      long number = ThreadLocalRandom.current().nextLong();
      boolean committing = false;
      try {
        WriteSession writing = session();
        if (engine.lag().isPositive()
            || batch.stream().anyMatch(request -> request.slack.isPositive())) {
          reserve(writing, batch.size());
        }
        Standing standing = pending.over(writing.begin(keys));
        follower.checkForward(standing.revision());
        decision = new Decision(standing, room(writing));
        decision.decide(batch);
        if (!decision.changes()) {
          writing.end(standing, log.published());
        } else if (mayWait(decision)) {
          writing.rollback();
          await(decision);
        } else {
          committing = true;
          writing.commit(
              pending.with(decision.rows), decision.revision, decision.compacted, number);
          stored();
        }
      } catch (StoreException e) {
        undo(e);
        batch.forEach(request -> fail(request, e));
        return;
      } catch (SQLException e) {
        Engine.Remedy remedy = undo(e);
        Fate fate = Fate.LOST;
        if (committing && decision != null && remedy == Engine.Remedy.RECONNECT) {
          fate = fate(decision, number, attempts);
        }
        if (fate == Fate.UNKNOWN) {
          StoreException unknown =
              new StoreException(
                  engine.name()
                      + " broke off in a commit and could not be asked since; whether the change"
                      + " took place is unknown",
                  e);
          batch.forEach(request -> fail(request, unknown));
          return;
        }
        if (fate == Fate.LOST) {
          if (remedy == Engine.Remedy.NONE || !attempts.another()) {
            StoreException failure = engine.failure(e);
            batch.forEach(request -> fail(request, failure));
            return;
          }
          LOG.log(Level.DEBUG, "writing to " + engine.name() + " is tried again", e);
          continue;
        }
      }
      acknowledge(batch, Objects.requireNonNull(decision));
      return;
    }
  }

  // Writes that may be lost.

  /** Whether nothing of this must be on disk already, and memory has room for it. */
  private boolean mayWait(Decision decision) {
    return decision.slack.isPositive()
        && decision.compacted == decision.standing.compacted()
        && decision.revision <= reserved
        && pending.changes().size() + decision.rows.size() <= MOST_PENDING
        && pendingBytes + bytes(decision.rows) <= MOST_PENDING_BYTES;
  }

  private void await(Decision decision) {
    Duration slack = decision.slack.compareTo(patience) > 0 ? decision.slack : patience;
    long until = nanos.getAsLong() + slack.toNanos();
    pendingUntil = pending.isEmpty() || until - pendingUntil < 0 ? until : pendingUntil;
    pendingBytes += bytes(decision.rows);
    pending.add(decision.rows, decision.events);
  }

  private static long bytes(List<Row> rows) {
    return rows.stream().mapToLong(row -> row.value() == null ? 0 : row.value().length).sum();
  }

  /**
   * Sees to it that revisions which may be lost are never given out again: the database knows how
   * far they reach at most, before the first of them is.
   */
  private void reserve(WriteSession writing, int count) throws SQLException {
    if (engine.defers() && revision + count > reserved) {
      writing.reserve(revision + count + RESERVE);
      reserved = revision + count + RESERVE;
    }
  }

  private boolean lagging() {
    return syncAt != 0 && engine.lag().isPositive();
  }

  /** Brings to disk what may not wait any longer. */
  private void bringToDisk() {
    long now = nanos.getAsLong();
    boolean waited = !pending.isEmpty() && pendingUntil - now <= 0;
    boolean lagged = lagging() && syncAt - now <= 0;
    try {
      if (waited) {
        WriteSession writing = session();
        Standing standing = pending.over(writing.begin(Set.of()));
        store(writing, standing, standing.compacted());
      }
      if (lagged) {
        session().reserve(reserved);
        syncAt = 0;
      }
    } catch (SQLException e) {
      undo(e);
      LOG.log(Level.WARNING, engine.failure(e).getMessage());
      pendingUntil = now + AGAIN.toNanos();
      syncAt = now + AGAIN.toNanos();
    }
  }

  /** Commits what waits; durable unless the engine's commits lag. */
  private void store(WriteSession writing, Standing standing, long compacted) throws SQLException {
    writing.commit(
        pending.rows(), standing.revision(), compacted, ThreadLocalRandom.current().nextLong());
    stored();
  }

  private void stored() {
    pendingBytes = 0;
    pending.clear();
    if (syncAt == 0) {
      syncAt = nanos.getAsLong() + engine.lag().toNanos();
    }
  }

  private void acknowledge(List<Request> batch, Decision decision) {
    Standing standing = decision.standing;
    revision = decision.revision;
    superseded += superseded(decision.events);
    swept = standing.swept();
    if (decision.compacted > log.compacted()) {
      log.compact(decision.compacted);
    }
    try {
      // What others wrote comes first.
      follower.upTo(standing.revision());
    } catch (StoreException e) {
      // Committed is committed; the follower will tell of it when the log can be read again.
      LOG.log(Level.DEBUG, "cannot read what others wrote to " + engine.name(), e);
    }
    if (!decision.events.isEmpty()) {
      follower.committed(decision.events, standing.revision(), decision.revision);
    }
    for (int i = 0; i < batch.size(); i++) {
      Request request = batch.get(i);
      request.result = decision.results.get(i);
      request.failure = decision.failures.get(i);
      if (request.kind != Kind.RAISE) {
        request.finish();
      }
    }
  }

  private static long superseded(List<Event> events) {
    long bytes = 0;
    for (Event event : events) {
      bytes +=
          switch (event) {
            case Event.Put put -> put.previous().map(each -> each.length + ROW).orElse(0L);
            case Event.Delete delete -> delete.previous().length + 2 * ROW;
          };
    }
    return bytes;
  }

  /** What to do with a batch, given where the log stands. */
  private static final class Decision {
    final Standing standing;
    final List<@Nullable WriteResult> results = new ArrayList<>();
    final Map<Integer, StoreException> failures = new HashMap<>();
    final List<Row> rows = new ArrayList<>();
    final List<Event> events = new ArrayList<>();
    private final Map<String, Entry> entries;
    long revision;
    long compacted;

    /** How long all of it may wait in memory. */
    Duration slack = FOR_EVER;

    private final WriteSession.Room room;

    Decision(Standing standing, WriteSession.Room room) {
      this.standing = standing;
      this.room = room;
      entries = new HashMap<>(standing.entries());
      revision = standing.revision();
      compacted = standing.compacted();
    }

    void decide(List<Request> batch) {
      for (int i = 0; i < batch.size(); i++) {
        Request request = batch.get(i);
        switch (request.kind) {
          case CREATE, UPDATE, DELETE -> {
            if (room.refuses(request.kind)) {
              results.add(null);
              failures.put(i, new StoreException(room.refusal()));
              continue;
            }
            WriteResult result = apply(request);
            results.add(result);
            if (result instanceof WriteResult.Committed && request.slack.compareTo(slack) < 0) {
              slack = request.slack;
            }
          }
          case COMPACT -> {
            results.add(null);
            if (request.revision > standing.revision()) {
              failures.put(
                  i,
                  new StoreException(
                      "cannot compact revision "
                          + request.revision
                          + ": the current one is "
                          + standing.revision()));
            } else if (request.revision < standing.compacted()) {
              failures.put(i, new CompactedException(request.revision, standing.compacted()));
            } else {
              compacted = Math.max(compacted, request.revision);
            }
          }
          case RAISE, STOP -> results.add(null);
        }
      }
    }

    boolean changes() {
      return revision > standing.revision() || compacted > standing.compacted();
    }

    private WriteResult apply(Request request) {
      String key = request.key;
      byte[] value = request.value;
      Entry current = entries.get(key);
      if (request.kind == Kind.CREATE) {
        if (current != null) {
          return new WriteResult.Conflict(current);
        }
        revision++;
        rows.add(new Row(revision, key, revision, 0, value));
        events.add(new Event.Put(key, value, revision, revision, Optional.empty()));
        entries.put(key, new Entry(key, value, revision, revision));
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
        rows.add(new Row(revision, key, created, current.revision(), value));
        events.add(new Event.Put(key, value, created, revision, Optional.of(current.value())));
        entries.put(key, new Entry(key, value, created, revision));
      } else {
        rows.add(new Row(revision, key, created, current.revision(), null));
        events.add(new Event.Delete(key, current.value(), created, revision));
        entries.remove(key);
      }
      return new WriteResult.Committed(revision);
    }
  }

  /** How much room there is, and says so when there is little. */
  private WriteSession.Room room(WriteSession writing) throws SQLException {
    WriteSession.Room room = writing.room();
    if (room.level() != told) {
      told = room.level();
      switch (told) {
        case AMPLE ->
            LOG.log(Level.INFO, engine.name() + " is below four fifths of its limit again");
        case LITTLE ->
            LOG.log(Level.WARNING, engine.name() + " has reached four fifths of its limit");
        case FULL, OVERFULL -> LOG.log(Level.ERROR, room.refusal());
      }
    }
    return room;
  }

  private WriteSession session() throws SQLException {
    WriteSession open = session;
    if (open == null) {
      open = engine.openForWriting();
      session = open;
    }
    return open;
  }

  /** Asks what became of a commit until there is an answer, or the time is up. */
  private Fate fate(Decision decision, long number, Attempts attempts) throws InterruptedException {
    long first = decision.rows.isEmpty() ? decision.compacted : decision.rows.getFirst().revision();
    while (true) {
      try {
        if (decision.rows.isEmpty()) {
          // A compaction may be repeated without harm.
          return Fate.LOST;
        }
        return session().fate(first, number);
      } catch (SQLException e) {
        if (undo(e) == Engine.Remedy.NONE || !attempts.another()) {
          LOG.log(Level.WARNING, engine.failure(e).getMessage());
          return Fate.UNKNOWN;
        }
      }
    }
  }

  /** Leaves the transaction, and the connection if that is broken. */
  private Engine.Remedy undo(Exception reason) {
    WriteSession open = session;
    Engine.Remedy remedy = reason instanceof SQLException e ? engine.remedy(e) : Engine.Remedy.NONE;
    if (open == null) {
      return remedy;
    }
    try {
      if (remedy == Engine.Remedy.RECONNECT) {
        session = null;
        open.close();
      } else {
        open.rollback();
      }
    } catch (SQLException e) {
      // The transaction may have ended by itself, as SQLite's does when the disk is full.
      reason.addSuppressed(e);
      if (engine.remedy(e) == Engine.Remedy.RECONNECT) {
        session = null;
      }
    }
    return remedy;
  }

  private static void fail(Request request, StoreException failure) {
    request.result = null;
    request.failure = failure;
    request.finish();
  }

  // Compaction.

  private void raise(Request request) {
    if (request.done) {
      return;
    }
    try {
      if (revision < request.revision) {
        long before = revision;
        // Compaction would look for something to remove all the way through the gap.
        compactTo(revision);
        while (swept < log.compacted()) {
          sweep();
        }
        WriteSession writing = session();
        writing.begin(Set.of());
        writing.raise(request.revision);
        revision = request.revision;
        swept = revision;
        compactNext = new Mark(revision, superseded);
        log.compact(revision);
        follower.restart(before, revision);
      }
      request.finish();
    } catch (SQLException e) {
      undo(e);
      fail(request, engine.failure(e));
    } catch (StoreException e) {
      undo(e);
      fail(request, e);
    }
  }

  private void maintain() {
    bringToDisk();
    try {
      if (swept < log.compacted()) {
        sweep();
      } else if (reclaiming) {
        reclaiming = session().reclaim();
      } else if (compactAt - nanos.getAsLong() <= 0) {
        compactIfWorthIt();
      } else if (revision - log.compacted() > MOST_HISTORY) {
        compactTo(revision - MOST_HISTORY / 2);
      }
    } catch (SQLException e) {
      undo(e);
      LOG.log(Level.WARNING, "cannot compact: " + engine.failure(e).getMessage());
      // Not at once again: whatever is wrong will not go away by trying.
      swept = log.compacted();
      reclaiming = false;
      compactAt = nanos.getAsLong() + TimeUnit.MINUTES.toNanos(1);
    }
  }

  private void compactIfWorthIt() throws SQLException {
    long now = nanos.getAsLong();
    if (compactNext.superseded() - compactedBytes >= WORTH_COMPACTING || compactBy - now <= 0) {
      compactTo(compactNext.revision());
      compactedBytes = compactNext.superseded();
      compactBy = now + MOST_WAITS * historyNanos;
    }
    log.forget(compactNext.revision());
    compactNext = new Mark(revision, superseded);
    compactAt = now + historyNanos;
  }

  private void compactTo(long upTo) throws SQLException {
    WriteSession writing = session();
    Standing standing = pending.over(writing.begin(Set.of()));
    // Others may have written, and compacted, since.
    revision = standing.revision();
    swept = standing.swept();
    long compacted = Math.max(upTo, standing.compacted());
    if (compacted > standing.compacted()) {
      store(writing, standing, compacted);
    } else {
      writing.rollback();
    }
    log.compact(compacted);
  }

  /** Removes what the next few hundred compacted revisions have superseded. */
  private void sweep() throws SQLException {
    WriteSession writing = session();
    Standing standing = writing.begin(Set.of());
    swept = standing.swept();
    long upTo = Math.min(swept + SWEEP_SLICE, standing.compacted());
    if (upTo > swept) {
      writing.sweep(swept, upTo);
      swept = upTo;
    } else {
      writing.rollback();
    }
    reclaiming = swept == standing.compacted();
  }

  private boolean shutDown() {
    try {
      if (!pending.isEmpty()) {
        WriteSession writing = session();
        Standing standing = pending.over(writing.begin(Set.of()));
        store(writing, standing, standing.compacted());
      }
      if (reserved > 0) {
        session().reserve(0);
      }
      if (session != null) {
        session.close();
      }
      return true;
    } catch (SQLException e) {
      LOG.log(Level.ERROR, "cannot close " + engine.name(), e);
      return false;
    }
  }
}
