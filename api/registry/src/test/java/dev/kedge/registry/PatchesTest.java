package dev.kedge.registry;

import static dev.kedge.registry.Cluster.CONFIG_MAPS;
import static dev.kedge.registry.Cluster.object;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.kedge.model.ApiException;
import dev.kedge.model.Duplicates;
import dev.kedge.model.Json;
import dev.kedge.model.JsonObject;
import dev.kedge.model.KubeObject;
import dev.kedge.model.Resources;
import dev.kedge.registry.Registry.PatchType;
import dev.kedge.registry.Registry.WriteOptions;
import dev.kedge.registry.Registry.Written;
import java.util.List;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.stream.IntStream;
import org.junit.jupiter.api.AutoClose;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** The four kinds of patches, applies with their owners, status and scale. */
class PatchesTest {
  private static final String DEPLOYMENT =
      """
      {apiVersion: apps/v1, kind: Deployment, metadata: {name: web, namespace: default}, spec: {replicas: 2,
       selector: {matchLabels: {app: web}}, template: {metadata: {labels: {app: web}},
       spec: {containers: [{name: nginx, image: "nginx:1"}]}}}}
      """;

  @AutoClose private final Cluster cluster = new Cluster().withDefaults();

  private KubeObject patchMap(PatchType type, String patch) {
    return cluster.patch(CONFIG_MAPS, "default", "one", type, patch);
  }

  @Test
  void patchesByJsonAndMerge() {
    cluster.create("{kind: ConfigMap, metadata: {name: one, namespace: default}, data: {a: x}}");
    patchMap(PatchType.MERGE, "{\"data\":{\"b\":\"y\",\"a\":null}}");
    KubeObject patched =
        patchMap(PatchType.JSON, "[{\"op\":\"add\",\"path\":\"/data/c\",\"value\":\"z\"}]");
    assertThat(patched.json().map("data")).containsOnlyKeys("b", "c");
    assertThatThrownBy(
            () ->
                patchMap(
                    PatchType.JSON, "[{\"op\":\"test\",\"path\":\"/data/c\",\"value\":\"q\"}]"))
        .isInstanceOfSatisfying(ApiException.class, e -> assertThat(e.code()).isEqualTo(422));
    assertThatThrownBy(
            () -> patchMap(PatchType.MERGE, "{\"metadata\":{\"resourceVersion\":\"1\"}}"))
        .isInstanceOfSatisfying(ApiException.class, e -> assertThat(e.code()).isEqualTo(409));
    long before = cluster.store.currentRevision();
    patchMap(PatchType.MERGE, "{\"data\":{\"b\":\"y\"}}");
    assertThat(cluster.store.currentRevision()).isEqualTo(before);
  }

