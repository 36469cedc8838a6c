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
import dev.kedge.cel.Signatures.Overload;
import dev.kedge.model.Durations;
import dev.kedge.model.JsonNull;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.function.Function;
import java.util.stream.Collectors;
import org.jspecify.annotations.Nullable;

/**
 * Gives every node its type, finds the functions that calls mean, and reports what does not fit.
 * One use.
 */
final class Checker {
  private static final Map<String, CelType> TYPE_NAMES =
      Map.ofEntries(
          Map.entry("int", CelType.INT),
          Map.entry("uint", CelType.UINT),
          Map.entry("double", CelType.DOUBLE),
          Map.entry("bool", CelType.BOOL),
          Map.entry("string", CelType.STRING),
          Map.entry("bytes", CelType.BYTES),
          Map.entry("list", CelType.list(CelType.DYN)),
          Map.entry("map", CelType.map(CelType.DYN, CelType.DYN)),
          Map.entry("null_type", CelType.NULL),
          Map.entry("type", CelType.typeOf(CelType.DYN)));

  private final Source source;
  private final Map<String, CelType> variables;
  private final Function<String, @Nullable Declaration> structs;
  private final List<Expr> nodes = new ArrayList<>();
  private final Set<String> used = new HashSet<>();
  private Map<String, CelType> mapping = new HashMap<>();
  private @Nullable Scope scope;
  private int freeVariables;

  /** Above 0 inside the arguments of a format, whose lists may hold anything. */
  private int mixed;

  private record Scope(String name, CelType type, @Nullable Scope outer) {}

  /**
   * @param variables what expressions can name
   * @param structs types that expressions can make, by name
   */
  Checker(
      Source source,
      Map<String, CelType> variables,
      Function<String, @Nullable Declaration> structs) {
    this.source = source;
    this.variables = variables;
    this.structs = structs;
  }

  /** Checks an expression; faults are the source's. */
  Expr check(Expr expr) {
    Expr checked = visit(expr);
    for (Expr node : nodes) {
      node.type = substitute(node.type, true);
    }
    return checked;
  }

  /** The variables that the expression names. */
  Set<String> used() {
    return used;
  }

  private Expr visit(Expr expr) {
    nodes.add(expr);
    expr.type =
        switch (expr) {
          case Literal literal -> literalType(literal.value);
          case Ident ident -> ident(ident);
          case Select select -> select(select);
          case Call call -> call(call);
          case ListExpr list -> list(list);
          case MapExpr map -> map(map);
          case StructExpr struct -> struct(struct);
          case Comprehension comprehension -> comprehension(comprehension);
        };
    return expr;
  }

  private static CelType literalType(Object value) {
    return switch (value) {
      case Boolean _ -> CelType.BOOL;
      case Long _ -> CelType.INT;
      case UnsignedInt _ -> CelType.UINT;
      case Double _ -> CelType.DOUBLE;
      case String _ -> CelType.STRING;
      case Octets _ -> CelType.BYTES;
      case JsonNull _ -> CelType.NULL;
      default -> throw new IllegalStateException("no literal: " + value);
    };
  }

  private CelType ident(Ident ident) {
    for (Scope at = scope; at != null; at = at.outer()) {
      if (at.name().equals(ident.name)) {
        return at.type();
      }
    }
    CelType variable = variables.get(ident.name);
    if (variable != null) {
      used.add(ident.name);
      return variable;
    }
    CelType named = TYPE_NAMES.get(ident.name);
    if (named != null) {
      ident.named = named;
      return CelType.typeOf(named);
    }
    undeclared(ident.position, ident.name);
    return CelType.ERROR;
  }

  private void undeclared(int position, String name) {
    source.report(position, "undeclared reference to '" + name + "' (in container '')");
  }

  private CelType select(Select select) {
    CelType result = field(select.position, select.operand, select.field, false);
    return select.test ? CelType.BOOL : substitute(result, false);
  }

