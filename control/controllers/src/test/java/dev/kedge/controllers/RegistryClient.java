package dev.kedge.controllers;

import dev.kedge.client.KubeClient;
import dev.kedge.client.ObjectWatch;
import dev.kedge.identity.User;
import dev.kedge.model.ApiException;
import dev.kedge.model.KubeObject;
import dev.kedge.model.ResourceType;
import dev.kedge.registry.Registry;
import dev.kedge.registry.Registry.ListOptions;
import dev.kedge.registry.Registry.Request;
import dev.kedge.registry.Registry.ServedList;
import dev.kedge.registry.Registry.ServedWatch;
import dev.kedge.registry.Registry.WatchEvent;
import dev.kedge.registry.Registry.WatchOptions;
import dev.kedge.registry.Registry.WriteOptions;
import dev.kedge.registry.ServedObject;
import java.time.Duration;
import java.util.ArrayDeque;
import java.util.Deque;
import java.util.Optional;

/** Calls a registry directly, as the product's in-process client does. */
final class RegistryClient implements KubeClient {
  private static final WriteOptions OPTIONS = WriteOptions.by("test");
  private final Registry registry;
  private final User user = User.of("system:apiserver", "system:masters");

  RegistryClient(Registry registry) {
    this.registry = registry;
  }

  private Request request(ResourceType type, String namespace, String name, String subresource) {
    return new Request(
        registry
            .catalog()
            .find(type.group(), type.version(), type.plural())
            .orElseThrow(() -> ApiException.notFound(type.group(), type.plural(), name)),
        namespace,
        name,
        subresource,
        user);
  }

  @Override
  public KubeObject get(ResourceType type, String namespace, String name) {
    return registry.get(request(type, namespace, name, ""), Registry.GetOptions.LATEST).tree();
  }

  @Override
  public KubeObject getSubresource(
      ResourceType type, String namespace, String name, String subresource) {
    return registry
        .get(request(type, namespace, name, subresource), Registry.GetOptions.LATEST)
        .tree();
  }

  @Override
  public ObjectList list(ResourceType type, String namespace, Selection selection) {
    ServedList list =
        registry.list(
            request(type, namespace, "", ""),
            new ListOptions(selection.labelSelector(), selection.fieldSelector(), "", "", 0, ""));
    return new ObjectList(
        list.items().stream().map(ServedObject::tree).toList(), list.resourceVersion());
  }

  @Override
  public ObjectWatch watch(
      ResourceType type, String namespace, Selection selection, String resourceVersion) {
    ServedWatch watch =
        registry.watch(
            request(type, namespace, "", ""),
            new WatchOptions(
                selection.labelSelector(),
                selection.fieldSelector(),
                resourceVersion,
                "",
                true,
                Optional.empty()));
    Deque<WatchEvent> waiting = new ArrayDeque<>();
    return new ObjectWatch() {
      @Override
      public Optional<Event> next() throws InterruptedException {
        while (waiting.isEmpty()) {
          waiting.addAll(watch.take(Duration.ofMinutes(1)));
          if (waiting.isEmpty() && watch.ended()) {
            return Optional.empty();
          }
        }
        WatchEvent event = waiting.remove();
        return Optional.of(
            new Event(EventType.valueOf(event.type().name()), event.object().tree()));
      }

      @Override
      public void close() {
        watch.close();
      }
    };
  }

  @Override
  public KubeObject create(ResourceType type, KubeObject object) {
    return registry
        .create(request(type, object.namespace(), "", ""), object.json(), OPTIONS)
        .object()
        .tree();
  }

  @Override
  public KubeObject update(ResourceType type, KubeObject object) {
    return updateSubresource(type, object, "");
  }

  @Override
  public KubeObject updateSubresource(ResourceType type, KubeObject object, String subresource) {
    return registry
        .update(
            request(type, object.namespace(), object.name(), subresource), object.json(), OPTIONS)
        .object()
        .tree();
  }

  @Override
  public KubeObject patch(ResourceType type, String namespace, String name, Patch patch) {
    return registry
        .patch(
            request(type, namespace, name, patch.subresource()),
            Registry.PatchType.valueOf(patch.type().name()),
            patch.body(),
            OPTIONS)
        .object()
        .tree();
  }

  @Override
  public void delete(ResourceType type, String namespace, String name, DeleteOptions options) {
    registry.delete(
        request(type, namespace, name, ""),
        new Registry.DeleteOptions(
            options.gracePeriodSeconds(),
            options.propagationPolicy(),
            Optional.empty(),
            options.uid(),
            options.resourceVersion(),
            false));
  }

  @Override
  public KubeObject createSubresource(
      ResourceType type, String namespace, String name, String subresource, KubeObject body) {
    return registry
        .create(request(type, namespace, name, subresource), body.json(), OPTIONS)
        .object()
        .tree();
  }
}
