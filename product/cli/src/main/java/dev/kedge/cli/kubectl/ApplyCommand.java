package dev.kedge.cli.kubectl;

import dev.kedge.builtin.BuiltinSchemas;
import dev.kedge.cli.kubectl.Discovery.Served;
import dev.kedge.model.ApiException;
import dev.kedge.model.Json;
import dev.kedge.model.JsonObject;
import dev.kedge.model.JsonSyntaxException;
import dev.kedge.model.MergePatch;
import dev.kedge.model.Schema;
import dev.kedge.model.ServerSideApply;
import dev.kedge.model.StrategicMergePatch;
import java.util.List;
import java.util.Optional;

/**
 * {@code apply}: client-side with the three-way patch between last configuration, new configuration
 * and current object, or server-side.
 */
final class ApplyCommand {
  static final String STRATEGIC = "application/strategic-merge-patch+json";
  static final String MERGE = "application/merge-patch+json";
  static final String JSON_PATCH = "application/json-patch+json";
  static final String APPLY = "application/apply-patch+yaml";
  private static final String CLIENT_MANAGER = "kubectl-client-side-apply";
  private static final List<String> ANNOTATION =
      List.of("metadata", "annotations", ServerSideApply.LAST_APPLIED);

  static final Flag VALIDATE =
      Flag.optional(
          "validate",
          "strict",
          "strict",
          "Must be one of: strict (or true), warn, ignore (or false): what to do about unknown"
              + " fields");

  static final List<Flag> FLAGS =
      Flags.with(
          Manifests.FLAGS,
          Output.FLAG,
          Output.MANAGED_FIELDS,
          Output.DRY_RUN,
          VALIDATE,
          Flag.toggle("server-side", "Let the server apply the configuration"),
          Flag.toggle("force-conflicts", "Take fields over that other managers own (server-side)"),
          Flag.text("field-manager", "Name of the manager used to track field ownership"),
          Flag.text("selector", 'l', "", "Selector (label query) of the objects to apply"),
          Flag.toggle("force", "Delete and create again what cannot be patched"),
          Flag.text("grace-period", '\0', "-1", "Grace period of deletions by --force"),
          Flag.toggle("prune", "Not supported: refused"));

  private static final int ATTEMPTS = 5;

  private final Session session;
  private final Output output;
  private final String dryRun;

  private ApplyCommand(Session session) {
    this.session = session;
    this.output = Output.of(session);
    this.dryRun = Output.dryRun(session);
  }

  static int run(Session session) {
    Arguments arguments = session.arguments();
    if (arguments.on("prune")) {
      throw new UsageException("--prune is not supported by kedge kubectl");
    }
    if (!session.words().isEmpty()) {
      throw new UsageException("Unexpected args: " + session.words());
    }
    if (!Manifests.given(session)) {
      throw new UsageException("must specify one of -f and -k");
    }
    if (arguments.on("force-conflicts") && !arguments.on("server-side")) {
      throw new UsageException("--force-conflicts only works with --server-side");
    }
    return new ApplyCommand(session).run();
  }

  private int run() {
    boolean failed = false;
    dev.kedge.model.LabelSelector selector =
        dev.kedge.model.LabelSelector.parse(session.arguments().text("selector"));
    for (Manifests.Document document : Manifests.documents(session)) {
      if (!selector.matches(document.object().map("metadata", "labels"))) {
        continue;
      }
      try {
        Item item = Manifests.item(session, document);
        if (item.name().isEmpty()) {
          throw new UsageException(
              "error when retrieving current configuration of \""
                  + document.source()
                  + "\": resource name may not be empty");
        }
        if (session.arguments().on("server-side")) {
          serverSide(item);
        } else {
          clientSide(item);
        }
      } catch (ApiException | UsageException e) {
        // As kubectl: one bad object does not keep the others from being applied.
        session.out().flush();
        Kubectl.report(session.console(), e, session.target().server());
        failed = true;
      }
    }
    return failed ? 1 : 0;
  }

  private String query(String manager) {
    return Session.query(
        "dryRun",
        dryRun.equals("server") ? "All" : "",
        "fieldManager",
        manager,
        "fieldValidation",
        validation(session));
  }

