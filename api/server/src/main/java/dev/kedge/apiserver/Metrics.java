package dev.kedge.apiserver;

import java.util.Map;
import java.util.TreeMap;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.atomic.LongAdder;

/** Counts requests, for {@code /metrics}. Any thread. */
final class Metrics {
  private static final double[] BOUNDS = {
    0.005, 0.025, 0.05, 0.1, 0.2, 0.4, 0.6, 0.8, 1, 1.25, 1.5, 2, 3, 4, 5, 6, 8, 10, 15, 20, 30, 45,
    60
  };

  /** Beyond these, refused requests are counted together: strangers must not fill the memory. */
  private static final int MOST_LABELS = 2000;

  private final Map<String, LongAdder> requests = new ConcurrentHashMap<>();
  private final Map<String, Histogram> durations = new ConcurrentHashMap<>();
  private final Map<String, LongAdder> watchEvents = new ConcurrentHashMap<>();
  private final Map<String, AtomicInteger> watches = new ConcurrentHashMap<>();
  private final AtomicInteger reading = new AtomicInteger();
  private final AtomicInteger writing = new AtomicInteger();
  private final AtomicInteger longRunning = new AtomicInteger();

  private static final class Histogram {
    final LongAdder[] buckets = new LongAdder[BOUNDS.length + 1];
    final LongAdder nanos = new LongAdder();

    Histogram() {
      for (int i = 0; i < buckets.length; i++) {
        buckets[i] = new LongAdder();
      }
    }

    void record(long took) {
      double seconds = took / 1e9;
      int i = 0;
      while (i < BOUNDS.length && seconds > BOUNDS[i]) {
        i++;
      }
      buckets[i].increment();
      nanos.add(took);
    }
  }

  /** Counts an answered request. */
  void record(Call call) {
    RequestInfo info = call.info();
    String scope =
        !info.resourceRequest()
            ? ""
            : !info.name().isEmpty()
                ? "resource"
                : !info.namespace().isEmpty() ? "namespace" : "cluster";
    String labels =
        "group=\""
            + escape(info.group())
            + "\",resource=\""
            + escape(info.resource())
            + "\",scope=\""
            + scope
            + "\",subresource=\""
            + escape(info.subresource())
            + "\",verb=\""
            + (info.resourceRequest() ? verb(info.verb()) : call.method())
            + "\",version=\""
            + escape(info.version())
            + "\"";
    // What is answered well is what is served; refusals may name anything.
    boolean refused = call.status() >= 400 || call.status() == 0;
    if (refused && requests.size() >= MOST_LABELS) {
      labels = "group=\"\",resource=\"\",scope=\"\",subresource=\"\",verb=\"other\",version=\"\"";
    }
    String code = Integer.toString(call.status());
    String dryRun = call.query().text("dryRun");
    requests
        .computeIfAbsent(
            "code=\""
                + code
                + "\",component=\"apiserver\",dry_run=\""
                + (dryRun.equals("All") ? "All" : "")
                + "\","
                + labels,
            _ -> new LongAdder())
        .increment();
    if (!info.longRunning()) {
      durations
          .computeIfAbsent("component=\"apiserver\"," + labels, _ -> new Histogram())
          .record(call.nanosSoFar());
    }
  }

  void inFlight(boolean read, int change) {
    (read ? reading : writing).addAndGet(change);
  }

  void longRunning(int change) {
    longRunning.addAndGet(change);
  }

  /** Counts a watch that begins (1) or ends (-1). */
  void watch(RequestInfo info, int change) {
    watches.computeIfAbsent(resource(info), _ -> new AtomicInteger()).addAndGet(change);
  }

  void watchEvents(RequestInfo info, int count) {
    watchEvents.computeIfAbsent(resource(info), _ -> new LongAdder()).add(count);
  }

  private static String resource(RequestInfo info) {
    return "group=\""
        + escape(info.group())
        + "\",resource=\""
        + escape(info.resource())
        + "\",version=\""
        + escape(info.version())
        + "\"";
  }

