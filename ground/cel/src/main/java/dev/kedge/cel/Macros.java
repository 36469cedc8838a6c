package dev.kedge.cel;

import dev.kedge.cel.Expr.Call;
import dev.kedge.cel.Expr.Comprehension;
import dev.kedge.cel.Expr.Ident;
import dev.kedge.cel.Expr.ListExpr;
import dev.kedge.cel.Expr.Literal;
import dev.kedge.cel.Expr.MapExpr;
import dev.kedge.cel.Expr.Select;
import java.util.List;
import java.util.Optional;
import org.jspecify.annotations.Nullable;

/** Calls that are not functions but other ways to write comprehensions. Stateless. */
final class Macros {
  /** No expression can name it. */
  static final String ACCUMULATOR = "@result";

  private static final String UNUSED = "#unused";

  private final Parser parser;

  Macros(Parser parser) {
    this.parser = parser;
  }

  Optional<Expr> global(int position, String name, List<Expr> arguments) {
    if (!name.equals("has") || arguments.size() != 1) {
      return Optional.empty();
    }
    if (arguments.getFirst() instanceof Select select && !select.test) {
      return Optional.of(new Select(position, select.operand, select.field, true));
    }
    parser.report(arguments.getFirst().position, "invalid argument to has() macro");
    return Optional.of(new Literal(position, false));
  }

  Optional<Expr> member(int position, String name, Expr target, List<Expr> arguments) {
    int count = arguments.size();
    return switch (name) {
      case "all", "exists" ->
          count == 2 || count == 3
              ? Optional.of(quantifier(position, name.equals("all"), target, arguments))
              : Optional.empty();
      case "exists_one", "existsOne" ->
          count == 2 && name.equals("exists_one") || count == 3
              ? Optional.of(existsOne(position, target, arguments))
              : count == 2 ? Optional.of(existsOne(position, target, arguments)) : Optional.empty();
      case "map" ->
          count == 2 || count == 3
              ? Optional.of(transform(position, target, arguments, 1))
              : Optional.empty();
      case "filter" ->
          count == 2 ? Optional.of(filter(position, target, arguments)) : Optional.empty();
      case "transformList" ->
          count == 3 || count == 4
              ? Optional.of(transform(position, target, arguments, 2))
              : Optional.empty();
      case "transformMap", "transformMapEntry" ->
          count == 3 || count == 4
              ? Optional.of(transformMap(position, name.endsWith("Entry"), target, arguments))
              : Optional.empty();
      case "optMap", "optFlatMap" ->
          count == 2
              ? Optional.of(optional(position, name.equals("optMap"), target, arguments))
              : Optional.empty();
      case "sortBy" ->
          count == 2 ? Optional.of(sortBy(position, target, arguments)) : Optional.empty();
      case "bind" ->
          count == 3 && "cel".equals(Parser.simpleName(target))
              ? Optional.of(bind(position, arguments.get(0), arguments.get(1), arguments.get(2)))
              : Optional.empty();
      default -> Optional.empty();
    };
  }

  private String variable(Expr expr) {
    @Nullable String name = Parser.simpleName(expr);
    if (name == null) {
      parser.report(expr.position, "argument must be a simple name");
      return "@invalid";
    }
    return name;
  }

  private static Ident accumulator(int position) {
    return new Ident(position, ACCUMULATOR);
  }

  private Comprehension fold(
      int position,
      Expr range,
      List<Expr> variables,
      Expr initial,
      Expr condition,
      Expr step,
      Expr result) {
    String first = variable(variables.getFirst());
    Optional<String> second =
        variables.size() == 2 ? Optional.of(variable(variables.get(1))) : Optional.empty();
    if (second.filter(first::equals).isPresent()) {
      parser.report(variables.get(1).position, "duplicate variable name: " + first);
    }
    return new Comprehension(
        position, first, second, range, ACCUMULATOR, initial, condition, step, result);
  }

