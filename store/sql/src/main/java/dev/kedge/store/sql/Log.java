package dev.kedge.store.sql;

/** How far the log reaches. Written by the writer thread, read by all. */
final class Log {
  private volatile long published;
  private volatile long compacted;

  Log(long published, long compacted) {
    this.published = published;
    this.compacted = compacted;
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
  }
}
