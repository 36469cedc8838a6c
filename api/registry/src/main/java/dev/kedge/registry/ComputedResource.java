package dev.kedge.registry;

import dev.kedge.model.ApiException;
import dev.kedge.model.JsonObject;
import dev.kedge.model.KubeObject;
import dev.kedge.model.ResourceType;
import dev.kedge.model.SchemaFromCrd;
import dev.kedge.registry.Registry.ListOptions;
import dev.kedge.registry.Registry.ServedList;
import dev.kedge.registry.ResourceInfo.Column;
import dev.kedge.store.cache.IndexRow;
import dev.kedge.store.cache.Selection;
import java.util.List;
import java.util.Map;
import java.util.Set;

/**
 * A resource that is never stored: its objects are made when somebody asks. It can be read and
 * listed, not watched or written.
 *
 * @param info what discovery tells about it
 * @param source makes the objects
 */
public record ComputedResource(ResourceInfo info, Source source) {
  /** Makes the objects of a computed resource. Any thread. */
  @FunctionalInterface
  public interface Source {
    /** The objects of now, of a namespace, or of all where that is empty. */
    List<KubeObject> list(String namespace);
  }

  /**
   * A computed resource.
   *
   * @param schema its OpenAPI schema, as a CustomResourceDefinition has it
   * @param columns what {@code kubectl get} shows besides the name
   */
  public static ComputedResource of(
      ResourceType type, JsonObject schema, List<Column> columns, Source source) {
    return new ComputedResource(
        new ResourceInfo(
            type,
            "",
            List.of(),
            List.of(),
            Set.of("get", "list"),
            List.of(),
            SchemaFromCrd.of(schema, Documents.objectMeta()),
            columns,
            true),
        source);
  }

  ServedObject get(Served served, String namespace, String name) {
    return source.list(namespace).stream()
        .filter(object -> object.name().equals(name))
        .findFirst()
        .map(ServedObject::of)
        .orElseThrow(() -> ApiException.notFound(served.group(), served.plural(), name));
  }

  ServedList list(Served served, String namespace, ListOptions options) {
    Selection selection =
        Selections.of(served, namespace, options.labelSelector(), options.fieldSelector());
    List<ServedObject> all =
        source.list(namespace).stream()
            .filter(
                object ->
                    selection.matches(
                        new IndexRow(object.namespace(), object.name(), object.labels(), Map.of())))
            .map(ServedObject::of)
            .toList();
    return new ServedList(all, "", "", -1);
  }
}
