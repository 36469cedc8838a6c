package dev.kedge.cel;

import dev.kedge.cel.CelType.Kind;
import dev.kedge.cel.Expr.Call;
import dev.kedge.cel.Expr.Comprehension;
import dev.kedge.cel.Expr.Ident;
import dev.kedge.cel.Expr.ListExpr;
import dev.kedge.cel.Expr.Literal;
import dev.kedge.cel.Expr.MapExpr;
import dev.kedge.cel.Expr.Select;
import dev.kedge.cel.Expr.StructExpr;
import dev.kedge.model.JsonNull;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Deque;
import java.util.HashMap;
import java.util.IdentityHashMap;
import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/**
 * Estimates what an evaluation can cost at most, before there are values: by the sizes that
 * declarations allow. The rules are those of cel-go's checker and of Kubernetes' libraries. One
 * use.
 */
final class Estimator {
  static final double TRAVERSAL = 0.1;
  static final double REGEX = 0.25;
  private static final long CHECK = 350_000;
  private static final Range ONE = Range.of(1);
  private static final Range ZERO = Range.of(0);
  private static final Range UNKNOWN = new Range(0, Long.MAX_VALUE);

  private final Map<String, Declaration> variables;
  private final Map<Expr, Range> sizes = new IdentityHashMap<>();
  private final Map<Expr, Entries> entrySizes = new IdentityHashMap<>();
  private final Map<Expr, List<String>> paths = new IdentityHashMap<>();
  private final Map<String, Deque<Local>> locals = new HashMap<>();

  /** Least and most; saturates. */
  record Range(long min, long max) {
    static Range of(long value) {
      return new Range(value, value);
    }

    Range plus(Range other) {
      return new Range(add(min, other.min), add(max, other.max));
    }

    Range times(Range other) {
      return new Range(multiply(min, other.min), multiply(max, other.max));
    }

    Range times(double factor) {
      return new Range(scale(min, factor), scale(max, factor));
    }

    Range union(Range other) {
      return new Range(Math.min(min, other.min), Math.max(max, other.max));
    }

    static long add(long a, long b) {
      return a > Long.MAX_VALUE - b ? Long.MAX_VALUE : a + b;
    }

    static long multiply(long a, long b) {
      return b != 0 && a > Long.MAX_VALUE / b ? Long.MAX_VALUE : a * b;
    }

    static long scale(long value, double factor) {
      // The cast saturates.
      return value == Long.MAX_VALUE && factor > 0 ? value : (long) Math.ceil(value * factor);
    }
  }

  private record Entries(boolean list, Range key, Range value) {
    @Nullable Entries union(@Nullable Entries other) {
      return other == null
          ? null
          : new Entries(list, key.union(other.key), value.union(other.value));
    }
  }

  private record Local(List<String> path, @Nullable Range size, @Nullable Entries entries) {}

  private record Estimate(Range cost, @Nullable Range size) {
    Estimate(Range cost) {
      this(cost, null);
    }
  }

  Estimator(Map<String, Declaration> variables) {
    this.variables = variables;
  }

  /** What the evaluation of a checked expression can cost at most. */
  long most(Expr expr) {
    return cost(expr).max();
  }

  private Range cost(Expr expr) {
    return switch (expr) {
      case Literal _ -> ZERO;
      case Ident ident -> {
        Local local = local(ident.name);
        paths.put(expr, local == null ? List.of(ident.name) : local.path());
        yield ONE;
      }
      case Select select -> select(select);
      case Call call -> call(call);
      case ListExpr list -> {
        Range sum = ZERO;
        Range item = new Range(list.items.isEmpty() ? 0 : Long.MAX_VALUE, 0);
        for (Expr one : list.items) {
          sum = sum.plus(cost(one));
          item = item.union(sizeOrUnknown(one));
        }
        entrySizes.put(expr, new Entries(true, ONE, item));
        yield sum.plus(Range.of(10));
      }
      case MapExpr map -> {
        Range sum = ZERO;
        long least = map.entries.isEmpty() ? 0 : Long.MAX_VALUE;
        Range key = new Range(least, 0);
        Range value = new Range(least, 0);
        for (Expr.Entry entry : map.entries) {
          sum = sum.plus(cost(entry.key())).plus(cost(entry.value()));
          key = key.union(sizeOrUnknown(entry.key()));
          value = value.union(sizeOrUnknown(entry.value()));
        }
        entrySizes.put(expr, new Entries(false, key, value));
        yield sum.plus(Range.of(30));
      }
      case StructExpr struct -> {
        Range sum = ZERO;
        for (Expr.Field field : struct.fields) {
          sum = sum.plus(cost(field.value()));
        }
        yield sum.plus(Range.of(40));
      }
      case Comprehension comprehension -> comprehension(comprehension);
    };
  }

