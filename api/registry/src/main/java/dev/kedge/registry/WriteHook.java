package dev.kedge.registry;

import dev.kedge.model.ApiException;
import dev.kedge.model.KubeObject;
import java.util.Optional;

/**
 * A part of the server that takes part in every write of some kinds: allocators, and the catalogue
 * of custom resources. Any thread.
 */
interface WriteHook {
  /**
   * May fill in the object that is about to be created.
   *
   * @param rollback takes what must be undone unless the object is committed
   * @throws ApiException if the object cannot be created
   */
  default KubeObject beforeCreate(
      StoredKind kind, KubeObject object, boolean dryRun, Rollback rollback) {
    return object;
  }

  /** May fill in the object that is about to replace another. */
  default KubeObject beforeUpdate(
      StoredKind kind, KubeObject object, KubeObject old, Aspect aspect, Rollback rollback) {
    return object;
  }

  /**
   * Hears of a committed write, before its sender does.
   *
   * @param before empty for a creation
   * @param after empty for a removal
   */
  default void committed(
      StoredKind kind, Optional<KubeObject> before, Optional<KubeObject> after) {}
}
