package dev.kedge.store.sql;

import dev.kedge.store.StoreException;
import java.lang.System.Logger;
import java.lang.System.Logger.Level;
import java.net.UnknownHostException;
import java.sql.Connection;
import java.sql.DatabaseMetaData;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.sql.Statement;
import java.util.Properties;
import javax.net.ssl.SSLException;
import org.mariadb.jdbc.Driver;

/** MySQL and MariaDB: connections, tables, and what their failures mean. */
final class MysqlServer implements DatabaseServer {
  private static final Logger LOG = System.getLogger("dev.kedge.store.sql");

  // Each may be repeated: a statement that makes a table cannot be undone with others.
  private static final String[] TABLES = {
    """
    CREATE TABLE IF NOT EXISTS kedge_log (
      revision BIGINT NOT NULL PRIMARY KEY,
      `key` VARBINARY(1024) NOT NULL,
      create_revision BIGINT NOT NULL,
      previous_revision BIGINT NOT NULL,
      deleted TINYINT NOT NULL,
      value LONGBLOB,
      batch BIGINT NOT NULL,
      KEY kedge_log_key (`key`, revision, deleted)
    ) ENGINE = InnoDB ROW_FORMAT = DYNAMIC\
    """,
    """
    CREATE TABLE IF NOT EXISTS kedge_settled (
      id TINYINT NOT NULL PRIMARY KEY,
      times BIGINT NOT NULL
    ) ENGINE = InnoDB\
    """,
    "INSERT IGNORE INTO kedge_settled VALUES (1, 0)",
    """
    CREATE TABLE IF NOT EXISTS kedge_progress (
      id TINYINT NOT NULL PRIMARY KEY,
      schema_version INTEGER NOT NULL,
      revision BIGINT NOT NULL,
      compact_revision BIGINT NOT NULL,
      swept_revision BIGINT NOT NULL
    ) ENGINE = InnoDB\
    """,
    // Kubernetes gives resource version 0 a meaning of its own, so the empty store is at 1.
    "INSERT IGNORE INTO kedge_progress VALUES (1, " + ServerSession.SCHEMA + ", 1, 1, 1)",
  };

  private final MysqlUrl url;
  private volatile boolean settlesItself;

  MysqlServer(MysqlUrl url) {
    this.url = url;
  }

  @Override
  public String name() {
    return "the MySQL database " + url.database() + " at " + url.where();
  }

  // Connections.

  @Override
  public WriteSession openForWriting() throws SQLException {
    // Each statement sees what was committed before it; a server that hangs in a transaction holds
    // up all others, so it is cut off.
    return new MysqlSession(
        this,
        connect(true, "READ COMMITTED", ", wait_timeout = 30, innodb_lock_wait_timeout = 15"));
  }

  @Override
  public Connection openForReading() throws SQLException {
    return connect(true, "REPEATABLE READ", "");
  }

  @Override
  public String beginReading() {
    return "START TRANSACTION READ ONLY";
  }

  @Override
  public Queries queries() {
    return Queries.mysql();
  }

  /**
   * InnoDB shows a commit to others before it is on disk, unless a binary log is written first. The
   * redo log is written in order, so a small commit of one's own waits for all that was read.
   */
  @Override
  public void settle(Connection connection) throws SQLException {
    if (!settlesItself) {
      Database.execute(connection, "UPDATE kedge_settled SET times = times + 1 WHERE id = 1");
    }
  }

  private Connection connect(boolean database, String isolation, String settings)
      throws SQLException {
    Properties properties = url.properties();
    properties.setProperty("connectTimeout", "10000");
    properties.setProperty("socketTimeout", "30000");
    properties.setProperty("tcpKeepAlive", "true");
    properties.setProperty("allowMultiQueries", "true");
    // Straight to the driver: DriverManager would first look through the class path for drivers.
    Connection connection = new Driver().connect(url.jdbc(database), properties);
    if (connection == null) {
      throw new SQLException("the driver does not take " + url.jdbc(database));
    }
    try {
      Database.execute(
          connection,
          "SET SESSION sql_mode = 'STRICT_TRANS_TABLES,NO_ENGINE_SUBSTITUTION'" + settings);
      Database.execute(connection, "SET SESSION TRANSACTION ISOLATION LEVEL " + isolation);
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
      checkVersion(connection.getMetaData());
      checkSettings(connection);
      if (!hasTables(connection)) {
        for (String table : TABLES) {
          Database.execute(connection, table);
        }
      }
      ServerSession.checkSchema(
          name(),
          (int)
              Database.number(
                  connection, "SELECT schema_version FROM kedge_progress WHERE id = 1"));
    }
  }

