package dev.kedge.registry;

import dev.kedge.identity.User;
import dev.kedge.model.ApiException;
import dev.kedge.model.Json;
import dev.kedge.model.KubeObject;
import dev.kedge.model.Status.Cause;
import dev.kedge.model.Times;
import dev.kedge.registry.AdmissionPlugin.Operation;
import dev.kedge.registry.AdmissionPlugin.Review;
import dev.kedge.registry.Registry.DeleteOptions;
import dev.kedge.registry.Registry.Deleted;
import dev.kedge.registry.Writes.Current;
import dev.kedge.store.Store;
import dev.kedge.store.Store.WriteResult;
import dev.kedge.store.cache.ResourceVersions;
import java.time.Clock;
import java.time.Instant;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.Set;

/**
 * Deletes objects: at once, or by marking them and leaving the rest to who holds a finalizer or
 * stops the pod. The rules are upstream's ({@code registry/rest BeforeDelete}). Any thread.
 */
final class Deletes {
  private static final String ORPHAN = "orphan";
  private static final String FOREGROUND = "foregroundDeletion";

  private final Store store;
  private final Clock clock;
  private final Admission admission;
  private final Writes writes;
  private final List<WriteHook> hooks;

  Deletes(Store store, Clock clock, Admission admission, Writes writes, List<WriteHook> hooks) {
    this.store = store;
    this.clock = clock;
    this.admission = admission;
    this.writes = writes;
    this.hooks = List.copyOf(hooks);
  }

  /**
   * Deletes one object.
   *
   * @throws ApiException 404 if it is absent, 409 if a precondition fails
   */
  Deleted delete(Served served, String namespace, String name, DeleteOptions options, User user) {
    validate(options);
    StoredKind kind = served.stored();
    String key = kind.key(namespace, name);
    boolean fresh = false;
    while (true) {
      List<String> warnings = new ArrayList<>();
      Optional<Current> found = writes.current(kind, key, fresh);
      if (found.isEmpty()) {
        if (fresh) {
          throw ApiException.notFound(served.group(), served.plural(), name);
        }
        fresh = true;
        continue;
      }
      Current current = found.get();
      Optional<ApiException> failed = precondition(served, name, current.stored(), options);
      if (failed.isPresent()) {
        if (fresh) {
          throw failed.get();
        }
        fresh = true;
        continue;
      }
      Review review =
          writes.review(
              Operation.DELETE,
              kind,
              "",
              namespace,
              name,
              user,
              current.stored(),
              options.dryRun(),
              warnings,
              writes.forms(served, Forms.Lens.WHOLE, Forms.options(options)));
      admission.admit(review);
      admission.validate(review, current.stored());
      Optional<Deleted> deleted = attempt(served, key, current, options, fresh);
      if (deleted.isPresent()) {
        return new Deleted(deleted.get().object(), deleted.get().finished(), warnings);
      }
      fresh = true;
    }
  }

  private static void validate(DeleteOptions options) {
    List<Cause> causes = new ArrayList<>();
    if (options.orphanDependents().isPresent() && !options.propagationPolicy().isEmpty()) {
      causes.add(
          new Cause(
              "FieldValueInvalid",
              "Invalid value: \""
                  + options.propagationPolicy()
                  + "\": orphanDependents and deletionPropagation cannot be both set",
              "propagationPolicy"));
    }
    if (!options.propagationPolicy().isEmpty()
        && !Set.of("Foreground", "Background", "Orphan").contains(options.propagationPolicy())) {
      causes.add(
          new Cause(
              "FieldValueNotSupported",
              "Unsupported value: \""
                  + options.propagationPolicy()
                  + "\": supported values: \"Foreground\", \"Background\", \"Orphan\", \"nil\"",
              "propagationPolicy"));
    }
    if (!causes.isEmpty()) {
      throw ApiException.invalid("meta.k8s.io", "DeleteOptions", "", causes);
    }
  }

  private static Optional<ApiException> precondition(
      Served served, String name, KubeObject stored, DeleteOptions options) {
    String why = "";
    if (!options.uid().isEmpty() && !options.uid().equals(stored.uid())) {
      why =
          "Precondition failed: UID in precondition: "
              + options.uid()
              + ", UID in object meta: "
              + stored.uid();
    } else if (!options.resourceVersion().isEmpty()
        && !options.resourceVersion().equals(stored.resourceVersion())) {
      why =
          "Precondition failed: ResourceVersion in precondition: "
              + options.resourceVersion()
              + ", ResourceVersion in object meta: "
              + stored.resourceVersion();
    }
    return why.isEmpty()
        ? Optional.empty()
        : Optional.of(ApiException.conflict(served.group(), served.plural(), name, why));
  }

