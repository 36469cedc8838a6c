package dev.kedge.cli.kubectl;

import dev.kedge.cli.kubectl.Targets.Target;
import dev.kedge.model.ApiException;
import dev.kedge.model.JsonObject;
import dev.kedge.model.JsonPath;
import dev.kedge.model.JsonValue;
import java.time.Duration;
import java.time.Instant;
import java.util.ArrayList;
import java.util.List;

/** {@code wait}. */
final class WaitCommand {
  static final List<Flag> FLAGS =
      Flags.with(
          Selected.FLAGS,
          Output.FLAG,
          Flag.repeated(
              "for", '\0', "create, delete, condition=NAME[=VALUE], or jsonpath={EXPR}[=VALUE]"),
          Flag.text(
              "timeout", '\0', "30s", "How long to wait; 0 checks once, negative waits a week"));

  private WaitCommand() {}

  private interface Condition {
    boolean met(JsonObject object);
  }

  static int run(Session session) {
    List<String> all = session.arguments().list("for");
    if (all.size() != 1) {
      throw new UsageException(
          "exactly one --for is required: create, delete, condition=NAME[=VALUE], or"
              + " jsonpath={EXPR}[=VALUE]");
    }
    String what = all.getFirst();
    Duration limit = session.arguments().duration("timeout");
    Instant deadline = Instant.now().plus(limit.isNegative() ? Duration.ofDays(7) : limit);
    boolean deletion = what.equalsIgnoreCase("delete");
    boolean creation = what.equalsIgnoreCase("create");
    Condition condition = deletion || creation ? _ -> true : condition(what);
    List<Item> items = items(session, deletion || creation);
    if (items.isEmpty() && deletion) {
      return 0;
    }
    if (items.isEmpty()) {
      throw new UsageException("no matching resources found");
    }
    boolean failed = false;
    for (Item item : items) {
      boolean[] gone = {false};
      boolean done =
          deletion
              ? Waiting.gone(
                  session,
                  new Item(
                      item.served(),
                      item.namespace(),
                      item.name(),
                      JsonObject.of("uid", item.object().text("metadata", "uid")),
                      ""),
                  deadline)
              : Waiting.until(
                  session,
                  item,
                  deadline,
                  object -> {
                    if (object.isEmpty() && !creation) {
                      gone[0] = true;
                      return true;
                    }
                    return object.isPresent() && condition.met(object.get());
                  });
      if (gone[0]) {
        Kubectl.report(
            session.console(),
            ApiException.notFound(
                item.served().type().group(), item.served().type().plural(), item.name()),
            "");
        failed = true;
      } else if (!done) {
        session
            .err()
            .println(
                "error: timed out waiting for the condition on "
                    + item.served().type().plural()
                    + "/"
                    + item.name());
        failed = true;
      } else {
        session.out().print(item.shown() + " " + (deletion ? "deleted" : "condition met") + "\n");
        session.out().flush();
      }
    }
    return failed ? 1 : 0;
  }

  private static List<Item> items(Session session, boolean mayBeMissing) {
    if (!mayBeMissing || Manifests.given(session)) {
      return Selected.items(session, session.words());
    }
    List<Item> items = new ArrayList<>();
    for (Target target : Targets.parse(session, session.words())) {
      if (target.names().isEmpty()) {
        items.addAll(Selected.items(session, session.words()));
        return items;
      }
      for (String name : target.names()) {
        JsonObject object = JsonObject.EMPTY;
        try {
          object = session.get(target.served(), session.namespace(), name);
        } catch (ApiException e) {
          if (!e.isNotFound()) {
            throw e;
          }
        }
        items.add(
            new Item(
                target.served(),
                target.served().type().namespaced() ? session.namespace() : "",
                name,
                object,
                ""));
      }
    }
    return items;
  }

  private static Condition condition(String what) {
    if (what.startsWith("condition=")) {
      String[] parts = what.substring(10).split("=", 2);
      String value = parts.length == 2 ? parts[1] : "true";
      return object ->
          object.objects("status", "conditions").stream()
              .filter(c -> c.text("type").equalsIgnoreCase(parts[0]))
              .filter(
                  c ->
                      !c.has("observedGeneration")
                          || c.integer("observedGeneration")
                              >= object.integer("metadata", "generation"))
              .anyMatch(c -> c.text("status").equalsIgnoreCase(value));
    }
    if (what.startsWith("jsonpath=")) {
      String text = what.substring(9);
      int brace = text.lastIndexOf('}');
      boolean compares = brace >= 0 && brace + 1 < text.length() && text.charAt(brace + 1) == '=';
      if (brace < 0 && text.contains("=")) {
        brace = text.indexOf('=') - 1;
        compares = true;
      }
      String expression = compares ? text.substring(0, brace + 1) : text;
      String value = compares ? text.substring(brace + 2) : "";
      JsonPath path;
      try {
        path = JsonPath.path(expression.replace("'", ""));
      } catch (IllegalArgumentException e) {
        throw new UsageException(String.valueOf(e.getMessage()));
      }
      boolean wanted = compares;
      return object -> {
        List<JsonValue> found = path.find(object);
        return wanted
            ? found.size() == 1 && JsonPath.text(found.getFirst()).equals(value)
            : !found.isEmpty();
      };
    }
    throw new UsageException("unrecognized condition: \"" + what + "\"");
  }
}
