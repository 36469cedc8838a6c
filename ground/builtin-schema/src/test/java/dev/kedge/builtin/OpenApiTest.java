package dev.kedge.builtin;

import static org.assertj.core.api.Assertions.assertThat;

import dev.kedge.model.Json;
import dev.kedge.model.JsonArray;
import dev.kedge.model.JsonObject;
import dev.kedge.model.JsonValue;
import dev.kedge.model.ResourceType;
import dev.kedge.model.SchemaFromCrd;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Set;
import java.util.TreeMap;
import java.util.TreeSet;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;

class OpenApiTest {
  /** Documents of what is served: no alpha or beta version, no group with these alone, no logs. */
  private static final String SERVED =
      "(version|apis?|api__v1|apis__(?!internal\\.|storagemigration\\.)[a-z.0-9]+?(__v[12])?)";

  private static final String SERVED_PATHS =
      "/(version|apis?)/(?!internal\\.|storagemigration\\.|([^/]*/)?(v[0-9]+(alpha|beta)|v[0-9]+/watch)).*";

  /** Parameters of features that upstream has switched off. */
  private static final Set<String> BEHIND_GATES =
      Set.of(
          "query ignoreStoreReadErrorWithClusterBreakingPotential boolean",
          "query shardSelector string");

  /** What agrees and what does not, by subject. */
  private final TreeMap<String, int[]> counts = new TreeMap<>();

  private final List<String> faults = new ArrayList<>();

  @Test
  void definitionsEqualUpstreams() {
    for (JsonObject upstream :
        Oracle.json("openapi/v3", file -> file.matches(SERVED + "_openapi\\.json"))) {
      JsonObject ours = document(upstream.object("paths").nameAt(0));
      compare(upstream.object("components", "schemas"), ours.object("components", "schemas"));
      comparePaths(upstream.object("paths"), ours.object("paths"));
    }
    print("v3 ");
    assertAll(
        "fields",
        "types",
        "list types",
        "map keys",
        "merge keys",
        "strategies",
        "kinds",
        "defaults");
    assertAll("definitions", "required", "operations");
    for (String part : List.of("operationId", "tags", "description", "responses", "parameters")) {
      assertAll("operations' " + part);
    }
    assertShare("descriptions", 0.98);
  }

  /** Version 2: paths, definitions and their fields; docs/openapi-differences.md has the list. */
  @Test
  void theSwaggerDocumentEqualsUpstreams() {
    JsonObject upstream = Oracle.parse(Oracle.folder().resolve("openapi/swagger.json"));
    JsonObject ours =
        OpenApi.v2(BuiltinResources.all().stream().map(OpenApi.Resource::of).toList());
    upstream
        .object("definitions")
        .forEach(
            (name, value) -> {
              if (name.matches(".*\\.v[0-9]+\\.[A-Za-z]+") && value instanceof JsonObject wanted) {
                JsonObject own = ours.object("definitions", name);
                count("v2 definitions", !own.isEmpty(), name);
                if (!own.isEmpty()) {
                  count(
                      "v2 fields",
                      new TreeSet<>(wanted.object("properties").names())
                          .equals(new TreeSet<>(own.object("properties").names())),
                      name);
                  count(
                      "v2 required",
                      new TreeSet<>(wanted.strings("required"))
                          .equals(new TreeSet<>(own.strings("required"))),
                      name);
                }
              }
            });
    upstream
        .object("paths")
        .forEach(
            (path, value) -> {
              if (path.matches(SERVED_PATHS)) {
                JsonObject own = ours.object("paths", path);
                count(
                    "v2 paths",
                    value instanceof JsonObject wanted
                        && new TreeSet<>(wanted.names()).equals(new TreeSet<>(own.names())),
                    path + " " + own.names());
              }
            });
    print("");
    assertAll("v2 fields", "v2 required");
    assertAll("v2 paths");
    // GroupResource is used by a beta kind only.
    assertShare("v2 definitions", 0.998);
  }

  private void print(String prefix) {
    counts.forEach(
        (subject, count) ->
            System.out.printf(
                "OpenAPI %s%s: %d of %d equal%n", prefix, subject, count[0], count[1]));
    faults.forEach(fault -> System.out.println("OpenAPI " + prefix + fault));
  }

  private void assertAll(String... subjects) {
    for (String subject : subjects) {
      assertShare(subject, 1);
    }
  }

  private void assertShare(String subject, double share) {
    int[] count = counts.getOrDefault(subject, new int[2]);
    assertThat(count[0])
        .as(
            () ->
                subject
                    + " "
                    + faults.stream().filter(fault -> fault.startsWith(subject + ":")).toList())
        .isGreaterThanOrEqualTo((int) Math.ceil(count[1] * share));
  }

