package dev.kedge.registry;

import dev.kedge.cel.Declaration;
import dev.kedge.cel.Names;
import dev.kedge.cel.Program;
import dev.kedge.model.FieldFault;
import dev.kedge.model.Json;
import dev.kedge.model.JsonObject;
import dev.kedge.model.JsonString;
import dev.kedge.model.Status.Cause;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import java.util.Locale;
import java.util.Set;
import org.jspecify.annotations.Nullable;

/**
 * What the CEL rules of a definition must fulfil: they compile, and what they can cost at most is
 * bounded, each and all together. One use.
 */
final class DefinitionRules {
  private static final long EXPRESSION_LIMIT = 10_000_000;
  private static final long DEFINITION_LIMIT = 100_000_000;
  private static final long LARGEST_REQUEST = 3L * 1024 * 1024;
  private static final long UNBOUNDED = -1;
  private static final Set<String> REASONS =
      Set.of(
          "FieldValueDuplicate", "FieldValueForbidden", "FieldValueInvalid", "FieldValueRequired");

  private final List<Cause> schemaFaults = new ArrayList<>();
  private final List<Cause> ruleFaults = new ArrayList<>();
  private final List<Expensive> expensive = new ArrayList<>();
  private long total;

  private record Expensive(String path, long cost) {}

  private DefinitionRules() {}

  /** Faults of the rules in a version's schema. */
  static List<Cause> faults(JsonObject schema, String field) {
    if (!CustomRules.hasRules(schema)) {
      return List.of();
    }
    DefinitionRules rules = new DefinitionRules();
    rules.shapes(schema, field);
    if (!rules.schemaFaults.isEmpty()) {
      return rules.schemaFaults;
    }
    rules.node(schema, field, true, SchemaDeclarations.of(schema, true), 1, "");
    rules.total(field);
    return rules.ruleFaults;
  }

  // What can be said without compiling.

  private void shapes(JsonObject schema, String field) {
    List<JsonObject> rules = schema.objects("x-kubernetes-validations");
    for (int i = 0; i < rules.size(); i++) {
      shape(schema, rules.get(i), field + ".x-kubernetes-validations[" + i + "]");
    }
    schema
        .object("properties")
        .forEach(
            (name, value) -> {
              if (value instanceof JsonObject property) {
                shapes(property, field + ".properties[" + name + "]");
              }
            });
    for (String inner : List.of("items", "additionalProperties")) {
      if (!schema.object(inner).isEmpty()) {
        shapes(schema.object(inner), field + "." + inner);
      }
    }
    List<JsonObject> allOf = schema.objects("allOf");
    for (int i = 0; i < allOf.size(); i++) {
      shapes(allOf.get(i), field + ".allOf[" + i + "]");
    }
  }

  private void shape(JsonObject schema, JsonObject rule, String field) {
    String text = rule.text("rule").strip();
    String message = rule.text("message").strip();
    if (text.isEmpty()) {
      required(field + ".rule", "rule is not specified");
    } else if (!rule.text("message").isEmpty() && message.isEmpty()) {
      invalid(field + ".message", rule.text("message"), "must be non-empty if specified");
    } else if (hasNewlines(message)) {
      invalid(field + ".message", rule.text("message"), "must not contain line breaks");
    } else if (hasNewlines(text) && message.isEmpty()) {
      required(field + ".message", "message must be specified if rule contains line breaks");
    }
    if (!rule.text("messageExpression").isEmpty() && rule.text("messageExpression").isBlank()) {
      required(field + ".messageExpression", "messageExpression must be non-empty if specified");
    }
    String reason = rule.text("reason");
    if (!reason.isEmpty() && !REASONS.contains(reason)) {
      schemaFaults.add(
          FieldFault.notSupported(field + ".reason", reason, REASONS.stream().sorted().toList()));
    }
    String path = rule.text("fieldPath");
    if (path.isEmpty()) {
      return;
    }
    if (path.isBlank()) {
      invalid(field + ".fieldPath", path, "must be non-empty if specified");
    }
    if (hasNewlines(path)) {
      invalid(field + ".fieldPath", path, "must not contain line breaks");
    }
    if (!FieldPaths.isValid(path, schema)) {
      invalid(field + ".fieldPath", path, "must be a valid path");
    }
  }

  private static boolean hasNewlines(String text) {
    return text.contains("\n") || text.contains("\r");
  }

  private void required(String field, String detail) {
    schemaFaults.add(FieldFault.required(field, detail));
  }

  private void invalid(String field, String value, String detail) {
    schemaFaults.add(FieldFault.invalid(field, value, detail));
  }

  // Compiling and estimating.

