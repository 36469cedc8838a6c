package dev.kedge.http;

import java.io.IOException;

/** A request's body is longer than its handler allows: answer 413. */
public final class BodyTooLargeException extends IOException {
  private final int maxBytes;

  public BodyTooLargeException(int maxBytes) {
    super("request body is larger than " + maxBytes + " bytes");
    this.maxBytes = maxBytes;
  }

  /** The limit, in bytes. */
  public int maxBytes() {
    return maxBytes;
  }
}
