package dev.kedge.registry;

import dev.kedge.model.JsonObject;
import dev.kedge.model.JsonValue;
import org.snakeyaml.engine.v2.api.Load;
import org.snakeyaml.engine.v2.api.LoadSettings;

/** Reads YAML in flow style, so that objects in tests stay short. */
final class Relaxed {
  private Relaxed() {}

  static JsonObject parse(String text) {
    return (JsonObject) JsonValue.of(new Load(LoadSettings.builder().build()).loadFromString(text));
  }
}
