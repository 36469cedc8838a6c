package dev.kedge.registry;

import dev.kedge.model.ApiException;
import dev.kedge.model.Json;
import dev.kedge.model.JsonObject;
import dev.kedge.model.JsonSyntaxException;
import java.util.Base64;

/**
 * Where a list goes on: base64 of {@code {"v":"meta.k8s.io/v1","rv":…,"start":…}} as upstream has
 * it; opaque to clients.
 *
 * @param revision what the first page showed; -1 means the current state (an inconsistent
 *     continuation after that was compacted)
 * @param start rest of the key to go on at, after the collection's prefix
 */
record ContinueToken(long revision, String start) {
  private static final String VERSION = "meta.k8s.io/v1";

  String encode() {
    return Base64.getUrlEncoder()
        .withoutPadding()
        .encodeToString(Json.bytes(JsonObject.of("v", VERSION, "rv", revision, "start", start)));
  }

  /**
   * Reads a token.
   *
   * @throws ApiException 400 if it was not made by {@link #encode}
   */
  static ContinueToken decode(String text) {
    try {
      JsonObject token = Json.parseObject(Base64.getUrlDecoder().decode(text));
      if (!token.text("v").equals(VERSION)) {
        throw ApiException.badRequest(
            "continue key is not valid: server does not recognize this encoded version \""
                + token.text("v")
                + "\"");
      }
      String start = token.text("start");
      long revision = token.integer("rv");
      if (revision == 0) {
        throw ApiException.badRequest(
            "continue key is not valid: incorrect encoded start resourceVersion (version"
                + " meta.k8s.io/v1)");
      }
      if (start.isEmpty()) {
        throw ApiException.badRequest(
            "continue key is not valid: encoded start key empty (version meta.k8s.io/v1)");
      }
      if (("/" + start + "/").contains("/../") || start.startsWith("/")) {
        throw ApiException.badRequest("continue key is not valid: " + start);
      }
      return new ContinueToken(revision, start);
    } catch (IllegalArgumentException | JsonSyntaxException e) {
      throw ApiException.badRequest("continue key is not valid: " + e.getMessage());
    }
  }
}
