package dev.kedge.model;

import java.math.BigDecimal;
import java.util.ArrayList;
import java.util.List;
import java.util.regex.Pattern;

/**
 * Writes YAML exactly as goyaml v2 does behind {@code kubectl -o yaml}: sequences in mappings are
 * not indented, texts are plain where they can be, literal where they have lines, else quoted; long
 * texts are folded after column 80. One document per use, one thread.
 */
final class YamlWriter {
  private static final int WIDTH = 80;
  private static final int INDENT = 2;
  private static final int LONGEST_SIMPLE_KEY = 128;
  private static final Pattern BASE_60 =
      Pattern.compile("[-+]?[0-9][0-9_]*+(?::[0-5]?[0-9])++(\\.[0-9_]*)?");
  private static final Pattern TIMESTAMP =
      Pattern.compile(
          "[0-9]{4}-[0-9]{1,2}-[0-9]{1,2}([Tt"
              + " ][0-9]{1,2}:[0-9]{1,2}:[0-9]{1,2}(\\.[0-9]+)?([Zz]|[-+][0-9]{2}:[0-9]{2})?)?");

  private final boolean sorted;
  private final StringBuilder out = new StringBuilder();
  private int lineStart;

  YamlWriter(boolean sorted) {
    this.sorted = sorted;
  }

  String document(JsonValue value) {
    switch (value) {
      case JsonObject object when !object.isEmpty() -> mapping(object, 0, false);
      case JsonArray array when !array.isEmpty() -> sequence(array, 0, false);
      default -> {
        scalar(value, 0, false);
        newline();
      }
    }
    return out.toString();
  }

  private void newline() {
    out.append('\n');
    lineStart = out.length();
  }

  private int column() {
    return out.codePointCount(lineStart, out.length());
  }

  private void indent(int indent) {
    out.repeat(' ', indent);
  }

  /** Writes fields at an indent; inline: the first one goes on the line that is begun. */
  private void mapping(JsonObject object, int indent, boolean inline) {
    List<String> names = new ArrayList<>(object.names());
    if (sorted) {
      names.sort(YamlWriter::compareNames);
    }
    boolean first = inline;
    for (String name : names) {
      if (!first) {
        indent(indent);
      }
      first = false;
      if (name.length() > LONGEST_SIMPLE_KEY || name.indexOf('\n') >= 0) {
        out.append("? ");
        text(name, indent, false);
        newline();
        indent(indent);
        out.append(':');
      } else {
        text(name, indent, true);
        out.append(':');
      }
      JsonValue value = object.get(name).orElseThrow();
      switch (value) {
        case JsonObject child when !child.isEmpty() -> {
          newline();
          mapping(child, indent + INDENT, false);
        }
        case JsonArray child when !child.isEmpty() -> {
          newline();
          sequence(child, indent, false);
        }
        default -> {
          out.append(' ');
          scalar(value, indent, false);
          newline();
        }
      }
    }
  }

  private void sequence(JsonArray array, int indent, boolean inline) {
    boolean first = inline;
    for (JsonValue item : array.items()) {
      if (!first) {
        indent(indent);
      }
      first = false;
      out.append("- ");
      switch (item) {
        case JsonObject child when !child.isEmpty() -> mapping(child, indent + INDENT, true);
        case JsonArray child when !child.isEmpty() -> sequence(child, indent + INDENT, true);
        default -> {
          scalar(item, indent, false);
          newline();
        }
      }
    }
  }

  private void scalar(JsonValue value, int indent, boolean key) {
    switch (value) {
      case JsonString text -> text(text.value(), indent, key);
      case JsonInteger number -> out.append(number.value());
      case JsonDecimal number -> out.append(decimal(number.value()));
      case JsonBoolean flag -> out.append(flag.value());
      case JsonNull _ -> out.append("null");
      case JsonObject _ -> out.append("{}");
      case JsonArray _ -> out.append("[]");
    }
  }

