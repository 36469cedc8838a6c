package dev.kedge.clients;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.catchThrowableOfType;
import static org.awaitility.Awaitility.await;

import com.google.gson.JsonObject;
import com.google.gson.JsonParser;
import com.google.gson.JsonPrimitive;
import io.kubernetes.client.common.KubernetesListObject;
import io.kubernetes.client.common.KubernetesObject;
import io.kubernetes.client.custom.V1Patch;
import io.kubernetes.client.informer.ResourceEventHandler;
import io.kubernetes.client.informer.SharedIndexInformer;
import io.kubernetes.client.informer.SharedInformerFactory;
import io.kubernetes.client.openapi.ApiClient;
import io.kubernetes.client.openapi.ApiException;
import io.kubernetes.client.openapi.apis.ApiextensionsV1Api;
import io.kubernetes.client.openapi.apis.AppsV1Api;
import io.kubernetes.client.openapi.apis.CoreV1Api;
import io.kubernetes.client.openapi.apis.CustomObjectsApi;
import io.kubernetes.client.openapi.models.V1ConfigMap;
import io.kubernetes.client.openapi.models.V1ConfigMapList;
import io.kubernetes.client.openapi.models.V1CustomResourceDefinition;
import io.kubernetes.client.openapi.models.V1Deployment;
import io.kubernetes.client.openapi.models.V1DeploymentCondition;
import io.kubernetes.client.openapi.models.V1ListMeta;
import io.kubernetes.client.openapi.models.V1Namespace;
import io.kubernetes.client.openapi.models.V1ObjectMeta;
import io.kubernetes.client.openapi.models.V1Scale;
import io.kubernetes.client.util.CallGeneratorParams;
import io.kubernetes.client.util.Config;
import io.kubernetes.client.util.PatchUtils;
import io.kubernetes.client.util.Yaml;
import io.kubernetes.client.util.generic.GenericKubernetesApi;
import io.kubernetes.client.util.generic.dynamic.DynamicKubernetesApi;
import io.kubernetes.client.util.generic.dynamic.DynamicKubernetesObject;
import java.io.IOException;
import java.time.Duration;
import java.util.List;
import java.util.Map;
import java.util.Queue;
import java.util.concurrent.ConcurrentLinkedQueue;
import java.util.concurrent.atomic.AtomicInteger;
import okhttp3.OkHttpClient;
import okhttp3.Response;
import org.assertj.core.api.ThrowableAssert.ThrowingCallable;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.TestInstance;
import org.junit.jupiter.api.extension.ExtendWith;

/** The Kubernetes project's own client for Java. */
@ExtendWith(Cluster.Extension.class)
@TestInstance(TestInstance.Lifecycle.PER_CLASS)
class JavaClientTest {
  private static final String NAMESPACE = "java";
  private static final Duration PATIENCE = Duration.ofMinutes(1);

  private ApiClient client;
  private CoreV1Api core;

  @BeforeAll
  void start(Cluster cluster) throws Exception {
    client = client(cluster);
    core = new CoreV1Api(client);
    core.createNamespace(new V1Namespace().metadata(new V1ObjectMeta().name(NAMESPACE))).execute();
  }

  @AfterAll
  void stop() throws Exception {
    core.deleteNamespace(NAMESPACE).execute();
    close(client);
  }

  private static ApiClient client(Cluster cluster) throws IOException {
    return Config.fromConfig(cluster.kubeconfig().toString());
  }

  private static void close(ApiClient client) {
    OkHttpClient http = client.getHttpClient();
    http.dispatcher().executorService().shutdown();
    http.connectionPool().evictAll();
  }

  private static V1ConfigMap map(String name, String label, Map<String, String> data) {
    return new V1ConfigMap()
        .apiVersion("v1")
        .kind("ConfigMap")
        .metadata(new V1ObjectMeta().namespace(NAMESPACE).name(name).labels(Map.of("part", label)))
        .data(data);
  }

  /** The Status that a call is refused with. */
  private static JsonObject refused(int code, ThrowingCallable call) {
    ApiException refusal = catchThrowableOfType(ApiException.class, call);
    assertThat(refusal.getCode()).as(refusal.getResponseBody()).isEqualTo(code);
    return JsonParser.parseString(refusal.getResponseBody()).getAsJsonObject();
  }

  private V1ConfigMap patch(String name, String format, String patch) throws ApiException {
    return PatchUtils.patch(
        V1ConfigMap.class,
        () -> core.patchNamespacedConfigMap(name, NAMESPACE, new V1Patch(patch)).buildCall(null),
        format,
        client);
  }

