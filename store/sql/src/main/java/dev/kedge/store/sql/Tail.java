package dev.kedge.store.sql;

import dev.kedge.store.StoreException;
import java.lang.System.Logger;
import java.lang.System.Logger.Level;
import java.sql.SQLException;
import java.time.Duration;

/** The thread that follows what other servers write, for as long as the store is open. */
final class Tail implements Runnable {
  private static final Logger LOG = System.getLogger("dev.kedge.store.sql");
  private static final Duration PAUSE = Duration.ofSeconds(1);

  private final String name;
  private final Signal signal;
  private final Follower follower;
  private final Thread thread;
  private volatile boolean closed;

  Tail(String name, Signal signal, Follower follower) {
    this.name = name;
    this.signal = signal;
    this.follower = follower;
    thread = Thread.ofVirtual().name("datastore-tail").start(this);
  }

  @Override
  public void run() {
    long last = 0;
    boolean busy = false;
    int failures = 0;
    while (!closed) {
      try {
        signal.await(busy);
        long current = follower.current();
        busy = current != last;
        last = current;
        if (failures > 1) {
          LOG.log(Level.INFO, "following " + name + " again");
        }
        failures = 0;
      } catch (InterruptedException e) {
        // Closed: nothing else interrupts this thread.
        break;
      } catch (SQLException | StoreException e) {
        signal.reset();
        if (closed) {
          break;
        }
        failures++;
        if (failures == 1) {
          // One connection may have been cut with the database in health.
          LOG.log(Level.DEBUG, "following " + name + " on a new connection", e);
          continue;
        }
        if (failures == 2) {
          LOG.log(Level.WARNING, "cannot follow " + name + ", trying again: " + e.getMessage());
        }
        try {
          Thread.sleep(PAUSE);
        } catch (InterruptedException interrupted) {
          break;
        }
      }
    }
    signal.reset();
  }

  void close() {
    closed = true;
    // Also ends a wait in the network.
    thread.interrupt();
    boolean interrupted = false;
    while (thread.isAlive()) {
      try {
        thread.join();
      } catch (InterruptedException e) {
        interrupted = true;
      }
    }
    if (interrupted) {
      Thread.currentThread().interrupt();
    }
  }
}
