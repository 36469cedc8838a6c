package dev.kedge.cli;

import java.util.Optional;
import java.util.regex.Pattern;

/** A range of IPv4 addresses. */
record Cidr(int network, int bits) {
  private static final Pattern IPV4 =
      Pattern.compile("((25[0-5]|2[0-4]\\d|1?\\d?\\d)\\.){3}(25[0-5]|2[0-4]\\d|1?\\d?\\d)");

  static boolean isIpv4(String text) {
    return IPV4.matcher(text).matches();
  }

  static Optional<Cidr> parse(String text) {
    int slash = text.indexOf('/');
    if (slash < 0
        || !isIpv4(text.substring(0, slash))
        || !text.substring(slash + 1).matches("\\d{1,2}")) {
      return Optional.empty();
    }
    int bits = Integer.parseInt(text.substring(slash + 1));
    if (bits < 8 || bits > 30) {
      return Optional.empty();
    }
    return Optional.of(new Cidr(number(text.substring(0, slash)) & (-1 << (32 - bits)), bits));
  }

  boolean contains(String address) {
    return isIpv4(address) && (number(address) & (-1 << (32 - bits))) == network;
  }

  boolean overlaps(Cidr other) {
    int shared = -1 << (32 - Math.min(bits, other.bits));
    return (network & shared) == (other.network & shared);
  }

  /** The address at an offset from the range's first. */
  String address(int offset) {
    int address = network + offset;
    return "%d.%d.%d.%d"
        .formatted(address >>> 24, address >> 16 & 255, address >> 8 & 255, address & 255);
  }

  @Override
  public String toString() {
    return address(0) + "/" + bits;
  }

  private static int number(String address) {
    int number = 0;
    for (String part : address.split("\\.", -1)) {
      number = number << 8 | Integer.parseInt(part);
    }
    return number;
  }
}
