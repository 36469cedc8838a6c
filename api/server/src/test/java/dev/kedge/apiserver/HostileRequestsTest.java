package dev.kedge.apiserver;

import static org.assertj.core.api.Assertions.assertThat;

import dev.kedge.apiserver.TestServer.Reply;
import dev.kedge.model.Fuzz;
import dev.kedge.model.Json;
import dev.kedge.model.JsonObject;
import dev.kedge.model.JsonSyntaxException;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.InputStream;
import java.net.URLEncoder;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;
import java.util.Set;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.zip.GZIPOutputStream;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

/** Broken requests over HTTP: each gets a Status, none a 500 or a cut connection. */
class HostileRequestsTest {
  private static final String UPSTREAM = "../shared/oracle/kubernetes-1.36/api-testdata";
  private static final String CONFIG_MAPS = "/api/v1/namespaces/default/configmaps";
  private static TestServer server;

  @BeforeAll
  static void start() throws Exception {
    server = new TestServer();
    server.post(
        "/apis/apiextensions.k8s.io/v1/customresourcedefinitions",
        """
        apiVersion: apiextensions.k8s.io/v1
        kind: CustomResourceDefinition
        metadata: {name: things.example.com}
        spec:
          group: example.com
          scope: Namespaced
          names: {plural: things, singular: thing, kind: Thing}
          versions:
          - name: v1
            served: true
            storage: true
            schema:
              openAPIV3Schema:
                type: object
                properties:
                  spec:
                    type: object
                    x-kubernetes-preserve-unknown-fields: true
                    properties:
                      name: {type: string, pattern: "^(a+)+$"}
                      list:
                        type: array
                        maxItems: 100
                        items: {type: string, maxLength: 100}
                        x-kubernetes-validations:
                        - rule: "self.all(x, x.matches('^(a|aa)*$'))"
        """);
    server.post(
        "/api/v1/namespaces/default/configmaps",
        "{apiVersion: v1, kind: ConfigMap, metadata: {name: target}, data: {a: b}}");
    while (server.get("/apis/example.com/v1/namespaces/default/things").status() == 404) {
      TimeUnit.MILLISECONDS.sleep(20);
    }
  }

  @AfterAll
  static void stop() throws Exception {
    server.close();
  }

  /** Whatever was asked: an answer in order, and a failure is a whole Status. */
  private static Reply check(Reply reply) {
    assertThat(reply.status()).as(reply.text()).isLessThan(503);
    if (reply.status() == 500) {
      // Upstream's own, for patches that do not fit the schema: without a reason.
      assertThat(reply.json().text("reason")).as(reply.text()).isEmpty();
    }
    if (reply.status() >= 400 && reply.header("Content-Type").startsWith("application/json")) {
      JsonObject status = reply.json();
      assertThat(status.text("kind")).isEqualTo("Status");
      assertThat(status.integer("code")).isEqualTo(reply.status());
      assertThat(status.text("message")).isNotEmpty();
    }
    return reply;
  }

  private static final AtomicInteger turn = new AtomicInteger();

  /** Few of them: over HTTP each takes a thousand times what it takes alone. */
  private static boolean skipped() {
    return turn.incrementAndGet() % 25 != 0;
  }

  private static List<byte[]> bodies(String ending) {
    List<byte[]> seeds = new ArrayList<>(Fuzz.files(UPSTREAM, ending));
    seeds.add(
        """
        {"apiVersion":"v1","kind":"ConfigMap","metadata":{"generateName":"a-","labels":{"a":"b"}}}
        """
            .getBytes(StandardCharsets.UTF_8));
    return seeds;
  }

  /** Sends an object to where its kind belongs, as far as it tells; nothing is kept. */
  private static void create(byte[] input, String mediaType) throws Exception {
    String path = CONFIG_MAPS;
    try {
      JsonObject object = Json.parseObject(input);
      String apiVersion = object.text("apiVersion");
      String plural = object.text("kind").toLowerCase(java.util.Locale.ROOT) + "s";
      if (apiVersion.matches("[a-z0-9./]+") && plural.matches("[a-z]+")) {
        path =
            (apiVersion.contains("/") ? "/apis/" : "/api/")
                + apiVersion
                + "/namespaces/default/"
                + plural;
      }
    } catch (JsonSyntaxException e) {
      assertThat(path).isEqualTo(CONFIG_MAPS);
    }
    for (String target : List.of(path, path.replace("/namespaces/default", ""))) {
      check(server.send("POST", target + "?dryRun=All", input, "Content-Type", mediaType));
    }
  }

