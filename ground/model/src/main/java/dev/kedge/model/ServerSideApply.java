package dev.kedge.model;

import dev.kedge.model.FieldSet.Element;
import dev.kedge.model.ManagedFields.Entry;
import dev.kedge.model.ManagedFields.Owner;
import dev.kedge.model.Status.Cause;
import dev.kedge.model.Status.Details;
import java.time.Instant;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;

/**
 * Server-side apply and the tracking of field owners ({@code metadata.managedFields}), as
 * upstream's structured-merge-diff and its field managers do it. Stateless; any thread.
 *
 * <p>Both entry points take the object as stored ({@link JsonObject#EMPTY} where it does not exist
 * yet) and return the object with its {@code managedFields} set. A write that changes nothing
 * returns an object equal to the stored one, times of {@code managedFields} included, so the caller
 * can tell a no-op by {@code equals}.
 */
public final class ServerSideApply {
  /** The manager whose applies also keep {@link #LAST_APPLIED} up to date. */
  private static final String KUBECTL = "kubectl";

  private static final String BEFORE_FIRST_APPLY = "before-first-apply";

  /** The annotation client-side apply keeps its last configuration in. */
  public static final String LAST_APPLIED = "kubectl.kubernetes.io/last-applied-configuration";

  /** Fields nobody owns, because the server or the request's path decides them. */
  private static final FieldSet STRIPPED =
      FieldSet.ofNames(
          List.of(
              List.of("apiVersion"),
              List.of("kind"),
              List.of("metadata"),
              List.of("metadata", "name"),
              List.of("metadata", "namespace"),
              List.of("metadata", "creationTimestamp"),
              List.of("metadata", "selfLink"),
              List.of("metadata", "uid"),
              List.of("metadata", "clusterName"),
              List.of("metadata", "generation"),
              List.of("metadata", "managedFields"),
              List.of("metadata", "resourceVersion")));

  private ServerSideApply() {}

  /**
   * As {@link #applied(JsonObject, JsonObject, String, boolean, Schema, String, Instant, List)}.
   */
  public static JsonObject applied(
      JsonObject live,
      JsonObject patch,
      String manager,
      boolean force,
      Schema schema,
      String subresource,
      Instant now) {
    return applied(live, patch, manager, force, schema, subresource, now, List.of());
  }

