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
import java.util.Collections;
import java.util.Iterator;
import java.util.List;
import java.util.Optional;
import java.util.function.Predicate;

/** A running watch on one served version: initial events, changes, bookmarks. One reader. */
final class KindWatch implements ServedWatch {
  /** How long a quiet watch goes without a bookmark. */
  private static final Duration BOOKMARKS = Duration.ofMinutes(1);

  /** Initial events that are made together. */
  private static final int AT_ONCE = 100;

  private final Served served;
  private final CacheWatch watch;
  private final boolean bookmarks;
  private final boolean marksInitial;
  private final Optional<Predicate<KubeObject>> wanted;
  private List<Item> initial;
  private int toldOfInitial;
  private boolean begun;
  private long nextBookmark = System.nanoTime() + BOOKMARKS.toNanos();

  /**
   * @param initial objects to tell of first, as ADDED
   * @param marksInitial whether a bookmark says where the initial events end
   * @param wanted what documents must have that the cache could not tell; initial objects have it
   */
  KindWatch(
      Served served,
      CacheWatch watch,
      List<Item> initial,
      boolean bookmarks,
      boolean marksInitial,
      Optional<Predicate<KubeObject>> wanted) {
    this.served = served;
    this.watch = watch;
    this.initial = initial;
    this.bookmarks = bookmarks;
    this.marksInitial = marksInitial;
    this.wanted = wanted;
  }

  @Override
  public List<WatchEvent> take(Duration atMost) throws InterruptedException {
    if (!begun) {
      List<WatchEvent> first = first();
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
    Iterator<ServedObject> before = wanted.isEmpty() ? Collections.emptyIterator() : before(events);
    List<ServedObject> objects = served.shared(events.stream().map(CacheEvent::item).toList());
    for (int i = 0; i < events.size(); i++) {
      WatchEvent.Type type =
          switch (events.get(i).type()) {
            case ADDED -> WatchEvent.Type.ADDED;
            case MODIFIED -> WatchEvent.Type.MODIFIED;
            case DELETED -> WatchEvent.Type.DELETED;
          };
      ServedObject object = objects.get(i);
      if (wanted.isPresent()) {
        boolean now = wanted.get().test(object.tree());
        if (type == WatchEvent.Type.MODIFIED) {
          KubeObject old = before.next().tree();
          boolean then = wanted.get().test(old);
          if (now && !then) {
            type = WatchEvent.Type.ADDED;
          } else if (then && !now) {
            type = WatchEvent.Type.DELETED;
            object =
                ServedObject.of(
                    old.withMetadata("resourceVersion", object.tree().resourceVersion()));
          }
          now |= then;
        }
        if (!now) {
          continue;
        }
      }
      told.add(new WatchEvent(type, object));
    }
    if (bookmarks && System.nanoTime() - nextBookmark >= 0) {
      nextBookmark = System.nanoTime() + BOOKMARKS.toNanos();
      told.add(bookmark(false));
    }
    return told;
  }

  /** The objects of MODIFIED events as they were before. */
  private Iterator<ServedObject> before(List<CacheEvent> events) {
    return served
        .objects(events.stream().flatMap(event -> event.before().stream()).toList())
        .iterator();
  }

  /** The next of the initial events: not all at once, as they may be many, and readers slow. */
  private List<WatchEvent> first() {
    int most = served.converter().together() ? initial.size() : AT_ONCE;
    int end = Math.min(toldOfInitial + most, initial.size());
    List<WatchEvent> first = new ArrayList<>(end - toldOfInitial + 1);
    for (ServedObject object : served.objects(initial.subList(toldOfInitial, end))) {
      first.add(new WatchEvent(WatchEvent.Type.ADDED, object));
    }
    toldOfInitial = end;
    if (end == initial.size()) {
      begun = true;
      initial = List.of();
      if (marksInitial && bookmarks) {
        first.add(bookmark(true));
      }
    }
    return first;
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
