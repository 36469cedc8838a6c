package dev.kedge.registry.kinds;

import dev.kedge.model.FieldFault;
import dev.kedge.model.JsonArray;
import dev.kedge.model.JsonInteger;
import dev.kedge.model.JsonNull;
import dev.kedge.model.JsonObject;
import dev.kedge.model.JsonValue;
import dev.kedge.model.Names;
import dev.kedge.model.Quantity;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Optional;
import java.util.Set;
import java.util.function.UnaryOperator;

/** The spec of a pod, on its own or in a template. Stateless. */
final class PodSpecs {
  private static final List<String> CONTAINER_LISTS =
      List.of("initContainers", "containers", "ephemeralContainers");
  private static final Set<String> STANDARD_RESOURCES =
      Set.of("cpu", "memory", "ephemeral-storage");

  private PodSpecs() {}

  // Defaults

  /**
   * Fills in what depends on other fields.
   *
   * @param pod whether this is a pod's own spec; a template keeps some fields open for its pods
   */
  static JsonObject withDefaults(JsonObject spec, boolean pod) {
    JsonObject result = spec;
    String account = spec.text("serviceAccountName");
    String deprecated = spec.text("serviceAccount");
    if (account.isEmpty() != deprecated.isEmpty() || !account.equals(deprecated)) {
      String name = account.isEmpty() ? deprecated : account;
      result = result.with("serviceAccountName", name).with("serviceAccount", name);
    }
    boolean hostNetwork = spec.flag("hostNetwork");
    for (String list : CONTAINER_LISTS) {
      result = eachObject(result, list, container -> container(container, pod, hostNetwork && pod));
    }
    result = eachObject(result, "volumes", PodSpecs::volume);
    if (pod && !result.has("enableServiceLinks")) {
      result = result.with("enableServiceLinks", true);
    }
    return result;
  }

  private static JsonObject eachObject(
      JsonObject parent, String name, UnaryOperator<JsonObject> change) {
    JsonArray array = parent.array(name);
    if (array.isEmpty()) {
      return parent;
    }
    List<JsonValue> items = new ArrayList<>(array.size());
    boolean changed = false;
    for (JsonValue item : array.items()) {
      JsonValue made = item instanceof JsonObject object ? change.apply(object) : item;
      changed |= made != item;
      items.add(made);
    }
    return changed ? parent.with(name, new JsonArray(items)) : parent;
  }

  private static JsonObject container(JsonObject container, boolean pod, boolean hostNetwork) {
    JsonObject result = container;
    if (container.text("imagePullPolicy").isEmpty()) {
      result = result.with("imagePullPolicy", pullPolicy(container.text("image")));
    }
    JsonObject limits = container.object("resources", "limits");
    if (pod && !limits.isEmpty()) {
      JsonObject requests = container.object("resources", "requests");
      JsonObject filled = requests;
      for (int i = 0; i < limits.size(); i++) {
        if (!filled.has(limits.nameAt(i))) {
          filled = filled.with(limits.nameAt(i), limits.valueAt(i));
        }
      }
      if (filled != requests) {
        result = result.with("resources", container.object("resources").with("requests", filled));
      }
    }
    if (hostNetwork) {
      result =
          eachObject(
              result,
              "ports",
              port ->
                  port.integer("hostPort") == 0
                      ? port.with("hostPort", port.integer("containerPort"))
                      : port);
    }
    return result;
  }

  /** Always for images without a tag and for the tag latest, else IfNotPresent. */
  static String pullPolicy(String image) {
    String name = image.contains("@") ? image.substring(0, image.indexOf('@')) : image;
    int colon = name.lastIndexOf(':');
    boolean tagged = colon > name.lastIndexOf('/');
    boolean latest = tagged ? name.substring(colon + 1).equals("latest") : !image.contains("@");
    return latest ? "Always" : "IfNotPresent";
  }

  private static JsonObject volume(JsonObject volume) {
    if (volume.names().stream().allMatch("name"::equals)) {
      return volume.with("emptyDir", JsonObject.EMPTY);
    }
    JsonObject image = volume.object("image");
    return volume.has("image") && image.text("pullPolicy").isEmpty()
        ? volume.with("image", image.with("pullPolicy", pullPolicy(image.text("reference"))))
        : volume;
  }

