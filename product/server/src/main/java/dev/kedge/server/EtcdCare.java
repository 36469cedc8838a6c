package dev.kedge.server;

import dev.kedge.model.KubeObject;
import dev.kedge.store.StoreException;
import dev.kedge.store.etcd.EtcdCluster;
import dev.kedge.store.etcd.EtcdCluster.Member;
import dev.kedge.store.etcd.EtcdCluster.Status;
import java.io.IOException;
import java.io.OutputStream;
import java.lang.System.Logger;
import java.lang.System.Logger.Level;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.time.Clock;
import java.time.Duration;
import java.time.Instant;
import java.util.Comparator;
import java.util.List;
import java.util.Optional;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import java.util.regex.Pattern;
import java.util.stream.Stream;

/**
 * Tends this server's etcd member: a snapshot twice a day, of which five are kept, and its file
 * made small again when most of it is free. One virtual thread, which looks once an hour.
 */
final class EtcdCare implements AutoCloseable {
  private static final Logger LOG = System.getLogger("dev.kedge.server");
  private static final Duration INTERVAL = Duration.ofHours(1);
  private static final Duration SNAPSHOTS = Duration.ofHours(12);
  private static final int KEPT = 5;
  private static final String PREFIX = "etcd-snapshot-";

  /** Below this nobody minds. */
  private static final long LEAST_WASTE = 64L << 20;

  private final EtcdCluster cluster;
  private final Path directory;
  private final String node;
  private final Clock clock;
  private final CountDownLatch closing = new CountDownLatch(1);

  EtcdCare(EtcdCluster cluster, Path directory, String node, Clock clock) {
    this.cluster = cluster;
    this.directory = directory;
    this.node = node;
    this.clock = clock;
  }

  void start() {
    Thread.ofVirtual().name("etcd-care").start(this::run);
  }

  private void run() {
    try {
      while (!closing.await(INTERVAL.toSeconds(), TimeUnit.SECONDS)) {
        look();
      }
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
    }
  }

  private void look() {
    try {
      if (newest().map(last -> last.plus(SNAPSHOTS).isBefore(clock.instant())).orElse(true)) {
        snapshot();
      }
      defragment();
    } catch (IOException | StoreException e) {
      LOG.log(Level.WARNING, "tending etcd failed; it is tried again in an hour", e);
    }
  }

  /** Takes a snapshot now and drops those beyond the last five; returns its file. */
  Path snapshot() throws IOException {
    Files.createDirectories(directory);
    Path file = directory.resolve(PREFIX + node + "-" + clock.instant().getEpochSecond());
    // Readable by its owner alone: it holds every Secret.
    Path part = Files.createTempFile(directory, ".part", "");
    try {
      try (OutputStream out = Files.newOutputStream(part)) {
        cluster.snapshot(out);
      }
      Files.move(part, file, StandardCopyOption.ATOMIC_MOVE);
    } finally {
      Files.deleteIfExists(part);
    }
    List<Path> all = snapshots();
    for (Path old : all.subList(0, Math.max(0, all.size() - KEPT))) {
      Files.delete(old);
    }
    LOG.log(Level.INFO, "etcd was copied to {0}", file);
    return file;
  }

  /** Oldest first. */
  private List<Path> snapshots() throws IOException {
    if (!Files.isDirectory(directory)) {
      return List.of();
    }
    try (Stream<Path> files = Files.list(directory)) {
      return files
          .filter(file -> file.getFileName().toString().startsWith(PREFIX))
          .sorted(Comparator.comparing(EtcdCare::taken))
          .toList();
    }
  }

  private Optional<Instant> newest() throws IOException {
    List<Path> all = snapshots();
    return all.isEmpty() ? Optional.empty() : Optional.of(taken(all.getLast()));
  }

  private static Instant taken(Path snapshot) {
    String name = snapshot.getFileName().toString();
    String seconds = name.substring(name.lastIndexOf('-') + 1);
    return seconds.matches("[0-9]{1,12}")
        ? Instant.ofEpochSecond(Long.parseLong(seconds))
        : Instant.EPOCH;
  }

  /** Gives free pages back to the disk when they are more than half, as the member stands still. */
  void defragment() {
    Status status = cluster.status();
    long waste = status.size() - status.used();
    if (waste > LEAST_WASTE && waste > status.size() / 2) {
      long begun = System.nanoTime();
      cluster.defragment();
      LOG.log(
          Level.INFO,
          "etcd''s file went from {0} to {1} MiB in {2} ms",
          status.size() >> 20,
          cluster.status().size() >> 20,
          (System.nanoTime() - begun) / 1_000_000);
    }
  }

  /**
   * Removes the member of a node that was deleted; this server's own stays, or nobody could.
   *
   * @param own name of this server's node
   */
  static void removeWith(KubeObject deleted, String own, EtcdCluster cluster) {
    if (deleted.name().equals(own)) {
      return;
    }
    Pattern name = Pattern.compile(Pattern.quote(deleted.name()) + "-[0-9a-f]{8}");
    try {
      for (Member member : cluster.members()) {
        if (name.matcher(member.name()).matches()) {
          cluster.remove(member.id());
          LOG.log(Level.INFO, "etcd member {0} was removed with its node", member.name());
        }
      }
    } catch (StoreException e) {
      LOG.log(Level.WARNING, "the etcd member of node " + deleted.name() + " was not removed", e);
    }
  }

  @Override
  public void close() {
    closing.countDown();
  }
}
