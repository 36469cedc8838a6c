package dev.kedge.model;

/** A JSON boolean. */
public enum JsonBoolean implements JsonValue {
  TRUE,
  FALSE;

  /** The constant for a Java boolean. */
  public static JsonBoolean of(boolean value) {
    return value ? TRUE : FALSE;
  }

  /** The Java boolean of this constant. */
  public boolean value() {
    return this == TRUE;
  }

  @Override
  public String toString() {
    return value() ? "true" : "false";
  }
}