  /** The server's name for {@code --validate}. */
  static String validation(Session session) {
    String text = session.arguments().text("validate");
    return switch (text) {
      case "strict", "true", "" -> "Strict";
      case "warn" -> "Warn";
      case "ignore", "false" -> "Ignore";
      default -> throw new UsageException("invalid - validate option \"" + text + "\"");
    };
  }

  private void serverSide(Item item) {
    String manager = session.arguments().text("field-manager");
    if (dryRun.equals("client")) {
      throw new UsageException(
          "--dry-run=client doesn't work with --server-side (did you mean --dry-run=server"
              + " instead?)");
    }
    String path =
        session.path(item.served(), item.namespace(), item.name())
            + query(manager.isEmpty() ? "kubectl" : manager)
            + (session.arguments().on("force-conflicts") ? "&force=true" : "");
    try {
      JsonObject result = session.transport().patch(path, APPLY, Json.bytes(item.object()));
      output.done(item, result, "serverside-applied");
    } catch (ApiException e) {
      if (e.isConflict() && !e.status().details().causes().isEmpty()) {
        throw new UsageException(
            e.getMessage()
                + "\nThese fields belong to other managers. To take them over, apply again with"
                + " --force-conflicts; to leave them, remove them from the configuration or give"
                + " them the values they have.");
      }
      throw e;
    }
  }

  private void clientSide(Item item) {
    JsonObject bare = withoutAnnotation(item.object());
    JsonObject modified = bare.withPath(ANNOTATION, Manifests.encoded(bare));
    String manager =
        session.arguments().text("field-manager").isEmpty()
            ? CLIENT_MANAGER
            : session.arguments().text("field-manager");
    for (int attempt = 1; ; attempt++) {
      Optional<JsonObject> current = live(session, item);
      if (current.isEmpty()) {
        JsonObject created = modified;
        if (!dryRun.equals("client")) {
          try {
            created =
                session
                    .transport()
                    .post(session.path(item.served(), item.namespace()) + query(manager), modified);
          } catch (ApiException e) {
            throw sourced(e, "creating", item);
          }
        }
        output.done(item, created, "created");
        return;
      }
      try {
        if (patch(item, modified, current.get(), manager)) {
          return;
        }
      } catch (ApiException e) {
        if (e.isConflict() && attempt < ATTEMPTS) {
          continue;
        }
        boolean recreate = e.code() == 422 || e.isConflict();
        if (!session.arguments().on("force") || !recreate) {
          throw sourced(e, "applying patch", item);
        }
        recreate(item, modified, manager);
      }
      return;
    }
  }

  /** Patches; always true, for the caller's loop. */
  private boolean patch(Item item, JsonObject modified, JsonObject current, String manager) {
    String last = current.text("metadata", "annotations", ServerSideApply.LAST_APPLIED);
    if (last.isEmpty()) {
      session.out().flush();
      session
          .err()
          .println(
              "Warning: resource "
                  + item.served().type().plural()
                  + "/"
                  + item.name()
                  + " is missing the "
                  + ServerSideApply.LAST_APPLIED
                  + " annotation which is required by kubectl apply. kubectl apply should only be"
                  + " used on resources created declaratively by either kubectl create"
                  + " --save-config or kubectl apply. The missing annotation will be patched"
                  + " automatically.");
    }
    Optional<Schema> schema = schema(item.served());
    JsonObject patch = threeWay(item, modified, current);
    if (patch.isEmpty()) {
      output.done(item, current, "unchanged");
      return true;
    }
    JsonObject result;
    if (dryRun.equals("client")) {
      result =
          schema.isPresent()
              ? StrategicMergePatch.apply(current, patch, schema.get())
              : MergePatch.apply(current, patch);
    } else {
      result =
          session
              .transport()
              .patch(
                  session.path(item.served(), item.namespace(), item.name()) + query(manager),
                  schema.isPresent() ? STRATEGIC : MERGE,
                  Json.bytes(patch));
    }
    output.done(item, result, "configured");
    return true;
  }

  /** The object as the server has it; empty where it has none. */
  static Optional<JsonObject> live(Session session, Item item) {
    try {
      return Optional.of(session.get(item.served(), item.namespace(), item.name()));
    } catch (ApiException e) {
      if (e.isNotFound()) {
        return Optional.empty();
      }
      throw sourced(e, "retrieving current configuration of", item);
    }
  }

