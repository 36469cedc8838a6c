package dev.kedge.registry;

import dev.kedge.model.ApiException;
import dev.kedge.model.GroupVersionKind;
import dev.kedge.model.JsonObject;
import dev.kedge.model.JsonValue;
import dev.kedge.model.KubeObject;
import dev.kedge.model.ResourceType;
import dev.kedge.model.Resources;
import dev.kedge.registry.AdmissionPlugin.Operation;
import dev.kedge.registry.AdmissionPlugin.Review;
import dev.kedge.registry.ResourceInfo.Subresource;
import dev.kedge.registry.Writes.Change;
import dev.kedge.registry.Writes.Proposed;
import dev.kedge.store.Store;
import dev.kedge.store.Store.WriteResult;
import dev.kedge.store.cache.Item;
import dev.kedge.store.cache.Selection;
import dev.kedge.store.cache.WatchCache;
import java.time.Clock;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;

/**
 * The registry over a store: every built-in and custom kind through one engine. {@link #start}
 * loads what decides about others (custom resource definitions, allocated addresses) and must
 * return before the first request. {@link #close} ends all watches; the store stays open. Any
 * thread.
 *
 * <pre>
 * request → this class (which part of which kind?) → Reads | Writes | Deletes | Scales | PodOperations | Reviews
 * </pre>
 */
public final class ObjectRegistry implements Registry, AutoCloseable {
  private final Store store;
  private final CatalogHolder catalogs;
  private final Writes writes;
  private final Deletes deletes;
  private final Objects objects;
  private final ServiceNetwork network;
  private final CustomResources customResources;
  private final PodOperations pods;
  private final Reviews reviews;
  private final Scales scales;
  private final Patches patches;
  private final EventExpiry expiry;
  private final Admission admission;
  private final Map<String, ComputedResource> computed = new HashMap<>();
  private final WebhookCalls webhooks;

  /**
   * A registry.
   *
   * @param settings what the cluster's operator decides
   * @param identity who decides about users and tokens
   * @param admission the plugins in their order, usually {@code AdmissionPlugins.standard}
   */
  public ObjectRegistry(
      Store store,
      Settings settings,
      Identity identity,
      List<AdmissionPlugin> admission,
      Clock clock) {
    this.store = store;
    this.catalogs = new CatalogHolder(store, settings.computed());
    settings.computed().forEach(c -> computed.put(c.info().type().groupResource(), c));
    this.objects = new StoredObjects();
    this.network =
        new ServiceNetwork(
            settings.serviceRange(),
            settings.shared(),
            () -> objects.listLatest(Resources.SERVICES, ""),
            () -> objects.list(Resources.SERVICE_CIDRS, ""));
    this.patches = new Patches(clock);
    this.scales = new Scales(patches);
    this.webhooks = new WebhookCalls();
    this.customResources = new CustomResources(catalogs, objects, scales, webhooks, clock);
    List<WriteHook> hooks =
        List.of(
            network,
            customResources,
            new Namespaces(),
            new PolicyTypes(catalogs),
            new Told(admission));
    this.admission = new Admission(admission);
    this.writes = new Writes(store, clock, catalogs, this.admission, objects, hooks);
    this.deletes = new Deletes(store, clock, this.admission, writes, hooks);
    this.pods = new PodOperations(writes, deletes, objects, identity, this.admission, clock);
    this.reviews = new Reviews(identity, settings.components());
    this.expiry = new EventExpiry(catalogs, clock);
    customResources.deleteWith(deletes, writes);
  }

  /** Loads custom resource definitions and what Services have been given. */
  public void start() {
    customResources.start();
    network.restore();
    expiry.start();
  }

  /** Stored objects for the server's other parts, such as the authoriser. */
  public Objects objects() {
    return objects;
  }

  @Override
  public Catalog catalog() {
    return catalogs.current();
  }

  @Override
  public void close() {
    expiry.close();
    customResources.close();
    catalogs.current().kinds().forEach(StoredKind::close);
    admission.close();
    webhooks.close();
  }

