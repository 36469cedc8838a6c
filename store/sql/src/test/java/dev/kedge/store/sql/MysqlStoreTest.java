package dev.kedge.store.sql;

import dev.kedge.store.Store;
import dev.kedge.store.StoreContract;

class MysqlStoreTest extends StoreContract {
  @Override
  protected Store open() throws Exception {
    return MysqlStore.open(TestMariadb.shared().freshUrl(), TlsFiles.NONE);
  }

  @Override
  protected int manyWrites() {
    return 2000;
  }
}
