package dev.kedge.store;

import org.jspecify.annotations.Nullable;

/** The engine failed or cannot be reached; whether a write took place may be unknown. */
public class StoreException extends RuntimeException {
  public StoreException(String message, @Nullable Throwable cause) {
    super(message, cause);
  }

  public StoreException(String message) {
    super(message);
  }
}
