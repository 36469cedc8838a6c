package dev.kedge.store.sql;

import dev.kedge.store.CompactedException;
import dev.kedge.store.Store.Page;
import dev.kedge.store.StoreException;
import dev.kedge.store.Watches.Chunk;
import java.sql.Connection;
import java.sql.PreparedStatement;
import java.sql.ResultSet;
import java.sql.SQLException;
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
final class Readers implements Reads {
  private static final int THREADS = 2;
  private static final Queries QUERIES = Queries.sqlite();

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

  @Override
  public Last get(String key) {
    return read(reader -> reader.get(key));
  }

  @Override
  public Page list(String prefix, long revision, String startKey, int limit) {
    return read(reader -> reader.list(prefix, revision, startKey, limit));
  }

  @Override
  public Chunk history(String prefix, long after, long upTo) {
    return read(reader -> reader.history(prefix, after, upTo));
  }

  /** What is published: nobody else writes. */
  @Override
  public long current() {
    return log.published();
  }

  @Override
  public void close() {
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
    private final PreparedStatement progress;
    private final PreparedStatement get;
    private final PreparedStatement list;
    private final PreparedStatement history;

    Reader(Connection connection) throws SQLException {
      this.connection = connection;
      begin = connection.prepareStatement("BEGIN");
      commit = connection.prepareStatement("COMMIT");
      progress = connection.prepareStatement(QUERIES.progress());
      get = connection.prepareStatement(QUERIES.get());
      list = connection.prepareStatement(QUERIES.list());
      history = connection.prepareStatement(QUERIES.history());
    }

    Last get(String key) throws SQLException {
      QUERIES.bindKey(get, 1, key);
      try (ResultSet row = get.executeQuery()) {
        return Queries.last(key, row);
      }
    }

    Page list(String prefix, long revision, String startKey, int limit) throws SQLException {
      // Taken before the snapshot is, so that the snapshot has everything up to it.
      long published = log.published();
      long listed = Queries.listed(revision, published, compacted());
      QUERIES.bindList(prefix, listed, startKey, limit).bind(list);
      try (ResultSet rows = list.executeQuery()) {
        return QUERIES.page(rows, listed, limit);
      }
    }

    Chunk history(String prefix, long after, long upTo) throws SQLException {
      long gone = compacted();
      if (after < gone) {
        throw new CompactedException(after, gone);
      }
      QUERIES.bindHistory(prefix, after, upTo).bind(history);
      try (ResultSet rows = history.executeQuery()) {
        return QUERIES.chunk(rows);
      }
    }

    /** The first statement of every transaction that depends on it, so of the same snapshot. */
    private long compacted() throws SQLException {
      try (ResultSet row = progress.executeQuery()) {
        row.next();
        return row.getLong(2);
      }
    }
  }
}
