package dev.kedge.model;

import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import java.util.Optional;
import java.util.function.BiPredicate;
import java.util.stream.Collectors;

/**
 * The JSONPath of Kubernetes: {@code kubectl -o jsonpath} templates with {@code range}/{@code end},
 * literals, wildcards, slices, unions, filters and recursive descent, and the bare paths of printer
 * columns. A path that is not there gives nothing. Immutable; any thread.
 */
public final class JsonPath {
  private final List<Node> nodes;

  private JsonPath(List<Node> nodes) {
    this.nodes = nodes;
  }

  private sealed interface Node {
    /** Text as it stands. */
    record Text(String text) implements Node {}

    /** A path, whose results are printed. */
    record Path(List<Step> steps) implements Node {}

    /** The body once per result of the path. */
    record Range(List<Step> steps, List<Node> body) implements Node {}
  }

  private sealed interface Step {
    /** Back to the whole document. */
    record Root() implements Step {}

    record Field(String name) implements Step {}

    record Wildcard() implements Step {}

    /** Everything below and the value itself. */
    record Descend() implements Step {}

    record Slice(Optional<Integer> from, Optional<Integer> to, int step) implements Step {}

    record Union(List<List<Step>> members) implements Step {}

    record Filter(List<Step> left, String operator, Optional<Operand> right) implements Step {}
  }

  private sealed interface Operand {
    record Value(JsonValue value) implements Operand {}

    record Of(List<Step> steps) implements Operand {}
  }

  /**
   * Reads a template such as {@code {.items[*].metadata.name}{"\n"}}.
   *
   * @throws IllegalArgumentException saying what is wrong
   */
  public static JsonPath template(String text) {
    Parser parser = new Parser(text);
    List<Node> nodes = parser.nodes(false);
    return new JsonPath(nodes);
  }

  /**
   * Reads one path without or with braces and leading dot, such as {@code .spec.replicas} of a
   * printer column or {@code spec.replicas} of {@code --sort-by}.
   *
   * @throws IllegalArgumentException saying what is wrong
   */
  public static JsonPath path(String text) {
    String bare = text.strip();
    if (bare.startsWith("{") && bare.endsWith("}")) {
      bare = bare.substring(1, bare.length() - 1).strip();
    }
    if (!bare.startsWith(".") && !bare.startsWith("$") && !bare.startsWith("[")) {
      bare = "." + bare;
    }
    return template("{" + bare + "}");
  }

  /** The values that the first path of the template finds. */
  public List<JsonValue> find(JsonValue root) {
    for (Node node : nodes) {
      if (node instanceof Node.Path path) {
        return evaluate(path.steps(), List.of(root), root);
      }
    }
    return List.of();
  }

  /** The template filled in: several results of one path are joined by blanks. */
  public String print(JsonValue root) {
    StringBuilder out = new StringBuilder();
    print(nodes, root, root, out);
    return out.toString();
  }

  private static void print(
      List<Node> nodes, JsonValue current, JsonValue root, StringBuilder out) {
    for (Node node : nodes) {
      switch (node) {
        case Node.Text text -> out.append(text.text());
        case Node.Path path ->
            out.append(
                evaluate(path.steps(), List.of(current), root).stream()
                    .map(JsonPath::text)
                    .collect(Collectors.joining(" ")));
        case Node.Range range -> {
          for (JsonValue item : evaluate(range.steps(), List.of(current), root)) {
            print(range.body(), item, root, out);
          }
        }
      }
    }
  }

  /** A value as templates print it: texts bare, null as nothing, the rest as JSON. */
  public static String text(JsonValue value) {
    return switch (value) {
      case JsonString text -> text.value();
      case JsonNull _ -> "";
      case JsonObject _, JsonArray _, JsonInteger _, JsonDecimal _, JsonBoolean _ ->
          Json.write(value);
    };
  }

