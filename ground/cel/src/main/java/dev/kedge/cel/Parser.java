package dev.kedge.cel;

import dev.kedge.cel.Expr.Call;
import dev.kedge.cel.Expr.Entry;
import dev.kedge.cel.Expr.Field;
import dev.kedge.cel.Expr.Ident;
import dev.kedge.cel.Expr.ListExpr;
import dev.kedge.cel.Expr.Literal;
import dev.kedge.cel.Expr.MapExpr;
import dev.kedge.cel.Expr.Select;
import dev.kedge.cel.Expr.StructExpr;
import dev.kedge.cel.Tokens.Kind;
import dev.kedge.cel.Tokens.Token;
import dev.kedge.model.JsonNull;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.Set;
import org.jspecify.annotations.Nullable;

/** Reads an expression by CEL's grammar and expands its macros. One use. */
final class Parser {
  /** As cel-go's limits, so that hostile input exhausts neither stack nor time. */
  private static final int DEEPEST = 250;

  private static final int LONGEST = 100_000;
  private static final Set<String> RESERVED =
      Set.of(
          "as",
          "break",
          "const",
          "continue",
          "else",
          "false",
          "for",
          "function",
          "if",
          "import",
          "in",
          "let",
          "loop",
          "package",
          "namespace",
          "null",
          "return",
          "true",
          "var",
          "void",
          "while");

  private final Source source;
  private final List<Token> tokens;
  private final Macros macros = new Macros(this);
  private int at;
  private int depth;
  // Of chains, per rule of the grammar: each further link lies around those before it.
  private int relations;
  private int calculations;
  private int members;

  /** The text is no expression; what is wrong has been reported. */
  private static final class Abort extends RuntimeException {
    Abort() {
      super(null, null, false, false);
    }
  }

  private Parser(Source source) {
    this.source = source;
    this.tokens = Tokens.of(source);
  }

  /** The expression; empty if there are faults, which the source knows then. */
  static Optional<Expr> parse(Source source) {
    if (source.text().codePointCount(0, source.text().length()) > LONGEST) {
      source.report(
          0,
          "expression code point size exceeds limit: size: "
              + source.text().codePointCount(0, source.text().length())
              + ", limit "
              + LONGEST);
      return Optional.empty();
    }
    Parser parser = new Parser(source);
    if (source.faulty()) {
      return Optional.empty();
    }
    try {
      Expr expr = parser.expression();
      Token rest = parser.peek();
      if (rest.kind() != Kind.END) {
        throw parser.unexpected(rest, "<EOF>");
      }
      return source.faulty() ? Optional.empty() : Optional.of(expr);
    } catch (Abort _) {
      return Optional.empty();
    }
  }

  void report(int position, String message) {
    source.report(position, message);
  }

  private Token peek() {
    return tokens.get(at);
  }

  private Token next() {
    Token token = tokens.get(at);
    if (token.kind() != Kind.END) {
      at++;
    }
    return token;
  }

  private boolean accept(String symbol) {
    if (peek().is(symbol)) {
      at++;
      return true;
    }
    return false;
  }

  private Token expect(String symbol) {
    Token token = peek();
    if (!token.is(symbol)) {
      throw unexpected(token, "'" + symbol + "'");
    }
    at++;
    return token;
  }

  private Abort unexpected(Token token, String expected) {
    source.report(
        token.position(),
        "Syntax error: mismatched input '" + token.text() + "' expecting " + expected);
    return new Abort();
  }

  private Expr expression() {
    limited(++depth);
    Expr condition = or();
    if (peek().is("?")) {
      int position = next().position();
      Expr yes = or();
      expect(":");
      Expr no = expression();
      condition = Call.of(position, "_?_:_", condition, yes, no);
    }
    depth--;
    return condition;
  }

  private void limited(int links) {
    if (links > DEEPEST) {
      source.report(peek().position(), "expression recursion limit exceeded: " + DEEPEST);
      throw new Abort();
    }
  }

  private record Operand(Expr expr, int position) {}

  private Expr or() {
    return logical("||", "_||_");
  }

  private Expr and() {
    return logical("&&", "_&&_");
  }

