package dev.kedge.apiserver;

import dev.kedge.model.ApiException;

/**
 * The form an answer is asked for in.
 *
 * @param mediaType JSON, YAML or protobuf
 * @param shape the objects themselves, or what is made of them
 * @param pretty whether JSON is indented
 */
record Form(String mediaType, Shape shape, boolean pretty) {
  /** What objects are shown as. */
  enum Shape {
    OBJECT,
    /** {@code meta.k8s.io/v1 Table}. */
    TABLE,
    /** {@code PartialObjectMetadata} and its list. */
    METADATA
  }

  static final Form JSON = new Form(MediaType.JSON, Shape.OBJECT, false);

  /**
   * Chooses the first form of the Accept header that can be given.
   *
   * @param protobuf whether the objects have a protobuf form
   * @param shapes whether tables and metadata can be given
   * @param list whether the metadata form asked for is that of lists
   * @throws ApiException 406 if none can
   */
  static Form of(Call call, boolean protobuf, boolean shapes, boolean list) {
    for (MediaType clause : MediaType.accepted(call.headers().values("Accept"))) {
      String as = clause.parameter("as");
      Shape shape = Shape.OBJECT;
      if (!as.isEmpty()) {
        boolean known =
            clause.parameter("g").equals("meta.k8s.io") && clause.parameter("v").equals("v1");
        if (!shapes || !known) {
          continue;
        }
        if (as.equals("Table")) {
          shape = Shape.TABLE;
        } else if (as.equals(list ? "PartialObjectMetadataList" : "PartialObjectMetadata")) {
          shape = Shape.METADATA;
        } else {
          continue;
        }
      }
      if (clause.accepts(MediaType.JSON)) {
        return new Form(MediaType.JSON, shape, Answers.pretty(call));
      }
      if (clause.accepts(MediaType.YAML)) {
        return new Form(MediaType.YAML, shape, false);
      }
      if (protobuf && shape != Shape.TABLE && clause.accepts(MediaType.PROTOBUF)) {
        return new Form(MediaType.PROTOBUF, shape, false);
      }
    }
    throw Answers.notAcceptable();
  }
}
