package dev.kedge.grpc;

import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Deque;
import java.util.Iterator;
import java.util.List;

/**
 * Header compression of HTTP/2 (RFC 7541). Headers are written as literals that touch no table;
 * everything a peer may send is read: static and dynamic table, Huffman-coded strings.
 */
final class Hpack {
  record Header(String name, String value) {
    int size() {
      return name.length() + value.length() + 32;
    }
  }

  private static final Header[] STATIC = {
    h(":authority", ""),
    h(":method", "GET"),
    h(":method", "POST"),
    h(":path", "/"),
    h(":path", "/index.html"),
    h(":scheme", "http"),
    h(":scheme", "https"),
    h(":status", "200"),
    h(":status", "204"),
    h(":status", "206"),
    h(":status", "304"),
    h(":status", "400"),
    h(":status", "404"),
    h(":status", "500"),
    h("accept-charset", ""),
    h("accept-encoding", "gzip, deflate"),
    h("accept-language", ""),
    h("accept-ranges", ""),
    h("accept", ""),
    h("access-control-allow-origin", ""),
    h("age", ""),
    h("allow", ""),
    h("authorization", ""),
    h("cache-control", ""),
    h("content-disposition", ""),
    h("content-encoding", ""),
    h("content-language", ""),
    h("content-length", ""),
    h("content-location", ""),
    h("content-range", ""),
    h("content-type", ""),
    h("cookie", ""),
    h("date", ""),
    h("etag", ""),
    h("expect", ""),
    h("expires", ""),
    h("from", ""),
    h("host", ""),
    h("if-match", ""),
    h("if-modified-since", ""),
    h("if-none-match", ""),
    h("if-range", ""),
    h("if-unmodified-since", ""),
    h("last-modified", ""),
    h("link", ""),
    h("location", ""),
    h("max-forwards", ""),
    h("proxy-authenticate", ""),
    h("proxy-authorization", ""),
    h("range", ""),
    h("referer", ""),
    h("refresh", ""),
    h("retry-after", ""),
    h("server", ""),
    h("set-cookie", ""),
    h("strict-transport-security", ""),
    h("transfer-encoding", ""),
    h("user-agent", ""),
    h("vary", ""),
    h("via", ""),
    h("www-authenticate", "")
  };

  private static Header h(String name, String value) {
    return new Header(name, value);
  }

  private Hpack() {}

  /** Encodes headers as literals without indexing and without Huffman coding. */
  static byte[] encode(List<Header> headers) {
    ByteArrayOutputStream out = new ByteArrayOutputStream(256);
    for (Header header : headers) {
      out.write(0);
      string(out, header.name());
      string(out, header.value());
    }
    return out.toByteArray();
  }

  private static void string(ByteArrayOutputStream out, String text) {
    byte[] bytes = text.getBytes(StandardCharsets.UTF_8);
    int length = bytes.length;
    if (length < 127) {
      out.write(length);
    } else {
      out.write(127);
      length -= 127;
      while (length >= 128) {
        out.write(length & 0x7f | 0x80);
        length >>>= 7;
      }
      out.write(length);
    }
    out.writeBytes(bytes);
  }

  /** The reading side of one connection; used by its reader thread only. */
  static final class Decoder {
    private final Deque<Header> dynamic = new ArrayDeque<>();
    private final int limit;
    private int capacity;
    private int used;

    Decoder(int limit) {
      this.limit = limit;
      this.capacity = limit;
    }

    List<Header> decode(byte[] block) throws IOException {
      List<Header> headers = new ArrayList<>();
      Input in = new Input(block);
      while (in.position < block.length) {
        int first = block[in.position] & 0xff;
        if ((first & 0x80) != 0) {
          headers.add(lookup(in.integer(7)));
        } else if ((first & 0xc0) == 0x40) {
          Header header = literal(in, 6);
          headers.add(header);
          insert(header);
        } else if ((first & 0xe0) == 0x20) {
          capacity = in.integer(5);
          if (capacity > limit) {
            throw new IOException("HPACK table size update beyond the limit");
          }
          evict();
        } else {
          headers.add(literal(in, 4));
        }
      }
      return headers;
    }

    private Header literal(Input in, int prefix) throws IOException {
      int index = in.integer(prefix);
      String name = index == 0 ? in.string() : lookup(index).name();
      return new Header(name, in.string());
    }

    private Header lookup(int index) throws IOException {
      if (index >= 1 && index <= STATIC.length) {
        return STATIC[index - 1];
      }
      int position = index - STATIC.length - 1;
      if (position < 0 || position >= dynamic.size()) {
        throw new IOException("HPACK index " + index + " is outside the table");
      }
      Iterator<Header> entries = dynamic.iterator();
      for (int i = 0; i < position; i++) {
        entries.next();
      }
      return entries.next();
    }

    private void insert(Header header) {
      dynamic.addFirst(header);
      used += header.size();
      evict();
    }

    private void evict() {
      while (used > capacity) {
        used -= dynamic.removeLast().size();
      }
    }
  }

  private static final class Input {
    private final byte[] block;
    private int position;

    Input(byte[] block) {
      this.block = block;
    }

