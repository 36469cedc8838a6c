package dev.kedge.cel;

import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import org.jspecify.annotations.Nullable;

/**
 * A node of a parsed expression. The checker fills in types and resolves names; afterwards it does
 * not change any more.
 */
abstract sealed class Expr {
  /** Where it stands in the source, in characters. */
  final int position;

  /** Filled in by the checker. */
  CelType type = CelType.DYN;

  private Expr(int position) {
    this.position = position;
  }

  static final class Literal extends Expr {
    final Object value;

    Literal(int position, Object value) {
      super(position);
      this.value = value;
    }
  }

  static final class Ident extends Expr {
    final String name;

    /** The type that a name such as {@code int} stands for. */
    @Nullable CelType named;

    Ident(int position, String name) {
      super(position);
      this.name = name;
    }
  }

  static final class Select extends Expr {
    final Expr operand;
    final String field;

    /** {@code has(a.b)}. */
    final boolean test;

    Select(int position, Expr operand, String field, boolean test) {
      super(position);
      this.operand = operand;
      this.field = field;
      this.test = test;
    }
  }

  static final class Call extends Expr {
    String function;
    @Nullable Expr target;
    final List<Expr> arguments;

    /** Filled in by the checker. */
    List<String> overloads = List.of();

    Call(int position, String function, @Nullable Expr target, List<Expr> arguments) {
      super(position);
      this.function = function;
      this.target = target;
      this.arguments = List.copyOf(arguments);
    }

    static Call of(int position, String function, Expr... arguments) {
      return new Call(position, function, null, List.of(arguments));
    }
  }

  static final class ListExpr extends Expr {
    final List<Expr> items;

    /** Places of items that are left out where their optional is empty. */
    final List<Integer> optional;

    ListExpr(int position, List<Expr> items, List<Integer> optional) {
      super(position);
      this.items = List.copyOf(items);
      this.optional = List.copyOf(optional);
    }
  }

  record Entry(int position, Expr key, Expr value, boolean optional) {}

  static final class MapExpr extends Expr {
    final List<Entry> entries;

    MapExpr(int position, List<Entry> entries) {
      super(position);
      this.entries = List.copyOf(entries);
    }
  }

  record Field(int position, String name, Expr value, boolean optional) {}

  /** An object of a type with a name, as mutating policies make them. */
  static final class StructExpr extends Expr {
    final String name;
    final List<Field> fields;

    StructExpr(int position, String name, List<Field> fields) {
      super(position);
      this.name = name;
      this.fields = List.copyOf(fields);
    }
  }

  static final class Comprehension extends Expr {
    final String variable;
    final Optional<String> second;
    final Expr range;
    final String accumulator;
    final Expr initial;
    final Expr condition;
    final Expr step;
    final Expr result;

    Comprehension(
        int position,
        String variable,
        Optional<String> second,
        Expr range,
        String accumulator,
        Expr initial,
        Expr condition,
        Expr step,
        Expr result) {
      super(position);
      this.variable = variable;
      this.second = second;
      this.range = range;
      this.accumulator = accumulator;
      this.initial = initial;
      this.condition = condition;
      this.step = step;
      this.result = result;
    }

    /** Whether it only gives a name to a value ({@code cel.bind}). */
    boolean binds() {
      return range instanceof ListExpr list
          && list.items.isEmpty()
          && condition instanceof Literal literal
          && literal.value.equals(false);
    }
  }

  /** {@code a.b.c} as its parts; empty if it is something else. */
  List<String> qualified() {
    List<String> parts = new ArrayList<>();
    Expr at = this;
    while (at instanceof Select select && !select.test) {
      parts.addFirst(select.field);
      at = select.operand;
    }
    if (at instanceof Ident ident) {
      parts.addFirst(ident.name);
      return parts;
    }
    return List.of();
  }
}