  /** Chains are made balanced trees, so that long ones stay shallow. */
  private Expr logical(String symbol, String function) {
    boolean outer = symbol.equals("||");
    Expr first = outer ? and() : relation();
    if (!peek().is(symbol)) {
      return first;
    }
    List<Expr> terms = new ArrayList<>(List.of(first));
    List<Integer> positions = new ArrayList<>();
    while (peek().is(symbol)) {
      positions.add(next().position());
      terms.add(outer ? and() : relation());
    }
    return balanced(function, terms, positions, 0, positions.size() - 1);
  }

  private static Expr balanced(
      String function, List<Expr> terms, List<Integer> positions, int low, int high) {
    int middle = (low + high + 1) / 2;
    Expr left =
        middle == low ? terms.get(middle) : balanced(function, terms, positions, low, middle - 1);
    Expr right =
        middle == high
            ? terms.get(middle + 1)
            : balanced(function, terms, positions, middle + 1, high);
    return Call.of(positions.get(middle), function, left, right);
  }

  private Expr relation() {
    Expr left = sum();
    int before = relations;
    while (true) {
      Token token = peek();
      String function =
          switch (token.kind() == Kind.SYMBOL || token.is("in") ? token.text() : "") {
            case "<" -> "_<_";
            case "<=" -> "_<=_";
            case ">" -> "_>_";
            case ">=" -> "_>=_";
            case "==" -> "_==_";
            case "!=" -> "_!=_";
            case "in" -> "@in";
            default -> "";
          };
      if (function.isEmpty()) {
        relations = before;
        return left;
      }
      limited(++relations);
      next();
      left = Call.of(token.position(), function, left, sum());
    }
  }

  private Expr sum() {
    Expr left = product();
    int before = calculations;
    while (peek().is("+") || peek().is("-")) {
      limited(++calculations);
      Token token = next();
      left = Call.of(token.position(), token.is("+") ? "_+_" : "_-_", left, product());
    }
    calculations = before;
    return left;
  }

  private Expr product() {
    Expr left = unary();
    int before = calculations;
    while (peek().is("*") || peek().is("/") || peek().is("%")) {
      limited(++calculations);
      Token token = next();
      left = Call.of(token.position(), "_" + token.text() + "_", left, unary());
    }
    calculations = before;
    return left;
  }

  private Expr unary() {
    Token first = peek();
    if (first.is("!")) {
      int count = 0;
      while (accept("!")) {
        count++;
      }
      Expr operand = member();
      return count % 2 == 0 ? operand : Call.of(first.position(), "!_", operand);
    }
    if (first.is("-")) {
      int count = 0;
      while (accept("-")) {
        count++;
      }
      Token number = peek();
      if (count == 1 && (number.kind() == Kind.INT || number.kind() == Kind.DOUBLE)) {
        next();
        Expr literal = number(number, "-");
        return suffixes(literal);
      }
      Expr operand = member();
      return count % 2 == 0 ? operand : Call.of(first.position(), "-_", operand);
    }
    return member();
  }

  private Expr member() {
    return suffixes(primary());
  }

  private Expr suffixes(Expr start) {
    Expr expr = start;
    int before = members;
    while (true) {
      Token token = peek();
      if (token.is(".")) {
        limited(++members);
        next();
        boolean optional = accept("?");
        Token name = next();
        if (name.kind() != Kind.IDENT && name.kind() != Kind.ESCAPED) {
          throw unexpected(name, "IDENTIFIER");
        }
        if (!optional && name.kind() == Kind.IDENT && peek().is("(")) {
          int position = next().position();
          List<Expr> arguments = list(")");
          Expr target = expr;
          expr =
              macros
                  .member(position, name.text(), target, arguments)
                  .orElseGet(() -> new Call(position, name.text(), target, arguments));
        } else {
          expr =
              optional
                  ? Call.of(
                      token.position(), "_?._", expr, new Literal(name.position(), name.text()))
                  : new Select(token.position(), expr, name.text(), false);
        }
      } else if (token.is("[")) {
        limited(++members);
        next();
        boolean optional = accept("?");
        Expr index = expression();
        expect("]");
        expr = Call.of(token.position(), optional ? "_[?_]" : "_[_]", expr, index);
      } else if (token.is("{") && !expr.qualified().isEmpty()) {
        expr = struct(String.join(".", expr.qualified()), token);
      } else {
        members = before;
        return expr;
      }
    }
  }

