package dev.kedge.store.snapshot;

import static java.nio.charset.StandardCharsets.UTF_8;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.kedge.store.CompactedException;
import dev.kedge.store.Store;
import dev.kedge.store.Store.WriteResult.Committed;
import dev.kedge.store.StoreException;
import dev.kedge.store.etcd.EtcdProcesses;
import dev.kedge.store.sql.MysqlStore;
import dev.kedge.store.sql.PostgresStore;
import dev.kedge.store.sql.SqliteStore;
import dev.kedge.store.sql.TestMariadb;
import dev.kedge.store.sql.TestPostgres;
import dev.kedge.store.sql.TlsFiles;
import java.io.IOException;
import java.nio.file.Path;
import java.time.Instant;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.Optional;
import java.util.Random;
import java.util.concurrent.atomic.AtomicBoolean;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Stores of every engine, saved and filled from one another's snapshots. */
class SnapshotRingTest {
  private static final SnapshotKey KEY = new SnapshotKey(SnapshotKey.Kind.TOKEN, "of the ring");

  @TempDir private Path directory;
  private int taken;

  private interface Opening {
    Store open() throws Exception;
  }

  private static Map<String, byte[]> objects(Store store) throws IOException {
    return SnapshotFormatTest.read(new StoreRecords(store));
  }

  private Path save(Store store, Optional<SnapshotKey> key) {
    StoreRecords records = new StoreRecords(store);
    return new SnapshotDirectory(directory)
        .save(
            new SnapshotName("ring", Instant.ofEpochSecond(++taken)),
            new SnapshotHeader(
                "ring",
                records.revision(),
                Instant.EPOCH,
                "any",
                "0",
                taken % 2 == 0,
                Optional.empty()),
            key,
            records);
  }

  private static void put(Store store, String key, byte[] value) {
    assertThat(store.create(key, value)).isInstanceOf(Committed.class);
  }

  @Test
  void everyEngineTakesWhatEveryOtherHad() throws Exception {
    try (EtcdProcesses etcd = EtcdProcesses.start(1)) {
      Map<String, Opening> ring = new LinkedHashMap<>();
      ring.put(
          "PostgreSQL", () -> PostgresStore.open(TestPostgres.shared().freshUrl(), TlsFiles.NONE));
      ring.put("MariaDB", () -> MysqlStore.open(TestMariadb.shared().freshUrl(), TlsFiles.NONE));
      ring.put("etcd", () -> etcd.open(""));
      ring.put("SQLite", () -> sqlite("last"));

      Store store = sqlite("first");
      Random random = new Random(11);
      for (int i = 0; i < 1500; i++) {
        byte[] value = new byte[random.nextInt(2000)];
        random.nextBytes(value);
        put(store, "/registry/things/ns-%d/thing-%d".formatted(i % 7, i), value);
      }
      put(store, "/registry/large", new byte[1 << 20]);
      put(store, "/registry/ünïcode/☃", "{}".getBytes(UTF_8));
      long gone = ((Committed) store.create("/registry/gone", new byte[1])).revision();
      store.delete("/registry/gone", gone);
      Map<String, byte[]> first = objects(store);
      assertThat(first).hasSize(1502);
      long before = store.currentRevision();

      for (Map.Entry<String, Opening> next : ring.entrySet()) {
        Path snapshot = save(store, taken % 3 == 0 ? Optional.of(KEY) : Optional.empty());
        store.close();
        store = next.getValue().open();
        try (SnapshotReader records = SnapshotDirectory.open(snapshot, kind -> Optional.of(KEY))) {
          assertThat(records.header().revision()).isGreaterThanOrEqualTo(before);
          assertThat(
                  StoreFilling.fill(
                      store, records.header().revision() + StoreFilling.UNKNOWN, records))
              .isEqualTo(first.size());
        }
        assertThat(objects(store)).as(next.getKey()).containsExactlyEntriesOf(first);
        long known = before;
        Store filled = store;
        assertThat(store.currentRevision()).isGreaterThan(known + StoreFilling.UNKNOWN);
        assertThatThrownBy(() -> filled.watch("/registry/", known).take(java.time.Duration.ZERO))
            .isInstanceOf(CompactedException.class);
        before = store.currentRevision();
      }
      store.close();
    }
  }

  private Store sqlite(String name) {
    return SqliteStore.open(directory.resolve(name).resolve("state.db"), SqliteStore.Options.FAST);
  }

  @Test
  void aSnapshotIsOfOneRevisionWhileOthersWrite() throws Exception {
    try (Store store = sqlite("busy")) {
      // Each pair is written /a first: whoever has /b has its /a, with the same number or a later.
      for (int i = 0; i < 2000; i++) {
        put(store, "/a/%05d".formatted(i), "0".getBytes(UTF_8));
        put(store, "/b/%05d".formatted(i), "0".getBytes(UTF_8));
      }
      AtomicBoolean stop = new AtomicBoolean();
      Thread writer =
          Thread.ofVirtual()
              .start(
                  () -> {
                    for (int round = 1; !stop.get(); round++) {
                      for (String side : new String[] {"/a/", "/b/"}) {
                        Store.Entry entry =
                            store.get(side + "%05d".formatted(round % 2000)).orElseThrow();
                        store.update(entry.key(), ("" + round).getBytes(UTF_8), entry.revision());
                      }
                    }
                  });
      for (int i = 0; i < 5; i++) {
        long before = store.currentRevision();
        StoreRecords records = new StoreRecords(store);
        Map<String, byte[]> seen = SnapshotFormatTest.read(records);
        assertThat(records.revision()).isGreaterThanOrEqualTo(before);
        assertThat(seen).hasSize(4000);
        Map<String, byte[]> then = new LinkedHashMap<>();
        store
            .list("/", records.revision(), "", 0)
            .entries()
            .forEach(entry -> then.put(entry.key(), entry.value()));
        assertThat(seen).containsExactlyEntriesOf(then);
      }
      stop.set(true);
      writer.join();
    }
  }

  @Test
  void fillingGoesOnWhereItWasCutShortAndNoticesOthers() throws Exception {
    Map<String, byte[]> objects = Map.of("/a", new byte[] {1}, "/b", new byte[] {2});
    try (Store store = sqlite("half")) {
      put(store, "/a", new byte[] {1});

      assertThat(StoreFilling.fill(store, 100, SnapshotFormatTest.records(objects))).isEqualTo(2);

      Map<String, byte[]> other = Map.of("/b", new byte[] {3});
      assertThatThrownBy(() -> StoreFilling.fill(store, 100, SnapshotFormatTest.records(other)))
          .isInstanceOf(StoreException.class)
          .hasMessageContaining("/b is there already");
    }
  }

  @Test
  void clearingLeavesOneKey() throws Exception {
    try (Store store = sqlite("cleared")) {
      for (int i = 0; i < 1200; i++) {
        put(store, "/k/" + i, new byte[1]);
      }
      put(store, "/bootstrap/mark", new byte[1]);

      StoreFilling.clear(store, "/bootstrap/mark");

      assertThat(objects(store)).containsOnlyKeys("/bootstrap/mark");
    }
  }
}
