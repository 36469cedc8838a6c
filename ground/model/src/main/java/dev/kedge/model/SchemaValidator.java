package dev.kedge.model;

import dev.kedge.model.Schema.Field;
import dev.kedge.model.Schema.ListType;
import dev.kedge.model.Schema.Treatment;
import dev.kedge.model.Status.Cause;
import java.math.BigDecimal;
import java.net.URI;
import java.net.URISyntaxException;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.HashSet;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.UUID;
import java.util.concurrent.ConcurrentHashMap;
import java.util.regex.Pattern;
import java.util.regex.PatternSyntaxException;
import org.jspecify.annotations.Nullable;

/**
 * Checks custom resources against their structural schema, with the causes and messages of
 * Kubernetes' own validation (kube-openapi and apiextensions). Fields whose schema is built in
 * (metadata) are not checked here. Stateless; any thread.
 */
public final class SchemaValidator {
  private static final Map<String, Optional<Pattern>> PATTERNS = new ConcurrentHashMap<>();

  private final List<Cause> causes = new ArrayList<>();

  private SchemaValidator() {}

  /** Every fault of a document; empty when it fulfils its schema. */
  public static List<Cause> validate(Schema schema, JsonObject object) {
    return validate(schema, object, null);
  }

  /**
   * The faults of a changed document, but for those within what is as it was before. A list's items
   * have a counterpart by their keys only: those of a changed set or atomic list are all looked at.
   */
  public static List<Cause> validateUpdate(Schema schema, JsonObject object, JsonObject old) {
    List<Cause> causes = validate(schema, object);
    return causes.isEmpty() ? causes : validate(schema, object, old);
  }

  private static List<Cause> validate(Schema schema, JsonObject object, @Nullable JsonObject old) {
    SchemaValidator validator = new SchemaValidator();
    validator.node(schema, schema.treatment(), object, old, "");
    return List.copyOf(validator.causes);
  }

  /**
   * @param old what the value was before; null where it has no counterpart
   */
  private void node(
      Schema schema, Treatment treatment, JsonValue value, @Nullable JsonValue old, String path) {
    int known = causes.size();
    check(schema, treatment, value, old, path);
    if (causes.size() > known && value.equals(old)) {
      causes.subList(known, causes.size()).clear();
    }
  }

  private void check(
      Schema schema, Treatment treatment, JsonValue value, @Nullable JsonValue old, String path) {
    if (!schema.name().isEmpty()) {
      return;
    }
    if (value == JsonNull.NULL && (schema.rules().nullable() || schema.type() == Schema.Type.ANY)) {
      return;
    }
    String expected = typeName(schema);
    if (!expected.isEmpty() && !fits(expected, value)) {
      wrongType(expected, value, path);
      return;
    }
    enumeration(schema.rules().enumValues(), value, path);
    format(schema.rules().format(), value, path);
    keywords(schema.rules().openApi(), value, path);
    switch (value) {
      case JsonObject object when schema.type() == Schema.Type.MAP ->
          object.forEach(
              (name, inner) ->
                  node(
                      schema.item(), Treatment.DEFAULT, inner, field(old, name), join(path, name)));
      case JsonObject object -> {
        for (Field field : schema.fields().values()) {
          Optional<JsonValue> inner = object.get(field.name());
          if (inner.isPresent()) {
            node(
                field.schema().get(),
                field.treatment(),
                inner.get(),
                field(old, field.name()),
                join(path, field.name()));
          } else if (field.required()) {
            causes.add(FieldFault.required(join(path, field.name()), ""));
          }
        }
      }
      case JsonArray array when schema.items().isPresent() -> {
        unique(treatment, array, path);
        Map<JsonValue, JsonObject> before = keyed(treatment, old);
        for (int i = 0; i < array.size(); i++) {
          JsonValue item = array.items().get(i);
          node(
              schema.item(),
              Treatment.DEFAULT,
              item,
              item instanceof JsonObject object ? before.get(keys(treatment, object)) : null,
              path + "[" + i + "]");
        }
      }
      default -> {}
    }
  }

  private static @Nullable JsonValue field(@Nullable JsonValue old, String name) {
    return old instanceof JsonObject object ? object.get(name).orElse(null) : null;
  }

  /** The items of an old list by their keys; none of a list whose items have no keys. */
  private static Map<JsonValue, JsonObject> keyed(Treatment treatment, @Nullable JsonValue old) {
    Map<JsonValue, JsonObject> items = new HashMap<>();
    if (treatment.listType() == ListType.MAP && old instanceof JsonArray array) {
      array.objects().forEach(item -> items.putIfAbsent(keys(treatment, item), item));
    }
    return items;
  }

