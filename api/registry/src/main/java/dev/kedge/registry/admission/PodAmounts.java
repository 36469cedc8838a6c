package dev.kedge.registry.admission;

import dev.kedge.model.JsonNull;
import dev.kedge.model.JsonObject;
import dev.kedge.model.Quantity;
import java.util.Map;
import java.util.TreeMap;

/** What a pod asks for altogether, as upstream's resource helpers sum it up. */
final class PodAmounts {
  private PodAmounts() {}

  /**
   * The sum over containers and sidecars, or what an init container needs at its time where that is
   * more; with the pod's overhead.
   *
   * @param which requests or limits
   */
  static JsonObject total(JsonObject spec, String which) {
    Map<String, Quantity> sum = new TreeMap<>();
    for (JsonObject container : spec.objects("containers")) {
      add(sum, container.object("resources", which));
    }
    Map<String, Quantity> sidecars = new TreeMap<>();
    Map<String, Quantity> most = new TreeMap<>();
    for (JsonObject container : spec.objects("initContainers")) {
      JsonObject own = container.object("resources", which);
      if (container.text("restartPolicy").equals("Always")) {
        add(sum, own);
        add(sidecars, own);
        max(most, sidecars);
      } else {
        Map<String, Quantity> at = new TreeMap<>(sidecars);
        add(at, own);
        max(most, at);
      }
    }
    max(sum, most);
    // Amounts of the pod as a whole, where given, stand for those of its containers.
    spec.object("resources", which).forEach((name, value) -> sum.put(name, Quantity.of(value)));
    JsonObject overhead = spec.object("overhead");
    overhead.forEach(
        (name, value) -> {
          if (which.equals("requests") || sum.containsKey(name)) {
            sum.merge(name, Quantity.of(value), Quantity::plus);
          }
        });
    JsonObject.Builder total = JsonObject.builder();
    sum.forEach((name, amount) -> total.put(name, amount.toString()));
    return total.build();
  }

  private static void add(Map<String, Quantity> sum, JsonObject amounts) {
    for (String name : amounts.names()) {
      sum.merge(name, Quantity.of(amounts.get(name).orElse(JsonNull.NULL)), Quantity::plus);
    }
  }

  private static void max(Map<String, Quantity> into, Map<String, Quantity> other) {
    other.forEach(
        (name, amount) ->
            into.merge(name, amount, (left, right) -> left.compareTo(right) >= 0 ? left : right));
  }
}
