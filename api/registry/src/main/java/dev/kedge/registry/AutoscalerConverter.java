package dev.kedge.registry;

import dev.kedge.model.Json;
import dev.kedge.model.JsonArray;
import dev.kedge.model.JsonObject;
import dev.kedge.model.JsonSyntaxException;
import dev.kedge.model.JsonValue;
import dev.kedge.model.KubeObject;
import java.util.ArrayList;
import java.util.List;

/**
 * autoscaling/v1 HorizontalPodAutoscalers, which are stored as v2. What v1 has no field for travels
 * in annotations, so that a read and write by an old client loses nothing.
 */
final class AutoscalerConverter implements Converter {
  private static final String METRICS = "autoscaling.alpha.kubernetes.io/metrics";
  private static final String BEHAVIOR = "autoscaling.alpha.kubernetes.io/behavior";
  private static final String CONDITIONS = "autoscaling.alpha.kubernetes.io/conditions";
  private static final String CURRENT = "autoscaling.alpha.kubernetes.io/current-metrics";
  private static final String CPU = "targetCPUUtilizationPercentage";
  private static final String CURRENT_CPU = "currentCPUUtilizationPercentage";

  @Override
  public KubeObject toStored(KubeObject served) {
    JsonObject annotations = served.metadata().object("annotations");
    JsonObject spec = served.spec();
    List<JsonValue> metrics = new ArrayList<>();
    if (spec.has(CPU)) {
      metrics.add(
          JsonObject.of(
              "type",
              "Resource",
              "resource",
              JsonObject.of(
                  "name",
                  "cpu",
                  "target",
                  JsonObject.of("type", "Utilization", "averageUtilization", spec.integer(CPU)))));
    }
    metrics.addAll(array(annotations.text(METRICS)).items());
    JsonObject storedSpec = spec.without(CPU);
    if (!metrics.isEmpty()) {
      storedSpec = storedSpec.with("metrics", new JsonArray(metrics));
    }
    JsonObject behavior = object(annotations.text(BEHAVIOR));
    if (!behavior.isEmpty()) {
      storedSpec = storedSpec.with("behavior", behavior);
    }
    KubeObject stored = served.with("apiVersion", "autoscaling/v2").with("spec", storedSpec);
    if (served.json().has("status")) {
      JsonObject status = served.status();
      List<JsonValue> current = new ArrayList<>();
      if (status.has(CURRENT_CPU)) {
        current.add(
            JsonObject.of(
                "type",
                "Resource",
                "resource",
                JsonObject.of(
                    "name",
                    "cpu",
                    "current",
                    JsonObject.of("averageUtilization", status.integer(CURRENT_CPU)))));
      }
      current.addAll(array(annotations.text(CURRENT)).items());
      status = status.without(CURRENT_CPU);
      if (!current.isEmpty()) {
        status = status.with("currentMetrics", new JsonArray(current));
      }
      JsonArray conditions = array(annotations.text(CONDITIONS));
      if (!conditions.isEmpty()) {
        status = status.with("conditions", conditions);
      }
      stored = stored.with("status", status);
    }
    for (String name : List.of(METRICS, BEHAVIOR, CONDITIONS, CURRENT)) {
      annotations = annotations.without(name);
    }
    return annotations.isEmpty()
        ? new KubeObject(stored.json().withoutPath(List.of("metadata", "annotations")))
        : stored.withMetadata("annotations", annotations);
  }

  @Override
  public KubeObject toServed(KubeObject stored) {
    JsonObject annotations = stored.metadata().object("annotations");
    JsonObject spec = stored.spec().without("metrics").without("behavior");
    List<JsonValue> others = new ArrayList<>();
    for (JsonObject metric : stored.spec().objects("metrics")) {
      if (metric.text("resource", "name").equals("cpu")
          && metric.text("resource", "target", "type").equals("Utilization")
          && !spec.has(CPU)) {
        spec = spec.with(CPU, metric.integer("resource", "target", "averageUtilization"));
      } else {
        others.add(metric);
      }
    }
    annotations = put(annotations, METRICS, new JsonArray(others));
    JsonObject behavior = stored.spec().object("behavior");
    if (!behavior.isEmpty()) {
      annotations = annotations.with(BEHAVIOR, Json.write(behavior));
    }
    KubeObject served = stored.with("apiVersion", "autoscaling/v1").with("spec", spec);
    if (stored.json().has("status")) {
      JsonObject status = stored.status().without("currentMetrics").without("conditions");
      List<JsonValue> current = new ArrayList<>();
      for (JsonObject metric : stored.status().objects("currentMetrics")) {
        if (metric.text("resource", "name").equals("cpu")
            && metric.object("resource", "current").has("averageUtilization")
            && !status.has(CURRENT_CPU)) {
          status =
              status.with(CURRENT_CPU, metric.integer("resource", "current", "averageUtilization"));
        } else {
          current.add(metric);
        }
      }
      annotations = put(annotations, CURRENT, new JsonArray(current));
      annotations = put(annotations, CONDITIONS, stored.status().array("conditions"));
      served = served.with("status", status);
    }
    return annotations.isEmpty() ? served : served.withMetadata("annotations", annotations);
  }

  private static JsonObject put(JsonObject annotations, String name, JsonArray value) {
    return value.isEmpty() ? annotations : annotations.with(name, Json.write(value));
  }

  private static JsonArray array(String text) {
    return parse(text) instanceof JsonArray array ? array : JsonArray.EMPTY;
  }

  private static JsonObject object(String text) {
    return parse(text) instanceof JsonObject object ? object : JsonObject.EMPTY;
  }

  private static JsonValue parse(String text) {
    if (text.isEmpty()) {
      return JsonObject.EMPTY;
    }
    try {
      return Json.parse(text);
    } catch (JsonSyntaxException e) {
      // As upstream: an annotation that somebody garbled is dropped.
      return JsonObject.EMPTY;
    }
  }
}
