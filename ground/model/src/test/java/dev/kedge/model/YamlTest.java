package dev.kedge.model;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.nio.charset.StandardCharsets;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Set;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

class YamlTest {
  @Test
  void readsWhatPeopleWrite() {
    JsonObject read =
        (JsonObject)
            Yaml.parse(
                """
                base: &base {a: 1, b: two}
                merged:
                  <<: *base
                  b: 3
                mode: 0644
                octal: 0o17
                text: "yes"
                float: 1.5
                none: ~
                flag: True
                time: 2026-01-01T00:00:00Z
                1: one
                script: |
                  a
                  b
                list:
                - x
                - - z
                """);
    assertThat(read)
        .isEqualTo(
            Json.parseObject(
                """
                {"base":{"a":1,"b":"two"},"merged":{"a":1,"b":3},"mode":420,"octal":15,"text":"yes",
                 "float":1.5,"none":null,"flag":true,"time":"2026-01-01T00:00:00Z","1":"one",
                 "script":"a\\nb\\n","list":["x",["z"]]}
                """));
  }

  @Test
  void saysWhereAFaultIs() {
    assertThatThrownBy(() -> Yaml.parse("a: 1\nb: [1, 2\nc: 3\n"))
        .isInstanceOfSatisfying(JsonSyntaxException.class, e -> assertThat(e.line()).isEqualTo(3));
  }

  @Test
  void reportsRepeatedNames() {
    Set<String> duplicates = new LinkedHashSet<>();
    JsonValue read =
        Yaml.parse("spec:\n  a: 1\n  a: 2\n".getBytes(StandardCharsets.UTF_8), duplicates);
    assertThat(read).isEqualTo(Json.parseObject("{\"spec\":{\"a\":2}}"));
    assertThat(duplicates).containsExactly("line 3: key \"a\" already set in map");
  }

  @Test
  void writesAsKubectlShowsObjects() {
    JsonValue value =
        Json.parse(
            """
            {"kind":"Pod","apiVersion":"v1","metadata":{"labels":{},"name":"a","annotations":{"x":"true","y":"1","z":"2026-01-01T00:00:00Z"}},
             "spec":{"containers":[{"name":"c","args":["-c","a: b","*","# no",""],"env":[]}],"script":"a\\nb\\n"}}
            """);
    assertThat(Yaml.write(value))
        .isEqualTo(
            """
            apiVersion: v1
            kind: Pod
            metadata:
              annotations:
                x: "true"
                "y": "1"
                z: "2026-01-01T00:00:00Z"
              labels: {}
              name: a
            spec:
              containers:
              - args:
                - -c
                - 'a: b'
                - '*'
                - '# no'
                - ""
                env: []
                name: c
              script: |
                a
                b
            """);
  }

  @Test
  void aFaultAtTheEndOfATextThatHasTwoUnitsInOneCharacter() {
    assertThatThrownBy(() -> Yaml.parse("a: 1\n\ud83d\ude00"))
        .isInstanceOf(JsonSyntaxException.class);
  }

  /** Which tabs are taken for spaces, as goyaml takes them. */
  @ParameterizedTest
  @CsvSource(
      delimiterString = "=>",
      textBlock =
          """
          key:\\tvalue                                   => {"key":"value"}
          key:\\tvalue\\t# comment                       => {"key":"value"}
          \ud83d\ude00: 1\\nkey:\\tvalue                  => {"\ud83d\ude00":1,"key":"value"}
          key:\\t\\n  a:\\t\\t1\\n  b: |\\n    c:\\td\\n      => {"key":{"a":1,"b":"c:\\td\\n"}}
          a: &x\\tb                                     => {"a":"b"}
          a: !!str\\t5                                  => {"a":"5"}
          "a"\\t: b                                     => {"a":"b"}
          {\\n\\ta: [{\\n\\t\\tb: 1,\\n\\t\\t}],\\n\\t}         => {"a":[{"b":1}]}
          {\\n\\t a: 1,\\n\\t  b:\\t "x\\n\\ty",\\n}            => {"a":1,"b":"x y"}
          a: 1\\n \\t# comment\\nb: 2                   => {"a":1,"b":2}
          a:\\n\\tb: 1                                  => found character that cannot start any token
          -\\ta                                         => found character that cannot start any token
          a:\\n  -\\tb: 1                               => found character that cannot start any token
          """)
  void tabs(String written, String expected) {
    String yaml = written.replace("\\t", "\t").replace("\\n", "\n");
    if (expected.startsWith("found")) {
      assertThatThrownBy(() -> Yaml.parse(yaml))
          .isInstanceOf(JsonSyntaxException.class)
          .hasMessageContaining(expected);
    } else {
      assertThat(Yaml.parse(yaml).toString()).isEqualTo(expected);
    }
  }

  @ParameterizedTest
  @ValueSource(
      strings = {
        "",
        " ",
        "a",
        "- a",
        "-",
        "a:",
        "a: b",
        "a #b",
        "1",
        "0x1f",
        "1e3",
        ".5",
        "null",
        "yes",
        "'",
        "\"",
        "a\nb",
        "a\n",
        "a\n\n",
        "\na",
        " a\nb",
        "a\tb",
        "a\n  b\n",
        "!x",
        "{}",
        "[",
        "é",
        "12:30",
        "---",
        "--- x",
        "...",
        "@a",
        "%a",
        "a\\b",
        "=",
        "<<",
        "~",
        "2026-01-01",
        "a\n\n\nb",
        "1_000"
      })
  void readsWhatItWrites(String text) {
    JsonValue value = JsonObject.of("k", text, text, JsonArray.of(text, JsonObject.of("a", text)));
    assertThat(Yaml.parse(Yaml.write(value))).isEqualTo(value);
  }

  @Test
  void halvesOfSurrogatePairsAreNoCharacters() {
    assertThat(Yaml.parse("a: \"\\ud83d\\ude00\"")).isEqualTo(JsonObject.of("a", "\ud83d\ude00"));
    for (String text : List.of("a: \"\\ud83d\"", "\"\\ude00\": 1", "- \"x\\udc00y\"")) {
      assertThatThrownBy(() -> Yaml.parse(text))
          .as(text)
          .isInstanceOf(JsonSyntaxException.class)
          .hasMessageContaining("found invalid Unicode character escape code");
    }
  }
}
