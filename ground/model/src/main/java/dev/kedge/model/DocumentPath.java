package dev.kedge.model;

import java.util.ArrayDeque;
import java.util.Deque;
import org.jspecify.annotations.Nullable;

/**
 * Where a value stands in a document: the step that led to it, and those before. Made into text
 * only when somebody must be told: long names above many items would cost their product.
 *
 * @param name of a field or key; null for an item of a list
 * @param index of an item; {@link #KEY} for a key of a map
 */
record DocumentPath(@Nullable DocumentPath parent, @Nullable String name, int index) {
  private static final int KEY = -1;

  static DocumentPath field(@Nullable DocumentPath parent, String name) {
    return new DocumentPath(parent, name, 0);
  }

  static DocumentPath key(@Nullable DocumentPath parent, String name) {
    return new DocumentPath(parent, name, KEY);
  }

  static DocumentPath item(@Nullable DocumentPath parent, int index) {
    return new DocumentPath(parent, null, index);
  }

  /** Such as {@code spec.containers[0].image}. */
  @Override
  public String toString() {
    return text(true);
  }

  /**
   * Such as {@code spec.containers.image}: as Go tells, without items of lists and keys of maps.
   */
  String fields() {
    return text(false);
  }

  private String text(boolean whole) {
    Deque<DocumentPath> steps = new ArrayDeque<>();
    for (DocumentPath step = this; step != null; step = step.parent) {
      steps.push(step);
    }
    StringBuilder out = new StringBuilder();
    for (DocumentPath step : steps) {
      if (step.name != null && (whole || step.index != KEY)) {
        out.append(out.isEmpty() ? "" : ".").append(step.name);
      } else if (step.name == null && whole) {
        out.append('[').append(step.index).append(']');
      }
    }
    return out.toString();
  }
}
