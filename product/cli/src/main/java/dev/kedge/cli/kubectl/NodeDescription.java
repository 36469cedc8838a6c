package dev.kedge.cli.kubectl;

import static dev.kedge.cli.kubectl.DescriptionWriter.or;
import static dev.kedge.cli.kubectl.DescriptionWriter.time;

import dev.kedge.model.ApiException;
import dev.kedge.model.JsonObject;
import dev.kedge.model.JsonValue;
import dev.kedge.model.Quantity;
import java.util.ArrayList;
import java.util.List;
import org.jspecify.annotations.Nullable;

/** Describes nodes: what they are, and how much of them the pods on them ask for. */
final class NodeDescription {
  private static final String ROLE = "node-role.kubernetes.io/";

  private static final List<String> RESOURCES = List.of("cpu", "memory");
  private static final List<String> BOUNDS = List.of("requests", "limits");

  /** Names and fields of the system's information. */
  private static final String[][] INFORMATION = {
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

  private NodeDescription() {}

  static void write(Described node) {
    DescriptionWriter out = node.out();
    JsonObject spec = node.spec();
    JsonObject status = node.status();
    out.field("Name", node.item().name());
    List<String> roles =
        node.object().map("metadata", "labels").keySet().stream()
            .filter(label -> label.startsWith(ROLE))
            .map(label -> label.substring(ROLE.length()))
            .sorted()
            .toList();
    out.field("Roles", roles.isEmpty() ? "<none>" : String.join(",", roles));
    node.labels();
    node.annotations();
    node.created();
    out.list("Taints", spec.objects("taints").stream().map(NodeDescription::taint).toList());
    out.field("Unschedulable", spec.flag("unschedulable"));
    lease(node);
    node.conditions(
        "Type", "Status", "LastHeartbeatTime", "LastTransitionTime", "Reason", "Message");
    DescriptionWriter addresses = out.heading("Addresses");
    status
        .objects("addresses")
        .forEach(address -> addresses.field(address.text("type"), address.text("address")));
    out.heading("Capacity").amounts(status.object("capacity"));
    out.heading("Allocatable").amounts(status.object("allocatable"));
    DescriptionWriter information = out.heading("System Info");
    for (String[] line : INFORMATION) {
      information.field(line[0], status.text("nodeInfo", line[1]));
    }
    out.optional("PodCIDR", spec.text("podCIDR"));
    out.optional("ProviderID", spec.text("providerID"));
    pods(node);
    node.events();
  }

  private static String taint(JsonObject taint) {
    String value = taint.text("value");
    return taint.text("key") + (value.isEmpty() ? "" : "=" + value) + ":" + taint.text("effect");
  }

  private static void lease(Described node) {
    Session session = node.session();
    try {
      JsonObject spec =
          session
              .get(session.discovery().find("leases"), "kube-node-lease", node.item().name())
              .object("spec");
      DescriptionWriter in = node.out().heading("Lease");
      in.field("HolderIdentity", or(spec.text("holderIdentity"), "<unset>"));
      in.field("AcquireTime", time(spec.text("acquireTime")));
      in.field("RenewTime", time(spec.text("renewTime")));
    } catch (ApiException e) {
      node.out().field("Lease", "Failed to get lease: " + e.getMessage());
    }
  }

  private static void pods(Described node) {
    List<JsonObject> pods =
        node.list(
            "pods",
            "",
            "",
            "spec.nodeName="
                + node.item().name()
                + ",status.phase!=Succeeded,status.phase!=Failed");
    node.out().field("Non-terminated Pods", "(" + pods.size() + " in total)");
    DescriptionWriter table = node.out().nested();
    table.columns(
        "Namespace",
        "Name",
        "",
        "CPU Requests",
        "CPU Limits",
        "Memory Requests",
        "Memory Limits",
        "Age");
    JsonObject allocatable = node.status().object("allocatable");
    for (JsonObject pod : pods) {
      JsonObject metadata = pod.object("metadata");
      List<String> cells =
          new ArrayList<>(List.of(metadata.text("namespace"), metadata.text("name"), ""));
      for (String resource : RESOURCES) {
        cells.addAll(shares(List.of(pod), resource, allocatable));
      }
      cells.add(Session.age(metadata.text("creationTimestamp")));
      table.line(cells.toArray());
    }
    DescriptionWriter allocated = node.out().heading("Allocated resources");
    allocated.line("(Total limits may be over 100 percent, i.e., overcommitted.)");
    allocated.columns("Resource", "Requests", "Limits");
    for (String resource : RESOURCES) {
      List<String> cells = new ArrayList<>(List.of(resource));
      cells.addAll(shares(pods, resource, allocatable));
      allocated.line(cells.toArray());
    }
  }

  /** How much pods ask for of a resource, and their limits, with the percentages of a node's. */
  private static List<String> shares(
      List<JsonObject> pods, String resource, JsonObject allocatable) {
    List<String> shares = new ArrayList<>();
    for (String bound : BOUNDS) {
      Quantity sum = Quantity.ZERO;
      for (JsonObject pod : pods) {
        for (JsonObject container : pod.objects("spec", "containers")) {
          JsonValue amount = container.object("resources", bound).get(resource).orElse(null);
          if (amount != null) {
            // The first amount says in which form the sum is written.
            sum = sum.isZero() ? Quantity.of(amount) : sum.plus(Quantity.of(amount));
          }
        }
      }
      shares.add(sum + " (" + percent(sum, allocatable.get(resource).orElse(null)) + "%)");
    }
    return shares;
  }

  private static long percent(Quantity amount, @Nullable JsonValue all) {
    long milli = all == null ? 0 : Quantity.of(all).milli();
    return milli == 0 ? 0 : (long) (amount.milli() * 100.0 / milli);
  }
}
