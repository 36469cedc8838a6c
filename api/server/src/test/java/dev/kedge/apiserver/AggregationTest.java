package dev.kedge.apiserver;

import static java.nio.charset.StandardCharsets.UTF_8;
import static java.time.Duration.ofMinutes;
import static org.assertj.core.api.Assertions.assertThat;
import static org.awaitility.Awaitility.await;

import dev.kedge.apiserver.TestServer.Reply;
import dev.kedge.http.Exchange;
import dev.kedge.http.Headers;
import dev.kedge.http.HttpServer;
import dev.kedge.http.HttpServer.Listen;
import dev.kedge.http.Tls;
import dev.kedge.http.TlsIdentity;
import dev.kedge.identity.Credential;
import dev.kedge.model.Json;
import dev.kedge.model.JsonObject;
import java.io.BufferedReader;
import java.io.InputStreamReader;
import java.io.OutputStream;
import java.net.URI;
import java.time.Duration;
import java.util.Base64;
import java.util.List;
import java.util.Set;
import java.util.TreeSet;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.atomic.AtomicReference;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.MethodOrderer;
import org.junit.jupiter.api.Order;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.TestMethodOrder;

/** APIs that another server serves, with a real one behind a Service. */
@TestMethodOrder(MethodOrderer.OrderAnnotation.class)
class AggregationTest {
  private static final String GROUP = "toys.example.com";
  private static final String PATH = "/apis/" + GROUP + "/v1alpha1";
  private static final String SERVICE = "v1alpha1." + GROUP;
  private static TestServer server;
  private static HttpServer toys;
  private static final CountDownLatch left = new CountDownLatch(1);
  private static final CountDownLatch end = new CountDownLatch(1);
  private static final AtomicReference<String> mode = new AtomicReference<>("well");

  @BeforeAll
  static void start() throws Exception {
    server = new TestServer();
    server.api.start();
    Credential serving =
        server.certificates.serving("serving-toys", "toys", List.of("toys.default.svc"));
    toys =
        HttpServer.start(
            Listen.tls(
                "127.0.0.1",
                0,
                Tls.of(
                    () -> new TlsIdentity(serving.chain(), serving.key()),
                    server.certificates.requestHeaderAuthority()::chain)),
            AggregationTest::serve);
  }

  @AfterAll
  static void stop() throws Exception {
    end.countDown();
    toys.close();
    server.close();
  }

  /** The other server. */
  private static void serve(Exchange exchange) throws Exception {
    if (mode.get().equals("hangs")) {
      end.await();
    }
    Headers json = Headers.of("Content-Type", "application/json");
    String path = exchange.path();
    if (mode.get().equals("ill")) {
      exchange.respond(500, json, new byte[0]);
    } else if (path.equals(PATH)) {
      exchange.respond(
          200,
          json,
          """
          {"kind": "APIResourceList", "apiVersion": "v1", "groupVersion": "toys.example.com/v1alpha1",
           "resources": [
             {"name": "dolls", "singularName": "doll", "namespaced": true, "kind": "Doll",
              "verbs": ["create", "get", "list", "watch"], "shortNames": ["dl"]},
             {"name": "dolls/status", "singularName": "", "namespaced": true, "kind": "Doll",
              "verbs": ["get"]}]}
          """
              .getBytes(UTF_8));
    } else if (path.equals("/openapi/v2")) {
      exchange.respond(
          200,
          json.and("ETag", "\"1\""),
          """
          {"swagger": "2.0", "paths": {
             "/apis/toys.example.com/v1alpha1/dolls": {"get": {"responses": {"200": {"schema":
                 {"$ref": "#/definitions/com.example.DollList"}}}}},
             "/apis/other.example.com/v1/x": {}},
           "definitions": {
             "com.example.DollList": {"properties": {"items": {"items":
                 {"$ref": "#/definitions/com.example.Doll"}}}},
             "com.example.Doll": {"type": "object"},
             "com.example.Unused": {"type": "object"}}}
          """
              .getBytes(UTF_8));
    } else if (path.equals("/openapi/v3")) {
      exchange.respond(
          200,
          json,
          "{\"paths\": {\"apis/toys.example.com/v1alpha1\": {\"serverRelativeURL\": \"/openapi/v3/apis/toys.example.com/v1alpha1?hash=A\"}}}"
              .getBytes(UTF_8));
    } else if (path.startsWith("/openapi/v3/")) {
      exchange.respond(200, json, "{\"openapi\": \"3.0.0\"}".getBytes(UTF_8));
    } else if (exchange.query().text("watch").equals("true")) {
      OutputStream out = exchange.stream(200, json);
      for (int i = 0; i < 3; i++) {
        out.write(("event " + i + "\n").getBytes(UTF_8));
        out.flush();
      }
      exchange.onGone(left::countDown);
      left.await();
    } else {
      Headers headers = exchange.headers();
      exchange.respond(
          200,
          json,
          Json.bytes(
              JsonObject.of(
                  "method", exchange.method(),
                  "user", headers.first("X-Remote-User").orElse(""),
                  "groups", headers.values("X-Remote-Group"),
                  "authorization", headers.first("Authorization").orElse(""),
                  "extra", headers.first("X-Remote-Extra-a%2Fb").orElse(""),
                  "query", exchange.rawQuery(),
                  "body", new String(exchange.readBody(10_000), UTF_8),
                  "shown",
                      exchange.peerCertificates().isEmpty()
                          ? ""
                          : exchange
                              .peerCertificates()
                              .getFirst()
                              .getSubjectX500Principal()
                              .getName())));
    }
  }

