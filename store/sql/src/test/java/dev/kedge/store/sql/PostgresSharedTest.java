package dev.kedge.store.sql;

import dev.kedge.store.Store;
import java.sql.Connection;

class PostgresSharedTest extends SharedDatabaseContract {
  @Override
  String freshUrl() throws Exception {
    return TestPostgres.shared().freshUrl();
  }

  @Override
  Store open(String url) {
    return PostgresStore.open(url, TlsFiles.NONE);
  }

  @Override
  void cutConnections(String url) throws Exception {
    TestPostgres.shared()
        .execute(
            "postgres",
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '"
                + database(url)
                + "'");
  }

  @Override
  void execute(String url, String sql) throws Exception {
    TestPostgres.shared().execute(database(url), sql);
  }

  @Override
  long rows(String url) throws Exception {
    try (Connection connection = TestPostgres.shared().connect(database(url), "postgres", "")) {
      return Database.number(connection, "SELECT count(*) FROM kedge_log");
    }
  }

  private static String database(String url) {
    return url.substring(url.lastIndexOf('/') + 1);
  }
}
