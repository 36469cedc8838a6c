package dev.kedge.benchmarks;

import java.util.Arrays;
import java.util.Locale;

/** Durations in nanoseconds. Any thread adds. */
final class Timings {
  private long[] all = new long[1024];
  private int count;

  synchronized void add(long nanos) {
    if (count == all.length) {
      all = Arrays.copyOf(all, 2 * count);
    }
    all[count++] = nanos;
  }

  synchronized int count() {
    return count;
  }

  /** The duration that a share of them does not exceed, in milliseconds. */
  synchronized double millis(double share) {
    if (count == 0) {
      return Double.NaN;
    }
    long[] sorted = Arrays.copyOf(all, count);
    Arrays.sort(sorted);
    return sorted[Math.min(count - 1, (int) (share * count))] / 1e6;
  }

  @Override
  public String toString() {
    return String.format(Locale.ROOT, "p50 %.2f ms, p99 %.2f ms", millis(0.5), millis(0.99));
  }
}
