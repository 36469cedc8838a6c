package dev.kedge.controllers;

import dev.kedge.client.Informer;
import dev.kedge.client.KubeClient;
import dev.kedge.controllers.ServicePods.Port;
import dev.kedge.model.JsonObject;
import dev.kedge.model.KubeObject;
import dev.kedge.model.Resources;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.function.Function;

/**
 * Brings the EndpointSlices of one Service to what they should hold, with few writes: an endpoint
 * stays in the slice it is in, new ones fill the fullest slices first.
 */
final class SliceWriter {
  private final KubeClient client;
  private final Informer slices;
  private final Shape shape;
  private final Function<JsonObject, String> identity;
  private final List<KubeObject> written = new ArrayList<>();
  private final List<KubeObject> deleted = new ArrayList<>();

  /** Endpoints that fit into the same slices: one address family, the same ports. */
  record Group(String family, List<Port> ports) {}

  /**
   * What all slices have in common.
   *
   * @param named whose name and namespace they get
   * @param annotations empty: each slice keeps its own
   * @param most endpoints in one slice
   */
  record Shape(
      KubeObject named, JsonObject owner, JsonObject labels, JsonObject annotations, int most) {}

  /**
   * @param identity tells an endpoint from others of the same Service
   */
  SliceWriter(
      KubeClient client, Informer slices, Shape shape, Function<JsonObject, String> identity) {
    this.client = client;
    this.slices = slices;
    this.shape = shape;
    this.identity = identity;
  }

  /** Writes what differs and waits until the informer shows it. */
  void write(Map<Group, Map<String, JsonObject>> wanted, List<KubeObject> present)
      throws InterruptedException {
    Map<Group, List<KubeObject>> byGroup = new HashMap<>();
    for (KubeObject slice : present) {
      Group group = groupOf(slice);
      if (wanted.containsKey(group)) {
        byGroup.computeIfAbsent(group, _ -> new ArrayList<>()).add(slice);
      } else {
        delete(slice);
      }
    }
    wanted.forEach(
        (group, endpoints) -> fill(group, endpoints, byGroup.getOrDefault(group, List.of())));
    Writes.awaitSeen(slices, written);
    Writes.awaitGoing(slices, deleted);
  }

  private static Group groupOf(KubeObject slice) {
    return new Group(
        slice.json().text("addressType"),
        slice.json().objects("ports").stream()
            .map(
                port ->
                    new Port(
                        port.text("name"),
                        port.text("protocol"),
                        port.integer("port"),
                        port.text("appProtocol")))
            .toList());
  }

  private void delete(KubeObject slice) {
    Writes.delete(client, Resources.ENDPOINT_SLICES, slice);
    deleted.add(slice);
  }

  private void fill(Group group, Map<String, JsonObject> wanted, List<KubeObject> present) {
    Map<String, JsonObject> missing = new LinkedHashMap<>(wanted);
    Map<KubeObject, List<JsonObject>> kept = new LinkedHashMap<>();
    for (KubeObject slice : present) {
      List<JsonObject> endpoints = new ArrayList<>();
      for (JsonObject endpoint : slice.json().objects("endpoints")) {
        JsonObject update = missing.remove(identity.apply(endpoint));
        if (update != null) {
          endpoints.add(update);
        }
      }
      kept.put(slice, endpoints);
    }
    List<JsonObject> homeless = new ArrayList<>(missing.values());
    // The fullest first, so that slices fill up instead of multiplying.
    List<KubeObject> order =
        kept.keySet().stream()
            .sorted(
                Comparator.comparingInt(
                    (KubeObject slice) -> -kept.getOrDefault(slice, List.of()).size()))
            .toList();
    for (KubeObject slice : order) {
      List<JsonObject> endpoints = kept.getOrDefault(slice, List.of());
      while (endpoints.size() < shape.most() && !homeless.isEmpty()) {
        endpoints.add(homeless.removeFirst());
      }
    }
    long filled = kept.values().stream().filter(endpoints -> !endpoints.isEmpty()).count();
    boolean spared = filled > 0 || !homeless.isEmpty();
    for (Map.Entry<KubeObject, List<JsonObject>> entry : kept.entrySet()) {
      if (entry.getValue().isEmpty() && spared) {
        delete(entry.getKey());
      } else {
        spared = true;
        update(entry.getKey(), entry.getValue());
      }
    }
    do {
      if (homeless.isEmpty() && spared) {
        return;
      }
      List<JsonObject> part = homeless.subList(0, Math.min(shape.most(), homeless.size()));
      create(group, List.copyOf(part));
      part.clear();
      spared = true;
    } while (true);
  }

  private void update(KubeObject slice, List<JsonObject> endpoints) {
    KubeObject next = shaped(slice).with("endpoints", endpoints);
    if (!next.metadata().equals(slice.metadata())
        || !slice.json().objects("endpoints").equals(endpoints)) {
      written.add(client.update(Resources.ENDPOINT_SLICES, next));
    }
  }

  private void create(Group group, List<JsonObject> endpoints) {
    KubeObject slice =
        KubeObject.of(Resources.ENDPOINT_SLICES.groupVersionKind(), shape.named().namespace(), "")
            .with(
                "metadata",
                JsonObject.of(
                    "generateName",
                    shape.named().name() + "-",
                    "namespace",
                    shape.named().namespace(),
                    "ownerReferences",
                    List.of(shape.owner())))
            .with("addressType", group.family())
            .with("endpoints", endpoints)
            .with("ports", group.ports().stream().map(port -> port.json(true)).toList());
    written.add(client.create(Resources.ENDPOINT_SLICES, shaped(slice)));
  }

  private KubeObject shaped(KubeObject slice) {
    KubeObject labelled = slice.withMetadata("labels", shape.labels());
    return shape.annotations().isEmpty()
        ? labelled
        : labelled.withMetadata("annotations", shape.annotations());
  }
}
