package dev.kedge.cel;

import dev.kedge.model.BoundedText;
import dev.kedge.model.JsonNull;
import java.math.BigDecimal;
import java.math.RoundingMode;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.time.Instant;
import java.util.ArrayList;
import java.util.HexFormat;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.TreeMap;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.regex.PatternSyntaxException;

/** What the language does with texts, by Unicode characters. Stateless. */
final class Texts {
  /** Longest text that a function makes. */
  private static final int LONGEST = 10_000_000;

  private Texts() {}

  /** Refuses to make a text that is too long. */
  private static void check(long length) {
    if (length > LONGEST) {
      throw new CelException(CelException.TOO_EXPENSIVE);
    }
  }

  static String join(List<String> parts, String separator) {
    long length = (long) separator.length() * parts.size();
    for (String part : parts) {
      length += part.length();
    }
    check(length);
    return String.join(separator, parts);
  }

  /** A regular expression; empty if it is none. */
  static Optional<Pattern> pattern(String text) {
    try {
      return Optional.of(Pattern.compile(text.replace("(?P<", "(?<")));
    } catch (PatternSyntaxException | StackOverflowError _) {
      return Optional.empty();
    }
  }

  /** Whether a regular expression is found in a text. */
  static boolean found(String regex, String text) {
    return find(matcher(regex, text));
  }

  /** The next match. */
  static boolean find(Matcher matcher) {
    try {
      return matcher.find();
    } catch (BoundedText.ExceededException | StackOverflowError _) {
      throw new CelException(CelException.TOO_EXPENSIVE);
    }
  }

  static Matcher matcher(String regex, String text) {
    Pattern pattern =
        pattern(regex)
            .orElseThrow(
                () -> new CelException("error parsing regexp: invalid pattern: `" + regex + "`"));
    return pattern.matcher(new BoundedText(text));
  }

  static int length(String text) {
    return text.codePointCount(0, text.length());
  }

  static String charAt(String text, long index) {
    int length = length(text);
    if (index < 0 || index > length) {
      throw new CelException("index out of range: " + index);
    }
    return index == length ? "" : substring(text, index, index + 1);
  }

  static String substring(String text, long from, long to) {
    int length = length(text);
    if (from < 0 || from > length) {
      throw new CelException("index out of range: " + from);
    }
    if (to < 0 || to > length) {
      throw new CelException("index out of range: " + to);
    }
    if (from > to) {
      throw new CelException("invalid substring range. start: " + from + ", end: " + to);
    }
    return text.substring(
        text.offsetByCodePoints(0, (int) from), text.offsetByCodePoints(0, (int) to));
  }

  static long indexOf(String text, String part, long from) {
    int length = length(text);
    if (from < 0 || from > length) {
      throw new CelException("index out of range: " + from);
    }
    int found = text.indexOf(part, text.offsetByCodePoints(0, (int) from));
    return found < 0 ? -1 : text.codePointCount(0, found);
  }

  static long lastIndexOf(String text, String part, long from) {
    int length = length(text);
    if (from < 0 || from > length) {
      throw new CelException("index out of range: " + from);
    }
    int found = text.lastIndexOf(part, text.offsetByCodePoints(0, (int) from));
    return found < 0 ? -1 : text.codePointCount(0, found);
  }

  static String lowerAscii(String text) {
    return mapped(text, 'A', 'Z', 32);
  }

  static String upperAscii(String text) {
    return mapped(text, 'a', 'z', -32);
  }

  private static String mapped(String text, char first, char last, int shift) {
    StringBuilder out = new StringBuilder(text.length());
    for (int i = 0; i < text.length(); i++) {
      char c = text.charAt(i);
      out.append(c >= first && c <= last ? (char) (c + shift) : c);
    }
    return out.toString();
  }

