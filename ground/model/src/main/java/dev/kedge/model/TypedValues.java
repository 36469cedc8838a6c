package dev.kedge.model;

import dev.kedge.model.FieldSet.Element;
import dev.kedge.model.Schema.ListType;
import dev.kedge.model.Schema.Treatment;
import dev.kedge.model.Schema.Type;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import org.jspecify.annotations.Nullable;

/**
 * Values beside their schema, in the terms of server-side apply: which paths a value has, what
 * differs between two, what one applied over another gives, what is left without some paths.
 */
final class TypedValues {
  private TypedValues() {}

  /** How a value is owned: as one piece, as named parts, or as list items by identity. */
  private enum Shape {
    LEAF,
    FIELDS,
    SET,
    KEYED
  }

  /** A schema in its place: the field's treatment goes before the schema's own. */
  record Place(@Nullable Schema schema, Treatment treatment) {
    /** A place nothing is known about: the value's own shape decides. */
    static final Place UNKNOWN = new Place(null, Treatment.DEFAULT);

    static Place of(Schema schema) {
      return new Place(schema, schema.treatment());
    }

    Place field(String name) {
      if (schema == null) {
        return UNKNOWN;
      }
      if (schema.type() == Type.MAP) {
        return of(schema.item());
      }
      Optional<Schema.Field> field = schema.field(name);
      if (field.isEmpty()) {
        return UNKNOWN;
      }
      Schema value = field.get().schema().get();
      return field.get().treatment().equals(Treatment.DEFAULT)
          ? of(value)
          : new Place(value, field.get().treatment());
    }

    Place item() {
      return schema == null || schema.type() != Type.LIST ? UNKNOWN : of(schema.item());
    }

    boolean named(String name) {
      return schema != null && schema.type() == Type.OBJECT && schema.fields().containsKey(name);
    }

    private Shape shape(JsonValue value) {
      Type type = schema == null ? Type.ANY : schema.type();
      return switch (type) {
        case OBJECT, MAP -> treatment.atomic() ? Shape.LEAF : fields(value);
        case LIST ->
            value instanceof JsonArray || value == JsonNull.NULL
                ? switch (treatment.listType()) {
                  case ATOMIC -> Shape.LEAF;
                  case SET -> Shape.SET;
                  case MAP -> Shape.KEYED;
                }
                : Shape.LEAF;
        case ANY -> value instanceof JsonObject ? Shape.FIELDS : Shape.LEAF;
        case STRING,
            BOOLEAN,
            INTEGER,
            NUMBER,
            BYTES,
            QUANTITY,
            INT_OR_STRING,
            TIME,
            MICRO_TIME,
            DURATION,
            FIELDS_V1,
            RAW_EXTENSION ->
            Shape.LEAF;
      };
    }

    private static Shape fields(JsonValue value) {
      return value instanceof JsonObject || value == JsonNull.NULL ? Shape.FIELDS : Shape.LEAF;
    }

    /**
     * The identity of a list item.
     *
     * @throws IllegalArgumentException saying why it has none
     */
    Element identity(JsonValue item, int position) {
      if (treatment.listType() == ListType.SET) {
        return new Element.Value(item);
      }
      JsonObject.Builder keys = JsonObject.builder();
      if (!(item instanceof JsonObject object)) {
        throw new IllegalArgumentException(
            "element " + position + ": associative list with keys may not have non-map elements");
      }
      for (String key : treatment.listMapKeys().stream().sorted().toList()) {
        JsonValue value = object.get(key).orElse(null);
        if (value == null || value == JsonNull.NULL) {
          value = item().defaultOf(key).orElse(null);
        }
        if (value == null) {
          throw new IllegalArgumentException(
              "element "
                  + position
                  + ": associative list with keys has an element that omits key field \""
                  + key
                  + "\" (and doesn't have default value)");
        }
        keys.put(key, value);
      }
      return new Element.Key(keys.build());
    }

    private Optional<JsonValue> defaultOf(String name) {
      return schema == null
          ? Optional.empty()
          : schema.field(name).flatMap(Schema.Field::defaultValue);
    }

    /** The items of a list by identity; of items that stand twice the first counts. */
    private Map<Element, JsonValue> index(JsonValue list) {
      Map<Element, JsonValue> items = new LinkedHashMap<>();
      if (list instanceof JsonArray array) {
        for (int i = 0; i < array.size(); i++) {
          items.putIfAbsent(identityOrIndex(array.items().get(i), i), array.items().get(i));
        }
      }
      return items;
    }

