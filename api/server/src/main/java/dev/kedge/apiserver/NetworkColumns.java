package dev.kedge.apiserver;

import static dev.kedge.apiserver.PrinterColumn.AGE;
import static dev.kedge.apiserver.PrinterColumn.NAME;
import static dev.kedge.apiserver.PrinterColumn.NONE;
import static dev.kedge.apiserver.PrinterColumn.UNSET;
import static dev.kedge.apiserver.PrinterColumn.column;
import static dev.kedge.apiserver.PrinterColumn.or;
import static dev.kedge.apiserver.PrinterColumn.text;
import static dev.kedge.apiserver.PrinterColumn.wide;
import static java.util.Map.entry;

import dev.kedge.model.JsonObject;
import dev.kedge.model.KubeObject;
import java.util.ArrayList;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeSet;

/** The columns of services, their endpoints and {@code networking.k8s.io}. */
final class NetworkColumns {
  /** How many hosts, ports or endpoints are named. */
  private static final int SHOWN = 3;

  static final Map<String, PrinterKind<?>> KINDS =
      Map.ofEntries(
          entry(
              "services",
              PrinterKind.of(
                  NAME,
                  text("Type", "spec", "type"),
                  column("Cluster-IP", service -> or(clusterAddress(service), NONE)),
                  column("External-IP", NetworkColumns::externalAddress),
                  column("Port(s)", service -> or(ports(service), NONE)),
                  AGE,
                  wide(
                      column(
                          "Selector",
                          service -> CoreColumns.labels(service.spec().map("selector")))))),
          entry(
              "endpoints",
              PrinterKind.of(NAME, column("Endpoints", NetworkColumns::endpoints), AGE)),
          entry(
              "endpointslices.discovery.k8s.io",
              PrinterKind.of(
                  NAME,
                  text("AddressType", "addressType"),
                  column("Ports", NetworkColumns::slicePorts),
                  column("Endpoints", NetworkColumns::sliceEndpoints),
                  AGE)),
          entry(
              "ingresses.networking.k8s.io",
              PrinterKind.of(
                  NAME,
                  column("Class", NetworkColumns::ingressClass),
                  column("Hosts", NetworkColumns::hosts),
                  column("Address", ingress -> String.join(",", balancers(ingress.status()))),
                  column(
                      "Ports", ingress -> ingress.spec().array("tls").isEmpty() ? "80" : "80, 443"),
                  AGE)),
          entry(
              "ingressclasses.networking.k8s.io",
              PrinterKind.of(
                  NAME,
                  text("Controller", "spec", "controller"),
                  column("Parameters", NetworkColumns::parameters),
                  AGE)),
          entry(
              "networkpolicies.networking.k8s.io",
              PrinterKind.of(
                  NAME,
                  column(
                      "Pod-Selector",
                      policy -> CoreColumns.selector(policy.spec().object("podSelector"))),
                  AGE)),
          entry(
              "ipaddresses.networking.k8s.io",
              PrinterKind.of(NAME, column("ParentRef", NetworkColumns::parent), AGE)),
          entry(
              "servicecidrs.networking.k8s.io",
              PrinterKind.of(
                  NAME,
                  column("CIDRs", object -> String.join(",", object.spec().strings("cidrs"))),
                  AGE)));

  private NetworkColumns() {}

  // Services

  private static String clusterAddress(KubeObject service) {
    List<String> addresses = service.spec().strings("clusterIPs");
    return addresses.isEmpty() ? service.spec().text("clusterIP") : addresses.getFirst();
  }

  private static String externalAddress(KubeObject service) {
    List<String> external = service.spec().strings("externalIPs");
    return switch (service.spec().text("type")) {
      case "ExternalName" -> service.spec().text("externalName");
      case "LoadBalancer" -> {
        Set<String> all = new LinkedHashSet<>();
        String balancers = String.join(",", new TreeSet<>(balancers(service.status())));
        if (!balancers.isEmpty()) {
          all.add(balancers);
        }
        all.addAll(external);
        yield or(String.join(",", all), "<pending>");
      }
      default -> or(String.join(",", external), NONE);
    };
  }

