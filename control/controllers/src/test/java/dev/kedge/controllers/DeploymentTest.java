package dev.kedge.controllers;

import static org.assertj.core.api.Assertions.assertThat;

import dev.kedge.client.KubeClient.DeleteOptions;
import dev.kedge.client.KubeClient.Patch;
import dev.kedge.client.KubeClient.Selection;
import dev.kedge.model.JsonObject;
import dev.kedge.model.KubeObject;
import dev.kedge.model.Resources;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

@Timeout(240)
class DeploymentTest {
  private static final String WEB =
      """
      apiVersion: apps/v1
      kind: Deployment
      metadata: {name: web, namespace: default}
      spec:
        replicas: 3
        selector: {matchLabels: {app: web}}
        template:
          metadata: {labels: {app: web}}
          spec: {containers: [{name: web, image: "nginx:1", ports: [{name: http, containerPort: 8080}]}]}
      """;
  private TestCluster cluster;

  @BeforeEach
  void start() {
    cluster = new TestCluster();
  }

  @AfterEach
  void stop() {
    cluster.close();
  }

  @Test
  void aDeploymentBecomesBoundPodsBehindAService() {
    cluster.node("node-1");
    cluster.create(
        """
        kind: Service
        metadata: {name: web, namespace: default}
        spec: {selector: {app: web}, ports: [{port: 80, targetPort: http}]}
        """);
    cluster.create(WEB);
    KubeObject deployment = awaitComplete(1);
    assertThat(deployment.status().integer("replicas")).isEqualTo(3);
    assertThat(deployment.annotation("deployment.kubernetes.io/revision")).contains("1");
    assertThat(Conditions.find(deployment.status(), "Progressing").orElseThrow().text("reason"))
        .isEqualTo("NewReplicaSetAvailable");
    assertThat(cluster.pods("default", _ -> true))
        .hasSize(3)
        .allMatch(pod -> pod.spec().text("nodeName").equals("node-1"))
        .allMatch(pod -> pod.name().matches("web-[a-z0-9]+-[a-z0-9]{5}"));
    KubeObject endpoints =
        cluster.awaitPresent(
            Resources.ENDPOINTS,
            "default",
            "web",
            object ->
                object.json().objects("subsets").stream()
                    .anyMatch(subset -> subset.objects("addresses").size() == 3));
    assertThat(endpoints.json().objects("subsets").getFirst().objects("ports").getFirst())
        .isEqualTo(JsonObject.of("port", 8080, "protocol", "TCP"));
    List<KubeObject> slices =
        cluster
            .client
            .list(
                Resources.ENDPOINT_SLICES,
                "default",
                Selection.labels("kubernetes.io/service-name=web"))
            .items();
    assertThat(slices).hasSize(1);
    assertThat(slices.getFirst().json().objects("endpoints"))
        .hasSize(3)
        .allMatch(endpoint -> endpoint.flag("conditions", "ready"));
  }

  @Test
  void aNewTemplateRollsWithoutEverBeingShortOfPods() {
    cluster.node("node-1");
    cluster.create(WEB);
    awaitComplete(1);
    cluster.hold("web-");
    image("nginx:2");
    cluster.awaitPresent(
        Resources.DEPLOYMENTS, "default", "web", d -> d.status().integer("updatedReplicas") == 1);
    // One surge pod that never becomes ready: 25 % of three may be missing, that is none.
    assertThat(cluster.pods("default", PodState::ready)).hasSize(3);
    assertThat(cluster.pods("default", PodState::active)).hasSize(4);
    cluster.release("web-");
    KubeObject deployment = awaitComplete(2);
    assertThat(deployment.annotation("deployment.kubernetes.io/revision")).contains("2");
    assertThat(cluster.pods("default", PodState::active))
        .hasSize(3)
        .allMatch(
            pod -> pod.spec().objects("containers").getFirst().text("image").equals("nginx:2"));
    assertThat(sets()).hasSize(2);
    // Back to the first template: its set is used again, as a later revision.
    image("nginx:1");
    awaitComplete(3);
    assertThat(sets()).hasSize(2);
  }