  /** Guaranteed, Burstable or BestEffort, by requests and limits of all containers. */
  static String qosClass(JsonObject spec) {
    List<JsonObject> containers = new ArrayList<>(spec.objects("initContainers"));
    containers.addAll(spec.objects("containers"));
    boolean any = false;
    boolean guaranteed = !containers.isEmpty();
    for (JsonObject container : containers) {
      JsonObject requests = container.object("resources", "requests");
      JsonObject limits = container.object("resources", "limits");
      for (String resource : List.of("cpu", "memory")) {
        Quantity request = quantity(requests, resource);
        Quantity limit = quantity(limits, resource);
        any |= !request.isZero() || !limit.isZero();
        boolean equal = !limit.isZero() && (request.isZero() || request.compareTo(limit) == 0);
        guaranteed &= equal;
      }
    }
    return guaranteed ? "Guaranteed" : any ? "Burstable" : "BestEffort";
  }

  private static Quantity quantity(JsonObject list, String resource) {
    return list.get(resource).map(Quantity::of).orElse(Quantity.ZERO);
  }

  // Validation

  /**
   * Reports every fault.
   *
   * @param claims names of volumes that exist besides the spec's own (a StatefulSet's claims)
   */
  static void validate(
      JsonObject spec, String field, boolean pod, Set<String> claims, Checks checks) {
    Set<String> volumes = volumes(spec, field, checks);
    volumes.addAll(claims);
    Set<String> names = new HashSet<>();
    if (spec.array("containers").isEmpty()) {
      checks.required(field + ".containers", "");
    }
    for (String list : List.of("containers", "initContainers")) {
      List<JsonObject> containers = spec.objects(list);
      for (int i = 0; i < containers.size(); i++) {
        container(
            containers.get(i),
            field + "." + list + "[" + i + "]",
            list.equals("initContainers"),
            volumes,
            names,
            checks);
      }
    }
    hostPorts(spec, field, pod, checks);
    checks.oneOf(
        field + ".restartPolicy", spec.text("restartPolicy"), "Always", "Never", "OnFailure");
    checks.oneOf(
        field + ".dnsPolicy",
        spec.text("dnsPolicy"),
        "ClusterFirst",
        "ClusterFirstWithHostNet",
        "Default",
        "None");
    dns(spec, field, checks);
    checks.labels(field + ".nodeSelector", spec.object("nodeSelector"));
    checks.notNegative(
        field + ".terminationGracePeriodSeconds", spec, "terminationGracePeriodSeconds");
    if (spec.has("activeDeadlineSeconds")) {
      long seconds = spec.integer("activeDeadlineSeconds");
      if (seconds < 1 || seconds > Integer.MAX_VALUE) {
        checks.invalid(
            field + ".activeDeadlineSeconds",
            seconds,
            "must be between 1 and 2147483647, inclusive");
      }
    }
    optionalName(spec, "serviceAccountName", field, checks, true);
    optionalName(spec, "hostname", field, checks, false);
    optionalName(spec, "subdomain", field, checks, false);
    optionalName(spec, "nodeName", field, checks, true);
    optionalName(spec, "priorityClassName", field, checks, true);
    optionalName(spec, "runtimeClassName", field, checks, true);
    tolerations(spec.objects("tolerations"), field + ".tolerations", checks);
    spread(spec.objects("topologySpreadConstraints"), field, checks);
    List<JsonObject> secrets = spec.objects("imagePullSecrets");
    for (int i = 0; i < secrets.size(); i++) {
      if (secrets.get(i).text("name").isEmpty()) {
        checks.required(field + ".imagePullSecrets[" + i + "].name", "");
      }
    }
    security(spec.object("securityContext"), field + ".securityContext", checks);
  }

  private static void optionalName(
      JsonObject spec, String name, String field, Checks checks, boolean subdomain) {
    String text = spec.text(name);
    if (!text.isEmpty()) {
      checks.name(field + "." + name, text, subdomain ? Names.subdomain(text) : Names.label(text));
    }
  }

