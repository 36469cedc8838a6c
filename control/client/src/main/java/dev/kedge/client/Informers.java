package dev.kedge.client;

import dev.kedge.client.KubeClient.Selection;
import dev.kedge.model.ResourceType;

/**
 * Shares informers between the parts of a process: the same resource and selection give the same
 * informer, started on first use. Closing ends them all.
 */
public interface Informers extends AutoCloseable {
  /** The informer of a whole resource, over all namespaces. */
  default Informer of(ResourceType type) {
    return of(type, "", Selection.ALL);
  }

  /** The informer of part of a resource. */
  Informer of(ResourceType type, String namespace, Selection selection);

  @Override
  void close();
}