  @Override
  public Map<ResourceGroup, Long> counts() {
    Map<ResourceGroup, Long> counts = new LinkedHashMap<>();
    for (StoredKind kind : catalogs.current().kinds()) {
      ResourceType type = kind.type();
      // Kinds that are only questions, or are made when asked for, are never stored.
      if (!computed.containsKey(type.groupResource())
          && catalogs.current().served(type).stream()
              .anyMatch(served -> served.info().verbs().contains("list"))) {
        counts.put(new ResourceGroup(type.group(), type.plural()), kind.count());
      }
    }
    return counts;
  }

  // Reading.

  @Override
  public ServedObject get(Request request, GetOptions options) {
    Served served = served(request);
    if (reviews.serves(served)) {
      return reviews.get(served, request.name());
    }
    if (!request.subresource().isEmpty()) {
      requireVerb(request, "get");
    }
    ComputedResource made = computed.get(served.info().type().groupResource());
    if (made != null) {
      return made.get(served, request.namespace(), request.name());
    }
    Item item = Reads.item(served, request.namespace(), request.name(), options.resourceVersion());
    return request.subresource().equals("scale")
        ? scales.read(served, StoredKind.served(item).tree())
        : served.object(item);
  }

  @Override
  public ServedList list(Request request, ListOptions options) {
    Served served = served(request);
    ComputedResource made = computed.get(served.info().type().groupResource());
    if (made != null) {
      return made.list(served, request.namespace(), options);
    }
    return reviews.serves(served)
        ? reviews.list(served)
        : Reads.list(served, request.namespace(), options);
  }

  @Override
  public ServedWatch watch(Request request, WatchOptions options) {
    Served served = served(request);
    if (!served.info().verbs().contains("watch")) {
      throw ApiException.methodNotSupported(served.group(), served.plural(), "watch");
    }
    return Reads.watch(served, request.namespace(), options);
  }

  // Writing.

  @Override
  public Written create(Request request, JsonObject body, WriteOptions options) {
    Served served = served(request);
    if (!request.subresource().isEmpty()) {
      requireVerb(request, "create");
      return pods.create(served, request, body, options);
    }
    if (!served.info().verbs().contains("create")) {
      throw ApiException.methodNotSupported(served.group(), served.plural(), "create");
    }
    customResources.requireNotTerminating(served, "create");
    Documents.Decoded decoded = Documents.decode(served.info(), body, options);
    KubeObject object = inNamespace(served, decoded.object(), request.namespace());
    if (!request.name().isEmpty()
        && !object.name().isEmpty()
        && !request.name().equals(object.name())) {
      throw nameMismatch(object.name(), request.name());
    }
    if (reviews.serves(served)) {
      return new Written(reviews.create(served, object, request.user()), true, decoded.warnings());
    }
    if (served.info().type().equals(Resources.BINDINGS)) {
      return pods.bind(
          catalogs.current().served(Resources.PODS).orElseThrow(),
          new Request(
              request.resource(), request.namespace(), object.name(), "binding", request.user()),
          object,
          options,
          decoded.warnings());
    }
    return writes.create(
        served, request.namespace(), object, false, options, request.user(), decoded.warnings());
  }

  @Override
  public Written update(Request request, JsonObject body, WriteOptions options) {
    Served served = served(request);
    if (request.subresource().equals("scale")) {
      return scales.update(writes, served, request, body, options);
    }
    Aspect aspect = aspect(request, "update");
    Documents.Decoded decoded = Documents.decode(served.info(), body, options);
    KubeObject object = inNamespace(served, decoded.object(), request.namespace());
    if (object.name().isEmpty()) {
      throw ApiException.badRequest("name must be provided");
    }
    if (!object.name().equals(request.name())) {
      throw nameMismatch(object.name(), request.name());
    }
    return writes.change(
        new Change(
            served,
            request.namespace(),
            request.name(),
            aspect,
            options,
            request.user(),
            true,
            false),
        (old, warnings) -> {
          warnings.addAll(decoded.warnings());
          return new Proposed(object, false);
        },
        () -> {
          if (aspect != Aspect.MAIN || !served.stored().createOnUpdate()) {
            throw ApiException.notFound(served.group(), served.plural(), request.name());
          }
          if (!object.uid().isEmpty()) {
            throw ApiException.conflict(
                served.group(),
                served.plural(),
                request.name(),
                "Precondition failed: UID in precondition: "
                    + object.uid()
                    + ", UID in object meta: ");
          }
          return writes.create(
              served,
              request.namespace(),
              object,
              false,
              options,
              request.user(),
              decoded.warnings());
        });
  }

