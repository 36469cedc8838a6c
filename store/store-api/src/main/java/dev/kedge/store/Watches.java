package dev.kedge.store;

import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.concurrent.locks.LockSupport;
import java.util.concurrent.locks.ReentrantLock;
import org.jspecify.annotations.Nullable;

/**
 * The running watches of an engine that learns of its changes in one place. That place offers each
 * committed change to those watches whose prefix fits; a watch whose queue is full forgets it and
 * reads the engine's log instead when its reader comes, so a slow reader costs neither memory nor
 * anybody's time.
 */
public final class Watches {
  private static final int QUEUE = 4096;

  private final ChangeLog log;
  private final List<LogWatch> running = new CopyOnWriteArrayList<>();

  /** Between this lock's holders, a new watch knows exactly which changes it will be offered. */
  private final ReentrantLock publishing = new ReentrantLock();

  private boolean closed;

  public Watches(ChangeLog log) {
    this.log = log;
  }

  /** The log that watches catch up from. */
  public interface ChangeLog {
    /** The last revision that every watch has been offered the changes of. */
    long published();

    /** Lets {@link #published} reach a revision; under the lock that new watches wait for. */
    void publish(long revision);

    /** Watches after earlier revisions fail; 0 where only {@link #history} finds out. */
    long compacted();

    /**
     * The changes under a prefix after one revision and up to another, or the first of them.
     *
     * @param upTo a revision that was published
     * @throws CompactedException if changes after that revision have been compacted
     */
    Chunk history(String prefix, long after, long upTo);

    /**
     * Sees to it that everything committed until now gets published, then runs something, on any
     * thread; at once where nothing is ever committed and not published.
     */
    void whenCurrent(Runnable action);
  }

  /**
   * A piece of the log.
   *
   * @param complete whether nothing else lies between the bounds
   */
  public record Chunk(List<StoreWatch.Event> events, boolean complete) {
    public Chunk {
      events = List.copyOf(events);
    }
  }

  /**
   * Begins a watch.
   *
   * @param afterRevision the first event has a greater revision
   * @throws CompactedException if changes after that revision are known to have been compacted
   */
  public StoreWatch open(String prefix, long afterRevision) {
    publishing.lock();
    try {
      if (closed) {
        throw new StoreException("the store is closed");
      }
      if (afterRevision < log.compacted()) {
        throw new CompactedException(afterRevision, log.compacted());
      }
      LogWatch watch = new LogWatch(prefix, afterRevision, log.published());
      running.add(watch);
      return watch;
    } finally {
      publishing.unlock();
    }
  }

  /** Tells of committed changes, in order, then lets the log reach a revision. */
  public void publish(List<StoreWatch.Event> events, long revision) {
    publishing.lock();
    try {
      for (LogWatch watch : running) {
        watch.offer(events);
      }
      log.publish(revision);
    } finally {
      publishing.unlock();
    }
  }

  /** Lets the log reach a revision with changes before it that each watch reads for itself. */
  public void skipTo(long revision) {
    publishing.lock();
    try {
      for (LogWatch watch : running) {
        watch.skipTo(revision);
      }
      log.publish(revision);
    } finally {
      publishing.unlock();
    }
  }

  /**
   * Ends the running watches with an exception, because changes were lost to them, and lets the log
   * go on at a revision; watches opened from now on catch up to that.
   */
  public void restart(CompactedException lost, long revision) {
    publishing.lock();
    try {
      running.forEach(watch -> watch.fail(lost));
      log.publish(revision);
    } finally {
      publishing.unlock();
    }
  }

  /** Ends all watches, for good. */
  public void close() {
    publishing.lock();
    try {
      closed = true;
      running.forEach(LogWatch::close);
    } finally {
      publishing.unlock();
    }
  }

  private final class LogWatch implements StoreWatch {
    private final String prefix;
    private final ReentrantLock lock = new ReentrantLock();

    // Guarded by the lock.
    private List<Event> queue = new ArrayList<>();
    private boolean overflowed;
    private long lastOffered;
    private boolean waiting;

    /** Changes up to here are read from the log first. */
    private long catchUpTo;

