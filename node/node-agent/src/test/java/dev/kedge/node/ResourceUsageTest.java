package dev.kedge.node;

import static org.assertj.core.api.Assertions.assertThat;

import dev.kedge.node.ResourceUsage.Amount;
import dev.kedge.node.ResourceUsage.Container;
import dev.kedge.node.ResourceUsage.Counter;
import dev.kedge.node.ResourceUsage.Look;
import dev.kedge.node.ResourceUsage.PodUsage;
import dev.kedge.node.ResourceUsage.Usage;
import java.time.Duration;
import java.time.Instant;
import java.util.Map;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.atomic.AtomicReference;
import org.junit.jupiter.api.Test;

class ResourceUsageTest {
  private static final Instant START = Instant.parse("2026-01-01T00:00:00Z");

  private static Container container(String pod, String name, long cpuNanos, long memory) {
    return new Container("default", pod, name, new Counter(cpuNanos, memory));
  }

  @Test
  void aRateLiesBetweenTwoLooks() {
    Usage usage =
        ResourceUsage.between(
            new Look(
                START,
                new Counter(1_000_000_000L, 10),
                Map.of("1", container("a", "c", 500, 1), "2", container("b", "c", 9, 9))),
            new Look(
                START.plusSeconds(10),
                new Counter(21_000_000_000L, 20),
                Map.of(
                    "1", container("a", "c", 5_000_000_500L, 2),
                    "2", container("b", "c", 9, 9),
                    "3", container("b", "new", 5, 5))));
    assertThat(usage.window()).isEqualTo(Duration.ofSeconds(10));
    assertThat(usage.node()).isEqualTo(new Amount(2_000_000_000L, 20));
    // A pod with a container that was seen only once is not measured yet.
    assertThat(usage.pods())
        .containsExactly(new PodUsage("default", "a", Map.of("c", new Amount(500_000_000L, 2))));
  }

  @Test
  void questionsInQuickSuccessionShareAnAnswer() throws Exception {
    AtomicInteger looks = new AtomicInteger();
    AtomicReference<Instant> now = new AtomicReference<>(START);
    ResourceUsage usage =
        new ResourceUsage(
            () -> {
              // The machine's clock goes on between two looks.
              Instant time = now.updateAndGet(t -> t.plusSeconds(2));
              return new Look(time, new Counter(looks.incrementAndGet(), 0), Map.of());
            },
            now::get);
    Usage first = usage.now();
    assertThat(looks).hasValue(2);
    assertThat(usage.now()).isSameAs(first);
    now.updateAndGet(t -> t.plusSeconds(20));
    assertThat(usage.now().window()).isEqualTo(Duration.ofSeconds(22));
    assertThat(looks).as("the last look serves as the first of the next").hasValue(3);
    now.updateAndGet(t -> t.plusSeconds(600));
    usage.now();
    assertThat(looks).as("an old look tells of nothing now").hasValue(5);
  }
}