  @Test
  void scalingAndDeletingFollow() {
    cluster.node("node-1");
    cluster.create(WEB);
    awaitComplete(1);
    cluster.client.patch(
        Resources.DEPLOYMENTS,
        "default",
        "web",
        Patch.merge(JsonObject.of("spec", JsonObject.of("replicas", 1))));
    cluster.awaitPresent(
        Resources.DEPLOYMENTS,
        "default",
        "web",
        d -> d.status().integer("replicas") == 1 && d.status().integer("availableReplicas") == 1);
    assertThat(cluster.pods("default", PodState::active)).hasSize(1);
    // A pod that somebody deletes is made again.
    KubeObject pod = cluster.pods("default", PodState::active).getFirst();
    cluster.client.delete(Resources.PODS, "default", pod.name(), DeleteOptions.DEFAULT);
    cluster.awaitGone(Resources.PODS, "default", pod.name());
    awaitReady(1);
  }

  @Test
  void unschedulablePodsSayWhyAndGoOnWhenANodeComes() {
    cluster.create(WEB);
    KubeObject pod = awaitCondition("no nodes available to schedule pods");
    assertThat(pod.spec().text("nodeName")).isEmpty();
    cluster.node("small", "{size: small}");
    awaitComplete(1);
    cluster.create(
        """
        kind: Pod
        metadata: {name: picky, namespace: default}
        spec:
          nodeSelector: {size: large}
          containers: [{name: c, image: i}]
        """);
    cluster.create(
        """
        kind: Pod
        metadata: {name: hungry, namespace: default}
        spec: {containers: [{name: c, image: i, resources: {requests: {cpu: "5"}}}]}
        """);
    String picky =
        "0/1 nodes are available: 1 node(s) didn't match Pod's node affinity/selector. preemption:"
            + " 0/1 nodes are available: 1 Preemption is not helpful for scheduling.";
    awaitCondition(picky);
    awaitCondition(
        "0/1 nodes are available: 1 Insufficient cpu. preemption: 0/1 nodes are available: 1"
            + " Preemption is not helpful for scheduling.");
    cluster.awaitEvent("picky", "FailedScheduling", picky);
    cluster.node("large", "{size: large}");
    cluster.awaitPresent(
        Resources.PODS, "default", "picky", p -> p.spec().text("nodeName").equals("large"));
  }

  @Test
  void deletingANamespaceEmptiesIt() {
    cluster.node("node-1");
    cluster.create("{kind: Namespace, metadata: {name: team}}");
    cluster.awaitPresent(Resources.SERVICE_ACCOUNTS, "team", "default", _ -> true);
    cluster.awaitPresent(
        Resources.CONFIG_MAPS,
        "team",
        "kube-root-ca.crt",
        map -> map.json().map("data").equals(Map.of("ca.crt", "PEM")));
    cluster.create(WEB.replace("namespace: default", "namespace: team"));
    cluster.awaitPresent(
        Resources.DEPLOYMENTS, "team", "web", d -> d.status().integer("availableReplicas") == 3);
    cluster.client.delete(Resources.NAMESPACES, "", "team", DeleteOptions.DEFAULT);
    cluster.awaitGone(Resources.NAMESPACES, "", "team");
    assertThat(cluster.pods("team", _ -> true)).isEmpty();
  }