  private Range select(Select select) {
    Range sum = cost(select.operand);
    if (select.test) {
      return sum;
    }
    Kind kind = select.operand.type.kind();
    if (kind == Kind.MAP || kind == Kind.STRUCT || kind == Kind.DYN) {
      sum = sum.plus(ONE);
    }
    paths.put(select, appended(path(select.operand), select.field));
    return sum;
  }

  private static List<String> appended(List<String> path, String name) {
    List<String> longer = new ArrayList<>(path);
    longer.add(name);
    return longer;
  }

  private Range call(Call call) {
    if (call.function.equals("dyn")) {
      Expr argument = call.arguments.getFirst();
      Range cost = cost(argument);
      copySizes(call, argument);
      return cost.plus(ONE);
    }
    List<Range> costs = call.arguments.stream().map(this::cost).toList();
    Range sum = call.target == null ? ZERO : cost(call.target);
    Range of = null;
    Range size = null;
    for (String overload : call.overloads) {
      Estimate estimate = function(call, overload, costs);
      of = of == null ? estimate.cost() : of.union(estimate.cost());
      Range one = estimate.size();
      if (one != null) {
        size = size == null ? one : size.union(one);
      }
      if (overload.equals("index_list") || overload.equals("index_map")) {
        Expr container = call.arguments.getFirst();
        Entries entries = entries(container);
        size = entries == null ? null : entries.value();
        paths.put(
            call, appended(path(container), overload.equals("index_list") ? "@items" : "@values"));
      }
      if (size == null) {
        size = size(call);
      }
    }
    if (size != null) {
      sizes.put(call, size);
    }
    return of == null ? sum : sum.plus(of);
  }

  private Estimate function(Call call, String overload, List<Range> costs) {
    Range arguments = ZERO;
    for (Range one : costs) {
      arguments = arguments.plus(one);
    }
    Estimate own = library(call, overload);
    if (own != null) {
      return new Estimate(own.cost().plus(arguments), own.size());
    }
    List<Expr> args = call.arguments;
    switch (overload) {
      case "string_format" -> {
        return new Estimate(target(call).times(TRAVERSAL).plus(arguments));
      }
      case "string_to_bytes" -> {
        Range size = sizeOrUnknown(args.getFirst());
        return new Estimate(
            size.times(TRAVERSAL).plus(arguments),
            new Range(size.min(), Range.multiply(size.max(), 4)));
      }
      case "bytes_to_string" -> {
        Range size = sizeOrUnknown(args.getFirst());
        return new Estimate(
            size.times(TRAVERSAL).plus(arguments), new Range(size.min() / 4, size.max()));
      }
      case "strings_quote" -> {
        Range size = sizeOrUnknown(args.getFirst());
        return new Estimate(
            size.times(TRAVERSAL).plus(arguments), size.times(new Range(1, 2)).plus(Range.of(2)));
      }
      case "starts_with_string", "ends_with_string" -> {
        return new Estimate(sizeOrUnknown(args.getFirst()).times(TRAVERSAL).plus(arguments));
      }
      case "in_list" -> {
        return new Estimate(sizeOrUnknown(args.get(1)).plus(arguments));
      }
      case "matches_string" -> {
        Range text = target(call).plus(ONE).times(TRAVERSAL);
        Range regex = sizeOrUnknown(args.getFirst()).times(REGEX);
        return new Estimate(text.times(regex).plus(arguments));
      }
      case "contains_string" -> {
        Range text = target(call).times(TRAVERSAL);
        Range part = sizeOrUnknown(args.getFirst()).times(TRAVERSAL);
        return new Estimate(text.times(part).plus(arguments));
      }
      case "logical_or", "logical_and" -> {
        Range left = costs.getFirst();
        return new Estimate(new Range(left.min(), left.plus(costs.get(1)).max()));
      }
      case "conditional" -> {
        Range size = sizeOrUnknown(args.get(1)).union(sizeOrUnknown(args.get(2)));
        Entries yes = entries(args.get(1));
        Entries both = yes == null ? null : yes.union(entries(args.get(2)));
        if (both != null) {
          entrySizes.put(call, both);
        }
        return new Estimate(costs.getFirst().plus(costs.get(1).union(costs.get(2))), size);
      }
      case "add_string", "add_bytes", "add_list" -> {
        Range size = sizeOrUnknown(args.get(0)).plus(sizeOrUnknown(args.get(1)));
        Entries left = entries(args.get(0));
        Entries both = left == null ? null : left.union(entries(args.get(1)));
        if (both != null) {
          entrySizes.put(call, both);
        }
        return new Estimate(
            (overload.equals("add_list") ? ONE : size.times(TRAVERSAL)).plus(arguments), size);
      }
      case "equals",
          "not_equals",
          "less_string",
          "less_equals_string",
          "greater_string",
          "greater_equals_string",
          "less_bytes",
          "less_equals_bytes",
          "greater_bytes",
          "greater_equals_bytes" -> {
        long most = Math.min(sizeOrUnknown(args.get(0)).max(), sizeOrUnknown(args.get(1)).max());
        return new Estimate(new Range(most > 0 ? 1 : 0, most).times(TRAVERSAL).plus(arguments));
      }
      default -> {
        return new Estimate(ONE.plus(arguments));
      }
    }
  }

