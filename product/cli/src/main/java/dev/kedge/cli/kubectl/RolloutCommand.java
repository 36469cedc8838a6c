package dev.kedge.cli.kubectl;

import dev.kedge.cli.kubectl.Discovery.Served;
import dev.kedge.cli.kubectl.Targets.Target;
import dev.kedge.model.JsonArray;
import dev.kedge.model.JsonNull;
import dev.kedge.model.JsonObject;
import dev.kedge.model.LabelSelector;
import dev.kedge.model.Times;
import java.time.Duration;
import java.time.Instant;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import java.util.Optional;

/** {@code rollout status|history|undo|restart|pause|resume}. */
final class RolloutCommand {
  private static final String REVISION = "deployment.kubernetes.io/revision";
  private static final List<Flag> COMMON =
      Flags.with(Selected.FLAGS, Output.FLAG, Output.DRY_RUN, Output.MANAGED_FIELDS);

  private RolloutCommand() {}

  static Verb verb() {
    return Verb.group(
        "rollout",
        "Manage the rollout of a resource",
        List.of(
            Verb.of(
                "status",
                "status TYPE/NAME",
                "Show the status of the rollout",
                Flags.with(
                    Selected.FLAGS,
                    Flag.toggle("watch", 'w', "Watch until it is done (default)"),
                    Flag.text("timeout", '\0', "0", "How long to wait; 0 means for ever"),
                    Flag.text("revision", '\0', "0", "Pin to this revision")),
                RolloutCommand::status),
            Verb.of(
                "history",
                "history TYPE/NAME",
                "View rollout history",
                Flags.with(
                    COMMON, Flag.text("revision", '\0', "0", "See the details of this revision")),
                RolloutCommand::history),
            Verb.of(
                "undo",
                "undo TYPE/NAME",
                "Undo a previous rollout",
                Flags.with(
                    COMMON,
                    Flag.text(
                        "to-revision",
                        '\0',
                        "0",
                        "The revision to go back to; 0 means the last one")),
                RolloutCommand::undo),
            Verb.of(
                "restart",
                "restart TYPE/NAME",
                "Restart a resource",
                COMMON,
                RolloutCommand::restart),
            Verb.of(
                "pause",
                "pause TYPE/NAME",
                "Mark a resource as paused",
                COMMON,
                s -> pause(s, true)),
            Verb.of(
                "resume",
                "resume TYPE/NAME",
                "Resume a paused resource",
                COMMON,
                s -> pause(s, false))));
  }

  // ---- status

  private record State(String message, boolean done) {}

  private static int status(Session session) {
    Duration limit = session.arguments().duration("timeout");
    Instant deadline = limit.isPositive() ? Instant.now().plus(limit) : Instant.MAX;
    boolean watch = !session.arguments().given("watch") || session.arguments().on("watch");
    for (Item item : Selected.items(session, session.words())) {
      String[] last = {""};
      boolean[] missing = {false};
      Waiting.Until until =
          object -> {
            if (object.isEmpty()) {
              missing[0] = true;
              return true;
            }
            State state =
                state(item.served(), object.get(), session.arguments().number("revision"));
            if (!state.message().equals(last[0])) {
              session.out().print(state.message() + "\n");
              session.out().flush();
              last[0] = state.message();
            }
            return state.done();
          };
      boolean done = true;
      if (watch) {
        done = Waiting.until(session, item, deadline, until);
      } else {
        until.done(Optional.of(item.object()));
      }
      if (missing[0]) {
        throw new UsageException("object has been deleted");
      }
      if (!done) {
        throw new UsageException("timed out waiting for the condition");
      }
    }
    return 0;
  }

