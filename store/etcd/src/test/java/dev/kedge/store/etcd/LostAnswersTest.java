package dev.kedge.store.etcd;

import static java.nio.charset.StandardCharsets.UTF_8;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.kedge.store.Store.Entry;
import dev.kedge.store.Store.WriteResult;
import dev.kedge.store.Store.WriteResult.Committed;
import dev.kedge.store.Store.WriteResult.Conflict;
import dev.kedge.store.StoreException;
import dev.kedge.store.StoreWatch;
import dev.kedge.store.StoreWatch.Event;
import java.io.IOException;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;

/** Writes that took effect while their answer was lost, and watches whose connection was cut. */
class LostAnswersTest {
  private EtcdProcesses etcd;
  private LossyProxy proxy;

  private EtcdStore direct;
  private EtcdStore lossy;

  @BeforeEach
  void start() throws IOException {
    etcd = EtcdProcesses.start(1);
    proxy = new LossyProxy(etcd.urls().getFirst());
    direct = etcd.open("");
    lossy =
        EtcdStore.open(new EtcdStore.Settings(List.of(proxy.url()), Optional.empty(), false, ""));
  }

  @AfterEach
  void stop() throws IOException {
    if (lossy != null) {
      lossy.close();
      direct.close();
      proxy.close();
    }
    if (etcd != null) {
      etcd.close();
    }
  }

  @Test
  void aCreationIsFoundAgainAndMadeOnce() {
    proxy.loseNextAnswer();
    long revision = committed(lossy.create("/a", bytes("1")));
    assertThat(proxy.lost()).isTrue();
    assertThat(direct.get("/a").map(Entry::revision)).contains(revision);
    assertThat(direct.get("/a").map(Entry::createRevision)).contains(revision);
  }

  @Test
  void anUpdateIsFoundAgainAlsoWhenAnotherFollowedIt() {
    long created = committed(direct.create("/a", bytes("1")));
    proxy.loseNextAnswer();
    long updated = committed(lossy.update("/a", bytes("2"), created));
    assertThat(proxy.lost()).isTrue();
    assertThat(updated).isGreaterThan(created);
    assertThat(direct.update("/a", bytes("3"), updated)).isInstanceOf(Committed.class);
    assertThat(lossy.update("/a", bytes("4"), created)).isInstanceOf(Conflict.class);
  }

  @Test
  void aDeletionIsNotGuessed() {
    long created = committed(direct.create("/a", bytes("1")));
    proxy.loseNextAnswer();
    assertThatThrownBy(() -> lossy.delete("/a", created))
        .isInstanceOf(StoreException.class)
        .hasMessageContaining("was deleted, here or elsewhere");
    assertThat(direct.get("/a")).isEmpty();
  }

  @Test
  void aRefusalStaysOne() {
    long created = committed(direct.create("/a", bytes("1")));
    long updated = committed(direct.update("/a", bytes("2"), created));
    proxy.loseNextAnswer();
    assertThat(lossy.update("/a", bytes("3"), created))
        .isInstanceOfSatisfying(
            Conflict.class,
            conflict -> assertThat(conflict.current().revision()).isEqualTo(updated));
    assertThat(proxy.lost()).isTrue();
  }

  @Test
  void aWatchGoesOnAfterItsConnectionWasCut() throws Exception {
    try (StoreWatch watch = lossy.watch("/", 0)) {
      List<Long> written = new ArrayList<>();
      List<Long> seen = new ArrayList<>();
      for (int i = 0; i < 30; i++) {
        if (i % 10 == 5) {
          proxy.cut();
        }
        written.add(committed(direct.create("/n" + i, bytes("x"))));
      }
      while (seen.size() < written.size()) {
        List<Event> events = watch.take(Duration.ofSeconds(60));
        assertThat(events).isNotEmpty();
        events.forEach(event -> seen.add(event.revision()));
      }
      assertThat(seen).isEqualTo(written);
    }
  }

  private static long committed(WriteResult result) {
    assertThat(result).isInstanceOf(Committed.class);
    return ((Committed) result).revision();
  }

  private static byte[] bytes(String text) {
    return text.getBytes(UTF_8);
  }
}
