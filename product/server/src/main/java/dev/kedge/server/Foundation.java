package dev.kedge.server;

import dev.kedge.identity.ClusterCertificates;
import dev.kedge.lifecycle.Closer;
import dev.kedge.lifecycle.Startup;
import dev.kedge.lifecycle.Startup.Phase;
import dev.kedge.lifecycle.UserException;
import dev.kedge.store.Store;
import dev.kedge.store.Store.Entry;
import dev.kedge.store.Store.WriteResult.Committed;
import dev.kedge.store.StoreException;
import dev.kedge.store.etcd.EtcdStore;
import dev.kedge.store.snapshot.StoreFilling;
import dev.kedge.store.snapshot.StoreRecords;
import dev.kedge.store.sql.SqliteStore;
import java.io.IOException;
import java.net.URI;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Clock;
import java.util.List;
import java.util.Optional;

/**
 * What everything else of a server stands on: where its objects are kept, and the authorities that
 * it shares with the other servers of its cluster.
 *
 * @param etcd this server's own member, where it runs one
 * @param shared whether several servers use the store
 */
record Foundation(
    Store store,
    ClusterCertificates certificates,
    ClusterToken token,
    Optional<EmbeddedEtcd> etcd,
    boolean shared) {

  /**
   * Opens or makes it.
   *
   * @param external the store, where it lies outside this machine and is open already
   */
  static Foundation lay(
      ServerConfig config, Optional<Store> external, Startup startup, Closer parts, Clock clock) {
    Foundation foundation;
    if (external.isPresent()) {
      foundation = onExternal(config, external.get(), startup, clock);
    } else if (config.embeddedEtcd()) {
      foundation = onEtcd(config, startup, parts, clock);
    } else {
      foundation = onSqlite(config, startup, parts, clock);
    }
    keepToken(config, foundation.token(), foundation.certificates());
    return foundation;
  }

  private static Foundation onSqlite(
      ServerConfig config, Startup startup, Closer parts, Clock clock) {
    // Two things that do not need each other.
    Phase<ClusterCertificates> opening =
        startup.begin("certificates", () -> ClusterCertificates.open(config.tlsDir(), clock));
    Store store =
        parts.add(
            "datastore",
            startup.run("datastore", () -> new Restoring(config, startup, clock).openOrRestore()));
    ClusterToken token = givenToken(config).orElseGet(ClusterToken::random);
    return new Foundation(store, opening.await(), token, Optional.empty(), false);
  }

  private static Foundation onExternal(
      ServerConfig config, Store store, Startup startup, Clock clock) {
    Optional<ClusterToken> given = givenToken(config);
    ClusterToken token = given.orElseGet(ClusterToken::random);
    Restoring.requireWhole(store);
    ClusterCertificates certificates =
        startup.run("certificates", () -> share(config, store, token, given.isPresent(), clock));
    return new Foundation(store, certificates, token, Optional.empty(), true);
  }

  private static Foundation onEtcd(
      ServerConfig config, Startup startup, Closer parts, Clock clock) {
    Optional<URI> server = config.cluster().server();
    Optional<ClusterToken> given = givenToken(config);
    List<URI> others = List.of();
    if (server.isPresent()) {
      ClusterToken token =
          given.orElseThrow(
              () ->
                  new UserException(
                      "--server needs --token; it is in server/token in the data directory of the"
                          + " first server"));
      others = introduce(config, server.get(), token);
    }
    ClusterToken token = given.orElseGet(ClusterToken::random);
    ClusterCertificates opened =
        startup.run("certificates", () -> ClusterCertificates.open(config.tlsDir(), clock));
    List<URI> members = others;
    EmbeddedEtcd etcd =
        parts.add(
            "etcd",
            startup.run("etcd", () -> EmbeddedEtcd.start(config, opened, members, startup)));
    Store store = parts.add("datastore", startup.run("datastore", () -> open(etcd.settings())));
    Restoring.requireWhole(store);
    if (server.isEmpty() && Files.exists(config.databaseFile())) {
      moveIn(config, store, startup);
    }
    ClusterCertificates certificates = share(config, store, token, given.isPresent(), clock);
    return new Foundation(store, certificates, token, Optional.of(etcd), true);
  }

  private static Store open(EtcdStore.Settings settings) {
    try {
      return EtcdStore.open(settings);
    } catch (StoreException e) {
      throw new UserException(String.valueOf(e.getMessage()), e);
    }
  }

  /** A server that has its data already comes back also while the one it joined by is away. */
  private static List<URI> introduce(ServerConfig config, URI server, ClusterToken token) {
    try {
      Joining joining = Joining.ask(server, token);
      joining.data().install(config);
      return joining.etcd();
    } catch (UserException e) {
      if (EmbeddedEtcd.hasData(config)) {
        System.getLogger("dev.kedge.server")
            .log(System.Logger.Level.WARNING, "going on without: {0}", e.getMessage());
        return List.of();
      }
      throw e;
    }
  }

  /** Takes the cluster's authorities from the store, or gives it this server's, the first one's. */
  private static ClusterCertificates share(
      ServerConfig config, Store store, ClusterToken token, boolean given, Clock clock) {
    Optional<Entry> sealed = store.get(BootstrapData.KEY);
    if (sealed.isEmpty()) {
      boolean fresh = !Files.exists(config.tlsDir().resolve("server-ca.crt"));
      ClusterCertificates own = ClusterCertificates.open(config.tlsDir(), clock);
      if (store.create(BootstrapData.KEY, BootstrapData.of(config).seal(token))
          instanceof Committed) {
        return own;
      }
      // Another server was first in the same moment.
      if (fresh) {
        forget(config.tlsDir());
      }
      sealed = store.get(BootstrapData.KEY);
    }
    if (!given) {
      throw new UserException(
          "there is a cluster in this datastore already; give its token with --token (it is in"
              + " server/token in the data directory of its first server)");
    }
    BootstrapData.unseal(sealed.orElseThrow().value(), token).install(config);
    return ClusterCertificates.open(config.tlsDir(), clock);
  }

  private static void forget(Path directory) {
    try (var files = Files.list(directory)) {
      for (Path file : files.toList()) {
        Files.delete(file);
      }
    } catch (IOException e) {
      throw new UserException("cannot clear " + directory + ": " + e.getMessage(), e);
    }
  }

  /** Copies the objects of a server that ran alone; its database file stays, under another name. */
  private static void moveIn(ServerConfig config, Store store, Startup startup) {
    Path file = config.databaseFile();
    long moved;
    // What an earlier start moved before it was cut short is there already. Clients know no more of
    // the store than its own revision, as it is closed.
    try (Store alone = SqliteStore.open(file)) {
      moved = StoreFilling.fill(store, alone.currentRevision(), new StoreRecords(alone));
    } catch (StoreException e) {
      throw new UserException(
          "the objects in " + file + " cannot be moved to etcd: " + e.getMessage(), e);
    }
    Path kept = file.resolveSibling(file.getFileName() + ".moved-to-etcd");
    try {
      Files.move(file, kept);
    } catch (IOException e) {
      throw new UserException("cannot rename " + file + ": " + e.getMessage(), e);
    }
    startup.say("  moved " + moved + " objects from SQLite to etcd; the file stays as " + kept);
  }

  /** What the operator gave, else what an earlier start kept. */
  static Optional<ClusterToken> givenToken(ServerConfig config) {
    if (config.cluster().token().isPresent()) {
      return config.cluster().token().map(ClusterToken::parse);
    }
    Path file = config.tokenFile();
    try {
      return Files.exists(file)
          ? Optional.of(ClusterToken.parse(Files.readString(file)))
          : Optional.empty();
    } catch (IOException e) {
      throw new UserException("the token in " + file + " cannot be read: " + e.getMessage(), e);
    }
  }

  /** Keeps the token for the next start, and for who joins. */
  static void keepToken(ServerConfig config, ClusterToken token, ClusterCertificates certificates) {
    Path file = config.tokenFile();
    String full = token.full(certificates.serverAuthority().bundlePem()) + "\n";
    try {
      if (!Files.exists(file) || !Files.readString(file).equals(full)) {
        SecretFiles.write(file, full);
      }
    } catch (IOException e) {
      throw new UserException("the token cannot be kept in " + file + ": " + e.getMessage(), e);
    }
  }
}
