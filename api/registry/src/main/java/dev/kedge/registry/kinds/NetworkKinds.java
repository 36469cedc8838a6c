package dev.kedge.registry.kinds;

import dev.kedge.model.JsonArray;
import dev.kedge.model.JsonInteger;
import dev.kedge.model.JsonObject;
import dev.kedge.model.KubeObject;
import dev.kedge.model.Names;
import dev.kedge.model.Status.Cause;
import dev.kedge.registry.Strategy;
import java.net.InetAddress;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;

/** Ingresses, network policies, endpoint slices, networks and addresses of Services. */
final class NetworkKinds {
  private NetworkKinds() {}

  static final class Ingress implements Strategy {
    @Override
    public KubeObject prepareForCreate(KubeObject ingress) {
      Checks checks = new Checks();
      String name = ingress.spec().text("ingressClassName");
      String annotation = ingress.annotation("kubernetes.io/ingress.class").orElse(name);
      if (!name.isEmpty() && !annotation.equals(name)) {
        checks.invalid(
            "annotations.kubernetes.io/ingress.class",
            annotation,
            "must match `ingressClassName` when both are specified");
      }
      checks.refuse(ingress);
      return ingress.withStatus(JsonObject.of("loadBalancer", JsonObject.EMPTY));
    }

    @Override
    public List<Cause> validate(KubeObject ingress) {
      Checks checks = new Checks();
      JsonObject spec = ingress.spec();
      List<JsonObject> rules = spec.objects("rules");
      if (rules.isEmpty() && !spec.has("defaultBackend")) {
        checks.invalid("spec", spec, "either `defaultBackend` or `rules` must be specified");
      }
      if (spec.has("defaultBackend")) {
        backend(spec.object("defaultBackend"), "spec.defaultBackend", checks);
      }
      for (int i = 0; i < rules.size(); i++) {
        rule(rules.get(i), "spec.rules[" + i + "]", checks);
      }
      List<JsonObject> tls = spec.objects("tls");
      for (int i = 0; i < tls.size(); i++) {
        List<String> hosts = tls.get(i).strings("hosts");
        for (int j = 0; j < hosts.size(); j++) {
          host(hosts.get(j), "spec.tls[" + i + "].hosts[" + j + "]", checks);
        }
        String secret = tls.get(i).text("secretName");
        if (!secret.isEmpty()) {
          checks.name("spec.tls[" + i + "].secretName", secret, Names.subdomain(secret));
        }
      }
      String name = spec.text("ingressClassName");
      if (!name.isEmpty()) {
        checks.name("spec.ingressClassName", name, Names.subdomain(name));
      }
      return checks.causes();
    }

    private static void rule(JsonObject rule, String at, Checks checks) {
      String host = rule.text("host");
      if (!host.isEmpty()) {
        if (host.matches("\\d{1,3}(\\.\\d{1,3}){3}") || host.contains(":")) {
          checks.invalid(at + ".host", host, "must be a DNS name, not an IP address");
        } else {
          host(host, at + ".host", checks);
        }
      }
      if (!rule.has("http")) {
        return;
      }
      List<JsonObject> paths = rule.objects("http", "paths");
      if (paths.isEmpty()) {
        checks.required(at + ".http.paths", "");
      }
      for (int i = 0; i < paths.size(); i++) {
        String field = at + ".http.paths[" + i + "]";
        JsonObject path = paths.get(i);
        String type = path.text("pathType");
        String text = path.text("path");
        if (type.isEmpty()) {
          checks.required(field + ".pathType", "pathType must be specified");
        } else {
          checks.oneOf(field + ".pathType", type, "Exact", "ImplementationSpecific", "Prefix");
        }
        boolean strict = type.equals("Exact") || type.equals("Prefix");
        if (strict && !text.startsWith("/")
            || type.equals("ImplementationSpecific") && !text.isEmpty() && !text.startsWith("/")) {
          checks.invalid(field + ".path", text, "must be an absolute path");
        }
        if (strict) {
          for (String part : List.of("//", "/./", "/../", "%2f", "%2F")) {
            if (text.contains(part)) {
              checks.invalid(field + ".path", text, "must not contain '" + part + "'");
            }
          }
          for (String end : List.of("/..", "/.")) {
            if (text.endsWith(end)) {
              checks.invalid(field + ".path", text, "cannot end with '" + end + "'");
            }
          }
        }
        backend(path.object("backend"), field + ".backend", checks);
      }
    }