  /**
   * Applies a configuration.
   *
   * @param live the stored object, or {@link JsonObject#EMPTY}
   * @param patch the configuration with its apiVersion and kind; without {@code managedFields}
   * @param manager the request's fieldManager
   * @param force whether to take fields over that others own
   * @param schema the kind's schema
   * @param subresource empty for the object itself
   * @param now the time of the request
   * @param reset paths this endpoint does not write, such as {@code [["status"]]} on the main
   *     resource of a kind with a status subresource: neither owned nor changed
   * @throws ApiException 409 with one cause per field that others own; 400 where the patch names
   *     managed fields or another version; 500 without reason (as upstream) where the patch does
   *     not fit the schema
   */
  public static JsonObject applied(
      JsonObject live,
      JsonObject patch,
      String manager,
      boolean force,
      Schema schema,
      String subresource,
      Instant now,
      List<List<String>> reset) {
    if (patch.find("metadata", "managedFields").isPresent()) {
      throw ApiException.badRequest("metadata.managedFields must be nil");
    }
    String apiVersion = patch.text("apiVersion");
    if (!live.isEmpty() && !live.text("apiVersion").equals(apiVersion)) {
      throw ApiException.badRequest(
          "Incorrect version specified in apply patch. Specified patch version: "
              + apiVersion
              + ", expected: "
              + live.text("apiVersion"));
    }
    TypedValues.fault(patch, schema)
        .ifPresent(
            fault -> {
              throw new ApiException(
                  new Status(
                      500,
                      "",
                      "failed to create typed patch object (" + describe(patch) + "): " + fault,
                      Details.NONE));
            });
    JsonObject config = patch;
    FieldSet ignored = FieldSet.ofNames(reset);
    for (List<String> path : reset) {
      config = config.withoutPath(path);
    }
    ManagedFields before = decoded(live);
    JsonObject bare = ManagedFields.withoutManagedFields(live);
    ManagedFields managed = before.copy();
    if (managed.isEmpty() && !live.isEmpty()) {
      Owner owner = Owner.of(BEFORE_FIRST_APPLY, false, apiVersion, "");
      FieldSet all =
          TypedValues.compare(TypedValues.skeleton(schema), bare, schema)
              .added()
              .union(TypedValues.compare(TypedValues.skeleton(schema), bare, schema).modified())
              .difference(STRIPPED);
      if (!all.isEmpty()) {
        managed.put(owner, all, apiVersion, now);
      }
    }
    Owner owner = Owner.of(manager, true, apiVersion, subresource);
    Merged merged;
    try {
      merged = merge(bare, config, owner, apiVersion, managed, force, schema, ignored);
    } catch (Conflicts conflicts) {
      // Someone who goes over from client-side to server-side apply must not conflict with himself.
      if (!manager.equals(KUBECTL) || !conflicts.within(lastApplied(bare, schema))) {
        throw conflicts.toApiException();
      }
      merged = merge(bare, config, owner, apiVersion, managed, true, schema, ignored);
    }
    JsonObject object = merged.object();
    if (manager.equals(KUBECTL)
        && object.object("metadata", "annotations").has(LAST_APPLIED)
        && subresource.isEmpty()) {
      object =
          object.withPath(
              List.of("metadata", "annotations", LAST_APPLIED),
              Json.write(withoutLastApplied(patch)) + "\n");
    }
    ManagedFields after = merged.managed();
    if (object.equals(bare) && after.sameOwnership(before)) {
      return live;
    }
    Entry own = after.entries().get(owner);
    if (own != null) {
      after.put(owner, own.fields(), apiVersion, now);
    }
    after.cap();
    return after.on(object);
  }

  /** As {@link #updated(JsonObject, JsonObject, String, Schema, String, Instant, List)}. */
  public static JsonObject updated(
      JsonObject live,
      JsonObject changed,
      String manager,
      Schema schema,
      String subresource,
      Instant now) {
    return updated(live, changed, manager, schema, subresource, now, List.of());
  }

  /**
   * Records who owns what after a create, an update or a patch that is no apply. {@code
   * managedFields} in the changed object are honoured as upstream does: an entry that is empty
   * resets them, malformed or absent ones leave the stored ones in place; on subresources they are
   * ignored.
   *
   * @param live the stored object, or {@link JsonObject#EMPTY} on create
   * @param changed the object to be stored
   * @param manager the request's fieldManager, or the first part of its User-Agent
   * @param reset as for {@link #applied}
   */
  public static JsonObject updated(
      JsonObject live,
      JsonObject changed,
      String manager,
      Schema schema,
      String subresource,
      Instant now,
      List<List<String>> reset) {
    ManagedFields managed = liveOrNew(live, changed, !subresource.isEmpty());
    JsonObject before = ManagedFields.withoutManagedFields(live);
    JsonObject after = ManagedFields.withoutManagedFields(changed);
    if (managed.isEmpty() && !live.text("metadata", "uid").isEmpty()) {
      // Nobody tracked this object so far (or its owner switched tracking off): leave it so.
      return after;
    }
    String apiVersion = changed.text("apiVersion");
    TypedValues.Difference difference =
        TypedValues.compare(live.isEmpty() ? TypedValues.skeleton(schema) : before, after, schema);
    Owner owner = Owner.of(manager, false, apiVersion, subresource);
    FieldSet taken =
        difference
            .modified()
            .union(difference.added())
            .recursiveDifference(FieldSet.ofNames(reset))
            .difference(STRIPPED);
    FieldSet lost = difference.removed();
    FieldSet touched = difference.modified().union(difference.added());
    for (Owner other : List.copyOf(managed.entries().keySet())) {
      if (!other.equals(owner)) {
        managed.replace(other, managed.fields(other).difference(touched).difference(lost));
      }
    }
    managed.replace(owner, managed.fields(owner).difference(lost));
    if (!taken.isEmpty()) {
      managed.put(owner, managed.fields(owner).union(taken), apiVersion, now);
    }
    managed.cap();
    JsonObject result = managed.on(after);
    if (after.equals(before) && managed.sameOwnership(decoded(live))) {
      return live;
    }
    return result;
  }