  /**
   * @param cardinality how many such values one object can have at most
   * @param uncorrelatable the schema above whose values have no counterparts in an old object
   */
  private void node(
      JsonObject schema,
      String field,
      boolean resource,
      @Nullable Declaration self,
      long cardinality,
      String uncorrelatable) {
    if (!CustomRules.hasRules(schema)) {
      return;
    }
    long inner = multiplied(cardinality, elements(schema, resource));
    schema
        .object("properties")
        .forEach(
            (name, value) -> {
              if (value instanceof JsonObject property) {
                boolean embedded = property.flag("x-kubernetes-embedded-resource");
                Declaration declared =
                    self == null || Names.escape(name).isEmpty()
                        ? SchemaDeclarations.of(property, embedded)
                        : self.fields().get(Names.escape(name).get());
                node(
                    property,
                    field + ".properties[" + name + "]",
                    embedded,
                    declared,
                    inner,
                    uncorrelatable);
              }
            });
    Declaration item = self == null ? null : self.item();
    JsonObject values = schema.object("additionalProperties");
    if (!values.isEmpty()) {
      node(
          values,
          field + ".additionalProperties",
          values.flag("x-kubernetes-embedded-resource"),
          item,
          inner,
          uncorrelatable);
    }
    JsonObject items = schema.object("items");
    if (!items.isEmpty()) {
      node(
          items,
          field + ".items",
          items.flag("x-kubernetes-embedded-resource"),
          item,
          inner,
          uncorrelatable.isEmpty() && !schema.text("x-kubernetes-list-type").equals("map")
              ? field
              : uncorrelatable);
    }
    List<JsonObject> rules = schema.objects("x-kubernetes-validations");
    for (int i = 0; i < rules.size() && self != null; i++) {
      rule(
          CompiledRule.of(rules.get(i), self),
          field + ".x-kubernetes-validations[" + i + "]",
          cardinality == UNBOUNDED ? LARGEST_REQUEST / (self.minSize() + 1) : cardinality,
          uncorrelatable);
    }
  }

  private static long elements(JsonObject schema, boolean resource) {
    return switch (resource ? "object" : schema.text("type")) {
      case "object" ->
          schema.object("additionalProperties").isEmpty()
              ? 1
              : schema.has("maxProperties") ? schema.integer("maxProperties") : UNBOUNDED;
      case "array" -> schema.has("maxItems") ? schema.integer("maxItems") : UNBOUNDED;
      default -> 1;
    };
  }

  private static long multiplied(long one, long other) {
    if (one == UNBOUNDED || other == UNBOUNDED) {
      return UNBOUNDED;
    }
    return other != 0 && one > Long.MAX_VALUE / other ? Long.MAX_VALUE : one * other;
  }

  private void rule(CompiledRule rule, String field, long cardinality, String uncorrelatable) {
    if (!rule.fault().isEmpty()) {
      ruleFaults.add(
          new Cause(
              "FieldValueInvalid",
              "Invalid value: " + shown(rule.rule()) + ": " + rule.fault(),
              field + ".rule"));
    }
    Program program = rule.program();
    if (program != null) {
      cost(field + ".rule", "estimated rule cost", multiplied(program.estimate(), cardinality));
    }
    if (!rule.messageFault().isEmpty()) {
      ruleFaults.add(
          new Cause(
              "FieldValueInvalid",
              "Invalid value: " + shown(rule.rule()) + ": " + rule.messageFault(),
              field + ".messageExpression"));
    } else if (rule.message() != null) {
      cost(
          field + ".messageExpression",
          "estimated messageExpression cost",
          rule.message().estimate());
    }
    if (rule.usesOldSelf()) {
      if (!uncorrelatable.isEmpty()) {
        ruleFaults.add(
            FieldFault.invalid(
                field + ".rule",
                rule.rule().text("rule"),
                "oldSelf cannot be used on the uncorrelatable portion of the schema within "
                    + uncorrelatable));
      }
    } else if (program != null && rule.rule().has("optionalOldSelf")) {
      ruleFaults.add(
          FieldFault.invalid(
              field + ".optionalOldSelf",
              rule.rule().flag("optionalOldSelf"),
              "may not be set if oldSelf is not used in rule"));
    }
  }

  private void cost(String field, String what, long cost) {
    if (cost > EXPRESSION_LIMIT) {
      ruleFaults.add(FieldFault.forbidden(field, exceeded(what, cost, EXPRESSION_LIMIT)));
    }
    total = total > Long.MAX_VALUE - cost ? Long.MAX_VALUE : total + cost;
    if (cost >= DEFINITION_LIMIT / 100) {
      expensive.add(new Expensive(field, cost));
    }
  }

  private void total(String field) {
    if (total <= DEFINITION_LIMIT) {
      return;
    }
    expensive.stream()
        .sorted(Comparator.comparingLong(Expensive::cost).reversed())
        .limit(4)
        .forEach(
            one ->
                ruleFaults.add(
                    FieldFault.forbidden(
                        one.path(),
                        "contributed to estimated rule cost total exceeding cost limit for entire"
                            + " OpenAPIv3 schema")));
    ruleFaults.add(
        FieldFault.forbidden(
            field,
            exceeded(
                "x-kubernetes-validations estimated rule cost total for entire OpenAPIv3 schema",
                total,
                DEFINITION_LIMIT)));
  }

  private static String exceeded(String what, long cost, long limit) {
    double factor = (double) cost / limit;
    String shown =
        factor > 100
            ? "more than 100x"
            : String.format(Locale.ROOT, factor < 1.5 ? "%fx" : "%.1fx", factor);
    return what
        + " exceeds budget by factor of "
        + shown
        + " (try simplifying the rule, or adding maxItems, maxProperties, and maxLength where"
        + " arrays, maps, and strings are declared)";
  }

  /** A rule as upstream's messages show it: the Go struct. */
  private static String shown(JsonObject rule) {
    return "apiextensions.ValidationRule{Rule:"
        + quoted(rule, "rule")
        + ", Message:"
        + quoted(rule, "message")
        + ", MessageExpression:"
        + quoted(rule, "messageExpression")
        + ", Reason:(*apiextensions.FieldValueErrorReason)(nil), FieldPath:"
        + quoted(rule, "fieldPath")
        + ", OptionalOldSelf:(*bool)(nil)}";
  }

  private static String quoted(JsonObject rule, String field) {
    return Json.write(new JsonString(rule.text(field)));
  }
}