  private void count(String subject, boolean equal, String where) {
    int[] count = counts.computeIfAbsent(subject, _ -> new int[2]);
    count[1]++;
    if (equal) {
      count[0]++;
    } else {
      faults.add(subject + ": " + where);
    }
  }

  private void compare(JsonObject upstream, JsonObject ours) {
    upstream.forEach(
        (name, value) -> {
          if (!(value instanceof JsonObject expected)) {
            return;
          }
          count("definitions", ours.has(name), name);
          JsonObject actual = ours.object(name);
          if (actual.isEmpty()) {
            return;
          }
          JsonObject fields = expected.object("properties");
          TreeSet<String> names = new TreeSet<>(fields.names());
          TreeSet<String> found = new TreeSet<>(actual.object("properties").names());
          count("fields", names.equals(found), name + " " + names + " vs " + found);
          TreeSet<String> required = new TreeSet<>(expected.strings("required"));
          TreeSet<String> marked = new TreeSet<>(actual.strings("required"));
          for (String field : names) {
            count(
                "required",
                required.contains(field) == marked.contains(field),
                name + "." + field + " " + required.contains(field));
          }
          if (expected.has("x-kubernetes-group-version-kind")
              || actual.has("x-kubernetes-group-version-kind")) {
            List<JsonObject> kinds = actual.objects("x-kubernetes-group-version-kind");
            count(
                "kinds",
                new HashSet<>(expected.objects("x-kubernetes-group-version-kind"))
                    .equals(new HashSet<>(kinds)),
                name + " " + kinds);
          }
          count(
              "descriptions",
              words(expected.text("description")).equals(words(actual.text("description"))),
              name);
          fields.forEach(
              (field, one) -> {
                if (one instanceof JsonObject left
                    && actual.object("properties").get(field).orElse(null)
                        instanceof JsonObject right) {
                  compareField(name + "." + field, left, right);
                }
              });
        });
  }

  private void compareField(String where, JsonObject expected, JsonObject actual) {
    count(
        "types",
        shape(expected).equals(shape(actual)),
        where + " " + shape(expected) + " vs " + shape(actual));
    if (!expected.text("x-kubernetes-list-type").isEmpty()) {
      String type = actual.text("x-kubernetes-list-type");
      count(
          "list types",
          expected.text("x-kubernetes-list-type").equals(type.isEmpty() ? "atomic" : type),
          where);
    }
    if (expected.has("default") || actual.has("default")) {
      count(
          "defaults",
          expected.get("default").equals(actual.get("default")),
          where + " " + expected.get("default") + " vs " + actual.get("default"));
    }
    same("map keys", "x-kubernetes-list-map-keys", where, expected, actual);
    same("merge keys", "x-kubernetes-patch-merge-key", where, expected, actual);
    same("strategies", "x-kubernetes-patch-strategy", where, expected, actual);
    count(
        "descriptions",
        words(expected.text("description")).equals(words(actual.text("description"))),
        where);
  }

  private void same(
      String subject, String keyword, String where, JsonObject expected, JsonObject actual) {
    if (expected.has(keyword) || actual.has(keyword)) {
      count(subject, expected.get(keyword).equals(actual.get(keyword)), where);
    }
  }

  /**
   * Without line breaks, which protoc does not keep, and without the values of enumerations, which
   * upstream's generator reads from Go constants.
   */
  private static String words(String text) {
    int at = text.indexOf("Possible enum values:");
    return (at < 0 ? text : text.substring(0, at)).strip().replaceAll("\\s+", " ");
  }

  private static String shape(JsonObject schema) {
    if (schema.has("allOf")) {
      return shape(schema.objects("allOf").getFirst());
    }
    if (schema.has("$ref")) {
      return schema.text("$ref");
    }
    return schema.text("type")
        + schema.text("format")
        + (schema.has("items") ? "[" + shape(schema.object("items")) + "]" : "")
        + (schema.has("additionalProperties")
            ? "{" + shape(schema.object("additionalProperties")) + "}"
            : "");
  }

  private void comparePaths(JsonObject upstream, JsonObject ours) {
    upstream.forEach(
        (path, value) -> {
          if (path.contains("/watch/") || !(value instanceof JsonObject item)) {
            return;
          }
          item.forEach(
              (method, operation) -> {
                if (operation instanceof JsonObject expected && expected.has("responses")) {
                  JsonObject actual = ours.object(path, method);
                  count(
                      "operations",
                      expected.get("x-kubernetes-action").equals(actual.get("x-kubernetes-action"))
                          && expected
                              .get("x-kubernetes-group-version-kind")
                              .equals(actual.get("x-kubernetes-group-version-kind")),
                      method + " " + path);
                  for (String part : List.of("operationId", "tags", "description")) {
                    count(
                        "operations' " + part,
                        expected.get(part).equals(actual.get(part)),
                        method + " " + path);
                  }
                  count(
                      "operations' responses",
                      new HashSet<>(expected.object("responses").names())
                          .equals(new HashSet<>(actual.object("responses").names())),
                      method + " " + path);
                  Set<String> wanted = parameters(item, expected);
                  wanted.removeAll(BEHIND_GATES);
                  Set<String> told = parameters(ours.object(path), actual);
                  count(
                      "operations' parameters",
                      wanted.equals(told),
                      method + " " + path + " " + wanted + " vs " + told);
                }
              });
        });
  }

