package dev.kedge.store.cache;

import static java.nio.charset.StandardCharsets.UTF_8;
import static java.time.Duration.ofMinutes;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.awaitility.Awaitility.await;

import dev.kedge.model.KubeObject;
import dev.kedge.store.CompactedException;
import dev.kedge.store.Store;
import dev.kedge.store.Store.WriteResult.Committed;
import dev.kedge.store.StoreException;
import dev.kedge.store.sql.SqliteStore;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicInteger;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Over the real store. Objects are pods with a node name and a label. */
class WatchCacheTest {
  private static final Duration SOON = Duration.ofSeconds(30);
  private static final String PODS = "/registry/pods/";

  static final Indexer INDEXER =
      (_, json) -> {
        KubeObject object = KubeObject.parse(json);
        return new IndexRow(
            object.namespace(),
            object.name(),
            object.labels(),
            Map.of("spec.nodeName", object.json().text("spec", "nodeName")));
      };

  @TempDir Path directory;
  private Store store;
  private WatchCache cache;

  @BeforeEach
  void open() {
    store = SqliteStore.open(directory.resolve("state.db"), SqliteStore.Options.FAST);
    cache = WatchCache.open(store, PODS, INDEXER);
  }

  @AfterEach
  void close() {
    cache.close();
    store.close();
  }

  @Test
  void servesBytesWithTheResourceVersionSplicedIn() {
    long revision = create("a", "web", "n1", "x");

    Item item = cache.get(PODS + "a/web", revision).orElseThrow();
    assertThat(new String(item.json(), UTF_8))
        .startsWith(
            "{\"kind\":\"Pod\",\"apiVersion\":\"v1\",\"metadata\":{\"resourceVersion\":\""
                + revision
                + "\",\"name\":\"web\"");
    assertThat(KubeObject.parse(item.json()).resourceVersion()).isEqualTo("" + revision);
    assertThat(item.revision()).isEqualTo(revision);
    assertThat(item.row().field("spec.nodeName")).isEqualTo("n1");
    assertThat(item.row().field("metadata.name")).isEqualTo("web");
  }

  @Test
  void splicesIntoEmptyMetadataAndLeavesMetadataElsewhereAlone() {
    assertThat(new String(ResourceVersions.splice("{\"metadata\":{}}".getBytes(UTF_8), 7), UTF_8))
        .isEqualTo("{\"metadata\":{\"resourceVersion\":\"7\"}}");
    assertThat(
            new String(
                ResourceVersions.splice(
                    "{\"metadata\":{\"name\":\"a\"},\"spec\":{\"metadata\":{}}}".getBytes(UTF_8),
                    12),
                UTF_8))
        .isEqualTo(
            "{\"metadata\":{\"resourceVersion\":\"12\",\"name\":\"a\"},\"spec\":{\"metadata\":{}}}");
    assertThatThrownBy(() -> ResourceVersions.splice("{}".getBytes(UTF_8), 1))
        .isInstanceOf(IllegalArgumentException.class);
  }

  @Test
  void aWriteIsReadAtOnceByEverybody() throws Exception {
    AtomicInteger stale = new AtomicInteger();
    try (ExecutorService threads = Executors.newVirtualThreadPerTaskExecutor()) {
      List<Future<?>> all = new ArrayList<>();
      for (int t = 0; t < 16; t++) {
        String namespace = "ns" + t;
        all.add(
            threads.submit(
                () -> {
                  for (int i = 0; i < 100; i++) {
                    long revision = create(namespace, "p" + i, "n1", "x");
                    boolean read =
                        cache.get(PODS + namespace + "/p" + i, cache.latest()).isPresent();
                    int listed =
                        cache
                            .list(Selection.ALL.inNamespace(namespace), cache.latest(), 0)
                            .items()
                            .size();
                    if (!read || listed != i + 1 || cache.revision() < revision) {
                      stale.incrementAndGet();
                    }
                  }
                }));
      }
      for (Future<?> one : all) {
        one.get();
      }
    }
    assertThat(stale).hasValue(0);
    assertThat(cache.size()).isEqualTo(1600);
  }

  @Test
  void consistentReadIsNotHeldUpByWritesElsewhere() {
    create("a", "web", "n1", "x");
    for (int i = 0; i < 50; i++) {
      long elsewhere = committed(store.create("/registry/nodes/n" + i, pod("", "n" + i, "", "")));
      assertThat(cache.list(Selection.ALL, cache.latest(), 0).revision())
          .isGreaterThanOrEqualTo(elsewhere);
    }
  }

