package dev.kedge.cel;

import dev.kedge.cel.Expr.Call;
import dev.kedge.cel.Expr.Comprehension;
import dev.kedge.cel.Expr.Ident;
import dev.kedge.cel.Expr.ListExpr;
import dev.kedge.cel.Expr.Literal;
import dev.kedge.cel.Expr.MapExpr;
import dev.kedge.cel.Expr.Select;
import dev.kedge.cel.Expr.StructExpr;
import dev.kedge.cel.Values.Filling;
import dev.kedge.cel.Values.FillingMap;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.function.Function;
import org.jspecify.annotations.Nullable;

/** One evaluation: walks the tree and counts what it costs. One thread. */
final class Evaluation {
  /** Items of lists and eights of characters that the functions of one evaluation may make. */
  private static final long MOST_MADE = 2_000_000;

  private final Function<String, @Nullable Object> variables;
  private final long limit;
  private long cost;
  private long made;
  private @Nullable Scope scope;

  private record Scope(String name, Object value, @Nullable Scope outer) {}

  Evaluation(Function<String, @Nullable Object> variables, long limit) {
    this.variables = variables;
    this.limit = limit;
  }

  long cost() {
    return cost;
  }

  private void pay(long amount) {
    cost += amount;
    if (cost > limit) {
      throw new CelException(CelException.TOO_EXPENSIVE, cost);
    }
  }

  private boolean broke() {
    return cost > limit;
  }

  Object value(Expr expr) {
    return switch (expr) {
      case Literal literal -> literal.value;
      case Ident ident -> {
        pay(1);
        yield ident.named == null ? resolve(ident.name) : ident.named;
      }
      case Select select -> select(select);
      case Call call -> call(call);
      case ListExpr list -> list(list);
      case MapExpr map -> map(map);
      case StructExpr struct -> struct(struct);
      case Comprehension comprehension -> comprehension(comprehension);
    };
  }

  private Object resolve(String name) {
    for (Scope at = scope; at != null; at = at.outer()) {
      if (at.name().equals(name)) {
        return at.value();
      }
    }
    Object value = variables.apply(name);
    if (value == null) {
      throw new CelException("no such attribute(s): " + name);
    }
    return value;
  }

  private Object select(Select select) {
    Object operand = value(select.operand);
    if (select.test) {
      return present(operand, select.field);
    }
    pay(1);
    if (operand instanceof Access.Authorizer authorizer && select.field.equals("requestResource")) {
      return new Access.ResourceCheck(authorizer.access(), authorizer.request());
    }
    if (operand instanceof Optional<?>) {
      return Functions.optionalField(operand, select.field);
    }
    if (operand instanceof Values.Made made) {
      Object field = made.fields().get(select.field);
      if (field == null) {
        throw new CelException("no such key: " + select.field);
      }
      return field;
    }
    return Functions.index(operand, select.field);
  }

  private static boolean present(Object operand, String field) {
    return switch (operand) {
      case Optional<?> optional -> optional.isPresent() && present(optional.get(), field);
      case Values.Struct struct -> struct.field(field).isPresent();
      case Values.Made made -> made.fields().containsKey(field);
      case Map<?, ?> map -> Values.lookUp(map, field) != null;
      default -> throw CelException.noOverload();
    };
  }

  private Object call(Call call) {
    switch (call.function) {
      case "_&&_" -> {
        return logical(call, false);
      }
      case "_||_" -> {
        return logical(call, true);
      }
      case "_?_:_" -> {
        if (value(call.arguments.getFirst()) instanceof Boolean flag) {
          return value(call.arguments.get(flag ? 1 : 2));
        }
        throw CelException.noOverload();
      }
      case "or" -> {
        Object first = value(target(call));
        pay(1);
        return first instanceof Optional<?> optional && optional.isPresent()
            ? first
            : value(call.arguments.getFirst());
      }
      case "orValue" -> {
        Object first = value(target(call));
        pay(1);
        return first instanceof Optional<?> optional && optional.isPresent()
            ? optional.get()
            : value(call.arguments.getFirst());
      }
      case "@not_strictly_false" -> {
        Object value;
        try {
          value = value(call.arguments.getFirst());
        } catch (CelException e) {
          rethrowIfBroke(e);
          value = true;
        }
        pay(1);
        return !(value instanceof Boolean flag) || flag;
      }
      default -> {}
    }
    Expr target = call.target;
    int shift = target == null ? 0 : 1;
    Object[] arguments = new Object[call.arguments.size() + shift];
    if (target != null) {
      arguments[0] = value(target);
    }
    for (int i = 0; i < call.arguments.size(); i++) {
      arguments[i + shift] = value(call.arguments.get(i));
    }
    // What a call costs by its arguments is paid before it is made.
    pay(RuntimeCosts.before(call.function, arguments));
    Object result = Functions.call(call.function, arguments);
    made(call.function, result);
    pay(RuntimeCosts.after(call.function, result));
    return result;
  }

