package dev.kedge.server;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.awaitility.Awaitility.await;

import dev.kedge.lifecycle.UserException;
import dev.kedge.store.Store;
import dev.kedge.store.etcd.EtcdProcesses;
import dev.kedge.store.etcd.EtcdStore;
import dev.kedge.store.sql.BadDays;
import dev.kedge.store.sql.BadDays.Certificates;
import dev.kedge.store.sql.SqliteStore;
import java.io.ByteArrayOutputStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Clock;
import java.time.Duration;
import java.util.Arrays;
import java.util.List;
import java.util.Optional;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.Executors;
import java.util.stream.Stream;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.DynamicTest;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.TestFactory;
import org.junit.jupiter.api.io.TempDir;

/**
 * etcd endpoints that cannot be used: the sentence that each gets, and that nothing was changed.
 */
class EtcdBadInputTest {
  @TempDir private static Path directory;
  private static Certificates certificates;
  private static EtcdProcesses secure;
  private static EtcdProcesses plain;

  /**
   * @param files names of authority, certificate and key; shorter where there are none
   * @param sentences what the message must say
   */
  private record Case(String name, String endpoint, List<String> files, String... sentences) {
    Datastore datastore() {
      return new Datastore(endpoint, file(0), file(1), file(2));
    }

    private Optional<Path> file(int index) {
      return index < files.size()
          ? Optional.of(certificates.file(files.get(index)))
          : Optional.empty();
    }

    ServerConfig config() {
      return EtcdBadInputTest.config(name.replace(' ', '-'), datastore());
    }
  }

  private static ServerConfig config(String name, Datastore datastore) {
    return TestServers.config(
        directory,
        name,
        "127.0.0.1",
        datastore,
        TestServers.cluster("a-secret-of-this-test", Optional.empty(), false),
        ServerConfig.Snapshots.DEFAULT);
  }

  @BeforeAll
  static void start() throws Exception {
    certificates = Certificates.make(Files.createDirectory(directory.resolve("certificates")));
    plain = EtcdProcesses.start(1);
    secure =
        EtcdProcesses.startSecure(
            certificates.file("ca.crt"),
            certificates.file("server.crt"),
            certificates.file("server.key"));
    Case good = new Case("good", url(secure), List.of("ca.crt", "client.crt", "client.key"));
    await()
        .atMost(Duration.ofSeconds(60))
        .ignoreException(UserException.class)
        .until(
            () -> {
              try (Store store = good.datastore().open(directory.resolve("none"))) {
                return store.currentRevision() > 0;
              }
            });
  }

  @AfterAll
  static void stop() {
    Stream.of(plain, secure).filter(each -> each != null).forEach(EtcdProcesses::close);
  }

  private static String url(EtcdProcesses etcd) {
    return etcd.urls().getFirst().toString();
  }

  @TestFactory
  Stream<DynamicTest> eachGetsItsSentence() throws Exception {
    try (Store newer = plain.open(".kedge")) {
      newer.create("/format", new byte[] {'2'});
    }
    String secured = url(secure);
    List<Case> cases =
        List.of(
            new Case(
                "nobody listens",
                "http://127.0.0.1:" + BadDays.freePort(),
                List.of(),
                "cannot be reached (connection refused)",
                "start it or correct --datastore-endpoint"),
            new Case(
                "no such host",
                "http://kedge-none.invalid:2379",
                List.of(),
                "http://kedge-none.invalid:2379 cannot be reached: its name is unknown"),
            new Case(
                "another authority",
                secured,
                List.of("other.crt", "client.crt", "client.key"),
                "shows a certificate of another authority",
                "with --datastore-cafile"),
            new Case(
                "another name",
                secured.replace("127.0.0.1", "localhost"),
                List.of("ca.crt", "client.crt", "client.key"),
                "name it in --datastore-endpoint as its certificate does"),
            new Case(
                "no client certificate",
                secured,
                List.of("ca.crt"),
                "asks for a client certificate",
                "give one with --datastore-certfile and --datastore-keyfile"),
            new Case(
                "a client certificate of another authority",
                secured,
                List.of("ca.crt", "other.crt", "other.key"),
                "does not accept the certificate in --datastore-certfile",
                "give one of an authority that it trusts"),
            new Case(
                "in the clear where TLS is wanted",
                secured.replace("https", "http"),
                List.of(),
                "begin its URL with https:// if it wants TLS"),
            new Case(
                "TLS where there is none",
                url(plain).replace("http", "https"),
                List.of("ca.crt"),
                "begin its URL with http:// if it speaks none"),
            new Case(
                "a newer kedge",
                url(plain),
                List.of(),
                "was set up by a newer kedge (format 2); upgrade this server"));
    // All at once: some are only given up after seconds.
    try (var threads = Executors.newVirtualThreadPerTaskExecutor()) {
      List<CompletableFuture<Throwable>> failures =
          cases.stream()
              .map(each -> CompletableFuture.supplyAsync(() -> failure(each), threads))
              .toList();
      failures.forEach(CompletableFuture::join);
      return cases.stream()
          .map(
              each ->
                  DynamicTest.dynamicTest(
                      each.name(), () -> check(each, failures.get(cases.indexOf(each)).join())));
    }
  }

