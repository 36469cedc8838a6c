package dev.kedge.model;

import java.util.ArrayList;
import java.util.List;
import java.util.Map;

/**
 * A {@code metav1.LabelSelector} (or a plain map of labels), compiled once to be asked often.
 * Requirements are joined by "and"; none of them selects everything.
 */
public record LabelSelector(List<Requirement> requirements) {
  /** Selects everything. */
  public static final LabelSelector EVERYTHING = new LabelSelector(List.of());

  /** The operators of {@code matchExpressions} and of node selector terms. */
  public enum Operator {
    IN,
    NOT_IN,
    EXISTS,
    DOES_NOT_EXIST,
    GREATER_THAN,
    LESS_THAN;

    /**
     * Reads {@code In}, {@code NotIn}, {@code Exists}, {@code DoesNotExist}, {@code Gt}, {@code
     * Lt}.
     *
     * @throws IllegalArgumentException for any other text
     */
    public static Operator of(String text) {
      return switch (text) {
        case "In" -> IN;
        case "NotIn" -> NOT_IN;
        case "Exists" -> EXISTS;
        case "DoesNotExist" -> DOES_NOT_EXIST;
        case "Gt" -> GREATER_THAN;
        case "Lt" -> LESS_THAN;
        default ->
            throw new IllegalArgumentException(
                "\"" + text + "\" is not a valid label selector operator");
      };
    }
  }

  /** One condition on a label. */
  public record Requirement(String key, Operator operator, List<String> values) {
    public Requirement {
      values = List.copyOf(values);
    }

    /** Whether labels fulfil this condition. */
    public boolean matches(Map<String, String> labels) {
      String value = labels.get(key);
      return switch (operator) {
        case IN -> value != null && values.contains(value);
        case NOT_IN -> value == null || !values.contains(value);
        case EXISTS -> value != null;
        case DOES_NOT_EXIST -> value == null;
        case GREATER_THAN, LESS_THAN -> {
          if (value == null || values.size() != 1) {
            yield false;
          }
          try {
            int order = Long.compare(Long.parseLong(value), Long.parseLong(values.getFirst()));
            yield operator == Operator.GREATER_THAN ? order > 0 : order < 0;
          } catch (NumberFormatException _) {
            yield false;
          }
        }
      };
    }

    @Override
    public String toString() {
      return switch (operator) {
        case IN -> values.size() == 1 ? key + "=" + values.getFirst() : key + " in " + list();
        case NOT_IN -> key + " notin " + list();
        case EXISTS -> key;
        case DOES_NOT_EXIST -> "!" + key;
        case GREATER_THAN -> key + ">" + values.getFirst();
        case LESS_THAN -> key + "<" + values.getFirst();
      };
    }

    private String list() {
      return "(" + String.join(",", values.stream().sorted().toList()) + ")";
    }
  }

  public LabelSelector {
    requirements = List.copyOf(requirements);
  }

  /**
   * Compiles a {@code LabelSelector} object with {@code matchLabels} and {@code matchExpressions};
   * the empty object selects everything.
   *
   * @throws IllegalArgumentException if an operator is unknown
   */
  public static LabelSelector of(JsonObject selector) {
    List<Requirement> requirements = new ArrayList<>();
    selector
        .map("matchLabels")
        .forEach(
            (key, value) -> requirements.add(new Requirement(key, Operator.IN, List.of(value))));
    for (JsonObject expression : selector.objects("matchExpressions")) {
      requirements.add(requirement(expression));
    }
    return requirements.isEmpty() ? EVERYTHING : new LabelSelector(requirements);
  }

  /**
   * Reads the text form of queries: {@code app=web,tier!=db,zone in (a,b),x notin (y),gpu,!old}.
   *
   * @throws ApiException 400 in upstream's words
   */
  public static LabelSelector parse(String text) {
    return LabelSelectorParser.parse(text);
  }

  /** Compiles equality with every label of a map, as in a Service's {@code selector}. */
  public static LabelSelector ofLabels(Map<String, String> labels) {
    return new LabelSelector(
        labels.entrySet().stream()
            .map(label -> new Requirement(label.getKey(), Operator.IN, List.of(label.getValue())))
            .toList());
  }

  /**
   * Compiles one {@code key}/{@code operator}/{@code values} object.
   *
   * @throws IllegalArgumentException if the operator is unknown
   */
  public static Requirement requirement(JsonObject expression) {
    return new Requirement(
        expression.text("key"),
        Operator.of(expression.text("operator")),
        expression.strings("values"));
  }

  /** Whether labels fulfil every requirement. */
  public boolean matches(Map<String, String> labels) {
    for (Requirement requirement : requirements) {
      if (!requirement.matches(labels)) {
        return false;
      }
    }
    return true;
  }

  /** Whether nothing is required. */
  public boolean isEmpty() {
    return requirements.isEmpty();
  }

  /** The selector as text, as used in queries and in {@code status.selector} of scales. */
  @Override
  public String toString() {
    return String.join(",", requirements.stream().map(Requirement::toString).sorted().toList());
  }
}
