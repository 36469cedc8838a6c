package dev.kedge.apiserver;

import static dev.kedge.apiserver.PrinterColumn.AGE;
import static dev.kedge.apiserver.PrinterColumn.NAME;
import static dev.kedge.apiserver.PrinterColumn.column;
import static dev.kedge.apiserver.PrinterColumn.or;
import static dev.kedge.apiserver.PrinterColumn.text;
import static java.util.Map.entry;

import dev.kedge.model.JsonObject;
import dev.kedge.model.KubeObject;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.TreeSet;

/** The columns of the core group's kinds that belong to no other family. */
final class CoreColumns {
  static final Map<String, PrinterKind<?>> KINDS =
      Map.ofEntries(
          entry("namespaces", PrinterKind.of(NAME, text("Status", "status", "phase"), AGE)),
          entry(
              "secrets",
              PrinterKind.of(
                  NAME,
                  text("Type", "type"),
                  column("Data", object -> object.json().object("data").size()),
                  AGE)),
          entry(
              "configmaps",
              PrinterKind.of(
                  NAME,
                  column(
                      "Data",
                      object ->
                          object.json().object("data").size()
                              + object.json().object("binaryData").size()),
                  AGE)),
          entry(
              "serviceaccounts",
              PrinterKind.of(
                  NAME, column("Secrets", object -> object.json().array("secrets").size()), AGE)),
          entry(
              "componentstatuses",
              PrinterKind.of(
                  NAME,
                  column("Status", CoreColumns::health),
                  column("Message", object -> healthy(object).text("message")),
                  column("Error", object -> healthy(object).text("error")))),
          entry(
              "resourcequotas",
              PrinterKind.of(
                  NAME,
                  column("Request", quota -> used(quota, false)),
                  column("Limit", quota -> used(quota, true)),
                  AGE)));

  private CoreColumns() {}

  /** A component's condition of that name. */
  private static JsonObject healthy(KubeObject component) {
    return component.json().objects("conditions").stream()
        .filter(condition -> condition.text("type").equals("Healthy"))
        .findFirst()
        .orElse(JsonObject.EMPTY);
  }

  private static String health(KubeObject component) {
    return switch (healthy(component).text("status")) {
      case "True" -> "Healthy";
      case "False" -> "Unhealthy";
      default -> "Unknown";
    };
  }

  /** {@code cpu: 1/2, pods: 3/10}: of limits, or of all else. */
  private static String used(KubeObject quota, boolean limits) {
    List<String> all = new ArrayList<>();
    JsonObject hard = quota.status().object("hard");
    JsonObject used = quota.status().object("used");
    for (String name : new TreeSet<>(hard.names())) {
      if (name.startsWith("limits.") == limits) {
        all.add(name + ": " + or(text(used.get(name)), "0") + "/" + text(hard.get(name)));
      }
    }
    return String.join(", ", all);
  }

  // Small parts that several families show

  /** Labels as one text. */
  static String labels(Map<String, String> labels) {
    List<String> all = new ArrayList<>();
    labels.entrySet().stream()
        .sorted(Map.Entry.comparingByKey())
        .forEach(label -> all.add(label.getKey() + "=" + label.getValue()));
    return all.isEmpty() ? PrinterColumn.NONE : String.join(",", all);
  }

  /** A label selector as one text. */
  static String selector(JsonObject selector) {
    List<String> terms = new ArrayList<>();
    Map<String, String> labels = selector.map("matchLabels");
    if (!labels.isEmpty()) {
      terms.add(labels(labels));
    }
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
    return terms.isEmpty() ? PrinterColumn.NONE : String.join(",", terms);
  }

  /** The first of many, and how many are left out. */
  static String more(List<String> all, int shown, String separator) {
    return all.size() <= shown
        ? String.join(separator, all)
        : String.join(separator, all.subList(0, shown)) + " + " + (all.size() - shown) + " more...";
  }
}
