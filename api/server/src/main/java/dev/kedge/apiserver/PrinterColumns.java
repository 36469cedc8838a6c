package dev.kedge.apiserver;

import static java.util.stream.Collectors.joining;

import dev.kedge.apiserver.PrinterTables.Cells;
import dev.kedge.model.Durations;
import dev.kedge.model.Json;
import dev.kedge.model.JsonBoolean;
import dev.kedge.model.JsonDecimal;
import dev.kedge.model.JsonInteger;
import dev.kedge.model.JsonObject;
import dev.kedge.model.JsonString;
import dev.kedge.model.JsonValue;
import dev.kedge.model.KubeObject;
import dev.kedge.model.Times;
import java.time.Clock;
import java.time.Duration;
import java.time.Instant;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashMap;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.TreeSet;
import java.util.stream.Stream;

/**
 * The columns of built-in kinds, as upstream's {@code printers.go} has them: per kind the column
 * texts ({@code Name:type}, {@code +} for wide ones) and the cells of an object. Kinds that are
 * absent show name and creation time.
 */
final class PrinterColumns {
  private static final String NONE = "<none>";
  private static final String UNKNOWN = "<unknown>";
  private static final String UNSET = "<unset>";

  private final Clock clock;
  private final Map<String, Kind> kinds = new HashMap<>();

  /** Columns and cells of a kind. */
  record Kind(List<String> columns, Cells cells) {}

  PrinterColumns(Clock clock) {
    this.clock = clock;
    core();
    workloads();
    network();
    storage();
    policies();
  }

  /** The kind of a {@code plural.group}. */
  Optional<Kind> of(String groupResource) {
    return Optional.ofNullable(kinds.get(groupResource));
  }

  private interface Row {
    List<Object> of(KubeObject object);
  }

  private void kind(String groupResource, String columns, Row row) {
    kinds.put(
        groupResource,
        new Kind(
            Arrays.stream(columns.split("\\|")).map(String::strip).toList(),
            object -> row.of(object).stream().map(JsonValue::of).toList()));
  }

  private void core() {
    kind(
        "pods",
        "Name | Ready | Status |"
            + " Restarts | Age | +IP |"
            + " +Node | +Nominated Node |"
            + " +Readiness Gates",
        this::pod);
    kind(
        "podtemplates",
        "Name | Containers | Images | Pod Labels",
        o ->
            List.of(
                o.name(),
                containers(o.json().object("template", "spec")),
                images(o.json().object("template", "spec")),
                labels(o.json().map("template", "metadata", "labels"))));
    kind(
        "replicationcontrollers",
        "Name | Desired:integer | Current:integer |"
            + " Ready:integer | Age | +Containers | +Images |"
            + " +Selector",
        o ->
            List.of(
                o.name(),
                o.spec().integer("replicas"),
                o.status().integer("replicas"),
                o.status().integer("readyReplicas"),
                age(o),
                containers(template(o)),
                images(template(o)),
                labels(o.spec().map("selector"))));
    kind(
        "services",
        "Name | Type | Cluster-IP | External-IP |" + " Port(s) | Age | +Selector",
        o ->
            List.of(
                o.name(),
                o.spec().text("type"),
                orNone(firstAddress(o)),
                externalAddress(o),
                orNone(ports(o.spec())),
                age(o),
                labels(o.spec().map("selector"))));
    kind(
        "endpoints",
        "Name | Endpoints | Age",
        o -> List.of(o.name(), endpoints(o.json().objects("subsets")), age(o)));
    kind(
        "nodes",
        "Name | Status | Roles | Age |"
            + " Version | +Internal-IP |"
            + " +External-IP | +OS-Image |"
            + " +Kernel-Version |"
            + " +Container-Runtime",
        this::node);
    kind(
        "events",
        "Last Seen | Type | Reason | Object |"
            + " +Subobject | +Source | Message |"
            + " +First Seen | +Count | +Name",
        this::event);
    kinds.put(
        "events.events.k8s.io", kinds.getOrDefault("events", new Kind(List.of(), _ -> List.of())));
    kind(
        "namespaces",
        "Name | Status | Age",
        o -> List.of(o.name(), o.status().text("phase"), age(o)));
    kind(
        "secrets",
        "Name | Type | Data | Age",
        o -> List.of(o.name(), o.json().text("type"), o.json().object("data").size(), age(o)));
    kind(
        "configmaps",
        "Name | Data | Age",
        o ->
            List.of(
                o.name(),
                o.json().object("data").size() + o.json().object("binaryData").size(),
                age(o)));
    kind(
        "serviceaccounts",
        "Name | Secrets | Age",
        o -> List.of(o.name(), o.json().array("secrets").size(), age(o)));
    kind(
        "componentstatuses",
        "Name | Status | Message | Error",
        o -> {
          JsonObject healthy =
              o.json().objects("conditions").stream()
                  .filter(condition -> condition.text("type").equals("Healthy"))
                  .findFirst()
                  .orElse(JsonObject.EMPTY);
          String status =
              switch (healthy.text("status")) {
                case "True" -> "Healthy";
                case "False" -> "Unhealthy";
                default -> "Unknown";
              };
          return List.of(o.name(), status, healthy.text("message"), healthy.text("error"));
        });
    kind(
        "resourcequotas",
        "Name | Request | Limit | Age",
        o -> {
          List<String> requests = new ArrayList<>();
          List<String> limits = new ArrayList<>();
          JsonObject hard = o.status().object("hard");
          for (String name : new TreeSet<>(hard.names())) {
            String used = text(o.status().object("used").get(name));
            (name.startsWith("limits.") ? limits : requests)
                .add(name + ": " + (used.isEmpty() ? "0" : used) + "/" + text(hard.get(name)));
          }
          return List.of(o.name(), String.join(", ", requests), String.join(", ", limits), age(o));
        });
  }

