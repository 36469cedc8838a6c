package dev.kedge.registry;

import dev.kedge.model.GroupVersionKind;
import dev.kedge.model.ResourceType;
import java.util.ArrayList;
import java.util.Collection;
import java.util.HashMap;
import java.util.IdentityHashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;

/** What is served at one moment, with the stored kinds behind it. Immutable. */
final class ServedCatalog implements Catalog {
  private final long version;
  private final List<ResourceInfo> all;
  private final Map<Path, Served> byPath = new HashMap<>();
  private final Map<GroupVersionKind, ResourceInfo> byKind = new HashMap<>();
  private final Map<String, StoredKind> stored = new LinkedHashMap<>();
  private final Map<StoredKind, List<Served>> versions = new IdentityHashMap<>();

  private record Path(String group, String version, String plural) {}

  /**
   * @param served in the order of discovery
   */
  ServedCatalog(long version, List<Served> served) {
    this.version = version;
    this.all = served.stream().map(Served::info).toList();
    for (Served one : served) {
      ResourceType type = one.info().type();
      byPath.put(new Path(type.group(), type.version(), type.plural()), one);
      byKind.putIfAbsent(type.groupVersionKind(), one.info());
      stored.put(one.stored().type().groupResource(), one.stored());
      stored.putIfAbsent(type.groupResource(), one.stored());
      versions.computeIfAbsent(one.stored(), _ -> new ArrayList<>()).add(one);
    }
  }

  @Override
  public long version() {
    return version;
  }

  @Override
  public Optional<ResourceInfo> find(String group, String version, String plural) {
    return Optional.ofNullable(byPath.get(new Path(group, version, plural))).map(Served::info);
  }

  @Override
  public Optional<ResourceInfo> ofKind(GroupVersionKind kind) {
    return Optional.ofNullable(byKind.get(kind));
  }

  @Override
  public List<ResourceInfo> all() {
    return all;
  }

  /** The served version a resource type names. */
  Optional<Served> served(ResourceType type) {
    return Optional.ofNullable(byPath.get(new Path(type.group(), type.version(), type.plural())));
  }

  /** The versions in which the objects of a stored kind are served. */
  List<Served> versions(StoredKind kind) {
    return versions.getOrDefault(kind, List.of());
  }

  /** The stored kind of a {@code plural.group}. */
  Optional<StoredKind> stored(String groupResource) {
    return Optional.ofNullable(stored.get(groupResource));
  }

  /** Every stored kind. */
  Collection<StoredKind> kinds() {
    return stored.values().stream().distinct().toList();
  }
}
