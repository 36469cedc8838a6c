package dev.kedge.reconcile;

import static org.assertj.core.api.Assertions.assertThat;

import dev.kedge.model.ObjectKey;
import dev.kedge.reconcile.Reconciler.Result;
import java.time.Duration;
import java.util.List;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.Semaphore;
import java.util.concurrent.atomic.AtomicInteger;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

@Timeout(240)
class ControllerTest {
  private static final ObjectKey KEY = new ObjectKey("default", "a");
  private final ManualTimeline timeline = new ManualTimeline();

  @Test
  void aKeyAddedOftenBeforeItRunsRunsOnce() throws InterruptedException {
    List<ObjectKey> runs = new CopyOnWriteArrayList<>();
    try (Controller controller = controller(key -> done(runs, key))) {
      controller.add(KEY);
      controller.add(KEY);
      controller.add(new ObjectKey("default", "b"));
      controller.start();
      controller.awaitIdle();
      assertThat(runs).containsExactlyInAnyOrder(KEY, new ObjectKey("default", "b"));
    }
  }

  @Test
  void aKeyAddedWhileItRunsRunsOnceMoreAndNeverTwiceAtOnce() throws InterruptedException {
    CountDownLatch entered = new CountDownLatch(1);
    Semaphore leave = new Semaphore(0);
    AtomicInteger inside = new AtomicInteger();
    AtomicInteger most = new AtomicInteger();
    AtomicInteger runs = new AtomicInteger();
    try (Controller controller =
        controller(
            _ -> {
              most.accumulateAndGet(inside.incrementAndGet(), Math::max);
              runs.incrementAndGet();
              entered.countDown();
              leave.acquire();
              inside.decrementAndGet();
              return Result.DONE;
            })) {
      controller.start();
      controller.add(KEY);
      entered.await();
      controller.add(KEY);
      controller.add(KEY);
      leave.release(10);
      controller.awaitIdle();
      assertThat(runs).hasValue(2);
      assertThat(most).hasValue(1);
    }
  }

  @Test
  void noMoreKeysRunAtOnceThanAllowed() throws InterruptedException {
    Semaphore leave = new Semaphore(0);
    AtomicInteger inside = new AtomicInteger();
    AtomicInteger most = new AtomicInteger();
    AtomicInteger runs = new AtomicInteger();
    CountDownLatch three = new CountDownLatch(3);
    try (Controller controller =
        Controller.builder(
                "test",
                timeline,
                _ -> {
                  most.accumulateAndGet(inside.incrementAndGet(), Math::max);
                  three.countDown();
                  leave.acquire();
                  inside.decrementAndGet();
                  runs.incrementAndGet();
                  return Result.DONE;
                })
            .workers(3)
            .build()) {
      controller.start();
      for (int i = 0; i < 10; i++) {
        controller.add(new ObjectKey("default", "key-" + i));
      }
      three.await();
      leave.release(10);
      controller.awaitIdle();
      assertThat(runs).hasValue(10);
      assertThat(most).hasValue(3);
    }
  }

  @Test
  void failuresComeAgainAfterGrowingPausesUntilOneSucceeds() throws InterruptedException {
    AtomicInteger runs = new AtomicInteger();
    try (Controller controller =
        controller(
            _ -> {
              if (runs.incrementAndGet() <= 3) {
                throw new IllegalStateException("not yet");
              }
              return Result.DONE;
            })) {
      controller.start();
      controller.add(KEY);
      for (long pause : List.of(5L, 10L, 20L)) {
        controller.awaitIdle();
        assertThat(timeline.waits()).containsExactly(Duration.ofMillis(pause));
        timeline.advance(Duration.ofMillis(pause));
      }
      controller.awaitIdle();
      assertThat(runs).hasValue(4);
      assertThat(timeline.waits()).isEmpty();
    }
  }

  @Test
  void againComesAfterItsTimeAndASoonerWishWins() throws InterruptedException {
    AtomicInteger runs = new AtomicInteger();
    try (Controller controller =
        controller(
            _ -> runs.incrementAndGet() == 1 ? Result.again(Duration.ofHours(1)) : Result.DONE)) {
      controller.start();
      controller.add(KEY);
      controller.awaitIdle();
      controller.addAfter(KEY, Duration.ofHours(2));
      assertThat(timeline.waits()).containsExactly(Duration.ofHours(1));
      controller.addAfter(KEY, Duration.ofMinutes(1));
      assertThat(timeline.waits()).containsExactly(Duration.ofMinutes(1));
      timeline.advance(Duration.ofMinutes(1));
      controller.awaitIdle();
      assertThat(runs).hasValue(2);
    }
  }

  @Test
  void closingInterruptsWhatRuns() throws InterruptedException {
    CountDownLatch entered = new CountDownLatch(1);
    CountDownLatch interrupted = new CountDownLatch(1);
    Controller controller =
        controller(
            _ -> {
              entered.countDown();
              try {
                new CountDownLatch(1).await();
              } catch (InterruptedException e) {
                interrupted.countDown();
                throw e;
              }
              return Result.DONE;
            });
    controller.start();
    controller.add(KEY);
    entered.await();
    controller.close();
    assertThat(interrupted.getCount()).isZero();
  }

  private Controller controller(Reconciler reconciler) {
    return Controller.builder("test", timeline, reconciler).build();
  }

  private static Result done(List<ObjectKey> runs, ObjectKey key) {
    runs.add(key);
    return Result.DONE;
  }
}
