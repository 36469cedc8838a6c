package dev.kedge.registry;

import dev.kedge.identity.User;
import dev.kedge.model.ApiException;
import dev.kedge.model.JsonArray;
import dev.kedge.model.JsonObject;
import dev.kedge.model.JsonString;
import dev.kedge.model.JsonValue;
import dev.kedge.model.KubeObject;
import dev.kedge.model.ResourceType;
import dev.kedge.model.Resources;
import dev.kedge.model.Schema;
import dev.kedge.model.SchemaFromCrd;
import dev.kedge.model.Status;
import dev.kedge.model.Times;
import dev.kedge.registry.Registry.DeleteOptions;
import dev.kedge.registry.Registry.WriteOptions;
import dev.kedge.registry.ResourceInfo.Column;
import dev.kedge.registry.ResourceInfo.Subresource;
import dev.kedge.registry.Writes.Change;
import dev.kedge.registry.Writes.Proposed;
import dev.kedge.store.cache.CacheWatch;
import dev.kedge.store.cache.Item;
import dev.kedge.store.cache.Selection;
import dev.kedge.store.cache.WatchCache;
import java.lang.System.Logger;
import java.lang.System.Logger.Level;
import java.time.Clock;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.HashMap;
import java.util.HashSet;
import java.util.LinkedHashMap;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.TreeMap;
import org.jspecify.annotations.Nullable;

/**
 * Turns CustomResourceDefinitions into served resources, at the moment they are written, and
 * removes the objects of definitions that go. Any thread; each definition that goes has a virtual
 * thread until its objects are gone.
 */
final class CustomResources implements WriteHook, AutoCloseable {
  /** Holds a definition back until its objects are gone. */
  static final String CLEANUP = "customresourcecleanup.apiextensions.k8s.io";

  private static final Logger LOG = System.getLogger("dev.kedge.registry");
  private static final User SELF = User.of("system:apiserver", "system:masters");
  private static final Set<String> VERBS =
      Set.of("create", "delete", "deletecollection", "get", "list", "patch", "update", "watch");
  private static final Column AGE =
      new Column("Age", "date", "", "", 0, ".metadata.creationTimestamp");

  private final CatalogHolder catalogs;
  private final Objects objects;
  private final Clock clock;
  private final Scales scales;
  private final WebhookCalls webhooks;
  private final Map<String, Entry> entries = new TreeMap<>();
  private final Set<Thread> cleaners = new HashSet<>();
  private @Nullable Deletes deletes;
  private @Nullable Writes writes;
  private boolean closed;

  private record Entry(KubeObject definition, Optional<StoredKind> kind, List<Served> served) {}

  CustomResources(
      CatalogHolder catalogs, Objects objects, Scales scales, WebhookCalls webhooks, Clock clock) {
    this.webhooks = webhooks;
    this.catalogs = catalogs;
    this.objects = objects;
    this.scales = scales;
    this.clock = clock;
  }

  /** Tells how objects are deleted; before {@link #start}. */
  void deleteWith(Deletes deletes, Writes writes) {
    this.deletes = deletes;
    this.writes = writes;
  }

  /** Serves what is defined in the store. */
  void start() {
    for (KubeObject definition : objects.list(Resources.CUSTOM_RESOURCE_DEFINITIONS, "")) {
      take(definition);
    }
  }

  /** Refuses new objects of a definition that goes. */
  void requireNotTerminating(Served served, String verb) {
    if (!served.info().custom()) {
      return;
    }
    Entry entry;
    synchronized (this) {
      entry = entries.get(served.info().type().groupResource());
    }
    if (entry != null && entry.definition().deleting()) {
      Status status =
          ApiException.methodNotSupported(served.group(), served.plural(), verb).status();
      throw new ApiException(
          new Status(
              status.code(),
              status.reason(),
              verb + " not allowed while custom resource definition is terminating",
              status.details()));
    }
  }

  // As definitions are written.

  private static boolean isDefinition(StoredKind kind) {
    return kind.type().groupResource().equals("customresourcedefinitions.apiextensions.k8s.io");
  }

