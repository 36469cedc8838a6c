package dev.kedge.controllers;

import dev.kedge.client.Informer;
import dev.kedge.client.KubeClient;
import dev.kedge.client.KubeClient.DeleteOptions;
import dev.kedge.model.ApiException;
import dev.kedge.model.JsonObject;
import dev.kedge.model.KubeObject;
import dev.kedge.model.ObjectKey;
import dev.kedge.model.ResourceType;
import dev.kedge.model.Times;
import java.time.Duration;
import java.time.Instant;
import java.util.Collection;
import java.util.Optional;

/**
 * Writing, and seeing what was written: a reconciler that made or removed objects waits until its
 * informer shows it, so that its next run does not decide on an old view and do it twice. (Upstream
 * counts expectations instead.)
 */
final class Writes {
  private static final Duration PATIENCE = Duration.ofSeconds(5);

  private Writes() {}

  /** Waits until an informer shows an object at the written version or a later one. */
  static void awaitSeen(Informer informer, KubeObject written) throws InterruptedException {
    informer.await(PATIENCE, () -> seen(informer, written));
  }

  /** Waits until an informer shows all of these objects. */
  static void awaitSeen(Informer informer, Collection<KubeObject> written)
      throws InterruptedException {
    informer.await(
        PATIENCE,
        () -> {
          for (KubeObject object : written) {
            if (!seen(informer, object)) {
              return false;
            }
          }
          return true;
        });
  }

  private static boolean seen(Informer informer, KubeObject written) {
    return reached(informer.resourceVersion(), written.resourceVersion())
        || informer
            .get(written.key())
            .map(object -> reached(object.resourceVersion(), written.resourceVersion()))
            .orElse(false);
  }

  /** Resource versions are ordered decimal numbers (KEP-5504). */
  private static boolean reached(String version, String wanted) {
    return version.length() == wanted.length()
        ? version.compareTo(wanted) >= 0
        : version.length() > wanted.length();
  }

  /** Waits until an informer shows that objects are gone or going. */
  static void awaitGoing(Informer informer, Collection<KubeObject> deleted)
      throws InterruptedException {
    informer.await(
        PATIENCE,
        () -> {
          for (KubeObject object : deleted) {
            Optional<KubeObject> now = informer.get(object.key());
            if (now.isPresent() && now.get().uid().equals(object.uid()) && !now.get().deleting()) {
              return false;
            }
          }
          return true;
        });
  }

  /** Writes a status if it differs from what the object has; gives the object as it is then. */
  static KubeObject status(
      KubeClient client, ResourceType type, KubeObject object, JsonObject status) {
    return object.status().equals(status)
        ? object
        : client.updateSubresource(type, object.withStatus(status), "status");
  }

  /** Deletes an object that may be gone already, in the background. */
  static void delete(KubeClient client, ResourceType type, KubeObject object) {
    try {
      client.delete(
          type,
          object.namespace(),
          object.name(),
          DeleteOptions.background().withUid(object.uid()));
    } catch (ApiException e) {
      if (!e.isNotFound() && !e.isConflict()) {
        throw e;
      }
    }
  }

  /** Creates an object unless one of its name is there, and waits until the informer shows it. */
  static void createIfAbsent(
      KubeClient client, ResourceType type, Informer informer, KubeObject object)
      throws InterruptedException {
    if (informer.get(object.key()).isPresent()) {
      return;
    }
    try {
      awaitSeen(informer, client.create(type, object));
    } catch (ApiException e) {
      if (!e.isAlreadyExists()) {
        throw e;
      }
    }
  }

  /** Reads an API time; the epoch where there is none that can be read. */
  static Instant instant(String time) {
    return Times.instant(time).orElse(Instant.EPOCH);
  }

  static ObjectKey clusterKey(String name) {
    return new ObjectKey("", name);
  }
}