  /** Patches that cannot be carried out, with upstream's words; found by its kubectl. */
  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      quoteCharacter = '`',
      textBlock =
          """
          STRATEGIC | {"spec":{"replicas":"x"}} | patch: Invalid value: "map[spec:map[replicas:x]]": unrecognized type: int32
          STRATEGIC | {"spec":{"paused":[1]}} | patch: Invalid value: "map[spec:map[paused:[1]]]": unrecognized type: bool
          STRATEGIC | {"spec":{"strategy":{"type":3}}} | patch: Invalid value: "map[spec:map[strategy:map[type:3]]]": cannot convert int64 to string
          JSON | [{"op":"remove","path":"/spec/nothing"}] | the server rejected our request due to an error in our request
          JSON | [{"op":"test","path":"/spec/replicas","value":9}] | the server rejected our request due to an error in our request
          """)
  void refusesPatchesInUpstreamsWords(PatchType type, String patch, String message) {
    KubeObject made = cluster.create(DEPLOYMENT);
    assertThatThrownBy(
            () -> cluster.patch(Resources.DEPLOYMENTS, made.namespace(), made.name(), type, patch))
        .isInstanceOfSatisfying(
            ApiException.class,
            e -> {
              assertThat(e.code()).isEqualTo(422);
              assertThat(e.status().message()).endsWith(message);
              if (type == PatchType.JSON) {
                // kubectl prints a cause where there is one.
                assertThat(e.status().details().causes()).isEmpty();
              }
            });
  }

  @Test
  void mergesListsByKey() {
    cluster.create(DEPLOYMENT);
    KubeObject patched =
        cluster.patch(
            Resources.DEPLOYMENTS,
            "default",
            "web",
            PatchType.STRATEGIC,
            """
            {"spec":{"template":{"spec":{"containers":[{"name":"side","image":"busybox"}]}}}}
            """);
    assertThat(patched.json().objects("spec", "template", "spec", "containers"))
        .extracting(container -> container.text("name"))
        .containsExactlyInAnyOrder("nginx", "side");
    assertThat(patched.generation()).isEqualTo(2);
  }

  @Test
  void concurrentPatchesAllCount() throws Exception {
    cluster.create("{kind: ConfigMap, metadata: {name: one, namespace: default}, data: {a: x}}");
    CountDownLatch go = new CountDownLatch(1);
    try (ExecutorService pool = Executors.newVirtualThreadPerTaskExecutor()) {
      List<Future<KubeObject>> all =
          IntStream.range(0, 64)
              .mapToObj(
                  i ->
                      pool.submit(
                          () -> {
                            go.await();
                            return patchMap(PatchType.MERGE, "{\"data\":{\"k" + i + "\":\"v\"}}");
                          }))
              .toList();
      go.countDown();
      for (Future<KubeObject> one : all) {
        one.get();
      }
    }
    assertThat(cluster.get(CONFIG_MAPS, "default", "one").json().map("data")).hasSize(65);
  }

  private Written apply(String manager, boolean force, String config) {
    return cluster.registry.patch(
        cluster.request(CONFIG_MAPS, "default", "one", ""),
        PatchType.APPLY,
        Json.parse(config),
        new WriteOptions(manager, force, false, Registry.FieldValidation.STRICT, Duplicates.NONE));
  }

  @Test
  void appliesByOwner() {
    String config =
        "{\"apiVersion\":\"v1\",\"kind\":\"ConfigMap\",\"metadata\":{\"name\":\"one\"},\"data\":{\"a\":\"%s\"}}";
    Written first = apply("alice", false, config.formatted("x"));
    assertThat(first.created()).isTrue();
    assertThat(first.object().tree().metadata().objects("managedFields"))
        .singleElement()
        .satisfies(
            entry -> {
              assertThat(entry.text("manager")).isEqualTo("alice");
              assertThat(entry.text("operation")).isEqualTo("Apply");
            });
    long before = cluster.store.currentRevision();
    assertThat(apply("alice", false, config.formatted("x")).created()).isFalse();
    assertThat(cluster.store.currentRevision()).isEqualTo(before);
    assertThatThrownBy(() -> apply("bob", false, config.formatted("y")))
        .isInstanceOfSatisfying(ApiException.class, e -> assertThat(e.code()).isEqualTo(409))
        .hasMessage("Apply failed with 1 conflict: conflict with \"alice\": .data.a");
    assertThat(apply("bob", true, config.formatted("y")).object().tree().json().text("data", "a"))
        .isEqualTo("y");
  }

  @Test
  void statusAndSpecAreApart() {
    KubeObject made = cluster.create(DEPLOYMENT);
    assertThat(made.generation()).isEqualTo(1);
    KubeObject both =
        made.withPath(List.of("spec", "replicas"), 5).withPath(List.of("status", "replicas"), 3);
    KubeObject reported = cluster.update(both, "status");
    assertThat(reported.json().integer("spec", "replicas")).isEqualTo(2);
    assertThat(reported.json().integer("status", "replicas")).isEqualTo(3);
    assertThat(reported.generation()).isEqualTo(1);
    KubeObject asked =
        cluster.update(
            reported
                .withPath(List.of("spec", "replicas"), 5)
                .withPath(List.of("status", "replicas"), 9));
    assertThat(asked.json().integer("spec", "replicas")).isEqualTo(5);
    assertThat(asked.json().integer("status", "replicas")).isEqualTo(3);
    assertThat(asked.generation()).isEqualTo(2);
    assertThat(asked.metadata().objects("managedFields"))
        .extracting(entry -> entry.text("subresource"))
        .contains("status", "");
  }

  @Test
  void scales() {
    cluster.create(DEPLOYMENT);
    KubeObject scale =
        cluster
            .registry
            .get(
                cluster.request(Resources.DEPLOYMENTS, "default", "web", "scale"),
                Registry.GetOptions.LATEST)
            .tree();
    assertThat(scale.kind()).isEqualTo("Scale");
    assertThat(scale.json().integer("spec", "replicas")).isEqualTo(2);
    assertThat(scale.json().text("status", "selector")).isEqualTo("app=web");
    KubeObject patched =
        cluster.patch(
            Resources.DEPLOYMENTS,
            "default",
            "web",
            "scale",
            PatchType.MERGE,
            "{\"spec\":{\"replicas\":4}}",
            "kubectl");
    assertThat(patched.json().integer("spec", "replicas")).isEqualTo(4);
    assertThat(
            cluster.get(Resources.DEPLOYMENTS, "default", "web").json().integer("spec", "replicas"))
        .isEqualTo(4);
  }

  @Test
  void applyingTheSameAgainWritesNothing() {
    String config =
        Json.write(
            object(DEPLOYMENT)
                .json()
                .withPath(List.of("spec", "strategy"), JsonObject.of("type", "Recreate")));
    cluster.patch(Resources.DEPLOYMENTS, "default", "web", "", PatchType.APPLY, config, "kubectl");
    KubeObject live = cluster.get(Resources.DEPLOYMENTS, "default", "web");
    assertThat(live.spec().integer("revisionHistoryLimit")).isEqualTo(10);
    cluster.update(live.withStatus(JsonObject.of("replicas", 2)), "status");
    long before = cluster.store.currentRevision();
    cluster.patch(Resources.DEPLOYMENTS, "default", "web", "", PatchType.APPLY, config, "kubectl");
    assertThat(cluster.store.currentRevision()).isEqualTo(before);
    KubeObject status =
        cluster.patch(
            Resources.DEPLOYMENTS,
            "default",
            "web",
            "status",
            PatchType.APPLY,
            """
            {"apiVersion":"apps/v1","kind":"Deployment","metadata":{"name":"web"},"status":{"readyReplicas":1}}
            """,
            "reporter");
    assertThat(status.status().integer("readyReplicas")).isEqualTo(1);
    assertThat(status.spec()).isEqualTo(live.spec());
  }

  @Test
  void podsGetEphemeralContainersOnlyInAddition() {
    cluster.create(
        "{kind: Pod, metadata: {name: p, namespace: default}, spec: {containers: [{name: a, image:"
            + " b}]}}");
    String first = "{\"name\":\"debug\",\"image\":\"busybox\"}";
    KubeObject patched = ephemeral("[" + first + "]");
    assertThat(patched.spec().objects("ephemeralContainers"))
        .singleElement()
        .satisfies(
            container -> assertThat(container.text("terminationMessagePolicy")).isEqualTo("File"));
    assertThatThrownBy(
            () ->
                cluster.update(
                    patched.with("spec", patched.spec().without("ephemeralContainers")),
                    "ephemeralcontainers"))
        .hasMessage(
            "Pod \"p\" is invalid: spec.ephemeralContainers: Forbidden: existing ephemeral"
                + " containers \"debug\" may not be removed");
  }

  private KubeObject ephemeral(String containers) {
    return cluster.patch(
        Resources.PODS,
        "default",
        "p",
        "ephemeralcontainers",
        PatchType.STRATEGIC,
        "{\"spec\":{\"ephemeralContainers\":" + containers + "}}",
        "kubectl");
  }
}