  private static Throwable failure(Case each) {
    try (KedgeServer server = TestServers.start(each.config())) {
      return new AssertionError(server + " started");
    } catch (UserException e) {
      return e;
    }
  }

  private static void check(Case each, Throwable failure) {
    assertThat(failure)
        .isInstanceOf(UserException.class)
        .message()
        .contains(each.sentences())
        .doesNotContain("\n")
        .hasSizeLessThan(400);
    assertThat(each.config().dataDir()).doesNotExist();
  }

  @TestFactory
  Stream<DynamicTest> whatCannotBeAnEndpointIsRefusedUntried() {
    return Stream.of(
            new Case(
                "a password",
                "https://root:s3cret@10.0.0.1:2379",
                List.of(),
                "neither a user nor a path belongs here; etcd knows servers by certificate"),
            new Case(
                "a path", "https://10.0.0.1:2379/prefix", List.of(), "neither a user nor a path"),
            new Case(
                "TLS files without TLS",
                "http://10.0.0.1:2379",
                List.of("ca.crt"),
                "is not secured by TLS; begin its URLs with https://"),
            new Case(
                "a certificate without its key",
                "https://10.0.0.1:2379",
                List.of("ca.crt", "client.crt"),
                "--datastore-certfile and --datastore-keyfile belong together"),
            new Case(
                "no such file",
                "https://10.0.0.1:2379",
                List.of("none.crt"),
                "none.crt for the datastore's TLS cannot be read"))
        .map(
            each ->
                DynamicTest.dynamicTest(
                    each.name(),
                    () ->
                        assertThatThrownBy(each::datastore)
                            .isInstanceOf(UserException.class)
                            .message()
                            .contains(each.sentences())
                            .doesNotContain("s3cret")));
  }

  @Test
  void aSnapshotThatIsCutShortChangesNothing() throws Exception {
    ServerConfig sqlite = config("sqlite", Datastore.EMBEDDED);
    Files.createDirectories(sqlite.databaseFile().getParent());
    try (Store store = SqliteStore.open(sqlite.databaseFile())) {
      for (int i = 0; i < 100; i++) {
        store.create("/registry/core/configmaps/default/c" + i, new byte[500]);
      }
    }
    Snapshots snapshots = new Snapshots(sqlite, Clock.systemUTC());
    Path whole =
        snapshots.save(Snapshots.ON_DEMAND, () -> snapshots.content(Optional.empty())).file();
    byte[] bytes = Files.readAllBytes(whole);
    Path cut = directory.resolve("cut");
    Files.write(cut, Arrays.copyOf(bytes, bytes.length / 2));
    try (EtcdProcesses etcd = EtcdProcesses.start(1);
        EtcdStore before = etcd.open("")) {
      before.create("/registry/core/configmaps/default/mine", new byte[] {'m'});
      long revision = before.currentRevision();
      ServerConfig config =
          config(
              "etcd",
              new Datastore(url(etcd), Optional.empty(), Optional.empty(), Optional.empty()));
      for (boolean force : new boolean[] {false, true}) {
        assertThatThrownBy(
                () ->
                    KedgeServer.restore(
                        config,
                        cut.toString(),
                        force,
                        TestServers.startup(new ByteArrayOutputStream())))
            .isInstanceOf(UserException.class)
            .message()
            .contains(cut.toString())
            .doesNotContain("\n");
      }
      assertThat(before.list("/", 0, "", 0).entries())
          .extracting(Store.Entry::key)
          .containsExactly("/registry/core/configmaps/default/mine");
      assertThat(before.currentRevision()).isEqualTo(revision);
    }
  }
}
