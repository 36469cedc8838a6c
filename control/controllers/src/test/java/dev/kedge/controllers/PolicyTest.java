package dev.kedge.controllers;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.kedge.client.KubeClient;
import dev.kedge.client.KubeClient.Patch;
import dev.kedge.model.ApiException;
import dev.kedge.model.JsonObject;
import dev.kedge.model.KubeObject;
import dev.kedge.model.Resources;
import java.nio.charset.StandardCharsets;
import java.util.Base64;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

@Timeout(240)
class PolicyTest {
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
  void aQuotaCountsWhatIsThere() {
    cluster.create(
        """
        kind: ResourceQuota
        metadata: {name: q, namespace: default}
        spec: {hard: {pods: "5", requests.cpu: "2", requests.memory: 1Gi, services: "3"}}
        """);
    pod("a", "requests: {cpu: 250m, memory: 64Mi}");
    pod("b", "requests: {cpu: 250m, memory: 64Mi}");
    cluster.awaitPresent(
        Resources.RESOURCE_QUOTAS,
        "default",
        "q",
        quota ->
            quota
                .status()
                .map("used")
                .equals(
                    Map.of(
                        "pods", "2",
                        "requests.cpu", "500m",
                        "requests.memory", "128Mi",
                        "services", "1")));
  }

  @Test
  void aBudgetAllowsWhatItCanSpare() {
    cluster.create(
        """
        apiVersion: policy/v1
        kind: PodDisruptionBudget
        metadata: {name: b, namespace: default}
        spec: {minAvailable: 1, selector: {matchLabels: {app: x}}}
        """);
    pod("a", "{}");
    pod("b", "{}");
    KubeObject budget =
        cluster.awaitPresent(
            Resources.POD_DISRUPTION_BUDGETS,
            "default",
            "b",
            b -> b.status().integer("disruptionsAllowed") == 1);
    assertThat(budget.status().integer("currentHealthy")).isEqualTo(2);
    assertThat(Conditions.isTrue(budget.status(), "DisruptionAllowed")).isTrue();
  }

  @Test
  void aQuotaIsGivenBackWhenWhatItCountsGoes() {
    cluster.create(
        """
        kind: ResourceQuota
        metadata: {name: q, namespace: default}
        spec: {hard: {configmaps: "5", count/replicasets.apps: "2"}}
        """);
    cluster.create("{kind: ConfigMap, metadata: {name: c, namespace: default}}");
    cluster.create(
        """
        apiVersion: apps/v1
        kind: ReplicaSet
        metadata: {name: r, namespace: default}
        spec:
          replicas: 0
          selector: {matchLabels: {a: b}}
          template: {metadata: {labels: {a: b}}, spec: {containers: [{name: c, image: i}]}}
        """);
    // kube-root-ca.crt is there too.
    awaitUsed(Map.of("configmaps", "2", "count/replicasets.apps", "1"));
    cluster.client.delete(
        Resources.CONFIG_MAPS, "default", "c", KubeClient.DeleteOptions.background());
    cluster.client.delete(
        Resources.REPLICA_SETS, "default", "r", KubeClient.DeleteOptions.background());
    awaitUsed(Map.of("configmaps", "1", "count/replicasets.apps", "0"));
  }

  private void awaitUsed(Map<String, String> used) {
    cluster.awaitPresent(
        Resources.RESOURCE_QUOTAS, "default", "q", q -> q.status().map("used").equals(used));
  }

  @Test
  void aQuotaOfAVolumeAttributesClassCountsItsClaims() {
    cluster.create(
        """
        kind: ResourceQuota
        metadata: {name: q, namespace: default}
        spec:
          hard: {persistentvolumeclaims: "5", requests.storage: 9Gi}
          scopeSelector:
            matchExpressions:
            - {scopeName: VolumeAttributesClass, operator: In, values: [gold]}
        """);
    String claim =
        "{kind: PersistentVolumeClaim, metadata: {name: %s, namespace: default}, spec:"
            + " {accessModes: [ReadWriteOnce], resources: {requests: {storage: 1Gi}}%s}}";
    cluster.create(claim.formatted("a", ", volumeAttributesClassName: gold"));
    cluster.create(claim.formatted("b", ", volumeAttributesClassName: tin"));
    cluster.create(claim.formatted("c", ""));
    awaitUsed(Map.of("persistentvolumeclaims", "1", "requests.storage", "1Gi"));
    KubeObject given = cluster.client.get(Resources.PERSISTENT_VOLUME_CLAIMS, "default", "c");
    cluster.client.updateSubresource(
        Resources.PERSISTENT_VOLUME_CLAIMS,
        given.withStatus(given.status().with("currentVolumeAttributesClassName", "gold")),
        "status");
    awaitUsed(Map.of("persistentvolumeclaims", "2", "requests.storage", "2Gi"));
  }

