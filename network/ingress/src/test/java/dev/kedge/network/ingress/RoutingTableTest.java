package dev.kedge.network.ingress;

import static org.assertj.core.api.Assertions.assertThat;

import dev.kedge.model.Json;
import dev.kedge.model.JsonArray;
import dev.kedge.model.JsonObject;
import dev.kedge.model.KubeObject;
import java.util.Arrays;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class RoutingTableTest {
  /** {@code host pathType path service} each. */
  static KubeObject ingress(String name, String created, String defaultService, String... rules) {
    JsonArray all =
        Arrays.stream(rules)
            .map(
                rule -> {
                  String[] parts = rule.split(" ");
                  JsonObject path =
                      JsonObject.of(
                          "path", parts[2],
                          "pathType", parts[1],
                          "backend", backend(parts[3]));
                  JsonObject http =
                      JsonObject.of("http", JsonObject.of("paths", JsonArray.of(path)));
                  return parts[0].equals("-") ? http : http.with("host", parts[0]);
                })
            .collect(JsonArray.collector());
    JsonObject spec = JsonObject.of("rules", all);
    if (!defaultService.isEmpty()) {
      spec = spec.with("defaultBackend", backend(defaultService));
    }
    return new KubeObject(
        JsonObject.of(
            "metadata",
            JsonObject.of("name", name, "namespace", "d", "creationTimestamp", created),
            "spec",
            spec));
  }

  private static JsonObject backend(String service) {
    return JsonObject.of(
        "service", JsonObject.of("name", service, "port", JsonObject.of("number", 80)));
  }

  // The table of examples in Kubernetes' documentation of Ingress, and more.
  @ParameterizedTest
  @CsvSource({
    "Prefix,/,/any/path,true",
    "Exact,/foo,/foo,true",
    "Exact,/foo,/bar,false",
    "Exact,/foo,/foo/,false",
    "Exact,/foo/,/foo,false",
    "Prefix,/foo,/foo,true",
    "Prefix,/foo,/foo/,true",
    "Prefix,/foo/,/foo,true",
    "Prefix,/foo/,/foo/,true",
    "Prefix,/aaa/bb,/aaa/bbb,false",
    "Prefix,/aaa/bbb,/aaa/bbb,true",
    "Prefix,/aaa/bbb/,/aaa/bbb,true",
    "Prefix,/aaa/bbb,/aaa/bbb/,true",
    "Prefix,/aaa/bbb,/aaa/bbb/ccc,true",
    "Prefix,/aaa/bbb,/aaa/bbbxyz,false",
    "ImplementationSpecific,/foo,/foo/bar,true",
    "Prefix,/secret,/public/../secret,true",
    "Prefix,/public,/public/../secret,false",
    "Prefix,/public,/public/%2e%2e/secret,false",
    "Prefix,/a b,/a%20b/c,true",
    "Exact,/a+b,/a+b,true"
  })
  void pathsMatch(String type, String path, String request, boolean matches) {
    KubeObject ingress =
        new KubeObject(
            Json.parseObject(
                """
                {"metadata":{"name":"i","namespace":"d"},"spec":{"rules":[{"http":{"paths":[
                 {"path":"%s","pathType":"%s","backend":{"service":{"name":"s","port":{"name":"p"}}}}
                ]}}]}}\
                """
                    .formatted(path, type)
                    .getBytes(java.nio.charset.StandardCharsets.UTF_8)));
    assertThat(new RoutingTable(List.of(ingress)).find("any.host", request).isPresent())
        .isEqualTo(matches);
  }

  @ParameterizedTest
  @CsvSource({
    "a.test,/,a-root",
    "A.test:8080,/x,a-x-exact",
    "a.test,/x/y,a-x",
    "a.test,/x/y/z,a-xy",
    "b.test,/,wild",
    "c.b.test,/,any",
    "test,/,any",
    "only.other,/nothing,any",
    "'',/,any"
  })
  void theMostSpecificRuleWins(String host, String path, String service) {
    RoutingTable table =
        new RoutingTable(
            List.of(
                ingress(
                    "one",
                    "2026-01-01T00:00:00Z",
                    "",
                    "- Prefix / any",
                    "*.test Prefix / wild",
                    "a.test Prefix / a-root",
                    "a.test Prefix /x a-x",
                    "a.test Exact /x a-x-exact",
                    "a.test Prefix /x/y/ a-xy-slash",
                    "a.test Prefix /x/y/z a-xy",
                    "only.other Exact /something other"),
                ingress("two", "2025-01-01T00:00:00Z", "", "a.test Exact /old old")));
    String expected = path.equals("/x/y") ? "a-xy-slash" : service;
    assertThat(table.find(host, path).orElseThrow().service()).isEqualTo(expected);
    assertThat(table.find("a.test", "/old").orElseThrow().service()).isEqualTo("old");
  }

  @Test
  void defaultBackendsTakeWhatIsLeft() {
    RoutingTable table =
        new RoutingTable(
            List.of(
                ingress("young", "2026-01-01T00:00:00Z", "young", "a.test Exact /x x"),
                ingress("old", "2025-01-01T00:00:00Z", "old")));
    assertThat(table.find("a.test", "/x").orElseThrow().service()).isEqualTo("x");
    assertThat(table.find("a.test", "/y").orElseThrow().service()).isEqualTo("young");
    assertThat(table.find("b.test", "/y").orElseThrow().service()).isEqualTo("old");
    assertThat(RoutingTable.EMPTY.find("a.test", "/")).isEmpty();
  }

  @Test
  void theOlderOfEqualRulesHolds() {
    RoutingTable table =
        new RoutingTable(
            List.of(
                ingress("a", "2026-01-01T00:00:00Z", "", "a.test Prefix /x young"),
                ingress("b", "2025-01-01T00:00:00Z", "", "a.test Prefix /x old")));
    assertThat(table.find("a.test", "/x").orElseThrow().service()).isEqualTo("old");
  }
}
