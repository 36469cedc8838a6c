package dev.kedge.controllers;

import dev.kedge.client.Events;
import dev.kedge.client.Informer;
import dev.kedge.client.KubeClient;
import dev.kedge.client.KubeClient.DeleteOptions;
import dev.kedge.client.KubeClient.Part;
import dev.kedge.client.KubeClient.Patch;
import dev.kedge.client.SharedInformers;
import dev.kedge.controllers.OwnerGraph.Node;
import dev.kedge.controllers.OwnerGraph.Owner;
import dev.kedge.model.ApiException;
import dev.kedge.model.JsonObject;
import dev.kedge.model.KubeObject;
import dev.kedge.model.ObjectKey;
import dev.kedge.model.ResourceType;
import dev.kedge.model.Resources;
import dev.kedge.reconcile.Controller;
import dev.kedge.reconcile.Reconciler;
import java.time.Duration;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.HashSet;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.function.BiConsumer;

/**
 * Deletes what has lost all its owners, and finishes foreground and orphaning deletions. Keys are
 * uids. It watches every kind, but keeps only who owns whom.
 */
final class GarbageCollector implements Reconciler, AutoCloseable {
  private static final String ORPHAN = "orphan";
  private static final String FOREGROUND = "foregroundDeletion";
  private static final ObjectKey REFRESH = new ObjectKey("types", "all");
  private static final Duration SETTLING = Duration.ofSeconds(1);

  /** Looks for which a kind that cannot be listed keeps owners of others from being missed. */
  private static final int PATIENCE = 30;

  private final ControllerContext context;
  private final KubeClient client;
  private final Events events;
  private final OwnerGraph graph = new OwnerGraph();
  private final Map<ResourceType, SharedInformers> watched = new HashMap<>();
  private final Controller controller;
  private final List<BiConsumer<ResourceType, KubeObject>> listeners = new CopyOnWriteArrayList<>();
  private boolean closed;

  /** Looks in a row, by the only worker of their key, at which some kind was not listed yet. */
  private int unlisted;

  GarbageCollector(ControllerContext context, Recorders recorders) {
    this.context = context;
    this.client = context.client();
    this.events = recorders.of("garbage-collector-controller");
    this.controller =
        Controller.builder("garbage-collector", context.timeline(), this)
            .workers(20)
            .watches(context.informer(Resources.CUSTOM_RESOURCE_DEFINITIONS), _ -> List.of(REFRESH))
            .initially(REFRESH)
            .build();
  }

  Controller controller() {
    return controller;
  }

  /**
   * Tells of every object that comes or goes, of every kind but events: this is the one place that
   * sees them all. Called before the start only; the listener must be quick.
   */
  void onComeOrGone(BiConsumer<ResourceType, KubeObject> listener) {
    listeners.add(listener);
  }

  @Override
  public synchronized void close() {
    closed = true;
    watched.values().forEach(SharedInformers::close);
    watched.clear();
  }

  // ---- what is watched

  /**
   * Watches kinds that are newly served and forgets those that are not any more. Waits for nothing:
   * a kind may be gone again before its first list.
   *
   * @return whether all that is served is known
   */
  private boolean refresh() {
    boolean known;
    Map<String, ResourceType> served = new LinkedHashMap<>();
    for (ResourceType type : context.settings().resources().get()) {
      if (!type.plural().equals("events")) {
        served.putIfAbsent(type.groupResource(), type);
      }
    }
    Set<ResourceType> wanted = new HashSet<>(served.values());
    synchronized (this) {
      if (closed) {
        return true;
      }
      for (ResourceType type : List.copyOf(watched.keySet())) {
        if (!wanted.contains(type)) {
          SharedInformers informers = watched.remove(type);
          if (informers != null) {
            informers.close();
          }
          enqueue(graph.forget(type));
        }
      }
      for (ResourceType type : wanted) {
        if (watched.containsKey(type)) {
          continue;
        }
        SharedInformers informers = new SharedInformers(client, Part.OWNERSHIP);
        watched.put(type, informers);
        Informer informer = informers.of(type);
        informer.listen((before, after) -> changed(type, before, after));
      }
      known =
          watched.entrySet().stream().allMatch(each -> each.getValue().of(each.getKey()).synced());
      unlisted = known ? 0 : unlisted + 1;
    }
    if (known || unlisted > PATIENCE) {
      // Only now is who is not seen likely to be gone; each is asked for by name.
      enqueue(graph.unseen());
    }
    return known;
  }

