package dev.kedge.controllers;

import dev.kedge.model.JsonObject;
import dev.kedge.model.KubeObject;
import dev.kedge.model.ResourceType;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Optional;
import java.util.Set;
import org.jspecify.annotations.Nullable;

/**
 * Who owns whom, by uid, over every kind. Owners that dependents name but nobody has seen yet are
 * nodes too, marked unseen. Each change returns the uids to look at because of it. Thread-safe.
 */
final class OwnerGraph {
  private final Map<String, Node> nodes = new HashMap<>();
  private final Map<String, Set<String>> dependents = new HashMap<>();

  /** An owner reference. */
  record Owner(String apiVersion, String kind, String name, String uid, boolean blocks) {
    static Owner of(JsonObject reference) {
      return new Owner(
          reference.text("apiVersion").intern(),
          reference.text("kind").intern(),
          reference.text("name"),
          reference.text("uid"),
          reference.flag("blockOwnerDeletion"));
    }
  }

  /** An object, or one that is only spoken of. */
  record Node(
      @Nullable ResourceType knownType,
      Owner identity,
      String namespace,
      List<Owner> owners,
      List<String> finalizers,
      boolean deleting) {
    boolean unseen() {
      return knownType == null;
    }

    /** Whether a reference of an object in a namespace means this one, by more than the uid. */
    boolean isMeantBy(Owner reference, String dependentNamespace) {
      return reference.kind().equals(identity.kind())
          && reference.name().equals(identity.name())
          && group(reference).equals(group(identity))
          && (namespace.isEmpty() || namespace.equals(dependentNamespace));
    }

    private static String group(Owner owner) {
      int slash = owner.apiVersion().indexOf('/');
      return slash < 0 ? "" : owner.apiVersion().substring(0, slash);
    }

    /** The resource; only of objects that were seen. */
    ResourceType type() {
      return Objects.requireNonNull(knownType);
    }

    String uid() {
      return identity.uid();
    }

    String name() {
      return identity.name();
    }
  }

  synchronized Optional<Node> get(String uid) {
    return Optional.ofNullable(nodes.get(uid));
  }

  /** The objects that name an owner. */
  synchronized List<Node> dependents(String uid) {
    List<Node> result = new ArrayList<>();
    for (String dependent : dependents.getOrDefault(uid, Set.of())) {
      Node node = nodes.get(dependent);
      if (node != null) {
        result.add(node);
      }
    }
    return result;
  }

  /** The owners that nobody has seen. */
  synchronized List<String> unseen() {
    return nodes.values().stream().filter(Node::unseen).map(Node::uid).toList();
  }

  /** Takes an object's new state. */
  synchronized List<String> put(ResourceType type, KubeObject object) {
    Owner identity = new Owner(type.apiVersion(), type.kind(), object.name(), object.uid(), false);
    Node node =
        new Node(
            type,
            identity,
            object.namespace(),
            object.ownerReferences().stream().map(Owner::of).toList(),
            object.finalizers(),
            object.deleting());
    Node before = nodes.put(node.uid(), node);
    List<String> concerned = new ArrayList<>();
    List<Owner> ownersBefore = before == null ? List.of() : before.owners();
    for (Owner owner : ownersBefore) {
      if (node.owners().stream().noneMatch(o -> o.uid().equals(owner.uid()))) {
        unlink(node.uid(), owner.uid());
        concerned.add(owner.uid()); // may have waited for this dependent
      }
    }
    for (Owner owner : node.owners()) {
      dependents.computeIfAbsent(owner.uid(), _ -> new HashSet<>()).add(node.uid());
      Node known = nodes.get(owner.uid());
      if (known == null) {
        nodes.put(
            owner.uid(), new Node(null, owner, node.namespace(), List.of(), List.of(), false));
        concerned.add(owner.uid());
      } else if (known.deleting()) {
        concerned.add(node.uid());
      } else if (!known.unseen() && !known.isMeantBy(owner, node.namespace())) {
        concerned.add(node.uid()); // the reference names another object than the uid does
      }
    }
    if (before != null && before.unseen()) {
      // Until now the dependents' word was all there was; some may have meant another object.
      for (Node dependent : dependents(node.uid())) {
        boolean meant =
            dependent.owners().stream()
                .filter(owner -> owner.uid().equals(node.uid()))
                .allMatch(owner -> node.isMeantBy(owner, dependent.namespace()));
        if (!meant) {
          concerned.add(dependent.uid());
        }
      }
    }
    if (node.deleting()) {
      concerned.add(node.uid());
      if (before == null || !before.deleting()) {
        concerned.addAll(dependents.getOrDefault(node.uid(), Set.of()));
      }
    }
    return concerned;
  }

  /** Forgets an object that is gone. */
  synchronized List<String> remove(String uid) {
    Node node = nodes.remove(uid);
    if (node == null) {
      return List.of();
    }
    List<String> concerned = new ArrayList<>(dependents.getOrDefault(uid, Set.of()));
    for (Owner owner : node.owners()) {
      unlink(uid, owner.uid());
      concerned.add(owner.uid());
    }
    dependents.remove(uid);
    return concerned;
  }

  /** Forgets a kind that is no longer served; its objects are gone with it. */
  synchronized List<String> forget(ResourceType type) {
    List<String> concerned = new ArrayList<>();
    for (Node node : List.copyOf(nodes.values())) {
      if (type.equals(node.knownType())) {
        concerned.addAll(remove(node.uid()));
      }
    }
    return concerned;
  }

  private void unlink(String dependent, String owner) {
    Set<String> all = dependents.get(owner);
    if (all != null) {
      all.remove(dependent);
      if (all.isEmpty()) {
        dependents.remove(owner);
        Node node = nodes.get(owner);
        if (node != null && node.unseen()) {
          nodes.remove(owner);
        }
      }
    }
  }
}
