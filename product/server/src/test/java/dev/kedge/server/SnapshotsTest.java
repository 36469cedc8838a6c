package dev.kedge.server;

import static dev.kedge.server.TestServers.client;
import static dev.kedge.server.TestServers.start;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.awaitility.Awaitility.await;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import dev.kedge.client.HttpKubeClient;
import dev.kedge.lifecycle.UserException;
import dev.kedge.model.JsonObject;
import dev.kedge.model.KubeObject;
import dev.kedge.model.Resources;
import dev.kedge.store.Store;
import dev.kedge.store.snapshot.SnapshotPlace.Kept;
import dev.kedge.store.sql.SqliteStore;
import dev.kedge.store.sql.TestPostgres;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.RandomAccessFile;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Clock;
import java.time.Duration;
import java.util.List;
import java.util.Optional;
import java.util.OptionalInt;
import java.util.Set;
import java.util.TreeSet;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

/** Snapshots of whole servers: taken by schedule and on demand, and what is made of them. */
@Timeout(240)
class SnapshotsTest {
  private static final String TOKEN = "a-secret-of-this-test";

  @TempDir private Path directory;

  private static ServerConfig.Snapshots every(String cron, int retention) {
    return new ServerConfig.Snapshots(
        false,
        Optional.of(cron),
        OptionalInt.of(retention),
        Optional.empty(),
        "etcd-snapshot",
        true,
        true,
        Optional.empty(),
        Optional.empty(),
        OptionalInt.empty());
  }

  private ServerConfig config(String name, Datastore datastore, boolean init) {
    return TestServers.config(
        directory,
        name,
        "127.0.0.1",
        datastore,
        TestServers.cluster(TOKEN, Optional.empty(), init),
        ServerConfig.Snapshots.DEFAULT);
  }

  private ServerConfig alone(String name) {
    return config(name, Datastore.EMBEDDED, false);
  }

  private static KubeObject configMap(String name) {
    return KubeObject.of(Resources.CONFIG_MAPS.groupVersionKind(), "default", name)
        .with("data", JsonObject.of("a", "b"));
  }

  private static boolean has(HttpKubeClient client, String name) {
    return client.find(Resources.CONFIG_MAPS, "default", name).isPresent();
  }

  private static Snapshots snapshots(ServerConfig config) {
    return new Snapshots(config, Clock.systemUTC());
  }

  /** Of a server that does not run. */
  private static Snapshots.Saved save(ServerConfig config) {
    Snapshots snapshots = snapshots(config);
    return snapshots.save(Snapshots.ON_DEMAND, () -> snapshots.content(Optional.empty()));
  }

  private static String restore(ServerConfig config, Path snapshot, boolean force) {
    ByteArrayOutputStream said = new ByteArrayOutputStream();
    KedgeServer.restore(config, snapshot.toString(), force, TestServers.startup(said));
    return said.toString(StandardCharsets.UTF_8);
  }

  private static List<String> names(ServerConfig config) {
    return snapshots(config).list().stream().map(Kept::name).toList();
  }

  /** Half of the pages, with all in their places. */
  private static void damage(Path database) throws IOException {
    SqliteStore.open(database).close();
    try (RandomAccessFile raw = new RandomAccessFile(database.toFile(), "rw")) {
      for (long page = 2; page < raw.length() / 4096; page += 2) {
        raw.seek(page * 4096);
        raw.write(new byte[512]);
      }
    }
  }

