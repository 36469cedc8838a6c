package dev.kedge.model;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.Map;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class QuantityTest {
  @ParameterizedTest
  @CsvSource({
    "500m, 500m, 500, 1",
    "0.5, 500m, 500, 1",
    "1.5Gi, 1536Mi, 1610612736000, 1610612736",
    "1000Mi, 1000Mi, 1048576000000, 1048576000",
    "1024Mi, 1Gi, 1073741824000, 1073741824",
    "1000k, 1M, 1000000000, 1000000",
    "1e3, 1e3, 1000000, 1000",
    "12, 12, 12000, 12",
    "0, 0, 0, 0",
    "-1500m, -1500m, -1500, -2",
    "100Ki, 100Ki, 102400000, 102400",
    "0.5Ki, 512, 512000, 512",
    "1000, 1k, 1000000, 1000",
    "1n, 1n, 1, 1",
    "16Ei, 16Ei, 9223372036854775807, 9223372036854775807",
  })
  void readsAndWritesCanonically(String text, String canonical, long milli, long units) {
    Quantity quantity = Quantity.parse(text);
    assertThat(quantity).hasToString(canonical);
    assertThat(quantity.milli()).isEqualTo(milli);
    assertThat(quantity.units()).isEqualTo(units);
  }

  @ParameterizedTest
  @CsvSource({"abc", "1ki", "1.2.3", "1 Gi", "e3", "''", "1Zi"})
  void refusesOtherTexts(String text) {
    assertThat(Quantity.find(text)).isEmpty();
  }

  @Test
  void selectsByLabels() {
    LabelSelector selector =
        LabelSelector.of(
            Json.parseObject(
                """
                {"matchLabels": {"app": "web"}, "matchExpressions": [
                  {"key": "tier", "operator": "NotIn", "values": ["db"]},
                  {"key": "old", "operator": "DoesNotExist"}]}
                """));
    assertThat(selector.matches(Map.of("app", "web"))).isTrue();
    assertThat(selector.matches(Map.of("app", "web", "tier", "db"))).isFalse();
    assertThat(selector.matches(Map.of("app", "web", "old", ""))).isFalse();
    assertThat(selector.matches(Map.of())).isFalse();
    assertThat(selector).hasToString("!old,app=web,tier notin (db)");
  }
}