  private void changed(ResourceType type, Optional<KubeObject> before, Optional<KubeObject> after) {
    if (after.isPresent()) {
      before
          .filter(old -> !old.uid().equals(after.get().uid()))
          .ifPresent(old -> enqueue(graph.remove(old.uid())));
      enqueue(graph.put(type, after.get()));
      if (before.isEmpty()) {
        tell(type, after.get());
      }
    } else {
      before.ifPresent(
          old -> {
            enqueue(graph.remove(old.uid()));
            tell(type, old);
          });
    }
  }

  private void tell(ResourceType type, KubeObject object) {
    listeners.forEach(listener -> listener.accept(type, object));
  }

  private void enqueue(List<String> uids) {
    uids.forEach(uid -> controller.add(new ObjectKey("", uid)));
  }

  // ---- what is done

  @Override
  public Result reconcile(ObjectKey key) {
    if (key.equals(REFRESH)) {
      // A definition is served a moment after it is written, and listed another one later.
      return !refresh()
              || context.informer(Resources.CUSTOM_RESOURCE_DEFINITIONS).all().stream()
                  .anyMatch(crd -> !watches(crd))
          ? Result.again(SETTLING)
          : Result.DONE;
    }
    Optional<Node> found = graph.get(key.name());
    if (found.isEmpty()) {
      return Result.DONE;
    }
    Node node = found.get();
    if (node.unseen()) {
      verify(node);
    } else if (node.finalizers().contains(ORPHAN) && node.deleting()) {
      orphanDependents(node);
    } else if (node.finalizers().contains(FOREGROUND) && node.deleting()) {
      finishForeground(node);
    } else if (!node.deleting() && !node.owners().isEmpty()) {
      judge(node);
    }
    return Result.DONE;
  }

  private synchronized boolean watches(KubeObject crd) {
    return crd.deleting()
        || Conditions.find(crd.status(), "NamesAccepted")
            .map(c -> c.text("status").equals("False"))
            .orElse(false)
        || crd.spec().objects("versions").stream().noneMatch(version -> version.flag("served"))
        || watched.keySet().stream()
            .anyMatch(
                type ->
                    type.group().equals(crd.spec().text("group"))
                        && type.plural().equals(crd.spec().text("names", "plural")));
  }

  /** An owner that only its dependents speak of: if it is not there, it is gone. */
  private void verify(Node node) {
    switch (exists(node.identity(), node.namespace())) {
      case YES, UNKNOWN -> {
        // its own informer will tell, or its kind is not served at the moment
      }
      case NO -> enqueue(graph.remove(node.uid()));
    }
  }

  private enum Existence {
    YES,
    NO,
    UNKNOWN
  }

  private Existence exists(Owner owner, String namespace) {
    Optional<ResourceType> type = type(owner);
    if (type.isEmpty()) {
      return Existence.UNKNOWN;
    }
    Optional<KubeObject> live =
        client.find(type.get(), type.get().namespaced() ? namespace : "", owner.name());
    return live.isPresent() && live.get().uid().equals(owner.uid()) ? Existence.YES : Existence.NO;
  }

  private Optional<ResourceType> type(Owner owner) {
    int slash = owner.apiVersion().indexOf('/');
    String group = slash < 0 ? "" : owner.apiVersion().substring(0, slash);
    synchronized (this) {
      return watched.keySet().stream()
          .filter(type -> type.group().equals(group) && type.kind().equals(owner.kind()))
          .findFirst();
    }
  }

