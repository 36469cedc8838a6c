package dev.kedge.identity;

import java.nio.charset.Charset;
import java.nio.charset.StandardCharsets;
import java.security.cert.X509Certificate;
import java.util.LinkedHashSet;
import java.util.Set;

/**
 * Who a client certificate stands for.
 *
 * @param user the last common name
 * @param groups the organisations, in order
 */
record Subject(String user, Set<String> groups) {
  private static final int SEQUENCE = 0x30;
  private static final int OBJECT_IDENTIFIER = 0x06;
  private static final int BMP_STRING = 0x1e;

  /**
   * Reads a certificate's subject, whose DER form the JDK has checked: Name is a sequence of sets
   * of sequences of a type and a value. Done here because the JDK gives names as escaped text only.
   */
  static Subject of(X509Certificate certificate) {
    Reader reader = new Reader(certificate.getSubjectX500Principal().getEncoded());
    String[] user = {""};
    Set<String> groups = new LinkedHashSet<>();
    Reader names = reader.inside(SEQUENCE);
    while (names.more()) {
      Reader set = names.inside(0x31);
      while (set.more()) {
        Reader attribute = set.inside(SEQUENCE);
        byte[] type = attribute.content(OBJECT_IDENTIFIER);
        int tag = attribute.tag();
        byte[] value = attribute.content(tag);
        // 2.5.4.3 is the common name, 2.5.4.10 the organisation.
        if (type.length == 3 && type[0] == 0x55 && type[1] == 0x04) {
          Charset charset = tag == BMP_STRING ? StandardCharsets.UTF_16BE : StandardCharsets.UTF_8;
          if (type[2] == 3) {
            user[0] = new String(value, charset);
          } else if (type[2] == 10) {
            groups.add(new String(value, charset));
          }
        }
      }
    }
    return new Subject(user[0], groups);
  }

  private static final class Reader {
    private final byte[] bytes;
    private int at;

    Reader(byte[] bytes) {
      this.bytes = bytes;
    }

    boolean more() {
      return at < bytes.length;
    }

    int tag() {
      return bytes[at] & 0xff;
    }

    Reader inside(int tag) {
      return new Reader(content(tag));
    }

    byte[] content(int tag) {
      if (!more() || tag() != tag) {
        throw new IllegalArgumentException("not a distinguished name");
      }
      int length = bytes[at + 1] & 0xff;
      int start = at + 2;
      if (length >= 0x80) {
        int count = length & 0x7f;
        length = 0;
        for (int i = 0; i < count; i++) {
          length = length << 8 | bytes[start++] & 0xff;
        }
      }
      byte[] content = java.util.Arrays.copyOfRange(bytes, start, start + length);
      at = start + length;
      return content;
    }
  }
}
