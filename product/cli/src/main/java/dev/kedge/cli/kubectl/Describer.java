package dev.kedge.cli.kubectl;

import dev.kedge.model.ApiException;
import dev.kedge.model.JsonArray;
import dev.kedge.model.JsonObject;
import dev.kedge.model.JsonValue;
import dev.kedge.model.LabelSelector;
import dev.kedge.model.Quantity;
import java.nio.charset.StandardCharsets;
import java.time.Instant;
import java.time.ZoneId;
import java.time.format.DateTimeFormatter;
import java.time.format.DateTimeParseException;
import java.util.ArrayList;
import java.util.Base64;
import java.util.Comparator;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.TreeMap;

/** Writes the long form of one object in kubectl's layout. */
final class Describer {
  private static final DateTimeFormatter TIME =
      DateTimeFormatter.ofPattern("EEE, dd MMM yyyy HH:mm:ss Z", Locale.ROOT);

  private final Session session;
  private final Item item;
  private final JsonObject object;
  private final TabWriter out = TabWriter.describe();

  /** A further blank, as upstream has it before the names of a template's containers. */
  private String shift = "";

  Describer(Session session, Item item) {
    this.session = session;
    this.item = item;
    this.object = item.object();
  }

  String text() {
    switch (item.served().type().groupResource()) {
      case "pods" -> pod();
      case "nodes" -> node();
      case "services" -> service();
      case "deployments.apps" -> deployment();
      case "replicasets.apps", "statefulsets.apps", "daemonsets.apps", "jobs.batch" -> workload();
      case "ingresses.networking.k8s.io" -> ingress();
      case "configmaps" -> configMap();
      case "secrets" -> secret();
      case "persistentvolumeclaims" -> claim();
      case "namespaces" -> namespace();
      default -> generic();
    }
    return out.toString();
  }

  // ---- pieces

  private void field(int level, String name, Object value) {
    out.append(pad(level)).append(name).append(":\t").append(String.valueOf(value)).append("\n");
  }

  private String pad(int level) {
    return "  ".repeat(level) + shift;
  }

  private void heading(int level, String name) {
    out.append(pad(level)).append(name).append(":\n");
  }

  private static String or(String text, String absent) {
    return text.isEmpty() ? absent : text;
  }

  private static String time(String text) {
    try {
      return text.isEmpty()
          ? "<unset>"
          : TIME.format(Instant.parse(text).atZone(ZoneId.systemDefault()));
    } catch (DateTimeParseException _) {
      return text;
    }
  }

  /** A map with one entry per line, the lines after the first under the value's column. */
  private void map(int level, String name, Map<String, String> map, String separator) {
    String head = pad(level) + name + ":";
    if (map.isEmpty()) {
      out.append(head).append("\t<none>\n");
      return;
    }
    for (Map.Entry<String, String> entry : new TreeMap<>(map).entrySet()) {
      String value = entry.getValue();
      boolean longer = value.length() + entry.getKey().length() + 2 > 140 || value.contains("\n");
      if (separator.equals(": ") && longer) {
        out.append(head).append("\t").append(entry.getKey()).append(":\n");
        head = pad(level);
        for (String line : value.replaceFirst("\n$", "").split("\n", -1)) {
          String shown = line.length() > 138 ? line.substring(0, 138) + "..." : line;
          out.append(head).append("\t  ").append(shown).append("\n");
        }
        continue;
      }
      out.append(head)
          .append("\t")
          .append(entry.getKey())
          .append(separator)
          .append(value)
          .append("\n");
      head = pad(level);
    }
  }

  private void labels() {
    map(0, "Labels", object.map("metadata", "labels"), "=");
  }

  private void annotations() {
    Map<String, String> annotations = new TreeMap<>(object.map("metadata", "annotations"));
    annotations.remove(dev.kedge.model.ServerSideApply.LAST_APPLIED);
    map(0, "Annotations", annotations, ": ");
  }

  private void nameAndNamespace() {
    field(0, "Name", item.name());
    if (item.served().type().namespaced()) {
      field(0, "Namespace", item.namespace());
    }
  }

  private void head() {
    nameAndNamespace();
    labels();
    annotations();
  }

  private void events() {
    if (!session.arguments().on("show-events")) {
      return;
    }
    List<JsonObject> events;
    try {
      String uid =
          item.served().type().plural().equals("nodes") ? "" : object.text("metadata", "uid");
      events =
          new ArrayList<>(
              session.list(
                  session.discovery().find("events"),
                  item.namespace(),
                  "",
                  "involvedObject.name="
                      + item.name()
                      + ",involvedObject.kind="
                      + object.text("kind")
                      + (uid.isEmpty() ? "" : ",involvedObject.uid=" + uid)));
    } catch (ApiException e) {
      field(0, "Events", "<unknown: " + e.getMessage() + ">");
      return;
    }
    if (events.isEmpty()) {
      field(0, "Events", "<none>");
      return;
    }
    events.sort(Comparator.comparing(Describer::lastSeen));
    out.append(
        "Events:\n  Type\tReason\tAge\tFrom\tMessage\n  ----\t------\t----\t----\t-------\n");
    for (JsonObject event : events) {
      String age = Session.age(lastSeen(event));
      long count = Math.max(event.integer("count"), event.integer("series", "count"));
      String first = or(event.text("firstTimestamp"), event.text("eventTime"));
      if (count > 1) {
        age = age + " (x" + count + " over " + Session.age(first) + ")";
      }
      String source = or(event.text("source", "component"), event.text("reportingComponent"));
      out.line(
          "  " + event.text("type"),
          event.text("reason"),
          age,
          source,
          event.text("message").strip().replace("\n", " "));
    }
  }

