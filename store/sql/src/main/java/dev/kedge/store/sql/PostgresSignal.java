package dev.kedge.store.sql;

import java.lang.System.Logger;
import java.lang.System.Logger.Level;
import java.sql.Connection;
import java.sql.SQLException;
import org.jspecify.annotations.Nullable;
import org.postgresql.PGConnection;
import org.postgresql.PGNotification;

/**
 * Is notified by PostgreSQL of other servers' commits. Looks once a second all the same, for a
 * pooler in between may swallow notifications.
 */
final class PostgresSignal implements Signal {
  static final String CHANNEL = "kedge_log";

  private static final Logger LOG = System.getLogger("dev.kedge.store.sql");
  private static final int POLL_MILLIS = 1000;

  private final PostgresServer server;
  private final String signature;
  private @Nullable Connection connection;

  /**
   * @param signature of this server's own notifications, which are nothing new
   */
  PostgresSignal(PostgresServer server, String signature) {
    this.server = server;
    this.signature = signature;
  }

  @Override
  public void await(boolean busy) throws SQLException {
    Connection listening = connection;
    if (listening == null) {
      listening = server.openForReading();
      connection = listening;
      Database.execute(listening, "LISTEN " + CHANNEL);
      // What was committed before nobody told us of.
      return;
    }
    long deadline = System.nanoTime() + POLL_MILLIS * 1_000_000L;
    PGConnection notified = listening.unwrap(PGConnection.class);
    while (true) {
      int left = (int) ((deadline - System.nanoTime()) / 1_000_000);
      if (left <= 0) {
        return;
      }
      PGNotification[] notifications = notified.getNotifications(left);
      if (notifications == null) {
        return;
      }
      for (PGNotification notification : notifications) {
        if (!notification.getParameter().equals(signature)) {
          return;
        }
      }
    }
  }

  @Override
  public void reset() {
    Connection broken = connection;
    connection = null;
    if (broken != null) {
      try {
        broken.close();
      } catch (SQLException e) {
        LOG.log(Level.DEBUG, "a broken connection did not close in order", e);
      }
    }
  }
}