  private void workloads() {
    kind(
        "replicasets.apps",
        "Name | Desired:integer | Current:integer |"
            + " Ready:integer | Age | +Containers | +Images |"
            + " +Selector",
        o ->
            List.of(
                o.name(),
                o.spec().integer("replicas"),
                o.status().integer("replicas"),
                o.status().integer("readyReplicas"),
                age(o),
                containers(template(o)),
                images(template(o)),
                selector(o.spec().object("selector"))));
    kind(
        "daemonsets.apps",
        "Name | Desired:integer |"
            + " Current:integer |"
            + " Ready:integer |"
            + " Up-to-date:integer |"
            + " Available:integer | Node Selector | Age | +Containers |"
            + " +Images | +Selector",
        o ->
            List.of(
                o.name(),
                o.status().integer("desiredNumberScheduled"),
                o.status().integer("currentNumberScheduled"),
                o.status().integer("numberReady"),
                o.status().integer("updatedNumberScheduled"),
                o.status().integer("numberAvailable"),
                labels(o.spec().map("template", "spec", "nodeSelector")),
                age(o),
                containers(template(o)),
                images(template(o)),
                selector(o.spec().object("selector"))));
    kind(
        "deployments.apps",
        "Name | Ready | Up-to-date:integer |"
            + " Available:integer | Age | +Containers | +Images |"
            + " +Selector",
        o ->
            List.of(
                o.name(),
                o.status().integer("readyReplicas") + "/" + o.spec().integer("replicas"),
                o.status().integer("updatedReplicas"),
                o.status().integer("availableReplicas"),
                age(o),
                containers(template(o)),
                images(template(o)),
                selector(o.spec().object("selector"))));
    kind(
        "statefulsets.apps",
        "Name | Ready | Age | +Containers | +Images",
        o ->
            List.of(
                o.name(),
                o.status().integer("readyReplicas") + "/" + o.spec().integer("replicas"),
                age(o),
                containers(template(o)),
                images(template(o))));
    kind(
        "controllerrevisions.apps",
        "Name | Controller | Revision | Age",
        o ->
            List.of(
                o.name(),
                o.controller().map(PrinterColumns::ownerText).orElse(NONE),
                o.json().integer("revision"),
                age(o)));
    kind(
        "jobs.batch",
        "Name | Status | Completions | Duration | Age |" + " +Containers | +Images | +Selector",
        this::job);
    kind(
        "cronjobs.batch",
        "Name | Schedule | Timezone |"
            + " Suspend:boolean | Active:integer |"
            + " Last Schedule | Age | +Containers | +Images |"
            + " +Selector",
        o -> {
          JsonObject job = o.spec().object("jobTemplate", "spec");
          String last = o.status().text("lastScheduleTime");
          return List.of(
              o.name(),
              o.spec().text("schedule"),
              orNone(o.spec().text("timeZone")),
              goBoolean(o.spec().flag("suspend")),
              o.status().array("active").size(),
              last.isEmpty() ? NONE : age(last),
              age(o),
              containers(job.object("template", "spec")),
              images(job.object("template", "spec")),
              selector(job.object("selector")));
        });
    kind(
        "scales.autoscaling",
        "Name | Desired:integer | Available:integer | Age",
        o ->
            List.of(
                o.name(), o.spec().integer("replicas"), o.status().integer("replicas"), age(o)));
    kind(
        "horizontalpodautoscalers.autoscaling",
        "Name | Reference | Targets |" + " MinPods | MaxPods:integer |" + " Replicas:integer | Age",
        o ->
            List.of(
                o.name(),
                o.spec().text("scaleTargetRef", "kind")
                    + "/"
                    + o.spec().text("scaleTargetRef", "name"),
                targets(o),
                o.spec().has("minReplicas")
                    ? Long.toString(o.spec().integer("minReplicas"))
                    : UNSET,
                o.spec().integer("maxReplicas"),
                o.status().integer("currentReplicas"),
                age(o)));
    kind(
        "poddisruptionbudgets.policy",
        "Name | Min Available | Max Unavailable |" + " Allowed Disruptions:integer | Age",
        o ->
            List.of(
                o.name(),
                notAvailable(text(o.spec().get("minAvailable"))),
                notAvailable(text(o.spec().get("maxUnavailable"))),
                o.status().integer("disruptionsAllowed"),
                age(o)));
    kind(
        "priorityclasses.scheduling.k8s.io",
        "Name | Value:integer | Global-Default:boolean | Age |" + " PreemptionPolicy",
        o ->
            List.of(
                o.name(),
                o.json().integer("value"),
                o.json().flag("globalDefault"),
                age(o),
                o.json().text("preemptionPolicy").isEmpty()
                    ? "PreemptLowerPriority"
                    : o.json().text("preemptionPolicy")));
    kind(
        "runtimeclasses.node.k8s.io",
        "Name | Handler | Age",
        o -> List.of(o.name(), o.json().text("handler"), age(o)));
    kind(
        "leases.coordination.k8s.io",
        "Name | Holder | Age",
        o -> List.of(o.name(), o.spec().text("holderIdentity"), age(o)));
  }

