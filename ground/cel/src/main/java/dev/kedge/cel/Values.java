package dev.kedge.cel;

import dev.kedge.cel.CelType.Kind;
import dev.kedge.cel.Declaration.ListKind;
import dev.kedge.model.Durations;
import dev.kedge.model.JsonArray;
import dev.kedge.model.JsonBoolean;
import dev.kedge.model.JsonDecimal;
import dev.kedge.model.JsonInteger;
import dev.kedge.model.JsonNull;
import dev.kedge.model.JsonObject;
import dev.kedge.model.JsonString;
import dev.kedge.model.JsonValue;
import java.math.BigDecimal;
import java.time.Duration;
import java.time.Instant;
import java.util.AbstractList;
import java.util.AbstractMap;
import java.util.AbstractSet;
import java.util.ArrayList;
import java.util.Base64;
import java.util.Iterator;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import org.jspecify.annotations.Nullable;

/**
 * Values of the language as Java objects: Boolean, Long, {@link UnsignedInt}, Double, String,
 * {@link Octets}, {@link Instant}, {@link Duration}, {@link JsonNull}, List, Map, {@link Struct},
 * {@link CelType}, Optional, and what libraries bring. JSON is looked at where it lies; nothing is
 * copied. Stateless.
 */
public final class Values {
  private Values() {}

  /** A JSON value as its declaration says; the declaration {@link Declaration#DYN} says nothing. */
  public static Object of(JsonValue json, Declaration declaration) {
    Kind kind = declaration.type().kind();
    return switch (json) {
      case JsonObject object ->
          switch (kind) {
            case STRUCT -> new Struct(object, declaration);
            case MAP -> new JsonMap(object, item(declaration));
            default -> new JsonMap(object, Declaration.DYN);
          };
      case JsonArray array ->
          new JsonList(array, kind == Kind.LIST ? declaration : Declaration.DYN);
      case JsonString text -> text(text.value(), kind);
      case JsonInteger number ->
          kind == Kind.DOUBLE ? (Object) (double) number.value() : (Object) number.value();
      case JsonDecimal number ->
          kind == Kind.INT ? (Object) (long) number.value() : (Object) number.value();
      case JsonBoolean flag -> flag.value();
      case JsonNull _ -> JsonNull.NULL;
    };
  }

  private static Declaration item(Declaration declaration) {
    Declaration item = declaration.item();
    return item == null ? Declaration.DYN : item;
  }

  private static Object text(String text, Kind kind) {
    return switch (kind) {
      case BYTES -> {
        try {
          yield new Octets(Base64.getDecoder().decode(text));
        } catch (IllegalArgumentException e) {
          throw new CelException("byte formatted string is not base64: " + e.getMessage());
        }
      }
      case TIMESTAMP ->
          Times.timestamp(text)
              .or(() -> Times.date(text))
              .map(Object.class::cast)
              .orElseThrow(() -> new CelException("Invalid date formatted string " + text));
      case DURATION ->
          Durations.find(text)
              .map(Object.class::cast)
              .orElseThrow(() -> new CelException("Invalid duration " + text));
      default -> text;
    };
  }

  /** An object with declared fields. */
  static final class Struct {
    private final JsonObject json;
    private final Declaration declaration;

    Struct(JsonObject json, Declaration declaration) {
      this.json = json;
      this.declaration = declaration;
    }

    Optional<Object> field(String name) {
      Declaration field = declaration.fields().get(name);
      return field == null
          ? Optional.empty()
          : json.get(Names.unescape(name)).map(value -> of(value, field));
    }

    JsonObject json() {
      return json;
    }

    Declaration declaration() {
      return declaration;
    }

    int size() {
      return json.size();
    }

    @Override
    public boolean equals(@Nullable Object other) {
      return other instanceof Struct that && json.equals(that.json);
    }

    @Override
    public int hashCode() {
      return json.hashCode();
    }
  }

  /** An object that an expression made. */
  record Made(String type, Map<String, Object> fields) {}

  /** A JSON array as a list. */
  static final class JsonList extends AbstractList<Object> {
    private final JsonArray array;
    private final Declaration declaration;
    private final Declaration item;

    JsonList(JsonArray array, Declaration declaration) {
      this.array = array;
      this.declaration = declaration;
      this.item = Values.item(declaration);
    }

    @Override
    public Object get(int index) {
      return of(array.items().get(index), item);
    }

    @Override
    public int size() {
      return array.size();
    }

    ListKind kind() {
      return declaration.list();
    }

    List<String> keys() {
      return declaration.listKeys();
    }
  }

  /** A JSON object as a map. */
  static final class JsonMap extends AbstractMap<Object, Object> {
    private final JsonObject json;
    private final Declaration value;

    JsonMap(JsonObject json, Declaration value) {
      this.json = json;
      this.value = value;
    }

