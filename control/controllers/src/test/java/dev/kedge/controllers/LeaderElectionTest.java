package dev.kedge.controllers;

import static java.time.Duration.ofMinutes;
import static org.assertj.core.api.Assertions.assertThat;
import static org.awaitility.Awaitility.await;

import dev.kedge.client.KubeClient.Patch;
import dev.kedge.model.JsonObject;
import dev.kedge.model.KubeObject;
import dev.kedge.model.Resources;
import dev.kedge.reconcile.LeaderElection;
import java.time.Clock;
import java.time.Duration;
import java.util.concurrent.atomic.AtomicInteger;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

/** Leader election against a real registry; it lives here because the cluster to test on does. */
@Timeout(240)
class LeaderElectionTest {
  private static final String NAME = "kedge";

  private static LeaderElection contender(
      TestCluster cluster, String identity, AtomicInteger working) {
    return new LeaderElection(
        cluster.client,
        Clock.systemUTC(),
        new LeaderElection.Settings(
            "kube-system",
            NAME,
            identity,
            Duration.ofSeconds(40),
            Duration.ofSeconds(30),
            Duration.ofMillis(100)),
        () -> {
          assertThat(working.incrementAndGet()).as("leaders at once").isEqualTo(1);
          return working::decrementAndGet;
        });
  }

  private static KubeObject lease(TestCluster cluster) {
    return cluster.client.get(Resources.LEASES, "kube-system", NAME);
  }

  @Test
  void oneLeadsAndTheOtherFollowsAtOnceWhenItIsClosed() {
    try (TestCluster cluster = new TestCluster()) {
      AtomicInteger working = new AtomicInteger();
      LeaderElection one = contender(cluster, "one", working);
      one.start();
      await().atMost(ofMinutes(1)).until(one::leading);
      try (LeaderElection two = contender(cluster, "two", working)) {
        two.start();
        await()
            .atMost(ofMinutes(1))
            .during(Duration.ofSeconds(1))
            .until(() -> !two.leading() && working.get() == 1);
        one.close();
        assertThat(one.leading()).isFalse();
        // Long before the lease would have run out.
        await().atMost(ofMinutes(1)).until(two::leading);
        assertThat(lease(cluster).spec().text("holderIdentity")).isEqualTo("two");
        assertThat(lease(cluster).spec().integer("leaseTransitions")).isEqualTo(1);
      }
      assertThat(working).hasValue(0);
      assertThat(lease(cluster).spec().text("holderIdentity")).isEmpty();
    }
  }

  @Test
  void whoseLeaseIsTakenStopsWorking() {
    try (TestCluster cluster = new TestCluster()) {
      AtomicInteger working = new AtomicInteger();
      try (LeaderElection one = contender(cluster, "one", working)) {
        one.start();
        await().atMost(ofMinutes(1)).until(one::leading);
        KubeObject lease = lease(cluster);
        cluster.client.patch(
            Resources.LEASES,
            "kube-system",
            NAME,
            Patch.merge(
                JsonObject.of(
                    "spec",
                    JsonObject.of("holderIdentity", "thief", "leaseDurationSeconds", 3600))));
        await().atMost(ofMinutes(1)).until(() -> working.get() == 0);
        assertThat(lease.spec().text("holderIdentity")).isEqualTo("one");
        assertThat(one.leading()).isFalse();
      }
      assertThat(lease(cluster).spec().text("holderIdentity")).isEqualTo("thief");
    }
  }

  @Test
  void aHolderThatWentSilentIsReplacedAfterItsLease() {
    try (TestCluster cluster = new TestCluster()) {
      cluster.client.create(
          Resources.LEASES,
          KubeObject.of(Resources.LEASES.groupVersionKind(), "kube-system", NAME)
              .with("spec", JsonObject.of("holderIdentity", "dead", "leaseDurationSeconds", 3)));
      AtomicInteger working = new AtomicInteger();
      try (LeaderElection one = contender(cluster, "one", working)) {
        one.start();
        await().atMost(ofMinutes(1)).during(Duration.ofMillis(700)).until(() -> working.get() == 0);
        await().atMost(ofMinutes(1)).until(one::leading);
      }
    }
  }
}
