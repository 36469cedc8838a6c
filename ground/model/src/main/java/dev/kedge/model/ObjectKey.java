package dev.kedge.model;

/** Identifies an object within one resource: namespace (empty if cluster-scoped) and name. */
public record ObjectKey(String namespace, String name) {
  @Override
  public String toString() {
    return namespace.isEmpty() ? name : namespace + "/" + name;
  }
}
