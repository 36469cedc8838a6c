package dev.kedge.store.sql;

import static java.nio.charset.StandardCharsets.UTF_8;
import static org.assertj.core.api.Assertions.assertThat;

import dev.kedge.store.CompactedException;
import dev.kedge.store.Store;
import dev.kedge.store.Store.Entry;
import dev.kedge.store.Store.Page;
import dev.kedge.store.Store.WriteResult;
import dev.kedge.store.Store.WriteResult.Absent;
import dev.kedge.store.Store.WriteResult.Committed;
import dev.kedge.store.Store.WriteResult.Conflict;
import dev.kedge.store.StoreException;
import dev.kedge.store.StoreWatch;
import dev.kedge.store.StoreWatch.Event;
import dev.kedge.store.WatchClosedException;
import java.time.Duration;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Random;
import java.util.Set;
import java.util.TreeMap;
import java.util.concurrent.ConcurrentLinkedQueue;
import java.util.concurrent.atomic.AtomicLong;

/**
 * What clients of several stores on one database did and were told, and whether that can be.
 *
 * <p>Revisions order all changes, so linearisability can be checked exactly: the changes that a
 * watch told of are the model. Each answer must fit a state of the model that existed between the
 * question and the answer; the greatest revision acknowledged before the question says how old that
 * state may be.
 */
final class History {
  private final AtomicLong acknowledged = new AtomicLong();
  private final ConcurrentLinkedQueue<Operation> operations = new ConcurrentLinkedQueue<>();

  /** One question, what was known to be acknowledged before it, and the answer. */
  private sealed interface Operation {
    long floor();

    /**
     * @param value null for a removal
     * @param result empty if an exception was thrown: it may have taken place or not
     */
    record Write(long floor, String key, String value, Optional<WriteResult> result)
        implements Operation {}

    record Get(long floor, String key, Optional<Entry> entry) implements Operation {}

    record List(long floor, String prefix, Page page) implements Operation {}

    record Current(long floor, long revision) implements Operation {}
  }

  /** A client that does random things to few keys, so that it meets others. */
  void work(Store store, String name, int count) {
    Random random = new Random(name.hashCode());
    Map<String, Entry> known = new HashMap<>();
    for (int n = 0; n < count; n++) {
      String key = "/h/" + random.nextInt(8);
      String value = name + "-" + n;
      long floor = acknowledged.get();
      try {
        Entry entry = known.get(key);
        switch (random.nextInt(8)) {
          case 0 -> {
            Optional<Entry> found = store.get(key);
            operations.add(new Operation.Get(floor, key, found));
            found.ifPresentOrElse(now -> known.put(key, now), () -> known.remove(key));
          }
          case 1 -> operations.add(new Operation.List(floor, "/h/", store.list("/h/", 0, "", 0)));
          case 2 -> operations.add(new Operation.Current(floor, store.currentRevision()));
          case 3 -> {
            if (entry != null) {
              wrote(floor, key, null, store.delete(key, entry.revision()), known);
            }
          }
          default -> {
            if (entry == null) {
              wrote(floor, key, value, store.create(key, value.getBytes(UTF_8)), known);
            } else {
              byte[] bytes = value.getBytes(UTF_8);
              wrote(floor, key, value, store.update(key, bytes, entry.revision()), known);
            }
          }
        }
      } catch (StoreException e) {
        operations.add(new Operation.Write(floor, key, value, Optional.empty()));
        known.remove(key);
      }
    }
  }

  private void wrote(
      long floor, String key, String value, WriteResult result, Map<String, Entry> known) {
    operations.add(new Operation.Write(floor, key, value, Optional.of(result)));
    switch (result) {
      case Committed(long revision) -> {
        acknowledged.accumulateAndGet(revision, Math::max);
        if (value == null) {
          known.remove(key);
        } else {
          known.put(key, new Entry(key, value.getBytes(UTF_8), 0, revision));
        }
      }
      case Conflict(Entry current) -> known.put(key, current);
      case Absent() -> known.remove(key);
    }
  }

  long operations() {
    return operations.size();
  }

  long failed() {
    return operations.stream()
        .filter(operation -> operation instanceof Operation.Write write && write.result.isEmpty())
        .count();
  }

  /** A reader that follows everything from a revision on, through whatever befalls the database. */
  static final class Follower implements AutoCloseable {
    private final StoreWatch watch;
    private final List<Event> events = new ArrayList<>();
    private final Thread thread;
    private volatile long seen;
    private volatile String trouble = "";

    Follower(Store store, long after) {
      watch = store.watch("/", after);
      seen = after;
      thread = Thread.ofVirtual().start(this::follow);
    }

    private void follow() {
      while (true) {
        try {
          for (Event event : watch.take(Duration.ofSeconds(1))) {
            events.add(event);
            seen = event.revision();
          }
        } catch (WatchClosedException | InterruptedException e) {
          return;
        } catch (CompactedException e) {
          trouble = e.toString();
          return;
        } catch (StoreException e) {
          // The database is away; what was missed comes when it is back.
          trouble = e.toString();
        }
      }
    }

    /** Waits until it has seen a revision, then returns all it saw. */
    List<Event> upTo(long revision) throws InterruptedException {
      long deadline = System.nanoTime() + Duration.ofSeconds(30).toNanos();
      while (seen < revision) {
        assertThat(System.nanoTime())
            .as("a watch is stuck at " + seen + ", not at " + revision + ": " + trouble)
            .isLessThan(deadline);
        watch.requestProgress();
        Thread.sleep(10);
      }
      close();
      return List.copyOf(events);
    }

    @Override
    public void close() throws InterruptedException {
      watch.close();
      thread.join();
    }
  }

