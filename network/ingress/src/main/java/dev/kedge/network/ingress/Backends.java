package dev.kedge.network.ingress;

import dev.kedge.client.Informer;
import dev.kedge.model.JsonObject;
import dev.kedge.model.KubeObject;
import dev.kedge.model.ObjectKey;
import java.util.ArrayList;
import java.util.Collection;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.atomic.AtomicInteger;

/**
 * The addresses behind Services, kept as EndpointSlices change. Changes come on the informers'
 * threads; requests ask from any.
 */
final class Backends {
  private static final String SERVICE_NAME = "kubernetes.io/service-name";

  /**
   * The addresses of a route in the order to try them.
   *
   * @param authorities {@code address:port}
   * @param secure whether the backend speaks TLS
   */
  record Target(boolean secure, List<String> authorities) {
    Target {
      authorities = List.copyOf(authorities);
    }
  }

  private record Compiled(Target target, AtomicInteger next) {}

  private final Informer services;
  private final Map<ObjectKey, Map<String, KubeObject>> slices = new ConcurrentHashMap<>();
  private final Map<ObjectKey, Map<Route, Compiled>> compiled = new ConcurrentHashMap<>();

  Backends(Informer services, Informer endpointSlices) {
    this.services = services;
    endpointSlices.listen(this::sliceChanged);
    services.listen(
        (before, after) ->
            after.or(() -> before).ifPresent(service -> compiled.remove(service.key())));
  }

  private void sliceChanged(Optional<KubeObject> before, Optional<KubeObject> after) {
    Optional<ObjectKey> old = before.map(Backends::service);
    Optional<ObjectKey> now = after.map(Backends::service);
    // The new state first: a request in between must not see a service without endpoints.
    after.ifPresent(
        slice ->
            slices
                .computeIfAbsent(service(slice), key -> new ConcurrentHashMap<>())
                .put(slice.name(), slice));
    if (before.isPresent() && !old.equals(now)) {
      String name = before.get().name();
      slices.computeIfPresent(
          service(before.get()),
          (key, all) -> {
            all.remove(name);
            return all.isEmpty() ? null : all;
          });
    }
    old.ifPresent(compiled::remove);
    now.ifPresent(compiled::remove);
  }

  private static ObjectKey service(KubeObject slice) {
    return new ObjectKey(slice.namespace(), slice.labels().getOrDefault(SERVICE_NAME, ""));
  }

  /** The addresses of a route, each time beginning with the next one; none if nothing is ready. */
  Target target(Route route) {
    ObjectKey key = new ObjectKey(route.namespace(), route.service());
    Compiled entry =
        compiled
            .computeIfAbsent(key, k -> new ConcurrentHashMap<>())
            .computeIfAbsent(route, r -> new Compiled(compile(key, r), new AtomicInteger()));
    List<String> all = entry.target().authorities();
    if (all.size() < 2) {
      return entry.target();
    }
    int start = Math.floorMod(entry.next().getAndIncrement(), all.size());
    List<String> turned = new ArrayList<>(all.size());
    turned.addAll(all.subList(start, all.size()));
    turned.addAll(all.subList(0, start));
    return new Target(entry.target().secure(), turned);
  }

  private Target compile(ObjectKey key, Route route) {
    Optional<KubeObject> service = services.get(key);
    Optional<JsonObject> port =
        service.flatMap(
            s -> s.spec().objects("ports").stream().filter(p -> fits(p, route)).findFirst());
    if (service.isEmpty() || port.isEmpty()) {
      return new Target(false, List.of());
    }
    String name = port.get().text("name");
    boolean secure =
        port.get().text("appProtocol").equalsIgnoreCase("https")
            || name.equals("https")
            || port.get().integer("port") == 443;
    if (service.get().spec().text("type").equals("ExternalName")) {
      String external = service.get().spec().text("externalName");
      return new Target(
          secure,
          external.isEmpty() ? List.of() : List.of(external + ":" + port.get().integer("port")));
    }
    Collection<KubeObject> own = slices.getOrDefault(key, Map.of()).values();
    List<String> ready = addresses(own, name, false);
    // Pods that are going but still answer are better than none, as for cluster addresses.
    return new Target(secure, ready.isEmpty() ? addresses(own, name, true) : ready);
  }

  private static boolean fits(JsonObject port, Route route) {
    boolean tcp = port.text("protocol").isEmpty() || port.text("protocol").equals("TCP");
    return tcp
        && (route.portName().isEmpty()
            ? port.integer("port") == route.portNumber()
            : port.text("name").equals(route.portName()));
  }

  private static List<String> addresses(
      Collection<KubeObject> slices, String portName, boolean terminating) {
    List<String> all = new ArrayList<>();
    for (KubeObject slice : slices) {
      String type = slice.json().text("addressType");
      Optional<JsonObject> port =
          slice.json().objects("ports").stream()
              .filter(p -> p.text("name").equals(portName) && p.integer("port") > 0)
              .findFirst();
      if (port.isEmpty() || type.equals("FQDN")) {
        continue;
      }
      for (JsonObject endpoint : slice.json().objects("endpoints")) {
        JsonObject conditions = endpoint.object("conditions");
        boolean usable =
            terminating
                ? conditions.flag("serving") && conditions.flag("terminating")
                : conditions.flagOr(true, "ready");
        List<String> addresses = endpoint.strings("addresses");
        if (usable && !addresses.isEmpty()) {
          String address = addresses.getFirst();
          all.add(
              (address.contains(":") ? "[" + address + "]" : address)
                  + ":"
                  + port.get().integer("port"));
        }
      }
    }
    all.sort(null);
    return all.stream().distinct().toList();
  }
}
