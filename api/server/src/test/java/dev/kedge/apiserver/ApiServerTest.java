package dev.kedge.apiserver;

import static org.assertj.core.api.Assertions.assertThat;

import dev.kedge.apiserver.TestServer.Reply;
import dev.kedge.builtin.BuiltinSchemas;
import dev.kedge.http.Headers;
import dev.kedge.identity.ServiceAccountTokens.TokenRequest;
import dev.kedge.model.GroupVersionKind;
import dev.kedge.model.Json;
import dev.kedge.model.JsonObject;
import dev.kedge.model.Protobuf;
import dev.kedge.model.Yaml;
import java.io.BufferedReader;
import java.io.InputStreamReader;
import java.net.URLEncoder;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.List;
import java.util.Optional;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.TestInstance;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

@TestInstance(TestInstance.Lifecycle.PER_CLASS)
class ApiServerTest {
  private TestServer server;

  @BeforeAll
  void start() throws Exception {
    server = new TestServer();
  }

  @AfterAll
  void stop() throws Exception {
    server.close();
  }

  @Test
  void createsReadsChangesAndDeletes() throws Exception {
    Reply created =
        server.send(
            "POST",
            "/api/v1/namespaces/default/configmaps?fieldManager=me",
            """
            {"metadata":{"name":"c1"},"data":{"a":"1"}}
            """,
            "Content-Type",
            "application/json");
    assertThat(created.status()).as(created.text()).isEqualTo(201);
    assertThat(created.header("Audit-Id")).isNotEmpty();
    assertThat(created.json().text("kind")).isEqualTo("ConfigMap");
    Reply read = server.get("/api/v1/namespaces/default/configmaps/c1");
    assertThat(read.json()).isEqualTo(created.json());
    assertThat(read.header("Content-Type")).isEqualTo("application/json");

    Reply patched =
        server.send(
            "PATCH",
            "/api/v1/namespaces/default/configmaps/c1",
            "{\"data\":{\"b\":\"2\"}}",
            "Content-Type",
            "application/merge-patch+json");
    assertThat(patched.json().map("data")).containsEntry("a", "1").containsEntry("b", "2");
    Reply stale =
        server.send(
            "PUT",
            "/api/v1/namespaces/default/configmaps/c1",
            Json.write(created.json()),
            "Content-Type",
            "application/json");
    assertThat(stale.status()).isEqualTo(409);
    assertThat(stale.json().text("message"))
        .isEqualTo(
            "Operation cannot be fulfilled on configmaps \"c1\": the object has been modified;"
                + " please apply your changes to the latest version and try again");
    Reply applied =
        server.send(
            "PATCH",
            "/api/v1/namespaces/default/configmaps/c2?fieldManager=me",
            """
            apiVersion: v1
            kind: ConfigMap
            metadata: {name: c2}
            data: {x: "1"}
            """,
            "Content-Type",
            "application/apply-patch+yaml");
    assertThat(applied.status()).as(applied.text()).isEqualTo(201);

    Reply deleted = server.send("DELETE", "/api/v1/namespaces/default/configmaps/c1", "");
    assertThat(deleted.status()).isEqualTo(200);
    assertThat(deleted.json().text("status")).isEqualTo("Success");
    assertThat(deleted.json().text("details", "kind")).isEqualTo("configmaps");
    Reply gone = server.get("/api/v1/namespaces/default/configmaps/c1");
    assertThat(gone.status()).isEqualTo(404);
    assertThat(gone.text())
        .isEqualTo(
            """
            {"kind":"Status","apiVersion":"v1","metadata":{},"status":"Failure","message":"configmaps \\"c1\\" not found","reason":"NotFound","details":{"name":"c1","kind":"configmaps"},"code":404}
            """);
  }

  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      value = {
        "GET|/api/v1/pods?limit=x|400|strconv.ParseInt: parsing \"x\": invalid syntax",
        "GET|/api/v1/nothings|404|404 page not found",
        "GET|/apis/nothing.io/v1|404|404 page not found",
        "POST|/api/v1/pods|405|the server does not allow this method on the requested resource",
        "GET|/api/v1/namespaces/default/pods/x/log|404|pods \"x\" not found",
        "GET|/api/v1/pods?resourceVersionMatch=Exact|422|resourceVersionMatch is forbidden unless"
            + " resourceVersion is provided",
        "PATCH|/api/v1/namespaces/default/configmaps/c|415|the body of the request was in an"
            + " unknown format",
        "DELETE|/api/v1/namespaces/default/configmaps/c?propagationPolicy=Now|422|supported values:"
            + " \"Foreground\", \"Background\", \"Orphan\", \"nil\"",
        "GET|/api/v1/namespaces/default/pods?labelSelector=a%20in|400|",
        "GET|/api/v1/namespaces/default/pods?fieldSelector=spec.nothing%3D1|400|field label not"
            + " supported: spec.nothing",
        "POST|/api/v1/namespaces/default/configmaps?dryRun=Some|400|",
        "GET|/logs/|404|404 page not found",
      })
  void refusesInUpstreamsWords(String method, String path, int status, String message)
      throws Exception {
    Reply reply = server.send(method, path, "");
    assertThat(reply.status()).as(reply.text()).isEqualTo(status);
    String said = reply.text().startsWith("{") ? reply.json().text("message") : reply.text();
    assertThat(said).contains(message == null ? "" : message);
  }

  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      value = {
        "text/plain|hello|415|accepted media types include: application/json",
        "application/json|{\"a\"|400|couldn't get version/kind; json parse error",
        "application/yaml|a: [|400|couldn't get version/kind; yaml parse error",
        "application/json|{\"kind\":\"Pod\",\"apiVersion\":\"v1\"}|400|Pod in version \"v1\" cannot"
            + " be handled as a ConfigMap",
        "application/json|{\"kind\":\"ConfigMap\",\"apiVersion\":\"v2\"}|400|the API version in the"
            + " data (v2) does not match the expected API version (v1)",
        "application/json|{\"metadata\":{\"name\":\"A_b\"}}|422|ConfigMap \"A_b\" is invalid:"
            + " metadata.name: Invalid value: \"A_b\"",
      })
  void refusesBadBodies(String type, String body, int status, String message) throws Exception {
    Reply reply =
        server.send("POST", "/api/v1/namespaces/default/configmaps", body, "Content-Type", type);
    assertThat(reply.status()).as(reply.text()).isEqualTo(status);
    assertThat(reply.json().text("message")).contains(message);
  }

  @Test
  void refusesBodiesThatAreTooLarge() throws Exception {
    Reply reply =
        server.send(
            "POST",
            "/api/v1/namespaces/default/configmaps",
            "{\"data\":{\"a\":\"" + "x".repeat(Bodies.LIMIT) + "\"}}",
            "Content-Type",
            "application/json");
    assertThat(reply.status()).isEqualTo(413);
    assertThat(reply.json().text("message"))
        .isEqualTo("Request entity too large: limit is 3145728");
  }

  @Test
  void warnsOfUnknownFieldsAndRefusesThemWhenStrict() throws Exception {
    String body = "{\"metadata\":{\"name\":\"odd\"},\"nothing\":1,\"data\":{},\"data\":{}}";
    Reply warned =
        server.send(
            "POST",
            "/api/v1/namespaces/default/configmaps?dryRun=All",
            body,
            "Content-Type",
            "application/json");
    assertThat(warned.status()).as(warned.text()).isEqualTo(201);
    assertThat(warned.response().headers().allValues("Warning"))
        .contains(
            "299 - \"unknown field \\\"nothing\\\"\"", "299 - \"duplicate field \\\"data\\\"\"");
    Reply strict =
        server.send(
            "POST",
            "/api/v1/namespaces/default/configmaps?fieldValidation=Strict",
            body,
            "Content-Type",
            "application/json");
    assertThat(strict.status()).isEqualTo(400);
    assertThat(strict.json().text("message"))
        .endsWith("strict decoding error: unknown field \"nothing\", duplicate field \"data\"");
  }

  @Test
  void tellsOfRepeatedKeysInYamlByTheirLines() throws Exception {
    String body =
        """
        apiVersion: v1
        kind: ConfigMap
        metadata: {name: twice}
        data:
          a: "1"
          a: "2"
        """;
    String path = "/api/v1/namespaces/default/configmaps";
    String apply = "application/apply-patch+yaml";
    String strict = "?fieldManager=test&dryRun=All&fieldValidation=Strict";
    assertThat(
            server
                .send("PATCH", path + "/twice" + strict, body, "Content-Type", apply)
                .json()
                .text("message"))
        .isEqualTo(
            "error strict decoding YAML: error converting YAML to JSON: yaml: unmarshal errors:\n"
                + "  line 6: key \"a\" already set in map");
    assertThat(
            server
                .send("POST", path + strict, body, "Content-Type", "application/yaml")
                .json()
                .text("message"))
        .endsWith(
            "strict decoding error: yaml: unmarshal errors:\n"
                + "  line 6: key \"a\" already set in map");
    Reply warned =
        server.send(
            "PATCH", path + "/twice?fieldManager=test&dryRun=All", body, "Content-Type", apply);
    assertThat(warned.status()).as(warned.text()).isEqualTo(201);
    assertThat(warned.header("Warning"))
        .isEqualTo("299 - \"line 6: key \\\"a\\\" already set in map\"");
  }

  @Test
  void showsNoTableOfQuestions() throws Exception {
    String path = "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews";
    String body = "{\"spec\":{\"nonResourceAttributes\":{\"path\":\"/\",\"verb\":\"get\"}}}";
    String table = "application/json;as=Table;v=v1;g=meta.k8s.io";
    String json = "application/json";
    assertThat(server.send("POST", path, body, "Accept", table, "Content-Type", json).status())
        .isEqualTo(406);
    assertThat(
            server
                .send("POST", path, body, "Accept", table + "," + json, "Content-Type", json)
                .json()
                .text("kind"))
        .isEqualTo("SelfSubjectAccessReview");
  }

  @Test
  void knowsWhoAsksAndWhetherTheyMay() throws Exception {
    assertThat(server.sendAs("", "GET", "/version").status()).isEqualTo(200);
    assertThat(server.sendAs("", "GET", "/cacerts").text()).startsWith("-----BEGIN CERTIFICATE");
    Reply anonymous = server.sendAs("", "GET", "/api/v1/nodes");
    assertThat(anonymous.status()).isEqualTo(403);
    assertThat(anonymous.json().text("message"))
        .isEqualTo(
            "nodes is forbidden: User \"system:anonymous\" cannot list resource \"nodes\" in API"
                + " group \"\" at the cluster scope");
    assertThat(server.sendAs("wrong", "GET", "/version").status()).isEqualTo(401);
    Reply jane = server.sendAs("jane-token", "GET", "/apis/apps/v1/namespaces/x/deployments/d");
    assertThat(jane.json().text("message"))
        .isEqualTo(
            "deployments.apps \"d\" is forbidden: User \"jane\" cannot get resource"
                + " \"deployments\" in API group \"apps\" in the namespace \"x\"");
    assertThat(server.sendAs("jane-token", "GET", "/metrics").json().text("message"))
        .isEqualTo("forbidden: User \"jane\" cannot get path \"/metrics\"");
    server.create(
        """
        apiVersion: rbac.authorization.k8s.io/v1
        kind: RoleBinding
        metadata: {name: devs, namespace: default}
        roleRef: {apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: edit}
        subjects: [{apiGroup: rbac.authorization.k8s.io, kind: Group, name: devs}]
        """);
    org.awaitility.Awaitility.await()
        .untilAsserted(
            () ->
                assertThat(
                        server
                            .sendAs("jane-token", "GET", "/api/v1/namespaces/default/pods")
                            .status())
                    .isEqualTo(200));
    Reply acting =
        server.get(
            "/api/v1/namespaces/default/pods",
            "Impersonate-User",
            "bob",
            "Impersonate-Group",
            "none");
    assertThat(acting.status()).isEqualTo(403);
    Reply mayNot =
        server.sendAs(
            "jane-token", "GET", "/api/v1/namespaces/default/pods", "Impersonate-User", "bob");
    assertThat(mayNot.json().text("message"))
        .startsWith(
            "users \"bob\" is forbidden: User \"jane\" cannot impersonate resource \"users\"");
  }

  @Test
  void takesServiceAccountTokens() throws Exception {
    var account =
        server
            .registry
            .objects()
            .find(dev.kedge.model.Resources.SERVICE_ACCOUNTS, "default", "default")
            .orElseThrow();
    String token =
        server
            .tokens
            .issue(
                new TokenRequest(
                    "default",
                    "default",
                    account.uid(),
                    List.of(),
                    Duration.ofHours(1),
                    Optional.empty(),
                    Optional.empty()))
            .token();
    Reply reply = server.sendAs(token, "GET", "/api/v1/namespaces/other/secrets/s");
    assertThat(reply.json().text("message"))
        .contains("User \"system:serviceaccount:default:default\" cannot get");
    assertThat(server.get("/openid/v1/jwks").json().objects("keys")).hasSize(1);
    assertThat(server.get("/.well-known/openid-configuration").json().text("issuer"))
        .isEqualTo("https://kubernetes.default.svc.cluster.local");
  }

  /** What client-go asks for; refusing it broke kubectl's and helm's validation. */
  @Test
  void servesOpenApiInProtobuf() throws Exception {
    Reply reply =
        server.get(
            "/openapi/v2", "Accept", "application/com.github.proto-openapi.spec.v2@v1.0+protobuf");
    assertThat(reply.status()).isEqualTo(200);
    assertThat(reply.header("Content-Type"))
        .isEqualTo("application/com.github.proto-openapi.spec.v2.v1.0+protobuf");
    byte[] body = reply.response().body();
    // Field 1, a string: the version of Swagger.
    assertThat(body).startsWith(0x0a, 0x03, '2', '.', '0');
    assertThat(reply.text())
        .contains("io.k8s.api.apps.v1.Deployment", "x-kubernetes-group-version-kind");
    assertThat(server.get("/openapi/v2", "Accept", "application/xml").status()).isEqualTo(406);
    assertThat(server.get("/openapi/v2", "Accept", "*/*").text()).startsWith("{");
  }

  @Test
  void warnsOfDeprecatedKinds() throws Exception {
    assertThat(server.get("/api/v1/namespaces/default/endpoints").header("Warning"))
        .isEqualTo(
            "299 - \"v1 Endpoints is deprecated in v1.33+; use discovery.k8s.io/v1"
                + " EndpointSlice\"");
    assertThat(server.get("/api/v1/componentstatuses").header("Warning"))
        .isEqualTo("299 - \"v1 ComponentStatus is deprecated in v1.19+\"");
    assertThat(server.get("/api/v1/namespaces/default/pods").header("Warning")).isEmpty();
  }

  @Test
  void scalesHaveColumnsOfTheirOwn() throws Exception {
    server.create(
        """
        {apiVersion: apps/v1, kind: ReplicaSet, metadata: {name: scaled, namespace: default}, spec: {replicas: 2,
         selector: {matchLabels: {a: b}}, template: {metadata: {labels: {a: b}}, spec: {containers: [{name: c, image: i}]}}}}
        """);
    JsonObject table =
        server
            .get(
                "/apis/apps/v1/namespaces/default/replicasets/scaled/scale",
                "Accept",
                "application/json;as=Table;v=v1;g=meta.k8s.io")
            .json();
    assertThat(table.objects("columnDefinitions").stream().map(column -> column.text("name")))
        .containsExactly("Name", "Desired", "Available", "Age");
    assertThat(Json.write(table.objects("rows").getFirst().array("cells")))
        .startsWith("[\"scaled\",2,0,");
  }

  @Test
  void answersInTheFormAskedFor() throws Exception {
    server.create("{apiVersion: v1, kind: ConfigMap, metadata: {name: form, namespace: default}}");
    String path = "/api/v1/namespaces/default/configmaps/form";
    JsonObject json = server.get(path).json();
    assertThat(Yaml.parse(server.get(path, "Accept", "application/yaml").text())).isEqualTo(json);
    byte[] protobuf =
        server.get(path, "Accept", "application/vnd.kubernetes.protobuf").response().body();
    assertThat(new String(protobuf, 0, 4, StandardCharsets.ISO_8859_1)).isEqualTo("k8s\0");
    Reply list =
        server.get(
            "/api/v1/namespaces/default/configmaps",
            "Accept",
            "application/vnd.kubernetes.protobuf,application/json");
    assertThat(list.header("Content-Type")).isEqualTo("application/vnd.kubernetes.protobuf");
    JsonObject decoded = Protobuf.decode(list.response().body(), BuiltinSchemas::ofKind);
    assertThat(decoded.objects("items").stream().map(item -> item.text("metadata", "name")))
        .contains("form");
    Reply created =
        server.send(
            "POST",
            "/api/v1/namespaces/default/configmaps",
            Protobuf.encode(
                BuiltinSchemas.ofKind(new GroupVersionKind("", "v1", "ConfigMap")),
                Json.parseObject(
                    """
                    {"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"pb"},"data":{"a":"1"}}
                    """)),
            "Content-Type",
            Protobuf.MEDIA_TYPE);
    assertThat(created.json().map("data")).containsEntry("a", "1");
    Reply deleted =
        server.send(
            "DELETE",
            "/api/v1/namespaces/default/configmaps/pb",
            Protobuf.encode(
                BuiltinSchemas.ofKind(new GroupVersionKind("", "v1", "DeleteOptions")),
                Json.parseObject(
                    """
                    {"apiVersion":"apps/v1","kind":"DeleteOptions","preconditions":{"uid":"other"}}
                    """)),
            "Content-Type",
            Protobuf.MEDIA_TYPE);
    assertThat(deleted.status()).as(deleted.text()).isEqualTo(409);
    Reply table =
        server.get(
            "/api/v1/namespaces/default/configmaps?fieldSelector=metadata.name%3Dform",
            "Accept", "application/json;as=Table;v=v1;g=meta.k8s.io,application/json");
    assertThat(table.json().text("kind")).isEqualTo("Table");
    assertThat(table.json().objects("columnDefinitions").stream().map(c -> c.text("name")).toList())
        .containsExactly("Name", "Data", "Age");
    JsonObject row = table.json().objects("rows").getFirst();
    assertThat(row.strings("cells").getFirst()).isEqualTo("form");
    assertThat(row.text("object", "kind")).isEqualTo("PartialObjectMetadata");
    Reply metadata =
        server.get(path, "Accept", "application/json;as=PartialObjectMetadata;v=v1;g=meta.k8s.io");
    assertThat(metadata.json().text("apiVersion")).isEqualTo("meta.k8s.io/v1");
    JsonObject beta =
        server.get(path, "Accept", "application/json;as=Table;v=v1beta1;g=meta.k8s.io").json();
    assertThat(beta.text("apiVersion")).isEqualTo("meta.k8s.io/v1beta1");
    assertThat(beta.objects("rows").getFirst().text("object", "apiVersion"))
        .isEqualTo("meta.k8s.io/v1beta1");
    assertThat(server.get(path, "Accept", "image/png").status()).isEqualTo(406);
    assertThat(server.get(path, "User-Agent", "curl/8").text()).startsWith("{\n  \"");
  }

  @Test
  void takesZerosOfGoClientsForAbsent() throws Exception {
    byte[] sent =
        Protobuf.encode(
            BuiltinSchemas.ofKind(new GroupVersionKind("apps", "v1", "Deployment")),
            Json.parseObject(
                """
                {"apiVersion":"apps/v1","kind":"Deployment",
                 "spec":{"replicas":0,"paused":false,"minReadySeconds":0,"selector":{},
                         "template":{"spec":{"hostNetwork":false,"automountServiceAccountToken":false,
                                             "containers":[{"name":"a","stdin":false}]}}}}
                """));
    assertThat(Protobuf.decode(sent, BuiltinSchemas::ofKind).object("spec"))
        .isEqualTo(
            Json.parseObject(
                """
                {"replicas":0,"selector":{},
                 "template":{"spec":{"automountServiceAccountToken":false,
                                     "containers":[{"name":"a"}]}}}
                """));
  }

  @Test
  void compressesLargeAnswers() throws Exception {
    server.create(
        "{apiVersion: v1, kind: ConfigMap, metadata: {name: big, namespace: default}, data: {a: "
            + "x".repeat(200_000)
            + "}}");
    Reply reply =
        server.get("/api/v1/namespaces/default/configmaps/big", "Accept-Encoding", "gzip");
    assertThat(reply.header("Content-Encoding")).isEqualTo("gzip");
    assertThat(reply.response().body().length).isLessThan(10_000);
    try (var in =
        new java.util.zip.GZIPInputStream(
            new java.io.ByteArrayInputStream(reply.response().body()))) {
      assertThat(Json.parseObject(in.readAllBytes()).object("data").text("a")).hasSize(200_000);
    }
  }

  @ParameterizedTest
  @ValueSource(strings = {"identity", "gzip"})
  void listsThatNoBufferHolds(String encoding) throws Exception {
    for (int i = 0; i < 40; i++) {
      String name = encoding + i;
      server.create(
          "{apiVersion: v1, kind: ConfigMap, metadata: {name: "
              + name
              + ", namespace: default, labels: {large: "
              + encoding
              + "}}, data: {a: "
              + "x".repeat(10_000 + 100 * i)
              + "}}");
    }
    String path = "/api/v1/namespaces/default/configmaps?labelSelector=large%3D" + encoding;
    String meta = ";v=v1;g=meta.k8s.io";
    JsonObject objects = list(path, encoding, "application/json", true);
    assertThat(objects.text("kind")).isEqualTo("ConfigMapList");
    assertThat(objects.objects("items")).hasSize(40);
    JsonObject metadata =
        list(path, encoding, "application/json;as=PartialObjectMetadataList" + meta, false);
    assertThat(metadata.objects("items")).hasSize(40);
    JsonObject table =
        list(path + "&includeObject=Object", encoding, "application/json;as=Table" + meta, true);
    assertThat(table.objects("rows"))
        .extracting(row -> row.object("object"))
        .extracting(object -> object.without("kind").without("apiVersion"))
        .as("in a list of a built-in kind the list alone tells it")
        .containsExactlyElementsOf(objects.objects("items"));
    assertThat(table.objects("columnDefinitions")).isNotEmpty();
    byte[] protobuf = body(path, encoding, "application/vnd.kubernetes.protobuf", true);
    assertThat(Protobuf.kindOf(protobuf).kind()).isEqualTo("ConfigMapList");
    assertThat(protobuf.length).isBetween(480_000, 500_000);
  }

  private JsonObject list(String path, String encoding, String accept, boolean large)
      throws Exception {
    return Json.parseObject(body(path, encoding, accept, large));
  }

  private byte[] body(String path, String encoding, String accept, boolean large) throws Exception {
    Reply reply = server.get(path, "Accept", accept, "Accept-Encoding", encoding);
    assertThat(reply.response().statusCode()).isEqualTo(200);
    byte[] body = reply.response().body();
    if (!encoding.equals("gzip") || !large) {
      assertThat(reply.header("Content-Encoding")).isEmpty();
      return body;
    }
    assertThat(reply.header("Content-Encoding")).isEqualTo("gzip");
    try (var in = new java.util.zip.GZIPInputStream(new java.io.ByteArrayInputStream(body))) {
      return in.readAllBytes();
    }
  }

  @Test
  void streamsWatches() throws Exception {
    JsonObject list = server.get("/api/v1/namespaces/default/secrets").json();
    String from = list.text("metadata", "resourceVersion");
    var response =
        server.open("/api/v1/namespaces/default/secrets?watch=true&resourceVersion=" + from);
    assertThat(response.statusCode()).isEqualTo(200);
    try (var lines =
        new BufferedReader(new InputStreamReader(response.body(), StandardCharsets.UTF_8))) {
      server.create("{apiVersion: v1, kind: Secret, metadata: {name: w1, namespace: default}}");
      JsonObject added = Json.parseObject(String.valueOf(lines.readLine()));
      assertThat(added.text("type")).isEqualTo("ADDED");
      assertThat(added.text("object", "metadata", "name")).isEqualTo("w1");
      server.send("DELETE", "/api/v1/namespaces/default/secrets/w1", "");
      JsonObject deleted = Json.parseObject(String.valueOf(lines.readLine()));
      assertThat(deleted.text("type")).isEqualTo("DELETED");
    }
    Reply ended =
        server.get(
            "/api/v1/namespaces/default/secrets?watch=1&timeoutSeconds=1&resourceVersion=" + from);
    assertThat(ended.status()).isEqualTo(200);
    assertThat(ended.text().lines()).hasSize(2);
    Reply table =
        server.get(
            "/api/v1/watch/namespaces/default/secrets?timeoutSeconds=1&resourceVersion=" + from,
            "Accept",
            "application/json;as=Table;v=v1;g=meta.k8s.io");
    assertThat(table.text().lines().map(Json::parseObject).map(e -> e.text("object", "kind")))
        .containsExactly("Table", "Table");
    Reply protobuf =
        server.get(
            "/api/v1/namespaces/default/secrets?watch=1&timeoutSeconds=1&resourceVersion=" + from,
            "Accept",
            "application/vnd.kubernetes.protobuf");
    assertThat(protobuf.header("Content-Type"))
        .isEqualTo("application/vnd.kubernetes.protobuf;stream=watch");
  }

  @Test
  void tellsItsHealthAndCounts() throws Exception {
    assertThat(server.get("/readyz?verbose").text()).isEqualTo("[+]ping ok\nreadyz check passed\n");
    assertThat(server.get("/livez/ping").text()).isEqualTo("ok");
    assertThat(server.get("/version").json().text("gitVersion")).isEqualTo("v1.36.2+kedge1");
    assertThat(server.get("/metrics").text())
        .contains(
            "apiserver_request_total{code=\"200\"", "apiserver_request_duration_seconds_bucket");
    assertThat(server.get("/").json().strings("paths")).contains("/apis/apps/v1", "/healthz/ping");
  }

  @Test
  void servesCustomResources() throws Exception {
    Reply definition =
        server.post(
            "/apis/apiextensions.k8s.io/v1/customresourcedefinitions",
            """
            apiVersion: apiextensions.k8s.io/v1
            kind: CustomResourceDefinition
            metadata: {name: crontabs.stable.example.com}
            spec:
              group: stable.example.com
              scope: Namespaced
              names: {plural: crontabs, singular: crontab, kind: CronTab, shortNames: [ct]}
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
                        properties:
                          cronSpec: {type: string}
                          replicas: {type: integer}
                additionalPrinterColumns:
                - {name: Spec, type: string, jsonPath: .spec.cronSpec}
                - {name: Replicas, type: integer, jsonPath: .spec.replicas}
            """);
    assertThat(definition.status()).as(definition.text()).isEqualTo(201);
    org.awaitility.Awaitility.await()
        .untilAsserted(
            () -> assertThat(server.get("/apis/stable.example.com/v1").status()).isEqualTo(200));
    Reply created =
        server.post(
            "/apis/stable.example.com/v1/namespaces/default/crontabs",
            """
            apiVersion: stable.example.com/v1
            kind: CronTab
            metadata: {name: my}
            spec: {cronSpec: "* * *", replicas: 3}
            """);
    assertThat(created.status()).as(created.text()).isEqualTo(201);
    JsonObject table =
        server
            .get(
                "/apis/stable.example.com/v1/crontabs",
                "Accept",
                "application/json;as=Table;v=v1;g=meta.k8s.io")
            .json();
    assertThat(table.objects("rows").getFirst().array("cells").toString())
        .isEqualTo("[\"my\",\"* * *\",3]");
    assertThat(
            server
                .send(
                    "PATCH",
                    "/apis/stable.example.com/v1/namespaces/default/crontabs/my",
                    "{}",
                    "Content-Type",
                    "application/strategic-merge-patch+json")
                .status())
        .isEqualTo(415);
  }

  @Test
  void passesLogsAndExecOnToTheNode() throws Exception {
    server.create(
        """
        apiVersion: v1
        kind: Pod
        metadata: {name: two, namespace: default}
        spec:
          nodeName: n1
          containers: [{name: a, image: x}, {name: b, image: z}]
        """);
    server.kubelets.put(
        "n1",
        exchange ->
            exchange.respond(
                200,
                Headers.NONE,
                (exchange.method() + " " + exchange.path() + "?" + exchange.rawQuery())
                    .getBytes(StandardCharsets.UTF_8)));
    String path = "/api/v1/namespaces/default/pods/two";
    assertThat(server.get(path + "/log").json().text("message"))
        .isEqualTo("a container name must be specified for pod two, choose one of: [a b]");
    assertThat(server.get(path + "/log?container=c").json().text("message"))
        .isEqualTo("container c is not valid for pod two");
    assertThat(server.get(path + "/log?container=b&follow=true&tailLines=5").text())
        .isEqualTo("GET /containerLogs/default/two/b?follow=true&tailLines=5");
    assertThat(server.get(path + "/log?container=b&tailLines=-1").status()).isEqualTo(422);
    assertThat(
            server
                .send(
                    "POST",
                    path
                        + "/exec?container=a&stdout=true&stdin=1&command=ls&command="
                        + URLEncoder.encode("-l /", StandardCharsets.UTF_8),
                    "")
                .text())
        .isEqualTo("POST /exec/default/two/a?input=1&output=1&command=ls&command=-l+%2F");
    server.create("{apiVersion: v1, kind: Node, metadata: {name: n1}}");
    assertThat(server.get("/api/v1/nodes/n1/proxy/stats/summary?x=1").text())
        .isEqualTo("GET /stats/summary?x=1");
    assertThat(server.get("/api/v1/nodes/n1/proxy/a%2Fb//proxy/").text())
        .isEqualTo("GET /a%2Fb//proxy/?");
    assertThat(server.get("/api/v1/nodes/n1/proxy").header("Location"))
        .isEqualTo("/api/v1/nodes/n1/proxy/");
    server.kubelets.remove("n1");
    assertThat(server.get(path + "/log?container=a").status()).isEqualTo(503);
  }

  @Test
  void proxiesToPods() throws Exception {
    try (var backend =
        dev.kedge.http.HttpServer.start(
            dev.kedge.http.HttpServer.Listen.plain("127.0.0.1", 0),
            exchange ->
                exchange.respond(
                    200,
                    Headers.NONE,
                    (exchange.path()
                            + " "
                            + exchange.headers().first("Authorization").orElse("none"))
                        .getBytes(StandardCharsets.UTF_8)))) {
      server.create(
          """
          apiVersion: v1
          kind: Pod
          metadata: {name: web, namespace: default}
          spec: {nodeName: n2, containers: [{name: a, image: x}]}
          """);
      server.send(
          "PATCH",
          "/api/v1/namespaces/default/pods/web/status",
          "{\"status\":{\"podIP\":\"127.0.0.1\",\"podIPs\":[{\"ip\":\"127.0.0.1\"}]}}",
          "Content-Type",
          "application/merge-patch+json");
      Reply reply =
          server.get(
              "/api/v1/namespaces/default/pods/web:" + backend.port() + "/proxy/a/b%20c",
              "Authorization",
              "Basic x");
      assertThat(reply.text()).isEqualTo("/a/b%20c none");
    }
  }
}
