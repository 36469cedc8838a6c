package dev.kedge.model;

import java.util.ArrayList;
import java.util.List;
import java.util.stream.Collector;

/** A JSON array. */
public record JsonArray(List<JsonValue> items) implements JsonValue {
  /** The array without items. */
  public static final JsonArray EMPTY = new JsonArray(List.of());

  public JsonArray {
    items = List.copyOf(items);
  }

  /** An array of the given values, converted as {@link JsonValue#of} does. */
  public static JsonArray of(Object... values) {
    List<JsonValue> items = new ArrayList<>(values.length);
    for (Object value : values) {
      items.add(JsonValue.of(value));
    }
    return new JsonArray(items);
  }

  /** An array of the given values. */
  public static JsonArray copyOf(List<? extends JsonValue> values) {
    return new JsonArray(List.copyOf(values));
  }

  /** Collects a stream of values, each converted as {@link JsonValue#of} does. */
  public static Collector<Object, ?, JsonArray> collector() {
    return Collector.<Object, List<JsonValue>, JsonArray>of(
        ArrayList::new,
        (list, value) -> list.add(JsonValue.of(value)),
        (left, right) -> {
          left.addAll(right);
          return left;
        },
        JsonArray::new);
  }

  /** Number of items. */
  public int size() {
    return items.size();
  }

  /** Whether there are no items. */
  public boolean isEmpty() {
    return items.isEmpty();
  }

  /** The items that are objects; others are left out. */
  public List<JsonObject> objects() {
    return items.stream().filter(JsonObject.class::isInstance).map(JsonObject.class::cast).toList();
  }

  /** The items that are strings; others are left out. */
  public List<String> strings() {
    return items.stream()
        .filter(JsonString.class::isInstance)
        .map(item -> ((JsonString) item).value())
        .toList();
  }

  @Override
  public String toString() {
    return Json.write(this);
  }
}
