package dev.kedge.apiserver;

import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.atomic.LongAdder;
import java.util.function.BiConsumer;

/**
 * Counts requests, and writes {@code /metrics}: names, labels and bounds are upstream's. Any
 * thread.
 */
final class Metrics {
  private static final double[] DURATIONS = {
    0.005, 0.025, 0.05, 0.1, 0.2, 0.4, 0.6, 0.8, 1, 1.25, 1.5, 2, 3, 4, 5, 6, 8, 10, 15, 20, 30, 45,
    60
  };
  private static final double[] SIZES = {1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9};

  /** Beyond these, refused requests are counted together: strangers must not fill the memory. */
  private static final int MOST_SERIES = 2000;

  private final Map<Target, Series> series = new ConcurrentHashMap<>();
  private final Map<Target, AtomicInteger> longRunning = new ConcurrentHashMap<>();
  private final Map<Resource, LongAdder> watchEvents = new ConcurrentHashMap<>();
  private final Map<Resource, AtomicInteger> watches = new ConcurrentHashMap<>();
  private final AtomicInteger reading = new AtomicInteger();
  private final AtomicInteger writing = new AtomicInteger();
  private final List<MetricSource> sources;

  Metrics(List<MetricSource> sources) {
    this.sources = List.copyOf(sources);
  }

  private record Resource(String group, String version, String resource)
      implements Comparable<Resource> {
    private static final Comparator<Resource> ORDER =
        Comparator.comparing(Resource::group)
            .thenComparing(Resource::resource)
            .thenComparing(Resource::version);

    static Resource of(RequestInfo info) {
      return new Resource(info.group(), info.version(), info.resource());
    }

    List<String> labels() {
      return List.of("group", group, "resource", resource, "version", version);
    }

    @Override
    public int compareTo(Resource other) {
      return ORDER.compare(this, other);
    }
  }

  /** What requests are counted by. */
  private record Target(
      Resource resource, String subresource, String scope, String verb, String dryRun)
      implements Comparable<Target> {
    private static final Comparator<Target> ORDER =
        Comparator.comparing(Target::resource)
            .thenComparing(Target::subresource)
            .thenComparing(Target::scope)
            .thenComparing(Target::verb)
            .thenComparing(Target::dryRun);

    static final Target OTHER = new Target(new Resource("", "", ""), "", "", "other", "");

    static Target of(Call call) {
      RequestInfo info = call.info();
      if (!info.resourceRequest()) {
        // As upstream: only what the checks are asked at has its path told.
        String path = info.path();
        boolean check =
            path.startsWith("/healthz") || path.startsWith("/livez") || path.startsWith("/readyz");
        return new Target(Resource.of(info), check ? path : "", "", call.method(), "");
      }
      String scope =
          !info.name().isEmpty()
              ? "resource"
              : !info.namespace().isEmpty() ? "namespace" : "cluster";
      return new Target(
          Resource.of(info),
          info.subresource(),
          scope,
          verb(call),
          call.query().text("dryRun").equals("All") ? "All" : "");
    }

    private static String verb(Call call) {
      RequestInfo info = call.info();
      if (NodeHandler.CONNECTIONS.contains(info.subresource())) {
        return "CONNECT";
      }
      return switch (info.verb()) {
        case "create" -> "POST";
        case "update" -> "PUT";
        case "patch" ->
            call.header("Content-Type").startsWith("application/apply-patch") ? "APPLY" : "PATCH";
        default -> info.verb().toUpperCase(Locale.ROOT);
      };
    }

    List<String> labels(String... before) {
      List<String> all = new ArrayList<>(List.of(before));
      all.addAll(List.of("component", "apiserver", "dry_run", dryRun));
      add(all);
      return all;
    }

    /** Without dry_run, which some families do not have. */
    List<String> plainLabels(String... before) {
      List<String> all = new ArrayList<>(List.of(before));
      all.addAll(List.of("component", "apiserver"));
      add(all);
      return all;
    }

    private void add(List<String> all) {
      all.addAll(List.of("group", resource.group(), "resource", resource.resource()));
      all.addAll(List.of("scope", scope, "subresource", subresource));
      all.addAll(List.of("verb", verb, "version", resource.version()));
    }

    @Override
    public int compareTo(Target other) {
      return ORDER.compare(this, other);
    }
  }

  private static final class Series {
    final Map<Integer, LongAdder> codes = new ConcurrentHashMap<>();
    final Map<Integer, LongAdder> terminations = new ConcurrentHashMap<>();
    final Histogram durations = new Histogram(DURATIONS);
    final Histogram sizes = new Histogram(SIZES);
  }

