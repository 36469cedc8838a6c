package dev.kedge.reconcile;

import dev.kedge.model.ObjectKey;
import java.time.Duration;

/**
 * Brings the world one step closer to what one object says. Level-based: the key is all it is told,
 * everything else it reads. Called on a virtual thread, never twice at once for one key.
 */
@FunctionalInterface
public interface Reconciler {
  /**
   * Reconciles the object of a key, which may be gone by now.
   *
   * <p>Any exception counts as a failure: the key comes again after a growing pause.
   *
   * @throws InterruptedException when the process stops
   */
  Result reconcile(ObjectKey key) throws InterruptedException;

  /** What is to happen with the key. */
  sealed interface Result {
    /** Nothing until something changes. */
    Result DONE = new Done();

    /** Comes again after a time, changed or not. */
    static Result again(Duration after) {
      return new Again(after);
    }

    /** Nothing until something changes. */
    record Done() implements Result {}

    /** Comes again after a time. */
    record Again(Duration after) implements Result {}

    /** The one of two results that comes again sooner. */
    default Result sooner(Result other) {
      return switch (this) {
        case Done _ -> other;
        case Again(Duration mine) ->
            switch (other) {
              case Done _ -> this;
              case Again(Duration its) -> its.compareTo(mine) < 0 ? other : this;
            };
      };
    }
  }
}
