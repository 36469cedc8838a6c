package dev.kedge.store.sql;

import dev.kedge.store.CompactedException;
import dev.kedge.store.Store.Entry;
import dev.kedge.store.Store.Page;
import dev.kedge.store.StoreException;
import dev.kedge.store.StoreWatch.Event;
import dev.kedge.store.Watches.Chunk;
import java.sql.Connection;
import java.sql.PreparedStatement;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.concurrent.ConcurrentLinkedDeque;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.Future;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.RejectedExecutionException;
import java.util.concurrent.ThreadPoolExecutor;
import java.util.concurrent.TimeUnit;

/**
 * Reads the log on at most two platform threads with a connection each; they go when nobody reads
 * for a while, the connections stay. Each read sees one snapshot.
 */
final class Readers {
  private static final int THREADS = 2;
  private static final int HISTORY_CHUNK = 500;

  private static final String GET =
      "SELECT revision, create_revision, deleted, value FROM log WHERE key = ?"
          + " ORDER BY revision DESC LIMIT 1";

  // The index alone answers which row is a key's last; only those of the page are then read.
  private static final String LIST =
      """
      SELECT l.key, l.value, l.create_revision, l.revision
      FROM (
        SELECT max(revision) AS last, deleted FROM log INDEXED BY log_key
        WHERE key >= ? AND key < ? AND revision <= ?
        GROUP BY key HAVING deleted = 0 ORDER BY key LIMIT ?
      ) c CROSS JOIN log l ON l.revision = c.last
      ORDER BY l.key
      """;

  // NOT INDEXED: in the order of revisions, whatever the planner thinks of the keys.
  private static final String HISTORY =
      """
      SELECT l.revision, l.key, l.create_revision, l.deleted, l.value, p.value
      FROM log l NOT INDEXED LEFT JOIN log p ON p.revision = l.previous_revision
      WHERE l.revision > ? AND l.revision <= ? AND l.key >= ? AND l.key < ?
      ORDER BY l.revision LIMIT ?
      """;

  private final Database database;
  private final Log log;
  private final ConcurrentLinkedDeque<Reader> idle = new ConcurrentLinkedDeque<>();
  private final ThreadPoolExecutor threads =
      new ThreadPoolExecutor(
          THREADS,
          THREADS,
          30,
          TimeUnit.SECONDS,
          new LinkedBlockingQueue<>(),
          Thread.ofPlatform().daemon().name("sqlite-reader-", 0).factory());

  Readers(Database database, Log log) {
    this.database = database;
    this.log = log;
    threads.allowCoreThreadTimeOut(true);
  }

  Optional<Entry> get(String key) {
    return read(reader -> reader.get(key));
  }

  Page list(String prefix, long revision, String startKey, int limit) {
    return read(reader -> reader.list(prefix, revision, startKey, limit));
  }

  /** The changes under a prefix after one revision and up to another, or the first of them. */
  Chunk history(String prefix, long after, long upTo) {
    return read(reader -> reader.history(prefix, after, upTo));
  }

  void close() {
    threads.shutdown();
    try {
      if (!threads.awaitTermination(10, TimeUnit.SECONDS)) {
        throw new StoreException("reads of " + database.path() + " did not end");
      }
      for (Reader reader = idle.poll(); reader != null; reader = idle.poll()) {
        reader.connection.close();
      }
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
      throw new StoreException("interrupted while closing " + database.path(), e);
    } catch (SQLException e) {
      throw Failures.of(database.path(), e);
    }
  }

  private interface Query<T> {
    T run(Reader reader) throws SQLException;
  }

  private <T> T read(Query<T> query) {
    Future<T> answer;
    try {
      answer = threads.submit(() -> run(query));
    } catch (RejectedExecutionException e) {
      throw new StoreException("the store " + database.path() + " is closed", e);
    }
    try {
      return answer.get();
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
      throw new StoreException("interrupted while reading " + database.path(), e);
    } catch (ExecutionException e) {
      Throwable cause = e.getCause();
      if (cause instanceof CompactedException compacted) {
        throw new CompactedException(compacted.asked(), compacted.compactRevision());
      }
      if (cause instanceof StoreException failed) {
        throw failed;
      }
      if (cause instanceof SQLException sql) {
        throw Failures.of(database.path(), sql);
      }
      throw new StoreException("cannot read " + database.path(), e);
    }
  }

