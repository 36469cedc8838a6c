package dev.kedge.store;

import java.time.Duration;
import java.util.List;
import java.util.Optional;

/**
 * A running watch on a {@link Store}. One reader thread; {@link #close} from any thread ends it.
 */
public interface StoreWatch extends AutoCloseable {
  /**
   * Waits for changes and takes all that are there.
   *
   * @return the next changes in order; empty when none came within the time
   * @throws CompactedException if the watch fell behind compaction
   * @throws WatchClosedException when the watch or its store was closed
   */
  List<Event> take(Duration atMost) throws InterruptedException;

  /**
   * The reader has seen and handled every change under the prefix up to and including this
   * revision: what {@link #take} returned counts as handled when the reader calls it again. Grows
   * with changes elsewhere too, so that a quiet prefix is known to be up to date. Any thread.
   */
  long progress();

  /**
   * Makes the take that waits, or else the next one, return soon, if need be without changes; when
   * it returns empty, {@link #progress} is at least the revision that was current at this call. Any
   * thread.
   */
  void requestProgress();

  @Override
  void close();

  /** One change. */
  sealed interface Event {
    String key();

    long revision();

    /**
     * A key was written.
     *
     * @param previous the value it replaced; empty for a creation
     */
    record Put(
        String key, byte[] value, long createRevision, long revision, Optional<byte[]> previous)
        implements Event {}

    /** A key was removed; the value is the last one it had. */
    record Delete(String key, byte[] previous, long createRevision, long revision)
        implements Event {}
  }
}