  /** One attempt; empty if somebody was faster. */
  private Optional<Deleted> attempt(
      Served served, String key, Current current, DeleteOptions options, boolean fresh) {
    StoredKind kind = served.stored();
    KubeObject old = current.stored();
    List<String> finalizers = garbageCollection(kind, old, options);
    if (kind.type().groupResource().equals("customresourcedefinitions.apiextensions.k8s.io")
        && !old.deleting()
        && !finalizers.contains(CustomResources.CLEANUP)) {
      finalizers = new ArrayList<>(finalizers);
      finalizers.add(CustomResources.CLEANUP);
    }
    boolean finalizersChange = !Set.copyOf(finalizers).equals(Set.copyOf(old.finalizers()));
    Marked marked = mark(kind, old, options);
    boolean namespace = kind.type().groupResource().equals("namespaces");
    boolean kept = !finalizers.isEmpty() || namespace && !old.spec().array("finalizers").isEmpty();
    KubeObject next;
    boolean remove;
    if (marked.pending() && !finalizersChange) {
      if (!fresh && !isCurrent(key, current.revision())) {
        return Optional.empty();
      }
      return Optional.of(new Deleted(object(served, current), false, List.of()));
    } else if (marked.graceful()) {
      next = Metadata.withFinalizers(marked.object(), finalizers);
      remove = !kept && next.metadata().integer("deletionGracePeriodSeconds") == 0;
    } else if (marked.pending()) {
      next = Metadata.withFinalizers(old, finalizers);
      remove = false;
    } else if (kept) {
      // No grace is known for the kind, so the only thing to wait for is the finalizers.
      next = Metadata.withFinalizers(old.deleting() ? old : marking(old, 0), finalizers);
      if (namespace) {
        next = next.withStatus(next.status().with("phase", "Terminating"));
      }
      remove = false;
    } else {
      next = old;
      remove = true;
    }
    KubeObject stored = Metadata.ordered(next);
    if (!remove && stored.json().equals(Metadata.ordered(old).json())) {
      if (!fresh && !isCurrent(key, current.revision())) {
        return Optional.empty();
      }
      return Optional.of(new Deleted(object(served, current), false, List.of()));
    }
    if (options.dryRun()) {
      return Optional.of(
          new Deleted(
              served.object(Writes.withVersion(stored, current.revision())), remove, List.of()));
    }
    byte[] bytes = Json.bytes(stored.json());
    WriteResult result =
        remove ? kind.delete(key, current.revision()) : kind.update(key, bytes, current.revision());
    if (!(result instanceof WriteResult.Committed(long revision))) {
      return Optional.empty();
    }
    KubeObject committed = Writes.withVersion(stored, revision);
    for (WriteHook hook : hooks) {
      hook.committed(kind, Optional.of(old), remove ? Optional.empty() : Optional.of(committed));
    }
    ServedObject answer =
        served.converter().identity()
            ? ServedObject.of(ResourceVersions.splice(bytes, revision), committed)
            : served.object(committed);
    return Optional.of(new Deleted(answer, remove, List.of()));
  }

  private static ServedObject object(Served served, Current current) {
    return served.converter().identity()
        ? ServedObject.of(current.json(), current.stored())
        : served.object(current.stored());
  }

  private boolean isCurrent(String key, long revision) {
    return store.get(key).map(entry -> entry.revision() == revision).orElse(false);
  }

  /**
   * An object with its deletion times set.
   *
   * @param graceful whether times were set now
   * @param pending whether deletion is under way and this request does not hasten it
   */
  private record Marked(KubeObject object, boolean graceful, boolean pending) {}

  private Marked mark(StoredKind kind, KubeObject object, DeleteOptions options) {
    if (!kind.type().groupResource().equals("pods")) {
      return new Marked(object, false, false);
    }
    if (object.deleting()) {
      long present = object.metadata().integer("deletionGracePeriodSeconds");
      if (options.gracePeriodSeconds().isEmpty()) {
        return new Marked(object, false, true);
      }
      long asked = Math.max(options.gracePeriodSeconds().get(), 0);
      if (asked >= present) {
        return new Marked(
            object, false, present > 0 || asked > 0 || !object.finalizers().isEmpty());
      }
      Instant end =
          Times.instant(object.metadata().text("deletionTimestamp"))
              .orElseGet(() -> clock.instant().plusSeconds(present))
              .minusSeconds(present)
              .plusSeconds(asked);
      return new Marked(
          object
              .withMetadata("deletionTimestamp", Times.text(end))
              .withMetadata("deletionGracePeriodSeconds", asked),
          true,
          false);
    }
    long period =
        options
            .gracePeriodSeconds()
            .orElseGet(() -> object.spec().integerOr(30, "terminationGracePeriodSeconds"));
    String phase = object.status().text("phase");
    if (object.spec().text("nodeName").isEmpty()
        || phase.equals("Succeeded")
        || phase.equals("Failed")) {
      // Nobody runs it, so there is nobody to wait for.
      period = 0;
    }
    if (period < 0) {
      period = 1;
    }
    return new Marked(marking(object, period), true, false);
  }

  private KubeObject marking(KubeObject object, long seconds) {
    KubeObject marked =
        object
            .withMetadata("deletionTimestamp", Times.text(clock.instant().plusSeconds(seconds)))
            .withMetadata("deletionGracePeriodSeconds", seconds);
    return object.generation() > 0
        ? Metadata.withGeneration(marked, object.generation() + 1)
        : marked;
  }

  /** The finalizers with those that tell the garbage collector what becomes of dependents. */
  private static List<String> garbageCollection(
      StoredKind kind, KubeObject object, DeleteOptions options) {
    List<String> present = object.finalizers();
    if (kind.type().groupResource().equals("events")) {
      return present;
    }
    boolean orphan;
    boolean foreground;
    if (options.orphanDependents().isPresent()) {
      orphan = options.orphanDependents().get();
      foreground = false;
    } else if (!options.propagationPolicy().isEmpty()) {
      orphan = options.propagationPolicy().equals("Orphan");
      foreground = options.propagationPolicy().equals("Foreground");
    } else if (present.contains(ORPHAN) || present.contains(FOREGROUND)) {
      orphan = present.contains(ORPHAN);
      foreground = !orphan;
    } else {
      orphan = KindFacts.orphanByDefault(kind.type().groupResource());
      foreground = false;
    }
    List<String> finalizers = new ArrayList<>(present);
    finalizers.removeIf(finalizer -> finalizer.equals(ORPHAN) || finalizer.equals(FOREGROUND));
    if (orphan) {
      finalizers.add(ORPHAN);
    }
    if (foreground) {
      finalizers.add(FOREGROUND);
    }
    return Set.copyOf(finalizers).equals(Set.copyOf(present)) ? present : finalizers;
  }
}