  @Test
  void snapshotsAreTakenByScheduleAndADamagedFileGoesBackToTheNewest() throws Exception {
    ServerConfig config =
        TestServers.config(
            directory,
            "one",
            "127.0.0.1",
            Datastore.EMBEDDED,
            TestServers.cluster(TOKEN, Optional.empty(), false),
            every("@every 1s", 2));
    Set<String> seen = new TreeSet<>();
    try (KedgeServer _ = start(config);
        HttpKubeClient client = client(config)) {
      long revision =
          Long.parseLong(client.create(Resources.CONFIG_MAPS, configMap("kept")).resourceVersion());
      await()
          .atMost(Duration.ofSeconds(60))
          .until(
              () -> {
                seen.addAll(names(config));
                return seen.size() >= 4
                    && snapshots(config).list().getLast().header().orElseThrow().revision()
                        >= revision;
              });
      assertThat(seen).allMatch(name -> name.matches("etcd-snapshot-one-\\d+"));
    }
    assertThat(names(config)).hasSizeLessThanOrEqualTo(3);
    // A newer one that is no good, and one of another cluster, are passed over.
    Kept newest = snapshots(config).list().getLast();
    Path good = config.snapshotDir().resolve(newest.name());
    byte[] cut = java.util.Arrays.copyOf(Files.readAllBytes(good), (int) newest.size() - 7);
    Files.write(config.snapshotDir().resolve("etcd-snapshot-one-99999999999"), cut);
    damage(config.databaseFile());

    ByteArrayOutputStream said = new ByteArrayOutputStream();
    try (KedgeServer _ = start(config, said);
        HttpKubeClient client = client(config)) {
      assertThat(has(client, "kept")).isTrue();
      assertThat(said.toString(StandardCharsets.UTF_8))
          .contains("the database " + config.databaseFile() + " is damaged (")
          .contains(
              "the cluster goes on with the snapshot " + newest.name() + " of " + newest.created())
          .contains(
              "the changes of revisions " + (newest.header().orElseThrow().revision() + 1) + " to ")
          .containsPattern("the damaged file is kept as .*state\\.db\\.replaced-");
    }

    // Without a snapshot it is refused, and left alone.
    for (String name : names(config)) {
      snapshots(config).delete(name);
    }
    damage(config.databaseFile());
    assertThatThrownBy(() -> start(config))
        .isInstanceOf(UserException.class)
        .hasMessageContaining("is damaged")
        .hasMessageContaining("restore it from a snapshot");
    assertThat(config.databaseFile()).exists();
  }

  @Test
  void anotherEngineTakesTheClusterWithItsIdentity() throws Exception {
    ServerConfig one = alone("one");
    try (KedgeServer _ = start(one);
        HttpKubeClient client = client(one)) {
      client.create(Resources.CONFIG_MAPS, configMap("old"));
      assertThatThrownBy(() -> restore(one, directory.resolve("none"), true))
          .hasMessageContaining("there is no snapshot");
    }
    Snapshots.Saved saved = save(one);

    Datastore postgres =
        new Datastore(
            TestPostgres.shared().freshUrl(), Optional.empty(), Optional.empty(), Optional.empty());
    ServerConfig two = config("two", postgres, false);
    assertThat(restore(two, saved.file(), false))
        .contains("holds the snapshot of revision " + saved.revision() + ", taken of sqlite");
    assertThat(two.tlsDir().resolve("server-ca.crt"))
        .hasSameTextualContentAs(one.tlsDir().resolve("server-ca.crt"));

    try (KedgeServer _ = start(two);
        HttpKubeClient client = client(two)) {
      assertThat(has(client, "old")).isTrue();
      assertThat(
              Long.parseLong(
                  client
                      .find(Resources.CONFIG_MAPS, "default", "old")
                      .orElseThrow()
                      .resourceVersion()))
          .isGreaterThan(saved.revision() + 1_000_000_000);
      client.create(Resources.CONFIG_MAPS, configMap("new"));
      // From a machine whose own server is stopped.
      ServerConfig three = config("three", postgres, false);
      assertThatThrownBy(() -> restore(three, saved.file(), true))
          .isInstanceOf(UserException.class)
          .hasMessageContaining("the kedge server two uses this datastore");
    }
    assertThatThrownBy(() -> restore(two, saved.file(), false))
        .isInstanceOf(UserException.class)
        .hasMessageContaining("is not empty; give --force");

    String said = restore(two, saved.file(), true);

    assertThat(said).contains("What was there is kept as the snapshot ");
    assertThat(names(two)).singleElement().asString().startsWith("before-restore-two-");
    try (KedgeServer _ = start(two);
        HttpKubeClient client = client(two)) {
      assertThat(has(client, "old")).isTrue();
      assertThat(has(client, "new")).isFalse();
    }
    // And back, with what there was before.
    Path before = two.snapshotDir().resolve(names(two).getFirst());
    restore(one, before, true);
    try (KedgeServer _ = start(one);
        HttpKubeClient client = client(one)) {
      assertThat(has(client, "new")).isTrue();
    }
  }

