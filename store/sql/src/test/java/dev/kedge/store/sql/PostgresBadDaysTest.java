package dev.kedge.store.sql;

import static java.time.Duration.ofMinutes;
import static org.assertj.core.api.Assertions.assertThat;
import static org.awaitility.Awaitility.await;

import dev.kedge.store.Store;
import dev.kedge.store.sql.BadDays.Case;
import dev.kedge.store.sql.BadDays.Certificates;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFilePermissions;
import java.util.List;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.DynamicTest;
import org.junit.jupiter.api.TestFactory;
import org.junit.jupiter.api.io.TempDir;

class PostgresBadDaysTest {
  /** As it stands in the database; and in URLs, as it is and with percent signs. */
  private static final String PASSWORD = "s3cr/t@:?#&= %ü";

  private static final String ENCODED = "s3cr%2Ft%40%3A%3F%23%26%3D%20%25%C3%BC";

  @TempDir static Path directory;
  private static Certificates certificates;
  private static TestPostgres server;
  private static TestPostgres plain;

  @BeforeAll
  static void start() throws Exception {
    certificates = Certificates.make(directory);
    plain = TestPostgres.shared();
    server = TestPostgres.start("trust", "fsync=off");
    for (String name : List.of("server.crt", "server.key", "ca.crt")) {
      Path file = server.data().resolve(name);
      Files.copy(certificates.file(name), file);
      Files.setPosixFilePermissions(file, PosixFilePermissions.fromString("rw-------"));
      Files.setOwner(file, Files.getOwner(server.data()));
    }
    Files.writeString(
        server.data().resolve("pg_hba.conf"),
        """
        host all postgres 127.0.0.1/32 trust
        hostssl all certified 127.0.0.1/32 cert map=names
        host all all 127.0.0.1/32 scram-sha-256
        """);
    Files.writeString(server.data().resolve("pg_ident.conf"), "names kube certified\n");
    server.execute(
        "postgres",
        "ALTER SYSTEM SET ssl_ca_file = 'ca.crt'",
        "ALTER SYSTEM SET ssl = on",
        "CREATE ROLE plain LOGIN PASSWORD '" + PASSWORD + "'",
        "CREATE ROLE maker LOGIN CREATEDB PASSWORD '" + PASSWORD + "'",
        "CREATE ROLE reader LOGIN SUPERUSER PASSWORD '" + PASSWORD + "'",
        "ALTER ROLE reader SET default_transaction_read_only = on",
        "CREATE ROLE certified LOGIN CREATEDB",
        "CREATE DATABASE foreigners",
        "CREATE DATABASE old_letters ENCODING 'SQL_ASCII' TEMPLATE template0",
        "CREATE DATABASE newer OWNER plain");
    server.execute(
        "newer",
        "CREATE TABLE kedge_progress (id int, schema_version int)",
        "INSERT INTO kedge_progress VALUES (1, 7)",
        "ALTER TABLE kedge_progress OWNER TO plain");
    server.execute("postgres", "SELECT pg_reload_conf()");
    await()
        .atMost(ofMinutes(1))
        .until(() -> opens("postgres:@", "probe?sslmode=require", TlsFiles.NONE));
  }

  @AfterAll
  static void stop() {
    server.close();
  }

  private static String url(String user, String database) {
    return "postgres://" + user + "127.0.0.1:" + server.port + "/" + database;
  }

  private static boolean opens(String user, String database, TlsFiles files) {
    try (Store store = PostgresStore.open(url(user, database), files)) {
      return store.currentRevision() == 1;
    } catch (dev.kedge.store.StoreException e) {
      return false;
    }
  }