  private static List<JsonValue> evaluate(List<Step> steps, List<JsonValue> start, JsonValue root) {
    List<JsonValue> values = start;
    for (Step step : steps) {
      List<JsonValue> next = new ArrayList<>();
      for (JsonValue value : values) {
        apply(step, value, root, next);
      }
      values = next;
    }
    return values;
  }

  private static void apply(Step step, JsonValue value, JsonValue root, List<JsonValue> out) {
    switch (step) {
      case Step.Root _ -> out.add(root);
      case Step.Field field -> {
        if (value instanceof JsonObject object) {
          object.get(field.name()).ifPresent(out::add);
        }
      }
      case Step.Wildcard _ -> children(value, out);
      case Step.Descend _ -> descend(value, out);
      case Step.Slice slice -> slice(slice, value, out);
      case Step.Union union -> {
        for (List<Step> member : union.members()) {
          out.addAll(evaluate(member, List.of(value), root));
        }
      }
      case Step.Filter filter -> {
        List<JsonValue> items = new ArrayList<>();
        children(value, items);
        items.stream().filter(item -> matches(filter, item, root)).forEach(out::add);
      }
    }
  }

  private static void children(JsonValue value, List<JsonValue> out) {
    if (value instanceof JsonArray array) {
      out.addAll(array.items());
    } else if (value instanceof JsonObject object) {
      object.names().stream().sorted().forEach(name -> object.get(name).ifPresent(out::add));
    }
  }

  private static void descend(JsonValue value, List<JsonValue> out) {
    out.add(value);
    List<JsonValue> children = new ArrayList<>();
    children(value, children);
    children.forEach(child -> descend(child, out));
  }

  private static void slice(Step.Slice slice, JsonValue value, List<JsonValue> out) {
    if (!(value instanceof JsonArray array)) {
      return;
    }
    int size = array.size();
    int from = slice.from().orElse(0);
    int to = slice.to().orElse(size);
    from = from < 0 ? from + size : from;
    to = to < 0 || to == 0 && slice.from().orElse(0) < 0 ? to + size : to;
    for (int i = Math.max(from, 0); i < Math.min(to, size); i += slice.step()) {
      out.add(array.items().get(i));
    }
  }

  private static boolean matches(Step.Filter filter, JsonValue item, JsonValue root) {
    List<JsonValue> left = evaluate(filter.left(), List.of(item), root);
    if (filter.right().isEmpty()) {
      return !left.isEmpty();
    }
    List<JsonValue> right =
        switch (filter.right().get()) {
          case Operand.Value literal -> List.of(literal.value());
          case Operand.Of path -> evaluate(path.steps(), List.of(item), root);
        };
    if (left.isEmpty() || right.isEmpty()) {
      return false;
    }
    BiPredicate<JsonValue, JsonValue> test =
        switch (filter.operator()) {
          case "==" -> (a, b) -> compare(a, b) == 0;
          case "!=" -> (a, b) -> compare(a, b) != 0;
          case "<" -> (a, b) -> compare(a, b) < 0;
          case "<=" -> (a, b) -> compare(a, b) <= 0;
          case ">" -> (a, b) -> compare(a, b) > 0;
          case ">=" -> (a, b) -> compare(a, b) >= 0;
          default -> throw new IllegalStateException(filter.operator());
        };
    return test.test(left.getFirst(), right.getFirst());
  }

  /** Orders numbers by value, everything else by its text. */
  public static int compare(JsonValue left, JsonValue right) {
    Optional<Double> a = number(left);
    Optional<Double> b = number(right);
    return a.isPresent() && b.isPresent()
        ? Double.compare(a.get(), b.get())
        : Comparator.<String>naturalOrder().compare(text(left), text(right));
  }

  private static Optional<Double> number(JsonValue value) {
    return switch (value) {
      case JsonInteger integer -> Optional.of((double) integer.value());
      case JsonDecimal decimal -> Optional.of(decimal.value());
      case JsonObject _, JsonArray _, JsonString _, JsonBoolean _, JsonNull _ -> Optional.empty();
    };
  }

