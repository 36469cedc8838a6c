package dev.kedge.model;

import static java.nio.charset.StandardCharsets.UTF_8;
import static org.assertj.core.api.Assertions.assertThat;

import java.time.Instant;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

class TimesTest {
  /** Texts that Go's {@code time.Parse(time.RFC3339, …)} takes, and the times they are. */
  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      value = {
        "1970-01-01T00:00:00Z                  | 1970-01-01T00:00:00Z",
        "1969-12-31T23:59:59Z                  | 1969-12-31T23:59:59Z",
        "2026-02-28T23:59:59Z                  | 2026-02-28T23:59:59Z",
        "2024-02-29T00:00:00Z                  | 2024-02-29T00:00:00Z",
        "0000-01-01T00:00:00Z                  | 0000-01-01T00:00:00Z",
        "0001-01-01T00:00:00Z                  | 0001-01-01T00:00:00Z",
        "9999-12-31T23:59:59Z                  | 9999-12-31T23:59:59Z",
        "2026-01-02T03:04:05+02:00             | 2026-01-02T01:04:05Z",
        "2026-01-02T03:04:05-07:30             | 2026-01-02T10:34:05Z",
        "2026-01-02T03:04:05+00:00             | 2026-01-02T03:04:05Z",
        "2026-01-02T03:04:05-00:00             | 2026-01-02T03:04:05Z",
        "2026-01-02T03:04:05+24:00             | 2026-01-01T03:04:05Z",
        "2026-01-02T03:04:05+23:60             | 2026-01-01T03:04:05Z",
        "2026-01-02T03:04:05.1Z                | 2026-01-02T03:04:05.1Z",
        "2026-01-02T03:04:05.123456Z           | 2026-01-02T03:04:05.123456Z",
        "2026-01-02T03:04:05.123456789+01:00   | 2026-01-02T02:04:05.123456789Z",
        "2026-01-02T03:04:05.1234567891234567Z | 2026-01-02T03:04:05.123456789Z",
        "2026-01-02T03:04:05,5Z                | 2026-01-02T03:04:05.5Z",
        "2026-01-02T3:04:05Z                   | 2026-01-02T03:04:05Z",
      })
  void readsWhatGoReads(String text, Instant time) {
    assertThat(Times.instant(text)).contains(time);
  }

  @ParameterizedTest
  @ValueSource(
      strings = {
        "",
        "now",
        "2026-01-02",
        "2026-01-02T03:04Z",
        "2026-01-02T03:04:05",
        "2026-01-02 03:04:05Z",
        "2026-01-02t03:04:05Z",
        "2026-01-02T03:04:05z",
        "2026-02-29T00:00:00Z",
        "2026-13-01T00:00:00Z",
        "2026-00-01T00:00:00Z",
        "2026-01-00T00:00:00Z",
        "2026-1-02T00:00:00Z",
        "2026-01-02T24:00:00Z",
        "2026-01-02T24:00:01Z",
        "2026-01-02T03:60:00Z",
        "2026-01-02T03:04:60Z",
        "2026-01-02T03:4:05Z",
        "2026-01-02T03:04:05.Z",
        "2026-01-02T03:04:05+01",
        "2026-01-02T03:04:05+0100",
        "2026-01-02T03:04:05+25:00",
        "2026-01-02T03:04:05+01:61",
        "2026-01-02T03:04:05+01:00:30",
        "2026-01-02T03:04:05Z ",
        " 2026-01-02T03:04:05Z",
        "2026-01-0aT03:04:05Z",
        "2026-01-02T03:04:05é",
        "２０２６-01-02T03:04:05Z",
        "+2026-01-02T03:04:05Z",
        "12026-01-02T03:04:05Z",
        "-001-01-02T03:04:05Z",
        "0000-01-01T00:00:00+01:00",
        "9999-12-31T23:59:59-01:00",
      })
  void findsNoTimeInAnythingElse(String text) {
    assertThat(Times.instant(text)).isEmpty();
  }

  /** What is written is read again, and is what Kubernetes writes. */
  @ParameterizedTest
  @CsvSource({
    "2026-01-02T03:04:05.9999999Z, 2026-01-02T03:04:05Z, 2026-01-02T03:04:05.999999Z",
    "2026-01-02T03:04:00Z, 2026-01-02T03:04:00Z, 2026-01-02T03:04:00.000000Z",
    "0000-01-01T00:00:00Z, 0000-01-01T00:00:00Z, 0000-01-01T00:00:00.000000Z",
    "9999-12-31T23:59:59.5Z, 9999-12-31T23:59:59Z, 9999-12-31T23:59:59.500000Z",
  })
  void writesSecondsAndMicroseconds(Instant time, String seconds, String micro) {
    assertThat(Times.text(time)).isEqualTo(seconds);
    assertThat(Times.microText(time)).isEqualTo(micro);
    assertThat(Times.instant(seconds)).isPresent();
    assertThat(Times.instant(micro)).isPresent();
  }

  /** The format of custom resources differs from the times of objects in both directions. */
  @ParameterizedTest
  @CsvSource({
    "2026-01-02T03:04:05Z, true",
    "2026-01-02t03:04:05z, true",
    "2026-01-02T03:04:05.123456789123+99:99, true",
    "2026-01-02T03:04:05-07:00, true",
    "2026-01-02T3:04:05Z, false",
    "2026-01-02T24:00:00Z, false",
    "2026-01-02T03:04:60Z, false",
    "2026-02-30T03:04:05Z, false",
    "2026-01-02T03:04:05, false",
    "2026-01-02, false",
  })
  void knowsTheFormatDateTime(String text, boolean valid) {
    assertThat(Times.isDateTime(text)).isEqualTo(valid);
  }

  @Test
  void theUsualFormIsReadWithoutAPattern() {
    byte[] text = "{2026-01-02T03:04:05Z}".getBytes(UTF_8);
    assertThat(Times.seconds(text, 1, 20))
        .isEqualTo(Instant.parse("2026-01-02T03:04:05Z").getEpochSecond());
  }
}
