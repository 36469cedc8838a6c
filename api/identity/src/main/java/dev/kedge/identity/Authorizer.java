package dev.kedge.identity;

/** Decides whether a user may do something. Any thread. */
public interface Authorizer {
  /** The decision on one request. */
  Decision authorize(User user, Attributes attributes);

  /**
   * What is asked for: a resource request, or (with {@code path} set) a request outside resources.
   *
   * @param verb get, list, watch, create, update, patch, delete, deletecollection, …; for paths the
   *     HTTP method in small letters
   * @param subresource empty for the object itself
   * @param path empty for resource requests
   */
  record Attributes(
      String verb,
      String group,
      String version,
      String resource,
      String subresource,
      String namespace,
      String name,
      String path) {
    /** A request for a URL outside resources. */
    public static Attributes path(String verb, String path) {
      return new Attributes(verb, "", "", "", "", "", "", path);
    }
  }

  /**
   * The outcome.
   *
   * @param reason for people; may be empty
   */
  record Decision(boolean allowed, String reason) {}
}