  /** Go's shortest %g. */
  private static String decimal(double value) {
    if (value == 0) {
      return "0";
    }
    BigDecimal exact = new BigDecimal(Double.toString(value)).stripTrailingZeros();
    String digits = exact.unscaledValue().abs().toString();
    int exponent = digits.length() - exact.scale() - 1;
    if (exponent < -4 || exponent >= 6) {
      String mantissa =
          digits.length() == 1 ? digits : digits.charAt(0) + "." + digits.substring(1);
      return (value < 0 ? "-" : "")
          + mantissa
          + "e"
          + (exponent < 0 ? "-" : "+")
          + (Math.abs(exponent) < 10 ? "0" : "")
          + Math.abs(exponent);
    }
    return exact.toPlainString();
  }

  // ---- texts

  private void text(String text, int indent, boolean key) {
    Analysis analysis = new Analysis(text);
    boolean string =
        Yaml.plain(text) instanceof JsonString
            && !BASE_60.matcher(text).matches()
            && !TIMESTAMP.matcher(text).matches()
            && !text.equals("<<");
    if (text.indexOf('\n') >= 0) {
      if (analysis.literal && !key) {
        literal(text, indent + INDENT);
      } else {
        doubleQuoted(text, indent + INDENT, key);
      }
    } else if (!string) {
      doubleQuoted(text, indent + INDENT, key);
    } else if (analysis.plain) {
      folded(text, indent + INDENT, key);
    } else if (analysis.singleQuoted) {
      out.append('\'');
      folded(text.replace("'", "''"), indent + INDENT, key);
      out.append('\'');
    } else {
      doubleQuoted(text, indent + INDENT, key);
    }
  }

  /** What a text allows. */
  private static final class Analysis {
    private final boolean plain;
    private final boolean singleQuoted;
    private final boolean literal;

    Analysis(String text) {
      boolean indicators = text.startsWith("---") || text.startsWith("...");
      boolean special = false;
      boolean spaceBreak = false;
      boolean breakSpace = false;
      boolean lines = false;
      char before = ' ';
      for (int i = 0; i < text.length(); i++) {
        char c = text.charAt(i);
        boolean blankAfter = i + 1 == text.length() || " \t\n\r".indexOf(text.charAt(i + 1)) >= 0;
        if (i == 0) {
          indicators |= "#,[]{}&*!|>'\"%@`".indexOf(c) >= 0;
          indicators |= "?:-".indexOf(c) >= 0 && blankAfter;
        } else {
          indicators |= c == ':' && blankAfter;
          indicators |= c == '#' && (before == ' ' || before == '\t' || before == '\n');
        }
        special |= !printable(text, i);
        lines |= c == '\n';
        spaceBreak |= c == '\n' && before == ' ' && i > 0;
        breakSpace |= c == ' ' && before == '\n' && i > 0;
        before = c;
      }
      boolean leading = text.startsWith(" ") || text.startsWith("\n");
      boolean trailing = text.endsWith(" ") || text.endsWith("\n");
      plain = !indicators && !special && !lines && !leading && !trailing && !text.isEmpty();
      singleQuoted = !special && !spaceBreak && !breakSpace;
      literal = !special && !spaceBreak && !text.endsWith(" ");
    }

    private static boolean printable(String text, int index) {
      char c = text.charAt(index);
      if (Character.isSurrogate(c)) {
        return true;
      }
      return c == '\n'
          || c >= 0x20 && c <= 0x7E
          || c >= 0xA0 && c <= 0xD7FF
          || c >= 0xE000 && c <= 0xFFFD && c != 0xFEFF;
    }
  }

  /** Plain or single-quoted text on one line, broken at single blanks once the line is long. */
  private void folded(String text, int indent, boolean key) {
    for (int i = 0; i < text.length(); i++) {
      char c = text.charAt(i);
      boolean single =
          c == ' '
              && i > 0
              && i < text.length() - 1
              && text.charAt(i - 1) != ' '
              && text.charAt(i + 1) != ' ';
      if (single && !key && column() > WIDTH) {
        newline();
        indent(indent);
      } else {
        out.append(c);
      }
    }
  }

