package dev.kedge.store.sql;

import dev.kedge.store.StoreException;
import java.net.UnknownHostException;
import java.sql.Connection;
import java.sql.PreparedStatement;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.util.HexFormat;
import java.util.Properties;
import java.util.Set;
import java.util.concurrent.ThreadLocalRandom;
import java.util.logging.Level;
import java.util.logging.Logger;
import javax.net.ssl.SSLException;
import org.postgresql.Driver;

/** PostgreSQL: connections, tables, and what its failures mean. */
final class PostgresServer implements DatabaseServer {
  /** The oldest that the tests run against. */
  private static final int OLDEST_MAJOR = 15;

  /** Any number; kedge servers that start together make the tables one after the other. */
  private static final long SETUP_LOCK = 0x6b65646765L;

  private static final String[] TABLES = {
    """
    CREATE TABLE kedge_log (
      revision BIGINT PRIMARY KEY,
      key TEXT COLLATE "C" NOT NULL,
      create_revision BIGINT NOT NULL,
      previous_revision BIGINT NOT NULL,
      deleted SMALLINT NOT NULL,
      value BYTEA,
      batch BIGINT NOT NULL
    )\
    """,
    "CREATE INDEX kedge_log_key ON kedge_log (key, revision, deleted)",
    """
    CREATE TABLE kedge_progress (
      id SMALLINT PRIMARY KEY CHECK (id = 1),
      schema_version INTEGER NOT NULL,
      revision BIGINT NOT NULL,
      compact_revision BIGINT NOT NULL,
      swept_revision BIGINT NOT NULL
    )\
    """,
    // Kubernetes gives resource version 0 a meaning of its own, so the empty store is at 1.
    "INSERT INTO kedge_progress VALUES (1, " + ServerSession.SCHEMA + ", 1, 1, 1)",
  };

  // Every question has an index meant for it, to be read in its order; what else the planner could
  // do with tables that were small when it made the plan, or not analyzed since, reads too much.
  // What is acknowledged is on disk. A server that hangs in a transaction holds up all others.
  private static final String SESSION =
      "SET plan_cache_mode = force_generic_plan; SET jit = off; SET enable_seqscan = off;"
          + " SET enable_bitmapscan = off; SET enable_hashagg = off; SET enable_hashjoin = off;"
          + " SET enable_mergejoin = off;"
          + " SET lock_timeout = '15s'; SET idle_in_transaction_session_timeout = '10s';"
          + " SELECT set_config('synchronous_commit', 'on', false)"
          + " WHERE current_setting('synchronous_commit') = 'off'";

  /** What the driver logs it throws as well. Kept, or the level would be forgotten. */
  private static final Logger DRIVER = Logger.getLogger("org.postgresql");

  static {
    DRIVER.setLevel(Level.OFF);
  }

  private final PostgresUrl url;
  private final String signature =
      HexFormat.of().toHexDigits(ThreadLocalRandom.current().nextLong());

  PostgresServer(PostgresUrl url) {
    this.url = url;
  }

  @Override
  public String name() {
    return "the PostgreSQL database " + url.database() + " at " + url.hosts();
  }

  Signal signal() {
    return new PostgresSignal(this, signature);
  }

  // Connections.

  @Override
  public WriteSession openForWriting() throws SQLException {
    return new PostgresSession(this, connect(url), signature);
  }

  @Override
  public Connection openForReading() throws SQLException {
    return connect(url);
  }

  @Override
  public String beginReading() {
    return "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY";
  }

  @Override
  public Queries queries() {
    return Queries.postgres();
  }

  /** A commit is on disk before anybody sees it. */
  @Override
  public void settle(Connection connection) {}

  private static Connection connect(PostgresUrl url) throws SQLException {
    Properties properties = url.properties();
    // Of several hosts the one that can be written: reads too must show the last commit.
    properties.setProperty("targetServerType", "primary");
    properties.setProperty("hostRecheckSeconds", "1");
    properties.setProperty("socketTimeout", "30");
    properties.setProperty("tcpKeepAlive", "true");
    // Numbers and values travel as bytes from a statement's first use on.
    properties.setProperty("prepareThreshold", "1");
    // Straight to the driver: DriverManager would first look through the class path for drivers.
    Connection connection = new Driver().connect(url.jdbc(), properties);
    if (connection == null) {
      throw new SQLException("the driver does not take " + url.jdbc());
    }
    try {
      Database.execute(connection, SESSION);
      return connection;
    } catch (SQLException e) {
      connection.close();
      throw e;
    }
  }

  // Tables.

  /** Makes the database and its tables where they are missing, and checks those that are there. */
  void prepare() throws SQLException {
    try (Connection connection = connectOrCreate()) {
      int version = connection.getMetaData().getDatabaseMajorVersion();
      if (version < OLDEST_MAJOR) {
        throw new StoreException(
            name() + " runs PostgreSQL " + version + "; kedge needs " + OLDEST_MAJOR + " or later");
      }
      String encoding = text(connection, "SHOW server_encoding");
      if (!encoding.equals("UTF8")) {
        throw new StoreException(
            name()
                + " has the encoding "
                + encoding
                + "; give one that was created with ENCODING 'UTF8'");
      }
      if (!hasTables(connection)) {
        create(connection);
      }
      ServerSession.checkSchema(
          name(),
          (int)
              Database.number(
                  connection, "SELECT schema_version FROM kedge_progress WHERE id = 1"));
    }
  }

