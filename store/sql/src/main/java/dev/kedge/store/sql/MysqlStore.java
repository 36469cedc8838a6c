package dev.kedge.store.sql;

import dev.kedge.store.Store;
import dev.kedge.store.StoreException;
import java.sql.SQLException;
import java.time.Duration;

/**
 * A {@link Store} in a database of MySQL 8, MariaDB 10.11 or later, that several kedge servers may
 * share. They commit one after the other, so a revision is never seen before a smaller one; each
 * groups what waits into its next transaction.
 */
public final class MysqlStore {
  private static final Duration HISTORY = Duration.ofMinutes(5);

  private MysqlStore() {}

  /**
   * Checks a URL, and the files, without connecting.
   *
   * @throws StoreException with a sentence for the user, if they cannot be used
   */
  public static void check(String url, TlsFiles files) {
    MysqlUrl.parse(url, files);
  }

  /**
   * Connects, and makes or upgrades the tables if need be; the database too, if the user may.
   *
   * @param url {@code mysql://user:password@tcp(host:3306)/database?tls=true}
   * @throws StoreException with a sentence for the user, if the database cannot be used
   */
  public static Store open(String url, TlsFiles files) {
    MysqlServer server = new MysqlServer(MysqlUrl.parse(url, files));
    try {
      server.prepare();
      return LogStore.shared(server, HISTORY, new PollSignal());
    } catch (SQLException e) {
      throw server.failure(e);
    }
  }
}
