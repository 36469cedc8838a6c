package dev.kedge.node;

/** Names of images as users write them, and their full form. */
final class ImageName {
  private ImageName() {}

  /**
   * The full form: {@code nginx} becomes {@code docker.io/library/nginx:latest}; a digest stays and
   * takes the place of the default tag.
   */
  static String normalize(String name) {
    int slash = name.indexOf('/');
    String first = slash < 0 ? "" : name.substring(0, slash);
    String full;
    if (first.contains(".") || first.contains(":") || first.equals("localhost")) {
      full = name;
    } else {
      full = "docker.io/" + (slash < 0 ? "library/" : "") + name;
    }
    if (full.startsWith("index.docker.io/")) {
      full = full.substring(6);
    }
    String last = full.substring(full.lastIndexOf('/') + 1);
    return last.contains("@") || last.contains(":") ? full : full + ":latest";
  }

  /** The tag that decides the default pull policy; empty for names by digest alone. */
  static String tag(String name) {
    String withoutDigest = name.contains("@") ? name.substring(0, name.indexOf('@')) : name;
    String last = withoutDigest.substring(withoutDigest.lastIndexOf('/') + 1);
    int colon = last.indexOf(':');
    return colon >= 0 ? last.substring(colon + 1) : name.contains("@") ? "" : "latest";
  }
}
