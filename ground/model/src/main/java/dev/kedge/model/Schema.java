package dev.kedge.model;

import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.function.Supplier;

/**
 * The shape of a JSON value and how Kubernetes treats it: one type for built-in kinds (read from
 * the generated resource in {@code ground/builtin-schema}) and for custom resources (read from a
 * CustomResourceDefinition), so that decoding, pruning, defaulting, validation, patches,
 * server-side apply, protobuf and OpenAPI have one code path.
 *
 * <p>Immutable. Recursive types (JSONSchemaProps) are closed through the {@link Field#schema}
 * supplier, so never walk a schema without a value beside it, or keep a set of what was seen.
 *
 * @param name definition name, such as {@code io.k8s.api.core.v1.PodSpec}; empty for inline schemas
 * @param type what kind of value is expected
 * @param description upstream's text, empty where there is none; always empty for built-in kinds,
 *     whose texts {@code ground/builtin-schema} reads apart
 * @param fields by JSON name, for {@link Type#OBJECT}
 * @param items schema of the list's items or the map's values, for {@link Type#LIST} and {@link
 *     Type#MAP}
 * @param treatment how patches and apply merge a list, map or object
 * @param rules what a value must fulfil
 */
public record Schema(
    String name,
    Type type,
    String description,
    Map<String, Field> fields,
    Optional<Supplier<Schema>> items,
    Treatment treatment,
    Rules rules) {

  public Schema {
    fields = java.util.Collections.unmodifiableMap(new LinkedHashMap<>(fields));
  }

  /** What kind of JSON value a schema describes. */
  public enum Type {
    /** Named fields. */
    OBJECT,
    /** Free names, one value schema. */
    MAP,
    LIST,
    STRING,
    BOOLEAN,
    INTEGER,
    NUMBER,
    /** base64 in JSON, bytes in protobuf. */
    BYTES,
    /** {@code resource.Quantity}: a string, or a number on input. */
    QUANTITY,
    /** {@code intstr.IntOrString}. */
    INT_OR_STRING,
    /** {@code metav1.Time}: RFC 3339 with seconds. */
    TIME,
    /** {@code metav1.MicroTime}: RFC 3339 with microseconds. */
    MICRO_TIME,
    /** {@code metav1.Duration}: Go's duration text. */
    DURATION,
    /** {@code metav1.FieldsV1}: a JSON object kept as it is. */
    FIELDS_V1,
    /** {@code runtime.RawExtension}: a JSON object of any kind. */
    RAW_EXTENSION,
    /** Any JSON value. */
    ANY
  }

  /**
   * A field of an object.
   *
   * @param number protobuf field number, 0 where there is none (custom resources); a field of a
   *     message that Go embeds has the numbers from the outside in, ten bits each
   * @param schema the field's schema, resolved on demand
   * @param description upstream's text
   * @param required whether the published schema requires it
   * @param defaultValue value set when the field is absent on input
   * @param treatment how patches and apply merge this field (overrides that of its schema)
   * @param zeroIsAbsent whether "", 0 and false take the default, too, because the Go field is no
   *     pointer
   * @param always whether the field is written even when nothing is in it; its default is Go's zero
   *     value then, unless it has one of its own
   */
  public record Field(
      String name,
      int number,
      Supplier<Schema> schema,
      String description,
      boolean required,
      Optional<JsonValue> defaultValue,
      Treatment treatment,
      boolean zeroIsAbsent,
      boolean always) {
    /** A field whose zero value is a value, and that is left out when absent. */
    public Field(
        String name,
        int number,
        Supplier<Schema> schema,
        String description,
        boolean required,
        Optional<JsonValue> defaultValue,
        Treatment treatment) {
      this(name, number, schema, description, required, defaultValue, treatment, false, false);
    }
  }

  /** Ownership granularity of a list in server-side apply ({@code x-kubernetes-list-type}). */
  public enum ListType {
    ATOMIC,
    SET,
    MAP
  }

  /**
   * How a list, map or object is merged.
   *
   * @param listType for lists
   * @param listMapKeys keys that identify an item of a {@link ListType#MAP} list
   * @param atomic for maps and objects: {@code x-kubernetes-map-type: atomic}
   * @param patchStrategy {@code x-kubernetes-patch-strategy}: subset of merge, replace, retainKeys
   * @param patchMergeKey {@code x-kubernetes-patch-merge-key}, empty where there is none
   */
  public record Treatment(
      ListType listType,
      List<String> listMapKeys,
      boolean atomic,
      Set<String> patchStrategy,
      String patchMergeKey) {
    /** Atomic lists, granular maps, no strategic merge: what a schema without markers means. */
    public static final Treatment DEFAULT =
        new Treatment(ListType.ATOMIC, List.of(), false, Set.of(), "");

    public Treatment {
      listMapKeys = List.copyOf(listMapKeys);
      patchStrategy = Set.copyOf(patchStrategy);
    }
  }

  /**
   * What a value must fulfil, from CRD schemas and declarative-validation markers.
   *
   * @param nullable whether JSON null is a value (else null means absent)
   * @param preserveUnknown {@code x-kubernetes-preserve-unknown-fields}
   * @param embeddedResource {@code x-kubernetes-embedded-resource}
   * @param format such as int32, int64, date-time; empty where there is none
   * @param enumValues allowed values; empty means any
   * @param openApi further OpenAPI keywords exactly as published or as the CRD gives them (minimum,
   *     maxLength, pattern, oneOf, x-kubernetes-validations, …)
   */
  public record Rules(
      boolean nullable,
      boolean preserveUnknown,
      boolean embeddedResource,
      String format,
      List<JsonValue> enumValues,
      JsonObject openApi) {
    /** No rules. */
    public static final Rules NONE =
        new Rules(false, false, false, "", List.of(), JsonObject.EMPTY);

    public Rules {
      enumValues = List.copyOf(enumValues);
    }
  }

  /** The schema of items or values. */
  public Schema item() {
    return items.orElseThrow(() -> new IllegalStateException(type + " schema without items")).get();
  }

  /** The field of this JSON name. */
  public Optional<Field> field(String jsonName) {
    return Optional.ofNullable(fields.get(jsonName));
  }
}