  private static void dns(JsonObject spec, String field, Checks checks) {
    List<String> servers = spec.strings("dnsConfig", "nameservers");
    if (spec.text("dnsPolicy").equals("None") && servers.isEmpty()) {
      checks.required(
          field + (spec.has("dnsConfig") ? ".dnsConfig.nameservers" : ".dnsConfig"),
          "must provide "
              + (spec.has("dnsConfig")
                  ? "at least one DNS nameserver when `dnsPolicy` is None"
                  : "`dnsConfig` when `dnsPolicy` is None"));
    }
    if (servers.size() > 3) {
      checks.invalid(
          field + ".dnsConfig.nameservers", servers, "must not have more than 3 nameservers");
    }
  }

  private static Set<String> volumes(JsonObject spec, String field, Checks checks) {
    Set<String> names = new HashSet<>();
    List<JsonObject> volumes = spec.objects("volumes");
    for (int i = 0; i < volumes.size(); i++) {
      JsonObject volume = volumes.get(i);
      String at = field + ".volumes[" + i + "]";
      String name = volume.text("name");
      if (name.isEmpty()) {
        checks.required(at + ".name", "");
      } else {
        checks.name(at + ".name", name, Names.label(name));
        if (!names.add(name)) {
          checks.duplicate(at + ".name", name);
        }
      }
      List<String> sources =
          volume.names().stream().filter(source -> !source.equals("name")).toList();
      if (sources.isEmpty()) {
        checks.required(at, "must specify a volume type");
      }
      for (String source : sources.subList(Math.min(1, sources.size()), sources.size())) {
        checks.forbidden(at + "." + source, "may not specify more than 1 volume type");
      }
      if (!sources.isEmpty()) {
        source(sources.getFirst(), volume.object(sources.getFirst()), at, checks);
      }
    }
    return names;
  }

  private static void source(String type, JsonObject source, String at, Checks checks) {
    String field = at + "." + type;
    switch (type) {
      case "hostPath" -> {
        if (source.text("path").isEmpty()) {
          checks.required(field + ".path", "");
        } else if (List.of(source.text("path").split("/")).contains("..")) {
          checks.invalid(field + ".path", source.text("path"), "must not contain '..'");
        }
        checks.oneOfOrNone(
            field + ".type",
            source.text("type"),
            "BlockDevice",
            "CharDevice",
            "Directory",
            "DirectoryOrCreate",
            "File",
            "FileOrCreate",
            "Socket");
      }
      case "configMap" -> {
        if (source.text("name").isEmpty()) {
          checks.required(field + ".name", "");
        }
        mode(source, field + ".defaultMode", "defaultMode", checks);
        items(source, field, checks);
      }
      case "secret" -> {
        if (source.text("secretName").isEmpty()) {
          checks.required(field + ".secretName", "");
        }
        mode(source, field + ".defaultMode", "defaultMode", checks);
        items(source, field, checks);
      }
      case "persistentVolumeClaim" -> {
        if (source.text("claimName").isEmpty()) {
          checks.required(field + ".claimName", "");
        }
      }
      case "nfs" -> {
        if (source.text("server").isEmpty()) {
          checks.required(field + ".server", "");
        }
        if (source.text("path").isEmpty()) {
          checks.required(field + ".path", "");
        } else if (!source.text("path").startsWith("/")) {
          checks.invalid(field + ".path", source.text("path"), "must be an absolute path");
        }
      }
      case "downwardAPI" -> downward(source, field, checks);
      case "projected" -> projected(source, field, checks);
      case "csi" -> {
        if (source.text("driver").isEmpty()) {
          checks.required(field + ".driver", "");
        }
      }
      default -> {}
    }
  }

  private static void mode(JsonObject source, String field, String name, Checks checks) {
    long mode = source.integer(name);
    if (mode < 0 || mode > 0777) {
      checks.invalid(field, mode, "must be a number between 0 and 0777 (octal), both inclusive");
    }
  }

