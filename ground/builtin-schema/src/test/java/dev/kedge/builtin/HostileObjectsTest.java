package dev.kedge.builtin;

import static org.assertj.core.api.Assertions.assertThat;

import dev.kedge.model.ApiException;
import dev.kedge.model.Fuzz;
import dev.kedge.model.GroupVersionKind;
import dev.kedge.model.Json;
import dev.kedge.model.JsonArray;
import dev.kedge.model.JsonObject;
import dev.kedge.model.JsonString;
import dev.kedge.model.JsonSyntaxException;
import dev.kedge.model.JsonValue;
import dev.kedge.model.KubeObject;
import dev.kedge.model.Protobuf;
import dev.kedge.model.Protobuf.ProtobufException;
import dev.kedge.model.Schema;
import dev.kedge.model.SchemaDecoder;
import dev.kedge.model.ServerSideApply;
import dev.kedge.model.StrategicMergePatch;
import java.io.ByteArrayOutputStream;
import java.time.Instant;
import java.util.List;
import java.util.Set;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;

/** Objects of built-in kinds, broken: through the decoder, protobuf and the patches by schema. */
class HostileObjectsTest {
  private static final String UPSTREAM = "../shared/oracle/kubernetes-1.36/api-testdata";

  private static Schema schema(GroupVersionKind kind) {
    return BuiltinSchemas.find(kind).orElseThrow(() -> ApiException.badRequest("no kind " + kind));
  }

  @Test
  void protobuf() {
    byte[] pod =
        Protobuf.encode(
            schema(GroupVersionKind.of("v1", "Pod")),
            Json.parseObject(
                """
                {"apiVersion":"v1","kind":"Pod","metadata":{"name":"a","labels":{"b":"c"},
                 "creationTimestamp":"2026-01-02T03:04:05Z"},"spec":{"containers":[{"name":"x",
                 "resources":{"limits":{"cpu":"1"}},"readinessProbe":{"httpGet":{"port":80}}}]}}
                """));
    List<byte[]> seeds = new java.util.ArrayList<>(Fuzz.files(UPSTREAM, ".pb"));
    seeds.add(pod);
    Fuzz.run(
        "protobuf",
        seeds,
        Set.of(ProtobufException.class, ApiException.class),
        input -> {
          JsonObject object = Protobuf.decode(input, HostileObjectsTest::schema);
          Schema schema = schema(new KubeObject(object).groupVersionKind());
          assertThat(Json.parse(Json.bytes(object))).isEqualTo(object);
          JsonObject decoded =
              SchemaDecoder.decode(schema, new KubeObject(object).groupVersionKind(), object)
                  .object();
          Protobuf.encode(schema, decoded);
        });
  }

  @Test
  void decoderAndPatches() {
    List<byte[]> seeds = new java.util.ArrayList<>(Fuzz.files(UPSTREAM, ".json"));
    seeds.add(
        Json.bytes(
            Json.parse(
                """
                {"apiVersion":"v1","kind":"Service","metadata":{"name":"a","finalizers":["b"]},
                 "spec":{"ports":[{"port":80,"targetPort":"a","$patch":"delete"}],"selector":{"a":"b"}},
                 "$setElementOrder/ports":[{"port":80}]}
                """)));
    JsonObject live =
        Json.parseObject(
            """
            {"apiVersion":"apps/v1","kind":"Deployment","metadata":{"name":"a","finalizers":["x"]},
             "spec":{"replicas":1,"template":{"spec":{"containers":[{"name":"a","image":"b"}]}}}}
            """);
    Fuzz.run(
        "objects by schema",
        seeds,
        Set.of(ApiException.class, JsonSyntaxException.class),
        input -> {
          JsonObject object = Json.parseObject(input);
          GroupVersionKind kind = new KubeObject(object).groupVersionKind();
          Schema schema = schema(kind);
          refusing(
              () -> {
                JsonObject decoded = SchemaDecoder.decode(schema, kind, object).object();
                JsonObject defaulted = SchemaDecoder.withDefaults(schema, decoded);
                assertThat(SchemaDecoder.decode(schema, kind, defaulted).faults()).isEmpty();
                Protobuf.encode(schema, defaulted);
              });
          refusing(() -> StrategicMergePatch.apply(live, object, schema));
          refusing(() -> StrategicMergePatch.apply(object, live, schema));
          refusing(() -> StrategicMergePatch.create(live, object, schema));
          JsonObject config = object.withoutPath(List.of("metadata", "managedFields"));
          refusing(
              () ->
                  ServerSideApply.applied(
                      live.with("apiVersion", object.text("apiVersion")),
                      config,
                      "m",
                      true,
                      schema,
                      "",
                      Instant.EPOCH));
        });
  }

  private static void refusing(Runnable action) {
    try {
      action.run();
    } catch (ApiException e) {
      assertThat(e.getMessage()).isNotEmpty();
    }
  }

