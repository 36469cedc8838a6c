package dev.kedge.store.cache;

/**
 * What happened to an object from a watcher's point of view: entering its selection is ADDED,
 * leaving it DELETED.
 *
 * @param item the object's new version; for DELETED the last one, with the revision of the change
 */
public record CacheEvent(Type type, Item item) {
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
