package dev.kedge.registry;

import dev.kedge.cel.CelException;
import dev.kedge.cel.Declaration;
import dev.kedge.cel.Environment;
import dev.kedge.cel.Names;
import dev.kedge.cel.Program;
import dev.kedge.cel.Values;
import dev.kedge.model.FieldFault;
import dev.kedge.model.JsonArray;
import dev.kedge.model.JsonNull;
import dev.kedge.model.JsonObject;
import dev.kedge.model.JsonValue;
import dev.kedge.model.Status.Cause;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import org.jspecify.annotations.Nullable;

/**
 * The CEL rules of a custom resource's schema ({@code x-kubernetes-validations}). They are compiled
 * when the first object is validated. Any thread.
 */
final class CustomRules {
  /** A schema without rules. */
  static final CustomRules NONE = new CustomRules(JsonObject.EMPTY);

  /** What all rules of one validation may cost together, as upstream. */
  private static final long BUDGET = 10_000_000;

  private static final int LONGEST_MESSAGE = 5 * 1024;

  private final JsonObject schema;
  private final boolean none;
  private volatile @Nullable Node compiled;

  private CustomRules(JsonObject schema) {
    this.schema = schema;
    this.none = !hasRules(schema);
  }

  /** The rules of a version's {@code openAPIV3Schema}. */
  static CustomRules of(JsonObject openApi) {
    return new CustomRules(openApi);
  }

  boolean isEmpty() {
    return none;
  }

  static boolean hasRules(JsonObject schema) {
    if (!schema.array("x-kubernetes-validations").isEmpty()
        || hasRules(schema, "items")
        || hasRules(schema, "additionalProperties")) {
      return true;
    }
    for (JsonObject part : schema.objects("allOf")) {
      if (hasRules(part)) {
        return true;
      }
    }
    JsonObject properties = schema.object("properties");
    for (int i = 0; i < properties.size(); i++) {
      if (properties.valueAt(i) instanceof JsonObject property && hasRules(property)) {
        return true;
      }
    }
    return false;
  }

  private static boolean hasRules(JsonObject schema, String field) {
    JsonObject inner = schema.object(field);
    return !inner.isEmpty() && hasRules(inner);
  }

  /**
   * The rules that an object breaks.
   *
   * @param old the object before; null for a creation
   * @param warnings takes what an unchanged part breaks, which stops nobody
   */
  List<Cause> validate(JsonObject object, @Nullable JsonObject old, List<String> warnings) {
    if (none) {
      return List.of();
    }
    Node root = compiled;
    if (root == null) {
      root = node(schema, schema, true, SchemaDeclarations.of(schema, true));
      compiled = root;
    }
    if (root == null) {
      return List.of();
    }
    Run run = new Run(warnings);
    run.node(root, "", object, old, old != null && old.equals(object), old != null);
    return run.causes;
  }

  // Compiling.

  private record Node(
      String type,
      boolean nullable,
      @Nullable Declaration self,
      List<CompiledRule> rules,
      List<Node> allOf,
      Map<String, Node> properties,
      @Nullable Node additional,
      @Nullable Node items,
      String listType,
      List<String> listKeys) {}

  /**
   * @param rules the schema whose rules count, which may be a part of the other's allOf
   * @param shape the schema that says what the values are
   */
  private static @Nullable Node node(
      JsonObject rules, JsonObject shape, boolean resource, @Nullable Declaration self) {
    if (!hasRules(rules)) {
      return null;
    }
    List<CompiledRule> compiled = new ArrayList<>();
    if (self != null) {
      for (JsonObject rule : rules.objects("x-kubernetes-validations")) {
        compiled.add(CompiledRule.of(rule, self));
      }
    }
    List<Node> allOf = new ArrayList<>();
    for (JsonObject part : rules.objects("allOf")) {
      Node node = node(part, shape, resource, self);
      if (node != null) {
        allOf.add(node);
      }
    }
    Map<String, Node> properties = new HashMap<>();
    JsonObject shapes = shape.object("properties");
    rules
        .object("properties")
        .forEach(
            (name, value) -> {
              if (value instanceof JsonObject property && shapes.has(name)) {
                JsonObject inner = shapes.object(name);
                boolean embedded = inner.flag("x-kubernetes-embedded-resource");
                Declaration declared =
                    Names.escape(name).isPresent() && self != null
                        ? self.fields().get(Names.escape(name).get())
                        : SchemaDeclarations.of(inner, embedded);
                Node node = declared == null ? null : node(property, inner, embedded, declared);
                if (node != null) {
                  properties.put(name, node);
                }
              }
            });
    Declaration item = self == null ? null : self.item();
    return new Node(
        resource ? "object" : shape.text("type"),
        shape.flag("nullable"),
        self,
        compiled,
        allOf,
        properties,
        inner(rules, shape, "additionalProperties", item),
        inner(rules, shape, "items", item),
        shape.text("x-kubernetes-list-type"),
        shape.strings("x-kubernetes-list-map-keys"));
  }

