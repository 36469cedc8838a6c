package dev.kedge.registry;

import static dev.kedge.registry.Cluster.CONFIG_MAPS;
import static dev.kedge.registry.Cluster.object;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.kedge.identity.User;
import dev.kedge.model.ApiException;
import dev.kedge.model.JsonObject;
import dev.kedge.model.KubeObject;
import dev.kedge.model.ResourceType;
import dev.kedge.model.Resources;
import dev.kedge.registry.Registry.DeleteOptions;
import dev.kedge.registry.Registry.ListOptions;
import dev.kedge.registry.Registry.PatchType;
import dev.kedge.registry.Registry.Request;
import dev.kedge.registry.Registry.ServedList;
import dev.kedge.registry.Registry.WriteOptions;
import java.nio.charset.StandardCharsets;
import java.time.Clock;
import java.time.Duration;
import java.util.Base64;
import java.util.List;
import java.util.Optional;
import org.junit.jupiter.api.AutoClose;
import org.junit.jupiter.api.Test;

/** What single kinds have of their own, and reads of the past. */
class KindsTest {
  @AutoClose private final Cluster cluster = new Cluster().withDefaults();

  @Test
  void autoscalersAreOneThingInTwoVersions() {
    cluster.create(
        """
        {apiVersion: autoscaling/v1, kind: HorizontalPodAutoscaler, metadata: {name: web, namespace: default},
         spec: {scaleTargetRef: {apiVersion: apps/v1, kind: Deployment, name: web}, maxReplicas: 3,
          targetCPUUtilizationPercentage: 60}}
        """);
    KubeObject newer = cluster.get(Resources.HORIZONTAL_POD_AUTOSCALERS, "default", "web");
    assertThat(newer.apiVersion()).isEqualTo("autoscaling/v2");
    assertThat(newer.spec().objects("metrics"))
        .singleElement()
        .satisfies(
            metric ->
                assertThat(metric.integer("resource", "target", "averageUtilization"))
                    .isEqualTo(60));
    ResourceType old =
        new ResourceType(
            "autoscaling", "v1", "horizontalpodautoscalers", "HorizontalPodAutoscaler", true);
    KubeObject patched =
        cluster.patch(old, "default", "web", PatchType.MERGE, "{\"spec\":{\"maxReplicas\":5}}");
    assertThat(patched.apiVersion()).isEqualTo("autoscaling/v1");
    assertThat(patched.spec().integer("targetCPUUtilizationPercentage")).isEqualTo(60);
    assertThat(patched.spec().integer("maxReplicas")).isEqualTo(5);
  }

  @Test
  void volumesAreProtectedAndPending() {
    KubeObject claim =
        cluster.create(
            """
            {kind: PersistentVolumeClaim, metadata: {name: c, namespace: default},
             spec: {accessModes: [ReadWriteOnce], resources: {requests: {storage: 1Gi}}}}
            """);
    assertThat(claim.status().text("phase")).isEqualTo("Pending");
    assertThat(claim.finalizers()).containsExactly("kubernetes.io/pvc-protection");
    assertThatThrownBy(
            () ->
                cluster.patch(
                    Resources.PERSISTENT_VOLUME_CLAIMS,
                    "default",
                    "c",
                    PatchType.MERGE,
                    "{\"spec\":{\"resources\":{\"requests\":{\"storage\":\"2Gi\"}}}}"))
        .isInstanceOf(ApiException.class);
    assertThat(cluster.delete(Resources.PERSISTENT_VOLUME_CLAIMS, "default", "c").finished())
        .isFalse();
  }

  @Test
  void plainDeletionOfAJobKeepsItsPods() {
    cluster.create(
        """
        {apiVersion: batch/v1, kind: Job, metadata: {name: j, namespace: default},
         spec: {template: {spec: {restartPolicy: Never, containers: [{name: a, image: b}]}}}}
        """);
    cluster.delete(Resources.JOBS, "default", "j");
    assertThat(cluster.get(Resources.JOBS, "default", "j").finalizers()).containsExactly("orphan");
    cluster.delete(
        Resources.JOBS,
        "default",
        "j",
        new DeleteOptions(Optional.empty(), "Background", Optional.empty(), "", "", false));
    assertThatThrownBy(() -> cluster.get(Resources.JOBS, "default", "j"))
        .hasMessage("jobs.batch \"j\" not found");
  }

  @Test
  void certificateRequestsSayWhoAsks() {
    KubeObject sent =
        object(
            """
            {apiVersion: certificates.k8s.io/v1, kind: CertificateSigningRequest, metadata: {name: r},
             spec: {signerName: example.com/s, request: %s, usages: [client auth], username: root}}
            """
                .formatted(
                    Base64.getEncoder()
                        .encodeToString(
                            "-----BEGIN CERTIFICATE REQUEST-----"
                                .getBytes(StandardCharsets.US_ASCII))));
    ResourceInfo info = cluster.info(Resources.CERTIFICATE_SIGNING_REQUESTS);
    User bob = User.of("bob", "devs");
    KubeObject made =
        cluster
            .registry
            .create(new Request(info, "", "", "", bob), sent.json(), WriteOptions.by("t"))
            .object()
            .tree();
    assertThat(made.spec().text("username")).isEqualTo("bob");
    KubeObject approved =
        made.withStatus(
            JsonObject.of(
                "conditions",
                List.of(
                    JsonObject.of(
                        "type", "Approved", "status", "True", "reason", "r", "message", "m"))));
    assertThatThrownBy(
            () ->
                cluster.registry.update(
                    new Request(info, "", "r", "approval", bob),
                    approved.json(),
                    WriteOptions.by("t")))
        .hasMessageEndingWith(
            "user not permitted to approve requests with signerName \"example.com/s\"");
    KubeObject done =
        cluster.update(
            approved.withMetadata("annotations", JsonObject.of("why", "known")), "approval");
    assertThat(done.status().objects("conditions")).hasSize(1);
    assertThat(done.annotation("why")).contains("known");
  }

