package dev.kedge.apiserver;

import static org.assertj.core.api.Assertions.assertThat;

import dev.kedge.apiserver.TestServer.Reply;
import dev.kedge.model.Json;
import dev.kedge.model.JsonArray;
import dev.kedge.model.JsonObject;
import dev.kedge.model.JsonValue;
import java.io.BufferedReader;
import java.io.InputStreamReader;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;

/** Custom resources in several versions, translated by a webhook or only by name. */
class ConversionTest {
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

  /** v1 has {@code spec.hostPort}, v2 has {@code spec.host} and {@code spec.port}. */
  private static JsonObject convert(JsonObject review) {
    String desired = review.text("request", "desiredAPIVersion");
    List<JsonValue> converted = new ArrayList<>();
    for (JsonObject object : review.object("request").objects("objects")) {
      JsonObject spec = object.object("spec");
      JsonObject changed;
      if (desired.endsWith("/v1")) {
        changed = JsonObject.of("hostPort", spec.text("host") + ":" + spec.text("port"));
      } else {
        String[] parts = (spec.text("hostPort") + ":").split(":", -1);
        changed = JsonObject.of("host", parts[0], "port", parts[1]);
      }
      converted.add(object.with("apiVersion", desired).with("spec", changed));
    }
    return answer(review, new JsonArray(converted));
  }

  private static JsonObject answer(JsonObject review, JsonArray converted) {
    return JsonObject.of(
        "apiVersion",
        "apiextensions.k8s.io/v1",
        "kind",
        "ConversionReview",
        "response",
        JsonObject.of(
            "uid",
            review.text("request", "uid"),
            "result",
            JsonObject.of("status", "Success"),
            "convertedObjects",
            converted));
  }

  private static String definition(String kind, String conversion, String storage) {
    String plural = kind.toLowerCase(java.util.Locale.ROOT) + "s";
    return """
    apiVersion: apiextensions.k8s.io/v1
    kind: CustomResourceDefinition
    metadata: {name: %s.stable.example.com}
    spec:
      group: stable.example.com
      scope: Namespaced
      names: {plural: %s, kind: %s}
      conversion: %s
      versions:
      - name: v1
        served: true
        storage: %s
        schema: {openAPIV3Schema: {type: object, properties: {spec: {type: object, required: [hostPort], properties: {hostPort: {type: string}}}}}}
      - name: v2
        served: true
        storage: %s
        schema: {openAPIV3Schema: {type: object, properties: {spec: {type: object, required: [host], properties: {host: {type: string}, port: {type: string}}}}}}
    """
        .formatted(plural, plural, kind, conversion, storage.equals("v1"), storage.equals("v2"));
  }

  private static String webhook(String path) {
    return "{strategy: Webhook, webhook: {conversionReviewVersions: [v1], clientConfig: {url: '"
        + hooks.url(path)
        + "', caBundle: "
        + hooks.caBundle()
        + "}}}";
  }

  private static void define(String yaml) throws Exception {
    Reply reply = server.post("/apis/apiextensions.k8s.io/v1/customresourcedefinitions", yaml);
    assertThat(reply.status()).as(reply.text()).isEqualTo(201);
  }

  private static String path(String version, String plural) {
    return "/apis/stable.example.com/" + version + "/namespaces/default/" + plural;
  }

