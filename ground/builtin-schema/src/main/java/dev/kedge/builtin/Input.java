package dev.kedge.builtin;

import java.io.IOException;
import java.io.InputStream;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;

/** Reads the generated resources: varints and texts, as {@code Output} of the generator wrote. */
final class Input {
  private final byte[] bytes;
  private int position;

  Input(byte[] bytes, int position) {
    this.bytes = bytes;
    this.position = position;
  }

  /** A resource of this package, checked by its magic; the reader stands behind it. */
  static byte[] resource(String name, String magic) {
    try (InputStream in = Input.class.getResourceAsStream(name)) {
      if (in == null) {
        throw new IllegalStateException("resource " + name + " is missing from the build");
      }
      byte[] bytes = in.readAllBytes();
      if (!new String(bytes, 0, magic.length(), StandardCharsets.UTF_8).equals(magic)) {
        throw new IllegalStateException("resource " + name + " has another format than expected");
      }
      return bytes;
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }

  byte[] bytes() {
    return bytes;
  }

  int position() {
    return position;
  }

  int number() {
    int value = 0;
    for (int shift = 0; ; shift += 7) {
      int next = bytes[position++];
      value |= (next & 0x7f) << shift;
      if (next >= 0) {
        return value;
      }
    }
  }

  String text() {
    int length = number();
    String text = new String(bytes, position, length, StandardCharsets.UTF_8);
    position += length;
    return text;
  }
}
