package dev.kedge.controllers;

import dev.kedge.client.Events;
import dev.kedge.client.Informer;
import dev.kedge.client.KubeClient;
import dev.kedge.client.KubeClient.DeleteOptions;
import dev.kedge.model.ApiException;
import dev.kedge.model.JsonObject;
import dev.kedge.model.KubeObject;
import dev.kedge.model.ResourceType;
import dev.kedge.model.Resources;
import java.util.ArrayList;
import java.util.Collection;
import java.util.List;
import java.util.concurrent.Callable;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.function.IntFunction;

/** Makes and removes the pods of a controlling object, with the events users expect. */
final class PodControl {
  private final KubeClient client;
  private final Informer pods;
  private final Events events;

  PodControl(KubeClient client, Informer pods, Events events) {
    this.client = client;
    this.pods = pods;
    this.events = events;
  }

  /** A pod from a template, controlled by an owner; named by generation unless named later. */
  static KubeObject fromTemplate(JsonObject template, ResourceType ownerType, KubeObject owner) {
    JsonObject templateMetadata = template.object("metadata");
    JsonObject metadata =
        JsonObject.builder()
            .put("generateName", owner.name() + "-")
            .put("namespace", owner.namespace())
            .putNonEmpty("labels", templateMetadata.object("labels"))
            .putNonEmpty("annotations", templateMetadata.object("annotations"))
            .putNonEmpty("finalizers", templateMetadata.array("finalizers"))
            .put("ownerReferences", List.of(Owners.controllerReference(ownerType, owner)))
            .build();
    return new KubeObject(
        JsonObject.of(
            "apiVersion",
            "v1",
            "kind",
            "Pod",
            "metadata",
            metadata,
            "spec",
            template.object("spec")));
  }

  /** Creates a pod and records it on its owner. */
  KubeObject create(KubeObject owner, KubeObject pod) {
    try {
      KubeObject created = client.create(Resources.PODS, pod);
      events.normal(owner, "SuccessfulCreate", "Created pod: " + created.name());
      return created;
    } catch (ApiException e) {
      if (!e.isNamespaceGoing() && !e.isAlreadyExists()) {
        events.warning(owner, "FailedCreate", "Error creating: " + e.status().message());
      }
      throw e;
    }
  }

  /**
   * Creates pods in growing batches, so that a refusal that concerns all (quota, a bad template) is
   * met once and not a thousand times; returns when the informer shows them.
   *
   * @throws ApiException the first failure, after the batch it happened in
   */
  void createAll(KubeObject owner, int count, IntFunction<KubeObject> pod)
      throws InterruptedException {
    List<KubeObject> created = new ArrayList<>();
    try {
      int batch = 1;
      for (int done = 0; done < count; ) {
        int size = Math.min(batch, count - done);
        int from = done;
        List<Callable<KubeObject>> calls = new ArrayList<>();
        for (int i = 0; i < size; i++) {
          int index = from + i;
          calls.add(() -> create(owner, pod.apply(index)));
        }
        parallel(calls, created);
        done += size;
        batch *= 2;
      }
    } finally {
      Writes.awaitSeen(pods, created);
    }
  }

  /** Deletes pods, records it on their owner, and returns when the informer shows it. */
  void deleteAll(KubeObject owner, Collection<KubeObject> doomed) throws InterruptedException {
    List<Callable<KubeObject>> calls = new ArrayList<>();
    for (KubeObject pod : doomed) {
      calls.add(
          () -> {
            delete(owner, pod);
            return pod;
          });
    }
    List<KubeObject> deleted = new ArrayList<>();
    try {
      parallel(calls, deleted);
    } finally {
      Writes.awaitGoing(pods, deleted);
    }
  }

  private void delete(KubeObject owner, KubeObject pod) {
    try {
      client.delete(
          Resources.PODS, pod.namespace(), pod.name(), DeleteOptions.DEFAULT.withUid(pod.uid()));
      events.normal(owner, "SuccessfulDelete", "Deleted pod: " + pod.name());
    } catch (ApiException e) {
      if (e.isNotFound() || e.isConflict()) {
        return; // gone, or another pod bears the name by now
      }
      events.warning(owner, "FailedDelete", "Error deleting: " + e.status().message());
      throw e;
    }
  }

  private static void parallel(List<Callable<KubeObject>> calls, List<KubeObject> results)
      throws InterruptedException {
    if (calls.size() == 1) {
      results.add(call(calls.getFirst()));
      return;
    }
    RuntimeException failure = null;
    try (ExecutorService threads = Executors.newVirtualThreadPerTaskExecutor()) {
      for (Future<KubeObject> future : threads.invokeAll(calls)) {
        try {
          results.add(future.get());
        } catch (ExecutionException e) {
          if (!(e.getCause() instanceof RuntimeException cause)) {
            throw new IllegalStateException(e.getCause());
          }
          failure = failure == null ? cause : failure;
        }
      }
    }
    if (failure != null) {
      throw failure;
    }
  }

  private static KubeObject call(Callable<KubeObject> call) {
    try {
      return call.call();
    } catch (RuntimeException e) {
      throw e;
    } catch (Exception e) {
      throw new IllegalStateException(e);
    }
  }
}
