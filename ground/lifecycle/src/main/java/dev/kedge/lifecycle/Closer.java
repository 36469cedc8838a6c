package dev.kedge.lifecycle;

import java.lang.System.Logger;
import java.lang.System.Logger.Level;
import java.util.ArrayDeque;
import java.util.Deque;

/**
 * Stops what was started, in reverse order. A part that fails to stop is logged and does not keep
 * the others from stopping.
 */
public final class Closer implements AutoCloseable {
  private static final Logger LOG = System.getLogger("dev.kedge.lifecycle");

  private record Part(String name, AutoCloseable closeable) {}

  private final Deque<Part> parts = new ArrayDeque<>();

  /** Adds a started part; it will be stopped before those added earlier. */
  public synchronized <T extends AutoCloseable> T add(String name, T part) {
    parts.push(new Part(name, part));
    return part;
  }

  @Override
  public void close() {
    while (true) {
      Part part;
      synchronized (this) {
        part = parts.poll();
      }
      if (part == null) {
        return;
      }
      long begun = System.nanoTime();
      try {
        part.closeable().close();
        LOG.log(
            Level.DEBUG,
            "stopped {0} in {1} ms",
            part.name(),
            (System.nanoTime() - begun) / 1_000_000);
      } catch (Exception e) {
        LOG.log(Level.WARNING, "stopping " + part.name() + " failed", e);
      }
    }
  }
}