  private CelType field(int position, Expr operand, String field, boolean optional) {
    visit(operand);
    CelType of = substitute(operand.type, false);
    boolean unwrapped = of.isOptional();
    CelType target = unwrapped ? of.first() : of;
    CelType result =
        switch (target.kind()) {
          case MAP -> target.parameters().get(1);
          case STRUCT -> {
            Declaration found =
                target.declaration() == null ? null : target.declaration().fields().get(field);
            if (found == null) {
              source.report(position, "undefined field '" + field + "'");
              yield CelType.ERROR;
            }
            yield found.type();
          }
          case PARAMETER -> {
            assignable(CelType.DYN, target);
            yield CelType.DYN;
          }
          case DYN, ERROR -> CelType.DYN;
          default -> {
            if (target.equals(Signatures.AUTHORIZER) && field.equals("requestResource")) {
              yield Signatures.RESOURCE_CHECK;
            }
            source.report(position, "type '" + target + "' does not support field selection");
            yield CelType.DYN;
          }
        };
    return unwrapped || optional ? CelType.optional(result) : result;
  }

  private CelType call(Call call) {
    if (call.function.equals("_?._")) {
      call.overloads = List.of("select_optional_field");
      String field = (String) ((Literal) call.arguments.get(1)).value;
      nodes.add(call.arguments.get(1));
      call.arguments.get(1).type = CelType.STRING;
      return substitute(field(call.position, call.arguments.getFirst(), field, true), false);
    }
    boolean formats = call.function.equals("format");
    mixed += formats ? 1 : 0;
    call.arguments.forEach(this::visit);
    mixed -= formats ? 1 : 0;
    Expr target = call.target;
    if (target != null) {
      String qualified = String.join(".", target.qualified());
      String function = qualified + "." + call.function;
      if (!qualified.isEmpty() && !Signatures.of(function).isEmpty()) {
        call.function = function;
        call.target = null;
        target = null;
      }
    }
    List<Overload> overloads = Signatures.of(call.function);
    if (target != null) {
      visit(target);
    }
    if (overloads.isEmpty()) {
      undeclared(call.position, call.function);
      return CelType.ERROR;
    }
    return resolve(call, target, overloads);
  }

  private CelType resolve(Call call, @Nullable Expr target, List<Overload> overloads) {
    List<CelType> given = new ArrayList<>();
    if (target != null) {
      given.add(target.type);
    }
    call.arguments.forEach(argument -> given.add(argument.type));
    if (call.function.equals("_&&_") || call.function.equals("_||_")) {
      boolean faulty = false;
      for (Expr argument : call.arguments) {
        if (!assignable(argument.type, CelType.BOOL)) {
          mismatch(argument.position, CelType.BOOL, argument.type);
          faulty = true;
        }
      }
      call.overloads = List.of(overloads.getFirst().id());
      return faulty ? CelType.ERROR : CelType.BOOL;
    }
    CelType result = null;
    List<String> ids = new ArrayList<>();
    for (Overload overload : overloads) {
      if (overload.member() != (target != null)) {
        continue;
      }
      Map<String, CelType> fresh = new HashMap<>();
      List<CelType> wanted =
          overload.arguments().stream().map(type -> renamed(type, fresh)).toList();
      if (given.size() == wanted.size() && assignable(given, wanted)) {
        ids.add(overload.id());
        CelType one = substitute(renamed(overload.result(), fresh), false);
        if (result == null) {
          result = one;
        } else if (!result.isDyn() && !one.equals(result)) {
          result = CelType.DYN;
        }
      }
    }
    if (result == null) {
      List<String> shown = given.stream().map(type -> substitute(type, true).toString()).toList();
      source.report(
          call.position,
          "found no matching overload for '"
              + call.function
              + "' applied to '"
              + (target == null
                  ? "(" + String.join(", ", shown) + ")"
                  : shown.getFirst()
                      + ".("
                      + shown.stream().skip(1).collect(Collectors.joining(", "))
                      + ")")
              + "'");
      return CelType.ERROR;
    }
    call.overloads = List.copyOf(ids);
    literals(call);
    return result;
  }

  /** Literals that no evaluation could make sense of are faults at once. */
  private void literals(Call call) {
    List<Expr> all = new ArrayList<>(call.arguments);
    if (!all.isEmpty()
        && all.getLast() instanceof Literal literal
        && literal.value instanceof String text) {
      switch (call.function) {
        case "duration" -> {
          if (all.size() == 1 && Durations.find(text).isEmpty()) {
            source.report(literal.position, "invalid duration argument");
          }
        }
        case "timestamp" -> {
          if (all.size() == 1 && Times.timestamp(text).isEmpty()) {
            source.report(literal.position, "invalid timestamp argument");
          }
        }
        case "matches" -> {
          if (Texts.pattern(text).isEmpty()) {
            source.report(literal.position, "invalid matches argument");
          }
        }
        default -> {}
      }
    }
  }

