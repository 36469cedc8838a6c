package dev.kedge.model;

/** A JSON number with a fraction or an exponent, or an integer too large for 64 bits. */
public record JsonDecimal(double value) implements JsonValue {
  @Override
  public String toString() {
    return Json.write(this);
  }
}
