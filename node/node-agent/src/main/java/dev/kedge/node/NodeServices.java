package dev.kedge.node;

import dev.kedge.client.Events;
import dev.kedge.client.Informer;
import dev.kedge.client.Informers;
import dev.kedge.client.KubeClient;
import dev.kedge.cri.CriClient;
import dev.kedge.model.JsonObject;
import dev.kedge.model.KubeObject;
import dev.kedge.model.ResourceType;
import dev.kedge.model.Resources;
import java.time.InstantSource;
import java.util.Collection;
import java.util.Optional;
import java.util.function.Supplier;

/**
 * What the workers of all pods share.
 *
 * @param podsOnNode the pods of this node as the API server has them
 * @param machine what the node has and gives
 */
record NodeServices(
    KubeClient client,
    Informers informers,
    NodeSettings settings,
    CriClient cri,
    Events events,
    Cgroups cgroups,
    Images images,
    Machine machine,
    InstantSource clock,
    Supplier<Collection<KubeObject>> podsOnNode) {

  /** The whole resource, followed; complete on return. */
  Informer synced(ResourceType type) throws InterruptedException {
    Informer informer = informers.of(type);
    informer.awaitSynced();
    return informer;
  }

  /** A ConfigMap or Secret, from the cache where one is kept. */
  Optional<KubeObject> object(ResourceType type, String namespace, String name)
      throws InterruptedException {
    return settings.wholeClusterReads()
        ? synced(type).get(namespace, name)
        : client.find(type, namespace, name);
  }

  /** Records an event about a pod. */
  void event(KubeObject pod, String type, String reason, String message) {
    events.record(reference(pod), type, reason, message);
  }

  /** Records an event about a container, whose kind of list is told by its place in the pod. */
  void event(KubeObject pod, String container, String type, String reason, String message) {
    events.record(
        reference(pod).with("fieldPath", Pods.fieldPath(pod, container)), type, reason, message);
  }

  private static JsonObject reference(KubeObject pod) {
    return Events.reference(
        new KubeObject(
            pod.json()
                .with("kind", Resources.PODS.kind())
                .with("apiVersion", Resources.PODS.apiVersion())));
  }
}
