package dev.kedge.server;

import dev.kedge.lifecycle.UserException;
import dev.kedge.store.CompactedException;
import dev.kedge.store.Store;
import dev.kedge.store.StoreException;
import dev.kedge.store.snapshot.Records;
import dev.kedge.store.snapshot.S3Bucket;
import dev.kedge.store.snapshot.SnapshotDirectory;
import dev.kedge.store.snapshot.SnapshotHeader;
import dev.kedge.store.snapshot.SnapshotKey;
import dev.kedge.store.snapshot.SnapshotName;
import dev.kedge.store.snapshot.SnapshotPlace;
import dev.kedge.store.snapshot.SnapshotPlace.Kept;
import dev.kedge.store.snapshot.SnapshotReader;
import dev.kedge.store.snapshot.StoreRecords;
import java.io.IOException;
import java.io.InputStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Clock;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.function.Supplier;

/**
 * The snapshots of a server's datastore: in a directory of its machine and, where S3 is set up, in
 * a bucket too. For the server's schedule and for the command line.
 */
public final class Snapshots {
  /** What a running server streams a snapshot at, to who may open its socket. */
  public static final String PATH = "/v1-kedge/snapshot";

  /** What the names of those that somebody asked for begin with, as in K3s. */
  public static final String ON_DEMAND = "on-demand";

  private static final int ATTEMPTS = 3;

  private final ServerConfig config;
  private final Clock clock;
  private final SnapshotDirectory directory;
  private final Optional<S3Bucket> bucket;

  public Snapshots(ServerConfig config, Clock clock) {
    this.config = config;
    this.clock = clock;
    this.directory = new SnapshotDirectory(config.snapshotDir());
    this.bucket = config.snapshots().s3().map(settings -> new S3Bucket(settings, clock));
  }

  /** What a snapshot is made of: a store, or a running server's answer. */
  public record Content(SnapshotHeader header, Records records) {}

  /**
   * A snapshot that was saved.
   *
   * @param bytes its size
   */
  public record Saved(String name, Path file, long revision, long bytes) {}

  // Taking them.

  /**
   * What a server's store holds now, with what makes it the cluster's: stores that servers share
   * keep that among their records, for the others it is put there.
   */
  static Content content(ServerConfig config, Store store, ClusterToken token, Clock clock) {
    StoreRecords records = new StoreRecords(store);
    SnapshotHeader header =
        new SnapshotHeader(
            cluster(config, token),
            records.revision(),
            clock.instant(),
            config.engine(),
            KedgeVersion.KEDGE,
            false,
            Optional.empty());
    return new Content(
        header,
        config.engine().equals("sqlite")
            ? Restoring.first(
                new Records.Entry(BootstrapData.KEY, BootstrapData.of(config).seal(token)), records)
            : records);
  }

  /** The hash of the authority that signs the cluster's servers, as in its token. */
  static String cluster(ServerConfig config, ClusterToken token) {
    Path authority = config.tlsDir().resolve("server-ca.crt");
    try {
      return Files.exists(authority)
          ? ClusterToken.hash(Files.readString(authority))
          : token.authorityHash().orElse("");
    } catch (IOException e) {
      throw new UserException(authority + " cannot be read: " + e.getMessage(), e);
    }
  }

  /**
   * Saves a snapshot.
   *
   * @param base what its name begins with
   * @param content asked again when it could not be read in the time that a store keeps the past
   * @throws UserException if it cannot be kept
   */
  public Saved save(String base, Supplier<Content> content) {
    for (int attempt = 1; ; attempt++) {
      Content taken = content.get();
      try (Records records = taken.records()) {
        SnapshotName name = SnapshotName.of(base, config.node().name(), clock.instant());
        Path file =
            directory.save(
                name, taken.header().kept(config.snapshots().compressed()), key(), records);
        bring(file);
        return new Saved(name.toString(), file, taken.header().revision(), Files.size(file));
      } catch (CompactedException e) {
        if (attempt == ATTEMPTS) {
          throw new UserException(
              "the datastore changes faster than it can be read; try again when it is quieter", e);
        }
      } catch (IOException e) {
        throw new UserException("the snapshot was not finished: " + e.getMessage(), e);
      }
    }
  }

  private void bring(Path file) {
    try {
      bucket.ifPresent(s3 -> s3.put(file));
    } catch (UserException e) {
      throw new UserException("the snapshot was saved as " + file + ", but " + e.getMessage(), e);
    }
  }

