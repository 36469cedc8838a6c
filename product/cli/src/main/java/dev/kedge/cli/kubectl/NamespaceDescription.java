package dev.kedge.cli.kubectl;

import static dev.kedge.cli.kubectl.DescriptionWriter.joined;

import dev.kedge.model.JsonObject;
import java.util.List;

/** Describes namespaces, with the names of what bounds them. */
final class NamespaceDescription {
  private NamespaceDescription() {}

  static void write(Described namespace) {
    namespace.head();
    namespace.out().field("Status", namespace.status().text("phase"));
    bounds(namespace, "resourcequotas", "No resource quota.");
    bounds(namespace, "limitranges", "No LimitRange resource.");
  }

  private static void bounds(Described namespace, String resource, String none) {
    List<JsonObject> all = namespace.list(resource, namespace.item().name(), "", "");
    namespace.out().blank();
    namespace
        .out()
        .line(
            all.isEmpty()
                ? none
                : resource + ": " + joined(all, object -> object.text("metadata", "name")));
  }
}
