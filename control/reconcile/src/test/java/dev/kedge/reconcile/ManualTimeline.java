package dev.kedge.reconcile;

import java.time.Duration;
import java.time.Instant;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import java.util.Optional;

/** Time that stands still until a test moves it; due actions run on the moving thread. */
final class ManualTimeline implements Timeline {
  private Instant now = Instant.parse("2026-01-01T00:00:00Z");
  private final List<Due> waiting = new ArrayList<>();

  private record Due(Instant at, Runnable action) {}

  @Override
  public synchronized Instant instant() {
    return now;
  }

  @Override
  public synchronized Timer after(Duration delay, Runnable action) {
    Due due = new Due(now.plus(delay), action);
    waiting.add(due);
    return () -> cancel(due);
  }

  private synchronized void cancel(Due due) {
    waiting.remove(due);
  }

  synchronized List<Duration> waits() {
    return waiting.stream().map(due -> Duration.between(now, due.at())).sorted().toList();
  }

  void advance(Duration by) {
    Instant end = instant().plus(by);
    for (Optional<Due> next = next(end); next.isPresent(); next = next(end)) {
      next.get().action().run();
    }
    synchronized (this) {
      now = end;
    }
  }

  private synchronized Optional<Due> next(Instant end) {
    Optional<Due> next =
        waiting.stream().filter(due -> !due.at().isAfter(end)).min(Comparator.comparing(Due::at));
    next.ifPresent(
        due -> {
          waiting.remove(due);
          now = due.at();
        });
    return next;
  }
}