  private Range target(Call call) {
    return call.target == null ? UNKNOWN : sizeOrUnknown(call.target);
  }

  /** Functions of Kubernetes' libraries; null where the language's rules hold. */
  private @Nullable Estimate library(Call call, String overload) {
    List<Expr> args = call.arguments;
    Expr target = call.target;
    switch (call.function) {
      case "check" -> {
        return new Estimate(Range.of(CHECK));
      }
      case "serviceAccount",
          "path",
          "group",
          "resource",
          "subresource",
          "namespace",
          "name",
          "allowed",
          "reason",
          "error",
          "errored",
          "masked",
          "prefixLength",
          "family",
          "isUnspecified",
          "isLoopback",
          "isLinkLocalMulticast",
          "isLinkLocalUnicast",
          "isGlobalUnicast",
          "format.named",
          "sign",
          "asInteger",
          "isInteger",
          "asApproximateFloat",
          "isGreaterThan",
          "isLessThan",
          "compareTo",
          "add",
          "sub",
          "major",
          "minor",
          "patch",
          "getScheme",
          "getHostname",
          "getHost",
          "getPort",
          "getEscapedPath",
          "getQuery" -> {
        return new Estimate(ONE);
      }
      case "fieldSelector", "labelSelector" -> {
        Range size = sizeOrUnknown(args.getFirst());
        return new Estimate(
            Range.of(10).plus(size.times(TRAVERSAL)).plus(size.times(0.5).times(50)));
      }
      case "isSorted", "sum", "max", "min", "indexOf", "lastIndexOf" -> {
        if (target == null) {
          return null;
        }
        Range size = sizeOrUnknown(target);
        if (target.type.kind() != Kind.LIST) {
          return new Estimate(size.times(TRAVERSAL));
        }
        CelType item = target.type.first();
        Range each = ONE;
        if (item.kind() == Kind.STRING || item.kind() == Kind.BYTES) {
          Range declared = declared(appended(path(target), "@items"));
          each = each.plus((declared == null ? UNKNOWN : declared).times(TRAVERSAL));
        }
        return new Estimate(size.times(each));
      }
      case "url", "jsonpatch.escapeKey" -> {
        Range size = sizeOrUnknown(args.getFirst());
        return new Estimate(size.times(TRAVERSAL), size);
      }
      case "lowerAscii", "upperAscii", "substring", "trim" -> {
        Range size = target(call);
        return new Estimate(size.times(TRAVERSAL), size);
      }
      case "replace" -> {
        return replace(call);
      }
      case "split" -> {
        Range size = target(call);
        long most = size.max();
        if (args.size() > 1
            && args.get(1) instanceof Literal literal
            && literal.value instanceof Long count) {
          most = count < 0 ? Long.MAX_VALUE : count;
        }
        return new Estimate(size.times(2 * TRAVERSAL), new Range(0, most));
      }
      case "join" -> {
        Range count = target(call);
        Range size = ZERO;
        if (target != null && target.type.kind() == Kind.LIST) {
          Range item = declared(appended(path(target), "@items"));
          size = count.times(item == null ? UNKNOWN : item);
        }
        if (!args.isEmpty()) {
          Range separators = new Range(Math.max(0, count.min() - 1), Math.max(0, count.max() - 1));
          size = size.plus(sizeOrUnknown(args.getFirst()).times(separators));
        }
        return new Estimate(size.times(TRAVERSAL), size);
      }
      case "find", "findAll" -> {
        Range size = target(call);
        Range regex = sizeOrUnknown(args.getFirst()).times(REGEX);
        return new Estimate(size.plus(ONE).times(TRAVERSAL).times(regex), new Range(0, size.max()));
      }
      case "ip" -> {
        return new Estimate(
            overload.equals("cidr_ip") ? ONE : sizeOrUnknown(args.getFirst()).times(TRAVERSAL));
      }
      case "cidr", "isIP", "isCIDR", "quantity", "isQuantity", "semver", "isSemver" -> {
        return new Estimate(sizeOrUnknown(args.getFirst()).times(TRAVERSAL));
      }
      case "ip.isCanonical" -> {
        return new Estimate(sizeOrUnknown(args.getFirst()).times(2 * TRAVERSAL));
      }
      case "containsIP" -> {
        Range cost = new Range(8, 32).times(TRAVERSAL);
        return new Estimate(
            overload.endsWith("_string")
                ? cost.plus(sizeOrUnknown(args.getFirst()).times(TRAVERSAL))
                : cost);
      }
      case "containsCIDR" -> {
        Range cost =
            new Range(8, 32).times(TRAVERSAL).plus(new Range(4, 16).times(TRAVERSAL)).plus(ONE);
        return new Estimate(
            overload.endsWith("_string")
                ? cost.plus(sizeOrUnknown(args.getFirst()).times(TRAVERSAL))
                : cost);
      }
      case "validate" -> {
        return new Estimate(
            sizeOrUnknown(args.getFirst()).times(TRAVERSAL).times(Formats.LARGEST_REGEX * REGEX));
      }
      case "_==_" -> {
        CelType left = args.get(0).type;
        if (left.kind() == Kind.OPAQUE && left.equals(args.get(1).type) && !left.isOptional()) {
          return left.equals(Signatures.FORMAT)
              ? new Estimate(new Range(1, 64).times(TRAVERSAL))
              : left.equals(Signatures.URL) ? null : new Estimate(ONE);
        }
        return null;
      }
      default -> {
        return null;
      }
    }
  }

