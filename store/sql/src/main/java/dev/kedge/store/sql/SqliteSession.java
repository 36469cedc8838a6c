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
  private static final long PAGE = 4096;

  /** Together with what one transaction adds, this stays below 64 MB. */
  private static final long MOST_LOG = 40L << 20;

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
  private final PreparedStatement pages;
  private final PreparedStatement freePages;
  private final PreparedStatement restartLog;
  private final Database database;
  private final boolean late;
  private long revision;
  private long compacted;
  private long swept;

  SqliteSession(Database database, Connection connection, Standing standing) throws SQLException {
    this.database = database;
    this.connection = connection;
    late = database.lag().isPositive();
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
    pages = connection.prepareStatement("PRAGMA page_count");
    freePages = connection.prepareStatement("PRAGMA freelist_count");
    restartLog = connection.prepareStatement("PRAGMA wal_checkpoint(RESTART)");
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
    boundLog();
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

  @Override
  public Room room() throws SQLException {
    long used = (number(pages) - number(freePages)) * PAGE;
    long limit = database.options().limit();
    Room.Level level =
        used < limit / 5 * 4
            ? Room.Level.AMPLE
            : used < limit
                ? Room.Level.LITTLE
                : used < limit + limit / 10 ? Room.Level.FULL : Room.Level.OVERFULL;
    return new Room(
        level,
        level.compareTo(Room.Level.FULL) < 0
            ? ""
            : database.name()
                + " is full: it uses "
                + (used >> 20)
                + " MiB, its limit is "
                + (limit >> 20)
                + " MiB; delete objects that are not needed, or raise --datastore-size-limit");
  }

  private static long number(PreparedStatement question) throws SQLException {
    try (ResultSet row = question.executeQuery()) {
      row.next();
      return row.getLong(1);
    }
  }

  /**
   * The log is copied to the database by itself, but begins anew only in a moment when nobody reads
   * from it. When many read, such a moment may never come: then it is waited for.
   */
  private void boundLog() throws SQLException {
    if (database.logSize() > MOST_LOG) {
      try (ResultSet row = restartLog.executeQuery()) {
        row.next();
      }
    }
  }

  /** A commit's answer cannot be lost: the library runs in this process. */
  @Override
  public Fate fate(long first, long batch) {
    return Fate.UNKNOWN;
  }

  @Override
  public boolean reclaim() throws SQLException {
    long free = number(freePages);
    long all = number(pages);
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
