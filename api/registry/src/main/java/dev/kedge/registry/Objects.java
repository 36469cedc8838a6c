package dev.kedge.registry;

import dev.kedge.model.GroupVersionKind;
import dev.kedge.model.KubeObject;
import dev.kedge.model.ResourceType;
import java.util.List;
import java.util.Optional;

/**
 * Stored objects as the API server's own parts (admission, authorisation by RBAC) see them: without
 * authorisation and admission, as of the moment of the call or a little before. Any thread.
 */
public interface Objects {
  /** The resource whose documents are of a kind. */
  Optional<ResourceType> typeOf(GroupVersionKind kind);

  /** The object, read from the watch cache and, where that does not have it, from the store. */
  Optional<KubeObject> find(ResourceType type, String namespace, String name);

  /** The objects of a namespace (empty: of all), from the watch cache. */
  List<KubeObject> list(ResourceType type, String namespace);

  /**
   * The revisions of all objects of a resource, from the watch cache: equal as long as none of them
   * has changed.
   */
  List<Long> revisions(ResourceType type);

  /** The object as the store has it now: for decisions that a {@link #replace} builds on. */
  Optional<KubeObject> findLatest(ResourceType type, String namespace, String name);

  /** The objects of a namespace with every write that was acknowledged before the call. */
  List<KubeObject> listLatest(ResourceType type, String namespace);

  /**
   * Replaces an object unless it has changed since it was read; nothing but the resource version is
   * touched.
   *
   * @return whether it was replaced; if not, read again and decide again
   */
  boolean replace(ResourceType type, KubeObject changed);
}
