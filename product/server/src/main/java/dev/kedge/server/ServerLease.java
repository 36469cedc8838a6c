package dev.kedge.server;

import dev.kedge.client.KubeClient;
import dev.kedge.client.KubeClient.DeleteOptions;
import dev.kedge.model.ApiException;
import dev.kedge.model.JsonObject;
import dev.kedge.model.KubeObject;
import dev.kedge.model.Resources;
import java.io.UncheckedIOException;
import java.lang.System.Logger;
import java.lang.System.Logger.Level;
import java.time.Clock;
import java.time.Duration;
import java.time.ZoneOffset;
import java.time.format.DateTimeFormatter;
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
  private static final String NAMESPACE = "kube-system";
  private static final DateTimeFormatter MICRO_TIME =
      DateTimeFormatter.ofPattern("yyyy-MM-dd'T'HH:mm:ss.SSSSSS'Z'").withZone(ZoneOffset.UTC);

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
      do {
        renew();
      } while (!closing.await(RENEWAL.toSeconds(), TimeUnit.SECONDS));
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
    }
  }

  private void renew() {
    JsonObject spec =
        JsonObject.of(
            "holderIdentity",
            address,
            "leaseDurationSeconds",
            RENEWAL.multipliedBy(4).toSeconds(),
            "renewTime",
            MICRO_TIME.format(clock.instant()));
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
    } catch (ApiException | UncheckedIOException e) {
      LOG.log(Level.DEBUG, "the server''s Lease is renewed later: {0}", e.getMessage());
    }
  }

  @Override
  public void close() {
    closing.countDown();
    // A store that is away must not hold up who stops: the Lease ends by itself.
    Thread deleting = Thread.ofVirtual().name("server-lease").start(this::delete);
    try {
      deleting.join(Duration.ofSeconds(2));
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
