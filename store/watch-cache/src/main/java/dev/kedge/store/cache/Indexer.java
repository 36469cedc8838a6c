package dev.kedge.store.cache;

/** Says how a cache sees stored bytes. Pure; called once per stored version. */
@FunctionalInterface
public interface Indexer {
  /**
   * An object's index row.
   *
   * @param key the object's key in the store
   * @param json its bytes, resource version included
   */
  IndexRow row(String key, byte[] json);

  /**
   * The bytes that readers get: those of the store, unless what the object means has changed since
   * they were written.
   *
   * @param json the stored bytes, resource version included
   */
  default byte[] form(byte[] json) {
    return json;
  }
}
