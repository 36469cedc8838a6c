package dev.kedge.registry;

import dev.kedge.model.JsonBoolean;
import dev.kedge.model.JsonInteger;
import dev.kedge.model.JsonObject;
import dev.kedge.model.JsonString;
import java.time.Duration;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;

/**
 * What upstream decides per kind and no schema tells: tables of facts, keyed by {@code
 * plural.group} of the stored resource.
 */
final class KindFacts {
  /** Kinds whose generation starts at 1 and grows with every change of what is asked for. */
  private static final Set<String> GENERATION =
      Set.of(
          "pods",
          "replicationcontrollers",
          "podtemplates",
          "daemonsets.apps",
          "deployments.apps",
          "replicasets.apps",
          "statefulsets.apps",
          "cronjobs.batch",
          "jobs.batch",
          "ingresses.networking.k8s.io",
          "ingressclasses.networking.k8s.io",
          "networkpolicies.networking.k8s.io",
          "poddisruptionbudgets.policy",
          "priorityclasses.scheduling.k8s.io",
          "endpointslices.discovery.k8s.io",
          "customresourcedefinitions.apiextensions.k8s.io",
          "mutatingwebhookconfigurations.admissionregistration.k8s.io",
          "validatingwebhookconfigurations.admissionregistration.k8s.io",
          "mutatingadmissionpolicies.admissionregistration.k8s.io",
          "mutatingadmissionpolicybindings.admissionregistration.k8s.io",
          "validatingadmissionpolicies.admissionregistration.k8s.io",
          "validatingadmissionpolicybindings.admissionregistration.k8s.io",
          "flowschemas.flowcontrol.apiserver.k8s.io",
          "prioritylevelconfigurations.flowcontrol.apiserver.k8s.io",
          "deviceclasses.resource.k8s.io",
          "resourceslices.resource.k8s.io");

  /** Kinds that an update must name the resource version of. */
  private static final Set<String> CONDITIONAL_UPDATE =
      Set.of(
          "leases.coordination.k8s.io",
          "leasecandidates.coordination.k8s.io",
          "customresourcedefinitions.apiextensions.k8s.io",
          "apiservices.apiregistration.k8s.io",
          "poddisruptionbudgets.policy",
          "runtimeclasses.node.k8s.io",
          "volumeattachments.storage.k8s.io",
          "csinodes.storage.k8s.io",
          "csidrivers.storage.k8s.io",
          "mutatingwebhookconfigurations.admissionregistration.k8s.io",
          "validatingwebhookconfigurations.admissionregistration.k8s.io",
          "mutatingadmissionpolicies.admissionregistration.k8s.io",
          "mutatingadmissionpolicybindings.admissionregistration.k8s.io",
          "validatingadmissionpolicies.admissionregistration.k8s.io",
          "validatingadmissionpolicybindings.admissionregistration.k8s.io",
          "storageversions.internal.apiserver.k8s.io");

  /** Kinds that a PUT creates where they are absent. */
  private static final Set<String> CREATE_ON_UPDATE =
      Set.of(
          "endpoints",
          "events",
          "limitranges",
          "podtemplates",
          "resourcequotas",
          "services",
          "leases.coordination.k8s.io",
          "clusterroles.rbac.authorization.k8s.io",
          "clusterrolebindings.rbac.authorization.k8s.io",
          "roles.rbac.authorization.k8s.io",
          "rolebindings.rbac.authorization.k8s.io");

  /** Workloads whose dependents are kept when a deletion says nothing about them. */
  private static final Set<String> ORPHAN_BY_DEFAULT =
      Set.of("replicationcontrollers", "jobs.batch");

  /** Label of a field selector, and where its value stands. */
  private record SelectableField(String label, List<String> path, String absent) {
    static SelectableField at(String path) {
      return new SelectableField(path, List.of(path.split("\\.")), "");
    }

    static SelectableField at(String label, String path, String absent) {
      return new SelectableField(label, List.of(path.split("\\.")), absent);
    }
  }

