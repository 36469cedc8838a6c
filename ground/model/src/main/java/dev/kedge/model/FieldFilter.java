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
    return part("", object);
  }

  private JsonObject part(String outer, JsonObject object) {
    JsonObject.Builder part = JsonObject.builder();
    for (int i = 0; i < object.size(); i++) {
      String name = object.nameAt(i);
      if (wants(outer, name)) {
        JsonValue value = object.valueAt(i);
        part.put(
            name, outer.isEmpty() && value instanceof JsonObject inner ? part(name, inner) : value);
      }
    }
    return part.build();
  }
}
