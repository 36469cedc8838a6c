package dev.kedge.apiserver;

import java.util.ArrayList;
import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.function.Supplier;

/**
 * What {@code /livez}, {@code /readyz} and {@code /healthz} look at. Immutable; checks must be
 * quick and may be asked from any thread.
 *
 * @param live whether the process should be left running
 * @param ready whether it should be sent requests; the live checks count too
 */
public record HealthChecks(
    Map<String, Supplier<Optional<String>>> live, Map<String, Supplier<Optional<String>>> ready)
    implements MetricSource {
  /** Nothing but {@code ping}. */
  public static final HealthChecks PING = new HealthChecks(Map.of(), Map.of());

  /** Checks by name, in order; each gives what is wrong, empty if nothing is. */
  public HealthChecks {
    live = Collections.unmodifiableMap(new LinkedHashMap<>(live));
    ready = Collections.unmodifiableMap(new LinkedHashMap<>(ready));
  }

  /** Outcome of a round. */
  record Report(boolean healthy, String text) {}

  private Map<String, Supplier<Optional<String>>> of(String path) {
    Map<String, Supplier<Optional<String>>> checks = new LinkedHashMap<>();
    checks.put("ping", Optional::empty);
    checks.putAll(live);
    if (!path.equals("livez")) {
      checks.putAll(ready);
    }
    return checks;
  }

  /** The names that can be asked for one by one. */
  List<String> names(String path) {
    return List.copyOf(of(path).keySet());
  }

  /** One check; empty if there is none of this name. */
  Optional<Report> one(String path, String name) {
    return Optional.ofNullable(of(path).get(name))
        .map(
            check ->
                check
                    .get()
                    .map(fault -> new Report(false, "internal server error: " + fault + "\n"))
                    .orElse(new Report(true, "ok")));
  }

  /** A round of all checks but the excluded ones, as upstream reports it. */
  Report all(String path, Set<String> excluded, boolean verbose) {
    StringBuilder lines = new StringBuilder();
    boolean healthy = true;
    for (Map.Entry<String, Supplier<Optional<String>>> check : of(path).entrySet()) {
      if (excluded.contains(check.getKey())) {
        lines.append("[+]").append(check.getKey()).append(" excluded: ok\n");
        continue;
      }
      Optional<String> fault = check.getValue().get();
      if (fault.isPresent()) {
        healthy = false;
        // What is wrong may tell secrets; it stands in the log of whoever found it.
        lines.append("[-]").append(check.getKey()).append(" failed: reason withheld\n");
        System.getLogger("dev.kedge.apiserver")
            .log(
                System.Logger.Level.DEBUG,
                "{0} check {1} failed: {2}",
                path,
                check.getKey(),
                fault.get());
      } else {
        lines.append("[+]").append(check.getKey()).append(" ok\n");
      }
    }
    List<String> unknown = new ArrayList<>(excluded);
    unknown.removeAll(of(path).keySet());
    if (!unknown.isEmpty()) {
      lines
          .append("warn: some health checks cannot be excluded: no matches for ")
          .append(
              String.join(",", unknown.stream().sorted().map(name -> "\"" + name + "\"").toList()))
          .append('\n');
    }
    if (!healthy) {
      return new Report(false, lines + path + " check failed\n");
    }
    return new Report(true, verbose ? lines + path + " check passed\n" : "ok");
  }

  @Override
  public void write(Exposition out) {
    out.family(
        "kubernetes_healthcheck",
        "gauge",
        "This metric records the result of a single healthcheck.");
    for (String path : List.of("healthz", "livez", "readyz")) {
      of(path)
          .forEach(
              (name, check) ->
                  out.sample(check.get().isEmpty() ? 1 : 0, "name", name, "type", path));
    }
  }
}