  /**
   * What the datastore holds that no server of this machine runs on.
   *
   * @param server the answer of the one that does, with its snapshot; empty where none runs
   * @return to be closed after use, store and all
   */
  public Content content(Optional<InputStream> server) {
    try {
      if (server.isPresent()) {
        SnapshotReader reader =
            SnapshotReader.open(
                server.get(), "that the running server sends", kind -> Optional.empty());
        return new Content(reader.header(), reader);
      }
    } catch (IOException e) {
      throw new UserException("the running server broke off: " + e.getMessage(), e);
    }
    if (config.embeddedEtcd()) {
      throw new UserException(
          "the server in "
              + config.dataDir()
              + " does not run, nor does its etcd; start it, then try again");
    }
    Optional<Path> file = config.datastore().file(config.databaseFile());
    if (file.isPresent() && !Files.exists(file.get())) {
      throw new UserException(
          "there is no database "
              + file.get()
              + " to take a snapshot of; give the server's --data-dir or --datastore-endpoint");
    }
    ClusterToken token = token();
    Store store = config.datastore().open(config.databaseFile());
    try {
      Content content = content(config, store, token, clock);
      return new Content(content.header(), Restoring.closing(content.records(), store));
    } catch (StoreException e) {
      store.close();
      throw new UserException(String.valueOf(e.getMessage()), e);
    }
  }

  private ClusterToken token() {
    return Foundation.givenToken(config)
        .orElseThrow(
            () ->
                new UserException(
                    "the cluster's token is not in "
                        + config.tokenFile()
                        + "; give it with --token, or the server's --data-dir"));
  }

  // Keeping them.

  private List<SnapshotPlace> places() {
    List<SnapshotPlace> places = new ArrayList<>(List.of(directory));
    bucket.ifPresent(places::add);
    return places;
  }

  /** Those in the directory, then those in the bucket; oldest first. */
  public List<Kept> list() {
    return places().stream().flatMap(place -> place.list().stream()).toList();
  }

  /** Deletes a snapshot wherever it is kept. */
  public void delete(String name) {
    List<SnapshotPlace> having =
        places().stream()
            .filter(place -> place.list().stream().anyMatch(kept -> kept.name().equals(name)))
            .toList();
    if (having.isEmpty()) {
      // Says where it looked.
      directory.delete(name);
    }
    having.forEach(place -> place.delete(name));
  }

  /** Deletes all but the newest of this node's series; the names of those deleted. */
  public List<String> prune(String base, int kept) {
    String series = base + "-" + config.node().name();
    List<String> deleted = new ArrayList<>(directory.prune(series, kept));
    bucket.ifPresent(
        s3 ->
            s3.prune(series, config.snapshots().s3Retention().orElse(kept)).stream()
                .filter(name -> !deleted.contains(name))
                .forEach(deleted::add));
    return deleted;
  }

  SnapshotDirectory directory() {
    return directory;
  }

  // Reading them.

  /**
   * A snapshot's file.
   *
   * @param fetched whether it was brought from elsewhere and is to be deleted after use
   */
  record Source(Path file, boolean fetched) implements AutoCloseable {
    @Override
    public void close() {
      try {
        if (fetched) {
          Files.delete(file);
        }
      } catch (IOException e) {
        System.getLogger("dev.kedge.server")
            .log(System.Logger.Level.WARNING, "the fetched snapshot stays: " + file, e);
      }
    }
  }

  /** A snapshot by its path, or by its name in the bucket or the directory. */
  Source find(String nameOrPath) {
    if (bucket.isPresent() && !nameOrPath.contains("/")) {
      return new Source(bucket.get().fetch(nameOrPath, directory), true);
    }
    return new Source(directory.find(nameOrPath), false);
  }

  SnapshotReader open(Path file) {
    return SnapshotDirectory.open(file, this::key);
  }

  /** What new ones are encrypted with. */
  private Optional<SnapshotKey> key() {
    if (config.snapshots().passphraseFile().isPresent()) {
      return key(SnapshotKey.Kind.PASSPHRASE);
    }
    return config.snapshots().encrypted()
        ? Optional.of(new SnapshotKey(SnapshotKey.Kind.TOKEN, token().password()))
        : Optional.empty();
  }

  private Optional<SnapshotKey> key(SnapshotKey.Kind kind) {
    return switch (kind) {
      case TOKEN -> Foundation.givenToken(config).map(t -> new SnapshotKey(kind, t.password()));
      case PASSPHRASE ->
          config.snapshots().passphraseFile().map(file -> new SnapshotKey(kind, passphrase(file)));
    };
  }

  private static String passphrase(Path file) {
    String text;
    try {
      text = Files.readString(file).strip();
    } catch (IOException e) {
      throw new UserException("--snapshot-passphrase-file " + file + " cannot be read", e);
    }
    if (text.isEmpty()) {
      throw new UserException("--snapshot-passphrase-file " + file + " is empty");
    }
    return text;
  }
}
