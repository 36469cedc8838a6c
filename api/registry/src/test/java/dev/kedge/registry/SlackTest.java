package dev.kedge.registry;

import static org.assertj.core.api.Assertions.assertThat;

import java.time.Duration;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** What may be lost when the server dies, and what never. */
class SlackTest {
  @ParameterizedTest
  @CsvSource({
    "events, default, false, 10",
    "events, default, true, 10",
    "leases.coordination.k8s.io, kube-node-lease, true, 300",
    // That there is a node.
    "leases.coordination.k8s.io, kube-node-lease, false, 0",
    // Who leads.
    "leases.coordination.k8s.io, kube-system, true, 0",
    "leases.coordination.k8s.io, default, true, 0",
    "nodes, '', true, 0",
    "pods, kube-node-lease, true, 0",
  })
  void isGivenToHeartbeatsAndEvents(
      String resource, String namespace, boolean renewal, long seconds) {
    assertThat(KindFacts.slack(resource, namespace, renewal))
        .isEqualTo(Duration.ofSeconds(seconds));
  }
}
