package dev.kedge.cli.kubectl;

import dev.kedge.cli.kubectl.Discovery.Served;
import dev.kedge.model.Json;
import dev.kedge.model.JsonArray;
import dev.kedge.model.JsonNull;
import dev.kedge.model.JsonObject;
import dev.kedge.model.JsonValue;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;

/** {@code set}: one thing of many kinds of objects. */
final class SetCommands {
  private static final Flag CONTAINERS =
      Flag.text("containers", 'c', "*", "Names of containers to change");

  private SetCommands() {}

  static Verb verb() {
    return Verb.group(
        "set",
        "Set specific features on objects",
        List.of(
            Verb.of(
                "image",
                "image TYPE/NAME CONTAINER=IMAGE...",
                "Update the image of a pod template",
                ChangeCommands.COMMON,
                SetCommands::image),
            Verb.of(
                "env",
                "env TYPE/NAME KEY=VALUE... KEY-",
                "Update environment variables of a pod template",
                Flags.with(
                    ChangeCommands.COMMON,
                    CONTAINERS,
                    Flag.text("from", "configmap/NAME or secret/NAME whose keys become variables"),
                    Flag.text("prefix", "Put before the names of variables taken by --from"),
                    Flag.list("keys", '\0', "Only these keys of --from"),
                    Flag.toggle("list", "Show the variables")),
                SetCommands::environment),
            Verb.of(
                "resources",
                "resources TYPE/NAME --requests=cpu=100m --limits=memory=64Mi",
                "Update requests and limits of a pod template",
                Flags.with(
                    ChangeCommands.COMMON,
                    CONTAINERS,
                    Flag.list("limits", '\0', "Limits, such as cpu=100m,memory=64Mi"),
                    Flag.list("requests", '\0', "Requests, such as cpu=100m,memory=64Mi")),
                SetCommands::resources),
            Verb.of(
                    "serviceaccount",
                    "serviceaccount TYPE/NAME SERVICE_ACCOUNT",
                    "Update the service account of a pod template",
                    ChangeCommands.COMMON,
                    SetCommands::serviceAccount)
                .alias("sa"),
            Verb.of(
                "selector",
                "selector service/NAME KEY=VALUE,...",
                "Set the selector of a service",
                Flags.with(
                    ChangeCommands.COMMON,
                    Flag.text("resource-version", "Precondition for the resource version")),
                SetCommands::selector),
            Verb.of(
                "subject",
                "subject (ROLEBINDING | CLUSTERROLEBINDING) [--user=NAME] [--group=NAME]",
                "Add users, groups and service accounts to a binding",
                Flags.with(ChangeCommands.COMMON, CreateCommand.SUBJECTS.toArray(Flag[]::new)),
                SetCommands::subject)));
  }

  private static List<String> podSpec(Item item) {
    return switch (item.served().type().plural()) {
      case "pods" -> List.of("spec");
      case "cronjobs" -> List.of("spec", "jobTemplate", "spec", "template", "spec");
      default -> List.of("spec", "template", "spec");
    };
  }

  private static JsonObject at(List<String> path, JsonObject value) {
    return JsonObject.EMPTY.withPath(path, value);
  }

  private static JsonObject send(Session session, Item item, String mediaType, JsonObject patch) {
    return ChangeCommands.send(session, item, mediaType, patch, "", "kubectl-set");
  }

  private static int image(Session session) {
    List<String> words = new ArrayList<>();
    List<String> images = new ArrayList<>();
    session.words().forEach(word -> (word.contains("=") ? images : words).add(word));
    if (images.isEmpty()) {
      throw new UsageException("at least one image update is required");
    }
    Output output = Output.of(session);
    for (Item item : Selected.items(session, words)) {
      JsonObject spec = item.object().object(podSpec(item).toArray(String[]::new));
      JsonObject.Builder patch = JsonObject.builder();
      boolean changed = false;
      for (String part : List.of("initContainers", "containers")) {
        List<JsonValue> list = new ArrayList<>();
        for (JsonObject container : spec.objects(part)) {
          for (String image : images) {
            int equals = image.indexOf('=');
            String name = image.substring(0, equals);
            if (name.equals("*") || name.equals(container.text("name"))) {
              changed |= !container.text("image").equals(image.substring(equals + 1));
              list.add(
                  JsonObject.of(
                      "name", container.text("name"), "image", image.substring(equals + 1)));
            }
          }
        }
        patch.putNonEmpty(part, list);
      }
      for (String image : images) {
        String name = image.substring(0, image.indexOf('='));
        if (!name.equals("*")
            && Pods.allContainers(JsonObject.of("spec", spec)).stream().noneMatch(name::equals)) {
          throw new UsageException("unable to find container named \"" + name + "\"");
        }
      }
      if (changed) {
        output.done(
            item,
            send(session, item, ApplyCommand.STRATEGIC, at(podSpec(item), patch.build())),
            "image updated");
      }
    }
    return 0;
  }

