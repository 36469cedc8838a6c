package dev.kedge.store.sql;

import java.sql.Connection;
import java.sql.PreparedStatement;
import java.sql.SQLException;
import java.util.List;
import java.util.Set;
import org.jspecify.annotations.Nullable;

/** Writes to PostgreSQL: keys and rows travel as arrays, so statements are prepared once. */
final class PostgresSession extends ServerSession {
  private final String channel;

  /**
   * @param signature tells this server's notifications from others'
   */
  PostgresSession(PostgresServer server, Connection connection, String signature) {
    super(server, connection, "BEGIN ISOLATION LEVEL READ COMMITTED READ WRITE");
    this.channel = "; SELECT pg_notify('" + PostgresSignal.CHANNEL + "', '" + signature + "')";
  }

  @Override
  String entries(int keys) {
    return """
    SELECT k.key, l.value, l.create_revision, l.revision
    FROM unnest(?::text[]) AS k(key) CROSS JOIN LATERAL (
      SELECT * FROM kedge_log o WHERE o.key = k.key ORDER BY o.revision DESC LIMIT 1
    ) l WHERE l.deleted = 0\
    """;
  }

  @Override
  void bindEntries(PreparedStatement statement, Set<String> keys) throws SQLException {
    statement.setArray(1, connection().createArrayOf("text", keys.toArray()));
  }

  @Override
  String insert(int rows) {
    return "INSERT INTO kedge_log SELECT r.*, ? FROM unnest(?::bigint[], ?::text[], ?::bigint[],"
        + " ?::bigint[], ?::smallint[], ?::bytea[]) AS r";
  }

  @Override
  int bindInsert(PreparedStatement statement, List<Row> rows, long batch) throws SQLException {
    int count = rows.size();
    Long[] revisions = new Long[count];
    String[] keys = new String[count];
    Long[] created = new Long[count];
    Long[] previous = new Long[count];
    Short[] deleted = new Short[count];
    byte[] @Nullable [] values = new byte[count][];
    for (int i = 0; i < count; i++) {
      Row row = rows.get(i);
      revisions[i] = row.revision();
      keys[i] = row.key();
      created[i] = row.created();
      previous[i] = row.previous();
      deleted[i] = (short) (row.value() == null ? 1 : 0);
      values[i] = row.value();
    }
    Connection connection = connection();
    statement.setLong(1, batch);
    statement.setArray(2, connection.createArrayOf("bigint", revisions));
    statement.setArray(3, connection.createArrayOf("text", keys));
    statement.setArray(4, connection.createArrayOf("bigint", created));
    statement.setArray(5, connection.createArrayOf("bigint", previous));
    statement.setArray(6, connection.createArrayOf("smallint", deleted));
    statement.setArray(7, connection.createArrayOf("bytea", values));
    return 8;
  }

  @Override
  String tell() {
    return channel;
  }
}