  @Test
  void revisionThatDoesNotComeIsSaidAfterAWhile() {
    assertThatThrownBy(() -> cache.get(PODS + "a/web", cache.latest() + 5))
        .isInstanceOfSatisfying(
            RevisionTimeoutException.class,
            e -> assertThat(e.current()).isEqualTo(store.currentRevision()));
  }

  @Test
  void listsByScopeFieldAndFilter() {
    create("a", "one", "n1", "x");
    create("a", "two", "n2", "x");
    create("ab", "one", "n1", "y");
    long last = create("b", "one", "", "y");

    assertThat(names(Selection.ALL)).containsExactly("a/one", "a/two", "ab/one", "b/one");
    assertThat(names(Selection.ALL.inNamespace("a"))).containsExactly("a/one", "a/two");
    assertThat(names(Selection.ALL.named("one"))).containsExactly("a/one", "ab/one", "b/one");
    assertThat(names(Selection.ALL.inNamespace("ab").named("one"))).containsExactly("ab/one");
    assertThat(names(Selection.ALL.inNamespace("ab").named("two"))).isEmpty();
    assertThat(names(Selection.ALL.where("spec.nodeName", "n1")))
        .containsExactly("a/one", "ab/one");
    assertThat(names(Selection.ALL.and(row -> "y".equals(row.labels().get("app")))))
        .containsExactly("ab/one", "b/one");
    assertThat(cache.list(Selection.ALL, 0, 0).revision()).isEqualTo(last);
  }

  @Test
  void pagesShowOneRevisionFromMemoryAndFromTheStore() {
    for (int i = 0; i < 10; i++) {
      create("a", "p" + i, "n1", "x");
    }
    WatchCache.Listing first = cache.list(Selection.ALL, cache.latest(), 4);
    assertThat(first.more()).isTrue();
    assertThat(first.remaining()).isEqualTo(6);
    String after = first.items().getLast().key();

    WatchCache.Listing quiet = cache.listAt(Selection.ALL, first.revision(), after, 4);
    assertThat(quiet.items()).extracting(Item::key).startsWith(PODS + "a/p4").hasSize(4);
    assertThat(quiet.remaining()).isEqualTo(2);

    delete("a", "p5");
    create("a", "p55", "n1", "x");
    WatchCache.Listing then = cache.listAt(Selection.ALL, first.revision(), after, 4);
    assertThat(then.items())
        .extracting(Item::key)
        .isEqualTo(quiet.items().stream().map(Item::key).toList());
    assertThat(then.items().get(1).json()).isEqualTo(quiet.items().get(1).json());
    assertThat(then.more()).isTrue();

    store.compact(store.currentRevision());
    assertThatThrownBy(() -> cache.listAt(Selection.ALL, first.revision(), after, 4))
        .isInstanceOf(CompactedException.class);
  }

  @Test
  void aListEndsWithItsRevisionThoughNothingHasChangedHere() {
    create("a", "one", "n1", "x");
    create("a", "two", "n1", "x");
    WatchCache.Listing first = cache.list(Selection.ALL, cache.latest(), 1);
    String after = first.items().getFirst().key();
    store.create("/elsewhere/one", "{}".getBytes(UTF_8));
    assertThat(cache.listAt(Selection.ALL, first.revision(), after, 1).items()).hasSize(1);
    store.compact(store.currentRevision());
    assertThatThrownBy(() -> cache.listAt(Selection.ALL, first.revision(), after, 1))
        .isInstanceOf(CompactedException.class);
  }

