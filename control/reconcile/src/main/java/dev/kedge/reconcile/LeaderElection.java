package dev.kedge.reconcile;

import dev.kedge.client.KubeClient;
import dev.kedge.model.ApiException;
import dev.kedge.model.JsonObject;
import dev.kedge.model.KubeObject;
import dev.kedge.model.Resources;
import dev.kedge.model.Times;
import java.lang.System.Logger;
import java.lang.System.Logger.Level;
import java.time.Duration;
import java.time.InstantSource;
import java.util.Optional;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import java.util.function.Supplier;
import org.jspecify.annotations.Nullable;

/**
 * Does something in one of several processes at a time: in the one that holds a Lease, as
 * upstream's controller manager and scheduler do. A holder that cannot renew its Lease stops before
 * another may take it; one that is closed gives it back, so that another need not wait.
 *
 * <p>Clocks of different machines are not compared: a Lease is expired when it was seen unchanged
 * for its whole duration. One virtual thread.
 */
public final class LeaderElection implements AutoCloseable {
  private static final Logger LOG = System.getLogger("dev.kedge.reconcile");

  private final KubeClient client;
  private final InstantSource clock;
  private final Settings settings;
  private final Supplier<AutoCloseable> term;
  private final Thread thread;
  private final ExecutorService attempts = Executors.newVirtualThreadPerTaskExecutor();
  private volatile boolean leading;

  /** The last change of the Lease that was seen, and when that was. */
  private String observedVersion = "";

  private long observedAt;
  private String observedHolder = "";

  /**
   * Who contends for what.
   *
   * @param identity names this process among those that contend
   * @param lease how long a holder that went silent keeps the others waiting
   * @param renewal how long the holder tries to renew before it stops; shorter than the lease
   * @param retry how often the Lease is renewed or looked at
   */
  public record Settings(
      String namespace,
      String name,
      String identity,
      Duration lease,
      Duration renewal,
      Duration retry) {
    public Settings {
      if (renewal.compareTo(lease) >= 0 || retry.compareTo(renewal) >= 0) {
        throw new IllegalArgumentException("lease > renewal > retry must hold");
      }
    }

    /** With upstream's times: 15, 10 and 2 seconds. */
    public static Settings of(String namespace, String name, String identity) {
      return new Settings(
          namespace,
          name,
          identity,
          Duration.ofSeconds(15),
          Duration.ofSeconds(10),
          Duration.ofSeconds(2));
    }
  }

  /**
   * Makes the contender; it does nothing before {@link #start}.
   *
   * @param term begins the work of the leader and returns what ends it
   */
  public LeaderElection(
      KubeClient client, InstantSource clock, Settings settings, Supplier<AutoCloseable> term) {
    this.client = client;
    this.clock = clock;
    this.settings = settings;
    this.term = term;
    this.thread =
        Thread.ofVirtual().name("leader-election " + settings.name()).unstarted(this::run);
  }

  /** Begins to contend; returns at once. */
  public void start() {
    thread.start();
  }

  /** Whether this process holds the Lease and does the work. */
  public boolean leading() {
    return leading;
  }

  private void run() {
    try {
      while (true) {
        if (attempt(settings.renewal())) {
          lead();
        }
        Thread.sleep(settings.retry());
      }
    } catch (InterruptedException e) {
      LOG.log(Level.DEBUG, "no longer contending for {0}", settings.name()); // only close()
    }
  }

  /** Works until the Lease cannot be renewed. */
  private void lead() throws InterruptedException {
    LOG.log(Level.INFO, "{0} leads {1}", settings.identity(), settings.name());
    AutoCloseable work = term.get();
    leading = true;
    boolean resigned = false;
    try {
      long renewed = System.nanoTime();
      while (true) {
        Thread.sleep(settings.retry());
        Duration left = settings.renewal().minusNanos(System.nanoTime() - renewed);
        long asked = System.nanoTime();
        if (left.isPositive() && attempt(left)) {
          renewed = asked;
        } else if (System.nanoTime() - renewed > settings.renewal().toNanos() || !holds()) {
          LOG.log(Level.WARNING, "{0} no longer leads {1}", settings.identity(), settings.name());
          return;
        }
      }
    } catch (InterruptedException e) {
      resigned = true;
      throw e;
    } finally {
      leading = false;
      end(work);
      if (resigned) {
        resignQuickly();
      }
    }
  }