  private static String lastSeen(JsonObject event) {
    for (String[] path :
        new String[][] {
          {"series", "lastObservedTime"},
          {"lastTimestamp"},
          {"eventTime"},
          {"metadata", "creationTimestamp"}
        }) {
      if (!event.text(path).isEmpty()) {
        return event.text(path);
      }
    }
    return "";
  }

  private void conditions(String... columns) {
    List<JsonObject> conditions = object.objects("status", "conditions");
    if (conditions.isEmpty()) {
      return;
    }
    out.append("Conditions:\n  " + String.join("\t", columns) + "\n  ");
    out.append(
        String.join("\t", List.of(columns).stream().map(c -> "-".repeat(c.length())).toList())
            + "\n");
    for (JsonObject condition : conditions) {
      List<String> cells = new ArrayList<>();
      for (String column : columns) {
        String field = column.substring(0, 1).toLowerCase(Locale.ROOT) + column.substring(1);
        cells.add(column.endsWith("Time") ? time(condition.text(field)) : condition.text(field));
      }
      // As upstream: a blank ends every cell but the last.
      for (int i = 0; i < cells.size() - 1; i++) {
        cells.set(i, cells.get(i) + " ");
      }
      out.append("  ").line(cells.toArray());
    }
  }

  // ---- pods

  private void pod() {
    nameAndNamespace();
    field(0, "Priority", object.integer("spec", "priority"));
    if (!object.text("spec", "priorityClassName").isEmpty()) {
      field(0, "Priority Class Name", object.text("spec", "priorityClassName"));
    }
    field(0, "Service Account", or(object.text("spec", "serviceAccountName"), "default"));
    String node = object.text("spec", "nodeName");
    field(0, "Node", node.isEmpty() ? "<none>" : node + "/" + object.text("status", "hostIP"));
    if (!object.text("status", "startTime").isEmpty()) {
      field(0, "Start Time", time(object.text("status", "startTime")));
    }
    labels();
    annotations();
    String deletion = object.text("metadata", "deletionTimestamp");
    if (deletion.isEmpty()) {
      field(0, "Status", object.text("status", "phase"));
    } else {
      field(0, "Status", "Terminating (lasts " + Session.age(deletion) + ")");
      field(
          0,
          "Termination Grace Period",
          object.integer("metadata", "deletionGracePeriodSeconds") + "s");
    }
    for (String text : List.of("reason", "message")) {
      if (!object.text("status", text).isEmpty()) {
        field(
            0,
            text.substring(0, 1).toUpperCase(Locale.ROOT) + text.substring(1),
            object.text("status", text));
      }
    }
    field(0, "IP", object.text("status", "podIP"));
    if (object.objects("status", "podIPs").isEmpty()) {
      field(0, "IPs", "<none>");
    } else {
      heading(0, "IPs");
      object.objects("status", "podIPs").forEach(ip -> field(1, "IP", ip.text("ip")));
    }
    object.objects("metadata", "ownerReferences").stream()
        .filter(owner -> owner.flag("controller"))
        .forEach(owner -> field(0, "Controlled By", owner.text("kind") + "/" + owner.text("name")));
    containers(
        "Init Containers",
        object.object("spec").objects("initContainers"),
        object.objects("status", "initContainerStatuses"));
    containers(
        "Containers",
        object.object("spec").objects("containers"),
        object.objects("status", "containerStatuses"));
    containers(
        "Ephemeral Containers",
        object.object("spec").objects("ephemeralContainers"),
        object.objects("status", "ephemeralContainerStatuses"));
    if (!object.objects("status", "conditions").isEmpty()) {
      out.append("Conditions:\n  Type\tStatus\n");
      object
          .objects("status", "conditions")
          .forEach(c -> out.line("  " + c.text("type") + " ", c.text("status") + " "));
    }
    volumes(object.object("spec"), 0);
    field(0, "QoS Class", object.text("status", "qosClass"));
    map(0, "Node-Selectors", object.map("spec", "nodeSelector"), "=");
    tolerations(0, object.object("spec"));
    events();
  }

  private void tolerations(int level, JsonObject spec) {
    List<String> all = new ArrayList<>();
    for (JsonObject t : spec.objects("tolerations")) {
      StringBuilder line = new StringBuilder(t.text("key"));
      if (!t.text("value").isEmpty()) {
        line.append('=').append(t.text("value"));
      }
      if (!t.text("effect").isEmpty()) {
        line.append(':').append(t.text("effect"));
      }
      if (t.text("operator").equals("Exists") && t.text("value").isEmpty()) {
        line.append(
            t.text("key").isEmpty() && t.text("effect").isEmpty() ? "op=Exists" : " op=Exists");
      }
      if (t.has("tolerationSeconds")) {
        line.append(" for ").append(t.integer("tolerationSeconds")).append('s');
      }
      all.add(line.toString());
    }
    all.sort(Comparator.naturalOrder());
    out.append(pad(level) + "Tolerations:\t" + (all.isEmpty() ? "<none>" : all.getFirst()) + "\n");
    all.stream().skip(1).forEach(line -> out.append("\t" + line + "\n"));
  }

  private void containers(String title, List<JsonObject> containers, List<JsonObject> statuses) {
    if (containers.isEmpty()) {
      return;
    }
    heading(0, title);
    for (JsonObject container : containers) {
      JsonObject status =
          statuses.stream()
              .filter(s -> s.text("name").equals(container.text("name")))
              .findFirst()
              .orElse(JsonObject.EMPTY);
      container(container, status, 1);
    }
  }