    /** Stored data may predate a schema, so there an item without identity counts by position. */
    private Element identityOrIndex(JsonValue item, int position) {
      try {
        return identity(item, position);
      } catch (IllegalArgumentException e) {
        return new Element.Index(position);
      }
    }
  }

  // ---- which paths a value has

  static FieldSet fieldSet(JsonValue value, Schema schema) {
    FieldSet.Builder set = new FieldSet.Builder();
    collect(value, Place.of(schema), set);
    return set.build();
  }

  private static void collect(JsonValue value, Place place, FieldSet.Builder at) {
    switch (place.shape(value)) {
      case LEAF -> at.insert();
      case FIELDS -> {
        if (value instanceof JsonObject object) {
          object.forEach(
              (name, child) -> {
                FieldSet.Builder below = at.child(new Element.Name(name));
                collect(child, place.field(name), below);
                boolean empty =
                    child == JsonNull.NULL || child instanceof JsonObject o && o.isEmpty();
                if (empty || !place.named(name)) {
                  below.insert();
                }
              });
        }
      }
      case SET, KEYED -> {
        if (value instanceof JsonArray array) {
          for (int i = 0; i < array.size(); i++) {
            JsonValue item = array.items().get(i);
            FieldSet.Builder below = at.child(place.identityOrIndex(item, i));
            collect(item, place.item(), below);
            below.insert();
          }
        }
      }
    }
  }

  /**
   * Checks a configuration that is to be applied: every field is known, every item of an
   * associative list has its keys, and none stands twice.
   *
   * @return the first fault as {@code .path: what}, empty if there is none
   */
  static Optional<String> fault(JsonValue value, Schema schema) {
    return fault(value, Place.of(schema));
  }

  /** As above, the path from here on; those above put theirs before it. */
  private static Optional<String> fault(JsonValue value, Place place) {
    Schema schema = place.schema();
    if (schema == null || value == JsonNull.NULL) {
      return Optional.empty();
    }
    switch (schema.type()) {
      case OBJECT, MAP -> {
        if (!(value instanceof JsonObject object)) {
          return Optional.of(": expected map, got " + describe(value));
        }
        for (int i = 0; i < object.size(); i++) {
          String name = object.nameAt(i);
          if (schema.type() == Type.OBJECT
              && !place.named(name)
              && !schema.rules().preserveUnknown()
              && schema.items().isEmpty()) {
            return Optional.of("." + name + ": field not declared in schema");
          }
          Optional<String> fault = fault(object.valueAt(i), place.field(name));
          if (fault.isPresent()) {
            return fault.map(found -> "." + name + found);
          }
        }
      }
      case LIST -> {
        if (!(value instanceof JsonArray array)) {
          return Optional.of(": expected list, got " + describe(value));
        }
        Set<Element> seen = new LinkedHashSet<>();
        for (int i = 0; i < array.size(); i++) {
          Element position = new Element.Index(i);
          if (place.treatment().listType() != ListType.ATOMIC) {
            try {
              Element identity = place.identity(array.items().get(i), i);
              if (!seen.add(identity)) {
                return Optional.of(": duplicate entries for key " + identity.displayed());
              }
              position = identity;
            } catch (IllegalArgumentException e) {
              return Optional.of(": " + e.getMessage());
            }
          }
          Optional<String> fault = fault(array.items().get(i), place.item());
          if (fault.isPresent()) {
            return Optional.of(position.displayed() + fault.get());
          }
        }
      }
      case STRING,
          BOOLEAN,
          INTEGER,
          NUMBER,
          BYTES,
          QUANTITY,
          INT_OR_STRING,
          TIME,
          MICRO_TIME,
          DURATION,
          FIELDS_V1,
          RAW_EXTENSION,
          ANY -> {}
    }
    return Optional.empty();
  }

  private static String describe(JsonValue value) {
    return "&{" + Json.write(value) + "}";
  }

  // ---- what differs

  /** The paths that one change removed, modified and added. */
  record Difference(FieldSet removed, FieldSet modified, FieldSet added) {
    boolean isEmpty() {
      return removed.isEmpty() && modified.isEmpty() && added.isEmpty();
    }
  }

  static Difference compare(JsonValue before, JsonValue after, Schema schema) {
    Comparison comparison = new Comparison();
    comparison.compare(
        before, after, Place.of(schema), comparison.removed, comparison.modified, comparison.added);
    return new Difference(
        comparison.removed.build(), comparison.modified.build(), comparison.added.build());
  }

