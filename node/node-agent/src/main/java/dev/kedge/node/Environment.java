package dev.kedge.node;

import dev.kedge.model.JsonObject;
import dev.kedge.model.JsonString;
import dev.kedge.model.KubeObject;
import dev.kedge.model.Quantity;
import dev.kedge.model.Resources;
import java.math.BigDecimal;
import java.math.RoundingMode;
import java.nio.charset.StandardCharsets;
import java.util.Base64;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Optional;

/** The environment of a container, and the {@code $(NAME)} in what refers to it. */
final class Environment {
  private final NodeServices node;
  private final KubeObject pod;
  private final List<String> podIps;

  Environment(NodeServices node, KubeObject pod, List<String> podIps) {
    this.node = node;
    this.pod = pod;
    this.podIps = podIps;
  }

  /** A container cannot be configured; the message is for its status. */
  static final class ConfigException extends Exception {
    ConfigException(String message) {
      super(message);
    }
  }

  /**
   * The variables of a container in order, references expanded, service links at the end.
   *
   * @throws ConfigException when something it needs is not there
   */
  Map<String, String> variables(JsonObject container) throws ConfigException, InterruptedException {
    Map<String, String> services = serviceLinks();
    Map<String, String> result = new LinkedHashMap<>();
    for (JsonObject source : container.objects("envFrom")) {
      String prefix = source.text("prefix");
      for (String kind : List.of("configMapRef", "secretRef")) {
        JsonObject reference = source.object(kind);
        if (reference.isEmpty()) {
          continue;
        }
        boolean secret = kind.equals("secretRef");
        Optional<KubeObject> object = find(secret, reference.text("name"));
        if (object.isEmpty() && !reference.flag("optional")) {
          throw missing(secret, reference.text("name"));
        }
        object.ifPresent(
            found ->
                data(found, secret).forEach((name, value) -> result.put(prefix + name, value)));
      }
    }
    for (JsonObject variable : container.objects("env")) {
      String name = variable.text("name");
      JsonObject from = variable.object("valueFrom");
      if (from.isEmpty()) {
        result.put(name, expand(variable.text("value"), result, services));
      } else {
        value(container, name, from).ifPresent(value -> result.put(name, value));
      }
    }
    services.forEach(result::putIfAbsent);
    return result;
  }

  private Optional<String> value(JsonObject container, String variable, JsonObject from)
      throws ConfigException, InterruptedException {
    if (from.has("fieldRef")) {
      return Optional.of(field(from.text("fieldRef", "fieldPath")));
    }
    if (from.has("resourceFieldRef")) {
      return Optional.of(resourceField(from.object("resourceFieldRef"), container));
    }
    for (String kind : List.of("configMapKeyRef", "secretKeyRef")) {
      if (from.has(kind)) {
        JsonObject reference = from.object(kind);
        boolean secret = kind.equals("secretKeyRef");
        boolean optional = reference.flag("optional");
        Optional<KubeObject> object = find(secret, reference.text("name"));
        if (object.isEmpty()) {
          if (optional) {
            return Optional.empty();
          }
          throw missing(secret, reference.text("name"));
        }
        String value = data(object.get(), secret).get(reference.text("key"));
        if (value == null && !optional) {
          throw new ConfigException(
              "couldn't find key "
                  + reference.text("key")
                  + " in "
                  + (secret ? "Secret " : "ConfigMap ")
                  + pod.namespace()
                  + "/"
                  + reference.text("name"));
        }
        return Optional.ofNullable(value);
      }
    }
    throw new ConfigException(
        "environment variable " + variable + ": a source of this kind is not supported");
  }

  private Optional<KubeObject> find(boolean secret, String name) throws InterruptedException {
    return node.object(secret ? Resources.SECRETS : Resources.CONFIG_MAPS, pod.namespace(), name);
  }

  private static ConfigException missing(boolean secret, String name) {
    return new ConfigException((secret ? "secret" : "configmap") + " \"" + name + "\" not found");
  }

  private static Map<String, String> data(KubeObject object, boolean secret) {
    Map<String, String> data = new LinkedHashMap<>();
    object
        .json()
        .map("data")
        .forEach(
            (name, value) ->
                data.put(
                    name,
                    secret
                        ? new String(Base64.getDecoder().decode(value), StandardCharsets.UTF_8)
                        : value));
    return data;
  }

  /** A field of the pod by its path, as the downward API has it. */
  String field(String path) throws ConfigException {
    int bracket = path.indexOf('[');
    if (bracket > 0 && path.endsWith("']")) {
      String key = path.substring(bracket + 2, path.length() - 2);
      return switch (path.substring(0, bracket)) {
        case "metadata.labels" -> pod.labels().getOrDefault(key, "");
        case "metadata.annotations" -> pod.annotations().getOrDefault(key, "");
        default -> throw new ConfigException("unsupported fieldPath: " + path);
      };
    }
    return switch (path) {
      case "metadata.name" -> pod.name();
      case "metadata.namespace" -> pod.namespace();
      case "metadata.uid" -> pod.uid();
      case "metadata.labels" -> lines(pod.labels());
      case "metadata.annotations" -> lines(pod.annotations());
      case "spec.nodeName" -> pod.spec().text("nodeName");
      case "spec.serviceAccountName" -> pod.spec().text("serviceAccountName");
      case "status.hostIP" -> node.settings().addresses().getFirst();
      case "status.hostIPs" -> String.join(",", node.settings().addresses());
      case "status.podIP" -> podIps.isEmpty() ? "" : podIps.getFirst();
      case "status.podIPs" -> String.join(",", podIps);
      default -> throw new ConfigException("unsupported fieldPath: " + path);
    };
  }

