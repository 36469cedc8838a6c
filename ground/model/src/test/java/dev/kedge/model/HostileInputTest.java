package dev.kedge.model;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Set;
import java.util.function.Supplier;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

/** What is malformed, deep, huge or cut off is refused in few words, time and memory. */
class HostileInputTest {
  private static final String UPSTREAM = "../shared/oracle/kubernetes-1.36/api-testdata";

  private static final List<String> OBJECTS =
      List.of(
          """
          {"apiVersion":"apps/v1","kind":"Deployment","metadata":{"name":"a","labels":{"a":"b"}},
           "spec":{"replicas":3,"template":{"spec":{"containers":[{"name":"a","image":"b",
           "ports":[{"containerPort":80}],"resources":{"limits":{"cpu":"100m"}}}]}}}}
          """,
          "[1, -2, 1.5e300, 12345678901234567890, \"\\u00e9\\ud83d\\ude00\", null, true, {}, []]",
          """
          base: &base {a: 1, b: [x, 'y', "z"]}
          more: &more
            <<: *base
            c: |
              text
                indented
            d: >-
              folded
              text
          list: [*base, *more, 0o17, 0x1f, .5, 1_000, yes, ~, 2001-01-01, !!str 5]
          ? {complex: key}
          : value
          """,
          "--- a\n--- b\n...\n%YAML 1.1\n---\n'c'\n");

  private static List<byte[]> documents(String ending) {
    List<byte[]> all = new ArrayList<>(Fuzz.files(UPSTREAM, ending));
    OBJECTS.forEach(text -> all.add(text.getBytes(StandardCharsets.UTF_8)));
    return all;
  }

  @Test
  void json() {
    Fuzz.run(
        "JSON",
        documents(".json"),
        Set.of(JsonSyntaxException.class),
        input -> {
          JsonValue value = Json.parse(input, new LinkedHashSet<>());
          assertThat(Json.parse(Json.bytes(value))).isEqualTo(value);
          assertThat(Json.parse(Json.pretty(value))).isEqualTo(value);
        });
  }

  @Test
  void yaml() {
    Fuzz.run(
        "YAML",
        documents(".yaml"),
        Set.of(JsonSyntaxException.class),
        input -> {
          Yaml.parse(input, new LinkedHashSet<>());
          for (JsonValue value : Yaml.parseAll(input)) {
            assertThat(Yaml.parse(Yaml.write(value))).isEqualTo(value);
            assertThat(Json.parse(Json.bytes(value))).isEqualTo(value);
          }
        });
  }

  @Test
  void patches() {
    JsonObject document = Json.parseObject(OBJECTS.getFirst());
    List<String> seeds =
        List.of(
            """
            [{"op":"add","path":"/spec/a~1b","value":[1]},{"op":"copy","from":"/spec","path":"/x"},
             {"op":"move","from":"/x/template","path":"/spec/template/spec/containers/0/y"},
             {"op":"test","path":"/spec/replicas","value":3},{"op":"remove","path":"/metadata"},
             {"op":"replace","path":"/spec/template/spec/containers/-1","value":{}}]
            """,
            """
            {"metadata":{"labels":{"a":null,"c":"d"}},"spec":{"template":{"spec":{"containers":[
             {"name":"a","image":"c"},{"$patch":"delete","name":"b"}],
             "$setElementOrder/containers":[{"name":"b"},{"name":"a"}],"$retainKeys":["containers"]}}},
             "$deleteFromPrimitiveList/finalizers":["x"],"apiVersion":"apps/v1","kind":"Deployment"}
            """);
    Fuzz.texts(
        "patches",
        seeds,
        Set.of(ApiException.class, JsonSyntaxException.class),
        input -> {
          JsonValue patch = Json.parse(input);
          for (Supplier<JsonValue> applied :
              List.<Supplier<JsonValue>>of(
                  () -> JsonPatch.apply(document, patch),
                  () -> MergePatch.apply(document, patch),
                  () -> StrategicMergePatch.apply(document, patch, TestSchemas.DEPLOYMENT),
                  () ->
                      ServerSideApply.applied(
                          document,
                          (JsonObject) MergePatch.apply(JsonObject.EMPTY, patch),
                          "m",
                          true,
                          TestSchemas.DEPLOYMENT,
                          "",
                          java.time.Instant.EPOCH))) {
            try {
              Json.bytes(applied.get());
            } catch (ApiException e) {
              assertThat(e.getMessage()).isNotEmpty();
            }
          }
        });
  }

