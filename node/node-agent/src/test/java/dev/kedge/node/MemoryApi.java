package dev.kedge.node;

import dev.kedge.client.KubeClient;
import dev.kedge.client.ObjectWatch;
import dev.kedge.model.ApiException;
import dev.kedge.model.JsonNull;
import dev.kedge.model.JsonObject;
import dev.kedge.model.JsonValue;
import dev.kedge.model.KubeObject;
import dev.kedge.model.ObjectKey;
import dev.kedge.model.ResourceType;
import dev.kedge.model.Resources;
import java.time.Instant;
import java.time.temporal.ChronoUnit;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.UUID;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.LinkedBlockingQueue;

/**
 * Just enough of an API server to run pods against in the node's own tests: objects in maps,
 * watches, merge patches, graceful deletion of pods, tokens. The tests of product/server use the
 * real one.
 */
final class MemoryApi implements KubeClient {
  private final Map<ResourceType, Map<ObjectKey, KubeObject>> objects = new HashMap<>();
  private final List<Watch> watches = new ArrayList<>();
  private long revision = 1;

  private final class Watch implements ObjectWatch {
    private final ResourceType type;
    private final Selection selection;
    private final String namespace;
    private final BlockingQueue<Optional<Event>> queue = new LinkedBlockingQueue<>();

    Watch(ResourceType type, String namespace, Selection selection) {
      this.type = type;
      this.namespace = namespace;
      this.selection = selection;
    }

    @Override
    public Optional<Event> next() throws InterruptedException {
      return queue.take();
    }

    @Override
    public void close() {
      queue.add(Optional.empty());
    }
  }

  private static boolean matches(KubeObject object, String namespace, Selection selection) {
    if (!namespace.isEmpty() && !namespace.equals(object.namespace())) {
      return false;
    }
    for (String term : selection.fieldSelector().split(",")) {
      String[] parts = term.split("=", 2);
      if (parts.length == 2 && !object.json().text(parts[0].split("\\.")).equals(parts[1])) {
        return false;
      }
    }
    return true;
  }

  private Map<ObjectKey, KubeObject> of(ResourceType type) {
    return objects.computeIfAbsent(type, _ -> new HashMap<>());
  }

  private void tell(ObjectWatch.EventType event, ResourceType type, KubeObject object) {
    for (Watch watch : watches) {
      if (watch.type.equals(type) && matches(object, watch.namespace, watch.selection)) {
        watch.queue.add(Optional.of(new ObjectWatch.Event(event, object)));
      }
    }
  }

  private KubeObject store(ResourceType type, KubeObject object, boolean fresh) {
    KubeObject stored = object.withMetadata("resourceVersion", "" + ++revision);
    of(type).put(stored.key(), stored);
    tell(fresh ? ObjectWatch.EventType.ADDED : ObjectWatch.EventType.MODIFIED, type, stored);
    return stored;
  }

  @Override
  public synchronized KubeObject get(ResourceType type, String namespace, String name) {
    KubeObject object = of(type).get(new ObjectKey(namespace, name));
    if (object == null) {
      throw ApiException.notFound(type.group(), type.plural(), name);
    }
    return object;
  }

  @Override
  public synchronized ObjectList list(ResourceType type, String namespace, Selection selection) {
    return new ObjectList(
        of(type).values().stream().filter(o -> matches(o, namespace, selection)).toList(),
        "" + revision);
  }

  @Override
  public synchronized ObjectWatch watch(
      ResourceType type, String namespace, Selection selection, String resourceVersion) {
    Watch watch = new Watch(type, namespace, selection);
    long from = resourceVersion.isEmpty() ? 0 : Long.parseLong(resourceVersion);
    for (KubeObject object : of(type).values()) {
      if (matches(object, namespace, selection)
          && Long.parseLong(object.resourceVersion()) > from) {
        watch.queue.add(Optional.of(new ObjectWatch.Event(ObjectWatch.EventType.ADDED, object)));
      }
    }
    watches.add(watch);
    return watch;
  }

  @Override
  public synchronized KubeObject create(ResourceType type, KubeObject object) {
    String name =
        object.name().isEmpty()
            ? object.json().text("metadata", "generateName") + UUID.randomUUID()
            : object.name();
    if (of(type).containsKey(new ObjectKey(object.namespace(), name))) {
      throw ApiException.alreadyExists(type.group(), type.plural(), name);
    }
    return store(
        type,
        object
            .withMetadata("name", name)
            .withMetadata("uid", UUID.randomUUID().toString())
            .withMetadata(
                "creationTimestamp", Instant.now().truncatedTo(ChronoUnit.SECONDS).toString()),
        true);
  }

  @Override
  public synchronized KubeObject update(ResourceType type, KubeObject object) {
    KubeObject before = get(type, object.namespace(), object.name());
    if (!object.resourceVersion().isEmpty()
        && !object.resourceVersion().equals(before.resourceVersion())) {
      throw ApiException.modified(type.group(), type.plural(), object.name());
    }
    return store(type, object, false);
  }

  @Override
  public synchronized KubeObject updateSubresource(
      ResourceType type, KubeObject object, String subresource) {
    return store(
        type, get(type, object.namespace(), object.name()).withStatus(object.status()), false);
  }

  @Override
  public synchronized KubeObject patch(
      ResourceType type, String namespace, String name, Patch patch) {
    KubeObject before = get(type, namespace, name);
    JsonObject body = (JsonObject) patch.body();
    String uid = body.text("metadata", "uid");
    if (!uid.isEmpty() && !uid.equals(before.uid())) {
      throw ApiException.conflict(type.group(), type.plural(), name, "uid");
    }
    return store(type, new KubeObject(merge(before.json(), body)), false);
  }

  private static JsonObject merge(JsonObject target, JsonObject patch) {
    JsonObject result = target;
    for (String field : patch.names()) {
      JsonValue value = patch.get(field).orElseThrow();
      if (value instanceof JsonNull) {
        result = result.without(field);
      } else if (value instanceof JsonObject object) {
        result = result.with(field, merge(result.object(field), object));
      } else {
        result = result.with(field, value);
      }
    }
    return result;
  }

  @Override
  public synchronized void delete(
      ResourceType type, String namespace, String name, DeleteOptions options) {
    KubeObject before = get(type, namespace, name);
    if (!options.uid().isEmpty() && !options.uid().equals(before.uid())) {
      throw ApiException.conflict(type.group(), type.plural(), name, "uid");
    }
    long grace =
        options
            .gracePeriodSeconds()
            .orElse(before.spec().integerOr(30, "terminationGracePeriodSeconds"));
    if (type.equals(Resources.PODS) && grace > 0) {
      store(
          type,
          before
              .withMetadata(
                  "deletionTimestamp",
                  Instant.now().plusSeconds(grace).truncatedTo(ChronoUnit.SECONDS).toString())
              .withMetadata("deletionGracePeriodSeconds", grace),
          false);
      return;
    }
    of(type).remove(before.key());
    tell(
        ObjectWatch.EventType.DELETED,
        type,
        before.withMetadata("resourceVersion", "" + ++revision));
  }

  @Override
  public KubeObject getSubresource(
      ResourceType type, String namespace, String name, String subresource) {
    throw new UnsupportedOperationException();
  }

  @Override
  public synchronized KubeObject createSubresource(
      ResourceType type, String namespace, String name, String subresource, KubeObject body) {
    return body.withStatus(
        JsonObject.of(
            "token",
            "token-of-" + name + "-" + ++revision,
            "expirationTimestamp",
            Instant.now().plusSeconds(3600).truncatedTo(ChronoUnit.SECONDS).toString()));
  }
}