  @Override
  public KubeObject beforeCreate(
      StoredKind kind, KubeObject definition, boolean dryRun, Rollback rollback) {
    return isDefinition(kind) ? withStatus(definition) : definition;
  }

  @Override
  public KubeObject beforeUpdate(
      StoredKind kind, KubeObject definition, KubeObject old, Aspect aspect, Rollback rollback) {
    // Also when the status is written: its conditions are the server's, others may join them.
    return isDefinition(kind) && (aspect == Aspect.MAIN || aspect == Aspect.STATUS)
        ? withStatus(definition)
        : definition;
  }

  @Override
  public void committed(StoredKind kind, Optional<KubeObject> before, Optional<KubeObject> after) {
    if (!isDefinition(kind)) {
      return;
    }
    if (after.isPresent()) {
      take(after.get());
    } else if (before.isPresent()) {
      drop(before.get());
    }
  }

  private KubeObject withStatus(KubeObject definition) {
    JsonObject spec = definition.spec();
    JsonObject status = definition.status();
    Optional<Conflict> conflict = conflict(definition);
    boolean established =
        condition(status, "Established").text("status").equals("True") || conflict.isEmpty();
    String now = Times.text(clock.instant());
    List<JsonValue> conditions = new ArrayList<>();
    conditions.add(
        conflict
            .map(
                found ->
                    condition(
                        status, "NamesAccepted", "False", found.reason(), found.message(), now))
            .orElseGet(
                () ->
                    condition(
                        status,
                        "NamesAccepted",
                        "True",
                        "NoConflicts",
                        "no conflicts found",
                        now)));
    conditions.add(
        established
            ? condition(
                status,
                "Established",
                "True",
                "InitialNamesAccepted",
                "the initial names have been accepted",
                now)
            : condition(
                status, "Established", "False", "NotAccepted", "not all names are accepted", now));
    for (JsonObject other : status.objects("conditions")) {
      if (!other.text("type").equals("NamesAccepted")
          && !other.text("type").equals("Established")) {
        conditions.add(other);
      }
    }
    Set<String> stored = new LinkedHashSet<>(status.strings("storedVersions"));
    spec.objects("versions").stream()
        .filter(version -> version.flag("storage"))
        .forEach(version -> stored.add(version.text("name")));
    JsonObject accepted =
        conflict.isEmpty() ? spec.object("names") : status.object("acceptedNames");
    return definition.withStatus(
        status
            .with("conditions", new JsonArray(conditions))
            .with("acceptedNames", accepted)
            .with("storedVersions", List.copyOf(stored)));
  }

  private static JsonObject condition(JsonObject status, String type) {
    return status.objects("conditions").stream()
        .filter(condition -> condition.text("type").equals(type))
        .findFirst()
        .orElse(JsonObject.EMPTY);
  }

  private static JsonObject condition(
      JsonObject status, String type, String value, String reason, String message, String now) {
    JsonObject old = condition(status, type);
    String since = old.text("status").equals(value) ? old.text("lastTransitionTime") : now;
    return JsonObject.of(
        "type", type,
        "status", value,
        "lastTransitionTime", since,
        "reason", reason,
        "message", message);
  }

  private record Conflict(String reason, String message) {}

  /** A name that another resource of the group has already. */
  private Optional<Conflict> conflict(KubeObject definition) {
    JsonObject names = definition.spec().object("names");
    String group = definition.spec().text("group");
    String plural = names.text("plural");
    Set<String> resources = new HashSet<>();
    Set<String> kinds = new HashSet<>();
    for (ResourceInfo info : catalogs.current().all()) {
      if (info.type().group().equals(group)
          && !(info.custom() && info.type().plural().equals(plural))) {
        resources.add(info.type().plural());
        resources.add(info.singular());
        resources.addAll(info.shortNames());
        kinds.add(info.type().kind());
        kinds.add(info.type().kind() + "List");
      }
    }
    if (resources.contains(plural)) {
      return used("PluralConflict", plural);
    }
    if (resources.contains(names.text("singular"))) {
      return used("SingularConflict", names.text("singular"));
    }
    for (String shortName : names.strings("shortNames")) {
      if (resources.contains(shortName)) {
        return used("ShortNamesConflict", shortName);
      }
    }
    if (kinds.contains(names.text("kind"))) {
      return used("KindConflict", names.text("kind"));
    }
    return kinds.contains(names.text("listKind"))
        ? used("ListKindConflict", names.text("listKind"))
        : Optional.empty();
  }