  @Override
  public Written patch(Request request, PatchType type, JsonValue patch, WriteOptions options) {
    Served served = served(request);
    if (request.subresource().equals("scale")) {
      return scales.patch(writes, served, request, type, patch, options);
    }
    Aspect aspect = aspect(request, "patch");
    return writes.change(
        new Change(
            served,
            request.namespace(),
            request.name(),
            aspect,
            options,
            request.user(),
            false,
            false),
        patches.proposer(served, request, aspect, type, patch, options),
        () -> {
          if (type != PatchType.APPLY || aspect != Aspect.MAIN) {
            throw ApiException.notFound(served.group(), served.plural(), request.name());
          }
          List<String> warnings = new ArrayList<>();
          KubeObject applied = patches.applyToNothing(served, request, patch, options, warnings);
          customResources.requireNotTerminating(served, "create");
          return writes.create(
              served,
              request.namespace(),
              inNamespace(served, applied, request.namespace()),
              true,
              options,
              request.user(),
              warnings);
        });
  }

  @Override
  public Deleted delete(Request request, DeleteOptions options) {
    Served served = served(request);
    if (!request.subresource().isEmpty() || !served.info().verbs().contains("delete")) {
      throw ApiException.methodNotSupported(served.group(), served.plural(), "delete");
    }
    return deletes.delete(served, request.namespace(), request.name(), options, request.user());
  }

  @Override
  public ServedList deleteCollection(Request request, ListOptions list, DeleteOptions options) {
    Served served = served(request);
    if (!served.info().verbs().contains("deletecollection")) {
      throw ApiException.methodNotSupported(served.group(), served.plural(), "deletecollection");
    }
    List<Item> items = new ArrayList<>();
    Reads.Page page = Reads.page(served, request.namespace(), list, items);
    List<ServedObject> deleted = new ArrayList<>(items.size());
    for (Item item : items) {
      try {
        deletes.delete(served, item.row().namespace(), item.row().name(), options, request.user());
      } catch (ApiException e) {
        // Somebody else's deletion came first: gone is what was asked for.
        if (!e.isNotFound()) {
          throw e;
        }
      }
      deleted.add(served.object(item));
    }
    return new ServedList(deleted, page.resourceVersion(), page.continueToken(), page.remaining());
  }

  @Override
  public List<String> connect(Request request, JsonObject options) {
    Served served = served(request);
    KubeObject object = new KubeObject(options);
    GroupVersionKind kind = object.groupVersionKind();
    List<String> warnings = new ArrayList<>();
    Review review =
        writes.review(
            Operation.CONNECT,
            served.stored(),
            request.subresource(),
            request.namespace(),
            request.name(),
            request.user(),
            Writes.NONE,
            false,
            warnings,
            writes.forms(served, Forms.Lens.of(kind, Documents.builtin(kind)), JsonObject.EMPTY));
    if (!admission.mutate(review, object).equals(object)) {
      throw ApiException.internal("the options of a connection cannot be changed by admission");
    }
    admission.validate(review, object);
    return warnings;
  }

  // Routing.

  private Served served(Request request) {
    ResourceType type = request.resource().type();
    return catalogs
        .current()
        .served(type)
        .orElseThrow(() -> ApiException.notFound(type.group(), type.plural(), request.name()));
  }

  private static Aspect aspect(Request request, String verb) {
    requireVerb(request, verb);
    for (Aspect aspect : Aspect.values()) {
      if (aspect.subresource().equals(request.subresource())) {
        return aspect;
      }
    }
    ResourceType type = request.resource().type();
    throw ApiException.methodNotSupported(
        type.group(), type.plural() + "/" + request.subresource(), verb);
  }

