package dev.kedge.http;

import java.io.IOException;
import java.io.InputStream;
import java.io.OutputStream;
import java.io.UncheckedIOException;
import java.time.Duration;

/** Copies bytes between connections. */
final class Relays {
  private static final System.Logger LOG = System.getLogger("dev.kedge.http");

  /** How long the other direction may go on after one has ended. */
  private static final Duration LINGER = Duration.ofSeconds(10);

  private Relays() {}

  /**
   * Copies both ways until one side closes, and what is still under way from the other. Blocks;
   * closes both.
   */
  static void both(Exchange.Connection near, Exchange.Connection far) throws IOException {
    try (near;
        far) {
      Thread up = Thread.ofVirtual().name("relay-up").start(() -> copy(near, far));
      Thread down = Thread.ofVirtual().name("relay-down").start(() -> copy(far, near));
      try {
        // The far side decides: when it has nothing more to say, the near side is soon to go.
        down.join();
        up.join(LINGER);
      } catch (InterruptedException e) {
        Thread.currentThread().interrupt();
      }
    }
  }

  private static void copy(Exchange.Connection from, Exchange.Connection to) {
    try {
      copy(from.in(), to.out());
      to.out().close();
    } catch (IOException | UncheckedIOException e) {
      LOG.log(System.Logger.Level.DEBUG, "a relayed connection broke", e);
      close(from);
      close(to);
    }
  }

  static void close(AutoCloseable each) {
    try {
      each.close();
    } catch (Exception e) {
      LOG.log(System.Logger.Level.DEBUG, "a connection did not close in order", e);
    }
  }

  /** Copies until the end, flushing what is there. */
  static void copy(InputStream in, OutputStream out) throws IOException {
    byte[] buffer = new byte[16 * 1024];
    int count;
    while ((count = in.read(buffer)) >= 0) {
      out.write(buffer, 0, count);
      out.flush();
    }
  }
}
