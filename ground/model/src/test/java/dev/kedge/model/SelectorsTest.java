package dev.kedge.model;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.catchThrowableOfType;

import java.time.Duration;
import java.util.Map;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class SelectorsTest {
  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      value = {
        "app=web | true",
        "app==web,tier | true",
        "app!=web | false",
        "missing!=x | true",
        "app in (web, db),!gone | true",
        "app notin (web) | false",
        "tier in (),app | false",
        "empty= | true",
        "size>3,size<5 | true",
        "size>4 | false",
      })
  void labelSelectors(String selector, boolean matches) {
    Map<String, String> labels = Map.of("app", "web", "tier", "1", "empty", "", "size", "4");
    assertThat(LabelSelector.parse(selector).matches(labels)).isEqualTo(matches);
  }

  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      quoteCharacter = '`',
      value = {
        "a b|found 'b', expected: in, notin, =, ==, !=, gt, lt",
        "a=b c|found 'c', expected: ',' or 'end of string'",
        "a,|found '', expected: identifier after ','",
        "=a|found '=', expected: !, identifier, or 'end of string'",
        "a in b|found 'b' expected: '('",
        "a in (b c)|found 'c', expected: ',' or ')'",
      })
  void labelSelectorFaults(String selector, String message) {
    ApiException e = catchThrowableOfType(ApiException.class, () -> LabelSelector.parse(selector));
    assertThat(e.code()).isEqualTo(400);
    assertThat(e.getMessage()).endsWith(message);
  }

  @Test
  void fieldSelectors() {
    JsonObject pod =
        Json.parseObject("{\"metadata\":{\"name\":\"a,b\"},\"spec\":{\"nodeName\":\"n\"}}");
    assertThat(FieldSelector.parse("metadata.name=a\\,b,spec.nodeName!=x").matches(pod)).isTrue();
    assertThat(FieldSelector.parse("status.phase=").matches(pod)).isTrue();
    assertThat(FieldSelector.parse("spec.nodeName==m").matches(pod)).isFalse();
    assertThat(
            catchThrowableOfType(ApiException.class, () -> FieldSelector.parse("a,b=c"))
                .getMessage())
        .isEqualTo("invalid selector: 'a,b=c'; can't understand 'a'");
  }

  @ParameterizedTest
  @CsvSource({
    "1h30m, 1h30m0s",
    "1.5s, 1.5s",
    "300ms, 300ms",
    "1500us, 1.5ms",
    "1.5µs, 1.5µs",
    "7ns, 7ns",
    "0, 0s",
    "-2m, -2m0s",
    "90s, 1m30s",
    "+.5h, 30m0s",
    "1.s, 1s",
    "9223372036854775807ns, 2562047h47m16.854775807s",
    "-9223372036854775808ns, -2562047h47m16.854775808s",
  })
  void durations(String text, String canonical) {
    assertThat(Durations.text(Durations.parse(text))).isEqualTo(canonical);
  }

  @Test
  void durationFaultsAndAges() {
    assertThat(Durations.find("5")).isEmpty();
    assertThat(Durations.find("1d")).isEmpty();
    assertThat(Durations.find("")).isEmpty();
    assertThat(Durations.find("-")).isEmpty();
    assertThat(Durations.find("1.2.3s")).isEmpty();
    assertThat(Durations.find("9223372036854775808ns")).isEmpty();
    assertThat(Durations.human(Duration.ofSeconds(119))).isEqualTo("119s");
    assertThat(Durations.human(Duration.ofSeconds(304))).isEqualTo("5m4s");
    assertThat(Durations.human(Duration.ofHours(50))).isEqualTo("2d2h");
    assertThat(Durations.human(Duration.ofDays(400))).isEqualTo("400d");
    assertThat(Durations.human(Duration.ofDays(365 * 2000))).isEqualTo("292y");
  }

  @Test
  void names() {
    assertThat(Names.label("web-1")).isEmpty();
    assertThat(Names.label("Web"))
        .containsExactly(
            "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-',"
                + " and must start and end with an alphanumeric character (e.g. 'my-name',  or"
                + " '123-abc', regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?')");
    assertThat(Names.subdomain("a".repeat(254))).containsExactly("must be no more than 253 bytes");
    assertThat(Names.qualified("example.com/")).contains("name part must be non-empty");
    assertThat(Names.qualified("app.kubernetes.io/name")).isEmpty();
    assertThat(Names.labelValue("")).isEmpty();
    assertThat(Names.pathSegment("a/b")).containsExactly("may not contain '/'");
  }
}
