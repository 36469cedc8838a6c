package dev.kedge.model;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Optional;
import java.util.function.BiConsumer;
import java.util.function.UnaryOperator;
import org.jspecify.annotations.Nullable;

/**
 * A JSON object: names and values in two small arrays, in the order they were written.
 *
 * <p>Changing methods return a new object that shares every untouched part. Two objects are equal
 * when they hold equal values under the same names, whatever the order.
 *
 * <p>The reading methods take a path of names and follow Kubernetes' zero values: a field that is
 * absent, null or of another type reads as the empty string, 0, false, the empty object or the
 * empty list. Where absence matters, use {@link #get(String)} or {@link #find}.
 */
public sealed class JsonObject implements JsonValue {
  /** The object without fields. */
  public static final JsonObject EMPTY = new JsonObject(new String[0], new JsonValue[0]);

  /** From this many fields on they are found by hash. */
  private static final int MANY = 32;

  /** Arrays of names that were used lately; any thread puts and takes, nobody changes one. */
  private static final String[] @Nullable [] SHAPES = new String[1024] @Nullable [];

  private final String[] names;
  private final JsonValue[] values;

  private JsonObject(String[] names, JsonValue[] values) {
    this.names = names;
    this.values = values;
  }

  private static JsonObject made(String[] names, JsonValue[] values) {
    return names.length < MANY ? new JsonObject(names, values) : new Indexed(names, values);
  }

  /** An object whose fields are found by their hash, so that large ones are not searched. */
  private static final class Indexed extends JsonObject {
    // Made when first asked for. A HashMap: it bears names of the same hash.
    private volatile @Nullable Map<String, Integer> positions;

    Indexed(String[] names, JsonValue[] values) {
      super(names, values);
    }

    @Override
    int indexOf(String name) {
      Map<String, Integer> known = positions;
      if (known == null) {
        known = HashMap.newHashMap(size());
        for (int i = 0; i < size(); i++) {
          known.put(nameAt(i), i);
        }
        positions = known;
      }
      return known.getOrDefault(name, -1);
    }
  }

  /**
   * An object of alternating names and values, the values converted as {@link JsonValue#of} does.
   *
   * @throws IllegalArgumentException if the count is odd or a name is not a string
   */
  public static JsonObject of(Object... namesAndValues) {
    if (namesAndValues.length % 2 != 0) {
      throw new IllegalArgumentException("a name without a value");
    }
    Builder builder = new Builder(namesAndValues.length / 2);
    for (int i = 0; i < namesAndValues.length; i += 2) {
      if (!(namesAndValues[i] instanceof String name)) {
        throw new IllegalArgumentException("not a name: " + namesAndValues[i]);
      }
      builder.put(name, JsonValue.of(namesAndValues[i + 1]));
    }
    return builder.build();
  }

  /** The fields of a map, in its order. */
  static JsonObject copyOf(Map<String, JsonValue> fields) {
    Builder builder = new Builder(fields.size());
    fields.forEach(builder::put);
    return builder.build();
  }

  /** The fields by name, in order, to be changed in many places. */
  LinkedHashMap<String, JsonValue> toMap() {
    LinkedHashMap<String, JsonValue> fields = LinkedHashMap.newLinkedHashMap(names.length);
    forEach(fields::put);
    return fields;
  }

  /** A builder that keeps the order of first insertion. */
  public static Builder builder() {
    return new Builder(8);
  }

  /** Number of fields. */
  public int size() {
    return names.length;
  }

  /** Whether there are no fields. */
  public boolean isEmpty() {
    return names.length == 0;
  }

  /** Name of the field at a position, in the order of writing. */
  public String nameAt(int index) {
    return names[index];
  }

  /** Value of the field at a position, in the order of writing. */
  public JsonValue valueAt(int index) {
    return values[index];
  }

  /** The names, in order. */
  public List<String> names() {
    return List.of(names);
  }

  /** Calls the action with each field, in order. */
  public void forEach(BiConsumer<String, JsonValue> action) {
    for (int i = 0; i < names.length; i++) {
      action.accept(names[i], values[i]);
    }
  }

  /** Whether a field of this name is there, null included. */
  public boolean has(String name) {
    return indexOf(name) >= 0;
  }

  /** The value of a field, null included. */
  public Optional<JsonValue> get(String name) {
    int index = indexOf(name);
    return index < 0 ? Optional.empty() : Optional.of(values[index]);
  }