  @Test
  void objects() throws Exception {
    V1ConfigMap made =
        core.createNamespacedConfigMap(NAMESPACE, map("one", "objects", Map.of("a", "1")))
            .execute();
    assertThat(made.getMetadata().getUid()).isNotEmpty();
    made.setData(Map.of("a", "2", "b", "2"));
    V1ConfigMap replaced = core.replaceNamespacedConfigMap("one", NAMESPACE, made).execute();
    assertThat(replaced.getData()).isEqualTo(Map.of("a", "2", "b", "2"));
    assertThat(
            patch("one", V1Patch.PATCH_FORMAT_JSON_MERGE_PATCH, "{\"data\":{\"a\":null}}")
                .getData())
        .isEqualTo(Map.of("b", "2"));
    assertThat(
            patch(
                    "one",
                    V1Patch.PATCH_FORMAT_JSON_PATCH,
                    "[{\"op\":\"add\",\"path\":\"/data/c\",\"value\":\"3\"}]")
                .getData())
        .isEqualTo(Map.of("b", "2", "c", "3"));
    assertThat(
            patch(
                    "one",
                    V1Patch.PATCH_FORMAT_STRATEGIC_MERGE_PATCH,
                    "{\"metadata\":{\"labels\":{\"x\":\"y\"}}}")
                .getMetadata()
                .getLabels())
        .containsEntry("x", "y");

    assertThat(
            refused(404, () -> core.readNamespacedConfigMap("nothing", NAMESPACE).execute())
                .get("message")
                .getAsString())
        .isEqualTo("configmaps \"nothing\" not found");
    assertThat(
            refused(
                    409,
                    () ->
                        core.createNamespacedConfigMap(NAMESPACE, map("one", "objects", Map.of()))
                            .execute())
                .get("reason")
                .getAsString())
        .isEqualTo("AlreadyExists");
    assertThat(
            refused(409, () -> core.replaceNamespacedConfigMap("one", NAMESPACE, made).execute())
                .get("reason")
                .getAsString())
        .isEqualTo("Conflict");
    refused(
        422,
        () ->
            core.createNamespacedConfigMap(NAMESPACE, map("Not_A_Name", "objects", Map.of()))
                .execute());
    assertThat(core.deleteNamespacedConfigMap("one", NAMESPACE).execute().getStatus())
        .isEqualTo("Success");
    refused(404, () -> core.readNamespacedConfigMap("one", NAMESPACE).execute());
  }

  @Test
  void pages() throws Exception {
    for (int i = 0; i < 7; i++) {
      core.createNamespacedConfigMap(NAMESPACE, map("page-" + i, "pages", Map.of())).execute();
    }
    V1ConfigMapList first =
        core.listNamespacedConfigMap(NAMESPACE).labelSelector("part=pages").limit(3).execute();
    assertThat(first.getItems()).hasSize(3);
    V1ConfigMapList rest =
        core.listNamespacedConfigMap(NAMESPACE)
            .labelSelector("part=pages")
            .limit(10)
            ._continue(first.getMetadata().getContinue())
            .execute();
    assertThat(rest.getItems())
        .extracting(item -> item.getMetadata().getName())
        .containsExactly("page-3", "page-4", "page-5", "page-6");
    core.deleteCollectionNamespacedConfigMap(NAMESPACE).labelSelector("part=pages").execute();
    assertThat(
            core.listNamespacedConfigMap(NAMESPACE)
                .labelSelector("part=pages")
                .execute()
                .getItems())
        .isEmpty();
  }

  /** The data is YAML: objects written by the client name what they lack, and own that too. */
  private V1ConfigMap apply(String manager, boolean force, String data) throws ApiException {
    V1Patch patch =
        new V1Patch(
            "{apiVersion: v1, kind: ConfigMap, metadata: {name: applied}, data: " + data + "}");
    return PatchUtils.patch(
        V1ConfigMap.class,
        () ->
            core.patchNamespacedConfigMap("applied", NAMESPACE, patch)
                .fieldManager(manager)
                .force(force)
                .buildCall(null),
        V1Patch.PATCH_FORMAT_APPLY_YAML,
        client);
  }

  @Test
  void serverSideApply() throws Exception {
    apply("first", false, "{a: one, b: one}");
    assertThat(refused(409, () -> apply("second", false, "{a: two}")).get("message").getAsString())
        .contains("conflict with \"first\"");
    V1ConfigMap forced = apply("second", true, "{a: two}");
    assertThat(forced.getData()).isEqualTo(Map.of("a", "two", "b", "one"));
    // The client's own objects leave the managed fields out.
    try (Response answer =
        core.readNamespacedConfigMap("applied", NAMESPACE).buildCall(null).execute()) {
      assertThat(
              JsonParser.parseString(answer.body().string())
                  .getAsJsonObject()
                  .getAsJsonObject("metadata")
                  .getAsJsonArray("managedFields"))
          .extracting(entry -> entry.getAsJsonObject().get("manager").getAsString())
          .containsExactlyInAnyOrder("first", "second");
    }
  }

