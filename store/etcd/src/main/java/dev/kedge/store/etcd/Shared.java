package dev.kedge.store.etcd;

import dev.kedge.store.StoreException;
import java.util.Objects;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionException;
import java.util.function.LongSupplier;
import org.jspecify.annotations.Nullable;

/**
 * A question that many ask at once. An answer serves those who asked before the question was put;
 * who asks later shares the next one. Any thread.
 */
final class Shared {
  private final LongSupplier question;
  private @Nullable CompletableFuture<Long> running;
  private @Nullable CompletableFuture<Long> next;

  Shared(LongSupplier question) {
    this.question = question;
  }

  long get() {
    CompletableFuture<Long> mine;
    boolean ask = false;
    synchronized (this) {
      if (next == null) {
        next = new CompletableFuture<>();
        ask = true;
      }
      mine = next;
    }
    if (ask) {
      ask(mine);
    }
    try {
      return mine.join();
    } catch (CompletionException e) {
      // The trace of who waited, not only of who asked.
      Throwable cause = Objects.requireNonNullElse(e.getCause(), e);
      throw new StoreException(String.valueOf(cause.getMessage()), cause);
    }
  }

  private void ask(CompletableFuture<Long> mine) {
    CompletableFuture<Long> before;
    synchronized (this) {
      before = running;
    }
    if (before != null) {
      before.handle((_, _) -> true).join();
    }
    synchronized (this) {
      running = mine;
      next = null;
    }
    try {
      mine.complete(question.getAsLong());
    } catch (RuntimeException | Error e) {
      mine.completeExceptionally(e);
    }
  }
}