  /** A document with a configuration merged into it; who owns what is not asked. */
  public static JsonObject merged(JsonObject live, JsonObject config, Schema schema) {
    return TypedValues.merge(live, config, schema) instanceof JsonObject merged ? merged : live;
  }

  /** The fields of a value that an applier of it would own. */
  public static FieldSet fieldSet(JsonObject value, Schema schema) {
    return TypedValues.fieldSet(value, schema).difference(STRIPPED);
  }

  private static ManagedFields liveOrNew(JsonObject live, JsonObject changed, boolean ignoreNew) {
    List<JsonObject> given = changed.objects("metadata", "managedFields");
    if (!ignoreNew && !given.isEmpty()) {
      if (given.size() == 1 && given.getFirst().isEmpty()) {
        return ManagedFields.empty();
      }
      try {
        return ManagedFields.of(changed);
      } catch (IllegalArgumentException e) {
        // As upstream: clients that garble managed fields must not destroy them.
        return decoded(live);
      }
    }
    return decoded(live);
  }

  /** Stored entries that cannot be read count as absent: a write must not fail for them. */
  private static ManagedFields decoded(JsonObject live) {
    try {
      return ManagedFields.of(live);
    } catch (IllegalArgumentException e) {
      return ManagedFields.empty();
    }
  }

  private record Merged(JsonObject object, ManagedFields managed) {}

  private static Merged merge(
      JsonObject live,
      JsonObject config,
      Owner owner,
      String apiVersion,
      ManagedFields current,
      boolean force,
      Schema schema,
      FieldSet ignored) {
    ManagedFields managed = current.copy();
    JsonObject merged =
        TypedValues.merge(live, config, schema) instanceof JsonObject object
            ? object
            : JsonObject.EMPTY;
    FieldSet last = managed.fields(owner);
    Entry lastEntry = managed.entries().get(owner);
    FieldSet set = TypedValues.fieldSet(config, schema).recursiveDifference(ignored);
    managed.put(owner, set, apiVersion, lastEntry == null ? null : lastEntry.time());
    JsonObject pruned = pruned(merged, managed, last, schema);

    TypedValues.Difference difference =
        TypedValues.compare(live.isEmpty() ? TypedValues.skeleton(schema) : live, pruned, schema);
    FieldSet touched = difference.modified().union(difference.added());
    Map<Owner, FieldSet> conflicts = new LinkedHashMap<>();
    managed
        .entries()
        .forEach(
            (other, entry) -> {
              FieldSet both = entry.fields().intersection(touched);
              if (!other.equals(owner) && !both.isEmpty()) {
                conflicts.put(other, both);
              }
            });
    if (!force && !conflicts.isEmpty()) {
      throw new Conflicts(conflicts, current);
    }
    for (Owner other : List.copyOf(managed.entries().keySet())) {
      if (!other.equals(owner)) {
        FieldSet left = managed.fields(other);
        left = left.difference(conflicts.getOrDefault(other, FieldSet.EMPTY));
        managed.replace(other, left.difference(difference.removed()));
      }
    }
    managed.replace(owner, set.difference(STRIPPED));
    return new Merged(pruned, managed);
  }

