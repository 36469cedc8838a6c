package dev.kedge.clients;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.regex.Pattern;
import java.util.stream.Collectors;
import java.util.stream.Stream;

/**
 * Commands and what they print, as a file. A line {@code $ command} begins a step, lines {@code >
 * more} go on with the command, {@code ? 1} is its exit code where that is not 0, and all others
 * are its output. In these, {@code …} stands for anything, a line of only {@code …} for any number
 * of lines, and one space for any number of them. Lines {@code #} before the first step say what it
 * is about.
 */
record Transcript(String name, List<Step> steps) {
  /** One command. */
  record Step(int line, String command, List<String> output, int code) {
    /** Whether this is what the command printed. */
    boolean matches(int code, String printed) {
      return this.code == code
          && Pattern.matches(
              expression(),
              printed
                  .lines()
                  .map(Transcript::plain)
                  .map(l -> l + "\n")
                  .collect(Collectors.joining()));
    }

    private String expression() {
      return output.stream()
          .map(
              line ->
                  line.equals("…")
                      ? "(?:.*\n)*"
                      : Stream.of(line.split("…", -1))
                              .map(Pattern::quote)
                              .collect(Collectors.joining(".*"))
                          + "\n")
          .collect(Collectors.joining());
    }
  }

  static Transcript read(Path file) {
    List<String> lines;
    try {
      lines = Files.readAllLines(file);
    } catch (IOException e) {
      throw new java.io.UncheckedIOException(e);
    }
    List<Step> steps = new ArrayList<>();
    int i = 0;
    while (i < lines.size()) {
      if (!lines.get(i).startsWith("$ ")) {
        i++;
        continue;
      }
      int first = i + 1;
      StringBuilder command = new StringBuilder(lines.get(i++).substring(2));
      while (i < lines.size() && lines.get(i).startsWith("> ")) {
        command.append('\n').append(lines.get(i++).substring(2));
      }
      List<String> output = new ArrayList<>();
      int code = 0;
      for (; i < lines.size() && !lines.get(i).startsWith("$ "); i++) {
        if (lines.get(i).startsWith("? ")) {
          code = Integer.parseInt(lines.get(i).substring(2));
        } else {
          output.add(plain(lines.get(i)));
        }
      }
      steps.add(new Step(first, command.toString(), List.copyOf(output), code));
    }
    String file2 = String.valueOf(file.getFileName());
    return new Transcript(file2.substring(0, file2.indexOf('.')), List.copyOf(steps));
  }

  /** Columns are as wide as their widest cell, which may be an age. */
  private static String plain(String line) {
    return line.strip().replaceAll("\\s+", " ");
  }
}
