package dev.kedge.controllers;

import static org.assertj.core.api.Assertions.assertThat;

import dev.kedge.client.KubeClient.Patch;
import dev.kedge.model.JsonObject;
import dev.kedge.model.KubeObject;
import dev.kedge.model.Resources;
import dev.kedge.model.Yaml;
import java.time.Instant;
import java.util.List;
import java.util.function.Predicate;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

@Timeout(240)
class AutoscalerTest {
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

  private void deployment(int replicas, String resources) {
    cluster.create(
        """
        apiVersion: apps/v1
        kind: Deployment
        metadata: {name: web, namespace: default}
        spec:
          replicas: %d
          selector: {matchLabels: {app: web}}
          template:
            metadata: {labels: {app: web}}
            spec: {containers: [{name: c, image: i, resources: {%s}}, {name: side, image: i, resources: {%s}}]}
        """
            .formatted(replicas, resources, resources));
    cluster.awaitPresent(
        Resources.DEPLOYMENTS,
        "default",
        "web",
        web ->
            web.status().integer("readyReplicas") == replicas
                && web.status().integer("replicas") == replicas);
  }

  /** Says of each pod what both of its containers use. */
  private void usage(String main, String side) {
    List<KubeObject> all =
        cluster.pods("default", _ -> true).stream()
            .map(
                pod ->
                    KubeObject.of(Resources.POD_METRICS.groupVersionKind(), "default", pod.name())
                        .withMetadata("labels", pod.metadata().object("labels"))
                        // After the pod's start, so that it tells of its load.
                        .with("timestamp", Instant.now().plusSeconds(60).toString())
                        .with("window", "15s")
                        .with(
                            "containers",
                            List.of(
                                JsonObject.of("name", "c", "usage", Yaml.parse(main)),
                                JsonObject.of("name", "side", "usage", Yaml.parse(side)))))
            .toList();
    cluster.podMetrics.clear();
    cluster.podMetrics.addAll(all);
  }

  private void autoscaler(String spec) {
    cluster.create(
        """
        apiVersion: autoscaling/v2
        kind: HorizontalPodAutoscaler
        metadata: {name: web, namespace: default}
        spec:
          scaleTargetRef: {apiVersion: apps/v1, kind: Deployment, name: web}
        """
            + spec.indent(2));
  }

  private KubeObject await(Predicate<KubeObject> holds) {
    return cluster.awaitPresent(Resources.HORIZONTAL_POD_AUTOSCALERS, "default", "web", holds);
  }

  private static JsonObject condition(KubeObject autoscaler, String type) {
    return Conditions.find(autoscaler.status(), type).orElse(JsonObject.EMPTY);
  }

  private long replicas() {
    return cluster.client.get(Resources.DEPLOYMENTS, "default", "web").spec().integer("replicas");
  }

  @Test
  void loadAboveTheTargetAddsReplicas() {
    deployment(2, "requests: {cpu: 100m}");
    usage("{cpu: 200m}", "{cpu: 40000000n}");
    autoscaler(
        """
        minReplicas: 1
        maxReplicas: 10
        metrics: [{type: Resource, resource: {name: cpu, target: {type: Utilization, averageUtilization: 80}}}]
        """);
    // 240m of 200m requested are 120 %: half as much again as the target.
    KubeObject scaled = await(hpa -> hpa.status().integer("desiredReplicas") == 3);
    assertThat(replicas()).isEqualTo(3);
    assertThat(condition(scaled, "AbleToScale").text("reason")).isEqualTo("SucceededRescale");
    assertThat(condition(scaled, "ScalingActive").text("message"))
        .isEqualTo(
            "the HPA was able to successfully calculate a replica count from cpu resource"
                + " utilization (percentage of request)");
    assertThat(scaled.status().objects("currentMetrics").getFirst().object("resource", "current"))
        .isEqualTo(JsonObject.of("averageUtilization", 120, "averageValue", "240m"));
    cluster.awaitEvent(
        "web",
        "SuccessfulRescale",
        "New size: 3; reason: cpu resource utilization (percentage of request) above target");
  }

  @Test
  void oneContainerCanDecide() {
    deployment(2, "requests: {memory: 100Mi}");
    usage("{memory: 300Mi}", "{memory: 1Mi}");
    autoscaler(
        """
        maxReplicas: 4
        metrics: [{type: ContainerResource, containerResource: {name: memory, container: c, target: {type: AverageValue, averageValue: 100Mi}}}]
        """);
    KubeObject scaled = await(hpa -> hpa.status().integer("desiredReplicas") == 4);
    assertThat(condition(scaled, "ScalingLimited").text("reason")).isEqualTo("TooManyReplicas");
    assertThat(
            scaled
                .status()
                .objects("currentMetrics")
                .getFirst()
                .text("containerResource", "current", "averageValue"))
        .isEqualTo("314572800");
  }

  @Test
  void lessLoadRemovesReplicasOnlyAfterTheWindow() {
    deployment(4, "requests: {cpu: 100m}");
    usage("{cpu: 10m}", "{cpu: 10m}");
    autoscaler("maxReplicas: 5");
    KubeObject held =
        await(
            hpa ->
                !condition(hpa, "AbleToScale").isEmpty()
                    && condition(hpa, "AbleToScale").text("reason").equals("ScaleDownStabilized"));
    assertThat(held.status().integer("desiredReplicas")).isEqualTo(4);
    cluster.client.patch(
        Resources.HORIZONTAL_POD_AUTOSCALERS,
        "default",
        "web",
        Patch.merge(
            (JsonObject)
                Yaml.parse(
                    "spec: {behavior: {scaleDown: {stabilizationWindowSeconds: 0, policies:"
                        + " [{type: Pods, value: 1, periodSeconds: 60}]}}}")));
    KubeObject scaled = await(hpa -> hpa.status().integer("desiredReplicas") == 3);
    assertThat(condition(scaled, "ScalingLimited").text("reason")).isEqualTo("ScaleDownLimit");
    assertThat(replicas()).isEqualTo(3);
  }

