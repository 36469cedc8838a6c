package dev.kedge.cli.kubectl;

import dev.kedge.model.Json;
import dev.kedge.model.JsonNull;
import dev.kedge.model.JsonObject;
import dev.kedge.model.JsonSyntaxException;
import dev.kedge.model.JsonValue;
import dev.kedge.model.MergePatch;
import dev.kedge.model.StrategicMergePatch;
import dev.kedge.model.Yaml;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.time.Instant;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;

/** Commands that change objects in place: scale, label, annotate, patch, edit, replace. */
final class ChangeCommands {
  /** Flags of commands that change objects which are named or selected. */
  static final List<Flag> COMMON =
      Flags.with(
          Selected.FLAGS,
          Output.FLAG,
          Output.MANAGED_FIELDS,
          Output.DRY_RUN,
          Flag.text("field-manager", "Name of the manager used to track field ownership"));

  private ChangeCommands() {}

  static List<Verb> verbs() {
    return List.of(
        Verb.of(
            "scale",
            "scale TYPE/NAME --replicas=COUNT",
            "Set a new size for a deployment, replica set or stateful set",
            Flags.with(
                COMMON,
                Flag.text("replicas", "The new desired number of replicas"),
                Flag.text("current-replicas", '\0', "-1", "Precondition for the current size"),
                Flag.text("resource-version", "Precondition for the resource version"),
                Flag.text(
                    "timeout",
                    '\0',
                    "0",
                    "How long to wait for the scaling to finish; 0 does not wait")),
            ChangeCommands::scale),
        Verb.of(
            "label",
            "label TYPE NAME KEY=VALUE... KEY-",
            "Update the labels of a resource",
            Flags.with(
                COMMON,
                Flag.toggle("overwrite", "Overwrite labels that exist"),
                Flag.toggle("list", "Show the labels"),
                Flag.text("resource-version", "Precondition")),
            session -> metadata(session, "labels", "labeled")),
        Verb.of(
            "annotate",
            "annotate TYPE NAME KEY=VALUE... KEY-",
            "Update the annotations of a resource",
            Flags.with(
                COMMON,
                Flag.toggle("overwrite", "Overwrite annotations that exist"),
                Flag.toggle("list", "Show the annotations"),
                Flag.text("resource-version", "Precondition")),
            session -> metadata(session, "annotations", "annotated")),
        Verb.of(
            "patch",
            "patch TYPE NAME -p PATCH",
            "Update fields of a resource",
            Flags.with(
                COMMON,
                Flag.text("patch", 'p', "", "The patch, JSON or YAML"),
                Flag.text("patch-file", "A file with the patch"),
                Flag.text("type", '\0', "strategic", "json, merge or strategic"),
                Flag.text("subresource", "Patch this subresource")),
            ChangeCommands::patch),
        Verb.of(
            "edit",
            "edit TYPE NAME",
            "Edit a resource in the editor",
            Flags.with(COMMON, ApplyCommand.VALIDATE),
            ChangeCommands::edit),
        Verb.of(
            "replace",
            "replace -f FILENAME",
            "Replace a resource by file name or stdin",
            Flags.with(
                COMMON,
                ApplyCommand.VALIDATE,
                Flag.toggle("force", "Delete and create again"),
                Flag.text("grace-period", '\0', "-1", "Grace period of the deletion")),
            ChangeCommands::replace));
  }

  /** Sends a patch, or applies it here for a client-side dry run. */
  static JsonObject send(
      Session session, Item item, String mediaType, JsonValue patch, String suffix) {
    return send(session, item, mediaType, patch, suffix, "kubectl-" + session.verb().name());
  }

