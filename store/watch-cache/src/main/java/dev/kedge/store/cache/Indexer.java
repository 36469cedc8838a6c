package dev.kedge.store.cache;

/** Reads an object's index row out of its bytes. Pure; called once per stored version. */
@FunctionalInterface
public interface Indexer {
  /**
   * @param key the object's key in the store
   * @param json its bytes, resource version included
   */
  IndexRow row(String key, byte[] json);
}
