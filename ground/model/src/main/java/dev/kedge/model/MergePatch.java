package dev.kedge.model;

import java.util.Map;

/** JSON Merge Patch, RFC 7386, and its making from documents. Stateless; any thread. */
public final class MergePatch {
  private MergePatch() {}

  /** Applies a patch: null removes a field, objects merge, everything else replaces. */
  public static JsonValue apply(JsonValue document, JsonValue patch) {
    if (!(patch instanceof JsonObject changes)) {
      return patch;
    }
    JsonObject original = document instanceof JsonObject object ? object : JsonObject.EMPTY;
    Map<String, JsonValue> result = original.toMap();
    for (int i = 0; i < changes.size(); i++) {
      String name = changes.nameAt(i);
      JsonValue change = changes.valueAt(i);
      if (change == JsonNull.NULL) {
        result.remove(name);
      } else {
        result.put(name, apply(result.getOrDefault(name, JsonNull.NULL), change));
      }
    }
    return JsonObject.copyOf(result);
  }

  /**
   * Applies a patch to an object.
   *
   * @throws ApiException 400 if the patch is not an object
   */
  public static JsonObject apply(JsonObject document, JsonValue patch) {
    if (patch instanceof JsonObject && apply((JsonValue) document, patch) instanceof JsonObject o) {
      return o;
    }
    throw ApiException.badRequest(
        "error decoding patch: json: cannot unmarshal "
            + patch.typeName()
            + " into Go value of type map[string]interface {}");
  }

  /** The patch that makes the first object into the second. */
  public static JsonObject create(JsonObject from, JsonObject to) {
    JsonObject.Builder patch = JsonObject.builder();
    to.forEach(
        (name, value) -> {
          JsonValue old = from.get(name).orElse(null);
          if (old == null) {
            patch.put(name, value);
          } else if (!old.equals(value)) {
            patch.put(
                name,
                old instanceof JsonObject a && value instanceof JsonObject b
                    ? create(a, b)
                    : value);
          }
        });
    from.forEach(
        (name, _) -> {
          if (!to.has(name)) {
            patch.put(name, JsonNull.NULL);
          }
        });
    return patch.build();
  }

  /**
   * The patch of a client-side apply on objects without strategic merge: what the configuration
   * adds or changes in the current object, and what went from the last configuration to this one.
   */
  public static JsonObject createThreeWay(
      JsonObject lastApplied, JsonObject modified, JsonObject current) {
    JsonObject changes = keep(create(current, modified), false);
    JsonObject deletions = keep(create(lastApplied, modified), true);
    return combine(deletions, changes);
  }

  /** Only the nulls of a patch, or only the rest; objects that become empty go. */
  private static JsonObject keep(JsonObject patch, boolean nulls) {
    JsonObject.Builder kept = JsonObject.builder();
    patch.forEach(
        (name, value) -> {
          if (value instanceof JsonObject object) {
            JsonObject below = keep(object, nulls);
            if (!below.isEmpty() || !nulls && object.isEmpty()) {
              kept.put(name, below);
            }
          } else if ((value == JsonNull.NULL) == nulls) {
            kept.put(name, value);
          }
        });
    return kept.build();
  }

  private static JsonObject combine(JsonObject deletions, JsonObject changes) {
    Map<String, JsonValue> result = deletions.toMap();
    for (int i = 0; i < changes.size(); i++) {
      JsonValue change = changes.valueAt(i);
      result.merge(
          changes.nameAt(i),
          change,
          (old, _) ->
              old instanceof JsonObject a && change instanceof JsonObject b
                  ? combine(a, b)
                  : change);
    }
    return JsonObject.copyOf(result);
  }
}