  private static final class Parser {
    private final String text;
    private int at;

    Parser(String text) {
      this.text = text;
    }

    private IllegalArgumentException fault(String message) {
      return new IllegalArgumentException("error parsing jsonpath " + text + ", " + message);
    }

    List<Node> nodes(boolean inRange) {
      List<Node> nodes = new ArrayList<>();
      while (at < text.length()) {
        int brace = text.indexOf('{', at);
        if (brace < 0) {
          nodes.add(new Node.Text(text.substring(at)));
          at = text.length();
          break;
        }
        if (brace > at) {
          nodes.add(new Node.Text(text.substring(at, brace)));
        }
        at = brace + 1;
        blanks();
        if (at < text.length() && (peek() == '"' || peek() == '\'')) {
          nodes.add(new Node.Text(quoted()));
        } else if (text.startsWith("range", at) && !identifierAt(at + 5)) {
          at += 5;
          blanks();
          List<Step> steps = steps("}");
          close();
          nodes.add(new Node.Range(steps, nodes(true)));
          continue;
        } else if (text.startsWith("end", at) && !identifierAt(at + 3)) {
          at += 3;
          close();
          if (!inRange) {
            throw fault("not in range, nothing to end");
          }
          return nodes;
        } else {
          nodes.add(new Node.Path(steps("}")));
        }
        close();
      }
      if (inRange) {
        throw fault("unterminated range, expected {end}");
      }
      return nodes;
    }

    private char peek() {
      return text.charAt(at);
    }

    private boolean identifierAt(int index) {
      return index < text.length() && Character.isLetterOrDigit(text.charAt(index));
    }

    private void blanks() {
      while (at < text.length() && Character.isWhitespace(peek())) {
        at++;
      }
    }

    private void close() {
      blanks();
      if (at >= text.length() || peek() != '}') {
        throw fault("unclosed action");
      }
      at++;
    }

    private String quoted() {
      char quote = text.charAt(at++);
      StringBuilder out = new StringBuilder();
      while (at < text.length() && peek() != quote) {
        char c = text.charAt(at++);
        if (c == '\\' && at < text.length()) {
          char escaped = text.charAt(at++);
          c =
              switch (escaped) {
                case 'n' -> '\n';
                case 't' -> '\t';
                case 'r' -> '\r';
                default -> escaped;
              };
        }
        out.append(c);
      }
      if (at >= text.length()) {
        throw fault("unterminated quoted string");
      }
      at++;
      return out.toString();
    }

    /** Reads steps until one of the ending characters, which stays. */
    private List<Step> steps(String endings) {
      List<Step> steps = new ArrayList<>();
      while (at < text.length()) {
        char c = peek();
        if (endings.indexOf(c) >= 0) {
          return steps;
        }
        if (Character.isWhitespace(c)) {
          at++;
        } else if (c == '$') {
          at++;
          steps.add(new Step.Root());
        } else if (c == '@') {
          at++;
        } else if (text.startsWith("..", at)) {
          at += 2;
          steps.add(new Step.Descend());
          if (at < text.length() && peek() != '[' && peek() != '.' && peek() != '}') {
            steps.add(name(endings));
          }
        } else if (c == '.') {
          at++;
          if (at < text.length() && peek() != '[' && endings.indexOf(peek()) < 0) {
            steps.add(name(endings));
          }
        } else if (c == '[') {
          at++;
          steps.add(bracket());
        } else if (Character.isLetter(c) || c == '_') {
          throw fault("unrecognized identifier " + text.substring(at).split("[^\\w]", 2)[0]);
        } else {
          throw fault("unrecognized character in action: " + c);
        }
      }
      return steps;
    }