  private static void items(JsonObject source, String field, Checks checks) {
    List<JsonObject> items = source.objects("items");
    for (int i = 0; i < items.size(); i++) {
      String at = field + ".items[" + i + "]";
      if (items.get(i).text("key").isEmpty()) {
        checks.required(at + ".key", "");
      }
      relative(items.get(i).text("path"), at + ".path", true, checks);
      mode(items.get(i), at + ".mode", "mode", checks);
    }
  }

  private static void downward(JsonObject source, String field, Checks checks) {
    mode(source, field + ".defaultMode", "defaultMode", checks);
    List<JsonObject> items = source.objects("items");
    for (int i = 0; i < items.size(); i++) {
      String at = field + "[" + i + "]";
      JsonObject item = items.get(i);
      relative(item.text("path"), at + ".path", true, checks);
      if (item.has("fieldRef") && item.has("resourceFieldRef")) {
        checks.invalid(
            at, "resource", "fieldRef and resourceFieldRef can not be specified simultaneously");
      } else if (!item.has("fieldRef") && !item.has("resourceFieldRef")) {
        checks.required(at, "one of fieldRef and resourceFieldRef is required");
      }
    }
  }

  private static void projected(JsonObject source, String field, Checks checks) {
    mode(source, field + ".defaultMode", "defaultMode", checks);
    List<JsonObject> sources = source.objects("sources");
    for (int i = 0; i < sources.size(); i++) {
      String at = field + ".sources[" + i + "]";
      List<String> types = sources.get(i).names();
      for (String type : types.subList(Math.min(1, types.size()), types.size())) {
        checks.forbidden(at + "." + type, "may not specify more than 1 volume type per source");
      }
      if (types.isEmpty()) {
        continue;
      }
      JsonObject projection = sources.get(i).object(types.getFirst());
      switch (types.getFirst()) {
        case "configMap", "secret" -> {
          if (projection.text("name").isEmpty()) {
            checks.required(at + "." + types.getFirst() + ".name", "");
          }
          items(projection, at + "." + types.getFirst(), checks);
        }
        case "downwardAPI" -> downward(projection, at + ".downwardAPI", checks);
        case "serviceAccountToken" -> {
          relative(projection.text("path"), at + ".serviceAccountToken.path", true, checks);
          long seconds = projection.integer("expirationSeconds");
          if (seconds < 600) {
            checks.invalid(
                at + ".serviceAccountToken.expirationSeconds",
                seconds,
                "may not specify a duration less than 10 minutes");
          }
          if (seconds > 1L << 32) {
            checks.invalid(
                at + ".serviceAccountToken.expirationSeconds",
                seconds,
                "may not specify a duration larger than 2^32 seconds");
          }
        }
        default -> {}
      }
    }
  }

  private static void relative(String path, String field, boolean required, Checks checks) {
    if (path.isEmpty()) {
      if (required) {
        checks.required(field, "");
      }
    } else if (path.startsWith("/")) {
      checks.invalid(field, path, "must be a relative path");
    } else if (List.of(path.split("/")).contains("..")) {
      checks.invalid(field, path, "must not contain '..'");
    }
  }