  @ParameterizedTest
  @CsvSource({
    ".json, application/json",
    ".yaml, application/yaml",
    ".pb, application/vnd.kubernetes.protobuf"
  })
  void objects(String ending, String mediaType) {
    Fuzz.run(
        "HTTP " + mediaType,
        bodies(ending),
        Set.of(),
        input -> {
          if (!skipped()) {
            create(input, mediaType);
          }
        });
  }

  @ParameterizedTest
  @ValueSource(
      strings = {
        "application/json-patch+json",
        "application/merge-patch+json",
        "application/strategic-merge-patch+json",
        "application/apply-patch+yaml"
      })
  void patches(String mediaType) {
    List<String> seeds =
        List.of(
            "[{\"op\":\"add\",\"path\":\"/data/x\",\"value\":\"y\"},{\"op\":\"copy\",\"from\":\"/data\","
                + "\"path\":\"/metadata/labels\"}]",
            "{\"apiVersion\":\"v1\",\"kind\":\"ConfigMap\",\"metadata\":{\"name\":\"target\",\"labels\":"
                + "{\"a\":null},\"finalizers\":[\"a.b/c\"],\"$setElementOrder/finalizers\":[\"a.b/c\"]},"
                + "\"data\":{\"$patch\":\"replace\",\"x\":\"y\"}}",
            "{\"apiVersion\":\"example.com/v1\",\"kind\":\"Thing\",\"metadata\":{\"name\":\"t\"},"
                + "\"spec\":{\"name\":\"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaab\",\"list\":[\"a\",\"b\"]}}");
    Fuzz.texts(
        "HTTP " + mediaType,
        seeds,
        Set.of(),
        input -> {
          if (!skipped()) {
            for (String path :
                List.of(
                    CONFIG_MAPS + "/target", "/apis/example.com/v1/namespaces/default/things/t")) {
              check(
                  server.send(
                      "PATCH",
                      path + "?dryRun=All&fieldManager=m&force=true",
                      input,
                      "Content-Type",
                      mediaType));
            }
          }
        });
  }

  @Test
  void queriesAndHeaders() throws Exception {
    List<String> seeds =
        List.of(
            "a=b,c in (d,e),!f",
            "metadata.name=x,metadata.namespace!=y",
            "eyJ2IjoibWV0YS5rOHMuaW8vdjEiLCJydiI6MSwic3RhcnQiOiJkZWZhdWx0L2EifQ",
            "application/json;as=Table;v=v1;g=meta.k8s.io,application/json;q=0.5",
            "application/vnd.kubernetes.protobuf;type=watch, */*;q=NaN",
            "12345",
            "10s");
    List<Future<Reply>> watches = new ArrayList<>();
    try (ExecutorService pool = Executors.newVirtualThreadPerTaskExecutor()) {
      queriesAndHeaders(seeds, pool, watches);
    }
    for (Future<Reply> watch : watches) {
      check(watch.get());
    }
  }

