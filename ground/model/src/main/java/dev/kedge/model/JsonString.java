package dev.kedge.model;

/** A JSON string. */
public record JsonString(String value) implements JsonValue, Comparable<JsonString> {
  /** The empty string. */
  public static final JsonString EMPTY = new JsonString("");

  @Override
  public String toString() {
    return Json.write(this);
  }

  /** So that maps bear texts of the same hash. */
  @Override
  public int compareTo(JsonString other) {
    return value.compareTo(other.value);
  }
}
