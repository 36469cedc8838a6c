package dev.kedge.model;

import dev.kedge.model.Schema.Treatment;
import dev.kedge.model.Schema.Type;
import dev.kedge.model.Status.Details;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.HashMap;
import java.util.HashSet;
import java.util.LinkedHashMap;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import org.jspecify.annotations.Nullable;

/**
 * Strategic merge patch: a merge patch that merges lists by key where the schema says so ({@code
 * patchStrategy}, {@code patchMergeKey}) and knows the directives {@code $patch}, {@code
 * $retainKeys}, {@code $deleteFromPrimitiveList} and {@code $setElementOrder}. Applies patches and
 * makes them, two-way and three-way. Stateless; any thread.
 */
public final class StrategicMergePatch {
  private static final String PATCH = "$patch";
  private static final String RETAIN_KEYS = "$retainKeys";
  private static final String DELETE_FROM = "$deleteFromPrimitiveList/";
  private static final String ORDER = "$setElementOrder/";

  private StrategicMergePatch() {}

  /** How the value of a field is merged. */
  private record Place(@Nullable Schema schema, Treatment treatment) {
    static Place of(Schema schema) {
      return new Place(schema, schema.treatment());
    }

    Place field(String name) {
      if (schema == null) {
        return new Place(null, Treatment.DEFAULT);
      }
      if (schema.type() == Type.MAP) {
        return of(schema.item());
      }
      Optional<Schema.Field> field = schema.field(name);
      if (field.isEmpty()) {
        return new Place(null, Treatment.DEFAULT);
      }
      Schema value = field.get().schema().get();
      return field.get().treatment().equals(Treatment.DEFAULT)
          ? of(value)
          : new Place(value, field.get().treatment());
    }

    Place item() {
      return schema != null && schema.type() == Type.LIST
          ? of(schema.item())
          : new Place(null, Treatment.DEFAULT);
    }

    boolean merges() {
      return treatment.patchStrategy().contains("merge");
    }

    boolean replaces() {
      return treatment.patchStrategy().contains("replace");
    }

    boolean retainsKeys() {
      return treatment.patchStrategy().contains("retainKeys");
    }

    String key() {
      return treatment.patchMergeKey();
    }
  }

  // ---- applying

  /**
   * Applies a patch.
   *
   * @throws ApiException 400 or 500 in upstream's words if the patch is malformed
   */
  public static JsonObject apply(JsonObject document, JsonValue patch, Schema schema) {
    if (!(patch instanceof JsonObject changes)) {
      throw ApiException.badRequest("invalid JSON document");
    }
    return merge(document, changes, Place.of(schema));
  }

  private static JsonObject merge(JsonObject original, JsonObject patch, Place place) {
    Optional<JsonValue> directive = patch.get(PATCH);
    if (directive.isPresent()) {
      String what = directive.get() instanceof JsonString text ? text.value() : "";
      return switch (what) {
        case "replace" -> withoutDirectives(patch.without(PATCH));
        case "delete" -> JsonObject.EMPTY;
        case "merge" -> merge(original, patch.without(PATCH), place);
        default ->
            throw failed("unknown patch type found: " + Json.write(directive.get()) + " in map");
      };
    }
    Map<String, JsonValue> result = retained(original, patch).toMap();
    Set<String> done = new LinkedHashSet<>(List.of(RETAIN_KEYS));
    for (int i = 0; i < patch.size(); i++) {
      String name = patch.nameAt(i);
      if (name.startsWith(ORDER)) {
        String field = name.substring(ORDER.length());
        if (!(patch.valueAt(i) instanceof JsonArray order)) {
          throw ApiException.badRequest("invalid patch format of setElementOrder list");
        }
        done.add(name);
        if (result.containsKey(field) || patch.has(field)) {
          Optional<JsonArray> old =
              Optional.ofNullable(result.get(field))
                  .map(value -> value instanceof JsonArray list ? list : JsonArray.EMPTY);
          result.put(field, ordered(old, patch, field, order, place.field(field)));
        }
        done.add(field);
      }
    }
    for (int i = 0; i < patch.size(); i++) {
      String name = patch.nameAt(i);
      JsonValue change = patch.valueAt(i);
      if (done.contains(name)) {
        continue;
      }
      if (name.startsWith(DELETE_FROM)) {
        String field = name.substring(DELETE_FROM.length());
        if (!(change instanceof JsonArray gone)) {
          throw ApiException.badRequest("invalid patch format of primitive list");
        }
        if (result.get(field) instanceof JsonArray list) {
          Set<JsonValue> goes = new HashSet<>(gone.items());
          result.put(
              field,
              new JsonArray(list.items().stream().filter(item -> !goes.contains(item)).toList()));
        }
        continue;
      }
      if (change == JsonNull.NULL) {
        result.remove(name);
        continue;
      }
      Place below = place.field(name);
      JsonValue merged;
      JsonValue old = result.getOrDefault(name, JsonNull.NULL);
      if (old instanceof JsonObject a && change instanceof JsonObject b) {
        merged = below.replaces() ? withoutDirectives(b) : merge(a, b, below);
      } else if (old instanceof JsonArray a && change instanceof JsonArray b) {
        merged = below.merges() ? mergeLists(a, b, below) : withoutDirectives(b);
      } else {
        merged = withoutDirectives(change);
      }
      result.put(name, merged);
    }
    return JsonObject.copyOf(result);
  }

