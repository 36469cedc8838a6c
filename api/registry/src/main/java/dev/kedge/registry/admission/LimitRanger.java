package dev.kedge.registry.admission;

import dev.kedge.model.JsonArray;
import dev.kedge.model.JsonNull;
import dev.kedge.model.JsonObject;
import dev.kedge.model.JsonValue;
import dev.kedge.model.KubeObject;
import dev.kedge.model.Quantity;
import dev.kedge.model.Resources;
import dev.kedge.registry.AdmissionPlugin;
import java.math.MathContext;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Optional;
import java.util.TreeMap;

/** Gives containers the requests and limits of the namespace's LimitRanges, and keeps to them. */
final class LimitRanger implements AdmissionPlugin {
  private static final String ANNOTATION = "kubernetes.io/limit-ranger";

  @Override
  public String name() {
    return "LimitRanger";
  }

  @Override
  public KubeObject mutate(Review review, KubeObject pod) {
    if (!review.creating(Resources.PODS)) {
      return pod;
    }
    JsonObject requests = JsonObject.EMPTY;
    JsonObject limits = JsonObject.EMPTY;
    for (JsonObject item : items(review, "Container")) {
      JsonObject standard = merged(item.object("default"), item.object("max"));
      limits = merged(limits, standard);
      requests =
          merged(
              requests,
              merged(merged(item.object("defaultRequest"), standard), item.object("min")));
    }
    if (requests.isEmpty() && limits.isEmpty()) {
      return pod;
    }
    List<String> told = new ArrayList<>();
    JsonObject spec = pod.spec();
    for (String list : List.of("containers", "initContainers")) {
      List<JsonValue> containers = new ArrayList<>();
      for (JsonObject container : spec.objects(list)) {
        String what =
            (list.equals("containers") ? "container " : "init container ") + container.text("name");
        containers.add(filled(container, requests, limits, what, told));
      }
      if (!containers.isEmpty()) {
        spec = spec.with(list, new JsonArray(containers));
      }
    }
    if (told.isEmpty()) {
      return pod;
    }
    return pod.with("spec", spec)
        .withPath(
            List.of("metadata", "annotations", ANNOTATION),
            "LimitRanger plugin set: " + String.join("; ", told));
  }

  private static JsonObject filled(
      JsonObject container,
      JsonObject requests,
      JsonObject limits,
      String what,
      List<String> told) {
    JsonObject resources = container.object("resources");
    JsonObject hadLimits = resources.object("limits");
    JsonObject hadRequests = resources.object("requests");
    List<String> setRequests = missing(requests, hadRequests);
    List<String> setLimits = missing(limits, hadLimits);
    if (!setRequests.isEmpty()) {
      told.add(String.join(", ", setRequests) + " request for " + what);
    }
    if (!setLimits.isEmpty()) {
      told.add(String.join(", ", setLimits) + " limit for " + what);
    }
    if (setRequests.isEmpty() && setLimits.isEmpty()) {
      return container;
    }
    JsonObject changed = resources;
    if (!setLimits.isEmpty()) {
      changed = changed.with("limits", merged(hadLimits, limits));
    }
    if (!setRequests.isEmpty()) {
      changed = changed.with("requests", merged(hadRequests, requests));
    }
    return container.with("resources", changed);
  }

  private static List<String> missing(JsonObject wanted, JsonObject present) {
    return wanted.names().stream().filter(name -> !present.has(name)).sorted().toList();
  }

  /** The first object, with fields of the second where it has none. */
  private static JsonObject merged(JsonObject first, JsonObject second) {
    JsonObject.Builder all = JsonObject.builder().putAll(first);
    second.forEach(
        (name, value) -> {
          if (!all.has(name)) {
            all.put(name, value);
          }
        });
    return all.build();
  }

