package dev.kedge.cli.kubectl;

import dev.kedge.model.ApiException;
import dev.kedge.model.JsonObject;
import dev.kedge.model.Quantity;
import dev.kedge.model.ResourceType;
import dev.kedge.model.Resources;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.HashMap;
import java.util.List;
import java.util.Map;

/** {@code top node} and {@code top pod}: what the metrics API tells of usage. */
final class TopCommand {
  private static final Flag SELECTOR = Flag.text("selector", 'l', "", "Selector (label query)");
  private static final Flag NO_HEADERS = Flag.toggle("no-headers", "Do not print headers");
  private static final Flag SORT = Flag.text("sort-by", "Sort by cpu or memory");

  private TopCommand() {}

  static Verb verb() {
    return Verb.group(
        "top",
        "Display resource (CPU/memory) usage",
        List.of(
            Verb.of(
                    "node",
                    "node [NAME | -l label]",
                    "Display resource (CPU/memory) usage of nodes",
                    List.of(
                        SELECTOR,
                        NO_HEADERS,
                        SORT,
                        Flag.toggle("show-capacity", "Per cent of capacity, not of allocatable")),
                    TopCommand::nodes)
                .alias("nodes", "no"),
            Verb.of(
                    "pod",
                    "pod [NAME | -l label]",
                    "Display resource (CPU/memory) usage of pods",
                    List.of(
                        SELECTOR,
                        NO_HEADERS,
                        SORT,
                        Flag.text("field-selector", "Selector (field query)"),
                        Flag.toggle("all-namespaces", 'A', "Across all namespaces"),
                        Flag.toggle("containers", "Usage of each container"),
                        Flag.toggle("sum", "The sum of all at the end")),
                    TopCommand::pods)
                .alias("pods", "po")));
  }

  private record Usage(
      String namespace, String name, String container, long milliCpu, long memory) {}

  private static List<JsonObject> metrics(
      Session session, ResourceType type, String namespace, String name) {
    String fields =
        type.equals(Resources.POD_METRICS) ? session.arguments().text("field-selector") : "";
    String path = type.path(namespace);
    try {
      return name.isEmpty()
          ? session
              .transport()
              .get(
                  path
                      + Session.query(
                          "labelSelector",
                          session.arguments().text("selector"),
                          "fieldSelector",
                          fields))
              .objects("items")
          : List.of(session.transport().get(path + "/" + Transport.encode(name)));
    } catch (ApiException e) {
      if (name.isEmpty() && e.isNotFound()) {
        throw new UsageException("Metrics API not available");
      }
      throw e;
    }
  }

  private static String name(Session session) {
    List<String> words = session.words();
    if (words.size() > 1) {
      throw new UsageException("expected at most one NAME");
    }
    String name = words.isEmpty() ? "" : words.getFirst();
    if (!name.isEmpty() && !session.arguments().text("selector").isEmpty()) {
      throw new UsageException("only one of NAME or --selector can be provided");
    }
    return name;
  }

  private static Comparator<Usage> order(Session session) {
    Comparator<Usage> byName =
        Comparator.comparing(Usage::namespace)
            .thenComparing(Usage::name)
            .thenComparing(Usage::container);
    return switch (session.arguments().text("sort-by")) {
      case "" -> byName;
      case "cpu" -> Comparator.comparingLong(Usage::milliCpu).reversed().thenComparing(byName);
      case "memory" -> Comparator.comparingLong(Usage::memory).reversed().thenComparing(byName);
      default -> throw new UsageException("--sort-by accepts only cpu or memory");
    };
  }

  private static Usage usage(JsonObject object, String container, JsonObject usage) {
    return new Usage(
        object.text("metadata", "namespace"),
        object.text("metadata", "name"),
        container,
        Quantity.parse(usage.text("cpu")).milli(),
        Quantity.parse(usage.text("memory")).units());
  }

  private static String cells(Usage usage) {
    return usage.milliCpu() + "m\t" + mebibytes(usage.memory()) + "\t";
  }

  private static String mebibytes(long bytes) {
    return (bytes >> 20) + "Mi";
  }

  // ---- nodes

