package dev.kedge.store.snapshot;

import static java.nio.charset.StandardCharsets.UTF_8;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.kedge.lifecycle.UserException;
import java.io.IOException;
import java.io.InputStream;
import java.net.InetAddress;
import java.net.ServerSocket;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.KeyStore;
import java.time.Clock;
import java.time.Duration;
import java.time.Instant;
import java.util.Base64;
import java.util.Optional;
import java.util.Random;
import javax.net.ssl.KeyManagerFactory;
import javax.net.ssl.SSLContext;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** Snapshots in a bucket, against a service that checks every signature. */
class S3BucketTest {
  @TempDir private Path directory;
  private TestS3 service;

  @BeforeEach
  void start() throws IOException {
    service = new TestS3(Optional.empty());
  }

  @AfterEach
  void stop() {
    service.close();
  }

  private S3Bucket.Settings settings(String bucket, String secret, String folder) {
    return new S3Bucket.Settings(
        service.endpoint(),
        Optional.empty(),
        true,
        true,
        bucket,
        folder,
        TestS3.REGION,
        TestS3.ACCESS_KEY,
        secret,
        Optional.empty(),
        S3Bucket.Lookup.AUTO,
        Duration.ofSeconds(20));
  }

  private S3Bucket bucket(String folder) {
    return bucket(settings(TestS3.BUCKET, TestS3.SECRET_KEY, folder));
  }

  private static S3Bucket bucket(S3Bucket.Settings settings) {
    return new S3Bucket(settings, Clock.systemUTC(), TestS3.PIECE);
  }

  private Path large(int size) throws IOException {
    byte[] content = new byte[size];
    new Random(size).nextBytes(content);
    return Files.write(directory.resolve("large-" + size), content);
  }

  private Path file(String name) throws IOException {
    return Files.writeString(directory.resolve(name), "content of " + name);
  }

  @Test
  void savesListsFetchesAndDeletes() throws IOException {
    S3Bucket bucket = bucket("clusters/a b&c=ü");
    assertThat(bucket.list()).isEmpty();
    for (int i = 9; i <= 11; i++) {
      bucket.put(file("etcd-snapshot-one-" + i));
    }
    bucket.put(file("on demand+1"));
    bucket("elsewhere").put(file("other-1"));

    assertThat(bucket.list())
        .extracting(SnapshotPlace.Kept::name)
        .containsExactlyInAnyOrder(
            "etcd-snapshot-one-9", "etcd-snapshot-one-10", "etcd-snapshot-one-11", "on demand+1");
    assertThat(bucket.list().getFirst().size()).isPositive();
    assertThat(bucket.list().getFirst().location())
        .startsWith("s3://" + TestS3.BUCKET + "/clusters/a b&c=ü/");

    Path fetched = bucket.fetch("on demand+1", new SnapshotDirectory(directory.resolve("here")));
    assertThat(fetched).hasContent("content of on demand+1");
    assertThat(bucket.prune("etcd-snapshot-one", 1))
        .containsExactly("etcd-snapshot-one-9", "etcd-snapshot-one-10");
    bucket.delete("on demand+1");
    assertThat(bucket.list())
        .extracting(SnapshotPlace.Kept::name)
        .containsExactly("etcd-snapshot-one-11");
    assertThat(service.names()).contains("elsewhere/other-1").hasSize(2);
  }

  @Test
  void listsOfSeveralPagesAreReadToTheEnd() throws IOException {
    S3Bucket bucket = bucket("");
    for (int i = 0; i < 2 * TestS3.PAGE + 1; i++) {
      bucket.put(file("s-" + i));
    }
    assertThat(bucket.list()).hasSize(2 * TestS3.PAGE + 1);
  }

  @Test
  void aServiceThatIsBusyIsAskedAgain() throws IOException {
    service.refuse(503, 1);

    bucket("").put(file("s-1"));

    assertThat(service.names()).containsExactly("s-1");
  }

  @ParameterizedTest
  @ValueSource(ints = {0, TestS3.PIECE, TestS3.PIECE + 1, 3 * TestS3.PIECE, 3 * TestS3.PIECE + 7})
  void whatIsLargeGoesInParts(int size) throws IOException {
    Path file = large(size);
    S3Bucket bucket = bucket("a folder&");

    bucket.put(file);

    Path fetched = bucket.fetch("large-" + size, new SnapshotDirectory(directory.resolve("here")));
    assertThat(fetched).hasSameBinaryContentAs(file);
    assertThat(service.unfinished()).isZero();
  }

  @Test
  void aPartIsRepeatedByItself() throws IOException {
    service.refuse(503, 1, "partNumber=2&");
    Path file = large(3 * TestS3.PIECE);

    bucket("").put(file);

    assertThat(service.requests().stream().filter(each -> each.startsWith("PUT partNumber=")))
        .extracting(each -> each.substring(0, "PUT partNumber=1".length()))
        .containsExactly(
            "PUT partNumber=1", "PUT partNumber=2", "PUT partNumber=2", "PUT partNumber=3");
    assertThat(service.names()).containsExactly("large-" + 3 * TestS3.PIECE);
  }

  @ParameterizedTest
  @ValueSource(strings = {"partNumber=2&", "POST uploadId="})
  void anUploadThatFailsLeavesNothing(String request) throws IOException {
    service.refuse(403, 1, request);
    Path file = large(3 * TestS3.PIECE);

    assertThatThrownBy(() -> bucket("").put(file))
        .isInstanceOf(UserException.class)
        .hasMessageContaining("SlowDown");

    assertThat(service.unfinished()).isZero();
    assertThat(service.names()).isEmpty();
  }