  @Test
  void smallLanguages() {
    List<String> seeds =
        List.of(
            "a=b,c!=d,e in (f,g),h notin (i),!j,k,l>5,example.com/m==n",
            "metadata.name=a,spec.nodeName!=b\\,c,status.phase==Running",
            "1.5Gi",
            "1e3",
            "-100m",
            "1h2m3.5s",
            "{range .items[*]}{.metadata.name}{\"\\t\"}"
                + "{.status.conditions[?(@.type==\"Ready\")].status}{end}",
            ".spec.containers[-1:].ports[0,1]['a.b'].x..y");
    JsonObject document = Json.parseObject(OBJECTS.getFirst());
    Fuzz.texts(
        "selectors, quantities, durations, paths",
        seeds,
        Set.of(),
        input -> {
          String text = new String(input, StandardCharsets.UTF_8);
          refusing(() -> LabelSelector.parse(text).toString());
          refusing(() -> FieldSelector.parse(text).matches(document));
          refusing(() -> Quantity.parse(text).toString());
          refusing(() -> Durations.find(text).map(Durations::text));
          refusing(() -> JsonPath.template(text).print(document));
          refusing(() -> JsonPath.path(text).find(document));
        });
  }

  @Test
  void fieldSets() {
    Fuzz.texts(
        "field sets",
        List.of(
            """
            {"f:metadata":{"f:labels":{".":{},"f:a":{}}},"f:spec":{"f:containers":{
             "k:{\\"name\\":\\"a\\"}":{".":{},"f:image":{}}},"f:list":{"v:\\"x\\"":{},"i:3":{}}}}
            """),
        Set.of(IllegalArgumentException.class, JsonSyntaxException.class),
        input -> {
          FieldSet set = FieldSet.parse(Json.parseObject(input));
          assertThat(FieldSet.parse(set.json())).isEqualTo(set);
        });
  }

  private static void refusing(Supplier<?> action) {
    try {
      action.get();
    } catch (ApiException | IllegalArgumentException e) {
      assertThat(e.getMessage()).isNotEmpty();
    }
  }

  /** Inputs of the size a request may have, each made to cost much more than that. */
  private enum Bomb {
    OPEN_ARRAYS("[".repeat(3_000_000), true),
    OPEN_OBJECTS("{\"a\":".repeat(600_000), true),
    LONG_NAME_OVER_MANY_ITEMS(
        "{\"" + "n".repeat(1_000_000) + "\":[0" + ",0".repeat(900_000) + "]}", false),
    LONG_NAMES_IN_EACH_OTHER(
        ("{\"" + "n".repeat(6_000) + "\":").repeat(450) + "0" + "}".repeat(450), false),
    LONG_NUMBER("1".repeat(3_000_000), true),
    MANY_NAMES(
        "{"
            + String.join(
                ",", IntStream.range(0, 300_000).mapToObj(i -> "\"" + i + "\":0").toList())
            + "}",
        false),
    YAML_OPEN_LISTS("- ".repeat(1_500_000), true),
    YAML_OPEN_FLOW("{a: ".repeat(700_000), true),
    YAML_OPEN_KEYS("? ".repeat(1_000_000), true),
    YAML_LAUGHS(
        "a: &a [x,x,x,x,x,x,x,x,x]\n"
            + IntStream.range(1, 9)
                .mapToObj(
                    i ->
                        "%c: &%c [%s]\n"
                            .formatted(
                                'a' + i,
                                'a' + i,
                                String.join(
                                    ",",
                                    java.util.Collections.nCopies(9, "*" + (char) ('a' + i - 1)))))
                .reduce("", String::concat),
        true),
    YAML_LONG_LIST_OFTEN(
        "a: &a [" + "x,".repeat(20_000) + "]\nb: [" + "*a,".repeat(200_000) + "]\n", true),
    YAML_LONG_TEXT_OFTEN(
        "a: &a " + "x".repeat(1_000_000) + "\nb: [" + "*a,".repeat(300_000) + "]\n", true),
    YAML_MERGES(
        "a: &a {"
            + String.join(", ", IntStream.range(0, 20_000).mapToObj(i -> "k" + i + ": 0").toList())
            + "}\nb: ["
            + "{<<: *a},".repeat(100_000)
            + "]\n",
        true),
    YAML_LONG_NAME_OVER_MANY_ITEMS("n".repeat(1_000) + ":\n" + "- 0\n".repeat(500_000), false);

