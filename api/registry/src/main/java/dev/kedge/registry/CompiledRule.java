package dev.kedge.registry;

import dev.kedge.cel.CelType;
import dev.kedge.cel.CelType.Kind;
import dev.kedge.cel.Declaration;
import dev.kedge.cel.Environment;
import dev.kedge.cel.Environment.InvalidException;
import dev.kedge.cel.Program;
import dev.kedge.model.JsonObject;
import java.util.Map;
import java.util.Optional;
import org.jspecify.annotations.Nullable;

/**
 * A rule of {@code x-kubernetes-validations}, compiled.
 *
 * @param program null if the rule is empty or does not compile
 * @param fault why it does not compile, empty if it does
 * @param message null if there is no message expression or it does not compile
 * @param messageFault why that does not compile
 */
record CompiledRule(
    JsonObject rule,
    @Nullable Program program,
    String fault,
    @Nullable Program message,
    String messageFault) {
  static CompiledRule of(JsonObject rule, Declaration self) {
    if (rule.text("rule").isBlank()) {
      return new CompiledRule(rule, null, "", null, "");
    }
    Declaration old =
        rule.flag("optionalOldSelf")
            ? Declaration.of(CelType.optional(self.type()), Long.MAX_VALUE, 0)
            : self;
    Environment environment = Environment.of(Map.of("self", self, "oldSelf", old));
    Program program;
    try {
      program = environment.compile(rule.text("rule"));
    } catch (InvalidException e) {
      return new CompiledRule(rule, null, "compilation failed: " + e.why(), null, "");
    }
    if (program.type().kind() != Kind.BOOL) {
      return new CompiledRule(rule, null, "cel expression must evaluate to a bool", null, "");
    }
    String expression = rule.text("messageExpression");
    if (expression.isEmpty()) {
      return new CompiledRule(rule, program, "", null, "");
    }
    try {
      Program message = environment.compile(expression);
      return message.type().kind() == Kind.STRING
          ? new CompiledRule(rule, program, "", message, "")
          : new CompiledRule(
              rule, program, "", null, "messageExpression must evaluate to a string");
    } catch (InvalidException e) {
      return new CompiledRule(
          rule, program, "", null, "messageExpression compilation failed: " + e.why());
    }
  }

  boolean usesOldSelf() {
    return program != null && program.uses("oldSelf");
  }

  boolean optionalOldSelf() {
    return rule.flag("optionalOldSelf");
  }

  /** What messages call the rule. */
  String shown() {
    String message = rule.text("message").strip();
    return message.isEmpty() ? rule.text("rule").strip() : message;
  }

  /** What a broken rule says without a message expression. */
  String detail() {
    String message = rule.text("message");
    return message.isEmpty() ? "failed rule: " + shown() : message.strip();
  }

  /** The path of the field that is blamed, as messages write it; empty where there is none. */
  Optional<String> blamed() {
    return FieldPaths.parse(rule.text("fieldPath")).map(FieldPaths::shown);
  }
}
