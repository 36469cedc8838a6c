package dev.kedge.store.sql;

import dev.kedge.store.CompactedException;
import dev.kedge.store.StoreException;
import dev.kedge.store.StoreWatch.Event;
import dev.kedge.store.Watches;
import dev.kedge.store.Watches.Chunk;
import java.util.List;
import java.util.concurrent.atomic.AtomicLong;
import java.util.concurrent.locks.ReentrantLock;
import org.jspecify.annotations.Nullable;

/**
 * Brings the changes of all servers that write to one database to the watches of this one, each
 * once, in the order of revisions. What this server wrote comes from its writer, the rest is read
 * from the log. Any thread.
 */
final class Follower {
  /** Who is further behind than this reads the log for himself, when he comes. */
  private static final long MOST_PUSHED = 5000;

  private final Log log;
  private final Reads reads;
  private final Watches watches;
  private final ReentrantLock advancing = new ReentrantLock();

  // Callers that ask for the current revision at the same time share an answer.
  private final ReentrantLock asking = new ReentrantLock();
  private final AtomicLong asked = new AtomicLong();
  private long answered;
  private long answer;
  private @Nullable StoreException failure;

  Follower(Log log, Reads reads, Watches watches) {
    this.log = log;
    this.reads = reads;
    this.watches = watches;
  }

  /**
   * The database's current revision, with everything up to it told to watches.
   *
   * @throws StoreException if it cannot be reached, or lost what it had acknowledged
   */
  long current() {
    long ticket = asked.incrementAndGet();
    long current;
    asking.lock();
    try {
      if (answered < ticket) {
        // Asked after all those came, so it answers them all; also that there is no answer, or they
        // would wait one after the other.
        answered = asked.get();
        failure = null;
        try {
          answer = reads.current();
        } catch (StoreException e) {
          failure = e;
        }
      }
      if (failure != null) {
        throw new StoreException(String.valueOf(failure.getMessage()), failure);
      }
      current = answer;
    } finally {
      asking.unlock();
    }
    checkForward(current);
    upTo(current);
    return current;
  }

  /** Refuses to go on with a database that has less than was seen of it. */
  void checkForward(long current) {
    long published = log.published();
    if (current < published && reads.current() < published) {
      throw wentBack(published, current);
    }
  }

  static StoreException wentBack(long seen, long current) {
    return new StoreException(
        "the database went back from revision "
            + seen
            + " to "
            + current
            + ", so acknowledged writes are lost, as after a failover to a replica that was behind"
            + " or a restored backup; bring the newer data back, or restart every kedge server to"
            + " go on with what is left");
  }

  /** Tells watches of everything up to a revision that the database has. */
  void upTo(long revision) {
    if (log.published() >= revision) {
      return;
    }
    advancing.lock();
    try {
      while (log.published() < revision) {
        long from = log.published();
        if (revision - from > MOST_PUSHED) {
          watches.skipTo(revision);
          return;
        }
        Chunk chunk = reads.history("", from, revision);
        watches.publish(
            chunk.events(), chunk.complete() ? revision : chunk.events().getLast().revision());
      }
    } catch (CompactedException e) {
      watches.skipTo(revision);
    } finally {
      advancing.unlock();
    }
  }

  /** Ends the running watches, for revisions were left out; the log goes on at another one. */
  void restart(long before, long revision) {
    advancing.lock();
    try {
      watches.restart(new CompactedException(before, revision), revision);
    } finally {
      advancing.unlock();
    }
  }

  /**
   * Tells watches of what this server committed, unless something before it is missing still: then
   * it comes from the log, with that.
   *
   * @param before the last revision before the events'
   */
  void committed(List<Event> events, long before, long revision) {
    advancing.lock();
    try {
      if (log.published() == before) {
        watches.publish(events, revision);
      }
    } finally {
      advancing.unlock();
    }
  }
}
