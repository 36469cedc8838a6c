package dev.kedge.registry;

import dev.kedge.model.ApiException;
import dev.kedge.model.FieldSelector;
import dev.kedge.model.FieldSelector.Term;
import dev.kedge.model.KubeObject;
import dev.kedge.model.LabelSelector;
import dev.kedge.store.cache.Selection;
import java.util.List;
import java.util.Optional;
import java.util.function.Predicate;

/** Turns the selectors of a query into a selection of the watch cache. */
final class Selections {
  private Selections() {}

  /**
   * What documents must have that the cache cannot tell: fields of a version that a webhook makes.
   */
  static Optional<Predicate<KubeObject>> ofDocuments(Served served, String fields) {
    if (fields.isEmpty() || served.fields().isEmpty()) {
      return Optional.empty();
    }
    return FieldSelector.parse(fields).terms().stream()
        .filter(term -> !served.indexed(term.field()))
        .map(term -> has(served.fields().getOrDefault(term.field(), List.of()), term))
        .reduce(Predicate::and);
  }

  private static Predicate<KubeObject> has(List<String> path, Term term) {
    return document -> KindFacts.scalar(document.json(), path).equals(term.value()) == term.equal();
  }

  /**
   * The selection of a query, as far as the cache's rows tell.
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
    if (!served.selectable(field)) {
      throw ApiException.badRequest("field label not supported: " + term.field());
    }
    if (!served.indexed(field)) {
      return selection;
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
