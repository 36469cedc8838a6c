package dev.kedge.server;

import dev.kedge.identity.ClusterCertificates;
import dev.kedge.lifecycle.Startup;
import dev.kedge.lifecycle.UserException;
import dev.kedge.model.Json;
import dev.kedge.model.JsonObject;
import dev.kedge.model.Times;
import dev.kedge.store.Store;
import dev.kedge.store.Store.Entry;
import dev.kedge.store.Store.WriteResult.Committed;
import dev.kedge.store.StoreException;
import dev.kedge.store.etcd.EtcdStore;
import dev.kedge.store.snapshot.Records;
import dev.kedge.store.snapshot.SnapshotHeader;
import dev.kedge.store.snapshot.SnapshotPlace.Kept;
import dev.kedge.store.snapshot.SnapshotReader;
import dev.kedge.store.snapshot.StoreFilling;
import dev.kedge.store.sql.DamagedException;
import dev.kedge.store.sql.SqliteStore;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.time.Clock;
import java.time.Duration;
import java.time.Instant;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.OptionalLong;
import javax.crypto.AEADBadTagException;
import org.jspecify.annotations.Nullable;

/**
 * Fills a datastore from a snapshot, whatever engine that was taken of: everything is checked
 * before anything is changed, what was there before is kept, and revisions go on above all that the
 * cluster's clients may know, so that they list again.
 */
final class Restoring {
  /** In a shared store as long as it is being filled; no server starts on that. */
  static final String MARK = "/bootstrap/restoring";

  private static final System.Logger LOG = System.getLogger("dev.kedge.server");
  private static final String LEASES =
      "/registry/coordination.k8s.io/leases/kube-system/kedge-server-";

  /** What a cluster is thought to write in a second, at most. */
  private static final long CHANGES_A_SECOND = 1000;

  private final ServerConfig config;
  private final Snapshots snapshots;
  private final Startup startup;
  private final Clock clock;

  Restoring(ServerConfig config, Startup startup, Clock clock) {
    this.config = config;
    this.snapshots = new Snapshots(config, clock);
    this.startup = startup;
    this.clock = clock;
  }

  /**
   * Restores a snapshot into the configured datastore.
   *
   * @param nameOrPath of the snapshot
   * @param force whether what is there may be replaced
   * @throws UserException if it cannot be done; nothing was changed then
   */
  void run(String nameOrPath, boolean force) {
    try (Snapshots.Source source = snapshots.find(nameOrPath)) {
      BootstrapData cluster;
      ClusterToken token;
      try (SnapshotReader snapshot = snapshots.open(source.file())) {
        token = givenToken();
        cluster = cluster(snapshot, nameOrPath, token);
      }
      cluster.requireSameCluster(config);
      Preflight.directories(config);
      try (DataDirLock _ = DataDirLock.take(config.dataDir());
          SnapshotReader snapshot = snapshots.open(source.file())) {
        if (config.embeddedEtcd()) {
          intoOwnEtcd(snapshot, cluster, nameOrPath, force);
        } else if (config.datastore().file(config.databaseFile()).isPresent()) {
          intoSqlite(snapshot, cluster, force);
        } else {
          intoShared(snapshot, cluster, nameOrPath, force);
        }
      }
      ClusterCertificates certificates = ClusterCertificates.open(config.tlsDir(), clock);
      Foundation.keepToken(config, token, certificates);
    } catch (IOException | UncheckedIOException e) {
      throw new UserException(
          "the snapshot " + nameOrPath + " was not restored: " + Preflight.why(e), e);
    } catch (StoreException e) {
      throw new UserException(String.valueOf(e.getMessage()), e);
    }
  }

  private ClusterToken givenToken() {
    return Foundation.givenToken(config)
        .orElseThrow(
            () ->
                new UserException(
                    "restoring needs the token of the snapshot's cluster: give it with --token (it"
                        + " was in server/token in the data directory of its servers)"));
  }

  private static BootstrapData cluster(SnapshotReader snapshot, String name, ClusterToken token)
      throws IOException {
    Optional<Records.Entry> next = snapshot.next();
    // Keys come in their order, and this is the first but for others of its kind.
    while (next.isPresent() && next.get().key().compareTo(BootstrapData.KEY) < 0) {
      next = snapshot.next();
    }
    byte[] sealed =
        next.filter(entry -> entry.key().equals(BootstrapData.KEY))
            .orElseThrow(
                () ->
                    new UserException(
                        "the snapshot "
                            + name
                            + " holds no cluster's authorities; take one of a server that has run"))
            .value();
    try {
      return BootstrapData.unseal(sealed, token);
    } catch (UserException e) {
      if (e.getCause() instanceof AEADBadTagException) {
        throw new UserException(
            "the snapshot "
                + name
                + " is of a cluster with another token; give that with --token (it was in"
                + " server/token in the data directory of its servers)",
            e);
      }
      throw e;
    }
  }

