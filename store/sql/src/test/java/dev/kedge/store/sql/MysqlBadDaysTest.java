package dev.kedge.store.sql;

import static org.assertj.core.api.Assertions.assertThat;

import dev.kedge.store.Store;
import dev.kedge.store.sql.BadDays.Case;
import dev.kedge.store.sql.BadDays.Certificates;
import java.nio.file.Path;
import java.util.List;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.DynamicTest;
import org.junit.jupiter.api.TestFactory;
import org.junit.jupiter.api.io.TempDir;

class MysqlBadDaysTest {
  private static final String PASSWORD = "s3cr/t@:?#&= %ü)(";

  @TempDir static Path directory;
  private static Certificates certificates;
  private static TestMariadb server;
  private static TestMariadb plain;

  @BeforeAll
  static void start() throws Exception {
    certificates = Certificates.make(directory);
    plain = TestMariadb.shared();
    server =
        TestMariadb.startWith(
            "--ssl-cert=" + certificates.file("server.crt"),
            "--ssl-key=" + certificates.file("server.key"),
            "--ssl-ca=" + certificates.file("ca.crt"));
    server.execute(
        "CREATE USER plain IDENTIFIED BY '" + PASSWORD + "'",
        "CREATE USER maker IDENTIFIED BY '" + PASSWORD + "'",
        "CREATE USER certified IDENTIFIED BY '' REQUIRE X509",
        "GRANT ALL ON *.* TO maker",
        "GRANT ALL ON *.* TO certified",
        "CREATE DATABASE foreigners",
        "GRANT SELECT ON foreigners.* TO plain",
        "CREATE DATABASE newer",
        "GRANT ALL ON newer.* TO plain",
        "CREATE TABLE newer.kedge_progress (id int, schema_version int)",
        "INSERT INTO newer.kedge_progress VALUES (1, 7)");
  }

  @AfterAll
  static void stop() {
    server.close();
  }

  private static String url(String user, String database) {
    return "mysql://" + user + "@tcp(127.0.0.1:" + server.port + ")/" + database;
  }

  @TestFactory
  List<DynamicTest> eachBadDayGetsItsSentence() throws Exception {
    String maker = "maker:" + PASSWORD;
    String plainUser = "plain:" + PASSWORD;
    return BadDays.tests(
        List.of(
            new Case(
                "nobody listens",
                "mysql://u:s3cr@tcp(127.0.0.1:" + BadDays.freePort() + ")/db",
                TlsFiles.NONE,
                "cannot be reached",
                "start it, or correct the datastore endpoint"),
            new Case(
                "no such host",
                "mysql://u:s3cr@tcp(kedge-none.invalid)/db",
                TlsFiles.NONE,
                "at kedge-none.invalid:3306 cannot be found"),
            new Case(
                "wrong password",
                url("maker:s3cr", "db"),
                TlsFiles.NONE,
                "refuses the user maker",
                "check user and password"),
            new Case(
                "no database, and no right to make one",
                url(plainUser, "none"),
                TlsFiles.NONE,
                "none",
                "CREATE DATABASE IF NOT EXISTS `none`; GRANT ALL ON `none`.* TO 'plain'@'%'"),
            new Case(
                "no right to make tables",
                url(plainUser, "foreigners"),
                TlsFiles.NONE,
                "the user plain may not use",
                "GRANT ALL ON `foreigners`.* TO 'plain'@'%'"),
            new Case(
                "newer schema",
                url(plainUser, "newer"),
                TlsFiles.NONE,
                "was set up by a newer kedge (schema 7",
                "upgrade this server"),
            new Case(
                "another authority",
                url(maker, "db"),
                certificates.ca("other.crt"),
                "no trusted TLS connection",
                "(its certificate is of another authority)",
                "check the datastore's CA file"),
            new Case(
                "another name",
                url(maker, "db").replace("127.0.0.1", "localhost"),
                certificates.ca("ca.crt"),
                "no trusted TLS connection"),
            new Case(
                "no TLS there",
                plain.url("db") + "?tls=true",
                TlsFiles.NONE,
                "offers no TLS",
                "tls=false"),
            new Case(
                "a CA file of something else",
                url(maker, "db"),
                certificates.ca("server.key"),
                "holds no usable PEM certificates"),
            new Case(
                "unknown tls", url(maker, "db?tls=always"), TlsFiles.NONE, "tls=always does not"),
            new Case(
                "unknown parameter",
                url(maker, "db?charset=utf8"),
                TlsFiles.NONE,
                "parameter charset is not supported"),
            new Case(
                "no address",
                "mysql://u:s3cr@tcp(a b:1)/db",
                TlsFiles.NONE,
                "names the host \"a b:1\"")),
        MysqlStore::open);
  }

  @TestFactory
  List<DynamicTest> aReadOnlyServerIsRefused() throws Exception {
    return List.of(
        DynamicTest.dynamicTest(
            "read-only",
            () -> {
              server.execute("SET GLOBAL read_only = 1");
              try {
                BadDays.tests(
                        List.of(
                            new Case(
                                "read-only",
                                url("maker:" + PASSWORD, "db"),
                                TlsFiles.NONE,
                                "is read-only, as a replica is",
                                "give the primary")),
                        MysqlStore::open)
                    .getFirst()
                    .getExecutable()
                    .execute();
              } catch (Throwable e) {
                throw new AssertionError(e);
              } finally {
                server.execute("SET GLOBAL read_only = 0");
              }
            }));
  }

  @TestFactory
  List<DynamicTest> eachGoodUrlOpens() {
    record Good(String name, String url, TlsFiles files) {}
    List<Good> urls =
        List.of(
            new Good("password", url("maker:" + PASSWORD, "good1"), TlsFiles.NONE),
            new Good("odd name", url("maker:" + PASSWORD, "good-2.x"), TlsFiles.NONE),
            new Good("verified", url("maker:" + PASSWORD, "good3"), certificates.ca("ca.crt")),
            new Good(
                "not verified", url("maker:" + PASSWORD, "good4?tls=skip-verify"), TlsFiles.NONE),
            new Good("preferred", url("maker:" + PASSWORD, "good5?tls=preferred"), TlsFiles.NONE),
            new Good("certificate", url("certified", "good6"), certificates.client()),
            new Good(
                "socket",
                "mysql://maker:" + PASSWORD + "@unix(" + server.directory + "/socket)/good7",
                TlsFiles.NONE));
    return urls.stream()
        .map(
            each ->
                DynamicTest.dynamicTest(
                    each.name(),
                    () -> {
                      try (Store store = MysqlStore.open(each.url(), each.files())) {
                        assertThat(store.currentRevision()).isEqualTo(1);
                      }
                    }))
        .toList();
  }
}