  private void network() {
    kind(
        "endpointslices.discovery.k8s.io",
        "Name | AddressType | Ports | Endpoints | Age",
        o ->
            List.of(
                o.name(),
                o.json().text("addressType"),
                slicePorts(o.json().objects("ports")),
                sliceEndpoints(o.json().objects("endpoints")),
                age(o)));
    kind(
        "ingresses.networking.k8s.io",
        "Name | Class | Hosts | Address | Ports | Age",
        o -> {
          String ingressClass =
              o.spec().text("ingressClassName").isEmpty()
                  ? o.annotation("kubernetes.io/ingress.class").orElse(NONE)
                  : o.spec().text("ingressClassName");
          List<String> hosts =
              o.spec().objects("rules").stream()
                  .map(rule -> rule.text("host"))
                  .filter(host -> !host.isEmpty())
                  .toList();
          return List.of(
              o.name(),
              ingressClass,
              hosts.isEmpty() ? "*" : more(hosts, 3),
              balancer(o.status(), false),
              o.spec().array("tls").isEmpty() ? "80" : "80, 443",
              age(o));
        });
    kind(
        "ingressclasses.networking.k8s.io",
        "Name | Controller | Parameters | Age",
        o -> {
          JsonObject parameters = o.spec().object("parameters");
          String text = NONE;
          if (!parameters.isEmpty()) {
            text = parameters.text("kind");
            if (!parameters.text("apiGroup").isEmpty()) {
              text += "." + parameters.text("apiGroup");
            }
            text += "/" + parameters.text("name");
          }
          return List.of(o.name(), o.spec().text("controller"), text, age(o));
        });
    kind(
        "networkpolicies.networking.k8s.io",
        "Name | Pod-Selector | Age",
        o -> List.of(o.name(), selector(o.spec().object("podSelector")), age(o)));
    kind(
        "ipaddresses.networking.k8s.io",
        "Name | ParentRef | Age",
        o -> {
          JsonObject parent = o.spec().object("parentRef");
          String group = parent.text("group");
          String text =
              parent.isEmpty()
                  ? NONE
                  : parent.text("resource")
                      + (group.isEmpty() ? "" : "." + group)
                      + "/"
                      + Stream.of(parent.text("namespace"), parent.text("name"))
                          .filter(part -> !part.isEmpty())
                          .collect(joining("/"));
          return List.of(o.name(), text, age(o));
        });
    kind(
        "servicecidrs.networking.k8s.io",
        "Name | CIDRs | Age",
        o -> List.of(o.name(), String.join(",", o.spec().strings("cidrs")), age(o)));
    kind(
        "apiservices.apiregistration.k8s.io",
        "Name | Service | Available | Age",
        o -> {
          JsonObject service = o.spec().object("service");
          String text =
              service.isEmpty() ? "Local" : service.text("namespace") + "/" + service.text("name");
          Optional<JsonObject> available =
              o.status().objects("conditions").stream()
                  .filter(condition -> condition.text("type").equals("Available"))
                  .findFirst();
          String state =
              available
                  .map(
                      condition ->
                          condition.text("status").equals("True")
                              ? "True"
                              : condition.text("status") + " (" + condition.text("reason") + ")")
                  .orElse("Unknown");
          return List.of(o.name(), text, state, age(o));
        });
  }

