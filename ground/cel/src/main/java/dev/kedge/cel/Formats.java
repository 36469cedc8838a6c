package dev.kedge.cel;

import dev.kedge.model.Names;
import java.net.URI;
import java.net.URISyntaxException;
import java.util.Base64;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.function.Function;

/** The named formats of Kubernetes' format library. Stateless. */
final class Formats {
  static final int LARGEST_REGEX = 128;

  /** A format: its name, the size of its regular expression, what is wrong with a text. */
  record Format(String name, int regexSize, Function<String, List<String>> faults) {}

  private static final Map<String, Format> FORMATS =
      Map.ofEntries(
          entry("dns1123Label", 30, Names::label),
          entry("dns1123Subdomain", 60, Names::subdomain),
          entry("dns1035Label", 30, Names::label1035),
          entry("qualifiedName", 60, Names::qualified),
          entry("dns1123LabelPrefix", 30, text -> Names.label(unprefixed(text))),
          entry("dns1123SubdomainPrefix", 60, text -> Names.subdomain(unprefixed(text))),
          entry("dns1035LabelPrefix", 30, text -> Names.label1035(unprefixed(text))),
          entry("labelValue", 40, Names::labelValue),
          entry("uri", 128, Formats::uri),
          entry(
              "uuid",
              70,
              text ->
                  text.matches(
                          "(?i)[0-9A-F]{8}-?[0-9A-F]{4}-?[0-9A-F]{4}-?[0-9A-F]{4}-?[0-9A-F]{12}")
                      ? List.of()
                      : List.of("does not match the UUID format")),
          entry("byte", 128, Formats::base64),
          entry(
              "date",
              30,
              text -> Times.date(text).isPresent() ? List.of() : List.of("invalid date")),
          entry(
              "datetime",
              60,
              text ->
                  dev.kedge.model.Times.isDateTime(text)
                      ? List.of()
                      : List.of("invalid datetime")));

  private Formats() {}

  private static Map.Entry<String, Format> entry(
      String name, int regexSize, Function<String, List<String>> faults) {
    return Map.entry(name, new Format(name, regexSize, faults));
  }

  static Optional<Format> of(String name) {
    return Optional.ofNullable(FORMATS.get(name));
  }

  /** A prefix may end with a dash, as what is generated from it goes on. */
  private static String unprefixed(String text) {
    return text.length() > 1 && text.endsWith("-")
        ? text.substring(0, text.length() - 1) + "a"
        : text;
  }

  private static List<String> uri(String text) {
    try {
      URI uri = new URI(text);
      return uri.isAbsolute() || text.startsWith("/")
          ? List.of()
          : List.of("parse \"" + text + "\": invalid URI for request");
    } catch (URISyntaxException e) {
      return List.of("parse \"" + text + "\": invalid URI for request");
    }
  }

  private static List<String> base64(String text) {
    try {
      Base64.getDecoder().decode(text);
      return List.of();
    } catch (IllegalArgumentException _) {
      return List.of("invalid base64");
    }
  }
}
