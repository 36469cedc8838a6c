package dev.kedge.store;

import static java.nio.charset.StandardCharsets.UTF_8;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.kedge.store.Store.Entry;
import dev.kedge.store.Store.Page;
import dev.kedge.store.Store.WriteResult;
import dev.kedge.store.Store.WriteResult.Absent;
import dev.kedge.store.Store.WriteResult.Committed;
import dev.kedge.store.Store.WriteResult.Conflict;
import dev.kedge.store.StoreWatch.Event;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Optional;
import java.util.Random;
import java.util.TreeSet;
import java.util.concurrent.ConcurrentLinkedQueue;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicLong;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;

/** What every engine promises. An engine's test extends this and says how to open a store. */
public abstract class StoreContract {
  private static final Duration SOON = Duration.ofSeconds(30);

  protected Store store;

  /** An empty store of its own. */
  protected abstract Store open() throws Exception;

  /** Whether watches tell the value that a change replaced; an engine must, a cache need not. */
  protected boolean tellsPreviousValues() {
    return true;
  }

  /** How many writes one after the other a race is looked for in; fewer where each takes long. */
  protected int manyWrites() {
    return 20_000;
  }

  @BeforeEach
  void openStore() throws Exception {
    store = open();
  }

  @AfterEach
  void closeStore() {
    store.close();
  }

  @Test
  void beginsAboveZeroAndCountsEachChange() {
    long start = store.currentRevision();
    assertThat(start).isPositive();

    assertThat(create("/a", "1")).isEqualTo(start + 1);
    assertThat(create("/b", "1")).isEqualTo(start + 2);
    assertThat(update("/a", "2", start + 1)).isEqualTo(start + 3);
    assertThat(delete("/b", start + 2)).isEqualTo(start + 4);
    assertThat(store.currentRevision()).isEqualTo(start + 4);
  }

  @Test
  void refusedWritesCostNoRevision() {
    long revision = create("/a", "1");

    store.create("/a", bytes("2"));
    store.update("/a", bytes("2"), revision + 7);
    store.update("/none", bytes("2"), revision);
    store.delete("/none", revision);

    assertThat(store.currentRevision()).isEqualTo(revision);
    assertThat(create("/b", "1")).isEqualTo(revision + 1);
  }

  @Test
  void creatingWhatExistsIsAConflictThatShowsIt() {
    long revision = create("/a", "1");

    assertThat(store.create("/a", bytes("2")))
        .isInstanceOfSatisfying(
            Conflict.class,
            conflict -> assertEntry(conflict.current(), "/a", "1", revision, revision));
    assertThat(value("/a")).isEqualTo("1");
  }

  @Test
  void updatingAnotherRevisionIsAConflictThatShowsTheCurrentOne() {
    long created = create("/a", "1");
    long updated = update("/a", "2", created);

    assertThat(store.update("/a", bytes("3"), created))
        .isInstanceOfSatisfying(
            Conflict.class,
            conflict -> assertEntry(conflict.current(), "/a", "2", created, updated));
    assertThat(store.delete("/a", created))
        .isInstanceOfSatisfying(
            Conflict.class,
            conflict -> assertEntry(conflict.current(), "/a", "2", created, updated));
    assertThat(value("/a")).isEqualTo("2");
  }

  @Test
  void whatIsNotThereIsAbsent() {
    assertThat(store.get("/a")).isEmpty();
    assertThat(store.update("/a", bytes("1"), 1)).isInstanceOf(Absent.class);
    assertThat(store.delete("/a", 1)).isInstanceOf(Absent.class);

    delete("/a", create("/a", "1"));
    assertThat(store.get("/a")).isEmpty();
    assertThat(store.update("/a", bytes("1"), 1)).isInstanceOf(Absent.class);
  }

  @Test
  void aKeyCanBeMadeAgain() {
    delete("/a", create("/a", "1"));
    long again = create("/a", "2");

    assertEntry(store.get("/a").orElseThrow(), "/a", "2", again, again);
  }

  @Test
  void listsByPrefixInKeyOrder() {
    for (String key : List.of("/b/2", "/a/1", "/b/1", "/b", "/bb/1", "/b/10")) {
      create(key, key);
    }
    Page page = store.list("/b/", 0, "", 0);

    assertThat(page.entries()).extracting(Entry::key).containsExactly("/b/1", "/b/10", "/b/2");
    assertThat(page.revision()).isEqualTo(store.currentRevision());
    assertThat(page.more()).isFalse();
    assertThat(store.list("/none/", 0, "", 0).entries()).isEmpty();
  }

