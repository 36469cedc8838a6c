package dev.kedge.registry.kinds;

import static org.assertj.core.api.Assertions.assertThat;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import dev.kedge.builtin.BuiltinSchemas;
import dev.kedge.model.GroupVersionKind;
import dev.kedge.model.JsonObject;
import dev.kedge.model.JsonValue;
import dev.kedge.model.KubeObject;
import dev.kedge.model.Schema;
import dev.kedge.model.SchemaDecoder;
import dev.kedge.model.Yaml;
import dev.kedge.registry.Strategy;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** Objects that a Kubernetes API server takes are taken here, too, and not changed by updates. */
class UpstreamObjectsTest {
  private static final Path ROOT = Path.of(System.getProperty("kedge.root"));

  @ParameterizedTest
  @ValueSource(
      strings = {
        "../shared/oracle/kubernetes-1.36/pod-security",
        "../shared/oracle/kubernetes-1.36/rbac",
        "examples"
      })
  void validObjectsAreTaken(String folder) throws IOException {
    assumeTrue(Files.isDirectory(ROOT.resolve(folder)), "not beside this clone: " + folder);
    List<String> faults = new ArrayList<>();
    int count = 0;
    for (Path file : files(ROOT.resolve(folder))) {
      for (JsonValue document : Yaml.parseAll(Files.readAllBytes(file))) {
        if (!(document instanceof JsonObject object)) {
          continue;
        }
        for (JsonObject one : object.has("items") ? object.objects("items") : List.of(object)) {
          count++;
          check(one, file.getFileName().toString(), faults);
        }
      }
    }
    System.out.printf("%s: %d objects, %d faults%n", folder, count, faults.size());
    assertThat(faults).isEmpty();
    assertThat(count).isPositive();
  }

  private static List<Path> files(Path folder) throws IOException {
    try (var files = Files.walk(folder)) {
      return files.filter(file -> file.toString().endsWith(".yaml")).sorted().toList();
    }
  }

  private static void check(JsonObject json, String file, List<String> faults) {
    GroupVersionKind kind = GroupVersionKind.of(json.text("apiVersion"), json.text("kind"));
    Schema schema = BuiltinSchemas.ofKind(kind);
    SchemaDecoder.Decoded decoded = SchemaDecoder.decode(schema, kind, json);
    decoded.unknownFields().forEach(field -> faults.add(file + ": unknown " + field));
    Strategy strategy = Strategies.of(kind);
    KubeObject object = strategy.prepareForCreate(defaulted(strategy, schema, decoded.object()));
    strategy.validate(object).forEach(cause -> faults.add(file + ": " + cause));
    strategy.validateUpdate(object, object).forEach(cause -> faults.add(file + ": " + cause));
    KubeObject again =
        strategy.prepareForUpdate(defaulted(strategy, schema, object.json()), object);
    if (!again.equals(object)) {
      faults.add(file + ": defaults are not stable: " + object + " became " + again);
    }
  }

  private static KubeObject defaulted(Strategy strategy, Schema schema, JsonObject json) {
    return strategy.applyDefaults(new KubeObject(SchemaDecoder.withDefaults(schema, json)));
  }
}
