package dev.kedge.registry;

import dev.kedge.model.GroupVersionKind;

/** Strategies of the built-in kinds. */
final class Strategies {
  private Strategies() {}

  static Strategy of(GroupVersionKind kind) {
    return kind.kind().equals("CustomResourceDefinition")
        ? new DefinitionStrategy()
        : dev.kedge.registry.kinds.Strategies.of(kind);
  }
}
