package dev.kedge.cel;

import java.util.Map;
import java.util.Set;
import java.util.function.Function;
import org.jspecify.annotations.Nullable;

/** A compiled expression. Immutable; any thread. */
public final class Program {
  private final Expr expr;
  private final Set<String> used;
  private final long estimate;

  Program(Expr expr, Set<String> used, long estimate) {
    this.expr = expr;
    this.used = Set.copyOf(used);
    this.estimate = estimate;
  }

  /**
   * What came out.
   *
   * @param value as {@link Values} describes
   * @param cost what it took
   */
  public record Result(Object value, long cost) {}

  /** The type of what comes out. */
  public CelType type() {
    return expr.type;
  }

  /** Whether the expression names a variable. */
  public boolean uses(String variable) {
    return used.contains(variable);
  }

  /** What an evaluation can cost at most; {@link Long#MAX_VALUE} where there is no telling. */
  public long estimate() {
    return estimate;
  }

  /**
   * Evaluates the expression.
   *
   * @param variables values by name; null where a variable has none
   * @param limit most cost
   * @throws CelException if it fails or costs too much; the exception knows the cost
   */
  public Result evaluate(Function<String, @Nullable Object> variables, long limit) {
    Evaluation evaluation = new Evaluation(variables, limit);
    try {
      Object value = evaluation.value(expr);
      return new Result(value, evaluation.cost());
    } catch (CelException e) {
      throw new CelException(e.why(), evaluation.cost());
    }
  }

  /** As above, with the values in a map. */
  public Result evaluate(Map<String, Object> variables, long limit) {
    return evaluate(variables::get, limit);
  }
}
