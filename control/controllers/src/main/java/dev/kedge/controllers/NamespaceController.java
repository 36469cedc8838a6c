package dev.kedge.controllers;

import dev.kedge.client.Informer;
import dev.kedge.client.KubeClient;
import dev.kedge.client.KubeClient.DeleteOptions;
import dev.kedge.client.KubeClient.Selection;
import dev.kedge.model.ApiException;
import dev.kedge.model.JsonObject;
import dev.kedge.model.KubeObject;
import dev.kedge.model.ObjectKey;
import dev.kedge.model.ResourceType;
import dev.kedge.model.Resources;
import dev.kedge.reconcile.Controller;
import dev.kedge.reconcile.Reconciler;
import dev.kedge.reconcile.Timeline;
import java.time.Duration;
import java.time.Instant;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.TreeMap;
import java.util.concurrent.ConcurrentHashMap;
import java.util.stream.Collectors;

/**
 * Empties a namespace that is being deleted, kind by kind, then lets it go. What keeps it is told
 * in the namespace's conditions.
 */
final class NamespaceController implements Reconciler {
  private static final String FINALIZER = "kubernetes";

  private final ControllerContext context;
  private final KubeClient client;
  private final Timeline timeline;
  private final Informer namespaces;
  private final Map<ObjectKey, Integer> rounds = new ConcurrentHashMap<>();

  private NamespaceController(ControllerContext context) {
    this.context = context;
    this.client = context.client();
    this.timeline = context.timeline();
    this.namespaces = context.informer(Resources.NAMESPACES);
  }

  static Controller create(ControllerContext context) {
    NamespaceController reconciler = new NamespaceController(context);
    Informer pods = context.informer(Resources.PODS);
    return Controller.builder("namespace", context.timeline(), reconciler)
        .watches(reconciler.namespaces)
        // Pods take the longest; the end of one may be the end of the namespace.
        .changes(
            pods,
            (before, after) ->
                after.isEmpty() ? reconciler.deleting(before.orElseThrow()) : List.of())
        .build();
  }

  private List<ObjectKey> deleting(KubeObject pod) {
    return namespaces
        .get("", pod.namespace())
        .filter(KubeObject::deleting)
        .map(namespace -> List.of(namespace.key()))
        .orElse(List.of());
  }

  @Override
  public Result reconcile(ObjectKey key) {
    Optional<KubeObject> found = namespaces.get(key);
    if (found.isEmpty() || !found.get().deleting()) {
      rounds.remove(key);
      return Result.DONE;
    }
    KubeObject namespace = found.get();
    List<String> finalizers = namespace.spec().strings("finalizers");
    if (!finalizers.contains(FINALIZER)) {
      return Result.DONE; // others still hold it, or it is about to vanish
    }
    Emptying emptying = new Emptying(namespace);
    emptying.run();
    if (emptying.remaining.isEmpty() && emptying.failures.isEmpty()) {
      rounds.remove(key);
      finalizeNamespace(namespace, finalizers);
      return Result.DONE;
    }
    report(namespace, emptying);
    // Other kinds than pods end without telling this controller: it looks again, ever less often.
    int round = rounds.merge(key, 1, Integer::sum);
    return Result.again(Duration.ofMillis(Math.min(15_000, 100L << Math.min(round, 10))));
  }

  private void finalizeNamespace(KubeObject namespace, List<String> finalizers) {
    try {
      KubeObject fresh = client.get(Resources.NAMESPACES, "", namespace.name());
      client.updateSubresource(
          Resources.NAMESPACES,
          fresh.with(
              "spec",
              fresh
                  .spec()
                  .with(
                      "finalizers",
                      finalizers.stream().filter(name -> !name.equals(FINALIZER)).toList())),
          "finalize");
    } catch (ApiException e) {
      if (!e.isNotFound()) {
        throw e;
      }
    }
  }

  /** One pass over every kind. */
  private final class Emptying {
    private final KubeObject namespace;
    private final Map<String, Integer> remaining = new TreeMap<>();
    private final Map<String, Integer> finalizers = new TreeMap<>();
    private final List<String> failures = new ArrayList<>();