  @Test
  void eachVersionIsSelectedByItsOwnFields() throws Exception {
    hooks.raw("/select", ConversionTest::convert);
    for (String conversion : List.of(webhook("/select"), "{strategy: None}")) {
      String kind = conversion.contains("None") ? "Pick" : "Choice";
      String plural = kind.toLowerCase(java.util.Locale.ROOT) + "s";
      define(
          definition(kind, conversion, "v1")
              .replace(
                  "- name: v1", "- name: v1\n    selectableFields: [{jsonPath: .spec.hostPort}]")
              .replace(
                  "- name: v2",
                  "- name: v2\n"
                      + "    selectableFields: [{jsonPath: .spec.host}, {jsonPath: .spec.port}]")
              // Without a webhook the versions have to share their documents.
              .replace(
                  "required: [hostPort], properties: {",
                  "properties: {host: {type: string}, port: {type: string}, ")
              .replace("required: [host], ", ""));
      String path = path("v2", plural);
      try (var reader =
          new BufferedReader(
              new InputStreamReader(
                  server.open(path + "?watch=true&fieldSelector=spec.host%3Da").body(),
                  StandardCharsets.UTF_8))) {
        for (String host : List.of("b", "a")) {
          Reply made =
              server.post(
                  path,
                  "{apiVersion: stable.example.com/v2, kind: %s, metadata: {name: %s}, spec: {host: %s, port: '80'}}"
                      .formatted(kind, host, host));
          assertThat(made.status()).as(made.text()).isEqualTo(201);
        }
        JsonObject event = Json.parseObject(reader.readLine());
        assertThat(event.text("type") + event.text("object", "metadata", "name"))
            .isEqualTo("ADDEDa");
        for (String host : List.of("a", "c", "a")) {
          server.send(
              "PATCH",
              path + "/a",
              "{\"spec\":{\"host\":\"%s\",\"port\":\"81\"}}".formatted(host),
              "Content-Type",
              "application/merge-patch+json");
        }
        for (String told : List.of("MODIFIEDa", "DELETEDa", "ADDEDa")) {
          event = Json.parseObject(reader.readLine());
          assertThat(event.text("type") + event.text("object", "spec", "host")).isEqualTo(told);
        }
      }
      assertThat(
              server
                  .get(path + "?fieldSelector=spec.host%3Da,spec.port%3D81")
                  .json()
                  .objects("items"))
          .singleElement();
      assertThat(server.get(path + "?fieldSelector=spec.host!%3Da").json().objects("items"))
          .singleElement();
      assertThat(server.get(path("v1", plural) + "?fieldSelector=spec.port%3D80").status())
          .isEqualTo(400);
    }
  }

  @Test
  void aWebhookTranslatesBothWaysListsAndWatches() throws Exception {
    hooks.raw("/convert", ConversionTest::convert);
    define(definition("Link", webhook("/convert"), "v1"));
    Reply made =
        server.post(
            path("v2", "links"),
            "{apiVersion: stable.example.com/v2, kind: Link, metadata: {name: one}, spec: {host:"
                + " localhost, port: '1234'}}");
    assertThat(made.status()).as(made.text()).isEqualTo(201);
    assertThat(made.json().object("spec"))
        .isEqualTo(JsonObject.of("host", "localhost", "port", "1234"));
    assertThat(server.get(path("v1", "links/one")).json().text("spec", "hostPort"))
        .isEqualTo("localhost:1234");
    assertThat(server.get(path("v2", "links/one")).json().text("spec", "port")).isEqualTo("1234");
    server.post(
        path("v1", "links"),
        "{apiVersion: stable.example.com/v1, kind: Link, metadata: {name: two}, spec: {hostPort:"
            + " 'x:80'}}");
    int before = hooks.asked("/convert").size();
    JsonObject list = server.get(path("v2", "links")).json();
    assertThat(list.objects("items"))
        .extracting(item -> item.text("spec", "host"))
        .containsExactly("localhost", "x");
    assertThat(hooks.asked("/convert").size() - before).isLessThanOrEqualTo(1);
    try (var reader =
        new BufferedReader(
            new InputStreamReader(
                server.open(path("v2", "links") + "?watch=true").body(), StandardCharsets.UTF_8))) {
      JsonObject event = Json.parseObject(reader.readLine());
      assertThat(event.text("object", "apiVersion")).isEqualTo("stable.example.com/v2");
      assertThat(event.text("object", "spec", "host")).isEqualTo("localhost");
    }
    Reply patched =
        server.send(
            "PATCH",
            path("v2", "links/one"),
            "{\"spec\":{\"port\":\"99\"}}",
            "Content-Type",
            "application/merge-patch+json");
    assertThat(patched.json().text("spec", "port")).isEqualTo("99");
    assertThat(server.get(path("v1", "links/one")).json().text("spec", "hostPort"))
        .isEqualTo("localhost:99");
    Reply invalid =
        server.post(
            path("v2", "links"),
            "{apiVersion: stable.example.com/v2, kind: Link, metadata: {name: three}, spec: {port:"
                + " '1'}}");
    assertThat(invalid.status()).isEqualTo(201);
  }