  @Test
  void listsAsOfARevision() {
    long a = create("/p/a", "1");
    long b = create("/p/b", "1");
    long updated = update("/p/a", "2", a);
    long deleted = delete("/p/b", b);
    create("/p/c", "1");

    assertThat(shown(store.list("/p/", a, "", 0))).containsExactly("/p/a=1");
    assertThat(shown(store.list("/p/", b, "", 0))).containsExactly("/p/a=1", "/p/b=1");
    assertThat(shown(store.list("/p/", updated, "", 0))).containsExactly("/p/a=2", "/p/b=1");
    assertThat(shown(store.list("/p/", deleted, "", 0))).containsExactly("/p/a=2");
    assertThat(store.list("/p/", a, "", 0).revision()).isEqualTo(a);
  }

  @Test
  void refusesToReadTheFuture() {
    assertThatThrownBy(() -> store.list("/", store.currentRevision() + 1, "", 0))
        .isInstanceOf(StoreException.class);
  }

  @Test
  void pagesThroughOneRevisionWhileItChanges() {
    for (int i = 0; i < 25; i++) {
      create("/p/" + (char) ('a' + i), "1");
    }
    Page page = store.list("/p/", 0, "", 10);
    long revision = page.revision();
    List<String> seen = new ArrayList<>(shown(page));
    while (page.more()) {
      Entry last = page.entries().getLast();
      store.delete(last.key(), last.revision());
      create(last.key() + "-new", "1");
      page = store.list("/p/", revision, last.key() + "\0", 10);
      assertThat(page.revision()).isEqualTo(revision);
      seen.addAll(shown(page));
    }
    assertThat(seen).hasSize(25).isSorted().doesNotHaveDuplicates();
  }

  @Test
  void exactlyFullPageIsTheLast() {
    create("/p/a", "1");
    create("/p/b", "1");

    assertThat(store.list("/p/", 0, "", 2).more()).isFalse();
    assertThat(store.list("/p/", 0, "", 1).more()).isTrue();
  }

  @Test
  void watchTellsEachChangeOnceInOrder() throws Exception {
    long before = create("/p/old", "1");
    try (StoreWatch watch = store.watch("/p/", before)) {
      long a = create("/p/a", "1");
      create("/q/x", "1");
      long updated = update("/p/a", "2", a);
      long deleted = delete("/p/a", updated);

      List<Event> events = take(watch, 3);
      assertThat(events).extracting(Event::revision).containsExactly(a, updated, deleted);
      assertPut(events.get(0), "/p/a", "1", a, a, Optional.empty());
      assertPut(events.get(1), "/p/a", "2", a, updated, Optional.of("1"));
      assertThat(events.get(2))
          .isInstanceOfSatisfying(
              Event.Delete.class,
              event -> {
                assertThat(new String(event.previous(), UTF_8)).isEqualTo("2");
                assertThat(event.createRevision()).isEqualTo(a);
              });
    }
  }

  @Test
  void watchFromThePastTellsWhatWasMissed() throws Exception {
    long a = create("/p/a", "1");
    long updated = update("/p/a", "2", a);
    long deleted = delete("/p/a", updated);
    long again = create("/p/a", "3");
    try (StoreWatch watch = store.watch("/p/", a)) {
      long live = update("/p/a", "4", again);
      List<Event> events = take(watch, 4);

      assertThat(events).extracting(Event::revision).containsExactly(updated, deleted, again, live);
      assertPut(events.get(0), "/p/a", "2", a, updated, Optional.of("1"));
      assertPut(events.get(2), "/p/a", "3", again, again, Optional.empty());
    }
  }

  @Test
  void watchFromNowTellsOnlyWhatComes() throws Exception {
    create("/p/a", "1");
    try (StoreWatch watch = store.watch("/p/", 0)) {
      long b = create("/p/b", "1");
      assertThat(take(watch, 1)).extracting(Event::revision).containsExactly(b);
    }
  }

  @Test
  void quietWatchKeepsUpWithChangesElsewhere() throws Exception {
    try (StoreWatch watch = store.watch("/p/", 0)) {
      long elsewhere = create("/q/x", "1");
      watch.requestProgress();

      assertThat(watch.take(SOON)).isEmpty();
      assertThat(watch.progress()).isGreaterThanOrEqualTo(elsewhere);
    }
  }

  @Test
  void progressWaitsForTheReaderToComeBack() throws Exception {
    try (StoreWatch watch = store.watch("/p/", 0)) {
      long before = watch.progress();
      long a = create("/p/a", "1");
      assertThat(watch.take(SOON)).hasSize(1);
      assertThat(watch.progress()).isEqualTo(before);

      watch.requestProgress();
      assertThat(watch.take(SOON)).isEmpty();
      assertThat(watch.progress()).isGreaterThanOrEqualTo(a);
    }
  }

