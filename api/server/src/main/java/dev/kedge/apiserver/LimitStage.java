package dev.kedge.apiserver;

import dev.kedge.apiserver.ApiServer.Settings;
import dev.kedge.model.ApiException;
import dev.kedge.model.Status;
import java.time.Duration;
import java.util.List;
import java.util.concurrent.Semaphore;
import java.util.concurrent.TimeUnit;

/**
 * Bounds how many requests run at once, reads and writes apart; those beyond wait in order of
 * arrival and are told to come again when that takes too long. Watches and streams do not count,
 * and members of {@code system:masters} are never held up, so that an overloaded server can be
 * mended.
 */
final class LimitStage implements Stage {
  private final Semaphore reads;
  private final Semaphore writes;
  private final Duration wait;
  private final Metrics metrics;

  LimitStage(Settings settings, Metrics metrics) {
    reads = new Semaphore(settings.maxReads(), true);
    writes = new Semaphore(settings.maxWrites(), true);
    wait = settings.limitWait();
    this.metrics = metrics;
  }

  @Override
  public void handle(Call call, Next next) throws Exception {
    if (call.info().longRunning()) {
      metrics.longRunning(call, 1);
      try {
        next.handle(call);
      } finally {
        metrics.longRunning(call, -1);
      }
      return;
    }
    boolean read = call.info().readOnly();
    boolean exempt =
        call.user().groups().contains("system:masters") || !call.info().resourceRequest();
    Semaphore turns = read ? reads : writes;
    if (!exempt && !turns.tryAcquire(wait.toMillis(), TimeUnit.MILLISECONDS)) {
      throw new ApiException(
          new Status(
              429,
              "TooManyRequests",
              "Too many requests, please try again later.",
              new Status.Details("", "", "", "", List.of(), 1)));
    }
    metrics.inFlight(read, 1);
    try {
      next.handle(call);
    } finally {
      metrics.inFlight(read, -1);
      if (!exempt) {
        turns.release();
      }
    }
  }
}
