package dev.kedge.cli.kubectl;

import dev.kedge.cli.kubectl.Discovery.Served;
import dev.kedge.cli.kubectl.Targets.Target;
import dev.kedge.model.ApiException;
import dev.kedge.model.JsonArray;
import dev.kedge.model.JsonNull;
import dev.kedge.model.JsonObject;
import dev.kedge.model.JsonValue;
import java.time.Duration;
import java.time.Instant;
import java.util.ArrayList;
import java.util.List;
import java.util.Set;

/** {@code cordon}, {@code uncordon}, {@code drain}, {@code taint}. */
final class NodeCommands {
  private static final Set<String> EFFECTS = Set.of("NoSchedule", "PreferNoSchedule", "NoExecute");

  private NodeCommands() {}

  static List<Verb> verbs() {
    Flag selector = Flag.text("selector", 'l', "", "Selector (label query) of the nodes");
    return List.of(
        Verb.of(
            "cordon",
            "cordon NODE",
            "Mark a node as unschedulable",
            List.of(selector, Output.DRY_RUN),
            s -> cordon(s, true)),
        Verb.of(
            "uncordon",
            "uncordon NODE",
            "Mark a node as schedulable",
            List.of(selector, Output.DRY_RUN),
            s -> cordon(s, false)),
        Verb.of(
            "drain",
            "drain NODE",
            "Evict a node's pods before maintenance",
            List.of(
                selector,
                Output.DRY_RUN,
                Flag.toggle("force", "Also pods without a controller"),
                Flag.toggle("ignore-daemonsets", "Leave pods of daemon sets alone"),
                Flag.toggle("delete-emptydir-data", "Also pods whose emptyDir data is lost by it"),
                Flag.toggle("disable-eviction", "Delete instead of evicting"),
                Flag.text("grace-period", '\0', "-1", "Seconds for each pod; negative: its own"),
                Flag.text("timeout", '\0', "0", "How long to wait; 0 means for ever"),
                Flag.text("pod-selector", "Only these pods")),
            NodeCommands::drain),
        Verb.of(
            "taint",
            "taint node NAME KEY=VALUE:EFFECT... KEY:EFFECT- KEY-",
            "Update the taints of nodes",
            List.of(
                selector,
                Flag.toggle("all", "All nodes"),
                Flag.toggle("overwrite", "Overwrite taints that exist"),
                Output.FLAG,
                Output.MANAGED_FIELDS,
                Output.DRY_RUN),
            NodeCommands::taint));
  }

  private static List<Item> nodes(Session session) {
    Served nodes = session.discovery().find("nodes");
    List<Item> items = new ArrayList<>();
    String selector = session.arguments().text("selector");
    if (!selector.isEmpty()) {
      session
          .list(nodes, "", selector, "")
          .forEach(o -> items.add(new Item(nodes, "", o.text("metadata", "name"), o, "")));
      return items;
    }
    if (session.words().isEmpty()) {
      throw new UsageException("USAGE: " + session.verb().usage());
    }
    for (String word : session.words()) {
      String name = word.substring(word.indexOf('/') + 1);
      items.add(new Item(nodes, "", name, session.get(nodes, "", name), ""));
    }
    return items;
  }

  private static int cordon(Session session, boolean on) {
    for (Item node : nodes(session)) {
      cordon(session, node, on);
    }
    return 0;
  }

  private static void cordon(Session session, Item node, boolean on) {
    if (node.object().flag("spec", "unschedulable") == on) {
      session.out().print(node.shown() + " already " + (on ? "cordoned" : "uncordoned") + "\n");
      return;
    }
    JsonObject patch =
        JsonObject.of("spec", JsonObject.of("unschedulable", on ? (Object) true : JsonNull.NULL));
    ChangeCommands.send(session, node, ApplyCommand.STRATEGIC, patch, "");
    String dryRun =
        switch (Output.dryRun(session)) {
          case "client" -> " (dry run)";
          case "server" -> " (server dry run)";
          default -> "";
        };
    session.out().print(node.shown() + (on ? " cordoned" : " uncordoned") + dryRun + "\n");
    session.out().flush();
  }

  // ---- drain

