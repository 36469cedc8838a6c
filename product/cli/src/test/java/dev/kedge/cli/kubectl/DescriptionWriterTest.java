package dev.kedge.cli.kubectl;

import static org.assertj.core.api.Assertions.assertThat;

import dev.kedge.model.JsonObject;
import dev.kedge.model.Yaml;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Test;

class DescriptionWriterTest {
  private final DescriptionWriter out = new DescriptionWriter();

  @Test
  void alignsValuesAndIndentsWhatBelongsToAName() {
    out.field("Name", "web");
    out.optional("Message", "");
    DescriptionWriter containers = out.heading("Containers");
    DescriptionWriter one = containers.heading("one");
    one.field("Image", "nginx");
    one.lines("Command", List.of("sh", "-c", "first\nsecond"));
    one.paragraph("TEXT", "a\nb");
    out.list("Taints", List.of("a:NoSchedule", "b:NoExecute"));
    out.list("Used By", List.of());

    assertThat(out)
        .hasToString(
            """
            Name:  web
            Containers:
              one:
                Image:  nginx
                Command:
                  sh
                  -c
                  first
                  second
                TEXT:  a
                       b
            Taints:    a:NoSchedule
                       b:NoExecute
            Used By:   <none>
            """);
  }

  @Test
  void writesMapsWithLongValuesUnderTheirKeys() {
    out.labels("Labels", Map.of("b", "2", "a", "1"));
    out.annotations("Annotations", Map.of());
    out.annotations(
        "Annotations", Map.of("long", "x".repeat(150), "lines", "one\ntwo\n", "short", "s"));

    assertThat(out)
        .hasToString(
            """
            Labels:       a=1
                          b=2
            Annotations:  <none>
            Annotations:  lines:
                            one
                            two
                          long:
                            %s...
                          short: s
            """
                .formatted("x".repeat(138)));
  }

  @Test
  void writesTablesAndTrees() {
    DescriptionWriter table = out.heading("Rules");
    table.columns("Host", "", "Path");
    table.line("*", "", "/");
    out.tree(
        (JsonObject)
            Yaml.parse(
                """
                maxSurge: 25%
                paths: [/a, {port: 80}]
                example.com/key: {b: 2, a: true}
                """));

    assertThat(out)
        .hasToString(
            """
            Rules:
              Host    Path
              ----    ----
              *       /
            example.com/key:
              A:        true
              B:        2
            Max Surge:  25%
            Paths:
              /a
              Port:  80
            """);
  }
}