  private static JsonObject retained(JsonObject original, JsonObject patch) {
    Optional<JsonValue> retain = patch.get(RETAIN_KEYS);
    if (retain.isEmpty()) {
      return original;
    }
    if (!(retain.get() instanceof JsonArray keys)) {
      throw ApiException.badRequest("invalid patch format of retainKeys");
    }
    Set<String> names = new HashSet<>(keys.strings());
    for (String name : patch.names()) {
      boolean directive =
          name.equals(RETAIN_KEYS) || name.startsWith(ORDER) || name.startsWith(DELETE_FROM);
      if (!directive
          && !names.contains(name)
          && patch.get(name).orElse(JsonNull.NULL) != JsonNull.NULL) {
        throw ApiException.badRequest("invalid patch format of retainKeys");
      }
    }
    Map<String, JsonValue> result = original.toMap();
    result.keySet().retainAll(names);
    return JsonObject.copyOf(result);
  }

  /** A list that the original or the patch has, in the order that the patch asks for. */
  private static JsonArray ordered(
      Optional<JsonArray> original, JsonObject patch, String field, JsonArray order, Place place) {
    JsonArray old = original.orElse(JsonArray.EMPTY);
    JsonArray change = patch.array(field);
    String key = place.key();
    checkOrder(change, order, key);
    JsonArray merged;
    if (!patch.has(field)) {
      merged = old;
    } else if (original.isEmpty()) {
      merged = withoutDeleted(change);
    } else {
      merged = mergeLists(old, change, place);
    }
    return inOrder(merged, order, old, key);
  }

  /** Items of the patch, directives aside, stand in the order list in the same order. */
  private static void checkOrder(JsonArray patch, JsonArray order, String key) {
    List<JsonValue> identities = order.items().stream().map(item -> identity(item, key)).toList();
    int at = 0;
    for (JsonValue item : patch.items()) {
      if (item instanceof JsonObject object && object.has(PATCH)) {
        continue;
      }
      JsonValue identity = identity(item, key);
      while (at < identities.size() && !identities.get(at).equals(identity)) {
        at++;
      }
      if (at == identities.size()) {
        throw failed(
            "The order in patch list:\n"
                + Json.write(patch)
                + "\n doesn't match "
                + ORDER
                + " list:\n"
                + Json.write(order)
                + "\n");
      }
    }
  }

  private static JsonValue identity(JsonValue item, String key) {
    return item instanceof JsonObject object && !key.isEmpty()
        ? object.get(key).orElse(JsonNull.NULL)
        : item;
  }