  private static boolean hasTables(Connection connection) throws SQLException {
    // Not to_regclass: after the wait for the lock that may answer from a cache.
    return Database.number(
            connection,
            "SELECT count(*) FROM pg_tables WHERE tablename = 'kedge_progress'"
                + " AND schemaname = ANY (current_schemas(false))")
        > 0;
  }

  private static void create(Connection connection) throws SQLException {
    Database.execute(connection, "BEGIN");
    Database.execute(connection, "SELECT pg_advisory_xact_lock(" + SETUP_LOCK + ")");
    // Another server may have been first.
    if (!hasTables(connection)) {
      for (String table : TABLES) {
        Database.execute(connection, table);
      }
    }
    Database.execute(connection, "COMMIT");
  }

  private Connection connectOrCreate() throws SQLException {
    try {
      return connect(url);
    } catch (SQLException e) {
      if (!"3D000".equals(e.getSQLState())) {
        throw e;
      }
      try (Connection maintenance = connect(url.maintenance());
          PreparedStatement exists =
              maintenance.prepareStatement("SELECT 1 FROM pg_database WHERE datname = ?")) {
        exists.setString(1, url.database());
        try (ResultSet row = exists.executeQuery()) {
          if (!row.next()) {
            Database.execute(
                maintenance,
                "CREATE DATABASE "
                    + quoted(url.database())
                    + " ENCODING 'UTF8' TEMPLATE template0");
          }
        }
      } catch (SQLException refused) {
        if (Set.of("42P04", "23505").contains(String.valueOf(refused.getSQLState()))) {
          // Another server has made it in this very moment.
          return connect(url);
        }
        if (!Set.of("42501", "28000", "28P01", "3D000")
            .contains(String.valueOf(refused.getSQLState()))) {
          // Not a matter of rights: a replica, for instance.
          throw refused;
        }
        StoreException missing =
            new StoreException(
                "the PostgreSQL server at "
                    + url.hosts()
                    + " has no database "
                    + url.database()
                    + " and the user "
                    + url.user()
                    + " may not create it; run there: CREATE DATABASE "
                    + quoted(url.database())
                    + " OWNER "
                    + quoted(url.user()),
                e);
        missing.addSuppressed(refused);
        throw missing;
      }
      return connect(url);
    }
  }

  private static String quoted(String name) {
    return '"' + name.replace("\"", "\"\"") + '"';
  }

  private static String text(Connection connection, String sql) throws SQLException {
    try (PreparedStatement statement = connection.prepareStatement(sql);
        ResultSet row = statement.executeQuery()) {
      row.next();
      return row.getString(1);
    }
  }

  // Failures.

  @Override
  public Remedy remedy(SQLException e) {
    String state = String.valueOf(e.getSQLState());
    return switch (state) {
      // Deadlock, serialization, no lock in time.
      case "40P01", "40001", "55P03" -> Remedy.REPEAT;
      // Shut down, starting, too many connections, no longer the primary, timed out while idle.
      case "57P01", "57P02", "57P03", "57P05", "53300", "25006", "25P03" -> Remedy.RECONNECT;
      default -> state.startsWith("08") || state.equals("null") ? Remedy.RECONNECT : Remedy.NONE;
    };
  }

  @Override
  public StoreException failure(SQLException e) {
    String state = String.valueOf(e.getSQLState());
    String server = "the PostgreSQL server at " + url.hosts();
    String message = Failures.firstLine(e);
    for (Throwable cause = e; cause != null; cause = cause.getCause()) {
      if (cause instanceof SSLException) {
        return new StoreException(
            "no trusted TLS connection to "
                + server
                + " ("
                + Failures.tls(cause)
                + "); check the datastore's CA file, client certificate and sslmode",
            e);
      }
      if (cause instanceof UnknownHostException) {
        return new StoreException(
            server + " cannot be found: there is no such host; correct the datastore endpoint", e);
      }
    }
    if (message.contains("does not support SSL")) {
      return new StoreException(
          server + " offers no TLS; turn it on there, or give sslmode=disable", e);
    }
    if (message.contains("hostnameverifier")) {
      return new StoreException(
          "the certificate of "
              + server
              + " is for another name; use the name in the certificate, or sslmode=verify-ca",
          e);
    }
    if (message.contains("targetServerType") || state.equals("25006")) {
      return new StoreException(
          name()
              + " is read-only, as a replica is; give the primary, or all hosts of the cluster"
              + " separated by commas",
          e);
    }
    return switch (state) {
      case "28P01", "28000" ->
          new StoreException(
              server
                  + " refuses the user "
                  + url.user()
                  + " ("
                  + message
                  + "); check user and password in the datastore endpoint and pg_hba.conf",
              e);
      case "42501" ->
          new StoreException(
              "the user "
                  + url.user()
                  + " may not use "
                  + name()
                  + " ("
                  + message
                  + "); run there: ALTER DATABASE "
                  + quoted(url.database())
                  + " OWNER TO "
                  + quoted(url.user()),
              e);
      case "53100" ->
          new StoreException(
              name() + " has no space left on its disk; nothing acknowledged is lost", e);
      default ->
          remedy(e) == Remedy.RECONNECT
              ? new StoreException(
                  server
                      + " cannot be reached ("
                      + message
                      + "); start it, or correct the datastore endpoint",
                  e)
              : new StoreException(name() + " failed: " + message, e);
    };
  }
}
