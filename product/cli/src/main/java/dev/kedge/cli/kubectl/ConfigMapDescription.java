package dev.kedge.cli.kubectl;

import java.util.TreeMap;

/** Describes config maps, with what they hold. */
final class ConfigMapDescription {
  private ConfigMapDescription() {}

  static void write(Described configMap) {
    DescriptionWriter out = configMap.out();
    configMap.head();
    out.blank();
    out.line("Data");
    out.line("====");
    new TreeMap<>(configMap.object().map("data"))
        .forEach(
            (name, value) -> {
              out.line(name + ":");
              out.line("----");
              // Tabs would be taken for columns.
              out.line(value.replace("\t", "        "));
              out.blank();
            });
    out.blank();
    out.line("BinaryData");
    out.line("====");
    configMap
        .object()
        .map("binaryData")
        .forEach((name, value) -> out.line(name + ": " + SecretDescription.size(value)));
    out.blank();
    configMap.events();
  }
}
