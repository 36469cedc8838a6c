package dev.kedge.network.services;

import static org.assertj.core.api.Assertions.assertThat;

import dev.kedge.model.Json;
import dev.kedge.model.KubeObject;
import dev.kedge.network.services.Endpoints.Endpoint;
import java.util.List;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class EndpointsTest {
  private static String endpoint(String address, boolean ready, String hints) {
    return """
    {"addresses":["%s"],"conditions":{"ready":%s,"serving":true},"hints":{%s}}\
    """
        .formatted(address, ready, hints);
  }

  private static final String HERE =
      "\"forNodes\":[{\"name\":\"here\"}],\"forZones\":[{\"name\":\"east\"}]";
  private static final String NEAR =
      "\"forNodes\":[{\"name\":\"other\"}],\"forZones\":[{\"name\":\"east\"}]";
  private static final String FAR =
      "\"forNodes\":[{\"name\":\"third\"}],\"forZones\":[{\"name\":\"west\"}]";
  private static final String ZONE = "\"forZones\":[{\"name\":\"east\"}]";

  /** Where traffic from node {@code here} of zone {@code east} goes. */
  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      value = {
        "here near far | 10.0.0.1",
        "near far | 10.0.0.1",
        "far far | 10.0.0.1 10.0.0.2",
        "here none | 10.0.0.1 10.0.0.2",
        "zone far zone | 10.0.0.1 10.0.0.3",
        "ended near far | 10.0.0.2",
      })
  void hintsNarrowTheChoice(String hints, String expected) {
    StringBuilder endpoints = new StringBuilder();
    int number = 1;
    for (String hint : hints.split(" ")) {
      endpoints
          .append(endpoints.isEmpty() ? "" : ",")
          .append(
              endpoint(
                  "10.0.0." + number++,
                  !hint.equals("ended"),
                  switch (hint) {
                    case "here", "ended" -> HERE;
                    case "near" -> NEAR;
                    case "far" -> FAR;
                    case "zone" -> ZONE;
                    default -> "";
                  }));
    }
    KubeObject slice =
        new KubeObject(
            Json.parseObject(
                "{\"addressType\":\"IPv4\",\"ports\":[{\"name\":\"\",\"port\":80}],\"endpoints\":["
                    + endpoints
                    + "]}"));
    assertThat(Endpoints.of(List.of(slice), "", "TCP").usable("here", "east"))
        .extracting(Endpoint::address)
        .containsExactly(expected.split(" "));
  }
}
