package dev.kedge.registry;

import dev.kedge.identity.User;
import dev.kedge.model.ApiException;
import dev.kedge.model.Json;
import dev.kedge.model.JsonObject;
import dev.kedge.model.KubeObject;
import dev.kedge.model.ServerSideApply;
import dev.kedge.model.Status.Cause;
import dev.kedge.registry.AdmissionPlugin.Operation;
import dev.kedge.registry.AdmissionPlugin.Review;
import dev.kedge.registry.Registry.WriteOptions;
import dev.kedge.registry.Registry.Written;
import dev.kedge.store.Store;
import dev.kedge.store.Store.WriteResult;
import dev.kedge.store.cache.Item;
import dev.kedge.store.cache.ResourceVersions;
import java.time.Clock;
import java.time.Instant;
import java.util.ArrayList;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Optional;
import java.util.Set;
import java.util.function.Supplier;

/**
 * Creates and changes objects: the one path that every write of every kind takes. Any thread; two
 * writers of one object are told apart by the store's expected revision.
 */
final class Writes {
  /** Attempts to find a name that nobody has, as upstream. */
  private static final int NAME_ATTEMPTS = 8;

  private final Store store;
  private final Clock clock;
  private final CatalogHolder catalogs;
  private final Admission admission;
  private final Objects objects;
  private final List<WriteHook> hooks;

  Writes(
      Store store,
      Clock clock,
      CatalogHolder catalogs,
      Admission admission,
      Objects objects,
      List<WriteHook> hooks) {
    this.store = store;
    this.clock = clock;
    this.catalogs = catalogs;
    this.admission = admission;
    this.objects = objects;
    this.hooks = List.copyOf(hooks);
  }

  /** An object as the store has it now, with the revision that an update must expect. */
  record Current(KubeObject stored, long revision, byte[] json) {
    /** From the watch cache, whose item already has the tree or will share it. */
    static Current of(StoredKind kind, Item item) {
      ServedObject current = kind.upToDate(StoredKind.served(item));
      return new Current(current.tree(), item.revision(), current.json());
    }

    static Current of(StoredKind kind, Store.Entry entry) {
      byte[] json = kind.form(ResourceVersions.splice(entry.value(), entry.revision()));
      ServedObject current = kind.upToDate(ServedObject.of(json));
      return new Current(current.tree(), entry.revision(), current.json());
    }
  }

  /** The next state of an object, in the served version. */
  @FunctionalInterface
  interface Proposer {
    /**
     * @param old the current object in the served version, resource version included
     * @param warnings receives what the sender should know
     */
    Proposed propose(KubeObject old, List<String> warnings);
  }

  /**
   * A proposed object, decoded and defaulted.
   *
   * @param owned whether its managed fields are settled (by an apply)
   */
  record Proposed(KubeObject object, boolean owned) {}

  /**
   * One write.
   *
   * @param put whether the whole object was sent, so that its resource version must be named where
   *     the kind asks for that
   * @param direct whether the server itself writes (binding, eviction): no admission of updates
   * @param subresource what the request is about; empty for the object itself
   * @param lens how the documents of the request show the object
   */
  record Change(
      Served served,
      String namespace,
      String name,
      Aspect aspect,
      WriteOptions options,
      User user,
      boolean put,
      boolean direct,
      String subresource,
      Forms.Lens lens) {
    /** A write of the object's own documents. */
    Change(
        Served served,
        String namespace,
        String name,
        Aspect aspect,
        WriteOptions options,
        User user,
        boolean put,
        boolean direct) {
      this(
          served,
          namespace,
          name,
          aspect,
          options,
          user,
          put,
          direct,
          aspect.subresource(),
          Forms.Lens.WHOLE);
    }
  }

  // Create.

