package dev.kedge.registry.kinds;

import dev.kedge.model.FieldFault;
import dev.kedge.model.JsonInteger;
import dev.kedge.model.JsonObject;
import dev.kedge.model.JsonValue;
import dev.kedge.model.Names;
import java.util.HashSet;
import java.util.List;
import java.util.Set;

/** The faults of a Job's podFailurePolicy and successPolicy. */
final class JobPolicies {
  private static final int MOST_RULES = 20;
  private static final int MOST_EXIT_CODES = 255;
  private static final int LONGEST_INDEXES = 64 * 1024;

  private JobPolicies() {}

  static void failure(JsonObject spec, String field, Checks checks) {
    Set<String> containers = new HashSet<>();
    for (String list : List.of("containers", "initContainers")) {
      spec.objects("template", "spec", list)
          .forEach(container -> containers.add(container.text("name")));
    }
    List<JsonObject> rules = spec.objects("podFailurePolicy", "rules");
    if (rules.size() > MOST_RULES) {
      checks.add(FieldFault.tooMany(field + ".rules", rules.size(), MOST_RULES));
    }
    for (int i = 0; i < rules.size(); i++) {
      JsonObject rule = rules.get(i);
      String at = field + ".rules[" + i + "]";
      action(rule.text("action"), spec.has("backoffLimitPerIndex"), at + ".action", checks);
      List<JsonObject> patterns = rule.objects("onPodConditions");
      if (rule.has("onExitCodes")) {
        exitCodes(rule.object("onExitCodes"), containers, at + ".onExitCodes", checks);
      }
      conditions(patterns, at + ".onPodConditions", checks);
      if (rule.has("onExitCodes") && !patterns.isEmpty()) {
        checks.invalid(
            at, rule, "specifying both OnExitCodes and OnPodConditions is not supported");
      } else if (!rule.has("onExitCodes") && patterns.isEmpty()) {
        checks.invalid(at, rule, "specifying one of OnExitCodes and OnPodConditions is required");
      }
    }
  }

  private static void action(String action, boolean perIndex, String at, Checks checks) {
    if (action.isEmpty()) {
      checks.required(at, "valid values: [\"Count\" \"FailIndex\" \"FailJob\" \"Ignore\"]");
    } else if (action.equals("FailIndex") && !perIndex) {
      checks.invalid(at, action, "requires the backoffLimitPerIndex to be set");
    } else {
      checks.oneOf(at, action, "Count", "FailIndex", "FailJob", "Ignore");
    }
  }

  private static void exitCodes(
      JsonObject codes, Set<String> containers, String at, Checks checks) {
    String operator = codes.text("operator");
    if (operator.isEmpty()) {
      checks.required(at + ".operator", "valid values: [\"In\" \"NotIn\"]");
    } else {
      checks.oneOf(at + ".operator", operator, "In", "NotIn");
    }
    if (codes.has("containerName") && !containers.contains(codes.text("containerName"))) {
      checks.invalid(
          at + ".containerName",
          codes.text("containerName"),
          "must be one of the container or initContainer names in the pod template");
    }
    List<JsonValue> values = codes.array("values").items();
    if (values.isEmpty()) {
      checks.invalid(at + ".values", codes.array("values"), "at least one value is required");
    } else if (values.size() > MOST_EXIT_CODES) {
      checks.add(FieldFault.tooMany(at + ".values", values.size(), MOST_EXIT_CODES));
    }
    Set<Long> seen = new HashSet<>();
    long before = Long.MIN_VALUE;
    boolean ordered = true;
    for (int i = 0; i < values.size(); i++) {
      long value = values.get(i) instanceof JsonInteger number ? number.value() : 0;
      if (operator.equals("In") && value == 0) {
        checks.invalid(at + ".values[" + i + "]", value, "must not be 0 for the In operator");
      }
      if (!seen.add(value)) {
        checks.duplicate(at + ".values[" + i + "]", value);
      }
      ordered &= before <= value;
      before = value;
    }
    if (!ordered) {
      checks.invalid(at + ".values", codes.array("values"), "must be ordered");
    }
  }

