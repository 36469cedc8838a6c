package dev.kedge.cli.kubectl;

import dev.kedge.cli.kubectl.Discovery.Served;
import dev.kedge.model.JsonObject;

/**
 * An object that a command works on.
 *
 * @param source file or address it was read from; empty for those of the server
 */
record Item(Served served, String namespace, String name, JsonObject object, String source) {
  /** {@code deployment.apps/web}. */
  String shown() {
    return served.singularName() + "/" + name;
  }
}
