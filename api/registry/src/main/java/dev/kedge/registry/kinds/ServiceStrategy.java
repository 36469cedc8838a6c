package dev.kedge.registry.kinds;

import dev.kedge.model.JsonArray;
import dev.kedge.model.JsonInteger;
import dev.kedge.model.JsonObject;
import dev.kedge.model.JsonString;
import dev.kedge.model.JsonValue;
import dev.kedge.model.KubeObject;
import dev.kedge.model.Names;
import dev.kedge.model.Status.Cause;
import dev.kedge.registry.Strategy;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Set;

/** Services, apart from their addresses and node ports, which the engine hands out. */
final class ServiceStrategy implements Strategy {
  @Override
  public KubeObject applyDefaults(KubeObject service) {
    JsonObject spec = service.spec();
    String type = spec.text("type");
    if (spec.text("sessionAffinity").equals("ClientIP")
        && spec.integer("sessionAffinityConfig", "clientIP", "timeoutSeconds") == 0
        && !spec.object("sessionAffinityConfig", "clientIP").has("timeoutSeconds")) {
      spec = spec.withPath(List.of("sessionAffinityConfig", "clientIP", "timeoutSeconds"), 10800);
    }
    if (spec.text("sessionAffinity").equals("None")) {
      spec = spec.without("sessionAffinityConfig");
    }
    List<JsonValue> ports = new ArrayList<>();
    for (JsonObject port : spec.objects("ports")) {
      boolean open =
          switch (port.get("targetPort").orElse(new JsonInteger(0))) {
            case JsonInteger number -> number.value() == 0;
            case JsonString text -> text.value().isEmpty();
            default -> false;
          };
      ports.add(open ? port.with("targetPort", port.integer("port")) : port);
    }
    if (!ports.isEmpty()) {
      spec = spec.with("ports", new JsonArray(ports));
    }
    boolean external = type.equals("NodePort") || type.equals("LoadBalancer");
    if (external && spec.text("externalTrafficPolicy").isEmpty()) {
      spec = spec.with("externalTrafficPolicy", "Cluster");
    }
    if (spec.text("internalTrafficPolicy").isEmpty() && (external || type.equals("ClusterIP"))) {
      spec = spec.with("internalTrafficPolicy", "Cluster");
    }
    if (type.equals("LoadBalancer") && !spec.has("allocateLoadBalancerNodePorts")) {
      spec = spec.with("allocateLoadBalancerNodePorts", true);
    }
    return service.with("spec", spec);
  }

  @Override
  public KubeObject prepareForCreate(KubeObject service) {
    return service.withStatus(JsonObject.of("loadBalancer", JsonObject.EMPTY));
  }

  /** Fields of a type that the service leaves go with it, if the update did not touch them. */
  @Override
  public KubeObject prepareForUpdate(KubeObject service, KubeObject old) {
    JsonObject spec = service.spec();
    JsonObject before = old.spec();
    String type = spec.text("type");
    boolean external = type.equals("NodePort") || type.equals("LoadBalancer");
    if (before.text("type").equals(type)) {
      return service;
    }
    if (!external && spec.array("externalIPs").isEmpty()) {
      spec = dropUnchanged(spec, before, "externalTrafficPolicy");
    }
    if (!type.equals("LoadBalancer")) {
      spec = dropUnchanged(spec, before, "allocateLoadBalancerNodePorts");
      spec = dropUnchanged(spec, before, "loadBalancerClass");
    }
    if (type.equals("ExternalName")) {
      spec = dropUnchanged(spec, before, "internalTrafficPolicy");
    } else {
      spec = dropUnchanged(spec, before, "externalName");
    }
    return service.with("spec", spec);
  }

  private static JsonObject dropUnchanged(JsonObject spec, JsonObject before, String name) {
    return spec.has(name) && spec.get(name).equals(before.get(name)) ? spec.without(name) : spec;
  }

