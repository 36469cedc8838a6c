package dev.kedge.controllers;

import dev.kedge.client.Informer;
import dev.kedge.client.KubeClient;
import dev.kedge.client.KubeClient.Selection;
import dev.kedge.model.ApiException;
import dev.kedge.model.JsonObject;
import dev.kedge.model.KubeObject;
import dev.kedge.model.LabelSelector;
import dev.kedge.model.Quantity;
import dev.kedge.model.Resources;
import java.time.Duration;
import java.time.Instant;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;

/**
 * How many replicas each metric of an autoscaler asks for. Pods that start or cannot be measured
 * are counted so that they never make a change larger than it must be.
 */
final class ScalingMetrics {
  private static final Duration CPU_INITIALISATION = Duration.ofMinutes(5);
  private static final Duration INITIAL_READINESS = Duration.ofSeconds(30);
  private static final double DEFAULT_TOLERANCE = 0.1;

  private final KubeClient client;
  private final Informer pods;

  ScalingMetrics(KubeClient client, Informer pods) {
    this.client = client;
    this.pods = pods;
  }

  /**
   * What a metric asks for.
   *
   * @param name as messages call it
   * @param status the entry of {@code status.currentMetrics}
   */
  record Proposal(long replicas, String name, JsonObject status) {}

  /** Why a metric asks for nothing. */
  static final class UnusableException extends Exception {
    private static final long serialVersionUID = 1;
    private final String reason;

    UnusableException(String reason, String message) {
      super(message);
      this.reason = reason;
    }

    /** The reason of the condition and the event. */
    String reason() {
      return reason;
    }
  }

  /** One question: the metrics of an autoscaler's pods. */
  record Question(
      KubeObject autoscaler,
      LabelSelector selector,
      String selectorText,
      long current,
      Instant now) {
    double tolerance(String direction) {
      return autoscaler
          .spec()
          .find("behavior", direction, "tolerance")
          .map(value -> Quantity.of(value).value().doubleValue())
          .orElse(DEFAULT_TOLERANCE);
    }

    boolean within(double ratio) {
      return ratio >= 1 - tolerance("scaleDown") && ratio <= 1 + tolerance("scaleUp");
    }
  }

  Proposal propose(Question question, JsonObject metric) throws UnusableException {
    return switch (metric.text("type")) {
      case "Resource" -> resource(question, metric.object("resource"), "");
      case "ContainerResource" ->
          resource(
              question,
              metric.object("containerResource"),
              metric.text("containerResource", "container"));
      case "Object" ->
          throw new UnusableException(
              "FailedGetObjectMetric",
              "failed to get object metric value: unable to get metric "
                  + metric.text("object", "metric", "name")
                  + ": "
                  + metric.text("object", "describedObject", "kind")
                  + " on "
                  + question.autoscaler().namespace()
                  + " "
                  + metric.text("object", "describedObject", "name")
                  + "/unable to fetch metrics from custom metrics API: no custom metrics API"
                  + " (custom.metrics.k8s.io) registered");
      case "Pods" ->
          throw new UnusableException(
              "FailedGetPodsMetric",
              "failed to get pods metric value: unable to get metric "
                  + metric.text("pods", "metric", "name")
                  + ": unable to fetch metrics from custom metrics API: no custom metrics API"
                  + " (custom.metrics.k8s.io) registered");
      case "External" ->
          throw new UnusableException(
              "FailedGetExternalMetric",
              "failed to get "
                  + metric.text("external", "metric", "name")
                  + " external metric value: unable to fetch metrics from external metrics API: no"
                  + " external metrics API (external.metrics.k8s.io) registered");
      default ->
          throw new UnusableException(
              "InvalidMetricSourceType",
              "unknown metric source type \"" + metric.text("type") + "\"");
    };
  }

  // ---- cpu and memory

  /** What a pod uses, in thousandths, and over which time that was measured. */
  private record Sample(long milli, Instant time, Duration window) {}