  @Test
  void devicesAreCountedByTheirClass() {
    cluster.create(
        """
        kind: ResourceQuota
        metadata: {name: q, namespace: default}
        spec:
          hard:
            count/resourceclaims.resource.k8s.io: "9"
            gold.deviceclass.resource.k8s.io/devices: "99"
        """);
    cluster.create(
        """
        apiVersion: resource.k8s.io/v1
        kind: ResourceClaim
        metadata: {name: c, namespace: default}
        spec:
          devices:
            requests:
            - {name: one, exactly: {deviceClassName: gold}}
            - {name: all, exactly: {deviceClassName: gold, allocationMode: All}}
            - name: some
              firstAvailable:
              - {name: a, deviceClassName: gold, count: 2}
              - {name: b, deviceClassName: gold, count: 5}
              - {name: c, deviceClassName: tin, count: 7}
        """);
    awaitUsed(
        Map.of(
            "count/resourceclaims.resource.k8s.io", "1",
            "gold.deviceclass.resource.k8s.io/devices", "38"));
  }

  @Test
  void aScopedQuotaCountsPodsWithinItOnly() {
    cluster.create(
        """
        kind: ResourceQuota
        metadata: {name: q, namespace: default}
        spec:
          hard: {pods: "5"}
          scopeSelector: {matchExpressions: [{scopeName: CrossNamespacePodAffinity, operator: Exists}]}
        """);
    pod("a", "{}");
    cluster.create(
        """
        kind: Pod
        metadata: {name: near, namespace: default}
        spec:
          containers: [{name: c, image: i}]
          affinity:
            podAffinity:
              preferredDuringSchedulingIgnoredDuringExecution:
              - weight: 1
                podAffinityTerm:
                  topologyKey: kubernetes.io/hostname
                  namespaces: [kube-system]
                  labelSelector: {matchLabels: {app: x}}
        """);
    awaitUsed(Map.of("pods", "1"));
  }

  @Test
  void anEvictionKeepsToTheBudgetAndSaysWhyAPodGoes() {
    cluster.create(
        """
        apiVersion: policy/v1
        kind: PodDisruptionBudget
        metadata: {name: b, namespace: default}
        spec: {minAvailable: 1, selector: {matchLabels: {app: x}}}
        """);
    pod("a", "{}");
    pod("b", "{}");
    cluster.client.patch(
        Resources.PODS,
        "default",
        "a",
        Patch.merge(JsonObject.of("metadata", JsonObject.of("finalizers", List.of("test/hold")))));
    cluster.awaitPresent(
        Resources.POD_DISRUPTION_BUDGETS,
        "default",
        "b",
        b -> b.status().integer("disruptionsAllowed") == 1);
    evict("a");
    KubeObject going = cluster.awaitPresent(Resources.PODS, "default", "a", KubeObject::deleting);
    assertThat(Conditions.find(going.status(), "DisruptionTarget").orElseThrow().text("reason"))
        .isEqualTo("EvictionByEvictionAPI");
    assertThatThrownBy(() -> evict("b"))
        .isInstanceOfSatisfying(
            ApiException.class,
            e -> {
              assertThat(e.code()).isEqualTo(429);
              assertThat(e.status().details().causes().getFirst().reason())
                  .isEqualTo("DisruptionBudget");
            });
  }

  private void evict(String pod) {
    cluster.client.createSubresource(
        Resources.PODS,
        "default",
        pod,
        "eviction",
        new KubeObject(
            JsonObject.of(
                "apiVersion",
                "policy/v1",
                "kind",
                "Eviction",
                "metadata",
                JsonObject.of("name", pod, "namespace", "default"))));
  }

  @Test
  void podsOfANodeThatIsOutOfServiceAreForgotten() {
    cluster.hold("a");
    pod("a", "{}");
    cluster.awaitPresent(
        Resources.PODS, "default", "a", pod -> !pod.spec().text("nodeName").isEmpty());
    cluster.client.patch(
        Resources.PODS,
        "default",
        "a",
        Patch.merge(JsonObject.of("metadata", JsonObject.of("finalizers", List.of("test/hold")))));
    cluster.client.patch(
        Resources.NODES,
        "",
        "node-1",
        Patch.mergeStatus(
            (JsonObject)
                dev.kedge.model.Yaml.parse(
                    """
                    conditions: [{type: Ready, status: "False", reason: Broken,
                      lastTransitionTime: "2026-01-01T00:00:00Z"}]
                    """)));
    cluster.client.patch(
        Resources.NODES,
        "",
        "node-1",
        Patch.merge(
            JsonObject.of(
                "spec",
                JsonObject.of(
                    "taints",
                    List.of(
                        JsonObject.of(
                            "key",
                            "node.kubernetes.io/out-of-service",
                            "value",
                            "nodeshutdown",
                            "effect",
                            "NoExecute"))))));
    cluster.awaitPresent(
        Resources.PODS,
        "default",
        "a",
        pod -> pod.deleting() && PodState.phase(pod).equals("Failed"));
  }

