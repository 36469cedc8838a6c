package dev.kedge.registry;

import dev.kedge.identity.Authorizer.Attributes;
import dev.kedge.identity.Authorizer.Decision;
import dev.kedge.identity.RbacRule;
import dev.kedge.identity.TokenAuthenticator.Authenticated;
import dev.kedge.identity.TokenAuthenticator.InvalidTokenException;
import dev.kedge.identity.User;
import dev.kedge.model.ApiException;
import dev.kedge.model.JsonObject;
import dev.kedge.model.KubeObject;
import dev.kedge.model.Status.Cause;
import dev.kedge.registry.Registry.ServedList;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Set;
import java.util.function.BooleanSupplier;

/** Kinds that are questions and are never stored: reviews, and the health of components. */
final class Reviews {
  private static final Set<String> QUESTIONS =
      Set.of(
          "tokenreviews",
          "selfsubjectreviews",
          "subjectaccessreviews",
          "localsubjectaccessreviews",
          "selfsubjectaccessreviews",
          "selfsubjectrulesreviews",
          "componentstatuses");

  private final Identity identity;
  private final Map<String, BooleanSupplier> components;

  Reviews(Identity identity, Map<String, BooleanSupplier> components) {
    this.identity = identity;
    this.components = components;
  }

  boolean serves(Served served) {
    return !served.info().custom()
        && QUESTIONS.contains(served.plural())
        && (served.group().startsWith("auth") || served.group().isEmpty());
  }

  // Components.

  ServedObject get(Served served, String name) {
    BooleanSupplier healthy = components.get(name);
    if (healthy == null) {
      throw ApiException.notFound(served.group(), served.plural(), name);
    }
    return component(name, healthy);
  }

  ServedList list(Served served) {
    List<ServedObject> all = new ArrayList<>();
    components.entrySet().stream()
        .sorted(Map.Entry.comparingByKey())
        .forEach(entry -> all.add(component(entry.getKey(), entry.getValue())));
    return new ServedList(all, "", "", -1);
  }

  private static ServedObject component(String name, BooleanSupplier healthy) {
    boolean well = healthy.getAsBoolean();
    return ServedObject.of(
        new KubeObject(
            JsonObject.of(
                "kind",
                "ComponentStatus",
                "apiVersion",
                "v1",
                "metadata",
                JsonObject.of("name", name),
                "conditions",
                List.of(
                    JsonObject.of(
                        "type",
                        "Healthy",
                        "status",
                        well ? "True" : "False",
                        "message",
                        well ? "ok" : "not healthy")))));
  }

  // Questions.

  ServedObject create(Served served, KubeObject review, User user) {
    return ServedObject.of(
        switch (served.plural()) {
          case "tokenreviews" -> review.withStatus(token(review));
          case "selfsubjectreviews" -> review.withStatus(JsonObject.of("userInfo", userInfo(user)));
          case "subjectaccessreviews" -> access(served, review, asked(served, review));
          case "localsubjectaccessreviews" -> {
            String namespace = review.spec().text("resourceAttributes", "namespace");
            if (!namespace.equals(review.namespace())) {
              throw ApiException.badRequest(
                  "spec.resourceAttributes.namespace must match namespace: " + review.namespace());
            }
            yield access(served, review, asked(served, review));
          }
          case "selfsubjectaccessreviews" -> access(served, review, user);
          case "selfsubjectrulesreviews" -> review.withStatus(rules(review, user));
          default ->
              throw ApiException.methodNotSupported(served.group(), served.plural(), "create");
        });
  }

  private JsonObject token(KubeObject review) {
    String token = review.spec().text("token");
    if (token.isEmpty()) {
      throw ApiException.badRequest("token is required for TokenReview in authentication");
    }
    List<String> audiences = review.spec().strings("audiences");
    try {
      Authenticated known = identity.reviewer().review(token, audiences);
      return JsonObject.builder()
          .put("authenticated", true)
          .put("user", userInfo(known.user()))
          .putNonEmpty("audiences", known.audiences())
          .build();
    } catch (InvalidTokenException e) {
      return JsonObject.of("error", String.valueOf(e.getMessage()));
    }
  }

  private static JsonObject userInfo(User user) {
    JsonObject.Builder extra = JsonObject.builder();
    user.extra().keySet().stream()
        .sorted()
        .forEach(name -> extra.put(name, user.extra().getOrDefault(name, List.of())));
    return JsonObject.builder()
        .put("username", user.name())
        .putNonEmpty("uid", user.uid())
        .putNonEmpty("groups", user.groups())
        .putNonEmpty("extra", extra.build())
        .build();
  }

  private static User asked(Served served, KubeObject review) {
    JsonObject spec = review.spec();
    if (spec.text("user").isEmpty() && spec.array("groups").isEmpty()) {
      throw ApiException.invalid(
          served.group(),
          served.kind(),
          "",
          List.of(
              new Cause(
                  "FieldValueInvalid",
                  "Invalid value: \"\": at least one of user or group must be specified",
                  "spec.user")));
    }
    Map<String, List<String>> extra = new LinkedHashMap<>();
    JsonObject given = spec.object("extra");
    given.names().forEach(name -> extra.put(name.toLowerCase(Locale.ROOT), given.strings(name)));
    return new User(spec.text("user"), spec.text("uid"), spec.strings("groups"), extra);
  }

  private KubeObject access(Served served, KubeObject review, User user) {
    JsonObject resource = review.spec().object("resourceAttributes");
    JsonObject path = review.spec().object("nonResourceAttributes");
    boolean hasResource = review.spec().has("resourceAttributes");
    boolean hasPath = review.spec().has("nonResourceAttributes");
    if (hasResource == hasPath) {
      throw ApiException.invalid(
          served.group(),
          served.kind(),
          "",
          List.of(
              new Cause(
                  "FieldValueInvalid",
                  hasResource
                      ? "Invalid value: {}: cannot be specified in combination with"
                          + " resourceAttributes"
                      : "Invalid value: null: exactly one of nonResourceAttributes or"
                          + " resourceAttributes must be specified",
                  hasResource ? "spec.nonResourceAttributes" : "spec.resourceAttributes")));
    }
    Decision decision =
        identity
            .authorizer()
            .authorize(
                user,
                hasPath
                    ? Attributes.path(path.text("verb"), path.text("path"))
                    : new Attributes(
                        resource.text("verb"),
                        resource.text("group"),
                        resource.text("version"),
                        resource.text("resource"),
                        resource.text("subresource"),
                        resource.text("namespace"),
                        resource.text("name"),
                        ""));
    return review.withStatus(
        JsonObject.builder()
            .put("allowed", decision.allowed())
            .putNonEmpty("reason", decision.reason())
            .build());
  }

  private JsonObject rules(KubeObject review, User user) {
    String namespace = review.spec().text("namespace");
    if (namespace.isEmpty()) {
      throw ApiException.badRequest("no namespace on request");
    }
    List<JsonObject> resources = new ArrayList<>();
    List<JsonObject> paths = new ArrayList<>();
    for (RbacRule rule : identity.rbac().rulesFor(user, namespace)) {
      JsonObject json = rule.json();
      (json.array("nonResourceURLs").isEmpty() ? resources : paths).add(json);
    }
    return JsonObject.of(
        "resourceRules", resources, "nonResourceRules", paths, "incomplete", false);
  }
}