  /** Addresses or names of a status's load balancers, each once. */
  private static Set<String> balancers(JsonObject status) {
    Set<String> all = new LinkedHashSet<>();
    for (JsonObject ingress : status.objects("loadBalancer", "ingress")) {
      all.add(or(ingress.text("ip"), ingress.text("hostname")));
    }
    return all;
  }

  private static String ports(KubeObject service) {
    List<String> all = new ArrayList<>();
    for (JsonObject port : service.spec().objects("ports")) {
      long nodePort = port.integer("nodePort");
      all.add(
          port.integer("port")
              + (nodePort > 0 ? ":" + nodePort : "")
              + "/"
              + or(port.text("protocol"), "TCP"));
    }
    return String.join(",", all);
  }

  // Endpoints

  private static String endpoints(KubeObject endpoints) {
    List<String> all = new ArrayList<>();
    for (JsonObject subset : endpoints.json().objects("subsets")) {
      List<JsonObject> ports = subset.objects("ports");
      for (JsonObject address : subset.objects("addresses")) {
        if (ports.isEmpty()) {
          all.add(address.text("ip"));
        }
        for (JsonObject port : ports) {
          all.add(hostPort(address.text("ip"), port.integer("port")));
        }
      }
    }
    return all.isEmpty() ? NONE : CoreColumns.more(all, SHOWN, ",");
  }

  private static String hostPort(String host, long port) {
    return host.indexOf(':') >= 0 ? "[" + host + "]:" + port : host + ":" + port;
  }

  private static String slicePorts(KubeObject slice) {
    List<String> all = new ArrayList<>();
    for (JsonObject port : slice.json().objects("ports")) {
      all.add(port.has("port") ? Long.toString(port.integer("port")) : or(port.text("name"), "*"));
    }
    return all.isEmpty() ? UNSET : CoreColumns.more(all, SHOWN, ",");
  }

  private static String sliceEndpoints(KubeObject slice) {
    List<String> all = new ArrayList<>();
    slice
        .json()
        .objects("endpoints")
        .forEach(endpoint -> all.addAll(endpoint.strings("addresses")));
    return all.isEmpty() ? UNSET : CoreColumns.more(all, SHOWN, ",");
  }

  // Networking

  private static String ingressClass(KubeObject ingress) {
    String name = ingress.spec().text("ingressClassName");
    return name.isEmpty() ? ingress.annotation("kubernetes.io/ingress.class").orElse(NONE) : name;
  }

  private static String hosts(KubeObject ingress) {
    List<String> hosts =
        ingress.spec().objects("rules").stream()
            .map(rule -> rule.text("host"))
            .filter(host -> !host.isEmpty())
            .toList();
    return hosts.isEmpty() ? "*" : CoreColumns.more(hosts, SHOWN, ",");
  }

  /** {@code IngressParameters.example.com/name}. */
  private static String parameters(KubeObject ingressClass) {
    JsonObject parameters = ingressClass.spec().object("parameters");
    String group = parameters.text("apiGroup");
    return parameters.isEmpty()
        ? NONE
        : parameters.text("kind")
            + (group.isEmpty() ? "" : "." + group)
            + "/"
            + parameters.text("name");
  }

  /** {@code services/namespace/name}. */
  private static String parent(KubeObject address) {
    JsonObject parent = address.spec().object("parentRef");
    String group = parent.text("group");
    String namespace = parent.text("namespace");
    String name = parent.text("name");
    return parent.isEmpty()
        ? NONE
        : parent.text("resource")
            + (group.isEmpty() ? "" : "." + group)
            + "/"
            + namespace
            + (namespace.isEmpty() || name.isEmpty() ? "" : "/")
            + name;
  }
}
