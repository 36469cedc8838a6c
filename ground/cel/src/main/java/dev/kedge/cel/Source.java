package dev.kedge.cel;

import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;

/** An expression's text and what is wrong with it. One thread. */
final class Source {
  private static final int LONGEST_SNIPPET = 16384;

  /** Most faults that are told, as cel-go: each comes with its whole line. */
  private static final int MOST_ISSUES = 100;

  private final String text;
  private final List<Issue> issues = new ArrayList<>();

  private record Issue(int line, int column, String message) {}

  Source(String text) {
    this.text = text;
  }

  String text() {
    return text;
  }

  void report(int position, String message) {
    if (issues.size() == MOST_ISSUES) {
      return;
    }
    int line = 1;
    int start = 0;
    for (int i = 0; i < position && i < text.length(); i++) {
      if (text.charAt(i) == '\n') {
        line++;
        start = i + 1;
      }
    }
    issues.add(
        new Issue(line, text.codePointCount(start, Math.min(position, text.length())), message));
  }

  boolean faulty() {
    return !issues.isEmpty();
  }

  /** Every fault with the line it is in and a mark below it. */
  String faults() {
    List<String> shown = new ArrayList<>();
    issues.stream()
        .sorted(Comparator.comparingInt(Issue::line).thenComparingInt(Issue::column))
        .map(this::show)
        .distinct()
        .forEach(shown::add);
    return String.join("\n", shown);
  }

  private String show(Issue issue) {
    String head =
        "ERROR: <input>:" + issue.line() + ":" + (issue.column() + 1) + ": " + issue.message();
    String[] lines = text.split("\n", -1);
    String line = issue.line() <= lines.length ? lines[issue.line() - 1] : "";
    if (line.length() > LONGEST_SNIPPET) {
      return head;
    }
    StringBuilder mark = new StringBuilder();
    int[] points = line.codePoints().toArray();
    for (int i = 0; i < issue.column() && i < points.length; i++) {
      mark.append(points[i] > 127 ? '\uff0e' : '.');
    }
    mark.append(issue.column() < points.length && points[issue.column()] > 127 ? '\uff3e' : '^');
    return head + "\n | " + line.replace('\t', ' ') + "\n | " + mark;
  }
}