  @Test
  void progressNeverRunsAheadOfTheReaderNorBack() throws Exception {
    AtomicLong handled = new AtomicLong(store.currentRevision());
    try (StoreWatch watch = store.watch("/p/", 0);
        ExecutorService threads = Executors.newFixedThreadPool(2)) {
      long last = handled.get() + manyWrites();
      Future<?> reader =
          threads.submit(
              () -> {
                while (handled.get() < last) {
                  List<Event> events = watch.take(SOON);
                  if (!events.isEmpty()) {
                    Thread.yield();
                    handled.set(events.getLast().revision());
                  }
                }
                return null;
              });
      Future<Long> asker =
          threads.submit(
              () -> {
                long before = 0;
                while (handled.get() < last) {
                  long progress = watch.progress();
                  assertThat(progress)
                      .isLessThanOrEqualTo(handled.get())
                      .isGreaterThanOrEqualTo(before);
                  before = progress;
                }
                return before;
              });
      for (int i = 0; i < manyWrites(); i++) {
        create("/p/n" + i, "x");
      }
      reader.get(SOON.toSeconds(), TimeUnit.SECONDS);
      assertThat(asker.get(SOON.toSeconds(), TimeUnit.SECONDS)).isLessThanOrEqualTo(last);
    }
  }

  @Test
  void requestedProgressWakesTheReader() throws Exception {
    try (StoreWatch watch = store.watch("/p/", 0);
        ExecutorService threads = Executors.newVirtualThreadPerTaskExecutor()) {
      Future<List<Event>> reader = threads.submit(() -> watch.take(Duration.ofMinutes(1)));
      watch.requestProgress();
      assertThat(reader.get(SOON.toSeconds(), TimeUnit.SECONDS)).isEmpty();
    }
  }

  @Test
  void slowWatchMissesNothing() throws Exception {
    try (StoreWatch watch = store.watch("/p/", 0)) {
      List<Long> written = new ArrayList<>();
      long revision = create("/p/a", "0");
      written.add(revision);
      writeMany(
          10_000,
          i -> {
            long made = create("/p/n" + i, "x");
            synchronized (written) {
              written.add(made);
            }
          });
      List<Long> seen =
          new ArrayList<>(take(watch, written.size()).stream().map(Event::revision).toList());
      assertThat(seen).isSorted().doesNotHaveDuplicates().hasSize(written.size());
    }
  }

  @Test
  void compactionForgetsThePastAndKeepsThePresent() throws Exception {
    long a = create("/p/a", "1");
    long b = create("/p/b", "1");
    long updated = update("/p/a", "2", a);
    long deleted = delete("/p/b", b);
    long last = update("/p/a", "3", updated);

    store.compact(deleted);

    assertThatThrownBy(() -> store.list("/p/", updated, "", 0))
        .isInstanceOfSatisfying(
            CompactedException.class,
            e -> {
              assertThat(e.asked()).isEqualTo(updated);
              assertThat(e.compactRevision()).isEqualTo(deleted);
            });
    assertThatThrownBy(() -> watchToEnd(a)).isInstanceOf(CompactedException.class);
    assertThat(shown(store.list("/p/", deleted, "", 0))).containsExactly("/p/a=2");
    assertThat(shown(store.list("/p/", 0, "", 0))).containsExactly("/p/a=3");
    try (StoreWatch watch = store.watch("/p/", deleted)) {
      Event event = take(watch, 1).getFirst();
      assertPut(event, "/p/a", "3", a, last, Optional.of("2"));
    }
    assertThat(store.currentRevision()).isEqualTo(last);
    assertThat(store.delete("/p/a", last)).isInstanceOf(Committed.class);
  }

  @Test
  void revisionsGoOnAfterEverythingWasDeletedAndCompacted() {
    long deleted = delete("/a", create("/a", "1"));
    store.compact(deleted);

    assertThat(store.currentRevision()).isEqualTo(deleted);
    assertThat(create("/a", "2")).isEqualTo(deleted + 1);
  }

  @Test
  void compactingBackwardsOrAheadIsRefused() {
    long a = create("/a", "1");
    long b = create("/b", "1");
    store.compact(b);

    assertThatThrownBy(() -> store.compact(a)).isInstanceOf(CompactedException.class);
    assertThatThrownBy(() -> store.compact(b + 1)).isInstanceOf(StoreException.class);
    assertThat(shown(store.list("/", 0, "", 0))).containsExactly("/a=1", "/b=1");
  }

