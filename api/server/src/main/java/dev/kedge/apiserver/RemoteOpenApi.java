package dev.kedge.apiserver;

import dev.kedge.apiserver.Aggregator.Remotes;
import dev.kedge.model.JsonArray;
import dev.kedge.model.JsonObject;
import dev.kedge.model.JsonValue;
import java.util.ArrayDeque;
import java.util.Deque;
import java.util.LinkedHashSet;
import java.util.Set;

/**
 * Puts what other servers say in their OpenAPI v2 documents into this server's: their paths, and
 * the definitions that those lead to. Stateless.
 */
final class RemoteOpenApi {
  private static final String REF = "#/definitions/";

  private RemoteOpenApi() {}

  static JsonObject merged(JsonObject own, Remotes remotes) {
    JsonObject.Builder paths = JsonObject.builder().putAll(own.object("paths"));
    JsonObject.Builder definitions = JsonObject.builder().putAll(own.object("definitions"));
    boolean any = false;
    for (RemoteApi api : remotes.all().values()) {
      JsonObject document = api.served().openApiV2();
      JsonObject theirs = document.object("definitions");
      Deque<String> open = new ArrayDeque<>();
      Set<String> needed = new LinkedHashSet<>();
      String prefix = api.version().path() + "/";
      document
          .object("paths")
          .forEach(
              (path, value) -> {
                if (path.startsWith(prefix) && !paths.has(path)) {
                  paths.put(path, value);
                  references(value, open);
                }
              });
      // Kinds without a path of their own, such as those that only watches name.
      theirs.forEach(
          (name, definition) -> {
            if (definition instanceof JsonObject object && isOf(api, object)) {
              open.add(name);
            }
          });
      while (!open.isEmpty()) {
        String name = open.remove();
        if (theirs.has(name) && !definitions.has(name) && needed.add(name)) {
          any = true;
          definitions.put(name, theirs.object(name));
          references(theirs.object(name), open);
        }
      }
    }
    return any ? own.with("paths", paths.build()).with("definitions", definitions.build()) : own;
  }

  private static boolean isOf(RemoteApi api, JsonObject definition) {
    return definition.objects("x-kubernetes-group-version-kind").stream()
        .anyMatch(
            kind ->
                kind.text("group").equals(api.version().group())
                    && kind.text("version").equals(api.version().version()));
  }

  private static void references(JsonValue value, Deque<String> found) {
    switch (value) {
      case JsonObject object -> {
        String reference = object.text("$ref");
        if (reference.startsWith(REF)) {
          found.add(reference.substring(REF.length()));
        }
        object.forEach((_, each) -> references(each, found));
      }
      case JsonArray array -> array.items().forEach(each -> references(each, found));
      default -> {
        // Leads nowhere.
      }
    }
  }
}