  private CelType list(ListExpr list) {
    CelType item = null;
    for (int i = 0; i < list.items.size(); i++) {
      Expr one = visit(list.items.get(i));
      CelType type = one.type;
      if (list.optional.contains(i)) {
        CelType unwrapped = substitute(type, false);
        if (!unwrapped.isOptional() && !unwrapped.isDynOrError()) {
          mismatch(one.position, CelType.optional(unwrapped), unwrapped);
        }
        type = unwrapped.isOptional() ? unwrapped.first() : CelType.DYN;
      }
      item = join(one.position, item, type);
    }
    return CelType.list(item == null ? free() : item);
  }

  private CelType map(MapExpr map) {
    CelType key = null;
    CelType value = null;
    for (Expr.Entry entry : map.entries) {
      visit(entry.key());
      key = join(entry.key().position, key, entry.key().type);
      visit(entry.value());
      CelType type = entry.value().type;
      if (entry.optional()) {
        CelType unwrapped = substitute(type, false);
        if (!unwrapped.isOptional() && !unwrapped.isDynOrError()) {
          mismatch(entry.value().position, CelType.optional(unwrapped), unwrapped);
        }
        type = unwrapped.isOptional() ? unwrapped.first() : CelType.DYN;
      }
      value = join(entry.value().position, value, type);
    }
    return CelType.map(key == null ? free() : key, value == null ? free() : value);
  }

  private CelType struct(StructExpr struct) {
    Declaration declaration = structs.apply(struct.name);
    if (declaration == null) {
      undeclared(struct.position, struct.name);
    }
    for (Expr.Field field : struct.fields) {
      visit(field.value());
      if (declaration == null) {
        continue;
      }
      Declaration wanted =
          declaration.type().isDyn() ? Declaration.DYN : declaration.fields().get(field.name());
      if (wanted == null) {
        source.report(field.position(), "undefined field '" + field.name() + "'");
        continue;
      }
      CelType given = substitute(field.value().type, false);
      if (field.optional() && given.isOptional()) {
        given = given.first();
      }
      if (!assignable(given, wanted.type())) {
        source.report(
            field.position(),
            "expected type of field '"
                + field.name()
                + "' is '"
                + wanted.type()
                + "' but provided type is '"
                + given
                + "'");
      }
    }
    return declaration == null ? CelType.ERROR : declaration.type();
  }

  private CelType comprehension(Comprehension comprehension) {
    visit(comprehension.range);
    visit(comprehension.initial);
    CelType range = substitute(comprehension.range.type, false);
    CelType first;
    CelType second;
    boolean two = comprehension.second.isPresent();
    switch (range.kind()) {
      case LIST -> {
        first = two ? CelType.INT : range.first();
        second = range.first();
      }
      case MAP -> {
        first = range.first();
        second = range.parameters().get(1);
      }
      case PARAMETER, DYN, ERROR -> {
        assignable(CelType.DYN, range);
        first = CelType.DYN;
        second = CelType.DYN;
      }
      default -> {
        source.report(
            comprehension.range.position,
            "expression of type '"
                + range
                + "' cannot be range of a comprehension (must be list, map, or dynamic)");
        first = CelType.ERROR;
        second = CelType.ERROR;
      }
    }
    Scope outer = scope;
    CelType accumulated = comprehension.initial.type;
    scope = new Scope(comprehension.accumulator, accumulated, scope);
    Scope inner = scope;
    scope = new Scope(comprehension.variable, first, scope);
    if (two) {
      scope = new Scope(comprehension.second.orElseThrow(), second, scope);
    }
    visit(comprehension.condition);
    require(comprehension.condition, CelType.BOOL);
    visit(comprehension.step);
    require(comprehension.step, accumulated);
    scope = inner;
    visit(comprehension.result);
    scope = outer;
    return substitute(comprehension.result.type, false);
  }

  private void require(Expr expr, CelType wanted) {
    if (!assignable(expr.type, wanted)) {
      mismatch(expr.position, wanted, expr.type);
    }
  }

  private void mismatch(int position, CelType expected, CelType found) {
    source.report(
        position,
        "expected type '"
            + substitute(expected, true)
            + "' but found '"
            + substitute(found, true)
            + "'");
  }

  // Types.

  private CelType free() {
    return CelType.parameter("_var" + freeVariables++);
  }

