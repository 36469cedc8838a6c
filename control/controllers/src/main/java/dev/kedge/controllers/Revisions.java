package dev.kedge.controllers;

import dev.kedge.client.Informer;
import dev.kedge.client.KubeClient;
import dev.kedge.model.ApiException;
import dev.kedge.model.JsonObject;
import dev.kedge.model.KubeObject;
import dev.kedge.model.LabelSelector;
import dev.kedge.model.ResourceType;
import dev.kedge.model.Resources;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.HashSet;
import java.util.List;
import java.util.Optional;
import java.util.Set;

/** The ControllerRevisions of a DaemonSet or StatefulSet: one per pod template it ever had. */
final class Revisions {
  private final KubeClient client;
  private final Informer revisions;
  private final ResourceType ownerType;
  private final KubeObject owner;
  private List<KubeObject> all;

  Revisions(KubeClient client, Informer revisions, ResourceType ownerType, KubeObject owner)
      throws InterruptedException {
    this.client = client;
    this.revisions = revisions;
    this.ownerType = ownerType;
    this.owner = owner;
    this.all = sorted(revisions.controlledBy(owner.uid()));
    if (all.isEmpty() && !owner.deleting()) {
      // After a restore or an orphaning deletion the old ones wait to be adopted.
      all =
          sorted(
              Owners.claim(
                  client,
                  ownerType,
                  owner,
                  LabelSelector.of(owner.spec().object("selector")),
                  Resources.CONTROLLER_REVISIONS,
                  revisions));
    }
  }

  private static List<KubeObject> sorted(List<KubeObject> revisions) {
    List<KubeObject> sorted = new ArrayList<>(revisions);
    sorted.sort(
        Comparator.comparingLong((KubeObject revision) -> number(revision))
            .thenComparing(KubeObject::name));
    return sorted;
  }

  private static long number(KubeObject revision) {
    return revision.json().integer("revision");
  }

  /** The revision of the owner's present template; made, or numbered anew, if need be. */
  KubeObject current(long collisions) throws InterruptedException {
    JsonObject template = owner.spec().object("template");
    JsonObject data =
        JsonObject.of("spec", JsonObject.of("template", template.with("$patch", "replace")));
    long next = all.isEmpty() ? 1 : number(all.getLast()) + 1;
    Optional<KubeObject> same =
        all.stream()
            .filter(
                revision ->
                    Template.same(
                        revision.json().object("data", "spec", "template").without("$patch"),
                        template))
            .max(Comparator.comparingLong(Revisions::number));
    if (same.isPresent()) {
      if (number(same.get()) == number(all.getLast())) {
        return same.get();
      }
      // A rollback: the old revision becomes the newest.
      KubeObject renumbered =
          client.update(Resources.CONTROLLER_REVISIONS, same.get().with("revision", next));
      Writes.awaitSeen(revisions, renumbered);
      all = sorted(revisions.controlledBy(owner.uid()));
      return renumbered;
    }
    String hash = Template.hash(data, collisions == 0 ? "" : Long.toString(collisions));
    JsonObject labels =
        template
            .object("metadata", "labels")
            .with("controller.kubernetes.io/hash", hash)
            .with("controller-revision-hash", hash);
    KubeObject wish =
        new KubeObject(
            JsonObject.of(
                "apiVersion",
                "apps/v1",
                "kind",
                "ControllerRevision",
                "metadata",
                JsonObject.builder()
                    .put("name", owner.name() + "-" + hash)
                    .put("namespace", owner.namespace())
                    .put("labels", labels)
                    .putNonEmpty(
                        "annotations",
                        owner
                            .metadata()
                            .object("annotations")
                            .without("kubectl.kubernetes.io/last-applied-configuration"))
                    .put("ownerReferences", List.of(Owners.controllerReference(ownerType, owner)))
                    .build(),
                "data",
                data,
                "revision",
                next));
    try {
      KubeObject made = client.create(Resources.CONTROLLER_REVISIONS, wish);
      Writes.awaitSeen(revisions, made);
      all.add(made);
      return made;
    } catch (ApiException e) {
      if (e.isAlreadyExists()) {
        KubeObject there =
            client.get(Resources.CONTROLLER_REVISIONS, owner.namespace(), wish.name());
        if (Owners.controls(owner, there) && there.json().object("data").equals(data)) {
          return there;
        }
      }
      throw e;
    }
  }

  /** The revision of a name. */
  Optional<KubeObject> named(String name) {
    return all.stream().filter(revision -> revision.name().equals(name)).findFirst();
  }

  /** The template that a revision keeps. */
  static JsonObject template(KubeObject revision) {
    return revision.json().object("data", "spec", "template").without("$patch");
  }

  /** The value of the label {@code controller-revision-hash} on pods of a revision. */
  static String hash(KubeObject revision) {
    return revision.labels().getOrDefault("controller.kubernetes.io/hash", revision.name());
  }

  /** Removes the oldest that nothing uses, down to a limit. */
  void truncate(long limit, Set<String> usedNamesAndHashes) {
    List<KubeObject> idle = new ArrayList<>();
    for (KubeObject revision : all) {
      if (!usedNamesAndHashes.contains(revision.name())
          && !usedNamesAndHashes.contains(hash(revision))) {
        idle.add(revision);
      }
    }
    for (int i = 0; i < idle.size() - limit; i++) {
      Writes.delete(client, Resources.CONTROLLER_REVISIONS, idle.get(i));
    }
  }

  static Set<String> used(List<KubeObject> pods, String... more) {
    Set<String> used = new HashSet<>(List.of(more));
    for (KubeObject pod : pods) {
      used.add(pod.labels().getOrDefault("controller-revision-hash", ""));
    }
    return used;
  }
}
