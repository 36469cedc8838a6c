package dev.kedge.store.sql;

import dev.kedge.store.Store.Entry;
import dev.kedge.store.StoreException;
import java.sql.Connection;
import java.sql.PreparedStatement;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.sql.Statement;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;

/**
 * Writes to a database that several servers share. The one row of {@code kedge_progress} is locked
 * from the first statement of a transaction until its commit, so transactions of all servers follow
 * each other, and revisions become visible in their order.
 *
 * <p>A transaction is two ways there and back, however much is in it: lock and read, write and
 * commit.
 */
abstract class ServerSession implements WriteSession {
  /** The layout of the tables that this version reads and writes. */
  static final int SCHEMA = 1;

  private static final String LOCK =
      "SELECT schema_version, revision, compact_revision, swept_revision FROM kedge_progress"
          + " WHERE id = 1 FOR UPDATE";

  private final DatabaseServer server;
  private final Connection connection;
  private final String begin;

  /**
   * @param begin begins a transaction in which each statement sees what was committed before it
   */
  ServerSession(DatabaseServer server, Connection connection, String begin) {
    this.server = server;
    this.connection = connection;
    this.begin = begin;
  }

  Connection connection() {
    return connection;
  }

  /** Asks for the entries of so many keys: key, value, creation, revision. */
  abstract String entries(int keys);

  abstract void bindEntries(PreparedStatement statement, Set<String> keys) throws SQLException;

  /** Inserts so many rows. */
  abstract String insert(int rows);

  /** Binds them, and returns the next parameter's index. */
  abstract int bindInsert(PreparedStatement statement, List<Row> rows, long batch)
      throws SQLException;

  /** What is to be done besides, in the transaction. */
  abstract String tell();

  @Override
  public Standing begin(Set<String> keys) throws SQLException {
    String statements = begin + "; " + LOCK + (keys.isEmpty() ? "" : "; " + entries(keys.size()));
    try (PreparedStatement statement = connection.prepareStatement(statements)) {
      if (!keys.isEmpty()) {
        bindEntries(statement, keys);
      }
      Results results = Results.of(statement);
      long revision;
      long compacted;
      long swept;
      try (ResultSet row = results.next()) {
        if (!row.next()) {
          throw new SQLException("the table kedge_progress has lost its row");
        }
        checkSchema(server.name(), row.getInt(1));
        revision = row.getLong(2);
        compacted = row.getLong(3);
        swept = row.getLong(4);
      }
      Map<String, Entry> entries = new HashMap<>();
      if (!keys.isEmpty()) {
        try (ResultSet row = results.next()) {
          while (row.next()) {
            String key = server.queries().key(row, 1);
            entries.put(key, new Entry(key, row.getBytes(2), row.getLong(3), row.getLong(4)));
          }
        }
      }
      results.finish();
      return new Standing(revision, compacted, swept, entries);
    }
  }

  static void checkSchema(String name, int version) {
    if (version > SCHEMA) {
      throw new StoreException(
          name
              + " was set up by a newer kedge (schema "
              + version
              + ", this version knows up to "
              + SCHEMA
              + "); upgrade this server, or restore a backup from before");
    }
  }

  @Override
  public void commit(List<Row> rows, long revision, long compacted, long batch)
      throws SQLException {
    String statements =
        (rows.isEmpty() ? "" : insert(rows.size()) + "; ")
            + "UPDATE kedge_progress SET revision = ?, compact_revision = ? WHERE id = 1"
            + tell()
            + "; COMMIT";
    try (PreparedStatement statement = connection.prepareStatement(statements)) {
      int next = rows.isEmpty() ? 1 : bindInsert(statement, rows, batch);
      statement.setLong(next, revision);
      statement.setLong(next + 1, compacted);
      Results.of(statement).finish();
    }
  }

  @Override
  public void end(Standing standing, long published) throws SQLException {
    rollback();
    if (standing.revision() > published) {
      server.settle(connection);
    }
  }

  @Override
  public void sweep(long after, long upTo) throws SQLException {
    String statements =
        server.queries().sweepSuperseded()
            + "; "
            + server.queries().sweepDeleted()
            + "; UPDATE kedge_progress SET swept_revision = ? WHERE id = 1; COMMIT";
    try (PreparedStatement statement = connection.prepareStatement(statements)) {
      statement.setLong(1, after);
      statement.setLong(2, upTo);
      statement.setLong(3, after);
      statement.setLong(4, upTo);
      statement.setLong(5, upTo);
      Results.of(statement).finish();
    }
  }

  @Override
  public void raise(long revision) throws SQLException {
    String statements =
        "UPDATE kedge_progress SET revision = ?, compact_revision = ?, swept_revision = ?"
            + " WHERE id = 1"
            + tell()
            + "; COMMIT";
    try (PreparedStatement statement = connection.prepareStatement(statements)) {
      statement.setLong(1, revision);
      statement.setLong(2, revision);
      statement.setLong(3, revision);
      Results.of(statement).finish();
    }
  }

  @Override
  public Fate fate(long revision, long batch) throws SQLException {
    // Behind the lock, so that the transaction in question has ended.
    Standing standing = begin(Set.of());
    Fate fate;
    try (PreparedStatement statement =
        connection.prepareStatement("SELECT batch FROM kedge_log WHERE revision = ?")) {
      statement.setLong(1, revision);
      try (ResultSet row = statement.executeQuery()) {
        if (row.next()) {
          fate = row.getLong(1) == batch ? Fate.COMMITTED : Fate.LOST;
        } else {
          fate = standing.compacted() >= revision ? Fate.UNKNOWN : Fate.LOST;
        }
      }
    }
    rollback();
    server.settle(connection);
    return fate;
  }

  @Override
  public void rollback() throws SQLException {
    try (Statement statement = connection.createStatement()) {
      statement.execute("ROLLBACK");
    }
  }

  @Override
  public void close() throws SQLException {
    connection.close();
  }
}