  private static int drain(Session session) {
    Arguments a = session.arguments();
    Duration limit = a.duration("timeout");
    Instant deadline = limit.isPositive() ? Instant.now().plus(limit) : Instant.MAX;
    boolean dry = !Output.dryRun(session).equals("none");
    for (Item node : nodes(session)) {
      cordon(session, node, true);
      List<Item> pods = victims(session, node);
      for (Item pod : pods) {
        session
            .out()
            .print(
                "evicting pod "
                    + pod.namespace()
                    + "/"
                    + pod.name()
                    + (dry ? " (dry run)" : "")
                    + "\n");
        session.out().flush();
        if (!dry) {
          evict(session, pod, deadline);
        }
      }
      for (Item pod : dry ? List.<Item>of() : pods) {
        if (!Waiting.gone(
            session,
            new Item(
                pod.served(),
                pod.namespace(),
                pod.name(),
                JsonObject.of("uid", pod.object().text("metadata", "uid")),
                ""),
            deadline)) {
          throw new UsageException(
              "unable to drain node \""
                  + node.name()
                  + "\": timed out waiting for pod "
                  + pod.name()
                  + " to be gone");
        }
        session.out().print(pod.shown() + " evicted\n");
        session.out().flush();
      }
      session.out().print(node.shown() + " drained\n");
    }
    return 0;
  }

  private static List<Item> victims(Session session, Item node) {
    Arguments a = session.arguments();
    Served pods = session.discovery().find("pods");
    List<Item> victims = new ArrayList<>();
    List<String> daemons = new ArrayList<>();
    List<String> bare = new ArrayList<>();
    List<String> local = new ArrayList<>();
    for (JsonObject pod :
        session.list(pods, "", a.text("pod-selector"), "spec.nodeName=" + node.name())) {
      String name = pod.text("metadata", "namespace") + "/" + pod.text("metadata", "name");
      JsonObject owner =
          pod.objects("metadata", "ownerReferences").stream()
              .filter(o -> o.flag("controller"))
              .findFirst()
              .orElse(JsonObject.EMPTY);
      boolean ended = List.of("Succeeded", "Failed").contains(pod.text("status", "phase"));
      if (!pod.text("metadata", "annotations", "kubernetes.io/config.mirror").isEmpty()) {
        continue;
      }
      if (owner.text("kind").equals("DaemonSet") && !ended) {
        daemons.add(name);
        continue;
      }
      if (owner.isEmpty() && !ended) {
        bare.add(name);
      }
      if (!ended && pod.objects("spec", "volumes").stream().anyMatch(v -> v.has("emptyDir"))) {
        local.add(name);
      }
      victims.add(
          new Item(pods, pod.text("metadata", "namespace"), pod.text("metadata", "name"), pod, ""));
    }
    List<String> faults = new ArrayList<>();
    if (!bare.isEmpty() && !a.on("force")) {
      faults.add(
          "cannot delete Pods that declare no controller (use --force to override): "
              + String.join(", ", bare));
    }
    if (!daemons.isEmpty() && !a.on("ignore-daemonsets")) {
      faults.add(
          "cannot delete DaemonSet-managed Pods (use --ignore-daemonsets to ignore): "
              + String.join(", ", daemons));
    }
    if (!local.isEmpty() && !a.on("delete-emptydir-data")) {
      faults.add(
          "cannot delete Pods with local storage (use --delete-emptydir-data to override): "
              + String.join(", ", local));
    }
    if (!faults.isEmpty()) {
      throw new UsageException(
          "unable to drain node \""
              + node.name()
              + "\" due to error: "
              + String.join(", ", faults));
    }
    if (!daemons.isEmpty()) {
      session
          .err()
          .println("Warning: ignoring DaemonSet-managed Pods: " + String.join(", ", daemons));
    }
    return victims;
  }

  private static void evict(Session session, Item pod, Instant deadline) {
    long grace = session.arguments().number("grace-period");
    JsonObject options = grace >= 0 ? JsonObject.of("gracePeriodSeconds", grace) : JsonObject.EMPTY;
    String path = session.path(pod.served(), pod.namespace(), pod.name());
    while (true) {
      try {
        if (session.arguments().on("disable-eviction")) {
          session
              .transport()
              .delete(path, options.with("kind", "DeleteOptions").with("apiVersion", "v1"));
        } else {
          session
              .transport()
              .post(
                  path + "/eviction",
                  JsonObject.of(
                      "apiVersion",
                      "policy/v1",
                      "kind",
                      "Eviction",
                      "metadata",
                      JsonObject.of("name", pod.name(), "namespace", pod.namespace()),
                      "deleteOptions",
                      options));
        }
        return;
      } catch (ApiException e) {
        if (e.isNotFound()) {
          return;
        }
        if (e.code() != 429 || !Instant.now().plusSeconds(5).isBefore(deadline)) {
          throw e;
        }
        session
            .err()
            .println(
                "error when evicting pods/\""
                    + pod.name()
                    + "\" -n \""
                    + pod.namespace()
                    + "\" (will retry after 5s): "
                    + e.getMessage());
        // A disruption budget frees itself when other pods change; any change of the pod ends it
        // early.
        Waiting.gone(
            session,
            new Item(
                pod.served(),
                pod.namespace(),
                pod.name(),
                JsonObject.of("uid", pod.object().text("metadata", "uid")),
                ""),
            Instant.now().plusSeconds(5));
      }
    }
  }

