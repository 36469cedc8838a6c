package dev.kedge.store.sql;

import static java.time.Duration.ofMinutes;
import static org.assertj.core.api.Assertions.assertThat;
import static org.awaitility.Awaitility.await;

import dev.kedge.store.Store.Page;
import dev.kedge.store.StoreException;
import dev.kedge.store.Watches;
import java.util.ArrayList;
import java.util.List;
import java.util.Queue;
import java.util.concurrent.ConcurrentLinkedQueue;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.atomic.AtomicInteger;
import org.junit.jupiter.api.Test;

class FollowerTest {
  /** A database that is away: each question takes until it is let go, then fails. */
  private static final class Away implements Reads {
    final AtomicInteger questions = new AtomicInteger();
    final CountDownLatch asked = new CountDownLatch(1);
    final CountDownLatch letGo = new CountDownLatch(1);

    @Override
    public long current() {
      questions.incrementAndGet();
      asked.countDown();
      try {
        letGo.await();
      } catch (InterruptedException e) {
        Thread.currentThread().interrupt();
      }
      throw new StoreException("the database is away");
    }

    @Override
    public Last get(String key) {
      throw new AssertionError();
    }

    @Override
    public Page list(String prefix, long revision, String startKey, int limit) {
      throw new AssertionError();
    }

    @Override
    public Watches.Chunk history(String prefix, long after, long upTo) {
      throw new AssertionError();
    }

    @Override
    public void close() {}
  }

  @Test
  void callersThatWaitTogetherShareAFailureToo() throws Exception {
    Away away = new Away();
    Follower follower = new Follower(new Log(1, 1), away, null);
    Queue<String> told = new ConcurrentLinkedQueue<>();
    List<Thread> callers = new ArrayList<>();
    for (int i = 0; i < 20; i++) {
      callers.add(
          Thread.ofPlatform()
              .start(
                  () -> {
                    try {
                      follower.current();
                    } catch (StoreException e) {
                      told.add(String.valueOf(e.getMessage()));
                    }
                  }));
      // The first asks; only then come the others.
      away.asked.await();
    }
    await()
        .atMost(ofMinutes(1))
        .until(
            () -> callers.stream().allMatch(thread -> thread.getState() == Thread.State.WAITING));
    away.letGo.countDown();
    for (Thread caller : callers) {
      caller.join();
    }
    assertThat(told).hasSize(20).containsOnly("the database is away");
    assertThat(away.questions).hasValue(2);
  }
}