  private static int nodes(Session session) {
    String name = name(session);
    Comparator<Usage> order = order(session);
    List<Usage> all = new ArrayList<>();
    for (JsonObject node : metrics(session, Resources.NODE_METRICS, "", name)) {
      all.add(usage(node, "", node.object("usage")));
    }
    if (all.isEmpty()) {
      throw new UsageException("metrics not available yet");
    }
    all.sort(order);
    Map<String, JsonObject> room = new HashMap<>();
    String field = session.arguments().on("show-capacity") ? "capacity" : "allocatable";
    var nodes = session.discovery().find("nodes");
    List<JsonObject> known =
        name.isEmpty()
            ? session.list(nodes, "", session.arguments().text("selector"), "")
            : List.of(session.get(nodes, "", name));
    known.forEach(node -> room.put(node.text("metadata", "name"), node.object("status", field)));
    TabWriter table = TabWriter.table();
    if (!session.arguments().on("no-headers")) {
      table.append("NAME\tCPU(cores)\tCPU(%)\tMEMORY(bytes)\tMEMORY(%)\t\n");
    }
    for (Usage node : all) {
      JsonObject has = room.getOrDefault(node.name(), JsonObject.EMPTY);
      room.remove(node.name());
      table.append(
          node.name()
              + "\t"
              + node.milliCpu()
              + "m\t"
              + percent(node.milliCpu(), milli(has, "cpu"))
              + "\t"
              + mebibytes(node.memory())
              + "\t"
              + percent(node.memory(), milli(has, "memory") / 1000)
              + "\t\n");
    }
    room.keySet().stream()
        .sorted()
        .forEach(
            missing -> table.append(missing + "\t<unknown>\t<unknown>\t<unknown>\t<unknown>\t\n"));
    session.out().print(table);
    return 0;
  }

  private static long milli(JsonObject amounts, String resource) {
    return amounts.get(resource).map(Quantity::of).map(Quantity::milli).orElse(0L);
  }

  private static String percent(long used, long whole) {
    return whole == 0 ? "<unknown>" : used * 100 / whole + "%";
  }

  // ---- pods

  private static int pods(Session session) {
    String name = name(session);
    Comparator<Usage> order = order(session);
    boolean everywhere = session.allNamespaces();
    boolean each = session.arguments().on("containers");
    String namespace = everywhere ? "" : session.namespace();
    List<Usage> all = new ArrayList<>();
    for (JsonObject pod : metrics(session, Resources.POD_METRICS, namespace, name)) {
      Usage sum = new Usage(namespace(pod), pod.text("metadata", "name"), "", 0, 0);
      for (JsonObject container : pod.objects("containers")) {
        Usage one = usage(pod, container.text("name"), container.object("usage"));
        if (each) {
          all.add(one);
        }
        sum =
            new Usage(
                sum.namespace(),
                sum.name(),
                "",
                sum.milliCpu() + one.milliCpu(),
                sum.memory() + one.memory());
      }
      if (!each) {
        all.add(sum);
      }
    }
    if (all.isEmpty()) {
      boolean any =
          !session
              .list(
                  session.discovery().find("pods"),
                  namespace,
                  session.arguments().text("selector"),
                  session.arguments().text("field-selector"))
              .isEmpty();
      if (any) {
        throw new UsageException("metrics not available yet");
      }
      session
          .err()
          .println("No resources found" + (everywhere ? "" : " in " + namespace + " namespace."));
      return 0;
    }
    all.sort(order);
    TabWriter table = TabWriter.table();
    if (!session.arguments().on("no-headers")) {
      table.append(
          (everywhere ? "NAMESPACE\t" : "")
              + (each ? "POD\t" : "")
              + "NAME\tCPU(cores)\tMEMORY(bytes)\t\n");
    }
    for (Usage usage : all) {
      table.append(
          (everywhere ? usage.namespace() + "\t" : "")
              + usage.name()
              + "\t"
              + (each ? usage.container() + "\t" : "")
              + cells(usage)
              + "\n");
    }
    if (session.arguments().on("sum")) {
      String margin = "\t".repeat(1 + (everywhere ? 1 : 0) + (each ? 1 : 0));
      Usage sum =
          new Usage(
              "",
              "",
              "",
              all.stream().mapToLong(Usage::milliCpu).sum(),
              all.stream().mapToLong(Usage::memory).sum());
      table.append(margin + "________\t________\t\n").append(margin + cells(sum) + "\n");
    }
    session.out().print(table);
    return 0;
  }

  private static String namespace(JsonObject pod) {
    return pod.text("metadata", "namespace");
  }
}