  private void judge(Node node) {
    ResourceType type = node.type();
    Optional<KubeObject> live = client.find(type, node.namespace(), node.name());
    if (live.isEmpty() || !live.get().uid().equals(node.uid())) {
      enqueue(graph.remove(node.uid()));
      return;
    }
    KubeObject object = live.get();
    if (object.deleting()) {
      return;
    }
    List<JsonObject> solid = new ArrayList<>();
    int waiting = 0;
    for (JsonObject reference : object.ownerReferences()) {
      Owner owner = Owner.of(reference);
      Optional<Node> known = graph.get(owner.uid()).filter(other -> !other.unseen());
      if (known.isPresent() && known.get().isMeantBy(owner, node.namespace())) {
        if (known.get().deleting() && known.get().finalizers().contains(FOREGROUND)) {
          waiting++;
        } else {
          solid.add(reference);
        }
        continue;
      }
      boolean nowhere =
          !type.namespaced() && type(owner).map(ResourceType::namespaced).orElse(false);
      if (known.isPresent() || nowhere) {
        // A name of another namespace, or of another kind: whoever wrote it should know.
        events.warning(
            object,
            "OwnerRefInvalidNamespace",
            "ownerRef "
                + described(owner, node.namespace())
                + " does not exist in namespace \""
                + node.namespace()
                + "\"");
      }
      // Where there is no namespace to look in, the reference is its author's error, not a death.
      if (nowhere || exists(owner, node.namespace()) != Existence.NO) {
        solid.add(reference);
      }
    }
    if (object.ownerReferences().isEmpty()) {
      return;
    }
    if (!solid.isEmpty()) {
      if (solid.size() < object.ownerReferences().size()) {
        Owners.set(client, type, object, solid);
      }
      return;
    }
    boolean hasDependents = !graph.dependents(node.uid()).isEmpty();
    String policy =
        waiting > 0 && hasDependents || object.finalizers().contains(FOREGROUND)
            ? "Foreground"
            : object.finalizers().contains(ORPHAN) ? "Orphan" : "Background";
    delete(type, object, policy);
  }

  private static String described(Owner owner, String namespace) {
    return "["
        + owner.apiVersion()
        + "/"
        + owner.kind()
        + ", namespace: "
        + namespace
        + ", name: "
        + owner.name()
        + ", uid: "
        + owner.uid()
        + "]";
  }

  private void delete(ResourceType type, KubeObject object, String policy) {
    try {
      client.delete(
          type,
          object.namespace(),
          object.name(),
          new DeleteOptions(Optional.empty(), policy, object.uid(), ""));
    } catch (ApiException e) {
      if (!e.isNotFound()) {
        throw e;
      }
    }
  }

  private void orphanDependents(Node node) {
    for (Node dependent : graph.dependents(node.uid())) {
      Optional<KubeObject> live =
          client.find(dependent.type(), dependent.namespace(), dependent.name());
      if (live.isEmpty() || !live.get().uid().equals(dependent.uid())) {
        continue;
      }
      List<JsonObject> others =
          live.get().ownerReferences().stream()
              .filter(reference -> !reference.text("uid").equals(node.uid()))
              .toList();
      if (others.size() < live.get().ownerReferences().size()) {
        Owners.set(client, dependent.type(), live.get(), others);
      }
    }
    removeFinalizer(node, ORPHAN);
  }

  private void finishForeground(Node node) {
    boolean blocked = false;
    for (Node dependent : graph.dependents(node.uid())) {
      for (Owner owner : dependent.owners()) {
        if (owner.uid().equals(node.uid())) {
          // Those that wait for each other in a circle would wait for ever.
          blocked |= owner.blocks() && !waitsFor(dependent, node.uid(), new HashSet<>());
        }
      }
      if (!dependent.deleting()) {
        controller.add(new ObjectKey("", dependent.uid()));
      }
    }
    if (!blocked) {
      removeFinalizer(node, FOREGROUND);
    }
  }

  /** Whether an object's end waits, through whatever it owns, for the end of another. */
  private boolean waitsFor(Node node, String uid, Set<String> seen) {
    if (!node.deleting() || !node.finalizers().contains(FOREGROUND) || !seen.add(node.uid())) {
      return false;
    }
    for (Node dependent : graph.dependents(node.uid())) {
      boolean blocks =
          dependent.owners().stream()
              .anyMatch(owner -> owner.uid().equals(node.uid()) && owner.blocks());
      if (blocks && (dependent.uid().equals(uid) || waitsFor(dependent, uid, seen))) {
        return true;
      }
    }
    return false;
  }

  private void removeFinalizer(Node node, String finalizer) {
    Optional<KubeObject> live = client.find(node.type(), node.namespace(), node.name());
    if (live.isEmpty() || !live.get().uid().equals(node.uid())) {
      return;
    }
    KubeObject object = live.get();
    if (!object.finalizers().contains(finalizer)) {
      return;
    }
    client.patch(
        node.type(),
        node.namespace(),
        node.name(),
        Patch.merge(
            JsonObject.of(
                "metadata",
                JsonObject.of(
                    "resourceVersion",
                    object.resourceVersion(),
                    "finalizers",
                    object.finalizers().stream()
                        .filter(name -> !name.equals(finalizer))
                        .toList()))));
  }
}