  private static State state(Served served, JsonObject object, long revision) {
    String name = object.text("metadata", "name");
    JsonObject status = object.object("status");
    boolean seen = object.integer("metadata", "generation") <= status.integer("observedGeneration");
    switch (served.type().plural()) {
      case "deployments" -> {
        if (revision > 0
            && !object.text("metadata", "annotations", REVISION).equals(Long.toString(revision))) {
          throw new UsageException(
              "desired revision ("
                  + revision
                  + ") is different from the running revision ("
                  + object.text("metadata", "annotations", REVISION)
                  + ")");
        }
        if (!seen) {
          return new State("Waiting for deployment spec update to be observed...", false);
        }
        for (JsonObject condition : object.objects("status", "conditions")) {
          if (condition.text("type").equals("Progressing")
              && condition.text("reason").equals("ProgressDeadlineExceeded")) {
            throw new UsageException("deployment \"" + name + "\" exceeded its progress deadline");
          }
        }
        long wanted = object.integerOr(1, "spec", "replicas");
        long updated = status.integer("updatedReplicas");
        if (updated < wanted) {
          return new State(
              "Waiting for deployment \""
                  + name
                  + "\" rollout to finish: "
                  + updated
                  + " out of "
                  + wanted
                  + " new replicas have been updated...",
              false);
        }
        if (status.integer("replicas") > updated) {
          return new State(
              "Waiting for deployment \""
                  + name
                  + "\" rollout to finish: "
                  + (status.integer("replicas") - updated)
                  + " old replicas are pending termination...",
              false);
        }
        if (status.integer("availableReplicas") < updated) {
          return new State(
              "Waiting for deployment \""
                  + name
                  + "\" rollout to finish: "
                  + status.integer("availableReplicas")
                  + " of "
                  + updated
                  + " updated replicas are available...",
              false);
        }
        return new State("deployment \"" + name + "\" successfully rolled out", true);
      }
      case "daemonsets" -> {
        if (!seen) {
          return new State("Waiting for daemon set spec update to be observed...", false);
        }
        long wanted = status.integer("desiredNumberScheduled");
        if (status.integer("updatedNumberScheduled") < wanted) {
          return new State(
              "Waiting for daemon set \""
                  + name
                  + "\" rollout to finish: "
                  + status.integer("updatedNumberScheduled")
                  + " out of "
                  + wanted
                  + " new pods have been updated...",
              false);
        }
        if (status.integer("numberAvailable") < wanted) {
          return new State(
              "Waiting for daemon set \""
                  + name
                  + "\" rollout to finish: "
                  + status.integer("numberAvailable")
                  + " of "
                  + wanted
                  + " updated pods are available...",
              false);
        }
        return new State("daemon set \"" + name + "\" successfully rolled out", true);
      }
      case "statefulsets" -> {
        if (!seen) {
          return new State("Waiting for statefulset spec update to be observed...", false);
        }
        long wanted = object.integerOr(1, "spec", "replicas");
        if (status.integer("readyReplicas") < wanted) {
          return new State(
              "Waiting for " + (wanted - status.integer("readyReplicas")) + " pods to be ready...",
              false);
        }
        if (object.text("spec", "updateStrategy", "type").equals("RollingUpdate")
            && !status.text("updateRevision").equals(status.text("currentRevision"))
            && object.integer("spec", "updateStrategy", "rollingUpdate", "partition") == 0) {
          return new State(
              "waiting for statefulset rolling update to complete "
                  + status.integer("updatedReplicas")
                  + " pods at revision "
                  + status.text("updateRevision")
                  + "...",
              false);
        }
        return new State(
            "statefulset rolling update complete "
                + status.integer("currentReplicas")
                + " pods at revision "
                + status.text("currentRevision")
                + "...",
            true);
      }
      default ->
          throw new UsageException(
              "no status viewer has been implemented for " + served.type().kind());
    }
  }

  // ---- revisions

  private record Revision(long number, JsonObject template, String cause) {}

  private static List<Revision> revisions(Session session, Item item) {
    List<Revision> revisions = new ArrayList<>();
    boolean deployment = item.served().type().plural().equals("deployments");
    Served source =
        session.discovery().find(deployment ? "replicasets.apps" : "controllerrevisions.apps");
    LabelSelector selector = LabelSelector.of(item.object().object("spec", "selector"));
    for (JsonObject object : session.list(source, item.namespace(), selector.toString(), "")) {
      boolean owned =
          object.objects("metadata", "ownerReferences").stream()
              .anyMatch(o -> o.text("uid").equals(item.object().text("metadata", "uid")));
      if (!owned) {
        continue;
      }
      String cause = object.text("metadata", "annotations", "kubernetes.io/change-cause");
      if (deployment) {
        String text = object.text("metadata", "annotations", REVISION);
        if (text.matches("\\d+")) {
          revisions.add(
              new Revision(Long.parseLong(text), object.object("spec", "template"), cause));
        }
      } else {
        revisions.add(
            new Revision(
                object.integer("revision"), object.object("data", "spec", "template"), cause));
      }
    }
    revisions.sort(Comparator.comparingLong(Revision::number));
    return revisions;
  }

  private static int history(Session session) {
    long wanted = session.arguments().number("revision");
    for (Item item : Selected.items(session, session.words())) {
      List<Revision> revisions = revisions(session, item);
      session
          .out()
          .print(item.shown() + " " + (wanted > 0 ? "with revision #" + wanted : "") + "\n");
      if (wanted > 0) {
        Revision revision =
            revisions.stream()
                .filter(r -> r.number() == wanted)
                .findFirst()
                .orElseThrow(() -> new UsageException("unable to find the specified revision"));
        session
            .out()
            .print("Pod Template:\n" + dev.kedge.model.Yaml.write(revision.template()).indent(2));
        continue;
      }
      TabWriter table = new TabWriter(0, 2);
      table.line("REVISION", "CHANGE-CAUSE");
      revisions.forEach(r -> table.line(r.number(), r.cause().isEmpty() ? "<none>" : r.cause()));
      session.out().print(table + "\n");
    }
    return 0;
  }