  private static void container(
      JsonObject container,
      String field,
      boolean init,
      Set<String> volumes,
      Set<String> names,
      Checks checks) {
    String name = container.text("name");
    if (name.isEmpty()) {
      checks.required(field + ".name", "");
    } else {
      checks.name(field + ".name", name, Names.label(name));
      if (!names.add(name)) {
        checks.duplicate(field + ".name", name);
      }
    }
    String image = container.text("image");
    if (image.isEmpty()) {
      checks.required(field + ".image", "");
    } else if (!image.equals(image.strip())) {
      checks.invalid(field + ".image", image, "must not have leading or trailing whitespace");
    }
    checks.oneOf(
        field + ".imagePullPolicy",
        container.text("imagePullPolicy"),
        "Always",
        "IfNotPresent",
        "Never");
    checks.oneOf(
        field + ".terminationMessagePolicy",
        container.text("terminationMessagePolicy"),
        "FallbackToLogsOnError",
        "File");
    ports(container.objects("ports"), field + ".ports", checks);
    environment(container, field, checks);
    mounts(container, field, volumes, checks);
    resources(container.object("resources"), field + ".resources", checks);
    security(container.object("securityContext"), field + ".securityContext", checks);
    boolean restartable = container.text("restartPolicy").equals("Always");
    if (init) {
      checks.oneOfOrNone(
          field + ".restartPolicy",
          container.text("restartPolicy"),
          "Always",
          "Never",
          "OnFailure");
    }
    for (String probe : List.of("livenessProbe", "readinessProbe", "startupProbe")) {
      if (!container.has(probe)) {
        continue;
      }
      if (init && !restartable) {
        checks.forbidden(
            field + "." + probe, "may not be set for init containers without restartPolicy=Always");
        continue;
      }
      probe(container.object(probe), field + "." + probe, checks);
      if (!probe.equals("readinessProbe") && container.integer(probe, "successThreshold") != 1) {
        checks.invalid(
            field + "." + probe + ".successThreshold",
            container.integer(probe, "successThreshold"),
            "must be 1");
      }
      if (probe.equals("readinessProbe")
          && container.object(probe).has("terminationGracePeriodSeconds")) {
        checks.invalid(
            field + ".readinessProbe.terminationGracePeriodSeconds",
            container.integer(probe, "terminationGracePeriodSeconds"),
            "must not be set for readinessProbes");
      }
    }
    JsonObject lifecycle = container.object("lifecycle");
    if (init && !restartable && container.has("lifecycle")) {
      checks.forbidden(
          field + ".lifecycle", "may not be set for init containers without restartPolicy=Always");
    }
    for (String hook : List.of("postStart", "preStop")) {
      if (lifecycle.has(hook)) {
        handler(lifecycle.object(hook), field + ".lifecycle." + hook, checks);
      }
    }
  }

  private static void ports(List<JsonObject> ports, String field, Checks checks) {
    Set<String> names = new HashSet<>();
    for (int i = 0; i < ports.size(); i++) {
      JsonObject port = ports.get(i);
      String at = field + "[" + i + "]";
      String name = port.text("name");
      if (!name.isEmpty()) {
        List<String> faults = Names.portName(name);
        checks.name(at + ".name", name, faults);
        if (faults.isEmpty() && !names.add(name)) {
          checks.duplicate(at + ".name", name);
        }
      }
      if (port.integer("containerPort") == 0) {
        checks.required(at + ".containerPort", "");
      } else {
        checks.port(at + ".containerPort", port.integer("containerPort"));
      }
      if (port.integer("hostPort") != 0) {
        checks.port(at + ".hostPort", port.integer("hostPort"));
      }
      checks.oneOf(at + ".protocol", port.text("protocol"), "SCTP", "TCP", "UDP");
    }
  }

  private static void hostPorts(JsonObject spec, String field, boolean pod, Checks checks) {
    Set<String> used = new HashSet<>();
    List<JsonObject> containers = spec.objects("containers");
    for (int i = 0; i < containers.size(); i++) {
      List<JsonObject> ports = containers.get(i).objects("ports");
      for (int j = 0; j < ports.size(); j++) {
        JsonObject port = ports.get(j);
        String at = field + ".containers[" + i + "].ports[" + j + "].hostPort";
        long host = port.integer("hostPort");
        if (spec.flag("hostNetwork")
            && (pod || host != 0)
            && host != port.integer("containerPort")) {
          checks.invalid(at, host, "must match `containerPort` when `hostNetwork` is true");
        }
        if (host != 0) {
          String key = port.text("protocol") + "/" + port.text("hostIP") + "/" + host;
          if (!used.add(key)) {
            checks.duplicate(at, key);
          }
        }
      }
    }
  }