  private void checkVersion(DatabaseMetaData server) throws SQLException {
    int number = server.getDatabaseMajorVersion() * 100 + server.getDatabaseMinorVersion();
    boolean mariadb = server.getDatabaseProductVersion().contains("MariaDB");
    if (number < (mariadb ? 1011 : 800)) {
      throw new StoreException(
          name()
              + " runs version "
              + server.getDatabaseProductVersion()
              + "; kedge needs MySQL 8 or MariaDB 10.11 or later");
    }
  }

  private void checkSettings(Connection connection) throws SQLException {
    try (Statement statement = connection.createStatement();
        ResultSet row =
            statement.executeQuery(
                "SELECT @@read_only, @@innodb_flush_log_at_trx_commit, @@log_bin,"
                    + " @@sync_binlog")) {
      row.next();
      if (row.getInt(1) != 0) {
        throw new StoreException(
            name() + " is read-only, as a replica is; give the primary, or turn read_only off");
      }
      if (row.getInt(2) != 1) {
        LOG.log(
            Level.WARNING,
            name()
                + " has innodb_flush_log_at_trx_commit = "
                + row.getInt(2)
                + ": a power cut may take acknowledged writes; set it to 1");
      }
      settlesItself = row.getInt(3) != 0 && row.getInt(4) == 1;
    }
  }

  private static boolean hasTables(Connection connection) throws SQLException {
    boolean there =
        Database.number(
                connection,
                "SELECT count(*) FROM information_schema.tables"
                    + " WHERE table_schema = database() AND table_name = 'kedge_progress'")
            == 1;
    return there && Database.number(connection, "SELECT count(*) FROM kedge_progress") == 1;
  }

  private Connection connectOrCreate() throws SQLException {
    try {
      return connect(true, "READ COMMITTED", "");
    } catch (SQLException e) {
      if (e.getErrorCode() != 1049) {
        throw e;
      }
      try (Connection maintenance = connect(false, "READ COMMITTED", "")) {
        Database.execute(maintenance, "CREATE DATABASE IF NOT EXISTS " + quoted());
      } catch (SQLException refused) {
        StoreException missing =
            new StoreException(
                "the MySQL server at "
                    + url.where()
                    + " has no database "
                    + url.database()
                    + " and the user "
                    + url.user()
                    + " may not create it; run there: "
                    + remedyStatements(),
                e);
        missing.addSuppressed(refused);
        throw missing;
      }
      return connect(true, "READ COMMITTED", "");
    }
  }

  private String remedyStatements() {
    return "CREATE DATABASE IF NOT EXISTS "
        + quoted()
        + "; GRANT ALL ON "
        + quoted()
        + ".* TO '"
        + url.user()
        + "'@'%'";
  }

  private String quoted() {
    return "`" + url.database() + "`";
  }

  // Failures.

  @Override
  public Remedy remedy(SQLException e) {
    return switch (e.getErrorCode()) {
      // No lock in time, deadlock (with Galera also: another node was first).
      case 1205, 1213 -> Remedy.REPEAT;
      // Too many connections, shutting down, killed, idle too long, read-only, not ready (Galera).
      case 1040, 1053, 1927, 4031, 1290, 1836, 1792, 1047 -> Remedy.RECONNECT;
      default -> {
        String state = e.getSQLState();
        yield state == null || state.startsWith("08") || state.equals("70100")
            ? Remedy.RECONNECT
            : Remedy.NONE;
      }
    };
  }

  @Override
  public StoreException failure(SQLException e) {
    String server = "the MySQL server at " + url.where();
    String message = Failures.firstLine(e);
    for (Throwable cause = e; cause != null; cause = cause.getCause()) {
      if (cause instanceof SSLException) {
        return new StoreException(
            "no trusted TLS connection to "
                + server
                + " ("
                + Failures.tls(cause)
                + "); check the datastore's CA file, client certificate and tls",
            e);
      }
      if (cause instanceof UnknownHostException) {
        return new StoreException(
            server + " cannot be found: there is no such host; correct the datastore endpoint", e);
      }
    }
    if (message.contains("ssl not enabled")) {
      return new StoreException(server + " offers no TLS; turn it on there, or give tls=false", e);
    }
    return switch (e.getErrorCode()) {
      case 1045, 1698 ->
          new StoreException(
              server
                  + " refuses the user "
                  + url.user()
                  + " ("
                  + message
                  + "); check user and password in the datastore endpoint",
              e);
      case 1044, 1142, 1143, 1227 ->
          new StoreException(
              "the user "
                  + url.user()
                  + " may not use "
                  + name()
                  + " ("
                  + message
                  + "); run there: "
                  + remedyStatements(),
              e);
      case 1290, 1836, 1792 ->
          new StoreException(
              name() + " is read-only, as a replica is; give the primary, or turn read_only off",
              e);
      case 1021, 1114, 1030 ->
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