  /** What an apply would make of the object, worked out by the server and not kept. */
  static JsonObject merged(Session session, Item item, Optional<JsonObject> live) {
    Arguments arguments = session.arguments();
    String manager = arguments.text("field-manager");
    String path = session.path(item.served(), item.namespace(), item.name());
    if (arguments.on("server-side")) {
      String query =
          Session.query(
              "dryRun",
              "All",
              "fieldManager",
              manager.isEmpty() ? "kubectl" : manager,
              "force",
              arguments.on("force-conflicts") ? "true" : "");
      return session.transport().patch(path + query, APPLY, Json.bytes(item.object()));
    }
    String query =
        Session.query(
            "dryRun", "All", "fieldManager", manager.isEmpty() ? CLIENT_MANAGER : manager);
    if (live.isEmpty()) {
      // As kubectl: without the annotation, which says nothing new.
      return session
          .transport()
          .post(session.path(item.served(), item.namespace()) + query, item.object());
    }
    JsonObject bare = withoutAnnotation(item.object());
    JsonObject patch =
        threeWay(item, bare.withPath(ANNOTATION, Manifests.encoded(bare)), live.get());
    // The annotation would always differ and is no news either.
    if (live.get().find(ANNOTATION.toArray(String[]::new)).isPresent()) {
      patch = patch.withPath(ANNOTATION, live.get().find(ANNOTATION.toArray(String[]::new)).get());
    } else {
      patch = patch.withoutPath(ANNOTATION);
    }
    return session
        .transport()
        .patch(
            path + query, schema(item.served()).isPresent() ? STRATEGIC : MERGE, Json.bytes(patch));
  }

  /** The patch between last configuration, new configuration and current object. */
  private static JsonObject threeWay(Item item, JsonObject modified, JsonObject current) {
    String last = current.text("metadata", "annotations", ServerSideApply.LAST_APPLIED);
    JsonObject original = JsonObject.EMPTY;
    try {
      original = last.isEmpty() ? JsonObject.EMPTY : Json.parseObject(last);
    } catch (JsonSyntaxException e) {
      throw new UsageException(
          "the "
              + ServerSideApply.LAST_APPLIED
              + " annotation of "
              + item.shown()
              + " is no JSON: "
              + e.getMessage());
    }
    Optional<Schema> schema = schema(item.served());
    return withoutIdentity(
        schema.isPresent()
            ? StrategicMergePatch.createThreeWay(original, modified, current, schema.get())
            : MergePatch.createThreeWay(original, modified, current));
  }

  /** The version a file names may be another than the server's answer; that is no change. */
  private static JsonObject withoutIdentity(JsonObject patch) {
    return patch.without("apiVersion").without("kind");
  }

  private void recreate(Item item, JsonObject modified, String manager) {
    DeleteCommand.deleteAndWait(session, item, session.arguments().number("grace-period"));
    JsonObject created =
        session
            .transport()
            .post(session.path(item.served(), item.namespace()) + query(manager), modified);
    output.done(item, created, "configured");
  }

  /** The schema of a built-in kind; other kinds are patched without one. */
  static Optional<Schema> schema(Served served) {
    return BuiltinSchemas.find(served.type().groupVersionKind());
  }

  private static JsonObject withoutAnnotation(JsonObject object) {
    if (object.find(ANNOTATION.toArray(String[]::new)).isEmpty()) {
      // As kubectl: the annotation's own text says annotations: {}.
      return object.find("metadata", "annotations").isPresent()
          ? object
          : object.withPath(List.of("metadata", "annotations"), JsonObject.EMPTY);
    }
    return object.withoutPath(ANNOTATION);
  }

  /** The failure with what was tried on which file in its message. */
  static ApiException sourced(ApiException e, String verb, Item item) {
    if (item.source().isEmpty()) {
      return e;
    }
    dev.kedge.model.Status status = e.status();
    return new ApiException(
        new dev.kedge.model.Status(
            status.code(),
            status.reason(),
            "error when " + verb + " \"" + item.source() + "\": " + status.message(),
            status.details()),
        e);
  }
}
