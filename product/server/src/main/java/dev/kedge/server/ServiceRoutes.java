package dev.kedge.server;

import dev.kedge.apiserver.ServiceAccess;
import dev.kedge.client.Informer;
import dev.kedge.client.Informers;
import dev.kedge.model.JsonObject;
import dev.kedge.model.KubeObject;
import dev.kedge.model.Resources;
import java.net.URI;
import java.util.List;
import java.util.Optional;
import java.util.concurrent.ThreadLocalRandom;

/** Finds ready endpoints for the service proxy. */
final class ServiceRoutes implements ServiceAccess {
  private final Informers informers;

  ServiceRoutes(Informers informers) {
    this.informers = informers;
  }

  @Override
  public Optional<URI> endpoint(String namespace, String service, String port) {
    Informer services = informers.of(Resources.SERVICES);
    Informer slices = informers.of(Resources.ENDPOINT_SLICES);
    Optional<KubeObject> known = services.get(namespace, service);
    if (known.isPresent() && known.get().spec().text("type").equals("ExternalName")) {
      String host = known.get().spec().text("externalName");
      return Optional.of(URI.create("http://" + host + (port.isEmpty() ? "" : ":" + port)));
    }
    Optional<String> portName = known.flatMap(found -> portName(found, port));
    if (portName.isEmpty()) {
      return Optional.empty();
    }
    List<URI> ready =
        slices.inNamespace(namespace).stream()
            .filter(slice -> service.equals(slice.labels().get("kubernetes.io/service-name")))
            .flatMap(slice -> ready(slice, portName.get()).stream())
            .toList();
    return ready.isEmpty()
        ? Optional.empty()
        : Optional.of(ready.get(ThreadLocalRandom.current().nextInt(ready.size())));
  }

  private static Optional<String> portName(KubeObject service, String port) {
    List<JsonObject> ports = service.spec().objects("ports");
    if (port.isEmpty()) {
      return ports.size() == 1 ? Optional.of(ports.getFirst().text("name")) : Optional.empty();
    }
    return ports.stream()
        .filter(p -> p.text("name").equals(port) || Long.toString(p.integer("port")).equals(port))
        .map(p -> p.text("name"))
        .findFirst();
  }

  private static List<URI> ready(KubeObject slice, String portName) {
    return slice.json().objects("ports").stream()
        .filter(port -> port.text("name").equals(portName))
        .flatMap(
            port ->
                slice.json().objects("endpoints").stream()
                    .filter(endpoint -> endpoint.object("conditions").flagOr(true, "ready"))
                    .flatMap(endpoint -> endpoint.strings("addresses").stream())
                    .map(address -> URI.create("http://" + address + ":" + port.integer("port"))))
        .toList();
  }
}