  private static void conditions(List<JsonObject> patterns, String at, Checks checks) {
    if (patterns.size() > MOST_RULES) {
      checks.add(FieldFault.tooMany(at, patterns.size(), MOST_RULES));
    }
    for (int i = 0; i < patterns.size(); i++) {
      JsonObject pattern = patterns.get(i);
      String type = pattern.text("type");
      checks.name(at + "[" + i + "].type", type, Names.qualified(type));
      if (pattern.text("status").isEmpty()) {
        checks.required(
            at + "[" + i + "].status", "valid values: [\"False\" \"True\" \"Unknown\"]");
      } else {
        checks.oneOf(at + "[" + i + "].status", pattern.text("status"), "False", "True", "Unknown");
      }
    }
  }

  static void success(JsonObject spec, String field, Checks checks) {
    long completions = spec.integer("completions");
    List<JsonObject> rules = spec.objects("successPolicy", "rules");
    if (rules.isEmpty()) {
      checks.required(
          field + ".rules",
          "at least one rules must be specified when the successPolicy is specified");
    } else if (rules.size() > MOST_RULES) {
      checks.add(FieldFault.tooMany(field + ".rules", rules.size(), MOST_RULES));
    }
    for (int i = 0; i < rules.size(); i++) {
      JsonObject rule = rules.get(i);
      String at = field + ".rules[" + i + "]";
      if (!rule.has("succeededCount") && !rule.has("succeededIndexes")) {
        checks.required(at, "at least one of succeededCount or succeededIndexes must be specified");
      }
      long total = 0;
      if (rule.has("succeededIndexes")) {
        String text = rule.text("succeededIndexes");
        if (text.length() > LONGEST_INDEXES) {
          checks.add(FieldFault.tooLong(at + ".succeededIndexes", LONGEST_INDEXES));
        }
        try {
          total = indexes(text, completions);
        } catch (IllegalArgumentException e) {
          checks.invalid(
              at + ".succeededIndexes", text, "error parsing succeededIndexes: " + e.getMessage());
        }
      }
      long count = rule.integer("succeededCount");
      checks.notNegative(at + ".succeededCount", rule, "succeededCount");
      if (count > completions) {
        checks.invalid(
            at + ".succeededCount",
            count,
            "must be less than or equal to "
                + completions
                + " (the number of specified completions)");
      }
      if (rule.has("succeededIndexes") && count > total) {
        checks.invalid(
            at + ".succeededCount",
            count,
            "must be less than or equal to "
                + total
                + " (the number of indexes in the specified succeededIndexes field)");
      }
    }
  }

  /** How many indexes a text such as {@code 1,3-5} names. */
  private static long indexes(String text, long completions) {
    long total = 0;
    long last = -1;
    for (String part : text.isEmpty() ? new String[0] : text.split(",", -1)) {
      String[] ends = part.split("-", -1);
      if (ends.length > 2) {
        throw new IllegalArgumentException(
            "the fragment \""
                + part
                + "\" violates the requirement that an index interval can have at most two parts"
                + " separated by '-'");
      }
      long from = index(ends[0], completions);
      long to = ends.length == 1 ? from : index(ends[1], completions);
      if (last >= from || ends.length == 2 && from >= to) {
        throw new IllegalArgumentException(
            "non-increasing order, previous: "
                + (last >= from ? last : from)
                + ", current: "
                + (last >= from ? from : to));
      }
      total += to - from + 1;
      last = to;
    }
    return total;
  }

  private static long index(String text, long completions) {
    if (!text.matches("[0-9]{1,9}")) {
      throw new IllegalArgumentException(
          "cannot convert string to integer for index: \"" + text + "\"");
    }
    long index = Long.parseLong(text);
    if (index >= completions) {
      throw new IllegalArgumentException("too large index: \"" + text + "\"");
    }
    return index;
  }
}