  @Test
  void protobufInProtobuf() {
    // A CustomResourceDefinition's schema may hold schemas: field 13 of JSONSchemaProps is "not".
    Schema props =
        BuiltinSchemas.definition(
            "io.k8s.apiextensions-apiserver.pkg.apis.apiextensions.v1.JSONSchemaProps");
    int number = props.field("not").orElseThrow().number();
    byte[] inner = new byte[0];
    for (int i = 0; i < 4000; i++) {
      ByteArrayOutputStream out = new ByteArrayOutputStream();
      varint(out, (long) number << 3 | 2);
      varint(out, inner.length);
      out.writeBytes(inner);
      inner = out.toByteArray();
    }
    Fuzz.feed(
        "nested protobuf",
        inner,
        Set.of(ProtobufException.class),
        input -> Protobuf.decodeMessage(props, input));
  }

  private static void varint(ByteArrayOutputStream out, long value) {
    long rest = value;
    while (rest > 0x7f) {
      out.write((int) (rest & 0x7f) | 0x80);
      rest >>>= 7;
    }
    out.write((int) rest);
  }

  @Test
  void longListsTakeTheirTimeOnce() {
    Schema schema = schema(GroupVersionKind.of("v1", "ConfigMap"));
    JsonArray many =
        JsonArray.copyOf(
            IntStream.range(0, 100_000).mapToObj(i -> new JsonString("example.com/" + i)).toList());
    JsonObject config =
        Json.parseObject(
                "{\"apiVersion\":\"v1\",\"kind\":\"ConfigMap\",\"metadata\":{\"name\":\"a\"}}")
            .withPath(List.of("metadata", "finalizers"), many);
    JsonArray reversed = JsonArray.copyOf(many.items().reversed());
    Fuzz.feed(
        "long lists",
        Json.bytes(config),
        Set.of(),
        input -> {
          JsonObject patch = config.withPath(List.of("metadata", "finalizers"), reversed);
          JsonObject merged = StrategicMergePatch.apply(config, patch, schema);
          assertThat(merged.array("metadata", "finalizers").size()).isEqualTo(many.size());
          JsonObject delete =
              JsonObject.of(
                  "metadata", JsonObject.of("$deleteFromPrimitiveList/finalizers", reversed));
          assertThat(
                  StrategicMergePatch.apply(config, delete, schema)
                      .array("metadata", "finalizers")
                      .size())
              .isZero();
          StrategicMergePatch.create(config, patch, schema);
          JsonObject applied =
              ServerSideApply.applied(
                  JsonObject.EMPTY, config, "a", false, schema, "", Instant.EPOCH);
          ServerSideApply.applied(applied, patch, "b", true, schema, "", Instant.EPOCH);
        });
  }

  @Test
  void manyNamesTakeTheirTimeOnce() {
    Schema schema = schema(GroupVersionKind.of("v1", "ConfigMap"));
    JsonObject.Builder data = JsonObject.builder();
    IntStream.range(0, 100_000).forEach(i -> data.put("k" + i, "v"));
    JsonObject config =
        JsonObject.of(
            "apiVersion",
            "v1",
            "kind",
            "ConfigMap",
            "metadata",
            JsonObject.of("name", "a"),
            "data",
            data.build());
    Fuzz.feed(
        "many names",
        Json.bytes(config),
        Set.of(),
        input -> {
          GroupVersionKind kind = GroupVersionKind.of("v1", "ConfigMap");
          JsonObject object = SchemaDecoder.decode(schema, kind, config).object();
          JsonObject live = config.without("data");
          JsonObject patched = StrategicMergePatch.apply(live, object, schema);
          StrategicMergePatch.create(live, patched, schema);
          JsonObject applied =
              ServerSideApply.applied(live, object, "a", false, schema, "", Instant.EPOCH);
          JsonObject updated =
              ServerSideApply.updated(applied, live, "b", schema, "", Instant.EPOCH);
          assertThat(updated.object("data").isEmpty()).isTrue();
        });
  }

  @Test
  void namesOfTheSameHashAreBorne() {
    List<String> halves = List.of("Aa", "BB");
    JsonObject.Builder data = JsonObject.builder();
    for (int i = 0; i < 1 << 15; i++) {
      StringBuilder name = new StringBuilder();
      for (int bit = 0; bit < 15; bit++) {
        name.append(halves.get(i >> bit & 1));
      }
      data.put(name.toString(), "");
    }
    JsonValue value = data.build();
    Fuzz.feed(
        "names of the same hash",
        Json.bytes(value),
        Set.of(),
        input -> {
          JsonObject read = Json.parseObject(input);
          assertThat(dev.kedge.model.MergePatch.create(JsonObject.EMPTY, read)).isEqualTo(read);
          JsonArray list = JsonArray.copyOf(read.names().stream().map(JsonString::new).toList());
          Schema schema = schema(GroupVersionKind.of("v1", "ConfigMap"));
          JsonObject patch = JsonObject.of("metadata", JsonObject.of("finalizers", list));
          assertThat(StrategicMergePatch.apply(patch, patch, schema)).isEqualTo(patch);
        });
  }
}
