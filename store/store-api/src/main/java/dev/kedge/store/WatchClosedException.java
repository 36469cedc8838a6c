package dev.kedge.store;

/** A watch was read after it or its store had been closed. */
public final class WatchClosedException extends StoreException {
  public WatchClosedException() {
    super("watch closed");
  }
}
