package dev.kedge.cli.kubectl;

import dev.kedge.cli.kubectl.Discovery.Served;
import dev.kedge.cli.kubectl.Targets.Target;
import dev.kedge.model.ApiException;
import dev.kedge.model.JsonObject;
import java.util.ArrayList;
import java.util.List;

/** {@code describe}. */
final class DescribeCommand {
  static final List<Flag> FLAGS =
      Flags.with(
          Manifests.FLAGS,
          Flag.toggle("all-namespaces", 'A', "Across all namespaces"),
          Flag.text("selector", 'l', "", "Selector (label query) to filter on"),
          Flag.on("show-events", "Display events related to the described object"));

  private DescribeCommand() {}

  static int run(Session session) {
    List<Item> items = new ArrayList<>();
    boolean failed = false;
    if (Manifests.given(session)) {
      for (Item item : Manifests.items(session)) {
        items.add(
            new Item(
                item.served(),
                item.namespace(),
                item.name(),
                session.get(item.served(), item.namespace(), item.name()),
                ""));
      }
    } else {
      if (session.words().isEmpty()) {
        throw new UsageException(
            "You must specify the type of resource to describe. Use \"kubectl api-resources\" for a"
                + " complete list of supported resources.");
      }
      String namespace = session.allNamespaces() ? "" : session.namespace();
      for (Target target : Targets.parse(session, session.words())) {
        Served served = target.served();
        if (target.names().isEmpty()) {
          session
              .list(served, namespace, session.arguments().text("selector"), "")
              .forEach(object -> items.add(item(served, object)));
        }
        for (String name : target.names()) {
          try {
            items.add(item(served, session.get(served, namespace, name)));
          } catch (ApiException e) {
            List<Item> similar =
                e.isNotFound() ? prefixed(session, served, namespace, name) : List.of();
            if (similar.isEmpty()) {
              Kubectl.report(session.console(), e, session.target().server());
              failed = true;
            }
            items.addAll(similar);
          }
        }
      }
    }
    if (items.isEmpty() && !failed) {
      session
          .err()
          .println(
              "No resources found"
                  + (session.allNamespaces() ? "" : " in " + session.namespace() + " namespace."));
    }
    boolean first = true;
    for (Item item : items) {
      session.out().print(first ? "" : "\n\n");
      first = false;
      session.out().print(Describer.text(session, item));
      session.out().flush();
    }
    return failed ? 1 : 0;
  }

  private static Item item(Served served, JsonObject object) {
    return new Item(
        served,
        object.text("metadata", "namespace"),
        object.text("metadata", "name"),
        Session.typed(object, served.type()),
        "");
  }

  /** As kubectl: a name that does not exist describes what begins with it. */
  private static List<Item> prefixed(
      Session session, Served served, String namespace, String prefix) {
    return session.list(served, namespace, "", "").stream()
        .filter(object -> object.text("metadata", "name").startsWith(prefix))
        .map(object -> item(served, object))
        .toList();
  }
}
