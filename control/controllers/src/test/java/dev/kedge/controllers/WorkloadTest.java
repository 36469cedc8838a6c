package dev.kedge.controllers;

import static org.assertj.core.api.Assertions.assertThat;

import dev.kedge.client.KubeClient.Patch;
import dev.kedge.client.KubeClient.Selection;
import dev.kedge.model.JsonObject;
import dev.kedge.model.KubeObject;
import dev.kedge.model.Resources;
import java.time.Instant;
import java.time.ZoneId;
import java.util.Set;
import java.util.SortedSet;
import java.util.TreeSet;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

@Timeout(240)
class WorkloadTest {
  private TestCluster cluster;

  @BeforeEach
  void start() {
    cluster = new TestCluster();
    cluster.node("node-1");
  }

  @AfterEach
  void stop() {
    cluster.close();
  }

  @Test
  void aDaemonRunsOnEveryNodeAndOnNewOnes() {
    cluster.create(
        """
        apiVersion: apps/v1
        kind: DaemonSet
        metadata: {name: agent, namespace: default}
        spec:
          selector: {matchLabels: {app: agent}}
          template:
            metadata: {labels: {app: agent}}
            spec: {containers: [{name: a, image: "agent:1"}]}
        """);
    awaitDaemon(1);
    cluster.node("node-2");
    awaitDaemon(2);
    assertThat(cluster.pods("default", _ -> true))
        .extracting(pod -> pod.spec().text("nodeName"))
        .containsExactlyInAnyOrder("node-1", "node-2");
    cluster.client.patch(
        Resources.DAEMON_SETS,
        "default",
        "agent",
        new Patch(
            dev.kedge.client.KubeClient.PatchType.STRATEGIC,
            dev.kedge.model.Yaml.parse(
                "spec: {template: {spec: {containers: [{name: a, image: \"agent:2\"}]}}}"),
            "",
            "",
            false));
    cluster.awaitPresent(
        Resources.DAEMON_SETS,
        "default",
        "agent",
        set ->
            set.status().integer("observedGeneration") == 2
                && set.status().integer("updatedNumberScheduled") == 2
                && set.status().integer("numberAvailable") == 2);
    assertThat(
            cluster.client.list(Resources.CONTROLLER_REVISIONS, "default", Selection.ALL).items())
        .hasSize(2);
  }

  private void awaitDaemon(int count) {
    cluster.awaitPresent(
        Resources.DAEMON_SETS,
        "default",
        "agent",
        set ->
            set.status().integer("desiredNumberScheduled") == count
                && set.status().integer("numberReady") == count);
  }

  @Test
  void statefulPodsComeInOrderWithTheirClaimsAndGoFromTheHighest() {
    cluster.hold("db-1");
    cluster.create(
        """
        apiVersion: apps/v1
        kind: StatefulSet
        metadata: {name: db, namespace: default}
        spec:
          serviceName: db
          replicas: 3
          selector: {matchLabels: {app: db}}
          template:
            metadata: {labels: {app: db}}
            spec: {containers: [{name: db, image: "db:1"}]}
          volumeClaimTemplates:
          - metadata: {name: data}
            spec: {accessModes: [ReadWriteOnce], storageClassName: "", resources: {requests: {storage: 1Gi}}}
        """);
    // The claims need volumes: made by hand, class "" waits for nobody.
    for (int i = 0; i < 3; i++) {
      cluster.create(
          """
          kind: PersistentVolume
          metadata: {name: pv-%d}
          spec: {capacity: {storage: 1Gi}, accessModes: [ReadWriteOnce], hostPath: {path: /tmp/x}, persistentVolumeReclaimPolicy: Retain}
          """
              .formatted(i));
    }
    cluster.awaitPresent(Resources.PODS, "default", "db-0", PodState::ready);
    cluster.awaitPresent(
        Resources.PODS, "default", "db-1", pod -> !pod.spec().text("nodeName").isEmpty());
    assertThat(cluster.client.find(Resources.PODS, "default", "db-2")).isEmpty();
    cluster.release("db-1");
    KubeObject pod = cluster.awaitPresent(Resources.PODS, "default", "db-2", PodState::ready);
    assertThat(pod.spec().text("hostname")).isEqualTo("db-2");
    assertThat(pod.spec().objects("volumes").getFirst().text("persistentVolumeClaim", "claimName"))
        .isEqualTo("data-db-2");
    cluster.client.patch(
        Resources.STATEFUL_SETS,
        "default",
        "db",
        Patch.merge(JsonObject.of("spec", JsonObject.of("replicas", 1))));
    cluster.awaitGone(Resources.PODS, "default", "db-1");
    assertThat(cluster.pods("default", _ -> true))
        .extracting(KubeObject::name)
        .containsExactly("db-0");
    // Claims stay: their data may be wanted again.
    assertThat(cluster.client.find(Resources.PERSISTENT_VOLUME_CLAIMS, "default", "data-db-2"))
        .isPresent();
  }

