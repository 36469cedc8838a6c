package dev.kedge.cel;

/** Answers an expression's questions about what users may do: the variable {@code authorizer}. */
@FunctionalInterface
public interface Access {
  /** The decision. */
  Decision check(Question question);

  /**
   * What is asked.
   *
   * @param account namespace and name of the service account that is asked about, as {@code
   *     namespace:name}; empty for the request's user
   * @param path set for requests outside resources
   */
  record Question(
      String account,
      String path,
      String group,
      String resource,
      String subresource,
      String namespace,
      String name,
      String verb) {}

  /**
   * The outcome.
   *
   * @param error empty unless the question could not be answered
   */
  record Decision(boolean allowed, String reason, String error) {}

  /** The declaration of the variable. */
  Declaration VARIABLE = Declaration.of(Signatures.AUTHORIZER, Long.MAX_VALUE, 0);

  /**
   * The value of the variable.
   *
   * @param request what {@code authorizer.requestResource} asks about
   */
  static Object authorizer(Access access, Question request) {
    return new Authorizer(access, new Question("", "", "", "", "", "", "", ""), request);
  }

  /** A question in the making. */
  record Authorizer(Access access, Question question, Question request) {}

  /** A question about a path. */
  record PathCheck(Access access, Question question) {}

  /** A question about a group. */
  record GroupCheck(Access access, Question question) {}

  /** A question about a resource. */
  record ResourceCheck(Access access, Question question) {}
}
