package dev.kedge.registry;

import dev.kedge.model.Json;
import dev.kedge.model.JsonNull;
import dev.kedge.model.JsonObject;
import dev.kedge.model.KubeObject;
import dev.kedge.model.ResourceType;
import dev.kedge.model.Schema;
import dev.kedge.model.SchemaDecoder;
import dev.kedge.store.Store;
import dev.kedge.store.Store.WriteResult;
import dev.kedge.store.cache.IndexRow;
import dev.kedge.store.cache.Indexer;
import dev.kedge.store.cache.Item;
import dev.kedge.store.cache.WatchCache;
import java.time.Duration;
import java.util.Collection;
import java.util.HashMap;
import java.util.HashSet;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.concurrent.atomic.AtomicInteger;
import org.jspecify.annotations.Nullable;

/**
 * How the objects of one resource are kept: the stored version, keys, the watch cache, and what is
 * peculiar to the kind. Served versions share it. The cache is opened by its first reader.
 */
final class StoredKind implements AutoCloseable {
  /** A kind whose objects are read more often is worth a cache. */
  private static final int MOST_UNCACHED = 16;

  private final Store store;
  private final ResourceType type;
  private final Schema schema;
  private final Strategy strategy;
  private final boolean custom;
  private final Set<String> subresources;
  private final Map<String, List<String>> customFields;
  private final String prefix;
  private final Converter conversion;
  private final AtomicInteger uncached = new AtomicInteger();
  private volatile @Nullable WatchCache cache;
  private boolean closed;

  /**
   * @param type the stored version
   * @param subresources names of all subresources
   * @param customFields fields of stored documents that versions of a custom resource are selected
   *     by: label and path
   * @param conversion to the stored version, from whatever version an object was stored in
   */
  StoredKind(
      Store store,
      ResourceType type,
      Schema schema,
      Strategy strategy,
      boolean custom,
      Set<String> subresources,
      Map<String, List<String>> customFields,
      Converter conversion) {
    this.store = store;
    this.type = type;
    this.schema = schema;
    this.strategy = strategy;
    this.custom = custom;
    this.subresources = Set.copyOf(subresources);
    this.customFields = Map.copyOf(customFields);
    this.conversion = conversion;
    this.prefix =
        "/registry/" + (type.group().isEmpty() ? "core" : type.group()) + "/" + type.plural() + "/";
  }

  ResourceType type() {
    return type;
  }

  Schema schema() {
    return schema;
  }

  Strategy strategy() {
    return strategy;
  }

  boolean custom() {
    return custom;
  }

  String prefix() {
    return prefix;
  }

  boolean hasStatus() {
    return subresources.contains("status");
  }

  /** The status of an object that nobody has given one; absent where it then has none. */
  Optional<JsonObject> emptyStatus() {
    return schema
        .field("status")
        .filter(Schema.Field::always)
        .map(
            field ->
                SchemaDecoder.withDefaults(
                    field.schema().get(),
                    field.defaultValue().orElse(JsonNull.NULL) instanceof JsonObject status
                        ? status
                        : JsonObject.EMPTY));
  }

  boolean generation() {
    return custom || KindFacts.generation(type.groupResource());
  }

  boolean unconditionalUpdate() {
    return !custom && KindFacts.unconditionalUpdate(type.groupResource());
  }

  boolean createOnUpdate() {
    return KindFacts.createOnUpdate(type.groupResource());
  }

  String key(String namespace, String name) {
    return type.namespaced() ? prefix + namespace + "/" + name : prefix + name;
  }

  /** Whether objects of any version are selected by a field. */
  boolean selectable(String label) {
    return label.equals("metadata.name")
        || type.namespaced() && label.equals("metadata.namespace")
        || KindFacts.selectableFields(type.groupResource()).contains(label);
  }

  /** Writes a new object. */
  WriteResult create(String key, byte[] json) {
    return store.create(key, json, slack(key, false));
  }

  /** Writes an object whose last change has the expected revision. */
  WriteResult update(String key, byte[] json, long revision) {
    return store.update(key, json, revision, slack(key, true));
  }

  /** Removes an object whose last change has the expected revision. */
  WriteResult delete(String key, long revision) {
    return store.delete(key, revision, slack(key, false));
  }

