package dev.kedge.store.cache;

import java.util.Optional;

/**
 * What happened to an object from a watcher's point of view: entering its selection is ADDED,
 * leaving it DELETED.
 *
 * @param item the object's new version; for DELETED the last one, with the revision of the change
 * @param before the object's version before, for MODIFIED: for readers that select by more than the
 *     cache knows
 */
public record CacheEvent(Type type, Item item, Optional<Item> before) {
  /** Kinds of events. */
  public enum Type {
    ADDED,
    MODIFIED,
    DELETED
  }

  public long revision() {
    return item.revision();
  }
}
