package dev.kedge.scheduler;

import dev.kedge.model.KubeObject;
import dev.kedge.reconcile.Timeline;
import java.time.Duration;
import java.time.Instant;
import java.util.Comparator;
import java.util.HashMap;
import java.util.Map;
import java.util.PriorityQueue;
import java.util.function.Predicate;
import org.jspecify.annotations.Nullable;

/**
 * Pods that wait for a node. The active ones are taken by priority, then by age; pods that fit
 * nowhere rest until an event that could change that moves them, and back off for 1 to 10 s between
 * tries. Nothing polls. Any thread.
 */
final class SchedulingQueue {
  private static final Duration FIRST_PAUSE = Duration.ofSeconds(1);
  private static final Duration LONGEST_PAUSE = Duration.ofSeconds(10);

  private final Timeline timeline;
  private final Map<String, Entry> entries = new HashMap<>();
  private final PriorityQueue<Entry> active =
      new PriorityQueue<>(
          Comparator.comparingInt((Entry entry) -> -entry.pod.priority())
              .thenComparingLong(entry -> entry.sequence));
  private long sequence;
  private long moves;
  private boolean closed;

  private enum Place {
    ACTIVE,
    BACK_OFF,
    RESTING,
    TAKEN
  }

  private static final class Entry {
    PodInfo pod;
    KubeObject object;
    Place place = Place.ACTIVE;
    long sequence;
    int attempts;
    long movesWhenTaken;
    boolean movedWhileTaken;
    Instant lastFailure = Instant.EPOCH;

    Entry(PodInfo pod, KubeObject object) {
      this.pod = pod;
      this.object = object;
    }
  }

  /**
   * A pod to be scheduled.
   *
   * @param object the document, for events and conditions
   */
  record Waiting(PodInfo pod, KubeObject object) {}

  SchedulingQueue(Timeline timeline) {
    this.timeline = timeline;
  }

  /** A new pod, or a new state of one that waits. */
  synchronized void put(KubeObject object) {
    PodInfo pod = PodInfo.of(object);
    Entry entry = entries.get(pod.uid());
    if (entry == null) {
      entry = new Entry(pod, object);
      entries.put(pod.uid(), entry);
      activate(entry);
      return;
    }
    boolean changed =
        !entry.object.spec().equals(object.spec())
            || !entry.object.labels().equals(object.labels());
    boolean wasActive = entry.place == Place.ACTIVE && active.remove(entry);
    entry.pod = pod;
    entry.object = object;
    if (wasActive) {
      active.add(entry);
    } else if (changed) {
      move(entry);
    }
  }

  /** A pod that is bound, gone, or not ours any more. */
  synchronized void remove(String uid) {
    Entry entry = entries.remove(uid);
    if (entry != null) {
      active.remove(entry);
    }
  }

  /** Waits for the next pod. */
  synchronized Waiting take() throws InterruptedException {
    while (active.isEmpty()) {
      if (closed) {
        throw new InterruptedException();
      }
      wait();
    }
    Entry entry = active.remove();
    entry.place = Place.TAKEN;
    entry.movesWhenTaken = moves;
    entry.movedWhileTaken = false;
    entry.attempts++;
    return new Waiting(entry.pod, entry.object);
  }

  /** A taken pod fitted nowhere: it rests, unless something happened meanwhile. */
  synchronized void unschedulable(String uid) {
    Entry entry = entries.get(uid);
    if (entry == null || entry.place != Place.TAKEN) {
      return;
    }
    entry.lastFailure = timeline.instant();
    entry.place = Place.RESTING;
    if (entry.movedWhileTaken || entry.movesWhenTaken != moves) {
      move(entry);
    }
  }

  /** A taken pod could not be bound for another reason: it tries again after a pause. */
  synchronized void failed(String uid) {
    Entry entry = entries.get(uid);
    if (entry == null || entry.place != Place.TAKEN) {
      return;
    }
    entry.lastFailure = timeline.instant();
    entry.place = Place.RESTING;
    move(entry);
  }

  /** Something happened that may help some of the pods that rest. */
  synchronized void moveAll(Predicate<PodInfo> helped) {
    moves++;
    for (Entry entry : entries.values()) {
      if (entry.place == Place.RESTING && helped.test(entry.pod)) {
        move(entry);
      }
    }
  }

  /** How many pods wait for a node, resting ones included. */
  synchronized int size() {
    return entries.size();
  }

  synchronized void close() {
    closed = true;
    notifyAll();
  }

  private void move(Entry entry) {
    switch (entry.place) {
      case ACTIVE, BACK_OFF -> {
        // on its way already
      }
      case TAKEN -> entry.movedWhileTaken = true;
      case RESTING -> {
        Duration pause = FIRST_PAUSE.multipliedBy(1L << Math.min(entry.attempts - 1, 10));
        if (pause.compareTo(LONGEST_PAUSE) > 0) {
          pause = LONGEST_PAUSE;
        }
        Duration left = timeline.until(entry.lastFailure.plus(pause));
        if (left.isZero() || left.isNegative()) {
          activate(entry);
        } else {
          entry.place = Place.BACK_OFF;
          timeline.after(left, () -> rested(entry));
        }
      }
    }
  }

  private synchronized void rested(Entry entry) {
    @Nullable Entry current = entries.get(entry.pod.uid());
    if (current == entry && entry.place == Place.BACK_OFF) {
      activate(entry);
    }
  }

  private void activate(Entry entry) {
    entry.place = Place.ACTIVE;
    entry.sequence = sequence++;
    active.add(entry);
    notifyAll();
  }
}
