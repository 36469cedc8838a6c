package dev.kedge.node;

import dev.kedge.model.JsonObject;
import dev.kedge.model.KubeObject;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;

/**
 * Probes one running container: a virtual thread per probe, readiness and liveness only once the
 * startup probe has succeeded. Results are read by the pod's worker, which is woken when one
 * changes.
 */
final class Prober {
  private final NodeServices node;
  private final KubeObject pod;
  private final JsonObject container;
  private final String containerId;
  private final String host;
  private final Runnable changed;
  private final List<Thread> threads = new ArrayList<>();

  private volatile boolean started;
  private volatile boolean ready;
  private volatile String failed = "";

  Prober(
      NodeServices node,
      KubeObject pod,
      JsonObject container,
      String containerId,
      String host,
      Runnable changed) {
    this.node = node;
    this.pod = pod;
    this.container = container;
    this.containerId = containerId;
    this.host = host;
    this.changed = changed;
    started = !container.has("startupProbe");
    ready = !container.has("readinessProbe");
  }

  /**
   * Begins.
   *
   * @param wasReady the container's readiness before kedge was restarted, which holds until the
   *     first probe says otherwise
   * @param wasStarted likewise for the startup probe
   */
  void start(boolean wasStarted, boolean wasReady) {
    started |= wasStarted;
    ready |= wasReady && started;
    if (!started) {
      spawn("startup", container.object("startupProbe"));
    } else {
      spawnRest();
    }
  }

  private void spawnRest() {
    if (container.has("readinessProbe")) {
      spawn("readiness", container.object("readinessProbe"));
    }
    if (container.has("livenessProbe")) {
      spawn("liveness", container.object("livenessProbe"));
    }
  }

  private synchronized void spawn(String kind, JsonObject probe) {
    threads.add(
        Thread.ofVirtual()
            .name(kind + "-" + pod.name() + "-" + container.text("name"))
            .start(() -> loop(kind, probe)));
  }

  /** Whether the startup probe has succeeded, or there is none. */
  boolean isStarted() {
    return started;
  }

  boolean isReady() {
    return started && ready && failed.isEmpty();
  }

  /** liveness or startup, if that probe has failed for good; empty otherwise. */
  String failed() {
    return failed;
  }

  synchronized void stop() {
    threads.forEach(Thread::interrupt);
  }

  private void loop(String kind, JsonObject probe) {
    Duration period = seconds(probe, "periodSeconds", 10);
    Duration timeout = seconds(probe, "timeoutSeconds", 1);
    long failureThreshold = Math.max(1, probe.integerOr(3, "failureThreshold"));
    long successThreshold = Math.max(1, probe.integerOr(1, "successThreshold"));
    long successes = 0;
    long failures = 0;
    try {
      Thread.sleep(seconds(probe, "initialDelaySeconds", 0));
      while (true) {
        long begun = System.nanoTime();
        Checks.Result result = Checks.run(probe, container, containerId, host, timeout, node.cri());
        if (Thread.interrupted()) {
          return;
        }
        if (result.success()) {
          successes++;
          failures = 0;
        } else {
          failures++;
          successes = 0;
          String name = kind.substring(0, 1).toUpperCase(java.util.Locale.ROOT) + kind.substring(1);
          node.event(
              pod,
              container.text("name"),
              "Warning",
              "Unhealthy",
              name + " probe failed: " + result.output().strip());
        }
        switch (kind) {
          case "startup" -> {
            if (successes >= successThreshold) {
              started = true;
              changed.run();
              spawnRest();
              return;
            }
            if (failures >= failureThreshold) {
              failed = kind;
              changed.run();
              return;
            }
          }
          case "liveness" -> {
            if (failures >= failureThreshold) {
              failed = kind;
              changed.run();
              return;
            }
          }
          default -> {
            boolean now = successes >= successThreshold || failures < failureThreshold && ready;
            if (now != ready) {
              ready = now;
              changed.run();
            }
          }
        }
        long left = period.toNanos() - (System.nanoTime() - begun);
        if (left > 0) {
          Thread.sleep(Duration.ofNanos(left));
        }
      }
    } catch (InterruptedException e) {
      System.getLogger("dev.kedge.node")
          .log(System.Logger.Level.TRACE, "probe of {0} ends", containerId);
    }
  }

  private static Duration seconds(JsonObject probe, String field, long otherwise) {
    long value = probe.integerOr(otherwise, field);
    return Duration.ofSeconds(value == 0 ? otherwise : value);
  }
}
