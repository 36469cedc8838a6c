package dev.kedge.apiserver;

import static dev.kedge.apiserver.PrinterColumn.AGE;
import static dev.kedge.apiserver.PrinterColumn.NAME;
import static dev.kedge.apiserver.PrinterColumn.NONE;
import static dev.kedge.apiserver.PrinterColumn.UNSET;
import static dev.kedge.apiserver.PrinterColumn.column;
import static dev.kedge.apiserver.PrinterColumn.flag;
import static dev.kedge.apiserver.PrinterColumn.integer;
import static dev.kedge.apiserver.PrinterColumn.or;
import static dev.kedge.apiserver.PrinterColumn.text;
import static java.util.Map.entry;

import dev.kedge.model.KubeObject;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;

/**
 * The columns of what decides who goes first and where: {@code scheduling.k8s.io}, {@code
 * node.k8s.io}, {@code coordination.k8s.io}, {@code resource.k8s.io} and {@code
 * flowcontrol.apiserver.k8s.io}.
 */
final class SchedulingColumns {
  static final Map<String, PrinterKind<?>> KINDS =
      Map.ofEntries(
          entry(
              "priorityclasses.scheduling.k8s.io",
              PrinterKind.of(
                  NAME,
                  integer("Value", "value"),
                  flag("Global-Default", "globalDefault"),
                  AGE,
                  text("PreemptionPolicy", "preemptionPolicy").or("PreemptLowerPriority"))),
          entry(
              "runtimeclasses.node.k8s.io", PrinterKind.of(NAME, text("Handler", "handler"), AGE)),
          entry(
              "leases.coordination.k8s.io",
              PrinterKind.of(NAME, text("Holder", "spec", "holderIdentity"), AGE)),
          entry(
              "flowschemas.flowcontrol.apiserver.k8s.io",
              PrinterKind.of(
                  NAME,
                  text("PriorityLevel", "spec", "priorityLevelConfiguration", "name"),
                  integer("MatchingPrecedence", "spec", "matchingPrecedence"),
                  text("DistinguisherMethod", "spec", "distinguisherMethod", "type").or(NONE),
                  AGE,
                  column("MissingPL", SchedulingColumns::dangling))),
          entry(
              "prioritylevelconfigurations.flowcontrol.apiserver.k8s.io",
              PrinterKind.of(
                  NAME,
                  text("Type", "spec", "type"),
                  limited("NominalConcurrencyShares", "nominalConcurrencyShares"),
                  limited("Queues", "limitResponse", "queuing", "queues"),
                  limited("HandSize", "limitResponse", "queuing", "handSize"),
                  limited("QueueLengthLimit", "limitResponse", "queuing", "queueLengthLimit"),
                  AGE)),
          entry(
              "resourceclaims.resource.k8s.io",
              PrinterKind.of(NAME, column("State", SchedulingColumns::claimState), AGE)),
          entry("resourceclaimtemplates.resource.k8s.io", PrinterKind.of(NAME, AGE)),
          entry("deviceclasses.resource.k8s.io", PrinterKind.of(NAME, AGE)),
          entry(
              "resourceslices.resource.k8s.io",
              PrinterKind.of(
                  NAME,
                  column("Node", SchedulingColumns::node),
                  text("Driver", "spec", "driver"),
                  text("Pool", "spec", "pool", "name"),
                  AGE)));

  private SchedulingColumns() {}

  private static String dangling(KubeObject flowSchema) {
    return flowSchema.status().objects("conditions").stream()
        .filter(condition -> condition.text("type").equals("Dangling"))
        .map(condition -> condition.text("status"))
        .findFirst()
        .orElse("?");
  }

  /** A number of a priority level that has limits. */
  private static PrinterColumn<KubeObject> limited(String name, String... path) {
    return column(name, level -> or(text(level.spec().object("limited").find(path)), NONE));
  }

  private static String claimState(KubeObject claim) {
    List<String> states = new ArrayList<>();
    if (claim.deleting()) {
      states.add("deleted");
    }
    if (claim.status().has("allocation")) {
      states.add("allocated");
      if (!claim.status().array("reservedFor").isEmpty()) {
        states.add("reserved");
      }
    } else if (states.isEmpty()) {
      states.add("pending");
    }
    return String.join(",", states);
  }

  private static String node(KubeObject slice) {
    return or(slice.spec().text("nodeName"), slice.spec().flag("allNodes") ? "<all>" : UNSET);
  }
}
