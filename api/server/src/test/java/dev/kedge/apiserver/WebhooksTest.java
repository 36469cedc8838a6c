package dev.kedge.apiserver;

import static java.time.Duration.ofMinutes;
import static org.assertj.core.api.Assertions.assertThat;

import dev.kedge.apiserver.TestServer.Reply;
import dev.kedge.model.JsonObject;
import java.io.IOException;
import java.net.ServerSocket;
import java.util.List;
import java.util.concurrent.CountDownLatch;
import org.awaitility.Awaitility;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** Admission webhooks: a real server asks a real HTTPS server. */
class WebhooksTest {
  private static final String CONFIG_MAPS = "/api/v1/namespaces/default/configmaps";
  private static final String REGISTRATION = "/apis/admissionregistration.k8s.io/v1/";

  private static TestServer server;
  private static WebhookServer hooks;

  @BeforeAll
  static void start() throws Exception {
    server = new TestServer();
    hooks = new WebhookServer(server);
  }

  @AfterAll
  static void stop() throws Exception {
    hooks.close();
    server.close();
  }

  @AfterEach
  void clean() throws Exception {
    for (String plural : List.of("mutating", "validating")) {
      assertThat(
              server.send("DELETE", REGISTRATION + plural + "webhookconfigurations", "").status())
          .isEqualTo(200);
    }
    assertThat(server.send("DELETE", CONFIG_MAPS, "").status()).isEqualTo(200);
  }

  private static Reply configure(String kind, String name, String more) throws Exception {
    return server.post(
        REGISTRATION + kind.toLowerCase(java.util.Locale.ROOT) + "webhookconfigurations",
        configuration(kind, name, more));
  }

  private static String configuration(String kind, String name, String more) {
    String defaults =
        "{name: %s.example.com, admissionReviewVersions: [v1], sideEffects: None, clientConfig:"
            + " {url: '%s', caBundle: %s}, rules: [{operations: ['*'], apiGroups: [''],"
            + " apiVersions: [v1], resources: [configmaps]}], namespaceSelector: {matchLabels:"
            + " {kubernetes.io/metadata.name: default}}";
    return ("{apiVersion: admissionregistration.k8s.io/v1, kind: "
            + kind
            + "WebhookConfiguration, metadata: {name: "
            + name
            + "}, webhooks: ["
            + defaults
            + more
            + "}]}")
        .formatted(name, hooks.url("/" + name), hooks.caBundle());
  }

  private static void active(String kind, String name, String more) throws Exception {
    Reply reply = configure(kind, name, more);
    assertThat(reply.status()).as(reply.text()).isEqualTo(201);
  }

  private static Reply configMap(String name, String data) throws Exception {
    return server.post(
        CONFIG_MAPS,
        "{apiVersion: v1, kind: ConfigMap, metadata: {name: " + name + "}, data: " + data + "}");
  }

  @Test
  void deniesWithTheWebhooksWordsAndCode() throws Exception {
    hooks.admission(
        "/deny",
        request ->
            request.object("object").object("data").has("bad")
                ? JsonObject.of(
                    "allowed",
                    false,
                    "warnings",
                    List.of("think again"),
                    "status",
                    JsonObject.of("message", "no bad data", "code", 422, "reason", "Invalid"))
                : WebhookServer.allowed());
    active("Validating", "deny", "");
    Reply refused = configMap("one", "{bad: x}");
    assertThat(refused.status()).isEqualTo(422);
    assertThat(refused.json().text("message"))
        .isEqualTo("admission webhook \"deny.example.com\" denied the request: no bad data");
    assertThat(refused.json().text("reason")).isEqualTo("Invalid");
    assertThat(refused.header("Warning")).contains("think again");
    assertThat(configMap("two", "{good: x}").status()).isEqualTo(201);
  }

  @Test
  void deniesWithoutExplanationAsForbiddenBadRequest() throws Exception {
    hooks.admission("/silent", _ -> JsonObject.of("allowed", false));
    active("Validating", "silent", "");
    Reply refused = configMap("one", "{}");
    assertThat(refused.status()).isEqualTo(400);
    assertThat(refused.json().text("message"))
        .isEqualTo(
            "admission webhook \"silent.example.com\" denied the request without explanation");
  }

