package dev.kedge.cli.kubectl;

import dev.kedge.cli.kubectl.Discovery.Served;
import dev.kedge.cli.kubectl.Targets.Target;
import dev.kedge.model.JsonObject;
import dev.kedge.model.LabelSelector;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import java.util.stream.Stream;

/** Finds the pods and containers that commands on pods mean. */
final class Pods {
  private Pods() {}

  /**
   * The pod of {@code NAME}, {@code pod/NAME}, or all of a workload or service such as {@code
   * deployment/NAME}, the best one first.
   */
  static List<JsonObject> of(Session session, String word) {
    Served pods = session.discovery().find("pods");
    if (!word.contains("/")) {
      return List.of(session.get(pods, session.namespace(), word));
    }
    Target target = Targets.parse(session, List.of(word)).getFirst();
    JsonObject object =
        session.get(target.served(), session.namespace(), target.names().getFirst());
    if (target.served().type().plural().equals("pods")) {
      return List.of(object);
    }
    List<JsonObject> found =
        new ArrayList<>(
            session.list(
                pods, session.namespace(), selector(target.served(), object).toString(), ""));
    if (found.isEmpty()) {
      throw new UsageException("no pods found for " + word);
    }
    // As kubectl: running and ready pods first, then the oldest.
    found.sort(
        Comparator.comparing((JsonObject pod) -> !pod.text("status", "phase").equals("Running"))
            .thenComparing(pod -> !ready(pod))
            .thenComparing(pod -> pod.text("metadata", "creationTimestamp")));
    return found;
  }

  static boolean ready(JsonObject pod) {
    return pod.objects("status", "conditions").stream()
        .anyMatch(c -> c.text("type").equals("Ready") && c.text("status").equals("True"));
  }

  /** The selector of an object's pods. */
  static LabelSelector selector(Served served, JsonObject object) {
    JsonObject selector = object.object("spec", "selector");
    boolean plain =
        served.type().plural().equals("services")
            || served.type().plural().equals("replicationcontrollers");
    if (selector.isEmpty()) {
      throw new UsageException(
          "cannot find the pods of "
              + served.singularName()
              + "/"
              + object.text("metadata", "name")
              + ": it has no selector");
    }
    return plain
        ? LabelSelector.ofLabels(object.map("spec", "selector"))
        : LabelSelector.of(selector);
  }

  static List<String> containers(JsonObject pod) {
    return pod.objects("spec", "containers").stream().map(c -> c.text("name")).toList();
  }

  static List<String> allContainers(JsonObject pod) {
    return Stream.of("initContainers", "containers", "ephemeralContainers")
        .flatMap(part -> pod.objects("spec", part).stream())
        .map(c -> c.text("name"))
        .toList();
  }

  /** The annotated default container, or the first one, which is said where there are several. */
  static String defaultContainer(Session session, JsonObject pod, List<String> names) {
    String annotated =
        pod.text("metadata", "annotations", "kubectl.kubernetes.io/default-container");
    if (names.contains(annotated)) {
      return annotated;
    }
    if (names.isEmpty()) {
      throw new UsageException("pod " + pod.text("metadata", "name") + " has no containers");
    }
    List<String> all = allContainers(pod);
    if (all.size() > 1) {
      List<String> shown = new ArrayList<>(names);
      all.stream()
          .filter(name -> !names.contains(name))
          .forEach(name -> shown.add(name + " (init)"));
      session
          .err()
          .println(
              "Defaulted container \""
                  + names.getFirst()
                  + "\" out of: "
                  + String.join(", ", shown));
    }
    return names.getFirst();
  }

  /** Prints what a container of a pod has logged so far. */
  static void printLog(Session session, Item pod, String container) {
    session
        .out()
        .writeBytes(
            session
                .transport()
                .bytes(
                    "GET",
                    session.path(pod.served(), pod.namespace(), pod.name())
                        + "/log"
                        + Session.query("container", container),
                    "*/*",
                    "",
                    null));
    session.out().flush();
  }
}
