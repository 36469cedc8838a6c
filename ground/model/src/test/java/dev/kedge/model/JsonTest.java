package dev.kedge.model;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

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
