package dev.kedge.store.sql;

import dev.kedge.store.Store.Entry;
import java.sql.SQLException;
import java.util.List;
import java.util.Map;
import java.util.Set;
import org.jspecify.annotations.Nullable;

/**
 * A connection to write by, one transaction at a time. One thread. After an exception the
 * transaction is open still, until {@link #rollback}.
 */
interface WriteSession {
  /**
   * Begins a transaction that keeps every other writer out until it ends; so revisions become
   * visible in their order, whoever writes.
   *
   * @param keys whose entries are asked for
   */
  Standing begin(Set<String> keys) throws SQLException;

  /**
   * Where the log stands.
   *
   * @param revision the last one
   * @param compacted reads as of revisions before this one fail
   * @param swept what was superseded up to here has been removed
   * @param entries of the keys asked for those that are there
   */
  record Standing(long revision, long compacted, long swept, Map<String, Entry> entries) {}

  /**
   * Writes and commits; durable on return.
   *
   * @param rows in the order of their revisions, which follow the standing's without gap
   * @param batch a number that no other commit has
   */
  void commit(List<Row> rows, long revision, long compacted, long batch) throws SQLException;

  /**
   * A row of the log.
   *
   * @param previous the revision it supersedes; 0 for a creation
   * @param value null for a removal
   */
  record Row(long revision, String key, long created, long previous, byte @Nullable [] value) {}

  /**
   * Ends a transaction that wrote nothing. What it saw would survive a crash of the database.
   *
   * @param published what is known to
   */
  void end(Standing standing, long published) throws SQLException;

  /** Removes what was superseded after one revision and up to another, and commits. */
  void sweep(long after, long upTo) throws SQLException;

  /** Lets the log reach a revision without a row, all before it compacted and swept; commits. */
  void raise(long revision) throws SQLException;

  /**
   * Whether a commit whose answer was lost took place, and would survive a crash of the database.
   * Waits for a transaction that may still run.
   *
   * @param revision of its first row, or how far it compacted if it had none
   */
  Fate fate(long revision, long batch) throws SQLException;

  /** What became of a commit. */
  enum Fate {
    COMMITTED,
    LOST,
    UNKNOWN
  }

  /**
   * Notes, in a transaction of its own, up to which revision changes may be lost; everything
   * committed before is durable on return. Only asked of engines that {@linkplain Engine#defers
   * defer}.
   *
   * @param revision 0 if none may be
   */
  default void reserve(long revision) throws SQLException {
    throw new UnsupportedOperationException("nothing of a shared database may be lost");
  }

  /** How much may be added still. In a transaction. */
  default Room room() throws SQLException {
    return Room.UNLIMITED;
  }

  /**
   * Room for more.
   *
   * @param refusal a sentence for who is refused
   */
  record Room(Level level, String refusal) {
    static final Room UNLIMITED = new Room(Level.AMPLE, "");

    enum Level {
      AMPLE,
      LITTLE,
      /** New objects are refused; changes go on, for the cluster to work and to be cleaned up. */
      FULL,
      /** Changes are refused too, deletions never. */
      OVERFULL
    }

    boolean refuses(Writer.Kind kind) {
      return switch (kind) {
        case CREATE -> level.compareTo(Level.FULL) >= 0;
        case UPDATE -> level == Level.OVERFULL;
        case DELETE, COMPACT, RAISE, STOP -> false;
      };
    }
  }

  /** Gives some free space back to the file system, if there is much; whether to come again. */
  default boolean reclaim() throws SQLException {
    return false;
  }

  void rollback() throws SQLException;

  void close() throws SQLException;
}
