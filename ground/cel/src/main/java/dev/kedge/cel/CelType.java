package dev.kedge.cel;

import java.util.List;
import java.util.stream.Collectors;
import org.jspecify.annotations.Nullable;

/**
 * A type of the language. Immutable.
 *
 * @param name of structs, opaque types and type parameters
 * @param parameters element, key and value, or what an opaque type is made of
 * @param declaration the fields of a struct
 */
public record CelType(
    Kind kind, String name, List<CelType> parameters, @Nullable Declaration declaration) {
  /** What kind of type it is. */
  public enum Kind {
    DYN,
    ERROR,
    NULL,
    BOOL,
    INT,
    UINT,
    DOUBLE,
    STRING,
    BYTES,
    TIMESTAMP,
    DURATION,
    LIST,
    MAP,
    STRUCT,
    OPAQUE,
    TYPE,
    PARAMETER
  }

  public static final CelType DYN = simple(Kind.DYN, "dyn");
  public static final CelType ERROR = simple(Kind.ERROR, "!error!");
  public static final CelType NULL = simple(Kind.NULL, "null");
  public static final CelType BOOL = simple(Kind.BOOL, "bool");
  public static final CelType INT = simple(Kind.INT, "int");
  public static final CelType UINT = simple(Kind.UINT, "uint");
  public static final CelType DOUBLE = simple(Kind.DOUBLE, "double");
  public static final CelType STRING = simple(Kind.STRING, "string");
  public static final CelType BYTES = simple(Kind.BYTES, "bytes");
  public static final CelType TIMESTAMP = simple(Kind.TIMESTAMP, "timestamp");
  public static final CelType DURATION = simple(Kind.DURATION, "duration");

  private static CelType simple(Kind kind, String name) {
    return new CelType(kind, name, List.of(), null);
  }

  public static CelType list(CelType item) {
    return new CelType(Kind.LIST, "list", List.of(item), null);
  }

  public static CelType map(CelType key, CelType value) {
    return new CelType(Kind.MAP, "map", List.of(key, value), null);
  }

  public static CelType optional(CelType value) {
    return new CelType(Kind.OPAQUE, "optional_type", List.of(value), null);
  }

  /** The type of types. */
  public static CelType typeOf(CelType type) {
    return new CelType(Kind.TYPE, "type", List.of(type), null);
  }

  /** A type that only its functions know, such as {@code kubernetes.Quantity}. */
  public static CelType opaque(String name) {
    return new CelType(Kind.OPAQUE, name, List.of(), null);
  }

  static CelType parameter(String name) {
    return new CelType(Kind.PARAMETER, name, List.of(), null);
  }

  /** A struct, whose fields are its declaration's. */
  static CelType struct(String name, Declaration declaration) {
    return new CelType(Kind.STRUCT, name, List.of(), declaration);
  }

  boolean isOptional() {
    return kind == Kind.OPAQUE && name.equals("optional_type");
  }

  boolean isDyn() {
    return kind == Kind.DYN;
  }

  boolean isDynOrError() {
    return kind == Kind.DYN || kind == Kind.ERROR;
  }

  CelType first() {
    return parameters.getFirst();
  }

  /** Structs are the same when their declarations are; equality must not walk their fields. */
  @Override
  public boolean equals(@Nullable Object other) {
    return other instanceof CelType that
        && kind == that.kind
        && name.equals(that.name)
        && parameters.equals(that.parameters)
        && declaration == that.declaration;
  }

  @Override
  public int hashCode() {
    return kind.hashCode() * 31 + name.hashCode() + parameters.hashCode();
  }

  /** As messages show it. */
  @Override
  public String toString() {
    if (parameters.isEmpty()) {
      return name;
    }
    return name
        + parameters.stream().map(CelType::toString).collect(Collectors.joining(", ", "(", ")"));
  }
}
