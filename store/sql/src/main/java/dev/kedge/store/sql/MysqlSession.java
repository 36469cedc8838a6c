package dev.kedge.store.sql;

import java.nio.charset.StandardCharsets;
import java.sql.Connection;
import java.sql.PreparedStatement;
import java.sql.SQLException;
import java.util.List;
import java.util.Set;

/** Writes to MySQL and MariaDB. */
final class MysqlSession extends ServerSession {
  MysqlSession(MysqlServer server, Connection connection) {
    super(server, connection, "START TRANSACTION READ WRITE");
  }

  /** One look into the index for each key, however many rows it has. */
  @Override
  String entries(int keys) {
    return "SELECT l.key, l.value, l.create_revision, l.revision FROM (SELECT ? AS k"
        + " UNION ALL SELECT ?".repeat(keys - 1)
        + ") k STRAIGHT_JOIN kedge_log l ON l.revision = (SELECT o.revision FROM kedge_log o"
        + " WHERE o.key = k.k ORDER BY o.revision DESC LIMIT 1) WHERE l.deleted = 0";
  }

  @Override
  void bindEntries(PreparedStatement statement, Set<String> keys) throws SQLException {
    int index = 1;
    for (String key : keys) {
      statement.setBytes(index++, key.getBytes(StandardCharsets.UTF_8));
    }
  }

  @Override
  String insert(int rows) {
    return "INSERT INTO kedge_log VALUES (?, ?, ?, ?, ?, ?, ?)"
        + ", (?, ?, ?, ?, ?, ?, ?)".repeat(rows - 1);
  }

  @Override
  int bindInsert(PreparedStatement statement, List<Row> rows, long batch) throws SQLException {
    int index = 1;
    for (Row row : rows) {
      statement.setLong(index++, row.revision());
      statement.setBytes(index++, row.key().getBytes(StandardCharsets.UTF_8));
      statement.setLong(index++, row.created());
      statement.setLong(index++, row.previous());
      statement.setInt(index++, row.value() == null ? 1 : 0);
      statement.setBytes(index++, row.value());
      statement.setLong(index++, batch);
    }
    return index;
  }

  /** Nobody can be told; others look. */
  @Override
  String tell() {
    return "";
  }
}