  @Test
  void statusAndScale() throws Exception {
    AppsV1Api apps = new AppsV1Api(client);
    V1Deployment web =
        Yaml.loadAs(
            """
            apiVersion: apps/v1
            kind: Deployment
            metadata: {name: web}
            spec:
              replicas: 0
              paused: true
              selector: {matchLabels: {app: web}}
              template:
                metadata: {labels: {app: web}}
                spec: {containers: [{name: web, image: web}]}
            """,
            V1Deployment.class);
    apps.createNamespacedDeployment(NAMESPACE, web).execute();
    V1Scale scale = apps.readNamespacedDeploymentScale("web", NAMESPACE).execute();
    // Whatever the version: the controller writes the status meanwhile.
    scale.getMetadata().setResourceVersion(null);
    scale.getSpec().setReplicas(3);
    assertThat(
            apps.replaceNamespacedDeploymentScale("web", NAMESPACE, scale)
                .execute()
                .getSpec()
                .getReplicas())
        .isEqualTo(3);
    // The controller writes the first status.
    await()
        .atMost(PATIENCE)
        .until(
            () -> {
              V1Deployment now = apps.readNamespacedDeployment("web", NAMESPACE).execute();
              return now.getStatus() != null
                  && now.getMetadata()
                      .getGeneration()
                      .equals(now.getStatus().getObservedGeneration());
            });
    V1Deployment live = apps.readNamespacedDeployment("web", NAMESPACE).execute();
    assertThat(live.getSpec().getReplicas()).isEqualTo(3);
    live.getMetadata().setResourceVersion(null);
    live.getSpec().setReplicas(99);
    live.getStatus().addConditionsItem(new V1DeploymentCondition().type("Tested").status("True"));
    V1Deployment told = apps.replaceNamespacedDeploymentStatus("web", NAMESPACE, live).execute();
    assertThat(told.getSpec().getReplicas()).isEqualTo(3);
    assertThat(told.getStatus().getConditions())
        .extracting(V1DeploymentCondition::getType)
        .contains("Tested");
    apps.deleteNamespacedDeployment("web", NAMESPACE).execute();
  }

  @Test
  void informersGoOnWhenTheServerEndsTheirWatch(Cluster cluster) throws Exception {
    core.createNamespacedConfigMap(NAMESPACE, map("informed-1", "informer", Map.of())).execute();
    ApiClient own = client(cluster);
    own.setReadTimeout(0);
    CoreV1Api api = new CoreV1Api(own);
    AtomicInteger watches = new AtomicInteger();
    Queue<String> seen = new ConcurrentLinkedQueue<>();
    SharedInformerFactory factory = new SharedInformerFactory(own);
    SharedIndexInformer<V1ConfigMap> informer =
        factory.sharedIndexInformerFor(
            (CallGeneratorParams params) -> {
              if (params.watch) {
                watches.incrementAndGet();
              }
              return api.listNamespacedConfigMap(NAMESPACE)
                  .labelSelector("part=informer")
                  .resourceVersion(params.resourceVersion)
                  // The server ends each watch after a second.
                  .timeoutSeconds(params.watch ? Integer.valueOf(1) : params.timeoutSeconds)
                  .watch(params.watch)
                  .buildCall(null);
            },
            V1ConfigMap.class,
            V1ConfigMapList.class);
    informer.addEventHandler(
        new ResourceEventHandler<>() {
          @Override
          public void onAdd(V1ConfigMap map) {
            seen.add("added " + map.getMetadata().getName());
          }

          @Override
          public void onUpdate(V1ConfigMap before, V1ConfigMap map) {
            seen.add("updated " + map.getMetadata().getName());
          }

          @Override
          public void onDelete(V1ConfigMap map, boolean unknown) {
            seen.add("deleted " + map.getMetadata().getName());
          }
        });
    try {
      factory.startAllRegisteredInformers();
      await().atMost(PATIENCE).until(() -> seen.contains("added informed-1"));
      patch("informed-1", V1Patch.PATCH_FORMAT_JSON_MERGE_PATCH, "{\"data\":{\"a\":\"b\"}}");
      await().atMost(PATIENCE).until(() -> seen.contains("updated informed-1"));
      await().atMost(PATIENCE).until(() -> watches.get() >= 3);
      core.createNamespacedConfigMap(NAMESPACE, map("informed-2", "informer", Map.of())).execute();
      core.deleteNamespacedConfigMap("informed-1", NAMESPACE).execute();
      await()
          .atMost(PATIENCE)
          .until(() -> seen.containsAll(List.of("added informed-2", "deleted informed-1")));
      assertThat(seen)
          .containsExactlyInAnyOrder(
              "added informed-1", "updated informed-1", "added informed-2", "deleted informed-1");
      assertThat(informer.getIndexer().list())
          .extracting(one -> one.getMetadata().getName())
          .containsExactly("informed-2");
    } finally {
      factory.stopAllRegisteredInformers();
      close(own);
    }
  }

