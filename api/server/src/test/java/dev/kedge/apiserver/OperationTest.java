package dev.kedge.apiserver;

import static org.assertj.core.api.Assertions.assertThat;

import dev.kedge.model.JsonArray;
import dev.kedge.model.JsonObject;
import dev.kedge.model.JsonValue;
import dev.kedge.model.Yaml;
import java.io.InputStream;
import java.net.http.HttpResponse;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.HashMap;
import java.util.HashSet;
import java.util.LinkedHashMap;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.Assumptions;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;

/** What operators look at: metrics, health, limits. */
class OperationTest {
  private static TestServer server;

  @BeforeAll
  static void start() throws Exception {
    server = new TestServer();
  }

  @AfterAll
  static void stop() throws Exception {
    server.close();
  }

  private static final Pattern SAMPLE =
      Pattern.compile("([a-z_:]+)(?:\\{(.*)\\})? (-?[0-9.E+-]+|NaN|[+-]Inf)");

  /** Samples by name and labels, as they stand in the text. */
  private static Map<String, Double> samples(String text) {
    Map<String, Double> all = new LinkedHashMap<>();
    for (String line : text.split("\n")) {
      if (!line.startsWith("#")) {
        Matcher sample = SAMPLE.matcher(line);
        assertThat(sample.matches()).as(line).isTrue();
        Double before =
            all.put(line.substring(0, line.lastIndexOf(' ')), Double.parseDouble(sample.group(3)));
        assertThat(before).as(line).isNull();
      }
    }
    return all;
  }

  @Test
  void countsRequestsUnderUpstreamsNames() throws Exception {
    server.post(
        "/api/v1/namespaces/default/configmaps?dryRun=All",
        "{apiVersion: v1, kind: ConfigMap, metadata: {name: counted}}");
    server.get("/api/v1/namespaces/default/configmaps/none");
    try (InputStream watch =
        server.open("/api/v1/configmaps?watch=true&resourceVersion=0").body()) {
      Map<String, Double> samples = samples(server.get("/metrics").text());
      assertThat(samples)
          .containsEntry(
              "apiserver_request_total{code=\"201\",component=\"apiserver\",dry_run=\"All\","
                  + "group=\"\",resource=\"configmaps\",scope=\"namespace\",subresource=\"\","
                  + "verb=\"POST\",version=\"v1\"}",
              1.0)
          .containsEntry(
              "apiserver_request_total{code=\"404\",component=\"apiserver\",dry_run=\"\","
                  + "group=\"\",resource=\"configmaps\",scope=\"resource\",subresource=\"\","
                  + "verb=\"GET\",version=\"v1\"}",
              1.0)
          .containsEntry(
              "apiserver_longrunning_requests{component=\"apiserver\",group=\"\","
                  + "resource=\"configmaps\",scope=\"cluster\",subresource=\"\",verb=\"WATCH\","
                  + "version=\"v1\"}",
              1.0)
          .containsEntry("apiserver_storage_objects{resource=\"namespaces\"}", 3.0)
          .containsEntry("apiserver_storage_objects{resource=\"deployments.apps\"}", 0.0)
          .containsEntry("kubernetes_healthcheck{name=\"ping\",type=\"readyz\"}", 1.0)
          .containsKeys(
              "process_cpu_seconds_total",
              "process_resident_memory_bytes",
              "process_open_fds",
              "process_start_time_seconds");
    }
  }

