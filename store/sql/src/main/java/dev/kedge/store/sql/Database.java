package dev.kedge.store.sql;

import dev.kedge.store.StoreException;
import dev.kedge.store.sql.SqliteStore.Durability;
import dev.kedge.store.sql.WriteSession.Standing;
import java.io.File;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.sql.Connection;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.sql.Statement;
import java.time.Duration;
import java.util.Map;
import java.util.Properties;
import org.sqlite.JDBC;
import org.sqlite.SQLiteConfig;

/** Opens connections to the one database file, checks it and lays out its tables. */
final class Database implements Engine {
  /** Up to this size the whole file is checked at every open; it takes a few milliseconds. */
  private static final long ALWAYS_CHECKED = 16L << 20;

  private static final Duration LAG = Duration.ofSeconds(10);
  private static final int FORMAT = 2;
  private static final String[] TABLES = {
    """
    CREATE TABLE log (
      revision INTEGER PRIMARY KEY,
      key TEXT NOT NULL,
      create_revision INTEGER NOT NULL,
      previous_revision INTEGER NOT NULL,
      deleted INTEGER NOT NULL,
      value BLOB
    )\
    """,
    "CREATE UNIQUE INDEX log_key ON log (key, revision, deleted)",
    """
    CREATE TABLE progress (
      id INTEGER PRIMARY KEY CHECK (id = 1),
      compact_revision INTEGER NOT NULL,
      swept_revision INTEGER NOT NULL,
      reserved_revision INTEGER NOT NULL DEFAULT 0
    )\
    """,
    // Kubernetes gives resource version 0 a meaning of its own, so the empty store is at 1.
    "INSERT INTO progress VALUES (1, 1, 1, 0)",
    "PRAGMA user_version = " + FORMAT,
  };

  /** From the format before revisions could be set aside. */
  private static final String[] TO_FORMAT_2 = {
    "ALTER TABLE progress ADD COLUMN reserved_revision INTEGER NOT NULL DEFAULT 0",
    "PRAGMA user_version = 2",
  };

  private final DataFile file;
  private final SqliteStore.Options options;
  private final File log;

  Database(DataFile file, SqliteStore.Options options) {
    this.file = file;
    this.options = options;
    this.log = new File(file.path() + "-wal");
  }

  SqliteStore.Options options() {
    return options;
  }

  /** How long the write-ahead log is, in bytes. */
  long logSize() {
    return log.length();
  }

  Path path() {
    return file.path();
  }

  @Override
  public String name() {
    return "the database " + path();
  }

  @Override
  public SqliteSession openForWriting() throws SQLException {
    Connection connection = connect(new SQLiteConfig());
    try {
      prepare(connection);
      return new SqliteSession(this, connection, standing(connection));
    } catch (SQLException | RuntimeException e) {
      try {
        connection.close();
      } catch (SQLException again) {
        e.addSuppressed(again);
      }
      throw e;
    }
  }

  @Override
  public StoreException failure(SQLException e) {
    return Failures.of(path(), e);
  }

  @Override
  public boolean defers() {
    return true;
  }

  @Override
  public Duration lag() {
    return options.durability() == Durability.NORMAL ? LAG : Duration.ZERO;
  }

  /** There is no connection to lose, and nobody else to wait for. */
  @Override
  public Remedy remedy(SQLException e) {
    return Remedy.NONE;
  }

  Connection openForReading() throws SQLException {
    SQLiteConfig config = new SQLiteConfig();
    config.setReadOnly(true);
    Connection connection = connect(config);
    execute(connection, "PRAGMA cache_size = -1024");
    return connection;
  }

  private Connection connect(SQLiteConfig config) throws SQLException {
    config.setBusyTimeout(10_000);
    Properties properties = config.toProperties();
    // Straight to the driver: DriverManager would first look through the class path for drivers.
    return JDBC.createConnection("jdbc:sqlite:" + path(), properties);
  }

