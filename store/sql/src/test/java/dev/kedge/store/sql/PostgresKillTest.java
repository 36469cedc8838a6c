package dev.kedge.store.sql;

import dev.kedge.store.Store;

class PostgresKillTest extends KillContract {
  @Override
  DatabaseProcess start() throws Exception {
    return TestPostgres.start("trust", "listen_addresses=*");
  }

  @Override
  String url(DatabaseProcess database, String host) {
    return ((TestPostgres) database).url("kedge").replace("127.0.0.1", host);
  }

  @Override
  Store open(String url) {
    return PostgresStore.open(url, TlsFiles.NONE);
  }
}
