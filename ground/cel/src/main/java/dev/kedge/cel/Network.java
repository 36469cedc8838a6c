package dev.kedge.cel;

import java.net.InetAddress;
import java.net.UnknownHostException;
import java.util.Arrays;
import java.util.Optional;
import org.jspecify.annotations.Nullable;

/** IP addresses and ranges in the strict forms that Kubernetes' libraries take. Stateless. */
final class Network {
  private Network() {}

  /** An address of four or sixteen bytes. */
  record Ip(byte[] bytes) {
    @Override
    public boolean equals(@Nullable Object other) {
      return other instanceof Ip that && Arrays.equals(bytes, that.bytes);
    }

    @Override
    public int hashCode() {
      return Arrays.hashCode(bytes);
    }

    boolean isV4() {
      return bytes.length == 4;
    }

    InetAddress address() {
      try {
        return InetAddress.getByAddress(bytes);
      } catch (UnknownHostException e) {
        throw new IllegalStateException("not four or sixteen bytes", e);
      }
    }

    /** The canonical form (RFC 5952). */
    @Override
    public String toString() {
      if (isV4()) {
        return address().getHostAddress();
      }
      int[] groups = new int[8];
      for (int i = 0; i < 8; i++) {
        groups[i] = (bytes[2 * i] & 0xff) << 8 | bytes[2 * i + 1] & 0xff;
      }
      int best = -1;
      int length = 1;
      for (int i = 0; i < 8; i++) {
        int end = i;
        while (end < 8 && groups[end] == 0) {
          end++;
        }
        if (end - i > length) {
          best = i;
          length = end - i;
        }
        i = Math.max(i, end - 1);
      }
      StringBuilder text = new StringBuilder();
      for (int i = 0; i < 8; i++) {
        if (i == best) {
          text.append("::");
          i += length - 1;
        } else {
          if (!text.isEmpty() && text.charAt(text.length() - 1) != ':') {
            text.append(':');
          }
          text.append(Integer.toHexString(groups[i]));
        }
      }
      return text.toString();
    }
  }

  /** A range of addresses. */
  record Cidr(Ip ip, int prefix) {
    Cidr masked() {
      byte[] masked = ip.bytes().clone();
      for (int i = 0; i < masked.length; i++) {
        int keep = Math.max(0, Math.min(8, prefix - 8 * i));
        masked[i] &= (byte) (0xff << (8 - keep));
      }
      return new Cidr(new Ip(masked), prefix);
    }

    boolean contains(Ip other) {
      return other.isV4() == ip.isV4()
          && new Cidr(other, prefix).masked().ip().equals(masked().ip());
    }

    boolean contains(Cidr other) {
      return other.ip().isV4() == ip.isV4()
          && other.prefix() >= prefix
          && contains(other.masked().ip());
    }

    @Override
    public String toString() {
      return ip + "/" + prefix;
    }
  }

  static Ip ip(String text) {
    return parse(text)
        .orElseThrow(
            () ->
                new CelException(
                    "IP Address \""
                        + text
                        + "\" parse error during conversion from string:"
                        + " ParseAddr(\""
                        + text
                        + "\"): unable to parse IP"));
  }

  static Optional<Ip> parse(String text) {
    if (text.matches("[0-9]{1,3}(\\.[0-9]{1,3}){3}")) {
      byte[] bytes = new byte[4];
      String[] parts = text.split("\\.");
      for (int i = 0; i < 4; i++) {
        int part = Integer.parseInt(parts[i]);
        if (part > 255 || parts[i].length() > 1 && parts[i].startsWith("0")) {
          return Optional.empty();
        }
        bytes[i] = (byte) part;
      }
      return Optional.of(new Ip(bytes));
    }
    // Letters, digits and colons only: never a name that would be looked up.
    if (!text.matches("[0-9a-fA-F:]{2,39}") || !text.contains(":")) {
      return Optional.empty();
    }
    try {
      byte[] bytes = InetAddress.getByName("[" + text + "]").getAddress();
      return bytes.length == 16 ? Optional.of(new Ip(bytes)) : Optional.empty();
    } catch (UnknownHostException _) {
      return Optional.empty();
    }
  }

  static Cidr cidr(String text) {
    return parseCidr(text)
        .orElseThrow(
            () ->
                new CelException(
                    "network address parse error during conversion from string:"
                        + " netip.ParsePrefix(\""
                        + text
                        + "\"): not a prefix"));
  }

  static Optional<Cidr> parseCidr(String text) {
    int slash = text.indexOf('/');
    if (slash < 0 || !text.substring(slash + 1).matches("0|[1-9][0-9]{0,2}")) {
      return Optional.empty();
    }
    int prefix = Integer.parseInt(text.substring(slash + 1));
    return parse(text.substring(0, slash))
        .filter(ip -> prefix <= ip.bytes().length * 8)
        .map(ip -> new Cidr(ip, prefix));
  }
}
