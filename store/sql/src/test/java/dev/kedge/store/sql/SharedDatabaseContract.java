package dev.kedge.store.sql;

import static java.nio.charset.StandardCharsets.UTF_8;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.kedge.store.CompactedException;
import dev.kedge.store.Store;
import dev.kedge.store.Store.WriteResult.Committed;
import dev.kedge.store.StoreException;
import dev.kedge.store.StoreWatch;
import dev.kedge.store.StoreWatch.Event;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicBoolean;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;

/** What several kedge servers on one database may expect of it, and of each other. */
abstract class SharedDatabaseContract {
  private static final Duration SOON = Duration.ofSeconds(30);

  private String url;
  private Store first;
  private Store second;

  abstract String freshUrl() throws Exception;

  abstract Store open(String url);

  /** Cuts all connections to a database off, as a failing network does. */
  abstract void cutConnections(String url) throws Exception;

  abstract void execute(String url, String sql) throws Exception;

  @BeforeEach
  void openBoth() throws Exception {
    url = freshUrl();
    // At the same time: both find that there are no tables yet.
    try (ExecutorService threads = Executors.newVirtualThreadPerTaskExecutor()) {
      Future<Store> one = threads.submit(() -> open(url));
      Future<Store> other = threads.submit(() -> open(url));
      first = one.get();
      second = other.get();
    }
  }

  @AfterEach
  void closeBoth() {
    first.close();
    second.close();
  }

  @Test
  void whatOneWroteTheOtherReadsAtOnce() {
    for (int i = 0; i < 200; i++) {
      Store writer = i % 2 == 0 ? first : second;
      Store reader = i % 2 == 0 ? second : first;
      long revision = created(writer, "/k/" + i);

      assertThat(reader.currentRevision()).isEqualTo(revision);
      assertThat(reader.get("/k/" + i)).isPresent();
      assertThat(reader.list("/k/", 0, "", 0).entries()).hasSize(i + 1);
      assertThat(reader.update("/k/" + i, new byte[0], revision)).isInstanceOf(Committed.class);
    }
  }

  @Test
  void watchesTellOfOthersChangesSoon() throws Exception {
    try (StoreWatch watch = second.watch("/k/", 0)) {
      long revision = created(first, "/k/a");
      assertThat(watch.take(SOON)).extracting(Event::revision).containsExactly(revision);
    }
  }

  @Test
  void requestedProgressCoversOthersChanges() throws Exception {
    try (StoreWatch watch = second.watch("/quiet/", 0)) {
      long revision = created(first, "/k/a");
      watch.requestProgress();
      assertThat(watch.take(SOON)).isEmpty();
      assertThat(watch.progress()).isGreaterThanOrEqualTo(revision);
    }
  }

  @Test
  void compactionByOneHoldsForAll() {
    long before = created(first, "/k/a");
    long last = created(second, "/k/b");
    first.compact(last);

    assertThatThrownBy(() -> second.list("/k/", before, "", 0))
        .isInstanceOf(CompactedException.class);
    assertThatThrownBy(
            () -> {
              try (StoreWatch watch = second.watch("/k/", before)) {
                watch.take(SOON);
              }
            })
        .isInstanceOf(CompactedException.class);
    assertThatThrownBy(() -> second.compact(before)).isInstanceOf(CompactedException.class);
    assertThat(created(second, "/k/c")).isEqualTo(last + 1);
  }

  @Test
  void aBurstOfOneIsFollowedByTheOther() throws Exception {
    long start = first.currentRevision();
    try (StoreWatch watch = second.watch("/k/", 0);
        ExecutorService threads = Executors.newVirtualThreadPerTaskExecutor()) {
      for (int w = 0; w < 64; w++) {
        String name = "/k/" + w + "-";
        threads.submit(
            () -> {
              for (int i = 0; i < 150; i++) {
                created(first, name + i);
              }
            });
      }
      List<Long> seen = new ArrayList<>();
      while (seen.size() < 64 * 150) {
        List<Event> events = watch.take(SOON);
        assertThat(events).as("after " + seen.size()).isNotEmpty();
        events.forEach(event -> seen.add(event.revision()));
      }
      for (int i = 0; i < seen.size(); i++) {
        assertThat(seen.get(i)).isEqualTo(start + 1 + i);
      }
    }
  }