    private static void host(String host, String field, Checks checks) {
      if (host.startsWith("*.")) {
        List<String> faults = Names.subdomain(host.substring(2));
        if (!faults.isEmpty()) {
          checks.invalid(
              field,
              host,
              "a wildcard DNS-1123 subdomain must start with '*.', followed by a valid DNS"
                  + " subdomain, which must consist of lower case alphanumeric characters, '-' or"
                  + " '.' and end with an alphanumeric character (e.g. '*.example.com', regex used"
                  + " for validation is"
                  + " '\\*\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')");
        }
      } else {
        checks.name(field, host, Names.subdomain(host));
      }
    }

    private static void backend(JsonObject backend, String field, Checks checks) {
      boolean service = backend.has("service");
      boolean resource = backend.has("resource");
      if (service && resource) {
        checks.invalid(field, "", "cannot set both resource and service backends");
      } else if (!service && !resource) {
        checks.invalid(field, "", "resource or service backend is required");
      } else if (service) {
        String name = backend.text("service", "name");
        if (name.isEmpty()) {
          checks.required(field + ".service.name", "");
        } else {
          checks.name(field + ".service.name", name, Names.label1035(name));
        }
        JsonObject port = backend.object("service", "port");
        boolean named = !port.text("name").isEmpty();
        boolean numbered = port.integer("number") != 0;
        if (named && numbered) {
          checks.invalid(field, "", "cannot set both port name & port number");
        } else if (named) {
          checks.name(
              field + ".service.port.name", port.text("name"), Names.portName(port.text("name")));
        } else if (numbered) {
          checks.port(field + ".service.port.number", port.integer("number"));
        } else {
          checks.required(field, "port name or number is required");
        }
      }
    }
  }

  static final class NetworkPolicy implements Strategy {
    @Override
    public KubeObject applyDefaults(KubeObject policy) {
      JsonObject spec = policy.spec();
      if (!spec.array("policyTypes").isEmpty()) {
        return policy;
      }
      List<String> types = new ArrayList<>(List.of("Ingress"));
      if (!spec.array("egress").isEmpty()) {
        types.add("Egress");
      }
      return policy.with("spec", spec.with("policyTypes", types));
    }

    @Override
    public List<Cause> validate(KubeObject policy) {
      Checks checks = new Checks();
      JsonObject spec = policy.spec();
      checks.selector("spec.podSelector", spec.object("podSelector"));
      List<String> types = spec.strings("policyTypes");
      if (types.size() > 2) {
        checks.invalid("spec.policyTypes", types, "may not specify more than two policyTypes");
      } else {
        for (int i = 0; i < types.size(); i++) {
          checks.oneOf("spec.policyTypes[" + i + "]", types.get(i), "Egress", "Ingress");
        }
      }
      for (String direction : List.of("ingress", "egress")) {
        List<JsonObject> rules = spec.objects(direction);
        for (int i = 0; i < rules.size(); i++) {
          rule(
              rules.get(i),
              "spec." + direction + "[" + i + "]",
              direction.equals("ingress") ? "from" : "to",
              checks);
        }
      }
      return checks.causes();
    }

    private static void rule(JsonObject rule, String at, String peers, Checks checks) {
      List<JsonObject> ports = rule.objects("ports");
      for (int i = 0; i < ports.size(); i++) {
        JsonObject port = ports.get(i);
        String field = at + ".ports[" + i + "]";
        checks.oneOfOrNone(field + ".protocol", port.text("protocol"), "SCTP", "TCP", "UDP");
        port.get("port").ifPresent(value -> checks.portNumberOrName(field + ".port", value));
        if (port.has("endPort")) {
          if (!(port.get("port").orElse(null) instanceof JsonInteger first)) {
            checks.required(field + ".port", "must be specified when `endPort` is specified");
          } else if (port.integer("endPort") < first.value()) {
            checks.invalid(
                field + ".endPort",
                port.integer("endPort"),
                "must be greater than or equal to `port`");
          }
        }
      }
      List<JsonObject> list = rule.objects(peers);
      for (int i = 0; i < list.size(); i++) {
        JsonObject peer = list.get(i);
        String field = at + "." + peers + "[" + i + "]";
        for (String selector : List.of("podSelector", "namespaceSelector")) {
          if (peer.has(selector)) {
            checks.selector(field + "." + selector, peer.object(selector));
          }
        }
        if (peer.isEmpty()) {
          checks.required(field, "must specify a peer");
        } else if (peer.has("ipBlock") && peer.size() > 1) {
          checks.forbidden(field, "may not specify both ipBlock and another peer");
        } else if (peer.has("ipBlock") && peer.text("ipBlock", "cidr").isEmpty()) {
          checks.required(field + ".ipBlock.cidr", "");
        }
      }
    }
  }

