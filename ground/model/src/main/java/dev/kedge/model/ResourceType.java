package dev.kedge.model;

/**
 * What a client must know to address a resource: group (empty for core), version, plural resource
 * name, kind, and whether it lives in namespaces.
 */
public record ResourceType(
    String group, String version, String plural, String kind, boolean namespaced) {
  /** {@code v1} for the core group, else {@code group/version}. */
  public String apiVersion() {
    return group.isEmpty() ? version : group + "/" + version;
  }

  public GroupVersionKind groupVersionKind() {
    return new GroupVersionKind(group, version, kind);
  }

  /** {@code pods}, {@code deployments.apps}: the name used in messages and in RBAC-like lists. */
  public String groupResource() {
    return group.isEmpty() ? plural : plural + "." + group;
  }

  /** The URL path of the collection ({@code namespace} empty: all namespaces or cluster-scoped). */
  public String path(String namespace) {
    String root = group.isEmpty() ? "/api/" + version : "/apis/" + group + "/" + version;
    return namespace.isEmpty()
        ? root + "/" + plural
        : root + "/namespaces/" + namespace + "/" + plural;
  }

  @Override
  public String toString() {
    return groupResource() + "/" + version;
  }
}