  @Test
  void raisingLeavesRevisionsOut() throws Exception {
    long a = create("/p/a", "1");
    long updated = update("/p/a", "2", a);
    delete("/p/b", create("/p/b", "1"));
    long far = store.currentRevision() + 1_000_000_000;
    try (StoreWatch watch = store.watch("/p/", updated)) {
      store.raise(far);

      assertThatThrownBy(() -> takeToEnd(watch)).isInstanceOf(CompactedException.class);
    }
    assertThatThrownBy(() -> watchToEnd(updated)).isInstanceOf(CompactedException.class);
    assertThatThrownBy(() -> store.list("/p/", updated, "", 0))
        .isInstanceOf(CompactedException.class);
    long raised = store.currentRevision();
    assertThat(raised).isGreaterThanOrEqualTo(far);
    assertThat(shown(store.list("/p/", 0, "", 0))).containsExactly("/p/a=2");

    store.raise(updated);

    Entry entry = store.get("/p/a").orElseThrow();
    try (StoreWatch watch = store.watch("/p/", raised)) {
      long last = update("/p/a", "3", entry.revision());
      long made = create("/p/b", "1");
      assertThat(last).isGreaterThan(raised);
      assertThat(made).isEqualTo(last + 1);
      assertPut(
          take(watch, 2).getFirst(), "/p/a", "3", entry.createRevision(), last, Optional.of("2"));
    }
    assertThat(store.update("/p/a", bytes("4"), updated)).isInstanceOf(Conflict.class);
    assertThat(store.delete("/p/none", updated)).isInstanceOf(Absent.class);
  }

  @Test
  void concurrentWritersOfOneKeyAreLinearisable() throws Exception {
    create("/counter", "0");
    int writers = 16;
    int each = 25;
    try (ExecutorService threads = Executors.newVirtualThreadPerTaskExecutor()) {
      List<Future<?>> running = new ArrayList<>();
      for (int i = 0; i < writers; i++) {
        running.add(
            threads.submit(
                () -> {
                  for (int n = 0; n < each; n++) {
                    increment("/counter");
                  }
                }));
      }
      for (Future<?> one : running) {
        one.get();
      }
    }
    assertThat(value("/counter")).isEqualTo("" + writers * each);
  }

  @Test
  void onlyOneOfManyCreatorsWins() throws Exception {
    ConcurrentLinkedQueue<WriteResult> results = new ConcurrentLinkedQueue<>();
    writeMany(50, i -> results.add(store.create("/one", bytes("" + i))));

    assertThat(results).hasSize(50);
    assertThat(results.stream().filter(Committed.class::isInstance)).hasSize(1);
    assertThat(results.stream().filter(Conflict.class::isInstance)).hasSize(49);
  }

  @Test
  void aWriteIsSeenByEveryReadAfterIt() throws Exception {
    AtomicLong mismatches = new AtomicLong();
    writeMany(
        200,
        i -> {
          long revision = create("/k/" + i, "v");
          if (store.currentRevision() < revision
              || store.get("/k/" + i).isEmpty()
              || store.list("/k/" + i, 0, "", 1).entries().isEmpty()) {
            mismatches.incrementAndGet();
          }
        });
    assertThat(mismatches).hasValue(0);
  }

  @Test
  void keepsLargeAndOddValues() {
    byte[] large = new byte[3 << 20];
    new Random(1).nextBytes(large);
    store.create("/large", large);
    store.create("/empty", new byte[0]);
    store.create("/ümläut/名前", bytes("x"));

    assertThat(Arrays.equals(store.get("/large").orElseThrow().value(), large)).isTrue();
    assertThat(store.get("/empty").orElseThrow().value()).isEmpty();
    assertThat(shown(store.list("/ümläut/", 0, "", 0))).containsExactly("/ümläut/名前=x");
  }

  @Test
  void keepsTenThousandKeys() throws Exception {
    writeMany(10_000, i -> create("/many/%05d".formatted(i), "v" + i));

    TreeSet<String> seen = new TreeSet<>();
    String start = "";
    Page page;
    do {
      page = store.list("/many/", 0, start, 777);
      page.entries().forEach(entry -> seen.add(entry.key()));
      start = page.entries().getLast().key() + "\0";
    } while (page.more());
    assertThat(seen).hasSize(10_000);
    assertThat(value("/many/04711")).isEqualTo("v4711");
  }

