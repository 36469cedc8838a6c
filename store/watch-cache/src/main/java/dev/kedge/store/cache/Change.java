package dev.kedge.store.cache;

import java.util.Optional;
import org.jspecify.annotations.Nullable;

/**
 * One committed change with its index rows before and after. What watchers are told is made once
 * per kind of event and shared by all of them. Event forms are filled in by one dispatcher thread.
 */
final class Change {
  private final @Nullable Item before;
  private final @Nullable Item after;
  private final long revision;
  private @Nullable CacheEvent added;
  private @Nullable CacheEvent modified;
  private @Nullable CacheEvent deleted;

  Change(@Nullable Item before, @Nullable Item after, long revision) {
    this.before = before;
    this.after = after;
    this.revision = revision;
  }

  @Nullable Item before() {
    return before;
  }

  @Nullable Item after() {
    return after;
  }

  long revision() {
    return revision;
  }

  String key() {
    Item item = after != null ? after : before;
    return item == null ? "" : item.key();
  }

  long bytes() {
    return after == null ? 0 : after.json().length;
  }

  /** What a watcher with this selection hears of the change; null for nothing. */
  synchronized @Nullable CacheEvent seenBy(Selection selection) {
    Item old = before != null && selection.matches(before.row()) ? before : null;
    Item now = after != null && selection.matches(after.row()) ? after : null;
    if (now != null) {
      if (old != null) {
        if (modified == null) {
          modified = new CacheEvent(CacheEvent.Type.MODIFIED, now, Optional.of(old));
        }
        return modified;
      }
      if (added == null) {
        added = new CacheEvent(CacheEvent.Type.ADDED, now, Optional.empty());
      }
      return added;
    }
    if (old != null) {
      if (deleted == null) {
        deleted = new CacheEvent(CacheEvent.Type.DELETED, old.at(revision), Optional.empty());
      }
      return deleted;
    }
    return null;
  }
}
