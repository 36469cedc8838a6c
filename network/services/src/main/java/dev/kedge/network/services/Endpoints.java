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

  /**
   * One backend.
   *
   * @param hints for whom it is meant, where somebody has a preference
   */
  record Endpoint(
      String address, int port, String node, boolean ready, boolean serving, Hints hints) {
    String target() {
      return address + " . " + port;
    }
  }

  /** Nodes and zones that a backend is meant for first. */
  record Hints(List<String> nodes, List<String> zones) {
    static Hints of(JsonObject hints) {
      return new Hints(names(hints.objects("forNodes")), names(hints.objects("forZones")));
    }

    private static List<String> names(List<JsonObject> hints) {
      return hints.stream().map(hint -> hint.text("name")).toList();
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
                    endpoint.flagOr(ready, "conditions", "serving"),
                    Hints.of(endpoint.object("hints")));
            found.merge(made.target(), made, (a, b) -> a.ready() ? a : b);
          }
        }
      }
    }
    return new Endpoints(new ArrayList<>(found.values()));
  }

  /**
   * Those to send to from a node: the ready ones, or while there is none, those that end but still
   * serve. Hints narrow the choice only where all ready ones have them and one is meant for here:
   * for the node, or else for its zone.
   */
  List<Endpoint> usable(String node, String zone) {
    List<Endpoint> ready = all.stream().filter(Endpoint::ready).toList();
    if (ready.stream().noneMatch(endpoint -> endpoint.hints().nodes().isEmpty())
        && ready.stream().anyMatch(endpoint -> endpoint.hints().nodes().contains(node))) {
      return usable(endpoint -> endpoint.hints().nodes().contains(node));
    }
    if (ready.stream().noneMatch(endpoint -> endpoint.hints().zones().isEmpty())
        && ready.stream().anyMatch(endpoint -> endpoint.hints().zones().contains(zone))) {
      return usable(endpoint -> endpoint.hints().zones().contains(zone));
    }
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
