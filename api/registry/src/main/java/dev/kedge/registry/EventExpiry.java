package dev.kedge.registry;

import dev.kedge.model.JsonObject;
import dev.kedge.model.KubeObject;
import dev.kedge.model.Times;
import dev.kedge.store.Store;
import dev.kedge.store.StoreException;
import dev.kedge.store.cache.Item;
import dev.kedge.store.cache.Selection;
import java.lang.System.Logger;
import java.lang.System.Logger.Level;
import java.time.Clock;
import java.time.Duration;
import java.time.Instant;
import java.util.Comparator;
import java.util.Optional;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import java.util.stream.Stream;

/**
 * Forgets Events an hour after they last happened, as upstream's leases do. One virtual thread that
 * looks every few minutes; what it deletes shows in watches like any deletion.
 */
final class EventExpiry implements AutoCloseable {
  private static final Logger LOG = System.getLogger("dev.kedge.registry");
  private static final Duration LIFE = Duration.ofHours(1);
  private static final Duration PAUSE = Duration.ofMinutes(5);

  private final CatalogHolder catalogs;
  private final Clock clock;
  private final CountDownLatch closing = new CountDownLatch(1);

  EventExpiry(CatalogHolder catalogs, Clock clock) {
    this.catalogs = catalogs;
    this.clock = clock;
  }

  void start() {
    Thread.ofVirtual()
        .name("event expiry")
        .start(
            () -> {
              try {
                while (!closing.await(PAUSE.toMillis(), TimeUnit.MILLISECONDS)) {
                  expire();
                }
              } catch (InterruptedException e) {
                Thread.currentThread().interrupt();
              }
            });
  }

  /** Deletes what is old enough; returns how many. */
  int expire() {
    Optional<StoredKind> events = catalogs.current().stored("events");
    if (events.isEmpty()) {
      return 0;
    }
    Instant before = clock.instant().minus(LIFE);
    int count = 0;
    try {
      for (Item item : events.get().cache().list(Selection.ALL, 0, 0).items()) {
        KubeObject event = KubeObject.parse(item.json());
        if (lastSeen(event).isBefore(before)
            && events.get().delete(item.key(), item.revision())
                instanceof Store.WriteResult.Committed) {
          count++;
        }
      }
    } catch (StoreException e) {
      LOG.log(Level.WARNING, "old events could not be deleted; the next round tries again", e);
    }
    return count;
  }

  private Instant lastSeen(KubeObject event) {
    JsonObject json = event.json();
    // A time that cannot be read says nothing.
    return Stream.of(
            event.metadata().text("creationTimestamp"),
            json.text("lastTimestamp"),
            json.text("eventTime"),
            json.text("series", "lastObservedTime"))
        .flatMap(text -> Times.instant(text).stream())
        .max(Comparator.naturalOrder())
        .orElseGet(clock::instant);
  }

  @Override
  public void close() {
    closing.countDown();
  }
}
