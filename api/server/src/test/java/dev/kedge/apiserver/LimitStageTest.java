package dev.kedge.apiserver;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.catchThrowableOfType;

import dev.kedge.http.Query;
import dev.kedge.identity.User;
import dev.kedge.model.ApiException;
import java.time.Duration;
import java.util.List;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.Test;

class LimitStageTest {
  private final LimitStage stage =
      new LimitStage(
          new ApiServer.Settings(
              "v1", "x", 1, 1, Duration.ofMillis(50), Duration.ofMinutes(1), Duration.ofMinutes(1)),
          new Metrics(List.of()));

  @Test
  void tellsWhoWaitsTooLongToComeAgain() throws Exception {
    CountDownLatch inside = new CountDownLatch(1);
    CountDownLatch leave = new CountDownLatch(1);
    Thread holder =
        Thread.ofVirtual()
            .start(
                () -> {
                  try {
                    stage.handle(
                        call("GET", "/api/v1/pods", User.of("a")),
                        _ -> {
                          inside.countDown();
                          leave.await();
                        });
                  } catch (Exception e) {
                    throw new IllegalStateException(e);
                  }
                });
    assertThat(inside.await(60, TimeUnit.SECONDS)).isTrue();
    ApiException refused =
        catchThrowableOfType(
            ApiException.class,
            () -> stage.handle(call("GET", "/api/v1/pods", User.of("b")), LimitStageTest::pass));
    assertThat(refused.code()).isEqualTo(429);
    assertThat(refused.status().details().retryAfterSeconds()).isEqualTo(1);
    // Neither writes, nor watches, nor administrators wait for reads.
    stage.handle(call("POST", "/api/v1/namespaces/x/pods", User.of("b")), LimitStageTest::pass);
    stage.handle(call("GET", "/api/v1/watch/pods", User.of("b")), LimitStageTest::pass);
    stage.handle(call("GET", "/api/v1/pods", User.of("b", "system:masters")), LimitStageTest::pass);
    leave.countDown();
    holder.join();
    stage.handle(call("GET", "/api/v1/pods", User.of("b")), LimitStageTest::pass);
  }

  private static void pass(Call call) {
    assertThat(call.answered()).isFalse();
  }

  private static Call call(String method, String path, User user) {
    Call call = new Call(new FakeExchange(method, path, Query.NONE));
    call.info(RequestInfo.of(method, path, Query.NONE));
    call.user(user);
    return call;
  }
}
