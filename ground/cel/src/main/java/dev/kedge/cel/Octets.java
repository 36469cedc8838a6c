package dev.kedge.cel;

import java.util.Arrays;
import org.jspecify.annotations.Nullable;

/** A value of type bytes. Immutable: nobody changes the array. */
record Octets(byte[] bytes) implements Comparable<Octets> {
  @Override
  public boolean equals(@Nullable Object other) {
    return other instanceof Octets that && Arrays.equals(bytes, that.bytes);
  }

  @Override
  public int hashCode() {
    return Arrays.hashCode(bytes);
  }

  @Override
  public int compareTo(Octets other) {
    return Arrays.compareUnsigned(bytes, other.bytes);
  }
}