  /**
   * Creates an object.
   *
   * @param object decoded and defaulted, in the served version, in its namespace
   * @param owned whether its managed fields are settled
   */
  Written create(
      Served served,
      String namespace,
      KubeObject object,
      boolean owned,
      WriteOptions options,
      User user,
      List<String> decodeWarnings) {
    StoredKind kind = served.stored();
    List<String> warnings = new ArrayList<>(decodeWarnings);
    Instant now = clock.instant();
    KubeObject clean = Metadata.withoutDoubleOwners(object, warnings);
    clean = withoutStatus(kind, clean);
    clean = normalized(served, clean);
    if (!owned) {
      clean =
          new KubeObject(
              ServerSideApply.updated(
                  JsonObject.EMPTY,
                  Metadata.withoutServerSet(clean).json(),
                  options.fieldManager(),
                  served.info().schema(),
                  "",
                  now,
                  Aspect.MAIN.reset(kind)));
    }
    KubeObject stored = served.converter().toStored(clean);
    String known = stored.name().isEmpty() ? generateName(stored) : stored.name();
    Forms asked =
        forms(
            served,
            Forms.Lens.WHOLE,
            Forms.options(owned ? "PatchOptions" : "CreateOptions", options));
    Review early =
        review(
            Operation.CREATE,
            kind,
            "",
            namespace,
            known,
            user,
            NONE,
            options.dryRun(),
            warnings,
            asked);
    stored = withoutStatus(kind, admission.mutate(early, stored));
    for (int attempt = 1; ; attempt++) {
      boolean generated = stored.name().isEmpty() && !generateName(stored).isEmpty();
      KubeObject named =
          generated
              ? stored.withMetadata("name", Metadata.generated(generateName(stored)))
              : stored;
      Optional<Written> written =
          tryCreate(served, namespace, named, options, user, warnings, now, asked);
      if (written.isPresent()) {
        return written.get();
      }
      if (!generated) {
        throw ApiException.alreadyExists(served.group(), served.plural(), named.name());
      }
      if (attempt == NAME_ATTEMPTS) {
        throw ApiException.alreadyExists(served.group(), served.plural(), named.name());
      }
    }
  }

  private Optional<Written> tryCreate(
      Served served,
      String namespace,
      KubeObject named,
      WriteOptions options,
      User user,
      List<String> warnings,
      Instant now,
      Forms asked) {
    StoredKind kind = served.stored();
    KubeObject ready = Metadata.forCreate(named, kind.generation(), now);
    ready = kind.strategy().prepareForCreate(ready);
    Rollback rollback = new Rollback();
    try {
      for (WriteHook hook : hooks) {
        ready = hook.beforeCreate(kind, ready, options.dryRun(), rollback);
      }
      List<Cause> causes = new ArrayList<>(MetadataRules.validate(kind, ready));
      causes.addAll(Documents.validateNew(served, ready, warnings));
      causes.addAll(kind.strategy().validate(ready));
      check(kind, ready, causes);
      List<String> reviewWarnings = new ArrayList<>();
      Review review =
          review(
              Operation.CREATE,
              kind,
              "",
              namespace,
              ready.name(),
              user,
              NONE,
              options.dryRun(),
              reviewWarnings,
              asked);
      admission.validate(review, ready);
      KubeObject document = Metadata.ordered(ready);
      List<String> allWarnings = new ArrayList<>(warnings);
      allWarnings.addAll(reviewWarnings);
      allWarnings.addAll(MetadataRules.warnings(kind, document, List.of()));
      allWarnings.addAll(kind.strategy().warnings(document));
      String key = kind.key(namespace, document.name());
      if (options.dryRun()) {
        rollback.run();
        if (store.get(key).isPresent()) {
          return Optional.empty();
        }
        return Optional.of(new Written(served.object(document), true, allWarnings));
      }
      byte[] bytes = Json.bytes(document.json());
      return switch (kind.create(key, bytes)) {
        case WriteResult.Committed(long revision) -> {
          rollback.forget();
          KubeObject committed = withVersion(document, revision);
          for (WriteHook hook : hooks) {
            hook.committed(kind, Optional.empty(), Optional.of(committed));
          }
          yield Optional.of(
              new Written(answer(served, bytes, revision, committed), true, allWarnings));
        }
        case WriteResult.Conflict _, WriteResult.Absent _ -> Optional.empty();
      };
    } finally {
      rollback.run();
    }
  }

  // Change.

  /**
   * Changes an object by what the proposer makes of its current state, and again as often as
   * somebody was faster: each time one of those who compete comes through, and the request's
   * deadline interrupts whoever never does.
   *
   * @param absent what to do when there is no such object
   */
  Written change(Change change, Proposer proposer, Supplier<Written> absent) {
    Served served = change.served();
    StoredKind kind = served.stored();
    String key = kind.key(change.namespace(), change.name());
    boolean fresh = false;
    while (true) {
      Optional<Current> found = current(kind, key, fresh);
      if (found.isEmpty()) {
        if (fresh) {
          return absent.get();
        }
        fresh = true;
        continue;
      }
      Attempt outcome;
      try {
        outcome = attempt(change, key, found.get(), proposer, fresh);
      } catch (ApiException e) {
        // What does not fit the cached state may fit the present one.
        if (fresh || isCurrent(key, found.get().revision())) {
          throw e;
        }
        outcome = AGAIN;
      }
      if (outcome instanceof Attempt.Done(Written written)) {
        return written;
      }
      fresh = true;
    }
  }

  private sealed interface Attempt {
    record Done(Written written) implements Attempt {}

    /** Somebody was faster, or the cache was behind: read again from the store. */
    record Again() implements Attempt {}
  }

  private static final Attempt AGAIN = new Attempt.Again();