    @Override
    public @Nullable Object get(@Nullable Object key) {
      return key instanceof String name
          ? json.get(name).map(found -> of(found, value)).orElse(null)
          : null;
    }

    @Override
    public boolean containsKey(@Nullable Object key) {
      return key instanceof String name && json.has(name);
    }

    @Override
    public int size() {
      return json.size();
    }

    @Override
    public Set<Entry<Object, Object>> entrySet() {
      return new AbstractSet<>() {
        @Override
        public Iterator<Entry<Object, Object>> iterator() {
          return new Iterator<>() {
            private int next;

            @Override
            public boolean hasNext() {
              return next < json.size();
            }

            @Override
            public Entry<Object, Object> next() {
              int at = next++;
              return Map.entry(json.nameAt(at), of(json.valueAt(at), value));
            }
          };
        }

        @Override
        public int size() {
          return json.size();
        }
      };
    }
  }

  /** A list that a comprehension fills; nobody else sees it before it is complete. */
  static final class Filling extends ArrayList<Object> {}

  /** A map that a comprehension fills. */
  static final class FillingMap extends LinkedHashMap<Object, Object> {}

  /** A value as JSON. */
  public static JsonValue json(Object value) {
    return switch (value) {
      case Struct struct -> struct.json();
      case Made made -> {
        JsonObject.Builder builder = JsonObject.builder();
        made.fields().forEach((name, field) -> builder.put(Names.unescape(name), json(field)));
        yield builder.build();
      }
      case JsonMap map -> map.json;
      case JsonList list -> list.array;
      case JsonNull none -> none;
      case Boolean flag -> flag ? JsonBoolean.TRUE : JsonBoolean.FALSE;
      case Long number -> new JsonInteger(number);
      case UnsignedInt number -> new JsonInteger(number.bits());
      case Double number -> new JsonDecimal(number);
      case String text -> new JsonString(text);
      case Octets octets -> new JsonString(Base64.getEncoder().encodeToString(octets.bytes()));
      case Instant instant -> new JsonString(Times.show(instant));
      case Duration duration -> new JsonString(Times.show(duration));
      case List<?> list -> new JsonArray(list.stream().map(Values::json).toList());
      case Map<?, ?> map -> {
        JsonObject.Builder builder = JsonObject.builder();
        map.forEach((key, one) -> builder.put(String.valueOf(key), json(one)));
        yield builder.build();
      }
      case Optional<?> optional -> optional.isPresent() ? json(optional.get()) : JsonNull.NULL;
      default -> new JsonString(String.valueOf(value));
    };
  }

  /** How large a value is, for costs. */
  static long size(Object value) {
    return switch (value) {
      case String text -> text.codePointCount(0, text.length());
      case Octets octets -> octets.bytes().length;
      case List<?> list -> list.size();
      case Map<?, ?> map -> map.size();
      case Struct struct -> struct.size();
      case Made made -> made.fields().size();
      case Optional<?> optional -> optional.isPresent() ? size(optional.get()) : 1;
      case Network.Ip ip -> ip.bytes().length;
      case Network.Cidr cidr -> cidr.ip().bytes().length;
      default -> 1;
    };
  }

  /** What it costs to look at every part of a value. */
  static long traversal(Object value) {
    return switch (value) {
      case String text -> (long) (utf8(text) * Estimator.TRAVERSAL);
      case Octets octets -> (long) (octets.bytes().length * Estimator.TRAVERSAL);
      case List<?> list -> {
        long cost = 0;
        for (Object one : list) {
          cost += traversal(one);
        }
        yield cost;
      }
      case Map<?, ?> map -> {
        long cost = 0;
        for (var entry : map.entrySet()) {
          cost += traversal(entry.getKey()) + traversal(entry.getValue());
        }
        yield cost;
      }
      default -> 1;
    };
  }

  private static long utf8(String text) {
    return text.getBytes(java.nio.charset.StandardCharsets.UTF_8).length;
  }

  /** Equality by value; numbers of all types are one. */
  static boolean equal(Object left, Object right) {
    if (left == right) {
      return true;
    }
    if (isNumber(left) && isNumber(right)) {
      return compareNumbers(left, right) == 0 && !isNaN(left) && !isNaN(right);
    }
    return switch (left) {
      case List<?> list when right instanceof List<?> other -> equalLists(list, other);
      case Map<?, ?> map when right instanceof Map<?, ?> other -> {
        if (map.size() != other.size()) {
          yield false;
        }
        for (var entry : map.entrySet()) {
          Object there = lookUp(other, entry.getKey());
          if (there == null || !equal(entry.getValue(), there)) {
            yield false;
          }
        }
        yield true;
      }
      case Struct struct when right instanceof Struct other ->
          struct.size() == other.size()
              && struct.declaration().fields().keySet().stream()
                  .allMatch(
                      name -> {
                        Optional<Object> one = struct.field(name);
                        Optional<Object> two = other.field(name);
                        return one.isPresent() == two.isPresent()
                            && (one.isEmpty() || equal(one.get(), two.get()));
                      });
      case Optional<?> optional when right instanceof Optional<?> other ->
          optional.isPresent() == other.isPresent()
              && (optional.isEmpty() || equal(optional.get(), other.get()));
      case CelType type when right instanceof CelType other ->
          type.kind() == other.kind() && type.name().equals(other.name());
      default -> left.equals(right);
    };
  }