  private void queriesAndHeaders(
      List<String> seeds, ExecutorService pool, List<Future<Reply>> watches) {
    Fuzz.texts(
        "HTTP queries and headers",
        seeds,
        Set.of(),
        input -> {
          if (skipped()) {
            return;
          }
          String text = new String(input, 0, Math.min(input.length, 2000), StandardCharsets.UTF_8);
          String value = URLEncoder.encode(text, StandardCharsets.UTF_8);
          String header = text.replaceAll("[^ -~]", "").strip();
          for (String name :
              List.of(
                  "labelSelector",
                  "fieldSelector",
                  "continue",
                  "limit",
                  "resourceVersion",
                  "resourceVersionMatch",
                  "timeout",
                  "pretty")) {
            check(server.get(CONFIG_MAPS + "?" + name + "=" + value));
          }
          // A watch that is accepted lasts its second: none waits for another.
          watches.add(
              pool.submit(
                  () ->
                      server.get(
                          CONFIG_MAPS
                              + "?limit=1&watch=1&timeoutSeconds=1&resourceVersion="
                              + value)));
          check(server.get(CONFIG_MAPS + "/" + value.replace("+", "%20")));
          check(server.get("/" + value.replace("+", "%20").replace("%2F", "/")));
          for (String name :
              List.of("Accept", "If-None-Match", "Accept-Encoding", "Audit-ID", "User-Agent")) {
            check(server.get(CONFIG_MAPS, name, header));
            check(server.get("/apis", name, header));
          }
          // What looks at these; the document is large.
          for (String name : List.of("Accept", "If-None-Match")) {
            check(server.get("/openapi/v2", name, header.isEmpty() ? "*/*" : header));
          }
          check(server.get(CONFIG_MAPS, "Impersonate-User", header));
          check(
              server.get(
                  CONFIG_MAPS, "Impersonate-User", "a", "Impersonate-Extra-" + "x%", header));
          check(server.sendAs(header, "GET", CONFIG_MAPS));
          check(server.sendAs("", "GET", CONFIG_MAPS, "Authorization", header));
        });
  }

  @Test
  void compressedBodiesAreNotUnpacked() throws Exception {
    ByteArrayOutputStream bytes = new ByteArrayOutputStream();
    try (GZIPOutputStream out = new GZIPOutputStream(bytes)) {
      byte[] blanks = new byte[1 << 20];
      java.util.Arrays.fill(blanks, (byte) ' ');
      for (int i = 0; i < 1000; i++) {
        out.write(blanks);
      }
    }
    assertThat(bytes.size()).isLessThan(3 << 20);
    Reply refused =
        check(
            server.send(
                "POST",
                CONFIG_MAPS,
                bytes.toByteArray(),
                "Content-Type",
                "application/json",
                "Content-Encoding",
                "gzip"));
    assertThat(refused.status()).isEqualTo(400);
  }

  /** An object as deep as a request may be is kept, listed, watched and patched all the same. */
  @Test
  void whatIsTakenCanBeReadAgain() throws Exception {
    String things = "/apis/example.com/v1/namespaces/default/things";
    int taken = 0;
    for (int depth = 470; depth < 520; depth += 3) {
      String body =
          "{\"apiVersion\":\"example.com/v1\",\"kind\":\"Thing\",\"metadata\":{\"name\":\"deep"
              + depth
              + "\"},\"spec\":"
              + "{\"a\":".repeat(depth)
              + "1"
              + "}".repeat(depth)
              + "}";
      Reply created = check(server.send("POST", things, body, "Content-Type", "application/json"));
      if (created.status() == 201) {
        taken++;
        String path = things + "/deep" + depth;
        assertThat(check(server.get(path)).status()).isEqualTo(200);
        assertThat(check(server.get(things)).status()).isEqualTo(200);
        assertThat(check(server.get(things, "Accept", "application/yaml")).status()).isEqualTo(200);
        Reply patched =
            check(
                server.send(
                    "PATCH",
                    path,
                    "{\"metadata\":{\"labels\":{\"a\":\"b\"}}}",
                    "Content-Type",
                    "application/merge-patch+json"));
        assertThat(patched.status()).isEqualTo(200);
        assertThat(check(server.send("DELETE", path, "")).status()).isEqualTo(200);
      }
    }
    assertThat(taken).isPositive();
  }

  /** A thousand unknown fields give warnings that fit into the answer's head. */
  @Test
  void warningsAreCutShort() throws Exception {
    StringBuilder body =
        new StringBuilder(
            "{\"apiVersion\":\"v1\",\"kind\":\"ConfigMap\",\"metadata\":{\"name\":\"w\"}");
    for (int i = 0; i < 1000; i++) {
      body.append(",\"").append("unknown".repeat(200)).append(i).append("\":1");
    }
    Reply created =
        check(
            server.send(
                "POST",
                CONFIG_MAPS + "?dryRun=All&fieldValidation=Warn",
                body.append('}').toString(),
                "Content-Type",
                "application/json"));
    assertThat(created.status()).isEqualTo(201);
    List<String> warnings = created.response().headers().allValues("Warning");
    assertThat(warnings).isNotEmpty();
    assertThat(warnings.stream().mapToInt(String::length).sum()).isLessThan(10_000);
    assertThat(warnings).allSatisfy(text -> assertThat(text.length()).isLessThan(300));
  }