  private static final Map<String, List<SelectableField>> FIELDS =
      Map.ofEntries(
          Map.entry(
              "pods",
              List.of(
                  SelectableField.at("spec.nodeName"),
                  SelectableField.at("spec.restartPolicy"),
                  SelectableField.at("spec.schedulerName"),
                  SelectableField.at("spec.serviceAccountName"),
                  SelectableField.at("spec.hostNetwork", "spec.hostNetwork", "false"),
                  SelectableField.at("status.phase"),
                  SelectableField.at("status.podIP"),
                  SelectableField.at("status.nominatedNodeName"))),
          Map.entry(
              "events",
              List.of(
                  SelectableField.at("involvedObject.kind"),
                  SelectableField.at("involvedObject.namespace"),
                  SelectableField.at("involvedObject.name"),
                  SelectableField.at("involvedObject.uid"),
                  SelectableField.at("involvedObject.apiVersion"),
                  SelectableField.at("involvedObject.resourceVersion"),
                  SelectableField.at("involvedObject.fieldPath"),
                  SelectableField.at("reason"),
                  SelectableField.at("reportingComponent"),
                  SelectableField.at("source", "source.component", ""),
                  SelectableField.at("type"))),
          Map.entry(
              "nodes",
              List.of(SelectableField.at("spec.unschedulable", "spec.unschedulable", "false"))),
          Map.entry(
              "namespaces",
              List.of(
                  SelectableField.at("status.phase"),
                  SelectableField.at("name", "metadata.name", ""))),
          Map.entry("secrets", List.of(SelectableField.at("type"))),
          Map.entry(
              "services",
              List.of(SelectableField.at("spec.clusterIP"), SelectableField.at("spec.type"))),
          Map.entry(
              "replicationcontrollers",
              List.of(SelectableField.at("status.replicas", "status.replicas", "0"))),
          Map.entry(
              "replicasets.apps",
              List.of(SelectableField.at("status.replicas", "status.replicas", "0"))),
          Map.entry(
              "jobs.batch",
              List.of(SelectableField.at("status.successful", "status.succeeded", "0"))),
          Map.entry(
              "certificatesigningrequests.certificates.k8s.io",
              List.of(SelectableField.at("spec.signerName"))),
          Map.entry(
              "clustertrustbundles.certificates.k8s.io",
              List.of(SelectableField.at("spec.signerName"))),
          Map.entry(
              "podcertificaterequests.certificates.k8s.io",
              List.of(SelectableField.at("spec.signerName"), SelectableField.at("spec.nodeName"))),
          Map.entry(
              "resourceslices.resource.k8s.io",
              List.of(SelectableField.at("spec.nodeName"), SelectableField.at("spec.driver"))));

  /** Labels of events.k8s.io by the core group's, the version events are stored in. */
  private static final Map<String, String> NEW_EVENT_LABELS =
      Map.ofEntries(
          Map.entry("regarding.kind", "involvedObject.kind"),
          Map.entry("regarding.namespace", "involvedObject.namespace"),
          Map.entry("regarding.name", "involvedObject.name"),
          Map.entry("regarding.uid", "involvedObject.uid"),
          Map.entry("regarding.apiVersion", "involvedObject.apiVersion"),
          Map.entry("regarding.resourceVersion", "involvedObject.resourceVersion"),
          Map.entry("regarding.fieldPath", "involvedObject.fieldPath"),
          Map.entry("reportingController", "reportingComponent"));

  private static final Duration EVENT_SLACK = Duration.ofSeconds(10);
  private static final Duration HEARTBEAT_SLACK = Duration.ofMinutes(5);

  private KindFacts() {}

  static boolean generation(String groupResource) {
    return GENERATION.contains(groupResource);
  }

  static boolean unconditionalUpdate(String groupResource) {
    return !CONDITIONAL_UPDATE.contains(groupResource);
  }

  static boolean createOnUpdate(String groupResource) {
    return CREATE_ON_UPDATE.contains(groupResource);
  }

  static boolean orphanByDefault(String groupResource) {
    return ORPHAN_BY_DEFAULT.contains(groupResource);
  }

  /**
   * How long a change may wait in memory before it is on disk, and be lost if the server dies
   * meanwhile. Of a Lease only its renewals, and only those of nodes: the one who reads them goes
   * by when they come. Others decide with Leases who may act.
   */
  static Duration slack(String groupResource, String namespace, boolean renewal) {
    if (groupResource.equals("events")) {
      return EVENT_SLACK;
    }
    return renewal
            && groupResource.equals("leases.coordination.k8s.io")
            && namespace.equals("kube-node-lease")
        ? HEARTBEAT_SLACK
        : Duration.ZERO;
  }

  /** Names of the fields a selector may name, besides metadata.name and metadata.namespace. */
  static List<String> selectableFields(String groupResource) {
    return FIELDS.getOrDefault(groupResource, List.of()).stream()
        .map(SelectableField::label)
        .toList();
  }

  /** Where the values of those fields stand. */
  static List<List<String>> fieldPaths(String groupResource) {
    return FIELDS.getOrDefault(groupResource, List.of()).stream()
        .map(SelectableField::path)
        .toList();
  }

  /** Translates a label of a served version to that of the stored one. */
  static String storedLabel(String servedGroup, String plural, String label) {
    return servedGroup.equals("events.k8s.io") && plural.equals("events")
        ? NEW_EVENT_LABELS.getOrDefault(label, label)
        : label;
  }

  /** Values of a stored document's selectable fields, by label. */
  static Map<String, String> fieldValues(String groupResource, JsonObject document) {
    List<SelectableField> fields = FIELDS.getOrDefault(groupResource, List.of());
    if (fields.isEmpty()) {
      return Map.of();
    }
    Map<String, String> values = new LinkedHashMap<>();
    for (SelectableField field : fields) {
      String value = scalar(document, field.path());
      if (value.isEmpty() && field.label().equals("source")) {
        value = document.text("reportingComponent");
      }
      values.put(field.label(), value.isEmpty() ? field.absent() : value);
    }
    return values;
  }

  /** Text of a string, number or boolean at a path; empty for anything else. */
  static String scalar(JsonObject document, List<String> path) {
    return switch (document.find(path.toArray(String[]::new)).orElse(JsonString.EMPTY)) {
      case JsonString text -> text.value();
      case JsonInteger number -> Long.toString(number.value());
      case JsonBoolean flag -> Boolean.toString(flag.value());
      default -> "";
    };
  }
}
