package dev.kedge.network.services;

import dev.kedge.client.Informer;
import dev.kedge.client.Informers;
import dev.kedge.client.KubeClient.Selection;
import dev.kedge.model.KubeObject;
import dev.kedge.model.ObjectKey;
import dev.kedge.model.ResourceType;
import java.time.Duration;
import java.util.Collection;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.function.BooleanSupplier;

/** Informers whose objects the test puts in by hand. */
public final class TestInformers implements Informers {
  private final Map<ResourceType, Fixed> informers = new ConcurrentHashMap<>();

  /** Adds or changes an object. */
  public void put(ResourceType type, String json) {
    fixed(type).put(KubeObject.parse(json.getBytes(java.nio.charset.StandardCharsets.UTF_8)));
  }

  /** Takes an object away. */
  public void delete(ResourceType type, String namespace, String name) {
    fixed(type).delete(new ObjectKey(namespace, name));
  }

  @Override
  public Informer of(ResourceType type, String namespace, Selection selection) {
    return fixed(type);
  }

  @Override
  public void close() {}

  private Fixed fixed(ResourceType type) {
    return informers.computeIfAbsent(type, _ -> new Fixed());
  }

  private static final class Fixed implements Informer {
    private final Map<ObjectKey, KubeObject> objects = new ConcurrentHashMap<>();
    private final List<Listener> listeners = new CopyOnWriteArrayList<>();

    synchronized void put(KubeObject object) {
      KubeObject before = objects.put(object.key(), object);
      listeners.forEach(l -> l.changed(Optional.ofNullable(before), Optional.of(object)));
    }

    synchronized void delete(ObjectKey key) {
      KubeObject before = objects.remove(key);
      listeners.forEach(l -> l.changed(Optional.ofNullable(before), Optional.empty()));
    }

    @Override
    public Optional<KubeObject> get(ObjectKey key) {
      return Optional.ofNullable(objects.get(key));
    }

    @Override
    public Collection<KubeObject> all() {
      return List.copyOf(objects.values());
    }

    @Override
    public Collection<KubeObject> inNamespace(String namespace) {
      return all().stream().filter(object -> object.namespace().equals(namespace)).toList();
    }

    @Override
    public List<KubeObject> controlledBy(String ownerUid) {
      return List.of();
    }

    @Override
    public synchronized void listen(Listener listener) {
      listeners.add(listener);
      objects.values().forEach(o -> listener.changed(Optional.empty(), Optional.of(o)));
    }

    @Override
    public boolean synced() {
      return true;
    }

    @Override
    public void awaitSynced() {}

    @Override
    public boolean await(Duration atMost, BooleanSupplier condition) {
      return condition.getAsBoolean();
    }

    @Override
    public String resourceVersion() {
      return "1";
    }
  }
}
