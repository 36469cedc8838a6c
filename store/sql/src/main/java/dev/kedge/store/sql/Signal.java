package dev.kedge.store.sql;

import java.sql.SQLException;

/** Tells when it is worth looking whether other servers have written. One thread. */
interface Signal {
  /**
   * Waits for that.
   *
   * @param busy whether the last look found something
   */
  void await(boolean busy) throws SQLException, InterruptedException;

  /** Drops what is broken; the next wait begins anew. */
  void reset();
}
