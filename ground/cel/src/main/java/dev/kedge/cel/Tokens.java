package dev.kedge.cel;

import java.io.ByteArrayOutputStream;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;

/** Cuts an expression into tokens. One use. */
final class Tokens {
  enum Kind {
    IDENT,
    /** A field name between backquotes. */
    ESCAPED,
    INT,
    UINT,
    DOUBLE,
    STRING,
    BYTES,
    SYMBOL,
    END
  }

  /**
   * A token.
   *
   * @param value of strings and bytes
   */
  record Token(Kind kind, int position, String text, Object value) {
    boolean is(String symbol) {
      return (kind == Kind.SYMBOL || kind == Kind.IDENT) && text.equals(symbol);
    }
  }

  private static final List<String> DOUBLES = List.of("==", "!=", "<=", ">=", "&&", "||");

  private final Source source;
  private final String text;
  private final List<Token> tokens = new ArrayList<>();
  private int at;

  private Tokens(Source source) {
    this.source = source;
    this.text = source.text();
  }

  /** The tokens, an END at last; faults are reported to the source. */
  static List<Token> of(Source source) {
    Tokens reader = new Tokens(source);
    reader.read();
    return reader.tokens;
  }

  private void read() {
    while (at < text.length()) {
      char c = text.charAt(at);
      if (c == ' ' || c == '\t' || c == '\n' || c == '\r' || c == '\f') {
        at++;
      } else if (c == '/' && next() == '/') {
        while (at < text.length() && text.charAt(at) != '\n') {
          at++;
        }
      } else if (isDigit(c) || c == '.' && isDigit(next())) {
        number();
      } else if (c == '"' || c == '\'') {
        string(at, false, false);
      } else if (isLetter(c)) {
        word();
      } else if (c == '`') {
        escaped();
      } else {
        symbol();
      }
    }
    tokens.add(new Token(Kind.END, text.length(), "<EOF>", ""));
  }

  private char next() {
    return at + 1 < text.length() ? text.charAt(at + 1) : '\0';
  }

  private static boolean isDigit(char c) {
    return c >= '0' && c <= '9';
  }

  private static boolean isLetter(char c) {
    return c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c == '_';
  }

  private void symbol() {
    String two = text.substring(at, Math.min(text.length(), at + 2));
    if (DOUBLES.contains(two)) {
      tokens.add(new Token(Kind.SYMBOL, at, two, ""));
      at += 2;
      return;
    }
    char c = text.charAt(at);
    if ("[]{}()<>.,-!?:+*/%".indexOf(c) < 0) {
      source.report(at, "Syntax error: token recognition error at: '" + c + "'");
    } else {
      tokens.add(new Token(Kind.SYMBOL, at, String.valueOf(c), ""));
    }
    at++;
  }

  private void escaped() {
    int end = text.indexOf('`', at + 1);
    if (end < 0) {
      source.report(at, "Syntax error: token recognition error at: '" + text.substring(at) + "'");
      at = text.length();
      return;
    }
    tokens.add(new Token(Kind.ESCAPED, at, text.substring(at + 1, end), ""));
    at = end + 1;
  }

  private void word() {
    int start = at;
    // Prefixes of strings: r, b and both in either order.
    int letters = at;
    while (letters < text.length()
        && letters - at < 2
        && "rRbB".indexOf(text.charAt(letters)) >= 0) {
      letters++;
    }
    if (letters > at
        && letters < text.length()
        && (text.charAt(letters) == '"' || text.charAt(letters) == '\'')) {
      String prefix = text.substring(at, letters).toLowerCase(java.util.Locale.ROOT);
      if (!prefix.equals("rr") && !prefix.equals("bb")) {
        at = letters;
        string(start, prefix.contains("r"), prefix.contains("b"));
        return;
      }
    }
    while (at < text.length() && (isLetter(text.charAt(at)) || isDigit(text.charAt(at)))) {
      at++;
    }
    tokens.add(new Token(Kind.IDENT, start, text.substring(start, at), ""));
  }