  static final class EndpointSlice implements Strategy {
    @Override
    public List<Cause> validate(KubeObject slice) {
      Checks checks = new Checks();
      JsonObject json = slice.json();
      checks.oneOf("addressType", json.text("addressType"), "FQDN", "IPv4", "IPv6");
      JsonArray endpoints = json.array("endpoints");
      if (endpoints.size() > 1000) {
        checks.add(dev.kedge.model.FieldFault.tooMany("endpoints", endpoints.size(), 1000));
      }
      List<JsonObject> list = endpoints.objects();
      for (int i = 0; i < list.size(); i++) {
        if (list.get(i).array("addresses").isEmpty()) {
          checks.required("endpoints[" + i + "].addresses", "must contain at least 1 address");
        }
      }
      return checks.causes();
    }

    @Override
    public List<Cause> validateUpdate(KubeObject slice, KubeObject old) {
      Checks checks = new Checks();
      checks.immutable("", slice.json(), old.json(), "addressType");
      return checks.causes();
    }
  }

  static final class ServiceCidr implements Strategy {
    @Override
    public KubeObject prepareForCreate(KubeObject cidr) {
      return cidr.withStatus(JsonObject.EMPTY);
    }

    @Override
    public List<Cause> validate(KubeObject cidr) {
      Checks checks = new Checks();
      List<String> cidrs = cidr.spec().strings("cidrs");
      if (cidrs.isEmpty()) {
        checks.required("spec.cidrs", "at least one CIDR required");
      } else if (cidrs.size() > 2) {
        checks.invalid("spec.cidrs", cidr.spec(), "may only hold up to 2 values");
      } else if (cidrs.size() == 2
          && cidrs.getFirst().contains(":") == cidrs.getLast().contains(":")) {
        checks.invalid(
            "spec.cidrs",
            cidr.spec(),
            "may specify no more than one IP for each IP family, i.e 192.168.0.0/24 and"
                + " 2001:db8::/64");
      } else {
        for (int i = 0; i < cidrs.size(); i++) {
          if (!isCidr(cidrs.get(i))) {
            checks.invalid(
                "spec.cidrs[" + i + "]",
                cidrs.get(i),
                "must be a valid CIDR value, (e.g. 10.9.8.0/24 or 2001:db8::/64)");
          }
        }
      }
      return checks.causes();
    }

    @Override
    public List<Cause> validateUpdate(KubeObject cidr, KubeObject old) {
      Checks checks = new Checks();
      List<String> before = old.spec().strings("cidrs");
      List<String> after = cidr.spec().strings("cidrs");
      // The second family may be added later.
      if (before.size() != 1 || after.isEmpty() || !after.getFirst().equals(before.getFirst())) {
        checks.immutable("spec.", cidr.spec(), old.spec(), "cidrs");
      }
      return checks.causes();
    }

    private static boolean isCidr(String text) {
      int slash = text.indexOf('/');
      Optional<InetAddress> address =
          slash < 0 ? Optional.empty() : literal(text.substring(0, slash));
      return address.isPresent()
          && text.substring(slash + 1).matches("0|[1-9][0-9]{0,2}")
          && Integer.parseInt(text.substring(slash + 1)) <= address.get().getAddress().length * 8;
    }
  }

  static final class IpAddress implements Strategy {
    @Override
    public List<Cause> validate(KubeObject address) {
      Checks checks = new Checks();
      Optional<InetAddress> literal = literal(address.name());
      if (literal.isEmpty()) {
        checks.invalid(
            "metadata.name",
            address.name(),
            "must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)");
      }
      JsonObject parent = address.spec().object("parentRef");
      if (parent.isEmpty()) {
        checks.required("spec.parentRef", "");
      } else {
        for (String field : List.of("resource", "name")) {
          if (parent.text(field).isEmpty()) {
            checks.required("spec.parentRef." + field, "");
          }
        }
      }
      return checks.causes();
    }

    @Override
    public List<Cause> validateUpdate(KubeObject address, KubeObject old) {
      Checks checks = new Checks();
      checks.immutable("spec.", address.spec(), old.spec(), "parentRef");
      return checks.causes();
    }
  }

  private static Optional<InetAddress> literal(String text) {
    // The library takes old forms too, such as 10.1 and 0x7f.1.
    if (!text.contains(":") && !text.matches("[0-9]{1,3}(\\.[0-9]{1,3}){3}")) {
      return Optional.empty();
    }
    try {
      return Optional.of(InetAddress.ofLiteral(text));
    } catch (IllegalArgumentException _) {
      return Optional.empty();
    }
  }
}
