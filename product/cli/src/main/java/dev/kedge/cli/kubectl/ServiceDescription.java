package dev.kedge.cli.kubectl;

import static dev.kedge.cli.kubectl.DescriptionWriter.cell;
import static dev.kedge.cli.kubectl.DescriptionWriter.joined;
import static dev.kedge.cli.kubectl.DescriptionWriter.or;

import dev.kedge.model.JsonObject;
import java.util.ArrayList;
import java.util.List;

/** Describes services, with the endpoints that their slices tell. */
final class ServiceDescription {
  /** How many endpoints of a port are named. */
  private static final int SHOWN = 3;

  private ServiceDescription() {}

  static void write(Described service) {
    DescriptionWriter out = service.out();
    JsonObject spec = service.spec();
    service.head();
    out.labels("Selector", spec.map("selector"));
    out.field("Type", spec.text("type"));
    out.field("IP Family Policy", or(spec.text("ipFamilyPolicy"), "<none>"));
    out.field("IP Families", or(String.join(",", spec.strings("ipFamilies")), "<none>"));
    out.field("IP", spec.text("clusterIP"));
    out.field("IPs", or(String.join(",", spec.strings("clusterIPs")), "<none>"));
    out.optional("External IPs", String.join(",", spec.strings("externalIPs")));
    out.optional("External Name", spec.text("externalName"));
    List<JsonObject> balancers = service.status().objects("loadBalancer", "ingress");
    if (!balancers.isEmpty()) {
      out.field("LoadBalancer Ingress", joined(balancers, ServiceDescription::address));
    }
    List<JsonObject> slices =
        service.list(
            "endpointslices",
            service.item().namespace(),
            "kubernetes.io/service-name=" + service.item().name(),
            "");
    for (JsonObject port : spec.objects("ports")) {
      String name = or(port.text("name"), "<unset>");
      String protocol = "/" + or(port.text("protocol"), "TCP");
      out.field("Port", name + "\t" + port.integer("port") + protocol);
      out.field("TargetPort", cell(port, "targetPort") + protocol);
      if (port.integer("nodePort") > 0) {
        out.field("NodePort", name + "\t" + port.integer("nodePort") + protocol);
      }
      out.field("Endpoints", endpoints(slices, port.text("name")));
    }
    out.field("Session Affinity", spec.text("sessionAffinity"));
    out.optional("External Traffic Policy", spec.text("externalTrafficPolicy"));
    out.optional("Internal Traffic Policy", spec.text("internalTrafficPolicy"));
    service.events();
  }

  /** Address or name of a load balancer. */
  static String address(JsonObject balancer) {
    return or(balancer.text("ip"), balancer.text("hostname"));
  }

  private static String endpoints(List<JsonObject> slices, String portName) {
    List<String> all = new ArrayList<>();
    for (JsonObject slice : slices) {
      for (JsonObject port : slice.objects("ports")) {
        if (port.text("name").equals(portName)) {
          slice.objects("endpoints").stream()
              .filter(endpoint -> endpoint.flagOr(true, "conditions", "ready"))
              .flatMap(endpoint -> endpoint.strings("addresses").stream())
              .forEach(address -> all.add(address + ":" + port.integer("port")));
        }
      }
    }
    String shown = String.join(",", all.subList(0, Math.min(SHOWN, all.size())));
    return all.size() > SHOWN ? shown + " + " + (all.size() - SHOWN) + " more..." : shown;
  }
}