  private static String lines(Map<String, String> map) {
    StringBuilder out = new StringBuilder();
    new java.util.TreeMap<>(map)
        .forEach(
            (name, value) ->
                out.append(out.isEmpty() ? "" : "\n")
                    .append(name)
                    .append('=')
                    .append(new JsonString(value)));
    return out.toString();
  }

  /** A resource of a container in units of the divisor, rounded up. */
  String resourceField(JsonObject reference, JsonObject self) throws ConfigException {
    JsonObject container =
        reference.text("containerName").isEmpty()
            ? self
            : Pods.container(pod, reference.text("containerName"))
                .orElseThrow(
                    () ->
                        new ConfigException(
                            "container " + reference.text("containerName") + " not found"));
    String path = reference.text("resource");
    String[] parts = path.split("\\.", 2);
    if (parts.length != 2 || !List.of("limits", "requests").contains(parts[0])) {
      throw new ConfigException("unsupported container resource : " + path);
    }
    Quantity amount = Pods.quantity(container, parts[0], parts[1]);
    if (amount.isZero() && parts[0].equals("limits")) {
      // Without a limit it is all that the node gives.
      amount = node.machine().allocatable(parts[1]);
    }
    BigDecimal divisor =
        reference
            .get("divisor")
            .map(Quantity::of)
            .filter(quantity -> !quantity.isZero())
            .map(Quantity::value)
            .orElse(BigDecimal.ONE);
    return amount.value().divide(divisor, 0, RoundingMode.CEILING).toPlainString();
  }

  private Map<String, String> serviceLinks() throws InterruptedException {
    boolean all = pod.spec().flagOr(true, "enableServiceLinks");
    Map<String, String> links = new LinkedHashMap<>();
    for (KubeObject service : node.synced(Resources.SERVICES).all()) {
      boolean master = service.namespace().equals("default") && service.name().equals("kubernetes");
      String ip = service.spec().text("clusterIP");
      if (ip.isEmpty()
          || ip.equals("None")
          || !master && !(all && service.namespace().equals(pod.namespace()))) {
        continue;
      }
      link(links, service, ip);
    }
    return links;
  }

  private static void link(Map<String, String> links, KubeObject service, String ip) {
    String name = shout(service.name());
    List<JsonObject> ports = service.spec().objects("ports");
    if (ports.isEmpty()) {
      return;
    }
    String host = ip.contains(":") ? "[" + ip + "]" : ip;
    links.put(name + "_SERVICE_HOST", ip);
    links.put(name + "_SERVICE_PORT", "" + ports.getFirst().integer("port"));
    for (JsonObject port : ports) {
      if (!port.text("name").isEmpty()) {
        links.put(name + "_SERVICE_PORT_" + shout(port.text("name")), "" + port.integer("port"));
      }
    }
    for (int i = 0; i < ports.size(); i++) {
      JsonObject port = ports.get(i);
      String protocol = port.text("protocol").isEmpty() ? "TCP" : port.text("protocol");
      String url = protocol.toLowerCase(Locale.ROOT) + "://" + host + ":" + port.integer("port");
      if (i == 0) {
        links.put(name + "_PORT", url);
      }
      String prefix = name + "_PORT_" + port.integer("port") + "_" + protocol;
      links.put(prefix, url);
      links.put(prefix + "_PROTO", protocol.toLowerCase(Locale.ROOT));
      links.put(prefix + "_PORT", "" + port.integer("port"));
      links.put(prefix + "_ADDR", ip);
    }
  }

  private static String shout(String name) {
    return name.replace('-', '_').toUpperCase(Locale.ROOT);
  }

  /** Replaces {@code $(NAME)} by the first map that knows it; {@code $$} is a dollar sign. */
  @SafeVarargs
  static String expand(String text, Map<String, String>... maps) {
    if (text.indexOf('$') < 0) {
      return text;
    }
    StringBuilder out = new StringBuilder();
    int i = 0;
    while (i < text.length()) {
      char c = text.charAt(i);
      if (c == '$' && i + 1 < text.length()) {
        char next = text.charAt(i + 1);
        if (next == '$') {
          out.append('$');
          i += 2;
          continue;
        }
        int end = next == '(' ? text.indexOf(')', i) : -1;
        if (end > 0) {
          String name = text.substring(i + 2, end);
          String value = null;
          for (Map<String, String> map : maps) {
            if (value == null) {
              value = map.get(name);
            }
          }
          out.append(value == null ? text.substring(i, end + 1) : value);
          i = end + 1;
          continue;
        }
      }
      out.append(c);
      i++;
    }
    return out.toString();
  }
}