  private static JsonObject keys(Treatment treatment, JsonObject item) {
    JsonObject.Builder keys = JsonObject.builder();
    treatment.listMapKeys().forEach(key -> item.get(key).ifPresent(v -> keys.put(key, v)));
    return keys.build();
  }

  private static String typeName(Schema schema) {
    return switch (schema.type()) {
      case OBJECT, MAP -> "object";
      case LIST -> "array";
      case STRING -> "string";
      case BOOLEAN -> "boolean";
      case INTEGER -> "integer";
      case NUMBER -> "number";
      case INT_OR_STRING -> "integer,string";
      default -> "";
    };
  }

  private static boolean fits(String type, JsonValue value) {
    return switch (type) {
      case "object" -> value instanceof JsonObject;
      case "array" -> value instanceof JsonArray;
      case "string" -> value instanceof JsonString;
      case "boolean" -> value instanceof JsonBoolean;
      case "integer" -> value instanceof JsonInteger || isWhole(value);
      case "number" -> value instanceof JsonInteger || value instanceof JsonDecimal;
      case "integer,string" -> value instanceof JsonInteger || value instanceof JsonString;
      default -> true;
    };
  }

  private static boolean isWhole(JsonValue value) {
    return value instanceof JsonDecimal number && number.value() == Math.rint(number.value());
  }

  private void wrongType(String expected, JsonValue value, String path) {
    String found = value instanceof JsonInteger ? "integer" : value.typeName();
    causes.add(
        FieldFault.typeInvalid(
            shownPath(path),
            found,
            subject(path) + "must be of type " + expected + ": \"" + found + "\""));
  }

  private static String subject(String path) {
    return path.isEmpty() ? " in body " : path + " in body ";
  }

  private static String shownPath(String path) {
    return path.isEmpty() ? "<nil>" : path;
  }

  private static String join(String path, String name) {
    return path.isEmpty() ? name : path + "." + name;
  }

  private void enumeration(List<JsonValue> allowed, JsonValue value, String path) {
    if (!allowed.isEmpty() && !allowed.contains(value)) {
      causes.add(
          FieldFault.notSupported(
              shownPath(path),
              value,
              allowed.stream()
                  .map(one -> one instanceof JsonString text ? text.value() : one.toString())
                  .toList()));
    }
  }

  private void unique(Treatment treatment, JsonArray array, String path) {
    if (treatment.listType() == ListType.ATOMIC) {
      return;
    }
    Set<JsonValue> seen = new HashSet<>();
    for (int i = 0; i < array.size(); i++) {
      JsonValue item = array.items().get(i);
      JsonValue identity =
          treatment.listType() == ListType.MAP && item instanceof JsonObject object
              ? keys(treatment, object)
              : item;
      if (!seen.add(identity)) {
        causes.add(FieldFault.duplicate(path + "[" + i + "]", identity));
      }
    }
  }

  /** Keywords beside the structure; those of other types than the value's do not apply. */
  private void keywords(JsonObject rules, JsonValue value, String path) {
    if (rules.isEmpty()) {
      return;
    }
    switch (value) {
      case JsonString text -> text(rules, text, path);
      case JsonInteger number -> number(rules, BigDecimal.valueOf(number.value()), value, path);
      case JsonDecimal number -> number(rules, BigDecimal.valueOf(number.value()), value, path);
      case JsonArray array -> {
        if (rules.has("maxItems") && array.size() > rules.integer("maxItems")) {
          causes.add(
              FieldFault.tooMany(shownPath(path), array.size(), (int) rules.integer("maxItems")));
        }
        if (rules.has("minItems") && array.size() < rules.integer("minItems")) {
          invalid(
              path,
              new JsonInteger(array.size()),
              "should have at least " + rules.integer("minItems") + " items");
        }
        if (rules.flag("uniqueItems") && new HashSet<>(array.items()).size() < array.size()) {
          invalid(path, JsonString.EMPTY, "shouldn't contain duplicates");
        }
      }
      case JsonObject object -> {
        if (rules.has("maxProperties") && object.size() > rules.integer("maxProperties")) {
          causes.add(
              FieldFault.tooMany(
                  shownPath(path), object.size(), (int) rules.integer("maxProperties")));
        }
        if (rules.has("minProperties") && object.size() < rules.integer("minProperties")) {
          invalid(
              path,
              object,
              "should have at least " + rules.integer("minProperties") + " properties");
        }
      }
      case JsonBoolean _, JsonNull _ -> {}
    }
    junctors(rules, value, path);
  }

