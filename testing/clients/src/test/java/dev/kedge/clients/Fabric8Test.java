package dev.kedge.clients;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.catchThrowableOfType;
import static org.awaitility.Awaitility.await;

import io.fabric8.kubernetes.api.model.ConfigMap;
import io.fabric8.kubernetes.api.model.ConfigMapBuilder;
import io.fabric8.kubernetes.api.model.ConfigMapList;
import io.fabric8.kubernetes.api.model.GenericKubernetesResource;
import io.fabric8.kubernetes.api.model.ListOptionsBuilder;
import io.fabric8.kubernetes.api.model.NamespaceBuilder;
import io.fabric8.kubernetes.api.model.Namespaced;
import io.fabric8.kubernetes.api.model.apiextensions.v1.CustomResourceDefinition;
import io.fabric8.kubernetes.api.model.apps.Deployment;
import io.fabric8.kubernetes.api.model.apps.DeploymentConditionBuilder;
import io.fabric8.kubernetes.client.Config;
import io.fabric8.kubernetes.client.CustomResource;
import io.fabric8.kubernetes.client.KubernetesClient;
import io.fabric8.kubernetes.client.KubernetesClientBuilder;
import io.fabric8.kubernetes.client.KubernetesClientException;
import io.fabric8.kubernetes.client.dsl.MixedOperation;
import io.fabric8.kubernetes.client.dsl.NonNamespaceOperation;
import io.fabric8.kubernetes.client.dsl.Resource;
import io.fabric8.kubernetes.client.dsl.base.PatchContext;
import io.fabric8.kubernetes.client.dsl.base.PatchType;
import io.fabric8.kubernetes.client.http.BasicBuilder;
import io.fabric8.kubernetes.client.http.HttpRequest;
import io.fabric8.kubernetes.client.http.Interceptor;
import io.fabric8.kubernetes.client.informers.ResourceEventHandler;
import io.fabric8.kubernetes.client.informers.SharedIndexInformer;
import io.fabric8.kubernetes.model.annotation.Group;
import io.fabric8.kubernetes.model.annotation.Version;
import java.net.URI;
import java.time.Duration;
import java.util.List;
import java.util.Map;
import java.util.Queue;
import java.util.concurrent.ConcurrentLinkedQueue;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.TestInstance;
import org.junit.jupiter.api.extension.ExtendWith;

/** fabric8's client: what operators in Java do with it. */
@ExtendWith(Cluster.Extension.class)
@TestInstance(TestInstance.Lifecycle.PER_CLASS)
class Fabric8Test {
  private static final String NAMESPACE = "fabric8";
  private static final Duration PATIENCE = Duration.ofMinutes(1);

  private KubernetesClient client;

  @BeforeAll
  void start(Cluster cluster) {
    client = builder(cluster).build();
    client
        .resource(
            new NamespaceBuilder().withNewMetadata().withName(NAMESPACE).endMetadata().build())
        .create();
  }

  @AfterAll
  void stop() {
    client.namespaces().withName(NAMESPACE).delete();
    client.close();
  }

  private static KubernetesClientBuilder builder(Cluster cluster) {
    return new KubernetesClientBuilder()
        .withConfig(Config.fromKubeconfig(cluster.kubeconfig().toFile()));
  }

  private NonNamespaceOperation<ConfigMap, ConfigMapList, Resource<ConfigMap>> maps() {
    return client.configMaps().inNamespace(NAMESPACE);
  }

  private static ConfigMap map(String name, String label, Map<String, String> data) {
    return new ConfigMapBuilder()
        .withNewMetadata()
        .withNamespace(NAMESPACE)
        .withName(name)
        .withLabels(Map.of("part", label))
        .endMetadata()
        .withData(data)
        .build();
  }

  private static KubernetesClientException refused(
      org.assertj.core.api.ThrowableAssert.ThrowingCallable call) {
    return catchThrowableOfType(KubernetesClientException.class, call);
  }

