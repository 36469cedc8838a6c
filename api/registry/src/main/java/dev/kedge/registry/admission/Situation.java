package dev.kedge.registry.admission;

import dev.kedge.cel.Access;
import dev.kedge.cel.Access.Decision;
import dev.kedge.cel.Access.Question;
import dev.kedge.cel.CelException;
import dev.kedge.cel.Declaration;
import dev.kedge.cel.Environment;
import dev.kedge.cel.Program;
import dev.kedge.cel.Values;
import dev.kedge.identity.Authorizer;
import dev.kedge.identity.Authorizer.Attributes;
import dev.kedge.identity.User;
import dev.kedge.model.JsonNull;
import dev.kedge.model.KubeObject;
import dev.kedge.model.Resources;
import dev.kedge.registry.AdmissionPlugin.Review;
import dev.kedge.registry.AdmissionPlugin.Version;
import java.util.AbstractMap;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import org.jspecify.annotations.Nullable;

/** One request as expressions see it, and what they may still cost. One thread. */
final class Situation {
  /** What all expressions of a policy may cost together, as upstream. */
  static final long BUDGET = 10_000_000;

  /** The same for match conditions. */
  static final long CONDITION_BUDGET = 2_500_000;

  private static final String OUT_OF_BUDGET =
      "validation failed due to running out of cost budget, no further validation rules will be"
          + " run";

  private final Map<String, Object> values = new HashMap<>();
  private long left;

  /**
   * @param shown the object in the version that matched; without fields where there is none
   */
  Situation(
      Review review,
      Version version,
      KubeObject shown,
      KubeObject old,
      Authorizer authorizer,
      long budget) {
    left = budget;
    values.put("object", document(shown));
    values.put("oldObject", document(old));
    values.put(
        "request",
        Values.of(Requests.admission(review, version, shown), AdmissionExpressions.REQUEST));
    String namespace = review.namespace();
    values.put(
        "namespaceObject",
        namespace.isEmpty()
            ? JsonNull.NULL
            : review
                .objects()
                .find(Resources.NAMESPACES, "", namespace)
                .map(found -> Values.of(found.json(), AdmissionExpressions.NAMESPACE))
                .orElse(JsonNull.NULL));
    values.put(
        "authorizer",
        Access.authorizer(
            question -> decide(authorizer, review.user(), question),
            new Question(
                "",
                "",
                version.resource().group(),
                version.resource().plural(),
                review.subresource(),
                namespace,
                Target.name(review, shown),
                "")));
  }

  private static Object document(KubeObject object) {
    return Target.isThere(object) ? Values.of(object.json(), Declaration.DYN) : JsonNull.NULL;
  }

  private static Decision decide(Authorizer authorizer, User sender, Question question) {
    User user = sender;
    if (!question.account().isEmpty()) {
      String namespace = question.account().substring(0, question.account().indexOf(':'));
      user =
          User.of(
              "system:serviceaccount:" + question.account(),
              "system:serviceaccounts",
              "system:serviceaccounts:" + namespace,
              "system:authenticated");
    }
    Authorizer.Decision decision =
        authorizer.authorize(
            user,
            question.path().isEmpty()
                ? new Attributes(
                    question.verb(),
                    question.group(),
                    "*",
                    question.resource(),
                    question.subresource(),
                    question.namespace(),
                    question.name(),
                    "")
                : Attributes.path(question.verb(), question.path()));
    return new Decision(decision.allowed(), decision.reason(), "");
  }

  /** Adds the parameter; null where there is none. */
  void params(@Nullable KubeObject params) {
    values.put("params", params == null ? JsonNull.NULL : document(params));
  }

  /** Adds a policy's variables, each of which is evaluated when it is first named. */
  void variables(LinkedHashMap<String, Program> programs) {
    values.put("variables", new Lazy(programs));
  }

  /**
   * Evaluates an expression.
   *
   * @throws CelException if it fails
   */
  Object value(Program program) {
    try {
      Program.Result result = program.evaluate(values::get, Environment.PER_CALL_LIMIT);
      pay(result.cost());
      return result.value();
    } catch (CelException e) {
      pay(e.cost());
      throw e;
    }
  }

  private void pay(long cost) {
    left -= cost;
    if (left < 0) {
      throw new BudgetException();
    }
  }

  /** The budget is used up. */
  static final class BudgetException extends RuntimeException {
    BudgetException() {
      super(OUT_OF_BUDGET, null, false, false);
    }
  }

  private final class Lazy extends AbstractMap<Object, Object> {
    private final LinkedHashMap<String, Program> programs;
    private final Map<String, Object> known = new HashMap<>();

    Lazy(LinkedHashMap<String, Program> programs) {
      this.programs = programs;
    }

    @Override
    public @Nullable Object get(@Nullable Object key) {
      Program program = key instanceof String name ? programs.get(name) : null;
      if (program == null) {
        return null;
      }
      String name = (String) key;
      Object value = known.get(name);
      if (value == null) {
        try {
          value = value(program);
        } catch (CelException e) {
          throw e.in("composited variable \"" + name + "\" fails to evaluate: ");
        }
        known.put(name, value);
      }
      return value;
    }

    @Override
    public boolean containsKey(@Nullable Object key) {
      return key instanceof String name && programs.containsKey(name);
    }

    @Override
    public Set<Entry<Object, Object>> entrySet() {
      Map<Object, Object> all = new LinkedHashMap<>();
      List.copyOf(programs.keySet()).forEach(name -> all.put(name, get(name)));
      return all.entrySet();
    }
  }
}