  /** Each family that upstream has is of upstream's type and has upstream's labels. */
  @Test
  void familiesAreAsUpstreamDeclaresThem() throws Exception {
    Path declared =
        Path.of(System.getProperty("kedge.root"))
            .resolve("../shared/oracle/kubernetes-1.36/metrics.yaml");
    Assumptions.assumeTrue(Files.exists(declared), "upstream's metrics.yaml is not here");
    Map<String, JsonObject> upstream = new HashMap<>();
    for (JsonValue each : ((JsonArray) Yaml.parse(Files.readAllBytes(declared))).items()) {
      JsonObject metric = (JsonObject) each;
      upstream.put(
          List.of(metric.text("namespace"), metric.text("subsystem"), metric.text("name")).stream()
              .filter(part -> !part.isEmpty())
              .reduce((a, b) -> a + "_" + b)
              .orElse(""),
          metric);
    }
    server.get("/api/v1/namespaces");
    String text = server.get("/metrics").text();
    Map<String, String> types = new LinkedHashMap<>();
    for (String line : text.split("\n")) {
      if (line.startsWith("# TYPE ")) {
        String[] words = line.split(" ");
        types.put(words[2], words[3]);
      }
    }
    Set<String> compared = new LinkedHashSet<>();
    for (String sample : samples(text).keySet()) {
      String name = sample.replaceFirst("\\{.*", "");
      String family =
          types.containsKey(name) ? name : name.replaceFirst("_(bucket|sum|count)$", "");
      JsonObject metric = upstream.get(family);
      if (metric == null) {
        continue;
      }
      compared.add(family);
      assertThat(Optional.ofNullable(types.get(family)))
          .as(family)
          .contains(
              metric.text("type").equals("Custom")
                  ? "gauge"
                  : metric.text("type").toLowerCase(java.util.Locale.ROOT));
      Set<String> labels = new HashSet<>();
      Matcher label = Pattern.compile("([a-z_]+)=\"").matcher(sample);
      while (label.find()) {
        labels.add(label.group(1));
      }
      labels.remove("le");
      assertThat(labels).as(family).isEqualTo(new HashSet<>(metric.strings("labels")));
    }
    System.out.println("metrics: " + compared.size() + " families as upstream declares them");
    assertThat(compared).hasSizeGreaterThan(5);
  }

  @Test
  void checksAreAskedTogetherAndOneByOne() throws Exception {
    assertThat(server.get("/readyz").text()).isEqualTo("ok");
    assertThat(server.get("/readyz/ping").text()).isEqualTo("ok");
    assertThat(server.get("/livez?verbose&exclude=ping").text())
        .isEqualTo("[+]ping excluded: ok\nlivez check passed\n");
    assertThat(server.get("/livez?verbose&exclude=b&exclude=a").text())
        .isEqualTo(
            "[+]ping ok\nwarn: some health checks cannot be excluded: no matches for \"a\",\"b\"\n"
                + "livez check passed\n");
    assertThat(server.get("/readyz/other").status()).isEqualTo(404);
  }

  @Test
  void aFailingCheckIsNamedWithoutItsReason() {
    HealthChecks checks =
        new HealthChecks(Map.of(), Map.of("shutdown", () -> Optional.of("process is ending")));
    assertThat(checks.all("readyz", Set.of(), false))
        .isEqualTo(
            new HealthChecks.Report(
                false, "[+]ping ok\n[-]shutdown failed: reason withheld\nreadyz check failed\n"));
    assertThat(checks.all("readyz", Set.of("shutdown"), false).healthy()).isTrue();
    assertThat(checks.all("livez", Set.of(), false).healthy()).isTrue();
    assertThat(checks.one("readyz", "shutdown"))
        .contains(new HealthChecks.Report(false, "internal server error: process is ending\n"));
  }

  @Test
  void bodiesAreBounded() throws Exception {
    TestServer.Reply refused =
        server.post(
            "/api/v1/namespaces/default/configmaps",
            "{apiVersion: v1, kind: ConfigMap, metadata: {name: big}, data: {a: "
                + "x".repeat(3 * 1024 * 1024)
                + "}}");
    assertThat(refused.status()).isEqualTo(413);
    assertThat(refused.json().text("reason")).isEqualTo("RequestEntityTooLarge");
    assertThat(refused.json().text("message"))
        .isEqualTo("Request entity too large: limit is 3145728");
  }

  @Test
  void aWishForTimeIsReadAndRefused() throws Exception {
    HttpResponse<byte[]> fine = server.get("/api/v1/pods?timeout=5s").response();
    assertThat(fine.statusCode()).isEqualTo(200);
    TestServer.Reply refused = server.get("/api/v1/pods?timeout=soon");
    assertThat(refused.status()).isEqualTo(400);
    assertThat(refused.json().text("message"))
        .isEqualTo(
            "invalid timeout specified in the request URL - time: invalid duration \"soon\"");
  }
}