  @TestFactory
  List<DynamicTest> eachBadDayGetsItsSentence() throws Exception {
    String maker = "maker:" + ENCODED + "@";
    String plainUser = "plain:" + ENCODED + "@";
    return BadDays.tests(
        List.of(
            new Case(
                "nobody listens",
                "postgres://u:s3cr@127.0.0.1:" + BadDays.freePort() + "/db",
                TlsFiles.NONE,
                "cannot be reached",
                "start it, or correct the datastore endpoint"),
            new Case(
                "no such host",
                "postgres://u:s3cr@kedge-none.invalid/db",
                TlsFiles.NONE,
                "at kedge-none.invalid:5432 cannot be found"),
            new Case(
                "wrong password",
                url("maker:s3cr@", "db"),
                TlsFiles.NONE,
                "refuses the user maker",
                "check user and password"),
            new Case(
                "unknown user",
                url("nobody:s3cr@", "db"),
                TlsFiles.NONE,
                "refuses the user nobody"),
            new Case(
                "no database, and no right to make one",
                url(plainUser, "none"),
                TlsFiles.NONE,
                "has no database none",
                "CREATE DATABASE \"none\" OWNER \"plain\""),
            new Case(
                "no right to make tables",
                url(plainUser, "foreigners"),
                TlsFiles.NONE,
                "the user plain may not use",
                "ALTER DATABASE \"foreigners\" OWNER TO \"plain\""),
            new Case(
                "newer schema",
                url(plainUser, "newer"),
                TlsFiles.NONE,
                "was set up by a newer kedge (schema 7",
                "upgrade this server"),
            new Case(
                "read-only",
                url("reader:" + ENCODED + "@", "foreigners"),
                TlsFiles.NONE,
                "is read-only, as a replica is",
                "give the primary"),
            new Case(
                "read-only, and no database",
                url("reader:" + ENCODED + "@", "none"),
                TlsFiles.NONE,
                "is read-only, as a replica is"),
            new Case(
                "not Unicode",
                url("postgres:@", "old_letters"),
                TlsFiles.NONE,
                "has the encoding SQL_ASCII",
                "ENCODING 'UTF8'"),
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
                "is for another name"),
            new Case(
                "no TLS there",
                "postgres://postgres:@127.0.0.1:" + plain.port + "/db?sslmode=require",
                TlsFiles.NONE,
                "offers no TLS",
                "sslmode=disable"),
            new Case(
                "a CA file of something else",
                url(maker, "db"),
                certificates.ca("server.key"),
                "holds no usable PEM certificates"),
            new Case(
                "unknown sslmode",
                url(maker, "db?sslmode=always"),
                TlsFiles.NONE,
                "sslmode always does not exist"),
            new Case(
                "unknown parameter",
                url(maker, "db?pool_size=7"),
                TlsFiles.NONE,
                "parameter pool_size is not supported"),
            new Case(
                "no host",
                "postgres://u:s3cr@a b:5432/db",
                TlsFiles.NONE,
                "names the host \"a b:5432\"")),
        PostgresStore::open);
  }

  @TestFactory
  List<DynamicTest> eachGoodUrlOpens() {
    record Good(String user, String database, TlsFiles files) {}
    List<Good> urls =
        List.of(
            new Good("maker:" + ENCODED + "@", "encoded", TlsFiles.NONE),
            new Good("maker:" + PASSWORD + "@", "as_it_is", TlsFiles.NONE),
            new Good("maker:" + ENCODED + "@", "Odd%20n%C3%A4me", TlsFiles.NONE),
            new Good("maker:" + ENCODED + "@", "verified", certificates.ca("ca.crt")),
            new Good(
                "maker:" + ENCODED + "@",
                "in_url?sslmode=verify-ca&sslrootcert=" + certificates.file("ca.crt"),
                TlsFiles.NONE),
            new Good("certified@", "certified", certificates.client()));
    return urls.stream()
        .map(
            each ->
                DynamicTest.dynamicTest(
                    each.database(),
                    () -> {
                      try (Store store =
                          PostgresStore.open(url(each.user(), each.database()), each.files())) {
                        assertThat(store.currentRevision()).isEqualTo(1);
                      }
                    }))
        .toList();
  }
}