  /**
   * The same.
   *
   * @param manager who owns the changed fields, unless the user says otherwise
   */
  static JsonObject send(
      Session session,
      Item item,
      String mediaType,
      JsonValue patch,
      String suffix,
      String manager) {
    String dryRun = Output.dryRun(session);
    if (dryRun.equals("client")) {
      return mediaType.equals(ApplyCommand.JSON_PATCH)
          ? (JsonObject) dev.kedge.model.JsonPatch.apply(item.object(), patch)
          : mediaType.equals(ApplyCommand.STRATEGIC)
              ? StrategicMergePatch.apply(
                  item.object(), patch, ApplyCommand.schema(item.served()).orElseThrow())
              : MergePatch.apply(item.object(), patch);
    }
    String owner =
        session.arguments().given("field-manager")
            ? session.arguments().text("field-manager")
            : manager;
    return session
        .transport()
        .patch(
            session.path(item.served(), item.namespace(), item.name())
                + suffix
                + Session.query(
                    "dryRun", dryRun.equals("server") ? "All" : "", "fieldManager", owner),
            mediaType,
            Json.bytes(patch));
  }

  // ---- scale

  private static int scale(Session session) {
    Arguments a = session.arguments();
    if (a.text("replicas").isEmpty()) {
      throw new UsageException("required flag(s) \"replicas\" not set");
    }
    long replicas = a.number("replicas");
    if (replicas < 0) {
      throw new UsageException(
          "The --replicas=COUNT flag is required, and COUNT must be greater than or equal to 0");
    }
    Output output = Output.of(session);
    boolean failed = false;
    for (Item item : Selected.items(session, session.words())) {
      if (!item.served().subresources().contains("scale")) {
        throw new UsageException(
            "cannot scale "
                + item.served().type().groupResource()
                + ": it has no scale subresource");
      }
      String path = session.path(item.served(), item.namespace(), item.name()) + "/scale";
      long current = session.transport().get(path).integer("spec", "replicas");
      if (a.number("current-replicas") >= 0 && a.number("current-replicas") != current) {
        throw new UsageException(
            "Expected replicas to be " + a.number("current-replicas") + ", was " + current);
      }
      JsonObject patch = JsonObject.of("spec", JsonObject.of("replicas", replicas));
      if (!a.text("resource-version").isEmpty()) {
        patch =
            patch.with("metadata", JsonObject.of("resourceVersion", a.text("resource-version")));
      }
      JsonObject result =
          Output.dryRun(session).equals("client")
              ? item.object()
              : send(session, item, ApplyCommand.MERGE, patch, "/scale");
      output.done(
          item,
          output.table() ? result : session.get(item.served(), item.namespace(), item.name()),
          "scaled");
      Duration limit = a.duration("timeout");
      if (limit.isPositive() && Output.dryRun(session).equals("none")) {
        boolean done =
            Waiting.until(
                session,
                item,
                Instant.now().plus(limit),
                o ->
                    o.isPresent()
                        && o.get().integer("status", "replicas") == replicas
                        && o.get().integer("status", "observedGeneration")
                            >= o.get().integer("metadata", "generation"));
        if (!done) {
          session.err().println("error: timed out waiting for " + item.shown() + " to be scaled");
          failed = true;
        }
      }
    }
    return failed ? 1 : 0;
  }

  // ---- label, annotate

