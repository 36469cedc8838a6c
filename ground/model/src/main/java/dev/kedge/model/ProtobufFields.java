package dev.kedge.model;

import java.io.ByteArrayOutputStream;
import java.nio.charset.StandardCharsets;

/**
 * Fields of protobuf messages as they are written, whatever their value: who leaves defaults out
 * does not call.
 */
public final class ProtobufFields {
  static final int VARINT = 0;
  static final int FIXED64 = 1;
  static final int BYTES = 2;

  private ProtobufFields() {}

  /** A number or a truth. */
  public static void varint(ByteArrayOutputStream out, int number, long value) {
    tag(out, number, VARINT);
    raw(out, value);
  }

  /** A double. */
  public static void real(ByteArrayOutputStream out, int number, double value) {
    tag(out, number, FIXED64);
    long bits = Double.doubleToLongBits(value);
    for (int i = 0; i < 8; i++) {
      out.write((int) (bits >>> (8 * i)));
    }
  }

  /** A string. */
  public static void text(ByteArrayOutputStream out, int number, String text) {
    bytes(out, number, text.getBytes(StandardCharsets.UTF_8));
  }

  /** Bytes, or a message. */
  public static void bytes(ByteArrayOutputStream out, int number, byte[] bytes) {
    tag(out, number, BYTES);
    raw(out, bytes.length);
    out.writeBytes(bytes);
  }

  private static void tag(ByteArrayOutputStream out, int number, int wireType) {
    raw(out, (long) number << 3 | wireType);
  }

  private static void raw(ByteArrayOutputStream out, long value) {
    long rest = value;
    while ((rest & ~0x7fL) != 0) {
      out.write((int) (rest & 0x7f | 0x80));
      rest >>>= 7;
    }
    out.write((int) rest);
  }
}
