package dev.kedge.apiserver;

import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.atomic.DoubleAdder;
import java.util.concurrent.atomic.LongAdder;

/** Counts observations by size. Any thread. */
final class Histogram {
  private final double[] bounds;
  private final LongAdder[] buckets;
  private final DoubleAdder sum = new DoubleAdder();

  /** With these upper bounds, ascending; what is larger has a bucket of its own. */
  Histogram(double... bounds) {
    this.bounds = bounds;
    this.buckets = new LongAdder[bounds.length + 1];
    for (int i = 0; i < buckets.length; i++) {
      buckets[i] = new LongAdder();
    }
  }

  void record(double value) {
    int i = 0;
    while (i < bounds.length && value > bounds[i]) {
      i++;
    }
    buckets[i].increment();
    sum.add(value);
  }

  /** Whether anything was observed. */
  boolean any() {
    for (LongAdder bucket : buckets) {
      if (bucket.sum() > 0) {
        return true;
      }
    }
    return false;
  }

  void write(Exposition out, List<String> labels) {
    List<String> bounded = new ArrayList<>(labels);
    bounded.add("le");
    bounded.add("");
    long below = 0;
    for (int i = 0; i < buckets.length; i++) {
      below += buckets[i].sum();
      bounded.set(bounded.size() - 1, i < bounds.length ? Exposition.number(bounds[i]) : "+Inf");
      out.sample("_bucket", below, bounded);
    }
    out.sample("_sum", sum.sum(), labels);
    out.sample("_count", below, labels);
  }
}
