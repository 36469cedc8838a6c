package dev.kedge.cli.kubectl;

import dev.kedge.cli.kubectl.Targets.Target;
import dev.kedge.model.ApiException;
import dev.kedge.model.JsonObject;
import java.time.Duration;
import java.time.Instant;
import java.util.ArrayList;
import java.util.List;

/** {@code delete}, which waits until what it deleted is gone. */
final class DeleteCommand {
  static final List<Flag> FLAGS =
      Flags.with(
          Manifests.FLAGS,
          Output.FLAG,
          Output.DRY_RUN,
          Flag.toggle("all", "Delete all resources of the given types"),
          Flag.toggle("all-namespaces", 'A', "Across all namespaces"),
          Flag.text("selector", 'l', "", "Selector (label query) to filter on"),
          Flag.text("field-selector", "Selector (field query) to filter on"),
          Flag.on("wait", "Wait for resources to be gone before returning"),
          Flag.text("timeout", '\0', "0", "How long to wait before giving up; 0 means for ever"),
          Flag.text("grace-period", '\0', "-1", "Seconds given to the resource to end in order"),
          Flag.toggle("force", "Remove from the API at once, with --grace-period=0"),
          Flag.toggle("now", "Like --grace-period=1"),
          Flag.optional(
              "cascade",
              "background",
              "background",
              "Must be \"background\", \"orphan\", or \"foreground\""),
          Flag.toggle("ignore-not-found", "Treat \"resource not found\" as success"));

  private DeleteCommand() {}

  static int run(Session session) {
    Arguments arguments = session.arguments();
    long grace = arguments.number("grace-period");
    if (arguments.on("now")) {
      if (grace != -1) {
        throw new UsageException("--now and --grace-period cannot be specified together");
      }
      grace = 1;
    }
    boolean force = arguments.on("force");
    if (force) {
      if (grace > 0) {
        throw new UsageException(
            "--force and --grace-period greater than 0 cannot be specified together");
      }
      grace = 0;
      session
          .err()
          .println(
              "Warning: Immediate deletion does not wait for confirmation that the running resource"
                  + " has been terminated. The resource may continue to run on the cluster"
                  + " indefinitely.");
    } else if (grace == 0) {
      // As kubectl: without --force nothing is taken off the API before it has ended.
      grace = 1;
    }
    boolean[] failed = {false};
    List<Item> items = new ArrayList<>();
    boolean ignore =
        arguments.on("ignore-not-found")
            || arguments.on("all")
            || !arguments.text("selector").isEmpty();
    if (Manifests.given(session)) {
      for (Manifests.Document document : Manifests.documents(session)) {
        try {
          items.add(Manifests.item(session, document));
        } catch (UsageException e) {
          if (!ignore) {
            session.err().println("error: " + e.getMessage());
            failed[0] = true;
          }
        }
      }
    } else {
      items.addAll(named(session));
    }
    List<Item> gone = new ArrayList<>();
    for (Item item : items) {
      try {
        gone.add(delete(session, item, grace, force));
      } catch (ApiException e) {
        if (e.isNotFound() && ignore) {
          continue;
        }
        session.out().flush();
        Kubectl.report(
            session.console(),
            item.source().isEmpty() ? e : ApplyCommand.sourced(e, "deleting", item),
            session.target().server());
        failed[0] = true;
      }
    }
    if (items.isEmpty() && !failed[0]) {
      session.out().print("No resources found\n");
    }
    session.out().flush();
    if (arguments.on("wait") && Output.dryRun(session).equals("none")) {
      Duration limit = arguments.duration("timeout");
      Instant deadline = limit.isPositive() ? Instant.now().plus(limit) : Instant.MAX;
      for (Item item : gone) {
        if (!Waiting.gone(session, item, deadline)) {
          session
              .err()
              .println(
                  "error: timed out waiting for the condition on "
                      + item.served().type().plural()
                      + "/"
                      + item.name());
          failed[0] = true;
        }
      }
    }
    return failed[0] ? 1 : 0;
  }