  private void container(JsonObject container, JsonObject status, int level) {
    heading(level, container.text("name"));
    shift = "";
    int in = level + 1;
    if (!status.isEmpty()) {
      field(in, "Container ID", status.text("containerID"));
    }
    field(in, "Image", container.text("image"));
    if (!status.isEmpty()) {
      field(in, "Image ID", status.text("imageID"));
    }
    List<JsonObject> ports = container.objects("ports");
    field(
        in,
        ports.size() > 1 ? "Ports" : "Port",
        ports.isEmpty()
            ? "<none>"
            : joined(
                ports,
                p ->
                    p.integer("containerPort")
                        + "/"
                        + or(p.text("protocol"), "TCP")
                        + (p.text("name").isEmpty() ? "" : " (" + p.text("name") + ")")));
    field(
        in,
        ports.size() > 1 ? "Host Ports" : "Host Port",
        ports.isEmpty()
            ? "<none>"
            : joined(
                ports,
                p ->
                    p.integer("hostPort")
                        + "/"
                        + or(p.text("protocol"), "TCP")
                        + (p.text("name").isEmpty() ? "" : " (" + p.text("name") + ")")));
    lines(in, "Command", container.strings("command"));
    lines(in, "Args", container.strings("args"));
    if (!status.isEmpty()) {
      state(in, "State", status.object("state"));
      if (!status.object("lastState").isEmpty()) {
        state(in, "Last State", status.object("lastState"));
      }
      field(in, "Ready", status.flag("ready") ? "True" : "False");
      field(in, "Restart Count", status.integer("restartCount"));
    }
    for (String kind : List.of("limits", "requests")) {
      JsonObject resources = container.object("resources", kind);
      if (!resources.isEmpty()) {
        heading(in, kind.equals("limits") ? "Limits" : "Requests");
        resources.names().stream()
            .sorted()
            .forEach(name -> field(in + 1, name, Output.cell(resources.get(name).orElseThrow())));
      }
    }
    for (String probe : List.of("livenessProbe", "readinessProbe", "startupProbe")) {
      if (container.has(probe)) {
        String title = probe.replace("Probe", "");
        field(
            in,
            title.substring(0, 1).toUpperCase(Locale.ROOT) + title.substring(1),
            probe(container.object(probe)));
      }
    }
    environment(container, in);
    List<JsonObject> mounts = container.objects("volumeMounts");
    if (mounts.isEmpty()) {
      field(in, "Mounts", "<none>");
    } else {
      heading(in, "Mounts");
      mounts.stream()
          .sorted(Comparator.comparing(m -> m.text("mountPath")))
          .forEach(
              m ->
                  out.append(
                      pad(in + 1)
                          + m.text("mountPath")
                          + " from "
                          + m.text("name")
                          + " ("
                          + (m.flag("readOnly") ? "ro" : "rw")
                          + (m.text("subPath").isEmpty()
                              ? ""
                              : ",path=\"" + m.text("subPath") + "\"")
                          + ")\n"));
    }
  }

  private interface Text {
    String of(JsonObject object);
  }

  private static String joined(List<JsonObject> list, Text text) {
    return String.join(", ", list.stream().map(text::of).toList());
  }

  private void lines(int level, String name, List<String> lines) {
    if (!lines.isEmpty()) {
      heading(level, name);
      lines.forEach(line -> line.lines().forEach(part -> out.append(pad(level + 1) + part + "\n")));
    }
  }

  private void state(int level, String name, JsonObject state) {
    if (state.has("running")) {
      field(level, name, "Running");
      field(level + 1, "Started", time(state.text("running", "startedAt")));
    } else if (state.has("terminated")) {
      JsonObject t = state.object("terminated");
      field(level, name, "Terminated");
      field(level + 1, "Reason", t.text("reason"));
      if (!t.text("message").isEmpty()) {
        field(level + 1, "Message", t.text("message"));
      }
      field(level + 1, "Exit Code", t.integer("exitCode"));
      if (t.integer("signal") > 0) {
        field(level + 1, "Signal", t.integer("signal"));
      }
      field(level + 1, "Started", time(t.text("startedAt")));
      field(level + 1, "Finished", time(t.text("finishedAt")));
    } else {
      field(level, name, "Waiting");
      if (!state.text("waiting", "reason").isEmpty()) {
        field(level + 1, "Reason", state.text("waiting", "reason"));
      }
    }
  }

  private static String probe(JsonObject probe) {
    String attributes =
        "delay="
            + probe.integer("initialDelaySeconds")
            + "s timeout="
            + probe.integerOr(1, "timeoutSeconds")
            + "s period="
            + probe.integerOr(10, "periodSeconds")
            + "s #success="
            + probe.integerOr(1, "successThreshold")
            + " #failure="
            + probe.integerOr(3, "failureThreshold");
    if (probe.has("exec")) {
      return "exec [" + String.join(" ", probe.strings("exec", "command")) + "] " + attributes;
    }
    if (probe.has("httpGet")) {
      JsonObject get = probe.object("httpGet");
      return "http-get "
          + or(get.text("scheme"), "HTTP").toLowerCase(Locale.ROOT)
          + "://"
          + get.text("host")
          + ":"
          + get.get("port").map(Output::cell).orElse("")
          + get.text("path")
          + " "
          + attributes;
    }
    if (probe.has("tcpSocket")) {
      return "tcp-socket "
          + probe.text("tcpSocket", "host")
          + ":"
          + probe.find("tcpSocket", "port").map(Output::cell).orElse("")
          + " "
          + attributes;
    }
    return "grpc <pod>:"
        + probe.integer("grpc", "port")
        + " "
        + probe.text("grpc", "service")
        + " "
        + attributes;
  }