  private static Optional<Conflict> used(String reason, String name) {
    return Optional.of(new Conflict(reason, "\"" + name + "\" is already in use"));
  }

  /** Serves a definition as it is now, unless a newer state of it is known. */
  private synchronized void take(KubeObject definition) {
    if (closed) {
      return;
    }
    Entry known = entries.get(definition.name());
    if (known != null && version(known.definition()) >= version(definition)) {
      return;
    }
    if (known != null
        && known.definition().uid().equals(definition.uid())
        && known.definition().spec().equals(definition.spec())
        && established(known.definition()) == established(definition)) {
      entries.put(definition.name(), new Entry(definition, known.kind(), known.served()));
    } else {
      Entry entry = entry(definition);
      entries.put(definition.name(), entry);
      publish();
      if (known != null) {
        known.kind().ifPresent(StoredKind::close);
      }
    }
    if (definition.deleting()
        && definition.finalizers().contains(CLEANUP)
        && (known == null || !known.definition().deleting())) {
      cleanUp(definition);
    }
  }

  private synchronized void drop(KubeObject definition) {
    Entry known = entries.get(definition.name());
    if (known != null && known.definition().uid().equals(definition.uid())) {
      entries.remove(definition.name());
      publish();
      known.kind().ifPresent(StoredKind::close);
    }
  }

  private static long version(KubeObject object) {
    return Long.parseLong(object.resourceVersion());
  }

  private static boolean established(KubeObject definition) {
    return condition(definition.status(), "Established").text("status").equals("True");
  }

  private void publish() {
    List<Served> all = new ArrayList<>();
    entries.values().forEach(entry -> all.addAll(entry.served()));
    all.sort(
        Comparator.comparing((Served served) -> served.group())
            .thenComparing(
                served -> served.info().type().version(), CustomResources::compareVersions)
            .thenComparing(Served::plural));
    catalogs.replaceCustom(all);
  }

  /**
   * Upstream's order of versions: v2 before v1 before v1beta2 before v1alpha1 before anything else.
   */
  static int compareVersions(String left, String right) {
    int[] a = rank(left);
    int[] b = rank(right);
    for (int i = 0; i < a.length; i++) {
      if (a[i] != b[i]) {
        return Integer.compare(b[i], a[i]);
      }
    }
    return left.compareTo(right);
  }

  private static int[] rank(String version) {
    var matcher =
        java.util.regex.Pattern.compile("v([0-9]{1,6})(?:(alpha|beta)([0-9]{1,6}))?")
            .matcher(version);
    if (!matcher.matches()) {
      return new int[] {0, 0, 0};
    }
    String stage = matcher.group(2);
    return new int[] {
      stage == null ? 3 : stage.equals("beta") ? 2 : 1,
      Integer.parseInt(matcher.group(1)),
      stage == null ? 0 : Integer.parseInt(matcher.group(3))
    };
  }