  /** The value at a path of object fields; empty where any step is absent or not an object. */
  public Optional<JsonValue> find(String... path) {
    return Optional.ofNullable(resolve(path));
  }

  /** The string at a path, or the empty string. */
  public String text(String... path) {
    return resolve(path) instanceof JsonString text ? text.value() : "";
  }

  /** The integer at a path (a decimal is cut), or 0. */
  public long integer(String... path) {
    return switch (resolve(path)) {
      case JsonInteger number -> number.value();
      case JsonDecimal number -> (long) number.value();
      case null, default -> 0;
    };
  }

  /** The integer at a path, or the given default where it is absent or not a number. */
  public long integerOr(long absent, String... path) {
    return switch (resolve(path)) {
      case JsonInteger number -> number.value();
      case JsonDecimal number -> (long) number.value();
      case null, default -> absent;
    };
  }

  /** The boolean at a path, or false. */
  public boolean flag(String... path) {
    return resolve(path) == JsonBoolean.TRUE;
  }

  /** The boolean at a path, or the given default where it is absent or not a boolean. */
  public boolean flagOr(boolean absent, String... path) {
    return resolve(path) instanceof JsonBoolean flag ? flag.value() : absent;
  }

  /** The object at a path, or the empty object. */
  public JsonObject object(String... path) {
    return resolve(path) instanceof JsonObject object ? object : EMPTY;
  }

  /** The array at a path, or the empty array. */
  public JsonArray array(String... path) {
    return resolve(path) instanceof JsonArray array ? array : JsonArray.EMPTY;
  }

  /** The objects in the array at a path. */
  public List<JsonObject> objects(String... path) {
    return array(path).objects();
  }

  /** The strings in the array at a path. */
  public List<String> strings(String... path) {
    return array(path).strings();
  }

  /** The string-valued fields of the object at a path, such as labels; others are left out. */
  public Map<String, String> map(String... path) {
    Map<String, String> map = new LinkedHashMap<>();
    object(path)
        .forEach(
            (name, value) -> {
              if (value instanceof JsonString text) {
                map.put(name, text.value());
              }
            });
    return map;
  }

  /** This object with a field set, in its old place or at the end. */
  public JsonObject with(String name, Object value) {
    JsonValue json = JsonValue.of(value);
    int index = indexOf(name);
    if (index >= 0) {
      if (values[index].equals(json)) {
        return this;
      }
      JsonValue[] changed = values.clone();
      changed[index] = json;
      return made(names, changed);
    }
    String[] moreNames = Arrays.copyOf(names, names.length + 1);
    JsonValue[] moreValues = Arrays.copyOf(values, values.length + 1);
    moreNames[names.length] = name.intern();
    moreValues[values.length] = json;
    return made(moreNames, moreValues);
  }

  /**
   * This object with the value at a path set; steps that are absent or not objects become objects.
   */
  public JsonObject withPath(List<String> path, Object value) {
    String name = path.getFirst();
    return path.size() == 1
        ? with(name, value)
        : with(name, object(name).withPath(path.subList(1, path.size()), value));
  }

  /** This object without a field. */
  public JsonObject without(String name) {
    int index = indexOf(name);
    if (index < 0) {
      return this;
    }
    String[] fewerNames = new String[names.length - 1];
    JsonValue[] fewerValues = new JsonValue[names.length - 1];
    System.arraycopy(names, 0, fewerNames, 0, index);
    System.arraycopy(names, index + 1, fewerNames, index, fewerNames.length - index);
    System.arraycopy(values, 0, fewerValues, 0, index);
    System.arraycopy(values, index + 1, fewerValues, index, fewerValues.length - index);
    return made(fewerNames, fewerValues);
  }

  /** This object without the field at a path; parents stay, even when they become empty. */
  public JsonObject withoutPath(List<String> path) {
    String name = path.getFirst();
    if (path.size() == 1) {
      return without(name);
    }
    return get(name).orElse(JsonNull.NULL) instanceof JsonObject child
        ? with(name, child.withoutPath(path.subList(1, path.size())))
        : this;
  }

  /** This object with the object at a path replaced by what the change makes of it. */
  public JsonObject change(String name, UnaryOperator<JsonObject> change) {
    return with(name, change.apply(object(name)));
  }

