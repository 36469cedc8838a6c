package dev.kedge.registry.kinds;

import dev.kedge.model.ApiException;
import dev.kedge.model.FieldFault;
import dev.kedge.model.GroupVersionKind;
import dev.kedge.model.JsonInteger;
import dev.kedge.model.JsonObject;
import dev.kedge.model.JsonString;
import dev.kedge.model.JsonValue;
import dev.kedge.model.KubeObject;
import dev.kedge.model.Names;
import dev.kedge.model.Status.Cause;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.Map;

/** Collects the faults of one object. One thread. */
final class Checks {
  private final List<Cause> causes = new ArrayList<>();

  List<Cause> causes() {
    return List.copyOf(causes);
  }

  /** Refuses a new object at once, for faults that only its creation can have. */
  void refuse(KubeObject object) {
    if (!causes.isEmpty()) {
      GroupVersionKind kind = object.groupVersionKind();
      throw ApiException.invalid(kind.group(), kind.kind(), object.name(), causes());
    }
  }

  void add(Cause cause) {
    causes.add(cause);
  }

  void required(String field, String detail) {
    causes.add(FieldFault.required(field, detail));
  }

  void invalid(String field, Object value, String detail) {
    causes.add(FieldFault.invalid(field, value, detail));
  }

  void forbidden(String field, String detail) {
    causes.add(FieldFault.forbidden(field, detail));
  }

  void duplicate(String field, Object value) {
    causes.add(FieldFault.duplicate(field, value));
  }

  /** A name's faults as {@link Names} found them. */
  void name(String field, String value, List<String> faults) {
    faults.forEach(fault -> invalid(field, value, fault));
  }

  /** A required text of a closed set, given in the order to be shown. */
  void oneOf(String field, String value, String... supported) {
    if (value.isEmpty()) {
      required(field, "");
    } else {
      oneOfOrNone(field, value, supported);
    }
  }

  /** A text of a closed set that may be absent. */
  void oneOfOrNone(String field, String value, String... supported) {
    if (!value.isEmpty() && !List.of(supported).contains(value)) {
      causes.add(FieldFault.notSupported(field, value, List.of(supported)));
    }
  }

  /** A port number: 1 to 65535. */
  void port(String field, long port) {
    if (port < 1 || port > 65535) {
      invalid(field, port, "must be between 1 and 65535, inclusive");
    }
  }

  /** A port by number or by name. */
  void portNumberOrName(String field, JsonValue port) {
    switch (port) {
      case JsonInteger number -> port(field, number.value());
      case JsonString text -> name(field, text.value(), Names.portName(text.value()));
      default -> required(field, "");
    }
  }

  /** A number that, where it is there, is not negative. */
  void notNegative(String field, JsonObject object, String name) {
    if (object.integer(name) < 0) {
      invalid(field, object.integer(name), "must be greater than or equal to 0");
    }
  }

  /** Labels by their syntax. */
  void labels(String field, JsonObject labels) {
    labels.forEach(
        (key, value) -> {
          name(field, key, Names.qualified(key));
          String text = value instanceof JsonString string ? string.value() : "";
          name(field, text, Names.labelValue(text));
        });
  }

  /** Annotation keys by their syntax. */
  void annotations(String field, JsonObject annotations) {
    annotations.forEach(
        (key, _) -> name(field, key, Names.qualified(key.toLowerCase(Locale.ROOT))));
  }

  /** A label selector by its syntax. */
  void selector(String field, JsonObject selector) {
    labels(field + ".matchLabels", selector.object("matchLabels"));
    List<JsonObject> expressions = selector.objects("matchExpressions");
    for (int i = 0; i < expressions.size(); i++) {
      JsonObject expression = expressions.get(i);
      String at = field + ".matchExpressions[" + i + "]";
      List<String> values = expression.strings("values");
      String operator = expression.text("operator");
      switch (operator) {
        case "In", "NotIn" -> {
          if (values.isEmpty()) {
            required(at + ".values", "must be specified when `operator` is 'In' or 'NotIn'");
          }
        }
        case "Exists", "DoesNotExist" -> {
          if (!values.isEmpty()) {
            forbidden(
                at + ".values",
                "may not be specified when `operator` is 'Exists' or 'DoesNotExist'");
          }
        }
        default -> invalid(at + ".operator", operator, "not a valid selector operator");
      }
      name(at + ".key", expression.text("key"), Names.qualified(expression.text("key")));
      for (int j = 0; j < values.size(); j++) {
        name(at + ".values[" + j + "]", values.get(j), Names.labelValue(values.get(j)));
      }
    }
  }

  /** A count or percentage that is not negative. */
  void countOrPercent(String field, JsonObject object, String name) {
    switch (object.get(name).orElse(null)) {
      case JsonInteger number -> {
        if (number.value() < 0) {
          invalid(field, number.value(), "must be greater than or equal to 0");
        }
      }
      case JsonString text -> {
        if (!text.value().matches("[0-9]+%")) {
          invalid(
              field,
              text.value(),
              "a valid percent string must be a numeric string followed by an ending '%' (e.g."
                  + " '1%',  or '93%', regex used for validation is '[0-9]+%')");
        }
      }
      case null, default -> {}
    }
  }

  /** Reports each field that differs from the stored object's as immutable. */
  void immutable(String prefix, JsonObject object, JsonObject old, String... names) {
    for (String name : names) {
      if (!object.get(name).equals(old.get(name))) {
        invalid(
            prefix + name,
            object.get(name).orElse(dev.kedge.model.JsonNull.NULL),
            "field is immutable");
      }
    }
  }

  /** A map's entries in the JSON form messages show. */
  static JsonObject shown(Map<String, String> map) {
    JsonObject.Builder builder = JsonObject.builder();
    new java.util.TreeMap<>(map).forEach(builder::put);
    return builder.build();
  }
}
