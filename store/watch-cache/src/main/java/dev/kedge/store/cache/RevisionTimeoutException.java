package dev.kedge.store.cache;

/** A revision was asked for that the cache did not reach in time ("Too large resource version"). */
public final class RevisionTimeoutException extends RuntimeException {
  private final long asked;
  private final long current;

  public RevisionTimeoutException(long asked, long current) {
    super("Too large resource version: " + asked + ", current: " + current);
    this.asked = asked;
    this.current = current;
  }

  public long asked() {
    return asked;
  }

  public long current() {
    return current;
  }
}
