package dev.kedge.model;

import dev.kedge.model.LabelSelector.Operator;
import dev.kedge.model.LabelSelector.Requirement;
import java.util.ArrayList;
import java.util.List;
import java.util.Set;
import java.util.TreeSet;

/** Reads the text form of label selectors; faults are in upstream's words. One use, one thread. */
final class LabelSelectorParser {
  private static final Set<String> SYMBOLS = Set.of("=", "==", "!=", "!", ">", "<", "(", ")", ",");
  private static final String END = "";

  private final List<String> tokens = new ArrayList<>();
  private int next;

  private LabelSelectorParser(String text) {
    int i = 0;
    while (i < text.length()) {
      char c = text.charAt(i);
      if (" \t\r\n".indexOf(c) >= 0) {
        i++;
        continue;
      }
      int start = i;
      if (isSymbol(c)) {
        // The longest operator counts: "==" and "!=" before "=" and "!".
        i++;
        if (i < text.length() && SYMBOLS.contains(text.substring(start, i + 1))) {
          i++;
        }
      } else {
        while (i < text.length()
            && !isSymbol(text.charAt(i))
            && " \t\r\n".indexOf(text.charAt(i)) < 0) {
          i++;
        }
      }
      tokens.add(text.substring(start, i));
    }
    tokens.add(END);
  }

  private static boolean isSymbol(char c) {
    return "=!(),><".indexOf(c) >= 0;
  }

  static LabelSelector parse(String text) {
    try {
      List<Requirement> requirements = new LabelSelectorParser(text).requirements();
      return requirements.isEmpty() ? LabelSelector.EVERYTHING : new LabelSelector(requirements);
    } catch (IllegalArgumentException e) {
      throw ApiException.badRequest(String.valueOf(e.getMessage()));
    }
  }

  private String peek() {
    return tokens.get(Math.min(next, tokens.size() - 1));
  }

  private String take() {
    String token = peek();
    next++;
    return token;
  }

  private static boolean identifier(String token) {
    return !token.equals(END) && !SYMBOLS.contains(token);
  }

  private static IllegalArgumentException found(String token, String expected) {
    return new IllegalArgumentException("found '" + token + "', expected: " + expected);
  }

  private List<Requirement> requirements() {
    List<Requirement> requirements = new ArrayList<>();
    while (true) {
      String token = peek();
      if (token.equals(END)) {
        return requirements;
      }
      if (!identifier(token) && !token.equals("!")) {
        throw found(token, "!, identifier, or 'end of string'");
      }
      try {
        requirements.add(requirement());
      } catch (IllegalArgumentException e) {
        throw new IllegalArgumentException("unable to parse requirement: " + e.getMessage(), e);
      }
      String after = take();
      if (after.equals(END)) {
        return requirements;
      }
      if (!after.equals(",")) {
        throw found(after, "',' or 'end of string'");
      }
      if (!identifier(peek()) && !peek().equals("!")) {
        throw found(peek(), "identifier after ','");
      }
    }
  }

  private Requirement requirement() {
    boolean not = peek().equals("!");
    if (not) {
      take();
    }
    String key = take();
    if (!identifier(key)) {
      throw found(key, "identifier");
    }
    List<String> faults = Names.qualified(key);
    if (!faults.isEmpty()) {
      throw invalid("key", key, faults);
    }
    if (peek().equals(END) || peek().equals(",") || not) {
      return new Requirement(key, not ? Operator.DOES_NOT_EXIST : Operator.EXISTS, List.of());
    }
    String operator = take();
    return switch (operator) {
      case "in" -> checked(key, Operator.IN, values());
      case "notin" -> checked(key, Operator.NOT_IN, values());
      case "=", "==" -> checked(key, Operator.IN, List.of(exactValue()));
      case "!=" -> checked(key, Operator.NOT_IN, List.of(exactValue()));
      case ">", "<" -> {
        String value = exactValue();
        if (!value.matches("[+-]?[0-9]{1,18}")) {
          throw invalid(
              "values[0]",
              value,
              List.of("for 'Gt', 'Lt' operators, the value must be an integer"));
        }
        yield new Requirement(
            key, operator.equals(">") ? Operator.GREATER_THAN : Operator.LESS_THAN, List.of(value));
      }
      default -> throw found(operator, "in, notin, =, ==, !=, gt, lt");
    };
  }

  private static Requirement checked(String key, Operator operator, List<String> values) {
    for (int i = 0; i < values.size(); i++) {
      List<String> faults = Names.labelValue(values.get(i));
      if (!faults.isEmpty()) {
        throw invalid("values[" + i + "][" + key + "]", values.get(i), faults);
      }
    }
    return new Requirement(key, operator, values);
  }

  private static IllegalArgumentException invalid(String field, String value, List<String> faults) {
    return new IllegalArgumentException(
        field
            + ": Invalid value: "
            + Json.write(new JsonString(value))
            + ": "
            + String.join("; ", faults));
  }

  /** One value; none at all means the empty value. */
  private String exactValue() {
    if (peek().equals(END) || peek().equals(",")) {
      return "";
    }
    String token = take();
    if (!identifier(token)) {
      throw found(token, "identifier");
    }
    return token;
  }

  private List<String> values() {
    String open = take();
    if (!open.equals("(")) {
      throw new IllegalArgumentException("found '" + open + "' expected: '('");
    }
    Set<String> values = new TreeSet<>();
    boolean expectValue = true;
    while (true) {
      String token = take();
      if (identifier(token) && expectValue) {
        values.add(token);
        expectValue = false;
      } else if (token.equals(",")) {
        if (expectValue) {
          values.add("");
        }
        expectValue = true;
      } else if (token.equals(")")) {
        if (expectValue) {
          values.add("");
        }
        return List.copyOf(values);
      } else {
        throw found(token, expectValue ? "',', ')' or identifier" : "',' or ')'");
      }
    }
  }
}