  private void environment(JsonObject container, int level) {
    for (JsonObject from : container.objects("envFrom")) {
      boolean config = from.has("configMapRef");
      JsonObject ref = from.object(config ? "configMapRef" : "secretRef");
      heading(level, "Environment Variables from");
      out.line(
          pad(level + 1) + ref.text("name"),
          (config ? "ConfigMap" : "Secret")
              + (from.text("prefix").isEmpty() ? "" : " with prefix '" + from.text("prefix") + "'"),
          "Optional: " + ref.flag("optional"));
    }
    if (container.objects("env").isEmpty()) {
      field(level, "Environment", "<none>");
      return;
    }
    heading(level, "Environment");
    for (JsonObject env : container.objects("env")) {
      JsonObject from = env.object("valueFrom");
      String value =
          from.has("fieldRef")
              ? " ("
                  + or(from.text("fieldRef", "apiVersion"), "v1")
                  + ":"
                  + from.text("fieldRef", "fieldPath")
                  + ")"
              : from.has("resourceFieldRef")
                  ? from.text("resourceFieldRef", "resource")
                  : from.has("configMapKeyRef")
                      ? "<set to the key '"
                          + from.text("configMapKeyRef", "key")
                          + "' of config map '"
                          + from.text("configMapKeyRef", "name")
                          + "'>  Optional: "
                          + from.flag("configMapKeyRef", "optional")
                      : from.has("secretKeyRef")
                          ? "<set to the key '"
                              + from.text("secretKeyRef", "key")
                              + "' in secret '"
                              + from.text("secretKeyRef", "name")
                              + "'>  Optional: "
                              + from.flag("secretKeyRef", "optional")
                          : env.text("value").replace("\n", "\n" + pad(level + 1) + "\t");
      field(level + 1, env.text("name"), value);
    }
  }

  private static final Map<String, String> VOLUME_TYPES =
      Map.of(
          "configMap", "ConfigMap (a volume populated by a ConfigMap)",
          "secret", "Secret (a volume populated by a Secret)",
          "emptyDir", "EmptyDir (a temporary directory that shares a pod's lifetime)",
          "hostPath", "HostPath (bare host directory volume)",
          "projected", "Projected (a volume that contains injected data from multiple sources)",
          "downwardAPI", "DownwardAPI (a volume populated by information about the pod)",
          "persistentVolumeClaim",
              "PersistentVolumeClaim (a reference to a PersistentVolumeClaim in the same"
                  + " namespace)");

  private void volumes(JsonObject spec, int level) {
    List<JsonObject> volumes = spec.objects("volumes");
    if (volumes.isEmpty()) {
      field(level, "Volumes", "<none>");
      return;
    }
    heading(level, "Volumes");
    for (JsonObject volume : volumes) {
      heading(level + 1, volume.text("name"));
      String kind =
          volume.names().stream()
              .filter(name -> !name.equals("name"))
              .findFirst()
              .orElse("emptyDir");
      JsonObject source = volume.object(kind);
      int in = level + 2;
      field(in, "Type", VOLUME_TYPES.getOrDefault(kind, kind));
      switch (kind) {
        case "configMap" -> {
          field(in, "Name", source.text("name"));
          field(in, "Optional", source.flag("optional"));
        }
        case "secret" -> {
          field(in, "SecretName", source.text("secretName"));
          field(in, "Optional", source.flag("optional"));
        }
        case "emptyDir" -> {
          field(in, "Medium", source.text("medium"));
          field(in, "SizeLimit", source.get("sizeLimit").map(Output::cell).orElse("<unset>"));
        }
        case "hostPath" -> {
          field(in, "Path", source.text("path"));
          field(in, "HostPathType", source.text("type"));
        }
        case "persistentVolumeClaim" -> {
          field(in, "ClaimName", source.text("claimName"));
          field(in, "ReadOnly", source.flag("readOnly"));
        }
        case "projected" -> {
          for (JsonObject part : source.objects("sources")) {
            if (part.has("serviceAccountToken")) {
              field(
                  in,
                  "TokenExpirationSeconds",
                  part.integer("serviceAccountToken", "expirationSeconds"));
            } else if (part.has("configMap")) {
              field(in, "ConfigMapName", part.text("configMap", "name"));
              field(in, "Optional", part.flag("configMap", "optional"));
            } else if (part.has("secret")) {
              field(in, "SecretName", part.text("secret", "name"));
              field(in, "Optional", part.flag("secret", "optional"));
            } else if (part.has("downwardAPI")) {
              field(in, "DownwardAPI", "true");
            }
          }
        }
        default -> tree(source, in);
      }
    }
  }

  // ---- nodes