  @Test
  void watchTellsWhatEntersAndLeavesASelection() throws Exception {
    long start = create("a", "one", "", "x");
    try (CacheWatch onNode = cache.watch(Selection.ALL.where("spec.nodeName", "n1"), start);
        CacheWatch labelled =
            cache.watch(Selection.ALL.and(row -> "x".equals(row.labels().get("app"))), start);
        CacheWatch elsewhere = cache.watch(Selection.ALL.inNamespace("b"), start);
        CacheWatch named = cache.watch(Selection.ALL.inNamespace("a").named("one"), start)) {
      long bound = update("a", "one", "n1", "x");
      long relabelled = update("a", "one", "n1", "y");
      long moved = update("a", "one", "n2", "y");
      long deleted = delete("a", "one");

      assertThat(take(onNode, 3))
          .containsExactly("ADDED " + bound, "MODIFIED " + relabelled, "DELETED " + moved);
      assertThat(take(labelled, 2)).containsExactly("MODIFIED " + bound, "DELETED " + relabelled);
      assertThat(take(named, 4))
          .containsExactly(
              "MODIFIED " + bound,
              "MODIFIED " + relabelled,
              "MODIFIED " + moved,
              "DELETED " + deleted);
      assertThat(elsewhere.take(Duration.ZERO)).isEmpty();
    }
    assertThat(cache.watcherCount()).isZero();
  }

  @Test
  void deletedObjectIsTheLastOneWithTheRevisionOfItsDeletion() throws Exception {
    long start = create("a", "one", "n1", "x");
    try (CacheWatch watch = cache.watch(Selection.ALL, start)) {
      long deleted = delete("a", "one");
      CacheEvent event = watch.take(SOON).getFirst();
      KubeObject object = KubeObject.parse(event.item().json());
      assertThat(event.type()).isEqualTo(CacheEvent.Type.DELETED);
      assertThat(object.resourceVersion()).isEqualTo("" + deleted);
      assertThat(object.spec().text("nodeName")).isEqualTo("n1");
    }
  }

  @Test
  void watchGoesOnFromTheRingAndFromTheStore() throws Exception {
    long first = create("a", "p", "n1", "x");
    List<String> expected = new ArrayList<>();
    for (int i = 0; i < 3000; i++) {
      expected.add("MODIFIED " + update("a", "p", "n1", "x" + i));
    }
    long recent = store.currentRevision() - 10;
    cache.awaitRevision(cache.latest());
    try (CacheWatch fromRing = cache.watch(Selection.ALL, recent);
        CacheWatch fromStore = cache.watch(Selection.ALL, first)) {
      expected.add("DELETED " + delete("a", "p"));

      assertThat(take(fromStore, 3001)).isEqualTo(expected);
      assertThat(take(fromRing, 11))
          .isEqualTo(expected.subList(expected.size() - 11, expected.size()));
    }
    store.compact(store.currentRevision());
    assertThatThrownBy(() -> cache.watch(Selection.ALL, first))
        .isInstanceOf(CompactedException.class);
  }

  @Test
  void watchFromStateHasNeitherGapNorDouble() throws Exception {
    try (ExecutorService threads = Executors.newVirtualThreadPerTaskExecutor()) {
      Future<?> writer =
          threads.submit(
              () -> {
                for (int i = 0; i < 500; i++) {
                  create("a", "p%03d".formatted(i), "n1", "x");
                }
              });
      TreeMap<String, Integer> seen = new TreeMap<>();
      WatchCache.Start start = cache.watchFromState(Selection.ALL, cache.latest());
      try (CacheWatch watch = start.watch()) {
        start.items().forEach(item -> seen.merge(item.key(), 1, Integer::sum));
        while (seen.size() < 500) {
          List<CacheEvent> events = watch.take(SOON);
          assertThat(events).isNotEmpty();
          events.forEach(event -> seen.merge(event.item().key(), 1, Integer::sum));
        }
      }
      writer.get();
      assertThat(seen.values()).containsOnly(1);
    }
  }

  @Test
  void idleWatchMakesProgressForBookmarks() throws Exception {
    long start = create("a", "p", "n1", "x");
    try (CacheWatch watch = cache.watch(Selection.ALL.inNamespace("none"), start)) {
      update("a", "p", "n1", "y");
      long elsewhere = committed(store.create("/registry/nodes/n1", pod("", "n1", "", "")));
      await()
          .atMost(ofMinutes(1))
          .untilAsserted(
              () -> {
                assertThat(watch.take(Duration.ofMillis(5))).isEmpty();
                assertThat(watch.progress()).isGreaterThanOrEqualTo(elsewhere);
              });
    }
  }