  private static JsonObject condition() throws Exception {
    return server
        .get("/apis/apiregistration.k8s.io/v1/apiservices/" + SERVICE)
        .json()
        .objects("status", "conditions")
        .stream()
        .findFirst()
        .orElse(JsonObject.EMPTY);
  }

  private static void awaitReason(String reason, String message) {
    await()
        .atMost(Duration.ofSeconds(60))
        .untilAsserted(
            () -> {
              assertThat(condition().text("reason")).isEqualTo(reason);
              assertThat(condition().text("message")).contains(message);
            });
  }

  @Test
  @Order(1)
  void whatIsServedHereHasLocalApiServices() {
    await()
        .atMost(Duration.ofSeconds(60))
        .untilAsserted(
            () -> {
              Set<String> wanted = new TreeSet<>();
              server
                  .registry
                  .catalog()
                  .all()
                  .forEach(info -> wanted.add(info.type().version() + "." + info.type().group()));
              wanted.remove("v1.apiregistration.k8s.io");
              Set<String> held = new TreeSet<>();
              for (JsonObject each :
                  server
                      .get("/apis/apiregistration.k8s.io/v1/apiservices")
                      .json()
                      .objects("items")) {
                held.add(each.text("metadata", "name"));
                assertThat(each.objects("status", "conditions").getFirst().text("message"))
                    .isEqualTo("Local APIServices are always available");
              }
              assertThat(held).isEqualTo(wanted);
            });
  }

  @Test
  @Order(2)
  void customResourcesComeAndGo() throws Exception {
    Reply made =
        server.post(
            "/apis/apiextensions.k8s.io/v1/customresourcedefinitions",
            """
            apiVersion: apiextensions.k8s.io/v1
            kind: CustomResourceDefinition
            metadata: {name: cars.traffic.example.com}
            spec:
              group: traffic.example.com
              scope: Namespaced
              names: {plural: cars, kind: Car}
              versions:
              - {name: v1, served: true, storage: true, schema: {openAPIV3Schema: {type: object}}}
            """);
    assertThat(made.status()).as(made.text()).isEqualTo(201);
    String path = "/apis/apiregistration.k8s.io/v1/apiservices/v1.traffic.example.com";
    await()
        .atMost(ofMinutes(1))
        .untilAsserted(() -> assertThat(server.get(path).status()).isEqualTo(200));
    JsonObject service = server.get(path).json();
    assertThat(service.text("metadata", "labels", ApiGroups.MANAGED)).isEqualTo("true");
    assertThat(service.integer("spec", "groupPriorityMinimum")).isEqualTo(1000);
    server.send(
        "DELETE",
        "/apis/apiextensions.k8s.io/v1/customresourcedefinitions/cars.traffic.example.com",
        "");
    await()
        .atMost(ofMinutes(1))
        .untilAsserted(() -> assertThat(server.get(path).status()).isEqualTo(404));
  }

