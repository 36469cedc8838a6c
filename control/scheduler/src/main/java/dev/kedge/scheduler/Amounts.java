package dev.kedge.scheduler;

import dev.kedge.model.JsonObject;
import dev.kedge.model.JsonValue;
import dev.kedge.model.Quantity;
import java.util.Map;
import java.util.TreeMap;
import java.util.function.LongBinaryOperator;

/**
 * Amounts of resources, in the units the scheduler calculates with.
 *
 * @param cpu thousandths of a core
 * @param memory bytes
 * @param ephemeralStorage bytes
 * @param others whole units by resource name, such as {@code nvidia.com/gpu} or huge pages (bytes);
 *     sorted, so that messages come in a stable order
 */
public record Amounts(long cpu, long memory, long ephemeralStorage, Map<String, Long> others) {
  public static final Amounts NONE = new Amounts(0, 0, 0, Map.of());

  /** Reads a {@code ResourceList}; {@code pods} is not an amount and left out. */
  public static Amounts of(JsonObject resources) {
    long cpu = 0;
    long memory = 0;
    long ephemeralStorage = 0;
    Map<String, Long> others = Map.of();
    for (int i = 0; i < resources.size(); i++) {
      JsonValue value = resources.valueAt(i);
      switch (resources.nameAt(i)) {
        case "cpu" -> cpu = Quantity.of(value).milli();
        case "memory" -> memory = Quantity.of(value).units();
        case "ephemeral-storage" -> ephemeralStorage = Quantity.of(value).units();
        case "pods" -> {
          // counted, not summed
        }
        default -> {
          if (others.isEmpty()) {
            others = new TreeMap<>();
          }
          others.put(resources.nameAt(i), Quantity.of(value).units());
        }
      }
    }
    return new Amounts(cpu, memory, ephemeralStorage, others);
  }

  Amounts plus(Amounts other) {
    return combine(other, Long::sum);
  }

  Amounts minus(Amounts other) {
    return combine(other, (a, b) -> a - b);
  }

  /** The larger of each. */
  Amounts max(Amounts other) {
    return combine(other, Math::max);
  }

  private Amounts combine(Amounts other, LongBinaryOperator how) {
    Map<String, Long> all = others;
    if (!other.others.isEmpty()) {
      Map<String, Long> merged = new TreeMap<>(others);
      other.others.forEach(
          (name, amount) ->
              merged.put(name, how.applyAsLong(merged.getOrDefault(name, 0L), amount)));
      all = merged;
    }
    return new Amounts(
        how.applyAsLong(cpu, other.cpu),
        how.applyAsLong(memory, other.memory),
        how.applyAsLong(ephemeralStorage, other.ephemeralStorage),
        all);
  }

  /**
   * What a pod asks for: the sum of its containers and sidecars, or a larger init container, plus
   * overhead; requests of the pod itself take the place of the sum (KEP-2837).
   *
   * @param field {@code requests} or {@code limits}
   */
  public static Amounts ofPod(JsonObject spec, String field) {
    return ofPod(spec, field, Amounts.NONE);
  }

  /** The same, with what to take for containers that name no cpu or memory (for spreading load). */
  static Amounts ofPod(JsonObject spec, String field, Amounts absent) {
    Amounts sum = NONE;
    for (JsonObject container : spec.objects("containers")) {
      sum = sum.plus(ofContainer(container, field, absent));
    }
    Amounts sidecars = NONE;
    Amounts largest = NONE;
    for (JsonObject container : spec.objects("initContainers")) {
      Amounts own = ofContainer(container, field, absent);
      if (container.text("restartPolicy").equals("Always")) {
        sum = sum.plus(own);
        sidecars = sidecars.plus(own);
        largest = largest.max(sidecars);
      } else {
        largest = largest.max(own.plus(sidecars));
      }
    }
    sum = sum.max(largest);
    JsonObject whole = spec.object("resources", field);
    if (!whole.isEmpty()) {
      Amounts pod = of(whole);
      sum =
          new Amounts(
              whole.has("cpu") ? pod.cpu : sum.cpu,
              whole.has("memory") ? pod.memory : sum.memory,
              sum.ephemeralStorage,
              sum.others);
    }
    return sum.plus(of(spec.object("overhead")));
  }

  private static Amounts ofContainer(JsonObject container, String field, Amounts absent) {
    JsonObject list = container.object("resources", field);
    Amounts own = of(list);
    return absent == NONE
        ? own
        : new Amounts(
            list.has("cpu") ? own.cpu : absent.cpu,
            list.has("memory") ? own.memory : absent.memory,
            own.ephemeralStorage,
            own.others);
  }
}