  /** Replaces the first so many; all where the count is negative. */
  static String replace(String text, String old, String by, long count) {
    if (count == 0) {
      return text;
    }
    long most = old.isEmpty() ? text.length() + 1L : text.length() / old.length();
    check(text.length() + (count < 0 ? most : Math.min(most, count)) * by.length());
    if (count < 0) {
      return text.replace(old, by);
    }
    StringBuilder out = new StringBuilder();
    int at = 0;
    long left = count;
    while (left-- > 0) {
      int found = text.indexOf(old, at);
      if (found < 0 || old.isEmpty() && found >= text.length()) {
        break;
      }
      out.append(text, at, found).append(by);
      at = found + old.length();
      if (old.isEmpty()) {
        out.append(text.charAt(at++));
      }
    }
    return out.append(text.substring(at)).toString();
  }

  /** Splits into at most so many parts; all where the count is negative. */
  static List<Object> split(String text, String separator, long count) {
    List<Object> parts = new ArrayList<>();
    if (count == 0) {
      return parts;
    }
    int at = 0;
    while (count < 0 || parts.size() < count - 1) {
      int found;
      if (separator.isEmpty()) {
        found = at < text.length() ? text.offsetByCodePoints(at, 1) : -1;
        if (found < 0 || found >= text.length()) {
          break;
        }
      } else {
        found = text.indexOf(separator, at);
        if (found < 0) {
          break;
        }
      }
      parts.add(text.substring(at, found));
      at = found + separator.length();
    }
    if (!separator.isEmpty() || at < text.length()) {
      parts.add(text.substring(at));
    }
    return parts;
  }

  /** White space as Go's {@code unicode.IsSpace} has it. */
  static String trim(String text) {
    int start = 0;
    int end = text.length();
    while (start < end && isSpace(text.charAt(start))) {
      start++;
    }
    while (end > start && isSpace(text.charAt(end - 1))) {
      end--;
    }
    return text.substring(start, end);
  }

  private static boolean isSpace(char c) {
    return c >= '\t' && c <= '\r' || c == ' ' || c == 0x85 || c == 0xa0 || Character.isSpaceChar(c);
  }

  static String quote(String text) {
    StringBuilder out = new StringBuilder("\"");
    for (int i = 0; i < text.length(); i++) {
      char c = text.charAt(i);
      int special = "\u0007\b\f\n\r\t\u000b\\\"".indexOf(c);
      if (special >= 0) {
        out.append('\\').append("abfnrtv\\\"".charAt(special));
      } else {
        out.append(c);
      }
    }
    return out.append('"').toString();
  }

  /**
   * Fills in {@code %s}, {@code %d}, {@code %f}, {@code %e}, {@code %b}, {@code %x}, {@code %o}.
   */
  static String format(String format, List<?> arguments) {
    StringBuilder out = new StringBuilder();
    int next = 0;
    for (int i = 0; i < format.length(); i++) {
      char c = format.charAt(i);
      if (c != '%') {
        out.append(c);
        continue;
      }
      if (++i >= format.length()) {
        throw new CelException("unexpected end of string");
      }
      if (format.charAt(i) == '%') {
        out.append('%');
        continue;
      }
      int precision = 6;
      if (format.charAt(i) == '.') {
        int start = ++i;
        while (i < format.length() && Character.isDigit(format.charAt(i))) {
          i++;
        }
        if (i == start || i - start > 3 || i >= format.length()) {
          throw new CelException("could not find end of precision specifier");
        }
        precision = Integer.parseInt(format.substring(start, i));
      }
      if (next >= arguments.size()) {
        throw new CelException("index " + next + " out of range");
      }
      out.append(clause(format.charAt(i), precision, arguments.get(next++)));
      check(out.length());
    }
    return out.toString();
  }

