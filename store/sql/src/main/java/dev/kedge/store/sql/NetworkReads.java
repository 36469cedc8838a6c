package dev.kedge.store.sql;

import dev.kedge.store.CompactedException;
import dev.kedge.store.Store.Page;
import dev.kedge.store.StoreException;
import dev.kedge.store.Watches.Chunk;
import java.lang.System.Logger;
import java.lang.System.Logger.Level;
import java.sql.Connection;
import java.sql.PreparedStatement;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.time.Duration;
import java.util.concurrent.ConcurrentLinkedDeque;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.Semaphore;

/**
 * Reads over at most four connections, on the callers' own threads: drivers block in a way that
 * virtual threads can. Each read is one way there and back. A connection that breaks is replaced,
 * and the read repeated, for a bounded time.
 */
final class NetworkReads implements Reads {
  private static final Logger LOG = System.getLogger("dev.kedge.store.sql");
  private static final int CONNECTIONS = 4;
  private static final Duration PATIENCE = Duration.ofSeconds(10);

  private final DatabaseServer server;
  private final Log log;
  private final Queries queries;
  private final Semaphore permits = new Semaphore(CONNECTIONS);
  private final ConcurrentLinkedDeque<Connection> idle = new ConcurrentLinkedDeque<>();
  private final CountDownLatch closing = new CountDownLatch(1);

  NetworkReads(DatabaseServer server, Log log) {
    this.server = server;
    this.log = log;
    this.queries = server.queries();
  }

  @Override
  public Last get(String key) {
    return read(
        connection -> {
          try (PreparedStatement statement = connection.prepareStatement(queries.get())) {
            queries.bindKey(statement, 1, key);
            Last last;
            try (ResultSet row = statement.executeQuery()) {
              last = Queries.last(key, row);
            }
            settle(connection, last.revision());
            return last;
          }
        });
  }

  @Override
  public Page list(String prefix, long revision, String startKey, int limit) {
    // The snapshot is the current state; a revision is wanted only to look behind it.
    long bound = revision == 0 ? Long.MAX_VALUE : revision;
    return read(
        connection -> {
          Page page =
              snapshot(
                  connection,
                  queries.list(),
                  queries.bindList(prefix, bound, startKey, limit),
                  (current, compacted, rows) ->
                      queries.page(rows, Queries.listed(revision, current, compacted), limit));
          settle(connection, page.revision());
          return page;
        });
  }

  @Override
  public Chunk history(String prefix, long after, long upTo) {
    return read(
        connection -> {
          Chunk chunk =
              snapshot(
                  connection,
                  queries.history(),
                  queries.bindHistory(prefix, after, upTo),
                  (current, compacted, rows) -> {
                    if (after < compacted) {
                      throw new CompactedException(after, compacted);
                    }
                    if (current < upTo) {
                      throw Follower.wentBack(upTo, current);
                    }
                    return queries.chunk(rows);
                  });
          settle(connection, upTo);
          return chunk;
        });
  }

  @Override
  public long current() {
    return read(
        connection -> {
          long current;
          try (PreparedStatement statement = connection.prepareStatement(queries.progress());
              ResultSet row = statement.executeQuery()) {
            current = revisions(row).current();
          }
          settle(connection, current);
          return current;
        });
  }

  /** What is published has been settled before. */
  private void settle(Connection connection, long revision) throws SQLException {
    if (revision > log.published()) {
      server.settle(connection);
    }
  }

  @Override
  public void close() {
    closing.countDown();
    try {
      permits.acquire(CONNECTIONS);
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
      throw new StoreException("interrupted while closing " + server.name(), e);
    }
    idle.forEach(NetworkReads::drop);
    // Who waits for a turn learns that there is none.
    permits.release(CONNECTIONS);
  }

  private record Revisions(long current, long compacted) {}

  private static Revisions revisions(ResultSet row) throws SQLException {
    if (!row.next()) {
      throw new SQLException("the table kedge_progress has lost its row");
    }
    return new Revisions(row.getLong(1), row.getLong(2));
  }

  private interface Answer<T> {
    T of(long current, long compacted, ResultSet rows) throws SQLException;
  }

  /** Asks how far the log reaches and something else, in one transaction and one message. */
  private <T> T snapshot(
      Connection connection, String query, Queries.Binder binder, Answer<T> answer)
      throws SQLException {
    String all = server.beginReading() + "; " + queries.progress() + "; " + query + "; COMMIT";
    try (PreparedStatement statement = connection.prepareStatement(all)) {
      binder.bind(statement);
      Results results = Results.of(statement);
      Revisions revisions;
      try (ResultSet row = results.next()) {
        revisions = revisions(row);
      }
      T result;
      try (ResultSet rows = results.next()) {
        result = answer.of(revisions.current(), revisions.compacted(), rows);
      } finally {
        results.finish();
      }
      return result;
    }
  }

  private interface Query<T> {
    T on(Connection connection) throws SQLException;
  }

  private <T> T read(Query<T> query) {
    Attempts attempts = new Attempts(PATIENCE, closing);
    try {
      permits.acquire();
      try {
        while (true) {
          if (closing.getCount() == 0) {
            throw new StoreException("the store " + server.name() + " is closed");
          }
          try {
            return attempt(query);
          } catch (SQLException e) {
            if (server.remedy(e) == Engine.Remedy.NONE
                || Thread.currentThread().isInterrupted()
                || !attempts.another()) {
              throw server.failure(e);
            }
            LOG.log(Level.DEBUG, "reading from " + server.name() + " is tried again", e);
          }
        }
      } finally {
        permits.release();
      }
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
      throw new StoreException("interrupted while reading " + server.name(), e);
    }
  }

  private <T> T attempt(Query<T> query) throws SQLException {
    Connection connection = idle.poll();
    if (connection == null) {
      connection = server.openForReading();
    }
    T answer;
    try {
      answer = query.on(connection);
    } catch (StoreException e) {
      // The database answered; it is the question that cannot be served.
      idle.push(connection);
      throw e;
    } catch (SQLException | RuntimeException e) {
      drop(connection);
      // The others have likely met the same end.
      for (Connection other = idle.poll(); other != null; other = idle.poll()) {
        drop(other);
      }
      throw e;
    }
    idle.push(connection);
    return answer;
  }

  private static void drop(Connection connection) {
    try {
      connection.close();
    } catch (SQLException e) {
      LOG.log(Level.DEBUG, "a broken connection did not close in order", e);
    }
  }
}
