package dev.kedge.store.etcd;

import static java.nio.charset.StandardCharsets.UTF_8;
import static org.assertj.core.api.Assertions.assertThat;

import dev.kedge.store.Store.Entry;
import dev.kedge.store.Store.WriteResult;
import dev.kedge.store.Store.WriteResult.Committed;
import dev.kedge.store.StoreException;
import dev.kedge.store.StoreWatch;
import dev.kedge.store.StoreWatch.Event;
import java.time.Duration;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.ConcurrentSkipListMap;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.atomic.AtomicLong;
import org.awaitility.Awaitility;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.condition.EnabledIfSystemProperty;

/**
 * Three members under load, of which each in turn is killed and comes back, and one stands still:
 * nothing acknowledged is lost, nothing refused is seen, watches tell all in order. {@code
 * -Dkedge.kills=200} for more.
 */
class MemberLossTest {
  private static final int WRITERS = 6;
  private static final int KILLS = Integer.getInteger("kedge.kills", 3);

  private interface Faults {
    void strike(EtcdProcesses etcd, Map<Long, String> acknowledged) throws Exception;
  }

  @Test
  void nothingIsLostWhileMembersComeAndGo() throws Exception {
    under(
        KILLS + " kills",
        (etcd, acknowledged) -> {
          for (int kill = 0; kill < KILLS; kill++) {
            int member = kill % 3;
            awaitMore(acknowledged);
            etcd.kill(member);
            awaitMore(acknowledged);
            etcd.restart(member);
          }
          etcd.signal(0, "STOP");
          awaitMore(acknowledged);
          etcd.signal(0, "CONT");
          awaitMore(acknowledged);
        });
  }

  /** Nothing that one member sends arrives, be it the leader; what others send it does. */
  @Test
  @EnabledIfSystemProperty(named = "kedge.network", matches = "own")
  void nothingIsLostWhileMembersAreCutOff() throws Exception {
    int times = Math.max(3, KILLS / 20);
    under(
        times + " partitions",
        (etcd, acknowledged) -> {
          for (int time = 0; time < times; time++) {
            awaitMore(acknowledged);
            nft("add table ip partition");
            nft("add chain ip partition out { type filter hook output priority 0; }");
            nft("add rule ip partition out meta skuid " + EtcdProcesses.user(time % 3) + " drop");
            awaitMore(acknowledged);
            nft("delete table ip partition");
          }
          awaitMore(acknowledged);
        });
  }

  private static void nft(String command) throws Exception {
    List<String> words = new ArrayList<>(List.of("nft"));
    words.addAll(List.of(command.split(" ", -1)));
    assertThat(new ProcessBuilder(words).inheritIO().start().waitFor()).as(command).isZero();
  }

  private static void under(String name, Faults faults) throws Exception {
    try (EtcdProcesses etcd = EtcdProcesses.start(3);
        EtcdStore store = etcd.open("");
        EtcdStore other = etcd.open("");
        ExecutorService threads = Executors.newVirtualThreadPerTaskExecutor()) {
      long start = store.currentRevision();
      StoreWatch watch = other.watch("/k/", start);
      Map<Long, String> acknowledged = new ConcurrentSkipListMap<>();
      AtomicInteger unknown = new AtomicInteger();
      AtomicBoolean enough = new AtomicBoolean();
      List<Future<?>> writers = new ArrayList<>();
      for (int i = 0; i < WRITERS; i++) {
        String key = "/k/" + i;
        EtcdStore through = i % 2 == 0 ? store : other;
        writers.add(threads.submit(() -> write(through, key, acknowledged, unknown, enough)));
      }
      // Followed all along: in the long form, what was first is compacted before the end.
      Map<Long, Event> seen = new HashMap<>();
      AtomicLong last = new AtomicLong(Long.MAX_VALUE);
      Future<?> following = threads.submit(() -> follow(watch, start, last, seen));
      boolean struck = false;
      try {
        faults.strike(etcd, acknowledged);
        struck = true;
      } finally {
        enough.set(true);
        if (!struck) {
          last.set(0); // or the follower would wait for an end that nobody sets
        }
      }
      for (Future<?> writer : writers) {
        writer.get();
      }
      last.set(store.currentRevision());
      following.get();
      acknowledged.forEach(
          (revision, what) -> assertThat(shown(seen.get(revision))).isEqualTo(what));
      System.out.printf(
          "%s: %,d changes acknowledged, %d of unknown fate%n",
          name, acknowledged.size(), unknown.get());
      // What was seen and not acknowledged is what its writer was told is unknown.
      assertThat(seen.size() - acknowledged.size()).isBetween(0, unknown.get());
      Map<String, Event> latest = new HashMap<>();
      seen.values().stream()
          .sorted(java.util.Comparator.comparingLong(Event::revision))
          .forEach(event -> latest.put(event.key(), event));
      for (Entry entry : store.list("/k/", 0, "", 0).entries()) {
        assertThat(latest.get(entry.key()).revision()).isEqualTo(entry.revision());
      }
    }
  }

  private static Object follow(StoreWatch watch, long start, AtomicLong last, Map<Long, Event> seen)
      throws InterruptedException {
    long before = start;
    while (watch.progress() < last.get()) {
      if (last.get() < Long.MAX_VALUE) {
        watch.requestProgress();
      }
      for (Event event : watch.take(Duration.ofMillis(500))) {
        assertThat(event.revision()).isGreaterThan(before);
        before = event.revision();
        seen.put(before, event);
      }
    }
    watch.close();
    return seen;
  }

  private static void awaitMore(Map<Long, String> acknowledged) {
    int enough = acknowledged.size() + 200;
    Awaitility.await()
        .atMost(Duration.ofMinutes(5))
        .pollInterval(Duration.ofMillis(20))
        .until(() -> acknowledged.size() >= enough);
  }

  /** Creates, updates and deletes one key, over and over. */
  private static void write(
      EtcdStore store,
      String key,
      Map<Long, String> acknowledged,
      AtomicInteger unknown,
      AtomicBoolean enough) {
    long revision = 0;
    for (int n = 0; !enough.get(); n++) {
      String value = key + ":" + n;
      try {
        boolean delete = revision > 0 && n % 7 == 6;
        WriteResult result =
            revision == 0
                ? store.create(key, value.getBytes(UTF_8))
                : delete
                    ? store.delete(key, revision)
                    : store.update(key, value.getBytes(UTF_8), revision);
        assertThat(result).isInstanceOf(Committed.class);
        long made = ((Committed) result).revision();
        acknowledged.put(made, delete ? key + " deleted" : key + "=" + value);
        revision = delete ? 0 : made;
      } catch (StoreException e) {
        unknown.incrementAndGet();
        revision = current(store, key);
      }
    }
  }

  private static long current(EtcdStore store, String key) {
    while (true) {
      try {
        return store.get(key).map(Entry::revision).orElse(0L);
      } catch (StoreException e) {
        assertThat(e.getMessage()).contains("etcd");
      }
    }
  }

  private static String shown(Event event) {
    return switch (event) {
      case Event.Put put -> put.key() + "=" + new String(put.value(), UTF_8);
      case Event.Delete delete -> delete.key() + " deleted";
    };
  }
}