  @Override
  public List<Cause> validate(KubeObject service) {
    Checks checks = new Checks();
    JsonObject spec = service.spec();
    String type = spec.text("type");
    boolean headless = spec.text("clusterIP").equals("None");
    boolean external = type.equals("NodePort") || type.equals("LoadBalancer");
    if (spec.array("ports").isEmpty() && !headless && !type.equals("ExternalName")) {
      checks.required("spec.ports", "");
    }
    if (type.equals("LoadBalancer") && headless) {
      checks.invalid(
          "spec.clusterIPs[0]", "None", "may not be set to 'None' for LoadBalancer services");
    }
    if (type.equals("NodePort") && headless) {
      checks.invalid(
          "spec.clusterIPs[0]", "None", "may not be set to 'None' for NodePort services");
    }
    if (type.equals("ExternalName")) {
      if (!spec.text("clusterIP").isEmpty()) {
        checks.forbidden("spec.clusterIPs", "may not be set when `type` is 'ExternalName'");
      }
      String name = spec.text("externalName");
      if (name.isEmpty()) {
        checks.required("spec.externalName", "");
      } else {
        String relative = name.endsWith(".") ? name.substring(0, name.length() - 1) : name;
        checks.name("spec.externalName", name, Names.subdomain(relative));
      }
    }
    ports(spec, external, checks);
    checks.labels("spec.selector", spec.object("selector"));
    checks.oneOf("spec.sessionAffinity", spec.text("sessionAffinity"), "ClientIP", "None");
    if (spec.text("sessionAffinity").equals("ClientIP")) {
      long seconds = spec.integer("sessionAffinityConfig", "clientIP", "timeoutSeconds");
      if (seconds <= 0 || seconds > 86400) {
        checks.invalid(
            "spec.sessionAffinityConfig.clientIP.timeoutSeconds",
            seconds,
            "must be greater than 0 and less than 86400");
      }
    } else if (spec.has("sessionAffinityConfig")) {
      checks.forbidden(
          "spec.sessionAffinityConfig", "must not be set when session affinity is None");
    }
    checks.oneOf("spec.type", type, "ClusterIP", "ExternalName", "LoadBalancer", "NodePort");
    checks.oneOfOrNone(
        "spec.trafficDistribution",
        spec.text("trafficDistribution"),
        "PreferClose",
        "PreferSameNode",
        "PreferSameZone");
    traffic(spec, type, external, checks);
    return checks.causes();
  }

  private static void traffic(JsonObject spec, String type, boolean external, Checks checks) {
    String policy = spec.text("externalTrafficPolicy");
    if (external) {
      checks.oneOf("spec.externalTrafficPolicy", policy, "Cluster", "Local");
    } else if (!policy.isEmpty() && spec.array("externalIPs").isEmpty()) {
      checks.invalid(
          "spec.externalTrafficPolicy",
          policy,
          "may only be set for externally-accessible services");
    }
    if (external || type.equals("ClusterIP")) {
      checks.oneOf(
          "spec.internalTrafficPolicy", spec.text("internalTrafficPolicy"), "Cluster", "Local");
    }
    if (!type.equals("LoadBalancer")) {
      for (String field : List.of("allocateLoadBalancerNodePorts", "loadBalancerClass")) {
        if (spec.has(field)) {
          checks.forbidden("spec." + field, "may only be used when `type` is 'LoadBalancer'");
        }
      }
      if (!spec.array("loadBalancerSourceRanges").isEmpty()) {
        checks.forbidden(
            "spec.LoadBalancerSourceRanges", "may only be used when `type` is 'LoadBalancer'");
      }
    }
  }

  private static void ports(JsonObject spec, boolean external, Checks checks) {
    List<JsonObject> ports = spec.objects("ports");
    Set<String> names = new HashSet<>();
    Set<String> pairs = new HashSet<>();
    Set<String> nodePorts = new HashSet<>();
    for (int i = 0; i < ports.size(); i++) {
      JsonObject port = ports.get(i);
      String at = "spec.ports[" + i + "]";
      String name = port.text("name");
      if (name.isEmpty()) {
        if (ports.size() > 1) {
          checks.required(at + ".name", "");
        }
      } else {
        checks.name(at + ".name", name, Names.label(name));
        if (!names.add(name)) {
          checks.duplicate(at + ".name", name);
        }
      }
      checks.port(at + ".port", port.integer("port"));
      checks.oneOf(at + ".protocol", port.text("protocol"), "SCTP", "TCP", "UDP");
      checks.portNumberOrName(
          at + ".targetPort", port.get("targetPort").orElse(new JsonInteger(0)));
      if (!external && port.integer("nodePort") != 0) {
        checks.forbidden(
            at + ".nodePort", "may not be used when `type` is '" + spec.text("type") + "'");
      }
      if (port.integer("nodePort") != 0
          && !nodePorts.add(port.text("protocol") + port.integer("nodePort"))) {
        checks.duplicate(at + ".nodePort", port.integer("nodePort"));
      }
      if (!pairs.add(port.text("protocol") + port.integer("port"))) {
        checks.duplicate(
            at, JsonObject.of("protocol", port.text("protocol"), "port", port.integer("port")));
      }
      String protocol = port.text("appProtocol");
      if (!protocol.isEmpty()) {
        checks.name(at + ".appProtocol", protocol, Names.qualified(protocol));
      }
    }
  }

  @Override
  public List<Cause> validateUpdate(KubeObject service, KubeObject old) {
    Checks checks = new Checks();
    JsonObject spec = service.spec();
    JsonObject before = old.spec();
    boolean had =
        !before.text("type").equals("ExternalName") && !before.text("clusterIP").isEmpty();
    if (had
        && !spec.text("type").equals("ExternalName")
        && !spec.text("clusterIP").equals(before.text("clusterIP"))) {
      checks.invalid("spec.clusterIPs[0]", spec.array("clusterIPs"), "may not change once set");
    }
    if (before.text("type").equals("LoadBalancer") && spec.text("type").equals("LoadBalancer")) {
      checks.immutable("spec.", spec, before, "loadBalancerClass");
    }
    return checks.causes();
  }
}
