package dev.kedge.network.dns;

import java.net.InetAddress;
import java.util.Optional;
import org.xbill.DNS.Name;
import org.xbill.DNS.ReverseMap;

/** Addresses in texts and names; never asks any DNS. */
final class Reverse {
  private Reverse() {}

  /** The address that a name under {@code in-addr.arpa} or {@code ip6.arpa} stands for. */
  static Optional<InetAddress> address(Name name) {
    String text = name.toString(true).toLowerCase(java.util.Locale.ROOT);
    boolean four = text.endsWith(".in-addr.arpa") && name.labels() == 7;
    boolean six = text.endsWith(".ip6.arpa") && name.labels() == 35;
    if (!four && !six) {
      return Optional.empty();
    }
    try {
      return Optional.of(ReverseMap.fromName(name));
    } catch (java.net.UnknownHostException e) {
      return Optional.empty();
    }
  }

  /** The address that a text like {@code 10.42.0.5} or {@code fd00::1} writes. */
  static Optional<InetAddress> literal(String text) {
    if (text.isEmpty()
        || !text.chars().allMatch(c -> ".:".indexOf(c) >= 0 || Character.digit(c, 16) >= 0)) {
      return Optional.empty();
    }
    try {
      return Optional.of(InetAddress.ofLiteral(text));
    } catch (IllegalArgumentException e) {
      return Optional.empty();
    }
  }

  /** The address in a pod's name: dashes for dots or colons. */
  static Optional<InetAddress> dashed(String label) {
    long dashes = label.chars().filter(c -> c == '-').count();
    Optional<InetAddress> four =
        dashes == 3
            ? literal(label.replace('-', '.')).filter(a -> a.getAddress().length == 4)
            : Optional.empty();
    return four.isPresent()
        ? four
        : literal(label.replace('-', ':')).filter(a -> a.getAddress().length == 16);
  }
}
