package dev.kedge.apiserver;

import static dev.kedge.apiserver.PrinterColumn.AGE;
import static dev.kedge.apiserver.PrinterColumn.NAME;
import static dev.kedge.apiserver.PrinterColumn.NONE;
import static dev.kedge.apiserver.PrinterColumn.UNKNOWN;
import static dev.kedge.apiserver.PrinterColumn.column;
import static dev.kedge.apiserver.PrinterColumn.or;
import static dev.kedge.apiserver.PrinterColumn.text;
import static dev.kedge.apiserver.PrinterColumn.wide;

import dev.kedge.model.JsonObject;
import dev.kedge.model.KubeObject;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeSet;

/** The columns of nodes. */
final class NodeColumns {
  static final Map<String, PrinterKind<?>> KINDS =
      Map.of(
          "nodes",
          PrinterKind.of(
              NAME,
              column("Status", NodeColumns::status),
              column("Roles", NodeColumns::roles),
              AGE,
              text("Version", "status", "nodeInfo", "kubeletVersion"),
              wide(column("Internal-IP", node -> address(node, "InternalIP"))),
              wide(column("External-IP", node -> address(node, "ExternalIP"))),
              wide(text("OS-Image", "status", "nodeInfo", "osImage").or(UNKNOWN)),
              wide(text("Kernel-Version", "status", "nodeInfo", "kernelVersion").or(UNKNOWN)),
              wide(
                  text("Container-Runtime", "status", "nodeInfo", "containerRuntimeVersion")
                      .or(UNKNOWN))));

  private static final String ROLE = "node-role.kubernetes.io/";

  private NodeColumns() {}

  private static String status(KubeObject node) {
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
    return String.join(",", status);
  }

  private static String roles(KubeObject node) {
    Set<String> roles = new TreeSet<>();
    node.labels()
        .forEach(
            (key, value) -> {
              if (key.startsWith(ROLE) && key.length() > ROLE.length()) {
                roles.add(key.substring(ROLE.length()));
              } else if (key.equals("kubernetes.io/role") && !value.isEmpty()) {
                roles.add(value);
              }
            });
    return or(String.join(",", roles), NONE);
  }

  private static String address(KubeObject node, String type) {
    return node.status().objects("addresses").stream()
        .filter(address -> address.text("type").equals(type))
        .map(address -> address.text("address"))
        .findFirst()
        .orElse(NONE);
  }
}