  @Test
  void podsOfANamespaceGoFirst() {
    cluster.create("{kind: Namespace, metadata: {name: slow}}");
    cluster.awaitPresent(Resources.SERVICE_ACCOUNTS, "slow", "default", _ -> true);
    cluster.create("{kind: ConfigMap, metadata: {name: settings, namespace: slow}}");
    cluster.create(
        """
        kind: Pod
        metadata: {name: last, namespace: slow, finalizers: [example.com/hold]}
        spec: {containers: [{name: c, image: c}]}
        """);
    cluster.client.delete(Resources.NAMESPACES, "", "slow", DeleteOptions.DEFAULT);
    KubeObject namespace =
        cluster.awaitPresent(
            Resources.NAMESPACES,
            "",
            "slow",
            n -> Conditions.isTrue(n.status(), "NamespaceFinalizersRemaining"));
    assertThat(namespace.status().objects("conditions").stream().map(c -> c.text("type")))
        .containsExactly(
            "NamespaceDeletionDiscoveryFailure",
            "NamespaceDeletionGroupVersionParsingFailure",
            "NamespaceDeletionContentFailure",
            "NamespaceContentRemaining",
            "NamespaceFinalizersRemaining");
    assertThat(cluster.client.find(Resources.CONFIG_MAPS, "slow", "settings")).isPresent();
    cluster.client.patch(
        Resources.PODS,
        "slow",
        "last",
        new Patch(
            dev.kedge.client.KubeClient.PatchType.MERGE,
            dev.kedge.model.Yaml.parse("metadata: {finalizers: null}"),
            "",
            "",
            false));
    cluster.awaitGone(Resources.NAMESPACES, "", "slow");
  }

  @Test
  void theKubernetesServiceIsThere() {
    KubeObject service =
        cluster.awaitPresent(Resources.SERVICES, "default", "kubernetes", _ -> true);
    assertThat(service.spec().text("clusterIP")).isEqualTo("10.43.0.1");
    cluster.awaitPresent(Resources.ENDPOINT_SLICES, "default", "kubernetes", _ -> true);
    cluster.awaitPresent(Resources.ENDPOINTS, "default", "kubernetes", _ -> true);
    cluster.awaitPresent(Resources.STORAGE_CLASSES, "", "local-path", _ -> true);
    cluster.awaitPresent(Resources.PRIORITY_CLASSES, "", "system-node-critical", _ -> true);
  }

  private List<KubeObject> sets() {
    return cluster.client.list(Resources.REPLICA_SETS, "default", Selection.ALL).items();
  }

  private void image(String image) {
    cluster.client.patch(
        Resources.DEPLOYMENTS,
        "default",
        "web",
        new Patch(
            dev.kedge.client.KubeClient.PatchType.STRATEGIC,
            dev.kedge.model.Yaml.parse(
                "spec: {template: {spec: {containers: [{name: web, image: \"" + image + "\"}]}}}"),
            "",
            "",
            false));
  }

  private KubeObject awaitComplete(long generation) {
    return cluster.awaitPresent(
        Resources.DEPLOYMENTS,
        "default",
        "web",
        d ->
            d.generation() >= generation
                && d.status().integer("observedGeneration") == d.generation()
                && d.status().integer("updatedReplicas") == 3
                && d.status().integer("replicas") == 3
                && d.status().integer("availableReplicas") == 3
                && d.annotation("deployment.kubernetes.io/revision")
                    .map(r -> Long.parseLong(r) >= generation)
                    .orElse(false)
                && Conditions.find(d.status(), "Progressing")
                    .map(c -> c.text("reason").equals("NewReplicaSetAvailable"))
                    .orElse(false));
  }

  private void awaitReady(int count) {
    org.awaitility.Awaitility.await()
        .until(() -> cluster.pods("default", PodState::ready).size() == count);
  }

  private KubeObject awaitCondition(String message) {
    return org.awaitility.Awaitility.await(message)
        .until(
            () ->
                cluster
                    .pods(
                        "default",
                        pod ->
                            Conditions.find(pod.status(), "PodScheduled")
                                .map(c -> c.text("message").equals(message))
                                .orElse(false))
                    .stream()
                    .findFirst(),
            java.util.Optional::isPresent)
        .orElseThrow();
  }
}