  private Estimate replace(Call call) {
    Range size = target(call);
    Range replaced = sizeOrUnknown(call.arguments.get(0));
    Range by = sizeOrUnknown(call.arguments.get(1));
    long most;
    long retainedMost = size.max();
    if (replaced.min() == 0) {
      most = Range.add(size.max(), 1);
    } else if (by.max() <= replaced.min()) {
      most = 0;
    } else {
      retainedMost = 0;
      most = (long) Math.ceil((double) size.max() / replaced.min());
    }
    long least;
    long retainedLeast = size.min();
    if (replaced.max() == 0) {
      least = Range.add(size.min(), 1);
    } else if (replaced.max() <= by.min()) {
      least = 0;
    } else {
      retainedLeast = 0;
      least = (long) Math.ceil((double) size.min() / replaced.max());
    }
    return new Estimate(
        size.times(2 * TRAVERSAL),
        new Range(least, most).times(by).plus(new Range(retainedLeast, retainedMost)));
  }

  private Range comprehension(Comprehension expr) {
    Range sum = cost(expr.range).plus(cost(expr.initial));
    push(
        expr.accumulator, new Local(path(expr.initial), size(expr.initial), entries(expr.initial)));
    if (expr.binds()) {
      sum = sum.plus(cost(expr.result));
      pop(expr.accumulator);
      copySizes(expr, expr.result);
      return sum;
    }
    Entries entries = entries(expr.range);
    boolean list = entries == null ? expr.range.type.kind() == Kind.LIST : entries.list();
    List<String> path = path(expr.range);
    if (expr.second.isPresent()) {
      push(
          expr.variable,
          new Local(
              appended(path, list ? "@indices" : "@keys"),
              entries == null ? null : entries.key(),
              null));
      push(
          expr.second.get(),
          new Local(
              appended(path, list ? "@items" : "@values"),
              entries == null ? null : entries.value(),
              null));
    } else {
      push(
          expr.variable,
          new Local(
              appended(path, list ? "@items" : "@keys"),
              entries == null ? null : list ? entries.value() : entries.key(),
              null));
    }
    Range loop = cost(expr.condition).plus(cost(expr.step));
    pop(expr.variable);
    expr.second.ifPresent(this::pop);
    sum = sum.plus(cost(expr.result));
    pop(expr.accumulator);
    Range count = sizeOrUnknown(expr.range);
    switch (expr.initial) {
      case Literal _ -> {
        Range size = size(expr.initial);
        if (size != null) {
          sizes.put(expr, size);
        }
      }
      case ListExpr _, MapExpr _ -> {
        sizes.put(expr, count);
        Entries step = entries(expr.step);
        if (step != null) {
          entrySizes.put(expr, step);
        }
      }
      default -> {}
    }
    return sum.plus(count.times(loop));
  }

