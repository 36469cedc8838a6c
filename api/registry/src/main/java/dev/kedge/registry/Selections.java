package dev.kedge.registry;

import dev.kedge.model.ApiException;
import dev.kedge.model.FieldSelector;
import dev.kedge.model.FieldSelector.Term;
import dev.kedge.model.LabelSelector;
import dev.kedge.store.cache.Selection;

/** Turns the selectors of a query into a selection of the watch cache. */
final class Selections {
  private Selections() {}

  /**
   * The selection of a query.
   *
   * @throws ApiException 400 if a selector is malformed or names a field the kind does not select
   *     by
   */
  static Selection of(Served served, String namespace, String labels, String fields) {
    Selection selection = Selection.ALL.inNamespace(namespace);
    if (!fields.isEmpty()) {
      for (Term term : FieldSelector.parse(fields).terms()) {
        selection = and(served, selection, term);
      }
    }
    if (!labels.isEmpty()) {
      LabelSelector selector = LabelSelector.parse(labels);
      if (!selector.isEmpty()) {
        selection = selection.and(row -> selector.matches(row.labels()));
      }
    }
    return selection;
  }

  private static Selection and(Served served, Selection selection, Term term) {
    String field = KindFacts.storedLabel(served.group(), served.plural(), term.field());
    if (!served.stored().selectable(field)) {
      throw ApiException.badRequest("field label not supported: " + term.field());
    }
    String value = term.value();
    if (!term.equal()) {
      return selection.and(row -> !row.field(field).equals(value));
    }
    if (field.equals("metadata.name") && selection.name().isEmpty() && !value.isEmpty()) {
      return selection.named(value);
    }
    if (field.equals("metadata.namespace") && selection.namespace().isEmpty() && !value.isEmpty()) {
      return selection.inNamespace(value);
    }
    if (!field.startsWith("metadata.") && selection.field().isEmpty()) {
      return selection.where(field, value);
    }
    return selection.and(row -> row.field(field).equals(value));
  }
}
