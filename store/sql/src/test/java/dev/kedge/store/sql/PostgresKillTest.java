package dev.kedge.store.sql;

import dev.kedge.store.Store;

class PostgresKillTest extends KillContract {
  @Override
  DatabaseProcess start() throws Exception {
    return TestPostgres.start("trust");
  }

  @Override
  Store open(DatabaseProcess database) {
    return PostgresStore.open(((TestPostgres) database).url("kedge"), TlsFiles.NONE);
  }
}
