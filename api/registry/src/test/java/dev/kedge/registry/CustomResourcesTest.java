package dev.kedge.registry;

import static dev.kedge.registry.Cluster.object;
import static java.time.Duration.ofMinutes;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.awaitility.Awaitility.await;

import dev.kedge.model.ApiException;
import dev.kedge.model.JsonObject;
import dev.kedge.model.KubeObject;
import dev.kedge.model.ResourceType;
import dev.kedge.model.Resources;
import dev.kedge.registry.Registry.FieldValidation;
import dev.kedge.registry.Registry.ListOptions;
import dev.kedge.registry.Registry.PatchType;
import dev.kedge.registry.Registry.ServedWatch;
import dev.kedge.registry.Registry.WatchEvent;
import java.time.Duration;
import java.util.List;
import java.util.Optional;
import org.junit.jupiter.api.AutoClose;
import org.junit.jupiter.api.Test;

/** From a definition to served objects and back. */
class CustomResourcesTest {
  private static final ResourceType BOATS =
      new ResourceType("sea.example.com", "v1", "boats", "Boat", true);
  private static final ResourceType OLD_BOATS =
      new ResourceType("sea.example.com", "v1beta1", "boats", "Boat", true);
  private static final String DEFINITION =
      """
      {apiVersion: apiextensions.k8s.io/v1, kind: CustomResourceDefinition,
       metadata: {name: boats.sea.example.com},
       spec: {group: sea.example.com, scope: Namespaced,
        names: {plural: boats, kind: Boat, shortNames: [bt]},
        versions: [
         {name: v1, served: true, storage: true, subresources: {status: {}, scale:
            {specReplicasPath: .spec.oars, statusReplicasPath: .status.oars}},
          selectableFields: [{jsonPath: .spec.color}],
          additionalPrinterColumns: [{name: Color, type: string, jsonPath: .spec.color}],
          schema: {openAPIV3Schema: {type: object, properties: {
            spec: {type: object, required: [color], properties: {
              color: {type: string, enum: [red, blue]}, oars: {type: integer, minimum: 0, default: 2}}},
            status: {type: object, properties: {oars: {type: integer}}}}}}},
         {name: v1beta1, served: true, storage: false,
          schema: {openAPIV3Schema: {type: object, x-kubernetes-preserve-unknown-fields: true}}}]}}
      """;

  @AutoClose private final Cluster cluster = new Cluster().withDefaults();

  private static KubeObject boat(String name, String spec) {
    return object(
        "{apiVersion: sea.example.com/v1, kind: Boat, metadata: {name: %s, namespace: default}, spec: %s}"
            .formatted(name, spec));
  }

  @Test
  void servesWhatIsDefined() {
    long before = cluster.registry.catalog().version();
    KubeObject definition = cluster.create(DEFINITION);
    assertThat(definition.status().objects("conditions"))
        .extracting(condition -> condition.text("type") + "=" + condition.text("status"))
        .containsExactly("NamesAccepted=True", "Established=True");
    assertThat(definition.status().strings("storedVersions")).containsExactly("v1");
    assertThat(cluster.registry.catalog().version()).isGreaterThan(before);
    ResourceInfo info = cluster.info(BOATS);
    assertThat(info.singular()).isEqualTo("boat");
    assertThat(info.columns()).extracting(ResourceInfo.Column::name).containsExactly("Color");
    KubeObject made = cluster.created(boat("one", "{color: red, sail: big}")).object().tree();
    assertThat(made.spec()).isEqualTo(JsonObject.of("color", "red", "oars", 2));
    assertThat(made.generation()).isEqualTo(1);
    assertThat(
            cluster
                .registry
                .list(
                    cluster.request(BOATS, "default", "", ""),
                    new ListOptions("", "spec.color=red", "", "", 0, ""))
                .items())
        .hasSize(1);
    assertThat(cluster.get(OLD_BOATS, "default", "one").apiVersion())
        .isEqualTo("sea.example.com/v1beta1");
  }

