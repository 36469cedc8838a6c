package dev.kedge.schemagenerator;

import java.io.BufferedReader;
import java.io.IOException;
import java.io.InputStream;
import java.io.InputStreamReader;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/**
 * The comments that protoc carried from Kubernetes' Go sources into the javadoc of the generated
 * classes, by message and field.
 */
final class Comments {
  private static final Pattern INTERFACE = Pattern.compile("interface_extends:([\\w.]+)\\)");
  private static final Pattern MESSAGE = Pattern.compile("Protobuf type \\{@code ([\\w.]+)}");
  private static final Pattern FIELD =
      Pattern.compile("<code>(?:optional |repeated |required )?.* (\\w+) = (\\d+)[;\\[ ].*</code>");

  private final Map<String, List<String>> lines = new HashMap<>();

  /** Reads the source of one outer class from the class path. */
  void read(String outerClass) throws IOException {
    String resource = "/" + outerClass.replace('.', '/') + ".java";
    try (InputStream in = Comments.class.getResourceAsStream(resource)) {
      if (in == null) {
        throw new IOException("no source of " + outerClass + " on the class path");
      }
      var reader = new BufferedReader(new InputStreamReader(in, StandardCharsets.UTF_8));
      String message = "";
      List<String> comment = new ArrayList<>();
      boolean inText = false;
      for (String line = reader.readLine(); line != null; line = reader.readLine()) {
        String text = line.strip();
        if (text.equals("/**")) {
          comment = new ArrayList<>();
          inText = false;
        } else if (text.equals("* <pre>")) {
          inText = true;
        } else if (text.equals("* </pre>")) {
          inText = false;
        } else if (inText) {
          comment.add(unescape(text.equals("*") ? "" : text.substring(2)));
        } else if (text.startsWith("* Protobuf type")) {
          Matcher matcher = MESSAGE.matcher(text);
          if (matcher.find()) {
            lines.putIfAbsent(matcher.group(1), comment);
          }
        } else if (text.startsWith("// @@protoc_insertion_point(interface")) {
          Matcher matcher = INTERFACE.matcher(text);
          message = matcher.find() ? matcher.group(1) : "";
        } else if (text.startsWith("* <code>") && !message.isEmpty()) {
          Matcher matcher = FIELD.matcher(text);
          if (matcher.find()) {
            lines.putIfAbsent(message + "#" + matcher.group(2), comment);
          }
        } else if (text.startsWith("public static final class")) {
          message = "";
        }
      }
    }
  }

  /** Lines of the comment on a message, empty where there is none. */
  List<String> ofMessage(String message) {
    return lines.getOrDefault(message, List.of());
  }

  /** Lines of the comment on a field, empty where there is none. */
  List<String> ofField(String message, int number) {
    return lines.getOrDefault(message + "#" + number, List.of());
  }

  /** The value of the first marker {@code +name=value} in a comment; {@code +name} reads as "". */
  static Optional<String> marker(List<String> comment, String name) {
    return markers(comment, name).stream().findFirst();
  }

  /** The values of all markers of a name. */
  static List<String> markers(List<String> comment, String name) {
    List<String> values = new ArrayList<>();
    for (String line : comment) {
      String text = line.strip();
      if (text.equals("+" + name)) {
        values.add("");
      } else if (text.startsWith("+" + name + "=")) {
        values.add(text.substring(name.length() + 2));
      }
    }
    return values;
  }

  /**
   * The description as upstream publishes it: lines joined, paragraphs and indented lines kept
   * apart, markers, one-line TODOs and everything below a line of three dashes left out.
   */
  static String description(List<String> comment) {
    StringBuilder out = new StringBuilder();
    for (String raw : comment) {
      String line = raw.stripTrailing();
      if (line.equals("---")) {
        break;
      }
      String text = line.stripLeading();
      if (line.isEmpty()) {
        dropLast(out);
        out.append("\n\n");
      } else if (text.startsWith("TODO") || text.startsWith("+")) {
        continue;
      } else if (line.startsWith(" ") || line.startsWith("\t")) {
        dropLast(out);
        out.append('\n').append(line).append('\n');
      } else {
        out.append(line).append(' ');
      }
    }
    dropLast(out);
    int start = 0;
    int end = out.length();
    while (start < end && out.charAt(start) == '\n') {
      start++;
    }
    while (end > start && out.charAt(end - 1) == '\n') {
      end--;
    }
    return out.substring(start, end).replace("\\\"", "\"");
  }

  private static void dropLast(StringBuilder out) {
    if (!out.isEmpty()
        && (out.charAt(out.length() - 1) == ' ' || out.charAt(out.length() - 1) == '\n')) {
      out.setLength(out.length() - 1);
    }
  }

  private static String unescape(String text) {
    return text.indexOf('&') < 0
        ? text
        : text.replace("&#64;", "@")
            .replace("&#42;", "*")
            .replace("&#47;", "/")
            .replace("&#92;", "\\")
            .replace("&lt;", "<")
            .replace("&gt;", ">")
            .replace("&amp;", "&");
  }
}
