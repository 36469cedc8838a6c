package dev.kedge.store.sql;

import dev.kedge.store.Store;

class MysqlKillTest extends KillContract {
  @Override
  DatabaseProcess start() throws Exception {
    return TestMariadb.startWith();
  }

  @Override
  Store open(DatabaseProcess database) {
    return MysqlStore.open(((TestMariadb) database).url("kedge"), TlsFiles.NONE);
  }
}