  @Override
  public void validate(Review review, KubeObject object) {
    boolean update = review.operation() == Operation.UPDATE;
    List<String> faults = new ArrayList<>();
    if (review.creating(Resources.PODS) || update && review.subresource().equals("resize")) {
      for (JsonObject item : items(review, "Container")) {
        for (JsonObject container : containers(object)) {
          JsonObject resources = container.object("resources");
          check(
              item, "Container", resources.object("requests"), resources.object("limits"), faults);
        }
      }
      for (JsonObject item : items(review, "Pod")) {
        check(
            item,
            "Pod",
            PodAmounts.total(object.spec(), "requests"),
            PodAmounts.total(object.spec(), "limits"),
            faults);
      }
    } else if (review.on(Resources.PERSISTENT_VOLUME_CLAIMS)
        && review.operation() != Operation.DELETE) {
      for (JsonObject item : items(review, "PersistentVolumeClaim")) {
        JsonObject requests = object.spec().object("resources", "requests");
        check(item, "PersistentVolumeClaim", requests, requests, faults);
      }
    }
    if (!faults.isEmpty()) {
      throw review.forbidden(
          faults.size() == 1 ? faults.getFirst() : "[" + String.join(", ", faults) + "]");
    }
  }

  private static List<JsonObject> containers(KubeObject pod) {
    List<JsonObject> all = new ArrayList<>(pod.spec().objects("containers"));
    all.addAll(pod.spec().objects("initContainers"));
    return all;
  }

  private static void check(
      JsonObject item, String type, JsonObject requests, JsonObject limits, List<String> faults) {
    for (Map.Entry<String, Quantity> min : amounts(item.object("min")).entrySet()) {
      String resource = min.getKey();
      String fault = "minimum " + resource + " usage per " + type + " is " + min.getValue();
      Optional<Quantity> request = amount(requests, resource);
      Optional<Quantity> limit = amount(limits, resource);
      if (request.isEmpty()) {
        faults.add(fault + ".  No request is specified");
      } else if (request.get().compareTo(min.getValue()) < 0) {
        faults.add(fault + ", but request is " + request.get());
      } else if (limit.isPresent() && limit.get().compareTo(min.getValue()) < 0) {
        faults.add(fault + ", but limit is " + limit.get());
      }
    }
    for (Map.Entry<String, Quantity> max : amounts(item.object("max")).entrySet()) {
      String resource = max.getKey();
      String fault = "maximum " + resource + " usage per " + type + " is " + max.getValue();
      Optional<Quantity> request = amount(requests, resource);
      Optional<Quantity> limit = amount(limits, resource);
      if (limit.isEmpty() && type.equals("PersistentVolumeClaim")) {
        faults.add(fault + ", but request is not specified");
      } else if (limit.isEmpty()) {
        faults.add(fault + ".  No limit is specified");
      } else if (limit.get().compareTo(max.getValue()) > 0) {
        faults.add(
            fault
                + (type.equals("PersistentVolumeClaim") ? ", but request is " : ", but limit is ")
                + limit.get());
      } else if (request.isPresent() && request.get().compareTo(max.getValue()) > 0) {
        faults.add(fault + ", but request is " + request.get());
      }
    }
    for (Map.Entry<String, Quantity> ratio :
        amounts(item.object("maxLimitRequestRatio")).entrySet()) {
      String resource = ratio.getKey();
      String fault =
          resource + " max limit to request ratio per " + type + " is " + ratio.getValue();
      Optional<Quantity> request = amount(requests, resource);
      Optional<Quantity> limit = amount(limits, resource);
      if (request.isEmpty() || request.get().isZero()) {
        faults.add(fault + ", but no request is specified or request is 0");
      } else if (limit.isEmpty() || limit.get().isZero()) {
        faults.add(fault + ", but no limit is specified or limit is 0");
      } else {
        double found =
            limit.get().value().divide(request.get().value(), MathContext.DECIMAL64).doubleValue();
        if (found > ratio.getValue().value().doubleValue()) {
          faults.add(fault + ", but provided ratio is " + String.format(Locale.ROOT, "%f", found));
        }
      }
    }
  }

  private static Map<String, Quantity> amounts(JsonObject amounts) {
    Map<String, Quantity> all = new TreeMap<>();
    amounts.forEach((name, value) -> all.put(name, Quantity.of(value)));
    return new LinkedHashMap<>(all);
  }

  private static Optional<Quantity> amount(JsonObject amounts, String resource) {
    return amounts.has(resource)
        ? Optional.of(Quantity.of(amounts.get(resource).orElse(JsonNull.NULL)))
        : Optional.empty();
  }

  private static List<JsonObject> items(Review review, String type) {
    List<JsonObject> items = new ArrayList<>();
    for (KubeObject range : review.objects().list(Resources.LIMIT_RANGES, review.namespace())) {
      for (JsonObject item : range.spec().objects("limits")) {
        if (item.text("type").equals(type)) {
          items.add(item);
        }
      }
    }
    return items;
  }
}