  private static @Nullable Node inner(
      JsonObject rules, JsonObject shape, String field, @Nullable Declaration item) {
    JsonObject inner = shape.object(field);
    return rules.object(field).isEmpty() || inner.isEmpty()
        ? null
        : node(rules.object(field), inner, inner.flag("x-kubernetes-embedded-resource"), item);
  }

  // Evaluating.

  /** No further rule is evaluated. */
  private static final class OverException extends RuntimeException {
    OverException() {
      super(null, null, false, false);
    }
  }

  private static final class Run {
    private final List<Cause> causes = new ArrayList<>();
    private final List<String> warnings;
    private long left = BUDGET;

    Run(List<String> warnings) {
      this.warnings = warnings;
    }

    /**
     * @param same whether the value, or the nearest one above that has a counterpart, is unchanged
     * @param correlated whether the value has a counterpart in the old object
     */
    void node(
        Node node,
        String path,
        JsonValue value,
        @Nullable JsonValue old,
        boolean same,
        boolean correlated) {
      try {
        visit(node, path, value, old, same, correlated);
      } catch (OverException _) {
        // What broke the budget has been told.
      }
    }

    private void visit(
        Node node,
        String path,
        JsonValue value,
        @Nullable JsonValue old,
        boolean same,
        boolean correlated) {
      if (value == JsonNull.NULL) {
        return;
      }
      rules(node, path, value, old, same);
      for (Node part : node.allOf()) {
        visit(part, path, value, old, same, correlated);
      }
      switch (value) {
        case JsonArray array -> {
          if (node.items() != null) {
            items(node, node.items(), path, array, old, same, correlated);
          }
        }
        case JsonObject object -> {
          for (int i = 0; i < object.size(); i++) {
            String name = object.nameAt(i);
            JsonValue before =
                old instanceof JsonObject known ? known.get(name).orElse(null) : null;
            boolean equal = correlated && before != null ? before.equals(object.valueAt(i)) : same;
            if (node.additional() != null) {
              visit(
                  node.additional(),
                  path + "[" + name + "]",
                  object.valueAt(i),
                  before,
                  equal,
                  before != null);
            }
            Node property = node.properties().get(name);
            if (property != null) {
              visit(
                  property,
                  path.isEmpty() ? name : path + "." + name,
                  object.valueAt(i),
                  before,
                  equal,
                  before != null);
            }
          }
        }
        default -> {}
      }
    }

    private void items(
        Node node,
        Node items,
        String path,
        JsonArray array,
        @Nullable JsonValue old,
        boolean same,
        boolean correlated) {
      boolean map = node.listType().equals("map");
      for (int i = 0; i < array.size(); i++) {
        JsonValue item = array.items().get(i);
        JsonValue before = null;
        if (map && old instanceof JsonArray known && item instanceof JsonObject object) {
          before =
              known.objects().stream()
                  .filter(other -> sameKeys(object, other, node.listKeys()))
                  .findFirst()
                  .orElse(null);
        }
        boolean equal = correlated && before != null ? before.equals(item) : same;
        visit(items, path + "[" + i + "]", item, before, equal, before != null);
      }
    }

    private static boolean sameKeys(JsonObject one, JsonObject other, List<String> keys) {
      return keys.stream().allMatch(key -> one.get(key).equals(other.get(key)));
    }

    private void rules(
        Node node, String path, JsonValue value, @Nullable JsonValue old, boolean same) {
      if (node.rules().isEmpty() || node.self() == null) {
        return;
      }
      Object self;
      @Nullable Object oldSelf;
      try {
        self = Values.of(value, node.self());
        oldSelf = old == null || old == JsonNull.NULL ? null : Values.of(old, node.self());
      } catch (CelException e) {
        causes.add(invalid(path, node.type(), e.why()));
        return;
      }
      for (CompiledRule rule : node.rules()) {
        if (!rule.fault().isEmpty()) {
          causes.add(invalid(path, node.type(), "rule compile error: " + rule.fault()));
          continue;
        }
        Program program = rule.program();
        if (program == null || rule.usesOldSelf() && oldSelf == null && !rule.optionalOldSelf()) {
          continue;
        }
        Map<String, Object> variables = new HashMap<>();
        variables.put("self", self);
        if (rule.optionalOldSelf()) {
          variables.put("oldSelf", Optional.ofNullable(oldSelf));
        } else if (oldSelf != null) {
          variables.put("oldSelf", oldSelf);
        }
        if (!holds(rule, program, node, path, variables)) {
          broken(rule, node, path, value, variables, same);
        }
      }
    }

