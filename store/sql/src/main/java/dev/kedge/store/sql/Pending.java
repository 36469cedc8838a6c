package dev.kedge.store.sql;

import dev.kedge.store.Store.Entry;
import dev.kedge.store.StoreWatch.Event;
import dev.kedge.store.sql.WriteSession.Row;
import dev.kedge.store.sql.WriteSession.Standing;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.concurrent.ConcurrentHashMap;
import org.jspecify.annotations.Nullable;

/**
 * Changes that were acknowledged and that the database does not have yet. All of them go into the
 * writer's next transaction together, in front of whatever else that has, so the database always
 * has all changes up to some revision and these are all after that. The writer changes it; any
 * thread reads.
 *
 * <p>A change is added before its revision is published, and removed after its commit. So who first
 * reads how far the log is published, then this, then the database, finds every change up to there.
 */
final class Pending {
  /**
   * A change.
   *
   * @param row what the database will have of it
   * @param event what watches are told of it
   */
  record Change(Row row, Event event) {}

  private volatile List<Change> changes = List.of();
  private final Map<String, Change> last = new ConcurrentHashMap<>();

  /** In the order of revisions. */
  List<Change> changes() {
    return changes;
  }

  /** A key's last change, if the database does not have it. */
  @Nullable Change last(String key) {
    return last.get(key);
  }

  boolean isEmpty() {
    return changes.isEmpty();
  }

  List<Row> rows() {
    return changes.stream().map(Change::row).toList();
  }

  /** The rows of a transaction: these, then its own. */
  List<Row> with(List<Row> rows) {
    List<Change> now = changes;
    if (now.isEmpty()) {
      return rows;
    }
    List<Row> all = new ArrayList<>(now.size() + rows.size());
    now.forEach(change -> all.add(change.row()));
    all.addAll(rows);
    return all;
  }

  void add(List<Row> rows, List<Event> events) {
    List<Change> all = new ArrayList<>(changes.size() + rows.size());
    all.addAll(changes);
    for (int i = 0; i < rows.size(); i++) {
      Change change = new Change(rows.get(i), events.get(i));
      all.add(change);
      last.put(change.row().key(), change);
    }
    changes = List.copyOf(all);
  }

  /** The database has them now. */
  void clear() {
    changes = List.of();
    last.clear();
  }

  /** Where the log stands with these, given where the database stands. */
  Standing over(Standing database) {
    List<Change> now = changes;
    if (now.isEmpty()) {
      return database;
    }
    Map<String, Entry> entries = new HashMap<>(database.entries());
    for (Change change : now) {
      entry(change)
          .ifPresentOrElse(
              entry -> entries.put(entry.key(), entry), () -> entries.remove(change.row().key()));
    }
    return new Standing(
        now.getLast().row().revision(), database.compacted(), database.swept(), entries);
  }

  /** What a key holds after a change. */
  static Optional<Entry> entry(Change change) {
    Row row = change.row();
    return row.value() == null
        ? Optional.empty()
        : Optional.of(new Entry(row.key(), row.value(), row.created(), row.revision()));
  }
}