  @Test
  @Order(3)
  void availabilityFollowsTheService() throws Exception {
    Reply made =
        server.post(
            "/apis/apiregistration.k8s.io/v1/apiservices",
            """
            apiVersion: apiregistration.k8s.io/v1
            kind: APIService
            metadata: {name: %s}
            spec:
              group: %s
              version: v1alpha1
              groupPriorityMinimum: 2000
              versionPriority: 200
              caBundle: %s
              service: {namespace: default, name: toys, port: 7443}
            """
                .formatted(
                    SERVICE,
                    GROUP,
                    Base64.getEncoder()
                        .encodeToString(
                            server.certificates.serverAuthority().bundlePem().getBytes(UTF_8))));
    assertThat(made.status()).as(made.text()).isEqualTo(201);
    awaitReason("ServiceNotFound", "service/toys in \"default\" is not present");
    Reply refused = server.get(PATH + "/namespaces/default/dolls");
    assertThat(refused.status()).isEqualTo(503);
    assertThat(refused.text()).isEqualTo("service unavailable\n");
    server.create(
        """
        {apiVersion: v1, kind: Service, metadata: {name: toys, namespace: default},
         spec: {ports: [{port: 443, name: api}]}}
        """);
    awaitReason("ServicePortError", "service/toys in \"default\" is not listening on port 7443");
    server.send(
        "PATCH",
        "/api/v1/namespaces/default/services/toys",
        "{\"spec\": {\"ports\": [{\"port\": 7443, \"name\": \"api\"}]}}",
        "Content-Type",
        "application/merge-patch+json");
    awaitReason("EndpointsNotFound", "cannot find endpointslices for service/toys in \"default\"");
    server.services.put("default/toys:7443", URI.create("http://127.0.0.1:" + toys.port()));
    server.create(
        """
        {apiVersion: discovery.k8s.io/v1, kind: EndpointSlice, addressType: IPv4,
         metadata: {name: toys-1, namespace: default, labels: {kubernetes.io/service-name: toys}},
         ports: [{name: api, port: 7443, protocol: TCP}],
         endpoints: [{addresses: [10.0.0.9], conditions: {ready: false}}]}
        """);
    awaitReason(
        "MissingEndpoints",
        "endpointslices for service/toys in \"default\" have no addresses with port name \"api\"");
    server.send(
        "PATCH",
        "/apis/discovery.k8s.io/v1/namespaces/default/endpointslices/toys-1",
        "{\"endpoints\": [{\"addresses\": [\"10.0.0.9\"], \"conditions\": {\"ready\": true}}]}",
        "Content-Type",
        "application/merge-patch+json");
    awaitReason("Passed", "all checks passed");
    assertThat(condition().text("status")).isEqualTo("True");
  }

  @Test
  @Order(4)
  void requestsPassUnderTheUsersName() throws Exception {
    Reply answer =
        server.send(
            "POST",
            PATH + "/namespaces/default/dolls?dryRun=All&x=a%20b",
            "the body",
            "Content-Type",
            "application/json",
            "Impersonate-User",
            "jane",
            "Impersonate-Group",
            "system:masters",
            "Impersonate-Extra-a%2fb",
            "c",
            "X-Remote-User",
            "root");
    assertThat(answer.status()).isEqualTo(200);
    JsonObject seen = answer.json();
    assertThat(seen.text("method")).isEqualTo("POST");
    assertThat(seen.text("user")).isEqualTo("jane");
    assertThat(seen.strings("groups")).containsExactly("system:masters", "system:authenticated");
    assertThat(seen.text("extra")).isEqualTo("c");
    assertThat(seen.text("authorization")).isEmpty();
    assertThat(seen.text("query")).isEqualTo("dryRun=All&x=a%20b");
    assertThat(seen.text("body")).isEqualTo("the body");
    assertThat(seen.text("shown")).isEqualTo("CN=system:auth-proxy");
    // Who may not, does not get there.
    assertThat(server.sendAs("jane-token", "GET", PATH + "/dolls").status()).isEqualTo(403);
  }

  @Test
  @Order(5)
  void watchesStream() throws Exception {
    try (var lines =
        new BufferedReader(
            new InputStreamReader(server.open(PATH + "/dolls?watch=true").body(), UTF_8))) {
      for (int i = 0; i < 3; i++) {
        assertThat(lines.readLine()).isEqualTo("event " + i);
      }
    }
    assertThat(left.await(60, java.util.concurrent.TimeUnit.SECONDS))
        .as("the other server learns that the watcher left")
        .isTrue();
  }