  private void storage() {
    kind(
        "persistentvolumes",
        "Name | Capacity | Access Modes |"
            + " Reclaim Policy | Status |"
            + " Claim | StorageClass |"
            + " VolumeAttributesClass |"
            + " Reason | Age | +VolumeMode",
        o -> {
          JsonObject claim = o.spec().object("claimRef");
          String phase = o.status().text("phase");
          return List.of(
              o.name(),
              text(o.spec().object("capacity").get("storage")),
              modes(o.spec().strings("accessModes")),
              o.spec().text("persistentVolumeReclaimPolicy"),
              o.deleting() ? "Terminating" : phase,
              claim.isEmpty() ? "" : claim.text("namespace") + "/" + claim.text("name"),
              storageClass(o),
              unset(o.spec().text("volumeAttributesClassName")),
              o.status().text("reason"),
              age(o),
              unset(o.spec().text("volumeMode")));
        });
    kind(
        "persistentvolumeclaims",
        "Name | Status | Volume | Capacity |"
            + " Access Modes | StorageClass |"
            + " VolumeAttributesClass | Age |"
            + " +VolumeMode",
        o -> {
          boolean bound = !o.spec().text("volumeName").isEmpty();
          return List.of(
              o.name(),
              o.deleting() ? "Terminating" : o.status().text("phase"),
              o.spec().text("volumeName"),
              bound ? text(o.status().object("capacity").get("storage")) : "",
              bound ? modes(o.status().strings("accessModes")) : "",
              storageClass(o),
              unset(o.spec().text("volumeAttributesClassName")),
              age(o),
              unset(o.spec().text("volumeMode")));
        });
    kind(
        "storageclasses.storage.k8s.io",
        "Name | Provisioner | ReclaimPolicy |"
            + " VolumeBindingMode |"
            + " AllowVolumeExpansion:boolean | Age",
        o -> {
          boolean isDefault =
              Stream.of(
                      "storageclass.kubernetes.io/is-default-class",
                      "storageclass.beta.kubernetes.io/is-default-class")
                  .anyMatch(key -> o.annotation(key).orElse("").equals("true"));
          return List.of(
              o.name() + (isDefault ? " (default)" : ""),
              o.json().text("provisioner"),
              o.json().text("reclaimPolicy").isEmpty() ? "Delete" : o.json().text("reclaimPolicy"),
              unset(o.json().text("volumeBindingMode")),
              o.json().flag("allowVolumeExpansion"),
              age(o));
        });
    kind(
        "volumeattributesclasses.storage.k8s.io",
        "Name | DriverName | Age",
        o -> List.of(o.name(), o.json().text("driverName"), age(o)));
    kind(
        "volumeattachments.storage.k8s.io",
        "Name | Attacher | PV | Node |" + " Attached:boolean | Age",
        o ->
            List.of(
                o.name(),
                o.spec().text("attacher"),
                o.spec().text("source", "persistentVolumeName"),
                o.spec().text("nodeName"),
                o.status().flag("attached"),
                age(o)));
    kind(
        "csinodes.storage.k8s.io",
        "Name | Drivers:integer | Age",
        o -> List.of(o.name(), o.spec().array("drivers").size(), age(o)));
    kind(
        "csidrivers.storage.k8s.io",
        "Name | AttachRequired:boolean |"
            + " PodInfoOnMount:boolean |"
            + " StorageCapacity:boolean |"
            + " TokenRequests |"
            + " RequiresRepublish:boolean |"
            + " Modes | Age",
        o -> {
          List<String> audiences =
              o.spec().objects("tokenRequests").stream()
                  .map(request -> request.text("audience"))
                  .toList();
          return List.of(
              o.name(),
              o.spec().flagOr(true, "attachRequired"),
              o.spec().flag("podInfoOnMount"),
              o.spec().flag("storageCapacity"),
              audiences.isEmpty() ? UNSET : String.join(",", audiences),
              o.spec().flag("requiresRepublish"),
              orNone(String.join(",", o.spec().strings("volumeLifecycleModes"))),
              age(o));
        });
    kind(
        "csistoragecapacities.storage.k8s.io",
        "Name | StorageClassName | Capacity | Age",
        o ->
            List.of(
                o.name(),
                o.json().text("storageClassName"),
                notSet(text(o.json().get("capacity"))),
                age(o)));
  }

  private void policies() {
    for (String kind : List.of("rolebindings", "clusterrolebindings")) {
      kind(
          kind + ".rbac.authorization.k8s.io",
          "Name | Role | Age | +Users | +Groups |" + " +ServiceAccounts",
          o -> {
            List<JsonObject> subjects = o.json().objects("subjects");
            return List.of(
                o.name(),
                o.json().text("roleRef", "kind") + "/" + o.json().text("roleRef", "name"),
                age(o),
                subjects(subjects, "User"),
                subjects(subjects, "Group"),
                subjects(subjects, "ServiceAccount"));
          });
    }
    kind(
        "certificatesigningrequests.certificates.k8s.io",
        "Name | Age | SignerName | Requestor |" + " RequestedDuration | Condition",
        o -> {
          String duration =
              o.spec().has("expirationSeconds")
                  ? Durations.human(Duration.ofSeconds(o.spec().integer("expirationSeconds")))
                  : NONE;
          List<String> conditions = new ArrayList<>();
          List<String> types =
              o.status().objects("conditions").stream().map(c -> c.text("type")).toList();
          if (types.contains("Denied")) {
            conditions.add("Denied");
          } else {
            conditions.add(types.contains("Approved") ? "Approved" : "Pending");
          }
          if (types.contains("Failed")) {
            conditions.add("Failed");
          }
          if (!o.status().text("certificate").isEmpty()) {
            conditions.add("Issued");
          }
          return List.of(
              o.name(),
              age(o),
              notSet(o.spec().text("signerName")),
              o.spec().text("username"),
              duration,
              String.join(",", conditions));
        });
    for (String kind : List.of("mutating", "validating")) {
      String group = ".admissionregistration.k8s.io";
      kind(
          kind + "webhookconfigurations" + group,
          "Name | Webhooks:integer | Age",
          o -> List.of(o.name(), o.json().array("webhooks").size(), age(o)));
      boolean mutating = kind.equals("mutating");
      kind(
          kind + "admissionpolicies" + group,
          mutating
              ? "Name | Mutations:integer | ParamKind | Age"
              : "Name | Validations:integer | ParamKind | Age",
          o -> {
            JsonObject parameters = o.spec().object("paramKind");
            return List.of(
                o.name(),
                o.spec().array(mutating ? "mutations" : "validations").size(),
                parameters.isEmpty()
                    ? UNSET
                    : parameters.text("apiVersion") + "/" + parameters.text("kind"),
                age(o));
          });
      kind(
          kind + "admissionpolicybindings" + group,
          "Name | PolicyName | ParamRef | Age",
          o -> {
            JsonObject reference = o.spec().object("paramRef");
            String namespace = reference.text("namespace");
            return List.of(
                o.name(),
                o.spec().text("policyName"),
                reference.isEmpty()
                    ? UNSET
                    : (namespace.isEmpty() ? "" : namespace + "/")
                        + (reference.text("name").isEmpty() ? "*" : reference.text("name")),
                age(o));
          });
    }
    kind(
        "flowschemas.flowcontrol.apiserver.k8s.io",
        "Name | PriorityLevel |"
            + " MatchingPrecedence:integer |"
            + " DistinguisherMethod | Age |"
            + " MissingPL",
        o ->
            List.of(
                o.name(),
                o.spec().text("priorityLevelConfiguration", "name"),
                o.spec().integer("matchingPrecedence"),
                orNone(o.spec().text("distinguisherMethod", "type")),
                age(o),
                o.status().objects("conditions").stream()
                    .filter(condition -> condition.text("type").equals("Dangling"))
                    .map(condition -> condition.text("status"))
                    .findFirst()
                    .orElse("?")));
    kind(
        "prioritylevelconfigurations.flowcontrol.apiserver.k8s.io",
        "Name | Type | NominalConcurrencyShares | Queues | HandSize |" + " QueueLengthLimit | Age",
        o -> {
          JsonObject limited = o.spec().object("limited");
          JsonObject queuing = limited.object("limitResponse", "queuing");
          return List.of(
              o.name(),
              o.spec().text("type"),
              limited.isEmpty() ? NONE : text(limited.get("nominalConcurrencyShares")),
              queuing.isEmpty() ? NONE : text(queuing.get("queues")),
              queuing.isEmpty() ? NONE : text(queuing.get("handSize")),
              queuing.isEmpty() ? NONE : text(queuing.get("queueLengthLimit")),
              age(o));
        });
    kind(
        "resourceclaims.resource.k8s.io",
        "Name | State | Age",
        o -> {
          List<String> states = new ArrayList<>();
          if (o.deleting()) {
            states.add("deleted");
          }
          if (o.status().has("allocation")) {
            states.add("allocated");
            if (!o.status().array("reservedFor").isEmpty()) {
              states.add("reserved");
            }
          } else if (states.isEmpty()) {
            states.add("pending");
          }
          return List.of(o.name(), String.join(",", states), age(o));
        });
    for (String plural : List.of("resourceclaimtemplates", "deviceclasses")) {
      kind(plural + ".resource.k8s.io", "Name | Age", o -> List.of(o.name(), age(o)));
    }
    kind(
        "resourceslices.resource.k8s.io",
        "Name | Node | Driver | Pool | Age",
        o -> {
          String node =
              !o.spec().text("nodeName").isEmpty()
                  ? o.spec().text("nodeName")
                  : o.spec().flag("allNodes") ? "<all>" : UNSET;
          return List.of(
              o.name(), node, o.spec().text("driver"), o.spec().text("pool", "name"), age(o));
        });
  }