  private static final class Comparison {
    private final FieldSet.Builder removed = new FieldSet.Builder();
    private final FieldSet.Builder modified = new FieldSet.Builder();
    private final FieldSet.Builder added = new FieldSet.Builder();

    private void compare(
        @Nullable JsonValue before,
        @Nullable JsonValue after,
        Place place,
        FieldSet.Builder removedAt,
        FieldSet.Builder modifiedAt,
        FieldSet.Builder addedAt) {
      if (before == after || before != null && before.equals(after)) {
        return;
      }
      Shape shape = after != null ? place.shape(after) : place.shape(Nulls.orNull(before));
      boolean mixed = before != null && after != null && place.shape(before) != shape;
      if (shape == Shape.LEAF || mixed || empty(before) && empty(after)) {
        if (before == null) {
          addedAt.insert();
        } else if (after == null) {
          removedAt.insert();
        } else {
          modifiedAt.insert();
        }
        return;
      }
      if (shape == Shape.FIELDS) {
        JsonObject left = before instanceof JsonObject o ? o : JsonObject.EMPTY;
        JsonObject right = after instanceof JsonObject o ? o : JsonObject.EMPTY;
        for (String name : union(left, right)) {
          Element element = new Element.Name(name);
          compare(
              left.get(name).orElse(null),
              right.get(name).orElse(null),
              place.field(name),
              removedAt.child(element),
              modifiedAt.child(element),
              addedAt.child(element));
        }
      } else {
        Map<Element, JsonValue> left = place.index(Nulls.orNull(before));
        Map<Element, JsonValue> right = place.index(Nulls.orNull(after));
        Set<Element> all = new LinkedHashSet<>(left.keySet());
        all.addAll(right.keySet());
        for (Element element : all) {
          compare(
              left.get(element),
              right.get(element),
              place.item(),
              removedAt.child(element),
              modifiedAt.child(element),
              addedAt.child(element));
        }
      }
      if (before == null) {
        addedAt.insert();
      } else if (after == null) {
        removedAt.insert();
      }
    }
  }

  private static boolean empty(@Nullable JsonValue value) {
    return switch (value) {
      case null -> true;
      case JsonNull _ -> true;
      case JsonObject object -> object.isEmpty();
      case JsonArray array -> array.isEmpty();
      case JsonString _, JsonInteger _, JsonDecimal _, JsonBoolean _ -> false;
    };
  }

  private static Set<String> union(JsonObject left, JsonObject right) {
    Set<String> names = new LinkedHashSet<>(left.names());
    names.addAll(right.names());
    return names;
  }

  /** Null handling in one place. */
  private static final class Nulls {
    static JsonValue orNull(@Nullable JsonValue value) {
      return value == null ? JsonNull.NULL : value;
    }
  }

  // ---- what one applied over another gives

  static JsonValue merge(JsonValue live, JsonValue config, Schema schema) {
    return merge(live, config, Place.of(schema));
  }

  private static JsonValue merge(
      @Nullable JsonValue live, @Nullable JsonValue config, Place place) {
    if (config == null) {
      return Nulls.orNull(live);
    }
    if (live == null) {
      return config;
    }
    Shape shape = place.shape(config);
    if (shape == Shape.LEAF || place.shape(live) != shape || empty(live) && empty(config)) {
      return config;
    }
    if (shape == Shape.FIELDS) {
      JsonObject left = live instanceof JsonObject o ? o : JsonObject.EMPTY;
      JsonObject right = config instanceof JsonObject o ? o : JsonObject.EMPTY;
      JsonObject.Builder merged = JsonObject.builder();
      for (String name : union(left, right)) {
        merged.put(
            name,
            merge(left.get(name).orElse(null), right.get(name).orElse(null), place.field(name)));
      }
      return merged.build();
    }
    return mergeItems(live, config, place);
  }

