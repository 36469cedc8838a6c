package dev.kedge.server;

import dev.kedge.apiserver.OpenApiDocuments;
import dev.kedge.builtin.BuiltinResource;
import dev.kedge.builtin.OpenApi;
import dev.kedge.model.JsonObject;
import dev.kedge.registry.Catalog;
import dev.kedge.registry.ResourceInfo;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.function.Supplier;
import java.util.stream.Collectors;

/** Renders the OpenAPI documents of a catalogue from its schemas. */
final class ServedOpenApi implements OpenApiDocuments {
  @Override
  public JsonObject v2(Catalog catalog) {
    return OpenApi.v2(catalog.all().stream().map(ServedOpenApi::resource).toList());
  }

  @Override
  public Map<String, Supplier<JsonObject>> v3(Catalog catalog) {
    Map<String, List<ResourceInfo>> byVersion =
        catalog.all().stream()
            .collect(
                Collectors.groupingBy(
                    info ->
                        (info.type().group().isEmpty() ? "api/" : "apis/")
                            + info.type().apiVersion(),
                    LinkedHashMap::new,
                    Collectors.toList()));
    Map<String, Supplier<JsonObject>> documents = new LinkedHashMap<>();
    byVersion.forEach(
        (path, resources) -> {
          String group = resources.getFirst().type().group();
          String version = resources.getFirst().type().version();
          documents.put(
              path,
              () ->
                  OpenApi.v3(
                      group, version, resources.stream().map(ServedOpenApi::resource).toList()));
        });
    return documents;
  }

  private static OpenApi.Resource resource(ResourceInfo info) {
    return new OpenApi.Resource(
        info.type(),
        info.verbs(),
        info.subresources().stream()
            .map(sub -> new BuiltinResource.Subresource(sub.name(), sub.type(), sub.verbs()))
            .toList(),
        info.schema());
  }
}