  private Series series(Call call) {
    Target target = Target.of(call);
    Series known = series.get(target);
    if (known != null) {
      return known;
    }
    // What is answered well is what is served; refusals may name anything.
    boolean refused = call.status() >= 400 || call.status() == 0;
    return series.computeIfAbsent(
        refused && series.size() >= MOST_SERIES ? Target.OTHER : target, _ -> new Series());
  }

  /** Counts an answered request. */
  void record(Call call) {
    Series counted = series(call);
    counted.codes.computeIfAbsent(call.status(), _ -> new LongAdder()).increment();
    RequestInfo info = call.info();
    if (!info.longRunning()) {
      counted.durations.record(call.nanosSoFar() / 1e9);
      if (info.resourceRequest() && info.readOnly()) {
        counted.sizes.record(call.sent());
      }
    }
  }

  /** Counts a request that the server ends to protect itself. */
  void terminated(Call call, int code) {
    series(call).terminations.computeIfAbsent(code, _ -> new LongAdder()).increment();
  }

  void inFlight(boolean read, int change) {
    (read ? reading : writing).addAndGet(change);
  }

  /** Counts a request without end that begins (1) or ends (-1). */
  void longRunning(Call call, int change) {
    longRunning.computeIfAbsent(Target.of(call), _ -> new AtomicInteger()).addAndGet(change);
  }

  /** Counts a watch that begins (1) or ends (-1). */
  void watch(RequestInfo info, int change) {
    watches.computeIfAbsent(Resource.of(info), _ -> new AtomicInteger()).addAndGet(change);
  }

  void watchEvents(RequestInfo info, int count) {
    watchEvents.computeIfAbsent(Resource.of(info), _ -> new LongAdder()).add(count);
  }

  /** Everything there is to tell, in Prometheus' text format. */
  String text() {
    Exposition out = new Exposition();
    List<Map.Entry<Target, Series>> all =
        series.entrySet().stream().sorted(Map.Entry.comparingByKey()).toList();
    out.family(
        "apiserver_request_total",
        "counter",
        "Counter of apiserver requests broken out for each verb, dry run value, group, version,"
            + " resource, scope, component, and HTTP response code.");
    each(
        all,
        (target, one) ->
            one.codes.forEach(
                (code, count) ->
                    out.sample("", count.sum(), target.labels("code", Integer.toString(code)))));
    out.family(
        "apiserver_request_duration_seconds",
        "histogram",
        "Response latency distribution in seconds for each verb, dry run value, group, version,"
            + " resource, subresource, scope and component.");
    each(
        all,
        (target, one) -> {
          if (one.durations.any()) {
            one.durations.write(out, target.labels());
          }
        });
    out.family(
        "apiserver_response_sizes",
        "histogram",
        "Response size distribution in bytes for each group, version, verb, resource, subresource,"
            + " scope and component.");
    each(
        all,
        (target, one) -> {
          if (one.sizes.any()) {
            one.sizes.write(out, target.plainLabels());
          }
        });
    out.family(
        "apiserver_request_terminations_total",
        "counter",
        "Number of requests which apiserver terminated in self-defense.");
    each(
        all,
        (target, one) ->
            one.terminations.forEach(
                (code, count) ->
                    out.sample(
                        "", count.sum(), target.plainLabels("code", Integer.toString(code)))));
    out.family(
            "apiserver_current_inflight_requests",
            "gauge",
            "Maximal number of currently used inflight request limit of this apiserver per request"
                + " kind in last second.")
        .sample(writing.get(), "request_kind", "mutating")
        .sample(reading.get(), "request_kind", "readOnly");
    out.family(
        "apiserver_longrunning_requests",
        "gauge",
        "Gauge of all active long-running apiserver requests broken out by verb, group, version,"
            + " resource, scope and component. Not all requests are tracked this way.");
    each(longRunning, (target, count) -> out.sample("", count.get(), target.plainLabels()));
    out.family("kedge_apiserver_watches", "gauge", "Watches that run now, by resource.");
    each(watches, (resource, count) -> out.sample("", count.get(), resource.labels()));
    out.family("apiserver_watch_events_total", "counter", "Number of events sent in watch clients");
    each(watchEvents, (resource, count) -> out.sample("", count.sum(), resource.labels()));
    sources.forEach(source -> source.write(out));
    return out.text();
  }

  private static <K extends Comparable<K>, V> void each(Map<K, V> map, BiConsumer<K, V> action) {
    each(map.entrySet().stream().sorted(Map.Entry.comparingByKey()).toList(), action);
  }

  private static <K, V> void each(List<Map.Entry<K, V>> entries, BiConsumer<K, V> action) {
    entries.forEach(entry -> action.accept(entry.getKey(), entry.getValue()));
  }
}