  @Test
  void aReaderWaitsAsLongAsItAsksWhateverItAskedBefore() throws Exception {
    try (CacheWatch watch = cache.watch(Selection.ALL, 0);
        ExecutorService threads = Executors.newVirtualThreadPerTaskExecutor()) {
      // Short, then long past the alarm that the short one set, then shorter than the long one's.
      for (Duration wait :
          List.of(Duration.ofMillis(1), Duration.ofMillis(100), Duration.ofMillis(20))) {
        long began = System.nanoTime();
        assertThat(watch.take(wait)).isEmpty();
        assertThat(Duration.ofNanos(System.nanoTime() - began)).isGreaterThanOrEqualTo(wait);
      }
      Future<List<CacheEvent>> reader = threads.submit(() -> watch.take(Duration.ofHours(1)));
      create("a", "web", "n1", "x");
      assertThat(reader.get(30, TimeUnit.SECONDS)).hasSize(1);
      // The alarm is an hour away.
      reader = threads.submit(() -> watch.take(Duration.ofMillis(1)));
      assertThat(reader.get(30, TimeUnit.SECONDS)).isEmpty();
    }
  }

  @Test
  void slowWatcherIsClosedAndTheOthersGoOn() throws Exception {
    cache.close();
    cache =
        WatchCache.open(
            store, PODS, INDEXER, new WatchCache.Options(64, 1 << 20, 10, Duration.ofMillis(20)));
    try (CacheWatch slow = cache.watch(Selection.ALL, 0);
        CacheWatch quick = cache.watch(Selection.ALL, 0)) {
      for (int i = 0; i < 30; i++) {
        create("a", "p" + i, "n1", "x");
        assertThat(quick.take(SOON)).hasSize(1);
      }
      assertThat(slow.take(SOON)).hasSize(10);
      assertThatThrownBy(() -> slow.take(SOON)).isInstanceOf(CacheWatch.ExpiredException.class);
      assertThat(cache.watching()).containsExactly(quick);
    }
  }

  @Test
  void closingEndsWatchesAndReads() throws Exception {
    CacheWatch watch = cache.watch(Selection.ALL, 0);
    try (ExecutorService threads = Executors.newVirtualThreadPerTaskExecutor()) {
      Future<List<CacheEvent>> reader = threads.submit(() -> watch.take(Duration.ofMinutes(1)));
      store.close();
      assertThat(reader.get(60, TimeUnit.SECONDS)).isEmpty();
    }
    assertThat(watch.ended()).isTrue();
    assertThatThrownBy(() -> cache.watch(Selection.ALL, 0)).isInstanceOf(StoreException.class);
  }

  @Test
  void sharedFormIsMadeOnceWhileItIsHeld() {
    create("a", "one", "n1", "x");
    Item item = cache.get(PODS + "a/one", cache.latest()).orElseThrow();
    KubeObject first = item.shared(i -> KubeObject.parse(i.json()));
    assertThat(item.<KubeObject>shared(i -> KubeObject.parse(i.json()))).isSameAs(first);
  }

  private List<String> names(Selection selection) {
    return cache.list(selection, cache.latest(), 0).items().stream()
        .map(item -> item.key().substring(PODS.length()))
        .toList();
  }

  private static List<String> take(CacheWatch watch, int count) throws InterruptedException {
    List<String> events = new ArrayList<>();
    long deadline = System.nanoTime() + SOON.toNanos();
    while (events.size() < count && System.nanoTime() < deadline) {
      watch.take(SOON).forEach(event -> events.add(event.type() + " " + event.revision()));
    }
    return events;
  }

  private long create(String namespace, String name, String node, String app) {
    return committed(store.create(PODS + namespace + "/" + name, pod(namespace, name, node, app)));
  }

  private long update(String namespace, String name, String node, String app) {
    String key = PODS + namespace + "/" + name;
    long revision = store.get(key).orElseThrow().revision();
    return committed(store.update(key, pod(namespace, name, node, app), revision));
  }

  private long delete(String namespace, String name) {
    String key = PODS + namespace + "/" + name;
    return committed(store.delete(key, store.get(key).orElseThrow().revision()));
  }

  static byte[] pod(String namespace, String name, String node, String app) {
    return """
    {"kind":"Pod","apiVersion":"v1","metadata":{"name":"%s","namespace":"%s",\
    "labels":{"app":"%s"}},"spec":{"nodeName":"%s"}}\
    """
        .formatted(name, namespace, app, node)
        .getBytes(UTF_8);
  }

  static long committed(Store.WriteResult result) {
    assertThat(result).isInstanceOf(Committed.class);
    return ((Committed) result).revision();
  }
}
