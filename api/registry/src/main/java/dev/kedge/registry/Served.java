package dev.kedge.registry;

import dev.kedge.model.KubeObject;
import dev.kedge.store.cache.Item;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;

/**
 * One served version of a stored resource.
 *
 * @param fields what a custom resource's version is selected by: label and path in its documents
 */
record Served(
    ResourceInfo info,
    StoredKind stored,
    Converter converter,
    CustomRules rules,
    Map<String, List<String>> fields) {
  /** A built-in version. */
  Served(ResourceInfo info, StoredKind stored, Converter converter) {
    this(info, stored, converter, CustomRules.NONE, Map.of());
  }

  /** An item in this version. */
  ServedObject object(Item item) {
    ServedObject stored = StoredKind.served(item);
    return converter.identity() ? stored : object(stored.tree());
  }

  /**
   * Items of a list in this version, translated together where that is cheaper. What is made of
   * them is not shared with other readers: most lists need nothing but the bytes.
   */
  List<ServedObject> objects(List<Item> items) {
    List<ServedObject> objects = new ArrayList<>(items.size());
    if (converter.identity()) {
      for (Item item : items) {
        objects.add(ServedObject.of(item));
      }
      return objects;
    }
    if (!converter.together()) {
      for (Item item : items) {
        objects.add(object(item));
      }
      return objects;
    }
    List<KubeObject> trees = new ArrayList<>(items.size());
    for (Item item : items) {
      trees.add(StoredKind.served(item).tree());
    }
    for (KubeObject served : converter.toServed(trees)) {
      objects.add(ServedObject.of(served));
    }
    return objects;
  }

  /** Items of events in this version: all who are told of the same share what is made of it. */
  List<ServedObject> shared(List<Item> items) {
    return converter.together() ? objects(items) : items.stream().map(this::object).toList();
  }

  /** A stored document, resource version included, in this version. */
  ServedObject object(KubeObject stored) {
    return ServedObject.of(converter.toServed(stored));
  }

  /**
   * What is held against this version's schema: versions of one shape share their documents, but
   * those that a webhook translates do not.
   */
  KubeObject validated(KubeObject document) {
    return converter.together() ? converter.toServed(document) : document;
  }

  /** Whether a query may select by a field. */
  boolean selectable(String label) {
    return fields.containsKey(label) || stored.selectable(label);
  }

  /**
   * Whether the cache's rows, which are made of stored documents, tell a selectable field of this
   * version: not where a webhook makes its documents from those of another version.
   */
  boolean indexed(String label) {
    return !fields.containsKey(label) || !converter.together() || info.type().equals(stored.type());
  }

  String group() {
    return info.type().group();
  }

  String plural() {
    return info.type().plural();
  }

  String kind() {
    return info.type().kind();
  }
}