  private void prepare(Connection connection) throws SQLException {
    boolean fresh = size() == 0;
    long format = FORMAT;
    if (fresh) {
      // Before the first page is written, or it has no effect; later on it would write one.
      execute(connection, "PRAGMA auto_vacuum = INCREMENTAL");
    } else {
      format = number(connection, "PRAGMA user_version");
      // A file that is refused is left as it is, so this comes before all that writes.
      if (format == 0 && number(connection, "SELECT count(*) FROM sqlite_master") > 0) {
        throw new StoreException(
            "the database "
                + path()
                + " is not of kedge: it has tables of something else; give another file");
      }
      if (format < 0 || format > FORMAT) {
        throw new StoreException(
            "the database "
                + path()
                + " has format "
                + format
                + ", which this version of kedge does not know; start the version that wrote it");
      }
      if (!file.leftClean() || size() <= ALWAYS_CHECKED) {
        check(connection);
      }
    }
    execute(connection, "PRAGMA journal_mode = WAL");
    execute(connection, "PRAGMA synchronous = " + options.durability().synchronous);
    execute(connection, "PRAGMA cache_size = -4096");
    execute(connection, "PRAGMA temp_store = MEMORY");
    // Cut if it ever got longer.
    execute(connection, "PRAGMA wal_autocheckpoint = " + options.checkpoint() / 4096);
    execute(connection, "PRAGMA journal_size_limit = 33554432");
    if (fresh || format == 0) {
      // Not fresh where the first start was cut short.
      transact(connection, TABLES);
    } else if (format == 1) {
      transact(connection, TO_FORMAT_2);
    }
  }

  private static void transact(Connection connection, String... statements) throws SQLException {
    execute(connection, "BEGIN IMMEDIATE");
    for (String statement : statements) {
      execute(connection, statement);
    }
    execute(connection, "COMMIT");
  }

  private void check(Connection connection) throws SQLException {
    try (Statement statement = connection.createStatement();
        ResultSet rows = statement.executeQuery("PRAGMA quick_check(1)")) {
      String answer = rows.next() ? rows.getString(1) : "no answer";
      if (!answer.equals("ok")) {
        // It begins with a headline: *** in database main ***
        throw Failures.damaged(
            path(),
            answer.lines().filter(line -> !line.startsWith("***")).findFirst().orElse(answer),
            null);
      }
    }
  }

  private Standing standing(Connection connection) throws SQLException {
    try (Statement statement = connection.createStatement();
        ResultSet row =
            statement.executeQuery(
                "SELECT compact_revision, swept_revision, reserved_revision, (SELECT"
                    + " coalesce(max(revision), 0) FROM log) FROM progress")) {
      if (!row.next()) {
        throw Failures.damaged(path(), "it does not say how far it was compacted", null);
      }
      long compacted = row.getLong(1);
      long swept = row.getLong(2);
      long reserved = row.getLong(3);
      // The last rows may have been deletions that compaction has removed since.
      long revision = Math.max(compacted, row.getLong(4));
      if (reserved > revision) {
        // Some revisions after the last one were seen and are lost. They are not given out again,
        // and whoever comes back with one must begin anew.
        transact(
            connection,
            "UPDATE progress SET compact_revision = " + reserved + ", reserved_revision = 0");
        return new Standing(reserved, reserved, swept, Map.of());
      }
      return new Standing(revision, compacted, swept, Map.of());
    }
  }

  private long size() {
    try {
      return Files.size(path());
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }

  static void execute(Connection connection, String sql) throws SQLException {
    try (Statement statement = connection.createStatement()) {
      statement.execute(sql);
    }
  }

  static long number(Connection connection, String sql) throws SQLException {
    try (Statement statement = connection.createStatement();
        ResultSet row = statement.executeQuery(sql)) {
      row.next();
      return row.getLong(1);
    }
  }
}