  // Pods.

  private List<Object> pod(KubeObject pod) {
    JsonObject status = pod.status();
    List<JsonObject> containers = pod.spec().objects("containers");
    List<JsonObject> initContainers = pod.spec().objects("initContainers");
    String phase = status.text("phase");
    String reason = status.text("reason").isEmpty() ? phase : status.text("reason");
    boolean initialized = false;
    boolean ready = false;
    for (JsonObject condition : status.objects("conditions")) {
      boolean isTrue = condition.text("status").equals("True");
      switch (condition.text("type")) {
        case "PodScheduled" -> {
          if (condition.text("reason").equals("SchedulingGated")) {
            reason = "SchedulingGated";
          }
        }
        case "Initialized" -> initialized = isTrue;
        case "Ready" -> ready = isTrue;
        default -> {}
      }
    }
    Set<String> sidecars = new LinkedHashSet<>();
    for (JsonObject container : initContainers) {
      if (container.text("restartPolicy").equals("Always")) {
        sidecars.add(container.text("name"));
      }
    }
    long restarts = 0;
    long sidecarRestarts = 0;
    String lastRestart = "";
    String lastSidecarRestart = "";
    int readyContainers = 0;
    boolean initializing = false;
    List<JsonObject> initStatuses = status.objects("initContainerStatuses");
    for (int i = 0; i < initStatuses.size() && !initializing; i++) {
      JsonObject container = initStatuses.get(i);
      boolean sidecar = sidecars.contains(container.text("name"));
      restarts += container.integer("restartCount");
      String finished = container.text("lastState", "terminated", "finishedAt");
      lastRestart = later(lastRestart, finished);
      if (sidecar) {
        sidecarRestarts += container.integer("restartCount");
        lastSidecarRestart = later(lastSidecarRestart, finished);
      }
      JsonObject state = container.object("state");
      JsonObject terminated = state.object("terminated");
      String waiting = state.text("waiting", "reason");
      if (state.has("terminated") && terminated.integer("exitCode") == 0) {
        continue;
      }
      if (sidecar && container.flag("started")) {
        if (container.flag("ready")) {
          readyContainers++;
        }
        continue;
      }
      initializing = true;
      if (state.has("terminated")) {
        reason = "Init:" + terminatedReason(terminated);
      } else if (!waiting.isEmpty() && !waiting.equals("PodInitializing")) {
        reason = "Init:" + waiting;
      } else {
        reason = "Init:" + i + "/" + initContainers.size();
      }
    }
    if (!initializing || initialized) {
      restarts = sidecarRestarts;
      lastRestart = lastSidecarRestart;
      boolean running = false;
      for (JsonObject container : status.objects("containerStatuses").reversed()) {
        restarts += container.integer("restartCount");
        lastRestart = later(lastRestart, container.text("lastState", "terminated", "finishedAt"));
        JsonObject state = container.object("state");
        String waiting = state.text("waiting", "reason");
        if (!waiting.isEmpty()) {
          reason = waiting;
        } else if (state.has("terminated")) {
          reason = terminatedReason(state.object("terminated"));
        } else if (container.flag("ready") && state.has("running")) {
          running = true;
          readyContainers++;
        }
      }
      if (reason.equals("Completed") && running) {
        reason = ready ? "Running" : "NotReady";
      }
    }
    if (pod.deleting()) {
      if (status.text("reason").equals("NodeLost")) {
        reason = "Unknown";
      } else if (!phase.equals("Succeeded") && !phase.equals("Failed")) {
        reason = "Terminating";
      }
    }
    String restartsText =
        restarts > 0 && !lastRestart.isEmpty()
            ? restarts + " (" + age(lastRestart) + " ago)"
            : Long.toString(restarts);
    String gates = NONE;
    List<JsonObject> wanted = pod.spec().objects("readinessGates");
    if (!wanted.isEmpty()) {
      long open =
          wanted.stream()
              .filter(
                  gate ->
                      status.objects("conditions").stream()
                          .anyMatch(
                              condition ->
                                  condition.text("type").equals(gate.text("conditionType"))
                                      && condition.text("status").equals("True")))
              .count();
      gates = open + "/" + wanted.size();
    }
    List<JsonObject> addresses = status.objects("podIPs");
    String address = addresses.isEmpty() ? status.text("podIP") : addresses.getFirst().text("ip");
    return List.of(
        pod.name(),
        readyContainers + "/" + (containers.size() + sidecars.size()),
        reason,
        restartsText,
        age(pod),
        orNone(address),
        orNone(pod.spec().text("nodeName")),
        orNone(status.text("nominatedNodeName")),
        gates);
  }