  // ---- taint

  private static int taint(Session session) {
    List<String> words = new ArrayList<>();
    List<String> changes = new ArrayList<>();
    for (String word : session.words()) {
      boolean change =
          word.contains(":") || word.contains("=") || word.endsWith("-") && !words.isEmpty();
      (change ? changes : words).add(word);
    }
    if (changes.isEmpty()) {
      throw new UsageException("at least one taint update is required");
    }
    List<Item> items = new ArrayList<>();
    for (Target target : Targets.parse(session, words)) {
      if (!target.served().type().plural().equals("nodes")) {
        throw new UsageException(
            "invalid resource type "
                + target.served().type().plural()
                + ", only node(s) is supported");
      }
      if (target.names().isEmpty()) {
        if (!session.arguments().on("all") && session.arguments().text("selector").isEmpty()) {
          throw new UsageException("please give node names, a selector or --all");
        }
        session
            .list(target.served(), "", session.arguments().text("selector"), "")
            .forEach(
                o -> items.add(new Item(target.served(), "", o.text("metadata", "name"), o, "")));
      }
      target
          .names()
          .forEach(
              name ->
                  items.add(
                      new Item(
                          target.served(), "", name, session.get(target.served(), "", name), "")));
    }
    Output output = Output.of(session);
    boolean failed = false;
    for (Item item : items) {
      List<JsonValue> taints = new ArrayList<>(item.object().array("spec", "taints").items());
      boolean removed = false;
      String fault = "";
      for (String change : changes) {
        if (change.endsWith("-")) {
          String[] parts = change.substring(0, change.length() - 1).split(":", 2);
          String key = parts[0].split("=", 2)[0];
          boolean found =
              taints.removeIf(
                  t ->
                      t instanceof JsonObject o
                          && o.text("key").equals(key)
                          && (parts.length == 1 || o.text("effect").equals(parts[1])));
          if (!found) {
            fault = "taint \"" + change.substring(0, change.length() - 1) + "\" not found";
          }
          removed = true;
          continue;
        }
        String[] parts = change.split(":", 2);
        String[] pair = parts[0].split("=", 2);
        if (parts.length != 2 || !EFFECTS.contains(parts[1])) {
          throw new UsageException(
              "invalid taint effect: "
                  + (parts.length == 2 ? parts[1] : "")
                  + ", unsupported taint effect; it must be one of NoSchedule, PreferNoSchedule,"
                  + " NoExecute");
        }
        boolean there =
            taints.stream()
                .anyMatch(
                    t ->
                        t instanceof JsonObject o
                            && o.text("key").equals(pair[0])
                            && o.text("effect").equals(parts[1]));
        if (there && !session.arguments().on("overwrite")) {
          fault =
              "node "
                  + item.name()
                  + " already has "
                  + pair[0]
                  + " taint(s) with same effect(s) and --overwrite is false";
          continue;
        }
        taints.removeIf(
            t ->
                t instanceof JsonObject o
                    && o.text("key").equals(pair[0])
                    && o.text("effect").equals(parts[1]));
        taints.add(
            JsonObject.builder()
                .put("effect", parts[1])
                .put("key", pair[0])
                .putNonEmpty("value", pair.length == 2 ? pair[1] : "")
                .build());
      }
      if (!fault.isEmpty()) {
        session.err().println("error: " + fault);
        failed = true;
        continue;
      }
      JsonObject patch =
          JsonObject.of(
              "spec",
              JsonObject.of("taints", taints.isEmpty() ? JsonNull.NULL : new JsonArray(taints)),
              "metadata",
              JsonObject.of("resourceVersion", item.object().text("metadata", "resourceVersion")));
      JsonObject result = ChangeCommands.send(session, item, ApplyCommand.MERGE, patch, "");
      output.done(
          item,
          result,
          removed ? "untainted" : session.arguments().on("overwrite") ? "modified" : "tainted");
    }
    return failed ? 1 : 0;
  }
}