  private void push(String name, Local local) {
    locals.computeIfAbsent(name, _ -> new ArrayDeque<>()).push(local);
  }

  private void pop(String name) {
    Deque<Local> stack = locals.get(name);
    if (stack != null) {
      stack.pop();
    }
  }

  private @Nullable Local local(String name) {
    Deque<Local> stack = locals.get(name);
    return stack == null ? null : stack.peek();
  }

  private List<String> path(Expr expr) {
    if (expr instanceof Ident ident) {
      Local local = local(ident.name);
      if (local != null) {
        return local.path();
      }
    }
    return paths.getOrDefault(expr, List.of());
  }

  private void copySizes(Expr to, Expr from) {
    Range size = size(from);
    if (size != null) {
      sizes.put(to, size);
    }
    Entries entries = entries(from);
    if (entries != null) {
      entrySizes.put(to, entries);
    }
  }

  private @Nullable Entries entries(Expr expr) {
    Entries known = entrySizes.get(expr);
    if (known == null && expr instanceof Ident ident) {
      Local local = local(ident.name);
      return local == null ? null : local.entries();
    }
    return known;
  }

  private Range sizeOrUnknown(Expr expr) {
    Range size = size(expr);
    return size == null ? UNKNOWN : size;
  }

  private @Nullable Range size(Expr expr) {
    Range known = sizes.get(expr);
    if (known != null) {
      return known;
    }
    Range literal = literalSize(expr);
    if (literal != null) {
      return literal;
    }
    Range declared = declared(path(expr));
    if (declared != null) {
      sizes.put(expr, declared);
      return declared;
    }
    if (scalar(expr.type)) {
      return ONE;
    }
    if (expr instanceof Ident ident) {
      Local local = local(ident.name);
      return local == null ? null : local.size();
    }
    return null;
  }

  private static @Nullable Range literalSize(Expr expr) {
    return switch (expr) {
      case Literal literal ->
          Range.of(
              switch (literal.value) {
                case String text -> text.codePointCount(0, text.length());
                case Octets octets -> octets.bytes().length;
                case JsonNull _ -> 1;
                default -> 1;
              });
      case ListExpr list -> Range.of(list.items.size());
      case MapExpr map -> Range.of(map.entries.size());
      default -> null;
    };
  }

  private static boolean scalar(CelType type) {
    return switch (type.kind()) {
      case BOOL, DOUBLE, DURATION, INT, TIMESTAMP, UINT -> true;
      case OPAQUE -> type.isOptional() && scalar(type.first());
      default -> false;
    };
  }

  /** The size that declarations allow at a path from a variable; null if they say nothing. */
  private @Nullable Range declared(List<String> path) {
    if (path.isEmpty()) {
      return null;
    }
    Declaration at = variables.get(path.getFirst());
    for (int i = 1; i < path.size() && at != null; i++) {
      at =
          switch (path.get(i)) {
            case "@items", "@values" -> at.item();
            case "@keys" -> at.key();
            default -> at.fields().get(path.get(i));
          };
    }
    return at == null || at == Declaration.DYN ? null : new Range(0, at.maxElements());
  }
}
