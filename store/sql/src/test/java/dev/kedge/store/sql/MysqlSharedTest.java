package dev.kedge.store.sql;

import dev.kedge.store.Store;
import java.sql.Connection;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.sql.Statement;
import java.util.ArrayList;
import java.util.List;

class MysqlSharedTest extends SharedDatabaseContract {
  @Override
  String freshUrl() throws Exception {
    return TestMariadb.shared().freshUrl();
  }

  @Override
  Store open(String url) {
    return MysqlStore.open(url, TlsFiles.NONE);
  }

  @Override
  void cutConnections(String url) throws Exception {
    try (Connection connection = TestMariadb.shared().connect(TestMariadb.PASSWORD)) {
      List<Long> ids = new ArrayList<>();
      try (Statement statement = connection.createStatement();
          ResultSet row =
              statement.executeQuery(
                  "SELECT id FROM information_schema.processlist WHERE db = '"
                      + database(url)
                      + "'")) {
        while (row.next()) {
          ids.add(row.getLong(1));
        }
      }
      for (long id : ids) {
        try {
          Database.execute(connection, "KILL CONNECTION " + id);
        } catch (SQLException e) {
          // 1094: it has gone already.
          if (e.getErrorCode() != 1094) {
            throw e;
          }
        }
      }
    }
  }

  @Override
  void execute(String url, String sql) throws Exception {
    TestMariadb.shared().execute("USE " + database(url), sql);
  }

  @Override
  long rows(String url) throws Exception {
    try (Connection connection = TestMariadb.shared().connect(TestMariadb.PASSWORD)) {
      return Database.number(connection, "SELECT count(*) FROM " + database(url) + ".kedge_log");
    }
  }

  private static String database(String url) {
    return url.substring(url.lastIndexOf('/') + 1);
  }
}
