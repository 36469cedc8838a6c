package dev.kedge.model;

import dev.kedge.model.Schema.Field;
import dev.kedge.model.Schema.ListType;
import dev.kedge.model.Schema.Rules;
import dev.kedge.model.Schema.Treatment;
import dev.kedge.model.Schema.Type;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;

/** A cut of Deployment with the treatments of upstream. */
final class TestSchemas {
  private TestSchemas() {}

  static final Schema TEXT = scalar(Type.STRING);
  static final Schema INT = scalar(Type.INTEGER);
  static final Schema LABELS = container(Type.MAP, TEXT, Treatment.DEFAULT);

  static final Schema PORT =
      object(
          "io.k8s.api.core.v1.ContainerPort",
          field("name", TEXT),
          field("containerPort", INT),
          new Field(
              "protocol",
              0,
              () -> TEXT,
              "",
              false,
              Optional.of(new JsonString("TCP")),
              Treatment.DEFAULT));

  static final Schema ENV =
      object("io.k8s.api.core.v1.EnvVar", field("name", TEXT), field("value", TEXT));

  static final Schema CONTAINER =
      object(
          "io.k8s.api.core.v1.Container",
          field("name", TEXT),
          field("image", TEXT),
          field("command", container(Type.LIST, TEXT, Treatment.DEFAULT)),
          field("env", container(Type.LIST, ENV, keyed("name", "name"))),
          field(
              "ports",
              container(Type.LIST, PORT, keyed("containerPort", "containerPort", "protocol"))));

  static final Schema VOLUME =
      object(
          "io.k8s.api.core.v1.Volume",
          field("name", TEXT),
          field("emptyDir", object("io.k8s.api.core.v1.EmptyDir", field("medium", TEXT))),
          field("hostPath", object("io.k8s.api.core.v1.HostPath", field("path", TEXT))));

  static final Schema STRATEGY =
      object(
          "io.k8s.api.apps.v1.DeploymentStrategy",
          field("type", TEXT),
          field("rollingUpdate", LABELS));

  static final Schema POD_SPEC =
      object(
          "io.k8s.api.core.v1.PodSpec",
          new Field(
              "containers",
              0,
              () -> container(Type.LIST, CONTAINER, keyed("name", "name")),
              "",
              true,
              Optional.empty(),
              keyed("name", "name")),
          treated(
              "volumes",
              container(Type.LIST, VOLUME, keyed("name", "name")),
              new Treatment(
                  ListType.MAP, List.of("name"), false, Set.of("merge", "retainKeys"), "name")),
          field("nodeSelector", container(Type.MAP, TEXT, atomic())));

  static final Schema METADATA =
      object(
          "io.k8s.apimachinery.pkg.apis.meta.v1.ObjectMeta",
          field("name", TEXT),
          field("namespace", TEXT),
          field("uid", TEXT),
          field("resourceVersion", TEXT),
          field("managedFields", scalar(Type.ANY)),
          field("labels", LABELS),
          field("annotations", LABELS),
          treated(
              "finalizers",
              container(Type.LIST, TEXT, Treatment.DEFAULT),
              new Treatment(ListType.SET, List.of(), false, Set.of("merge"), "")));

  static final Schema DEPLOYMENT =
      object(
          "io.k8s.api.apps.v1.Deployment",
          field("apiVersion", TEXT),
          field("kind", TEXT),
          always("metadata", METADATA),
          always(
              "spec",
              object(
                  "io.k8s.api.apps.v1.DeploymentSpec",
                  field("replicas", INT),
                  field("paused", scalar(Type.BOOLEAN)),
                  treated(
                      "strategy",
                      STRATEGY,
                      new Treatment(ListType.ATOMIC, List.of(), false, Set.of("retainKeys"), "")),
                  always(
                      "template",
                      object(
                          "io.k8s.api.core.v1.PodTemplateSpec",
                          always("metadata", METADATA),
                          always("spec", POD_SPEC))))),
          always("status", object("io.k8s.api.apps.v1.DeploymentStatus", field("replicas", INT))));

  static Treatment keyed(String mergeKey, String... keys) {
    return new Treatment(ListType.MAP, List.of(keys), false, Set.of("merge"), mergeKey);
  }

  static Treatment atomic() {
    return new Treatment(ListType.ATOMIC, List.of(), true, Set.of(), "");
  }

  static Schema scalar(Type type) {
    return new Schema("", type, "", Map.of(), Optional.empty(), Treatment.DEFAULT, Rules.NONE);
  }

  static Schema container(Type type, Schema item, Treatment treatment) {
    return new Schema("", type, "", Map.of(), Optional.of(() -> item), treatment, Rules.NONE);
  }

  static Schema object(String name, Field... fields) {
    Map<String, Field> map = new LinkedHashMap<>();
    for (Field field : fields) {
      map.put(field.name(), field);
    }
    return new Schema(name, Type.OBJECT, "", map, Optional.empty(), Treatment.DEFAULT, Rules.NONE);
  }

  static Field field(String name, Schema schema) {
    return treated(name, schema, schema.treatment());
  }

  static Field treated(String name, Schema schema, Treatment treatment) {
    return new Field(name, 0, () -> schema, "", false, Optional.empty(), treatment);
  }

  /** A struct that Go writes even when nothing is in it. */
  static Field always(String name, Schema schema) {
    return new Field(
        name,
        0,
        () -> schema,
        "",
        false,
        Optional.of(JsonObject.EMPTY),
        schema.treatment(),
        false,
        true);
  }
}
