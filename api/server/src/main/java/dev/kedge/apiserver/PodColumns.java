package dev.kedge.apiserver;

import static dev.kedge.apiserver.PrinterColumn.NONE;
import static dev.kedge.apiserver.PrinterColumn.column;
import static dev.kedge.apiserver.PrinterColumn.or;
import static dev.kedge.apiserver.PrinterColumn.timed;
import static dev.kedge.apiserver.PrinterColumn.wide;

import dev.kedge.model.JsonObject;
import dev.kedge.model.KubeObject;
import java.time.Instant;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;

/** The columns of pods. An instance is the state of one pod in the words of {@code kubectl get}. */
final class PodColumns {
  static final Map<String, PrinterKind<?>> KINDS =
      Map.of(
          "pods",
          PrinterKind.of(
              PodColumns::new,
              column("Name", pod -> pod.pod.name()),
              column("Ready", PodColumns::ready),
              column("Status", pod -> pod.reason),
              timed("Restarts", PodColumns::restarts),
              timed(
                  "Age",
                  (pod, now) ->
                      PrinterColumn.age(pod.pod.metadata().text("creationTimestamp"), now)),
              wide(column("IP", pod -> or(pod.address(), NONE))),
              wide(column("Node", pod -> or(pod.pod.spec().text("nodeName"), NONE))),
              wide(column("Nominated Node", pod -> or(pod.status.text("nominatedNodeName"), NONE))),
              wide(column("Readiness Gates", PodColumns::readinessGates))));

  private final KubeObject pod;
  private final JsonObject status;
  private final Set<String> sidecars = new LinkedHashSet<>();
  private String reason;
  private int readyContainers;
  private long restarts;
  private String lastRestart = "";

  private PodColumns(KubeObject pod) {
    this.pod = pod;
    status = pod.status();
    reason = or(status.text("reason"), status.text("phase"));
    for (JsonObject condition : status.objects("conditions")) {
      if (condition.text("type").equals("PodScheduled")
          && condition.text("reason").equals("SchedulingGated")) {
        reason = "SchedulingGated";
      }
    }
    for (JsonObject container : pod.spec().objects("initContainers")) {
      if (container.text("restartPolicy").equals("Always")) {
        sidecars.add(container.text("name"));
      }
    }
    boolean initializing = readInitContainers();
    if (!initializing || is("Initialized")) {
      readContainers();
    }
    if (pod.deleting()) {
      String phase = status.text("phase");
      if (status.text("reason").equals("NodeLost")) {
        reason = "Unknown";
      } else if (!phase.equals("Succeeded") && !phase.equals("Failed")) {
        reason = "Terminating";
      }
    }
  }

  /** Whether the pod's condition of a type is true. */
  private boolean is(String condition) {
    return status.objects("conditions").stream()
        .anyMatch(one -> one.text("type").equals(condition) && one.text("status").equals("True"));
  }

  /** Reads the init containers up to the first that still has to end; says whether there is one. */
  private boolean readInitContainers() {
    long sidecarRestarts = 0;
    String lastSidecarRestart = "";
    List<JsonObject> containers = status.objects("initContainerStatuses");
    for (int i = 0; i < containers.size(); i++) {
      JsonObject container = containers.get(i);
      boolean sidecar = sidecars.contains(container.text("name"));
      countRestarts(container);
      if (sidecar) {
        sidecarRestarts += container.integer("restartCount");
        lastSidecarRestart = later(lastSidecarRestart, lastEnd(container));
      }
      JsonObject state = container.object("state");
      JsonObject terminated = state.object("terminated");
      if (state.has("terminated") && terminated.integer("exitCode") == 0) {
        continue;
      }
      if (sidecar && container.flag("started")) {
        readyContainers += container.flag("ready") ? 1 : 0;
        continue;
      }
      String waiting = state.text("waiting", "reason");
      if (state.has("terminated")) {
        reason = "Init:" + terminatedReason(terminated);
      } else if (!waiting.isEmpty() && !waiting.equals("PodInitializing")) {
        reason = "Init:" + waiting;
      } else {
        reason = "Init:" + i + "/" + pod.spec().objects("initContainers").size();
      }
      if (is("Initialized")) {
        restarts = sidecarRestarts;
        lastRestart = lastSidecarRestart;
      }
      return true;
    }
    // Those that have ended no longer count.
    restarts = sidecarRestarts;
    lastRestart = lastSidecarRestart;
    return false;
  }

  private void readContainers() {
    boolean running = false;
    for (JsonObject container : status.objects("containerStatuses").reversed()) {
      countRestarts(container);
      JsonObject state = container.object("state");
      String waiting = state.text("waiting", "reason");
      if (!waiting.isEmpty()) {
        reason = waiting;
      } else if (state.has("terminated")) {
        reason = terminatedReason(state.object("terminated"));
      } else if (container.flag("ready") && state.has("running")) {
        running = true;
        readyContainers++;
      }
    }
    if (reason.equals("Completed") && running) {
      reason = is("Ready") ? "Running" : "NotReady";
    }
  }

  private void countRestarts(JsonObject container) {
    restarts += container.integer("restartCount");
    lastRestart = later(lastRestart, lastEnd(container));
  }

  private static String lastEnd(JsonObject container) {
    return container.text("lastState", "terminated", "finishedAt");
  }

  /** Times in one format compare as texts. */
  private static String later(String a, String b) {
    return a.compareTo(b) >= 0 ? a : b;
  }

  private static String terminatedReason(JsonObject terminated) {
    if (!terminated.text("reason").isEmpty()) {
      return terminated.text("reason");
    }
    return terminated.integer("signal") != 0
        ? "Signal:" + terminated.integer("signal")
        : "ExitCode:" + terminated.integer("exitCode");
  }

  // Cells

  private String ready() {
    return readyContainers + "/" + (pod.spec().objects("containers").size() + sidecars.size());
  }

  private String restarts(Instant now) {
    return restarts > 0 && !lastRestart.isEmpty()
        ? restarts + " (" + PrinterColumn.age(lastRestart, now) + " ago)"
        : Long.toString(restarts);
  }

  private String address() {
    List<JsonObject> addresses = status.objects("podIPs");
    return addresses.isEmpty() ? status.text("podIP") : addresses.getFirst().text("ip");
  }

  private String readinessGates() {
    List<JsonObject> gates = pod.spec().objects("readinessGates");
    return gates.isEmpty()
        ? NONE
        : gates.stream().filter(gate -> is(gate.text("conditionType"))).count()
            + "/"
            + gates.size();
  }
}
