package dev.kedge.controllers;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.kedge.client.KubeClient.DeleteOptions;
import dev.kedge.client.KubeClient.Patch;
import dev.kedge.model.JsonObject;
import dev.kedge.model.KubeObject;
import dev.kedge.model.Resources;
import dev.kedge.model.Yaml;
import java.util.List;
import java.util.Optional;
import java.util.Set;
import java.util.TreeSet;
import java.util.concurrent.ConcurrentHashMap;
import java.util.function.ToIntFunction;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

@Timeout(240)
class JobTest {
  private TestCluster cluster;
  private final Set<String> ended = ConcurrentHashMap.newKeySet();

  @BeforeEach
  void start() {
    cluster = new TestCluster();
    cluster.node("node-1");
  }

  @AfterEach
  void stop() {
    cluster.close();
  }

  private KubeObject job(String name, String spec) {
    JsonObject template =
        (JsonObject)
            Yaml.parse("{spec: {restartPolicy: Never, containers: [{name: w, image: work}]}}");
    return cluster.client.create(
        Resources.JOBS,
        KubeObject.of(Resources.JOBS.groupVersionKind(), "default", name)
            .with("spec", ((JsonObject) Yaml.parse(spec)).with("template", template)));
  }

  /** Ends every pod that runs with the exit code that is said for it; below zero: it runs on. */
  private void end(ToIntFunction<KubeObject> exitCode) {
    cluster
        .pods()
        .listen(
            (_, after) ->
                after
                    .filter(pod -> PodState.phase(pod).equals("Running"))
                    .filter(pod -> exitCode.applyAsInt(pod) >= 0 && ended.add(pod.uid()))
                    .ifPresent(
                        pod ->
                            Thread.startVirtualThread(() -> exit(pod, exitCode.applyAsInt(pod)))));
  }

  private void exit(KubeObject pod, int code) {
    cluster.client.patch(
        Resources.PODS,
        pod.namespace(),
        pod.name(),
        Patch.mergeStatus(
            (JsonObject)
                Yaml.parse(
                    """
                    phase: %s
                    containerStatuses:
                    - {name: w, image: work, imageID: "", ready: false, restartCount: 0,
                       state: {terminated: {exitCode: %d, finishedAt: "2026-01-01T00:00:00Z"}}}
                    """
                        .formatted(code == 0 ? "Succeeded" : "Failed", code))));
  }

  private KubeObject awaitEnd(String name) {
    return cluster.awaitPresent(Resources.JOBS, "default", name, JobController::finished);
  }

  private static JsonObject condition(KubeObject job, String type) {
    return Conditions.find(job.status(), type).orElseThrow();
  }

  @Test
  void anIndexThatFailsTooOftenFailsAloneAndTheJobWithIt() {
    end(pod -> JobIndexes.of(pod) == 1 ? 3 : 0);
    job("j", "{completionMode: Indexed, completions: 4, parallelism: 4, backoffLimitPerIndex: 1}");
    KubeObject job = awaitEnd("j");
    assertThat(job.status().text("completedIndexes")).isEqualTo("0,2,3");
    assertThat(job.status().text("failedIndexes")).isEqualTo("1");
    assertThat(job.status().integer("failed")).isEqualTo(2);
    assertThat(condition(job, "Failed").text("reason")).isEqualTo("FailedIndexes");
    assertThat(condition(job, "FailureTarget").text("message")).isEqualTo("Job has failed indexes");
    assertThat(cluster.pods("default", pod -> JobIndexes.of(pod) == 1))
        .extracting(pod -> pod.annotation("batch.kubernetes.io/job-index-failure-count").get())
        .containsExactlyInAnyOrder("0", "1");
    cluster.awaitEvent("j", "FailedIndexes", "Job has failed indexes");
  }

  @Test
  void tooManyFailedIndexesEndTheJob() {
    end(pod -> JobIndexes.of(pod) < 2 ? 1 : -1);
    job(
        "j",
        "{completionMode: Indexed, completions: 5, parallelism: 3, backoffLimitPerIndex: 0,"
            + " maxFailedIndexes: 1}");
    KubeObject job = awaitEnd("j");
    assertThat(condition(job, "Failed").text("reason")).isEqualTo("MaxFailedIndexesExceeded");
    assertThat(job.status().integer("active")).isZero();
    assertThat(job.status().integer("terminating")).isZero();
  }

