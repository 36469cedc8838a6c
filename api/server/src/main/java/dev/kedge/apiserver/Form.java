package dev.kedge.apiserver;

import dev.kedge.model.ApiException;

/**
 * The form an answer is asked for in.
 *
 * @param mediaType JSON, YAML or protobuf
 * @param shape the objects themselves, or what is made of them
 * @param version of {@code meta.k8s.io}: of tables and metadata, which v1 and v1beta1 have alike
 * @param pretty whether JSON is indented
 */
record Form(String mediaType, Shape shape, String version, boolean pretty) {
  /** What objects are shown as. */
  enum Shape {
    OBJECT,
    /** {@code Table}. */
    TABLE,
    /** {@code PartialObjectMetadata} and its list. */
    METADATA
  }

  static final Form JSON = new Form(MediaType.JSON, Shape.OBJECT, "v1", false);

  /** The group and version of tables and metadata. */
  String groupVersion() {
    return "meta.k8s.io/" + version;
  }

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
      String version = "v1";
      if (!as.isEmpty()) {
        version = clause.parameter("v");
        boolean known =
            clause.parameter("g").equals("meta.k8s.io")
                && (version.equals("v1") || version.equals("v1beta1"));
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
        return new Form(MediaType.JSON, shape, version, Answers.pretty(call));
      }
      if (clause.accepts(MediaType.YAML)) {
        return new Form(MediaType.YAML, shape, version, false);
      }
      if (protobuf && shape != Shape.TABLE && clause.accepts(MediaType.PROTOBUF)) {
        return new Form(MediaType.PROTOBUF, shape, version, false);
      }
    }
    throw Answers.notAcceptable();
  }
}
