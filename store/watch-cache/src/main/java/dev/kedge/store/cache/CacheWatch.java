package dev.kedge.store.cache;

import dev.kedge.store.CompactedException;
import dev.kedge.store.StoreWatch;
import dev.kedge.store.WatchClosedException;
import java.time.Duration;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.ForkJoinPool;
import java.util.concurrent.ScheduledFuture;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.locks.LockSupport;
import java.util.concurrent.locks.ReentrantLock;
import org.jspecify.annotations.Nullable;

/**
 * A running watch on a {@link WatchCache}. One reader thread; {@link #close} from any thread.
 *
 * <p>Events wait in a bounded queue. A reader that lets it fill up is given part of a small time
 * budget that all slow readers share, then loses the watch and is told so by {@link
 * ExpiredException}.
 */
public final class CacheWatch implements AutoCloseable {
  private final WatchCache cache;
  private final Selection selection;
  private final long afterRevision;
  private final int capacity;
  private final ReentrantLock lock = new ReentrantLock();
  private ArrayDeque<CacheEvent> queue = new ArrayDeque<>();
  private volatile @Nullable Thread reader;
  private volatile @Nullable Thread blockedDispatcher;
  private volatile boolean closed;
  private volatile boolean expired;
  private volatile boolean ended;

  /** Older changes than the cache remembers, read from the store first; reader thread only. */
  private volatile @Nullable StoreWatch history;

  private final long historyEnd;
  private long progress;

  private volatile @Nullable ScheduledFuture<?> alarm;
  private volatile boolean alarmSet;

  /** When the alarm rings; reader thread only. */
  private long alarmAt;

  CacheWatch(
      WatchCache cache,
      Selection selection,
      long afterRevision,
      int capacity,
      @Nullable StoreWatch history,
      long historyEnd) {
    this.cache = cache;
    this.selection = selection;
    this.afterRevision = afterRevision;
    this.capacity = capacity;
    this.history = history;
    this.historyEnd = historyEnd;
    this.progress = afterRevision;
  }

  /**
   * Waits for events and takes all that are there.
   *
   * @return events in the order of their revisions; empty when none came in time or the watch ended
   * @throws ExpiredException if the reader fell behind; the watch is over then
   * @throws CompactedException if the start revision was compacted before its changes were read
   */
  public List<CacheEvent> take(Duration atMost) throws InterruptedException {
    List<CacheEvent> old = takeHistory();
    if (!old.isEmpty()) {
      return old;
    }
    long deadline = System.nanoTime() + atMost.toNanos();
    reader = Thread.currentThread();
    try {
      while (true) {
        // Read before the queue: every event up to here has been offered already.
        long dispatched = cache.progress();
        List<CacheEvent> events = drain();
        if (!events.isEmpty()) {
          progress = events.getLast().revision();
          return events;
        }
        if (expired) {
          throw new ExpiredException();
        }
        progress = Math.max(progress, dispatched);
        long left = deadline - System.nanoTime();
        if (closed || ended || left <= 0) {
          return List.of();
        }
        wakeAt(deadline, left);
        LockSupport.park(this);
        if (Thread.interrupted()) {
          throw new InterruptedException();
        }
      }
    } finally {
      reader = null;
    }
  }

  /**
   * The revision up to which nothing is missing from what {@link #take} has returned: what a
   * bookmark says. Reader thread only.
   */
  public long progress() {
    return progress;
  }

  /** Whether nothing will come any more because the cache was closed. */
  public boolean ended() {
    return ended || closed;
  }

  /**
   * Sees to it that the reader wakes when it has waited long enough. The alarm stays set while
   * events come: a timer for each wait costs as much as telling of the event.
   */
  private void wakeAt(long deadline, long left) {
    if (alarmSet && alarmAt - deadline <= 0) {
      return;
    }
    endAlarm();
    alarmAt = deadline;
    alarmSet = true;
    alarm = ForkJoinPool.commonPool().schedule(this::ring, left, TimeUnit.NANOSECONDS);
    if (closed) {
      endAlarm();
    }
  }

  private void ring() {
    alarmSet = false;
    wakeReader();
  }

  private void endAlarm() {
    ScheduledFuture<?> set = alarm;
    if (set != null) {
      set.cancel(false);
    }
  }

  @Override
  public void close() {
    closed = true;
    cache.unregister(this);
    wakeReader();
    endAlarm();
    StoreWatch open = history;
    if (open != null) {
      open.close();
    }
  }

  Selection selection() {
    return selection;
  }

  /** Adds events that were there before the watch began; before it is registered. */
  void preload(List<CacheEvent> events) {
    queue.addAll(events);
  }

  /** Takes an event into the queue unless that is full. */
  boolean offer(CacheEvent event) {
    if (closed || expired || event.revision() <= afterRevision) {
      return true;
    }
    lock.lock();
    try {
      if (queue.size() >= capacity) {
        return false;
      }
      queue.add(event);
    } finally {
      lock.unlock();
    }
    wakeReader();
    return true;
  }

  /** Takes an event into the queue, waiting for room. */
  boolean offer(CacheEvent event, long nanos) {
    long deadline = System.nanoTime() + nanos;
    blockedDispatcher = Thread.currentThread();
    try {
      while (!offer(event)) {
        long left = deadline - System.nanoTime();
        if (left <= 0) {
          return false;
        }
        LockSupport.parkNanos(this, left);
      }
      return true;
    } finally {
      blockedDispatcher = null;
    }
  }

  /** Ends the watch for good: its reader has fallen behind, or history was lost. */
  void expire() {
    expired = true;
    wakeReader();
  }

  /** Ends the watch in order. */
  void end() {
    ended = true;
    wakeReader();
  }

  private List<CacheEvent> drain() {
    ArrayDeque<CacheEvent> taken;
    lock.lock();
    try {
      if (queue.isEmpty()) {
        return List.of();
      }
      taken = queue;
      queue = new ArrayDeque<>();
    } finally {
      lock.unlock();
    }
    Thread dispatcher = blockedDispatcher;
    if (dispatcher != null) {
      LockSupport.unpark(dispatcher);
    }
    return new ArrayList<>(taken);
  }

  private List<CacheEvent> takeHistory() throws InterruptedException {
    StoreWatch source = history;
    while (source != null) {
      List<StoreWatch.Event> events;
      try {
        events = source.take(Duration.ZERO);
      } catch (WatchClosedException e) {
        // Closed by close(), or the store is going down: no more events either way.
        ended = true;
        history = null;
        return List.of();
      }
      boolean last = events.isEmpty();
      List<CacheEvent> selected = new ArrayList<>();
      for (StoreWatch.Event event : events) {
        if (event.revision() > historyEnd) {
          last = true;
          break;
        }
        CacheEvent seen = cache.change(event).seenBy(selection);
        if (seen != null) {
          selected.add(seen);
        }
        progress = event.revision();
      }
      if (last) {
        source.close();
        source = null;
        history = null;
        progress = Math.max(progress, historyEnd);
      }
      if (!selected.isEmpty()) {
        return selected;
      }
    }
    return List.of();
  }

  private void wakeReader() {
    Thread waiting = reader;
    if (waiting != null) {
      LockSupport.unpark(waiting);
    }
  }

  /** The reader fell behind, or history was lost: list again, then watch again (410 Gone). */
  public static final class ExpiredException extends RuntimeException {
    public ExpiredException() {
      super("watch fell behind");
    }
  }
}
