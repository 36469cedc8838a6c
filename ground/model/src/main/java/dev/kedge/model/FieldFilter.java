package dev.kedge.model;

/**
 * Which fields of an object somebody wants: those of the document itself, and those one level
 * below. What is not wanted is skipped when the text is read, which costs little, and takes no
 * memory. Pure.
 */
@FunctionalInterface
public interface FieldFilter {
  /**
   * Whether a field is wanted.
   *
   * @param outer the outermost field that it stands in, such as {@code metadata}; empty where it is
   *     an outermost field itself
   */
  boolean wants(String outer, String name);

  /** The wanted part of an object. */
  default JsonObject of(JsonObject object) {
    JsonObject part = JsonObject.EMPTY;
    for (int i = 0; i < object.size(); i++) {
      String name = object.nameAt(i);
      if (wants("", name)) {
        JsonValue value = object.valueAt(i);
        part = part.with(name, value instanceof JsonObject inner ? inside(name, inner) : value);
      }
    }
    return part;
  }

  private JsonObject inside(String outer, JsonObject object) {
    JsonObject part = object;
    for (int i = 0; i < object.size(); i++) {
      if (!wants(outer, object.nameAt(i))) {
        part = part.without(object.nameAt(i));
      }
    }
    return part;
  }
}
