package dev.kedge.apiserver;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.catchThrowableOfType;

import dev.kedge.http.Query;
import dev.kedge.model.ApiException;
import java.time.Duration;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

@Timeout(240)
class DeadlineStageTest {
  private final DeadlineStage stage =
      new DeadlineStage(Duration.ofMillis(1500), new Metrics(java.util.List.of()));

  private static Call call(String path, String query) {
    Call call = new Call(new FakeExchange("GET", path, Query.parse(query)));
    call.info(RequestInfo.of("GET", path, call.query()));
    return call;
  }

  private static void never(Call call) throws InterruptedException {
    new CountDownLatch(1).await();
  }

  @Test
  void endsWhatTakesTooLong() {
    for (String query : new String[] {"timeout=20ms", "", "timeout=0s", "timeout=1h"}) {
      ApiException refused =
          catchThrowableOfType(
              ApiException.class,
              () -> stage.handle(call("/api/v1/pods", query), DeadlineStageTest::never));
      assertThat(refused.code()).isEqualTo(504);
      assertThat(refused.status().reason()).isEqualTo("Timeout");
      assertThat(refused.getMessage())
          .isEqualTo("Timeout: request did not complete within the allotted timeout");
      assertThat(Thread.interrupted()).isFalse();
    }
  }

  @Test
  void leavesWatchesAlone() throws Exception {
    CountDownLatch inside = new CountDownLatch(1);
    Thread watch =
        Thread.ofVirtual()
            .start(
                () -> {
                  try {
                    stage.handle(
                        call("/api/v1/pods", "watch=true&timeout=1ms"),
                        _ -> {
                          inside.countDown();
                          new CountDownLatch(1).await();
                        });
                  } catch (Exception e) {
                    assertThat(e).isInstanceOf(InterruptedException.class);
                  }
                });
    inside.await();
    assertThat(watch.join(Duration.ofMillis(300))).isFalse();
    watch.interrupt();
    watch.join();
  }

  @Test
  void neverInterruptsAnAnswerThatHasBegun() throws Exception {
    Call call = call("/api/v1/pods", "timeout=30ms");
    stage.handle(
        call,
        answered -> {
          answered.stream(200, dev.kedge.http.Headers.NONE);
          assertThat(new CountDownLatch(1).await(300, TimeUnit.MILLISECONDS)).isFalse();
        });
    assertThat(call.status()).isEqualTo(200);
    assertThat(Thread.interrupted()).isFalse();
  }

  @Test
  void anInterruptNeverReachesTheThreadsNextWork() throws Exception {
    for (int i = 0; i < 3000; i++) {
      // Ends about when its time is up.
      try {
        stage.handle(
            call("/api/v1/pods", "timeout=1ms"),
            _ -> java.util.concurrent.locks.LockSupport.parkNanos(950_000));
      } catch (ApiException e) {
        assertThat(e.code()).isEqualTo(504);
      }
      assertThat(Thread.currentThread().isInterrupted()).isFalse();
    }
  }

  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      value = {
        "abc | time: invalid duration \"abc\"",
        "5 | time: missing unit in duration \"5\"",
        "1.5 | time: missing unit in duration \"1.5\"",
      })
  void refusesWhatIsNoTime(String text, String why) {
    ApiException refused =
        catchThrowableOfType(
            ApiException.class,
            () -> stage.handle(call("/api/v1/pods", "timeout=" + text), DeadlineStageTest::never));
    assertThat(refused.code()).isEqualTo(400);
    assertThat(refused.getMessage())
        .isEqualTo("invalid timeout specified in the request URL - " + why);
  }
}
