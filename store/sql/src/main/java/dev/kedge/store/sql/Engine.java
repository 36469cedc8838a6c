package dev.kedge.store.sql;

import dev.kedge.store.StoreException;
import java.sql.SQLException;
import java.time.Duration;

/** What the writer needs to know of a database. */
interface Engine {
  /** For messages and threads: {@code the database /var/lib/…/state.db}. */
  String name();

  /** A connection to write by; the one before has been closed. */
  WriteSession openForWriting() throws SQLException;

  /** Says in a sentence what went wrong and what to do about it. */
  StoreException failure(SQLException e);

  /** What to do about a failure before anybody hears of it. */
  Remedy remedy(SQLException e);

  /** Whether writes that may be lost may wait in memory: nobody else reads or writes. */
  default boolean defers() {
    return false;
  }

  /** How long a commit may take to reach the disk; zero if it is there when it returns. */
  default Duration lag() {
    return Duration.ZERO;
  }

  enum Remedy {
    /** It will not go away by trying; what was to be written is not. */
    NONE,
    /** The database undid the transaction and asks to repeat it. */
    REPEAT,
    /** The connection is gone, and with it the knowledge of what a commit came to. */
    RECONNECT
  }
}