  /** The service says so in an answer that begins like a good one. */
  @Test
  void partsThatCannotBePutTogetherAreAFailure() throws IOException {
    Path file = large(3 * TestS3.PIECE);
    S3Bucket.Settings settings = settings(TestS3.BUCKET, TestS3.SECRET_KEY, "");

    assertThatThrownBy(() -> new S3Bucket(settings, Clock.systemUTC(), TestS3.PIECE / 2).put(file))
        .isInstanceOf(UserException.class)
        .hasMessageContaining("EntityTooSmall");

    assertThat(service.unfinished()).isZero();
    assertThat(service.names()).isEmpty();
  }

  @Test
  void everyRefusalIsASentence() throws IOException {
    Path file = file("s-1");
    record Case(S3Bucket.Settings settings, String message) {}
    for (Case each :
        new Case[] {
          new Case(settings(TestS3.BUCKET, "wrong", ""), "SignatureDoesNotMatch"),
          new Case(settings("other", TestS3.SECRET_KEY, ""), "NoSuchBucket"),
        }) {
      assertThatThrownBy(() -> bucket(each.settings()).put(file))
          .isInstanceOf(UserException.class)
          .hasMessageContaining("S3 at " + service.endpoint())
          .hasMessageContaining(each.message())
          .hasMessageContaining("check the flags");
    }
    assertThatThrownBy(() -> bucket("").delete("none"))
        .hasMessageContaining("there is no snapshot none in s3://");
    assertThatThrownBy(
            () ->
                new S3Bucket(
                        settings(TestS3.BUCKET, TestS3.SECRET_KEY, ""),
                        Clock.offset(Clock.systemUTC(), Duration.ofHours(-1)))
                    .list())
        .hasMessageContaining("RequestTimeTooSkewed");
    assertThat(service.names()).isEmpty();
    assertThat(settings("b", "the-secret", "f").toString()).doesNotContain("the-secret");
  }

  @Test
  void aServiceThatIsAwayIsNamed() throws IOException {
    int port;
    try (ServerSocket socket = new ServerSocket(0, 1, InetAddress.getLoopbackAddress())) {
      port = socket.getLocalPort();
    }
    S3Bucket.Settings base = settings(TestS3.BUCKET, TestS3.SECRET_KEY, "");
    S3Bucket away =
        bucket(
            new S3Bucket.Settings(
                "127.0.0.1:" + port,
                base.authority(),
                true,
                true,
                base.bucket(),
                "",
                base.region(),
                base.accessKey(),
                base.secretKey(),
                Optional.empty(),
                base.lookup(),
                base.timeout()));
    assertThatThrownBy(away::list)
        .isInstanceOf(UserException.class)
        .hasMessageContaining("cannot be reached")
        .hasMessageContaining("check --etcd-s3-endpoint");
  }

  @Test
  void tlsTrustsTheGivenAuthority() throws Exception {
    Path keys = directory.resolve("keys.p12");
    String keytool = Path.of(System.getProperty("java.home"), "bin", "keytool").toString();
    Process made =
        new ProcessBuilder(
                keytool,
                "-genkeypair",
                "-keystore",
                keys.toString(),
                "-storepass",
                "changeit",
                "-alias",
                "s3",
                "-keyalg",
                "EC",
                "-dname",
                "CN=s3",
                "-ext",
                "san=ip:127.0.0.1")
            .redirectErrorStream(true)
            .start();
    assertThat(made.waitFor()).as(new String(made.getInputStream().readAllBytes(), UTF_8)).isZero();
    KeyStore store = KeyStore.getInstance("PKCS12");
    try (InputStream in = Files.newInputStream(keys)) {
      store.load(in, "changeit".toCharArray());
    }
    KeyManagerFactory factory = KeyManagerFactory.getInstance("PKIX");
    factory.init(store, "changeit".toCharArray());
    SSLContext tls = SSLContext.getInstance("TLS");
    tls.init(factory.getKeyManagers(), null, null);
    Path authority =
        Files.writeString(
            directory.resolve("ca.pem"),
            "-----BEGIN CERTIFICATE-----\n"
                + Base64.getMimeEncoder().encodeToString(store.getCertificate("s3").getEncoded())
                + "\n-----END CERTIFICATE-----\n");

    try (TestS3 secured = new TestS3(Optional.of(tls))) {
      assertThatThrownBy(() -> secured(secured, Optional.empty(), true).list())
          .isInstanceOf(UserException.class)
          .hasMessageContaining("give its authority with --etcd-s3-endpoint-ca");
      assertThat(secured(secured, Optional.of(authority), true).list()).isEmpty();
      assertThat(secured(secured, Optional.empty(), false).list()).isEmpty();
    }
  }

  private static S3Bucket secured(TestS3 service, Optional<Path> authority, boolean verify) {
    return bucket(
        new S3Bucket.Settings(
            service.endpoint(),
            authority,
            verify,
            false,
            TestS3.BUCKET,
            "",
            TestS3.REGION,
            TestS3.ACCESS_KEY,
            TestS3.SECRET_KEY,
            Optional.empty(),
            S3Bucket.Lookup.PATH,
            Duration.ofSeconds(20)));
  }

  @Test
  void namesOfSnapshotsAreTakenApart() {
    assertThat(SnapshotName.parse("etcd-snapshot-one-two-17"))
        .contains(new SnapshotName("etcd-snapshot-one-two", Instant.ofEpochSecond(17)));
    assertThat(SnapshotName.parse("mine")).isEmpty();
    assertThat(SnapshotName.of("a", "n", Instant.ofEpochSecond(5)).toString()).isEqualTo("a-n-5");
  }
}
