package dev.kedge.builtin;

import static org.assertj.core.api.Assertions.assertThat;

import dev.kedge.model.GroupVersionKind;
import dev.kedge.model.Json;
import dev.kedge.model.JsonArray;
import dev.kedge.model.JsonObject;
import dev.kedge.model.JsonValue;
import dev.kedge.model.Protobuf;
import dev.kedge.model.Schema;
import dev.kedge.model.SchemaDecoder;
import dev.kedge.model.Yaml;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.TreeSet;
import org.junit.jupiter.api.Test;

/** Every stable kind, filled in every field by upstream, through the decoder and the codec. */
class ProtobufVectorsTest {
  @Test
  void everyStableKindRoundTripsToUpstreamsBytes() throws IOException {
    List<String> faults = new ArrayList<>();
    List<String> notBuiltIn = new ArrayList<>();
    int checked = 0;
    for (Path file : vectors()) {
      JsonObject json = Json.parseObject(Files.readAllBytes(file));
      GroupVersionKind kind = GroupVersionKind.of(json.text("apiVersion"), json.text("kind"));
      var schema = find(kind);
      if (schema == null) {
        if (kind.version().matches("v\\d")) {
          notBuiltIn.add(kind.toString());
        }
        continue;
      }
      checked++;
      String yaml = Files.readString(Path.of(file.toString().replace(".json", ".yaml")));
      if (!Yaml.parse(yaml).equals(json) || !Yaml.write(json).equals(yaml)) {
        faults.add(kind + ": YAML differs");
      }
      byte[] expected = Files.readAllBytes(Path.of(file.toString().replace(".json", ".pb")));
      var decoded = SchemaDecoder.decode(schema, kind, json);
      if (!decoded.unknownFields().isEmpty()) {
        faults.add(kind + ": unknown " + decoded.unknownFields());
      }
      if (!decoded.object().equals(json)) {
        faults.add(kind + ": decoding changed it: " + difference("", json, decoded.object()));
      }
      JsonObject read = Protobuf.decode(expected, _ -> schema);
      if (!read.equals(json)) {
        faults.add(kind + ": read from protobuf: " + difference("", json, read));
      }
      byte[] written = Protobuf.encode(schema, json);
      if (!java.util.Arrays.equals(written, expected)) {
        faults.add(
            kind
                + ": bytes differ: "
                + expected.length
                + " expected, "
                + written.length
                + " written");
      }
      if (!java.util.Arrays.equals(
          Protobuf.encode(schema, (JsonObject) reversed(json)), expected)) {
        faults.add(kind + ": bytes differ when fields come in another order");
      }
      if (!Json.parseStored(Json.bytes(json)).equals(json)) {
        faults.add(kind + ": read as stored it differs");
      }
    }
    long faulty =
        faults.stream().map(fault -> fault.substring(0, fault.indexOf(": "))).distinct().count();
    System.out.printf(
        "api-testdata: %d of %d kinds equal in JSON, YAML and protobuf%n",
        checked - faulty, checked);
    assertThat(faults).isEmpty();
    // Served nowhere, and absent from the artifacts the schemas are made from.
    assertThat(notBuiltIn).containsExactly("v1, Kind=PodStatusResult");
    assertThat(checked).isGreaterThan(85);
  }

  /** The same object, the last field of each object first. */
  private static JsonValue reversed(JsonValue value) {
    return switch (value) {
      case JsonObject object -> {
        JsonObject.Builder builder = JsonObject.builder();
        for (int i = object.size() - 1; i >= 0; i--) {
          // What is kept as it is keeps its order.
          boolean raw =
              object
                      .nameAt(i)
                      .matches(
                          "fieldsV1|object|oldObject|options|raw|data|parameters|configuration")
                  && !object.has("binaryData");
          builder.put(object.nameAt(i), raw ? object.valueAt(i) : reversed(object.valueAt(i)));
        }
        yield builder.build();
      }
      case JsonArray array ->
          new JsonArray(array.items().stream().map(ProtobufVectorsTest::reversed).toList());
      default -> value;
    };
  }

  private static @org.jspecify.annotations.Nullable Schema find(GroupVersionKind kind) {
    return BuiltinSchemas.find(kind).orElse(null);
  }

  private static List<Path> vectors() throws IOException {
    try (var files = Files.list(Oracle.folder().resolve("api-testdata"))) {
      return files.filter(file -> file.toString().endsWith(".json")).sorted().toList();
    }
  }

  private static String difference(String path, JsonObject expected, JsonObject actual) {
    TreeSet<String> names = new TreeSet<>(expected.names());
    names.addAll(actual.names());
    for (String name : names) {
      var left = expected.get(name);
      var right = actual.get(name);
      if (!left.equals(right)) {
        if (left.orElse(null) instanceof JsonObject one
            && right.orElse(null) instanceof JsonObject two) {
          return difference(path + "." + name, one, two);
        }
        return path + "." + name + ": " + left + " became " + right;
      }
    }
    return "nothing";
  }
}
