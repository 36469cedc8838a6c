package dev.kedge.model;

import java.util.Collection;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/**
 * A JSON value: immutable, comparable by content, shared freely between trees and threads.
 *
 * <p>Integers and decimals are apart because Kubernetes keeps them apart: an int64 survives
 * unharmed, and {@code 1.0} stays a decimal.
 */
public sealed interface JsonValue
    permits JsonObject, JsonArray, JsonString, JsonInteger, JsonDecimal, JsonBoolean, JsonNull {

  /**
   * Converts plain Java data: {@link JsonValue}, {@link CharSequence}, integral and floating
   * numbers, {@link Boolean}, {@link Map} with string keys, {@link Collection}, and {@code null}
   * for JSON null.
   *
   * @throws IllegalArgumentException for any other type
   */
  static JsonValue of(@Nullable Object value) {
    return switch (value) {
      case null -> JsonNull.NULL;
      case JsonValue json -> json;
      case KubeObject object -> object.json();
      case CharSequence text -> new JsonString(text.toString());
      case Integer number -> new JsonInteger(number);
      case Long number -> new JsonInteger(number);
      case Double number -> new JsonDecimal(number);
      case Boolean flag -> JsonBoolean.of(flag);
      case Map<?, ?> map -> {
        JsonObject.Builder builder = JsonObject.builder();
        map.forEach((name, item) -> builder.put((String) name, of(item)));
        yield builder.build();
      }
      case Collection<?> collection ->
          JsonArray.copyOf(collection.stream().map(JsonValue::of).toList());
      default ->
          throw new IllegalArgumentException("no JSON form for " + value.getClass().getName());
    };
  }

  /**
   * The name Kubernetes uses for the type in error messages: object, array, string, number,
   * boolean, null.
   */
  default String typeName() {
    return switch (this) {
      case JsonObject _ -> "object";
      case JsonArray _ -> "array";
      case JsonString _ -> "string";
      case JsonInteger _, JsonDecimal _ -> "number";
      case JsonBoolean _ -> "boolean";
      case JsonNull _ -> "null";
    };
  }
}
