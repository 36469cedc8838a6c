package dev.kedge.registry;

import dev.kedge.builtin.BuiltinResource;
import dev.kedge.builtin.BuiltinResources;
import dev.kedge.model.ResourceType;
import dev.kedge.store.Store;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;

/** Holds the catalogue of now, and makes the next one when custom resources change. Any thread. */
final class CatalogHolder {
  private final Store store;
  private final List<Served> builtin;
  private volatile ServedCatalog current;

  CatalogHolder(Store store, List<ComputedResource> computed) {
    this.store = store;
    List<Served> all = new ArrayList<>(builtin(store));
    computed.forEach(resource -> all.add(computed(store, resource.info())));
    this.builtin = List.copyOf(all);
    this.current = new ServedCatalog(1, builtin);
  }

  ServedCatalog current() {
    return current;
  }

  Store store() {
    return store;
  }

  /** Serves these custom resources beside the built-in ones from now on. */
  synchronized void replaceCustom(List<Served> custom) {
    List<Served> all = new ArrayList<>(builtin);
    all.addAll(custom);
    current = new ServedCatalog(current.version() + 1, all);
  }

  private static List<Served> builtin(Store store) {
    List<BuiltinResource> resources = BuiltinResources.all();
    Map<String, BuiltinResource> storage = new HashMap<>();
    for (BuiltinResource resource : resources) {
      String name = storedName(resource.type());
      BuiltinResource known = storage.get(name);
      // Events are kept as the core group's; else the newest stable version, which comes first.
      boolean prefer =
          known == null
              || resource.type().groupResource().equals(name)
                  && !known.type().groupResource().equals(name)
              || stable(resource) && !stable(known);
      if (prefer) {
        storage.put(name, resource);
      }
    }
    Map<String, StoredKind> kinds = new HashMap<>();
    List<Served> served = new ArrayList<>();
    for (BuiltinResource resource : resources) {
      String name = storedName(resource.type());
      BuiltinResource stored = storage.getOrDefault(name, resource);
      StoredKind kind =
          kinds.computeIfAbsent(
              name,
              _ ->
                  new StoredKind(
                      store,
                      stored.type(),
                      stored.schema(),
                      Strategies.of(stored.type().groupVersionKind()),
                      false,
                      subresources(stored),
                      Map.of(),
                      Converter.IDENTITY));
      served.add(new Served(info(resource), kind, converter(resource.type(), stored.type())));
    }
    return List.copyOf(served);
  }

  /** Served like any other, but nobody ever opens what it would be stored in. */
  private static Served computed(Store store, ResourceInfo info) {
    return new Served(
        info,
        new StoredKind(
            store,
            info.type(),
            info.schema(),
            Strategy.PLAIN,
            true,
            Set.of(),
            Map.of(),
            Converter.IDENTITY),
        Converter.IDENTITY);
  }

  private static String storedName(ResourceType type) {
    return type.groupResource().equals("events.events.k8s.io") ? "events" : type.groupResource();
  }

  private static boolean stable(BuiltinResource resource) {
    return !resource.type().version().contains("alpha")
        && !resource.type().version().contains("beta");
  }

  private static Converter converter(ResourceType served, ResourceType stored) {
    if (served.equals(stored)) {
      return Converter.IDENTITY;
    }
    return switch (served.groupResource() + "/" + served.version()) {
      case "events.events.k8s.io/v1" -> new EventConverter();
      case "horizontalpodautoscalers.autoscaling/v1" -> new AutoscalerConverter();
      default -> Converter.relabel(served.apiVersion(), stored.apiVersion());
    };
  }

  private static Set<String> subresources(BuiltinResource resource) {
    Set<String> names = new HashSet<>();
    resource.subresources().forEach(sub -> names.add(sub.name()));
    return names;
  }

  private static ResourceInfo info(BuiltinResource resource) {
    return new ResourceInfo(
        resource.type(),
        resource.singular(),
        resource.shortNames(),
        resource.categories(),
        resource.verbs(),
        resource.subresources().stream()
            .map(sub -> new ResourceInfo.Subresource(sub.name(), sub.type(), sub.verbs()))
            .toList(),
        resource.schema(),
        List.of(),
        false);
  }
}
