package dev.kedge.registry;

import dev.kedge.model.GroupVersionKind;
import java.util.List;
import java.util.Optional;

/**
 * What is served at one moment; a new one takes its place when a CustomResourceDefinition or an
 * APIService changes. Immutable.
 */
public interface Catalog {
  /** Grows with every change, for ETags and caches of documents made from a catalogue. */
  long version();

  /** The resource of a URL. */
  Optional<ResourceInfo> find(String group, String version, String plural);

  /** The resource whose documents are of this kind. */
  Optional<ResourceInfo> ofKind(GroupVersionKind kind);

  /** Everything served, groups in the order of discovery, preferred version first. */
  List<ResourceInfo> all();
}