  private Expr struct(String name, Token open) {
    next();
    List<Field> fields = new ArrayList<>();
    while (!peek().is("}")) {
      boolean optional = accept("?");
      Token field = next();
      if (field.kind() != Kind.IDENT && field.kind() != Kind.ESCAPED) {
        throw unexpected(field, "IDENTIFIER");
      }
      int position = expect(":").position();
      fields.add(new Field(position, field.text(), expression(), optional));
      if (!accept(",")) {
        break;
      }
    }
    expect("}");
    return new StructExpr(open.position(), name, fields);
  }

  private List<Expr> list(String end) {
    List<Expr> items = new ArrayList<>();
    if (!peek().is(end)) {
      do {
        items.add(expression());
      } while (accept(","));
    }
    expect(end);
    return items;
  }

  private Expr primary() {
    Token token = next();
    switch (token.kind()) {
      case INT, UINT, DOUBLE -> {
        return number(token, "");
      }
      case STRING, BYTES -> {
        return new Literal(token.position(), token.value());
      }
      case IDENT -> {
        return named(token, "");
      }
      case ESCAPED, END, SYMBOL -> {}
    }
    switch (token.text()) {
      case "(" -> {
        Expr inner = expression();
        expect(")");
        return inner;
      }
      case "[" -> {
        List<Expr> items = new ArrayList<>();
        List<Integer> optional = new ArrayList<>();
        while (!peek().is("]")) {
          if (accept("?")) {
            optional.add(items.size());
          }
          items.add(expression());
          if (!accept(",")) {
            break;
          }
        }
        expect("]");
        return new ListExpr(token.position(), items, optional);
      }
      case "{" -> {
        List<Entry> entries = new ArrayList<>();
        while (!peek().is("}")) {
          boolean optional = accept("?");
          Expr key = expression();
          int position = expect(":").position();
          entries.add(new Entry(position, key, expression(), optional));
          if (!accept(",")) {
            break;
          }
        }
        expect("}");
        return new MapExpr(token.position(), entries);
      }
      case "." -> {
        Token name = next();
        if (name.kind() != Kind.IDENT) {
          throw unexpected(name, "IDENTIFIER");
        }
        return named(name, ".");
      }
      default ->
          throw unexpected(
              token,
              "{'[', '{', '(', '.', '-', '!', 'true', 'false', 'null', NUM_FLOAT, NUM_INT,"
                  + " NUM_UINT, STRING, BYTES, IDENTIFIER}");
    }
  }

  private Expr named(Token token, String prefix) {
    String name = token.text();
    switch (prefix.isEmpty() ? name : "") {
      case "true" -> {
        return new Literal(token.position(), true);
      }
      case "false" -> {
        return new Literal(token.position(), false);
      }
      case "null" -> {
        return new Literal(token.position(), JsonNull.NULL);
      }
      default -> {}
    }
    if (RESERVED.contains(name)) {
      source.report(token.position(), "reserved identifier: " + name);
    }
    if (peek().is("(")) {
      int position = next().position();
      List<Expr> arguments = list(")");
      return macros
          .global(position, name, arguments)
          .orElseGet(() -> new Call(position, name, null, arguments));
    }
    return new Ident(token.position(), name);
  }

  private Expr number(Token token, String sign) {
    String text = token.text();
    try {
      return new Literal(
          token.position() - sign.length(),
          switch (token.kind()) {
            case INT ->
                text.startsWith("0x") || text.startsWith("0X")
                    ? Long.parseLong(sign + text.substring(2), 16)
                    : Long.parseLong(sign + text);
            case UINT -> {
              String digits = text.substring(0, text.length() - 1);
              yield new UnsignedInt(
                  digits.startsWith("0x") || digits.startsWith("0X")
                      ? Long.parseUnsignedLong(digits.substring(2), 16)
                      : Long.parseUnsignedLong(digits));
            }
            default -> Double.parseDouble(sign + text);
          });
    } catch (NumberFormatException _) {
      source.report(
          token.position(),
          token.kind() == Kind.UINT ? "invalid uint literal" : "invalid int literal");
      return new Literal(token.position(), 0L);
    }
  }

  /** The name of an identifier; null if it is something else. */
  static @Nullable String simpleName(Expr expr) {
    return expr instanceof Ident ident ? ident.name : null;
  }
}
