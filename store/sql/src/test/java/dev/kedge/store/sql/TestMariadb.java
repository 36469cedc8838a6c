package dev.kedge.store.sql;

import java.nio.file.Path;
import java.sql.Connection;
import java.sql.SQLException;
import java.util.ArrayList;
import java.util.List;
import java.util.Properties;
import java.util.concurrent.atomic.AtomicInteger;
import org.mariadb.jdbc.Driver;

/** MariaDB for tests; {@code root} has the password {@link #PASSWORD}. */
public final class TestMariadb extends DatabaseProcess {
  static final String PASSWORD = "s3cr/t@:%?";

  private static final AtomicInteger DATABASES = new AtomicInteger();
  private static TestMariadb shared;

  private final Path program;
  private final List<String> settings;

  private TestMariadb(String... settings) throws Exception {
    super("mariadb", "mysql");
    program = program("mariadbd", "/usr/sbin", "/usr/bin", "/usr/libexec");
    this.settings = List.of(settings);
  }

  /** One for all tests that do not kill it. Ends with the JVM. */
  public static synchronized TestMariadb shared() throws Exception {
    if (shared == null) {
      shared = startWith();
      Runtime.getRuntime().addShutdownHook(new Thread(shared::close));
    }
    return shared;
  }

  static TestMariadb startWith(String... settings) throws Exception {
    TestMariadb server = new TestMariadb(settings);
    try {
      server.setUp();
    } catch (Exception | Error e) {
      // Or it would outlive the tests.
      server.close();
      throw e;
    }
    return server;
  }

  private void setUp() throws Exception {
    run(
        List.of(
            program("mariadb-install-db", "/usr/bin").toString(),
            "--no-defaults",
            "--auth-root-authentication-method=normal",
            "--skip-test-db",
            "--datadir=" + data()));
    start();
    try (Connection connection = connect("")) {
      Database.execute(connection, "DELETE FROM mysql.global_priv WHERE User = ''");
      Database.execute(
          connection,
          "GRANT ALL ON *.* TO root@'%' IDENTIFIED BY '" + PASSWORD + "' WITH GRANT OPTION");
      for (String host : List.of("localhost", "127.0.0.1")) {
        Database.execute(
            connection,
            "GRANT ALL ON *.* TO root@'"
                + host
                + "' IDENTIFIED BY '"
                + PASSWORD
                + "' WITH GRANT OPTION");
      }
      Database.execute(connection, "FLUSH PRIVILEGES");
    }
  }

  Path data() {
    return directory.resolve("data");
  }

  @Override
  List<String> command() {
    List<String> command =
        new ArrayList<>(
            List.of(
                program.toString(),
                "--no-defaults",
                "--datadir=" + data(),
                "--port=" + port,
                "--bind-address=127.0.0.1",
                "--socket=" + directory.resolve("socket"),
                "--pid-file=" + directory.resolve("pid"),
                "--skip-name-resolve"));
    command.addAll(settings);
    return command;
  }

  @Override
  boolean answers() {
    try (Connection connection = connect("")) {
      return connection.isValid(5);
    } catch (SQLException e) {
      return e.getErrorCode() == 1045;
    }
  }

  Connection connect(String password) throws SQLException {
    Properties properties = new Properties();
    properties.setProperty("user", "root");
    properties.setProperty("password", password);
    properties.setProperty("sslMode", "disable");
    return new Driver().connect("jdbc:mariadb://127.0.0.1:" + port + "/", properties);
  }

  /** Runs statements as the superuser. */
  void execute(String... statements) throws SQLException {
    try (Connection connection = connect(PASSWORD)) {
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
    return "mysql://root:" + PASSWORD + "@tcp(127.0.0.1:" + port + ")/" + database;
  }
}