  @Test
  void validatesBySchema() {
    cluster.create(DEFINITION);
    assertThatThrownBy(() -> cluster.created(boat("one", "{color: green, oars: -1}")))
        .isInstanceOfSatisfying(ApiException.class, e -> assertThat(e.code()).isEqualTo(422))
        .hasMessage(
            "Boat.sea.example.com \"one\" is invalid: [spec.color: Unsupported value: \"green\":"
                + " supported values: \"red\", \"blue\", spec.oars: Invalid value: -1: spec.oars in"
                + " body should be greater than or equal to 0]");
    assertThatThrownBy(
            () ->
                cluster.created(
                    boat("one", "{color: red, sail: big}"),
                    Cluster.options(FieldValidation.STRICT, false)))
        .isInstanceOfSatisfying(ApiException.class, e -> assertThat(e.code()).isEqualTo(400))
        .hasMessageEndingWith("strict decoding error: unknown field \"spec.sail\"");
    assertThatThrownBy(
            () ->
                cluster.patch(
                    BOATS, "default", "one", PatchType.STRATEGIC, "{\"spec\":{\"oars\":1}}"))
        .isInstanceOfSatisfying(ApiException.class, e -> assertThat(e.code()).isEqualTo(415));
  }

  @Test
  void finalizersNeedNotSayWhoseTheyAre() {
    String object = "{apiVersion: %s, kind: %s, metadata: {%s, finalizers: [a.b, plain, x.y/z]}}";
    cluster.create(DEFINITION);
    String name = "name: f, namespace: default";
    assertThat(
            cluster
                .created(object(object.formatted("sea.example.com/v1", "Boat", name)))
                .warnings())
        .containsExactly(
            "metadata.finalizers: \"a.b\": prefer a domain-qualified finalizer name including a"
                + " path (/) to avoid accidental conflicts with other finalizer writers",
            "metadata.finalizers: \"plain\": prefer a domain-qualified finalizer name to avoid"
                + " accidental conflicts with other finalizer writers");
    assertThatThrownBy(() -> cluster.create(object.formatted("v1", "ConfigMap", name)))
        .hasMessageContaining(
            "name is neither a standard finalizer name nor is it fully qualified");
    cluster.create(object.formatted("coordination.k8s.io/v1", "Lease", name));
  }

  @Test
  void hasStatusAndScale() {
    cluster.create(DEFINITION);
    KubeObject made = cluster.created(boat("one", "{color: red}")).object().tree();
    KubeObject reported =
        cluster.update(
            made.withPath(List.of("status", "oars"), 1).withPath(List.of("spec", "oars"), 7),
            "status");
    assertThat(reported.json().integer("spec", "oars")).isEqualTo(2);
    assertThat(reported.json().integer("status", "oars")).isEqualTo(1);
    KubeObject scaled =
        cluster.patch(
            BOATS, "default", "one", "scale", PatchType.MERGE, "{\"spec\":{\"replicas\":6}}", "t");
    assertThat(scaled.json().integer("status", "replicas")).isEqualTo(1);
    KubeObject read = cluster.get(BOATS, "default", "one");
    assertThat(read.json().integer("spec", "oars")).isEqualTo(6);
    assertThat(read.generation()).isEqualTo(2);
  }

  @Test
  void appliesToObjects() {
    cluster.create(DEFINITION);
    KubeObject applied =
        cluster.patch(
            BOATS,
            "default",
            "one",
            PatchType.APPLY,
            """
            {"apiVersion":"sea.example.com/v1","kind":"Boat","metadata":{"name":"one"},"spec":{"color":"blue"}}
            """);
    assertThat(applied.json().integer("spec", "oars")).isEqualTo(2);
    assertThat(applied.metadata().objects("managedFields").getFirst().object("fieldsV1").toString())
        .contains("f:color")
        .doesNotContain("f:oars");
  }

  @Test
  void removesObjectsWithTheirDefinition() throws InterruptedException {
    cluster.create(DEFINITION);
    cluster.created(boat("one", "{color: red}"));
    try (ServedWatch watch = cluster.watch(BOATS, "", "")) {
      assertThat(watch.take(Duration.ofSeconds(60))).hasSize(1);
      cluster.delete(Resources.CUSTOM_RESOURCE_DEFINITIONS, "", "boats.sea.example.com");
      List<WatchEvent> last = watch.take(Duration.ofSeconds(60));
      assertThat(last).extracting(WatchEvent::type).containsExactly(WatchEvent.Type.DELETED);
      await()
          .atMost(ofMinutes(1))
          .until(() -> cluster.registry.catalog().find("sea.example.com", "v1", "boats").isEmpty());
      await().atMost(ofMinutes(1)).until(watch::ended);
    }
    // The same definition again starts from nothing.
    cluster.create(DEFINITION);
    assertThat(cluster.list(BOATS, "default").items()).isEmpty();
  }