  private Entry entry(KubeObject definition) {
    if (!established(definition)) {
      return new Entry(definition, Optional.empty(), List.of());
    }
    JsonObject spec = definition.spec();
    JsonObject names = definition.status().object("acceptedNames");
    String group = spec.text("group");
    boolean namespaced = spec.text("scope").equals("Namespaced");
    Map<String, ResourceInfo> infos = new LinkedHashMap<>();
    String storage = "";
    Set<String> subresources = new HashSet<>();
    Map<String, Map<String, List<String>>> fields = new HashMap<>();
    for (JsonObject version : spec.objects("versions")) {
      ResourceType type =
          new ResourceType(
              group, version.text("name"), names.text("plural"), names.text("kind"), namespaced);
      ResourceInfo info = info(type, names, version);
      if (version.flag("storage")) {
        storage = version.text("name");
      }
      Map<String, List<String>> selectable = new HashMap<>();
      for (JsonObject field : version.objects("selectableFields")) {
        List<String> path = path(field.text("jsonPath"));
        selectable.put(String.join(".", path), path);
      }
      fields.put(version.text("name"), selectable);
      info.subresources().forEach(sub -> subresources.add(sub.name()));
      infos.put(version.text("name"), info);
      JsonObject scale = version.object("subresources", "scale");
      if (!scale.isEmpty()) {
        scales.custom(
            type.apiVersion(),
            type.plural(),
            new Scales.Paths(
                path(scale.text("specReplicasPath")),
                path(scale.text("statusReplicasPath")),
                path(scale.text("labelSelectorPath"))));
      }
    }
    ResourceInfo stored = infos.get(storage);
    if (stored == null) {
      return new Entry(definition, Optional.empty(), List.of());
    }
    Optional<WebhookConversion> webhook =
        spec.text("conversion", "strategy").equals("Webhook")
            ? Optional.of(
                new WebhookConversion(webhooks, objects, spec.object("conversion", "webhook")))
            : Optional.empty();
    StoredKind kind =
        new StoredKind(
            catalogs.store(),
            stored.type(),
            stored.schema(),
            Strategy.PLAIN,
            true,
            subresources,
            stored(fields, storage, webhook.isPresent()),
            conversion(webhook, stored, stored, spec));
    List<Served> served = new ArrayList<>();
    for (JsonObject version : spec.objects("versions")) {
      ResourceInfo info = infos.get(version.text("name"));
      if (version.flag("served") && info != null) {
        served.add(
            new Served(
                info,
                kind,
                conversion(webhook, info, stored, spec),
                CustomRules.of(version.object("schema", "openAPIV3Schema")),
                fields.getOrDefault(version.text("name"), Map.of())));
      }
    }
    return new Entry(definition, Optional.of(kind), List.copyOf(served));
  }

  /** The fields of stored documents that versions are selected by: all share them, or none. */
  private static Map<String, List<String>> stored(
      Map<String, Map<String, List<String>>> fields, String storage, boolean translated) {
    if (translated) {
      return fields.getOrDefault(storage, Map.of());
    }
    Map<String, List<String>> all = new HashMap<>();
    fields.values().forEach(all::putAll);
    return all;
  }

  private static Converter conversion(
      Optional<WebhookConversion> webhook,
      ResourceInfo served,
      ResourceInfo stored,
      JsonObject spec) {
    if (served == stored && spec.objects("versions").size() == 1) {
      return Converter.IDENTITY;
    }
    return webhook
        .map(by -> by.between(served, stored))
        .orElseGet(() -> Converter.relabel(served.type().apiVersion(), stored.type().apiVersion()));
  }

  private static ResourceInfo info(ResourceType type, JsonObject names, JsonObject version) {
    List<Subresource> subresources = new ArrayList<>();
    Set<String> verbs = Set.of("get", "patch", "update");
    if (version.object("subresources").has("scale")) {
      subresources.add(
          new Subresource(
              "scale",
              new ResourceType("autoscaling", "v1", type.plural(), "Scale", type.namespaced()),
              verbs));
    }
    if (version.object("subresources").has("status")) {
      subresources.add(new Subresource("status", type, verbs));
    }
    List<Column> columns = new ArrayList<>();
    for (JsonObject column : version.objects("additionalPrinterColumns")) {
      columns.add(
          new Column(
              column.text("name"),
              column.text("type"),
              column.text("format"),
              column.text("description"),
              (int) column.integer("priority"),
              column.text("jsonPath")));
    }
    String singular = names.text("singular");
    return new ResourceInfo(
        type,
        singular.isEmpty() ? type.kind().toLowerCase(Locale.ROOT) : singular,
        names.strings("shortNames"),
        names.strings("categories"),
        VERBS,
        subresources,
        schema(version),
        columns.isEmpty() ? List.of(AGE) : columns,
        true);
  }

  private static Schema schema(JsonObject version) {
    return SchemaFromCrd.of(version.object("schema", "openAPIV3Schema"), Documents.objectMeta());
  }

  /** The names in a simple path such as {@code .spec.replicas}. */
  private static List<String> path(String jsonPath) {
    String path = jsonPath.startsWith(".") ? jsonPath.substring(1) : jsonPath;
    return path.isEmpty() ? List.of() : List.of(path.split("\\."));
  }