  private static int metadata(Session session, String field, String done) {
    Arguments a = session.arguments();
    String one = field.substring(0, field.length() - 1);
    List<String> words = new ArrayList<>();
    List<String> changes = new ArrayList<>();
    for (String word : session.words()) {
      boolean change = word.contains("=") || word.endsWith("-") && !words.isEmpty();
      (change ? changes : words).add(word);
    }
    if (changes.isEmpty() && !a.on("list")) {
      throw new UsageException("at least one " + one + " update is required");
    }
    Output output = Output.of(session);
    boolean failed = false;
    for (Item item : Selected.items(session, words)) {
      JsonObject.Builder values = JsonObject.builder();
      JsonObject old = item.object().object("metadata", field);
      List<String> conflicts = new ArrayList<>();
      boolean removed = false;
      boolean changed = false;
      for (String change : changes) {
        int equals = change.indexOf('=');
        if (equals < 0) {
          String key = change.substring(0, change.length() - 1);
          if (!old.has(key)) {
            session.out().print(one + " \"" + key + "\" not found.\n");
          } else {
            removed = true;
            changed = true;
          }
          values.put(key, JsonNull.NULL);
        } else {
          String key = change.substring(0, equals);
          String value = change.substring(equals + 1);
          if (old.has(key) && !old.text(key).equals(value) && !a.on("overwrite")) {
            conflicts.add(
                "'"
                    + key
                    + "' already has a value ("
                    + old.text(key)
                    + "), and --overwrite is false");
          }
          changed |= !old.has(key) || !old.text(key).equals(value);
          values.put(key, value);
        }
      }
      if (!conflicts.isEmpty()) {
        session.err().println("error: " + String.join("; ", conflicts));
        failed = true;
        continue;
      }
      JsonObject metadata = JsonObject.of(field, values.build());
      if (!a.text("resource-version").isEmpty()) {
        metadata = metadata.with("resourceVersion", a.text("resource-version"));
      }
      JsonObject result =
          changed
              ? send(session, item, ApplyCommand.MERGE, JsonObject.of("metadata", metadata), "")
              : item.object();
      if (a.on("list")) {
        result
            .map("metadata", field)
            .forEach((key, value) -> session.out().print(key + "=" + value + "\n"));
        continue;
      }
      String what =
          !changed && field.equals("labels")
              ? "not labeled"
              : removed
                      && field.equals("labels")
                      && changes.stream().noneMatch(c -> c.contains("="))
                  ? "unlabeled"
                  : done;
      output.done(item, result, what);
    }
    return failed ? 1 : 0;
  }

  // ---- patch

  private static int patch(Session session) throws IOException {
    Arguments a = session.arguments();
    String text =
        a.text("patch-file").isEmpty()
            ? a.text("patch")
            : Files.readString(Path.of(a.text("patch-file")));
    if (text.isEmpty()) {
      throw new UsageException(
          "must specify --patch or --patch-file containing the contents of the patch");
    }
    JsonValue patch;
    try {
      patch = Yaml.parse(text);
    } catch (JsonSyntaxException e) {
      throw new UsageException("unable to parse \"" + text + "\": " + e.located());
    }
    String type =
        switch (a.text("type")) {
          case "json" -> ApplyCommand.JSON_PATCH;
          case "merge" -> ApplyCommand.MERGE;
          case "strategic" -> ApplyCommand.STRATEGIC;
          default ->
              throw new UsageException(
                  "--type must be one of [json merge strategic], not \"" + a.text("type") + "\"");
        };
    Output output = Output.of(session);
    for (Item item : Selected.items(session, session.words())) {
      String used = type;
      if (type.equals(ApplyCommand.STRATEGIC)
          && !a.given("type")
          && ApplyCommand.schema(item.served()).isEmpty()) {
        // As kubectl: kinds without a schema of patch keys cannot be patched strategically.
        used = ApplyCommand.MERGE;
      }
      String subresource = a.text("subresource");
      JsonObject result =
          send(session, item, used, patch, subresource.isEmpty() ? "" : "/" + subresource);
      boolean same =
          result
                  .text("metadata", "resourceVersion")
                  .equals(item.object().text("metadata", "resourceVersion"))
              && Output.dryRun(session).equals("none");
      output.done(item, result, same ? "patched (no change)" : "patched");
    }
    return 0;
  }

  // ---- edit, replace

