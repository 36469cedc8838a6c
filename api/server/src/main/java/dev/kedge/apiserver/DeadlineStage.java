package dev.kedge.apiserver;

import dev.kedge.model.ApiException;
import dev.kedge.model.Durations;
import dev.kedge.model.Status;
import java.io.IOException;
import java.time.Duration;
import java.util.List;
import java.util.Optional;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.locks.LockSupport;

/**
 * Ends requests that take longer than they may: after the server's time, or the shorter one that
 * the query's {@code timeout} names, the request's thread is interrupted and the client told 504. A
 * request that has begun to answer, or finishes all the same, is left alone; watches and streams
 * have no deadline here. Any thread.
 *
 * <p>One thread looks after all requests, once a second while there are any: a timer for each would
 * cost more than most requests do.
 */
final class DeadlineStage implements Stage {
  private static final Duration LOOK = Duration.ofSeconds(1);

  private final Duration longest;
  private final Metrics metrics;
  private final Set<Deadline> running = ConcurrentHashMap.newKeySet();
  // The thread that looks; null while nothing runs. Guarded by this for starting and ending it.
  private volatile @org.jspecify.annotations.Nullable Thread looker;

  DeadlineStage(Duration longest, Metrics metrics) {
    this.longest = longest;
    this.metrics = metrics;
  }

  @Override
  public void handle(Call call, Next next) throws Exception {
    if (call.info().longRunning()) {
      next.handle(call);
      return;
    }
    Duration time = asked(call.query().text("timeout")).orElse(longest);
    boolean shorter = time.compareTo(longest) < 0 && time.isPositive();
    Deadline deadline =
        new Deadline(
            Thread.currentThread(), System.nanoTime() + (shorter ? time : longest).toNanos());
    running.add(deadline);
    look(shorter);
    call.deadline(deadline);
    try {
      next.handle(call);
    } catch (IOException | InterruptedException | RuntimeException e) {
      // Whatever the interrupt made of it: time is up, and nobody has been told anything.
      if (deadline.end() && !call.answered()) {
        metrics.terminated(call, 504);
        throw new ApiException(
            new Status(
                504,
                "Timeout",
                "Timeout: request did not complete within the allotted timeout",
                new Status.Details("", "", "", "", List.of(), 0)),
            e);
      }
      throw e;
    } finally {
      deadline.end();
      running.remove(deadline);
    }
  }

  private static Optional<Duration> asked(String text) {
    if (text.isEmpty()) {
      return Optional.empty();
    }
    return Optional.of(
        Durations.find(text)
            .orElseThrow(
                () ->
                    ApiException.badRequest(
                        "invalid timeout specified in the request URL - time: "
                            + (text.matches("[+-]?[0-9.]*[0-9][0-9.]*")
                                ? "missing unit in"
                                : "invalid")
                            + " duration \""
                            + text
                            + "\"")));
  }

  /** Sees to it that somebody looks, at once if a deadline may be near. */
  private void look(boolean atOnce) {
    Thread known = looker;
    if (known == null) {
      synchronized (this) {
        if (looker == null) {
          looker = Thread.ofVirtual().name("request-deadlines").start(this::watch);
        }
      }
    } else if (atOnce) {
      LockSupport.unpark(known);
    }
  }

  private void watch() {
    while (true) {
      long now = System.nanoTime();
      long wait = LOOK.toNanos();
      for (Deadline deadline : running) {
        long left = deadline.at - now;
        if (left <= 0) {
          deadline.pass();
          running.remove(deadline);
        } else {
          wait = Math.min(wait, left);
        }
      }
      LockSupport.parkNanos(wait);
      if (running.isEmpty()) {
        synchronized (this) {
          // One that is added now finds no looker and starts another.
          looker = null;
        }
        if (running.isEmpty()) {
          return;
        }
        synchronized (this) {
          if (looker != null) {
            return;
          }
          looker = Thread.currentThread();
        }
      }
    }
  }

  /** One request's. The lock keeps an interrupt from reaching the thread once it has moved on. */
  static final class Deadline {
    private final Thread thread;
    private final long at;
    private boolean ended;
    private boolean passed;

    private Deadline(Thread thread, long at) {
      this.thread = thread;
      this.at = at;
    }

    private synchronized void pass() {
      if (!ended) {
        passed = true;
        thread.interrupt();
      }
    }

    /**
     * For the request's own thread: no interrupt comes from now on, and one that came is taken
     * back. Returns whether it had come.
     */
    synchronized boolean end() {
      if (passed && !ended) {
        Thread.interrupted();
      }
      ended = true;
      return passed;
    }
  }
}
