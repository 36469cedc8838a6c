package dev.kedge.registry.admission;

import dev.kedge.identity.User;
import dev.kedge.model.JsonArray;
import dev.kedge.model.JsonObject;
import dev.kedge.model.JsonString;
import dev.kedge.model.JsonValue;
import java.util.List;
import java.util.TreeMap;

/** What reviews and expressions are told about a request. Stateless. */
final class Requests {
  private Requests() {}

  /** An authentication.k8s.io {@code UserInfo}. */
  static JsonObject user(User user) {
    JsonObject.Builder extra = JsonObject.builder();
    new TreeMap<>(user.extra()).forEach((key, values) -> extra.put(key, texts(values)));
    return JsonObject.builder()
        .putNonEmpty("username", user.name())
        .putNonEmpty("uid", user.uid())
        .putNonEmpty("groups", texts(user.groups()))
        .putNonEmpty("extra", extra.build())
        .build();
  }

  private static JsonArray texts(List<String> texts) {
    return new JsonArray(texts.stream().<JsonValue>map(JsonString::new).toList());
  }
}
