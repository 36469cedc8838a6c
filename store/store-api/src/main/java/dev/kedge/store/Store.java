package dev.kedge.store;

import java.time.Duration;
import java.util.List;
import java.util.Optional;

/**
 * An ordered, revisioned key-value store: what the API server needs of an engine, and no more.
 *
 * <p>Every committed change gets a revision greater than all before; a revision names one change. A
 * write that returns {@link WriteResult.Committed} is durable, unless it may be lost. Keys are
 * paths such as {@code /registry/pods/default/web}; values are opaque bytes. Methods block and may
 * be called from any thread; an engine that cannot be reached throws {@link StoreException}.
 */
public interface Store extends AutoCloseable {
  /** The current value of a key. */
  Optional<Entry> get(String key);

  /**
   * The entries whose keys start with a prefix, in key order, as of one revision.
   *
   * @param revision the revision to read at; 0 means the current one
   * @param startKey only keys equal to or after this one; empty means from the prefix's first
   * @param limit most entries to return; 0 means all
   * @throws CompactedException if the revision has been compacted
   */
  Page list(String prefix, long revision, String startKey, int limit);

  /** Writes a key that does not exist. */
  WriteResult create(String key, byte[] value);

  /** Replaces the value of a key whose last change has the expected revision. */
  WriteResult update(String key, byte[] value, long expectedRevision);

  /** Removes a key whose last change has the expected revision. */
  WriteResult delete(String key, long expectedRevision);

  /**
   * As {@link #create(String, byte[])}, of what may be lost: everybody sees the write at once, but
   * an engine that nobody else writes to may leave it in memory for some time, and loses it if its
   * process dies meanwhile. No later write survives without it. Revisions that were lost so are not
   * given out again: reads and watches from there fail as compacted.
   *
   * @param slack how long it may stay in memory; zero means durable when this returns
   */
  default WriteResult create(String key, byte[] value, Duration slack) {
    return create(key, value);
  }

  /** As {@link #update(String, byte[], long)}, of what may be lost. */
  default WriteResult update(String key, byte[] value, long expectedRevision, Duration slack) {
    return update(key, value, expectedRevision);
  }

  /** As {@link #delete(String, long)}, of what may be lost. */
  default WriteResult delete(String key, long expectedRevision, Duration slack) {
    return delete(key, expectedRevision);
  }

  /**
   * Follows the changes under a prefix, each once, in order, without gap.
   *
   * @param afterRevision the first event has a greater revision; 0 means only changes from now on
   * @throws CompactedException if changes after that revision have been compacted
   */
  StoreWatch watch(String prefix, long afterRevision);

  /**
   * The revision of the last committed change; grows by one with each (but for {@link #raise}),
   * never repeats, survives restarts. At least 1, also in an empty store: 0 is free to mean "any".
   */
  long currentRevision();

  /**
   * Forgets what was superseded up to and including a revision. Reads as of earlier revisions and
   * watches after earlier revisions fail from then on; those of this revision still work. Space is
   * reclaimed in the background.
   */
  void compact(long revision);

  /**
   * Leaves revisions out: from now on the current one is at least this, and everything before it
   * counts as compacted; running watches end with {@link CompactedException}. For a store that is
   * filled from elsewhere, whose clients may know greater revisions than it has given out. Nobody
   * else may use the store meanwhile, and the revisions of its entries may be others afterwards. A
   * revision that was reached already changes nothing.
   */
  void raise(long revision);

  /** Releases the engine. Running watches end. */
  @Override
  void close();

  /**
   * A key's value.
   *
   * @param createRevision revision of the key's creation
   * @param revision revision of its last change
   */
  record Entry(String key, byte[] value, long createRevision, long revision) {}

  /**
   * One page of a list.
   *
   * @param revision the revision the page shows
   * @param more whether entries follow
   * @param remaining how many follow, where the engine knows it cheaply; else -1
   */
  record Page(List<Entry> entries, long revision, boolean more, long remaining) {
    public Page {
      entries = List.copyOf(entries);
    }
  }

  /** What became of a write. */
  sealed interface WriteResult {
    /** Durable, with its revision. */
    record Committed(long revision) implements WriteResult {}

    /** Not written: the key's last change is not the expected one; here is the current entry. */
    record Conflict(Entry current) implements WriteResult {}

    /** Not written: there is no such key. */
    record Absent() implements WriteResult {}
  }
}
