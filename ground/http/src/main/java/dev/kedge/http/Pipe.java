package dev.kedge.http;

import java.io.IOException;
import java.io.InputStream;
import java.io.InterruptedIOException;
import java.util.ArrayDeque;
import java.util.concurrent.locks.Condition;
import java.util.concurrent.locks.ReentrantLock;
import java.util.function.IntConsumer;
import org.jspecify.annotations.Nullable;

/**
 * Bytes from one thread to another, bounded: the writer waits while more than the capacity lies
 * unread. Once the reader has closed its end, what is written is dropped.
 */
final class Pipe extends InputStream {
  /** What keeping a chunk takes beside its bytes: many small ones count as well. */
  private static final int OVERHEAD = 32;

  private final int capacity;
  private final IntConsumer consumed;
  private final ReentrantLock lock = new ReentrantLock();
  private final Condition changed = lock.newCondition();
  private final ArrayDeque<byte[]> chunks = new ArrayDeque<>();
  private int position;
  private int waiting;
  private boolean ended;
  private boolean closed;
  private @Nullable IOException failure;

  Pipe(int capacity) {
    this(capacity, count -> {});
  }

  /** {@code consumed} hears how many bytes each read took. */
  Pipe(int capacity, IntConsumer consumed) {
    this.capacity = capacity;
    this.consumed = consumed;
  }

  /** Hands over bytes, which the caller does not touch again. */
  void put(byte[] chunk) throws IOException {
    if (chunk.length == 0) {
      return;
    }
    lock.lock();
    try {
      while (waiting + (long) OVERHEAD * chunks.size() > capacity && !closed && !ended) {
        await();
      }
      if (closed || ended) {
        return;
      }
      chunks.add(chunk);
      waiting += chunk.length;
      changed.signalAll();
    } finally {
      lock.unlock();
    }
  }

  /** The reader gets an end after what was written. */
  void end() {
    end(null);
  }

  /** The reader gets a failure after what was written; null for an orderly end. */
  void end(@Nullable IOException cause) {
    lock.lock();
    try {
      if (!ended) {
        ended = true;
        failure = cause;
        changed.signalAll();
      }
    } finally {
      lock.unlock();
    }
  }

  @Override
  public int read() throws IOException {
    byte[] one = new byte[1];
    return read(one, 0, 1) < 0 ? -1 : one[0] & 0xff;
  }

  @Override
  public int read(byte[] target, int offset, int length) throws IOException {
    if (length == 0) {
      return 0;
    }
    int count;
    lock.lock();
    try {
      byte[] first;
      while ((first = chunks.peek()) == null) {
        if (closed) {
          return -1;
        }
        if (ended) {
          if (failure != null) {
            throw failure;
          }
          return -1;
        }
        await();
      }
      count = Math.min(length, first.length - position);
      System.arraycopy(first, position, target, offset, count);
      position += count;
      if (position == first.length) {
        chunks.remove();
        position = 0;
      }
      waiting -= count;
      changed.signalAll();
    } finally {
      lock.unlock();
    }
    consumed.accept(count);
    return count;
  }

  @Override
  public int available() {
    lock.lock();
    try {
      return waiting;
    } finally {
      lock.unlock();
    }
  }

  @Override
  public void close() {
    lock.lock();
    try {
      closed = true;
      chunks.clear();
      position = 0;
      waiting = 0;
      changed.signalAll();
    } finally {
      lock.unlock();
    }
  }

  private void await() throws IOException {
    try {
      changed.await();
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
      throw new InterruptedIOException("interrupted");
    }
  }
}
