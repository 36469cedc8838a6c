package dev.kedge.controllers;

import dev.kedge.client.Informer;
import dev.kedge.client.KubeClient;
import dev.kedge.client.KubeClient.Patch;
import dev.kedge.model.ApiException;
import dev.kedge.model.JsonObject;
import dev.kedge.model.KubeObject;
import dev.kedge.model.LabelSelector;
import dev.kedge.model.ResourceType;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;

/** Who controls what: references, adoption of matching orphans, release of what no longer fits. */
final class Owners {
  private Owners() {}

  /** The owner reference that makes an object the controller of another. */
  static JsonObject controllerReference(ResourceType type, KubeObject owner) {
    return JsonObject.of(
        "apiVersion", type.apiVersion(),
        "kind", type.kind(),
        "name", owner.name(),
        "uid", owner.uid(),
        "controller", true,
        "blockOwnerDeletion", true);
  }

  static boolean controls(KubeObject owner, KubeObject object) {
    return object.controller().map(ref -> ref.text("uid").equals(owner.uid())).orElse(false);
  }

  /**
   * The objects of an owner: those it controls and that match its selector, plus orphans that
   * match, which are adopted. Those it controls but that match no more are released.
   */
  static List<KubeObject> claim(
      KubeClient client,
      ResourceType ownerType,
      KubeObject owner,
      LabelSelector selector,
      ResourceType type,
      Informer informer)
      throws InterruptedException {
    List<KubeObject> claimed = new ArrayList<>();
    for (KubeObject object : informer.controlledBy(owner.uid())) {
      if (selector.matches(object.labels())) {
        claimed.add(object);
      } else if (!owner.deleting()) {
        release(client, owner, type, object);
      }
    }
    if (owner.deleting()) {
      return claimed;
    }
    boolean checked = false;
    for (KubeObject object : informer.controlledBy("")) {
      if (!object.namespace().equals(owner.namespace())
          || object.deleting()
          || !selector.matches(object.labels())) {
        continue;
      }
      if (!checked) {
        // An owner that is gone, or was made again, must not adopt out of an old view.
        Optional<KubeObject> live = client.find(ownerType, owner.namespace(), owner.name());
        if (live.isEmpty() || !live.get().uid().equals(owner.uid()) || live.get().deleting()) {
          return claimed;
        }
        checked = true;
      }
      adopt(client, ownerType, owner, type, object, informer).ifPresent(claimed::add);
    }
    return claimed;
  }

  private static Optional<KubeObject> adopt(
      KubeClient client,
      ResourceType ownerType,
      KubeObject owner,
      ResourceType type,
      KubeObject object,
      Informer informer)
      throws InterruptedException {
    List<JsonObject> references = new ArrayList<>(object.ownerReferences());
    references.add(controllerReference(ownerType, owner));
    try {
      KubeObject adopted = set(client, type, object, references);
      Writes.awaitSeen(informer, adopted);
      return Optional.of(adopted);
    } catch (ApiException e) {
      if (e.isNotFound()) {
        return Optional.empty();
      }
      throw e;
    }
  }

  private static void release(
      KubeClient client, KubeObject owner, ResourceType type, KubeObject object) {
    List<JsonObject> references =
        object.ownerReferences().stream()
            .filter(reference -> !reference.text("uid").equals(owner.uid()))
            .toList();
    try {
      set(client, type, object, references);
    } catch (ApiException e) {
      if (!e.isNotFound()) {
        throw e;
      }
    }
  }

  /** Writes the owner references of an object, if it is still the one that was read. */
  static KubeObject set(
      KubeClient client, ResourceType type, KubeObject object, List<JsonObject> references) {
    return client.patch(
        type,
        object.namespace(),
        object.name(),
        Patch.merge(
            JsonObject.of(
                "metadata",
                JsonObject.of(
                    "uid", object.uid(),
                    "resourceVersion", object.resourceVersion(),
                    "ownerReferences", references))));
  }
}
