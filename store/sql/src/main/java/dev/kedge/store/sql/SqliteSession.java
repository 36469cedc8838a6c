package dev.kedge.store.sql;

import dev.kedge.store.Store.Entry;
import java.sql.Connection;
import java.sql.PreparedStatement;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;

/**
 * Writes to SQLite. Nobody else does, so where the log stands is known without asking. Statements
 * are calls into the library, so one for each key and row costs no more than one for all.
 */
final class SqliteSession implements WriteSession {
  private static final int VACUUM_SLICE = 64;

  /** Pages that may lie free before any are given back: they will be wanted again. */
  private static final long FREE_PAGES = 1024;

  private final Connection connection;
  private final PreparedStatement begin;
  private final PreparedStatement commit;
  private final PreparedStatement rollback;
  private final PreparedStatement last;
  private final PreparedStatement insert;
  private final PreparedStatement setCompacted;
  private final PreparedStatement sweepSuperseded;
  private final PreparedStatement sweepDeleted;
  private final PreparedStatement setSwept;
  private final PreparedStatement setReserved;
  private final boolean late;
  private long revision;
  private long compacted;
  private long swept;

  /**
   * @param late whether commits return before they are on disk
   */
  SqliteSession(Connection connection, Standing standing, boolean late) throws SQLException {
    this.connection = connection;
    this.late = late;
    revision = standing.revision();
    compacted = standing.compacted();
    swept = standing.swept();
    Queries queries = Queries.sqlite();
    begin = connection.prepareStatement("BEGIN IMMEDIATE");
    commit = connection.prepareStatement("COMMIT");
    rollback = connection.prepareStatement("ROLLBACK");
    last = connection.prepareStatement(queries.get());
    insert = connection.prepareStatement("INSERT INTO log VALUES (?, ?, ?, ?, ?, ?)");
    setCompacted = connection.prepareStatement("UPDATE progress SET compact_revision = ?");
    sweepSuperseded = connection.prepareStatement(queries.sweepSuperseded());
    sweepDeleted = connection.prepareStatement(queries.sweepDeleted());
    setSwept = connection.prepareStatement("UPDATE progress SET swept_revision = ?");
    setReserved = connection.prepareStatement("UPDATE progress SET reserved_revision = ?");
  }

  Standing standing() {
    return new Standing(revision, compacted, swept, Map.of());
  }

  @Override
  public Standing begin(Set<String> keys) throws SQLException {
    begin.execute();
    Map<String, Entry> entries = new HashMap<>();
    for (String key : keys) {
      last.setString(1, key);
      try (ResultSet row = last.executeQuery()) {
        Queries.last(key, row).entry().ifPresent(entry -> entries.put(key, entry));
      }
    }
    return new Standing(revision, compacted, swept, entries);
  }

  @Override
  public void commit(List<Row> rows, long lastRevision, long compactTo, long batch)
      throws SQLException {
    for (Row row : rows) {
      insert.setLong(1, row.revision());
      insert.setString(2, row.key());
      insert.setLong(3, row.created());
      insert.setLong(4, row.previous());
      insert.setInt(5, row.value() == null ? 1 : 0);
      insert.setBytes(6, row.value());
      insert.execute();
    }
    if (compactTo > compacted) {
      setCompacted.setLong(1, compactTo);
      setCompacted.execute();
    }
    commit.execute();
    revision = lastRevision;
    compacted = compactTo;
  }

  @Override
  public void end(Standing standing, long published) throws SQLException {
    rollback();
  }

  @Override
  public void sweep(long after, long upTo) throws SQLException {
    sweepSuperseded.setLong(1, after);
    sweepSuperseded.setLong(2, upTo);
    sweepSuperseded.execute();
    sweepDeleted.setLong(1, after);
    sweepDeleted.setLong(2, upTo);
    sweepDeleted.execute();
    setSwept.setLong(1, upTo);
    setSwept.execute();
    commit.execute();
    swept = upTo;
  }

  /** A log without later rows stands where it was compacted to. */
  @Override
  public void raise(long to) throws SQLException {
    setCompacted.setLong(1, to);
    setCompacted.execute();
    setSwept.setLong(1, to);
    setSwept.execute();
    commit.execute();
    revision = to;
    compacted = to;
    swept = to;
  }

  @Override
  public void reserve(long upTo) throws SQLException {
    if (late) {
      Database.execute(connection, "PRAGMA synchronous = FULL");
    }
    begin.execute();
    setReserved.setLong(1, upTo);
    setReserved.execute();
    commit.execute();
    if (late) {
      Database.execute(connection, "PRAGMA synchronous = NORMAL");
    }
  }

  /** A commit's answer cannot be lost: the library runs in this process. */
  @Override
  public Fate fate(long first, long batch) {
    return Fate.UNKNOWN;
  }

  @Override
  public boolean reclaim() throws SQLException {
    long free = Database.number(connection, "PRAGMA freelist_count");
    long all = Database.number(connection, "PRAGMA page_count");
    if (free <= Math.max(FREE_PAGES, all / 4)) {
      return false;
    }
    begin.execute();
    // One page each: the driver runs a pragma's first step only.
    for (int i = 0; i < VACUUM_SLICE; i++) {
      Database.execute(connection, "PRAGMA incremental_vacuum(1)");
    }
    commit.execute();
    return true;
  }

  @Override
  public void rollback() throws SQLException {
    rollback.execute();
  }

  @Override
  public void close() throws SQLException {
    connection.close();
  }
}