    private final String text;
    private final boolean refused;

    Bomb(String text, boolean refused) {
      this.text = text;
      this.refused = refused;
    }
  }

  @ParameterizedTest
  @EnumSource
  void bombs(Bomb bomb) {
    byte[] bytes = bomb.text.getBytes(StandardCharsets.UTF_8);
    boolean[] refused = new boolean[1];
    Fuzz.Decoder decoder =
        input -> {
          try {
            JsonValue value =
                bomb.name().startsWith("YAML")
                    ? Yaml.parse(input, new LinkedHashSet<>())
                    : Json.parse(input, new LinkedHashSet<>());
            assertThat(Json.bytes(value).length).isLessThan(64 << 20);
          } catch (JsonSyntaxException e) {
            refused[0] = true;
            throw e;
          }
        };
    Fuzz.feed(bomb.name(), bytes, Set.of(JsonSyntaxException.class), decoder);
    assertThat(refused[0]).isEqualTo(bomb.refused);
  }

  @Test
  void copiesOfCopiesAreCounted() {
    StringBuilder patch =
        new StringBuilder("[{\"op\":\"add\",\"path\":\"/a\",\"value\":\"xxxxxxxxxx\"}");
    patch.append(",{\"op\":\"add\",\"path\":\"/l\",\"value\":[]}");
    for (int i = 0; i < 9_000; i++) {
      patch.append(",{\"op\":\"copy\",\"from\":\"/l\",\"path\":\"/l/-\"}");
    }
    JsonValue operations = Json.parse(patch.append(']').toString());

    assertThatThrownBy(() -> JsonPatch.apply(JsonObject.EMPTY, operations))
        .isInstanceOfSatisfying(
            ApiException.class,
            e -> {
              assertThat(e.code()).isEqualTo(422);
              assertThat(e.getCause())
                  .hasMessageStartingWith(
                      "Unable to complete the copy, the accumulated size increase of copy is")
                  .hasMessageEndingWith("exceeding the limit 3145728");
            });
  }

  @Test
  void patchesMakeNothingDeeperThanADocumentMayBe() {
    String deep = "{\"a\":".repeat(400) + "{}" + "}".repeat(400);
    String path = "/a".repeat(399);
    StringBuilder patch = new StringBuilder("[");
    for (int i = 1; i < 50; i++) {
      patch
          .append(i == 1 ? "" : ",")
          .append("{\"op\":\"add\",\"path\":\"")
          .append(path.repeat(i))
          .append("\",\"value\":")
          .append(deep)
          .append('}');
    }
    JsonValue operations = Json.parse(patch.append(']').toString());

    assertThatThrownBy(() -> JsonPatch.apply(Json.parse(deep), operations))
        .isInstanceOfSatisfying(ApiException.class, e -> assertThat(e.code()).isEqualTo(422));
  }

  @Test
  void manyNamesInAPatchTakeTheirTimeOnce() {
    byte[] many = Bomb.MANY_NAMES.text.getBytes(StandardCharsets.UTF_8);
    Fuzz.feed(
        "merge patch of many names",
        many,
        Set.of(),
        input -> {
          JsonObject patch = Json.parseObject(input);
          JsonObject once = MergePatch.apply(JsonObject.EMPTY, patch);
          assertThat(MergePatch.apply(once, patch)).isEqualTo(patch);
          assertThat(MergePatch.create(once, JsonObject.EMPTY).size()).isEqualTo(patch.size());
        });
  }

  @Test
  void aPatternDoesNotRunAway() {
    Schema schema =
        SchemaFromCrd.of(
            Json.parseObject(
                """
                {"type":"object","properties":{"a":{"type":"string","pattern":"^(a+)+$"}}}
                """),
            TestSchemas.METADATA);
    Fuzz.texts(
        "patterns",
        List.of("a".repeat(40) + "b"),
        Set.of(),
        input ->
            SchemaValidator.validate(
                schema, JsonObject.of("a", new String(input, StandardCharsets.UTF_8))));
  }
}