  // As definitions go.

  private void cleanUp(KubeObject definition) {
    Thread cleaner =
        Thread.ofVirtual()
            .name("cleanup of " + definition.name())
            .unstarted(
                () -> {
                  try {
                    removeObjects(definition);
                    removeFinalizer(definition.name());
                  } catch (InterruptedException e) {
                    LOG.log(Level.DEBUG, "stopped cleaning up {0}", definition.name());
                  } catch (RuntimeException e) {
                    LOG.log(
                        Level.ERROR,
                        "objects of "
                            + definition.name()
                            + " are not removed; a restart tries again",
                        e);
                  } finally {
                    synchronized (this) {
                      cleaners.remove(Thread.currentThread());
                    }
                  }
                });
    cleaners.add(cleaner);
    cleaner.start();
  }

  private void removeObjects(KubeObject definition) throws InterruptedException {
    Optional<Served> served;
    synchronized (this) {
      Entry entry = entries.get(definition.name());
      served =
          entry == null || entry.served().isEmpty()
              ? Optional.empty()
              : Optional.of(entry.served().getFirst());
    }
    if (served.isEmpty()) {
      return;
    }
    WatchCache cache = served.get().stored().cache();
    WatchCache.Start start = cache.watchFromState(Selection.ALL, cache.latest());
    try (CacheWatch watch = start.watch()) {
      Set<String> left = new HashSet<>();
      for (Item item : start.items()) {
        left.add(item.key());
        delete(served.get(), item);
      }
      // Objects with finalizers stay until whoever set them has taken them off.
      while (!left.isEmpty() && !watch.ended()) {
        for (var event : watch.take(Duration.ofMinutes(1))) {
          switch (event.type()) {
            case DELETED -> left.remove(event.item().key());
            case ADDED -> {
              left.add(event.item().key());
              delete(served.get(), event.item());
            }
            case MODIFIED -> {
              // Somebody works on it.
            }
          }
        }
      }
    }
  }

  private void delete(Served served, Item item) {
    Deletes by = java.util.Objects.requireNonNull(deletes);
    try {
      by.delete(served, item.row().namespace(), item.row().name(), DeleteOptions.DEFAULT, SELF);
    } catch (ApiException e) {
      if (!e.isNotFound()) {
        throw e;
      }
    }
  }

  private void removeFinalizer(String name) {
    Served definitions =
        catalogs.current().served(Resources.CUSTOM_RESOURCE_DEFINITIONS).orElseThrow();
    try {
      java.util.Objects.requireNonNull(writes)
          .change(
              new Change(
                  definitions, "", name, Aspect.MAIN, WriteOptions.by("kedge"), SELF, false, true),
              (old, _) -> {
                List<String> finalizers = new ArrayList<>(old.finalizers());
                finalizers.remove(CLEANUP);
                return new Proposed(Metadata.withFinalizers(old, finalizers), false);
              },
              () -> {
                throw ApiException.notFound(
                    "apiextensions.k8s.io", "customresourcedefinitions", name);
              });
    } catch (ApiException e) {
      if (!e.isNotFound()) {
        throw e;
      }
    }
  }

  @Override
  public void close() {
    List<Thread> running;
    synchronized (this) {
      closed = true;
      running = List.copyOf(cleaners);
    }
    running.forEach(Thread::interrupt);
  }

  /** Defaults of a definition. */
  static KubeObject withDefaults(KubeObject definition) {
    JsonObject spec = definition.spec();
    JsonObject names = spec.object("names");
    String kind = names.text("kind");
    if (names.text("singular").isEmpty() && !kind.isEmpty()) {
      names = names.with("singular", new JsonString(kind.toLowerCase(Locale.ROOT)));
    }
    if (names.text("listKind").isEmpty() && !kind.isEmpty()) {
      names = names.with("listKind", new JsonString(kind + "List"));
    }
    spec = spec.with("names", names);
    if (spec.object("conversion").isEmpty()) {
      spec = spec.with("conversion", JsonObject.of("strategy", "None"));
    }
    return definition.with("spec", spec.without("preserveUnknownFields"));
  }
}
