package dev.kedge.cel;

import java.util.Optional;
import java.util.Set;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/** How field names that are no identifiers are written in expressions. Stateless. */
public final class Names {
  private static final Set<String> RESERVED =
      Set.of(
          "true",
          "false",
          "null",
          "in",
          "as",
          "break",
          "const",
          "continue",
          "else",
          "for",
          "function",
          "if",
          "import",
          "let",
          "loop",
          "package",
          "namespace",
          "return",
          "var",
          "void",
          "while");
  private static final Pattern ALLOWED = Pattern.compile("[a-zA-Z_][a-zA-Z0-9_./-]*");
  private static final Pattern SPECIAL = Pattern.compile("__|[-./]");
  private static final Pattern ESCAPED = Pattern.compile("__[^_]+__");

  private Names() {}

  /** The name that expressions use; empty if they cannot name the field. */
  public static Optional<String> escape(String name) {
    if (RESERVED.contains(name)) {
      return Optional.of("__" + name + "__");
    }
    if (!ALLOWED.matcher(name).matches() && !name.matches("[./-][a-zA-Z0-9_./-]*")) {
      return Optional.empty();
    }
    return Optional.of(
        SPECIAL
            .matcher(name)
            .replaceAll(
                found ->
                    switch (found.group()) {
                      case "__" -> "__underscores__";
                      case "." -> "__dot__";
                      case "-" -> "__dash__";
                      default -> "__slash__";
                    }));
  }

  /** The field's name. */
  static String unescape(String escaped) {
    if (!escaped.contains("__")) {
      return escaped;
    }
    return ESCAPED
        .matcher(escaped)
        .replaceAll(
            found -> {
              String inner = found.group().substring(2, found.group().length() - 2);
              return Matcher.quoteReplacement(
                  switch (inner) {
                    case "underscores" -> "__";
                    case "dot" -> ".";
                    case "dash" -> "-";
                    case "slash" -> "/";
                    default -> RESERVED.contains(inner) ? inner : found.group();
                  });
            });
  }

  /** Whether a text is a name that expressions can use as it is. */
  public static boolean isIdentifier(String name) {
    return name.matches("[_a-zA-Z][_a-zA-Z0-9]*") && !RESERVED.contains(name);
  }
}
