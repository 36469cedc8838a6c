package dev.kedge.store;

/** The asked revision has been compacted away. */
public final class CompactedException extends StoreException {
  private final long asked;
  private final long compactRevision;

  public CompactedException(long asked, long compactRevision) {
    super("revision " + asked + " has been compacted (up to " + compactRevision + ")");
    this.asked = asked;
    this.compactRevision = compactRevision;
  }

  /** The revision that was asked for. */
  public long asked() {
    return asked;
  }

  /** The last revision that was compacted. */
  public long compactRevision() {
    return compactRevision;
  }
}
