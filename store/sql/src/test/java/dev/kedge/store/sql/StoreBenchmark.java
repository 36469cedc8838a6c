package dev.kedge.store.sql;

import dev.kedge.store.EngineBenchmark;
import java.nio.file.Path;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.condition.EnabledIfSystemProperty;
import org.junit.jupiter.api.io.TempDir;

/** Prints what each engine costs, durable as shipped; the README says how to run it. */
@EnabledIfSystemProperty(named = "kedge.benchmark", matches = "true")
class StoreBenchmark {
  @TempDir Path directory;

  @Test
  void sqlite() throws Exception {
    Path file = directory.resolve("db/state.db");
    EngineBenchmark.measure("SQLite", () -> SqliteStore.open(file), false);
  }

  @Test
  void postgres() throws Exception {
    try (TestPostgres server = TestPostgres.start("trust")) {
      String url = server.url("kedge");
      EngineBenchmark.measure("PostgreSQL", () -> PostgresStore.open(url, TlsFiles.NONE), true);
    }
  }

  @Test
  void mariadb() throws Exception {
    try (TestMariadb server = TestMariadb.startWith()) {
      String url = server.url("kedge");
      EngineBenchmark.measure("MariaDB", () -> MysqlStore.open(url, TlsFiles.NONE), true);
    }
  }
}
