package dev.kedge.client;

import dev.kedge.model.KubeObject;
import java.util.Optional;

/** A running watch. One reader thread; {@link #close} from any thread ends it. */
public interface ObjectWatch extends AutoCloseable {
  /**
   * Waits for the next event.
   *
   * @return empty when the server ended the watch in order; open a new one from the last version
   * @throws dev.kedge.model.ApiException if the server reports an error, 410 when history is gone
   * @throws java.io.UncheckedIOException if the connection broke
   */
  Optional<Event> next() throws InterruptedException;

  @Override
  void close();

  /** What happened to an object. */
  enum EventType {
    ADDED,
    MODIFIED,
    DELETED,
    /** Nothing happened; the object carries only a resource version to go on from. */
    BOOKMARK
  }

  /** One event. */
  record Event(EventType type, KubeObject object) {}
}
