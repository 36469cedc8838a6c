package dev.kedge.server;

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
import dev.kedge.registry.ResourceInfo;
import dev.kedge.registry.ServedObject;
import java.time.Duration;
import java.util.ArrayDeque;
import java.util.Deque;
import java.util.Optional;

/**
 * The {@link KubeClient} of kedge's own parts: calls the registry directly, so a controller reads
 * the very documents the API serves, without TLS, HTTP or JSON between. The parts are trusted;
 * requests are not authorised, but admission and validation see them like any other, under the
 * client's user.
 */
public final class InProcessClient implements KubeClient {
  private final Registry registry;
  private final User user;
  private final String fieldManager;

  /**
   * @param user who the requests come from
   * @param fieldManager name that owns the written fields
   */
  public InProcessClient(Registry registry, User user, String fieldManager) {
    this.registry = registry;
    this.user = user;
    this.fieldManager = fieldManager;
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
        list.items().stream().map(object -> part(object, selection.part())).toList(),
        list.resourceVersion());
  }

  @Override
  public ObjectWatch watch(
      ResourceType type, String namespace, Selection selection, String resourceVersion) {
    return new Watch(
        selection.part(),
        registry.watch(
            request(type, namespace, "", ""),
            new WatchOptions(
                selection.labelSelector(),
                selection.fieldSelector(),
                resourceVersion,
                "",
                true,
                Optional.empty())));
  }

  private static KubeObject part(ServedObject object, Part part) {
    return part == Part.WHOLE ? object.tree() : object.part(part);
  }

  @Override
  public KubeObject create(ResourceType type, KubeObject object) {
    return registry
        .create(
            request(type, object.namespace(), "", ""), object.json(), WriteOptions.by(fieldManager))
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
            request(type, object.namespace(), object.name(), subresource),
            object.json(),
            WriteOptions.by(fieldManager))
        .object()
        .tree();
  }

  @Override
  public KubeObject patch(ResourceType type, String namespace, String name, Patch patch) {
    String manager = patch.fieldManager().isEmpty() ? fieldManager : patch.fieldManager();
    WriteOptions plain = WriteOptions.by(manager);
    return registry
        .patch(
            request(type, namespace, name, patch.subresource()),
            Registry.PatchType.valueOf(patch.type().name()),
            patch.body(),
            new WriteOptions(
                manager, patch.force(), false, plain.fieldValidation(), plain.duplicates()))
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
        .create(
            request(type, namespace, name, subresource), body.json(), WriteOptions.by(fieldManager))
        .object()
        .tree();
  }

  private Request request(ResourceType type, String namespace, String name, String subresource) {
    ResourceInfo resource =
        registry
            .catalog()
            .find(type.group(), type.version(), type.plural())
            .orElseThrow(() -> ApiException.notFound(type.group(), type.plural(), name));
    return new Request(resource, namespace, name, subresource, user);
  }

  private static final class Watch implements ObjectWatch {
    /** Upper bound of one wait; an event, or the watch's end, wakes the reader at once. */
    private static final Duration WAIT = Duration.ofMinutes(1);

    private final Part part;
    private final ServedWatch watch;
    private final Deque<WatchEvent> waiting = new ArrayDeque<>();

    Watch(Part part, ServedWatch watch) {
      this.part = part;
      this.watch = watch;
    }

    @Override
    public Optional<Event> next() throws InterruptedException {
      while (waiting.isEmpty()) {
        waiting.addAll(watch.take(WAIT));
        if (waiting.isEmpty() && watch.ended()) {
          return Optional.empty();
        }
      }
      WatchEvent event = waiting.remove();
      return Optional.of(
          new Event(EventType.valueOf(event.type().name()), part(event.object(), part)));
    }

    @Override
    public void close() {
      watch.close();
    }
  }
}
