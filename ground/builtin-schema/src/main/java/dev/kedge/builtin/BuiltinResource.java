package dev.kedge.builtin;

import dev.kedge.model.ResourceType;
import dev.kedge.model.Schema;
import java.util.List;
import java.util.Optional;
import java.util.Set;

/**
 * What discovery tells about one built-in resource.
 *
 * @param singular such as {@code pod}
 * @param verbs such as create, delete, deletecollection, get, list, patch, update, watch
 * @param subresources in the order of their names
 */
public record BuiltinResource(
    ResourceType type,
    String singular,
    List<String> shortNames,
    List<String> categories,
    Set<String> verbs,
    List<Subresource> subresources) {

  public BuiltinResource {
    shortNames = List.copyOf(shortNames);
    categories = List.copyOf(categories);
    verbs = Set.copyOf(verbs);
    subresources = List.copyOf(subresources);
  }

  /**
   * A subresource.
   *
   * @param name such as {@code status}, {@code scale}, {@code log}
   * @param type group, version and kind of its documents (autoscaling/v1 Scale), with the plural of
   *     the resource it belongs to
   */
  public record Subresource(String name, ResourceType type, Set<String> verbs) {
    public Subresource {
      verbs = Set.copyOf(verbs);
    }
  }

  /** The schema of its documents. */
  public Schema schema() {
    return BuiltinSchemas.ofKind(type.groupVersionKind());
  }

  /** The subresource of a name. */
  public Optional<Subresource> subresource(String name) {
    return subresources.stream().filter(sub -> sub.name().equals(name)).findFirst();
  }
}
