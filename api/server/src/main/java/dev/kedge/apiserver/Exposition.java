package dev.kedge.apiserver;

import java.util.List;

/**
 * Writes metrics in Prometheus' text format, version 0.0.4: a family's head, then its samples. For
 * one thread.
 */
public final class Exposition {
  private final StringBuilder out = new StringBuilder(16 * 1024);
  private String family = "";

  Exposition() {}

  /**
   * Begins a family; samples that follow are of it.
   *
   * @param type counter, gauge or histogram
   */
  public Exposition family(String name, String type, String help) {
    family = name;
    out.append("# HELP ").append(name).append(' ').append(help.replace("\n", " ")).append('\n');
    out.append("# TYPE ").append(name).append(' ').append(type).append('\n');
    return this;
  }

  /** A sample of the family; labels are names and values in turn. */
  public Exposition sample(double value, String... labels) {
    return sample("", value, List.of(labels));
  }

  /** A sample of a family's part, such as {@code _count}. */
  Exposition sample(String suffix, double value, List<String> labels) {
    out.append(family).append(suffix);
    for (int i = 0; i < labels.size(); i += 2) {
      out.append(i == 0 ? '{' : ',').append(labels.get(i)).append("=\"");
      escape(labels.get(i + 1));
      out.append('"');
    }
    out.append(labels.isEmpty() ? " " : "} ").append(number(value)).append('\n');
    return this;
  }

  private void escape(String value) {
    for (int i = 0; i < value.length(); i++) {
      char c = value.charAt(i);
      switch (c) {
        case '\\' -> out.append("\\\\");
        case '"' -> out.append("\\\"");
        case '\n' -> out.append("\\n");
        default -> out.append(c);
      }
    }
  }

  static String number(double value) {
    return value == Math.rint(value) && Math.abs(value) < 1e15
        ? Long.toString((long) value)
        : Double.toString(value);
  }

  String text() {
    return out.toString();
  }
}