  private void node() {
    field(0, "Name", item.name());
    List<String> roles =
        object.map("metadata", "labels").keySet().stream()
            .filter(l -> l.startsWith("node-role.kubernetes.io/"))
            .map(l -> l.substring(24))
            .sorted()
            .toList();
    field(0, "Roles", roles.isEmpty() ? "<none>" : String.join(",", roles));
    labels();
    annotations();
    field(0, "CreationTimestamp", time(object.text("metadata", "creationTimestamp")));
    List<String> taints =
        object.objects("spec", "taints").stream()
            .map(
                t ->
                    t.text("key")
                        + (t.text("value").isEmpty() ? "" : "=" + t.text("value"))
                        + ":"
                        + t.text("effect"))
            .toList();
    out.append("Taints:\t" + (taints.isEmpty() ? "<none>" : taints.getFirst()) + "\n");
    taints.stream().skip(1).forEach(t -> out.append("\t" + t + "\n"));
    field(0, "Unschedulable", object.flag("spec", "unschedulable"));
    try {
      JsonObject lease =
          session.get(session.discovery().find("leases"), "kube-node-lease", item.name());
      heading(0, "Lease");
      field(1, "HolderIdentity", or(lease.text("spec", "holderIdentity"), "<unset>"));
      field(1, "AcquireTime", time(lease.text("spec", "acquireTime")));
      field(1, "RenewTime", time(lease.text("spec", "renewTime")));
    } catch (ApiException e) {
      field(0, "Lease", "Failed to get lease: " + e.getMessage());
    }
    conditions("Type", "Status", "LastHeartbeatTime", "LastTransitionTime", "Reason", "Message");
    heading(0, "Addresses");
    object.objects("status", "addresses").forEach(a -> field(1, a.text("type"), a.text("address")));
    for (String kind : List.of("capacity", "allocatable")) {
      heading(0, kind.equals("capacity") ? "Capacity" : "Allocatable");
      JsonObject amounts = object.object("status", kind);
      amounts.names().stream()
          .sorted()
          .forEach(name -> field(1, name, Output.cell(amounts.get(name).orElseThrow())));
    }
    heading(0, "System Info");
    JsonObject info = object.object("status", "nodeInfo");
    String[][] fields = {
      {"Machine ID", "machineID"},
      {"System UUID", "systemUUID"},
      {"Boot ID", "bootID"},
      {"Kernel Version", "kernelVersion"},
      {"OS Image", "osImage"},
      {"Operating System", "operatingSystem"},
      {"Architecture", "architecture"},
      {"Container Runtime Version", "containerRuntimeVersion"},
      {"Kubelet Version", "kubeletVersion"}
    };
    for (String[] f : fields) {
      field(1, f[0], info.text(f[1]));
    }
    for (String name : List.of("podCIDR", "providerID")) {
      if (!object.text("spec", name).isEmpty()) {
        field(0, name.equals("podCIDR") ? "PodCIDR" : "ProviderID", object.text("spec", name));
      }
    }
    nodePods();
    events();
  }

  private void nodePods() {
    List<JsonObject> pods =
        session.list(
            session.discovery().find("pods"),
            "",
            "",
            "spec.nodeName=" + item.name() + ",status.phase!=Succeeded,status.phase!=Failed");
    field(0, "Non-terminated Pods", "(" + pods.size() + " in total)");
    out.line(
        "  Namespace",
        "Name",
        "",
        "CPU Requests",
        "CPU Limits",
        "Memory Requests",
        "Memory Limits",
        "Age");
    out.line(
        "  ---------",
        "----",
        "",
        "------------",
        "----------",
        "---------------",
        "-------------",
        "---");
    Quantity[][] sums = {{Quantity.ZERO, Quantity.ZERO}, {Quantity.ZERO, Quantity.ZERO}};
    for (JsonObject pod : pods) {
      List<String> cells =
          new ArrayList<>(
              List.of("  " + pod.text("metadata", "namespace"), pod.text("metadata", "name"), ""));
      for (int r = 0; r < 2; r++) {
        String resource = r == 0 ? "cpu" : "memory";
        for (int k = 0; k < 2; k++) {
          Quantity sum = Quantity.ZERO;
          for (JsonObject container : pod.objects("spec", "containers")) {
            JsonValue amount =
                container
                    .object("resources", k == 0 ? "requests" : "limits")
                    .get(resource)
                    .orElse(null);
            if (amount != null) {
              sum = sum.isZero() ? Quantity.of(amount) : sum.plus(Quantity.of(amount));
            }
          }
          sums[r][k] = sums[r][k].isZero() ? sum : sums[r][k].plus(sum);
          cells.add(sum + " (" + percent(sum, resource) + "%)");
        }
      }
      cells.add(Session.age(pod.text("metadata", "creationTimestamp")));
      out.line(cells.toArray());
    }
    out.append(
        "Allocated resources:\n  (Total limits may be over 100 percent, i.e., overcommitted.)\n");
    out.line("  Resource", "Requests", "Limits").line("  --------", "--------", "------");
    for (int r = 0; r < 2; r++) {
      String resource = r == 0 ? "cpu" : "memory";
      out.line(
          "  " + resource,
          sums[r][0] + " (" + percent(sums[r][0], resource) + "%)",
          sums[r][1] + " (" + percent(sums[r][1], resource) + "%)");
    }
  }

  private long percent(Quantity amount, String resource) {
    JsonValue all = object.object("status", "allocatable").get(resource).orElse(null);
    long milli = all == null ? 0 : Quantity.of(all).milli();
    return milli == 0 ? 0 : (long) (amount.milli() * 100.0 / milli);
  }

  // ---- services and the like

