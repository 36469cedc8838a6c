package dev.kedge.network.services;

import dev.kedge.model.JsonObject;
import dev.kedge.model.KubeObject;
import dev.kedge.model.ObjectKey;
import dev.kedge.network.services.Endpoints.Endpoint;
import java.util.ArrayList;
import java.util.Collection;
import java.util.Comparator;
import java.util.HashMap;
import java.util.HashSet;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Set;
import java.util.TreeMap;

/**
 * Turns Services, EndpointSlices and this node's pods into rules. A pure function of what it is
 * given, so the whole state is computed anew for each change; only differences reach the kernel.
 */
final class Compiler {
  private static final Set<String> OTHER_PROXY =
      Set.of("service.kubernetes.io/service-proxy-name", "service.kubernetes.io/headless");

  private final ServiceNetwork.Settings settings;

  Compiler(ServiceNetwork.Settings settings) {
    this.settings = settings;
  }

  /**
   * @param healthChecks health check node ports of this node with the Service and how many of its
   *     endpoints are ready here
   */
  record Compiled(Ruleset rules, Map<Integer, Health> healthChecks) {}

  /** What a health check node port answers. */
  record Health(ObjectKey service, long localEndpoints) {}

  /**
   * @param zone this node's zone; empty where it has none
   */
  Compiled compile(
      Collection<KubeObject> services,
      Collection<KubeObject> endpointSlices,
      Collection<KubeObject> pods,
      String zone) {
    Map<ObjectKey, List<KubeObject>> slices = new HashMap<>();
    for (KubeObject slice : endpointSlices) {
      String service = slice.labels().getOrDefault("kubernetes.io/service-name", "");
      slices
          .computeIfAbsent(new ObjectKey(slice.namespace(), service), _ -> new ArrayList<>())
          .add(slice);
    }
    Ruleset rules = new Ruleset();
    Map<Integer, Health> health = new TreeMap<>();
    // Older Services first: where two claim the same address and port, the first one keeps it.
    services.stream()
        .filter(this::isOurs)
        .sorted(
            Comparator.comparing(
                    (KubeObject service) -> service.json().text("metadata", "creationTimestamp"))
                .thenComparing(service -> service.key().toString()))
        .forEach(
            service ->
                compile(
                    service, slices.getOrDefault(service.key(), List.of()), zone, rules, health));
    // The one that stays before the one that goes, so that a replaced pod hands its port over.
    pods.stream()
        .sorted(
            Comparator.comparing(KubeObject::deleting)
                .thenComparing(pod -> pod.json().text("metadata", "creationTimestamp"))
                .thenComparing(pod -> pod.key().toString()))
        .forEach(pod -> hostPorts(pod, rules));
    return new Compiled(rules, health);
  }

  private boolean isOurs(KubeObject service) {
    String address = service.spec().text("clusterIP");
    return address.contains(".")
        && !service.spec().text("type").equals("ExternalName")
        && !settings.localAddresses().contains(address)
        && OTHER_PROXY.stream().noneMatch(label -> service.labels().containsKey(label));
  }

  private void compile(
      KubeObject service,
      List<KubeObject> slices,
      String zone,
      Ruleset rules,
      Map<Integer, Health> health) {
    JsonObject spec = service.spec();
    rules.element(Tables.CLUSTER_ADDRESSES, spec.text("clusterIP"), "");
    long ready = 0;
    for (JsonObject port : spec.objects("ports")) {
      Endpoints endpoints =
          Endpoints.of(slices, port.text("name"), textOr(port.text("protocol"), "TCP"));
      ready = Math.max(ready, endpoints.readyOn(settings.nodeName()));
      new PortRules(service, port, endpoints, zone, rules).compile();
    }
    int check = (int) spec.integer("healthCheckNodePort");
    if (check > 0
        && spec.text("type").equals("LoadBalancer")
        && spec.text("externalTrafficPolicy").equals("Local")) {
      health.put(check, new Health(service.key(), ready));
    }
  }

  /** One port of one Service. */
  private final class PortRules {
    private final Ruleset rules;
    private final JsonObject spec;
    private final KubeObject service;
    private final String protocol;
    private final int port;
    private final int nodePort;
    private final String id;
    private final List<Endpoint> cluster;
    private final List<Endpoint> local;

