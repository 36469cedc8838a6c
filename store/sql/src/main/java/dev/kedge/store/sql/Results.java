package dev.kedge.store.sql;

import java.sql.PreparedStatement;
import java.sql.ResultSet;
import java.sql.SQLException;

/** The answers to several statements that were sent as one, to save the ways there and back. */
final class Results {
  private final PreparedStatement statement;
  private boolean rows;
  private boolean read;

  private Results(PreparedStatement statement, boolean rows) {
    this.statement = statement;
    this.rows = rows;
  }

  static Results of(PreparedStatement statement) throws SQLException {
    return new Results(statement, statement.execute());
  }

  /** The next answer that has rows. */
  ResultSet next() throws SQLException {
    if (read) {
      rows = statement.getMoreResults();
    }
    while (!rows) {
      if (statement.getUpdateCount() == -1) {
        throw new SQLException("the database left a question unanswered");
      }
      rows = statement.getMoreResults();
    }
    read = true;
    return statement.getResultSet();
  }

  /** Passes over what is left; a failure there is thrown. */
  void finish() throws SQLException {
    while (rows || statement.getUpdateCount() != -1) {
      rows = statement.getMoreResults();
    }
  }
}
