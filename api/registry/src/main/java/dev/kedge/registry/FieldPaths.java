package dev.kedge.registry;

import dev.kedge.model.JsonObject;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;

/**
 * The simple paths that definitions use: {@code .spec.replicas}, {@code .spec['a-b']}. Stateless.
 */
final class FieldPaths {
  private FieldPaths() {}

  /** One step; quoted ones name a field or a map's key. */
  record Step(String name, boolean quoted) {}

  /** The steps of a path; empty if it is malformed or there is none. */
  static Optional<List<Step>> parse(String path) {
    List<Step> steps = new ArrayList<>();
    int at = 0;
    while (at < path.length()) {
      char c = path.charAt(at);
      if (c == '.') {
        int end = at + 1;
        while (end < path.length() && ".[]".indexOf(path.charAt(end)) < 0) {
          end++;
        }
        if (end == at + 1) {
          return Optional.empty();
        }
        steps.add(new Step(path.substring(at + 1, end), false));
        at = end;
      } else if (path.startsWith("['", at)) {
        StringBuilder name = new StringBuilder();
        int end = at + 2;
        while (end < path.length() && path.charAt(end) != '\'') {
          if (path.charAt(end) == '\\' && end + 1 < path.length()) {
            end++;
          }
          name.append(path.charAt(end++));
        }
        if (!path.startsWith("']", end)) {
          return Optional.empty();
        }
        steps.add(new Step(name.toString(), true));
        at = end + 2;
      } else {
        return Optional.empty();
      }
    }
    return steps.isEmpty() ? Optional.empty() : Optional.of(steps);
  }

  /** Whether a path leads to something that a schema describes. */
  static boolean isValid(String path, JsonObject schema) {
    Optional<List<Step>> steps = parse(path);
    if (steps.isEmpty()) {
      return false;
    }
    JsonObject at = schema;
    for (Step step : steps.get()) {
      if (at.object("properties").has(step.name())) {
        at = at.object("properties", step.name());
      } else if (at.object("properties").isEmpty() && at.has("additionalProperties")) {
        at = at.object("additionalProperties");
      } else {
        return false;
      }
    }
    return true;
  }

  static String shown(List<Step> steps) {
    StringBuilder shown = new StringBuilder();
    for (Step step : steps) {
      boolean plain = step.name().matches("[A-Za-z_][A-Za-z0-9_-]*");
      shown.append(
          step.quoted() && !plain
              ? "[" + step.name() + "]"
              : (shown.isEmpty() ? "" : ".") + step.name());
    }
    return shown.toString();
  }
}