  @Test
  void closingEndsWatchesAndRefusesWork() throws Exception {
    StoreWatch watch = store.watch("/", 0);
    try (ExecutorService threads = Executors.newVirtualThreadPerTaskExecutor()) {
      Future<List<Event>> reader = threads.submit(() -> watch.take(Duration.ofMinutes(1)));
      store.close();
      assertThatThrownBy(reader::get).hasCauseInstanceOf(WatchClosedException.class);
    }
    assertThatThrownBy(() -> store.create("/a", bytes("1"))).isInstanceOf(StoreException.class);
    assertThatThrownBy(() -> store.get("/a")).isInstanceOf(StoreException.class);
    assertThatThrownBy(() -> store.watch("/", 0)).isInstanceOf(StoreException.class);
    store.close();
  }

  @Test
  void closedWatchSaysSo() throws Exception {
    StoreWatch watch = store.watch("/", 0);
    watch.close();
    assertThatThrownBy(() -> watch.take(SOON)).isInstanceOf(WatchClosedException.class);
    create("/a", "1");
  }

  // Helpers, for engines' own tests too.

  protected long create(String key, String value) {
    return committed(store.create(key, bytes(value)));
  }

  protected long update(String key, String value, long expected) {
    return committed(store.update(key, bytes(value), expected));
  }

  protected long delete(String key, long expected) {
    return committed(store.delete(key, expected));
  }

  protected String value(String key) {
    return new String(store.get(key).orElseThrow().value(), UTF_8);
  }

  protected static byte[] bytes(String text) {
    return text.getBytes(UTF_8);
  }

  protected static List<String> shown(Page page) {
    return page.entries().stream()
        .map(entry -> entry.key() + "=" + new String(entry.value(), UTF_8))
        .toList();
  }

  /** Takes until there are at least so many events. */
  protected static List<Event> take(StoreWatch watch, int count) throws InterruptedException {
    List<Event> events = new ArrayList<>();
    long deadline = System.nanoTime() + SOON.toNanos();
    while (events.size() < count && System.nanoTime() < deadline) {
      events.addAll(watch.take(SOON));
    }
    assertThat(events).hasSize(count);
    return events;
  }

  /** One numbered piece of work. */
  protected interface Work {
    void run(int number) throws Exception;
  }

  /** Runs pieces of work on 32 threads and waits for all. */
  protected static void writeMany(int count, Work work) throws Exception {
    AtomicLong next = new AtomicLong();
    try (ExecutorService threads = Executors.newVirtualThreadPerTaskExecutor()) {
      List<Future<?>> running = new ArrayList<>();
      for (int i = 0; i < 32; i++) {
        running.add(
            threads.submit(
                () -> {
                  for (long n = next.getAndIncrement(); n < count; n = next.getAndIncrement()) {
                    work.run((int) n);
                  }
                  return null;
                }));
      }
      for (Future<?> one : running) {
        one.get();
      }
    }
  }

  private void increment(String key) {
    while (true) {
      Entry entry = store.get(key).orElseThrow();
      int number = Integer.parseInt(new String(entry.value(), UTF_8));
      WriteResult result = store.update(key, bytes("" + (number + 1)), entry.revision());
      if (result instanceof Committed) {
        return;
      }
    }
  }

  private void watchToEnd(long after) throws InterruptedException {
    try (StoreWatch watch = store.watch("/p/", after)) {
      watch.take(SOON);
    }
  }

  private static void takeToEnd(StoreWatch watch) throws InterruptedException {
    while (!watch.take(SOON).isEmpty()) {
      // What came before.
    }
  }

  private static long committed(WriteResult result) {
    assertThat(result).isInstanceOf(Committed.class);
    return ((Committed) result).revision();
  }

  private static void assertEntry(
      Entry entry, String key, String value, long createRevision, long revision) {
    assertThat(entry.key()).isEqualTo(key);
    assertThat(new String(entry.value(), UTF_8)).isEqualTo(value);
    assertThat(entry.createRevision()).isEqualTo(createRevision);
    assertThat(entry.revision()).isEqualTo(revision);
  }

  private void assertPut(
      Event event,
      String key,
      String value,
      long createRevision,
      long revision,
      Optional<String> previous) {
    assertThat(event)
        .isInstanceOfSatisfying(
            Event.Put.class,
            put -> {
              assertThat(put.key()).isEqualTo(key);
              assertThat(new String(put.value(), UTF_8)).isEqualTo(value);
              assertThat(put.createRevision()).isEqualTo(createRevision);
              assertThat(put.revision()).isEqualTo(revision);
              if (tellsPreviousValues()) {
                assertThat(put.previous().map(bytes -> new String(bytes, UTF_8)))
                    .isEqualTo(previous);
              }
            });
  }
}