  private Proposal resource(Question question, JsonObject source, String container)
      throws UnusableException {
    String resource = source.text("name");
    JsonObject target = source.object("target");
    boolean ratio = target.text("type").equals("Utilization");
    String failed =
        container.isEmpty() ? "FailedGetResourceMetric" : "FailedGetContainerResourceMetric";
    try {
      Map<String, Sample> samples = samples(question, resource, container);
      Counted counted =
          ratio
              ? byUtilisation(
                  question, samples, resource, container, target.integer("averageUtilization"))
              : byValue(
                  question,
                  samples,
                  resource,
                  Quantity.of(
                          target
                              .get("averageValue")
                              .orElseThrow(
                                  () ->
                                      new UnusableException(
                                          failed,
                                          "invalid resource metric source: neither an average"
                                              + " utilization target nor an average value (usage)"
                                              + " target was set")))
                      .milli());
      JsonObject.Builder current = JsonObject.builder();
      if (ratio) {
        current.put("averageUtilization", counted.utilisation());
      }
      current.put("averageValue", Quantity.ofMilli(counted.average()).toString());
      JsonObject.Builder status = JsonObject.builder().put("name", resource);
      if (!container.isEmpty()) {
        status.put("container", container);
      }
      String field = container.isEmpty() ? "resource" : "containerResource";
      return new Proposal(
          counted.replicas(),
          resource
              + (container.isEmpty() ? " resource" : " container resource")
              + (ratio ? " utilization (percentage of request)" : ""),
          JsonObject.of(
              "type",
              container.isEmpty() ? "Resource" : "ContainerResource",
              field,
              status.put("current", current.build()).build()));
    } catch (UnusableException e) {
      throw new UnusableException(
          failed,
          "failed to get " + resource + (ratio ? " utilization: " : " usage: ") + e.getMessage());
    }
  }

  private Map<String, Sample> samples(Question question, String resource, String container)
      throws UnusableException {
    List<KubeObject> all;
    try {
      all =
          client
              .list(
                  Resources.POD_METRICS,
                  question.autoscaler().namespace(),
                  Selection.labels(question.selectorText()))
              .items();
    } catch (ApiException e) {
      throw new UnusableException(
          "",
          "unable to get metrics for resource "
              + resource
              + ": unable to fetch metrics from resource metrics API: "
              + (e.isNotFound()
                  ? "the server could not find the requested resource (get pods.metrics.k8s.io)"
                  : e.status().message()));
    }
    Map<String, Sample> samples = new HashMap<>();
    for (KubeObject pod : all) {
      sum(pod, resource, container)
          .ifPresent(
              milli ->
                  samples.put(
                      pod.name(),
                      new Sample(
                          milli,
                          Writes.instant(pod.json().text("timestamp")),
                          window(pod.json().text("window")))));
    }
    if (samples.isEmpty()) {
      throw new UnusableException(
          "",
          "unable to get metrics for resource "
              + resource
              + ": no metrics returned from resource metrics API");
    }
    return samples;
  }

  private static Duration window(String text) {
    return text.matches("[0-9.]{1,15}s")
        ? Duration.ofMillis(
            (long) (1000 * Double.parseDouble(text.substring(0, text.length() - 1))))
        : Duration.ofMinutes(1);
  }

  /** A pod counts as measured only with all of its containers. */
  private static Optional<Long> sum(KubeObject pod, String resource, String container) {
    long milli = 0;
    boolean any = false;
    for (JsonObject one : pod.json().objects("containers")) {
      if (!container.isEmpty() && !one.text("name").equals(container)) {
        continue;
      }
      if (!one.object("usage").has(resource)) {
        return Optional.empty();
      }
      any = true;
      milli += Quantity.parse(one.text("usage", resource)).milli();
    }
    return any ? Optional.of(milli) : Optional.empty();
  }

  /** Sums over the measured pods. */
  private record Ratio(double ratio, long utilisation, long average) {}

  private record Counted(long replicas, long utilisation, long average) {}

  @FunctionalInterface
  private interface Ratios {
    Ratio of(Map<String, Long> usage) throws UnusableException;
  }

  private Counted byUtilisation(
      Question question,
      Map<String, Sample> samples,
      String resource,
      String container,
      long target)
      throws UnusableException {
    List<KubeObject> selected = selected(question);
    Map<String, Long> requests = new HashMap<>();
    for (KubeObject pod : selected) {
      requests.put(pod.name(), request(pod, resource, container));
    }
    return count(
        question,
        selected,
        samples,
        resource,
        usage -> {
          long used = 0;
          long asked = 0;
          int matched = 0;
          for (Map.Entry<String, Long> entry : usage.entrySet()) {
            Long request = requests.get(entry.getKey());
            if (request != null) {
              used += entry.getValue();
              asked += request;
              matched++;
            }
          }
          if (asked == 0) {
            throw new UnusableException("", "no metrics returned matched known pods");
          }
          long percent = used * 100 / asked;
          return new Ratio((double) percent / target, percent, used / matched);
        },
        // Towards fewer pods, one that was not measured counts as using what it asked for, or more.
        pod -> requests.getOrDefault(pod, 0L) * Math.max(100, target) / 100);
  }

  private Counted byValue(
      Question question, Map<String, Sample> samples, String resource, long target)
      throws UnusableException {
    return count(
        question,
        selected(question),
        samples,
        resource,
        usage -> {
          long average = usage.values().stream().mapToLong(Long::longValue).sum() / usage.size();
          return new Ratio((double) average / target, 0, average);
        },
        _ -> target);
  }