  @Test
  void objects() {
    ConfigMap made = client.resource(map("one", "objects", Map.of("a", "1"))).create();
    assertThat(made.getMetadata().getUid()).isNotEmpty();
    maps().withName("one").edit(now -> new ConfigMapBuilder(now).addToData("b", "2").build());
    assertThat(maps().withName("one").get().getData()).isEqualTo(Map.of("a", "1", "b", "2"));
    maps().withName("one").patch(PatchContext.of(PatchType.JSON_MERGE), "{\"data\":{\"a\":null}}");
    maps()
        .withName("one")
        .patch(
            PatchContext.of(PatchType.STRATEGIC_MERGE),
            "{\"metadata\":{\"annotations\":{\"x\":\"y\"}}}");
    assertThat(maps().withName("one").get().getData()).isEqualTo(Map.of("b", "2"));

    assertThat(maps().withName("nothing").get()).isNull();
    KubernetesClientException twice =
        refused(() -> client.resource(map("one", "objects", Map.of())).create());
    assertThat(twice.getCode()).isEqualTo(409);
    assertThat(twice.getStatus().getReason()).isEqualTo("AlreadyExists");
    assertThat(twice.getStatus().getDetails().getName()).isEqualTo("one");
    KubernetesClientException stale =
        refused(
            () -> client.resource(new ConfigMapBuilder(made).addToData("c", "3").build()).update());
    assertThat(stale.getStatus().getReason()).isEqualTo("Conflict");
    KubernetesClientException invalid =
        refused(() -> client.resource(map("Not_A_Name", "objects", Map.of())).create());
    assertThat(invalid.getCode()).isEqualTo(422);
    assertThat(invalid.getStatus().getDetails().getCauses().getFirst().getField())
        .isEqualTo("metadata.name");
    assertThat(maps().withName("one").delete()).hasSize(1);
    assertThat(maps().withName("one").get()).isNull();
  }

  @Test
  void pages() {
    for (int i = 0; i < 7; i++) {
      client.resource(map("page-" + i, "pages", Map.of())).create();
    }
    var labelled = maps().withLabel("part", "pages");
    ConfigMapList first = labelled.list(new ListOptionsBuilder().withLimit(3L).build());
    assertThat(first.getItems()).hasSize(3);
    ConfigMapList rest =
        labelled.list(
            new ListOptionsBuilder()
                .withLimit(10L)
                .withContinue(first.getMetadata().getContinue())
                .build());
    assertThat(rest.getItems())
        .extracting(item -> item.getMetadata().getName())
        .containsExactly("page-3", "page-4", "page-5", "page-6");
    labelled.delete();
    assertThat(labelled.list().getItems()).isEmpty();
  }

  @Test
  void serverSideApply() {
    client
        .resource(map("applied", "apply", Map.of("a", "1", "b", "1")))
        .fieldManager("first")
        .serverSideApply();
    KubernetesClientException conflict =
        refused(
            () ->
                client
                    .resource(map("applied", "apply", Map.of("a", "2")))
                    .fieldManager("second")
                    .serverSideApply());
    assertThat(conflict.getCode()).isEqualTo(409);
    assertThat(conflict.getStatus().getMessage()).contains("conflict with \"first\"");
    ConfigMap forced =
        client
            .resource(map("applied", "apply", Map.of("a", "2")))
            .fieldManager("second")
            .forceConflicts()
            .serverSideApply();
    assertThat(forced.getData()).isEqualTo(Map.of("a", "2", "b", "1"));
    assertThat(forced.getMetadata().getManagedFields())
        .extracting(entry -> entry.getManager() + " " + entry.getOperation())
        .containsExactlyInAnyOrder("first Apply", "second Apply");
  }