  private <T> T run(Query<T> query) throws SQLException {
    Reader reader = idle.poll();
    if (reader == null) {
      reader = new Reader(database.openForReading());
    }
    boolean usable = false;
    try {
      reader.begin.execute();
      T result;
      try {
        result = query.run(reader);
        usable = true;
      } catch (StoreException e) {
        usable = true;
        throw e;
      } finally {
        reader.commit.execute();
      }
      return result;
    } finally {
      if (usable) {
        idle.push(reader);
      } else {
        reader.connection.close();
      }
    }
  }

  /** One connection; used by one thread at a time, inside a transaction. */
  private final class Reader {
    final Connection connection;
    final PreparedStatement begin;
    final PreparedStatement commit;
    private final PreparedStatement compacted;
    private final PreparedStatement get;
    private final PreparedStatement list;
    private final PreparedStatement history;

    Reader(Connection connection) throws SQLException {
      this.connection = connection;
      begin = connection.prepareStatement("BEGIN");
      commit = connection.prepareStatement("COMMIT");
      compacted = connection.prepareStatement("SELECT compact_revision FROM progress");
      get = connection.prepareStatement(GET);
      list = connection.prepareStatement(LIST);
      history = connection.prepareStatement(HISTORY);
    }

    Optional<Entry> get(String key) throws SQLException {
      get.setString(1, key);
      try (ResultSet row = get.executeQuery()) {
        if (!row.next() || row.getInt(3) != 0) {
          return Optional.empty();
        }
        return Optional.of(new Entry(key, row.getBytes(4), row.getLong(2), row.getLong(1)));
      }
    }

    Page list(String prefix, long revision, String startKey, int limit) throws SQLException {
      // Taken before the snapshot is, so that the snapshot has everything up to it.
      long published = log.published();
      if (revision > published) {
        throw new StoreException(
            "revision " + revision + " is in the future: the current one is " + published);
      }
      long asked = revision == 0 ? published : revision;
      long gone = compacted();
      if (asked < gone) {
        if (revision != 0) {
          throw new CompactedException(revision, gone);
        }
        // Compacted in this very moment; what it left is as current.
        asked = gone;
      }
      String from = startKey.compareTo(prefix) > 0 ? startKey : prefix;
      list.setString(1, from);
      list.setString(2, Database.end(prefix));
      list.setLong(3, asked);
      list.setLong(4, limit <= 0 ? -1 : limit + 1L);
      List<Entry> entries = new ArrayList<>();
      try (ResultSet rows = list.executeQuery()) {
        while (rows.next()) {
          entries.add(
              new Entry(rows.getString(1), rows.getBytes(2), rows.getLong(3), rows.getLong(4)));
        }
      }
      boolean more = limit > 0 && entries.size() > limit;
      if (more) {
        entries.removeLast();
      }
      return new Page(entries, asked, more, more ? -1 : 0);
    }

    Chunk history(String prefix, long after, long upTo) throws SQLException {
      long gone = compacted();
      if (after < gone) {
        throw new CompactedException(after, gone);
      }
      history.setLong(1, after);
      history.setLong(2, upTo);
      history.setString(3, prefix);
      history.setString(4, Database.end(prefix));
      history.setInt(5, HISTORY_CHUNK);
      List<Event> events = new ArrayList<>();
      try (ResultSet row = history.executeQuery()) {
        while (row.next()) {
          long revision = row.getLong(1);
          String key = row.getString(2);
          long created = row.getLong(3);
          byte[] previous = row.getBytes(6);
          events.add(
              row.getInt(4) != 0
                  ? new Event.Delete(key, previous, created, revision)
                  : new Event.Put(
                      key, row.getBytes(5), created, revision, Optional.ofNullable(previous)));
        }
      }
      return new Chunk(events, events.size() < HISTORY_CHUNK);
    }

    /** The first statement of every transaction that depends on it, so of the same snapshot. */
    private long compacted() throws SQLException {
      try (ResultSet row = compacted.executeQuery()) {
        row.next();
        return row.getLong(1);
      }
    }
  }
}
