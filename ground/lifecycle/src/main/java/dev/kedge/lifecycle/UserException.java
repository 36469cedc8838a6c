package dev.kedge.lifecycle;

/**
 * Something the user must change before kedge can go on. The message is one sentence that says what
 * is wrong and what to do; it is printed without a stack trace.
 */
public final class UserException extends RuntimeException {
  public UserException(String message) {
    super(message);
  }

  public UserException(String message, Throwable cause) {
    super(message, cause);
  }
}
