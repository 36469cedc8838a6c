package dev.kedge.registry;

import dev.kedge.model.ApiException;
import dev.kedge.model.JsonNull;
import dev.kedge.model.JsonObject;
import dev.kedge.model.KubeObject;
import dev.kedge.registry.Registry.ServedWatch;
import dev.kedge.registry.Registry.WatchEvent;
import dev.kedge.store.CompactedException;
import dev.kedge.store.cache.CacheEvent;
import dev.kedge.store.cache.CacheWatch;
import dev.kedge.store.cache.Item;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;

/** A running watch on one served version: initial events, changes, bookmarks. One reader. */
final class KindWatch implements ServedWatch {
  /** How long a quiet watch goes without a bookmark. */
  private static final Duration BOOKMARKS = Duration.ofMinutes(1);

  private final Served served;
  private final CacheWatch watch;
  private final boolean bookmarks;
  private final boolean marksInitial;
  private List<Item> initial;
  private boolean begun;
  private long nextBookmark = System.nanoTime() + BOOKMARKS.toNanos();

  /**
   * @param initial objects to tell of first, as ADDED
   * @param marksInitial whether a bookmark says where the initial events end
   */
  KindWatch(
      Served served,
      CacheWatch watch,
      List<Item> initial,
      boolean bookmarks,
      boolean marksInitial) {
    this.served = served;
    this.watch = watch;
    this.initial = initial;
    this.bookmarks = bookmarks;
    this.marksInitial = marksInitial;
  }

  @Override
  public List<WatchEvent> take(Duration atMost) throws InterruptedException {
    if (!begun) {
      begun = true;
      List<WatchEvent> first = new ArrayList<>(initial.size() + 1);
      for (ServedObject object : served.objects(initial)) {
        first.add(new WatchEvent(WatchEvent.Type.ADDED, object));
      }
      initial = List.of();
      if (marksInitial && bookmarks) {
        first.add(bookmark(true));
      }
      if (!first.isEmpty()) {
        return first;
      }
    }
    long untilBookmark = nextBookmark - System.nanoTime();
    Duration wait =
        bookmarks && untilBookmark < atMost.toNanos()
            ? Duration.ofNanos(Math.max(0, untilBookmark))
            : atMost;
    List<CacheEvent> events;
    try {
      events = watch.take(wait);
    } catch (CacheWatch.ExpiredException e) {
      throw expired("watch fell behind: too many events were waiting", e);
    } catch (CompactedException e) {
      throw expired("too old resource version (" + e.compactRevision() + ")", e);
    }
    List<WatchEvent> told = new ArrayList<>(events.size() + 1);
    List<ServedObject> objects = served.objects(events.stream().map(CacheEvent::item).toList());
    for (int i = 0; i < events.size(); i++) {
      told.add(
          new WatchEvent(
              switch (events.get(i).type()) {
                case ADDED -> WatchEvent.Type.ADDED;
                case MODIFIED -> WatchEvent.Type.MODIFIED;
                case DELETED -> WatchEvent.Type.DELETED;
              },
              objects.get(i)));
    }
    if (bookmarks && System.nanoTime() - nextBookmark >= 0) {
      nextBookmark = System.nanoTime() + BOOKMARKS.toNanos();
      told.add(bookmark(false));
    }
    return told;
  }

  private WatchEvent bookmark(boolean initialEnd) {
    JsonObject metadata =
        JsonObject.of(
            "resourceVersion", Long.toString(watch.progress()), "creationTimestamp", JsonNull.NULL);
    if (initialEnd) {
      metadata = metadata.with("annotations", JsonObject.of("k8s.io/initial-events-end", "true"));
    }
    return new WatchEvent(
        WatchEvent.Type.BOOKMARK,
        ServedObject.of(
            new KubeObject(
                JsonObject.of(
                    "kind",
                    served.kind(),
                    "apiVersion",
                    served.info().type().apiVersion(),
                    "metadata",
                    metadata))));
  }

  private static ApiException expired(String message, RuntimeException cause) {
    return new ApiException(ApiException.expired(message).status(), cause);
  }

  @Override
  public boolean ended() {
    return begun && watch.ended();
  }

  @Override
  public void close() {
    watch.close();
  }
}
