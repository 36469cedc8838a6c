package dev.kedge.store.sql;

import dev.kedge.store.Store;

class MysqlKillTest extends KillContract {
  @Override
  DatabaseProcess start() throws Exception {
    return TestMariadb.startWith("--bind-address=0.0.0.0");
  }

  @Override
  String url(DatabaseProcess database, String host) {
    return ((TestMariadb) database).url("kedge").replace("127.0.0.1", host);
  }

  @Override
  Store open(String url) {
    return MysqlStore.open(url, TlsFiles.NONE);
  }
}