  private static JsonArray mergeLists(JsonArray original, JsonArray patch, Place place) {
    if (original.isEmpty() && patch.isEmpty()) {
      return original;
    }
    String key = place.key();
    boolean objects =
        (original.isEmpty() ? patch : original).items().getFirst() instanceof JsonObject;
    if (!objects) {
      Set<JsonValue> all = new LinkedHashSet<>(original.items());
      all.addAll(patch.items());
      return inOrder(new JsonArray(List.copyOf(all)), patch, original, "");
    }
    if (key.isEmpty()) {
      throw failed("cannot merge lists without merge key for " + schemaName(place));
    }
    List<JsonValue> items = new ArrayList<>(original.items());
    List<JsonValue> changes = new ArrayList<>();
    Set<JsonValue> gone = new HashSet<>();
    boolean replace = false;
    for (JsonValue value : patch.items()) {
      if (!(value instanceof JsonObject item)) {
        throw failed("expected an object in a merged list, got " + value.typeName());
      }
      switch (item.text(PATCH)) {
        case "" -> changes.add(item);
        case "delete" -> gone.add(required(item, key));
        case "replace" -> replace = true;
        case "merge" -> throw failed("merging lists cannot yet be specified in the patch");
        default -> throw failed("unknown patch type found: " + item.text(PATCH) + " in list");
      }
    }
    if (replace) {
      return withoutDirectives(new JsonArray(changes));
    }
    items.removeIf(old -> gone.contains(identity(old, key)));
    Map<JsonValue, Integer> places = places(items, key);
    for (JsonValue value : changes) {
      JsonObject change = (JsonObject) value;
      JsonValue identity = required(change, key);
      int at = places.getOrDefault(identity, -1);
      if (at < 0) {
        places.put(identity, items.size());
        items.add(withoutDirectives(change));
      } else if (items.get(at) instanceof JsonObject old) {
        items.set(at, merge(old, change, place.item()));
      }
    }
    return inOrder(new JsonArray(items), new JsonArray(changes), original, key);
  }

  private static String schemaName(Place place) {
    return place.schema() == null ? "a list" : place.schema().name();
  }

  private static JsonValue required(JsonObject item, String key) {
    return item.get(key)
        .orElseThrow(
            () -> failed("map: " + goMap(item) + " does not contain declared merge key: " + key));
  }

  /** Where the items of a list first stand. */
  private static Map<JsonValue, Integer> places(List<JsonValue> items, String key) {
    Map<JsonValue, Integer> places = new HashMap<>();
    for (int i = 0; i < items.size(); i++) {
      places.putIfAbsent(identity(items.get(i), key), i);
    }
    return places;
  }

  /** Items named in the order list in its order, between them the rest in the order they had. */
  private static JsonArray inOrder(
      JsonArray merged, JsonArray order, JsonArray original, String key) {
    Map<JsonValue, Integer> wanted = places(order.items(), key);
    Map<JsonValue, Integer> before = places(original.items(), key);
    List<JsonValue> named = new ArrayList<>();
    List<JsonValue> others = new ArrayList<>();
    for (JsonValue item : merged.items()) {
      (wanted.containsKey(identity(item, key)) ? named : others).add(item);
    }
    named.sort(Comparator.comparingInt(item -> wanted.getOrDefault(identity(item, key), -1)));
    others.sort(Comparator.comparingInt(item -> before.getOrDefault(identity(item, key), -1)));
    List<JsonValue> out = new ArrayList<>(merged.size());
    int n = 0;
    int o = 0;
    while (n < named.size() && o < others.size()) {
      int namedBefore = before.getOrDefault(identity(named.get(n), key), -1);
      int otherBefore = before.getOrDefault(identity(others.get(o), key), -1);
      boolean otherFirst = namedBefore >= 0 && otherBefore >= 0 && otherBefore < namedBefore;
      out.add(otherFirst ? others.get(o++) : named.get(n++));
    }
    out.addAll(named.subList(n, named.size()));
    out.addAll(others.subList(o, others.size()));
    return new JsonArray(out);
  }

  /** A patch value that meets nothing to merge with: its directives and nulls go. */
  private static JsonValue withoutDirectives(JsonValue value) {
    return switch (value) {
      case JsonObject object -> withoutDirectives(object);
      case JsonArray array -> withoutDirectives(array);
      case JsonString _, JsonInteger _, JsonDecimal _, JsonBoolean _, JsonNull _ -> value;
    };
  }

  private static JsonObject withoutDirectives(JsonObject object) {
    JsonObject.Builder kept = JsonObject.builder();
    object.forEach(
        (name, value) -> {
          boolean directive =
              name.equals(PATCH)
                  || name.equals(RETAIN_KEYS)
                  || name.startsWith(ORDER)
                  || name.startsWith(DELETE_FROM);
          if (!directive && value != JsonNull.NULL) {
            kept.put(name, withoutDirectives(value));
          }
        });
    return kept.build();
  }