  private static void environment(JsonObject container, String field, Checks checks) {
    List<JsonObject> variables = container.objects("env");
    for (int i = 0; i < variables.size(); i++) {
      JsonObject variable = variables.get(i);
      String at = field + ".env[" + i + "]";
      String name = variable.text("name");
      if (name.isEmpty()) {
        checks.required(at + ".name", "");
      } else {
        checks.name(at + ".name", name, Names.environmentVariable(name));
      }
      if (!variable.has("valueFrom")) {
        continue;
      }
      JsonObject from = variable.object("valueFrom");
      at = at + ".valueFrom";
      if (from.isEmpty()) {
        checks.invalid(
            at,
            "",
            "must specify one of: `fieldRef`, `resourceFieldRef`, `configMapKeyRef`, `secretKeyRef`"
                + " or `fileKeyRef`");
      } else if (!variable.text("value").isEmpty()) {
        checks.invalid(at, "", "may not be specified when `value` is not empty");
      } else if (from.size() > 1) {
        checks.invalid(at, "", "may not have more than one field specified at a time");
      }
      for (String reference : List.of("configMapKeyRef", "secretKeyRef")) {
        if (from.has(reference)) {
          String key = from.text(reference, "key");
          if (key.isEmpty()) {
            checks.required(at + "." + reference + ".key", "");
          } else {
            checks.name(at + "." + reference + ".key", key, Names.configKey(key));
          }
        }
      }
      if (from.has("fieldRef")) {
        fieldReference(from.text("fieldRef", "fieldPath"), at + ".fieldRef.fieldPath", checks);
      }
    }
    List<JsonObject> sources = container.objects("envFrom");
    for (int i = 0; i < sources.size(); i++) {
      String at = field + ".envFrom[" + i + "]";
      JsonObject source = sources.get(i);
      boolean map = source.has("configMapRef");
      boolean secret = source.has("secretRef");
      if (!map && !secret) {
        checks.invalid(at, "", "must specify one of: `configMapRef` or `secretRef`");
      } else if (map && secret) {
        checks.invalid(at, "", "may not have more than one field specified at a time");
      }
      for (String reference : List.of("configMapRef", "secretRef")) {
        if (source.has(reference) && source.text(reference, "name").isEmpty()) {
          checks.required(at + "." + reference + ".name", "");
        }
      }
    }
  }

  private static final Set<String> ENVIRONMENT_FIELDS =
      Set.of(
          "metadata.name",
          "metadata.namespace",
          "metadata.uid",
          "spec.nodeName",
          "spec.serviceAccountName",
          "status.hostIP",
          "status.hostIPs",
          "status.podIP",
          "status.podIPs");

  private static void fieldReference(String path, String field, Checks checks) {
    if (path.isEmpty()) {
      checks.required(field, "");
    } else if (!ENVIRONMENT_FIELDS.contains(path)
        && !path.matches("metadata\\.(labels|annotations)\\['.+']")) {
      checks.add(
          FieldFault.notSupported(field, path, ENVIRONMENT_FIELDS.stream().sorted().toList()));
    }
  }

  private static void mounts(
      JsonObject container, String field, Set<String> volumes, Checks checks) {
    Set<String> paths = new HashSet<>();
    List<JsonObject> mounts = container.objects("volumeMounts");
    for (int i = 0; i < mounts.size(); i++) {
      JsonObject mount = mounts.get(i);
      String at = field + ".volumeMounts[" + i + "]";
      String name = mount.text("name");
      if (name.isEmpty()) {
        checks.required(at + ".name", "");
      } else if (!volumes.contains(name)) {
        checks.add(FieldFault.notFound(at + ".name", name));
      }
      String path = mount.text("mountPath");
      if (path.isEmpty()) {
        checks.required(at + ".mountPath", "");
      } else if (!paths.add(path)) {
        checks.invalid(at + ".mountPath", path, "must be unique");
      }
      relative(mount.text("subPath"), at + ".subPath", false, checks);
      relative(mount.text("subPathExpr"), at + ".subPathExpr", false, checks);
      if (!mount.text("subPath").isEmpty() && !mount.text("subPathExpr").isEmpty()) {
        checks.invalid(
            at + ".subPathExpr",
            mount.text("subPathExpr"),
            "subPathExpr and subPath are mutually exclusive");
      }
      checks.oneOfOrNone(
          at + ".mountPropagation",
          mount.text("mountPropagation"),
          "Bidirectional",
          "HostToContainer",
          "None");
      if (mount.text("mountPropagation").equals("Bidirectional")
          && !container.flag("securityContext", "privileged")) {
        checks.forbidden(
            at + ".mountPropagation",
            "Bidirectional mount propagation is available only to privileged containers");
      }
    }
    List<JsonObject> devices = container.objects("volumeDevices");
    for (int i = 0; i < devices.size(); i++) {
      String at = field + ".volumeDevices[" + i + "]";
      if (devices.get(i).text("name").isEmpty()) {
        checks.required(at + ".name", "");
      } else if (!volumes.contains(devices.get(i).text("name"))) {
        checks.add(FieldFault.notFound(at + ".name", devices.get(i).text("name")));
      }
      if (devices.get(i).text("devicePath").isEmpty()) {
        checks.required(at + ".devicePath", "");
      }
    }
  }

