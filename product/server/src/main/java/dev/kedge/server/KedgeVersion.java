package dev.kedge.server;

/** The versions that kedge reports. */
public final class KedgeVersion {
  /** kedge's own. */
  public static final String KEDGE = "0.1.0";

  /** The Kubernetes release whose API is served. */
  public static final String KUBERNETES = "1.36.0";

  /** As in {@code GET /version} and in a node's kubeletVersion. */
  public static final String GIT_VERSION = "v" + KUBERNETES + "+kedge" + KEDGE;

  private KedgeVersion() {}
}
