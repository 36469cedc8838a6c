package dev.kedge.store.cache;

import java.util.Optional;
import java.util.function.Predicate;

/**
 * Which objects a list or watch is about. The scope and the one indexed field find watchers without
 * asking each; the filter says the rest.
 *
 * @param namespace only this namespace; empty for all, and for cluster-scoped kinds
 * @param name only this name; empty for all
 * @param field the one selectable field that watchers are indexed by, if selected by equality;
 *     empty for none
 * @param value the value that field must have
 * @param filter everything else, labels and further fields; pure and quick
 */
public record Selection(
    String namespace,
    String name,
    String field,
    String value,
    Optional<Predicate<IndexRow>> filter) {
  /** Every object. */
  public static final Selection ALL = new Selection("", "", "", "", Optional.empty());

  public Selection inNamespace(String namespace) {
    return new Selection(namespace, name, field, value, filter);
  }

  public Selection named(String name) {
    return new Selection(namespace, name, field, value, filter);
  }

  public Selection where(String field, String value) {
    return new Selection(namespace, name, field, value, filter);
  }

  /** Both the present filter and another one. */
  public Selection and(Predicate<IndexRow> filter) {
    return new Selection(
        namespace,
        name,
        field,
        value,
        Optional.of(this.filter.map(present -> present.and(filter)).orElse(filter)));
  }

  /** Whether an object belongs to the selection. */
  public boolean matches(IndexRow row) {
    return (namespace.isEmpty() || namespace.equals(row.namespace()))
        && (name.isEmpty() || name.equals(row.name()))
        && (field.isEmpty() || value.equals(row.field(field)))
        && (filter.isEmpty() || filter.get().test(row));
  }

  /** Whether only the namespace is selected by, so that counting needs no look at the objects. */
  boolean wholeScope() {
    return name.isEmpty() && field.isEmpty() && filter.isEmpty();
  }
}