  /** Requests and limits: known names, not negative, requests within limits. */
  static void resources(JsonObject resources, String field, Checks checks) {
    JsonObject limits = resources.object("limits");
    JsonObject requests = resources.object("requests");
    limits.forEach((name, value) -> amount(name, value, field + ".limits", checks));
    requests.forEach(
        (name, value) -> {
          amount(name, value, field + ".requests", checks);
          Optional<JsonValue> limit = limits.get(name);
          boolean overcommit = STANDARD_RESOURCES.contains(name);
          Quantity request = Quantity.of(value);
          if (limit.isPresent()) {
            int order = request.compareTo(Quantity.of(limit.get()));
            String shown = Quantity.of(limit.get()).toString();
            if (order != 0 && !overcommit) {
              checks.invalid(
                  field + ".requests",
                  request.toString(),
                  "must be equal to " + name + " limit of " + shown);
            } else if (order > 0) {
              checks.invalid(
                  field + ".requests",
                  request.toString(),
                  "must be less than or equal to " + name + " limit of " + shown);
            }
          } else if (!overcommit) {
            checks.required(
                field + ".limits", "Limit must be set for non overcommitable resources");
          }
        });
  }

  private static void amount(String name, JsonValue value, String field, Checks checks) {
    String at = field + "[" + name + "]";
    checks.name(at, name, Names.qualified(name));
    if (!name.contains("/")
        && !STANDARD_RESOURCES.contains(name)
        && !name.startsWith("hugepages-")) {
      checks.invalid(at, name, "must be a standard resource for containers");
    }
    Quantity quantity = Quantity.of(value);
    if (quantity.value().signum() < 0) {
      checks.invalid(at, quantity.toString(), "must be greater than or equal to 0");
    }
    if (name.contains("/") && quantity.value().stripTrailingZeros().scale() > 0) {
      checks.invalid(at, quantity.toString(), "must be an integer");
    }
  }

  private static void probe(JsonObject probe, String field, Checks checks) {
    handler(probe, field, checks);
    for (String number :
        List.of(
            "initialDelaySeconds",
            "timeoutSeconds",
            "periodSeconds",
            "successThreshold",
            "failureThreshold")) {
      checks.notNegative(field + "." + number, probe, number);
    }
    if (probe.has("terminationGracePeriodSeconds")
        && probe.integer("terminationGracePeriodSeconds") <= 0) {
      checks.invalid(
          field + ".terminationGracePeriodSeconds",
          probe.integer("terminationGracePeriodSeconds"),
          "must be greater than 0");
    }
  }

  private static void handler(JsonObject handler, String field, Checks checks) {
    List<String> types =
        List.of("exec", "httpGet", "tcpSocket", "grpc", "sleep").stream()
            .filter(handler::has)
            .toList();
    if (types.isEmpty()) {
      checks.required(field, "must specify a handler type");
    }
    for (int i = 0; i < types.size(); i++) {
      String type = types.get(i);
      String at = field + "." + type;
      if (i > 0) {
        checks.forbidden(at, "may not specify more than 1 handler type");
        continue;
      }
      JsonObject action = handler.object(type);
      switch (type) {
        case "exec" -> {
          if (action.array("command").isEmpty()) {
            checks.required(at + ".command", "");
          }
        }
        case "httpGet" -> {
          if (action.text("path").isEmpty()) {
            checks.required(at + ".path", "");
          }
          checks.portNumberOrName(at + ".port", action.get("port").orElse(new JsonInteger(0)));
          checks.oneOf(at + ".scheme", action.text("scheme"), "HTTP", "HTTPS");
        }
        case "tcpSocket" ->
            checks.portNumberOrName(at + ".port", action.get("port").orElse(new JsonInteger(0)));
        case "grpc" -> checks.port(at + ".port", action.integer("port"));
        default -> checks.notNegative(at + ".seconds", action, "seconds");
      }
    }
  }

