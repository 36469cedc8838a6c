package dev.kedge.store.cache;

import java.util.ArrayList;
import java.util.Collection;
import java.util.HashMap;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import org.jspecify.annotations.Nullable;

/**
 * The running watches, each in one bucket under the most telling thing it selects by, so that a
 * change finds those who may care without asking the rest. Guarded by the cache's dispatch lock.
 */
final class Watchers {
  private final Set<CacheWatch> everything = new LinkedHashSet<>();
  private final Map<String, Set<CacheWatch>> byNamespace = new HashMap<>();
  private final Map<String, Set<CacheWatch>> byName = new HashMap<>();
  private final Map<String, Map<String, Set<CacheWatch>>> byField = new HashMap<>();
  private int size;

  void add(CacheWatch watch) {
    if (bucket(watch.selection()).add(watch)) {
      size++;
    }
  }

  void remove(CacheWatch watch) {
    Selection selection = watch.selection();
    Set<CacheWatch> bucket = bucket(selection);
    if (bucket.remove(watch)) {
      size--;
    }
    if (bucket.isEmpty() && bucket != everything) {
      if (!selection.name().isEmpty()) {
        byName.remove(selection.name());
      } else if (!selection.field().isEmpty()) {
        Map<String, Set<CacheWatch>> values = byField.get(selection.field());
        if (values != null) {
          values.remove(selection.value());
          if (values.isEmpty()) {
            byField.remove(selection.field());
          }
        }
      } else {
        byNamespace.remove(selection.namespace());
      }
    }
  }

  void clear() {
    everything.clear();
    byNamespace.clear();
    byName.clear();
    byField.clear();
    size = 0;
  }

  int size() {
    return size;
  }

  Collection<CacheWatch> all() {
    List<CacheWatch> all = new ArrayList<>(everything);
    byNamespace.values().forEach(all::addAll);
    byName.values().forEach(all::addAll);
    byField.values().forEach(values -> values.values().forEach(all::addAll));
    return all;
  }

  /** Those who may care; each once. */
  List<CacheWatch> interestedIn(Change change) {
    List<CacheWatch> interested = new ArrayList<>(everything);
    Item before = change.before();
    Item after = change.after();
    Item either = after != null ? after : before;
    if (either == null) {
      return interested;
    }
    addAll(interested, byNamespace.get(either.row().namespace()));
    addAll(interested, byName.get(either.row().name()));
    byField.forEach(
        (field, values) -> {
          String old = before == null ? null : before.row().field(field);
          String now = after == null ? null : after.row().field(field);
          if (now != null) {
            addAll(interested, values.get(now));
          }
          if (old != null && !old.equals(now)) {
            addAll(interested, values.get(old));
          }
        });
    return interested;
  }

  private static void addAll(List<CacheWatch> to, @Nullable Set<CacheWatch> bucket) {
    if (bucket != null) {
      to.addAll(bucket);
    }
  }

  private Set<CacheWatch> bucket(Selection selection) {
    if (!selection.name().isEmpty()) {
      return byName.computeIfAbsent(selection.name(), _ -> new LinkedHashSet<>());
    }
    if (!selection.field().isEmpty()) {
      return byField
          .computeIfAbsent(selection.field(), _ -> new HashMap<>())
          .computeIfAbsent(selection.value(), _ -> new LinkedHashSet<>());
    }
    if (!selection.namespace().isEmpty()) {
      return byNamespace.computeIfAbsent(selection.namespace(), _ -> new LinkedHashSet<>());
    }
    return everything;
  }
}