  private static String clause(char clause, int precision, Object value) {
    switch (clause) {
      case 's' -> {
        return shown(value);
      }
      case 'd' -> {
        if (value instanceof Long || value instanceof UnsignedInt) {
          return value.toString();
        }
        if (value instanceof Double number && (number.isInfinite() || number.isNaN())) {
          return shown(value);
        }
      }
      case 'f', 'e' -> {
        if (Values.isNumber(value)) {
          double number =
              value instanceof UnsignedInt unsigned
                  ? new BigDecimal(unsigned.toString()).doubleValue()
                  : ((Number) value).doubleValue();
          if (Double.isInfinite(number) || Double.isNaN(number)) {
            return shown(number);
          }
          return clause == 'f'
              ? new BigDecimal(number).setScale(precision, RoundingMode.HALF_EVEN).toPlainString()
              : scientific(number, precision);
        }
      }
      case 'b' -> {
        if (value instanceof Boolean flag) {
          return flag ? "1" : "0";
        }
        if (value instanceof Long number) {
          return Long.toString(number, 2);
        }
        if (value instanceof UnsignedInt number) {
          return Long.toUnsignedString(number.bits(), 2);
        }
      }
      case 'o' -> {
        if (value instanceof Long number) {
          return Long.toString(number, 8);
        }
        if (value instanceof UnsignedInt number) {
          return Long.toUnsignedString(number.bits(), 8);
        }
      }
      case 'x', 'X' -> {
        String hex =
            switch (value) {
              case Long number -> Long.toString(number, 16);
              case UnsignedInt number -> Long.toUnsignedString(number.bits(), 16);
              case String text -> HexFormat.of().formatHex(text.getBytes(StandardCharsets.UTF_8));
              case Octets octets -> HexFormat.of().formatHex(octets.bytes());
              default -> "";
            };
        if (!hex.isEmpty() || value instanceof String || value instanceof Octets) {
          return clause == 'X' ? upperAscii(hex) : hex;
        }
      }
      default ->
          throw new CelException(
              "could not parse formatting clause: unrecognized formatting clause \""
                  + clause
                  + "\"");
    }
    throw new CelException(
        "error during formatting: clause '%"
            + clause
            + "' does not fit type "
            + Values.typeOf(value));
  }

  /** As the version of the strings library that Kubernetes has: with a raised exponent. */
  private static String scientific(double number, int precision) {
    String plain = String.format(java.util.Locale.ROOT, "%." + precision + "e", number);
    int e = plain.indexOf('e');
    StringBuilder out = new StringBuilder(plain.substring(0, e)).append("×10");
    for (char c : plain.substring(plain.charAt(e + 1) == '+' ? e + 2 : e + 1).toCharArray()) {
      out.append(c == '-' ? '⁻' : "⁰¹²³⁴⁵⁶⁷⁸⁹".charAt(c - '0'));
    }
    return out.toString();
  }

  private static String shown(Object value) {
    return switch (value) {
      case String text -> text;
      case JsonNull _ -> "null";
      case Double number -> number(number);
      case Octets octets -> new String(octets.bytes(), StandardCharsets.UTF_8);
      case Instant instant -> Times.show(instant);
      case Duration duration -> Times.show(duration);
      case List<?> list -> {
        List<String> items = new ArrayList<>();
        list.forEach(item -> items.add(shown(item)));
        yield "[" + String.join(", ", items) + "]";
      }
      case Map<?, ?> map -> {
        TreeMap<String, String> entries = new TreeMap<>();
        map.forEach((key, one) -> entries.put(shown(key), shown(one)));
        List<String> items = new ArrayList<>();
        entries.forEach((key, one) -> items.add(key + ": " + one));
        yield "{" + String.join(", ", items) + "}";
      }
      default -> String.valueOf(value);
    };
  }

  /** A double as Go's {@code strconv} writes it shortest. */
  static String number(double value) {
    if (Double.isNaN(value)) {
      return "NaN";
    }
    if (Double.isInfinite(value)) {
      return value > 0 ? "+Inf" : "-Inf";
    }
    if (value == 0) {
      return 1 / value < 0 ? "-0" : "0";
    }
    BigDecimal decimal = new BigDecimal(Double.toString(value)).stripTrailingZeros();
    int exponent = decimal.precision() - decimal.scale() - 1;
    if (exponent < -4 || exponent >= 21) {
      String digits = decimal.unscaledValue().abs().toString();
      return (value < 0 ? "-" : "")
          + digits.charAt(0)
          + (digits.length() > 1 ? "." + digits.substring(1) : "")
          + "e"
          + (exponent < 0 ? "-" : "+")
          + (Math.abs(exponent) < 10 ? "0" : "")
          + Math.abs(exponent);
    }
    return decimal.toPlainString();
  }
}
