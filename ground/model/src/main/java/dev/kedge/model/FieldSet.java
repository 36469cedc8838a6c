package dev.kedge.model;

import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.function.BiConsumer;
import java.util.stream.Collectors;

/**
 * A set of field paths, as {@code metadata.managedFields[].fieldsV1} holds them: {@code f:} a named
 * field, {@code k:} an item of a keyed list, {@code v:} an item of a set, {@code i:} an item by
 * position, {@code .} the path itself. Immutable.
 */
public final class FieldSet {
  /** The set without paths. */
  public static final FieldSet EMPTY = new FieldSet(false, Collections.emptySortedMap());

  private final boolean self;
  private final java.util.SortedMap<Element, FieldSet> children;

  private FieldSet(boolean self, java.util.SortedMap<Element, FieldSet> children) {
    this.self = self;
    this.children = children;
  }

  /** One step of a path. */
  public sealed interface Element extends Comparable<Element> {
    /** A named field. */
    record Name(String name) implements Element {}

    /** An item of a keyed list, by its keys in the order of their names. */
    record Key(JsonObject keys) implements Element {}

    /** An item of a set, by its value. */
    record Value(JsonValue value) implements Element {}

    /** An item by its position. */
    record Index(int index) implements Element {}

    @Override
    default int compareTo(Element other) {
      int rank = Integer.compare(rank(this), rank(other));
      if (rank != 0) {
        return rank;
      }
      return switch (this) {
        case Name name -> name.name().compareTo(((Name) other).name());
        case Key key -> compareKeys(key.keys(), ((Key) other).keys());
        case Value value -> compareValues(value.value(), ((Value) other).value());
        case Index index -> Integer.compare(index.index(), ((Index) other).index());
      };
    }

    private static int rank(Element element) {
      return switch (element) {
        case Name _ -> 0;
        case Key _ -> 1;
        case Value _ -> 2;
        case Index _ -> 3;
      };
    }

    private static int compareKeys(JsonObject left, JsonObject right) {
      for (int i = 0; i < Math.min(left.size(), right.size()); i++) {
        int order = left.nameAt(i).compareTo(right.nameAt(i));
        if (order == 0) {
          order = compareValues(left.valueAt(i), right.valueAt(i));
        }
        if (order != 0) {
          return order;
        }
      }
      return Integer.compare(left.size(), right.size());
    }

    private static int compareValues(JsonValue left, JsonValue right) {
      if (left instanceof JsonInteger a && right instanceof JsonInteger b) {
        return Long.compare(a.value(), b.value());
      }
      if (left instanceof JsonString a && right instanceof JsonString b) {
        return a.value().compareTo(b.value());
      }
      int type = left.typeName().compareTo(right.typeName());
      return type != 0 ? type : Json.write(left).compareTo(Json.write(right));
    }

    /** The FieldsV1 form, such as {@code f:spec}. */
    default String serialized() {
      return switch (this) {
        case Name name -> "f:" + name.name();
        case Key key -> "k:" + Json.write(key.keys());
        case Value value -> "v:" + Json.write(value.value());
        case Index index -> "i:" + index.index();
      };
    }

    /**
     * Reads the FieldsV1 form.
     *
     * @throws IllegalArgumentException if it is none
     */
    static Element parse(String text) {
      if (text.length() < 2 || text.charAt(1) != ':') {
        throw new IllegalArgumentException("not a FieldsV1 path element: " + text);
      }
      String rest = text.substring(2);
      try {
        return switch (text.charAt(0)) {
          case 'f' -> new Name(rest);
          case 'k' -> key(Json.parseObject(rest));
          case 'v' -> new Value(Json.parse(rest));
          case 'i' -> new Index(Integer.parseInt(rest));
          default -> throw new IllegalArgumentException("not a FieldsV1 path element: " + text);
        };
      } catch (JsonSyntaxException e) {
        throw new IllegalArgumentException("not a FieldsV1 path element: " + text, e);
      }
    }

    /** A key element with its fields in the order of their names. */
    static Key key(JsonObject keys) {
      JsonObject.Builder sorted = JsonObject.builder();
      keys.names().stream()
          .sorted()
          .forEach(name -> sorted.put(name, keys.get(name).orElseThrow()));
      return new Key(sorted.build());
    }

    /**
     * The form used in messages: {@code .spec}, {@code [name="web"]}, {@code [="x"]}, {@code [0]}.
     */
    default String displayed() {
      return switch (this) {
        case Name name -> "." + name.name();
        case Key key -> {
          List<String> pairs = new ArrayList<>();
          key.keys().forEach((name, value) -> pairs.add(name + "=" + Json.write(value)));
          yield "[" + String.join(",", pairs) + "]";
        }
        case Value value -> "[=" + Json.write(value.value()) + "]";
        case Index index -> "[" + index.index() + "]";
      };
    }
  }

  /** A path in the form of messages, such as {@code .spec.containers[name="web"].image}. */
  public static String display(List<Element> path) {
    return path.stream().map(Element::displayed).collect(Collectors.joining());
  }

  /** The set of the given paths of field names. */
  public static FieldSet ofNames(List<List<String>> paths) {
    Builder builder = new Builder();
    for (List<String> path : paths) {
      Builder at = builder;
      for (String name : path) {
        at = at.child(new Element.Name(name));
      }
      at.insert();
    }
    return builder.build();
  }