  private void service() {
    head();
    map(0, "Selector", object.map("spec", "selector"), "=");
    field(0, "Type", object.text("spec", "type"));
    field(0, "IP Family Policy", or(object.text("spec", "ipFamilyPolicy"), "<none>"));
    field(0, "IP Families", or(String.join(",", object.strings("spec", "ipFamilies")), "<none>"));
    field(0, "IP", object.text("spec", "clusterIP"));
    field(0, "IPs", or(String.join(",", object.strings("spec", "clusterIPs")), "<none>"));
    if (!object.strings("spec", "externalIPs").isEmpty()) {
      field(0, "External IPs", String.join(",", object.strings("spec", "externalIPs")));
    }
    if (!object.text("spec", "externalName").isEmpty()) {
      field(0, "External Name", object.text("spec", "externalName"));
    }
    List<JsonObject> ingress = object.objects("status", "loadBalancer", "ingress");
    if (!ingress.isEmpty()) {
      field(0, "LoadBalancer Ingress", joined(ingress, i -> or(i.text("ip"), i.text("hostname"))));
    }
    List<JsonObject> slices = endpointSlices();
    for (JsonObject port : object.objects("spec", "ports")) {
      String name = or(port.text("name"), "<unset>");
      field(0, "Port", name + "\t" + port.integer("port") + "/" + or(port.text("protocol"), "TCP"));
      field(
          0,
          "TargetPort",
          port.get("targetPort").map(Output::cell).orElse("")
              + "/"
              + or(port.text("protocol"), "TCP"));
      if (port.integer("nodePort") > 0) {
        field(
            0,
            "NodePort",
            name + "\t" + port.integer("nodePort") + "/" + or(port.text("protocol"), "TCP"));
      }
      field(0, "Endpoints", endpoints(slices, port.text("name")));
    }
    field(0, "Session Affinity", object.text("spec", "sessionAffinity"));
    if (!object.text("spec", "externalTrafficPolicy").isEmpty()) {
      field(0, "External Traffic Policy", object.text("spec", "externalTrafficPolicy"));
    }
    if (!object.text("spec", "internalTrafficPolicy").isEmpty()) {
      field(0, "Internal Traffic Policy", object.text("spec", "internalTrafficPolicy"));
    }
    events();
  }

  private List<JsonObject> endpointSlices() {
    return session.list(
        session.discovery().find("endpointslices"),
        item.namespace(),
        "kubernetes.io/service-name=" + item.name(),
        "");
  }

  private static String endpoints(List<JsonObject> slices, String portName) {
    List<String> all = new ArrayList<>();
    for (JsonObject slice : slices) {
      for (JsonObject port : slice.objects("ports")) {
        if (port.text("name").equals(portName)) {
          slice.objects("endpoints").stream()
              .filter(e -> e.flagOr(true, "conditions", "ready"))
              .flatMap(e -> e.strings("addresses").stream())
              .forEach(a -> all.add(a + ":" + port.integer("port")));
        }
      }
    }
    String shown = String.join(",", all.subList(0, Math.min(3, all.size())));
    return all.size() > 3 ? shown + " + " + (all.size() - 3) + " more..." : shown;
  }

  private void ingress() {
    nameAndNamespace();
    labels();
    field(
        0,
        "Address",
        joined(
                object.objects("status", "loadBalancer", "ingress"),
                i -> or(i.text("ip"), i.text("hostname")))
            .replace(", ", ","));
    field(0, "Ingress Class", or(object.text("spec", "ingressClassName"), "<none>"));
    field(
        0,
        "Default backend",
        object.object("spec").has("defaultBackend")
            ? backend(object.object("spec", "defaultBackend"))
            : "<default>");
    if (!object.objects("spec", "tls").isEmpty()) {
      heading(0, "TLS");
      object
          .objects("spec", "tls")
          .forEach(
              t ->
                  out.append(
                      "  "
                          + (t.text("secretName").isEmpty()
                              ? "SNI routes "
                              : t.text("secretName") + " terminates ")
                          + String.join(",", t.strings("hosts"))
                          + "\n"));
    }
    out.append("Rules:\n  Host\tPath\tBackends\n  ----\t----\t--------\n");
    for (JsonObject rule : object.objects("spec", "rules")) {
      out.append("  " + or(rule.text("host"), "*") + "\t\n");
      rule.objects("http", "paths")
          .forEach(
              p ->
                  out.append("  \t" + p.text("path") + "\t" + backend(p.object("backend")) + "\n"));
    }
    annotations();
    events();
  }

  private static String backend(JsonObject backend) {
    if (backend.has("resource")) {
      JsonObject resource = backend.object("resource");
      return "APIGroup: "
          + resource.text("apiGroup")
          + ", Kind: "
          + resource.text("kind")
          + ", Name: "
          + resource.text("name");
    }
    JsonObject port = backend.object("service", "port");
    return backend.text("service", "name")
        + ":"
        + (port.has("number") ? Long.toString(port.integer("number")) : port.text("name"));
  }

  private void configMap() {
    head();
    out.append("\nData\n====\n");
    // Tabs would be taken for columns.
    new TreeMap<>(object.map("data"))
        .forEach(
            (name, value) ->
                out.append(name + ":\n----\n" + value.replace("\t", "        ") + "\n\n"));
    out.append("\nBinaryData\n====\n");
    object
        .map("binaryData")
        .forEach((name, value) -> out.append(name + ": " + decoded(value) + " bytes\n"));
    out.append("\n");
    events();
  }

  private void secret() {
    head();
    out.append("\n");
    field(0, "Type", object.text("type"));
    out.append("\nData\n====\n");
    new TreeMap<>(object.map("data"))
        .forEach(
            (name, value) ->
                field(
                    0,
                    name,
                    object.text("type").equals("kubernetes.io/service-account-token")
                            && name.equals("token")
                        ? new String(Base64.getDecoder().decode(value), StandardCharsets.UTF_8)
                        : decoded(value) + " bytes"));
  }