  @Test
  void aBudgetInPercentCannotCountPodsOfNobody() {
    cluster.create(
        """
        apiVersion: policy/v1
        kind: PodDisruptionBudget
        metadata: {name: b, namespace: default}
        spec: {maxUnavailable: 50%, selector: {matchLabels: {app: x}}}
        """);
    pod("a", "{}");
    KubeObject budget =
        cluster.awaitPresent(
            Resources.POD_DISRUPTION_BUDGETS,
            "default",
            "b",
            b -> b.status().integer("currentHealthy") == 1);
    assertThat(budget.status().integer("expectedPods")).isZero();
    assertThat(budget.status().integer("disruptionsAllowed")).isZero();
  }

  @Test
  void aTokenSecretIsFilled() {
    cluster.create(
        """
        kind: Secret
        type: kubernetes.io/service-account-token
        metadata: {name: t, namespace: default, annotations: {kubernetes.io/service-account.name: default}}
        """);
    KubeObject secret =
        cluster.awaitPresent(
            Resources.SECRETS, "default", "t", s -> s.json().object("data").has("token"));
    assertThat(
            new String(
                Base64.getDecoder().decode(secret.json().text("data", "token")),
                StandardCharsets.UTF_8))
        .isEqualTo("default/t");
  }

  @Test
  void podsLeaveANodeThatTheyDoNotTolerate() {
    pod("a", "{}");
    cluster.awaitPresent(Resources.PODS, "default", "a", PodState::ready);
    cluster.client.patch(
        Resources.NODES,
        "",
        "node-1",
        Patch.merge(
            JsonObject.of(
                "spec",
                JsonObject.of(
                    "taints", List.of(JsonObject.of("key", "out", "effect", "NoExecute"))))));
    cluster.awaitGone(Resources.PODS, "default", "a");
    cluster.awaitEvent("a", "TaintManagerEviction", "Marking for deletion Pod default/a");
  }

  @Test
  void anImportantPodTakesTheRoomOfAnUnimportantOne() {
    cluster.create(
        """
        apiVersion: scheduling.k8s.io/v1
        kind: PriorityClass
        metadata: {name: high}
        value: 1000
        """);
    pod("low", "requests: {cpu: \"3\"}");
    cluster.awaitPresent(Resources.PODS, "default", "low", PodState::ready);
    cluster.create(
        """
        kind: Pod
        metadata: {name: high, namespace: default}
        spec:
          priorityClassName: high
          containers: [{name: c, image: i, resources: {requests: {cpu: "2"}}}]
        """);
    cluster.awaitGone(Resources.PODS, "default", "low");
    cluster.awaitPresent(Resources.PODS, "default", "high", PodState::ready);
  }

  @Test
  void aClaimWaitsForItsPodAndGetsTheNodeOfItsPod() {
    cluster.awaitPresent(Resources.STORAGE_CLASSES, "", "local-path", _ -> true);
    cluster.create(
        """
        kind: PersistentVolumeClaim
        metadata: {name: data, namespace: default}
        spec: {accessModes: [ReadWriteOnce], storageClassName: local-path, resources: {requests: {storage: 1Gi}}}
        """);
    cluster.awaitEvent(
        "data", "WaitForFirstConsumer", "waiting for first consumer to be created before binding");
    cluster.create(
        """
        kind: Pod
        metadata: {name: p, namespace: default}
        spec:
          containers: [{name: c, image: i}]
          volumes: [{name: v, persistentVolumeClaim: {claimName: data}}]
        """);
    KubeObject claim =
        cluster.awaitPresent(
            Resources.PERSISTENT_VOLUME_CLAIMS,
            "default",
            "data",
            c ->
                c.annotation("volume.kubernetes.io/selected-node").isPresent()
                    && c.annotation("volume.kubernetes.io/storage-provisioner").isPresent());
    // Here the test plays the provisioner.
    cluster.create(
        """
        kind: PersistentVolume
        metadata: {name: pvc-1, annotations: {pv.kubernetes.io/provisioned-by: rancher.io/local-path}}
        spec:
          capacity: {storage: 1Gi}
          accessModes: [ReadWriteOnce]
          storageClassName: local-path
          persistentVolumeReclaimPolicy: Delete
          hostPath: {path: /tmp/x}
          claimRef: {apiVersion: v1, kind: PersistentVolumeClaim, namespace: default, name: data, uid: "%s"}
        """
            .formatted(claim.uid()));
    cluster.awaitPresent(Resources.PODS, "default", "p", PodState::ready);
    cluster.awaitPresent(
        Resources.PERSISTENT_VOLUME_CLAIMS,
        "default",
        "data",
        c -> c.status().text("phase").equals("Bound"));
  }

  private void pod(String name, String resources) {
    cluster.create(
        """
        kind: Pod
        metadata: {name: %s, namespace: default, labels: {app: x}}
        spec: {containers: [{name: c, image: i, resources: {%s}}]}
        """
            .formatted(name, resources.equals("{}") ? "" : resources));
  }
}
