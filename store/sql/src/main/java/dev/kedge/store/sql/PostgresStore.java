package dev.kedge.store.sql;

import dev.kedge.store.Store;
import dev.kedge.store.StoreException;
import java.sql.SQLException;
import java.time.Duration;

/**
 * A {@link Store} in a PostgreSQL database, 15 or later, that several kedge servers may share. They
 * commit one after the other, so a revision is never seen before a smaller one; each groups what
 * waits into its next transaction.
 */
public final class PostgresStore {
  private static final Duration HISTORY = Duration.ofMinutes(5);

  private PostgresStore() {}

  /**
   * Checks a URL, and the files, without connecting.
   *
   * @throws StoreException with a sentence for the user, if they cannot be used
   */
  public static void check(String url, TlsFiles files) {
    PostgresUrl.parse(url, files);
  }

  /**
   * Connects, and makes or upgrades the tables if need be; the database too, if the user may.
   *
   * @param url {@code postgres://user:password@host:5432/database?sslmode=verify-full}; several
   *     hosts with commas, of which the one that can be written is used
   * @throws StoreException with a sentence for the user, if the database cannot be used
   */
  public static Store open(String url, TlsFiles files) {
    PostgresServer server = new PostgresServer(PostgresUrl.parse(url, files));
    try {
      server.prepare();
      return LogStore.shared(server, HISTORY, server.signal());
    } catch (SQLException e) {
      throw server.failure(e);
    }
  }
}