  private void text(JsonObject rules, JsonString text, String path) {
    int length = text.value().codePointCount(0, text.value().length());
    if (rules.has("maxLength") && length > rules.integer("maxLength")) {
      causes.add(FieldFault.tooLong(shownPath(path), (int) rules.integer("maxLength")));
    }
    if (rules.has("minLength") && length < rules.integer("minLength")) {
      invalid(path, text, "should be at least " + rules.integer("minLength") + " chars long");
    }
    String pattern = rules.text("pattern");
    if (!pattern.isEmpty()
        && pattern(pattern).map(regex -> !found(regex, text.value())).orElse(true)) {
      invalid(path, text, "should match '" + pattern + "'");
    }
  }

  /** Whether a text matches; not if that takes too long to find out. */
  private static boolean found(Pattern regex, String text) {
    try {
      return regex.matcher(new BoundedText(text)).find();
    } catch (BoundedText.ExceededException | StackOverflowError _) {
      return false;
    }
  }

  /** Go's regular expressions as Java's, which read those in use alike; empty where they do not. */
  private static Optional<Pattern> pattern(String text) {
    return PATTERNS.computeIfAbsent(
        text,
        key -> {
          try {
            return Optional.of(Pattern.compile(key.replace("(?P<", "(?<")));
          } catch (PatternSyntaxException _) {
            return Optional.empty();
          }
        });
  }

  private void number(JsonObject rules, BigDecimal number, JsonValue value, String path) {
    rules
        .get("maximum")
        .ifPresent(
            limit -> {
              boolean exclusive = rules.flag("exclusiveMaximum");
              int order = number.compareTo(decimal(limit));
              if (exclusive ? order >= 0 : order > 0) {
                invalid(
                    path,
                    value,
                    "should be less than " + (exclusive ? "" : "or equal to ") + limit);
              }
            });
    rules
        .get("minimum")
        .ifPresent(
            limit -> {
              boolean exclusive = rules.flag("exclusiveMinimum");
              int order = number.compareTo(decimal(limit));
              if (exclusive ? order <= 0 : order < 0) {
                invalid(
                    path,
                    value,
                    "should be greater than " + (exclusive ? "" : "or equal to ") + limit);
              }
            });
    rules
        .get("multipleOf")
        .map(SchemaValidator::decimal)
        .filter(factor -> factor.signum() > 0 && number.remainder(factor).signum() != 0)
        .ifPresent(
            factor ->
                invalid(
                    path,
                    value,
                    "should be a multiple of " + factor.stripTrailingZeros().toPlainString()));
  }

  private static BigDecimal decimal(JsonValue value) {
    return switch (value) {
      case JsonInteger number -> BigDecimal.valueOf(number.value());
      case JsonDecimal number -> BigDecimal.valueOf(number.value());
      default -> BigDecimal.ZERO;
    };
  }

  private void invalid(String path, JsonValue value, String what) {
    causes.add(FieldFault.invalid(shownPath(path), value, subject(path) + what));
  }

  private void junctors(JsonObject rules, JsonValue value, String path) {
    List<JsonObject> anyOf = rules.objects("anyOf");
    if (!anyOf.isEmpty()) {
      List<List<Cause>> outcomes = outcomes(anyOf, value, path);
      if (outcomes.stream().noneMatch(List::isEmpty)) {
        composite("\"" + path + "\" must validate at least one schema (anyOf)");
        causes.addAll(outcomes.getFirst());
      }
    }
    List<JsonObject> oneOf = rules.objects("oneOf");
    if (!oneOf.isEmpty()) {
      List<List<Cause>> outcomes = outcomes(oneOf, value, path);
      long valid = outcomes.stream().filter(List::isEmpty).count();
      if (valid != 1) {
        composite(
            "\""
                + path
                + "\" must validate one and only one schema (oneOf). "
                + (valid == 0 ? "Found none valid" : "Found " + valid + " valid alternatives"));
        if (valid == 0) {
          causes.addAll(outcomes.getFirst());
        }
      }
    }
    List<JsonObject> allOf = rules.objects("allOf");
    if (!allOf.isEmpty()) {
      List<List<Cause>> outcomes = outcomes(allOf, value, path);
      outcomes.forEach(causes::addAll);
      long valid = outcomes.stream().filter(List::isEmpty).count();
      if (valid != allOf.size()) {
        composite(
            "\""
                + path
                + "\" must validate all the schemas (allOf)"
                + (valid == 0 ? ". None validated" : ""));
      }
    }
    rules
        .get("not")
        .filter(JsonObject.class::isInstance)
        .map(JsonObject.class::cast)
        .filter(not -> raw(not, value, path).isEmpty())
        .ifPresent(_ -> composite("\"" + path + "\" must not validate the schema (not)"));
  }

