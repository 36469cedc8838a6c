package dev.kedge.apiserver;

import dev.kedge.model.JsonObject;
import dev.kedge.registry.Catalog;
import java.util.Map;

/** Makes the OpenAPI documents of a catalogue; asked once per catalogue and path. Any thread. */
public interface OpenApiDocuments {
  /** Documents rendered from the schemas of what is served. */
  static OpenApiDocuments rendered() {
    return new RenderedOpenApi();
  }

  /** The document at {@code /openapi/v2}. */
  JsonObject v2(Catalog catalog);

  /**
   * The documents under {@code /openapi/v3/}, by path such as {@code apis/apps/v1} or {@code
   * version}; each is made when it is asked for.
   */
  Map<String, java.util.function.Supplier<JsonObject>> v3(Catalog catalog);
}