  private static int decoded(String base64) {
    try {
      return Base64.getDecoder().decode(base64).length;
    } catch (IllegalArgumentException _) {
      return base64.length();
    }
  }

  private void claim() {
    nameAndNamespace();
    field(0, "StorageClass", object.text("spec", "storageClassName"));
    field(0, "Status", object.text("status", "phase"));
    field(0, "Volume", object.text("spec", "volumeName"));
    labels();
    annotations();
    field(0, "Finalizers", "[" + String.join(" ", object.strings("metadata", "finalizers")) + "]");
    field(0, "Capacity", object.find("status", "capacity", "storage").map(Output::cell).orElse(""));
    Map<String, String> modes =
        Map.of(
            "ReadWriteOnce",
            "RWO",
            "ReadOnlyMany",
            "ROX",
            "ReadWriteMany",
            "RWX",
            "ReadWriteOncePod",
            "RWOP");
    field(
        0,
        "Access Modes",
        String.join(
            ",",
            object.strings("status", "accessModes").stream()
                .map(m -> modes.getOrDefault(m, m))
                .toList()));
    field(0, "VolumeMode", object.text("spec", "volumeMode"));
    List<String> users =
        session.list(session.discovery().find("pods"), item.namespace(), "", "").stream()
            .filter(
                pod ->
                    pod.objects("spec", "volumes").stream()
                        .anyMatch(
                            v -> v.text("persistentVolumeClaim", "claimName").equals(item.name())))
            .map(pod -> pod.text("metadata", "name"))
            .toList();
    out.append("Used By:\t" + (users.isEmpty() ? "<none>" : users.getFirst()) + "\n");
    users.stream().skip(1).forEach(user -> out.append("\t" + user + "\n"));
    events();
  }

  private void namespace() {
    head();
    field(0, "Status", object.text("status", "phase"));
    for (String[] kind :
        new String[][] {
          {"resourcequotas", "No resource quota."}, {"limitranges", "No LimitRange resource."}
        }) {
      List<JsonObject> all = session.list(session.discovery().find(kind[0]), item.name(), "", "");
      out.append(
          "\n"
              + (all.isEmpty()
                  ? kind[1]
                  : kind[0] + ": " + joined(all, o -> o.text("metadata", "name")))
              + "\n");
    }
  }

  // ---- workloads

  private void deployment() {
    nameAndNamespace();
    field(0, "CreationTimestamp", time(object.text("metadata", "creationTimestamp")));
    labels();
    annotations();
    field(0, "Selector", LabelSelector.of(object.object("spec", "selector")));
    JsonObject status = object.object("status");
    field(
        0,
        "Replicas",
        object.integerOr(1, "spec", "replicas")
            + " desired | "
            + status.integer("updatedReplicas")
            + " updated | "
            + status.integer("replicas")
            + " total | "
            + status.integer("availableReplicas")
            + " available | "
            + status.integer("unavailableReplicas")
            + " unavailable");
    field(0, "StrategyType", object.text("spec", "strategy", "type"));
    field(0, "MinReadySeconds", object.integer("spec", "minReadySeconds"));
    JsonObject rolling = object.object("spec", "strategy", "rollingUpdate");
    if (!rolling.isEmpty()) {
      field(
          0,
          "RollingUpdateStrategy",
          rolling.get("maxUnavailable").map(Output::cell).orElse("")
              + " max unavailable, "
              + rolling.get("maxSurge").map(Output::cell).orElse("")
              + " max surge");
    }
    template();
    conditions("Type", "Status", "Reason");
    LabelSelector selector = LabelSelector.of(object.object("spec", "selector"));
    List<JsonObject> sets =
        session
            .list(
                session.discovery().find("replicasets.apps"),
                item.namespace(),
                selector.toString(),
                "")
            .stream()
            .filter(
                set ->
                    set.objects("metadata", "ownerReferences").stream()
                        .anyMatch(o -> o.text("uid").equals(object.text("metadata", "uid"))))
            .sorted(Comparator.comparing(set -> set.text("metadata", "creationTimestamp")))
            .toList();
    String revision = object.text("metadata", "annotations", "deployment.kubernetes.io/revision");
    List<JsonObject> current =
        sets.stream()
            .filter(
                set ->
                    set.text("metadata", "annotations", "deployment.kubernetes.io/revision")
                        .equals(revision))
            .toList();
    List<JsonObject> old = sets.stream().filter(set -> !current.contains(set)).toList();
    Text shown =
        set ->
            set.text("metadata", "name")
                + " ("
                + set.integer("status", "replicas")
                + "/"
                + set.integer("spec", "replicas")
                + " replicas created)";
    field(0, "OldReplicaSets", old.isEmpty() ? "<none>" : joined(old, shown));
    field(0, "NewReplicaSet", current.isEmpty() ? "<none>" : joined(current, shown));
    events();
  }