    /** Changes up to here have been returned. */
    private long delivered;

    private volatile long handled;
    private volatile boolean progressRequested;
    private volatile boolean closed;
    private volatile @Nullable CompactedException lost;
    private volatile @Nullable Thread reader;

    LogWatch(String prefix, long after, long published) {
      this.prefix = prefix;
      this.delivered = after;
      this.handled = after;
      this.catchUpTo = published;
    }

    void offer(List<Event> events) {
      boolean wake = false;
      lock.lock();
      try {
        for (Event event : events) {
          if (!event.key().startsWith(prefix) || event.revision() <= delivered) {
            continue;
          }
          wake = true;
          lastOffered = event.revision();
          if (overflowed) {
            continue;
          }
          if (queue.size() == QUEUE) {
            overflowed = true;
            queue = new ArrayList<>();
          } else {
            queue.add(event);
          }
        }
      } finally {
        lock.unlock();
      }
      if (wake) {
        LockSupport.unpark(reader);
      }
    }

    void skipTo(long revision) {
      lock.lock();
      try {
        overflowed = true;
        queue = new ArrayList<>();
        lastOffered = revision;
      } finally {
        lock.unlock();
      }
      LockSupport.unpark(reader);
    }

    @Override
    public List<Event> take(Duration atMost) throws InterruptedException {
      long deadline = System.nanoTime() + atMost.toNanos();
      reader = Thread.currentThread();
      try {
        while (true) {
          if (closed) {
            throw new WatchClosedException();
          }
          CompactedException gap = lost;
          if (gap != null) {
            throw new CompactedException(gap.asked(), gap.compactRevision());
          }
          // Read before looking, so that what the asker knew of is looked for.
          boolean requested = progressRequested;
          progressRequested = false;
          List<Event> events = next();
          if (!events.isEmpty()) {
            return events;
          }
          long left = deadline - System.nanoTime();
          if (left <= 0 || requested) {
            return List.of();
          }
          LockSupport.parkNanos(this, left);
          if (Thread.interrupted()) {
            throw new InterruptedException();
          }
        }
      } finally {
        lock.lock();
        waiting = false;
        lock.unlock();
        reader = null;
      }
    }

    /** What is there now; whatever was returned before counts as handled. */
    private List<Event> next() {
      while (true) {
        long from;
        long upTo;
        // Read before the queue: what is published by now has been offered already.
        long published = log.published();
        lock.lock();
        try {
          waiting = false;
          handled = delivered;
          if (overflowed) {
            overflowed = false;
            catchUpTo = lastOffered;
          }
          if (delivered >= catchUpTo) {
            delivered = Math.max(delivered, published);
            if (queue.isEmpty()) {
              handled = delivered;
              waiting = true;
              return List.of();
            }
            List<Event> events = queue;
            queue = new ArrayList<>();
            delivered = Math.max(delivered, events.getLast().revision());
            return events;
          }
          from = delivered;
          upTo = catchUpTo;
        } finally {
          lock.unlock();
        }
        Chunk chunk = log.history(prefix, from, upTo);
        lock.lock();
        try {
          delivered = chunk.complete() ? upTo : chunk.events().getLast().revision();
        } finally {
          lock.unlock();
        }
        if (!chunk.events().isEmpty()) {
          return chunk.events();
        }
      }
    }

    @Override
    public long progress() {
      long published = log.published();
      lock.lock();
      try {
        if (waiting && queue.isEmpty() && !overflowed) {
          // The reader waits for more, so all it got is handled, and there is nothing it lacks.
          delivered = Math.max(delivered, published);
          handled = delivered;
        }
        return handled;
      } finally {
        lock.unlock();
      }
    }

    @Override
    public void requestProgress() {
      log.whenCurrent(
          () -> {
            progressRequested = true;
            LockSupport.unpark(reader);
          });
    }

    void fail(CompactedException gap) {
      lost = gap;
      running.remove(this);
      LockSupport.unpark(reader);
    }

    @Override
    public void close() {
      closed = true;
      running.remove(this);
      LockSupport.unpark(reader);
    }
  }
}
