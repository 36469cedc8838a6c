package dev.kedge.store.cache;

import static java.nio.charset.StandardCharsets.UTF_8;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.kedge.model.Json;
import dev.kedge.store.CompactedException;
import dev.kedge.store.Store;
import dev.kedge.store.StoreContract;
import dev.kedge.store.StoreException;
import dev.kedge.store.StoreWatch;
import dev.kedge.store.WatchClosedException;
import dev.kedge.store.sql.SqliteStore;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Base64;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import org.junit.jupiter.api.io.TempDir;

/**
 * The contract of stores, with all reads and watches going through the cache. Its ring is as small
 * as can be, so that watches from the past come from the store behind it.
 */
class CachedStoreTest extends StoreContract {
  @TempDir Path directory;

  @Override
  protected Store open() {
    Store store = SqliteStore.open(directory.resolve("state.db"), SqliteStore.Options.FAST);
    WatchCache cache =
        WatchCache.open(
            store,
            "/",
            (key, _) -> new IndexRow("", key, Map.of(), Map.of()),
            new WatchCache.Options(1, 1 << 20, 20_000, Duration.ofMillis(50)));
    return new CachedStore(store, cache);
  }

  @Override
  protected boolean tellsPreviousValues() {
    return false;
  }

  private record CachedStore(Store store, WatchCache cache) implements Store {
    @Override
    public Optional<Entry> get(String key) {
      return cache.get(key, latest()).map(CachedStore::entry);
    }

    @Override
    public Page list(String prefix, long revision, String startKey, int limit) {
      // Callers go on from the first key that may follow, the cache from the last one shown.
      String after =
          startKey.endsWith("\0") ? startKey.substring(0, startKey.length() - 1) : startKey;
      try {
        WatchCache.Listing listing =
            cache.listAt(under(prefix), revision == 0 ? latest() : revision, after, limit);
        return new Page(
            listing.items().stream().map(CachedStore::entry).toList(),
            listing.revision(),
            listing.more(),
            listing.remaining());
      } catch (RevisionTimeoutException e) {
        throw new StoreException("in the future", e);
      }
    }

    @Override
    public WriteResult create(String key, byte[] value) {
      return result(store.create(key, wrap(value)));
    }

    @Override
    public WriteResult update(String key, byte[] value, long expectedRevision) {
      return result(store.update(key, wrap(value), expectedRevision));
    }

    @Override
    public WriteResult delete(String key, long expectedRevision) {
      return result(store.delete(key, expectedRevision));
    }

    @Override
    public StoreWatch watch(String prefix, long afterRevision) {
      return new Watch(cache.watch(under(prefix), afterRevision == 0 ? latest() : afterRevision));
    }

    @Override
    public long currentRevision() {
      return store.currentRevision();
    }

    @Override
    public void compact(long revision) {
      store.compact(revision);
    }

    @Override
    public void raise(long revision) {
      if (revision <= store.currentRevision()) {
        store.raise(revision);
        return;
      }
      // The cache loses track and loads again, which ends the watches of before, but none that the
      // contract begins afterwards.
      try (CacheWatch before = cache.watch(Selection.ALL, 0)) {
        store.raise(revision);
        assertThatThrownBy(() -> takeForEver(before))
            .isInstanceOf(CacheWatch.ExpiredException.class);
      }
    }

    private static void takeForEver(CacheWatch watch) throws InterruptedException {
      while (true) {
        watch.take(Duration.ofMinutes(1));
      }
    }

    @Override
    public void close() {
      cache.close();
      store.close();
    }

    private long latest() {
      // A closed store refuses; the cache alone would answer from memory.
      store.list("/none/", 0, "", 1);
      return cache.latest();
    }

    private static Selection under(String prefix) {
      return Selection.ALL.and(row -> row.name().startsWith(prefix));
    }

    private static WriteResult result(WriteResult result) {
      return result instanceof WriteResult.Conflict(Entry current)
          ? new WriteResult.Conflict(
              new Entry(
                  current.key(),
                  unwrap(current.value()),
                  current.createRevision(),
                  current.revision()))
          : result;
    }

    private static Entry entry(Item item) {
      return new Entry(item.key(), unwrap(item.json()), item.createRevision(), item.revision());
    }

    private static byte[] wrap(byte[] value) {
      return ("{\"metadata\":{},\"value\":\"" + Base64.getEncoder().encodeToString(value) + "\"}")
          .getBytes(UTF_8);
    }

    private static byte[] unwrap(byte[] json) {
      return Base64.getDecoder().decode(Json.parseObject(json).text("value"));
    }
  }

  private static final class Watch implements StoreWatch {
    private final CacheWatch watch;
    private volatile boolean requested;
    private volatile long handled;

    Watch(CacheWatch watch) {
      this.watch = watch;
      this.handled = watch.progress();
    }

    @Override
    public List<Event> take(Duration atMost) throws InterruptedException {
      handled = watch.progress();
      long deadline = System.nanoTime() + atMost.toNanos();
      while (true) {
        if (watch.ended()) {
          throw new WatchClosedException();
        }
        boolean last = requested || System.nanoTime() >= deadline;
        List<Event> events = new ArrayList<>();
        try {
          watch.take(Duration.ofMillis(10)).forEach(event -> events.add(event(event)));
        } catch (CacheWatch.ExpiredException e) {
          // Both are 410 to a client: the cache tells its watches so when the store told it.
          throw new CompactedException(handled, 0);
        }
        if (!events.isEmpty()) {
          return events;
        }
        handled = watch.progress();
        if (last) {
          requested = false;
          return List.of();
        }
      }
    }

    @Override
    public long progress() {
      return handled;
    }

    @Override
    public void requestProgress() {
      requested = true;
    }

    @Override
    public void close() {
      watch.close();
    }

    private static Event event(CacheEvent event) {
      Item item = event.item();
      byte[] value = CachedStore.unwrap(item.json());
      return switch (event.type()) {
        case ADDED, MODIFIED ->
            new Event.Put(
                item.key(), value, item.createRevision(), item.revision(), Optional.empty());
        case DELETED -> new Event.Delete(item.key(), value, item.createRevision(), item.revision());
      };
    }
  }
}
