package dev.kedge.model;

import static java.nio.charset.StandardCharsets.UTF_8;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** What this program wrote is read back faster, and to the same as by the general reader. */
class StoredJsonTest {
  @ParameterizedTest
  @ValueSource(
      strings = {
        "{}",
        "{\"a\":{},\"b\":[],\"c\":[{}],\"\":1}",
        "{\"n\":0,\"m\":-1,\"l\":9223372036854775807,\"k\":-9223372036854775808}",
        "{\"d\":1.5,\"e\":-0.25,\"f\":1.0E20,\"g\":92233720368547758080}",
        "{\"t\":true,\"f\":false,\"n\":null,\"x\":[true,null,1,\"a\"]}",
        "{\"a\":\"\\\"\\\\/\\b\\f\\n\\r\\t\\u0001 ü € \\ud83d\\ude00\",\"b\":\"]},\\\"\"}",
        "{\"na\\\"me\":1,\"ü€\":\"ü\",\"a/b.c\":{\"f:x\":{\".\":{}}}}",
      })
  void readsTheSameAsTheGeneralReader(String text) {
    byte[] stored = Json.bytes(Json.parse(text));
    assertThat(Json.parseStored(stored)).isEqualTo(Json.parse(stored));
    assertThat(Json.bytes(Json.parseStored(stored))).isEqualTo(stored);
  }

  @Test
  void readsAPart() {
    byte[] stored =
        Json.bytes(
            Json.parse(
                "{\"kind\":\"A\",\"metadata\":{\"name\":\"x\",\"more\":[{\"a\":\"}\"}]},\"spec\":[1,2]}"));
    assertThat(
            Json.write(
                Json.parseStored(
                    stored,
                    (outer, name) -> outer.isEmpty() ? !name.equals("spec") : name.equals("name"))))
        .isEqualTo("{\"kind\":\"A\",\"metadata\":{\"name\":\"x\"}}");
    assertThat(new String(Json.storedField(stored, "metadata"), UTF_8))
        .isEqualTo("{\"name\":\"x\",\"more\":[{\"a\":\"}\"}]}");
    assertThat(Json.storedField(stored, "status")).isEmpty();
  }

  @ParameterizedTest
  @ValueSource(
      strings = {
        "",
        "{",
        "{\"a",
        "{\"a\":",
        "{\"a\":[1",
        "{\"a\":\"\\",
        "[]",
        "{a:1}",
        "{\"a\":x}"
      })
  void refusesWhatIsNoJson(String text) {
    assertThatThrownBy(() -> Json.parseStored(text.getBytes(UTF_8)))
        .isInstanceOf(JsonSyntaxException.class);
  }
}
