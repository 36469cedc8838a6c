package dev.kedge.cli.kubectl;

import dev.kedge.cli.kubectl.Targets.Target;
import dev.kedge.model.JsonObject;
import java.util.ArrayList;
import java.util.List;

/**
 * The objects that {@code -f}, names, {@code -l} and {@code --all} select, as the server has them.
 */
final class Selected {
  static final List<Flag> FLAGS =
      Flags.with(
          Manifests.FLAGS,
          Flag.toggle("all", "Select all resources of the given types"),
          Flag.toggle("all-namespaces", 'A', "Across all namespaces"),
          Flag.text("selector", 'l', "", "Selector (label query) to filter on"),
          Flag.text("field-selector", "Selector (field query) to filter on"));

  private Selected() {}

  static List<Item> items(Session session, List<String> words) {
    List<Item> items = new ArrayList<>();
    if (Manifests.given(session)) {
      for (Item item : Manifests.items(session)) {
        items.add(
            new Item(
                item.served(),
                item.namespace(),
                item.name(),
                session.get(item.served(), item.namespace(), item.name()),
                item.source()));
      }
      return items;
    }
    if (words.isEmpty()) {
      throw new UsageException(
          "one or more resources must be specified as <resource> <name> or <resource>/<name>");
    }
    String labels =
        session.arguments().given("selector") ? session.arguments().text("selector") : "";
    String fields =
        session.arguments().given("field-selector")
            ? session.arguments().text("field-selector")
            : "";
    boolean all = session.arguments().given("all") && session.arguments().on("all");
    for (Target target : Targets.parse(session, words)) {
      if (target.names().isEmpty()) {
        if (labels.isEmpty() && fields.isEmpty() && !all) {
          throw new UsageException("resource(s) were provided, but no name was specified");
        }
        String namespace = session.allNamespaces() ? "" : session.namespace();
        for (JsonObject object : session.list(target.served(), namespace, labels, fields)) {
          items.add(item(target, object));
        }
      }
      for (String name : target.names()) {
        items.add(item(target, session.get(target.served(), session.namespace(), name)));
      }
    }
    return items;
  }

  private static Item item(Target target, JsonObject object) {
    return new Item(
        target.served(),
        object.text("metadata", "namespace"),
        object.text("metadata", "name"),
        object,
        "");
  }
}