    int integer(int prefix) throws IOException {
      int mask = (1 << prefix) - 1;
      int value = next() & mask;
      if (value < mask) {
        return value;
      }
      for (int shift = 0; shift < 28; shift += 7) {
        int b = next();
        value += (b & 0x7f) << shift;
        if ((b & 0x80) == 0) {
          return value;
        }
      }
      throw new IOException("HPACK integer too long");
    }

    String string() throws IOException {
      if (position >= block.length) {
        throw new IOException("HPACK block ends early");
      }
      boolean coded = (block[position] & 0x80) != 0;
      int length = integer(7);
      if (length > block.length - position) {
        throw new IOException("HPACK block ends early");
      }
      byte[] bytes = Arrays.copyOfRange(block, position, position + length);
      position += length;
      return new String(coded ? Huffman.decode(bytes) : bytes, StandardCharsets.UTF_8);
    }

    private int next() throws IOException {
      if (position >= block.length) {
        throw new IOException("HPACK block ends early");
      }
      return block[position++] & 0xff;
    }
  }

  /**
   * The code of RFC 7541, appendix B. It is canonical (codes of one length ascend with the symbol),
   * so the lengths alone define it.
   */
  static final class Huffman {
    private static final int EOS = 256;
    private static final byte[] LENGTHS = lengths();
    // Per length: the first code, the number of codes, and where its symbols start.
    private static final int[] FIRST = new int[31];
    private static final int[] COUNT = new int[31];
    private static final int[] START = new int[31];
    private static final int[] SYMBOLS = new int[257];

    static {
      for (byte length : LENGTHS) {
        COUNT[length]++;
      }
      int code = 0;
      int start = 0;
      for (int length = 1; length <= 30; length++) {
        code <<= 1;
        FIRST[length] = code;
        START[length] = start;
        code += COUNT[length];
        start += COUNT[length];
      }
      int[] next = START.clone();
      for (int symbol = 0; symbol <= EOS; symbol++) {
        SYMBOLS[next[LENGTHS[symbol]]++] = symbol;
      }
      if (code != 1 << 30) {
        throw new ExceptionInInitializerError("the Huffman code is not complete");
      }
    }

    private static byte[] lengths() {
      byte[] lengths = new byte[257];
      Arrays.fill(lengths, (byte) 28);
      set(lengths, 5, "012aceiost");
      set(lengths, 6, " %-./3456789=A_bdfghlmnpru");
      set(lengths, 7, ":BCDEFGHIJKLMNOPQRSTUVWYjkqvwxyz");
      set(lengths, 8, "&*,;XZ");
      set(lengths, 10, "!\"()?");
      set(lengths, 11, "'+|");
      set(lengths, 12, "#>");
      set(lengths, 13, "\0$@[]~");
      set(lengths, 14, "^}");
      set(lengths, 15, "<`{");
      set(lengths, 19, 92, 195, 208);
      set(lengths, 20, 128, 130, 131, 162, 184, 194, 224, 226);
      set(lengths, 21, 153, 161, 167, 172, 176, 177, 179, 209, 216, 217, 227, 229, 230);
      set(
          lengths, 22, 129, 132, 133, 134, 136, 146, 154, 156, 160, 163, 164, 169, 170, 173, 178,
          181, 185, 186, 187, 189, 190, 196, 198, 228, 232, 233);
      set(
          lengths, 23, 1, 135, 137, 138, 139, 140, 141, 143, 147, 149, 150, 151, 152, 155, 157, 158,
          165, 166, 168, 174, 175, 180, 182, 183, 188, 191, 197, 231, 239);
      set(lengths, 24, 9, 142, 144, 145, 148, 159, 171, 206, 215, 225, 236, 237);
      set(lengths, 25, 199, 207, 234, 235);
      set(lengths, 26, 192, 193, 200, 201, 202, 205, 210, 213, 218, 219, 238, 240, 242, 243, 255);
      set(
          lengths, 27, 203, 204, 211, 212, 214, 221, 222, 223, 241, 244, 245, 246, 247, 248, 250,
          251, 252, 253, 254);
      set(lengths, 30, 10, 13, 22, EOS);
      return lengths;
    }

    private static void set(byte[] lengths, int length, String symbols) {
      symbols.chars().forEach(symbol -> lengths[symbol] = (byte) length);
    }

    private static void set(byte[] lengths, int length, int... symbols) {
      for (int symbol : symbols) {
        lengths[symbol] = (byte) length;
      }
    }

    private Huffman() {}

    static byte[] decode(byte[] coded) throws IOException {
      ByteArrayOutputStream out = new ByteArrayOutputStream(coded.length * 2);
      int code = 0;
      int length = 0;
      for (byte b : coded) {
        for (int bit = 7; bit >= 0; bit--) {
          code = code << 1 | b >> bit & 1;
          length++;
          if (length > 30) {
            throw new IOException("HPACK string is not Huffman-coded");
          }
          int offset = code - FIRST[length];
          if (offset >= 0 && offset < COUNT[length]) {
            int symbol = SYMBOLS[START[length] + offset];
            if (symbol == EOS) {
              throw new IOException("HPACK string holds the end symbol");
            }
            out.write(symbol);
            code = 0;
            length = 0;
          }
        }
      }
      // What is left must be padding: fewer than eight bits, all ones.
      if (length > 7 || code != (1 << length) - 1) {
        throw new IOException("HPACK string ends in bad padding");
      }
      return out.toByteArray();
    }
  }
}
