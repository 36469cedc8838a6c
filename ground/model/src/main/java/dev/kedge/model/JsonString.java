package dev.kedge.model;

/** A JSON string. */
public record JsonString(String value) implements JsonValue {
  /** The empty string. */
  public static final JsonString EMPTY = new JsonString("");

  @Override
  public String toString() {
    return Json.write(this);
  }
}
