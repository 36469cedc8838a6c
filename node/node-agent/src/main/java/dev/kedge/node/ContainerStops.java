package dev.kedge.node;

import dev.kedge.cri.Cri.ContainerState;
import dev.kedge.cri.Cri.ContainerStatus;
import dev.kedge.grpc.GrpcException;
import dev.kedge.model.Json;
import dev.kedge.model.JsonObject;
import dev.kedge.model.KubeObject;
import java.io.IOException;
import java.lang.System.Logger;
import java.lang.System.Logger.Level;
import java.time.Duration;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import org.jspecify.annotations.Nullable;

/** Stops the containers of one pod: hooks, signals, order and grace period. */
final class ContainerStops {
  private static final Logger LOG = System.getLogger("dev.kedge.node");

  private final NodeServices node;
  private final Runnable wake;
  private final Map<String, CompletableFuture<Void>> awaited = new ConcurrentHashMap<>();
  private @Nullable Kill kill;

  /** Containers being stopped, in order and within the grace period. */
  private record Kill(long graceSeconds, CompletableFuture<Void> done) {}

  /**
   * @param wake called when everything has been stopped: time to look again
   */
  ContainerStops(NodeServices node, Runnable wake) {
    this.node = node;
    this.wake = wake;
  }

  /** containerd says that a container has ended. Any thread. */
  void exited(String id) {
    CompletableFuture<Void> awaits = awaited.remove(id);
    if (awaits != null) {
      awaits.complete(null);
    }
  }

  /** Starts to stop everything, or does so faster when the grace period has become shorter. */
  void all(KubeObject pod, RuntimePod actual, long graceSeconds) {
    Kill current = kill;
    if (current != null && !current.done().isDone() && current.graceSeconds() <= graceSeconds) {
      return;
    }
    CompletableFuture<Void> done = new CompletableFuture<>();
    kill = new Kill(graceSeconds, done);
    List<ContainerStatus> running =
        actual.all().filter(c -> c.state() == ContainerState.RUNNING).toList();
    Thread.ofVirtual()
        .name("kill-" + pod.name())
        .start(
            () -> {
              try {
                killAll(pod, running, graceSeconds);
              } finally {
                done.complete(null);
                wake.run();
              }
            });
  }

  /** Ordinary containers together, then the sidecars from last to first. */
  private void killAll(KubeObject pod, List<ContainerStatus> running, long graceSeconds) {
    long deadline = System.nanoTime() + Duration.ofSeconds(graceSeconds).toNanos();
    Map<String, JsonObject> byName = new HashMap<>();
    List<String> sidecars = new ArrayList<>();
    for (JsonObject container : Pods.all(pod)) {
      byName.put(container.text("name"), container);
      if (Pods.isSidecar(container)) {
        sidecars.addFirst(container.text("name"));
      }
    }
    try (ExecutorService tasks = Executors.newVirtualThreadPerTaskExecutor()) {
      for (ContainerStatus container : running) {
        String name = container.metadata().name();
        if (!sidecars.contains(name)) {
          tasks.submit(
              () -> {
                node.event(pod, name, "Normal", "Killing", "Stopping container " + name);
                one(pod, byName.getOrDefault(name, JsonObject.EMPTY), container.id(), graceSeconds);
              });
        }
      }
    }
    for (String name : sidecars) {
      for (ContainerStatus container : running) {
        if (container.metadata().name().equals(name)) {
          // Whatever those before it took, a sidecar has a moment to react to its signal.
          long left =
              graceSeconds == 0 ? 0 : Math.max(2, (deadline - System.nanoTime()) / 1_000_000_000L);
          node.event(pod, name, "Normal", "Killing", "Stopping container " + name);
          one(pod, byName.getOrDefault(name, JsonObject.EMPTY), container.id(), left);
        }
      }
    }
  }

  /** Runs the preStop hook, then stops the container, all within the grace period. */
  void one(KubeObject pod, JsonObject container, String id, long graceSeconds) {
    long begun = System.nanoTime();
    JsonObject hook = container.object("lifecycle", "preStop");
    if (!hook.isEmpty() && graceSeconds > 0) {
      List<String> ips = pod.status().objects("podIPs").stream().map(ip -> ip.text("ip")).toList();
      Thread runner =
          Thread.ofVirtual()
              .name("preStop-" + container.text("name"))
              .start(
                  () -> {
                    try {
                      Checks.Result result =
                          Checks.run(
                              hook,
                              container,
                              id,
                              ips.isEmpty() ? "127.0.0.1" : ips.getFirst(),
                              Duration.ofSeconds(graceSeconds),
                              node.cri());
                      if (!result.success()) {
                        node.event(
                            pod,
                            container.text("name"),
                            "Warning",
                            "FailedPreStopHook",
                            "PreStopHook failed");
                      }
                    } catch (InterruptedException e) {
                      LOG.log(Level.DEBUG, "preStop hook ran out of its grace period");
                    }
                  });
      try {
        if (!runner.join(Duration.ofSeconds(graceSeconds))) {
          runner.interrupt();
        }
      } catch (InterruptedException e) {
        runner.interrupt();
        Thread.currentThread().interrupt();
      }
    }
    long used = (System.nanoTime() - begun) / 1_000_000_000L;
    // Even after a long hook a container has a moment to react to its signal.
    long left = graceSeconds == 0 ? 0 : Math.max(2, graceSeconds - used);
    try {
      String signal = container.text("lifecycle", "stopSignal");
      if (!signal.isEmpty() && left > 0 && signalled(id, signal, left)) {
        left = 0;
      }
      node.cri().stopContainer(id, left);
    } catch (GrpcException e) {
      if (!e.isNotFound()) {
        LOG.log(Level.WARNING, "container " + id + " could not be stopped", e);
      }
    }
  }

  /**
   * Sends a container's first process the signal that its spec names, which not every runtime can
   * be told of, and waits for its end; says whether that was done.
   */
  private boolean signalled(String id, String signal, long seconds) {
    CompletableFuture<Void> end = awaited.computeIfAbsent(id, _ -> new CompletableFuture<>());
    try {
      String info = node.cri().containerStatus(id, true).info().getOrDefault("info", "{}");
      long process = Json.parseObject(info).integer("pid");
      if (process <= 1) {
        return false;
      }
      Processes.run("kill", "-s", signal.replaceFirst("^SIG", ""), Long.toString(process));
      end.get(seconds, TimeUnit.SECONDS);
      return true;
    } catch (TimeoutException _) {
      return true; // it had its time
    } catch (IOException | ExecutionException | RuntimeException e) {
      LOG.log(Level.WARNING, "container " + id + " was not sent " + signal, e);
      return false;
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
      return false;
    } finally {
      awaited.remove(id);
    }
  }
}