  @Test
  @Order(6)
  void discoveryAndSchemasAreMerged() throws Exception {
    assertThat(
            server.get("/apis").json().objects("groups").stream()
                .map(group -> group.text("name"))
                .toList())
        .contains(GROUP)
        .startsWith("apiregistration.k8s.io", "apps", "events.k8s.io");
    assertThat(server.get("/apis/" + GROUP).json().text("preferredVersion", "groupVersion"))
        .isEqualTo(GROUP + "/v1alpha1");
    assertThat(server.get(PATH).json().objects("resources")).hasSize(2);
    JsonObject entry =
        server
            .get(
                "/apis",
                "Accept",
                "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList")
            .json()
            .objects("items")
            .stream()
            .filter(group -> group.text("metadata", "name").equals(GROUP))
            .findFirst()
            .orElseThrow();
    JsonObject doll = entry.objects("versions").getFirst().objects("resources").getFirst();
    assertThat(entry.objects("versions").getFirst().text("freshness")).isEqualTo("Current");
    assertThat(doll.text("resource")).isEqualTo("dolls");
    assertThat(doll.text("responseKind", "group")).isEqualTo(GROUP);
    assertThat(doll.strings("shortNames")).containsExactly("dl");
    assertThat(doll.objects("subresources")).hasSize(1);

    await()
        .atMost(ofMinutes(1))
        .untilAsserted(
            () ->
                assertThat(server.get("/openapi/v3").json().object("paths").names())
                    .contains("apis/toys.example.com/v1alpha1", "apis/apps/v1"));
    assertThat(server.get("/openapi/v3/apis/toys.example.com/v1alpha1?hash=A").text())
        .isEqualTo("{\"openapi\": \"3.0.0\"}");
    JsonObject v2 = server.get("/openapi/v2").json();
    assertThat(v2.object("paths").names())
        .contains("/apis/toys.example.com/v1alpha1/dolls", "/apis/apps/v1/deployments")
        .doesNotContain("/apis/other.example.com/v1/x");
    assertThat(v2.object("definitions").names())
        .contains("com.example.DollList", "com.example.Doll", "io.k8s.api.core.v1.Pod")
        .doesNotContain("com.example.Unused");
    assertThat(server.get("/metrics").text())
        .contains("aggregator_unavailable_apiservice{name=\"" + SERVICE + "\"} 0");
  }

  @Test
  @Order(7)
  void aServerThatHangsHoldsNobodyElseUp() throws Exception {
    mode.set("hangs");
    Reply late = server.get(PATH + "/dolls?timeout=300ms");
    assertThat(late.status()).isEqualTo(504);
    assertThat(late.json().text("reason")).isEqualTo("Timeout");
    assertThat(server.get("/apis").status()).isEqualTo(200);
    mode.set("ill");
    server.send(
        "PATCH",
        "/api/v1/namespaces/default/services/toys",
        "{\"metadata\": {\"labels\": {\"touched\": \"1\"}}}",
        "Content-Type",
        "application/merge-patch+json");
    awaitReason("FailedDiscoveryCheck", "bad status from https://127.0.0.1:" + toys.port());
    assertThat(server.get(PATH + "/dolls").status()).isEqualTo(503);
    mode.set("well");
    server.send(
        "PATCH",
        "/api/v1/namespaces/default/services/toys",
        "{\"metadata\": {\"labels\": {\"touched\": \"2\"}}}",
        "Content-Type",
        "application/merge-patch+json");
    awaitReason("Passed", "all checks passed");
  }

  @Test
  @Order(8)
  void aCertificateOfAnotherNameIsRefused() throws Exception {
    server.send(
        "PATCH",
        "/apis/apiregistration.k8s.io/v1/apiservices/" + SERVICE,
        "{\"spec\": {\"service\": {\"name\": \"games\"}}}",
        "Content-Type",
        "application/merge-patch+json");
    server.services.put("default/games:7443", URI.create("http://127.0.0.1:" + toys.port()));
    server.create(
        """
        {apiVersion: v1, kind: Service, metadata: {name: games, namespace: default},
         spec: {type: ExternalName, externalName: localhost}}
        """);
    awaitReason("FailedDiscoveryCheck", "the certificate is not for games.default.svc");
    server.send(
        "PATCH",
        "/apis/apiregistration.k8s.io/v1/apiservices/" + SERVICE,
        "{\"spec\": {\"caBundle\": null, \"insecureSkipTLSVerify\": true}}",
        "Content-Type",
        "application/merge-patch+json");
    awaitReason("Passed", "all checks passed");
  }
}