  /**
   * Checks everything against what a watch told of.
   *
   * @param start the revision that the watch began after
   */
  void check(List<Event> events, long start) {
    // Every revision once, in order, without gap: the prefix covers all keys.
    List<Long> revisions = events.stream().map(Event::revision).toList();
    for (int i = 0; i < revisions.size(); i++) {
      assertThat(revisions.get(i)).as("revision number " + i).isEqualTo(start + 1 + i);
    }
    Model model = new Model(events);
    Set<String> maybe = new HashSet<>();
    Set<String> refused = new HashSet<>();
    Set<String> written = new HashSet<>();
    for (Operation operation : operations) {
      switch (operation) {
        case Operation.Write write when write.result.isEmpty() -> maybe.add(write.value);
        case Operation.Write(
                long floor,
                String key,
                String value,
                Optional<WriteResult> result) -> {
          switch (result.orElseThrow()) {
            case Committed(long revision) -> {
              assertThat(revision).as("a write after another").isGreaterThan(floor);
              model.checkWritten(key, value, revision);
              written.add(value);
            }
            case Conflict(Entry current) -> {
              model.checkShown(current, floor);
              refused.add(value);
            }
            case Absent() -> {
              model.checkAbsent(key, floor);
              refused.add(value);
            }
          }
        }
        case Operation.Get(long floor, String key, Optional<Entry> entry) ->
            entry.ifPresentOrElse(
                shown -> model.checkShown(shown, floor), () -> model.checkAbsent(key, floor));
        case Operation.List(long floor, String prefix, Page page) -> {
          assertThat(page.revision()).isGreaterThanOrEqualTo(floor);
          model.checkPage(page);
        }
        case Operation.Current(long floor, long revision) ->
            assertThat(revision).isGreaterThanOrEqualTo(floor);
      }
    }
    Set<String> seen = new HashSet<>();
    for (Event event : events) {
      if (event instanceof Event.Put put) {
        String value = new String(put.value(), UTF_8);
        assertThat(seen.add(value)).as(value + " was written twice").isTrue();
        assertThat(refused).as("a refused write took place").doesNotContain(value);
        assertThat(written.contains(value) || maybe.contains(value))
            .as(value + " was written by somebody")
            .isTrue();
      }
    }
  }

  /** The states that the changes went through. */
  private static final class Model {
    private final Map<String, TreeMap<Long, Event>> changes = new HashMap<>();

    Model(List<Event> events) {
      for (Event event : events) {
        TreeMap<Long, Event> ofKey = changes.computeIfAbsent(event.key(), key -> new TreeMap<>());
        Event before = ofKey.isEmpty() ? null : ofKey.lastEntry().getValue();
        switch (event) {
          case Event.Put put -> {
            assertThat(put.previous().map(bytes -> new String(bytes, UTF_8)))
                .isEqualTo(
                    before instanceof Event.Put was
                        ? Optional.of(new String(was.value(), UTF_8))
                        : Optional.empty());
            assertThat(put.createRevision())
                .isEqualTo(before instanceof Event.Put was ? was.createRevision() : put.revision());
          }
          case Event.Delete delete ->
              assertThat(before)
                  .isInstanceOfSatisfying(
                      Event.Put.class, was -> assertThat(delete.previous()).isEqualTo(was.value()));
        }
        ofKey.put(event.revision(), event);
      }
    }

    void checkWritten(String key, String value, long revision) {
      Event event = changes.getOrDefault(key, new TreeMap<>()).get(revision);
      assertThat(event).as("acknowledged: " + key + " at " + revision).isNotNull();
      if (value == null) {
        assertThat(event).isInstanceOf(Event.Delete.class);
      } else {
        assertThat(event)
            .isInstanceOfSatisfying(
                Event.Put.class,
                put -> assertThat(new String(put.value(), UTF_8)).isEqualTo(value));
      }
    }

    /** An entry was the key's state at some time after everything up to the floor. */
    void checkShown(Entry entry, long floor) {
      TreeMap<Long, Event> ofKey = changes.getOrDefault(entry.key(), new TreeMap<>());
      assertThat(ofKey.get(entry.revision()))
          .isInstanceOfSatisfying(
              Event.Put.class,
              put -> {
                assertThat(put.value()).isEqualTo(entry.value());
                assertThat(put.createRevision()).isEqualTo(entry.createRevision());
              });
      Long superseded = ofKey.higherKey(entry.revision());
      assertThat(superseded == null || superseded > floor)
          .as("a stale read of " + entry.key() + " at " + entry.revision() + ", floor " + floor)
          .isTrue();
    }

    void checkAbsent(String key, long floor) {
      TreeMap<Long, Event> ofKey = changes.getOrDefault(key, new TreeMap<>());
      Map.Entry<Long, Event> atFloor = ofKey.floorEntry(floor);
      boolean absentThen = atFloor == null || atFloor.getValue() instanceof Event.Delete;
      boolean deletedSince =
          ofKey.tailMap(floor, false).values().stream().anyMatch(Event.Delete.class::isInstance);
      assertThat(absentThen || deletedSince).as(key + " was never absent since " + floor).isTrue();
    }

    void checkPage(Page page) {
      Map<String, String> expected = new TreeMap<>();
      changes.forEach(
          (key, ofKey) -> {
            Map.Entry<Long, Event> last = ofKey.floorEntry(page.revision());
            if (last != null && last.getValue() instanceof Event.Put put) {
              expected.put(key, new String(put.value(), UTF_8));
            }
          });
      Map<String, String> shown = new TreeMap<>();
      page.entries().forEach(entry -> shown.put(entry.key(), new String(entry.value(), UTF_8)));
      assertThat(shown).isEqualTo(expected);
    }
  }
}
