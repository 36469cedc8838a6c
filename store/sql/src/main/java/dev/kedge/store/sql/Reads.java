package dev.kedge.store.sql;

import dev.kedge.store.CompactedException;
import dev.kedge.store.Store.Entry;
import dev.kedge.store.Store.Page;
import dev.kedge.store.StoreException;
import dev.kedge.store.Watches.Chunk;
import java.util.Optional;

/**
 * Reads of the log; each sees one snapshot. What a read shows would survive a crash of the database
 * in the next moment. Any thread; they block.
 */
interface Reads {
  /** A key's last change. */
  Last get(String key);

  /** As {@link dev.kedge.store.Store#list}. */
  Page list(String prefix, long revision, String startKey, int limit);

  /**
   * The changes under a prefix after one revision and up to another, or the first of them.
   *
   * @throws CompactedException if some of them have been compacted
   * @throws StoreException if the database has no such revision any more
   */
  Chunk history(String prefix, long after, long upTo);

  /** The last revision that the database has. */
  long current();

  /**
   * Ends; reads from then on are refused.
   *
   * @throws StoreException if the connections cannot be closed
   */
  void close();

  /**
   * A key's last change.
   *
   * @param entry empty if it was a removal
   * @param revision 0 if the log has nothing of the key
   */
  record Last(Optional<Entry> entry, long revision) {
    static final Last NONE = new Last(Optional.empty(), 0);
  }
}
