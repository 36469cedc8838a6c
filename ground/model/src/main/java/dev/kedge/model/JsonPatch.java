package dev.kedge.model;

import dev.kedge.model.Status.Details;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;

/** JSON Patch, RFC 6902. {@link #apply} is for any thread; an instance is one run. */
public final class JsonPatch {
  /** Most operations that one patch may have, as upstream. */
  public static final int MAX_OPERATIONS = 10_000;

  /** Most bytes that a patch's copies may add to a document, as upstream. */
  private static final long MAX_COPIED = 3 * 1024 * 1024;

  private long copied;

  private JsonPatch() {}

  /**
   * Applies a patch.
   *
   * @throws ApiException 400 if the patch is not an array of operations, 413 if it has too many,
   *     422 if an operation cannot be carried out (a test that fails, a path that is not there)
   */
  public static JsonValue apply(JsonValue document, JsonValue patch) {
    if (!(patch instanceof JsonArray operations)) {
      throw ApiException.badRequest(
          "error decoding patch: json: cannot unmarshal "
              + patch.typeName()
              + " into Go value of type jsonpatch.Patch");
    }
    if (operations.size() > MAX_OPERATIONS) {
      throw ApiException.tooLarge(
          "The allowed maximum operations in a JSON patch is "
              + MAX_OPERATIONS
              + ", got "
              + operations.size());
    }
    JsonPatch run = new JsonPatch();
    JsonValue result = document;
    for (JsonValue operation : operations.items()) {
      if (!(operation instanceof JsonObject object)) {
        throw ApiException.badRequest(
            "error decoding patch: json: cannot unmarshal "
                + operation.typeName()
                + " into Go value of type jsonpatch.Operation");
      }
      result = run.apply(result, object);
    }
    if (Json.isDeeper(result, Json.MAX_DEPTH)) {
      throw rejected("exceeded max depth");
    }
    return result;
  }

  private JsonValue apply(JsonValue document, JsonObject operation) {
    String op = operation.text("op");
    List<String> path = pointer(operation, "path");
    return switch (op) {
      case "add" -> add(document, path, value(operation));
      case "remove" -> remove(document, path);
      case "replace" -> {
        resolve(document, path, op);
        yield path.isEmpty() ? value(operation) : replace(document, path, value(operation));
      }
      case "move" -> {
        List<String> from = pointer(operation, "from");
        if (path.size() > from.size() && path.subList(0, from.size()).equals(from)) {
          throw rejected("move operation into one of its children: " + operation.text("path"));
        }
        JsonValue moved = resolve(document, from, op);
        yield add(remove(document, from), path, moved);
      }
      case "copy" -> {
        JsonValue value = resolve(document, pointer(operation, "from"), op);
        copied += size(value, MAX_COPIED - copied, 0);
        if (copied > MAX_COPIED) {
          throw rejected(
              "Unable to complete the copy, the accumulated size increase of copy is "
                  + copied
                  + ", exceeding the limit "
                  + MAX_COPIED);
        }
        yield add(document, path, value);
      }
      case "test" -> {
        JsonValue expected = operation.get("value").orElse(JsonNull.NULL);
        JsonValue actual = find(document, path).orElse(JsonNull.NULL);
        if (!same(actual, expected)) {
          throw rejected(
              new Rejection("testing value " + operation.text("path") + " failed", true));
        }
        yield document;
      }
      default -> throw rejected("Unexpected kind: " + op);
    };
  }

  /** Bytes of a value as JSON, counted only until they are more than a number of them. */
  private static long size(JsonValue value, long most, int depth) {
    if (depth > Json.MAX_DEPTH) {
      throw rejected("exceeded max depth");
    }
    long size = 2;
    switch (value) {
      case JsonObject object -> {
        for (int i = 0; i < object.size() && size <= most; i++) {
          size += object.nameAt(i).length() + 4;
          size += size(object.valueAt(i), most - size, depth + 1);
        }
      }
      case JsonArray array -> {
        for (int i = 0; i < array.size() && size <= most; i++) {
          size += 1 + size(array.items().get(i), most - size, depth + 1);
        }
      }
      case JsonString text -> size += text.value().length();
      case JsonInteger _, JsonDecimal _, JsonBoolean _, JsonNull _ ->
          size = value.toString().length();
    }
    return size;
  }

  /** 1 and 1.0 are the same number. */
  private static boolean same(JsonValue left, JsonValue right) {
    return left.equals(right) || number(left).isPresent() && number(left).equals(number(right));
  }

  private static Optional<Double> number(JsonValue value) {
    return switch (value) {
      case JsonInteger integer -> Optional.of((double) integer.value());
      case JsonDecimal decimal -> Optional.of(decimal.value());
      case JsonObject _, JsonArray _, JsonString _, JsonBoolean _, JsonNull _ -> Optional.empty();
    };
  }

  private static JsonValue value(JsonObject operation) {
    return operation
        .get("value")
        .orElseThrow(
            () -> rejected("operation " + operation.text("op") + " lacks value: missing value"));
  }