    Emptying(KubeObject namespace) {
      this.namespace = namespace;
    }

    void run() {
      List<ResourceType> types = new ArrayList<>(context.settings().resources().get());
      types.removeIf(type -> !type.namespaced() || type.equals(Resources.PODS));
      // Pods first, and alone until the last is gone: what protects or configures them, such as
      // network policies and secrets, must not go before they do.
      attempt(Resources.PODS);
      if (remaining.isEmpty()) {
        types.forEach(this::attempt);
      }
    }

    private void attempt(ResourceType type) {
      try {
        empty(type);
      } catch (ApiException e) {
        if (!e.isNotFound() && e.code() != 405) {
          failures.add("failed to delete " + type.groupResource() + ": " + e.status().message());
        }
      }
    }

    private void empty(ResourceType type) {
      int left = 0;
      for (KubeObject object : client.list(type, namespace.name(), Selection.ALL).items()) {
        if (!object.deleting()) {
          try {
            client.delete(type, namespace.name(), object.name(), DeleteOptions.background());
          } catch (ApiException e) {
            if (!e.isNotFound()) {
              throw e;
            }
          }
        }
        Optional<KubeObject> now =
            object.finalizers().isEmpty() && !type.equals(Resources.PODS)
                ? Optional.empty()
                : client.find(type, namespace.name(), object.name());
        if (now.isPresent()) {
          left++;
          now.get().finalizers().forEach(name -> finalizers.merge(name, 1, Integer::sum));
        }
      }
      if (left > 0) {
        remaining.merge(type.groupResource(), left, Integer::sum);
      }
    }
  }

  private void report(KubeObject namespace, Emptying emptying) {
    Instant now = timeline.instant();
    String content =
        emptying.remaining.entrySet().stream()
            .map(
                entry ->
                    (entry.getKey().contains(".") ? entry.getKey() : entry.getKey() + ".")
                        + " has "
                        + entry.getValue()
                        + " resource instances")
            .collect(Collectors.joining(", "));
    String held =
        emptying.finalizers.entrySet().stream()
            .map(entry -> entry.getKey() + " in " + entry.getValue() + " resource instances")
            .collect(Collectors.joining(", "));
    JsonObject status = namespace.status();
    status =
        with(
            status,
            "NamespaceDeletionDiscoveryFailure",
            false,
            "ResourcesDiscovered",
            "All resources successfully discovered",
            now);
    status =
        with(
            status,
            "NamespaceDeletionGroupVersionParsingFailure",
            false,
            "ParsedGroupVersions",
            "All legacy kube types successfully parsed",
            now);
    status =
        with(
            status,
            "NamespaceDeletionContentFailure",
            !emptying.failures.isEmpty(),
            emptying.failures.isEmpty() ? "ContentDeleted" : "ContentDeletionFailed",
            emptying.failures.isEmpty()
                ? "All content successfully deleted, may be waiting on finalization"
                : "Failed to delete all resource types, "
                    + emptying.failures.size()
                    + " remaining: "
                    + String.join(", ", emptying.failures),
            now);
    status =
        with(
            status,
            "NamespaceContentRemaining",
            !content.isEmpty(),
            content.isEmpty() ? "ContentRemoved" : "SomeResourcesRemain",
            content.isEmpty()
                ? "All content successfully removed"
                : "Some resources are remaining: " + content,
            now);
    status =
        with(
            status,
            "NamespaceFinalizersRemaining",
            !held.isEmpty(),
            held.isEmpty() ? "ContentHasNoFinalizers" : "SomeFinalizersRemain",
            held.isEmpty()
                ? "All content-preserving finalizers finished"
                : "Some content in the namespace has finalizers remaining: " + held,
            now);
    Writes.status(client, Resources.NAMESPACES, namespace, status);
  }

  private static JsonObject with(
      JsonObject status, String type, boolean value, String reason, String message, Instant now) {
    return status.with(
        "conditions",
        Conditions.with(status, type, value ? "True" : "False", reason, message, now));
  }
}