  private static Set<String> parameters(JsonObject item, JsonObject operation) {
    return Stream.of(item, operation)
        .flatMap(each -> each.objects("parameters").stream())
        .map(each -> each.text("in") + " " + each.text("name") + " " + each.text("schema", "type"))
        .collect(Collectors.toCollection(TreeSet::new));
  }

  /** The document with a path of discovery, such as {@code /apis/apps/v1/}. */
  private static JsonObject document(String path) {
    String root = path.substring(1, path.length() - 1);
    String[] parts = root.split("/");
    if (parts.length == 3) {
      return document(parts[1], parts[2]);
    }
    return root.equals("api/v1") ? document("", "v1") : OpenApi.v3(root);
  }

  private static JsonObject document(String group, String version) {
    return OpenApi.v3(
        group,
        version,
        BuiltinResources.all().stream()
            .filter(
                resource ->
                    resource.type().group().equals(group)
                        && resource.type().version().equals(version))
            .map(OpenApi.Resource::of)
            .toList());
  }

  @Test
  void everyReferenceIsDefined() {
    JsonObject v2 = OpenApi.v2(BuiltinResources.all().stream().map(OpenApi.Resource::of).toList());
    assertReferences(v2, "#/definitions/", v2.object("definitions"));
    for (String version : List.of("v1", "v2")) {
      JsonObject v3 = document("autoscaling", version);
      assertReferences(v3, "#/components/schemas/", v3.object("components", "schemas"));
    }
    System.out.printf(
        "OpenAPI v2: %d definitions, %d paths, %d bytes%n",
        v2.object("definitions").size(), v2.object("paths").size(), Json.bytes(v2).length);
  }

  @Test
  void customResourceIsDescribed() {
    ResourceType type = new ResourceType("example.com", "v1", "widgets", "Widget", true);
    var schema =
        SchemaFromCrd.of(
            Json.parseObject(
                """
                {"type":"object","description":"A widget.","properties":{"spec":{"type":"object",
                 "required":["size"],"properties":{"size":{"type":"integer","format":"int32","minimum":1,
                 "default":2,"description":"How large."}}}}}
                """),
            BuiltinSchemas.definition("io.k8s.apimachinery.pkg.apis.meta.v1.ObjectMeta"));
    JsonObject document =
        OpenApi.v3(
            "example.com",
            "v1",
            List.of(
                new OpenApi.Resource(
                    type, Set.of("get", "list", "create", "patch"), List.of(), schema)));

    JsonObject schemas = document.object("components", "schemas");
    assertReferences(document, "#/components/schemas/", schemas);
    JsonObject size =
        schemas.object("com.example.v1.Widget", "properties", "spec", "properties", "size");
    assertThat(size)
        .isEqualTo(
            Json.parseObject(
                """
                {"type":"integer","format":"int32","minimum":1,"default":2,"description":"How large."}
                """));
    assertThat(
            document
                .object(
                    "paths", "/apis/example.com/v1/namespaces/{namespace}/widgets/{name}", "patch")
                .objects("parameters"))
        .extracting(parameter -> parameter.text("name"))
        .contains("fieldValidation");
  }

  @Test
  void customKindThatIsNamedLikeABuiltinOneIsDescribedAsItself() {
    ResourceType type =
        new ResourceType("apps.example.com", "v1", "deployments", "Deployment", true);
    var schema =
        SchemaFromCrd.of(
            Json.parseObject(
                """
                {"type":"object","properties":{"spec":{"type":"object","properties":{"size":{"type":"integer"}}}}}
                """),
            BuiltinSchemas.definition("io.k8s.apimachinery.pkg.apis.meta.v1.ObjectMeta"));
    JsonObject document =
        OpenApi.v3(
            "apps.example.com",
            "v1",
            List.of(new OpenApi.Resource(type, Set.of("get", "list"), List.of(), schema)));

    JsonObject schemas = document.object("components", "schemas");
    assertReferences(document, "#/components/schemas/", schemas);
    assertThat(
            schemas.object(
                "com.example.apps.v1.Deployment", "properties", "spec", "properties", "size"))
        .isEqualTo(JsonObject.of("type", "integer"));
    assertThat(schemas.has("io.k8s.api.apps.v1.Deployment")).isFalse();
  }

