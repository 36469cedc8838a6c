package dev.kedge.lifecycle;

import java.io.PrintStream;
import java.time.Duration;
import java.util.Objects;
import java.util.concurrent.Callable;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.FutureTask;

/**
 * Runs the phases of a start and prints each with the time it took. Phases that do not need each
 * other run side by side on virtual threads; lines come in the order of completion.
 */
public final class Startup {
  private final PrintStream out;
  private final long started;

  /**
   * @param started {@link System#nanoTime} at which the clock of this start began
   */
  public Startup(PrintStream out, long started) {
    this.out = out;
    this.started = started;
  }

  /** Runs a phase in the background. */
  public <T> Phase<T> begin(String name, Callable<T> work) {
    FutureTask<T> task =
        new FutureTask<>(
            () -> {
              long begun = System.nanoTime();
              T result = work.call();
              report(name, begun);
              return result;
            });
    Thread.ofVirtual().name("start-" + name).start(task);
    return new Phase<>(name, task);
  }

  /** Runs a phase here and now. */
  public <T> T run(String name, Callable<T> work) {
    long begun = System.nanoTime();
    T result;
    try {
      result = work.call();
    } catch (Exception e) {
      throw rethrow(name, e);
    }
    report(name, begun);
    return result;
  }

  /** Time since the start began. */
  public Duration elapsed() {
    return Duration.ofNanos(System.nanoTime() - started);
  }

  /** Prints a line of its own. */
  public synchronized void say(String line) {
    out.println(line);
    out.flush();
  }

  private void report(String name, long begun) {
    say(
        "  %-14s took %5.2f s, done after %5.2f s"
            .formatted(name, seconds(System.nanoTime() - begun), seconds(elapsed().toNanos())));
  }

  private static double seconds(long nanos) {
    return nanos / 1e9;
  }

  private static RuntimeException rethrow(String name, Throwable cause) {
    return switch (cause) {
      case UserException e -> e;
      case InterruptedException e -> new IllegalStateException(name + " was interrupted", e);
      case RuntimeException e -> e;
      case Error e -> throw e;
      default -> new IllegalStateException(name + " failed: " + cause.getMessage(), cause);
    };
  }

  /** A phase under way. */
  public static final class Phase<T> {
    private final String name;
    private final FutureTask<T> task;

    private Phase(String name, FutureTask<T> task) {
      this.name = name;
      this.task = task;
    }

    /** Waits for the phase; throws what it threw. */
    public T await() {
      try {
        return task.get();
      } catch (ExecutionException e) {
        throw rethrow(name, Objects.requireNonNull(e.getCause()));
      } catch (InterruptedException e) {
        Thread.currentThread().interrupt();
        throw new IllegalStateException(name + " was interrupted", e);
      }
    }
  }
}