    PortRules(
        KubeObject service, JsonObject port, Endpoints endpoints, String zone, Ruleset rules) {
      this.rules = rules;
      this.service = service;
      this.spec = service.spec();
      this.protocol = textOr(port.text("protocol"), "TCP").toLowerCase(Locale.ROOT);
      this.port = (int) port.integer("port");
      this.nodePort = (int) port.integer("nodePort");
      this.id = service.namespace() + "/" + service.name() + "/" + protocol + "/" + this.port;
      this.cluster = endpoints.usable(settings.nodeName(), zone);
      this.local = endpoints.usableOn(settings.nodeName());
    }

    void compile() {
      String clusterAddress = spec.text("clusterIP");
      boolean internalLocal = spec.text("internalTrafficPolicy").equals("Local");
      boolean externalLocal = spec.text("externalTrafficPolicy").equals("Local");
      // Chains exist only where they are used, so that each Service costs little.
      boolean external = !externalAddresses().isEmpty() || nodePort > 0;
      if (!cluster.isEmpty() && (!internalLocal || external)) {
        balance("service/" + id, cluster, clusterAddress);
      }
      if (!local.isEmpty() && (internalLocal || (externalLocal && external))) {
        balance("local/" + id, local, internalLocal ? clusterAddress : "");
      }
      for (Endpoint endpoint : local) {
        rules.element(Tables.HAIRPIN, endpoint.address() + " . " + endpoint.address(), "");
      }
      if (internalLocal) {
        front(clusterAddress, local.isEmpty() ? "" : "goto local/" + id, !cluster.isEmpty());
      } else {
        front(clusterAddress, cluster.isEmpty() ? "" : "goto service/" + id, false);
      }
      if (external) {
        external(externalLocal);
      }
    }

    private void external(boolean externalLocal) {
      boolean served = !cluster.isEmpty();
      boolean dropped = served && externalLocal && local.isEmpty();
      String chain = "external/" + id;
      if (served) {
        List<String> lines = new ArrayList<>();
        if (externalLocal) {
          // Whoever is inside the cluster need not come through the right node.
          lines.add("ip saddr " + settings.clusterCidr() + " goto service/" + id);
          lines.add("fib saddr type local " + Tables.MASQUERADE);
          lines.add("fib saddr type local goto service/" + id);
          if (!local.isEmpty()) {
            lines.add("goto local/" + id);
          }
        } else {
          // The answer must come back through this node.
          lines.add(Tables.MASQUERADE);
          lines.add("goto service/" + id);
        }
        rules.chain(chain, lines);
      }
      String target = served ? "goto " + chain : "";
      for (String address : spec.strings("externalIPs")) {
        if (address.contains(".")) {
          front(address, target, dropped);
        }
      }
      String balanced = served ? restrictedSources(target) : "";
      for (String address : balancerAddresses()) {
        front(address, balanced, dropped);
      }
      if (nodePort > 0) {
        String key = protocol + " . " + nodePort;
        if (!target.isEmpty()) {
          rules.element(Tables.SERVICE_NODE_PORTS, key, target);
        }
        if (dropped || target.isEmpty()) {
          rules.element(Tables.REFUSED_NODE_PORTS, key, dropped ? "drop" : Tables.REFUSE);
        }
        if (protocol.equals("udp")) {
          rules.udp("", nodePort, addresses());
        }
      }
    }

    /**
     * An address that clients know.
     *
     * @param target where to; empty for nowhere
     * @param dropped whether what goes nowhere is dropped, because other nodes could serve it,
     *     instead of refused
     */
    private void front(String address, String target, boolean dropped) {
      String key = address + " . " + protocol + " . " + port;
      if (!target.isEmpty()) {
        rules.element(Tables.SERVICE_ADDRESSES, key, target);
      }
      if (dropped || target.isEmpty()) {
        rules.element(Tables.REFUSED_ADDRESSES, key, dropped ? "drop" : Tables.REFUSE);
      }
      if (protocol.equals("udp")) {
        rules.udp(address, port, addresses());
      }
    }

    private List<String> addresses() {
      return cluster.stream().map(Endpoint::address).toList();
    }

    /** {@code loadBalancerSourceRanges}: only these may use the load balancer's addresses. */
    private String restrictedSources(String target) {
      List<String> ranges =
          spec.strings("loadBalancerSourceRanges").stream()
              .map(String::strip)
              .filter(range -> range.contains("."))
              .toList();
      if (ranges.isEmpty() || ranges.contains("0.0.0.0/0")) {
        return target;
      }
      String chain = "sources/" + id;
      List<String> lines = new ArrayList<>();
      new LinkedHashSet<>(ranges).forEach(range -> lines.add("ip saddr " + range + " " + target));
      lines.add("drop");
      rules.chain(chain, lines);
      return "goto " + chain;
    }

