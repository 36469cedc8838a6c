package dev.kedge.network.ingress;

import dev.kedge.client.Informer;
import dev.kedge.client.Informers;
import dev.kedge.client.KubeClient;
import dev.kedge.client.ObjectWatch;
import dev.kedge.model.ApiException;
import dev.kedge.model.Json;
import dev.kedge.model.JsonObject;
import dev.kedge.model.KubeObject;
import dev.kedge.model.ObjectKey;
import dev.kedge.model.ResourceType;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Collection;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.concurrent.ConcurrentHashMap;
import java.util.function.BooleanSupplier;

/** Objects in memory, with the few calls of a client that the controller makes. */
final class FakeCluster implements KubeClient, Informers {
  private final Map<ResourceType, View> views = new ConcurrentHashMap<>();
  private int version;

  private final class View implements Informer {
    private final Map<ObjectKey, KubeObject> objects = new ConcurrentHashMap<>();
    private final List<Listener> listeners = new ArrayList<>();

    @Override
    public Optional<KubeObject> get(ObjectKey key) {
      return Optional.ofNullable(objects.get(key));
    }

    @Override
    public Collection<KubeObject> all() {
      return objects.values();
    }

    @Override
    public Collection<KubeObject> inNamespace(String namespace) {
      return objects.values().stream().filter(o -> o.namespace().equals(namespace)).toList();
    }

    @Override
    public List<KubeObject> controlledBy(String ownerUid) {
      throw new UnsupportedOperationException();
    }

    @Override
    public void listen(Listener listener) {
      synchronized (FakeCluster.this) {
        objects.values().forEach(o -> listener.changed(Optional.empty(), Optional.of(o)));
        listeners.add(listener);
      }
    }

    @Override
    public boolean synced() {
      return true;
    }

    @Override
    public void awaitSynced() {}

    @Override
    public boolean await(Duration atMost, BooleanSupplier condition) {
      throw new UnsupportedOperationException();
    }

    @Override
    public String resourceVersion() {
      return Integer.toString(version);
    }
  }

  private View view(ResourceType type) {
    return views.computeIfAbsent(type, t -> new View());
  }

  synchronized KubeObject put(ResourceType type, KubeObject object) {
    View view = view(type);
    KubeObject stored = object.withMetadata("resourceVersion", Integer.toString(++version));
    Optional<KubeObject> before = Optional.ofNullable(view.objects.put(stored.key(), stored));
    view.listeners.forEach(l -> l.changed(before, Optional.of(stored)));
    return stored;
  }

  KubeObject put(ResourceType type, String json) {
    return put(type, new KubeObject(Json.parseObject(json.getBytes(StandardCharsets.UTF_8))));
  }

  synchronized void remove(ResourceType type, String namespace, String name) {
    View view = view(type);
    Optional<KubeObject> before =
        Optional.ofNullable(view.objects.remove(new ObjectKey(namespace, name)));
    view.listeners.forEach(l -> l.changed(before, Optional.empty()));
  }

  @Override
  public Informer of(ResourceType type, String namespace, Selection selection) {
    return view(type);
  }

  @Override
  public KubeObject get(ResourceType type, String namespace, String name) {
    return view(type)
        .get(namespace, name)
        .orElseThrow(() -> ApiException.notFound(type.group(), type.plural(), name));
  }

  @Override
  public synchronized KubeObject create(ResourceType type, KubeObject object) {
    if (view(type).objects.containsKey(object.key())) {
      throw ApiException.alreadyExists(type.group(), type.plural(), object.name());
    }
    return put(type, object);
  }

  @Override
  public synchronized KubeObject patch(
      ResourceType type, String namespace, String name, Patch patch) {
    KubeObject old = get(type, namespace, name);
    if (patch.type() != PatchType.MERGE || !patch.subresource().equals("status")) {
      throw new UnsupportedOperationException();
    }
    JsonObject status = old.status();
    for (String field : ((JsonObject) patch.body()).object("status").names()) {
      status = status.with(field, ((JsonObject) patch.body()).object("status").object(field));
    }
    return put(type, old.withStatus(status));
  }

  @Override
  public ObjectList list(ResourceType type, String namespace, Selection selection) {
    throw new UnsupportedOperationException();
  }

  @Override
  public ObjectWatch watch(
      ResourceType type, String namespace, Selection selection, String resourceVersion) {
    throw new UnsupportedOperationException();
  }

  @Override
  public KubeObject update(ResourceType type, KubeObject object) {
    throw new UnsupportedOperationException();
  }

  @Override
  public KubeObject updateSubresource(ResourceType type, KubeObject object, String subresource) {
    throw new UnsupportedOperationException();
  }

  @Override
  public void delete(ResourceType type, String namespace, String name, DeleteOptions options) {
    throw new UnsupportedOperationException();
  }

  @Override
  public KubeObject getSubresource(
      ResourceType type, String namespace, String name, String subresource) {
    throw new UnsupportedOperationException();
  }

  @Override
  public KubeObject createSubresource(
      ResourceType type, String namespace, String name, String subresource, KubeObject body) {
    throw new UnsupportedOperationException();
  }

  @Override
  public void close() {}
}
