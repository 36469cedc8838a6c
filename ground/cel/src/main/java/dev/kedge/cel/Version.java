package dev.kedge.cel;

import java.util.Optional;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/**
 * A semantic version (semver.org, 2.0.0).
 *
 * @param before the pre-release part, empty where there is none
 * @param build the build part, which does not count in comparisons
 */
record Version(long major, long minor, long patch, String before, String build)
    implements Comparable<Version> {
  private static final Pattern STRICT =
      Pattern.compile(
          "(0|[1-9][0-9]*)\\.(0|[1-9][0-9]*)\\.(0|[1-9][0-9]*)"
              + "(?:-([0-9A-Za-z-]+(?:\\.[0-9A-Za-z-]+)*))?(?:\\+([0-9A-Za-z-]+(?:\\.[0-9A-Za-z-]+)*))?");

  /** Reads a version; empty if the text is none. */
  static Optional<Version> parse(String text) {
    Matcher matcher = STRICT.matcher(text);
    if (!matcher.matches()) {
      return Optional.empty();
    }
    String before = matcher.group(4) == null ? "" : matcher.group(4);
    for (String part : before.split("\\.")) {
      if (part.matches("0[0-9]+")) {
        return Optional.empty();
      }
    }
    try {
      return Optional.of(
          new Version(
              Long.parseLong(matcher.group(1)),
              Long.parseLong(matcher.group(2)),
              Long.parseLong(matcher.group(3)),
              before,
              matcher.group(5) == null ? "" : matcher.group(5)));
    } catch (NumberFormatException _) {
      return Optional.empty();
    }
  }

  /** A text with a leading v removed, missing parts added and leading zeros dropped. */
  static String normalized(String text) {
    String rest = text.startsWith("v") ? text.substring(1) : text;
    int end = 0;
    while (end < rest.length() && "+-".indexOf(rest.charAt(end)) < 0) {
      end++;
    }
    String[] parts = rest.substring(0, end).split("\\.", -1);
    StringBuilder numbers = new StringBuilder();
    for (int i = 0; i < Math.max(3, parts.length); i++) {
      String part = i < parts.length ? parts[i] : "0";
      numbers
          .append(i == 0 ? "" : ".")
          .append(part.matches("0+[0-9]+") ? part.replaceFirst("^0+(?=[0-9])", "") : part);
    }
    return numbers + rest.substring(end);
  }

  @Override
  public int compareTo(Version other) {
    int order = Long.compare(major, other.major);
    order = order != 0 ? order : Long.compare(minor, other.minor);
    order = order != 0 ? order : Long.compare(patch, other.patch);
    if (order != 0 || before.equals(other.before)) {
      return order;
    }
    if (before.isEmpty() || other.before.isEmpty()) {
      return before.isEmpty() ? 1 : -1;
    }
    String[] mine = before.split("\\.");
    String[] theirs = other.before.split("\\.");
    for (int i = 0; i < mine.length && i < theirs.length; i++) {
      boolean number = mine[i].matches("[0-9]+");
      boolean otherNumber = theirs[i].matches("[0-9]+");
      int part =
          number && otherNumber
              ? new java.math.BigInteger(mine[i]).compareTo(new java.math.BigInteger(theirs[i]))
              : number != otherNumber ? (number ? -1 : 1) : mine[i].compareTo(theirs[i]);
      if (part != 0) {
        return part;
      }
    }
    return Integer.compare(mine.length, theirs.length);
  }
}