  @Test
  void whatDoesNotFitIsRefusedAndChangesNothing() throws Exception {
    ServerConfig one = alone("one");
    try (KedgeServer _ = start(one)) {
      assertThatThrownBy(() -> save(one))
          .isInstanceOf(UserException.class)
          .hasMessageContaining("another kedge server uses the data directory");
    }
    Path snapshot = save(one).file();
    ServerConfig other = alone("two");
    try (KedgeServer _ = start(other)) {
      assertThat(other.databaseFile()).exists();
    }
    assertThatThrownBy(() -> restore(other, snapshot, true))
        .isInstanceOf(UserException.class)
        .hasMessageContaining("belongs to another cluster");
    ServerConfig wrong =
        TestServers.config(
            directory,
            "three",
            "127.0.0.1",
            Datastore.EMBEDDED,
            TestServers.cluster("another", Optional.empty(), false),
            ServerConfig.Snapshots.DEFAULT);
    assertThatThrownBy(() -> restore(wrong, snapshot, false))
        .isInstanceOf(UserException.class)
        .hasMessageContaining("is of a cluster with another token; give that with --token");
    assertThat(wrong.dataDir()).doesNotExist();
    assertThatThrownBy(() -> restore(one, snapshot, false))
        .hasMessageContaining("there is a database " + one.databaseFile() + "; give --force");
    Files.write(snapshot, new byte[1], java.nio.file.StandardOpenOption.APPEND);
    assertThatThrownBy(() -> restore(one, snapshot, true))
        .hasMessageContaining("is damaged: it was cut short or altered");
    assertThatThrownBy(() -> save(alone("four")))
        .isInstanceOf(UserException.class)
        .hasMessageContaining("there is no database");
  }

  @Test
  void aDatastoreFilledInPartIsNotStartedOn() throws Exception {
    Datastore postgres =
        new Datastore(
            TestPostgres.shared().freshUrl(), Optional.empty(), Optional.empty(), Optional.empty());
    ServerConfig one = config("one", postgres, false);
    try (KedgeServer _ = start(one)) {
      assertThat(one.tokenFile()).exists();
    }
    Snapshots.Saved saved = save(one);
    try (Store store = postgres.open(directory.resolve("unused"))) {
      store.create(Restoring.MARK, "the-one".getBytes(StandardCharsets.UTF_8));
    }
    assertThatThrownBy(() -> start(one))
        .isInstanceOf(UserException.class)
        .hasMessageContaining("the snapshot the-one was restored into this datastore in part only");

    // To run it again needs no force.
    restore(one, saved.file(), false);

    try (KedgeServer _ = start(one)) {
      assertThat(names(one)).containsExactly(saved.name());
    }
  }

  @Test
  void aServersOwnEtcdIsMadeOfASnapshot() throws Exception {
    assumeTrue(
        Stream.of(System.getenv("PATH").split(":", -1))
            .anyMatch(place -> Files.isExecutable(Path.of(place, "etcd"))),
        "etcd is not installed (Debian package etcd-server)");
    ServerConfig one = alone("one");
    try (KedgeServer _ = start(one);
        HttpKubeClient client = client(one)) {
      client.create(Resources.CONFIG_MAPS, configMap("old"));
    }
    Snapshots.Saved saved = save(one);
    ServerConfig.Cluster cluster = TestServers.cluster(TOKEN, Optional.empty(), false);
    ServerConfig.Cluster resetting =
        new ServerConfig.Cluster(
            cluster.token(),
            Optional.empty(),
            false,
            true,
            Optional.of(saved.file().toString()),
            cluster.etcdClientPort(),
            cluster.etcdPeerPort(),
            false);
    ServerConfig two =
        TestServers.config(
            directory,
            "two",
            "127.0.0.1",
            Datastore.EMBEDDED,
            resetting,
            ServerConfig.Snapshots.DEFAULT);

    KedgeServer.resetCluster(two, TestServers.startup(new ByteArrayOutputStream()));

    ServerConfig started =
        TestServers.config(
            directory,
            "two",
            "127.0.0.1",
            Datastore.EMBEDDED,
            cluster,
            ServerConfig.Snapshots.DEFAULT);
    try (KedgeServer _ = start(started);
        HttpKubeClient client = client(started)) {
      assertThat(has(client, "old")).isTrue();
      assertThat(started.databaseFile()).doesNotExist();
    }
    assertThatThrownBy(() -> save(started))
        .hasMessageContaining("does not run, nor does its etcd; start it");
  }
}
