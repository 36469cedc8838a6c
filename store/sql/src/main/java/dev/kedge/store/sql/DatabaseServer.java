package dev.kedge.store.sql;

import java.sql.Connection;
import java.sql.SQLException;

/** A database behind the network that several servers of a cluster share. */
interface DatabaseServer extends Engine {
  /** A connection for reads that are atomic together in a transaction. */
  Connection openForReading() throws SQLException;

  /** Begins such a transaction. */
  String beginReading();

  Queries queries();

  /**
   * Returns when whatever this connection has read would survive a crash. On another connection it
   * would say nothing: the crash may have come in between.
   */
  void settle(Connection connection) throws SQLException;
}