  int indexOf(String name) {
    for (int i = 0; i < names.length; i++) {
      // Identity first: names are interned when a tree is built, and most callers pass constants.
      if (names[i] == name || names[i].equals(name)) {
        return i;
      }
    }
    return -1;
  }

  private @Nullable JsonValue resolve(String... path) {
    JsonValue value = this;
    for (String name : path) {
      if (!(value instanceof JsonObject object)) {
        return null;
      }
      int index = object.indexOf(name);
      if (index < 0) {
        return null;
      }
      value = object.values[index];
    }
    return value;
  }

  @Override
  public boolean equals(@Nullable Object other) {
    if (this == other) {
      return true;
    }
    if (!(other instanceof JsonObject that) || names.length != that.names.length) {
      return false;
    }
    for (int i = 0; i < names.length; i++) {
      int index =
          i < that.names.length && that.names[i].equals(names[i]) ? i : that.indexOf(names[i]);
      if (index < 0 || !values[i].equals(that.values[index])) {
        return false;
      }
    }
    return true;
  }

  @Override
  public int hashCode() {
    int hash = 0;
    for (int i = 0; i < names.length; i++) {
      hash += names[i].hashCode() ^ Objects.hashCode(values[i]);
    }
    return hash;
  }

  @Override
  public String toString() {
    return Json.write(this);
  }

  /** Builds a {@link JsonObject}; a name put twice keeps its place and takes the later value. */
  public static final class Builder {
    private final List<String> names;
    private final List<JsonValue> values;
    // Only large objects (ConfigMaps, schemas) pay for a map; small ones are searched.
    private @Nullable Map<String, Integer> index;

    private Builder(int capacity) {
      names = new ArrayList<>(capacity);
      values = new ArrayList<>(capacity);
    }

    /** Sets a field, its value converted as {@link JsonValue#of} does. */
    public Builder put(String name, @Nullable Object value) {
      JsonValue json = JsonValue.of(value);
      int position = position(name);
      if (position >= 0) {
        values.set(position, json);
      } else {
        add(name, json);
      }
      return this;
    }

    /** Sets a field unless the value is empty: "", {}, [], null. */
    public Builder putNonEmpty(String name, @Nullable Object value) {
      JsonValue json = JsonValue.of(value);
      boolean empty =
          switch (json) {
            case JsonString text -> text.value().isEmpty();
            case JsonObject object -> object.isEmpty();
            case JsonArray array -> array.isEmpty();
            case JsonNull _ -> true;
            case JsonInteger _, JsonDecimal _, JsonBoolean _ -> false;
          };
      return empty ? this : put(name, json);
    }

    /** Sets every field of another object. */
    public Builder putAll(JsonObject other) {
      other.forEach(this::put);
      return this;
    }

    /** Whether a field of this name was put. */
    public boolean has(String name) {
      return position(name) >= 0;
    }

    private int position(String name) {
      if (index != null) {
        return index.getOrDefault(name, -1);
      }
      return names.indexOf(name);
    }

    /** Sets a field whose name was read from a text: the parser has interned it. */
    Builder putRead(String name, JsonValue value) {
      int position = position(name);
      if (position >= 0) {
        values.set(position, value);
      } else {
        addInterned(name, value);
      }
      return this;
    }

    private void add(String name, JsonValue value) {
      addInterned(name.length() <= 40 ? name.intern() : name, value);
    }

    private void addInterned(String interned, JsonValue value) {
      if (index != null) {
        index.put(interned, names.size());
      } else if (names.size() == 16) {
        index = new HashMap<>();
        for (int i = 0; i < names.size(); i++) {
          index.put(names.get(i), i);
        }
        index.put(interned, names.size());
      }
      names.add(interned);
      values.add(value);
    }

    /** The object built so far. */
    public JsonObject build() {
      return names.isEmpty() ? EMPTY : made(shape(names), values.toArray(JsonValue[]::new));
    }

    /** The names as an array, the same one for objects of the same names: most have few shapes. */
    private static String[] shape(List<String> names) {
      int hash = 0;
      for (String name : names) {
        hash = 31 * hash + name.hashCode();
      }
      int at = (hash ^ hash >>> 10) & SHAPES.length - 1;
      String[] known = SHAPES[at];
      if (known != null && Arrays.asList(known).equals(names)) {
        return known;
      }
      String[] shape = names.toArray(String[]::new);
      if (shape.length < MANY) {
        SHAPES[at] = shape;
      }
      return shape;
    }
  }
}