  /** A custom resource with a class. */
  public static final class Gadget implements KubernetesObject {
    String apiVersion = "java.test/v1";
    String kind = "Gadget";
    V1ObjectMeta metadata = new V1ObjectMeta();
    Spec spec = new Spec();
    Status status;

    static final class Spec {
      int size;
    }

    static final class Status {
      boolean ready;
    }

    @Override
    public V1ObjectMeta getMetadata() {
      return metadata;
    }

    @Override
    public String getApiVersion() {
      return apiVersion;
    }

    @Override
    public String getKind() {
      return kind;
    }
  }

  /** Some of them. */
  public static final class GadgetList implements KubernetesListObject {
    String apiVersion;
    String kind;
    V1ListMeta metadata;
    List<Gadget> items = List.of();

    @Override
    public V1ListMeta getMetadata() {
      return metadata;
    }

    @Override
    public List<Gadget> getItems() {
      return items;
    }

    @Override
    public String getApiVersion() {
      return apiVersion;
    }

    @Override
    public String getKind() {
      return kind;
    }
  }

  @Test
  void customResources() throws Exception {
    ApiextensionsV1Api definitions = new ApiextensionsV1Api(client);
    definitions
        .createCustomResourceDefinition(
            Yaml.loadAs(
                """
                apiVersion: apiextensions.k8s.io/v1
                kind: CustomResourceDefinition
                metadata: {name: gadgets.java.test}
                spec:
                  group: java.test
                  scope: Namespaced
                  names: {plural: gadgets, singular: gadget, kind: Gadget}
                  versions:
                  - name: v1
                    served: true
                    storage: true
                    subresources: {status: {}}
                    schema:
                      openAPIV3Schema:
                        type: object
                        properties:
                          spec: {type: object, properties: {size: {type: integer, minimum: 1}}}
                          status: {type: object, properties: {ready: {type: boolean}}}
                """,
                V1CustomResourceDefinition.class))
        .execute();
    await()
        .atMost(PATIENCE)
        .until(
            () -> {
              var status =
                  definitions
                      .readCustomResourceDefinition("gadgets.java.test")
                      .execute()
                      .getStatus();
              return status != null
                  && status.getConditions() != null
                  && status.getConditions().stream()
                      .anyMatch(
                          c -> c.getType().equals("Established") && c.getStatus().equals("True"));
            });

    var gadgets =
        new GenericKubernetesApi<>(
            Gadget.class, GadgetList.class, "java.test", "v1", "gadgets", client);
    Gadget gadget = new Gadget();
    gadget.metadata.namespace(NAMESPACE).name("one");
    var invalid = gadgets.create(gadget);
    assertThat(invalid.getHttpStatusCode()).isEqualTo(422);
    assertThat(invalid.getStatus().getMessage())
        .contains("spec.size in body should be greater than or equal to 1");
    gadget.spec.size = 3;
    Gadget made = gadgets.create(gadget).throwsApiException().getObject();
    // updateStatus replaces what is there, and there is nothing yet.
    PatchUtils.patch(
        Object.class,
        () ->
            new CustomObjectsApi(client)
                .patchNamespacedCustomObjectStatus(
                    "java.test",
                    "v1",
                    NAMESPACE,
                    "gadgets",
                    "one",
                    Map.of("status", Map.of("ready", false)))
                .buildCall(null),
        V1Patch.PATCH_FORMAT_JSON_MERGE_PATCH,
        client);
    Gadget.Status ready = new Gadget.Status();
    ready.ready = true;
    Gadget told = gadgets.updateStatus(made, _ -> ready).throwsApiException().getObject();
    assertThat(told.status.ready).isTrue();
    assertThat(told.spec.size).isEqualTo(3);
    assertThat(gadgets.list(NAMESPACE).throwsApiException().getObject().getItems()).hasSize(1);

    var any = new DynamicKubernetesApi("java.test", "v1", "gadgets", client);
    DynamicKubernetesObject found = any.get(NAMESPACE, "one").throwsApiException().getObject();
    found.getRaw().getAsJsonObject("spec").add("size", new JsonPrimitive(5));
    any.update(found).throwsApiException();
    assertThat(gadgets.get(NAMESPACE, "one").throwsApiException().getObject().spec.size)
        .isEqualTo(5);
    assertThat(gadgets.delete(NAMESPACE, "one").isSuccess()).isTrue();
    assertThat(gadgets.get(NAMESPACE, "one").getHttpStatusCode()).isEqualTo(404);
    definitions.deleteCustomResourceDefinition("gadgets.java.test").execute();
  }
}
