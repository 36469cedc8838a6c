package dev.kedge.http;

/** A request that HTTP itself does not allow; answered with 400. */
final class MalformedRequestException extends RuntimeException {
  MalformedRequestException(String message, Throwable cause) {
    super(message, cause);
  }
}
