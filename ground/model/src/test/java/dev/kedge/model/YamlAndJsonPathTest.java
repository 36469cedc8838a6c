package dev.kedge.model;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.catchThrowableOfType;

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.LinkedHashSet;
import java.util.Set;
import java.util.stream.Stream;
import org.junit.jupiter.api.Assumptions;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

class YamlAndJsonPathTest {
  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      quoteCharacter = '`',
      value = {
        "yes|true",
        "off|false",
        "True|true",
        "y|true",
        "~|null",
        "null|null",
        "|null",
        "0644|420",
        "0x1F|31",
        "0o17|15",
        "1_000|1000",
        "08|8",
        "1e3|1000",
        "1.5|1.5",
        "-3|-3",
        "'yes'|\"yes\"",
        "\"1\"|\"1\"",
        "1.2.3|\"1.2.3\"",
        "2001-01-01|\"2001-01-01\"",
        "12:30|\"12:30\"",
        "!!str 5|\"5\"",
        "+|\"+\"",
        "9223372036854775807|9223372036854775807",
      })
  void scalars(String yaml, String json) {
    String text = yaml == null ? "" : yaml;
    assertThat(((JsonObject) Yaml.parse("a: " + text + "\n")).get("a").orElseThrow().toString())
        .isEqualTo(json);
  }

  @Test
  void documentsKeysMergesAndDuplicates() {
    assertThat(Yaml.parseAll("---\na: 1\n---\n# nothing\n---\nb: 2\n")).hasSize(2);
    assertThat(Yaml.parse("1: a\ntrue: b\n").toString()).isEqualTo("{\"1\":\"a\",\"true\":\"b\"}");
    assertThat(Yaml.parse("x: &x {a: 1}\nz:\n  <<: *x\n  b: 2\n").toString())
        .isEqualTo("{\"x\":{\"a\":1},\"z\":{\"b\":2,\"a\":1}}");
    Set<String> duplicates = new LinkedHashSet<>();
    assertThat(
            Yaml.parse("spec:\n  a: 1\n  a: 2\n".getBytes(StandardCharsets.UTF_8), duplicates)
                .toString())
        .isEqualTo("{\"spec\":{\"a\":2}}");
    assertThat(duplicates).containsExactly("line 3: key \"a\" already set in map");
    assertThat(Yaml.parse("{\"a\":\n\t1}").toString()).isEqualTo("{\"a\":1}");
    assertThat(Yaml.parse("{a: b}").toString()).isEqualTo("{\"a\":\"b\"}");
  }

  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      value = {"'a: b: c'|1|5", "'a: 1\n  b: 2'|2|4", "'a: [1'|1|6", "'a:\n\t- b'|2|1"})
  void faultsHavePlaces(String yaml, int line, int column) {
    JsonSyntaxException e =
        catchThrowableOfType(JsonSyntaxException.class, () -> Yaml.parse(yaml.replace("'", "")));
    assertThat(e.line()).isEqualTo(line);
    assertThat(e.column()).isEqualTo(column);
    assertThat(e.getMessage()).isNotBlank();
  }

  @Test
  void bombsAndCyclesAreRefused() {
    StringBuilder bomb = new StringBuilder("a0: &a0 [x,x,x,x,x,x,x,x,x,x]\n");
    for (int i = 1; i < 9; i++) {
      bomb.append("a%d: &a%d [".formatted(i, i));
      bomb.append("*a%d,".formatted(i - 1).repeat(10)).append("]\n");
    }
    assertThat(
            catchThrowableOfType(JsonSyntaxException.class, () -> Yaml.parse(bomb.toString()))
                .getMessage())
        .isEqualTo("document contains excessive aliasing");
    assertThat(catchThrowableOfType(JsonSyntaxException.class, () -> Yaml.parse("&a [*a]")))
        .isNotNull();
    assertThat(
            catchThrowableOfType(
                JsonSyntaxException.class, () -> Yaml.parse("[".repeat(2000) + "]".repeat(2000))))
        .isNotNull();
  }

  @Test
  void writesAsKubectlDoes() {
    JsonValue value =
        Json.parse(
            """
            {"b":"true","a":["x",{"k":"v","l":[1,[2]]}],"n":null,"e":{},"s":" lead","t":"a: b","u":"two\\nlines\\n",
             "v":"no end\\nhere","w":"tab\\tbed","x":"2024-01-01T00:00:00Z","y":"","z":"it's: so","f":1.5,
             "long":"%s"}
            """
                .formatted("word ".repeat(25).strip()));
    assertThat(Yaml.write(value))
        .isEqualTo(
            """
            a:
            - x
            - k: v
              l:
              - 1
              - - 2
            b: "true"
            e: {}
            f: 1.5
            long: word word word word word word word word word word word word word word word word
              word word word word word word word word word
            "n": null
            s: ' lead'
            t: 'a: b'
            u: |
              two
              lines
            v: |-
              no end
              here
            w: "tab\\tbed"
            x: "2024-01-01T00:00:00Z"
            "y": ""
            z: 'it''s: so'
            """);
  }

  @ParameterizedTest
  @ValueSource(
      strings = {
        "",
        " ",
        "a b ",
        "\n",
        "\n\n",
        "a\n\nb\n\n",
        " a\nb",
        "a \nb",
        "- x",
        "-",
        "#",
        "a #b",
        "a:",
        "---",
        "%",
        "null",
        "~",
        "<<",
        "0x1g",
        "1:30",
        "é",
        "😀",
        "\u0001",
        "\u2028",
        "a\r\nb",
        "`",
        "@",
        "?",
        "? a",
        "!x",
        "=",
        "\"",
        "'",
        "\\",
        "{a}",
        "a,b",
        "yes",
        "1e5",
        "0b1",
        "..."
      })
  void whatIsWrittenIsReadAgain(String text) {
    for (String padded : Set.of(text, text + " and ".repeat(40) + text)) {
      JsonObject value = JsonObject.of("k", padded, "l", JsonArray.of(padded));
      assertThat(Yaml.parse(Yaml.write(value))).isEqualTo(value);
      JsonObject key = JsonObject.of(padded, 1);
      assertThat(Yaml.parse(Yaml.write(key))).isEqualTo(key);
    }
  }

  static Stream<Path> upstreamObjects() throws IOException {
    Path folder =
        Path.of(System.getProperty("kedge.root"))
            .resolve("../shared/oracle/kubernetes-1.36/api-testdata");
    return Files.isDirectory(folder)
        ? Files.list(folder).filter(p -> p.toString().endsWith(".yaml"))
        : Stream.empty();
  }

  @Test
  void upstreamsObjectsAreReadAndWrittenByteForByte() throws IOException {
    int count = 0;
    for (Path yaml : upstreamObjects().sorted().toList()) {
      Path json = yaml.resolveSibling(yaml.getFileName().toString().replace(".yaml", ".json"));
      JsonValue expected = Json.parse(Files.readAllBytes(json));
      assertThat(Yaml.parse(Files.readAllBytes(yaml))).as(yaml.toString()).isEqualTo(expected);
      assertThat(Yaml.write(expected)).as(yaml.toString()).isEqualTo(Files.readString(yaml));
      count++;
    }
    Assumptions.assumeTrue(count > 0, "upstream's objects (../shared/oracle) are not here");
  }

  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      quoteCharacter = '`',
      value = {
        "{.items[*].metadata.name}|a b",
        "{range .items[*]}{.metadata.name}{\"\\t\"}{.n}{\",\"}{end}|a\t1,b\t2,",
        "{.items[?(@.n>1)].metadata.name}|b",
        "{.items[?(@.metadata.name==\"a\")].n}|1",
        "{.items[0].c[?(@.type==\"Ready\")].status}|True",
        "{.items[-1].metadata.name}|b",
        "{.items[0:1].metadata.name}|a",
        "{.items[0]['n','m']}|1 x",
        "{..name}|a b",
        "{.items[0].metadata.labels.app\\.kubernetes\\.io/name}|q",
        "{.items[0].metadata}|{\"name\":\"a\",\"labels\":{\"app.kubernetes.io/name\":\"q\"}}",
        "name={.items[0].metadata.name}|name=a",
        "{.missing.x}|",
        "{$.items[1].n}|2",
      })
  void jsonPath(String template, String expected) {
    JsonValue value =
        Json.parse(
            """
            {"items":[{"metadata":{"name":"a","labels":{"app.kubernetes.io/name":"q"}},"n":1,"m":"x",
              "c":[{"type":"Ready","status":"True"},{"type":"Other","status":"False"}]},
             {"metadata":{"name":"b"},"n":2}]}
            """);
    assertThat(JsonPath.template(template).print(value))
        .isEqualTo(expected == null ? "" : expected);
  }

  @ParameterizedTest
  @ValueSource(strings = {"{.a", "{.a[}", "{range .a}x", "{end}", "{.a[?(@.b==x)]}", "{foo}"})
  void jsonPathFaults(String template) {
    assertThat(
            catchThrowableOfType(IllegalArgumentException.class, () -> JsonPath.template(template)))
        .isNotNull();
  }
}
