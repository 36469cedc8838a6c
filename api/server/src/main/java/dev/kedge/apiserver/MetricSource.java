package dev.kedge.apiserver;

/** A part of the process that has something to tell at {@code /metrics}. Any thread. */
@FunctionalInterface
public interface MetricSource {
  /** Writes the part's families, each whole; must be quick and not block. */
  void write(Exposition out);
}
