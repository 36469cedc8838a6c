package dev.kedge.controllers;

import dev.kedge.model.KubeObject;
import java.util.ArrayList;
import java.util.List;
import java.util.SortedSet;
import java.util.TreeSet;

/** Completion indexes as text: {@code 0,2-4,7}. */
final class JobIndexes {
  private JobIndexes() {}

  /** Reads indexes; those from {@code completions} on are left out, a Job may have shrunk. */
  static SortedSet<Integer> parse(String text, long completions) {
    SortedSet<Integer> indexes = new TreeSet<>();
    if (text.isEmpty()) {
      return indexes;
    }
    for (String part : text.split(",", -1)) {
      int dash = part.indexOf('-');
      int from = Integer.parseInt(dash < 0 ? part : part.substring(0, dash));
      int to = dash < 0 ? from : Integer.parseInt(part.substring(dash + 1));
      for (int i = from; i <= to && i < completions; i++) {
        indexes.add(i);
      }
    }
    return indexes;
  }

  static String text(SortedSet<Integer> indexes) {
    List<String> parts = new ArrayList<>();
    int from = -1;
    int last = -2;
    for (int index : indexes) {
      if (index != last + 1) {
        add(parts, from, last);
        from = index;
      }
      last = index;
    }
    add(parts, from, last);
    return String.join(",", parts);
  }

  private static void add(List<String> parts, int from, int to) {
    if (from >= 0) {
      // Two neighbours are written one by one, as upstream does.
      parts.add(from == to ? "" + from : to == from + 1 ? from + "," + to : from + "-" + to);
    }
  }

  /** The index of a pod; -1 if it has none. */
  static int of(KubeObject pod) {
    return (int) number(pod, "batch.kubernetes.io/job-completion-index", -1);
  }

  /** A number in an annotation; what is no such number counts as absent, as upstream has it. */
  static long number(KubeObject pod, String annotation, long absent) {
    String text = pod.annotation(annotation).orElse("");
    return text.matches("[0-9]{1,9}") ? Integer.parseInt(text) : absent;
  }
}