  /**
   * The revision to go on above: what the cluster wrote since may be known to its clients, and what
   * it wrote after an earlier restore of the same snapshot.
   */
  private long above(SnapshotHeader header) {
    long seconds = Duration.between(header.taken(), clock.instant()).toSeconds();
    return header.revision() + StoreFilling.UNKNOWN + CHANGES_A_SECOND * Math.max(0, seconds);
  }

  // SQLite.

  private void intoSqlite(SnapshotReader snapshot, BootstrapData cluster, boolean force) {
    Path file = config.datastore().file(config.databaseFile()).orElseThrow();
    if (Files.exists(file) && !force) {
      throw occupied("there is a database " + file, "it is kept under another name then");
    }
    Optional<Path> aside = replace(file, snapshot, () -> cluster.installFiles(config));
    done(snapshot.header(), "the database " + file);
    aside.ifPresent(old -> startup.say("The database that was there is kept as " + old + "."));
  }

  private Optional<Path> replace(Path file, SnapshotReader snapshot, Runnable last) {
    OptionalLong reached =
        Files.exists(file) ? SqliteStore.lastRevision(file) : OptionalLong.empty();
    long above = Math.max(above(snapshot.header()), reached.orElse(0));
    return SqliteStore.replace(
        file,
        store -> {
          // The authorities are files beside an SQLite file.
          StoreFilling.fill(store, above, without(BootstrapData.KEY, snapshot));
          last.run();
        });
  }

  /**
   * Opens the server's SQLite file. If that is damaged, the newest snapshot that is whole takes its
   * place, and the file is kept.
   *
   * @throws UserException if there is no such snapshot either, or anything else is wrong
   */
  Store openOrRestore() {
    Path file = config.datastore().file(config.databaseFile()).orElseThrow();
    String how;
    UserException damage;
    try {
      if (!isEmptied(file)) {
        return config.datastore().open(config.databaseFile());
      }
      how = "it is empty";
      damage = new UserException("the database " + file + " is empty");
    } catch (UserException e) {
      if (!(e.getCause() instanceof DamagedException damaged)) {
        throw e;
      }
      how = damaged.how();
      damage = e;
    }
    List<String> refused = new ArrayList<>();
    for (Kept kept : ownSnapshots()) {
      OptionalLong reached = SqliteStore.lastRevision(file);
      try (SnapshotReader snapshot = snapshots.open(config.snapshotDir().resolve(kept.name()))) {
        Path aside = replace(file, snapshot, () -> {}).orElseThrow();
        long last = snapshot.header().revision();
        String sentence =
            "the database %s is damaged (%s): the cluster goes on with the snapshot %s of %s, and the changes of revisions %d to %s are lost; the damaged file is kept as %s"
                .formatted(
                    file,
                    how,
                    kept.name(),
                    snapshot.header().taken(),
                    last + 1,
                    reached.isPresent() && reached.getAsLong() > last
                        ? Long.toString(reached.getAsLong())
                        : "the last",
                    aside);
        startup.say("  " + sentence);
        return config.datastore().open(config.databaseFile());
      } catch (UserException | IOException e) {
        refused.add(String.valueOf(e.getMessage()));
      }
    }
    refused.forEach(why -> LOG.log(System.Logger.Level.WARNING, why));
    throw damage;
  }

  /** A file without a byte is made at the first start; with snapshots of it there were some. */
  private boolean isEmptied(Path file) {
    try {
      return Files.exists(file) && Files.size(file) == 0 && !ownSnapshots().isEmpty();
    } catch (IOException e) {
      throw new UserException(file + " cannot be read: " + e.getMessage(), e);
    }
  }

  /** Those of this cluster, newest first. */
  private List<Kept> ownSnapshots() {
    if (!Files.exists(config.tlsDir().resolve("server-ca.crt"))) {
      return List.of();
    }
    String cluster = Snapshots.cluster(config, new ClusterToken("", Optional.empty()));
    return snapshots.directory().list().reversed().stream()
        .filter(kept -> kept.header().filter(h -> h.cluster().equals(cluster)).isPresent())
        .toList();
  }

  // An etcd of this server's own.

  private void intoOwnEtcd(
      SnapshotReader snapshot, BootstrapData cluster, String name, boolean force)
      throws IOException {
    Path data = config.etcdDir();
    List<Path> present =
        List.of(data, config.databaseFile()).stream().filter(Files::exists).toList();
    if (!present.isEmpty() && !force) {
      throw occupied(
          "there is data in " + present.getFirst(), "it is kept under another name then");
    }
    cluster.installFiles(config);
    ClusterCertificates certificates = ClusterCertificates.open(config.tlsDir(), clock);
    String suffix = ".replaced-" + clock.instant().getEpochSecond();
    List<Path> aside = new ArrayList<>();
    for (Path old : present) {
      // An SQLite file would be moved in at the next start.
      Path kept = old.resolveSibling(old.getFileName() + suffix);
      Files.move(old, kept, StandardCopyOption.ATOMIC_MOVE);
      aside.add(kept);
    }
    try (EmbeddedEtcd etcd = EmbeddedEtcd.start(config, certificates, List.of(), startup);
        Store store = EtcdStore.open(etcd.settings())) {
      fill(store, snapshot, name);
    } catch (RuntimeException e) {
      putBack(present, aside, clock.instant(), e);
      throw e;
    }
    done(snapshot.header(), "etcd in " + data);
    aside.forEach(old -> startup.say("What was there is kept as " + old + "."));
  }