  private void number() {
    int start = at;
    if (text.charAt(at) == '0' && (next() == 'x' || next() == 'X')) {
      at += 2;
      while (at < text.length() && Character.digit(text.charAt(at), 16) >= 0) {
        at++;
      }
      integer(start);
      return;
    }
    digits();
    boolean real = false;
    if (at < text.length() && text.charAt(at) == '.' && isDigit(next())) {
      real = true;
      at++;
      digits();
    }
    if (at < text.length() && (text.charAt(at) == 'e' || text.charAt(at) == 'E')) {
      int exponent = at + 1;
      if (exponent < text.length() && "+-".indexOf(text.charAt(exponent)) >= 0) {
        exponent++;
      }
      if (exponent < text.length() && isDigit(text.charAt(exponent))) {
        real = true;
        at = exponent;
        digits();
      }
    }
    if (real) {
      tokens.add(new Token(Kind.DOUBLE, start, text.substring(start, at), ""));
    } else {
      integer(start);
    }
  }

  private void digits() {
    while (at < text.length() && isDigit(text.charAt(at))) {
      at++;
    }
  }

  private void integer(int start) {
    boolean unsigned = at < text.length() && (text.charAt(at) == 'u' || text.charAt(at) == 'U');
    if (unsigned) {
      at++;
    }
    tokens.add(new Token(unsigned ? Kind.UINT : Kind.INT, start, text.substring(start, at), ""));
  }

  private void string(int start, boolean raw, boolean bytes) {
    char quote = text.charAt(at);
    String triple = String.valueOf(quote).repeat(3);
    boolean isTriple = text.startsWith(triple, at);
    String end = isTriple ? triple : String.valueOf(quote);
    at += end.length();
    StringBuilder value = new StringBuilder();
    ByteArrayOutputStream octets = new ByteArrayOutputStream();
    while (true) {
      if (at >= text.length()
          || !isTriple && (text.charAt(at) == '\n' || text.charAt(at) == '\r')) {
        source.report(
            start, "Syntax error: token recognition error at: '" + text.substring(start) + "'");
        at = text.length();
        return;
      }
      if (text.startsWith(end, at)) {
        at += end.length();
        break;
      }
      char c = text.charAt(at);
      if (c == '\\' && !raw) {
        at++;
        if (!escape(value, octets, bytes)) {
          source.report(start, "invalid escape sequence in string literal");
          return;
        }
        continue;
      }
      if (c == '\\' && at + 1 < text.length()) {
        // Raw: the backslash stays, and what follows does not end the string.
        put(value, octets, bytes, c);
        at++;
        c = text.charAt(at);
      }
      int point = text.codePointAt(at);
      put(value, octets, bytes, point);
      at += Character.charCount(point);
    }
    tokens.add(
        new Token(
            bytes ? Kind.BYTES : Kind.STRING,
            start,
            text.substring(start, at),
            bytes ? new Octets(octets.toByteArray()) : value.toString()));
  }

  private static void put(
      StringBuilder value, ByteArrayOutputStream octets, boolean bytes, int point) {
    if (bytes) {
      octets.writeBytes(Character.toString(point).getBytes(StandardCharsets.UTF_8));
    } else {
      value.appendCodePoint(point);
    }
  }

  private boolean escape(StringBuilder value, ByteArrayOutputStream octets, boolean bytes) {
    if (at >= text.length()) {
      return false;
    }
    char c = text.charAt(at++);
    int simple = "abfnrtv\\'\"`?".indexOf(c);
    if (simple >= 0) {
      put(value, octets, bytes, "\u0007\b\f\n\r\t\u000b\\'\"`?".charAt(simple));
      return true;
    }
    int digits =
        switch (c) {
          case 'x', 'X' -> 2;
          case 'u' -> bytes ? 0 : 4;
          case 'U' -> bytes ? 0 : 8;
          case '0', '1', '2', '3' -> 3;
          default -> 0;
        };
    boolean octal = c >= '0' && c <= '3';
    if (octal) {
      at--;
    }
    if (digits == 0 || at + digits > text.length()) {
      return false;
    }
    try {
      int point = Integer.parseInt(text.substring(at, at + digits), octal ? 8 : 16);
      at += digits;
      if (bytes) {
        octets.write(point);
        return point < 256;
      }
      if (point < 0 || point > 0x10ffff || point >= 0xd800 && point <= 0xdfff) {
        return false;
      }
      value.appendCodePoint(point);
      return true;
    } catch (NumberFormatException _) {
      return false;
    }
  }
}