  private List<KubeObject> selected(Question question) throws UnusableException {
    List<KubeObject> selected =
        pods.inNamespace(question.autoscaler().namespace()).stream()
            .filter(pod -> question.selector().matches(pod.labels()))
            .toList();
    if (selected.isEmpty()) {
      throw new UnusableException(
          "", "no pods returned by selector while calculating replica count");
    }
    return selected;
  }

  private Counted count(
      Question question,
      List<KubeObject> selected,
      Map<String, Sample> samples,
      String resource,
      Ratios ratios,
      java.util.function.ToLongFunction<String> assumed)
      throws UnusableException {
    Groups groups = group(selected, samples, resource, question.now());
    Map<String, Long> usage = new HashMap<>();
    for (KubeObject pod : selected) {
      Sample sample = samples.get(pod.name());
      if (sample != null
          && !groups.ignored().contains(pod.name())
          && !groups.unready().contains(pod.name())) {
        usage.put(pod.name(), sample.milli());
      }
    }
    if (usage.isEmpty()) {
      throw new UnusableException(
          "", "did not receive metrics for targeted pods (pods might be unready)");
    }
    Ratio first = ratios.of(usage);
    boolean upWithUnready = !groups.unready().isEmpty() && first.ratio() > 1;
    if (!upWithUnready && groups.missing().isEmpty()) {
      return new Counted(
          question.within(first.ratio())
              ? question.current()
              : (long) Math.ceil(first.ratio() * groups.ready()),
          first.utilisation(),
          first.average());
    }
    for (String pod : groups.missing()) {
      if (first.ratio() < 1) {
        usage.put(pod, assumed.applyAsLong(pod));
      } else if (first.ratio() > 1) {
        usage.put(pod, 0L);
      }
    }
    if (upWithUnready) {
      groups.unready().forEach(pod -> usage.put(pod, 0L));
    }
    double second = ratios.of(usage).ratio();
    long wanted = (long) Math.ceil(second * usage.size());
    boolean turned = first.ratio() < 1 && second > 1 || first.ratio() > 1 && second < 1;
    boolean backwards =
        second < 1 && wanted > question.current() || second > 1 && wanted < question.current();
    return new Counted(
        question.within(second) || turned || backwards ? question.current() : wanted,
        first.utilisation(),
        first.average());
  }

  private record Groups(
      long ready, Set<String> unready, Set<String> missing, Set<String> ignored) {}

  private static Groups group(
      List<KubeObject> selected, Map<String, Sample> samples, String resource, Instant now) {
    long ready = 0;
    Set<String> unready = new HashSet<>();
    Set<String> missing = new HashSet<>();
    Set<String> ignored = new HashSet<>();
    for (KubeObject pod : selected) {
      Sample sample = samples.get(pod.name());
      if (pod.deleting() || PodState.phase(pod).equals("Failed")) {
        ignored.add(pod.name());
      } else if (PodState.phase(pod).equals("Pending")) {
        unready.add(pod.name());
      } else if (sample == null) {
        missing.add(pod.name());
      } else if (resource.equals("cpu") && starting(pod, sample, now)) {
        unready.add(pod.name());
      } else {
        ready++;
      }
    }
    return new Groups(ready, unready, missing, ignored);
  }

  /** Whether a pod's processor time still tells of its start and not of its load. */
  private static boolean starting(KubeObject pod, Sample sample, Instant now) {
    Optional<JsonObject> condition = Conditions.find(pod.status(), "Ready");
    String started = pod.status().text("startTime");
    if (condition.isEmpty() || started.isEmpty()) {
      return true;
    }
    Instant start = Writes.instant(started);
    Instant changed = Writes.instant(condition.get().text("lastTransitionTime"));
    boolean notReady = condition.get().text("status").equals("False");
    return start.plus(CPU_INITIALISATION).isAfter(now)
        ? notReady || sample.time().isBefore(changed.plus(sample.window()))
        : notReady && start.plus(INITIAL_READINESS).isAfter(changed);
  }

  private static long request(KubeObject pod, String resource, String container)
      throws UnusableException {
    Optional<Quantity> whole = pod.spec().find("resources", "requests", resource).map(Quantity::of);
    if (container.isEmpty() && whole.isPresent()) {
      return whole.get().milli();
    }
    List<JsonObject> containers = new ArrayList<>(pod.spec().objects("containers"));
    pod.spec().objects("initContainers").stream()
        .filter(init -> init.text("restartPolicy").equals("Always"))
        .forEach(containers::add);
    long milli = 0;
    for (JsonObject one : containers) {
      if (!container.isEmpty() && !one.text("name").equals(container)) {
        continue;
      }
      JsonObject requests = one.object("resources", "requests");
      if (!requests.has(resource)) {
        throw new UnusableException(
            "",
            "missing request for "
                + resource
                + " in container "
                + one.text("name")
                + " of Pod "
                + pod.name());
      }
      milli += Quantity.of(requests.get(resource).orElseThrow()).milli();
    }
    return milli;
  }
}