  /** Some functions make much of little at a small price: what they make is bounded apart. */
  private void made(String function, Object result) {
    if (function.startsWith("_[") || function.equals("_?._")) {
      return;
    }
    if (result instanceof String text) {
      made += text.length() / 8;
    } else if (result instanceof List<?> list) {
      made += list.size();
    }
    if (made > MOST_MADE) {
      cost = limit + 1;
      throw new CelException(CelException.TOO_EXPENSIVE, cost);
    }
  }

  private static Expr target(Call call) {
    return java.util.Objects.requireNonNull(call.target);
  }

  private void rethrowIfBroke(CelException e) {
    if (broke()) {
      throw e;
    }
  }

  /** An error on one side does not count where the other side decides. */
  private Object logical(Call call, boolean decisive) {
    CelException failure = null;
    for (Expr argument : call.arguments) {
      try {
        if (value(argument) instanceof Boolean flag) {
          if (flag == decisive) {
            return decisive;
          }
        } else {
          failure = failure == null ? CelException.noOverload() : failure;
        }
      } catch (CelException e) {
        rethrowIfBroke(e);
        failure = failure == null ? e : failure;
      }
    }
    if (failure != null) {
      throw failure;
    }
    return !decisive;
  }

  private Object list(ListExpr list) {
    List<Object> items = new ArrayList<>(list.items.size());
    for (int i = 0; i < list.items.size(); i++) {
      Object item = value(list.items.get(i));
      if (list.optional.contains(i) && item instanceof Optional<?> optional) {
        optional.ifPresent(items::add);
      } else {
        items.add(item);
      }
    }
    pay(10);
    return items;
  }

  private Object map(MapExpr map) {
    Map<Object, Object> entries = new LinkedHashMap<>();
    for (Expr.Entry entry : map.entries) {
      Object key = value(entry.key());
      Object value = value(entry.value());
      if (entry.optional() && value instanceof Optional<?> optional) {
        if (optional.isEmpty()) {
          continue;
        }
        value = optional.get();
      }
      if (Values.lookUp(entries, key) != null) {
        throw new CelException("Failed with repeated key");
      }
      entries.put(key, value);
    }
    pay(30);
    return entries;
  }

  private Object struct(StructExpr struct) {
    Map<String, Object> fields = new LinkedHashMap<>();
    for (Expr.Field field : struct.fields) {
      Object value = value(field.value());
      if (field.optional() && value instanceof Optional<?> optional) {
        if (optional.isEmpty()) {
          continue;
        }
        value = optional.get();
      }
      fields.put(field.name(), value);
    }
    pay(40);
    return new Values.Made(struct.name, fields);
  }

  private Object comprehension(Comprehension expr) {
    Scope outer = scope;
    try {
      if (expr.binds()) {
        pay(10);
        Object bound = value(expr.initial);
        scope = new Scope(expr.accumulator, bound, outer);
        return value(expr.result);
      }
      Object range = value(expr.range);
      Object accumulated = value(expr.initial);
      if (accumulated instanceof List<?> list && list.isEmpty()) {
        accumulated = new Filling();
      } else if (accumulated instanceof Map<?, ?> map && map.isEmpty()) {
        accumulated = new FillingMap();
      }
      CelException failure = null;
      int place = 0;
      for (Object element : elements(range)) {
        Scope inner = failure == null ? new Scope(expr.accumulator, accumulated, outer) : outer;
        scope = inner;
        if (failure == null && value(expr.condition) instanceof Boolean go && !go) {
          break;
        }
        scope = bind(expr, range, element, place++, inner);
        try {
          accumulated = step(expr, failure);
          failure = null;
        } catch (CelException e) {
          rethrowIfBroke(e);
          failure = e;
          if (!absorbs(expr)) {
            throw e;
          }
        }
      }
      if (failure != null) {
        throw failure;
      }
      scope = new Scope(expr.accumulator, accumulated, outer);
      return value(expr.result);
    } finally {
      scope = outer;
    }
  }

  /** Whether a later element can make up for one whose predicate failed. */
  private static boolean absorbs(Comprehension expr) {
    return expr.step instanceof Call call
        && (call.function.equals("_&&_") || call.function.equals("_||_"));
  }

  /** One step; after a failure only the predicate counts, which may still decide. */
  private Object step(Comprehension expr, @Nullable CelException failure) {
    if (failure == null) {
      return value(expr.step);
    }
    Call call = (Call) expr.step;
    Object value = value(call.arguments.get(1));
    boolean decisive = call.function.equals("_||_");
    if (value instanceof Boolean flag && flag == decisive) {
      return decisive;
    }
    throw failure;
  }

  private static Iterable<?> elements(Object range) {
    return switch (range) {
      case List<?> list -> list;
      case Map<?, ?> map -> map.keySet();
      case Values.Struct struct -> struct.json().names();
      default -> throw CelException.noOverload();
    };
  }

  private static Scope bind(
      Comprehension expr, Object range, Object element, int place, @Nullable Scope outer) {
    if (expr.second.isEmpty()) {
      return new Scope(expr.variable, element, outer);
    }
    boolean list = range instanceof List<?>;
    Object key = list ? (Object) (long) place : element;
    Object value = list ? element : Functions.index(range, element);
    return new Scope(expr.second.get(), value, new Scope(expr.variable, key, outer));
  }
}
