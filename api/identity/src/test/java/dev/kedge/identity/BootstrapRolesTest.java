package dev.kedge.identity;

import static org.assertj.core.api.Assertions.assertThat;

import dev.kedge.model.JsonObject;
import dev.kedge.model.JsonValue;
import dev.kedge.model.KubeObject;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeMap;
import java.util.TreeSet;
import org.junit.jupiter.api.Assumptions;
import org.junit.jupiter.api.Test;
import org.snakeyaml.engine.v2.api.Load;
import org.snakeyaml.engine.v2.api.LoadSettings;

class BootstrapRolesTest {
  @Test
  void equalUpstreams() throws Exception {
    Path oracle =
        Path.of(System.getProperty("kedge.root"))
            .resolve("../shared/oracle/kubernetes-1.36/rbac")
            .normalize();
    Assumptions.assumeTrue(Files.isDirectory(oracle), "no upstream data at " + oracle);
    Map<String, JsonObject> upstream = new TreeMap<>();
    for (String file :
        List.of(
            "cluster-roles",
            "cluster-role-bindings",
            "namespace-roles",
            "namespace-role-bindings",
            "controller-roles",
            "controller-role-bindings")) {
      Object document =
          new Load(LoadSettings.builder().build())
              .loadFromString(Files.readString(oracle.resolve(file + ".yaml")));
      for (JsonObject object : ((JsonObject) JsonValue.of(document)).objects("items")) {
        upstream.put(key(new KubeObject(object)), object);
      }
    }
    // The tree that the data comes from adds these of its own distribution.
    upstream.keySet().removeIf(key -> key.contains("openshift") || key.contains("service-ca-cert"));

    Map<String, JsonObject> own = new TreeMap<>();
    BootstrapRoles.objects().forEach(object -> own.put(key(object), object.json()));
    int equal = 0;
    List<String> differences = new ArrayList<>();
    Set<String> names = new TreeSet<>(upstream.keySet());
    names.addAll(own.keySet());
    for (String name : names) {
      JsonObject wanted = upstream.getOrDefault(name, JsonObject.EMPTY);
      JsonObject held = own.getOrDefault(name, JsonObject.EMPTY);
      // Upstream's aggregated roles are empty until a controller fills them.
      boolean same =
          normal(wanted).equals(normal(held.has("aggregationRule") ? held.without("rules") : held));
      if (same) {
        equal++;
      } else {
        differences.add(name + "\n  upstream " + normal(wanted) + "\n  own      " + normal(held));
      }
    }
    System.out.println(
        "bootstrap roles and bindings equal to upstream: " + equal + " of " + names.size());
    assertThat(differences).isEmpty();
  }

  private static String key(KubeObject object) {
    return object.kind() + " " + object.key();
  }

  /** Leaves out null fields and order. */
  private static JsonObject normal(JsonObject object) {
    JsonObject result = object.without("rules");
    List<JsonObject> rules =
        object.objects("rules").stream().map(rule -> RbacRule.of(rule).json()).toList();
    JsonObject metadata = object.object("metadata").without("creationTimestamp");
    result = result.with("metadata", metadata).without("subjects").without("aggregationRule");
    return result
        .with("rules", rules)
        .with("subjects", object.objects("subjects"))
        .with("aggregationRule", object.object("aggregationRule"));
  }
}
