package dev.kedge.network.dns;

import java.net.InetAddress;

/** A network such as {@code 10.42.0.0/16}. */
record Cidr(InetAddress network, int bits) {
  static Cidr parse(String text) {
    int slash = text.indexOf('/');
    if (slash < 0) {
      throw new IllegalArgumentException("not a CIDR: " + text);
    }
    return new Cidr(
        InetAddress.ofLiteral(text.substring(0, slash)),
        Integer.parseInt(text.substring(slash + 1)));
  }

  boolean contains(InetAddress address) {
    byte[] mine = network.getAddress();
    byte[] other = address.getAddress();
    if (mine.length != other.length) {
      return false;
    }
    for (int i = 0; i < bits; i++) {
      int mask = 0x80 >> (i & 7);
      if ((mine[i >> 3] & mask) != (other[i >> 3] & mask)) {
        return false;
      }
    }
    return true;
  }
}