  /**
   * Removes what the manager applied last time, does not apply now, and nobody else owns. What
   * hangs below a removed field without an owner of its own goes with it, except fields that were
   * never the applier's.
   */
  private static JsonObject pruned(
      JsonObject merged, ManagedFields managed, FieldSet last, Schema schema) {
    if (last.isEmpty()) {
      return merged;
    }
    FieldSet lastNamed = TypedValues.withNamedFields(last, schema);
    FieldSet mergedSet = TypedValues.withNamedFields(TypedValues.fieldSet(merged, schema), schema);
    JsonObject pruned = TypedValues.without(merged, lastNamed, schema);
    FieldSet owned = FieldSet.EMPTY;
    for (Entry entry : managed.entries().values()) {
      owned = owned.union(entry.fields());
    }
    FieldSet prunedSet = TypedValues.withNamedFields(TypedValues.fieldSet(pruned, schema), schema);
    pruned =
        TypedValues.without(
            merged,
            mergedSet.difference(prunedSet.union(TypedValues.withNamedFields(owned, schema))),
            schema);
    prunedSet = TypedValues.withNamedFields(TypedValues.fieldSet(pruned, schema), schema);
    return TypedValues.without(
        merged, mergedSet.difference(prunedSet).intersection(lastNamed), schema);
  }

  private static FieldSet lastApplied(JsonObject live, Schema schema) {
    String text = live.text("metadata", "annotations", LAST_APPLIED);
    if (text.isEmpty()) {
      return FieldSet.EMPTY;
    }
    try {
      return TypedValues.fieldSet(Json.parseObject(text), schema);
    } catch (JsonSyntaxException e) {
      return FieldSet.EMPTY;
    }
  }

  private static JsonObject withoutLastApplied(JsonObject patch) {
    JsonObject rest = patch.withoutPath(List.of("metadata", "annotations", LAST_APPLIED));
    return rest.find("metadata", "annotations").isPresent()
            && rest.object("metadata", "annotations").isEmpty()
        ? rest.withoutPath(List.of("metadata", "annotations"))
        : rest;
  }

  private static String describe(JsonObject object) {
    KubeObject kube = new KubeObject(object);
    // The core group has an empty name here, and its slash stays.
    GroupVersionKind kind = kube.groupVersionKind();
    return kube.namespace() + "/" + kube.name() + "; " + (kind.group().isEmpty() ? "/" : "") + kind;
  }

  /** Fields that others own; turned into upstream's answer by {@link #toApiException}. */
  private static final class Conflicts extends RuntimeException {
    private final transient Map<Owner, FieldSet> fields;
    private final transient ManagedFields managed;

    Conflicts(Map<Owner, FieldSet> fields, ManagedFields managed) {
      super("conflicts", null, false, false);
      this.fields = fields;
      this.managed = managed;
    }

    boolean within(FieldSet allowed) {
      return fields.values().stream().allMatch(set -> set.difference(allowed).isEmpty());
    }

    ApiException toApiException() {
      TreeMap<String, List<String>> paths = new TreeMap<>();
      List<Cause> causes = new ArrayList<>();
      fields.forEach(
          (owner, set) ->
              set.forEach(
                  (List<Element> path) -> {
                    String text = FieldSet.display(path);
                    paths.computeIfAbsent(describe(owner), _ -> new ArrayList<>()).add(text);
                    causes.add(
                        new Cause(
                            "FieldManagerConflict", "conflict with " + describe(owner), text));
                  }));
      String message;
      if (causes.size() == 1) {
        message =
            "Apply failed with 1 conflict: "
                + causes.getFirst().message()
                + ": "
                + causes.getFirst().field();
      } else {
        List<String> parts = new ArrayList<>();
        paths.forEach(
            (owner, list) ->
                parts.add("conflicts with " + owner + ":\n- " + String.join("\n- ", list)));
        message = "Apply failed with " + causes.size() + " conflicts: " + String.join("\n", parts);
      }
      return new ApiException(
          new Status(409, "Conflict", message, new Details("", "", "", "", causes, 0)));
    }

    private String describe(Owner owner) {
      String text = Json.write(new JsonString(owner.manager()));
      if (!owner.subresource().isEmpty()) {
        text += " with subresource " + Json.write(new JsonString(owner.subresource()));
      }
      if (owner.applied()) {
        return text;
      }
      Entry entry = managed.entries().get(owner);
      text += " using " + owner.apiVersion();
      return entry == null || entry.time() == null
          ? text
          : text + " at " + ManagedFields.text(entry.time());
    }
  }
}