  private static void requireVerb(Request request, String verb) {
    ResourceInfo info = request.resource();
    ResourceType type = info.type();
    if (request.subresource().isEmpty()) {
      if (!info.verbs().contains(verb)) {
        throw ApiException.methodNotSupported(type.group(), type.plural(), verb);
      }
      return;
    }
    Subresource subresource =
        info.subresource(request.subresource())
            .orElseThrow(
                () ->
                    ApiException.notFound(
                        type.group(), type.plural() + "/" + request.subresource(), request.name()));
    if (!subresource.verbs().contains(verb)) {
      throw ApiException.methodNotSupported(
          type.group(), type.plural() + "/" + request.subresource(), verb);
    }
  }

  private static ApiException nameMismatch(String object, String url) {
    return ApiException.badRequest(
        "the name of the object (" + object + ") does not match the name on the URL (" + url + ")");
  }

  static KubeObject inNamespace(Served served, KubeObject object, String namespace) {
    if (object.namespace().equals(namespace)) {
      return object;
    }
    if (!served.info().type().namespaced()) {
      return object.with("metadata", object.metadata().without("namespace"));
    }
    if (object.namespace().isEmpty()) {
      return object.withMetadata("namespace", namespace);
    }
    throw ApiException.badRequest(
        "the namespace of the provided object does not match the namespace sent on the request");
  }

  /** Tells the admission plugins what was committed. */
  private final class Told implements WriteHook {
    private final List<AdmissionPlugin> plugins;

    Told(List<AdmissionPlugin> plugins) {
      this.plugins = List.copyOf(plugins);
    }

    @Override
    public void committed(
        StoredKind kind, Optional<KubeObject> before, Optional<KubeObject> after) {
      for (AdmissionPlugin plugin : plugins) {
        plugin.committed(kind.type(), before, after, objects);
      }
    }
  }

  /** The stored objects, read without ceremony. */
  private final class StoredObjects implements Objects {
    @Override
    public Optional<KubeObject> find(ResourceType type, String namespace, String name) {
      Optional<StoredKind> kind = catalogs.current().stored(type.groupResource());
      if (kind.isEmpty()) {
        return Optional.empty();
      }
      return kind.get()
          .item(kind.get().key(namespace, name), 0)
          .map(item -> StoredKind.served(item).tree())
          .or(() -> findLatest(type, namespace, name));
    }

    @Override
    public List<KubeObject> list(ResourceType type, String namespace) {
      return list(type, namespace, false);
    }

    @Override
    public Optional<ResourceType> typeOf(GroupVersionKind kind) {
      return catalogs.current().ofKind(kind).map(ResourceInfo::type);
    }

    @Override
    public List<Long> revisions(ResourceType type) {
      return catalogs.current().stored(type.groupResource()).stream()
          .flatMap(kind -> kind.cache().list(Selection.ALL, 0, 0).items().stream())
          .map(Item::revision)
          .toList();
    }

    @Override
    public Optional<KubeObject> findLatest(ResourceType type, String namespace, String name) {
      return catalogs
          .current()
          .stored(type.groupResource())
          .flatMap(
              kind ->
                  store
                      .get(kind.key(namespace, name))
                      .map(entry -> Writes.Current.of(kind, entry).stored()));
    }

    @Override
    public List<KubeObject> listLatest(ResourceType type, String namespace) {
      return list(type, namespace, true);
    }

    private List<KubeObject> list(ResourceType type, String namespace, boolean latest) {
      Optional<StoredKind> kind = catalogs.current().stored(type.groupResource());
      if (kind.isEmpty()) {
        return List.of();
      }
      WatchCache cache = kind.get().cache();
      return cache
          .list(Selection.ALL.inNamespace(namespace), latest ? cache.latest() : 0, 0)
          .items()
          .stream()
          .map(item -> StoredKind.served(item).tree())
          .toList();
    }

    @Override
    public boolean replace(ResourceType type, KubeObject changed) {
      StoredKind kind =
          catalogs
              .current()
              .stored(type.groupResource())
              .orElseThrow(
                  () -> ApiException.notFound(type.group(), type.plural(), changed.name()));
      byte[] bytes = dev.kedge.model.Json.bytes(Metadata.ordered(changed).json());
      return kind.update(
              kind.key(changed.namespace(), changed.name()),
              bytes,
              Long.parseLong(changed.resourceVersion()))
          instanceof WriteResult.Committed;
    }
  }
}