  private static String terminatedReason(JsonObject terminated) {
    if (!terminated.text("reason").isEmpty()) {
      return terminated.text("reason");
    }
    return terminated.integer("signal") != 0
        ? "Signal:" + terminated.integer("signal")
        : "ExitCode:" + terminated.integer("exitCode");
  }

  /** Times in one format compare as texts. */
  private static String later(String a, String b) {
    return a.compareTo(b) >= 0 ? a : b;
  }

  private List<Object> job(KubeObject job) {
    JsonObject spec = job.spec();
    JsonObject status = job.status();
    long succeeded = status.integer("succeeded");
    String completions;
    if (spec.has("completions")) {
      completions = succeeded + "/" + spec.integer("completions");
    } else {
      long parallelism = spec.integerOr(0, "parallelism");
      completions = parallelism > 1 ? succeeded + "/1 of " + parallelism : succeeded + "/1";
    }
    String started = status.text("startTime");
    String ended = status.text("completionTime");
    String duration = "";
    String state = "";
    for (JsonObject condition : status.objects("conditions")) {
      if (!condition.text("status").equals("True")) {
        continue;
      }
      String type = condition.text("type");
      switch (type) {
        case "Complete", "Failed" -> state = type;
        case "Suspended", "FailureTarget", "SuccessCriteriaMet" -> {
          if (!state.equals("Complete") && !state.equals("Failed")) {
            state = type;
          }
        }
        default -> {}
      }
      if (type.equals("Failed") && ended.isEmpty()) {
        ended = condition.text("lastTransitionTime");
      }
    }
    if (!started.isEmpty()) {
      Instant until =
          ended.isEmpty() ? clock.instant() : Times.instant(ended).orElse(clock.instant());
      duration =
          Times.instant(started)
              .map(from -> Durations.human(Duration.between(from, until)))
              .orElse("");
    }
    if (state.isEmpty()) {
      state = job.deleting() ? "Terminating" : "Running";
    }
    return List.of(
        job.name(),
        state,
        completions,
        duration,
        age(job),
        containers(template(job)),
        images(template(job)),
        selector(spec.object("selector")));
  }

  private List<Object> node(KubeObject node) {
    List<String> status = new ArrayList<>();
    for (JsonObject condition : node.status().objects("conditions")) {
      if (condition.text("type").equals("Ready")) {
        status.add(condition.text("status").equals("True") ? "Ready" : "NotReady");
      }
    }
    if (status.isEmpty()) {
      status.add("Unknown");
    }
    if (node.spec().flag("unschedulable")) {
      status.add("SchedulingDisabled");
    }
    Set<String> roles = new TreeSet<>();
    node.labels()
        .forEach(
            (key, value) -> {
              String prefix = "node-role.kubernetes.io/";
              if (key.startsWith(prefix) && key.length() > prefix.length()) {
                roles.add(key.substring(prefix.length()));
              } else if (key.equals("kubernetes.io/role") && !value.isEmpty()) {
                roles.add(value);
              }
            });
    JsonObject info = node.status().object("nodeInfo");
    return List.of(
        node.name(),
        String.join(",", status),
        roles.isEmpty() ? NONE : String.join(",", roles),
        age(node),
        info.text("kubeletVersion"),
        nodeAddress(node, "InternalIP"),
        nodeAddress(node, "ExternalIP"),
        info.text("osImage").isEmpty() ? UNKNOWN : info.text("osImage"),
        info.text("kernelVersion").isEmpty() ? UNKNOWN : info.text("kernelVersion"),
        info.text("containerRuntimeVersion").isEmpty()
            ? UNKNOWN
            : info.text("containerRuntimeVersion"));
  }

  private static String nodeAddress(KubeObject node, String type) {
    return node.status().objects("addresses").stream()
        .filter(address -> address.text("type").equals(type))
        .map(address -> address.text("address"))
        .findFirst()
        .orElse(NONE);
  }