  @Test
  void theFailurePolicySaysWhatAFailureMeans() {
    end(pod -> JobIndexes.of(pod) == 0 ? 42 : JobIndexes.of(pod) == 1 ? 7 : 0);
    job(
        "j",
        """
        completionMode: Indexed
        completions: 3
        parallelism: 3
        backoffLimitPerIndex: 5
        podFailurePolicy:
          rules:
          - {action: FailIndex, onExitCodes: {operator: In, values: [42]}}
          - {action: FailIndex, onExitCodes: {containerName: w, operator: NotIn, values: [1, 2]}}
        """);
    KubeObject job = awaitEnd("j");
    assertThat(job.status().text("failedIndexes")).isEqualTo("0,1");
    assertThat(job.status().integer("failed")).isEqualTo(2);
    assertThat(job.status().integer("succeeded")).isEqualTo(1);
  }

  @Test
  void oneBadExitFailsTheJob() {
    end(pod -> JobIndexes.of(pod) == 1 ? 42 : -1);
    job(
        "j",
        """
        completionMode: Indexed
        completions: 3
        parallelism: 3
        podFailurePolicy:
          rules:
          - {action: Ignore, onPodConditions: [{type: DisruptionTarget, status: "True"}]}
          - {action: FailJob, onExitCodes: {operator: In, values: [42]}}
        """);
    KubeObject job =
        cluster.awaitPresent(
            Resources.JOBS, "default", "j", j -> Conditions.isTrue(j.status(), "FailureTarget"));
    String pod = cluster.pods("default", p -> JobIndexes.of(p) == 1).getFirst().name();
    assertThat(condition(job, "FailureTarget").text("message"))
        .isEqualTo(
            "Container w for pod default/"
                + pod
                + " failed with exit code 42 matching FailJob rule at index 1");
  }

  @Test
  void theSuccessPolicyEndsAJobEarly() {
    end(pod -> JobIndexes.of(pod) == 2 ? 0 : -1);
    job(
        "j",
        """
        completionMode: Indexed
        completions: 4
        parallelism: 4
        successPolicy: {rules: [{succeededIndexes: "0", succeededCount: 1}, {succeededIndexes: "2-3", succeededCount: 1}]}
        """);
    KubeObject job = awaitEnd("j");
    assertThat(condition(job, "Complete").text("reason")).isEqualTo("SuccessPolicy");
    assertThat(condition(job, "SuccessCriteriaMet").text("message"))
        .isEqualTo("Matched rules at index 1");
    assertThat(job.status().integer("failed")).as("pods stopped are no failures").isZero();
    assertThat(job.status().has("completionTime")).isTrue();
  }

  @Test
  void whatIsDecidedStaysDecidedWhoeverWritesMeanwhile() {
    end(pod -> JobIndexes.of(pod) == 0 ? 0 : -1);
    // Each end of a pod comes with a change of the Job, at which the controller's own write fails.
    cluster
        .pods()
        .listen(
            (_, after) ->
                after
                    .filter(KubeObject::deleting)
                    .ifPresent(pod -> Thread.startVirtualThread(() -> annotateJob(pod.uid()))));
    job(
        "j",
        """
        completionMode: Indexed
        completions: 12
        parallelism: 12
        backoffLimit: 0
        successPolicy: {rules: [{succeededIndexes: "0"}]}
        """);
    KubeObject job = awaitEnd("j");
    assertThat(job.status().objects("conditions"))
        .extracting(condition -> condition.text("type"))
        .containsExactly("SuccessCriteriaMet", "Complete");
    assertThat(job.status().integer("failed")).isZero();
    assertThat(job.status().text("completedIndexes")).isEqualTo("0");
  }

  private void annotateJob(String value) {
    cluster.client.patch(
        Resources.JOBS,
        "default",
        "j",
        Patch.merge(
            JsonObject.of("metadata", JsonObject.of("annotations", JsonObject.of("seen", value)))));
  }

  @Test
  void aSuspendedJobStopsItsPodsWithoutCountingThem() {
    job("j", "{completions: 2, parallelism: 2, activeDeadlineSeconds: 3600}");
    cluster.awaitPresent(
        Resources.JOBS, "default", "j", job -> job.status().integer("active") == 2);
    suspend(true);
    KubeObject suspended =
        cluster.awaitPresent(
            Resources.JOBS,
            "default",
            "j",
            job ->
                Conditions.isTrue(job.status(), "Suspended")
                    && job.status().integer("active") == 0
                    && job.status().integer("terminating") == 0);
    assertThat(suspended.status().integer("failed")).isZero();
    end(_ -> 0);
    suspend(false);
    KubeObject job = awaitEnd("j");
    assertThat(job.status().integer("succeeded")).isEqualTo(2);
    assertThat(job.status().integer("failed")).isZero();
    assertThat(condition(job, "Suspended").text("reason")).isEqualTo("JobResumed");
  }

