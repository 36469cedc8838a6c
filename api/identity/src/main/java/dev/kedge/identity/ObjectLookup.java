package dev.kedge.identity;

import dev.kedge.model.KubeObject;
import dev.kedge.model.ResourceType;
import java.util.Optional;

/** Finds the current state of an object; the assembly implements it over the registry. */
@FunctionalInterface
public interface ObjectLookup {
  /** The object, if it is there; {@code namespace} empty for cluster-scoped resources. */
  Optional<KubeObject> find(ResourceType type, String namespace, String name);
}