  @Test
  void tellsTheWholeRequest() throws Exception {
    hooks.admission("/whole", _ -> WebhookServer.allowed());
    active("Validating", "whole", "");
    configMap("one", "{a: b}");
    server.send(
        "PATCH",
        CONFIG_MAPS + "/one?dryRun=All&fieldManager=me",
        "{\"data\":{\"a\":\"c\"}}",
        "Content-Type",
        "application/merge-patch+json");
    server.send("DELETE", CONFIG_MAPS + "/one", "{\"propagationPolicy\":\"Background\"}");
    List<JsonObject> asked = hooks.asked("/whole");
    assertThat(asked).hasSize(3);
    JsonObject create = asked.get(0).object("request");
    assertThat(create.text("operation")).isEqualTo("CREATE");
    assertThat(create.text("name")).isEqualTo("one");
    assertThat(create.text("namespace")).isEqualTo("default");
    assertThat(create.object("kind"))
        .isEqualTo(JsonObject.of("group", "", "version", "v1", "kind", "ConfigMap"));
    assertThat(create.object("requestResource"))
        .isEqualTo(JsonObject.of("group", "", "version", "v1", "resource", "configmaps"));
    assertThat(create.text("userInfo", "username")).isEqualTo("system:admin");
    assertThat(create.object("object").text("data", "a")).isEqualTo("b");
    assertThat(create.get("oldObject")).contains(dev.kedge.model.JsonNull.NULL);
    assertThat(create.object("options").text("kind")).isEqualTo("CreateOptions");
    JsonObject update = asked.get(1).object("request");
    assertThat(update.text("operation")).isEqualTo("UPDATE");
    assertThat(update.flag("dryRun")).isTrue();
    assertThat(update.object("object").text("data", "a")).isEqualTo("c");
    assertThat(update.object("oldObject").text("data", "a")).isEqualTo("b");
    assertThat(update.object("options").text("fieldManager")).isEqualTo("me");
    JsonObject delete = asked.get(2).object("request");
    assertThat(delete.text("operation")).isEqualTo("DELETE");
    assertThat(delete.get("object")).contains(dev.kedge.model.JsonNull.NULL);
    assertThat(delete.object("oldObject").text("data", "a")).isEqualTo("b");
    assertThat(delete.object("options").text("propagationPolicy")).isEqualTo("Background");
  }

  @Test
  void mutatesInOrderAndReinvokesWhoAskedForIt() throws Exception {
    hooks.admission(
        "/a",
        request ->
            request.object("object").object("data").has("a")
                ? WebhookServer.patched("[{\"op\":\"add\",\"path\":\"/data/a2\",\"value\":\"2\"}]")
                : WebhookServer.patched("[{\"op\":\"add\",\"path\":\"/data/a\",\"value\":\"1\"}]"));
    hooks.admission(
        "/b",
        _ -> WebhookServer.patched("[{\"op\":\"add\",\"path\":\"/data/b\",\"value\":\"1\"}]"));
    active("Mutating", "a", ", reinvocationPolicy: IfNeeded");
    active("Mutating", "b", "");
    Reply made = configMap("one", "{x: z}");
    assertThat(made.json().map("data"))
        .containsEntry("a", "1")
        .containsEntry("a2", "2")
        .containsEntry("b", "1");
    assertThat(hooks.asked("/a")).hasSize(2);
    assertThat(hooks.asked("/b")).hasSize(1);
  }

  @Test
  void prunesAndRefusesWhatPatchesBreak() throws Exception {
    hooks.admission(
        "/odd",
        request ->
            request.object("object").object("data").has("broken")
                ? WebhookServer.patched("[{\"op\":\"add\",\"path\":\"/data\",\"value\":7}]")
                : WebhookServer.patched("[{\"op\":\"add\",\"path\":\"/odd\",\"value\":7}]"));
    active("Mutating", "odd", "");
    assertThat(configMap("one", "{}").json().has("odd")).isFalse();
    Reply broken = configMap("two", "{broken: x}");
    assertThat(broken.status()).isEqualTo(500);
    assertThat(broken.json().text("reason")).isEqualTo("InternalError");
  }

