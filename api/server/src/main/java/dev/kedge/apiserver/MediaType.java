package dev.kedge.apiserver;

import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;

/**
 * A media type or a clause of an Accept header.
 *
 * @param name such as {@code application/json}, in small letters
 * @param parameters without q
 */
record MediaType(String name, Map<String, String> parameters, double quality) {
  static final String JSON = "application/json";
  static final String YAML = "application/yaml";
  static final String PROTOBUF = "application/vnd.kubernetes.protobuf";

  /** A parameter's value, or the empty string. */
  String parameter(String parameter) {
    return parameters.getOrDefault(parameter, "");
  }

  /** Whether a clause accepts a type. */
  boolean accepts(String type) {
    return name.equals(type)
        || name.equals("*/*")
        || (name.endsWith("/*") && type.startsWith(name.substring(0, name.length() - 1)));
  }

  static MediaType parse(String text) {
    String[] parts = text.split(";");
    Map<String, String> parameters = new LinkedHashMap<>();
    double quality = 1;
    for (int i = 1; i < parts.length; i++) {
      int equals = parts[i].indexOf('=');
      if (equals > 0) {
        String key = parts[i].substring(0, equals).strip().toLowerCase(Locale.ROOT);
        String value = parts[i].substring(equals + 1).strip().replace("\"", "");
        if (key.equals("q")) {
          try {
            quality = Double.parseDouble(value);
          } catch (NumberFormatException _) {
            quality = 0;
          }
        } else {
          parameters.put(key, value);
        }
      }
    }
    return new MediaType(parts[0].strip().toLowerCase(Locale.ROOT), parameters, quality);
  }

  /** The clauses of Accept headers, best first; one that accepts everything if there are none. */
  static List<MediaType> accepted(List<String> headers) {
    List<MediaType> clauses = new ArrayList<>();
    for (String header : headers) {
      for (String clause : header.split(",")) {
        if (!clause.isBlank()) {
          MediaType type = parse(clause);
          if (type.quality() > 0) {
            clauses.add(type);
          }
        }
      }
    }
    if (clauses.isEmpty()) {
      clauses.add(new MediaType("*/*", Map.of(), 1));
    }
    clauses.sort((a, b) -> Double.compare(b.quality(), a.quality()));
    return clauses;
  }
}
