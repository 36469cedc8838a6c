package dev.kedge.registry;

import dev.kedge.model.KubeObject;
import dev.kedge.store.cache.Item;

/** One served version of a stored resource. */
record Served(ResourceInfo info, StoredKind stored, Converter converter) {
  /** An item in this version. */
  ServedObject object(Item item) {
    ServedObject stored = StoredKind.served(item);
    return converter.identity() ? stored : object(stored.tree());
  }

  /** A stored document, resource version included, in this version. */
  ServedObject object(KubeObject stored) {
    return ServedObject.of(converter.toServed(stored));
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
