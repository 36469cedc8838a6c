package dev.kedge.model;

import dev.kedge.model.Status.Cause;
import java.util.Collection;
import java.util.List;
import java.util.stream.Collectors;

/**
 * The faults a field can have, in Kubernetes' words (apimachinery {@code
 * util/validation/field/errors.go}).
 */
public final class FieldFault {
  private FieldFault() {}

  /** A value that must be there and is not. */
  public static Cause required(String field, String detail) {
    return new Cause("FieldValueRequired", detailed("Required value", detail), field);
  }

  /** A value that is malformed or out of bounds. */
  public static Cause invalid(String field, Object value, String detail) {
    return new Cause(
        "FieldValueInvalid", detailed("Invalid value: " + shown(value), detail), field);
  }

  /** A value of another type than its schema's. */
  public static Cause typeInvalid(String field, Object value, String detail) {
    return new Cause(
        "FieldValueTypeInvalid", detailed("Invalid value: " + shown(value), detail), field);
  }

  /** A value that is none of a closed set; {@code supported} in the order to be shown. */
  public static Cause notSupported(String field, Object value, Collection<String> supported) {
    return new Cause(
        "FieldValueNotSupported",
        detailed(
            "Unsupported value: " + shown(value),
            supported.isEmpty()
                ? ""
                : "supported values: "
                    + supported.stream()
                        .map(one -> new JsonString(one).toString())
                        .collect(Collectors.joining(", "))),
        field);
  }

  /** A value that is well formed but not permitted here. */
  public static Cause forbidden(String field, String detail) {
    return new Cause("FieldValueForbidden", detailed("Forbidden", detail), field);
  }

  /** A value that stands twice where it must be unique. */
  public static Cause duplicate(String field, Object value) {
    return new Cause("FieldValueDuplicate", "Duplicate value: " + shown(value), field);
  }

  /** A value that names something that is not there. */
  public static Cause notFound(String field, Object value) {
    return new Cause("FieldValueNotFound", "Not found: " + shown(value), field);
  }

  /** A text of more than so many bytes. */
  public static Cause tooLong(String field, int most) {
    return new Cause(
        "FieldValueTooLong",
        "Too long: may not be more than " + most + (most == 1 ? " byte" : " bytes"),
        field);
  }

  /** A list of more than so many items. */
  public static Cause tooMany(String field, int actual, int most) {
    return new Cause(
        "FieldValueTooMany",
        "Too many: " + actual + ": must have at most " + most + (most == 1 ? " item" : " items"),
        field);
  }

  private static String detailed(String message, String detail) {
    return detail.isEmpty() ? message : message + ": " + detail;
  }

  private static String shown(Object value) {
    return switch (value) {
      case JsonValue json -> json.toString();
      case List<?> list -> JsonValue.of(list).toString();
      default -> JsonValue.of(value).toString();
    };
  }
}