  /** Upstream's rules: {@code apiextensions/pkg/controller/openapi} drops what v2 cannot say. */
  @Test
  void customResourceIsToldInV2AsFarAsItGoes() {
    ResourceType type = new ResourceType("example.com", "v1", "widgets", "Widget", true);
    var meta = BuiltinSchemas.definition("io.k8s.apimachinery.pkg.apis.meta.v1.ObjectMeta");
    var closed =
        SchemaFromCrd.of(
            Json.parseObject(
                """
                {"type":"object","required":["may"],"properties":{
                  "spec":{"type":"string","description":"Mine."},
                  "may":{"type":"string","nullable":true,"enum":["a"]},
                  "free":{"type":"object","x-kubernetes-preserve-unknown-fields":true,
                    "properties":{"a":{"type":"string"}}},
                  "either":{"type":"object","oneOf":[{"required":["a"]}],"properties":{"a":{"type":"string"}}},
                  "inner":{"type":"object","x-kubernetes-embedded-resource":true,"properties":{}}}}
                """),
            meta);
    JsonObject widget =
        v2(type, closed)
            .object("definitions", "com.example.v1.Widget")
            .without("x-kubernetes-group-version-kind");
    JsonObject properties = widget.object("properties");
    assertThat(widget.has("required")).isFalse();
    assertThat(properties.object("may")).isEqualTo(Json.parseObject("{\"enum\":[\"a\"]}"));
    assertThat(properties.object("free"))
        .isEqualTo(Json.parseObject("{\"x-kubernetes-preserve-unknown-fields\":true}"));
    assertThat(properties.object("either").has("oneOf")).isFalse();
    assertThat(properties.object("inner").strings("required"))
        .containsExactly("kind", "apiVersion");
    assertThat(properties.object("inner").text("properties", "kind", "description"))
        .startsWith("kind is a string value representing the type");
    assertThat(properties.text("spec", "description")).isEqualTo("Mine.");
    assertThat(properties.text("apiVersion", "description"))
        .startsWith("APIVersion defines the versioned schema");

    var open =
        SchemaFromCrd.of(
            Json.parseObject(
                """
                {"type":"object","description":"Anything.","x-kubernetes-preserve-unknown-fields":true}
                """),
            meta);
    assertThat(
            v2(type, open)
                .object("definitions", "com.example.v1.Widget")
                .without("x-kubernetes-group-version-kind"))
        .isEqualTo(JsonObject.of("type", "object"));
  }

  private static JsonObject v2(ResourceType type, dev.kedge.model.Schema schema) {
    return OpenApi.v2(
        List.of(new OpenApi.Resource(type, Set.of("get", "list"), List.of(), schema)));
  }

  private static void assertReferences(JsonValue value, String prefix, JsonObject defined) {
    switch (value) {
      case JsonObject object -> {
        String reference = object.text("$ref");
        if (!reference.isEmpty()) {
          assertThat(defined.has(reference.substring(prefix.length()))).as(reference).isTrue();
        }
        object.forEach((_, inner) -> assertReferences(inner, prefix, defined));
      }
      case JsonArray array ->
          array.items().forEach(item -> assertReferences(item, prefix, defined));
      default -> {}
    }
  }

  @Test
  void fieldsWithFewValuesListThem() {
    for (String field : new Enumerations().fields()) {
      int dot = field.lastIndexOf('.');
      assertThat(BuiltinSchemas.definition(field.substring(0, dot)).field(field.substring(dot + 1)))
          .as(field)
          .isPresent();
    }
    JsonObject schemas =
        OpenApi.v3(
                "",
                "v1",
                BuiltinResources.all().stream()
                    .filter(resource -> resource.type().apiVersion().equals("v1"))
                    .map(OpenApi.Resource::of)
                    .toList())
            .object("components", "schemas");
    JsonObject policy =
        schemas.object("io.k8s.api.core.v1.Container").object("properties", "imagePullPolicy");
    assertThat(policy.strings("enum")).containsExactly("Always", "IfNotPresent", "Never");
    assertThat(policy.text("description"))
        .endsWith(
            """


            Possible enum values:
             - `"Always"`
             - `"IfNotPresent"`
             - `"Never"`\
            """);
    JsonObject modes =
        schemas
            .object("io.k8s.api.core.v1.PersistentVolumeClaimSpec")
            .object("properties", "accessModes");
    assertThat(modes.has("enum")).isFalse();
    assertThat(modes.object("items").strings("enum"))
        .containsExactly("ReadOnlyMany", "ReadWriteMany", "ReadWriteOnce", "ReadWriteOncePod");
  }
}