  private static int environment(Session session) {
    List<String> words = new ArrayList<>();
    List<JsonValue> changes = new ArrayList<>();
    for (String word : session.words()) {
      int equals = word.indexOf('=');
      if (equals > 0) {
        changes.add(
            JsonObject.of("name", word.substring(0, equals), "value", word.substring(equals + 1)));
      } else if (word.endsWith("-") && !words.isEmpty()) {
        changes.add(
            JsonObject.of("name", word.substring(0, word.length() - 1), "$patch", "delete"));
      } else {
        words.add(word);
      }
    }
    changes.addAll(from(session));
    boolean list = session.arguments().on("list");
    if (changes.isEmpty() && !list) {
      throw new UsageException("at least one environment variable must be provided");
    }
    Output output = Output.of(session);
    String only = session.arguments().text("containers");
    for (Item item : Selected.items(session, words)) {
      List<JsonObject> containers =
          item.object().object(podSpec(item).toArray(String[]::new)).objects("containers");
      if (list) {
        for (JsonObject container : containers) {
          session
              .out()
              .print(
                  "# "
                      + item.served().type().kind()
                      + " "
                      + item.name()
                      + ", container "
                      + container.text("name")
                      + "\n");
          container
              .objects("env")
              .forEach(
                  e ->
                      session
                          .out()
                          .print(
                              e.has("valueFrom")
                                  ? "# "
                                      + e.text("name")
                                      + " from "
                                      + Json.write(e.object("valueFrom"))
                                      + "\n"
                                  : e.text("name") + "=" + e.text("value") + "\n"));
        }
        continue;
      }
      JsonArray patch =
          containers.stream()
              .filter(c -> chosen(c, only))
              .map(c -> JsonObject.of("name", c.text("name"), "env", changes))
              .collect(JsonArray.collector());
      output.done(
          item,
          send(
              session,
              item,
              ApplyCommand.STRATEGIC,
              at(podSpec(item), JsonObject.of("containers", patch))),
          "env updated");
    }
    return 0;
  }

  private static boolean chosen(JsonObject container, String only) {
    return only.equals("*") || List.of(only.split(",")).contains(container.text("name"));
  }

  /** The variables that {@code --from} gives. */
  private static List<JsonValue> from(Session session) {
    Arguments a = session.arguments();
    if (a.text("from").isEmpty()) {
      return List.of();
    }
    String[] parts = a.text("from").split("/", 2);
    Served served = session.discovery().find(parts[0]);
    String reference =
        switch (served.type().groupResource()) {
          case "configmaps" -> "configMapKeyRef";
          case "secrets" -> "secretKeyRef";
          default -> throw new UsageException("unsupported resource specified in --from");
        };
    if (parts.length < 2) {
      throw new UsageException("--from must be configmap/NAME or secret/NAME");
    }
    List<JsonValue> variables = new ArrayList<>();
    for (String key : session.get(served, session.namespace(), parts[1]).object("data").names()) {
      if (!a.list("keys").isEmpty() && !a.list("keys").contains(key)) {
        continue;
      }
      String name = key.replaceAll("[-.]", "_").toUpperCase(Locale.ROOT);
      if (!name.equals(key)) {
        session.err().println("Warning: key " + key + " transferred to " + name);
      }
      variables.add(
          JsonObject.of(
              "name",
              a.text("prefix") + name,
              "valueFrom",
              JsonObject.of(reference, JsonObject.of("key", key, "name", parts[1]))));
    }
    return variables;
  }

