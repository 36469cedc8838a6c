package dev.kedge.node;

import java.time.Duration;
import java.time.Instant;
import java.util.HashMap;
import java.util.Map;

/**
 * Growing pauses by key: the first after one failure, doubled up to the longest, forgotten after
 * twice the longest without failure. Used by one thread.
 */
final class Backoff {
  private final Duration first;
  private final Duration longest;
  private final Map<String, Entry> entries = new HashMap<>();

  private record Entry(Duration pause, Instant updated) {}

  Backoff(Duration first, Duration longest) {
    this.first = first;
    this.longest = longest;
  }

  /** How long still to wait after a failure at an instant; zero where it may be tried. */
  Duration remaining(String key, Instant failed, Instant now) {
    Entry entry = entries.get(key);
    if (entry == null || expired(entry, failed)) {
      return Duration.ZERO;
    }
    Duration left = Duration.between(now, failed.plus(entry.pause));
    return left.isNegative() ? Duration.ZERO : left;
  }

  /** The pause that holds now. */
  Duration pause(String key) {
    Entry entry = entries.get(key);
    return entry == null ? Duration.ZERO : entry.pause;
  }

  /** Notes a try after a failure at an instant: the next pause is longer. */
  void next(String key, Instant failed, Instant now) {
    Entry entry = entries.get(key);
    Duration pause = first;
    if (entry != null && !expired(entry, failed)) {
      Duration doubled = entry.pause.multipliedBy(2);
      pause = doubled.compareTo(longest) > 0 ? longest : doubled;
    }
    entries.put(key, new Entry(pause, now));
  }

  void forget(String key) {
    entries.remove(key);
  }

  private boolean expired(Entry entry, Instant failed) {
    return Duration.between(entry.updated, failed).compareTo(longest.multipliedBy(2)) > 0;
  }

  /** As Go prints durations: 10s, 1m20s, 5m0s. */
  static String format(Duration duration) {
    long seconds = duration.toSeconds();
    if (seconds < 60) {
      return seconds + "s";
    }
    return seconds < 3600
        ? seconds / 60 + "m" + seconds % 60 + "s"
        : seconds / 3600 + "h" + seconds % 3600 / 60 + "m" + seconds % 60 + "s";
  }
}