  @Test
  void isThereAfterARestart() {
    cluster.create(DEFINITION);
    cluster.created(boat("one", "{color: red}"));
    try (ObjectRegistry again = Cluster.open(cluster.store)) {
      Optional<ResourceInfo> info = again.catalog().find("sea.example.com", "v1", "boats");
      assertThat(info).isPresent();
      assertThat(
              again
                  .get(
                      new Registry.Request(info.get(), "default", "one", "", Cluster.ADMIN),
                      Registry.GetOptions.LATEST)
                  .tree()
                  .spec()
                  .text("color"))
          .isEqualTo("red");
    }
  }

  @Test
  void objectsFollowTheirDefinition() throws InterruptedException {
    cluster.create(DEFINITION);
    KubeObject made = cluster.created(boat("one", "{color: red}")).object().tree();
    cluster.update(made.withPath(List.of("status", "oars"), 3), "status");
    String versions = "/spec/versions/0/schema/openAPIV3Schema/properties";
    cluster.patch(
        Resources.CUSTOM_RESOURCE_DEFINITIONS,
        "",
        "boats.sea.example.com",
        PatchType.JSON,
        """
        [{"op":"add","path":"%s/spec/properties/sails","value":{"type":"integer","default":1}},
         {"op":"remove","path":"%s/status/properties/oars"}]
        """
            .formatted(versions, versions));
    assertThat(cluster.get(BOATS, "default", "one").json())
        .isEqualTo(cluster.list(BOATS, "default").items().getFirst().tree().json())
        .satisfies(
            boat -> {
              assertThat(boat.object("spec"))
                  .isEqualTo(JsonObject.of("color", "red", "oars", 2, "sails", 1));
              assertThat(boat.object("status")).isEqualTo(JsonObject.EMPTY);
            });
    assertThat(
            cluster
                .patch(
                    BOATS,
                    "default",
                    "one",
                    PatchType.JSON,
                    "[{\"op\":\"test\",\"path\":\"/spec/sails\",\"value\":1}]")
                .spec()
                .integer("sails"))
        .isEqualTo(1);
  }

  @Test
  void conditionsOfADefinitionSurviveAWriteOfItsStatus() {
    cluster.create(DEFINITION);
    KubeObject patched =
        cluster.patch(
            Resources.CUSTOM_RESOURCE_DEFINITIONS,
            "",
            "boats.sea.example.com",
            "status",
            PatchType.JSON,
            "[{\"op\":\"add\",\"path\":\"/status/conditions\",\"value\":[{\"type\":\"Mine\",\"status\":\"True\"}]}]",
            "test");
    assertThat(patched.status().objects("conditions"))
        .extracting(condition -> condition.text("type") + "=" + condition.text("status"))
        .containsExactly("NamesAccepted=True", "Established=True", "Mine=True");
    assertThat(cluster.registry.catalog().find("sea.example.com", "v1", "boats")).isPresent();
  }

  @Test
  void refusesWhatItCannotDo() {
    assertThatThrownBy(
            () ->
                cluster.create(
                    """
                    {apiVersion: apiextensions.k8s.io/v1, kind: CustomResourceDefinition,
                     metadata: {name: wrong}, spec: {group: sea.example.com, scope: World,
                      names: {plural: boats, kind: Boat},
                      versions: [{name: v1, served: true, storage: false, schema: {openAPIV3Schema:
                       {type: object, properties: {spec: {x-kubernetes-validations: [{rule: "true"}]}}}}}]}}
                    """))
        .isInstanceOfSatisfying(
            ApiException.class,
            e ->
                assertThat(e.status().details().causes())
                    .extracting(cause -> cause.field())
                    .containsExactlyInAnyOrder(
                        "metadata.name",
                        "spec.scope",
                        "spec.versions",
                        "spec.versions[0].schema.openAPIV3Schema.properties[spec].type"));
  }

  @Test
  void doesNotTakeNamesTwice() {
    cluster.create(DEFINITION);
    KubeObject other =
        cluster.create(
            DEFINITION
                .replace("boats", "ships")
                .replace("kind: Boat", "kind: Ship")
                .replace("[bt]", "[bt]"));
    assertThat(other.status().objects("conditions").getFirst().text("reason"))
        .isEqualTo("ShortNamesConflict");
    assertThat(cluster.registry.catalog().find("sea.example.com", "v1", "ships")).isEmpty();
  }
}
