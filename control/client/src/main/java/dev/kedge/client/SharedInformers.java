package dev.kedge.client;

import dev.kedge.client.KubeClient.Part;
import dev.kedge.client.KubeClient.Selection;
import dev.kedge.model.ResourceType;
import java.util.HashMap;
import java.util.Map;

/**
 * Informers over any {@link KubeClient}: one list and one watch per resource and selection however
 * many parts ask, each on a virtual thread of its own.
 */
public final class SharedInformers implements Informers {
  private final KubeClient client;
  private final Part part;
  private final Map<Key, ReflectingInformer> informers = new HashMap<>();
  private boolean closed;

  private record Key(ResourceType type, String namespace, Selection selection) {}

  /** Informers of whole objects, but for who manages which of their fields. */
  public SharedInformers(KubeClient client) {
    this(client, Part.WITHOUT_MANAGED_FIELDS);
  }

  /** Informers that keep only a part of each object, for readers of very many. */
  public SharedInformers(KubeClient client, Part part) {
    this.client = client;
    this.part = part;
  }

  @Override
  public synchronized Informer of(ResourceType type, String namespace, Selection selection) {
    if (closed) {
      throw new IllegalStateException("the informers are closed");
    }
    return informers.computeIfAbsent(
        new Key(type, namespace, selection),
        key -> {
          ReflectingInformer informer =
              new ReflectingInformer(
                  client, key.type(), key.namespace(), key.selection().only(part));
          informer.start();
          return informer;
        });
  }

  @Override
  public synchronized void close() {
    closed = true;
    informers.values().forEach(ReflectingInformer::close);
    informers.clear();
  }
}
