package dev.kedge.schemagenerator;

import java.util.ArrayList;
import java.util.List;

/** A definition while it is put together. Mutable; one thread. */
final class Definition {
  /** How a definition's values look; the ordinals are the file format. */
  enum Form {
    OBJECT,
    /** A message that wraps a repeated field, written as a plain list in JSON. */
    WRAPPED_LIST,
    QUANTITY,
    INT_OR_STRING,
    TIME,
    MICRO_TIME,
    DURATION,
    FIELDS_V1,
    RAW_EXTENSION,
    /** Any JSON value, with the definition of a schema beside it (JSONSchemaPropsOrBool, …). */
    ANY
  }

  /** The shape of a value: the ordinals are the file format. */
  enum Shape {
    STRING,
    BOOLEAN,
    INT32,
    INT64,
    DOUBLE,
    BYTES,
    REFERENCE,
    LIST,
    MAP
  }

  /**
   * A type; {@code reference} names a definition for {@link Shape#REFERENCE}, {@code item} is set
   * for lists and maps.
   */
  record Type(Shape shape, String reference, List<Type> item) {
    static Type of(Shape shape) {
      return new Type(shape, "", List.of());
    }

    static Type reference(String name) {
      return new Type(Shape.REFERENCE, name, List.of());
    }

    static Type list(Type item) {
      return new Type(Shape.LIST, "", List.of(item));
    }

    static Type map(Type item) {
      return new Type(Shape.MAP, "", List.of(item));
    }
  }

  /** A field while it is put together. */
  static final class Field {
    final String name;
    final int number;
    final Type type;
    final String description;
    boolean required;
    String defaultJson = "";
    boolean zeroIsAbsent;
    boolean always;

    /** JSON of the default that OpenAPI documents tell; "" where they tell none. */
    String published = "";

    String listType = "";
    List<String> listMapKeys = List.of();
    boolean atomic;
    List<String> patchStrategy = List.of();
    String patchMergeKey = "";

    Field(String name, int number, Type type, String description) {
      this.name = name;
      this.number = number;
      this.type = type;
      this.description = description;
    }

    /** This field as a part of a message that inlines its own message. */
    Field inlined(int outer) {
      int path = number < 1 << 10 ? (outer << 10) | number : (outer << 20) | number;
      Field field = new Field(name, path, type, description);
      field.required = required;
      field.defaultJson = defaultJson;
      field.zeroIsAbsent = zeroIsAbsent;
      field.always = always;
      field.published = published;
      field.listType = listType;
      field.listMapKeys = listMapKeys;
      field.atomic = atomic;
      field.patchStrategy = patchStrategy;
      field.patchMergeKey = patchMergeKey;
      return field;
    }
  }

  final String name;
  final Form form;
  final String description;
  final boolean atomic;
  final List<Field> fields = new ArrayList<>();

  Definition(String name, Form form, String description, boolean atomic) {
    this.name = name;
    this.form = form;
    this.description = description;
    this.atomic = atomic;
  }
}
