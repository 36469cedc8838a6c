package dev.kedge.model;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.nio.charset.Charset;
import java.nio.charset.StandardCharsets;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Set;
import org.junit.jupiter.api.Test;

class JsonTest {
  @Test
  void keepsWhatItReads() {
    String text =
        "{\"a\":1,\"b\":[true,null,\"x\\n"
            + "\"],\"c\":{\"d\":9223372036854775807,\"e\":0.5},\"f\":{},\"g\":[]}";
    assertThat(Json.write(Json.parse(text))).isEqualTo(text);
  }

  @Test
  void equalityIgnoresTheOrderOfFields() {
    assertThat(Json.parse("{\"a\":1,\"b\":2}")).isEqualTo(Json.parse("{\"b\":2,\"a\":1}"));
    assertThat(Json.parse("{\"a\":1,\"b\":2}").hashCode())
        .isEqualTo(Json.parse("{\"b\":2,\"a\":1}").hashCode());
  }

  @Test
  void tellsFieldsThatStandTwice() {
    Set<String> duplicates = new LinkedHashSet<>();
    Json.parse(
        "{\"spec\":{\"replicas\":1,\"replicas\":2},\"l\":[{\"a\":1,\"a\":2}]}"
            .getBytes(StandardCharsets.UTF_8),
        duplicates);
    assertThat(duplicates).containsExactly("spec.replicas", "l[0].a");
  }

  @Test
  void readsThePartThatIsWanted() {
    byte[] text =
        """
        {"kind":"Pod","metadata":{"name":"p","managedFields":[{"a":{"b":[1,{}]}}],"labels":{"x":"y"}},
         "spec":{"nodeName":"n","containers":[{"name":"c"}]},"status":null}
        """
            .getBytes(StandardCharsets.UTF_8);
    FieldFilter filter =
        (outer, name) ->
            switch (outer) {
              case "" -> !name.equals("kind");
              case "metadata" -> !name.equals("managedFields");
              default -> name.equals("nodeName");
            };
    JsonObject part = Json.parseObject(text, filter);
    assertThat(Json.write(part))
        .isEqualTo(
            "{\"metadata\":{\"name\":\"p\",\"labels\":{\"x\":\"y\"}},"
                + "\"spec\":{\"nodeName\":\"n\"},\"status\":null}");
    assertThat(filter.of(Json.parseObject(text))).isEqualTo(part);
    byte[] broken = "{\"kind\":{\"a\":],\"metadata\":{}}".getBytes(StandardCharsets.UTF_8);
    assertThatThrownBy(() -> Json.parseObject(broken, filter))
        .isInstanceOf(JsonSyntaxException.class);
    assertThatThrownBy(() -> Json.parseObject("[]".getBytes(StandardCharsets.UTF_8), filter))
        .isInstanceOf(JsonSyntaxException.class);
  }

  /** What is read are characters. */
  @Test
  void halvesOfSurrogatePairsAreReplaced() {
    assertThat(Json.parse("[\"\\ud83d!\",\"\\ud83d\\ude00\"]"))
        .isEqualTo(Json.parse("[\"\ufffd!\",\"\ud83d\ude00\"]"));
    byte[] raw = {'[', '"', (byte) 0xED, (byte) 0xA0, (byte) 0xBD, '"', ']'};
    assertThatThrownBy(() -> Json.parse(raw)).isInstanceOf(JsonSyntaxException.class);
  }

  @Test
  void onlyUtf8IsRead() {
    String text = "{\"a\": 1}";
    for (Charset other :
        List.of(StandardCharsets.UTF_16BE, StandardCharsets.UTF_16LE, StandardCharsets.UTF_32LE)) {
      assertThatThrownBy(() -> Json.parse(text.getBytes(other)))
          .isInstanceOf(JsonSyntaxException.class);
    }
    byte[] neither = new byte[28];
    neither[27] = 0x26;
    assertThatThrownBy(() -> Json.parse(neither)).isInstanceOf(JsonSyntaxException.class);
  }

  @Test
  void equalShortTextsAreKeptOnce() {
    JsonArray read = (JsonArray) Json.parse("[\"Running\",\"Running\",\"Aa\",\"BB\",\"Aa\"]");
    assertThat(read.items().get(0)).isSameAs(read.items().get(1));
    assertThat(read.strings()).containsExactly("Running", "Running", "Aa", "BB", "Aa");
  }

  @Test
  void tellsWhereTextIsMalformed() {
    assertThatThrownBy(() -> Json.parse("{\n  \"a\": ]\n}"))
        .isInstanceOfSatisfying(
            JsonSyntaxException.class, fault -> assertThat(fault.line()).isEqualTo(2));
    assertThatThrownBy(() -> Json.parse("{} {}")).isInstanceOf(JsonSyntaxException.class);
    assertThatThrownBy(() -> Json.parse("")).isInstanceOf(JsonSyntaxException.class);
    assertThatThrownBy(() -> Json.parse("[".repeat(100_000)))
        .isInstanceOf(JsonSyntaxException.class);
  }

  @Test
  void readsZeroValuesWhereNothingIs() {
    JsonObject object = Json.parseObject("{\"a\":{\"b\":\"c\",\"n\":null}}");
    assertThat(object.text("a", "b")).isEqualTo("c");
    assertThat(object.text("a", "x")).isEmpty();
    assertThat(object.text("a", "n")).isEmpty();
    assertThat(object.integer("a", "b")).isZero();
    assertThat(object.object("x", "y")).isEqualTo(JsonObject.EMPTY);
    assertThat(object.objects("a", "b")).isEmpty();
  }

  @Test
  void changesShareTheRest() {
    JsonObject object = JsonObject.of("a", 1, "b", JsonObject.of("c", 2));
    assertThat(object.withPath(List.of("b", "d"), 3))
        .isEqualTo(JsonObject.of("a", 1, "b", JsonObject.of("c", 2, "d", 3)));
    assertThat(object.withoutPath(List.of("b", "c")))
        .isEqualTo(JsonObject.of("a", 1, "b", JsonObject.EMPTY));
    assertThat(object.with("a", 1)).isSameAs(object);
  }
}