  @Test
  void aJobRunsToCompletionAndCountsEachPodOnce() {
    cluster.create(
        """
        apiVersion: batch/v1
        kind: Job
        metadata: {name: work, namespace: default}
        spec:
          completions: 5
          parallelism: 2
          completionMode: Indexed
          template:
            spec: {restartPolicy: Never, containers: [{name: w, image: work}]}
        """);
    finishPods("Succeeded");
    KubeObject job =
        cluster.awaitPresent(Resources.JOBS, "default", "work", JobController::finished);
    assertThat(job.status().integer("succeeded")).isEqualTo(5);
    assertThat(job.status().text("completedIndexes")).isEqualTo("0-4");
    assertThat(Conditions.isTrue(job.status(), "Complete")).isTrue();
    assertThat(cluster.pods("default", _ -> true))
        .hasSize(5)
        .allMatch(pod -> pod.finalizers().isEmpty());
  }

  @Test
  void aJobThatFailsTooOftenFails() {
    cluster.create(
        """
        apiVersion: batch/v1
        kind: Job
        metadata: {name: broken, namespace: default}
        spec:
          backoffLimit: 0
          template:
            spec: {restartPolicy: Never, containers: [{name: w, image: work}]}
        """);
    finishPods("Failed");
    KubeObject job =
        cluster.awaitPresent(Resources.JOBS, "default", "broken", JobController::finished);
    assertThat(job.status().integer("failed")).isEqualTo(1);
    assertThat(Conditions.find(job.status(), "Failed").orElseThrow().text("reason"))
        .isEqualTo("BackoffLimitExceeded");
  }

  private void finishPods(String phase) {
    cluster
        .pods()
        .listen(
            (_, after) ->
                after
                    .filter(pod -> PodState.phase(pod).equals("Running"))
                    .ifPresent(
                        pod -> Thread.startVirtualThread(() -> cluster.run(pod, phase, false))));
  }

  @ParameterizedTest
  @CsvSource({
    "'*/15 * * * *', 2026-01-01T00:07:30Z, 2026-01-01T00:15:00Z, UTC",
    "'0 3 * * mon', 2026-01-01T00:00:00Z, 2026-01-05T03:00:00Z, UTC",
    "'30 2 29 feb *', 2026-01-01T00:00:00Z, 2028-02-29T02:30:00Z, UTC",
    "'@hourly', 2026-01-01T00:00:00Z, 2026-01-01T01:00:00Z, UTC",
    "'0 12 13 * 5', 2026-01-01T13:00:00Z, 2026-01-02T12:00:00Z, UTC",
    "'0 9 * * *', 2026-07-01T00:00:00Z, 2026-07-01T07:00:00Z, Europe/Berlin",
    "'30 2 * * *', 2026-03-28T12:00:00Z, 2026-03-30T00:30:00Z, Europe/Berlin",
    "'@every 90m', 2026-01-01T00:00:00Z, 2026-01-01T01:30:00Z, UTC",
    "'0 0 * * 7', 2026-01-01T00:00:00Z, 2026-01-04T00:00:00Z, UTC",
  })
  void schedulesSayWhenIsNext(String schedule, Instant after, Instant next, String zone) {
    assertThat(CronSchedule.parse(schedule).next(after, ZoneId.of(zone))).contains(next);
  }

  @Test
  void indexesAreWrittenAsRanges() {
    SortedSet<Integer> indexes = JobIndexes.parse("0,2-4,7", 10);
    assertThat(indexes).containsExactlyInAnyOrder(0, 2, 3, 4, 7);
    assertThat(JobIndexes.text(indexes)).isEqualTo("0,2-4,7");
    assertThat(JobIndexes.text(new TreeSet<>(Set.of(1, 2)))).isEqualTo("1,2");
  }
}