  private void workload() {
    nameAndNamespace();
    field(0, "CreationTimestamp", time(object.text("metadata", "creationTimestamp")));
    field(0, "Selector", LabelSelector.of(object.object("spec", "selector")));
    labels();
    annotations();
    object.objects("metadata", "ownerReferences").stream()
        .filter(o -> o.flag("controller"))
        .forEach(o -> field(0, "Controlled By", o.text("kind") + "/" + o.text("name")));
    JsonObject status = object.object("status");
    switch (object.text("kind")) {
      case "DaemonSet" -> {
        field(0, "Desired Number of Nodes Scheduled", status.integer("desiredNumberScheduled"));
        field(0, "Current Number of Nodes Scheduled", status.integer("currentNumberScheduled"));
        field(
            0,
            "Number of Nodes Scheduled with Up-to-date Pods",
            status.integer("updatedNumberScheduled"));
        field(
            0, "Number of Nodes Scheduled with Available Pods", status.integer("numberAvailable"));
        field(0, "Number of Nodes Misscheduled", status.integer("numberMisscheduled"));
      }
      case "Job" -> {
        field(0, "Parallelism", object.integer("spec", "parallelism"));
        field(
            0,
            "Completions",
            object.find("spec", "completions").map(Output::cell).orElse("<unset>"));
        field(0, "Completion Mode", or(object.text("spec", "completionMode"), "NonIndexed"));
        field(0, "Suspend", object.flag("spec", "suspend"));
        field(0, "Backoff Limit", object.integerOr(6, "spec", "backoffLimit"));
        if (!status.text("startTime").isEmpty()) {
          field(0, "Start Time", time(status.text("startTime")));
        }
        if (!status.text("completionTime").isEmpty()) {
          field(0, "Completed At", time(status.text("completionTime")));
        }
        field(
            0,
            "Pods Statuses",
            status.integer("active")
                + " Active ("
                + status.integer("ready")
                + " Ready) / "
                + status.integer("succeeded")
                + " Succeeded / "
                + status.integer("failed")
                + " Failed");
      }
      default ->
          field(
              0,
              "Replicas",
              object.text("kind").equals("StatefulSet")
                  ? object.integer("spec", "replicas")
                      + " desired | "
                      + status.integer("replicas")
                      + " total"
                  : status.integer("replicas")
                      + " current / "
                      + object.integer("spec", "replicas")
                      + " desired");
    }
    if (!object.text("kind").equals("Job") && !object.object("spec", "selector").isEmpty()) {
      int[] counts = new int[4];
      for (JsonObject pod :
          session.list(
              session.discovery().find("pods"),
              item.namespace(),
              LabelSelector.of(object.object("spec", "selector")).toString(),
              "")) {
        if (pod.objects("metadata", "ownerReferences").stream()
            .anyMatch(o -> o.text("uid").equals(object.text("metadata", "uid")))) {
          counts[
              switch (pod.text("status", "phase")) {
                case "Running" -> 0;
                case "Succeeded" -> 2;
                case "Failed" -> 3;
                default -> 1;
              }]++;
        }
      }
      field(
          0,
          "Pods Status",
          counts[0]
              + " Running / "
              + counts[1]
              + " Waiting / "
              + counts[2]
              + " Succeeded / "
              + counts[3]
              + " Failed");
    }
    template();
    conditions("Type", "Status", "Reason");
    events();
  }

  private void template() {
    JsonObject template = object.object("spec", "template");
    heading(0, "Pod Template");
    map(1, "Labels", template.map("metadata", "labels"), "=");
    if (!template.map("metadata", "annotations").isEmpty()) {
      map(1, "Annotations", template.map("metadata", "annotations"), ": ");
    }
    if (!template.text("spec", "serviceAccountName").isEmpty()) {
      field(1, "Service Account", template.text("spec", "serviceAccountName"));
    }
    for (String part : List.of("initContainers", "containers")) {
      List<JsonObject> containers = template.objects("spec", part);
      if (!containers.isEmpty()) {
        heading(1, part.equals("containers") ? "Containers" : "Init Containers");
        for (JsonObject c : containers) {
          shift = " ";
          container(c, JsonObject.EMPTY, 1);
        }
      }
    }
    volumes(template.object("spec"), 1);
    map(1, "Node-Selectors", template.map("spec", "nodeSelector"), "=");
    tolerations(1, template.object("spec"));
  }

  // ---- anything else

  private void generic() {
    head();
    field(0, "API Version", object.text("apiVersion"));
    field(0, "Kind", object.text("kind"));
    JsonObject metadata =
        object
            .object("metadata")
            .without("name")
            .without("namespace")
            .without("labels")
            .without("annotations")
            .without("managedFields");
    heading(0, "Metadata");
    tree(metadata, 1);
    for (String name : object.names()) {
      if (!List.of("apiVersion", "kind", "metadata").contains(name)) {
        value(title(name), object.get(name).orElseThrow(), 0);
      }
    }
    events();
  }

  private void tree(JsonObject tree, int level) {
    tree.names().stream()
        .sorted()
        .forEach(name -> value(title(name), tree.get(name).orElseThrow(), level));
  }

  private void value(String name, JsonValue value, int level) {
    switch (value) {
      case JsonObject nested -> {
        heading(level, name);
        tree(nested, level + 1);
      }
      case JsonArray array -> {
        heading(level, name);
        for (JsonValue one : array.items()) {
          if (one instanceof JsonObject nested) {
            tree(nested, level + 1);
          } else {
            out.append(pad(level + 1) + Output.cell(one) + "\n");
          }
        }
      }
      default -> field(level, name, Output.cell(value));
    }
  }

  /** {@code maxSurge} becomes {@code Max Surge}. */
  private static String title(String name) {
    if (name.contains(".") || name.contains("/") || name.contains("-")) {
      return name;
    }
    String spaced = name.replaceAll("([a-z0-9])([A-Z])", "$1 $2");
    return spaced.isEmpty()
        ? spaced
        : spaced.substring(0, 1).toUpperCase(Locale.ROOT) + spaced.substring(1);
  }
}