    private Step name(String endings) {
      StringBuilder name = new StringBuilder();
      while (at < text.length()) {
        char c = peek();
        if (c == '\\' && at + 1 < text.length()) {
          at++;
          c = peek();
        } else if (c == '.'
            || c == '['
            || Character.isWhitespace(c)
            || endings.indexOf(c) >= 0
            || "=!<>,)]".indexOf(c) >= 0) {
          break;
        }
        name.append(c);
        at++;
      }
      return name.toString().equals("*") ? new Step.Wildcard() : new Step.Field(name.toString());
    }

    private Step bracket() {
      blanks();
      if (text.startsWith("?(", at)) {
        at += 2;
        Step filter = filter();
        expect(')');
        blanks();
        expect(']');
        return filter;
      }
      List<List<Step>> members = new ArrayList<>();
      while (true) {
        blanks();
        if (at >= text.length()) {
          throw fault("unterminated array");
        }
        char c = peek();
        if (c == '\'' || c == '"') {
          members.add(List.of(new Step.Field(quoted())));
        } else if (c == '.' || c == '@' || c == '$') {
          members.add(steps(",]"));
        } else {
          int start = at;
          while (at < text.length() && peek() != ',' && peek() != ']') {
            at++;
          }
          members.add(List.of(slice(text.substring(start, at).strip())));
        }
        blanks();
        if (at < text.length() && peek() == ',') {
          at++;
          continue;
        }
        expect(']');
        return members.size() == 1 && members.getFirst().size() == 1
            ? members.getFirst().getFirst()
            : new Step.Union(members);
      }
    }

    private Step slice(String range) {
      if (range.equals("*")) {
        return new Step.Wildcard();
      }
      if (!range.matches("-?\\d{0,9}(:-?\\d{0,9}){0,2}") || range.isEmpty() || range.equals("-")) {
        throw fault("invalid array index " + range);
      }
      String[] parts = range.split(":", -1);
      if (parts.length == 1) {
        int index = Integer.parseInt(range);
        return new Step.Slice(Optional.of(index), Optional.of(index + 1), 1);
      }
      int step = parts.length > 2 && !parts[2].isEmpty() ? Integer.parseInt(parts[2]) : 1;
      if (step <= 0) {
        throw fault("step must be > 0");
      }
      return new Step.Slice(bound(parts[0]), bound(parts[1]), step);
    }

    private static Optional<Integer> bound(String text) {
      return text.isEmpty() ? Optional.empty() : Optional.of(Integer.parseInt(text));
    }

    private Step filter() {
      List<Step> left = steps("=!<>)");
      blanks();
      if (at < text.length() && peek() == ')') {
        return new Step.Filter(left, "", Optional.empty());
      }
      String operator = "";
      for (String candidate : List.of("==", "!=", "<=", ">=", "<", ">")) {
        if (text.startsWith(candidate, at)) {
          operator = candidate;
          break;
        }
      }
      if (operator.isEmpty()) {
        throw fault("unrecognized filter operator");
      }
      at += operator.length();
      blanks();
      if (at >= text.length()) {
        throw fault("unterminated filter");
      }
      Operand right;
      char c = peek();
      if (c == '"' || c == '\'') {
        right = new Operand.Value(new JsonString(quoted()));
      } else if (c == '@' || c == '$' || c == '.') {
        right = new Operand.Of(steps(")"));
      } else {
        int start = at;
        while (at < text.length() && peek() != ')' && !Character.isWhitespace(peek())) {
          at++;
        }
        String literal = text.substring(start, at);
        try {
          right = new Operand.Value(Json.parse(literal));
        } catch (JsonSyntaxException e) {
          throw fault("unrecognized identifier " + literal);
        }
      }
      blanks();
      return new Step.Filter(left, operator, Optional.of(right));
    }

    private void expect(char c) {
      if (at >= text.length() || peek() != c) {
        throw fault(c == ']' ? "unterminated array" : "expected '" + c + "'");
      }
      at++;
    }
  }
}
