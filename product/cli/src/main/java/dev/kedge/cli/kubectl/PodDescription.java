package dev.kedge.cli.kubectl;

import static dev.kedge.cli.kubectl.DescriptionWriter.capitalized;
import static dev.kedge.cli.kubectl.DescriptionWriter.or;
import static dev.kedge.cli.kubectl.DescriptionWriter.time;

import dev.kedge.model.JsonObject;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;

/** Describes pods, and the templates of those that make pods. */
final class PodDescription {
  private PodDescription() {}

  static void write(Described pod) {
    DescriptionWriter out = pod.out();
    JsonObject spec = pod.spec();
    JsonObject status = pod.status();
    pod.name();
    out.field("Priority", spec.integer("priority"));
    out.optional("Priority Class Name", spec.text("priorityClassName"));
    out.field("Service Account", or(spec.text("serviceAccountName"), "default"));
    String node = spec.text("nodeName");
    out.field("Node", node.isEmpty() ? "<none>" : node + "/" + status.text("hostIP"));
    if (!status.text("startTime").isEmpty()) {
      out.field("Start Time", time(status.text("startTime")));
    }
    pod.labels();
    pod.annotations();
    phase(pod);
    out.field("IP", status.text("podIP"));
    List<JsonObject> addresses = status.objects("podIPs");
    if (addresses.isEmpty()) {
      out.field("IPs", "<none>");
    } else {
      DescriptionWriter in = out.heading("IPs");
      addresses.forEach(address -> in.field("IP", address.text("ip")));
    }
    pod.controller();
    containers(pod, "Init Containers", "initContainers", "initContainerStatuses");
    containers(pod, "Containers", "containers", "containerStatuses");
    containers(pod, "Ephemeral Containers", "ephemeralContainers", "ephemeralContainerStatuses");
    List<JsonObject> conditions = status.objects("conditions");
    if (!conditions.isEmpty()) {
      DescriptionWriter in = out.heading("Conditions");
      in.line("Type", "Status");
      conditions.forEach(c -> in.line(c.text("type") + " ", c.text("status") + " "));
    }
    VolumeDescription.write(out, spec.objects("volumes"));
    out.field("QoS Class", status.text("qosClass"));
    placement(out, spec);
    pod.events();
  }

  private static void phase(Described pod) {
    DescriptionWriter out = pod.out();
    JsonObject metadata = pod.object().object("metadata");
    String deletion = metadata.text("deletionTimestamp");
    if (deletion.isEmpty()) {
      out.field("Status", pod.status().text("phase"));
    } else {
      out.field("Status", "Terminating (lasts " + Session.age(deletion) + ")");
      out.field("Termination Grace Period", metadata.integer("deletionGracePeriodSeconds") + "s");
    }
    for (String name : List.of("reason", "message")) {
      out.optional(capitalized(name), pod.status().text(name));
    }
  }

  private static void containers(Described pod, String title, String field, String statusField) {
    List<JsonObject> containers = pod.spec().objects(field);
    if (containers.isEmpty()) {
      return;
    }
    DescriptionWriter in = pod.out().heading(title);
    for (JsonObject container : containers) {
      String name = container.text("name");
      JsonObject status =
          pod.status().objects(statusField).stream()
              .filter(one -> one.text("name").equals(name))
              .findFirst()
              .orElse(JsonObject.EMPTY);
      ContainerDescription.write(in.heading(name), container, status);
    }
  }

  /** Describes the pods that an object makes. */
  static void template(Described object) {
    JsonObject template = object.spec().object("template");
    JsonObject spec = template.object("spec");
    DescriptionWriter out = object.out().heading("Pod Template");
    out.labels("Labels", template.map("metadata", "labels"));
    if (!template.map("metadata", "annotations").isEmpty()) {
      out.annotations("Annotations", template.map("metadata", "annotations"));
    }
    out.optional("Service Account", spec.text("serviceAccountName"));
    templateContainers(out, "Init Containers", spec.objects("initContainers"));
    templateContainers(out, "Containers", spec.objects("containers"));
    VolumeDescription.write(out, spec.objects("volumes"));
    placement(out, spec);
  }

  private static void templateContainers(
      DescriptionWriter out, String title, List<JsonObject> containers) {
    if (containers.isEmpty()) {
      return;
    }
    out.line(title + ":");
    for (JsonObject container : containers) {
      // As upstream: the names stand one blank further in, and not two.
      ContainerDescription.write(
          out.heading(" " + container.text("name")), container, JsonObject.EMPTY);
    }
  }

  /** What decides on which nodes pods may be. */
  private static void placement(DescriptionWriter out, JsonObject spec) {
    out.labels("Node-Selectors", spec.map("nodeSelector"));
    List<String> tolerations = new ArrayList<>();
    spec.objects("tolerations").forEach(one -> tolerations.add(toleration(one)));
    tolerations.sort(Comparator.naturalOrder());
    out.list("Tolerations", tolerations);
  }

  private static String toleration(JsonObject toleration) {
    String key = toleration.text("key");
    String value = toleration.text("value");
    String effect = toleration.text("effect");
    StringBuilder text = new StringBuilder(key);
    if (!value.isEmpty()) {
      text.append('=').append(value);
    }
    if (!effect.isEmpty()) {
      text.append(':').append(effect);
    }
    if (toleration.text("operator").equals("Exists") && value.isEmpty()) {
      text.append(key.isEmpty() && effect.isEmpty() ? "op=Exists" : " op=Exists");
    }
    if (toleration.has("tolerationSeconds")) {
      text.append(" for ").append(toleration.integer("tolerationSeconds")).append('s');
    }
    return text.toString();
  }
}