  private static void security(JsonObject context, String field, Checks checks) {
    for (String id : List.of("runAsUser", "runAsGroup", "fsGroup")) {
      long value = context.integer(id);
      if (value < 0 || value > Integer.MAX_VALUE) {
        checks.invalid(field + "." + id, value, "must be between 0 and 2147483647, inclusive");
      }
    }
    boolean escalation = context.flagOr(true, "allowPrivilegeEscalation");
    if (!escalation && context.flag("privileged")) {
      checks.invalid(
          field,
          context,
          "cannot set `allowPrivilegeEscalation` to false and `privileged` to true");
    }
    if (context.has("seccompProfile")) {
      checks.oneOf(
          field + ".seccompProfile.type",
          context.text("seccompProfile", "type"),
          "Localhost",
          "RuntimeDefault",
          "Unconfined");
    }
  }

  /** Tolerations of a pod. */
  static void tolerations(List<JsonObject> tolerations, String field, Checks checks) {
    for (int i = 0; i < tolerations.size(); i++) {
      JsonObject toleration = tolerations.get(i);
      String at = field + "[" + i + "]";
      String key = toleration.text("key");
      String operator = toleration.text("operator");
      if (!key.isEmpty()) {
        checks.name(at + ".key", key, Names.qualified(key));
      } else if (!operator.equals("Exists")) {
        checks.invalid(
            at + ".operator",
            operator,
            "operator must be Exists when `key` is empty, which means \"match all values and all"
                + " keys\"");
      }
      if (toleration.has("tolerationSeconds") && !toleration.text("effect").equals("NoExecute")) {
        checks.invalid(
            at + ".effect",
            toleration.text("effect"),
            "effect must be 'NoExecute' when `tolerationSeconds` is set");
      }
      switch (operator) {
        case "Equal", "" ->
            checks.name(
                at + ".operator",
                toleration.text("value"),
                Names.labelValue(toleration.text("value")));
        case "Exists" -> {
          if (!toleration.text("value").isEmpty()) {
            checks.invalid(
                at + ".operator",
                toleration.text("value"),
                "value must be empty when `operator` is 'Exists'");
          }
        }
        default ->
            checks.add(
                FieldFault.notSupported(at + ".operator", operator, List.of("Equal", "Exists")));
      }
      checks.oneOfOrNone(
          at + ".effect", toleration.text("effect"), "NoSchedule", "PreferNoSchedule", "NoExecute");
    }
  }

  private static void spread(List<JsonObject> constraints, String field, Checks checks) {
    for (int i = 0; i < constraints.size(); i++) {
      JsonObject constraint = constraints.get(i);
      String at = field + ".topologySpreadConstraints[" + i + "]";
      if (constraint.integer("maxSkew") <= 0) {
        checks.invalid(at + ".maxSkew", constraint.integer("maxSkew"), "must be greater than zero");
      }
      if (constraint.text("topologyKey").isEmpty()) {
        checks.required(at + ".topologyKey", "can not be empty");
      }
      String when = constraint.text("whenUnsatisfiable");
      if (!when.equals("DoNotSchedule") && !when.equals("ScheduleAnyway")) {
        checks.add(
            FieldFault.notSupported(
                at + ".whenUnsatisfiable", when, List.of("DoNotSchedule", "ScheduleAnyway")));
      }
      if (constraint.get("labelSelector").orElse(JsonNull.NULL) instanceof JsonObject selector) {
        checks.selector(at + ".labelSelector", selector);
      }
    }
  }

  /** A pod template: its labels, annotations and spec. */
  static void template(JsonObject template, String field, Set<String> claims, Checks checks) {
    checks.labels(field + ".labels", template.object("metadata", "labels"));
    checks.annotations(field + ".annotations", template.object("metadata", "annotations"));
    validate(template.object("spec"), field + ".spec", false, claims, checks);
  }
}