  private void suspend(boolean suspend) {
    cluster.client.patch(
        Resources.JOBS,
        "default",
        "j",
        Patch.merge(JsonObject.of("spec", JsonObject.of("suspend", suspend))));
  }

  @Test
  void aDeletedJobLeavesNoPodBehind() {
    job("j", "{parallelism: 2, completions: 2}");
    cluster.awaitPresent(
        Resources.JOBS, "default", "j", job -> job.status().integer("active") == 2);
    List<KubeObject> pods = cluster.pods("default", _ -> true);
    cluster.client.delete(Resources.JOBS, "default", "j", DeleteOptions.background());
    pods.forEach(pod -> cluster.awaitGone(Resources.PODS, "default", pod.name()));
  }

  @Test
  void orphanedPodsLoseTheFinalizer() {
    job("j", "{parallelism: 1, completions: 1}");
    KubeObject pod = awaitPod();
    cluster.client.delete(
        Resources.JOBS, "default", "j", new DeleteOptions(Optional.empty(), "Orphan", "", ""));
    KubeObject orphan =
        cluster.awaitPresent(
            Resources.PODS,
            "default",
            pod.name(),
            p -> p.finalizers().isEmpty() && p.ownerReferences().isEmpty());
    assertThat(orphan.deleting()).isFalse();
  }

  private KubeObject awaitPod() {
    cluster.awaitPresent(
        Resources.JOBS, "default", "j", job -> job.status().integer("active") == 1);
    return cluster.pods("default", _ -> true).getFirst();
  }

  @Test
  void aFinishedJobGoesWhenItsTimeIsOver() {
    end(_ -> 0);
    job("j", "{ttlSecondsAfterFinished: 0}");
    cluster.awaitGone(Resources.JOBS, "default", "j");
  }

  @Test
  void aJobOfAnotherControllerIsLeftAlone() {
    end(_ -> 0);
    job("other", "{managedBy: example.com/runner}");
    job("own", "{managedBy: kubernetes.io/job-controller}");
    awaitEnd("own");
    KubeObject other = cluster.client.get(Resources.JOBS, "default", "other");
    assertThat(other.status()).isEqualTo(JsonObject.EMPTY);
    assertThat(cluster.pods("default", pod -> pod.name().startsWith("other"))).isEmpty();
  }

  @Test
  void aDeadlineEndsTheJob() {
    job("j", "{activeDeadlineSeconds: 1}");
    KubeObject job = awaitEnd("j");
    assertThat(condition(job, "Failed").text("reason")).isEqualTo("DeadlineExceeded");
    assertThat(job.status().integer("failed")).isEqualTo(1);
  }

  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      value = {
        "{maxFailedIndexes: 1} | spec.backoffLimitPerIndex: Required value: when maxFailedIndexes"
            + " is specified",
        "{successPolicy: {rules: [{succeededCount: 1}]}} | requires indexed completion mode",
        "{completionMode: Indexed, completions: 2, successPolicy: {rules: [{succeededIndexes:"
            + " '3'}]}} | error parsing succeededIndexes: too large index: \"3\"",
        "{podFailurePolicy: {rules: [{action: FailIndex, onExitCodes: {operator: In, values:"
            + " [1]}}]}} | requires the backoffLimitPerIndex to be set",
        "{podFailurePolicy: {rules: [{action: FailJob, onExitCodes: {operator: In, values: [0]}}]}}"
            + " | spec.podFailurePolicy.rules[0].onExitCodes.values[0]: Invalid value: 0: must not"
            + " be 0 for the In operator",
        "{podFailurePolicy: {rules: [{action: Count}]}} | specifying one of OnExitCodes and"
            + " OnPodConditions is required",
        "{managedBy: me} | must be a domain-prefixed path",
        "{podReplacementPolicy: Never} | spec.podReplacementPolicy: Unsupported value: \"Never\":"
            + " supported values: \"Failed\", \"TerminatingOrFailed\"",
      })
  void faultsAreNamed(String spec, String message) {
    assertThatThrownBy(() -> job("j", spec)).hasMessageContaining(message);
  }

  @Test
  void indexesBeyondTheCompletionsAreForgotten() {
    assertThat(JobIndexes.parse("0,2-9", 4)).containsExactly(0, 2, 3);
    assertThat(JobIndexes.text(new TreeSet<>(List.of(0, 2, 3, 5, 6, 7)))).isEqualTo("0,2,3,5-7");
  }
}
