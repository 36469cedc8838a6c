package dev.kedge.store.snapshot;

import java.time.Instant;
import java.util.Optional;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/**
 * A snapshot's name, as K3s makes it: {@code <base>-<node>-<seconds since 1970>}.
 *
 * @param series base and node: those of one series replace each other
 */
public record SnapshotName(String series, Instant taken) {
  private static final Pattern FORM = Pattern.compile("(.+)-(\\d{1,12})");

  /** Names a snapshot that is taken now. */
  public static SnapshotName of(String base, String node, Instant taken) {
    return new SnapshotName(base + "-" + node, taken);
  }

  /** Empty for names that somebody else chose. */
  static Optional<SnapshotName> parse(String name) {
    Matcher form = FORM.matcher(name);
    return form.matches()
        ? Optional.of(
            new SnapshotName(form.group(1), Instant.ofEpochSecond(Long.parseLong(form.group(2)))))
        : Optional.empty();
  }

  @Override
  public String toString() {
    return series + "-" + taken.getEpochSecond();
  }
}