  @Test
  void statusAndScale() {
    client
        .load(
            new java.io.ByteArrayInputStream(
                """
                apiVersion: apps/v1
                kind: Deployment
                metadata: {name: web, namespace: fabric8}
                spec:
                  replicas: 0
                  paused: true
                  selector: {matchLabels: {app: web}}
                  template:
                    metadata: {labels: {app: web}}
                    spec: {containers: [{name: web, image: web}]}
                """
                    .getBytes(java.nio.charset.StandardCharsets.UTF_8)))
        .create();
    Resource<Deployment> web = client.apps().deployments().inNamespace(NAMESPACE).withName("web");
    web.scale(3);
    assertThat(web.scale().getSpec().getReplicas()).isEqualTo(3);
    assertThat(web.get().getSpec().getReplicas()).isEqualTo(3);
    // The controller writes the first status.
    web.waitUntilCondition(
        now ->
            now.getStatus() != null
                && now.getMetadata()
                    .getGeneration()
                    .equals(now.getStatus().getObservedGeneration()),
        1,
        TimeUnit.MINUTES);
    web.editStatus(
        now -> {
          now.getStatus()
              .getConditions()
              .add(new DeploymentConditionBuilder().withType("Tested").withStatus("True").build());
          return now;
        });
    web.waitUntilCondition(
        now ->
            now.getStatus() != null
                && now.getStatus().getConditions().stream()
                    .anyMatch(condition -> condition.getType().equals("Tested")),
        1,
        TimeUnit.MINUTES);
    web.delete();
  }

  /** Makes the server end each watch after a second, and counts them. */
  private static final class ShortWatches implements Interceptor {
    final Queue<String> begun = new ConcurrentLinkedQueue<>();

    @Override
    public void before(BasicBuilder request, HttpRequest sent, RequestTags tags) {
      String uri = sent.uri().toString();
      if (uri.contains("watch=true") && uri.contains("/" + NAMESPACE + "/")) {
        begun.add(sent.uri().getScheme());
        request.uri(
            URI.create(uri.replaceAll("timeoutSeconds=[0-9]*&?", "") + "&timeoutSeconds=1"));
      }
    }
  }

  @Test
  void informersGoOnWhenTheServerEndsTheirWatch(Cluster cluster) {
    ShortWatches watches = new ShortWatches();
    Queue<String> seen = new ConcurrentLinkedQueue<>();
    ResourceEventHandler<ConfigMap> handler =
        new ResourceEventHandler<>() {
          @Override
          public void onAdd(ConfigMap map) {
            seen.add("added " + map.getMetadata().getName());
          }

          @Override
          public void onUpdate(ConfigMap before, ConfigMap map) {
            seen.add("updated " + map.getMetadata().getName());
          }

          @Override
          public void onDelete(ConfigMap map, boolean unknown) {
            seen.add("deleted " + map.getMetadata().getName());
          }
        };
    client.resource(map("informed-1", "informer", Map.of())).create();
    try (KubernetesClient other =
            builder(cluster)
                .withHttpClientBuilderConsumer(
                    http -> http.addOrReplaceInterceptor("short-watches", watches))
                .build();
        SharedIndexInformer<ConfigMap> informer =
            other
                .configMaps()
                .inNamespace(NAMESPACE)
                .withLabel("part", "informer")
                .inform(handler)) {
      assertThat(informer.hasSynced()).isTrue();
      await().atMost(PATIENCE).until(() -> seen.contains("added informed-1"));
      maps()
          .withName("informed-1")
          .edit(now -> new ConfigMapBuilder(now).addToData("a", "b").build());
      await().atMost(PATIENCE).until(() -> seen.contains("updated informed-1"));
      // The server has ended two watches, the client has begun a third.
      await().atMost(PATIENCE).until(() -> watches.begun.size() >= 3);
      client.resource(map("informed-2", "informer", Map.of())).create();
      maps().withName("informed-1").delete();
      await()
          .atMost(PATIENCE)
          .until(() -> seen.containsAll(List.of("added informed-2", "deleted informed-1")));
      assertThat(seen)
          .containsExactlyInAnyOrder(
              "added informed-1", "updated informed-1", "added informed-2", "deleted informed-1");
      assertThat(informer.getStore().list())
          .extracting(one -> one.getMetadata().getName())
          .containsExactly("informed-2");
      // Switched protocols, each time.
      assertThat(client.raw("/metrics").lines())
          .filteredOn(line -> line.startsWith("apiserver_request_total{"))
          .anySatisfy(line -> assertThat(line).contains("code=\"101\"", "verb=\"WATCH\""));
    }
  }