  /** A signature's type with type variables of this call in place of its letters. */
  private CelType renamed(CelType type, Map<String, CelType> fresh) {
    if (type.kind() == Kind.PARAMETER) {
      return fresh.computeIfAbsent(type.name(), _ -> free());
    }
    return type.parameters().isEmpty()
        ? type
        : new CelType(
            type.kind(),
            type.name(),
            type.parameters().stream().map(one -> renamed(one, fresh)).toList(),
            type.declaration());
  }

  private CelType substitute(CelType type, boolean settle) {
    CelType known = type.kind() == Kind.PARAMETER ? mapping.get(type.name()) : null;
    if (known != null) {
      return substitute(known, settle);
    }
    if (type.kind() == Kind.PARAMETER) {
      return settle ? CelType.DYN : type;
    }
    return type.parameters().isEmpty()
        ? type
        : new CelType(
            type.kind(),
            type.name(),
            type.parameters().stream().map(one -> substitute(one, settle)).toList(),
            type.declaration());
  }

  private CelType join(int position, @Nullable CelType before, CelType next) {
    if (before == null) {
      return next;
    }
    if (assignable(before, next)) {
      return lessSpecific(before, next) ? before : next;
    }
    if (mixed > 0) {
      return CelType.DYN;
    }
    mismatch(position, before, next);
    return CelType.ERROR;
  }

  private boolean assignable(CelType from, CelType to) {
    return assignable(List.of(from), List.of(to));
  }

  private boolean assignable(List<CelType> from, List<CelType> to) {
    Map<String, CelType> before = new HashMap<>(mapping);
    for (int i = 0; i < from.size(); i++) {
      if (!fits(from.get(i), to.get(i))) {
        mapping = before;
        return false;
      }
    }
    return true;
  }

  private boolean fits(CelType from, CelType to) {
    if (from.equals(to)) {
      return true;
    }
    if (to.kind() == Kind.PARAMETER) {
      return bind(to, from);
    }
    if (from.kind() == Kind.PARAMETER) {
      return bind(from, to);
    }
    if (from.isDynOrError() || to.isDynOrError()) {
      return true;
    }
    if (from.kind() == Kind.NULL || to.kind() == Kind.NULL) {
      CelType other = from.kind() == Kind.NULL ? to : from;
      return switch (other.kind()) {
        case NULL, STRUCT, OPAQUE, TIMESTAMP, DURATION -> true;
        default -> false;
      };
    }
    if (from.kind() != to.kind()) {
      return false;
    }
    return switch (from.kind()) {
      case TYPE -> true;
      case STRUCT -> from.declaration() == to.declaration() || from.name().equals(to.name());
      case LIST, MAP, OPAQUE -> {
        if (!from.name().equals(to.name())) {
          yield false;
        }
        for (int i = 0; i < from.parameters().size(); i++) {
          if (!fits(from.parameters().get(i), to.parameters().get(i))) {
            yield false;
          }
        }
        yield true;
      }
      default -> true;
    };
  }

  private boolean bind(CelType variable, CelType type) {
    CelType known = mapping.get(variable.name());
    if (known != null) {
      if (!fits(known, type)) {
        return false;
      }
      if (lessSpecific(type, known) && !refers(type, variable)) {
        mapping.put(variable.name(), type);
      }
      return true;
    }
    CelType resolved = substitute(type, false);
    if (resolved.equals(variable)) {
      return true;
    }
    if (refers(resolved, variable)) {
      return false;
    }
    mapping.put(variable.name(), resolved);
    return true;
  }

  private boolean refers(CelType type, CelType variable) {
    if (type.equals(variable)) {
      return true;
    }
    CelType known = type.kind() == Kind.PARAMETER ? mapping.get(type.name()) : null;
    return known != null && refers(known, variable)
        || type.parameters().stream().anyMatch(one -> refers(one, variable));
  }

  private static boolean lessSpecific(CelType one, CelType other) {
    if (one.isDynOrError() || one.kind() == Kind.PARAMETER) {
      return true;
    }
    if (other.isDynOrError() || other.kind() == Kind.PARAMETER || one.kind() != other.kind()) {
      return false;
    }
    for (int i = 0; i < one.parameters().size() && i < other.parameters().size(); i++) {
      if (!lessSpecific(one.parameters().get(i), other.parameters().get(i))) {
        return false;
      }
    }
    return one.name().equals(other.name());
  }
}