    private Set<String> externalAddresses() {
      Set<String> addresses = new HashSet<>(spec.strings("externalIPs"));
      addresses.addAll(balancerAddresses());
      return addresses;
    }

    private List<String> balancerAddresses() {
      if (!spec.text("type").equals("LoadBalancer")) {
        return List.of();
      }
      return service.status().objects("loadBalancer", "ingress").stream()
          .filter(ingress -> !ingress.text("ipMode").equals("Proxy"))
          .map(ingress -> ingress.text("ip"))
          .filter(address -> address.contains("."))
          .toList();
    }

    private void balance(String chain, List<Endpoint> endpoints, String clusterAddress) {
      List<String> lines = new ArrayList<>();
      if (!clusterAddress.isEmpty()) {
        // A pod can answer to whoever asked only if its answer comes back through this node.
        lines.add(
            "ip daddr "
                + clusterAddress
                + " ip saddr != "
                + settings.clusterCidr()
                + " "
                + Tables.MASQUERADE);
      }
      if (spec.text("sessionAffinity").equals("ClientIP")) {
        affinity(endpoints, lines);
      } else if (endpoints.size() == 1) {
        Endpoint only = endpoints.getFirst();
        lines.add("meta l4proto " + protocol + " dnat ip to " + only.address() + ":" + only.port());
      } else {
        List<String> targets = new ArrayList<>();
        for (int i = 0; i < endpoints.size(); i++) {
          targets.add(i + " : " + endpoints.get(i).target());
        }
        lines.add(
            "meta l4proto "
                + protocol
                + " dnat ip to numgen random mod "
                + endpoints.size()
                + " map { "
                + String.join(", ", targets)
                + " }");
      }
      rules.chain(chain, lines);
    }

    private void affinity(List<Endpoint> endpoints, List<String> lines) {
      long seconds = spec.integerOr(10800, "sessionAffinityConfig", "clientIP", "timeoutSeconds");
      List<String> choices = new ArrayList<>();
      for (int i = 0; i < endpoints.size(); i++) {
        Endpoint endpoint = endpoints.get(i);
        String suffix = id + "/" + endpoint.address() + "/" + endpoint.port();
        String set = "affinity-" + seconds + "/" + suffix;
        String one = "endpoint/" + suffix;
        rules.affinitySet(set, seconds);
        rules.chain(
            one,
            List.of(
                "update @" + set + " { ip saddr }",
                "meta l4proto "
                    + protocol
                    + " dnat ip to "
                    + endpoint.address()
                    + ":"
                    + endpoint.port()));
        lines.add("ip saddr @" + set + " goto " + one);
        choices.add(i + " : goto " + one);
      }
      lines.add(
          "numgen random mod " + endpoints.size() + " vmap { " + String.join(", ", choices) + " }");
    }
  }

  private static void hostPorts(KubeObject pod, Ruleset rules) {
    String phase = pod.status().text("phase");
    String address = pod.status().text("podIP");
    if (!address.contains(".")
        || pod.spec().flag("hostNetwork")
        || phase.equals("Succeeded")
        || phase.equals("Failed")) {
      return;
    }
    List<JsonObject> containers = new ArrayList<>(pod.spec().objects("containers"));
    containers.addAll(pod.spec().objects("initContainers"));
    for (JsonObject container : containers) {
      for (JsonObject port : container.objects("ports")) {
        long hostPort = port.integer("hostPort");
        String hostAddress = port.text("hostIP");
        if (hostPort == 0 || hostAddress.contains(":")) {
          continue;
        }
        String protocol = textOr(port.text("protocol"), "TCP").toLowerCase(Locale.ROOT);
        String target = address + " . " + port.integer("containerPort");
        if (hostAddress.isEmpty() || hostAddress.equals("0.0.0.0")) {
          rules.element(Tables.HOST_PORTS + protocol, Long.toString(hostPort), target);
        } else {
          rules.element(
              Tables.HOST_ADDRESS_PORTS + protocol, hostAddress + " . " + hostPort, target);
        }
        rules.element(Tables.HAIRPIN, address + " . " + address, "");
        if (protocol.equals("udp")) {
          rules.udp(
              hostAddress.equals("0.0.0.0") ? "" : hostAddress, (int) hostPort, List.of(address));
        }
      }
    }
  }

  private static String textOr(String text, String absent) {
    return text.isEmpty() ? absent : text;
  }
}