  private static JsonArray withoutDirectives(JsonArray array) {
    return withoutDeleted(array);
  }

  private static JsonArray withoutDeleted(JsonArray array) {
    return new JsonArray(
        array.items().stream()
            .filter(
                item -> !(item instanceof JsonObject object && object.text(PATCH).equals("delete")))
            .filter(
                item ->
                    !(item instanceof JsonObject object && object.size() == 1 && object.has(PATCH)))
            .map(StrategicMergePatch::withoutDirectives)
            .toList());
  }

  // ---- making

  /** The patch that makes the first object into the second. */
  public static JsonObject create(JsonObject from, JsonObject to, Schema schema) {
    return difference(from, to, Place.of(schema), new Options(true, true, false));
  }

  /**
   * The patch of a client-side apply: what the configuration adds or changes in the current object,
   * and what went from the last configuration to this one.
   */
  public static JsonObject createThreeWay(
      JsonObject lastApplied, JsonObject modified, JsonObject current, Schema schema) {
    Place place = Place.of(schema);
    JsonObject changes = difference(current, modified, place, new Options(true, false, false));
    JsonObject deletions =
        difference(lastApplied, modified, place, new Options(false, true, false));
    return combine(deletions, changes, place);
  }

  private record Options(boolean changes, boolean deletions, boolean retainKeys) {
    Options retaining(boolean retain) {
      return new Options(changes, deletions, retain);
    }
  }

  private static JsonObject difference(
      JsonObject from, JsonObject to, Place place, Options options) {
    JsonObject.Builder patch = JsonObject.builder();
    List<String> retain = new ArrayList<>();
    for (int i = 0; i < to.size(); i++) {
      String name = to.nameAt(i);
      JsonValue value = to.valueAt(i);
      if (options.retainKeys() && value != JsonNull.NULL) {
        retain.add(name);
      }
      JsonValue old = from.get(name).orElse(null);
      Place below = place.field(name);
      if (old instanceof JsonObject a && value instanceof JsonObject b) {
        if (below.replaces()) {
          if (options.changes() && !a.equals(b)) {
            patch.put(name, b);
          }
        } else {
          JsonObject nested = difference(a, b, below, options.retaining(below.retainsKeys()));
          if (!nested.isEmpty()) {
            patch.put(name, nested);
          }
        }
      } else if (old instanceof JsonArray a && value instanceof JsonArray b && below.merges()) {
        listDifference(name, a, b, below, options.retaining(below.retainsKeys()), patch);
      } else if (options.changes() && !value.equals(old)) {
        patch.put(name, value);
      }
    }
    if (options.deletions()) {
      for (String name : from.names()) {
        if (!to.has(name)) {
          patch.put(name, JsonNull.NULL);
        }
      }
    }
    boolean more = from.names().stream().anyMatch(name -> !to.has(name));
    JsonObject result = patch.build();
    return !retain.isEmpty() && (!result.isEmpty() || more)
        ? result.with(RETAIN_KEYS, retain.stream().sorted().toList())
        : result;
  }

