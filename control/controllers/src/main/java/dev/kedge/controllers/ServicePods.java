package dev.kedge.controllers;

import dev.kedge.client.Informer;
import dev.kedge.model.JsonInteger;
import dev.kedge.model.JsonObject;
import dev.kedge.model.JsonString;
import dev.kedge.model.JsonValue;
import dev.kedge.model.KubeObject;
import dev.kedge.model.LabelSelector;
import dev.kedge.model.ObjectKey;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.OptionalLong;
import java.util.Set;

/** Which pods stand behind a Service, and on which ports; shared by Endpoints and EndpointSlice. */
final class ServicePods {
  static final String HEADLESS = "service.kubernetes.io/headless";

  private ServicePods() {}

  /** The pods that a Service selects; empty for Services without a selector. */
  static List<KubeObject> of(KubeObject service, Informer pods) {
    LabelSelector selector = LabelSelector.ofLabels(service.spec().map("selector"));
    return pods.inNamespace(service.namespace()).stream()
        .filter(pod -> selector.matches(pod.labels()))
        .toList();
  }

  /** Services whose endpoints a change of a pod may concern. */
  static List<ObjectKey> servicesOf(
      Optional<KubeObject> before, Optional<KubeObject> after, Informer services) {
    if (before.isPresent() && after.isPresent() && sameEndpoint(before.get(), after.get())) {
      return List.of();
    }
    Set<ObjectKey> keys = new HashSet<>();
    for (KubeObject pod : List.of(before.or(() -> after).get(), after.or(() -> before).get())) {
      Map<String, String> labels = pod.labels();
      for (KubeObject service : services.inNamespace(pod.namespace())) {
        if (selects(service)
            && LabelSelector.ofLabels(service.spec().map("selector")).matches(labels)) {
          keys.add(service.key());
        }
      }
    }
    return List.copyOf(keys);
  }

  private static boolean sameEndpoint(KubeObject before, KubeObject after) {
    return before.uid().equals(after.uid())
        && before.deleting() == after.deleting()
        && PodState.ready(before) == PodState.ready(after)
        && PodState.phase(before).equals(PodState.phase(after))
        && before.labels().equals(after.labels())
        && before.status().array("podIPs").equals(after.status().array("podIPs"))
        && before.status().text("podIP").equals(after.status().text("podIP"))
        && before.spec().text("nodeName").equals(after.spec().text("nodeName"));
  }

  static boolean selects(KubeObject service) {
    return !service.spec().object("selector").isEmpty()
        && !service.spec().text("type").equals("ExternalName");
  }

  static boolean headless(KubeObject service) {
    return service.spec().text("clusterIP").equals("None");
  }

  /** The pod's addresses of a family ({@code IPv4} or {@code IPv6}). */
  static List<String> addresses(KubeObject pod, String family) {
    List<String> all = new ArrayList<>();
    for (JsonObject ip : pod.status().objects("podIPs")) {
      all.add(ip.text("ip"));
    }
    if (all.isEmpty() && !pod.status().text("podIP").isEmpty()) {
      all.add(pod.status().text("podIP"));
    }
    return all.stream().filter(ip -> ip.contains(":") == family.equals("IPv6")).toList();
  }

  /** A port of an endpoint: the Service's name and protocol, the pod's number. */
  record Port(String name, String protocol, long number, String appProtocol) {
    JsonObject json(boolean slice) {
      JsonObject.Builder json = JsonObject.builder();
      if (slice || !name.isEmpty()) {
        json.put("name", name);
      }
      json.put("port", number).put("protocol", protocol).putNonEmpty("appProtocol", appProtocol);
      return json.build();
    }
  }

  /** The ports of a Service as one pod offers them; names the pod does not know are left out. */
  static List<Port> ports(KubeObject service, KubeObject pod) {
    List<Port> ports = new ArrayList<>();
    for (JsonObject port : service.spec().objects("ports")) {
      String protocol = port.text("protocol").isEmpty() ? "TCP" : port.text("protocol");
      JsonValue target = port.get("targetPort").orElse(new JsonInteger(0));
      OptionalLong number =
          switch (target) {
            case JsonInteger n ->
                OptionalLong.of(n.value() == 0 ? port.integer("port") : n.value());
            case JsonString name when name.value().isEmpty() ->
                OptionalLong.of(port.integer("port"));
            case JsonString name -> named(pod, name.value(), protocol);
            default -> OptionalLong.empty();
          };
      if (number.isPresent()) {
        ports.add(
            new Port(port.text("name"), protocol, number.getAsLong(), port.text("appProtocol")));
      }
    }
    return ports;
  }

  private static OptionalLong named(KubeObject pod, String name, String protocol) {
    List<JsonObject> containers = new ArrayList<>(pod.spec().objects("containers"));
    pod.spec().objects("initContainers").stream()
        .filter(container -> container.text("restartPolicy").equals("Always"))
        .forEach(containers::add);
    for (JsonObject container : containers) {
      for (JsonObject port : container.objects("ports")) {
        String itsProtocol = port.text("protocol").isEmpty() ? "TCP" : port.text("protocol");
        if (port.text("name").equals(name) && itsProtocol.equals(protocol)) {
          return OptionalLong.of(port.integer("containerPort"));
        }
      }
    }
    return OptionalLong.empty();
  }

  /** The host name a pod has in a headless Service's DNS; empty for none. */
  static String hostname(KubeObject service, KubeObject pod) {
    return pod.spec().text("subdomain").equals(service.name()) ? pod.spec().text("hostname") : "";
  }

  static JsonObject targetReference(KubeObject pod) {
    return JsonObject.of(
        "kind", "Pod",
        "namespace", pod.namespace(),
        "name", pod.name(),
        "uid", pod.uid());
  }
}