  @Test
  void concurrentHistoriesAreLinearisable() throws Exception {
    History history = new History();
    long start = first.currentRevision();
    try (History.Follower one = new History.Follower(first, start);
        History.Follower other = new History.Follower(second, start)) {
      try (ExecutorService threads = Executors.newVirtualThreadPerTaskExecutor()) {
        for (int i = 0; i < 8; i++) {
          Store store = i % 2 == 0 ? first : second;
          String name = "w" + i;
          threads.submit(() -> history.work(store, name, 200));
        }
      }
      long end = first.currentRevision();
      List<Event> events = one.upTo(end);
      history.check(events, start);
      assertThat(revisions(other.upTo(end))).isEqualTo(revisions(events));
      assertThat(history.failed()).isZero();
      assertThat(history.operations()).isGreaterThan(1000);
    }
  }

  @Test
  void cutConnectionsAreMendedWithoutLossOrRepetition() throws Exception {
    History history = new History();
    long start = first.currentRevision();
    AtomicBoolean done = new AtomicBoolean();
    try (History.Follower follower = new History.Follower(second, start)) {
      try (ExecutorService threads = Executors.newVirtualThreadPerTaskExecutor()) {
        List<Future<?>> clients = new ArrayList<>();
        for (int i = 0; i < 8; i++) {
          Store store = i % 2 == 0 ? first : second;
          String name = "w" + i;
          clients.add(threads.submit(() -> history.work(store, name, 250)));
        }
        Future<?> cutter =
            threads.submit(
                () -> {
                  for (int cut = 0; !done.get(); cut++) {
                    cutConnections(url);
                    // An interval: ever longer, so that a slow machine gets something done too.
                    TimeUnit.MILLISECONDS.sleep(150 + 20 * cut);
                  }
                  return null;
                });
        for (Future<?> client : clients) {
          client.get();
        }
        done.set(true);
        cutter.get();
      }
      history.check(follower.upTo(first.currentRevision()), start);
      assertThat(history.failed()).isZero();
    }
  }

  @Test
  void aNewerSchemaIsRefusedByServersThatRunToo() throws Exception {
    created(first, "/k/a");
    execute(url, "UPDATE kedge_progress SET schema_version = 99");

    assertThatThrownBy(() -> created(first, "/k/b"))
        .isInstanceOf(StoreException.class)
        .hasMessageContaining("was set up by a newer kedge (schema 99");
    assertThatThrownBy(() -> open(url))
        .isInstanceOf(StoreException.class)
        .hasMessageContaining("upgrade this server");
  }

  @Test
  void aDatabaseThatWentBackIsNotGoneOnWith() throws Exception {
    long kept = created(first, "/k/a");
    created(first, "/k/b");
    execute(url, "DELETE FROM kedge_log WHERE revision > " + kept);
    execute(url, "UPDATE kedge_progress SET revision = " + kept);

    assertThatThrownBy(() -> created(first, "/k/c"))
        .isInstanceOf(StoreException.class)
        .hasMessageContaining("went back from revision");
    assertThatThrownBy(() -> first.currentRevision())
        .isInstanceOf(StoreException.class)
        .hasMessageContaining("restart every kedge server");
  }

  @Test
  void sweepingLeavesTheLastValues() throws Exception {
    for (int i = 0; i < 20; i++) {
      long revision = created(i % 2 == 0 ? first : second, "/k/" + i);
      for (int n = 0; n < 5; n++) {
        revision = ((Committed) second.update("/k/" + i, bytes("" + n), revision)).revision();
      }
      if (i % 5 == 0) {
        first.delete("/k/" + i, revision);
      }
    }
    first.compact(second.currentRevision());

    org.awaitility.Awaitility.await().atMost(SOON).until(() -> rows() == 16);
    assertThat(first.list("/k/", 0, "", 0).entries())
        .hasSize(16)
        .allSatisfy(entry -> assertThat(new String(entry.value(), UTF_8)).isEqualTo("4"));
  }

  abstract long rows(String url) throws Exception;

  private long rows() throws Exception {
    return rows(url);
  }

  private static List<Long> revisions(List<Event> events) {
    return events.stream().map(Event::revision).toList();
  }

  private static long created(Store store, String key) {
    return ((Committed) store.create(key, bytes(key))).revision();
  }

  private static byte[] bytes(String text) {
    return text.getBytes(UTF_8);
  }
}
