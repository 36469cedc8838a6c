package dev.kedge.registry.admission;

import dev.kedge.identity.User;
import dev.kedge.model.JsonArray;
import dev.kedge.model.JsonObject;
import dev.kedge.model.JsonString;
import dev.kedge.model.JsonValue;
import dev.kedge.model.KubeObject;
import dev.kedge.registry.AdmissionPlugin.Review;
import dev.kedge.registry.AdmissionPlugin.Version;
import java.util.List;
import java.util.TreeMap;

/** What reviews and expressions are told about a request. Stateless. */
final class Requests {
  private Requests() {}

  /** The fields of an {@code AdmissionRequest} that webhooks and expressions have in common. */
  static JsonObject admission(Review review, Version version, KubeObject shown) {
    Version asked = review.asked().version();
    return JsonObject.builder()
        .put("kind", kind(version))
        .put("resource", resource(version))
        .putNonEmpty("subResource", review.subresource())
        .put("requestKind", kind(asked))
        .put("requestResource", resource(asked))
        .putNonEmpty("requestSubResource", review.subresource())
        .putNonEmpty("name", Target.name(review, shown))
        .putNonEmpty("namespace", Target.namespace(review, shown))
        .put("operation", review.operation().name())
        .put("userInfo", user(review.user()))
        .put("dryRun", review.dryRun())
        .putNonEmpty("options", review.asked().options())
        .build();
  }

  private static JsonObject kind(Version version) {
    return JsonObject.of(
        "group", version.kind().group(),
        "version", version.kind().version(),
        "kind", version.kind().kind());
  }

  private static JsonObject resource(Version version) {
    return JsonObject.of(
        "group", version.resource().group(),
        "version", version.resource().version(),
        "resource", version.resource().plural());
  }

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