  /** A custom resource with a class. */
  @Group("fabric8.test")
  @Version("v1")
  public static final class Gadget extends CustomResource<GadgetSpec, GadgetStatus>
      implements Namespaced {}

  /** Its wishes. */
  public static final class GadgetSpec {
    public int size;
    public int replicas;
  }

  /** Its state. */
  public static final class GadgetStatus {
    public boolean ready;
  }

  @Test
  void customResources() {
    client
        .load(
            new java.io.ByteArrayInputStream(
                """
                apiVersion: apiextensions.k8s.io/v1
                kind: CustomResourceDefinition
                metadata: {name: gadgets.fabric8.test}
                spec:
                  group: fabric8.test
                  scope: Namespaced
                  names: {plural: gadgets, singular: gadget, kind: Gadget}
                  versions:
                  - name: v1
                    served: true
                    storage: true
                    subresources:
                      status: {}
                      scale: {specReplicasPath: .spec.replicas, statusReplicasPath: .status.replicas}
                    schema:
                      openAPIV3Schema:
                        type: object
                        properties:
                          spec:
                            type: object
                            properties:
                              size: {type: integer, minimum: 1}
                              replicas: {type: integer, default: 1}
                          status:
                            type: object
                            properties: {ready: {type: boolean}, replicas: {type: integer}}
                """
                    .getBytes(java.nio.charset.StandardCharsets.UTF_8)))
        .create();
    Resource<CustomResourceDefinition> definition =
        client.apiextensions().v1().customResourceDefinitions().withName("gadgets.fabric8.test");
    definition.waitUntilCondition(
        now ->
            now != null
                && now.getStatus() != null
                && now.getStatus().getConditions().stream()
                    .anyMatch(
                        c -> c.getType().equals("Established") && c.getStatus().equals("True")),
        1,
        TimeUnit.MINUTES);

    MixedOperation<Gadget, ?, Resource<Gadget>> gadgets = client.resources(Gadget.class);
    Gadget gadget = new Gadget();
    gadget.getMetadata().setName("one");
    gadget.getMetadata().setNamespace(NAMESPACE);
    gadget.setSpec(new GadgetSpec());
    gadget.getSpec().size = 0;
    assertThat(refused(() -> client.resource(gadget).create()).getStatus().getMessage())
        .contains("spec.size in body should be greater than or equal to 1");
    gadget.getSpec().size = 3;
    client.resource(gadget).create();
    Resource<Gadget> one = gadgets.inNamespace(NAMESPACE).withName("one");
    one.editStatus(
        now -> {
          now.setStatus(new GadgetStatus());
          now.getStatus().ready = true;
          now.getSpec().size = 99;
          return now;
        });
    Gadget live = one.waitUntilCondition(now -> now.getStatus() != null, 1, TimeUnit.MINUTES);
    assertThat(live.getStatus().ready).isTrue();
    assertThat(live.getSpec().size).isEqualTo(3);
    one.scale(4);
    assertThat(one.get().getSpec().replicas).isEqualTo(4);

    var generic =
        client.genericKubernetesResources("fabric8.test/v1", "Gadget").inNamespace(NAMESPACE);
    GenericKubernetesResource found = generic.withName("one").get();
    assertThat(found.<Integer>get("spec", "size")).isEqualTo(3);
    generic
        .withName("one")
        .patch(
            PatchContext.of(PatchType.JSON),
            "[{\"op\":\"replace\",\"path\":\"/spec/size\",\"value\":5}]");
    assertThat(generic.list().getItems())
        .singleElement()
        .satisfies(item -> assertThat(item.<Integer>get("spec", "size")).isEqualTo(5));
    definition.delete();
  }
}
