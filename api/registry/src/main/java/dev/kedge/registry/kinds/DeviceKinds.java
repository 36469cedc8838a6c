package dev.kedge.registry.kinds;

import dev.kedge.model.JsonArray;
import dev.kedge.model.JsonInteger;
import dev.kedge.model.JsonObject;
import dev.kedge.model.JsonValue;
import dev.kedge.model.KubeObject;
import dev.kedge.registry.Strategy;
import java.util.ArrayList;
import java.util.List;
import java.util.function.UnaryOperator;

/** Claims of devices ({@code resource.k8s.io}). */
final class DeviceKinds {
  private DeviceKinds() {}

  static final class Claim implements Strategy {
    @Override
    public KubeObject applyDefaults(KubeObject claim) {
      return new KubeObject(changed(claim.json(), "spec", DeviceKinds::counted));
    }
  }

  static final class ClaimTemplate implements Strategy {
    @Override
    public KubeObject applyDefaults(KubeObject template) {
      return new KubeObject(
          changed(template.json(), "spec", spec -> changed(spec, "spec", DeviceKinds::counted)));
    }
  }

  /** A claim's spec: a request for an exact count is for one device unless it says otherwise. */
  private static JsonObject counted(JsonObject spec) {
    return changed(
        spec,
        "devices",
        devices ->
            each(
                devices,
                "requests",
                request ->
                    each(
                        changed(request, "exactly", DeviceKinds::withCount),
                        "firstAvailable",
                        DeviceKinds::withCount)));
  }

  private static JsonObject withCount(JsonObject request) {
    return request.text("allocationMode").equals("ExactCount") && request.integer("count") == 0
        ? request.with("count", new JsonInteger(1))
        : request;
  }

  private static JsonObject changed(
      JsonObject object, String field, UnaryOperator<JsonObject> change) {
    return object.has(field) ? object.with(field, change.apply(object.object(field))) : object;
  }

  private static JsonObject each(JsonObject object, String list, UnaryOperator<JsonObject> change) {
    if (!object.has(list)) {
      return object;
    }
    List<JsonValue> items = new ArrayList<>();
    object.objects(list).forEach(item -> items.add(change.apply(item)));
    return object.with(list, new JsonArray(items));
  }
}