  private Duration slack(String key, boolean renewal) {
    String rest = key.substring(prefix.length());
    String namespace = rest.substring(0, Math.max(0, rest.indexOf('/')));
    return KindFacts.slack(type.groupResource(), namespace, renewal);
  }

  WatchCache cache() {
    WatchCache open = cache;
    return open != null ? open : open();
  }

  /** The store's current revision. */
  long latest() {
    return store.currentRevision();
  }

  /**
   * One object, as of a revision at least; 0 for any. A cache is not opened for a few of them: a
   * server that starts looks for single objects among a hundred thousand.
   */
  Optional<Item> item(String key, long atLeast) {
    WatchCache open = cache;
    if (open == null
        && uncached.get() < MOST_UNCACHED
        && (atLeast == 0 || atLeast <= store.currentRevision())) {
      uncached.incrementAndGet();
      return WatchCache.read(store, key, new Rows());
    }
    return cache().get(key, atLeast);
  }

  /** How many objects are stored; a kind that has none needs no cache to say so. */
  long count() {
    boolean none = cache == null && store.list(prefix, 0, "", 1).entries().isEmpty();
    return none ? 0 : cache().size();
  }

  private synchronized WatchCache open() {
    if (closed) {
      throw new IllegalStateException(type + " is no longer served");
    }
    WatchCache open = cache;
    if (open == null) {
      open = WatchCache.open(store, prefix, new Rows());
      cache = open;
    }
    return open;
  }

  private final class Rows implements Indexer {
    private final Map<String, Set<String>> read = indexed();

    @Override
    public IndexRow row(String key, byte[] json) {
      JsonObject document =
          Json.parseStored(
              json,
              (outer, name) ->
                  outer.isEmpty()
                      ? read.containsKey(name)
                      : read.getOrDefault(outer, Set.of()).contains(name));
      KubeObject object = new KubeObject(document);
      return new IndexRow(object.namespace(), object.name(), object.labels(), fields(document));
    }

    @Override
    public byte[] form(byte[] json) {
      return StoredKind.this.form(json);
    }
  }

  /**
   * An object's bytes as the kind's present schema has them. A custom resource may have been
   * written under another definition: what is no longer declared goes, new defaults come.
   *
   * @param json stored bytes, resource version included
   */
  byte[] form(byte[] json) {
    if (!custom) {
      return json;
    }
    JsonObject stored = Json.parseObject(json);
    if (conversion.together() && !stored.text("apiVersion").equals(type.apiVersion())) {
      // Another shape, which only the webhook can translate; that is done for who reads it.
      return json;
    }
    JsonObject known = SchemaDecoder.prune(schema, type.groupVersionKind(), stored).object();
    JsonObject formed = SchemaDecoder.withDefaults(schema, known);
    return formed.equals(stored) ? json : Json.bytes(formed);
  }

  /** What an index row is made of: outermost fields, and those wanted inside them. */
  private Map<String, Set<String>> indexed() {
    Map<String, Set<String>> read = new HashMap<>();
    read.put("metadata", new HashSet<>(Set.of("name", "namespace", "labels")));
    Collection<List<String>> paths =
        customFields.isEmpty() ? KindFacts.fieldPaths(type.groupResource()) : customFields.values();
    for (List<String> path : paths) {
      Set<String> inside = read.computeIfAbsent(path.getFirst(), _ -> new HashSet<>());
      if (path.size() > 1) {
        inside.add(path.get(1));
      }
    }
    return read;
  }

  private Map<String, String> fields(JsonObject document) {
    if (customFields.isEmpty()) {
      return KindFacts.fieldValues(type.groupResource(), document);
    }
    Map<String, String> values = new LinkedHashMap<>();
    customFields.forEach((label, path) -> values.put(label, KindFacts.scalar(document, path)));
    return values;
  }

  /** An object in the version that is stored now; it may have been stored in an earlier one. */
  ServedObject upToDate(ServedObject found) {
    return conversion.identity() || found.tree().apiVersion().equals(type.apiVersion())
        ? found
        : ServedObject.of(conversion.toStored(found.tree()));
  }

  /** An item as it is in the cache; shared by all who hold it. */
  static ServedObject served(Item item) {
    return item.shared(ServedObject::of);
  }

  /** Ends the cache and its watches: the resource is no longer served. */
  @Override
  public synchronized void close() {
    closed = true;
    WatchCache open = cache;
    if (open != null) {
      open.close();
    }
  }
}
