package dev.kedge.store.snapshot;

import java.time.Instant;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import java.util.Optional;

/**
 * Where snapshots are kept. Methods block; faults that the operator can mend are {@link
 * dev.kedge.lifecycle.UserException}.
 */
public sealed interface SnapshotPlace permits SnapshotDirectory, S3Bucket {
  /** What is there, oldest first. */
  List<Kept> list();

  /**
   * Removes a snapshot.
   *
   * @throws dev.kedge.lifecycle.UserException if there is no such
   */
  void delete(String name);

  /**
   * A snapshot that is kept.
   *
   * @param location as a URL
   * @param size bytes
   * @param created when it came there
   * @param header empty where it would have to be fetched for that
   */
  record Kept(
      String name, String location, long size, Instant created, Optional<SnapshotHeader> header) {}

  /**
   * Removes all but the newest of a series.
   *
   * @param kept how many stay
   * @return the names of those removed
   */
  default List<String> prune(String series, int kept) {
    List<SnapshotName> names = new ArrayList<>();
    for (Kept each : list()) {
      SnapshotName.parse(each.name())
          .filter(name -> name.series().equals(series))
          .ifPresent(names::add);
    }
    names.sort(Comparator.comparing(SnapshotName::taken));
    List<String> removed =
        names.subList(0, Math.max(0, names.size() - kept)).stream()
            .map(SnapshotName::toString)
            .toList();
    removed.forEach(this::delete);
    return removed;
  }
}