  private static int undo(Session session) {
    long to = session.arguments().number("to-revision");
    Output output = Output.of(session);
    for (Item item : Selected.items(session, session.words())) {
      List<Revision> revisions = revisions(session, item);
      if (item.object().flag("spec", "paused")) {
        throw new UsageException(
            "you cannot rollback a paused deployment; resume it first with 'kubectl rollout resume'"
                + " and try again");
      }
      if (revisions.size() < 2 && to == 0) {
        throw new UsageException(
            "no rollout history found for "
                + item.served().singularName()
                + " \""
                + item.name()
                + "\"");
      }
      Revision target =
          to == 0
              ? revisions.get(revisions.size() - 2)
              : revisions.stream()
                  .filter(r -> r.number() == to)
                  .findFirst()
                  .orElseThrow(
                      () ->
                          new UsageException(
                              "unable to find specified revision " + to + " in history"));
      JsonObject template =
          target.template().withoutPath(List.of("metadata", "labels", "pod-template-hash"));
      JsonObject current = item.object().object("spec", "template");
      if (template.without("$patch").equals(current)) {
        output.done(
            item,
            item.object(),
            "skipped rollback (current template already matches revision " + target.number() + ")");
        continue;
      }
      JsonArray patch =
          JsonArray.of(
              JsonObject.of(
                  "op", "replace", "path", "/spec/template", "value", template.without("$patch")));
      output.done(
          item,
          ChangeCommands.send(session, item, ApplyCommand.JSON_PATCH, patch, ""),
          "rolled back");
    }
    return 0;
  }

  private static int restart(Session session) {
    Output output = Output.of(session);
    List<Item> items = targets(session);
    for (Item item : items) {
      if (!List.of("deployments", "daemonsets", "statefulsets")
          .contains(item.served().type().plural())) {
        throw new UsageException(
            item.served().type().plural() + " \"" + item.name() + "\" restarting is not supported");
      }
      if (item.object().flag("spec", "paused")) {
        throw new UsageException("can't restart paused deployment (run rollout resume first)");
      }
      JsonObject patch =
          JsonObject.EMPTY.withPath(
              List.of(
                  "spec",
                  "template",
                  "metadata",
                  "annotations",
                  "kubectl.kubernetes.io/restartedAt"),
              Times.text(Instant.now()));
      output.done(
          item, ChangeCommands.send(session, item, ApplyCommand.STRATEGIC, patch, ""), "restarted");
    }
    return 0;
  }

  /** As kubectl: a bare type means all of it. */
  private static List<Item> targets(Session session) {
    List<Item> items = new ArrayList<>();
    if (Manifests.given(session) || session.words().isEmpty()) {
      return Selected.items(session, session.words());
    }
    for (Target target : Targets.parse(session, session.words())) {
      if (target.names().isEmpty()) {
        session
            .list(target.served(), session.namespace(), session.arguments().text("selector"), "")
            .forEach(
                o ->
                    items.add(
                        new Item(
                            target.served(),
                            o.text("metadata", "namespace"),
                            o.text("metadata", "name"),
                            o,
                            "")));
      }
      target
          .names()
          .forEach(
              name ->
                  items.add(
                      new Item(
                          target.served(),
                          session.namespace(),
                          name,
                          session.get(target.served(), session.namespace(), name),
                          "")));
    }
    return items;
  }

  private static int pause(Session session, boolean pause) {
    Output output = Output.of(session);
    for (Item item : Selected.items(session, session.words())) {
      if (!item.served().type().plural().equals("deployments")) {
        throw new UsageException(
            item.served().type().plural()
                + " \""
                + item.name()
                + "\" "
                + (pause ? "pausing" : "resuming")
                + " is not supported");
      }
      if (item.object().flag("spec", "paused") == pause) {
        throw new UsageException(
            "deployments.apps \""
                + item.name()
                + "\" is "
                + (pause ? "already paused" : "not paused"));
      }
      JsonObject patch =
          JsonObject.of("spec", JsonObject.of("paused", pause ? (Object) true : JsonNull.NULL));
      output.done(
          item,
          ChangeCommands.send(session, item, ApplyCommand.STRATEGIC, patch, ""),
          pause ? "paused" : "resumed");
    }
    return 0;
  }
}