  /** Much of one thing, each of another kind of costly. */
  @ParameterizedTest
  @ValueSource(strings = {"list", "names", "texts", "objects", "finalizers"})
  @Timeout(120)
  void hugeBodies(String what) throws Exception {
    StringBuilder body =
        new StringBuilder(
            "{\"apiVersion\":\"example.com/v1\",\"kind\":\"Thing\",\"metadata\":{\"name\":\"h\"");
    if (what.equals("finalizers")) {
      body.append(",\"finalizers\":[\"a.b/0\"");
      for (int i = 1; body.length() < 60_000; i++) {
        body.append(",\"a.b/").append(i).append('"');
      }
      body.append("]}}");
    } else {
      body.append("},\"spec\":{\"x\":")
          .append(what.equals("list") || what.equals("objects") ? "[0" : "{\"a\":0");
      String item =
          switch (what) {
            case "list" -> ",0";
            case "objects" -> ",{}";
            case "names" -> ",\"%d\":0";
            default -> ",\"%d\":\"" + "x".repeat(1000) + "\"";
          };
      for (int i = 0; body.length() < 60_000; i++) {
        body.append(item.replace("%d", "" + i));
      }
      body.append(what.equals("list") || what.equals("objects") ? "]" : "}").append("}}");
    }
    byte[] bytes = body.toString().getBytes(StandardCharsets.UTF_8);
    String things = "/apis/example.com/v1/namespaces/default/things";
    long start = System.nanoTime();
    Reply created =
        check(
            server.send("POST", things + "?dryRun=All", bytes, "Content-Type", "application/json"));
    Reply applied =
        check(
            server.send(
                "PATCH",
                things + "/h?dryRun=All&fieldManager=m",
                bytes,
                "Content-Type",
                "application/apply-patch+yaml"));
    System.out.printf(
        "huge %s: create %d, apply %d, %d ms%n",
        what, created.status(), applied.status(), (System.nanoTime() - start) / 1_000_000);
  }

  /** A watch whose client takes nothing holds up neither writers nor other watches. */
  @Test
  void aWatcherThatStopsReadingHarmsNobody() throws Exception {
    server.post(
        CONFIG_MAPS, "{apiVersion: v1, kind: ConfigMap, metadata: {name: busy}, data: {a: b}}");
    // One: more would use up the window of the connection that this client shares among all.
    InputStream stuck = server.open(CONFIG_MAPS + "?watch=1&resourceVersion=0").body();
    String large = "x".repeat(200_000);
    try (InputStream honest =
        server.open(CONFIG_MAPS + "?watch=1&fieldSelector=metadata.name%3Dbusy").body()) {
      AtomicInteger seen = new AtomicInteger();
      Thread reader =
          Thread.ofVirtual()
              .start(
                  () -> {
                    try {
                      var lines =
                          new java.io.BufferedReader(
                              new java.io.InputStreamReader(honest, StandardCharsets.UTF_8));
                      for (String line = lines.readLine(); line != null; line = lines.readLine()) {
                        seen.incrementAndGet();
                      }
                    } catch (IOException e) {
                      assertThat(e).isNotNull();
                    }
                  });
      for (int i = 0; i < 150; i++) {
        Reply written =
            server.send(
                "PATCH",
                CONFIG_MAPS + "/busy",
                "{\"data\":{\"a\":\"" + i + large + "\"}}",
                "Content-Type",
                "application/merge-patch+json");
        assertThat(written.status()).isEqualTo(200);
      }
      org.awaitility.Awaitility.await()
          .atMost(java.time.Duration.ofSeconds(60))
          .until(() -> seen.get() >= 150);
      honest.close();
      reader.join();
    }
    stuck.close();
  }
}
