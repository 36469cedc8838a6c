package dev.kedge.store.sql;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.sql.Connection;
import java.sql.SQLException;
import java.util.ArrayList;
import java.util.List;
import java.util.Properties;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.stream.Stream;
import org.postgresql.Driver;

/** PostgreSQL for tests, with the user {@code postgres} and no password over loopback. */
public final class TestPostgres extends DatabaseProcess {
  private static final AtomicInteger DATABASES = new AtomicInteger();
  private static TestPostgres shared;

  private final Path programs;
  private final List<String> settings;

  private TestPostgres(String... settings) throws Exception {
    super("postgres", "postgres");
    programs = programs();
    this.settings = List.of(settings);
  }

  /** One for all tests that do not kill it; nothing waits for the disk. Ends with the JVM. */
  public static synchronized TestPostgres shared() throws Exception {
    if (shared == null) {
      shared = start("trust", "fsync=off", "full_page_writes=off");
      Runtime.getRuntime().addShutdownHook(new Thread(shared::close));
    }
    return shared;
  }

  /**
   * @param authentication how users prove themselves: {@code trust}, {@code scram-sha-256}
   */
  static TestPostgres start(String authentication, String... settings) throws Exception {
    TestPostgres server = new TestPostgres(settings);
    try {
      server.setUp(authentication);
    } catch (Exception | Error e) {
      // Or it would outlive the tests.
      server.close();
      throw e;
    }
    return server;
  }

  private void setUp(String authentication) throws Exception {
    run(
        List.of(
            programs.resolve("initdb").toString(),
            "--pgdata=" + data(),
            "--username=postgres",
            "--auth-local=trust",
            "--auth-host=" + authentication,
            "--encoding=UTF8",
            "--locale=C",
            "--no-sync"));
    start();
  }

  Path data() {
    return directory.resolve("data");
  }

  @Override
  List<String> command() {
    List<String> command =
        new ArrayList<>(
            List.of(
                programs.resolve("postgres").toString(),
                "-D",
                data().toString(),
                "-p",
                "" + port,
                "-k",
                directory.toString(),
                "-c",
                "listen_addresses=127.0.0.1"));
    for (String setting : settings) {
      command.addAll(List.of("-c", setting));
    }
    return command;
  }

  @Override
  boolean answers() {
    try (Connection connection = connect("postgres", "postgres", "postgres")) {
      return connection.isValid(5);
    } catch (SQLException e) {
      // Refused for want of a password is an answer.
      return String.valueOf(e.getSQLState()).startsWith("28");
    }
  }

  Connection connect(String database, String user, String password) throws SQLException {
    Properties properties = new Properties();
    properties.setProperty("user", user);
    properties.setProperty("password", password);
    return new Driver().connect("jdbc:postgresql://127.0.0.1:" + port + "/" + database, properties);
  }

  /** Runs statements as the superuser, where that needs no password. */
  void execute(String database, String... statements) throws SQLException {
    try (Connection connection = connect(database, "postgres", "")) {
      for (String statement : statements) {
        Database.execute(connection, statement);
      }
    }
  }

  /** The URL of a database that does not exist yet. */
  public String freshUrl() {
    return url("test" + DATABASES.incrementAndGet());
  }

  String url(String database) {
    return "postgres://postgres:@127.0.0.1:" + port + "/" + database;
  }

  private static Path programs() throws IOException {
    Path root = Path.of("/usr/lib/postgresql");
    if (!Files.isDirectory(root)) {
      return program("postgres", "/usr/bin").getParent();
    }
    try (Stream<Path> versions = Files.list(root)) {
      return program(
              "postgres",
              versions.map(version -> version.resolve("bin").toString()).toArray(String[]::new))
          .getParent();
    }
  }
}