  /** What was begun goes aside, what was aside comes back. */
  private void putBack(List<Path> present, List<Path> aside, Instant now, Exception reason) {
    try {
      Path data = config.etcdDir();
      if (Files.exists(data)) {
        Files.move(
            data, data.resolveSibling(data.getFileName() + ".failed-" + now.getEpochSecond()));
      }
      for (int i = 0; i < aside.size(); i++) {
        Files.move(aside.get(i), present.get(i), StandardCopyOption.ATOMIC_MOVE);
      }
    } catch (IOException e) {
      reason.addSuppressed(e);
    }
  }

  // A datastore that servers share.

  private void intoShared(
      SnapshotReader snapshot, BootstrapData cluster, String name, boolean force) {
    try (Store store = config.datastore().open(config.databaseFile())) {
      if (store.get(MARK).isEmpty() && !store.list("/", 0, "", 1).entries().isEmpty()) {
        requireStopped(store);
        if (!force) {
          throw occupied(
              "the datastore " + config.datastore() + " is not empty",
              "a snapshot of it is taken first");
        }
        Snapshots.Saved before = snapshots.save("before-restore", () -> own(store));
        startup.say("What was there is kept as the snapshot " + before.file() + ".");
      }
      cluster.installFiles(config);
      fill(store, snapshot, name);
    }
    done(snapshot.header(), "the datastore " + config.datastore());
  }

  private Snapshots.Content own(Store store) {
    return Snapshots.content(config, store, givenToken(), clock);
  }

  private void fill(Store store, SnapshotReader snapshot, String name) {
    if (store.get(MARK).isEmpty()) {
      store.create(MARK, name.getBytes(StandardCharsets.UTF_8));
    }
    StoreFilling.clear(store, MARK);
    StoreFilling.fill(store, above(snapshot.header()), without(MARK, snapshot));
    Entry mark = store.get(MARK).orElseThrow();
    if (!(store.delete(MARK, mark.revision()) instanceof Committed)) {
      throw new StoreException("somebody else writes to the datastore: " + MARK + " has changed");
    }
  }

  /** Refuses a datastore that was filled in part only. */
  static void requireWhole(Store store) {
    store
        .get(MARK)
        .ifPresent(
            mark -> {
              throw new UserException(
                  "the snapshot "
                      + new String(mark.value(), StandardCharsets.UTF_8)
                      + " was restored into this datastore in part only; run kedge snapshot"
                      + " restore again");
            });
  }

  /** Servers that share a datastore say by a Lease each that they run. */
  private void requireStopped(Store store) {
    Instant now = clock.instant();
    for (Entry entry : store.list(LEASES, 0, "", 0).entries()) {
      JsonObject spec = ((JsonObject) Json.parse(entry.value())).object("spec");
      Optional<Instant> renewed = Times.instant(spec.text("renewTime"));
      long seconds = spec.integer("leaseDurationSeconds");
      if (renewed.isPresent() && renewed.get().plusSeconds(seconds).isAfter(now)) {
        throw new UserException(
            "the kedge server %s uses this datastore: it said so %d s ago; stop every server of the cluster, wait %d s for those that were killed, then try again"
                .formatted(
                    entry.key().substring(LEASES.length()),
                    Math.max(0, Duration.between(renewed.get(), now).toSeconds()),
                    seconds));
      }
    }
  }

  private static UserException occupied(String what, String kept) {
    return new UserException(
        what + "; give --force to restore the snapshot in its place (" + kept + ")");
  }

  private void done(SnapshotHeader header, String where) {
    startup.say(
        "%s holds the snapshot of revision %d, taken of %s at %s."
            .formatted(
                Character.toUpperCase(where.charAt(0)) + where.substring(1),
                header.revision(),
                header.engine(),
                header.taken()));
  }

  // Records.

  private static Records without(String key, Records records) {
    return new Derived(records, null, null) {
      @Override
      public Optional<Entry> next() throws IOException {
        Optional<Entry> next = super.next();
        return next.isPresent() && next.get().key().equals(key) ? super.next() : next;
      }
    };
  }

  /** The same after another. */
  static Records first(Records.Entry entry, Records records) {
    return new Derived(records, entry, null);
  }

  /** The same, which closes its store too. */
  static Records closing(Records records, Store store) {
    return new Derived(records, null, store);
  }

  private static class Derived implements Records {
    private final Records records;
    private final @Nullable Store store;
    private @Nullable Entry first;

    Derived(Records records, @Nullable Entry first, @Nullable Store store) {
      this.records = records;
      this.first = first;
      this.store = store;
    }

    @Override
    public Optional<Entry> next() throws IOException {
      Entry given = first;
      first = null;
      return given == null ? records.next() : Optional.of(given);
    }

    @Override
    public void close() throws IOException {
      records.close();
      if (store != null) {
        store.close();
      }
    }
  }
}
