package dev.kedge.network.services;

import dev.kedge.model.JsonObject;
import dev.kedge.model.KubeObject;
import java.util.ArrayList;
import java.util.Collection;
import java.util.Comparator;
import java.util.List;
import java.util.TreeMap;
import java.util.function.Predicate;

/** The backends of one port of a Service, read from its EndpointSlices. */
final class Endpoints {
  private final List<Endpoint> all;

  private Endpoints(List<Endpoint> all) {
    this.all = all;
  }

  /** One backend. */
  record Endpoint(String address, int port, String node, boolean ready, boolean serving) {
    String target() {
      return address + " . " + port;
    }
  }

  /** The IPv4 backends of a port; slices name ports as the Service does. */
  static Endpoints of(Collection<KubeObject> slices, String portName, String protocol) {
    // The same endpoint may be in two slices while the controller moves it.
    TreeMap<String, Endpoint> found = new TreeMap<>();
    for (KubeObject slice : slices) {
      if (!slice.json().text("addressType").equals("IPv4")) {
        continue;
      }
      for (JsonObject port : slice.json().objects("ports")) {
        String itsProtocol = port.text("protocol").isEmpty() ? "TCP" : port.text("protocol");
        if (!port.text("name").equals(portName)
            || !itsProtocol.equals(protocol)
            || port.integer("port") == 0) {
          continue;
        }
        int number = (int) port.integer("port");
        for (JsonObject endpoint : slice.json().objects("endpoints")) {
          for (String address : endpoint.strings("addresses")) {
            // An absent condition counts as ready; serving defaults to it.
            boolean ready = endpoint.flagOr(true, "conditions", "ready");
            Endpoint made =
                new Endpoint(
                    address,
                    number,
                    endpoint.text("nodeName"),
                    ready,
                    endpoint.flagOr(ready, "conditions", "serving"));
            found.merge(made.target(), made, (a, b) -> a.ready() ? a : b);
          }
        }
      }
    }
    return new Endpoints(new ArrayList<>(found.values()));
  }

  /** Those to send to: the ready ones, or while there is none, those that end but still serve. */
  List<Endpoint> usable() {
    return usable(_ -> true);
  }

  /** Those to send to on one node. */
  List<Endpoint> usableOn(String node) {
    return usable(endpoint -> endpoint.node().equals(node));
  }

  /** How many are ready on one node. */
  long readyOn(String node) {
    return all.stream().filter(e -> e.ready() && e.node().equals(node)).count();
  }

  private List<Endpoint> usable(Predicate<Endpoint> which) {
    List<Endpoint> candidates = all.stream().filter(which).toList();
    List<Endpoint> ready = candidates.stream().filter(Endpoint::ready).toList();
    return (ready.isEmpty() ? candidates.stream().filter(Endpoint::serving).toList() : ready)
        .stream().sorted(Comparator.comparing(Endpoint::target)).toList();
  }
}