  private static void listDifference(
      String name,
      JsonArray from,
      JsonArray to,
      Place place,
      Options options,
      JsonObject.Builder patch) {
    if (from.isEmpty()) {
      if (!to.isEmpty() && options.changes()) {
        patch.put(name, to);
      }
      return;
    }
    if (!(from.items().getFirst() instanceof JsonObject)) {
      Set<JsonValue> before = new HashSet<>(from.items());
      Set<JsonValue> after = new HashSet<>(to.items());
      List<JsonValue> added = to.items().stream().filter(item -> !before.contains(item)).toList();
      List<JsonValue> gone = from.items().stream().filter(item -> !after.contains(item)).toList();
      if (options.changes() && !added.isEmpty()) {
        patch.put(name, added);
      }
      if (options.deletions() && !gone.isEmpty()) {
        patch.put(DELETE_FROM + name, gone);
      }
      if (options.deletions() && !gone.isEmpty() || options.changes() && !from.equals(to)) {
        patch.put(ORDER + name, to);
      }
      return;
    }
    String key = place.key();
    Map<JsonValue, Integer> before = places(from.items(), key);
    Map<JsonValue, Integer> after = places(to.items(), key);
    List<JsonValue> items = new ArrayList<>();
    for (JsonValue value : to.items()) {
      JsonValue identity = identity(value, key);
      int old = before.getOrDefault(identity, -1);
      if (old < 0) {
        if (options.changes()) {
          items.add(value);
        }
      } else if (from.items().get(old) instanceof JsonObject a && value instanceof JsonObject b) {
        JsonObject nested = difference(a, b, place.item(), options);
        if (!nested.isEmpty()) {
          items.add(nested.with(key, identity));
        }
      }
    }
    boolean changed = !items.isEmpty();
    if (options.deletions()) {
      for (JsonValue old : from.items()) {
        JsonValue identity = identity(old, key);
        if (!after.containsKey(identity)) {
          items.add(JsonObject.of(PATCH, "delete", key, identity));
        }
      }
    }
    if (!items.isEmpty()) {
      patch.put(name, items);
    }
    if (options.changes() && (changed || !items.isEmpty() || !sameOrder(from, to, key))
        || options.deletions() && !items.isEmpty()) {
      patch.put(
          ORDER + name,
          to.items().stream().map(item -> JsonObject.of(key, identity(item, key))).toList());
    }
  }

  private static boolean sameOrder(JsonArray from, JsonArray to, String key) {
    List<JsonValue> left = from.items().stream().map(item -> identity(item, key)).toList();
    List<JsonValue> right = to.items().stream().map(item -> identity(item, key)).toList();
    Set<JsonValue> inLeft = new HashSet<>(left);
    Set<JsonValue> inRight = new HashSet<>(right);
    return left.stream()
        .filter(inRight::contains)
        .toList()
        .equals(right.stream().filter(inLeft::contains).toList());
  }

  /** Two patches in one: the changes win, deletions of other things stay. */
  private static JsonObject combine(JsonObject deletions, JsonObject changes, Place place) {
    JsonObject result = deletions;
    for (int i = 0; i < changes.size(); i++) {
      String name = changes.nameAt(i);
      JsonValue change = changes.valueAt(i);
      JsonValue old = deletions.get(name).orElse(JsonNull.NULL);
      Place below = place.field(name);
      if (name.startsWith(ORDER) || name.equals(RETAIN_KEYS)) {
        result = result.with(name, change);
      } else if (old instanceof JsonObject a && change instanceof JsonObject b) {
        result = result.with(name, combine(a, b, below));
      } else if (old instanceof JsonArray a && change instanceof JsonArray b && below.merges()) {
        result = result.with(name, combineLists(a, b, below));
      } else {
        result = result.with(name, change);
      }
    }
    return result;
  }

  private static JsonArray combineLists(JsonArray deletions, JsonArray changes, Place place) {
    Map<JsonValue, JsonValue> items = new LinkedHashMap<>();
    changes.items().forEach(item -> items.put(identity(item, place.key()), item));
    for (JsonValue deletion : deletions.items()) {
      items.merge(
          identity(deletion, place.key()),
          deletion,
          (change, gone) ->
              change instanceof JsonObject b && gone instanceof JsonObject a && !a.has(PATCH)
                  ? combine(a, b, place.item())
                  : change);
    }
    return new JsonArray(List.copyOf(items.values()));
  }

  /** Go's print form of a map, which users of upstream know from this message. */
  private static String goMap(JsonValue value) {
    return switch (value) {
      case JsonObject object -> {
        StringBuilder out = new StringBuilder("map[");
        object.names().stream()
            .sorted()
            .forEach(
                name ->
                    out.append(out.length() > 4 ? " " : "")
                        .append(name)
                        .append(':')
                        .append(goMap(object.get(name).orElseThrow())));
        yield out.append(']').toString();
      }
      case JsonArray array ->
          "["
              + String.join(" ", array.items().stream().map(StrategicMergePatch::goMap).toList())
              + "]";
      case JsonString text -> text.value();
      case JsonInteger _, JsonDecimal _, JsonBoolean _ -> Json.write(value);
      case JsonNull _ -> "<nil>";
    };
  }

  /** Upstream answers these as internal errors without reason. */
  private static ApiException failed(String message) {
    return new ApiException(new Status(500, "", message, Details.NONE));
  }
}