  private Expr quantifier(int position, boolean all, Expr target, List<Expr> arguments) {
    Expr predicate = arguments.getLast();
    Expr open = accumulator(position);
    return fold(
        position,
        target,
        arguments.subList(0, arguments.size() - 1),
        new Literal(position, all),
        Call.of(position, "@not_strictly_false", all ? open : Call.of(position, "!_", open)),
        Call.of(position, all ? "_&&_" : "_||_", accumulator(position), predicate),
        accumulator(position));
  }

  private Expr existsOne(int position, Expr target, List<Expr> arguments) {
    return fold(
        position,
        target,
        arguments.subList(0, arguments.size() - 1),
        new Literal(position, 0L),
        new Literal(position, true),
        Call.of(
            position,
            "_?_:_",
            arguments.getLast(),
            Call.of(position, "_+_", accumulator(position), new Literal(position, 1L)),
            accumulator(position)),
        Call.of(position, "_==_", accumulator(position), new Literal(position, 1L)));
  }

  private Expr transform(int position, Expr target, List<Expr> arguments, int variables) {
    Expr step =
        Call.of(
            position,
            "_+_",
            accumulator(position),
            new ListExpr(position, List.of(arguments.getLast()), List.of()));
    return fold(
        position,
        target,
        arguments.subList(0, variables),
        new ListExpr(position, List.of(), List.of()),
        new Literal(position, true),
        filtered(position, arguments, variables, step),
        accumulator(position));
  }

  /** With the filter that may stand between the variables and what is made of them. */
  private static Expr filtered(int position, List<Expr> arguments, int variables, Expr step) {
    return arguments.size() == variables + 2
        ? Call.of(position, "_?_:_", arguments.get(variables), step, accumulator(position))
        : step;
  }

  private Expr filter(int position, Expr target, List<Expr> arguments) {
    Expr variable = arguments.getFirst();
    Expr step =
        Call.of(
            position,
            "_+_",
            accumulator(position),
            new ListExpr(
                position, List.of(new Ident(variable.position, variable(variable))), List.of()));
    return fold(
        position,
        target,
        List.of(variable),
        new ListExpr(position, List.of(), List.of()),
        new Literal(position, true),
        Call.of(position, "_?_:_", arguments.get(1), step, accumulator(position)),
        accumulator(position));
  }

  private Expr transformMap(int position, boolean entry, Expr target, List<Expr> arguments) {
    Expr step =
        entry
            ? Call.of(position, "cel.@mapInsert", accumulator(position), arguments.getLast())
            : Call.of(
                position,
                "cel.@mapInsert",
                accumulator(position),
                new Ident(arguments.getFirst().position, variable(arguments.getFirst())),
                arguments.getLast());
    return fold(
        position,
        target,
        arguments.subList(0, 2),
        new MapExpr(position, List.of()),
        new Literal(position, true),
        filtered(position, arguments, 2, step),
        accumulator(position));
  }

  private Expr optional(int position, boolean wraps, Expr target, List<Expr> arguments) {
    Expr value = new Call(position, "value", new Ident(position, "@target"), List.of());
    Expr inner = bind(position, arguments.getFirst(), value, arguments.get(1));
    return bindTo(
        position,
        "@target",
        target,
        Call.of(
            position,
            "_?_:_",
            new Call(position, "hasValue", new Ident(position, "@target"), List.of()),
            wraps ? Call.of(position, "optional.of", inner) : inner,
            Call.of(position, "optional.none")));
  }

  private Expr sortBy(int position, Expr target, List<Expr> arguments) {
    Expr keys = transform(position, new Ident(position, "@sorted"), arguments, 1);
    return bindTo(
        position,
        "@sorted",
        target,
        new Call(position, "@sortByAssociatedKeys", new Ident(position, "@sorted"), List.of(keys)));
  }

  private Expr bind(int position, Expr name, Expr value, Expr result) {
    return bindTo(position, variable(name), value, result);
  }

  private static Expr bindTo(int position, String name, Expr value, Expr result) {
    return new Comprehension(
        position,
        UNUSED,
        Optional.empty(),
        new ListExpr(position, List.of(), List.of()),
        name,
        value,
        new Literal(position, false),
        new Ident(position, name),
        result);
  }
}