  private static int resources(Session session) {
    Arguments a = session.arguments();
    JsonObject limits = quantities(a.list("limits"));
    JsonObject requests = quantities(a.list("requests"));
    if (limits.isEmpty() && requests.isEmpty()) {
      throw new UsageException(
          "you must specify an update to requests or limits (in the form of --requests/--limits)");
    }
    JsonObject resources =
        JsonObject.builder()
            .putNonEmpty("limits", limits)
            .putNonEmpty("requests", requests)
            .build();
    Output output = Output.of(session);
    for (Item item : Selected.items(session, session.words())) {
      JsonArray patch =
          item.object().object(podSpec(item).toArray(String[]::new)).objects("containers").stream()
              .filter(c -> chosen(c, a.text("containers")))
              .map(c -> JsonObject.of("name", c.text("name"), "resources", resources))
              .collect(JsonArray.collector());
      if (patch.items().isEmpty()) {
        throw new UsageException("unable to find container named " + a.text("containers"));
      }
      output.done(
          item,
          send(
              session,
              item,
              ApplyCommand.STRATEGIC,
              at(podSpec(item), JsonObject.of("containers", patch))),
          "resource requirements updated");
    }
    return 0;
  }

  private static JsonObject quantities(List<String> pairs) {
    JsonObject.Builder quantities = JsonObject.builder();
    for (String pair : pairs) {
      String[] parts = pair.split("=", 2);
      if (parts.length < 2) {
        throw new UsageException(
            "invalid argument syntax " + pair + ", expected <resource>=<quantity>");
      }
      quantities.put(parts[0], parts[1]);
    }
    return quantities.build();
  }

  private static int serviceAccount(Session session) {
    List<String> words = new ArrayList<>(session.words());
    if (words.isEmpty()) {
      throw new UsageException("serviceaccount is required");
    }
    String account = words.removeLast();
    Output output = Output.of(session);
    for (Item item : Selected.items(session, words)) {
      output.done(
          item,
          send(
              session,
              item,
              ApplyCommand.STRATEGIC,
              // Both: the old name of the field would else contradict the new one.
              at(
                  podSpec(item),
                  JsonObject.of("serviceAccount", account, "serviceAccountName", account))),
          "serviceaccount updated");
    }
    return 0;
  }

  private static int selector(Session session) {
    List<String> words = new ArrayList<>(session.words());
    if (words.isEmpty()) {
      throw new UsageException("a selector is required");
    }
    JsonObject wanted = quantities(List.of(words.removeLast().split(",")));
    Output output = Output.of(session);
    for (Item item : Selected.items(session, words)) {
      if (!item.served().type().groupResource().equals("services")) {
        throw new UsageException("setting a selector is only supported for Services");
      }
      JsonObject.Builder selector = JsonObject.builder();
      item.object()
          .map("spec", "selector")
          .keySet()
          .forEach(
              key -> {
                if (!wanted.has(key)) {
                  selector.put(key, JsonNull.NULL);
                }
              });
      JsonObject patch =
          JsonObject.of("spec", JsonObject.of("selector", selector.putAll(wanted).build()));
      String version = session.arguments().text("resource-version");
      if (!version.isEmpty()) {
        patch = patch.with("metadata", JsonObject.of("resourceVersion", version));
      }
      output.done(item, send(session, item, ApplyCommand.MERGE, patch), "selector updated");
    }
    return 0;
  }

  private static int subject(Session session) {
    List<JsonObject> added = CreateCommand.subjects(session.arguments());
    if (added.isEmpty()) {
      throw new UsageException(
          "you must specify at least one value of user, group or serviceaccount");
    }
    Output output = Output.of(session);
    for (Item item : Selected.items(session, session.words())) {
      List<JsonObject> subjects = new ArrayList<>(item.object().objects("subjects"));
      added.stream().filter(one -> !subjects.contains(one)).forEach(subjects::add);
      output.done(
          item,
          send(session, item, ApplyCommand.MERGE, JsonObject.of("subjects", subjects)),
          "subjects updated");
    }
    return 0;
  }
}