  private synchronized boolean holds() {
    return observedHolder.equals(settings.identity());
  }

  private static void end(AutoCloseable work) {
    try {
      work.close();
    } catch (Exception e) {
      LOG.log(Level.WARNING, "the leader's work did not end in order", e);
    }
  }

  /** Takes or renews the Lease, giving up after a time: the API may take longer to fail. */
  private boolean attempt(Duration atMost) throws InterruptedException {
    Future<Boolean> attempt = attempts.submit(this::takeOrRenew);
    try {
      return attempt.get(atMost.toNanos(), TimeUnit.NANOSECONDS);
    } catch (ExecutionException e) {
      LOG.log(Level.DEBUG, "the Lease " + settings.name() + " cannot be renewed", e.getCause());
      return false;
    } catch (TimeoutException e) {
      LOG.log(Level.DEBUG, "the Lease {0} was not renewed in time", settings.name());
      return false;
    } finally {
      attempt.cancel(true);
    }
  }

  private synchronized boolean takeOrRenew() {
    Optional<KubeObject> present =
        client.find(Resources.LEASES, settings.namespace(), settings.name());
    if (present.isEmpty()) {
      return observe(
          write(
              KubeObject.of(
                      Resources.LEASES.groupVersionKind(), settings.namespace(), settings.name())
                  .with("spec", spec(null))));
    }
    KubeObject lease = present.get();
    JsonObject spec = lease.spec();
    String holder = spec.text("holderIdentity");
    observe(lease);
    if (!holder.equals(settings.identity()) && !holder.isEmpty()) {
      Duration valid = Duration.ofSeconds(spec.integer("leaseDurationSeconds"));
      if (System.nanoTime() - observedAt < valid.toNanos()) {
        return false;
      }
    }
    return observe(write(lease.with("spec", spec(spec))));
  }

  private boolean observe(@Nullable KubeObject lease) {
    if (lease == null) {
      return false;
    }
    String version = lease.metadata().text("resourceVersion");
    if (!version.equals(observedVersion)) {
      observedVersion = version;
      observedAt = System.nanoTime();
      observedHolder = lease.spec().text("holderIdentity");
    }
    return true;
  }

  /** Writes the Lease unless another was faster: then null. */
  private @Nullable KubeObject write(KubeObject lease) {
    try {
      return lease.metadata().text("resourceVersion").isEmpty()
          ? client.create(Resources.LEASES, lease)
          : client.update(Resources.LEASES, lease);
    } catch (ApiException e) {
      if (e.isConflict() || e.isAlreadyExists()) {
        return null;
      }
      throw e;
    }
  }

  private JsonObject spec(@Nullable JsonObject before) {
    String now = Times.microText(clock.instant());
    String acquired = now;
    long transitions = 0;
    if (before != null) {
      boolean same = before.text("holderIdentity").equals(settings.identity());
      acquired = same ? before.text("acquireTime") : now;
      transitions = before.integer("leaseTransitions") + (same ? 0 : 1);
    }
    return JsonObject.of(
        "holderIdentity",
        settings.identity(),
        "leaseDurationSeconds",
        settings.lease().toSeconds(),
        "acquireTime",
        acquired,
        "renewTime",
        now,
        "leaseTransitions",
        transitions);
  }

  /** A store that is away must not hold up who stops: the Lease expires by itself. */
  private void resignQuickly() {
    Thread.interrupted();
    Future<?> resigning = attempts.submit(this::resign);
    try {
      resigning.get(settings.retry().toNanos(), TimeUnit.NANOSECONDS);
    } catch (ExecutionException | TimeoutException e) {
      LOG.log(Level.DEBUG, "the Lease " + settings.name() + " was not given back", e);
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
    } finally {
      resigning.cancel(true);
    }
  }

  /** Gives the Lease back, unless it is another's by now. */
  private void resign() {
    client
        .find(Resources.LEASES, settings.namespace(), settings.name())
        .filter(lease -> lease.spec().text("holderIdentity").equals(settings.identity()))
        .ifPresent(
            lease ->
                write(
                    lease.with(
                        "spec",
                        lease
                            .spec()
                            .with("holderIdentity", "")
                            .with("leaseDurationSeconds", 1)
                            .with("renewTime", Times.microText(clock.instant())))));
  }

  @Override
  public void close() {
    thread.interrupt();
    try {
      thread.join();
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
    }
    attempts.shutdownNow();
  }
}
