package dev.kedge.cel;

/** A value of type uint; the bits are those of the long. */
record UnsignedInt(long bits) {
  @Override
  public String toString() {
    return Long.toUnsignedString(bits);
  }
}
