package dev.kedge.store.cache;

import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Iterator;
import java.util.List;

/**
 * The last changes of one resource, bounded in number and bytes. Changed under both of the cache's
 * locks, so holding either is enough to read.
 */
final class Ring {
  private final int mostEvents;
  private final long mostBytes;
  private final ArrayDeque<Change> changes = new ArrayDeque<>();
  private long bytes;

  /** Every change after this revision is in the ring. */
  private long completeAfter;

  private long lastRevision;

  Ring(int mostEvents, long mostBytes) {
    this.mostEvents = mostEvents;
    this.mostBytes = mostBytes;
  }

  /** Forgets everything; complete from this revision on. */
  void restart(long revision) {
    changes.clear();
    bytes = 0;
    completeAfter = revision;
    lastRevision = revision;
  }

  void add(Change change) {
    changes.add(change);
    bytes += change.bytes();
    lastRevision = change.revision();
    while (changes.size() > mostEvents || (bytes > mostBytes && changes.size() > 1)) {
      Change oldest = changes.remove();
      bytes -= oldest.bytes();
      completeAfter = oldest.revision();
    }
  }

  /** The revision of the last change, or of the start: the state is the same since then. */
  long lastRevision() {
    return lastRevision;
  }

  /** Whether every change after a revision is still here. */
  boolean reaches(long revision) {
    return revision >= completeAfter;
  }

  /** The changes after a revision, oldest first. */
  List<Change> after(long revision) {
    List<Change> newer = new ArrayList<>();
    for (Iterator<Change> backwards = changes.descendingIterator(); backwards.hasNext(); ) {
      Change change = backwards.next();
      if (change.revision() <= revision) {
        break;
      }
      newer.add(change);
    }
    return newer.reversed();
  }
}
