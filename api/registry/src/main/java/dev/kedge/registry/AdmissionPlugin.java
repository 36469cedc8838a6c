package dev.kedge.registry;

import dev.kedge.identity.User;
import dev.kedge.model.ApiException;
import dev.kedge.model.KubeObject;
import dev.kedge.model.ResourceType;
import java.util.List;
import java.util.Optional;

/**
 * One step between decoding and storing that may change or refuse a request. The order of plugins
 * is one visible list; all of them change first ({@link #mutate}), then all of them judge ({@link
 * #validate}). Any thread.
 */
public interface AdmissionPlugin {
  /** Upstream's name, such as {@code LimitRanger}. */
  String name();

  /**
   * Changes the object of a create or update; not called for deletions.
   *
   * @throws ApiException if the request is refused
   */
  default KubeObject mutate(Review review, KubeObject object) {
    return object;
  }

  /**
   * Judges the final object.
   *
   * @throws ApiException if the request is refused
   */
  default void validate(Review review, KubeObject object) {}

  /**
   * Hears of every committed write, before its sender does; must be quick and must not fail.
   *
   * @param before empty for a creation
   * @param after empty for a removal
   */
  default void committed(
      ResourceType type,
      Optional<KubeObject> before,
      Optional<KubeObject> after,
      Objects objects) {}

  /** What is done with the object. */
  enum Operation {
    CREATE,
    UPDATE,
    DELETE,
    CONNECT
  }

  /**
   * What is asked, apart from the object itself.
   *
   * @param subresource empty for the object itself
   * @param name empty while a name is still to be generated
   * @param old the object before an update or deletion; for creations an object without fields
   * @param objects reads whatever else a decision needs
   * @param warnings takes what the sender should know
   */
  record Review(
      Operation operation,
      ResourceType type,
      String subresource,
      String namespace,
      String name,
      User user,
      KubeObject old,
      boolean dryRun,
      Objects objects,
      List<String> warnings) {
    /** Whether this is an operation on the resource itself, by its group and plural name. */
    public boolean on(ResourceType other) {
      return subresource.isEmpty()
          && type.plural().equals(other.plural())
          && type.group().equals(other.group());
    }

    /** Whether an object of the resource is being created. */
    public boolean creating(ResourceType other) {
      return operation == Operation.CREATE && on(other);
    }

    /** A refusal in upstream's words: {@code pods "x" is forbidden: why}. */
    public ApiException forbidden(String why) {
      return ApiException.forbidden(type.group(), type.plural(), name, why);
    }
  }
}