  private static int edit(Session session) throws IOException, InterruptedException {
    List<Item> items = Selected.items(session, session.words());
    String editor =
        Optional.of(session.console().variable("KUBE_EDITOR"))
            .filter(e -> !e.isEmpty())
            .or(() -> Optional.of(session.console().variable("EDITOR")).filter(e -> !e.isEmpty()))
            .orElse("vi");
    Output output = Output.of(session);
    for (Item item : items) {
      JsonObject shown =
          Session.typed(item.object(), item.served().type())
              .withoutPath(List.of("metadata", "managedFields"));
      Path file = Files.createTempFile("kubectl-edit-", ".yaml");
      try {
        String before =
            "# Lines beginning with '#' are ignored; an empty file aborts the edit.\n"
                + Yaml.write(shown);
        String text = before;
        while (true) {
          Files.writeString(file, text);
          Process process =
              new ProcessBuilder("sh", "-c", editor + " \"$1\"", "sh", file.toString())
                  .inheritIO()
                  .start();
          if (process.waitFor() != 0) {
            throw new UsageException("there was a problem with the editor \"" + editor + "\"");
          }
          String edited = Files.readString(file);
          if (edited.equals(text)
              || edited.lines().allMatch(line -> line.isBlank() || line.startsWith("#"))) {
            session.err().println("Edit cancelled, no changes made.");
            return edited.equals(before) ? 0 : 1;
          }
          text = edited;
          try {
            JsonValue changed = Yaml.parse(edited);
            if (!(changed instanceof JsonObject object)) {
              throw new UsageException("not an object");
            }
            Optional<dev.kedge.model.Schema> schema = ApplyCommand.schema(item.served());
            JsonObject patch =
                schema.isPresent()
                    ? StrategicMergePatch.create(shown, object, schema.get())
                    : MergePatch.create(shown, object);
            if (patch.isEmpty()) {
              session.err().println("Edit cancelled, no changes made.");
              return 0;
            }
            output.done(
                item,
                send(
                    session,
                    item,
                    schema.isPresent() ? ApplyCommand.STRATEGIC : ApplyCommand.MERGE,
                    patch,
                    ""),
                "edited");
            break;
          } catch (JsonSyntaxException | UsageException | dev.kedge.model.ApiException e) {
            // Back to the editor with the reason on top, so that no typing is lost.
            String reason =
                Kubectl.message(e, "")
                    .lines()
                    .map(line -> "# " + line)
                    .reduce("", (x, y) -> x + y + "\n");
            text =
                reason
                    + edited
                        .lines()
                        .filter(line -> !line.startsWith("#"))
                        .reduce("", (x, y) -> x + y + "\n");
            session.err().println(Kubectl.message(e, ""));
          }
        }
      } finally {
        Files.deleteIfExists(file);
      }
    }
    return 0;
  }

  private static int replace(Session session) {
    if (!Manifests.given(session)) {
      throw new UsageException("must specify --filename to replace");
    }
    Output output = Output.of(session);
    for (Item item : Manifests.items(session)) {
      String query =
          Session.query(
              "dryRun",
              Output.dryRun(session).equals("server") ? "All" : "",
              "fieldManager",
              "kubectl-replace",
              "fieldValidation",
              ApplyCommand.validation(session));
      JsonObject result = item.object();
      try {
        if (session.arguments().on("force")) {
          if (DeleteCommand.deleteAndWait(
              session, item, session.arguments().number("grace-period"))) {
            session
                .out()
                .print(
                    item.served().singularName()
                        + " \""
                        + item.name()
                        + "\" deleted"
                        + (item.namespace().isEmpty()
                            ? ""
                            : " from " + item.namespace() + " namespace")
                        + "\n");
          }
          result =
              session
                  .transport()
                  .post(session.path(item.served(), item.namespace()) + query, item.object());
        } else if (!Output.dryRun(session).equals("client")) {
          result =
              session
                  .transport()
                  .put(
                      session.path(item.served(), item.namespace(), item.name()) + query,
                      item.object());
        }
      } catch (dev.kedge.model.ApiException e) {
        throw ApplyCommand.sourced(e, "replacing", item);
      }
      output.done(item, result, "replaced");
    }
    return 0;
  }
}