  private Attempt attempt(
      Change change, String key, Current current, Proposer proposer, boolean fresh) {
    Served served = change.served();
    StoredKind kind = served.stored();
    WriteOptions options = change.options();
    List<String> warnings = new ArrayList<>();
    KubeObject oldStored = current.stored();
    KubeObject oldServed = served.converter().toServed(oldStored);
    Proposed proposed = proposer.propose(oldServed, warnings);
    KubeObject object = proposed.object();
    String version = object.resourceVersion();
    if (!version.isEmpty()
        && !version.equals("0")
        && !version.equals(oldServed.resourceVersion())) {
      throw ApiException.modified(served.group(), served.plural(), change.name());
    }
    if ((version.isEmpty() || version.equals("0")) && change.put() && !kind.unconditionalUpdate()) {
      throw ApiException.invalid(
          served.group(),
          served.plural(),
          change.name(),
          List.of(
              new Cause(
                  "FieldValueInvalid",
                  "Invalid value: 0: must be specified for an update",
                  "metadata.resourceVersion")));
    }
    if (!object.uid().isEmpty() && !object.uid().equals(oldServed.uid())) {
      throw ApiException.conflict(
          served.group(),
          served.plural(),
          change.name(),
          "Precondition failed: UID in precondition: "
              + object.uid()
              + ", UID in object meta: "
              + oldServed.uid());
    }
    Instant now = clock.instant();
    object = Metadata.withoutDoubleOwners(object, warnings);
    object = change.aspect().merge(kind, object, oldServed);
    object = Metadata.forUpdate(object, oldServed);
    object = normalized(served, object);
    if (!proposed.owned()) {
      object =
          new KubeObject(
              ServerSideApply.updated(
                  oldServed.json(),
                  // Both sides with the version, so that an unchanged object is seen as such.
                  object.withMetadata("resourceVersion", oldServed.resourceVersion()).json(),
                  options.fieldManager(),
                  served.info().schema(),
                  change.aspect().subresource(),
                  now,
                  change.aspect().reset(kind)));
    }
    KubeObject stored = Metadata.withoutVersion(served.converter().toStored(object));
    Review review =
        review(
            Operation.UPDATE,
            kind,
            change.subresource(),
            change.namespace(),
            change.name(),
            change.user(),
            oldStored,
            options.dryRun(),
            warnings,
            forms(
                served,
                change.lens(),
                Forms.options(change.put() ? "UpdateOptions" : "PatchOptions", options)));
    if (!change.direct()) {
      KubeObject admitted = admission.mutate(review, stored);
      if (admitted != stored) {
        // What a plugin changed outside the part that is written does not count either.
        stored = Metadata.forUpdate(change.aspect().merge(kind, admitted, oldStored), oldStored);
        stored = Metadata.withoutVersion(stored);
      }
    }
    if (change.aspect() == Aspect.MAIN) {
      stored = kind.strategy().prepareForUpdate(stored, oldStored);
    }
    Rollback rollback = new Rollback();
    try {
      for (WriteHook hook : hooks) {
        stored = hook.beforeUpdate(kind, stored, oldStored, change.aspect(), rollback);
      }
      stored = Metadata.ordered(generation(kind, change.aspect(), stored, oldStored));
      KubeObject before = Metadata.ordered(oldStored);
      boolean unchanged = stored.json().equals(before.json());
      if (unchanged && !removable(kind, stored)) {
        if (!change.direct()) {
          admission.validate(review, stored);
        }
        if (!fresh && !isCurrent(key, current.revision())) {
          return AGAIN;
        }
        return new Attempt.Done(
            new Written(
                served.converter().identity()
                    ? ServedObject.of(current.json(), oldStored)
                    : served.object(oldStored),
                false,
                warnings));
      }
      List<Cause> causes = new ArrayList<>(MetadataRules.validateUpdate(kind, stored, oldStored));
      causes.addAll(Documents.validateUpdate(served, stored, oldStored, warnings));
      causes.addAll(change.aspect().validate(stored, oldStored));
      if (change.aspect().validated()) {
        causes.addAll(kind.strategy().validate(stored));
      }
      if (causes.isEmpty() && change.aspect() == Aspect.MAIN) {
        causes.addAll(kind.strategy().validateUpdate(stored, oldStored));
      }
      check(kind, stored, causes);
      if (!change.direct()) {
        admission.validate(review, stored);
      }
      if (change.aspect() == Aspect.MAIN) {
        warnings.addAll(MetadataRules.warnings(kind, stored, oldStored.finalizers()));
        warnings.addAll(kind.strategy().warnings(stored));
      }
      if (options.dryRun()) {
        if (!fresh && !isCurrent(key, current.revision())) {
          return AGAIN;
        }
        return new Attempt.Done(
            new Written(served.object(withVersion(stored, current.revision())), false, warnings));
      }
      byte[] bytes = Json.bytes(stored.json());
      boolean remove = removable(kind, stored);
      WriteResult result =
          remove
              ? kind.delete(key, current.revision())
              : kind.update(key, bytes, current.revision());
      if (!(result instanceof WriteResult.Committed(long revision))) {
        return AGAIN;
      }
      rollback.forget();
      KubeObject committed = withVersion(stored, revision);
      for (WriteHook hook : hooks) {
        hook.committed(
            kind, Optional.of(oldStored), remove ? Optional.empty() : Optional.of(committed));
      }
      return new Attempt.Done(
          new Written(answer(served, bytes, revision, committed), false, warnings));
    } finally {
      rollback.run();
    }
  }

