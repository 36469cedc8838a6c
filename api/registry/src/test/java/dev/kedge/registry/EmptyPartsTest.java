package dev.kedge.registry;

import static org.assertj.core.api.Assertions.assertThat;

import dev.kedge.model.Json;
import dev.kedge.model.JsonObject;
import dev.kedge.model.KubeObject;
import dev.kedge.model.Resources;
import org.junit.jupiter.api.AutoClose;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/**
 * Parts of objects that Go's types hold by value, or without omitempty, are there when nobody has
 * put anything into them, as {@code kubectl create -o json} shows them of upstream.
 */
class EmptyPartsTest {
  private static final String POD =
      "{metadata: {labels: {a: b}}, spec: {containers: [{name: c, image: i}]}}";

  @AutoClose private final Cluster cluster = new Cluster().withDefaults();

  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      quoteCharacter = '\0',
      value = {
        "apps/v1|Deployment|{selector: {matchLabels: {a: b}}, template: POD}|{}",
        "apps/v1|ReplicaSet|{selector: {matchLabels: {a: b}}, template: POD}|{\"replicas\":0}",
        "apps/v1|StatefulSet|{selector: {matchLabels: {a: b}}, template:"
            + " POD}|{\"replicas\":0,\"availableReplicas\":0}",
        "apps/v1|DaemonSet|{selector: {matchLabels: {a: b}}, template:"
            + " POD}|{\"currentNumberScheduled\":0,\"desiredNumberScheduled\":0,\"numberMisscheduled\":0,\"numberReady\":0}",
        "v1|ReplicationController|{selector: {a: b}, template: POD}|{\"replicas\":0}",
        "batch/v1|Job|{template: {spec: {restartPolicy: Never, containers: [{name: c, image:"
            + " i}]}}}|{}",
        "batch/v1|CronJob|{schedule: '* * * * *', jobTemplate: {spec: {template: {spec:"
            + " {restartPolicy: Never, containers: [{name: c, image: i}]}}}}}|{}",
        "policy/v1|PodDisruptionBudget|{minAvailable: 1, selector: {matchLabels: {a:"
            + " b}}}|{\"currentHealthy\":0,\"desiredHealthy\":0,\"disruptionsAllowed\":0,\"expectedPods\":0}",
        "autoscaling/v2|HorizontalPodAutoscaler|{scaleTargetRef: {apiVersion: apps/v1, kind:"
            + " Deployment, name: x}, maxReplicas:"
            + " 3}|{\"currentMetrics\":null,\"desiredReplicas\":0}",
        "networking.k8s.io/v1|Ingress|{defaultBackend: {service: {name: s, port: {number:"
            + " 80}}}}|{\"loadBalancer\":{}}",
        "v1|Service|{ports: [{port: 80}]}|{\"loadBalancer\":{}}",
        "v1|ResourceQuota|{hard: {pods: 1}}|{}",
        "v1|PersistentVolumeClaim|{accessModes: [ReadWriteOnce], resources: {requests: {storage:"
            + " 1Gi}}}|{\"phase\":\"Pending\"}",
      })
  void statusOfNewObjects(String apiVersion, String kind, String spec, String status) {
    KubeObject made =
        cluster.create(
            "{apiVersion: %s, kind: %s, metadata: {name: x, namespace: default}, spec: %s}"
                .formatted(apiVersion, kind, spec.replace("POD", POD)));

    assertThat(made.status()).isEqualTo(Json.parseObject(status));
    assertThat(made.json().toString())
        .as("nobody owns what is only there by its type")
        .doesNotContain("\"f:status\"");
  }

  @Test
  void partsInsideSpecs() {
    KubeObject made =
        cluster.create(
            """
            {apiVersion: batch/v1, kind: CronJob, metadata: {name: x, namespace: default},
             spec: {schedule: '* * * * *', jobTemplate: {spec: {template: {spec: {restartPolicy: Never,
              containers: [{name: c, image: i, env: [{name: E, valueFrom: {resourceFieldRef: {resource: limits.cpu}}}]}]}}}}}}
            """);

    JsonObject job = made.spec().object("jobTemplate");
    assertThat(job.get("metadata")).contains(JsonObject.EMPTY);
    JsonObject template = job.object("spec", "template");
    assertThat(template.get("metadata")).contains(JsonObject.EMPTY);
    JsonObject container = template.object("spec").objects("containers").getFirst();
    assertThat(container.get("resources")).contains(JsonObject.EMPTY);
    assertThat(
            container
                .objects("env")
                .getFirst()
                .object("valueFrom", "resourceFieldRef")
                .text("divisor"))
        .isEqualTo("0");
  }

  @Test
  void conditionsHaveTheirTimes() {
    cluster.create(
        """
        {apiVersion: v1, kind: Pod, metadata: {name: x, namespace: default}, spec: {containers: [{name: c, image: i}]}}
        """);
    KubeObject pod =
        cluster.patch(
            Resources.PODS,
            "default",
            "x",
            "status",
            Registry.PatchType.MERGE,
            "{\"status\":{\"conditions\":[{\"type\":\"Ready\",\"status\":\"False\"}]}}",
            "t");

    assertThat(pod.status().array("conditions").items().getFirst().toString())
        .isEqualTo(
            "{\"type\":\"Ready\",\"status\":\"False\",\"lastProbeTime\":null,\"lastTransitionTime\":null}");
  }
}