  private static List<String> pointer(JsonObject operation, String name) {
    if (!(operation.get(name).orElse(JsonNull.NULL) instanceof JsonString text)) {
      throw rejected("operation " + operation.text("op") + " lacks " + name);
    }
    if (text.value().isEmpty()) {
      return List.of();
    }
    if (!text.value().startsWith("/")) {
      throw rejected("not a JSON pointer: " + text.value());
    }
    List<String> path = new ArrayList<>();
    for (String part : text.value().substring(1).split("/", -1)) {
      path.add(part.replace("~1", "/").replace("~0", "~"));
    }
    if (path.size() > 2 * Json.MAX_DEPTH) {
      throw rejected("exceeded max depth");
    }
    return path;
  }

  private static Optional<JsonValue> find(JsonValue document, List<String> path) {
    JsonValue at = document;
    for (String name : path) {
      switch (at) {
        case JsonObject object -> {
          if (!object.has(name)) {
            return Optional.empty();
          }
          at = object.get(name).orElseThrow();
        }
        case JsonArray array -> {
          int index = name.equals("-") ? -1 : index(name, array.size() - 1, true);
          if (index < 0) {
            return Optional.empty();
          }
          at = array.items().get(index);
        }
        case JsonString _, JsonInteger _, JsonDecimal _, JsonBoolean _, JsonNull _ -> {
          return Optional.empty();
        }
      }
    }
    return Optional.of(at);
  }

  private static JsonValue resolve(JsonValue document, List<String> path, String op) {
    return find(document, path)
        .orElseThrow(
            () ->
                rejected(
                    op
                        + " operation does not apply: doc is missing path: /"
                        + String.join("/", path)
                        + ": missing value"));
  }

  private interface Change {
    JsonValue apply(JsonValue parent, String name);
  }

  private static JsonValue at(JsonValue document, List<String> path, Change change) {
    if (path.size() == 1) {
      return change.apply(document, path.getFirst());
    }
    String name = path.getFirst();
    List<String> rest = path.subList(1, path.size());
    return switch (document) {
      case JsonObject object when object.has(name) ->
          object.with(name, at(object.get(name).orElseThrow(), rest, change));
      case JsonArray array -> {
        List<JsonValue> items = new ArrayList<>(array.items());
        int index = index(name, items.size() - 1, false);
        items.set(index, at(items.get(index), rest, change));
        yield new JsonArray(items);
      }
      default -> throw missing(path);
    };
  }

  private static JsonValue add(JsonValue document, List<String> path, JsonValue value) {
    if (path.isEmpty()) {
      return value;
    }
    return at(
        document,
        path,
        (parent, name) ->
            switch (parent) {
              case JsonObject object -> object.with(name, value);
              case JsonArray array -> {
                List<JsonValue> items = new ArrayList<>(array.items());
                int index = name.equals("-") ? items.size() : index(name, items.size(), false);
                items.add(index, value);
                yield new JsonArray(items);
              }
              default -> throw missing(path);
            });
  }

  private static JsonValue replace(JsonValue document, List<String> path, JsonValue value) {
    return at(
        document,
        path,
        (parent, name) ->
            switch (parent) {
              case JsonObject object when object.has(name) -> object.with(name, value);
              case JsonArray array -> {
                List<JsonValue> items = new ArrayList<>(array.items());
                items.set(index(name, items.size() - 1, false), value);
                yield new JsonArray(items);
              }
              default -> throw missing(path);
            });
  }

  private static JsonValue remove(JsonValue document, List<String> path) {
    if (path.isEmpty()) {
      throw rejected("remove operation does not apply to the whole document");
    }
    return at(
        document,
        path,
        (parent, name) ->
            switch (parent) {
              case JsonObject object when object.has(name) -> object.without(name);
              case JsonArray array -> {
                List<JsonValue> items = new ArrayList<>(array.items());
                items.remove(index(name, items.size() - 1, false));
                yield new JsonArray(items);
              }
              default ->
                  throw rejected(
                      "remove operation does not apply: doc is missing path: /"
                          + String.join("/", path)
                          + ": missing value");
            });
  }

  /** Negative positions count from the end, as upstream's library has it. */
  private static int index(String name, int last, boolean lenient) {
    if (name.matches("-?(0|[1-9][0-9]{0,8})")) {
      int index = Integer.parseInt(name);
      if (index < 0) {
        index += last + 1;
      }
      if (index >= 0 && index <= last) {
        return index;
      }
    }
    if (lenient) {
      return -1;
    }
    throw rejected("Unable to access invalid index: " + name + ": invalid index referenced");
  }

  private static ApiException missing(List<String> path) {
    return rejected(
        "operation does not apply: doc is missing path: /"
            + String.join("/", path)
            + ": missing value");
  }

  /**
   * Why a patch cannot be carried out: the cause of the 422 that {@link #apply} throws. Upstream's
   * answer does not say it, so that no Status does; callers in this process may.
   */
  public static final class Rejection extends RuntimeException {
    private final boolean test;

    Rejection(String why, boolean test) {
      super(why, null, false, false);
      this.test = test;
    }

    /** Whether it was the patch's own test that failed. */
    public boolean test() {
      return test;
    }
  }

  private static ApiException rejected(String why) {
    return rejected(new Rejection(why, false));
  }

  private static ApiException rejected(Rejection why) {
    return new ApiException(
        new Status(
            422,
            "Invalid",
            "the server rejected our request due to an error in our request",
            Details.NONE),
        why);
  }
}
