package dev.kedge.apiserver;

import dev.kedge.builtin.BuiltinResource;
import dev.kedge.builtin.OpenApi;
import dev.kedge.model.JsonObject;
import dev.kedge.registry.Catalog;
import dev.kedge.registry.ResourceInfo;
import java.util.ArrayList;
import java.util.Collection;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.function.Supplier;

/** Renders the documents from the schemas of what is served. Stateless. */
final class RenderedOpenApi implements OpenApiDocuments {

  @Override
  public JsonObject v2(Catalog catalog) {
    return OpenApi.v2(resources(catalog.all()));
  }

  @Override
  public Map<String, Supplier<JsonObject>> v3(Catalog catalog) {
    Map<String, List<ResourceInfo>> versions = new LinkedHashMap<>();
    for (ResourceInfo info : catalog.all()) {
      String group = info.type().group();
      String path =
          group.isEmpty()
              ? "api/" + info.type().version()
              : "apis/" + group + "/" + info.type().version();
      versions.computeIfAbsent(path, _ -> new ArrayList<>()).add(info);
    }
    Map<String, Supplier<JsonObject>> all = new LinkedHashMap<>();
    OpenApi.roots(catalog.all().stream().map(ResourceInfo::type).toList())
        .forEach(path -> all.put(path, () -> OpenApi.v3(path)));
    versions.forEach(
        (path, infos) ->
            all.put(
                path,
                () ->
                    OpenApi.v3(
                        infos.getFirst().type().group(),
                        infos.getFirst().type().version(),
                        resources(infos))));
    return all;
  }

  private static List<OpenApi.Resource> resources(Collection<ResourceInfo> infos) {
    return infos.stream().map(RenderedOpenApi::resource).toList();
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