  private void composite(String message) {
    causes.add(FieldFault.invalid("<nil>", "", message));
  }

  private static List<List<Cause>> outcomes(
      List<JsonObject> alternatives, JsonValue value, String path) {
    return alternatives.stream().map(alternative -> raw(alternative, value, path)).toList();
  }

  /** The faults by a schema inside a junctor, which adds conditions but no structure. */
  private static List<Cause> raw(JsonObject rules, JsonValue value, String path) {
    SchemaValidator inner = new SchemaValidator();
    String type = rules.text("type");
    if (!type.isEmpty() && !fits(type, value)) {
      inner.wrongType(type, value, path);
      return inner.causes;
    }
    inner.enumeration(rules.array("enum").items(), value, path);
    inner.format(rules.text("format"), value, path);
    inner.keywords(rules, value, path);
    if (value instanceof JsonObject object) {
      Map<String, JsonValue> properties = new LinkedHashMap<>();
      rules.object("properties").forEach(properties::put);
      for (String name : rules.strings("required")) {
        if (!object.has(name)) {
          inner.causes.add(FieldFault.required(join(path, name), ""));
        }
      }
      object.forEach(
          (name, item) -> {
            JsonValue property =
                properties.containsKey(name)
                    ? properties.get(name)
                    : rules.get("additionalProperties").orElse(JsonNull.NULL);
            if (property instanceof JsonObject rule) {
              inner.causes.addAll(raw(rule, item, join(path, name)));
            }
          });
    }
    if (value instanceof JsonArray array && rules.has("items")) {
      for (int i = 0; i < array.size(); i++) {
        inner.causes.addAll(raw(rules.object("items"), array.items().get(i), path + "[" + i + "]"));
      }
    }
    return inner.causes;
  }

  private void format(String format, JsonValue value, String path) {
    if (format.isEmpty() || !(value instanceof JsonString text)) {
      return;
    }
    if (!isOfFormat(format, text.value())) {
      causes.add(
          FieldFault.typeInvalid(
              shownPath(path), value, subject(path) + "must be of type " + format + ": " + value));
    }
  }

  /** The formats that Kubernetes checks and that say something Java can decide; others pass. */
  private static boolean isOfFormat(String format, String text) {
    return switch (format) {
      case "date-time" -> Times.isDateTime(text);
      case "date" -> Times.isDate(text);
      case "duration" -> Durations.find(text).isPresent();
      case "uuid" -> {
        try {
          yield text.length() == 36 && UUID.fromString(text).toString().equalsIgnoreCase(text);
        } catch (IllegalArgumentException _) {
          yield false;
        }
      }
      case "ipv4" -> text.matches("(\\d{1,3}\\.){3}\\d{1,3}") && octets(text);
      case "ipv6" -> text.contains(":") && text.matches("[0-9a-fA-F:.]+");
      case "cidr" -> text.matches("[0-9a-fA-F:.]+/\\d{1,3}");
      case "mac" -> text.matches("([0-9a-fA-F]{2}[:-]){5}[0-9a-fA-F]{2}");
      case "hostname" ->
          text.length() <= 255
              && text.matches(
                  "([a-zA-Z0-9]([a-zA-Z0-9-]{0,61}[a-zA-Z0-9])?\\.)*[a-zA-Z0-9]([a-zA-Z0-9-]{0,61}[a-zA-Z0-9])?");
      case "email" -> text.matches("[^@\\s]+@[^@\\s]+");
      case "uri" -> {
        try {
          yield new URI(text).isAbsolute() || text.startsWith("/");
        } catch (URISyntaxException _) {
          yield false;
        }
      }
      default -> true;
    };
  }

  private static boolean octets(String text) {
    for (String octet : text.split("\\.")) {
      if (Integer.parseInt(octet) > 255) {
        return false;
      }
    }
    return true;
  }
}
