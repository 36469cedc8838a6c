package dev.kedge.store;

/** The asked revision has been compacted away. */
public final class CompactedException extends StoreException {
  private final long compactRevision;

  public CompactedException(long asked, long compactRevision) {
    super("revision " + asked + " has been compacted (up to " + compactRevision + ")");
    this.compactRevision = compactRevision;
  }

  /** The last revision that was compacted. */
  public long compactRevision() {
    return compactRevision;
  }
}
