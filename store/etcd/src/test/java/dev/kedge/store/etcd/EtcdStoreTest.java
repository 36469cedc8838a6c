package dev.kedge.store.etcd;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.kedge.store.Store;
import dev.kedge.store.StoreContract;
import dev.kedge.store.StoreException;
import dev.kedge.store.StoreWatch;
import java.io.IOException;
import java.net.ServerSocket;
import java.net.URI;
import java.time.Duration;
import java.util.List;
import java.util.Optional;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;

/** The contract on one real etcd, and what is etcd's own. */
class EtcdStoreTest extends StoreContract {
  private static EtcdProcesses etcd;
  private static int stores;

  @BeforeAll
  static void startEtcd() throws IOException {
    etcd = EtcdProcesses.start(1);
  }

  @AfterAll
  static void stopEtcd() {
    if (etcd != null) {
      etcd.close();
    }
  }

  @Override
  protected Store open() {
    return etcd.open("/store-" + stores++);
  }

  @Test
  void changesOfOthersInTheSameEtcdDoNotHoldProgressUp() throws Exception {
    try (StoreWatch watch = store.watch("/p/", 0);
        EtcdStore other = etcd.open("/other-" + stores++)) {
      long elsewhere = ((Store.WriteResult.Committed) other.create("/x", bytes("1"))).revision();
      watch.requestProgress();
      assertThat(watch.take(Duration.ofSeconds(10))).isEmpty();
      assertThat(watch.progress()).isGreaterThanOrEqualTo(elsewhere);
    }
  }

  @Test
  void twoServersSeeEachOthersWritesInOneOrder() throws Exception {
    String root = "/shared-" + stores++;
    try (EtcdStore one = etcd.open(root);
        EtcdStore two = etcd.open(root);
        StoreWatch seenByOne = one.watch("/p/", 0);
        StoreWatch seenByTwo = two.watch("/p/", 0)) {
      writeMany(200, i -> (i % 2 == 0 ? one : two).create("/p/" + i, bytes("x")));
      assertThat(take(seenByOne, 200).stream().map(StoreWatch.Event::revision).toList())
          .isEqualTo(take(seenByTwo, 200).stream().map(StoreWatch.Event::revision).toList())
          .isSorted();
    }
  }

  @Test
  void theMarkIsNoKeyOfTheStore() {
    create("/a", "1");
    assertThat(shown(store.list("/", 0, "", 0))).containsExactly("/a=1");
    assertThat(shown(store.list("", 0, "", 0))).containsExactly("/a=1");
  }

  @Test
  void listsMoreThanOneOfEtcdsPages() throws Exception {
    writeMany(1_203, i -> create("/p/%04d".formatted(i), "v"));
    Store.Page page = store.list("/p/", 0, "", 1_100);
    assertThat(page.entries()).hasSize(1_100);
    assertThat(page.more()).isTrue();
    assertThat(page.remaining()).isEqualTo(103);
    assertThat(store.list("/p/", 0, "", 0).entries()).hasSize(1_203);
  }

  @Test
  void whatIsTooLargeForEtcdIsSaidSo() {
    assertThatThrownBy(() -> store.create("/large", new byte[9 << 20]))
        .isInstanceOf(StoreException.class)
        .hasMessageContaining("larger than etcd takes");
  }

  @Test
  void noEtcdIsOneSentence() throws IOException {
    int port;
    try (ServerSocket free = new ServerSocket(0)) {
      port = free.getLocalPort();
    }
    EtcdStore.Settings nowhere =
        new EtcdStore.Settings(
            List.of(URI.create("http://127.0.0.1:" + port)), Optional.empty(), false, "");
    assertThatThrownBy(() -> EtcdStore.open(nowhere))
        .isInstanceOf(StoreException.class)
        .hasMessage(
            "etcd at http://127.0.0.1:"
                + port
                + " cannot be reached (connection refused); start it or correct"
                + " --datastore-endpoint");
  }
}