  private List<Object> event(KubeObject event) {
    JsonObject json = event.json();
    // The two groups name the same things differently.
    boolean old = event.apiVersion().equals("v1");
    JsonObject about = old ? json.object("involvedObject") : json.object("regarding");
    String first = old ? json.text("firstTimestamp") : json.text("deprecatedFirstTimestamp");
    String last = old ? json.text("lastTimestamp") : json.text("deprecatedLastTimestamp");
    long count = old ? json.integer("count") : json.integer("deprecatedCount");
    String time = json.text("eventTime");
    JsonObject series = json.object("series");
    String firstSeen = first.isEmpty() ? time : first;
    String lastSeen = last.isEmpty() ? firstSeen : last;
    if (!series.isEmpty()) {
      lastSeen = series.text("lastObservedTime");
      count = series.integer("count");
    } else if (count == 0) {
      count = 1;
    }
    JsonObject source = old ? json.object("source") : json.object("deprecatedSource");
    String component =
        source.text("component").isEmpty()
            ? json.text(old ? "reportingComponent" : "reportingController")
            : source.text("component");
    String host =
        source.text("host").isEmpty() ? json.text("reportingInstance") : source.text("host");
    String target = about.text("kind").toLowerCase(java.util.Locale.ROOT);
    if (!about.text("name").isEmpty()) {
      target += "/" + about.text("name");
    }
    return List.of(
        age(lastSeen),
        json.text("type"),
        json.text("reason"),
        target,
        about.text("fieldPath"),
        component + (host.isEmpty() ? "" : ", " + host),
        (old ? json.text("message") : json.text("note")).strip(),
        age(firstSeen),
        count,
        event.name());
  }

  // Small parts.

  private String age(KubeObject object) {
    return age(object.metadata().text("creationTimestamp"));
  }

  private String age(String time) {
    return age(time, clock.instant());
  }

  /** How long ago a time was, as people read it. */
  static String age(String time, Instant now) {
    return Times.instant(time)
        .map(from -> Durations.human(Duration.between(from, now)))
        .orElse(time.isEmpty() ? UNKNOWN : "<invalid>");
  }

  private static JsonObject template(KubeObject object) {
    return object.spec().object("template", "spec");
  }

  private static String containers(JsonObject podSpec) {
    return podSpec.objects("containers").stream().map(c -> c.text("name")).collect(joining(","));
  }

  private static String images(JsonObject podSpec) {
    return podSpec.objects("containers").stream().map(c -> c.text("image")).collect(joining(","));
  }

  private static String labels(Map<String, String> labels) {
    return labels.isEmpty()
        ? NONE
        : labels.entrySet().stream()
            .sorted(Map.Entry.comparingByKey())
            .map(label -> label.getKey() + "=" + label.getValue())
            .collect(joining(","));
  }

  private static String selector(JsonObject selector) {
    List<String> terms = new ArrayList<>();
    selector.map("matchLabels").entrySet().stream()
        .sorted(Map.Entry.comparingByKey())
        .forEach(label -> terms.add(label.getKey() + "=" + label.getValue()));
    for (JsonObject expression : selector.objects("matchExpressions")) {
      String key = expression.text("key");
      String values = String.join(",", new TreeSet<>(expression.strings("values")));
      terms.add(
          switch (expression.text("operator")) {
            case "In" -> key + " in (" + values + ")";
            case "NotIn" -> key + " notin (" + values + ")";
            case "DoesNotExist" -> "!" + key;
            default -> key;
          });
    }
    return terms.isEmpty() ? NONE : String.join(",", terms);
  }

  private static String firstAddress(KubeObject service) {
    List<String> addresses = service.spec().strings("clusterIPs");
    return addresses.isEmpty() ? service.spec().text("clusterIP") : addresses.getFirst();
  }

  private static String externalAddress(KubeObject service) {
    List<String> external = service.spec().strings("externalIPs");
    return switch (service.spec().text("type")) {
      case "ExternalName" -> service.spec().text("externalName");
      case "LoadBalancer" -> {
        Set<String> all = new LinkedHashSet<>();
        String balancer = balancer(service.status(), true);
        if (!balancer.isEmpty()) {
          all.add(balancer);
        }
        all.addAll(external);
        yield all.isEmpty() ? "<pending>" : String.join(",", all);
      }
      default -> external.isEmpty() ? NONE : String.join(",", external);
    };
  }

  private static String balancer(JsonObject status, boolean addressesOnly) {
    Set<String> all = addressesOnly ? new TreeSet<>() : new LinkedHashSet<>();
    for (JsonObject ingress : status.objects("loadBalancer", "ingress")) {
      all.add(ingress.text("ip").isEmpty() ? ingress.text("hostname") : ingress.text("ip"));
    }
    return String.join(",", all);
  }

  private static String ports(JsonObject spec) {
    List<String> all = new ArrayList<>();
    for (JsonObject port : spec.objects("ports")) {
      String protocol = port.text("protocol").isEmpty() ? "TCP" : port.text("protocol");
      all.add(
          port.integer("nodePort") > 0
              ? port.integer("port") + ":" + port.integer("nodePort") + "/" + protocol
              : port.integer("port") + "/" + protocol);
    }
    return String.join(",", all);
  }