  private static List<Item> named(Session session) {
    Arguments arguments = session.arguments();
    String labels = arguments.text("selector");
    String fields = arguments.text("field-selector");
    List<Item> items = new ArrayList<>();
    for (Target target : Targets.parse(session, session.words())) {
      if (target.names().isEmpty()) {
        if (labels.isEmpty() && fields.isEmpty() && !arguments.on("all")) {
          throw new UsageException("resource(s) were provided, but no name was specified");
        }
        for (JsonObject object :
            session.list(
                target.served(),
                session.allNamespaces() ? "" : session.namespace(),
                labels,
                fields)) {
          items.add(
              new Item(
                  target.served(),
                  object.text("metadata", "namespace"),
                  object.text("metadata", "name"),
                  object,
                  ""));
        }
      }
      if (!target.names().isEmpty() && arguments.on("all")) {
        throw new UsageException("name cannot be provided when a selector is specified");
      }
      for (String name : target.names()) {
        items.add(
            new Item(
                target.served(),
                target.served().type().namespaced() ? session.namespace() : "",
                name,
                JsonObject.EMPTY,
                ""));
      }
    }
    return items;
  }

  private static JsonObject options(Session session, long grace) {
    JsonObject.Builder options =
        JsonObject.builder().put("kind", "DeleteOptions").put("apiVersion", "v1");
    if (grace >= 0) {
      options.put("gracePeriodSeconds", grace);
    }
    String cascade =
        session.arguments().given("cascade") ? session.arguments().text("cascade") : "background";
    options.put(
        "propagationPolicy",
        switch (cascade) {
          case "background", "true" -> "Background";
          case "orphan", "false" -> "Orphan";
          case "foreground" -> "Foreground";
          default ->
              throw new UsageException(
                  "invalid cascade value ("
                      + cascade
                      + "). Must be \"background\", \"foreground\", or \"orphan\"");
        });
    if (Output.dryRun(session).equals("server")) {
      options.put("dryRun", List.of("All"));
    }
    return options.build();
  }

  /** Deletes and says so; returns the item with the uid that must go. */
  private static Item delete(Session session, Item item, long grace, boolean force) {
    JsonObject options = options(session, grace);
    JsonObject answer = JsonObject.EMPTY;
    if (!Output.dryRun(session).equals("client")) {
      answer =
          session
              .transport()
              .delete(session.path(item.served(), item.namespace(), item.name()), options);
    }
    String uid =
        answer.text("kind").equals("Status")
            ? answer.text("details", "uid")
            : answer.text("metadata", "uid");
    if (session.arguments().text("output").equals("name")) {
      session.out().print(item.shown() + "\n");
    } else {
      String dryRun =
          switch (Output.dryRun(session)) {
            case "client" -> " (dry run)";
            case "server" -> " (server dry run)";
            default -> "";
          };
      session
          .out()
          .print(
              item.served().singularName()
                  + " \""
                  + item.name()
                  + "\" "
                  + (force ? "force deleted" : "deleted")
                  + (item.namespace().isEmpty() ? "" : " from " + item.namespace() + " namespace")
                  + dryRun
                  + "\n");
    }
    session.out().flush();
    return new Item(
        item.served(), item.namespace(), item.name(), JsonObject.of("uid", uid), item.source());
  }

  /**
   * Deletes without a word and waits for the end, as {@code replace --force} does; false if there
   * was nothing to delete.
   */
  static boolean deleteAndWait(Session session, Item item, long grace) {
    JsonObject options =
        JsonObject.builder()
            .put("kind", "DeleteOptions")
            .put("apiVersion", "v1")
            .put("propagationPolicy", "Background")
            .build();
    JsonObject answer;
    try {
      answer =
          session
              .transport()
              .delete(
                  session.path(item.served(), item.namespace(), item.name()),
                  grace >= 0 ? options.with("gracePeriodSeconds", grace) : options);
    } catch (ApiException e) {
      if (e.isNotFound()) {
        return false;
      }
      throw e;
    }
    String uid =
        answer.text("kind").equals("Status")
            ? answer.text("details", "uid")
            : answer.text("metadata", "uid");
    Waiting.gone(
        session,
        new Item(item.served(), item.namespace(), item.name(), JsonObject.of("uid", uid), ""),
        Instant.MAX);
    return true;
  }
}
