package dev.kedge.cli.kubectl;

import dev.kedge.cli.kubectl.Discovery.Served;
import dev.kedge.model.JsonObject;
import dev.kedge.model.Quantity;
import java.util.ArrayList;
import java.util.List;

/** {@code autoscale}. */
final class AutoscaleCommand {
  private AutoscaleCommand() {}

  static Verb verb() {
    return Verb.of(
        "autoscale",
        "autoscale TYPE NAME --max=MAXPODS",
        "Create an autoscaler for a workload",
        Flags.with(
            Manifests.FLAGS,
            Output.FLAG,
            Output.MANAGED_FIELDS,
            Output.DRY_RUN,
            Flag.text("max", '\0', "-1", "The upper limit for the number of pods"),
            Flag.text("min", '\0', "-1", "The lower limit for the number of pods"),
            Flag.text("cpu", "Target CPU: 70% of the requests, or an amount such as 500m"),
            Flag.text("memory", "Target memory: 60% of the requests, or an amount"),
            Flag.text("cpu-percent", '\0', "-1", "Deprecated: use --cpu"),
            Flag.text("name", "The name of the autoscaler (default: the workload's)"),
            Flag.text("field-manager", '\0', "kubectl-autoscale", "Name of the manager")),
        AutoscaleCommand::autoscale);
  }

  private static int autoscale(Session session) {
    Arguments a = session.arguments();
    long max = a.number("max");
    long min = a.number("min");
    if (max < 1) {
      throw new UsageException("--max=MAXPODS is required and must be at least 1, max: " + max);
    }
    if (max < min) {
      throw new UsageException(
          "--max=MAXPODS must be larger or equal to --min=MINPODS, max: " + max + ", min: " + min);
    }
    boolean percent = a.given("cpu-percent");
    if (percent && a.given("cpu")) {
      throw new UsageException("--cpu-percent and --cpu are mutually exclusive");
    }
    List<JsonObject> metrics = new ArrayList<>();
    String cpu = percent ? a.text("cpu-percent") + "%" : a.text("cpu");
    if (!cpu.isEmpty() && !cpu.equals("-1%")) {
      metrics.add(metric("cpu", cpu));
    }
    if (!a.text("memory").isEmpty()) {
      metrics.add(metric("memory", a.text("memory")));
    }
    Output output = Output.of(session);
    Served autoscalers =
        session
            .discovery()
            .ofKind("autoscaling/v2", "HorizontalPodAutoscaler")
            .orElseThrow(() -> new UsageException("the server has no autoscaling/v2"));
    for (Item item : Selected.items(session, session.words())) {
      if (!item.served().subresources().contains("scale")) {
        throw new UsageException(
            "cannot autoscale a " + item.served().type().kind() + ": it has no scale");
      }
      String name = a.text("name").isEmpty() ? item.name() : a.text("name");
      JsonObject.Builder spec =
          JsonObject.builder().put("maxReplicas", max).putNonEmpty("metrics", metrics);
      if (min > 0) {
        spec.put("minReplicas", min);
      }
      JsonObject autoscaler =
          JsonObject.of(
              "apiVersion",
              "autoscaling/v2",
              "kind",
              "HorizontalPodAutoscaler",
              "metadata",
              JsonObject.of("name", name),
              "spec",
              spec.put(
                      "scaleTargetRef",
                      JsonObject.of(
                          "apiVersion",
                          item.served().type().apiVersion(),
                          "kind",
                          item.served().type().kind(),
                          "name",
                          item.name()))
                  .build());
      String dryRun = Output.dryRun(session);
      JsonObject result =
          dryRun.equals("client")
              ? autoscaler
              : session
                  .transport()
                  .post(
                      session.path(autoscalers, item.namespace())
                          + Session.query(
                              "dryRun",
                              dryRun.equals("server") ? "All" : "",
                              "fieldManager",
                              a.text("field-manager")),
                      autoscaler);
      output.done(new Item(autoscalers, item.namespace(), name, result, ""), result, "autoscaled");
    }
    return 0;
  }

  /** {@code 70%} of what is requested, or an amount per pod. */
  private static JsonObject metric(String resource, String target) {
    JsonObject wanted;
    if (target.endsWith("%")) {
      String number = target.substring(0, target.length() - 1);
      if (!number.matches("[1-9]\\d{0,8}")) {
        throw new UsageException("invalid " + resource + " target: " + target);
      }
      wanted = JsonObject.of("type", "Utilization", "averageUtilization", Long.parseLong(number));
    } else {
      if (Quantity.find(target).isEmpty()) {
        throw new UsageException("invalid " + resource + " target: " + target);
      }
      wanted = JsonObject.of("type", "AverageValue", "averageValue", target);
    }
    return JsonObject.of(
        "type", "Resource", "resource", JsonObject.of("name", resource, "target", wanted));
  }
}
