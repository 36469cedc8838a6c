package dev.kedge.cel;

import java.util.HashMap;
import java.util.Map;
import java.util.Optional;
import org.jspecify.annotations.Nullable;

/**
 * What expressions can name, and the place where they are compiled. Immutable; any thread.
 *
 * @param variables declarations by name
 * @param structs types that expressions can make, by name
 */
public record Environment(Map<String, Declaration> variables, Map<String, Declaration> structs) {
  /** Most cost of one evaluation, as upstream. */
  public static final long PER_CALL_LIMIT = 1_000_000;

  public Environment {
    variables = Map.copyOf(variables);
    structs = Map.copyOf(structs);
  }

  /** An environment without types that expressions can make. */
  public static Environment of(Map<String, Declaration> variables) {
    return new Environment(variables, Map.of());
  }

  /** The types below {@code Object} are the fields of the object at hand, which may be any. */
  private @Nullable Declaration struct(String name) {
    Declaration known = structs.get(name);
    return known == null && name.startsWith("Object.") && structs.containsKey("Object")
        ? Declaration.DYN
        : known;
  }

  /** The text is no expression that makes sense here; the message tells every fault. */
  public static final class InvalidException extends Exception {
    /** With what {@link #why} is to say. */
    public InvalidException(String message) {
      super(message, null, false, false);
    }

    /** The message; never absent. */
    public String why() {
      return String.valueOf(getMessage());
    }
  }

  /**
   * Compiles an expression.
   *
   * @throws InvalidException if it cannot be parsed or its types do not fit
   */
  public Program compile(String text) throws InvalidException {
    Source source = new Source(text);
    Optional<Expr> parsed = Parser.parse(source);
    if (parsed.isEmpty()) {
      throw new InvalidException(source.faults());
    }
    Map<String, CelType> types = new HashMap<>();
    variables.forEach((name, declaration) -> types.put(name, declaration.type()));
    Checker checker = new Checker(source, types, this::struct);
    Expr checked = checker.check(parsed.get());
    if (source.faulty()) {
      throw new InvalidException(source.faults());
    }
    return new Program(checked, checker.used(), new Estimator(variables).most(checked));
  }
}