  @Test
  void theStorageVersionMayChange() throws Exception {
    hooks.raw("/move", ConversionTest::convert);
    define(definition("Mover", webhook("/move"), "v1"));
    server.post(
        path("v1", "movers"),
        "{apiVersion: stable.example.com/v1, kind: Mover, metadata: {name: one}, spec: {hostPort:"
            + " 'a:1'}}");
    String definition =
        "/apis/apiextensions.k8s.io/v1/customresourcedefinitions/movers.stable.example.com";
    Reply changed =
        server.send(
            "PATCH",
            definition,
            "[{\"op\":\"replace\",\"path\":\"/spec/versions/0/storage\",\"value\":false},"
                + "{\"op\":\"replace\",\"path\":\"/spec/versions/1/storage\",\"value\":true}]",
            "Content-Type",
            "application/json-patch+json");
    assertThat(changed.status()).as(changed.text()).isEqualTo(200);
    assertThat(changed.json().object("status").strings("storedVersions"))
        .containsExactly("v1", "v2");
    assertThat(server.get(path("v2", "movers/one")).json().text("spec", "host")).isEqualTo("a");
    assertThat(server.get(path("v1", "movers/one")).json().text("spec", "hostPort"))
        .isEqualTo("a:1");
    Reply patched =
        server.send(
            "PATCH",
            path("v1", "movers/one"),
            "{\"spec\":{\"hostPort\":\"b:2\"}}",
            "Content-Type",
            "application/merge-patch+json");
    assertThat(patched.json().text("spec", "hostPort")).isEqualTo("b:2");
    assertThat(server.get(path("v2", "movers/one")).json().text("spec", "host")).isEqualTo("b");
  }

  @Test
  void failuresAreContainedAndTold() throws Exception {
    hooks.raw("/lie", ConversionTest::convert);
    define(definition("Liar", webhook("/lie"), "v1"));
    server.post(
        path("v1", "liars"),
        "{apiVersion: stable.example.com/v1, kind: Liar, metadata: {name: one}, spec: {hostPort:"
            + " 'a:1'}}");
    hooks.raw("/lie", review -> answer(review, JsonArray.EMPTY));
    Reply none = server.get(path("v2", "liars/one"));
    assertThat(none.status()).isEqualTo(500);
    assertThat(none.json().text("message"))
        .isEqualTo(
            "conversion webhook for stable.example.com/v1, Kind=Liar returned 0 objects, expected"
                + " 1");
    hooks.raw(
        "/lie",
        review ->
            answer(
                review,
                new JsonArray(
                    List.of(
                        review
                            .object("request")
                            .objects("objects")
                            .getFirst()
                            .with("apiVersion", "stable.example.com/v2")
                            .with("metadata", JsonObject.of("name", "other"))))));
    assertThat(server.get(path("v2", "liars/one")).json().text("message"))
        .contains("must have the same name: one != other");
    assertThat(server.get(path("v1", "liars/one")).status()).isEqualTo(200);
  }

  @Test
  void withoutAWebhookOnlyTheVersionDiffers() throws Exception {
    define(definition("Plain", "{strategy: None}", "v1"));
    server.post(
        path("v1", "plains"),
        "{apiVersion: stable.example.com/v1, kind: Plain, metadata: {name: one}, spec: {hostPort:"
            + " 'a:1'}}");
    JsonObject other = server.get(path("v2", "plains/one")).json();
    assertThat(other.text("apiVersion")).isEqualTo("stable.example.com/v2");
    assertThat(other.text("spec", "hostPort")).isEqualTo("a:1");
  }

  @Test
  void malformedConversionsAreRefused() throws Exception {
    Reply refused =
        server.post(
            "/apis/apiextensions.k8s.io/v1/customresourcedefinitions",
            definition("Bad", "{strategy: Webhook}", "v1"));
    assertThat(refused.json().text("message"))
        .contains(
            "spec.conversion.webhookClientConfig: Required value: required when strategy is set to"
                + " Webhook",
            "spec.conversion.conversionReviewVersions: Required value");
  }
}
