package dev.kedge.http;

import java.net.URLDecoder;
import java.net.URLEncoder;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;

/** The parameters of a URL's query, decoded, in order. Immutable. */
public record Query(List<Parameter> all) {
  /** One parameter. */
  public record Parameter(String name, String value) {}

  /** No parameters. */
  public static final Query NONE = new Query(List.of());

  public Query {
    all = List.copyOf(all);
  }

  /**
   * Reads {@code a=1&b=2}; empty text gives no parameters.
   *
   * @throws IllegalArgumentException on malformed percent-encoding
   */
  public static Query parse(String text) {
    if (text.isEmpty()) {
      return NONE;
    }
    List<Parameter> all = new ArrayList<>();
    for (String part : text.split("&", -1)) {
      if (!part.isEmpty()) {
        int equals = part.indexOf('=');
        all.add(
            equals < 0
                ? new Parameter(decode(part), "")
                : new Parameter(
                    decode(part.substring(0, equals)), decode(part.substring(equals + 1))));
      }
    }
    return new Query(all);
  }

  /** Alternating names and values. */
  public static Query of(String... namesAndValues) {
    List<Parameter> all = new ArrayList<>();
    for (int i = 0; i < namesAndValues.length; i += 2) {
      all.add(new Parameter(namesAndValues[i], namesAndValues[i + 1]));
    }
    return new Query(all);
  }

  /** The first value of a parameter. */
  public Optional<String> first(String name) {
    // A loop, not a stream: every request asks for a dozen parameters.
    for (Parameter parameter : all) {
      if (parameter.name().equals(name)) {
        return Optional.of(parameter.value());
      }
    }
    return Optional.empty();
  }

  /** The first value of a parameter, or the empty string. */
  public String text(String name) {
    return first(name).orElse("");
  }

  /** All values of a parameter. */
  public List<String> values(String name) {
    return all.stream().filter(p -> p.name().equals(name)).map(Parameter::value).toList();
  }

  /** Whether a flag is set: {@code true} or {@code 1}, as Go's parser has it. */
  public boolean flag(String name) {
    String value = text(name);
    return value.equals("true") || value.equals("1");
  }

  /** The encoded form, without the question mark. */
  public String encode() {
    StringBuilder out = new StringBuilder();
    for (Parameter parameter : all) {
      out.append(out.isEmpty() ? "" : "&")
          .append(URLEncoder.encode(parameter.name(), StandardCharsets.UTF_8))
          .append('=')
          .append(URLEncoder.encode(parameter.value(), StandardCharsets.UTF_8));
    }
    return out.toString();
  }

  private static String decode(String text) {
    return URLDecoder.decode(text, StandardCharsets.UTF_8);
  }
}
