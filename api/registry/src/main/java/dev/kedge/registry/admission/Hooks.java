package dev.kedge.registry.admission;

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

  private record Made(List<KubeObject> configurations, List<Hook> hooks) {
    /** The cache hands out the same document as long as it is not changed. */
    boolean isOf(List<KubeObject> present) {
      if (present.size() != configurations.size()) {
        return false;
      }
      for (int i = 0; i < present.size(); i++) {
        if (present.get(i) != configurations.get(i)) {
          return false;
        }
      }
      return true;
    }
  }

  Hooks(ResourceType type, boolean mutating) {
    this.type = type;
    this.mutating = mutating;
  }

  List<Hook> all(Objects objects) {
    List<KubeObject> present = objects.list(type, "");
    Made known = made;
    if (known.isOf(present)) {
      return known.hooks();
    }
    List<Hook> hooks = new ArrayList<>();
    for (KubeObject configuration : present) {
      List<JsonObject> webhooks = configuration.json().objects("webhooks");
      for (int i = 0; i < webhooks.size(); i++) {
        hooks.add(Hook.of(configuration, i, webhooks.get(i), mutating));
      }
    }
    made = new Made(present, List.copyOf(hooks));
    return hooks;
  }
}
