package dev.kedge.registry;

import dev.kedge.model.ResourceType;
import dev.kedge.model.Schema;
import java.util.List;
import java.util.Optional;
import java.util.Set;

/**
 * One served resource of one version, built-in or custom: what discovery tells about it and how its
 * documents are shaped.
 *
 * @param singular such as {@code pod}
 * @param verbs create, delete, deletecollection, get, list, patch, update, watch; empty for virtual
 *     resources that only carry subresources
 * @param columns printer columns of a custom resource; built-ins have theirs in the server's tables
 * @param custom whether it is described as a CustomResourceDefinition describes its resource
 */
public record ResourceInfo(
    ResourceType type,
    String singular,
    List<String> shortNames,
    List<String> categories,
    Set<String> verbs,
    List<Subresource> subresources,
    Schema schema,
    List<Column> columns,
    boolean custom) {

  public ResourceInfo {
    shortNames = List.copyOf(shortNames);
    categories = List.copyOf(categories);
    verbs = Set.copyOf(verbs);
    subresources = List.copyOf(subresources);
    columns = List.copyOf(columns);
  }

  /**
   * A subresource.
   *
   * @param name such as {@code status}, {@code scale}, {@code log}
   * @param type group, version and kind of its documents, such as autoscaling/v1 Scale
   * @param verbs such as get, patch, update
   */
  public record Subresource(String name, ResourceType type, Set<String> verbs) {
    public Subresource {
      verbs = Set.copyOf(verbs);
    }
  }

  /** An additional printer column of a custom resource ({@code additionalPrinterColumns}). */
  public record Column(
      String name, String type, String format, String description, int priority, String jsonPath) {}

  /** Whether the program makes the objects when asked: nobody defined it, nobody can write it. */
  public boolean computed() {
    return custom && !verbs.contains("create");
  }

  /** The subresource of a name. */
  public Optional<Subresource> subresource(String name) {
    return subresources.stream().filter(sub -> sub.name().equals(name)).findFirst();
  }
}
