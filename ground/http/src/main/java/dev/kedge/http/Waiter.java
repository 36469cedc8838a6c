package dev.kedge.http;

import java.io.IOException;
import java.io.InterruptedIOException;
import java.util.concurrent.locks.LockSupport;
import org.eclipse.jetty.util.Callback;
import org.jspecify.annotations.Nullable;

/** Turns one callback of the library into a blocking call of the thread that made it. */
final class Waiter implements Callback {
  private final Thread thread = Thread.currentThread();
  private volatile boolean done;
  private @Nullable Throwable failure;

  @Override
  public void succeeded() {
    done = true;
    LockSupport.unpark(thread);
  }

  @Override
  public void failed(Throwable x) {
    failure = x;
    done = true;
    LockSupport.unpark(thread);
  }

  @Override
  public InvocationType getInvocationType() {
    return InvocationType.NON_BLOCKING;
  }

  void await() throws IOException {
    while (!done) {
      LockSupport.park(this);
      if (!done && Thread.interrupted()) {
        thread.interrupt();
        throw new InterruptedIOException("interrupted");
      }
    }
    if (failure != null) {
      // Always a new one: the library fails all that follows with the same, and who suppresses a
      // close's failure under a write's must not meet one that suppresses itself.
      throw new IOException(failure.toString(), failure);
    }
  }
}
