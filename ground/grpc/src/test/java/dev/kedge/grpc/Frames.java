package dev.kedge.grpc;

import java.nio.ByteBuffer;

/** Frames of HTTP/2, as a peer of the tests sends them. */
final class Frames {
  private Frames() {}

  /** A frame by RFC 9113 section 4.1. */
  static byte[] of(int type, int flags, int stream, byte[] payload) {
    return ByteBuffer.allocate(9 + payload.length)
        .put((byte) (payload.length >> 16))
        .putShort((short) payload.length)
        .put((byte) type)
        .put((byte) flags)
        .putInt(stream)
        .put(payload)
        .array();
  }
}
