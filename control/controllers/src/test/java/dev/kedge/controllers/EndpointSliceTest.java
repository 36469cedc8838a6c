package dev.kedge.controllers;

import static org.assertj.core.api.Assertions.assertThat;
import static org.awaitility.Awaitility.await;

import dev.kedge.client.KubeClient.Patch;
import dev.kedge.client.KubeClient.Selection;
import dev.kedge.model.JsonObject;
import dev.kedge.model.KubeObject;
import dev.kedge.model.Resources;
import dev.kedge.model.Yaml;
import java.time.Duration;
import java.util.List;
import java.util.function.Predicate;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

@Timeout(240)
class EndpointSliceTest {
  private TestCluster cluster;

  @BeforeEach
  void start() {
    cluster = new TestCluster();
    cluster.node("node-1", "{topology.kubernetes.io/zone: east}");
  }

  @AfterEach
  void stop() {
    cluster.close();
  }

  private List<KubeObject> slices() {
    return cluster
        .client
        .list(
            Resources.ENDPOINT_SLICES,
            "default",
            Selection.labels("kubernetes.io/service-name=web"))
        .items();
  }

  private KubeObject awaitSlice(Predicate<KubeObject> holds) {
    return await()
        .atMost(Duration.ofSeconds(60))
        .until(() -> slices().stream().filter(holds).findFirst(), java.util.Optional::isPresent)
        .orElseThrow();
  }

  private static List<JsonObject> endpoints(KubeObject slice) {
    return slice.json().objects("endpoints");
  }

  @Test
  void whatIsWrittenByHandIsMirrored() {
    cluster.create(
        """
        kind: Service
        metadata: {name: web, namespace: default}
        spec: {ports: [{name: http, port: 80, targetPort: 8080}]}
        """);
    cluster.create(
        """
        kind: Endpoints
        metadata: {name: web, namespace: default, labels: {team: blue}, annotations: {note: here}}
        subsets:
        - addresses: [{ip: 192.0.2.10, nodeName: node-1}, {ip: "2001:db8::1"}]
          notReadyAddresses: [{ip: 192.0.2.11, hostname: second}]
          ports: [{name: http, port: 8080, appProtocol: kubernetes.io/h2c}]
        """);
    KubeObject slice = awaitSlice(s -> s.json().text("addressType").equals("IPv4"));
    assertThat(slice.labels())
        .containsEntry("team", "blue")
        .containsEntry(
            "endpointslice.kubernetes.io/managed-by", "endpointslicemirroring-controller.k8s.io");
    assertThat(slice.annotations()).containsEntry("note", "here");
    assertThat(slice.controller().orElseThrow().text("kind")).isEqualTo("Endpoints");
    assertThat(endpoints(slice))
        .extracting(e -> e.strings("addresses"), e -> e.flag("conditions", "ready"))
        .containsExactlyInAnyOrder(
            org.assertj.core.groups.Tuple.tuple(List.of("192.0.2.10"), true),
            org.assertj.core.groups.Tuple.tuple(List.of("192.0.2.11"), false));
    assertThat(slice.json().objects("ports").getFirst().text("appProtocol"))
        .isEqualTo("kubernetes.io/h2c");
    awaitSlice(s -> s.json().text("addressType").equals("IPv6"));
    cluster.client.patch(
        Resources.ENDPOINTS,
        "default",
        "web",
        Patch.merge(
            (JsonObject)
                Yaml.parse("subsets: [{addresses: [{ip: 192.0.2.12}], ports: [{port: 9}]}]")));
    awaitSlice(
        s ->
            endpoints(s).stream().anyMatch(e -> e.strings("addresses").contains("192.0.2.12"))
                && slices().size() == 1);
    cluster.client.patch(
        Resources.ENDPOINTS,
        "default",
        "web",
        Patch.merge(
            (JsonObject)
                Yaml.parse(
                    "metadata: {labels: {endpointslice.kubernetes.io/skip-mirror: 'true'}}")));
    await().atMost(Duration.ofSeconds(60)).until(() -> slices().isEmpty());
  }

  @Test
  void endpointsSayForWhomTheyAre() {
    service("trafficDistribution: PreferSameNode");
    pod();
    KubeObject slice =
        awaitSlice(s -> endpoints(s).stream().anyMatch(e -> e.flag("conditions", "ready")));
    assertThat(endpoints(slice).getFirst().object("hints"))
        .isEqualTo(
            (JsonObject) Yaml.parse("{forZones: [{name: east}], forNodes: [{name: node-1}]}"));
    cluster.client.patch(
        Resources.SERVICES,
        "default",
        "web",
        Patch.merge((JsonObject) Yaml.parse("spec: {trafficDistribution: null}")));
    awaitSlice(s -> endpoints(s).stream().noneMatch(e -> e.has("hints")));
  }

  @Test
  void podsThatAreNotReadyCanBePublished() {
    cluster.hold("p");
    service("publishNotReadyAddresses: true");
    pod();
    cluster.awaitPresent(
        Resources.PODS, "default", "p", pod -> !pod.spec().text("nodeName").isEmpty());
    cluster.run(cluster.client.get(Resources.PODS, "default", "p"), "Running", false);
    KubeObject slice = awaitSlice(s -> !endpoints(s).isEmpty());
    assertThat(endpoints(slice).getFirst().object("conditions"))
        .isEqualTo(JsonObject.of("ready", true, "serving", false, "terminating", false));
    cluster.awaitPresent(
        Resources.ENDPOINTS,
        "default",
        "web",
        e ->
            !e.json().objects("subsets").isEmpty()
                && !e.json().objects("subsets").getFirst().objects("addresses").isEmpty());
  }

  private void service(String more) {
    cluster.create(
        """
        kind: Service
        metadata: {name: web, namespace: default}
        spec: {selector: {app: web}, ports: [{port: 80}], %s}
        """
            .formatted(more));
  }

  private void pod() {
    cluster.create(
        """
        kind: Pod
        metadata: {name: p, namespace: default, labels: {app: web}}
        spec: {containers: [{name: c, image: i}]}
        """);
  }
}