  /** Whether nothing keeps an object that is to go: no finalizer, no time of grace. */
  static boolean removable(StoredKind kind, KubeObject stored) {
    return stored.deleting()
        && stored.finalizers().isEmpty()
        && stored.metadata().integer("deletionGracePeriodSeconds") == 0
        && (!kind.type().groupResource().equals("namespaces")
            || stored.spec().array("finalizers").isEmpty());
  }

  private static KubeObject generation(
      StoredKind kind, Aspect aspect, KubeObject stored, KubeObject old) {
    boolean counts =
        kind.generation()
            && aspect != Aspect.STATUS
            && aspect != Aspect.APPROVAL
            && aspect != Aspect.BINDING
            && !desired(kind, stored).equals(desired(kind, old));
    return counts ? Metadata.withGeneration(stored, old.generation() + 1) : stored;
  }

  private static JsonObject desired(StoredKind kind, KubeObject object) {
    JsonObject desired = object.json().without("metadata").without("apiVersion").without("kind");
    return kind.hasStatus() || !kind.custom() ? desired.without("status") : desired;
  }

  /** The current object. */
  Optional<Current> current(StoredKind kind, String key, boolean fresh) {
    return fresh
        ? store.get(key).map(entry -> Current.of(kind, entry))
        : kind.item(key, 0).map(item -> Current.of(kind, item));
  }

  private boolean isCurrent(String key, long revision) {
    return store.get(key).map(entry -> entry.revision() == revision).orElse(false);
  }

  /** With the defaults that depend on other fields. */
  private static KubeObject normalized(Served served, KubeObject object) {
    Converter converter = served.converter();
    Strategy strategy = served.stored().strategy();
    return converter.identity()
        ? strategy.applyDefaults(object)
        : converter.toServed(strategy.applyDefaults(converter.toStored(object)));
  }

  /** A served document as it is stored, with the defaults that depend on other fields. */
  static KubeObject normalizedStored(Served served, KubeObject object) {
    return served.stored().strategy().applyDefaults(served.converter().toStored(object));
  }

  /** As a new object: with the status that the kind's schema gives to one without. */
  private static KubeObject withoutStatus(StoredKind kind, KubeObject object) {
    if (!kind.hasStatus() || kind.type().groupResource().equals("nodes")) {
      return object;
    }
    JsonObject without = object.json().without("status");
    return new KubeObject(
        kind.emptyStatus().map(status -> without.with("status", status)).orElse(without));
  }

  private static ServedObject answer(
      Served served, byte[] bytes, long revision, KubeObject committed) {
    return served.converter().identity()
        ? ServedObject.of(ResourceVersions.splice(bytes, revision), committed)
        : served.object(committed);
  }

  static KubeObject withVersion(KubeObject stored, long revision) {
    return stored.withMetadata("resourceVersion", Long.toString(revision));
  }

  static final KubeObject NONE = new KubeObject(JsonObject.EMPTY);

  Review review(
      Operation operation,
      StoredKind kind,
      String subresource,
      String namespace,
      String name,
      User user,
      KubeObject old,
      boolean dryRun,
      List<String> warnings,
      Forms asked) {
    return new Review(
        operation,
        kind.type(),
        subresource,
        namespace,
        name,
        user,
        old,
        dryRun,
        objects,
        warnings,
        asked,
        new AdmissionPlugin.Round());
  }

  /** What a request asks for, for plugins that want to know. */
  Forms forms(Served served, Forms.Lens lens, JsonObject options) {
    return new Forms(catalogs, served, lens, options);
  }

  private static String generateName(KubeObject object) {
    return object.metadata().text("generateName");
  }

  /** Throws 422 if there are faults, each said once. */
  static void check(StoredKind kind, KubeObject object, List<Cause> causes) {
    if (!causes.isEmpty()) {
      Set<Cause> distinct = new LinkedHashSet<>(causes);
      throw ApiException.invalid(
          kind.type().group(), kind.type().kind(), object.name(), List.copyOf(distinct));
    }
  }
}