  @Test
  void whatIsMissingIsSaid() {
    deployment(1, "");
    usage("{cpu: 10m}", "{cpu: 10m}");
    autoscaler("maxReplicas: 5");
    KubeObject autoscaler =
        await(hpa -> condition(hpa, "ScalingActive").text("status").equals("False"));
    String pod = cluster.pods("default", _ -> true).getFirst().name();
    assertThat(condition(autoscaler, "ScalingActive").text("reason"))
        .isEqualTo("FailedGetResourceMetric");
    assertThat(condition(autoscaler, "ScalingActive").text("message"))
        .isEqualTo(
            "the HPA was unable to compute the replica count: failed to get cpu utilization:"
                + " missing request for cpu in container c of Pod "
                + pod);
  }

  @Test
  void metricsThatNobodyServesAreSaid() {
    deployment(1, "requests: {cpu: 100m}");
    autoscaler(
        """
        maxReplicas: 5
        metrics: [{type: Pods, pods: {metric: {name: packets}, target: {type: AverageValue, averageValue: 1k}}}]
        """);
    KubeObject autoscaler = await(hpa -> !condition(hpa, "ScalingActive").isEmpty());
    assertThat(condition(autoscaler, "ScalingActive").text("message"))
        .contains("no custom metrics API (custom.metrics.k8s.io) registered");
  }

  @Test
  void aTargetThatIsNotThereIsSaid() {
    autoscaler("maxReplicas: 5");
    KubeObject autoscaler = await(hpa -> !condition(hpa, "AbleToScale").isEmpty());
    assertThat(condition(autoscaler, "AbleToScale").text("message"))
        .isEqualTo(
            "the HPA controller was unable to get the target's current scale: deployments.apps"
                + " \"web\" not found");
  }

  @Test
  void aTargetOfNoReplicasIsLeftAlone() {
    deployment(0, "requests: {cpu: 100m}");
    autoscaler("maxReplicas: 5");
    await(hpa -> condition(hpa, "ScalingActive").text("reason").equals("ScalingDisabled"));
    assertThat(replicas()).isZero();
  }

  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      value = {
        // behaviour | current | recommended | set to | why limited
        "{} | 3 | 20 | 6 | ScaleUpLimit",
        "{} | 1 | 20 | 4 | ScaleUpLimit",
        "{} | 30 | 60 | 50 | TooManyReplicas",
        "{} | 5 | 1 | 5 | DesiredWithinRange",
        "{scaleUp: {selectPolicy: Max, policies: [{type: Pods, value: 4, periodSeconds: 15}, {type:"
            + " Percent, value: 100, periodSeconds: 15}]}} | 3 | 20 | 7 | ScaleUpLimit",
        "{scaleUp: {selectPolicy: Min, policies: [{type: Pods, value: 4, periodSeconds: 15}, {type:"
            + " Percent, value: 100, periodSeconds: 15}]}} | 3 | 20 | 6 | ScaleUpLimit",
        "{scaleUp: {selectPolicy: Disabled}} | 3 | 20 | 3 | ScaleUpLimit",
        "{scaleDown: {stabilizationWindowSeconds: 0, policies: [{type: Percent, value: 10,"
            + " periodSeconds: 60}]}} | 10 | 2 | 9 | ScaleDownLimit",
        "{scaleDown: {stabilizationWindowSeconds: 0, policies: [{type: Percent, value: 100,"
            + " periodSeconds: 60}]}} | 10 | 1 | 2 | TooFewReplicas",
        "{scaleDown: {stabilizationWindowSeconds: 0, selectPolicy: Min, policies: [{type: Percent,"
            + " value: 100, periodSeconds: 60}, {type: Pods, value: 2, periodSeconds: 60}]}} | 10 |"
            + " 1 | 8 | ScaleDownLimit",
      })
  void sizesFollowTheirRules(
      String rules, long current, long recommended, long expected, String reason) {
    KubeObject autoscaler =
        KubeObject.of(Resources.HORIZONTAL_POD_AUTOSCALERS.groupVersionKind(), "default", "h")
            .with(
                "spec",
                JsonObject.of("minReplicas", 2, "maxReplicas", 50, "behavior", Yaml.parse(rules)));
    ScalingBehavior.Outcome outcome =
        new ScalingBehavior().follow(autoscaler, current, recommended, Instant.EPOCH);
    assertThat(outcome.replicas()).isEqualTo(expected);
    assertThat(outcome.limited().reason()).isEqualTo(reason);
  }

  @Test
  void aPolicyCountsWhatItsPeriodHasSeen() {
    KubeObject autoscaler =
        KubeObject.of(Resources.HORIZONTAL_POD_AUTOSCALERS.groupVersionKind(), "default", "h")
            .with(
                "spec",
                Yaml.parse(
                    "{minReplicas: 1, maxReplicas: 50, behavior: {scaleUp: {policies: [{type: Pods,"
                        + " value: 4, periodSeconds: 60}]}}}"));
    ScalingBehavior behavior = new ScalingBehavior();
    Instant start = Instant.EPOCH.plusSeconds(1000);
    assertThat(behavior.follow(autoscaler, 1, 20, start).replicas()).isEqualTo(5);
    behavior.changed(1, 5, start);
    assertThat(behavior.follow(autoscaler, 5, 20, start.plusSeconds(30)).replicas()).isEqualTo(5);
    assertThat(behavior.follow(autoscaler, 5, 20, start.plusSeconds(61)).replicas()).isEqualTo(9);
  }
}
