package dev.kedge.cel;

import java.util.Map;
import java.util.Optional;
import org.jspecify.annotations.Nullable;

/**
 * What is known about a value before it is there: its type, how large it can be, and its parts.
 * Sizes are what cost estimates are made of. Immutable.
 *
 * @param type the value's type
 * @param fields by the name that expressions use, for structs
 * @param key of maps
 * @param item of lists, or the values of maps
 * @param maxElements most elements, characters or bytes
 * @param minSize fewest bytes of its JSON
 * @param list how equality and addition treat a list
 */
public record Declaration(
    CelType type,
    Map<String, Declaration> fields,
    @Nullable Declaration key,
    @Nullable Declaration item,
    long maxElements,
    long minSize,
    ListKind list,
    java.util.List<String> listKeys) {
  /** How items of a list are told apart ({@code x-kubernetes-list-type}). */
  public enum ListKind {
    ATOMIC,
    SET,
    MAP
  }

  /** A value without parts. */
  public static Declaration of(CelType type, long maxElements, long minSize) {
    return new Declaration(
        type, Map.of(), null, null, maxElements, minSize, ListKind.ATOMIC, java.util.List.of());
  }

  /** A value about which nothing is known. */
  public static final Declaration DYN = of(CelType.DYN, Long.MAX_VALUE, 0);

  /** A list. */
  public static Declaration list(
      Declaration item, long maxElements, ListKind kind, java.util.List<String> keys) {
    return new Declaration(
        CelType.list(item.type()), Map.of(), null, item, maxElements, 2, kind, keys);
  }

  /** A map from strings. */
  public static Declaration map(Declaration value, long maxElements) {
    return new Declaration(
        CelType.map(CelType.STRING, value.type()),
        Map.of(),
        of(CelType.STRING, 0, 2),
        value,
        maxElements,
        2,
        ListKind.ATOMIC,
        java.util.List.of());
  }

  /** A struct with named fields. */
  public static Declaration struct(String name, Map<String, Declaration> fields, long minSize) {
    return new Struct(name, fields, minSize).made;
  }

  /** A struct's type refers to its declaration, and the other way round. */
  private static final class Struct {
    private final Declaration made;

    Struct(String name, Map<String, Declaration> fields, long minSize) {
      Declaration plain =
          new Declaration(
              CelType.DYN,
              Map.copyOf(fields),
              null,
              null,
              0,
              minSize,
              ListKind.ATOMIC,
              java.util.List.of());
      made =
          new Declaration(
              CelType.struct(name, plain),
              plain.fields,
              null,
              null,
              0,
              minSize,
              ListKind.ATOMIC,
              java.util.List.of());
    }
  }

  /** The declaration of a field, by the name that expressions use. */
  Optional<Declaration> field(String name) {
    return Optional.ofNullable(fields.get(name));
  }
}
