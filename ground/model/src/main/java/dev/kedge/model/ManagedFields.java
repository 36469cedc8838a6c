package dev.kedge.model;

import java.time.Instant;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/**
 * The decoded {@code metadata.managedFields} of an object: who owns which fields. A change of one
 * request is made on a copy of its own; one thread.
 */
final class ManagedFields {
  /** Upstream keeps this many updating managers; older ones are folded into one entry. */
  static final int MAX_UPDATE_MANAGERS = 10;

  private static final String ANCIENT = "ancient-changes";

  /**
   * Who owns: appliers are the same whatever version they apply, updaters are apart per version.
   *
   * @param apiVersion empty for appliers
   */
  record Owner(String manager, boolean applied, String apiVersion, String subresource) {
    static Owner of(String manager, boolean applied, String apiVersion, String subresource) {
      return new Owner(manager, applied, applied ? "" : apiVersion, subresource);
    }
  }

  /** What is owned since when. */
  record Entry(FieldSet fields, String apiVersion, @Nullable Instant time) {}

  private final Map<Owner, Entry> entries;

  private ManagedFields(Map<Owner, Entry> entries) {
    this.entries = entries;
  }

  static ManagedFields empty() {
    return new ManagedFields(new LinkedHashMap<>());
  }

  /**
   * Reads {@code metadata.managedFields}.
   *
   * @throws IllegalArgumentException if an entry is malformed
   */
  static ManagedFields of(JsonObject object) {
    Map<Owner, Entry> entries = new LinkedHashMap<>();
    for (JsonObject json : object.objects("metadata", "managedFields")) {
      String operation = json.text("operation");
      if (!operation.equals("Apply") && !operation.equals("Update")) {
        throw new IllegalArgumentException("operation must be `Apply` or `Update`");
      }
      if (!json.text("fieldsType").equals("FieldsV1")) {
        throw new IllegalArgumentException("fieldsType must be `FieldsV1`");
      }
      Owner owner =
          Owner.of(
              json.text("manager"),
              operation.equals("Apply"),
              json.text("apiVersion"),
              json.text("subresource"));
      entries.put(
          owner,
          new Entry(
              FieldSet.parse(json.object("fieldsV1")),
              json.text("apiVersion"),
              time(json.text("time"))));
    }
    return new ManagedFields(entries);
  }

  private static @Nullable Instant time(String text) {
    if (text.isEmpty()) {
      return null;
    }
    return Times.instant(text)
        .orElseThrow(() -> new IllegalArgumentException("time is not RFC 3339: " + text));
  }

  ManagedFields copy() {
    return new ManagedFields(new LinkedHashMap<>(entries));
  }

  Map<Owner, Entry> entries() {
    return entries;
  }

  boolean isEmpty() {
    return entries.isEmpty();
  }

  FieldSet fields(Owner owner) {
    Entry entry = entries.get(owner);
    return entry == null ? FieldSet.EMPTY : entry.fields();
  }

  void put(Owner owner, FieldSet fields, String apiVersion, @Nullable Instant time) {
    entries.put(owner, new Entry(fields, apiVersion, time));
  }

  /** Replaces the fields of an owner, keeping its time; an owner of nothing is no owner. */
  void replace(Owner owner, FieldSet fields) {
    Entry entry = entries.get(owner);
    if (entry == null) {
      return;
    }
    if (fields.isEmpty()) {
      entries.remove(owner);
    } else {
      entries.put(owner, new Entry(fields, entry.apiVersion(), entry.time()));
    }
  }

  /** Whether the same owners own the same fields, whatever the times. */
  boolean sameOwnership(ManagedFields other) {
    if (!entries.keySet().equals(other.entries.keySet())) {
      return false;
    }
    return entries.entrySet().stream()
        .allMatch(
            entry -> {
              Entry theirs = other.entries.get(entry.getKey());
              return theirs != null
                  && theirs.fields().equals(entry.getValue().fields())
                  && theirs.apiVersion().equals(entry.getValue().apiVersion());
            });
  }

  /** Folds the oldest updaters of a version together until few enough are left. */
  void cap() {
    List<Owner> updaters =
        new ArrayList<>(entries.keySet().stream().filter(owner -> !owner.applied()).toList());
    int count = updaters.size();
    if (count <= MAX_UPDATE_MANAGERS) {
      return;
    }
    updaters.sort(
        Comparator.comparing(
                (Owner owner) -> {
                  Instant time = at(owner).time();
                  return time == null ? Instant.EPOCH : time;
                })
            .thenComparing(Owner::manager));
    Map<String, Owner> firsts = new LinkedHashMap<>();
    for (Owner updater : updaters) {
      if (count <= MAX_UPDATE_MANAGERS) {
        return;
      }
      Entry entry = at(updater);
      Owner first = firsts.putIfAbsent(entry.apiVersion(), updater);
      if (first == null) {
        continue;
      }
      Owner bucket = Owner.of(ANCIENT, false, entry.apiVersion(), "");
      Entry held = entries.get(bucket);
      if (held == null) {
        held = at(first);
        entries.remove(first);
      }
      entries.remove(updater);
      entries.put(
          bucket, new Entry(held.fields().union(entry.fields()), entry.apiVersion(), entry.time()));
      count--;
    }
  }

  private Entry at(Owner owner) {
    Entry entry = entries.get(owner);
    if (entry == null) {
      throw new IllegalStateException("no such manager: " + owner);
    }
    return entry;
  }

  /** The object with these as its {@code metadata.managedFields}, in upstream's order. */
  JsonObject on(JsonObject object) {
    if (entries.isEmpty()) {
      return withoutManagedFields(object);
    }
    List<Map.Entry<Owner, Entry>> sorted = new ArrayList<>(entries.entrySet());
    sorted.sort(
        Comparator.comparing((Map.Entry<Owner, Entry> e) -> !e.getKey().applied())
            .thenComparing(e -> seconds(e.getValue().time()))
            .thenComparing(e -> e.getKey().manager())
            .thenComparing(e -> e.getValue().apiVersion())
            .thenComparing(e -> e.getKey().subresource()));
    JsonArray list =
        sorted.stream()
            .map(
                e ->
                    JsonObject.builder()
                        .putNonEmpty("manager", e.getKey().manager())
                        .put("operation", e.getKey().applied() ? "Apply" : "Update")
                        .put("apiVersion", e.getValue().apiVersion())
                        .putNonEmpty("time", text(e.getValue().time()))
                        .put("fieldsType", "FieldsV1")
                        .put("fieldsV1", e.getValue().fields().json())
                        .putNonEmpty("subresource", e.getKey().subresource())
                        .build())
            .collect(JsonArray.collector());
    return object.withPath(List.of("metadata", "managedFields"), list);
  }

  static JsonObject withoutManagedFields(JsonObject object) {
    return object.withoutPath(List.of("metadata", "managedFields"));
  }

  static String text(@Nullable Instant time) {
    return time == null ? "" : Times.text(time);
  }

  private static long seconds(@Nullable Instant time) {
    return time == null ? 0 : time.getEpochSecond();
  }
}