  @Test
  void aHangingWebhookIsContained() throws Exception {
    CountDownLatch release = new CountDownLatch(1);
    hooks.admission(
        "/hang",
        _ -> {
          try {
            release.await();
          } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
          }
          return WebhookServer.allowed();
        });
    active("Validating", "hang", ", timeoutSeconds: 1");
    Reply refused = configMap("one", "{}");
    assertThat(refused.status()).isEqualTo(500);
    assertThat(refused.json().text("message"))
        .isEqualTo(
            "Internal error occurred: failed calling webhook \"hang.example.com\": failed to call"
                + " webhook: Post \""
                + hooks.url("/hang")
                + "?timeout=1s\": context deadline exceeded");
    assertThat(
            server
                .send(
                    "PATCH",
                    REGISTRATION + "validatingwebhookconfigurations/hang",
                    "[{\"op\":\"replace\",\"path\":\"/webhooks/0/failurePolicy\",\"value\":\"Ignore\"}]",
                    "Content-Type",
                    "application/json-patch+json")
                .status())
        .isEqualTo(200);
    assertThat(configMap("two", "{}").status()).isEqualTo(201);
    release.countDown();
  }

  @Test
  void aServerThatNeverSpeaksIsContained() throws Exception {
    try (ServerSocket silent = new ServerSocket(0)) {
      active(
          "Validating",
          "silence",
          ", timeoutSeconds: 1, clientConfig: {url: 'https://127.0.0.1:"
              + silent.getLocalPort()
              + "/'}");
      Reply refused = configMap("one", "{}");
      assertThat(refused.json().text("message")).endsWith("context deadline exceeded");
    }
  }

  @Test
  void failuresAreInUpstreamsWords() throws Exception {
    active("Validating", "missing", "");
    assertThat(configMap("one", "{}").json().text("message"))
        .isEqualTo(
            "Internal error occurred: failed calling webhook \"missing.example.com\": failed to"
                + " call webhook: the server could not find the requested resource");
    hooks.raw("/missing", _ -> JsonObject.of("kind", "AdmissionReview"));
    assertThat(configMap("one", "{}").json().text("message"))
        .endsWith("received invalid webhook response: webhook response was absent");
    hooks.raw(
        "/missing",
        _ ->
            JsonObject.of(
                "kind",
                "AdmissionReview",
                "apiVersion",
                "admission.k8s.io/v1",
                "response",
                JsonObject.of("uid", "other", "allowed", true)));
    assertThat(configMap("one", "{}").json().text("message"))
        .contains("received invalid webhook response: expected response.uid=");
    hooks.admission("/missing", _ -> WebhookServer.patched("[]"));
    assertThat(configMap("one", "{}").json().text("message"))
        .endsWith("validating webhook may not return response.patch");
  }

  @Test
  void anUntrustedCertificateIsRefused() throws Exception {
    hooks.admission("/untrusted", _ -> WebhookServer.allowed());
    active("Validating", "untrusted", ", clientConfig: {url: '" + hooks.url("/untrusted") + "'}");
    assertThat(configMap("one", "{}").json().text("message"))
        .endsWith(
            "tls: failed to verify certificate: x509: certificate signed by unknown authority");
    try (ServerSocket closed = new ServerSocket(0)) {
      int port = closed.getLocalPort();
      closed.close();
      active("Validating", "closed", ", clientConfig: {url: 'https://127.0.0.1:" + port + "/x'}");
      server.send("DELETE", REGISTRATION + "validatingwebhookconfigurations/untrusted", "");
      assertThat(configMap("one", "{}").json().text("message"))
          .endsWith("dial tcp 127.0.0.1:" + port + ": connect: connection refused");
    }
  }

  @Test
  void findsServicesThroughTheirEndpoints() throws Exception {
    hooks.admission(
        "/service/path",
        _ -> JsonObject.of("allowed", false, "status", JsonObject.of("message", "by service")));
    active(
        "Validating",
        "service",
        ", clientConfig: {caBundle: "
            + hooks.caBundle()
            + ", service: {namespace: default, name: hook, path: /service/path, port: 8443}}");
    assertThat(configMap("one", "{}").json().text("message"))
        .endsWith("?timeout=10s\": service \"hook\" not found");
    server.create(
        "{apiVersion: v1, kind: Service, metadata: {name: hook, namespace: default}, spec: {ports:"
            + " [{name: https, port: 8443}]}}");
    assertThat(configMap("one", "{}").json().text("message"))
        .endsWith("no endpoints available for service \"hook\"");
    server.create(
        "{apiVersion: discovery.k8s.io/v1, kind: EndpointSlice, metadata: {name: hook-1, namespace:"
            + " default, labels: {kubernetes.io/service-name: hook}}, addressType: IPv4, ports:"
            + " [{name: https, port: "
            + hooks.port()
            + "}], endpoints: [{addresses: [127.0.0.1], conditions: {ready: true}}]}");
    Awaitility.await()
        .atMost(ofMinutes(1))
        .untilAsserted(
            () ->
                assertThat(configMap("one", "{}").json().text("message"))
                    .isEqualTo(
                        "admission webhook \"service.example.com\" denied the request: by"
                            + " service"));
  }

  @Test
  void selectorsRulesAndDryRunDecideWhoIsAsked() throws Exception {
    hooks.admission("/select", _ -> JsonObject.of("allowed", false));
    active(
        "Validating",
        "select",
        ", objectSelector: {matchLabels: {check: 'yes'}}, sideEffects: None");
    assertThat(configMap("one", "{}").status()).isEqualTo(201);
    String labelled =
        "{apiVersion: v1, kind: ConfigMap, metadata: {name: two, labels: {check: 'yes'}}}";
    assertThat(server.post(CONFIG_MAPS, labelled).status()).isEqualTo(400);
    assertThat(server.post("/api/v1/namespaces/kube-public/configmaps", labelled).status())
        .isEqualTo(201);
    assertThat(
            server
                .post(
                    "/api/v1/namespaces/default/secrets",
                    "{apiVersion: v1, kind: Secret, metadata: {name: two, labels: {check:"
                        + " 'yes'}}}")
                .status())
        .isEqualTo(201);
  }

  @Test
  void conditionsDecideWhoIsAsked() throws Exception {
    hooks.admission("/condition", _ -> JsonObject.of("allowed", false));
    active(
        "Validating",
        "condition",
        ", matchConditions: [{name: not-leases, expression: \"object.metadata.name != 'free'\"},"
            + " {name: data, expression: \"object.data.x == 'y' || request.operation =="
            + " 'DELETE'\"}]");
    assertThat(configMap("free", "{}").status()).isEqualTo(201);
    assertThat(configMap("one", "{x: z}").status()).isEqualTo(201);
    assertThat(configMap("two", "{x: 'y'}").status()).isEqualTo(400);
    Reply failed = configMap("three", "{}");
    assertThat(failed.status()).isEqualTo(403);
    assertThat(failed.json().text("message"))
        .isEqualTo(
            "configmaps \"three\" is forbidden: expression 'object.data.x == 'y' ||"
                + " request.operation == 'DELETE'' resulted in error: no such key: data");
    Reply refused =
        configure("Mutating", "bad", ", matchConditions: [{name: a, expression: 'nope'}]");
    assertThat(refused.json().text("message"))
        .contains(
            "webhooks[0].matchConditions[0].expression: Invalid value: \"nope\": compilation"
                + " failed: ERROR: <input>:1:1: undeclared reference to 'nope' (in container '')");
    server.send("DELETE", REGISTRATION + "validatingwebhookconfigurations", "");
    Awaitility.await()
        .atMost(ofMinutes(1))
        .until(() -> configMap("four", "{x: 'y'}").status() == 201);
  }

  @Test
  void aRuleAboutAnotherVersionSeesThatVersion() throws Exception {
    hooks.admission("/equivalent", _ -> WebhookServer.allowed());
    String rules =
        ", rules: [{operations: [CREATE], apiGroups: [autoscaling], apiVersions: [v1], resources:"
            + " [horizontalpodautoscalers]}]";
    active("Validating", "equivalent", rules);
    String autoscaler =
        "{apiVersion: autoscaling/v2, kind: HorizontalPodAutoscaler, metadata: {name: %s}, spec:"
            + " {maxReplicas: 3, scaleTargetRef: {kind: Deployment, name: x, apiVersion:"
            + " apps/v1}}}";
    String path = "/apis/autoscaling/v2/namespaces/default/horizontalpodautoscalers";
    Reply made = server.post(path, autoscaler.formatted("one"));
    assertThat(made.status()).as(made.text()).isEqualTo(201);
    JsonObject request = hooks.asked("/equivalent").getFirst().object("request");
    assertThat(request.text("kind", "version")).isEqualTo("v1");
    assertThat(request.text("requestKind", "version")).isEqualTo("v2");
    assertThat(request.text("object", "apiVersion")).isEqualTo("autoscaling/v1");
    hooks.admission("/exact", _ -> JsonObject.of("allowed", false));
    active("Validating", "exact", rules + ", matchPolicy: Exact");
    assertThat(server.post(path, autoscaler.formatted("two")).status()).isEqualTo(201);
  }

  @Test
  void scaleAndConnectAndStatusAreAskedAbout() throws Exception {
    server.create(
        "{apiVersion: apps/v1, kind: Deployment, metadata: {name: web, namespace: default}, spec:"
            + " {selector: {matchLabels: {a: b}}, template: {metadata: {labels: {a: b}}, spec:"
            + " {containers: [{name: c, image: i}]}}}}");
    hooks.admission(
        "/scale",
        _ ->
            WebhookServer.patched(
                "[{\"op\":\"replace\",\"path\":\"/spec/replicas\",\"value\":5}]"));
    active(
        "Mutating",
        "scale",
        ", rules: [{operations: [UPDATE], apiGroups: [apps], apiVersions: [v1], resources:"
            + " [deployments/scale]}]");
    Reply scaled =
        server.send(
            "PATCH",
            "/apis/apps/v1/namespaces/default/deployments/web/scale",
            "{\"spec\":{\"replicas\":3}}",
            "Content-Type",
            "application/merge-patch+json");
    assertThat(scaled.status()).as(scaled.text()).isEqualTo(200);
    assertThat(scaled.json().integer("spec", "replicas")).isEqualTo(5);
    JsonObject request = hooks.asked("/scale").getFirst().object("request");
    assertThat(request.text("subResource")).isEqualTo("scale");
    assertThat(request.text("object", "kind")).isEqualTo("Scale");
    assertThat(request.object("object").integer("spec", "replicas")).isEqualTo(3);
    server.create(
        "{apiVersion: v1, kind: Pod, metadata: {name: p, namespace: default}, spec: {nodeName:"
            + " node, containers: [{name: c, image: i}]}}");
    hooks.admission("/attach", _ -> JsonObject.of("allowed", false));
    active(
        "Validating",
        "attach",
        ", rules: [{operations: [CONNECT], apiGroups: [''], apiVersions: [v1], resources:"
            + " [pods/attach]}]");
    Reply attached =
        server.send("POST", "/api/v1/namespaces/default/pods/p/attach?stdout=true", "");
    assertThat(attached.json().text("message"))
        .isEqualTo(
            "admission webhook \"attach.example.com\" denied the request without explanation");
    assertThat(hooks.asked("/attach").getFirst().text("request", "object", "kind"))
        .isEqualTo("PodAttachOptions");
  }

  @Test
  void configurationsAreNeverSentToWebhooks() throws Exception {
    hooks.admission("/all", _ -> JsonObject.of("allowed", false));
    active(
        "Validating",
        "all",
        ", rules: [{operations: ['*'], apiGroups: ['*'], apiVersions: ['*'], resources: ['*/*']}],"
            + " namespaceSelector: {}");
    assertThat(configMap("x", "{}").status()).isEqualTo(400);
    assertThat(
            server
                .send("DELETE", REGISTRATION + "validatingwebhookconfigurations/all", "")
                .status())
        .isEqualTo(200);
    Awaitility.await().atMost(ofMinutes(1)).until(() -> configMap("x", "{}").status() == 201);
  }

  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      quoteCharacter = '`',
      textBlock =
          """
          , name: short.name | webhooks[0].name: Invalid value: "short.name": should be a domain with at least three segments separated by dots
          , sideEffects: Some | webhooks[0].sideEffects: Unsupported value: "Some": supported values: "None", "NoneOnDryRun"
          , timeoutSeconds: 31 | webhooks[0].timeoutSeconds: Invalid value: 31: the timeout value must be between 1 and 30 seconds
          , admissionReviewVersions: [v7] | webhooks[0].admissionReviewVersions: Invalid value: ["v7"]: must include at least one of v1, v1beta1
          , clientConfig: {url: 'http://x/'} | webhooks[0].clientConfig.url: Invalid value: "http": 'https' is the only allowed URL scheme; desired format: https://host[/path]
          , clientConfig: {} | webhooks[0].clientConfig: Required value: exactly one of url or service is required
          , rules: [{operations: ['*', CREATE], apiGroups: [''], apiVersions: [v1], resources: [pods]}] | webhooks[0].rules[0].operations: Invalid value: ["*","CREATE"]: if '*' is present, must not specify other operations
          , rules: [{operations: [CREATE], apiGroups: [''], apiVersions: [v1], resources: ['*', pods]}] | webhooks[0].rules[0].resources: Invalid value: ["*","pods"]: if '*' is present, must not specify other resources without subresources
          """)
  void malformedConfigurationsAreRefused(String change, String message) throws Exception {
    Reply refused = configure("Validating", "bad", change);
    assertThat(refused.status()).as(refused.text()).isEqualTo(422);
    assertThat(refused.json().text("message")).contains(message);
  }

  @Test
  void dryRunIsOnlySentWhereItHasNoEffect() throws IOException, Exception {
    hooks.admission("/dry", _ -> WebhookServer.allowed());
    active("Mutating", "dry", ", sideEffects: NoneOnDryRun");
    Reply dry =
        server.send(
            "POST",
            CONFIG_MAPS + "?dryRun=All",
            "{\"apiVersion\":\"v1\",\"kind\":\"ConfigMap\",\"metadata\":{\"name\":\"dry\"}}",
            "Content-Type",
            "application/json");
    assertThat(dry.status()).as(dry.text()).isEqualTo(201);
    assertThat(hooks.asked("/dry").getFirst().flag("request", "dryRun")).isTrue();
  }
}
