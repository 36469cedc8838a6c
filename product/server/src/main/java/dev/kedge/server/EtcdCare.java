package dev.kedge.server;

import dev.kedge.model.KubeObject;
import dev.kedge.store.StoreException;
import dev.kedge.store.etcd.EtcdCluster;
import dev.kedge.store.etcd.EtcdCluster.Member;
import dev.kedge.store.etcd.EtcdCluster.Status;
import java.lang.System.Logger;
import java.lang.System.Logger.Level;
import java.time.Duration;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import java.util.regex.Pattern;

/**
 * Tends this server's etcd member: makes its file small again when most of it is free. One virtual
 * thread, which looks once an hour.
 */
final class EtcdCare implements AutoCloseable {
  private static final Logger LOG = System.getLogger("dev.kedge.server");
  private static final Duration INTERVAL = Duration.ofHours(1);

  /** Below this nobody minds. */
  private static final long LEAST_WASTE = 64L << 20;

  private final EtcdCluster cluster;
  private final CountDownLatch closing = new CountDownLatch(1);

  EtcdCare(EtcdCluster cluster) {
    this.cluster = cluster;
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
      defragment();
    } catch (StoreException e) {
      LOG.log(Level.WARNING, "tending etcd failed; it is tried again in an hour", e);
    }
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