    private boolean holds(
        CompiledRule rule, Program program, Node node, String path, Map<String, Object> variables) {
      try {
        Program.Result result = program.evaluate(variables, Environment.PER_CALL_LIMIT);
        pay(result.cost(), path, node);
        return Boolean.TRUE.equals(result.value());
      } catch (CelException e) {
        pay(Math.min(e.cost(), Environment.PER_CALL_LIMIT + 1), path, node);
        String why = e.why();
        if (why.startsWith("no such overload")) {
          causes.add(
              invalid(
                  path,
                  node.type(),
                  "'"
                      + why
                      + "': call arguments did not match a supported operator, function or macro"
                      + " signature for rule: "
                      + rule.shown()));
        } else if (why.startsWith(CelException.TOO_EXPENSIVE)) {
          causes.add(
              invalid(
                  path,
                  node.type(),
                  "'"
                      + why
                      + "': no further validation rules will be run due to call cost exceeds limit"
                      + " for rule: "
                      + rule.shown()));
          throw new OverException();
        } else {
          causes.add(invalid(path, node.type(), why + " evaluating rule: " + rule.shown()));
        }
        return true;
      }
    }

    private void pay(long cost, String path, Node node) {
      if (cost > left) {
        causes.add(
            invalid(
                path,
                node.type(),
                "validation failed due to running out of cost budget, no further validation rules"
                    + " will be run"));
        throw new OverException();
      }
      left -= cost;
    }

    private void broken(
        CompiledRule rule,
        Node node,
        String path,
        JsonValue value,
        Map<String, Object> variables,
        boolean same) {
      String at = rule.blamed().map(blamed -> join(path, blamed)).orElse(path);
      boolean ratchets = same && !rule.usesOldSelf();
      String detail = detail(rule, at, node, variables, ratchets);
      boolean omitted = value instanceof JsonObject || value instanceof JsonArray;
      String field = shown(at);
      Cause cause =
          switch (rule.rule().text("reason")) {
            case "FieldValueForbidden" -> FieldFault.forbidden(field, detail);
            case "FieldValueRequired" -> FieldFault.required(field, detail);
            case "FieldValueDuplicate" ->
                omitted
                    ? new Cause("FieldValueDuplicate", "Duplicate value", field)
                    : FieldFault.duplicate(field, value);
            default ->
                omitted
                    ? new Cause("FieldValueInvalid", "Invalid value: " + detail, field)
                    : FieldFault.invalid(field, value, detail);
          };
      add(cause, ratchets);
    }

    private void add(Cause cause, boolean ratchets) {
      if (ratchets) {
        warnings.add(cause.field() + ": " + cause.message());
      } else {
        causes.add(cause);
      }
    }

    private String detail(
        CompiledRule rule, String at, Node node, Map<String, Object> variables, boolean ratchets) {
      Program message = rule.message();
      if (message == null) {
        return rule.detail();
      }
      try {
        Program.Result result = message.evaluate(variables, Environment.PER_CALL_LIMIT);
        if (result.cost() > left) {
          add(
              invalid(
                  at,
                  node.type(),
                  "messageExpression evaluation failed due to running out of cost budget, no"
                      + " further validation rules will be run"),
              ratchets);
          throw new OverException();
        }
        left -= result.cost();
        String text = String.valueOf(result.value()).strip();
        return text.isEmpty() || text.contains("\n") || text.length() > LONGEST_MESSAGE
            ? rule.detail()
            : text;
      } catch (CelException e) {
        if (e.why().startsWith(CelException.TOO_EXPENSIVE)) {
          add(
              invalid(
                  at,
                  node.type(),
                  "no further validation rules will be run due to call cost exceeds limit for"
                      + " messageExpression: \""
                      + rule.rule().text("messageExpression")
                      + "\""),
              ratchets);
          throw new OverException();
        }
        left -= Math.min(left, e.cost());
        return rule.detail();
      }
    }

    private static String join(String path, String more) {
      return path.isEmpty() ? more : more.startsWith("[") ? path + more : path + "." + more;
    }

    private static String shown(String path) {
      return path.isEmpty() ? "<nil>" : path;
    }

    private static Cause invalid(String path, String type, String detail) {
      return FieldFault.invalid(shown(path), type, detail);
    }
  }
}