  private void doubleQuoted(String text, int indent, boolean key) {
    out.append('"');
    boolean blanks = false;
    for (int i = 0; i < text.length(); ) {
      int c = text.codePointAt(i);
      int width = Character.charCount(c);
      boolean plain =
          c >= 0x20 && c <= 0x7E || c >= 0xA0 && c <= 0xD7FF || c >= 0xE000 && c != 0xFEFF;
      if (c == '"' || c == '\\') {
        out.append('\\').appendCodePoint(c);
        blanks = false;
      } else if (!plain) {
        out.append(escape(c));
        blanks = false;
      } else if (c == ' ') {
        boolean inside = i > 0 && i < text.length() - 1;
        if (!key && !blanks && column() > WIDTH && inside) {
          newline();
          indent(indent);
          if (text.charAt(i + 1) == ' ') {
            out.append('\\');
          }
        } else {
          out.append(' ');
        }
        blanks = true;
      } else {
        out.appendCodePoint(c);
        blanks = false;
      }
      i += width;
    }
    out.append('"');
  }

  private static String escape(int c) {
    return switch (c) {
      case 0x00 -> "\\0";
      case 0x07 -> "\\a";
      case 0x08 -> "\\b";
      case 0x09 -> "\\t";
      case 0x0A -> "\\n";
      case 0x0B -> "\\v";
      case 0x0C -> "\\f";
      case 0x0D -> "\\r";
      case 0x1B -> "\\e";
      case 0x85 -> "\\N";
      case 0x2028 -> "\\L";
      case 0x2029 -> "\\P";
      default -> c <= 0xFF ? "\\x%02X".formatted(c) : "\\u%04X".formatted(c);
    };
  }

  private void literal(String text, int indent) {
    out.append('|');
    if (text.startsWith(" ") || text.startsWith("\n")) {
      out.append(INDENT);
    }
    if (!text.endsWith("\n")) {
      out.append('-');
    } else if (text.length() == 1 || text.charAt(text.length() - 2) == '\n') {
      out.append('+');
    }
    String body = text.endsWith("\n") ? text.substring(0, text.length() - 1) : text;
    for (String line : body.split("\n", -1)) {
      newline();
      if (!line.isEmpty()) {
        indent(indent);
        out.append(line);
      }
    }
  }

  /** goyaml's order: letters after other characters, runs of digits by their number. */
  static int compareNames(String left, String right) {
    int[] a = left.codePoints().toArray();
    int[] b = right.codePoints().toArray();
    for (int i = 0; i < a.length && i < b.length; i++) {
      if (a[i] == b[i]) {
        continue;
      }
      boolean letterA = Character.isLetter(a[i]);
      boolean letterB = Character.isLetter(b[i]);
      if (letterA && letterB) {
        return Integer.compare(a[i], b[i]);
      }
      if (letterA || letterB) {
        return letterB ? -1 : 1;
      }
      long numberA = 0;
      long numberB = 0;
      if (a[i] == '0' || b[i] == '0') {
        for (int j = i - 1; j >= 0 && Character.isDigit(a[j]); j--) {
          if (a[j] != '0') {
            numberA = 1;
            numberB = 1;
            break;
          }
        }
      }
      int endA = i;
      while (endA < a.length && Character.isDigit(a[endA])) {
        numberA = numberA * 10 + (a[endA++] - '0');
      }
      int endB = i;
      while (endB < b.length && Character.isDigit(b[endB])) {
        numberB = numberB * 10 + (b[endB++] - '0');
      }
      if (numberA != numberB) {
        return Long.compare(numberA, numberB);
      }
      return endA != endB ? Integer.compare(endA, endB) : Integer.compare(a[i], b[i]);
    }
    return Integer.compare(a.length, b.length);
  }
}
