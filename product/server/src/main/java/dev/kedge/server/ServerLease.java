package dev.kedge.server;

import dev.kedge.client.KubeClient;
import dev.kedge.client.KubeClient.DeleteOptions;
import dev.kedge.model.ApiException;
import dev.kedge.model.JsonObject;
import dev.kedge.model.KubeObject;
import dev.kedge.model.Resources;
import dev.kedge.model.Times;
import java.io.UncheckedIOException;
import java.lang.System.Logger;
import java.lang.System.Logger.Level;
import java.time.Clock;
import java.time.Duration;
import java.util.Optional;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;

/**
 * Says that this server is there, and at which address, by a Lease of its own; the controllers make
 * the endpoints of the {@code kubernetes} Service of those that are renewed. One virtual thread.
 */
final class ServerLease implements AutoCloseable {
  private static final Logger LOG = System.getLogger("dev.kedge.server");
  private static final Duration RENEWAL = Duration.ofSeconds(10);

  /** After a renewal that failed: there must be time for several before the Lease ends. */
  private static final Duration RETRY = Duration.ofSeconds(2);

  /** Clients are sent to a server that is gone for so long; upstream's lease is 15 s. */
  private static final Duration LIFE = Duration.ofSeconds(20);

  /**
   * An election among the store's members, whose leader may be what went, takes a second or two.
   */
  private static final Duration FAREWELL = Duration.ofSeconds(4);

  private static final String NAMESPACE = "kube-system";

  private final KubeClient client;
  private final Clock clock;
  private final String name;
  private final String address;
  private final CountDownLatch closing = new CountDownLatch(1);

  ServerLease(KubeClient client, Clock clock, String node, String address) {
    this.client = client;
    this.clock = clock;
    this.name = "kedge-server-" + node;
    this.address = address;
  }

  void start() {
    Thread.ofVirtual().name("server-lease").start(this::run);
  }

  private void run() {
    try {
      Duration pause;
      do {
        pause = renew() ? RENEWAL : RETRY;
      } while (!closing.await(pause.toSeconds(), TimeUnit.SECONDS));
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
    }
  }

  /** Returns whether it is done. */
  private boolean renew() {
    JsonObject spec =
        JsonObject.of(
            "holderIdentity",
            address,
            "leaseDurationSeconds",
            LIFE.toSeconds(),
            "renewTime",
            Times.microText(clock.instant()));
    try {
      Optional<KubeObject> present = client.find(Resources.LEASES, NAMESPACE, name);
      if (present.isPresent()) {
        client.update(Resources.LEASES, present.get().with("spec", spec));
      } else {
        client.create(
            Resources.LEASES,
            KubeObject.of(Resources.LEASES.groupVersionKind(), NAMESPACE, name)
                .withMetadata("labels", JsonObject.of("kedge.dev/server", "true"))
                .with("spec", spec));
      }
      return true;
    } catch (ApiException | UncheckedIOException e) {
      LOG.log(Level.DEBUG, "the server''s Lease is renewed later: {0}", e.getMessage());
      return false;
    }
  }

  @Override
  public void close() {
    closing.countDown();
    // A store that is away must not hold up who stops: the Lease ends by itself.
    Thread deleting = Thread.ofVirtual().name("server-lease").start(this::delete);
    try {
      deleting.join(FAREWELL);
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
    } finally {
      deleting.interrupt();
    }
  }

  private void delete() {
    try {
      client.delete(Resources.LEASES, NAMESPACE, name, DeleteOptions.DEFAULT);
    } catch (ApiException | UncheckedIOException e) {
      LOG.log(Level.DEBUG, "the server''s Lease was not deleted: {0}", e.getMessage());
    }
  }
}
