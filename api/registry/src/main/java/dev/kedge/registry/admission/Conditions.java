package dev.kedge.registry.admission;

import dev.kedge.cel.CelException;
import dev.kedge.cel.CelType.Kind;
import dev.kedge.cel.Declaration;
import dev.kedge.cel.Environment;
import dev.kedge.cel.Environment.InvalidException;
import dev.kedge.cel.Program;
import dev.kedge.model.JsonObject;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;

/** The {@code matchConditions} of a webhook or policy, compiled. Immutable. */
final class Conditions {
  private final List<Condition> conditions;
  private final boolean failOpen;

  private record Condition(String expression, Program program) {}

  private Conditions(List<Condition> conditions, boolean failOpen) {
    this.conditions = List.copyOf(conditions);
    this.failOpen = failOpen;
  }

  /** What the conditions say cannot be told; the failure policy is to refuse. */
  static final class FailedException extends Exception {
    FailedException(String message) {
      super(message);
    }
  }

  /**
   * Compiles conditions.
   *
   * @throws InvalidException if one does not compile, which its validation has made sure of
   */
  static Conditions of(List<JsonObject> conditions, boolean failOpen, boolean params)
      throws InvalidException {
    List<Condition> compiled = new ArrayList<>();
    if (!conditions.isEmpty()) {
      Environment environment =
          AdmissionExpressions.environment(params, true, Map.of(), Declaration.DYN);
      for (JsonObject condition : conditions) {
        String expression = condition.text("expression");
        compiled.add(
            new Condition(
                expression,
                AdmissionExpressions.compile(environment, expression, Set.of(Kind.BOOL))));
      }
    }
    return new Conditions(compiled, failOpen);
  }

  boolean isEmpty() {
    return conditions.isEmpty();
  }

  /** Whether all hold; one that does not hold decides even where another one fails. */
  boolean match(Situation situation) throws FailedException {
    situation.variables(new LinkedHashMap<>());
    List<String> failures = new ArrayList<>();
    for (Condition condition : conditions) {
      try {
        if (!Boolean.TRUE.equals(situation.value(condition.program()))) {
          return false;
        }
      } catch (CelException e) {
        failures.add("expression '" + condition.expression() + "' resulted in error: " + e.why());
      } catch (Situation.BudgetException e) {
        failures.add(String.valueOf(e.getMessage()));
        break;
      }
    }
    if (failures.isEmpty()) {
      return true;
    }
    if (failOpen) {
      return false;
    }
    throw new FailedException(
        failures.size() == 1 ? failures.getFirst() : "[" + String.join(", ", failures) + "]");
  }
}