  private static String endpoints(List<JsonObject> subsets) {
    List<String> all = new ArrayList<>();
    for (JsonObject subset : subsets) {
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
    return all.isEmpty() ? NONE : more(all, 3);
  }

  private static String hostPort(String host, long port) {
    return host.indexOf(':') >= 0 ? "[" + host + "]:" + port : host + ":" + port;
  }

  private static String slicePorts(List<JsonObject> ports) {
    if (ports.isEmpty()) {
      return UNSET;
    }
    List<String> all = new ArrayList<>();
    for (JsonObject port : ports) {
      if (port.has("port")) {
        all.add(Long.toString(port.integer("port")));
      } else {
        all.add(port.text("name").isEmpty() ? "*" : port.text("name"));
      }
    }
    return more(all, 3);
  }

  private static String sliceEndpoints(List<JsonObject> endpoints) {
    List<String> all = new ArrayList<>();
    endpoints.forEach(endpoint -> all.addAll(endpoint.strings("addresses")));
    return all.isEmpty() ? UNSET : more(all, 3);
  }

  /** The first of many, and how many are left out. */
  private static String more(List<String> all, int shown) {
    if (all.size() <= shown) {
      return String.join(",", all);
    }
    return String.join(",", all.subList(0, shown)) + " + " + (all.size() - shown) + " more...";
  }

  private static String modes(List<String> modes) {
    Map<String, String> names =
        Map.of(
            "ReadWriteOnce", "RWO",
            "ReadOnlyMany", "ROX",
            "ReadWriteMany", "RWX",
            "ReadWriteOncePod", "RWOP");
    return Stream.of("ReadWriteOnce", "ReadOnlyMany", "ReadWriteMany", "ReadWriteOncePod")
        .filter(modes::contains)
        .map(mode -> names.getOrDefault(mode, mode))
        .collect(joining(","));
  }

  private static String storageClass(KubeObject object) {
    return object
        .annotation("volume.beta.kubernetes.io/storage-class")
        .orElse(object.spec().text("storageClassName"));
  }

  private static String subjects(List<JsonObject> subjects, String kind) {
    return subjects.stream()
        .filter(subject -> subject.text("kind").equals(kind))
        .map(
            subject ->
                kind.equals("ServiceAccount")
                    ? subject.text("namespace") + "/" + subject.text("name")
                    : subject.text("name"))
        .collect(joining(", "));
  }

  private static String targets(KubeObject autoscaler) {
    JsonObject spec = autoscaler.spec();
    if (spec.has("targetCPUUtilizationPercentage")) {
      String current = text(autoscaler.status().get("currentCPUUtilizationPercentage"));
      return "cpu: "
          + (current.isEmpty() ? UNKNOWN : current + "%")
          + "/"
          + spec.integer("targetCPUUtilizationPercentage")
          + "%";
    }
    List<JsonObject> current = autoscaler.status().objects("currentMetrics");
    List<String> all = new ArrayList<>();
    List<JsonObject> metrics = spec.objects("metrics");
    for (int i = 0; i < metrics.size(); i++) {
      JsonObject now = i < current.size() ? current.get(i) : JsonObject.EMPTY;
      all.add(target(metrics.get(i), now));
    }
    if (all.isEmpty()) {
      return NONE;
    }
    return all.size() <= 2
        ? String.join(", ", all)
        : String.join(", ", all.subList(0, 2)) + " + " + (all.size() - 2) + " more...";
  }

  private static String target(JsonObject metric, JsonObject now) {
    String field =
        switch (metric.text("type")) {
          case "Resource" -> "resource";
          case "ContainerResource" -> "containerResource";
          case "Pods" -> "pods";
          case "Object" -> "object";
          case "External" -> "external";
          default -> "";
        };
    JsonObject target = metric.object(field, "target");
    JsonObject current = now.object(field, "current");
    String name =
        field.equals("resource") || field.equals("containerResource")
            ? metric.text(field, "name") + ": "
            : "";
    if (target.has("averageUtilization")) {
      String value = text(current.get("averageUtilization"));
      return name
          + (value.isEmpty() ? UNKNOWN : value + "%")
          + "/"
          + target.integer("averageUtilization")
          + "%";
    }
    boolean average = target.has("averageValue");
    String value = text(current.get(average ? "averageValue" : "value"));
    String wanted = text(target.get(average ? "averageValue" : "value"));
    String suffix = average && (field.equals("object") || field.equals("external")) ? " (avg)" : "";
    return name + (value.isEmpty() ? UNKNOWN : value) + "/" + wanted + suffix;
  }

  private static String ownerText(JsonObject owner) {
    int slash = owner.text("apiVersion").indexOf('/');
    String group = slash < 0 ? "" : "." + owner.text("apiVersion").substring(0, slash);
    return owner.text("kind").toLowerCase(java.util.Locale.ROOT) + group + "/" + owner.text("name");
  }

  private static String text(Optional<JsonValue> value) {
    return value
        .map(
            json ->
                switch (json) {
                  case JsonString text -> text.value();
                  case JsonInteger _, JsonDecimal _, JsonBoolean _ -> Json.write(json);
                  default -> "";
                })
        .orElse("");
  }

  private static String goBoolean(boolean value) {
    return value ? "True" : "False";
  }

  private static String orNone(String text) {
    return text.isEmpty() ? NONE : text;
  }

  private static String unset(String text) {
    return text.isEmpty() ? UNSET : text;
  }

  private static String notSet(String text) {
    return unset(text);
  }

  private static String notAvailable(String text) {
    return text.isEmpty() ? "N/A" : text;
  }
}
