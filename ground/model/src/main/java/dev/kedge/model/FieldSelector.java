package dev.kedge.model;

import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.function.Function;

/**
 * A selector on fields: terms with {@code =}, {@code ==} and {@code !=}, joined by commas, all to
 * be fulfilled. A field that an object does not have counts as the empty text.
 */
public record FieldSelector(List<Term> terms) {
  /** Selects everything. */
  public static final FieldSelector EVERYTHING = new FieldSelector(List.of());

  /** One comparison; {@code equal} false means "is not". */
  public record Term(String field, boolean equal, String value) {
    @Override
    public String toString() {
      return field + (equal ? "=" : "!=") + escaped(value);
    }
  }

  public FieldSelector {
    terms = List.copyOf(terms);
  }

  /**
   * Reads a selector; backslash escapes a comma, an equals sign or itself in values.
   *
   * @throws ApiException 400 in upstream's words
   */
  public static FieldSelector parse(String text) {
    List<Term> terms = new ArrayList<>();
    for (String part : split(text)) {
      if (part.isEmpty()) {
        continue;
      }
      terms.add(
          term(part)
              .orElseThrow(
                  () ->
                      ApiException.badRequest(
                          "invalid selector: '" + text + "'; can't understand '" + part + "'")));
    }
    return terms.isEmpty() ? EVERYTHING : new FieldSelector(terms);
  }

  private static Optional<Term> term(String part) {
    for (int i = 0; i < part.length(); i++) {
      for (String operator : List.of("!=", "==", "=")) {
        if (part.startsWith(operator, i)) {
          return Optional.of(
              new Term(
                  part.substring(0, i),
                  !operator.equals("!="),
                  unescaped(part.substring(i + operator.length()))));
        }
      }
    }
    return Optional.empty();
  }

  private static List<String> split(String text) {
    List<String> parts = new ArrayList<>();
    int start = 0;
    for (int i = 0; i < text.length(); i++) {
      if (text.charAt(i) == '\\') {
        i++;
      } else if (text.charAt(i) == ',') {
        parts.add(text.substring(start, i));
        start = i + 1;
      }
    }
    parts.add(text.substring(start));
    return parts;
  }

  private static String unescaped(String value) {
    StringBuilder out = new StringBuilder(value.length());
    for (int i = 0; i < value.length(); i++) {
      char c = value.charAt(i);
      if (c == '\\') {
        i++;
        if (i == value.length() || "\\,=".indexOf(value.charAt(i)) < 0) {
          throw ApiException.badRequest(
              "invalid field selector: invalid escape sequence: "
                  + value.substring(i - 1, Math.min(i + 1, value.length())));
        }
        c = value.charAt(i);
      } else if (c == ',' || c == '=') {
        throw ApiException.badRequest("invalid field selector: unescaped character in value: " + c);
      }
      out.append(c);
    }
    return out.toString();
  }

  private static String escaped(String value) {
    return value.replace("\\", "\\\\").replace(",", "\\,").replace("=", "\\=");
  }

  /** Whether an object fulfils every term; the function gives the text of a field, "" if absent. */
  public boolean matches(Function<String, String> fields) {
    for (Term term : terms) {
      if (fields.apply(term.field()).equals(term.value()) != term.equal()) {
        return false;
      }
    }
    return true;
  }

  /** Whether an object fulfils every term, each field being a path of names joined by dots. */
  public boolean matches(JsonObject object) {
    return matches(
        field ->
            switch (object.find(field.split("\\.")).orElse(JsonNull.NULL)) {
              case JsonString text -> text.value();
              case JsonNull _ -> "";
              case JsonValue other -> Json.write(other);
            });
  }

  /** The value that a field must have, if a term says so. */
  public Optional<String> required(String field) {
    return terms.stream()
        .filter(term -> term.equal() && term.field().equals(field))
        .map(Term::value)
        .findFirst();
  }

  public boolean isEmpty() {
    return terms.isEmpty();
  }

  @Override
  public String toString() {
    return String.join(",", terms.stream().map(Term::toString).toList());
  }
}
