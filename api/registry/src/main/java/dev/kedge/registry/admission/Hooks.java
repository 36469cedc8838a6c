package dev.kedge.registry.admission;

import dev.kedge.cel.Environment.InvalidException;
import dev.kedge.model.JsonObject;
import dev.kedge.model.KubeObject;
import dev.kedge.model.ResourceType;
import dev.kedge.registry.Objects;
import java.util.ArrayList;
import java.util.List;

/**
 * The webhooks of all configurations of one kind, by name of the configuration, as the watch cache
 * has them; made anew only when one has changed. Any thread.
 */
final class Hooks {
  private final ResourceType type;
  private final boolean mutating;
  private volatile Made made = new Made(List.of(), List.of());

  private record Made(List<Long> revisions, List<Hook> hooks) {}

  Hooks(ResourceType type, boolean mutating) {
    this.type = type;
    this.mutating = mutating;
  }

  List<Hook> all(Objects objects) {
    List<Long> present = objects.revisions(type);
    Made known = made;
    if (known.revisions().equals(present)) {
      return known.hooks();
    }
    List<Hook> hooks = new ArrayList<>();
    for (KubeObject configuration : objects.list(type, "")) {
      List<JsonObject> webhooks = configuration.json().objects("webhooks");
      for (int i = 0; i < webhooks.size(); i++) {
        try {
          hooks.add(Hook.of(configuration, i, webhooks.get(i), mutating));
        } catch (InvalidException e) {
          throw new IllegalStateException("a stored condition does not compile", e);
        }
      }
    }
    made = new Made(present, List.copyOf(hooks));
    return hooks;
  }
}
