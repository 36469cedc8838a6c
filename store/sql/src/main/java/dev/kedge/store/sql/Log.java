package dev.kedge.store.sql;

/** How far the log reaches. Written by the writer thread, read by all. */
final class Log {
  private volatile long published;
  private volatile long compacted;
  private volatile long forgotten;

  Log(long published, long compacted) {
    this.published = published;
    this.compacted = compacted;
    this.forgotten = compacted;
  }

  /** The last revision that is durable and that every watch has been offered. */
  long published() {
    return published;
  }

  void publish(long revision) {
    published = revision;
  }

  /** Reads as of revisions before this one fail. */
  long compacted() {
    return compacted;
  }

  void compact(long revision) {
    compacted = revision;
    forget(revision);
  }

  /**
   * Lists as of revisions before this one fail, whether or not compaction was worth its writes yet:
   * how long they are good for does not depend on how busy the server is.
   */
  long forgotten() {
    return forgotten;
  }

  void forget(long revision) {
    forgotten = Math.max(forgotten, revision);
  }
}