  /**
   * Reads FieldsV1.
   *
   * @throws IllegalArgumentException if a path element is malformed
   */
  public static FieldSet parse(JsonObject fieldsV1) {
    boolean self = false;
    TreeMap<Element, FieldSet> children = new TreeMap<>();
    for (int i = 0; i < fieldsV1.size(); i++) {
      String name = fieldsV1.nameAt(i);
      if (name.equals(".")) {
        self = true;
        continue;
      }
      FieldSet child =
          fieldsV1.valueAt(i) instanceof JsonObject nested ? parse(nested) : FieldSet.EMPTY;
      // An element without children stands for itself; with children it needs the dot.
      children.put(
          Element.parse(name),
          child.children.isEmpty() ? new FieldSet(true, child.children) : child);
    }
    return of(self, children);
  }

  /** The FieldsV1 form, in upstream's order. */
  public JsonObject json() {
    JsonObject.Builder builder = JsonObject.builder();
    if (self && !children.isEmpty()) {
      builder.put(".", JsonObject.EMPTY);
    }
    children.forEach((element, child) -> builder.put(element.serialized(), child.json()));
    return builder.build();
  }

  private static FieldSet of(boolean self, java.util.SortedMap<Element, FieldSet> children) {
    return !self && children.isEmpty() ? EMPTY : new FieldSet(self, children);
  }

  /** Whether no path is in the set. */
  public boolean isEmpty() {
    return !self && children.isEmpty();
  }

  /** Whether the root path of this (sub)set is a member. */
  public boolean hasSelf() {
    return self;
  }

  /** The subset below an element; empty where there is none. */
  public FieldSet child(Element element) {
    return children.getOrDefault(element, EMPTY);
  }

  /** Paths of either set. */
  public FieldSet union(FieldSet other) {
    if (isEmpty()) {
      return other;
    }
    if (other.isEmpty()) {
      return this;
    }
    TreeMap<Element, FieldSet> merged = new TreeMap<>(children);
    other.children.forEach((element, child) -> merged.merge(element, child, FieldSet::union));
    return new FieldSet(self || other.self, merged);
  }

  /** Paths of both sets. */
  public FieldSet intersection(FieldSet other) {
    TreeMap<Element, FieldSet> common = new TreeMap<>();
    children.forEach(
        (element, child) -> {
          FieldSet both = child.intersection(other.child(element));
          if (!both.isEmpty()) {
            common.put(element, both);
          }
        });
    return of(self && other.self, common);
  }

  /** Paths of this set that are not in the other; paths below a removed path stay. */
  public FieldSet difference(FieldSet other) {
    if (isEmpty() || other.isEmpty()) {
      return this;
    }
    TreeMap<Element, FieldSet> left = new TreeMap<>();
    children.forEach(
        (element, child) -> {
          FieldSet rest = child.difference(other.child(element));
          if (!rest.isEmpty()) {
            left.put(element, rest);
          }
        });
    return of(self && !other.self, left);
  }

  /** Paths of this set that are neither in the other nor below one that is. */
  public FieldSet recursiveDifference(FieldSet other) {
    if (isEmpty() || other.isEmpty()) {
      return this;
    }
    if (other.self) {
      return EMPTY;
    }
    TreeMap<Element, FieldSet> left = new TreeMap<>();
    children.forEach(
        (element, child) -> {
          FieldSet rest = child.recursiveDifference(other.child(element));
          if (!rest.isEmpty()) {
            left.put(element, rest);
          }
        });
    return of(self, left);
  }

  /** Calls the action with every member, parents before children, in order. */
  public void forEach(java.util.function.Consumer<List<Element>> action) {
    forEach(new ArrayList<>(), action);
  }

  private void forEach(List<Element> path, java.util.function.Consumer<List<Element>> action) {
    if (self && !path.isEmpty()) {
      action.accept(List.copyOf(path));
    }
    children.forEach(
        (element, child) -> {
          path.addLast(element);
          child.forEach(path, action);
          path.removeLast();
        });
  }

  void forEachChild(BiConsumer<Element, FieldSet> action) {
    children.forEach(action);
  }

  @Override
  public boolean equals(@org.jspecify.annotations.Nullable Object other) {
    return other instanceof FieldSet set && self == set.self && children.equals(set.children);
  }

  @Override
  public int hashCode() {
    return children.hashCode() * 2 + (self ? 1 : 0);
  }

  @Override
  public String toString() {
    return json().toString();
  }

  /** Collects paths. */
  static final class Builder {
    private boolean self;
    private final TreeMap<Element, Builder> children = new TreeMap<>();

    Builder child(Element element) {
      return children.computeIfAbsent(element, _ -> new Builder());
    }

    void insert() {
      self = true;
    }

    FieldSet build() {
      TreeMap<Element, FieldSet> built = new TreeMap<>();
      for (Map.Entry<Element, Builder> entry : children.entrySet()) {
        FieldSet child = entry.getValue().build();
        if (!child.isEmpty()) {
          built.put(entry.getKey(), child);
        }
      }
      return of(self, built);
    }
  }
}