  @Test
  void nodesKeepWhatTheirAgentsMayNotTouch() {
    ResourceInfo info = cluster.info(Resources.NODES);
    User agent = User.of("system:node:one", "system:nodes");
    assertThatThrownBy(
            () ->
                cluster.registry.create(
                    new Request(info, "", "", "", agent),
                    object("{kind: Node, metadata: {name: two}}").json(),
                    WriteOptions.by("t")))
        .hasMessage(
            "nodes \"two\" is forbidden: node \"one\" is not allowed to modify node \"two\"");
    KubeObject node =
        cluster
            .registry
            .create(
                new Request(info, "", "", "", agent),
                object("{kind: Node, metadata: {name: one}, status: {capacity: {cpu: \"2\"}}}")
                    .json(),
                WriteOptions.by("t"))
            .object()
            .tree();
    assertThat(node.status().object("capacity").text("cpu")).isEqualTo("2");
  }

  @Test
  void eventsAreForgottenAfterAnHour() {
    cluster.create(
        """
        {kind: Event, metadata: {name: e, namespace: default},
         involvedObject: {kind: Pod, name: one, namespace: default}, reason: Started, type: Normal}
        """);
    CatalogHolder catalogs = new CatalogHolder(cluster.store, List.of());
    Clock soon = Clock.offset(Clock.systemUTC(), Duration.ofMinutes(50));
    Clock later = Clock.offset(Clock.systemUTC(), Duration.ofMinutes(70));
    assertThat(new EventExpiry(catalogs, soon).expire()).isZero();
    assertThat(new EventExpiry(catalogs, later).expire()).isEqualTo(1);
    catalogs.current().kinds().forEach(StoredKind::close);
    assertThat(cluster.list(Resources.EVENTS, "default").items()).isEmpty();
  }

  private ServedList list(String resourceVersion, String match) {
    return cluster.registry.list(
        cluster.request(CONFIG_MAPS, "default", "", ""),
        new ListOptions("", "", resourceVersion, match, 0, ""));
  }

  @Test
  void readsThePast() {
    KubeObject first =
        cluster.create("{kind: ConfigMap, metadata: {name: one, namespace: default}}");
    cluster.create("{kind: ConfigMap, metadata: {name: two, namespace: default}}");
    assertThat(list(first.resourceVersion(), "Exact").items()).hasSize(1);
    assertThat(list(first.resourceVersion(), "NotOlderThan").items()).hasSize(2);
    assertThat(list("0", "").items()).isNotNull();
    assertThatThrownBy(() -> list("", "Exact"))
        .hasMessageContaining(
            "resourceVersionMatch is forbidden unless resourceVersion is provided");
    assertThatThrownBy(() -> list("999999", "NotOlderThan"))
        .isInstanceOfSatisfying(
            ApiException.class, e -> assertThat(e.reason()).isEqualTo("Timeout"))
        .hasMessageStartingWith("Too large resource version: 999999, current: ");
    cluster.store.compact(cluster.store.currentRevision());
    assertThatThrownBy(() -> list(first.resourceVersion(), "Exact"))
        .isInstanceOfSatisfying(ApiException.class, e -> assertThat(e.isExpired()).isTrue());
  }

  @Test
  void aListThatIsTooOldGoesOnInconsistently() {
    cluster.create("{kind: Namespace, metadata: {name: pages}}");
    for (String name : List.of("a", "b", "c")) {
      cluster.create("{kind: ConfigMap, metadata: {name: %s, namespace: pages}}".formatted(name));
    }
    Registry.ServedList first = page("");
    cluster.create("{kind: ConfigMap, metadata: {name: d, namespace: pages}}");
    cluster.store.compact(cluster.store.currentRevision());
    ApiException expired =
        org.assertj.core.api.Assertions.catchThrowableOfType(
            ApiException.class, () -> page(first.continueToken()));
    assertThat(expired.isExpired()).isTrue();
    assertThat(expired).hasMessageContaining("or use the continue token in this response");
    Registry.ServedList rest = page(expired.status().continueToken());
    assertThat(rest.items()).extracting(item -> item.tree().name()).containsExactly("b");
    assertThat(rest.resourceVersion()).isNotEqualTo(first.resourceVersion());
    assertThat(rest.remaining()).isEqualTo(2);
    assertThat(expired.status().json().text("metadata", "continue"))
        .isEqualTo(dev.kedge.model.Status.of(expired.status().json()).continueToken());
  }

  private Registry.ServedList page(String token) {
    return cluster.registry.list(
        cluster.request(Resources.CONFIG_MAPS, "pages", "", ""),
        new Registry.ListOptions("", "", "", "", 1, token));
  }
}
