package dev.kedge.builtin;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.kedge.model.GroupVersionKind;
import dev.kedge.model.JsonString;
import dev.kedge.model.Schema;
import dev.kedge.model.Schema.ListType;
import dev.kedge.model.Schema.Type;
import java.util.List;
import org.junit.jupiter.api.Test;

class BuiltinSchemasTest {
  @Test
  void deploymentsTemplateIsReachedThroughItsFields() {
    Schema deployment = BuiltinSchemas.ofKind(GroupVersionKind.of("apps/v1", "Deployment"));
    Schema pod =
        field(field(field(deployment, "spec").schema().get(), "template").schema().get(), "spec")
            .schema()
            .get();

    assertThat(deployment.fields())
        .containsOnlyKeys("apiVersion", "kind", "metadata", "spec", "status");
    assertThat(pod.name()).isEqualTo("io.k8s.api.core.v1.PodSpec");
    assertThat(field(pod, "restartPolicy").defaultValue()).contains(new JsonString("Always"));
    assertThat(field(pod, "restartPolicy").zeroIsAbsent()).isTrue();
    Schema.Field containers = field(pod, "containers");
    assertThat(containers.required()).isTrue();
    assertThat(containers.treatment().listType()).isEqualTo(ListType.MAP);
    assertThat(containers.treatment().listMapKeys()).containsExactly("name");
    assertThat(containers.treatment().patchMergeKey()).isEqualTo("name");
    assertThat(field(pod, "volumes").treatment().patchStrategy())
        .containsExactlyInAnyOrder("merge", "retainKeys");
  }

  @Test
  void customGroupsThatBeginLikeABuiltinOneAreNotBuiltIn() {
    for (String group : List.of("apps.example.com", "apps.x.k8s.io", "rbac.example.com", "Apps")) {
      assertThat(BuiltinSchemas.find(new GroupVersionKind(group, "v1", "Deployment"))).isEmpty();
      assertThat(BuiltinSchemas.find(new GroupVersionKind(group, "v1", "Role"))).isEmpty();
    }
    for (BuiltinResource resource : BuiltinResources.all()) {
      assertThat(BuiltinSchemas.find(resource.type().groupVersionKind())).isPresent();
    }
  }

  @Test
  void inlinedMessagesAreFlat() {
    Schema volume = BuiltinSchemas.definition("io.k8s.api.core.v1.Volume");

    assertThat(volume.fields()).containsKeys("name", "emptyDir", "configMap");
    assertThat(volume.fields()).doesNotContainKey("volumeSource");
    assertThat(field(volume, "emptyDir").number()).isEqualTo(2 << 10 | 2);
  }

  @Test
  void specialTypesKeepTheirForm() {
    assertThat(BuiltinSchemas.definition("io.k8s.apimachinery.pkg.apis.meta.v1.Time").type())
        .isEqualTo(Type.TIME);
    assertThat(BuiltinSchemas.definition("io.k8s.api.authentication.v1.ExtraValue").type())
        .isEqualTo(Type.LIST);
    Schema crd =
        BuiltinSchemas.definition(
            "io.k8s.apiextensions-apiserver.pkg.apis.apiextensions.v1.JSONSchemaProps");
    assertThat(crd.fields()).containsKeys("$ref", "x-kubernetes-preserve-unknown-fields");
  }

  @Test
  void unknownDefinitionIsNamed() {
    assertThatThrownBy(() -> BuiltinSchemas.definition("io.k8s.api.core.v1.Pot"))
        .hasMessage("no built-in definition io.k8s.api.core.v1.Pot");
  }

  private static Schema.Field field(Schema schema, String name) {
    return schema.field(name).orElseThrow();
  }
}
