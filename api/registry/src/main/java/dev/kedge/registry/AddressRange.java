package dev.kedge.registry;

import java.util.Optional;

/**
 * A range of IPv4 addresses such as {@code 10.43.0.0/16}.
 *
 * @param first network address as an unsigned number
 * @param bits length of the prefix
 */
public record AddressRange(long first, int bits) {
  /**
   * Reads CIDR notation.
   *
   * @throws IllegalArgumentException with one clear sentence if it is none, or smaller than a /30
   */
  public static AddressRange parse(String cidr) {
    int slash = cidr.indexOf('/');
    Optional<Long> address = slash < 0 ? Optional.empty() : address(cidr.substring(0, slash));
    int bits = -1;
    try {
      bits = slash < 0 ? -1 : Integer.parseInt(cidr.substring(slash + 1));
    } catch (NumberFormatException e) {
      throw new IllegalArgumentException(
          "\"" + cidr + "\" is not an IPv4 CIDR such as 10.43.0.0/16", e);
    }
    if (address.isEmpty() || bits < 1 || bits > 30) {
      throw new IllegalArgumentException(
          "\"" + cidr + "\" is not an IPv4 CIDR such as 10.43.0.0/16");
    }
    long mask = ~((1L << 32 - bits) - 1) & 0xffff_ffffL;
    return new AddressRange(address.get() & mask, bits);
  }

  /** Reads CIDR notation; empty where {@link #parse} refuses it. */
  static Optional<AddressRange> find(String cidr) {
    try {
      return Optional.of(parse(cidr));
    } catch (IllegalArgumentException _) {
      return Optional.empty();
    }
  }

  /** An IPv4 address in dotted notation as a number; empty where the text is none. */
  public static Optional<Long> address(String text) {
    String[] parts = text.split("\\.", -1);
    if (parts.length != 4) {
      return Optional.empty();
    }
    long number = 0;
    for (String part : parts) {
      if (part.isEmpty()
          || part.length() > 3
          || !part.chars().allMatch(c -> c >= '0' && c <= '9')
          || part.length() > 1 && part.startsWith("0")
          || Integer.parseInt(part) > 255) {
        return Optional.empty();
      }
      number = number << 8 | Integer.parseInt(part);
    }
    return Optional.of(number);
  }

  /** The dotted notation of a number. */
  public static String text(long address) {
    return (address >> 24 & 255)
        + "."
        + (address >> 16 & 255)
        + "."
        + (address >> 8 & 255)
        + "."
        + (address & 255);
  }

  /** How many addresses may be given out: all but the network's own and the last. */
  public long usable() {
    return (1L << 32 - bits) - 2;
  }

  /** The n-th usable address, from 1. */
  public long usable(long n) {
    return first + n;
  }

  /** Whether an address may be given out. */
  public boolean contains(long address) {
    return address > first && address <= first + usable();
  }

  @Override
  public String toString() {
    return text(first) + "/" + bits;
  }
}