  private static String verb(String verb) {
    return switch (verb) {
      case "create" -> "POST";
      case "update" -> "PUT";
      case "deletecollection" -> "DELETECOLLECTION";
      default -> verb.toUpperCase(java.util.Locale.ROOT);
    };
  }

  /** Prometheus' text format, version 0.0.4. */
  String text() {
    StringBuilder out = new StringBuilder();
    head(
        out,
        "apiserver_request_total",
        "counter",
        "Counter of apiserver requests broken out for each verb, dry run value, group, version,"
            + " resource, scope, component, and HTTP response code.");
    new TreeMap<>(requests)
        .forEach((labels, count) -> line(out, "apiserver_request_total", labels, count.sum()));
    head(
        out,
        "apiserver_request_duration_seconds",
        "histogram",
        "Response latency distribution in seconds for each verb, dry run value, group, version,"
            + " resource, subresource, scope and component.");
    new TreeMap<>(durations)
        .forEach(
            (labels, histogram) -> {
              long below = 0;
              for (int i = 0; i < histogram.buckets.length; i++) {
                below += histogram.buckets[i].sum();
                String bound = i < BOUNDS.length ? number(BOUNDS[i]) : "+Inf";
                line(
                    out,
                    "apiserver_request_duration_seconds_bucket",
                    labels + ",le=\"" + bound + "\"",
                    below);
              }
              out.append("apiserver_request_duration_seconds_sum{")
                  .append(labels)
                  .append("} ")
                  .append(histogram.nanos.sum() / 1e9)
                  .append('\n');
              line(out, "apiserver_request_duration_seconds_count", labels, below);
            });
    head(
        out,
        "apiserver_current_inflight_requests",
        "gauge",
        "Maximal number of currently used inflight request limit of this apiserver per request"
            + " kind in last second.");
    line(out, "apiserver_current_inflight_requests", "request_kind=\"mutating\"", writing.get());
    line(out, "apiserver_current_inflight_requests", "request_kind=\"readOnly\"", reading.get());
    head(
        out,
        "apiserver_longrunning_requests",
        "gauge",
        "Gauge of all active long-running apiserver requests.");
    line(out, "apiserver_longrunning_requests", "component=\"apiserver\"", longRunning.get());
    head(out, "kedge_apiserver_watches", "gauge", "Watches that run now, by resource.");
    new TreeMap<>(watches)
        .forEach((labels, count) -> line(out, "kedge_apiserver_watches", labels, count.get()));
    head(out, "apiserver_watch_events_total", "counter", "Number of events sent in watch clients");
    new TreeMap<>(watchEvents)
        .forEach((labels, count) -> line(out, "apiserver_watch_events_total", labels, count.sum()));
    Runtime runtime = Runtime.getRuntime();
    head(out, "jvm_memory_used_bytes", "gauge", "Heap in use, garbage included.");
    line(
        out,
        "jvm_memory_used_bytes",
        "area=\"heap\"",
        runtime.totalMemory() - runtime.freeMemory());
    ProcessHandle.current()
        .info()
        .totalCpuDuration()
        .ifPresent(
            time -> {
              head(
                  out,
                  "process_cpu_seconds_total",
                  "counter",
                  "Total user and system CPU time spent in seconds.");
              out.append("process_cpu_seconds_total ")
                  .append(time.toMillis() / 1000.0)
                  .append('\n');
            });
    return out.toString();
  }

  private static void head(StringBuilder out, String name, String type, String help) {
    out.append("# HELP ").append(name).append(' ').append(help).append('\n');
    out.append("# TYPE ").append(name).append(' ').append(type).append('\n');
  }

  private static void line(StringBuilder out, String name, String labels, long value) {
    out.append(name).append('{').append(labels).append("} ").append(value).append('\n');
  }

  private static String number(double value) {
    return value == Math.rint(value) ? Long.toString((long) value) : Double.toString(value);
  }

  private static String escape(String label) {
    return label.replace("\\", "\\\\").replace("\"", "\\\"").replace("\n", "\\n");
  }
}
