package dev.kedge.server;

import dev.kedge.controllers.CronSchedule;
import dev.kedge.lifecycle.UserException;
import dev.kedge.store.StoreException;
import dev.kedge.store.snapshot.SnapshotPlace.Kept;
import java.lang.System.Logger;
import java.lang.System.Logger.Level;
import java.time.Clock;
import java.time.Duration;
import java.time.Instant;
import java.time.ZoneId;
import java.util.List;
import java.util.Optional;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import java.util.function.Supplier;

/**
 * Takes snapshots by schedule and deletes the old ones. A time that passed while the server was off
 * is made up for soon after its start. One virtual thread.
 */
final class SnapshotSchedule implements AutoCloseable {
  private static final Logger LOG = System.getLogger("dev.kedge.server");

  /** Starts are busy enough. */
  private static final Duration AFTER_START = Duration.ofMinutes(1);

  /** A server that never had one has it after this, whatever its schedule. */
  private static final Duration FIRST = Duration.ofMinutes(5);

  /** The wall clock may be set. */
  private static final Duration LOOK = Duration.ofMinutes(10);

  private final Snapshots snapshots;
  private final Plan plan;
  private final String name;
  private final Supplier<Snapshots.Content> content;
  private final Clock clock;
  private final CountDownLatch closing = new CountDownLatch(1);
  private final Thread thread = Thread.ofVirtual().name("snapshots").unstarted(this::run);

  SnapshotSchedule(
      Snapshots snapshots,
      Plan plan,
      String name,
      Supplier<Snapshots.Content> content,
      Clock clock) {
    this.snapshots = snapshots;
    this.plan = plan;
    this.name = name;
    this.content = content;
    this.clock = clock;
  }

  /**
   * When, and how many stay.
   *
   * @param retention of those taken by schedule on this node
   */
  record Plan(CronSchedule cron, int retention) {
    /** What the operator decided, else what fits the engine; empty: none are taken. */
    static Optional<Plan> of(ServerConfig config) {
      ServerConfig.Snapshots chosen = config.snapshots();
      // As K3s has it for its etcd. A file of SQLite's is in nobody else's hands, so what is lost
      // with it is kept smaller; both reach two days back. Who runs a database saves it too, as a
      // rule, and several servers would each take the same.
      String usual =
          config.embeddedEtcd()
              ? "0 */12 * * *"
              : config.engine().equals("sqlite") ? "0 */4 * * *" : "";
      int kept = config.engine().equals("sqlite") && chosen.cron().isEmpty() ? 12 : 5;
      String cron = chosen.cron().orElse(usual);
      return chosen.disabled() || cron.isEmpty()
          ? Optional.empty()
          : Optional.of(new Plan(parse(cron), chosen.retention().orElse(kept)));
    }
  }

  /** Reads a schedule. */
  static CronSchedule parse(String cron) {
    try {
      return CronSchedule.parse(cron);
    } catch (IllegalArgumentException e) {
      throw new UserException(
          "--etcd-snapshot-schedule-cron "
              + cron
              + " is no schedule ("
              + e.getMessage()
              + "); give five fields, such as 0 */12 * * *, or @every 6h",
          e);
    }
  }

  void start() {
    thread.start();
  }

  private void run() {
    try {
      Optional<Instant> due = first();
      while (due.isPresent()) {
        Duration left = Duration.between(clock.instant(), due.get());
        if (left.isPositive()) {
          Duration wait = left.compareTo(LOOK) < 0 ? left : LOOK;
          if (closing.await(wait.toMillis() + 1, TimeUnit.MILLISECONDS)) {
            return;
          }
        } else {
          take();
          due = plan.cron().next(clock.instant(), ZoneId.systemDefault());
        }
      }
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
    }
  }

  private Optional<Instant> first() {
    Instant now = clock.instant();
    Optional<Instant> next = plan.cron().next(now, ZoneId.systemDefault());
    List<Kept> kept = List.of();
    try {
      kept = snapshots.directory().list();
    } catch (UserException e) {
      LOG.log(Level.WARNING, "{0}", e.getMessage());
    }
    Instant soon =
        kept.isEmpty()
            ? now.plus(FIRST)
            : plan.cron()
                .next(kept.getLast().created(), ZoneId.systemDefault())
                .filter(missed -> missed.isBefore(now))
                .map(_ -> now.plus(AFTER_START))
                .orElse(Instant.MAX);
    return next.map(regular -> regular.isBefore(soon) ? regular : soon);
  }

  private void take() {
    try {
      Snapshots.Saved saved = snapshots.save(name, content);
      List<String> deleted = snapshots.prune(name, plan.retention());
      LOG.log(
          Level.INFO,
          "snapshot {0} of revision {1} saved, {2} bytes; {3} older deleted",
          saved.name(),
          Long.toString(saved.revision()),
          Long.toString(saved.bytes()),
          deleted.size());
    } catch (UserException | StoreException e) {
      // One that was given up with the server is nobody's concern.
      LOG.log(
          closing.getCount() == 0 ? Level.DEBUG : Level.WARNING,
          "no snapshot was taken: {0}",
          e.getMessage());
    }
  }

  /** Gives one that is being taken up; it leaves nothing. */
  @Override
  public void close() throws InterruptedException {
    closing.countDown();
    thread.interrupt();
    thread.join();
  }
}
