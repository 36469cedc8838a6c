package dev.kedge.model;

import static java.nio.charset.StandardCharsets.UTF_8;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.time.Instant;
import java.time.OffsetDateTime;
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

  @ParameterizedTest
  @ValueSource(
      strings = {
        "1970-01-01T00:00:00Z",
        "2026-02-28T23:59:59Z",
        "2024-02-29T00:00:00Z",
        "1969-12-31T23:59:59Z",
        "2026-01-02T03:04:05.123456Z",
        "2026-01-02T03:04:05+02:00",
        "0001-01-01T00:00:00Z",
        "9999-12-31T23:59:59Z",
      })
  void readsTimes(String text) {
    assertThat(Times.instant(text)).contains(OffsetDateTime.parse(text).toInstant());
  }

  @ParameterizedTest
  @ValueSource(
      strings = {
        "",
        "now",
        "2026-02-29T00:00:00Z",
        "2026-13-01T00:00:00Z",
        "2026-01-02T24:00:01Z",
        "2026-01-02T03:04:60Z",
        "2026-01-0aT03:04:05Z",
        "2026-01-02 03:04:05Z",
        "2026-01-02T03:04:05é",
      })
  void findsNoTime(String text) {
    assertThat(Times.instant(text)).isEmpty();
  }

  @Test
  void theUsualFormIsReadWithoutTheParser() {
    byte[] text = "{2026-01-02T03:04:05Z}".getBytes(UTF_8);
    assertThat(Times.seconds(text, 1, 20))
        .isEqualTo(Instant.parse("2026-01-02T03:04:05Z").getEpochSecond());
  }
}