  /**
   * The applied order wins among shared items; items that only the live list has keep their place
   * relative to the shared item before them.
   */
  private static JsonValue mergeItems(JsonValue live, JsonValue config, Place place) {
    List<JsonValue> liveItems = live instanceof JsonArray array ? array.items() : List.of();
    List<Element> liveOrder = new ArrayList<>();
    for (int i = 0; i < liveItems.size(); i++) {
      liveOrder.add(place.identityOrIndex(liveItems.get(i), i));
    }
    Map<Element, JsonValue> left = place.index(live);
    Map<Element, JsonValue> right = place.index(config);
    List<Element> order = List.copyOf(right.keySet());
    List<Element> shared = order.stream().filter(left::containsKey).toList();
    Set<Element> done = new LinkedHashSet<>();
    List<JsonValue> out = new ArrayList<>();
    int nextShared = 0;
    int l = 0;
    int r = 0;
    while (l < liveOrder.size() || r < order.size()) {
      boolean both = l < liveOrder.size() && r < order.size();
      boolean same = both && liveOrder.get(l).equals(order.get(r));
      if (both
          && !same
          && right.containsKey(liveOrder.get(l))
          && nextShared < shared.size()
          && !shared.get(nextShared).equals(liveOrder.get(l))) {
        l++;
        continue;
      }
      if (!same && l < liveOrder.size()) {
        Element element = liveOrder.get(l);
        if (!right.containsKey(element)) {
          out.add(liveItems.get(l++));
          continue;
        }
        if (done.contains(element)) {
          l++;
          continue;
        }
      }
      if (r < order.size()) {
        Element element = order.get(r++);
        done.add(element);
        out.add(merge(left.get(element), right.get(element), place.item()));
        if (same) {
          l++;
        }
        if (nextShared < shared.size() && shared.get(nextShared).equals(element)) {
          nextShared++;
        }
      } else if (l < liveOrder.size()) {
        l++;
      }
    }
    return new JsonArray(out);
  }

  // ---- what is left without some paths

  static JsonObject without(JsonObject value, FieldSet paths, Schema schema) {
    return without(value, paths, Place.of(schema)) instanceof JsonObject object
        ? object
        : JsonObject.EMPTY;
  }

  private static @Nullable JsonValue without(JsonValue value, FieldSet paths, Place place) {
    if (paths.isEmpty()) {
      return value;
    }
    return switch (place.shape(value)) {
      case LEAF -> value;
      case FIELDS -> {
        if (!(value instanceof JsonObject object) || object.isEmpty()) {
          yield value;
        }
        JsonObject.Builder left = JsonObject.builder();
        object.forEach(
            (name, child) -> {
              FieldSet below = paths.child(new Element.Name(name));
              if (!below.hasSelf()) {
                JsonValue rest = without(child, below, place.field(name));
                if (rest != null) {
                  left.put(name, rest);
                }
              }
            });
        JsonObject rest = left.build();
        yield rest.isEmpty() ? null : rest;
      }
      case SET, KEYED -> {
        if (!(value instanceof JsonArray array) || array.isEmpty()) {
          yield value;
        }
        List<JsonValue> left = new ArrayList<>();
        for (int i = 0; i < array.size(); i++) {
          JsonValue item = array.items().get(i);
          FieldSet below = paths.child(place.identityOrIndex(item, i));
          if (!below.hasSelf()) {
            JsonValue rest = without(item, below, place.item());
            if (rest != null) {
              left.add(rest);
            }
          }
        }
        yield left.isEmpty() ? null : new JsonArray(left);
      }
    };
  }

  /** The set with every declared field that has members below it as a member itself. */
  static FieldSet withNamedFields(FieldSet set, Schema schema) {
    FieldSet.Builder builder = new FieldSet.Builder();
    withNamedFields(set, Place.of(schema), builder);
    return builder.build();
  }

  private static void withNamedFields(FieldSet set, Place place, FieldSet.Builder at) {
    if (set.hasSelf()) {
      at.insert();
    }
    set.forEachChild(
        (element, child) -> {
          FieldSet.Builder below = at.child(element);
          Place inner =
              element instanceof Element.Name name ? place.field(name.name()) : place.item();
          withNamedFields(child, inner, below);
          if (element instanceof Element.Name name && place.named(name.name())) {
            below.insert();
          }
        });
  }

  /**
   * The empty object of a kind as upstream's Go types give it: parts that are always there exist,
   * so that creating an object does not count as adding them.
   */
  static JsonObject skeleton(Schema schema) {
    if (!schema.name().startsWith("io.k8s.")) {
      return JsonObject.EMPTY;
    }
    JsonObject.Builder builder = JsonObject.builder();
    for (Schema.Field field : schema.fields().values()) {
      Schema value = field.schema().get();
      if (value.type() == Type.LIST && (field.always() || field.required())) {
        builder.put(field.name(), JsonNull.NULL);
      } else if (field.always()) {
        builder.put(
            field.name(),
            value.type() == Type.OBJECT
                ? skeleton(value)
                : field.defaultValue().orElse(JsonNull.NULL));
      }
    }
    return builder.build();
  }
}
