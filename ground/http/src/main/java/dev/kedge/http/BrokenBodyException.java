package dev.kedge.http;

import java.io.IOException;

/** A request's body ended before its time, or broke the protocol, or came too slowly. */
public final class BrokenBodyException extends IOException {
  BrokenBodyException(String message, Throwable cause) {
    super(message, cause);
  }
}
