package dev.kedge.apiserver;

import static org.assertj.core.api.Assertions.assertThat;

import dev.kedge.model.Json;
import dev.kedge.model.JsonObject;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import org.junit.jupiter.api.Assumptions;
import org.junit.jupiter.api.Test;

class DiscoveryTest {
  @Test
  void equalsUpstreamsForWhatIsServed() throws Exception {
    Path oracle =
        Path.of(System.getProperty("kedge.root"))
            .resolve("../shared/oracle/kubernetes-1.36/discovery")
            .normalize();
    Assumptions.assumeTrue(Files.isDirectory(oracle), "no upstream data at " + oracle);
    try (TestServer server = new TestServer()) {
      JsonObject own =
          server
              .get(
                  "/apis",
                  "Accept",
                  "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList,application/json")
              .json();
      assertThat(own.text("kind")).isEqualTo("APIGroupDiscoveryList");
      JsonObject upstream =
          Json.parseObject(Files.readAllBytes(oracle.resolve("aggregated_v2.json")));
      List<String> stable = new ArrayList<>();
      for (JsonObject group : upstream.objects("items")) {
        if (group.objects("versions").stream().anyMatch(v -> isStable(v.text("version")))) {
          stable.add(group.text("metadata", "name"));
        }
      }
      List<String> served =
          own.objects("items").stream().map(group -> group.text("metadata", "name")).toList();
      System.out.println(
          "groups: upstream's stable " + stable.size() + ", served " + served.size());
      assertThat(served.stream().filter(stable::contains).toList()).isEqualTo(stable);

      int same = 0;
      List<String> differences = new ArrayList<>();
      try (var files = Files.list(oracle)) {
        for (Path file : files.sorted().toList()) {
          String name = file.getFileName().toString();
          String path = "/" + name.replace("__", "/").replace(".json", "");
          boolean list = path.startsWith("/api/") || path.split("/").length == 4;
          if (!list || !isStable(path.substring(path.lastIndexOf('/') + 1))) {
            continue;
          }
          Map<String, JsonObject> wanted = byName(Json.parseObject(Files.readAllBytes(file)));
          Map<String, JsonObject> held = byName(server.get(path).json());
          for (Map.Entry<String, JsonObject> resource : wanted.entrySet()) {
            JsonObject other = held.getOrDefault(resource.getKey(), JsonObject.EMPTY);
            if (other.equals(resource.getValue())) {
              same++;
            } else {
              differences.add(
                  path
                      + " "
                      + resource.getKey()
                      + "\n  upstream "
                      + resource.getValue()
                      + "\n  own      "
                      + other);
            }
          }
        }
      }
      System.out.println(
          "resources equal to upstream's: " + same + ", different: " + differences.size());
      differences.forEach(System.out::println);
      assertThat(differences).hasSizeLessThanOrEqualTo(5);
    }
  }

  private static boolean isStable(String version) {
    return version.matches("v[0-9]+");
  }

  private static Map<String, JsonObject> byName(JsonObject list) {
    Map<String, JsonObject> all = new TreeMap<>();
    list.objects("resources").forEach(resource -> all.put(resource.text("name"), resource));
    return all;
  }
}