  private static boolean equalLists(List<?> left, List<?> right) {
    if (left.size() != right.size()) {
      return false;
    }
    ListKind kind =
        left instanceof JsonList one
            ? one.kind()
            : right instanceof JsonList other ? other.kind() : ListKind.ATOMIC;
    if (kind != ListKind.ATOMIC) {
      // Sets and maps are equal in whatever order.
      return left.stream().allMatch(one -> right.stream().anyMatch(other -> equal(one, other)));
    }
    for (int i = 0; i < left.size(); i++) {
      if (!equal(left.get(i), right.get(i))) {
        return false;
      }
    }
    return true;
  }

  /** The sum of two lists, of which the first says what becomes of equal items. */
  static List<Object> sum(List<?> left, List<?> right) {
    List<Object> sum = new ArrayList<>(left.size() + right.size());
    sum.addAll(left);
    ListKind kind = left instanceof JsonList list ? list.kind() : ListKind.ATOMIC;
    for (Object item : right) {
      int place = -1;
      for (int i = 0; kind != ListKind.ATOMIC && i < sum.size() && place < 0; i++) {
        boolean same =
            kind == ListKind.SET
                ? equal(sum.get(i), item)
                : left instanceof JsonList list && sameKeys(sum.get(i), item, list.keys());
        place = same ? i : -1;
      }
      if (place < 0) {
        sum.add(item);
      } else {
        sum.set(place, item);
      }
    }
    return sum;
  }

  private static boolean sameKeys(Object left, Object right, List<String> keys) {
    return json(left) instanceof JsonObject one
        && json(right) instanceof JsonObject other
        && keys.stream().allMatch(key -> one.get(key).equals(other.get(key)));
  }

  static boolean isNumber(Object value) {
    return value instanceof Long || value instanceof UnsignedInt || value instanceof Double;
  }

  private static boolean isNaN(Object value) {
    return value instanceof Double number && number.isNaN();
  }

  static int compareNumbers(Object left, Object right) {
    if (left instanceof Long one && right instanceof Long other) {
      return Long.compare(one, other);
    }
    if (left instanceof Double one && right instanceof Double other) {
      return one < other ? -1 : one > other ? 1 : 0;
    }
    if (left instanceof Double number && (number.isInfinite() || number.isNaN())) {
      return number > 0 ? 1 : -1;
    }
    if (right instanceof Double number && (number.isInfinite() || number.isNaN())) {
      return number > 0 ? -1 : 1;
    }
    return decimal(left).compareTo(decimal(right));
  }

  private static BigDecimal decimal(Object number) {
    return switch (number) {
      case Long value -> BigDecimal.valueOf(value);
      case UnsignedInt value -> new BigDecimal(value.toString());
      case Double value -> new BigDecimal(value);
      default -> throw CelException.noOverload();
    };
  }

  /** The value of a key, where 1, 1u and 1.0 are the same key; null if it is not there. */
  static @Nullable Object lookUp(Map<?, ?> map, Object key) {
    if (map instanceof JsonMap || !isNumber(key)) {
      return map.get(key);
    }
    Object direct = map.get(key);
    if (direct != null) {
      return direct;
    }
    for (var entry : map.entrySet()) {
      if (isNumber(entry.getKey()) && compareNumbers(entry.getKey(), key) == 0) {
        return entry.getValue();
      }
    }
    return null;
  }

  /** The type of a value, as {@code type()} tells it. */
  static CelType typeOf(Object value) {
    return switch (value) {
      case Boolean _ -> CelType.BOOL;
      case Long _ -> CelType.INT;
      case UnsignedInt _ -> CelType.UINT;
      case Double _ -> CelType.DOUBLE;
      case String _ -> CelType.STRING;
      case Octets _ -> CelType.BYTES;
      case Instant _ -> CelType.TIMESTAMP;
      case Duration _ -> CelType.DURATION;
      case JsonNull _ -> CelType.NULL;
      case List<?> _ -> CelType.list(CelType.DYN);
      case Map<?, ?> _ -> CelType.map(CelType.DYN, CelType.DYN);
      case Struct struct -> struct.declaration().type();
      case Optional<?> _ -> CelType.optional(CelType.DYN);
      case CelType _ -> CelType.typeOf(CelType.DYN);
      default -> CelType.opaque(value.getClass().getSimpleName());
    };
  }
}
