package dev.kedge.store.snapshot;

import java.io.IOException;
import java.util.Optional;

/** The keys and values of a store as of one revision, in the order of keys; read once. */
public interface Records extends AutoCloseable {
  /**
   * The next one; empty at the end, where whatever can be verified has been.
   *
   * @throws IOException if the source breaks off
   */
  Optional<Entry> next() throws IOException;

  @Override
  void close() throws IOException;

  /** A key, such as {@code /registry/pods/default/web}, and what the store keeps under it. */
  record Entry(String key, byte[] value) {}
}
