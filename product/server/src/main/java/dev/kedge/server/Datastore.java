package dev.kedge.server;

import dev.kedge.lifecycle.UserException;
import dev.kedge.store.Store;
import dev.kedge.store.StoreException;
import dev.kedge.store.sql.MysqlStore;
import dev.kedge.store.sql.PostgresStore;
import dev.kedge.store.sql.SqliteStore;
import dev.kedge.store.sql.TlsFiles;
import java.net.URI;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import java.util.Locale;
import java.util.Optional;
import java.util.stream.Collectors;
import java.util.stream.Stream;

/**
 * Where a server keeps its objects: {@code --datastore-endpoint} in K3s's URL forms, and the files
 * for TLS. The one place that knows which engine a URL means.
 *
 * @param endpoint as the operator gave it; may hold a password, so {@link #toString} goes into
 *     messages
 * @param caFile what the engine's certificate is checked against
 * @param certFile this server's own certificate for the engine; with {@code keyFile} or not at all
 */
public record Datastore(
    String endpoint,
    Optional<Path> caFile,
    Optional<Path> certFile,
    Optional<Path> keyFile,
    Embedded embedded) {

  /**
   * Settings of the embedded database.
   *
   * @param lagging whether a write may take ten seconds to reach the disk after it was acknowledged
   * @param sparing whether the disk is to be written to as little as possible
   * @param limit bytes from which on new objects are refused
   */
  public record Embedded(boolean lagging, boolean sparing, long limit) {
    public static final Embedded DEFAULT =
        new Embedded(false, false, SqliteStore.Options.DEFAULT.limit());

    private SqliteStore.Options options() {
      SqliteStore.Options options = SqliteStore.Options.DEFAULT.limited(limit);
      options = lagging ? options.with(SqliteStore.Durability.NORMAL) : options;
      return sparing ? options.sparing() : options;
    }
  }

  /** With the embedded database as it is by default. */
  public Datastore(
      String endpoint, Optional<Path> caFile, Optional<Path> certFile, Optional<Path> keyFile) {
    this(endpoint, caFile, certFile, keyFile, Embedded.DEFAULT);
  }

  /** The embedded database in the data directory. */
  public static final Datastore EMBEDDED =
      new Datastore("", Optional.empty(), Optional.empty(), Optional.empty());

  private static final String FLAG = "--datastore-endpoint ";

  /** The engines, by the schemes of their URLs; the order is that of the message to the user. */
  private enum Engine {
    SQLITE("sqlite"),
    POSTGRES("postgres", "postgresql"),
    MYSQL("mysql"),
    ETCD("https", "http");

    private final List<String> schemes;

    Engine(String... schemes) {
      this.schemes = List.of(schemes);
    }
  }

  /**
   * Checks what can be checked without the engine.
   *
   * @throws UserException with what to give instead
   */
  public Datastore {
    if (certFile.isPresent() != keyFile.isPresent()) {
      throw new UserException(
          "--datastore-certfile and --datastore-keyfile belong together; give both or neither");
    }
    Stream.of(caFile, certFile, keyFile)
        .flatMap(Optional::stream)
        .filter(file -> !Files.isReadable(file))
        .findFirst()
        .ifPresent(
            file -> {
              throw new UserException(
                  "the file " + file + " for the datastore's TLS cannot be read");
            });
    if (engine(endpoint) != Engine.SQLITE && !embedded.equals(Embedded.DEFAULT)) {
      throw new UserException(
          "--datastore-durability, --datastore-size-limit and --storage-profile are for the"
              + " embedded SQLite; set "
              + shown(endpoint)
              + " up itself instead");
    }
    switch (engine(endpoint)) {
      case SQLITE -> {
        if (caFile.isPresent() || certFile.isPresent()) {
          throw new UserException(
              "the embedded SQLite datastore has no TLS; leave --datastore-cafile,"
                  + " --datastore-certfile and --datastore-keyfile out");
        }
        sqliteFile(endpoint);
      }
      case POSTGRES ->
          checked(() -> PostgresStore.check(endpoint, files(caFile, certFile, keyFile)));
      case MYSQL -> checked(() -> MysqlStore.check(endpoint, files(caFile, certFile, keyFile)));
      case ETCD -> {
        boolean secure = EtcdEndpoint.urls(endpoint).stream().anyMatch(Datastore::isHttps);
        if (!secure && (caFile.isPresent() || certFile.isPresent())) {
          throw new UserException(
              FLAG + endpoint + " is not secured by TLS; begin its URLs with https://");
        }
      }
    }
  }

  private static boolean isHttps(URI url) {
    return url.getScheme().equals("https");
  }

  /**
   * Opens the store.
   *
   * @param file the SQLite file where the endpoint names none
   * @throws UserException if the engine cannot be used; one sentence with the next step
   */
  Store open(Path file) {
    try {
      return switch (engine(endpoint)) {
        case SQLITE -> SqliteStore.open(sqliteFile(endpoint).orElse(file), embedded.options());
        case POSTGRES -> PostgresStore.open(endpoint, files(caFile, certFile, keyFile));
        case MYSQL -> MysqlStore.open(endpoint, files(caFile, certFile, keyFile));
        case ETCD -> EtcdEndpoint.open(endpoint, caFile, certFile, keyFile);
      };
    } catch (StoreException e) {
      throw new UserException(String.valueOf(e.getMessage()), e);
    }
  }

  private static TlsFiles files(Optional<Path> ca, Optional<Path> certificate, Optional<Path> key) {
    return new TlsFiles(ca, certificate, key);
  }

  private static void checked(Runnable check) {
    try {
      check.run();
    } catch (StoreException e) {
      throw new UserException(String.valueOf(e.getMessage()), e);
    }
  }

  /**
   * The file that holds the data; empty where that lies outside this server.
   *
   * @param embedded the SQLite file where the endpoint names none
   */
  Optional<Path> file(Path embedded) {
    return switch (engine(endpoint)) {
      case SQLITE -> Optional.of(sqliteFile(endpoint).orElse(embedded));
      case POSTGRES, MYSQL, ETCD -> Optional.empty();
    };
  }

  /** {@code sqlite}, {@code postgres}, {@code mysql} or {@code etcd}. */
  String engineName() {
    return engine(endpoint).name().toLowerCase(Locale.ROOT);
  }

  /** Without the password. */
  @Override
  public String toString() {
    return shown(endpoint);
  }

  private static String shown(String endpoint) {
    // Up to the last @ before the path: passwords may hold any other character.
    return endpoint.replaceAll("//.*@", "//…@");
  }

  private static Engine engine(String endpoint) {
    if (endpoint.isEmpty() || endpoint.equals("sqlite")) {
      return Engine.SQLITE;
    }
    int end = endpoint.indexOf("://");
    String scheme = end < 0 ? "" : endpoint.substring(0, end);
    return Arrays.stream(Engine.values())
        .filter(engine -> engine.schemes.contains(scheme))
        .findFirst()
        .orElseThrow(
            () ->
                new UserException(
                    FLAG
                        + shown(endpoint)
                        + " names no datastore that kedge knows; begin it with "
                        + Arrays.stream(Engine.values())
                            .flatMap(engine -> engine.schemes.stream())
                            .map(known -> known + "://")
                            .collect(Collectors.joining(", "))
                        + ", or leave it out for the embedded one"));
  }

  /** The file of {@code sqlite:///path}; empty where the endpoint names none. */
  private static Optional<Path> sqliteFile(String endpoint) {
    String path = endpoint.replaceFirst("^sqlite(://)?", "");
    if (path.contains("?")) {
      throw new UserException(
          FLAG
              + endpoint
              + ": kedge sets SQLite up itself; leave "
              + path.substring(path.indexOf('?'))
              + " out");
    }
    return path.isEmpty() ? Optional.empty() : Optional.of(Path.of(path).toAbsolutePath());
  }
}
