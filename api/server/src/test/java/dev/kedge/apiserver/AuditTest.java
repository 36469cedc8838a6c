package dev.kedge.apiserver;

import static java.nio.charset.StandardCharsets.UTF_8;
import static java.time.Duration.ofMinutes;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.awaitility.Awaitility.await;

import dev.kedge.apiserver.AuditPolicy.Level;
import dev.kedge.http.Query;
import dev.kedge.identity.User;
import dev.kedge.model.Json;
import dev.kedge.model.JsonObject;
import java.io.IOException;
import java.io.InputStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Clock;
import java.util.List;
import java.util.Optional;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class AuditTest {
  private static final String POLICY =
      """
      apiVersion: audit.k8s.io/v1
      kind: Policy
      omitStages: [RequestReceived]
      omitManagedFields: true
      rules:
      - level: None
        users: [system:kube-proxy]
        verbs: [watch]
        resources: [{group: "", resources: [endpoints, services]}]
      - level: None
        nonResourceURLs: ["/healthz*", /version]
      - level: Request
        resources: [{group: "", resources: [pods/log, "*/scale", configmaps/*], resourceNames: [a]}]
      - level: RequestResponse
        namespaces: [kube-system]
        resources: [{group: "", resources: [configmaps]}]
      - level: Metadata
        userGroups: [devs]
        omitStages: [ResponseComplete]
      - level: RequestResponse
        verbs: [create, patch, delete, watch, list]
        resources: [{group: "*"}]
      """;

  @TempDir Path directory;

  @ParameterizedTest
  @CsvSource({
    "GET, /api/v1/services?watch=1, system:kube-proxy, x, NONE",
    "GET, /api/v1/services, system:kube-proxy, x, REQUEST_RESPONSE",
    "GET, /healthz/etcd, jane, x, NONE",
    "GET, /version, jane, x, NONE",
    "GET, /versions, jane, devs, METADATA",
    "GET, /versions, jane, x, NONE",
    "GET, /api/v1/namespaces/n/pods/a/log, jane, x, REQUEST",
    "GET, /api/v1/namespaces/n/pods/b/log, jane, x, NONE",
    "PUT, /api/v1/namespaces/n/replicationcontrollers/a/scale, jane, x, REQUEST",
    "PUT, /apis/apps/v1/namespaces/n/deployments/a/scale, jane, x, NONE",
    "GET, /api/v1/namespaces/n/configmaps/a, jane, x, REQUEST",
    "GET, /api/v1/namespaces/kube-system/configmaps/b, jane, x, REQUEST_RESPONSE",
    "GET, /api/v1/namespaces/n/configmaps/b, jane, devs, METADATA",
    "POST, /apis/apps/v1/namespaces/n/deployments, jane, x, REQUEST_RESPONSE",
  })
  void theFirstRuleThatFitsDecides(
      String method, String url, String user, String group, Level expected) {
    String[] parts = url.split("\\?", 2);
    Query query = parts.length == 1 ? Query.NONE : Query.parse(parts[1]);
    assertThat(
            AuditPolicy.parse(POLICY.getBytes(UTF_8))
                .decide(User.of(user, group), RequestInfo.of(method, parts[0], query))
                .level())
        .isEqualTo(expected);
  }

  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      value = {
        "rules: [{level: Much}] | rules[0].level \"Much\" is none of None, Metadata, Request,"
            + " RequestResponse",
        "rules: [{level: None, user: [a]}] | the field rules[0].user is unknown",
        "rules: [{level: None, nonResourceURLs: [/], namespaces: [a]}] | rules[0]: rules cannot"
            + " apply to both regular resources and non-resource URLs",
        "omitStages: [Never] | omitStages names no stage: Never",
        "rules: [] | it has no rules",
      })
  void aPolicyThatCannotMeanWhatItSaysIsRefused(String fields, String why) {
    assertThatThrownBy(
            () ->
                AuditPolicy.parse(
                    ("apiVersion: audit.k8s.io/v1\nkind: Policy\n" + fields).getBytes(UTF_8)))
        .isInstanceOf(IllegalArgumentException.class)
        .hasMessage(why);
  }

  private AuditLog log(Path file, int maxFiles, int maxMegabytes) throws IOException {
    return new AuditLog(
        new AuditLog.Settings(
            AuditPolicy.parse(POLICY.getBytes(UTF_8)), file.toString(), 0, maxFiles, maxMegabytes),
        Clock.systemUTC());
  }

  private static List<JsonObject> events(Path file) throws IOException {
    return Files.readAllLines(file).stream().map(Json::parseObject).toList();
  }

  @Test
  void requestsAreToldAsThePolicyWants() throws Exception {
    Path file = directory.resolve("logs/audit.log");
    try (AuditLog log = log(file, 0, 0);
        TestServer server = new TestServer(Optional.of(log))) {
      TestServer.Reply made =
          server.send(
              "POST",
              "/api/v1/namespaces/default/configmaps?fieldManager=m",
              "{\"apiVersion\": \"v1\", \"kind\": \"ConfigMap\", \"metadata\": {\"name\":"
                  + " \"told\"}, \"data\": {\"a\": \"b\"}}",
              "Content-Type",
              "application/json",
              "User-Agent",
              "tester/1",
              "X-Forwarded-For",
              "203.0.113.9, not an address",
              "Impersonate-User",
              "jane",
              "Impersonate-Group",
              "system:masters");
      assertThat(made.status()).isEqualTo(201);
      server.send("DELETE", "/api/v1/namespaces/default/configmaps/none", "");
      server.sendAs("wrong", "GET", "/api/v1/namespaces/default/pods");
      server.sendAs("jane-token", "GET", "/api/v1/namespaces/default/pods");
      try (InputStream watch = server.open("/api/v1/nodes?watch=true").body()) {
        await()
            .atMost(ofMinutes(1))
            .until(() -> events(file).stream().anyMatch(e -> is(e, "ResponseStarted")));
      }
      // An event is written after its answer is sent, so the next request may overtake it.
      for (String verb : List.of("create", "delete", "list", "watch")) {
        await().atMost(ofMinutes(1)).until(() -> !completed(events(file), verb).isEmpty());
      }

      List<JsonObject> events = events(file);
      JsonObject created = completed(events, "create").getFirst();
      assertThat(created.text("kind")).isEqualTo("Event");
      assertThat(created.text("level")).isEqualTo("RequestResponse");
      assertThat(created.text("stage")).isEqualTo("ResponseComplete");
      assertThat(created.text("auditID")).isEqualTo(made.header("Audit-Id"));
      assertThat(created.text("requestURI"))
          .isEqualTo("/api/v1/namespaces/default/configmaps?fieldManager=m");
      assertThat(created.text("user", "username")).isEqualTo("system:admin");
      assertThat(created.text("impersonatedUser", "username")).isEqualTo("jane");
      assertThat(created.strings("sourceIPs")).containsExactly("203.0.113.9", "127.0.0.1");
      assertThat(created.text("userAgent")).isEqualTo("tester/1");
      assertThat(created.object("objectRef"))
          .isEqualTo(
              JsonObject.of(
                  "resource", "configmaps",
                  "namespace", "default",
                  "name", "told",
                  "apiVersion", "v1"));
      assertThat(created.integer("responseStatus", "code")).isEqualTo(201);
      assertThat(created.text("requestObject", "data", "a")).isEqualTo("b");
      assertThat(created.text("responseObject", "metadata", "uid")).isNotEmpty();
      assertThat(created.find("responseObject", "metadata", "managedFields")).isEmpty();
      assertThat(created.text("annotations", "authorization.k8s.io/decision")).isEqualTo("allow");
      assertThat(created.text("requestReceivedTimestamp"))
          .matches("\\d{4}-\\d\\d-\\d\\dT\\d\\d:\\d\\d:\\d\\d\\.\\d{6}Z");

      JsonObject missed = completed(events, "delete").getFirst();
      assertThat(missed.text("responseStatus", "reason")).isEqualTo("NotFound");
      assertThat(missed.text("responseObject", "kind")).isEqualTo("Status");

      JsonObject stranger = completed(events, "list").getFirst();
      assertThat(stranger.integer("responseStatus", "code")).isEqualTo(401);
      // Jane is of the devs, whose answers are not told, nor anything before them.
      assertThat(events.stream().filter(e -> e.text("user", "username").equals("jane"))).isEmpty();
      assertThat(server.get("/metrics").text())
          .contains("apiserver_audit_level_total{level=\"Metadata\"} 1\n");
    }
  }

  private static List<JsonObject> completed(List<JsonObject> events, String verb) {
    return events.stream()
        .filter(each -> is(each, "ResponseComplete") && each.text("verb").equals(verb))
        .toList();
  }

  private static boolean is(JsonObject event, String stage) {
    return event.text("stage").equals(stage);
  }

  @Test
  void aFullFileIsPutAsideAndTheOldestGo() throws Exception {
    Path file = directory.resolve("audit.log");
    try (AuditLog log = log(file, 2, 1)) {
      String line = "x".repeat(400_000);
      for (int i = 0; i < 12; i++) {
        log.write(line);
        // Files are named by the millisecond.
        long now = System.currentTimeMillis();
        await().atMost(ofMinutes(1)).until(() -> System.currentTimeMillis() > now);
      }
    }
    try (var files = Files.list(directory)) {
      List<String> names = files.map(each -> each.getFileName().toString()).sorted().toList();
      assertThat(names).hasSize(3).contains("audit.log");
      assertThat(names.getFirst()).matches("audit-\\d{4}-.*\\.log");
    }
    assertThat(Files.size(file)).isLessThanOrEqualTo(1 << 20);
  }
}
