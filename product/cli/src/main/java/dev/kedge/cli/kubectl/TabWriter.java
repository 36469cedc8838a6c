package dev.kedge.cli.kubectl;

import java.util.ArrayList;
import java.util.List;

/**
 * Aligns tab-ended cells as Go's {@code text/tabwriter} does: a column is a run of lines that have
 * a cell there; the last cell of a line, not ended by a tab, takes no part.
 */
public final class TabWriter {
  private final int minimum;
  private final int padding;
  private final StringBuilder text = new StringBuilder();

  /**
   * @param minimum least width of a column
   * @param padding blanks between columns
   */
  public TabWriter(int minimum, int padding) {
    this.minimum = minimum;
    this.padding = padding;
  }

  /** The writer of {@code kubectl get}. */
  static TabWriter table() {
    return new TabWriter(6, 3);
  }

  /** The writer of {@code kubectl describe}. */
  static TabWriter describe() {
    return new TabWriter(0, 2);
  }

  TabWriter append(String text) {
    this.text.append(text);
    return this;
  }

  /** Adds a line of cells. */
  public TabWriter line(Object... cells) {
    for (int i = 0; i < cells.length; i++) {
      text.append(i > 0 ? "\t" : "").append(cells[i]);
    }
    text.append('\n');
    return this;
  }

  /** The aligned text. */
  @Override
  public String toString() {
    List<List<String>> lines = new ArrayList<>();
    String all = text.toString();
    boolean ended = all.endsWith("\n");
    for (String line : (ended ? all.substring(0, all.length() - 1) : all).split("\n", -1)) {
      lines.add(List.of(line.split("\t", -1)));
    }
    int[][] widths = new int[lines.size()][];
    for (int i = 0; i < lines.size(); i++) {
      widths[i] = new int[lines.get(i).size()];
    }
    measure(lines, widths, 0, lines.size(), 0);
    StringBuilder out = new StringBuilder();
    for (int i = 0; i < lines.size(); i++) {
      List<String> cells = lines.get(i);
      for (int j = 0; j < cells.size(); j++) {
        out.append(cells.get(j));
        if (j < cells.size() - 1) {
          out.repeat(' ', Math.max(0, widths[i][j] - length(cells.get(j))));
        }
      }
      if (i < lines.size() - 1 || ended) {
        out.append('\n');
      }
    }
    return all.isEmpty() ? "" : out.toString();
  }

  private void measure(List<List<String>> lines, int[][] widths, int from, int to, int column) {
    int i = from;
    while (i < to) {
      if (lines.get(i).size() - 1 <= column) {
        i++;
        continue;
      }
      int start = i;
      int widest = 0;
      while (i < to && lines.get(i).size() - 1 > column) {
        widest = Math.max(widest, length(lines.get(i).get(column)));
        i++;
      }
      int width = Math.max(minimum, widest + padding);
      for (int j = start; j < i; j++) {
        widths[j][column] = width;
      }
      measure(lines, widths, start, i, column + 1);
    }
  }

  private static int length(String text) {
    return text.codePointCount(0, text.length());
  }
}
